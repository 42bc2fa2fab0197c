//! Who is not written to.

use async_trait::async_trait;
use mailer::events::{Bounce, Event, EventKind};
use mailer::layers::{MemorySuppressions, Suppressed, SuppressionList, SuppressionReason};
use mailer::{Address, Backend, Context, Error, ErrorKind, Outcome, Refused, Scope};

use crate::bench::{Answer, SECOND, Script, address, addresses, deliver, mail, mail_to, within};
use crate::makers::Makes;

crate::rules!["suppressed";
    who_is_listed_is_left_out_and_named,
    the_bytes_are_the_same_for_the_others,
    if_all_are_listed_nobody_is_asked,
    nobody_is_left_out_who_is_not_listed,
    it_learns_whom_a_provider_refuses_for_good,
    it_learns_only_if_asked_to,
    a_refusal_that_may_pass_is_not_remembered,
];

async fn list(addresses: &[&str]) -> MemorySuppressions {
    let list = MemorySuppressions::new();
    for one in addresses {
        list.add(&address(one), SuppressionReason::Manual).await.expect("memory takes it");
    }
    list
}

fn refused(text: &str, permanent: bool) -> Refused {
    Refused { address: address(text), permanent, reply: None }
}

const THREE: [&str; 3] = ["ann@example.com", "bob@example.com", "eve@example.com"];

async fn who_is_listed_is_left_out_and_named(makes: &dyn Makes) {
    let taken_but_bob = Answer::TakesBut(vec![refused("bob@example.com", false)]);
    let script = Script::new("it", [taken_but_bob]);
    let layer = makes.suppressed(script.clone(), list(&["Ann@example.com"]).await, false);
    let receipt = layer.deliver(&mail_to(&THREE), &Context::new()).await.expect("two are left");
    assert_eq!(script.calls()[0].to, addresses(&["bob@example.com", "eve@example.com"]));
    let named: Vec<_> = receipt.refused.iter().map(|one| (one.address.as_str(), one.permanent)).collect();
    assert_eq!(named, [("bob@example.com", false), ("ann@example.com", true)]);
}

async fn the_bytes_are_the_same_for_the_others(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer = makes.suppressed(script.clone(), list(&["ann@example.com"]).await, false);
    let mail = mail_to(&THREE);
    let receipt = layer.deliver(&mail, &Context::new()).await.expect("two are left");
    assert_eq!((&receipt.message_id, &script.calls()[0].raw), (mail.message_id(), mail.raw()));
    assert_eq!(script.calls()[0].from.as_ref(), mail.envelope().from());
}

async fn if_all_are_listed_nobody_is_asked(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer = makes.suppressed(script.clone(), list(&THREE).await, false);
    let error = layer.deliver(&mail_to(&THREE), &Context::new()).await.expect_err("nobody is left");
    assert_eq!((error.kind(), error.scope()), (ErrorKind::Suppressed, Scope::Recipients));
    assert_eq!((error.outcome(), error.refused().len(), script.count()), (Outcome::NotApplied, 3, 0));
}

async fn nobody_is_left_out_who_is_not_listed(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer = makes.suppressed(script.clone(), list(&["ann@example.org", "nna@example.com"]).await, false);
    let receipt = layer.deliver(&mail_to(&THREE), &Context::new()).await.expect("taken");
    assert_eq!((&script.calls()[0].to, receipt.refused.len()), (&addresses(&THREE), 0));
}

async fn it_learns_whom_a_provider_refuses_for_good(makes: &dyn Makes) {
    for answer in [
        Answer::TakesBut(vec![refused("bob@example.com", true)]),
        Answer::Refuses(vec![refused("bob@example.com", true)]),
    ] {
        let (script, list) = (Script::new("it", [answer]), list(&[]).await);
        let layer = makes.suppressed(script.clone(), list.clone(), true);
        // The second mail finds out.
        drop(layer.deliver(&mail_to(&THREE), &Context::new()).await);
        layer.deliver(&mail_to(&THREE), &Context::new()).await.expect("two are left");
        assert_eq!(script.calls()[1].to, addresses(&["ann@example.com", "eve@example.com"]));
        assert_eq!(list.reason(&address("bob@example.com")), Some(SuppressionReason::Refused));
    }
}

