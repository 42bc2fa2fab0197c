//! What a connection notices about its own statements.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// Called with the text of each statement, without its bound values. See
/// [`PoolOptions::observe`](crate::PoolOptions::observe).
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether a statement of the present unit of work has failed.
///
/// Postgres answers a `COMMIT` after a failed statement with a rollback, and calls that a success. SQLite would commit
/// the rest. So the pool must know, whatever the body makes of the error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed(Arc<AtomicBool>);

impl Failed {
    pub(crate) fn set(&self, failed: bool) {
        self.0.store(failed, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Diesel's hook, on every connection of a pool.
pub(crate) struct Watch {
    pub(crate) observe: Option<Observer>,
    pub(crate) failed: Failed,
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                if let Some(observe) = &self.observe {
                    let text = query.to_string();
                    // Diesel appends the bound values, which are nobody's business.
                    observe(text.split_once(" -- binds: ").map_or(text.as_str(), |(sql, _)| sql));
                }
            }
            InstrumentationEvent::FinishQuery { error: Some(_), .. } => self.failed.set(true),
            _ => {}
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("failed", &self.failed).finish_non_exhaustive()
    }
}
