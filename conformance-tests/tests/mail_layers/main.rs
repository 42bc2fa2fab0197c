//! A layer is a backend, so the whole suite for mail runs through each, over memory, through all of them at once, and
//! through a stack that a URL names.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::mailer::{Delivered, Harness, Observer, Setting, cases_for};
use conformance_tests::{Absent, run_all, trials};
use mail_memory::{Inbox, Memory, Options, Sent};
use mailer::layers::{
    Failover, MemorySuppressions, Observed, Rate, RateLimited, Redirected, Retried, RetryPolicy, RoundRobin,
    Suppressed,
};
use mailer::{
    Address, Backend, BackendUrl, Capabilities, Context, Entropy, Error, ErrorKind, Outcome, Outgoing,
    Receipt, Registry,
};

fn main() -> ExitCode {
    let labelled: [(&str, Layer, Attempts); 11] = [
        ("through_retried", retried, Attempts::One),
        ("through_retried_over_faults", |inner| retried(shaky(inner)), Attempts::Several),
        ("through_failover", |inner| failover(vec![inner]), Attempts::One),
        (
            "through_failover_behind_a_dead_one",
            |inner| failover(vec![down(&inner), inner]),
            Attempts::Several,
        ),
        ("through_round_robin", round_robin, Attempts::One),
        ("through_rate_limited", rate_limited, Attempts::One),
        ("through_suppressed", suppressed, Attempts::One),
        ("through_redirected", redirected, Attempts::One),
        ("through_observed", observed, Attempts::One),
        ("through_all", all, Attempts::Several),
        ("through_a_url", by_url, Attempts::Several),
    ];
    let mut every = Vec::new();
    for (label, layer, attempts) in labelled {
        let harness: Arc<dyn Harness> = Arc::new(Through(layer));
        // Where a layer makes several attempts of one, the receipt says so; the rules for layers look at that.
        let counts = "receipt::it_tells_who_took_the_mail_and_at_which_attempt";
        let concerned = |name: &str| attempts == Attempts::One || name != counts;
        let cases =
            cases_for(&*harness).into_iter().filter(|case| !case.is_heavy() && concerned(case.name()));
        every.extend(trials(label, &harness, cases));
    }
    run_all(env!("CARGO_PKG_NAME"), every)
}

type Layer = fn(Arc<dyn Backend>) -> Arc<dyn Backend>;

/// How many attempts a layer makes of one here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempts {
    One,
    Several,
}

fn entropy() -> Entropy {
    Entropy::new(|| [0; 16])
}

/// As often as it takes, and at once: the suite has no time to lose.
fn retried(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let policy = RetryPolicy { attempts: 99, first_pause: Duration::ZERO, ..RetryPolicy::default() };
    Arc::new(Retried::new(inner, policy, entropy()))
}

fn failover(backends: Vec<Arc<dyn Backend>>) -> Arc<dyn Backend> {
    Arc::new(Failover::new(backends).expect("there are some"))
}

/// Two ways to the same place.
fn round_robin(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(RoundRobin::new([Arc::clone(&inner), inner], &entropy()).expect("there are some"))
}

/// A rate that the suite does not notice.
fn rate_limited(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(RateLimited::new(inner, Rate::per_second(1e6).expect("a rate").with_burst(10_000)))
}

/// An empty list; nobody of the suite is on it.
fn suppressed(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Suppressed::new(inner, MemorySuppressions::new()).learning())
}

/// Everybody the suite writes to is one of us.
fn redirected(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let inbox: Address = "staging@example.test".parse().expect("an address");
    let ours = ["example.com", "example.org", "example.net", "müller.example", "b", "d"];
    Arc::new(Redirected::new(inner, inbox).allowing(ours))
}

fn observed(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Observed::new(inner, "suite"))
}

/// All of them, in their order.
fn all(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let limited = rate_limited(shaky(inner));
    let failover = failover(vec![down(&limited), round_robin(limited)]);
    observed(redirected(suppressed(retried(failover))))
}

/// The same, as an operator would write it.
fn by_url(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let dead = down(&inner);
    let registry = Registry::new()
        .with("memory", move |_: &mut BackendUrl| Ok(Arc::clone(&inner)))
        .with("down", move |_: &mut BackendUrl| Ok(Arc::clone(&dead)));
    let url = "redirect(retry(failover(down: roundrobin(limit(memory:)?per_second=1000000&burst=9999 memory:))?retry=2m)\
               ?attempts=4&first_pause=0)?to=staging@example.test&allow=example.com,example.org,example.net,xn--mller-kva.example";
    registry.open(url).expect("a sound URL")
}

/// Fails every other time, before anything is sent.
fn shaky(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Faulty { inner, fails: |call| call % 2 == 0, calls: AtomicUsize::new(0) })
}

/// Fails every time.
fn down(inner: &Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Faulty { inner: Arc::clone(inner), fails: |_| true, calls: AtomicUsize::new(0) })
}

/// A backend that cannot be reached at times.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn Backend>,
    fails: fn(usize) -> bool,
    calls: AtomicUsize,
}

impl Faulty {
    fn reach(&self) -> Result<(), Error> {
        if (self.fails)(self.calls.fetch_add(1, Ordering::Relaxed)) {
            return Err(Error::new(ErrorKind::Unavailable, "out of reach").with_outcome(Outcome::NotApplied));
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        // A closed one is not out of reach, and a mail that is too late does not try to get there.
        self.inner.check().await?;
        cx.admit()?;
        self.reach()?;
        self.inner.deliver(mail, cx).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await?;
        if (self.fails)(1) { self.reach() } else { Ok(()) }
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Gives each case a memory below a layer.
struct Through(Layer);

#[derive(Debug)]
struct Reader(Inbox);

#[async_trait]
impl Harness for Through {
    async fn open(&self) -> Result<Setting, Absent> {
        let options = Options { max_recipients: Some(60), max_bytes: Some(16 << 20), ..Options::default() };
        let memory = Memory::with(options);
        let observer = Arc::new(Reader(memory.inbox()));
        Ok(Setting { backend: (self.0)(Arc::new(memory)), observer })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        let memory: Arc<dyn Backend> = Arc::new(Memory::with(Options::default()));
        Ok((self.0)(down(&memory)))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        let read = |sent: &Sent| Delivered {
            from: sent.mail().envelope().from().cloned(),
            to: sent.mail().envelope().to().to_vec(),
            raw: sent.mail().raw().clone(),
            provider_id: Some(sent.provider_id().to_owned()),
        };
        self.0.sent().iter().map(read).collect()
    }
}
