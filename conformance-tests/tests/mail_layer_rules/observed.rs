//! Each delivery is counted once and has one span, and nothing is told that should not be.

#[path = "../layer_rules/observed/recorder.rs"]
mod recorder;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use mailer::layers::{Observed, Retried, RetryPolicy};
use mailer::{Address, Backend, Context, Email, Mailer, Outgoing, Refused, Renderer};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::bench::{Answer, DOWN, SECOND, Script, UNSURE, address, drawing};
use recorder::{Recorder, counts};

fn mail(kind: Option<&'static str>) -> Outgoing {
    let mut email = Email::new(address("vault@example.org"), address("geheim@example.com"))
        .to(address("bob@example.com"))
        .subject("geheim")
        .text("geheim");
    email.kind = kind.map(Into::into);
    email.render(&Renderer::system()).expect("it can be rendered")
}

#[tokio::test(start_paused = true)]
async fn each_delivery_is_counted_once_whatever_came_of_it() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let refused = vec![Refused { address: address("bob@example.com"), permanent: true, reply: None }];
    let answers = [
        Answer::Takes,
        Answer::TakesBut(refused),
        Answer::Fails(DOWN),
        Answer::Fails(UNSURE),
        Answer::Fails(UNSURE),
        Answer::Takes,
    ];
    let layer = Observed::new(Script::slow("it", SECOND, answers), "m");
    for kind in ["otp", "otp", "otp", "otp", "invite"] {
        drop(layer.deliver(&mail(Some(kind)), &Context::new()).await);
    }
    tokio::time::timeout(SECOND / 2, layer.deliver(&mail(None), &Context::new()))
        .await
        .expect_err("it is slow");
    let counted = recorder.counted();
    let expected = [
        ("mailer_deliveries_total kind=otp mailer=m", 4),
        ("mailer_deliveries_total kind=invite mailer=m", 1),
        ("mailer_deliveries_total kind=none mailer=m", 1),
        ("mailer_cancelled_total kind=none mailer=m", 1),
        ("mailer_errors_total error=unavailable kind=otp mailer=m outcome=not_applied", 1),
        ("mailer_errors_total error=unavailable kind=otp mailer=m outcome=unknown", 1),
        ("mailer_errors_total error=unavailable kind=invite mailer=m outcome=unknown", 1),
        ("mailer_recipients_total kind=otp mailer=m", 3),
        ("mailer_refused_recipients_total kind=otp mailer=m", 1),
    ];
    let expected: BTreeMap<String, u64> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(counts(&counted), expected);
    assert_eq!(counted["mailer_duration_seconds kind=otp mailer=m"], 4);
    // Every delivery ended in one way: well, in an error, or cancelled.
    let sum =
        |name: &str| counted.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, n)| n).sum::<u64>();
    let well = 2;
    assert_eq!(sum("mailer_deliveries"), well + sum("mailer_errors") + sum("mailer_cancelled"));
}

/// Where a subscriber writes to.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test(start_paused = true)]
async fn each_delivery_has_one_span_that_tells_what_came_of_it() {
    let (lines, _here) = listen();
    let script =
        Script::slow("provider", SECOND, [Answer::Fails(DOWN), Answer::Takes, Answer::Fails(UNSURE)]);
    let policy = RetryPolicy { first_pause: SECOND, ..RetryPolicy::default() };
    let layer = Observed::new(Retried::new(script, policy, drawing(255)), "m");
    layer.deliver(&mail(Some("otp")), &Context::new()).await.expect("the second is taken");
    layer.deliver(&mail(None), &Context::new().with_attempt(4)).await.expect_err("nobody knows");
    let text = lines.text();
    let spans: Vec<&str> = text.lines().filter(|line| line.contains("mail_delivery{")).collect();
    let [taken, failed] = spans[..] else { panic!("not two spans: {text}") };
    for field in [
        "mailer=\"m\"",
        "kind=\"otp\"",
        "attempt=1",
        "via=\"provider\"",
        "attempts=2",
        "result=\"ok\"",
        "duration_ms=3",
    ] {
        assert!(taken.contains(field), "{field} is not in {taken}");
    }
    for field in
        ["kind=\"none\"", "attempt=4", "result=\"unavailable\"", "outcome=\"unknown\"", "stage=\"prepare\""]
    {
        assert!(failed.contains(field), "{field} is not in {failed}");
    }
}

#[tokio::test]
async fn no_address_subject_or_body_is_told_at_any_level() {
    let (lines, _here) = listen();
    let script = Script::new("provider", [Answer::Takes, Answer::Fails(DOWN)]);
    let mailer = Mailer::new(Observed::new(script, "m"), Renderer::system());
    for _ in 0..2 {
        drop(mailer.deliver(&mail(Some("otp"))).await);
    }
    let text = lines.text();
    assert!(text.contains("mail handed over") && text.contains("mail not handed over"), "{text}");
    assert!(!text.contains("geheim"), "{text}");
    let local: Address = address("geheim@example.com");
    assert!(text.contains(&local.masked()), "support cannot see where mails go: {text}");
}
