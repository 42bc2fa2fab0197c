//! Backends that stand before other ones and change one thing about them.
//!
//! Each is a plain struct around a [`Backend`](crate::Backend) and is one itself, so they stack and pass the same suite.
//! None promises more than what it holds. What it refuses unasked, because it is too late or asks for too much, it refuses
//! for that reason also after it was closed; everything else is then [`Closed`](crate::ErrorKind::Closed).
//!
//! | Layer | For | In a URL |
//! |---|---|---|
//! | `Observed` | spans and metrics; needs the feature `observe` | |
//! | [`Redirected`] | staging, where nobody outside may get a mail | `redirect(url)?to=…` |
//! | [`Suppressed`] | addresses that are not to be written to | |
//! | [`Retried`] | trouble that passes within seconds | `retry(url)?attempts=3` |
//! | [`Failover`] | a second provider for when the first is down | `failover(url url)?retry=60s` |
//! | [`RoundRobin`] | several providers that share the mails | `roundrobin(url url)?retry=60s` |
//! | [`RateLimited`] | a provider that allows so many recipients a second | `limit(url)?per_second=10` |
//!
//! # In which order
//!
//! From the outside in, as in the table. [`Mailer::layer`](crate::Mailer::layer) adds the outermost last:
//!
//! ```
//! # use mailer::{Backend, Entropy, Error, Mailer, Renderer};
//! # use mailer::layers::{Failover, MemorySuppressions, Rate, RateLimited, Retried, RetryPolicy, Suppressed};
//! # use std::sync::Arc;
//! # fn example(ses: Arc<dyn Backend>, smtp: Arc<dyn Backend>) -> Result<Mailer, Error> {
//! let ses: Arc<dyn Backend> = Arc::new(RateLimited::new(ses, Rate::per_second(14.0)?));
//! let mailer = Mailer::new(Failover::new([ses, smtp])?, Renderer::system())
//!     .layer(|backend| Retried::new(backend, RetryPolicy::default(), Entropy::system()))
//!     .layer(|backend| Suppressed::new(backend, MemorySuppressions::new()).learning());
//! // With the feature `observe`: `.layer(|backend| Observed::new(backend, "accounts"))`
//! # Ok(mailer)
//! # }
//! ```
//!
//! * `Observed` stands outermost and counts mails as the application sends them. Another one below [`Retried`] counts
//!   attempts; give it another name.
//! * [`Redirected`] stands outside of [`Suppressed`], so that what is tried neither uses nor changes the list of real
//!   addresses.
//! * [`Suppressed`] stands outside of [`Retried`]: one look for one mail.
//! * [`Retried`] stands outside of [`Failover`]: another way now is better than the same way later. Inside, it would wait
//!   out its pauses at a provider that is down.
//! * [`RateLimited`] stands next to its backend: the rate is that provider's, and every attempt counts.
//!
//! # What they cost
//!
//! Each mail through a layer is one more boxed future, as with every `async` method of a trait object. Beyond that:
//!
//! | Layer | For each mail |
//! |---|---|
//! | [`Redirected`] | a new envelope |
//! | [`Suppressed`] | one look at the list |
//! | [`Retried`] | nothing until something fails |
//! | [`Failover`], [`RoundRobin`] | a lock for each backend, never waited for |
//! | [`RateLimited`] | its turn |
//! | `Observed` | a few atomic additions and a span |

mod failover;
#[cfg(feature = "observe")]
mod observed;
mod rate_limited;
mod redirected;
mod retried;
mod round_robin;
mod several;
mod suppressed;

pub use failover::Failover;
#[cfg(feature = "observe")]
pub use observed::Observed;
pub use rate_limited::{Rate, RateLimited};
pub use redirected::Redirected;
pub use retried::{Retried, RetryPolicy};
pub use round_robin::RoundRobin;
pub use suppressed::{MemorySuppressions, Suppressed, SuppressionList, SuppressionReason};
