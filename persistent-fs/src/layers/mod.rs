//! Backends that stand before another one and change one thing about it.
//!
//! Each is a plain struct around a [`Backend`](crate::Backend) and is one itself, so they stack in any order and pass
//! the same suite. None adds a capability.
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
//!
//! A layer takes any backend, also one that is a pointer, so a handle can be wrapped after it was made:
//! `Files::new(Layer::new(files.backend()))`.
//!
//! # Recipes
//!
//! A quota for each customer, on one store. Each scope counts its own objects, so two customers do not wait for each
//! other; keep the handles, because opening one lists what is there:
//!
//! ```
//! # use persistent_fs::{Error, Files, layers::{Limited, Limits}};
//! async fn of_customer(store: &Files, id: &str) -> Result<Files, Error> {
//!     let scope = store.scoped(&format!("customers/{id}"))?;
//!     let limits = Limits { quota: Some(5 << 30), max_size: Some(500 << 20), ..Limits::default() };
//!     Ok(Files::new(Limited::open(scope.backend(), limits).await?))
//! }
//! ```
//!
//! A job that reports on a store and must not be able to change it, however wrong it is:
//!
//! ```
//! # use persistent_fs::{Files, layers::ReadOnly};
//! # fn report(files: Files) {}
//! # fn example(store: &Files) {
//! report(Files::new(ReadOnly::new(store.backend())));
//! # }
//! ```
//!
//! What an application makes of an upload whose answer was lost, as a test. The object is there, and the application
//! was told that nobody knows:
//!
//! ```
//! # use persistent_fs::{ErrorKind, Files, Outcome, layers::{Fault, Faults, Faulty, Operation}};
//! # async fn save_invoice(files: &Files) -> Result<(), String> { Ok(()) }
//! # async fn example(store: Files) {
//! let lost = Fault::After(ErrorKind::Timeout, Outcome::Unknown);
//! let faulty = Faulty::new(store.backend(), Faults::none().nth(Operation::Finish, 1, lost));
//! save_invoice(&Files::new(faulty.clone())).await.expect("it looks before it gives up");
//! assert_eq!(faulty.calls(Operation::Finish), 1);
//! # }
//! ```
//!
//! # What they cost
//!
//! Each call through a layer is one more boxed future, as with every `async` method of a trait object. Beyond that:
//!
//! | Layer | For each call |
//! |---|---|
//! | [`Prefixed`] | a new key |
//! | [`Retried`] | nothing until something fails; a stream around each body and listing |
//! | [`Limited`] | a place at the gate; with a quota a `head` for each write and removal |
//! | `Observed` | a few atomic additions; with somebody listening, a span and the hash of a key |
//! | [`Faulty`] | a count and a look at the plan |

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
