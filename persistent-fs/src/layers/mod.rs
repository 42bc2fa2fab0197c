//! Backends that stand before another one and change one thing about it.

mod faulty;
mod operation;
mod prefixed;
mod read_only;
mod retried;

pub use faulty::{Fault, Faults, Faulty};
pub use operation::Operation;
pub use prefixed::Prefixed;
pub use read_only::ReadOnly;
pub use retried::{Jitter, Retried, RetryPolicy};
