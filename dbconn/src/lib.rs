//! Contract for database connections whose credentials rotate.
