//! Backends that stand before another one and change one thing about it.
//!
//! Each is a plain struct around a [`Backend`](crate::Backend) and is one itself, so they stack in any order and pass the
//! same suite. None adds a capability.
//!
//! | Layer | For | Takes away |
//! |---|---|---|
//! | [`Prefixed`] | a part of a store as a store of its own; [`Files::scoped`](crate::Files::scoped) makes one | |
//! | [`ReadOnly`] | a replica, a restore, a job that must not write | all that writes |
//! | [`Retried`] | a network between here and the storage | |
//! | [`Limited`] | a largest size, a number of calls at once, a quota | upload links, under a size limit or a quota |
//! | `Observed` | spans and metrics; needs the feature `observe` | |
//! | [`Faulty`] | tests: what an application makes of a store that fails | |
//!
//! # In which order
//!
//! A call goes through the outermost layer first. This order suits most programs:
//!
//! ```
//! # use persistent_fs::{Backend, Error, Files, layers::{Jitter, Limited, Limits, Retried, RetryPolicy}};
//! # async fn example(backend: impl Backend) -> Result<Files, Error> {
//! let limits = Limits { max_concurrent: Some(64), ..Limits::default() };
//! let limited = Limited::open(backend, limits).await?;
//! let retried = Retried::new(limited, RetryPolicy::default(), Jitter::system());
//! // With the feature `observe`: `let observed = Observed::new(retried, "attachments");`
//! let files = Files::new(retried);
//! # Ok(files)
//! # }
//! ```
//!
//! * `Observed` stands outermost and counts calls as the application makes them. A second one below [`Retried`] counts
//!   attempts; give it another name.
//! * [`Retried`] stands above [`Limited`], or a call would keep its place among those at once while it pauses.
//! * [`Limited`] stands above a [`Prefixed`] to limit the part, below it to limit the whole.
//! * [`ReadOnly`] stands where the handle is given away, outside of everything.
//! * [`Faulty`] stands in the place of what is to fail: mostly next to the backend.

mod faulty;
mod limited;
#[cfg(feature = "observe")]
mod observed;
mod operation;
mod prefixed;
mod read_only;
mod retried;

pub use faulty::{Fault, Faults, Faulty};
pub use limited::{Limited, Limits};
#[cfg(feature = "observe")]
pub use observed::Observed;
pub use operation::Operation;
pub use prefixed::Prefixed;
pub use read_only::ReadOnly;
pub use retried::{Jitter, Retried, RetryPolicy};
