//! Remembers what was counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit,
};

/// Sums by name and labels: of a counter its value, of a histogram how often something was recorded.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<BTreeMap<String, Arc<Sum>>>);

#[derive(Debug, Default)]
pub(super) struct Sum(AtomicU64);

impl Recorder {
    fn sum(&self, key: &Key) -> Arc<Sum> {
        let mut labels =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect::<Vec<_>>();
        labels.sort();
        let name = format!("{}{}", key.name(), labels.concat());
        Arc::clone(self.0.lock().expect("not poisoned").entry(name).or_default())
    }

    /// All that is not zero.
    pub(super) fn counted(&self) -> BTreeMap<String, u64> {
        let sums = self.0.lock().expect("not poisoned");
        let values = sums.iter().map(|(name, sum)| (name.clone(), sum.0.load(Ordering::Relaxed)));
        values.filter(|(_, value)| *value > 0).collect()
    }
}

/// The counters alone.
pub(super) fn counts(counted: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let counters = counted.iter().filter(|(name, _)| name.contains("_total"));
    counters.map(|(name, value)| (name.clone(), *value)).collect()
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Sum {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.sum(key))
    }
}
