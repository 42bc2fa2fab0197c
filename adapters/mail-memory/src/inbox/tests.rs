use mailer::{Backend as _, Context, Email, ErrorKind, Mailer, Outcome, Registry, Renderer, Retry};

use super::*;
use crate::{Memory, Options};

fn email(to: &str, subject: &str) -> Email {
    let from: Address = "vault@example.org".parse().unwrap();
    Email::new(from, to.parse::<Address>().unwrap()).subject(subject)
}

fn setting() -> (Mailer, Inbox) {
    let (memory, inbox) = Memory::new();
    (Mailer::new(memory, Renderer::system()), inbox)
}

#[tokio::test]
async fn a_mail_can_be_read_in_all_its_parts() {
    let (mailer, inbox) = setting();
    let rich = email("a@example.com", "Grüße")
        .text("Zeile ä\nzwei\n")
        .html("<p>ä</p>")
        .inline("logo", "image/png", vec![1, 2])
        .attach("n.txt", "text/plain", "note")
        .header("X-Note", "eins zwei")
        .kind("greeting");
    let receipt = mailer.send(&rich).await.unwrap();
    let mail = inbox.one();
    assert_eq!(receipt.provider_id.as_deref(), Some(mail.provider_id()));
    assert_eq!((mail.subject().as_str(), mail.kind()), ("Grüße", Some("greeting")));
    assert_eq!(mail.text().as_deref(), Some("Zeile ä\nzwei\n"));
    assert_eq!(mail.html().as_deref(), Some("<p>ä</p>"));
    assert_eq!(mail.inline("logo"), Some(vec![1, 2]));
    assert_eq!(mail.attachment("n.txt"), Some(b"note".to_vec()));
    assert_eq!(mail.header("x-note").as_deref(), Some("eins zwei"));
    assert_eq!(mail.to(), ["a@example.com"]);
    assert_eq!(inbox.sent_of_kind("greeting").len(), 1);
    assert_eq!(inbox.sent_of_kind("other").len(), 0);
}

#[tokio::test]
async fn a_missing_body_is_none() {
    let (mailer, inbox) = setting();
    mailer.send(&email("a@example.com", "s").html("<p>x</p>")).await.unwrap();
    assert_eq!((inbox.one().text(), inbox.one().html().as_deref()), (None, Some("<p>x</p>\n")));
}

#[tokio::test]
async fn inboxes_are_apart_and_can_be_narrowed() {
    let ((mailer, inbox), (_, other)) = (setting(), setting());
    mailer.send(&email("a@example.com", "one")).await.unwrap();
    mailer.send(&email("b@example.com", "two")).await.unwrap();
    let narrow = inbox.of("b@example.com".parse().unwrap());
    assert_eq!(narrow.one().subject(), "two");
    assert_eq!(narrow.take().len(), 1);
    assert_eq!(inbox.one().subject(), "one");
    other.assert_none();
}

#[tokio::test]
async fn the_oldest_makes_room() {
    let memory = Memory::with(Options { capacity: 2, ..Options::default() });
    let (mailer, inbox) = (Mailer::new(memory.clone(), Renderer::system()), memory.inbox());
    for subject in ["one", "two", "three"] {
        mailer.send(&email("a@example.com", subject)).await.unwrap();
    }
    assert_eq!(inbox.sent().iter().map(Sent::subject).collect::<Vec<_>>(), ["two", "three"]);
}

#[tokio::test]
async fn failures_come_once_and_in_order() {
    let (mailer, inbox) = setting();
    inbox.fail_next(Error::new(ErrorKind::Timeout, ""));
    inbox.fail_next(Error::new(ErrorKind::Throttled, ""));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(mailer.send(&email("a@example.com", "s")).await);
    }
    assert_eq!(answers[0].as_ref().unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(answers[1].as_ref().unwrap_err().retry(), Retry::Backoff);
    assert!(answers[2].is_ok());
    inbox.one();
}

#[tokio::test]
async fn waiting_ends_when_the_mails_are_there() {
    let (mailer, inbox) = setting();
    let waiting = tokio::spawn({
        let inbox = inbox.clone();
        async move { inbox.wait_for(2, Duration::from_mins(1)).await.len() }
    });
    tokio::task::yield_now().await;
    for _ in 0..2 {
        mailer.send(&email("a@example.com", "s")).await.unwrap();
    }
    assert_eq!(waiting.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_in_vain_ends() {
    let (mailer, inbox) = setting();
    mailer.send(&email("a@example.com", "alone")).await.unwrap();
    let waiting = tokio::spawn(async move { inbox.wait_for(2, Duration::from_hours(1)).await.len() });
    let panic = waiting.await.unwrap_err().into_panic();
    assert!(panic.downcast_ref::<String>().unwrap().contains("alone"));
}

#[tokio::test(start_paused = true)]
async fn a_script_is_played_step_by_step() {
    let (mailer, inbox) = setting();
    inbox.script([
        Step::Wait(Duration::from_secs(5)),
        Step::Fail(Error::new(ErrorKind::Throttled, "")),
        Step::Take,
        Step::LoseAnswer(Error::new(ErrorKind::Unavailable, "")),
    ]);
    let began = tokio::time::Instant::now();
    let mail = email("a@example.com", "s");
    assert_eq!(mailer.send(&mail).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(began.elapsed(), Duration::from_secs(5), "on the paused clock");
    assert!(mailer.send(&mail).await.is_ok());
    assert_eq!(mailer.send(&mail).await.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(inbox.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delay_ends_at_the_deadline_and_sends_nothing() {
    let (memory, inbox) = Memory::new();
    inbox.script([Step::Wait(Duration::from_hours(1))]);
    let mail = email("a@example.com", "s").render(&Renderer::system()).unwrap();
    let cx = Context::new().with_deadline((tokio::time::Instant::now() + Duration::from_mins(1)).into_std());
    let error = memory.deliver(&mail, &cx).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied));
    inbox.assert_none();
}

#[tokio::test]
async fn what_is_unavailable_fails_until_it_is_back() {
    let (mailer, inbox) = setting();
    inbox.set_unavailable(true);
    assert_eq!(mailer.send(&email("a@example.com", "s")).await.unwrap_err().retry(), Retry::Backoff);
    inbox.set_unavailable(false);
    mailer.send(&email("a@example.com", "s")).await.unwrap();
    inbox.one();
}

#[tokio::test]
async fn views_narrow_each_other() {
    let (mailer, inbox) = setting();
    for (reader, kind) in [("a@example.com", "invite"), ("b@example.com", "invite"), ("a@example.com", "otp")]
    {
        mailer.send(&email(reader, reader).kind(kind)).await.unwrap();
    }
    let ann = inbox.of("a@example.com".parse().unwrap());
    assert_eq!((ann.sent().len(), inbox.kind("invite").sent().len()), (2, 2));
    assert_eq!(ann.kind("otp").one().subject(), "a@example.com");
    ann.kind("welcome").assert_none();
}

#[test]
fn urls_set_the_options() {
    let registry = Registry::new().with("memory", |url| {
        Memory::from_url(url).map(|memory| Arc::new(memory) as Arc<dyn mailer::Backend>)
    });
    assert_eq!(registry.open("memory:?max_recipients=7").unwrap().capabilities().max_recipients, Some(7));
    let error = registry.open("memory:?capacity=many").unwrap_err();
    assert!(error.to_string().contains("capacity"), "{error}");
    assert!(registry.open("memory:?size=1").is_err());
}
