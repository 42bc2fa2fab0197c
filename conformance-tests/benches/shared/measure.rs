//! Both sides of a comparison, interleaved, and what can be said about their ratio.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures_util::future::LocalBoxFuture;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

/// How often each pair is drawn to find the interval. Enough for two digits.
const RESAMPLES: usize = 2000;

/// One way to do the work of a benchmark. Each run does the same amount of it.
pub(crate) struct Contender {
    name: &'static str,
    run: Box<dyn Fn() -> LocalBoxFuture<'static, ()>>,
}

/// A question: how many times as fast is ours, for the same work?
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    pub(crate) ours: Contender,
    pub(crate) against: Vec<(Contender, Goal)>,
}

/// What ours should reach against one of the others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At least this many times as fast.
    Speed(f64),
    /// Told for comparison only.
    None,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) benchmark: &'static str,
    pub(crate) against: &'static str,
    /// How many times as fast ours is: the median of the rounds.
    pub(crate) speed: f64,
    /// 95 of 100 resamplings of the rounds lie in here.
    pub(crate) interval: (f64, f64),
    pub(crate) goal: Goal,
    /// The median time of one run: ours, theirs.
    pub(crate) times: (Duration, Duration),
}

impl Contender {
    pub(crate) fn new<F, R>(name: &'static str, run: F) -> Self
    where
        F: Fn() -> R + 'static,
        R: Future<Output = ()> + 'static,
    {
        Self { name, run: Box::new(move || Box::pin(run())) }
    }

    async fn time(&self) -> Duration {
        let begun = Instant::now();
        (self.run)().await;
        begun.elapsed()
    }
}

impl Benchmark {
    /// Runs every contender twice a round, there and back again, so that a drift of the machine meets all alike.
    pub(crate) async fn compare(&self, rounds: usize) -> Vec<Compared> {
        let all = std::iter::once(&self.ours).chain(self.against.iter().map(|(contender, _)| contender));
        let all = all.collect::<Vec<_>>();
        for contender in &all {
            contender.time().await; // Caches are warm for everybody.
        }
        let mut times = vec![Vec::with_capacity(rounds); all.len()];
        for _ in 0..rounds {
            let mut sums = vec![Duration::ZERO; all.len()];
            for index in (0..all.len()).chain((0..all.len()).rev()) {
                sums[index] += all[index].time().await;
            }
            for (times, sum) in times.iter_mut().zip(sums) {
                times.push(sum / 2);
            }
        }
        let (ours, others) = times.split_first().expect("ours is one of them");
        let pairs = self.against.iter().zip(others);
        pairs.map(|((contender, goal), theirs)| self.judge(contender, *goal, ours, theirs)).collect()
    }

    fn judge(&self, contender: &Contender, goal: Goal, ours: &[Duration], theirs: &[Duration]) -> Compared {
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| theirs.as_secs_f64() / ours.as_secs_f64());
        let ratios = ratios.collect::<Vec<_>>();
        let seconds = |times: &[Duration]| median(times.iter().map(Duration::as_secs_f64).collect());
        Compared {
            benchmark: self.name,
            against: contender.name,
            speed: median(ratios.clone()),
            interval: interval(&ratios),
            goal,
            times: (Duration::from_secs_f64(seconds(ours)), Duration::from_secs_f64(seconds(theirs))),
        }
    }
}

impl Compared {
    /// Whether the goal is reached, if there is one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.goal {
            Goal::Speed(speed) => Some(self.speed >= speed),
            Goal::None => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let goal = match self.goal {
            Goal::Speed(speed) => json!(speed),
            Goal::None => Value::Null,
        };
        json!({
            "benchmark": self.benchmark,
            "against": self.against,
            "times_as_fast": self.speed,
            "interval": [self.interval.0, self.interval.1],
            "goal": goal,
            "met": self.is_met(),
            "seconds": [self.times.0.as_secs_f64(), self.times.1.as_secs_f64()],
        })
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { benchmark, against, speed, interval: (low, high), times: (ours, theirs), .. } = self;
        write!(f, "{benchmark:<34} {against:<26} {speed:>8.2}x [{low:.2}, {high:.2}]")?;
        write!(f, "  {ours:>10.2?} {theirs:>10.2?}")?;
        match (self.goal, self.is_met()) {
            (Goal::Speed(speed), Some(true)) => write!(f, "  goal {speed:.2}x: met"),
            (Goal::Speed(speed), _) => write!(f, "  goal {speed:.2}x: MISSED"),
            (Goal::None, _) => Ok(()),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// A bootstrap interval of the median. Seeded, so that the same rounds give the same interval.
fn interval(ratios: &[f64]) -> (f64, f64) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut draw = || median((0..ratios.len()).map(|_| ratios[rng.random_range(0..ratios.len())]).collect());
    let mut medians = (0..RESAMPLES).map(|_| draw()).collect::<Vec<_>>();
    medians.sort_by(f64::total_cmp);
    (medians[RESAMPLES / 40], medians[RESAMPLES - 1 - RESAMPLES / 40])
}