async fn it_learns_only_if_asked_to(makes: &dyn Makes) {
    let script = Script::new("it", [Answer::TakesBut(vec![refused("bob@example.com", true)])]);
    let list = list(&[]).await;
    let layer = makes.suppressed(script, list.clone(), false);
    layer.deliver(&mail_to(&THREE), &Context::new()).await.expect("two are left");
    assert_eq!(list.reason(&address("bob@example.com")), None);
}

async fn a_refusal_that_may_pass_is_not_remembered(makes: &dyn Makes) {
    let script = Script::new("it", [Answer::TakesBut(vec![refused("bob@example.com", false)])]);
    let list = list(&[]).await;
    let layer = makes.suppressed(script, list.clone(), true);
    layer.deliver(&mail_to(&THREE), &Context::new()).await.expect("two are left");
    assert_eq!(list.reason(&address("bob@example.com")), None);
}

#[tokio::test]
async fn hard_bounces_and_complaints_are_heard_and_soft_bounces_are_not() {
    let (script, list) = (Script::new("it", []), list(&[]).await);
    let layer = Suppressed::new(script, list.clone());
    for (kind, reader, heard) in [
        (EventKind::Bounced(Bounce::Hard), "hard@example.com", Some(SuppressionReason::Bounced)),
        (EventKind::Complained, "angry@example.com", Some(SuppressionReason::Complained)),
        (EventKind::Bounced(Bounce::Soft), "full@example.com", None),
        (EventKind::Unsubscribed, "bored@example.com", None),
    ] {
        let mut event = Event::new(reader, kind);
        event.recipients = addresses(&[reader]);
        for _ in 0..2 {
            assert_eq!(layer.hear(&event).await.expect("memory takes it"), usize::from(heard.is_some()));
        }
        assert_eq!(list.reason(&address(reader)), heard, "{reader}");
    }
    let mut again = Event::new("again", EventKind::Complained);
    again.recipients = addresses(&["hard@example.com"]);
    layer.hear(&again).await.expect("memory takes it");
    assert_eq!(
        list.reason(&address("hard@example.com")),
        Some(SuppressionReason::Bounced),
        "the first stays"
    );
}

/// A list in a database that is away.
#[derive(Debug)]
enum Broken {
    Fails,
    Stalls,
}

#[async_trait]
impl SuppressionList for Broken {
    async fn listed(&self, _: &[Address]) -> Result<Vec<Address>, Error> {
        match self {
            Self::Fails => Err(Error::new(ErrorKind::Unavailable, "no database")),
            Self::Stalls => std::future::pending().await,
        }
    }

    async fn add(&self, _: &Address, _: SuppressionReason) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unavailable, "no database"))
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_list_nobody_is_written_to() {
    for (list, kind) in [(Broken::Fails, ErrorKind::Unavailable), (Broken::Stalls, ErrorKind::Timeout)] {
        let script = Script::new("it", []);
        let layer = Suppressed::new(script.clone(), list);
        let error = layer.deliver(&mail(), &within(SECOND)).await.expect_err("nobody knows who is listed");
        assert_eq!((error.kind(), error.outcome(), script.count()), (kind, Outcome::NotApplied, 0));
    }
}

/// What came of a mail does not change because nobody could write it down.
#[tokio::test]
async fn a_list_that_cannot_learn_changes_no_answer() {
    #[derive(Debug)]
    struct Forgetful;

    #[async_trait]
    impl SuppressionList for Forgetful {
        async fn listed(&self, _: &[Address]) -> Result<Vec<Address>, Error> {
            Ok(Vec::new())
        }

        async fn add(&self, _: &Address, _: SuppressionReason) -> Result<(), Error> {
            Err(Error::new(ErrorKind::Unavailable, "no database"))
        }
    }

    let script = Script::new("it", [Answer::TakesBut(vec![refused("ann@example.com", true)])]);
    let receipt = deliver(&Suppressed::new(script, Forgetful).learning()).await.expect("taken");
    assert_eq!(receipt.refused.len(), 1);
}
