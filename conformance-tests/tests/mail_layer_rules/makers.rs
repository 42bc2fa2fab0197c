//! Who makes the layers under test: the ones that are, and ones with a slip each.

use std::sync::Arc;
use std::time::Duration;

use mailer::layers::{
    Failover, MemorySuppressions, Rate, RateLimited, Redirected, Retried, RetryPolicy, RoundRobin, Suppressed,
};
use mailer::{Address, Backend, Entropy};

/// A layer, as a rule sees it.
pub(crate) type Layer = Arc<dyn Backend>;

/// Makes layers around backends.
pub(crate) trait Makes: Send + Sync {
    fn retried(&self, inner: Layer, policy: RetryPolicy, entropy: Entropy) -> Layer {
        Arc::new(Retried::new(inner, policy, entropy))
    }

    fn failover(&self, backends: Vec<Layer>, dead_for: Duration) -> Layer {
        Arc::new(Failover::new(backends).expect("there are some").dead_for(dead_for))
    }

    fn round_robin(&self, backends: Vec<Layer>, entropy: Entropy) -> Layer {
        Arc::new(RoundRobin::new(backends, &entropy).expect("there are some"))
    }

    /// The layer, and how to change its rate.
    fn rate_limited(&self, inner: Layer, rate: Rate) -> (Layer, Box<dyn Fn(Rate)>) {
        let limited = RateLimited::new(inner, rate);
        (Arc::new(limited.clone()), Box::new(move |rate| limited.set_rate(rate)))
    }

    fn suppressed(&self, inner: Layer, list: MemorySuppressions, learning: bool) -> Layer {
        let suppressed = Suppressed::new(inner, list);
        Arc::new(if learning { suppressed.learning() } else { suppressed })
    }

    fn redirected(&self, inner: Layer, inbox: Address, allowed: &[&str]) -> Layer {
        Arc::new(Redirected::new(inner, inbox).allowing(allowed))
    }
}

/// The layers as they are.
pub(crate) struct Sound;

impl Makes for Sound {}
