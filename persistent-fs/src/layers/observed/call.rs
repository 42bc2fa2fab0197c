//! One call, from its beginning to its one end.

use std::{fmt, sync::Arc};

use metrics::{
    Counter, Histogram, SharedString, Unit, counter, describe_counter, describe_histogram, histogram,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{Span, debug_span, field};

use crate::{Error, Outcome, Result, layers::Operation};

const CALLS: &str = "persistent_fs_calls_total";
const ERRORS: &str = "persistent_fs_errors_total";
const CANCELLED: &str = "persistent_fs_cancelled_total";
const BYTES_IN: &str = "persistent_fs_bytes_in_total";
const BYTES_OUT: &str = "persistent_fs_bytes_out_total";
const DURATION: &str = "persistent_fs_duration_seconds";

/// What is counted for one operation. Found once, so that a call does not look for it.
#[derive(Clone)]
struct Meter {
    calls: Counter,
    cancelled: Counter,
    duration: Histogram,
}

/// The meters of one store. The errors' are looked up when one occurs: there are kinds that no store ever has.
pub(super) struct Meters {
    store: SharedString,
    show_keys: bool,
    operations: [Meter; Operation::COUNT],
    bytes_in: Counter,
    bytes_out: Counter,
}

impl Meters {
    pub(super) fn new(store: SharedString) -> Self {
        describe_counter!(CALLS, "Calls of a file store that have ended, one way or another");
        describe_counter!(ERRORS, "Calls that ended in an error, by its kind");
        describe_counter!(CANCELLED, "Calls that their caller gave up");
        describe_counter!(BYTES_IN, Unit::Bytes, "Bytes that the store took");
        describe_counter!(BYTES_OUT, Unit::Bytes, "Bytes that the store gave");
        describe_histogram!(DURATION, Unit::Seconds, "How long calls took, bodies and listings to their end");
        let none = Meter { calls: Counter::noop(), cancelled: Counter::noop(), duration: Histogram::noop() };
        let mut operations = std::array::from_fn(|_| none.clone());
        for operation in OBSERVED {
            let labels = [("store", store.clone()), ("operation", operation.as_str().into())];
            operations[operation as usize] = Meter {
                calls: counter!(CALLS, &labels),
                cancelled: counter!(CANCELLED, &labels),
                duration: histogram!(DURATION, &labels),
            };
        }
        let bytes_in = counter!(BYTES_IN, "store" => store.clone());
        let bytes_out = counter!(BYTES_OUT, "store" => store.clone());
        Self { store, show_keys: false, operations, bytes_in, bytes_out }
    }

    /// The same meters, for a layer that shows keys.
    pub(super) fn showing_keys(&self) -> Self {
        let Self { store, operations, bytes_in, bytes_out, .. } = self;
        let (bytes_in, bytes_out) = (bytes_in.clone(), bytes_out.clone());
        Self { store: store.clone(), show_keys: true, operations: operations.clone(), bytes_in, bytes_out }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters")
            .field("store", &self.store)
            .field("show_keys", &self.show_keys)
            .finish_non_exhaustive()
    }
}

/// The operations that are calls of their own. What is done to an upload belongs to the call that began it.
const OBSERVED: [Operation; 11] = [
    Operation::Head,
    Operation::Read,
    Operation::Writer,
    Operation::Delete,
    Operation::List,
    Operation::Put,
    Operation::Ingest,
    Operation::Copy,
    Operation::DeletePrefix,
    Operation::Link,
    Operation::Sweep,
];

/// A call under way. Dropped before it has ended, it was cancelled.
#[derive(Debug)]
pub(super) struct Call {
    meters: Arc<Meters>,
    operation: Operation,
    began: Instant,
    bytes: u64,
    ended: bool,
    pub(super) span: Span,
}

impl Call {
    /// Begins a call about a key or a prefix, or about the whole store.
    pub(super) fn begin(meters: &Arc<Meters>, operation: Operation, subject: &str) -> Self {
        let span = debug_span!(
            "persistent_fs",
            store = &*meters.store,
            operation = operation.as_str(),
            key = field::Empty,
            bytes = field::Empty,
            result = field::Empty,
            outcome = field::Empty,
        );
        if !span.is_disabled() && !subject.is_empty() {
            if meters.show_keys {
                span.record("key", subject);
            } else {
                span.record("key", field::display(Hashed(subject)));
            }
        }
        let meters = Arc::clone(meters);
        Self { meters, operation, began: Instant::now(), bytes: 0, ended: false, span }
    }

    /// Bytes that the store has taken or given.
    pub(super) fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        match self.operation {
            Operation::Read => self.meters.bytes_out.increment(bytes),
            _ => self.meters.bytes_in.increment(bytes),
        }
    }

    /// Ends the call one way or the other.
    pub(super) fn end<T>(&mut self, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(error),
        }
        result
    }

    /// Ends the call well. Whatever is said about it afterwards is not heard.
    pub(super) fn succeeded(&mut self) {
        self.close("ok");
    }

    /// Ends the call with an error, once.
    pub(super) fn failed(&mut self, error: &Error) {
        if self.ended {
            return;
        }
        let (kind, operation, store) =
            (error.kind().as_str(), self.operation.as_str(), self.meters.store.clone());
        counter!(ERRORS, "store" => store, "operation" => operation, "kind" => kind).increment(1);
        let outcome = match error.outcome() {
            Outcome::NotApplied => "not_applied",
            Outcome::Applied => "applied",
            Outcome::Unknown => "unknown",
        };
        self.span.record("outcome", outcome);
        self.close(kind);
    }

    /// The one place where a call is counted and timed.
    fn close(&mut self, result: &'static str) {
        if self.ended {
            return;
        }
        self.ended = true;
        let meter = &self.meters.operations[self.operation as usize];
        meter.calls.increment(1);
        meter.duration.record(self.began.elapsed());
        self.span.record("bytes", self.bytes);
        self.span.record("result", result);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.meters.operations[self.operation as usize].cancelled.increment(1);
            self.close("cancelled");
        }
    }
}

/// A key that can be recognised and not read, unless it can be guessed: a short hash of an e-mail address is no secret
/// to whoever has a list of addresses.
struct Hashed<'a>(&'a str);

impl fmt::Display for Hashed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = Sha256::digest(self.0.as_bytes());
        sum.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
