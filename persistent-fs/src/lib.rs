//! Contract for file storage: durable, honest about outcomes, swappable.
