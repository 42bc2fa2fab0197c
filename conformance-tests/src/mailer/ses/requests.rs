//! What a request holds, and when there is none.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use ::mailer::{Address, Clock, Context, ErrorKind, Outcome, Outgoing};

use super::{Counter, Fixed, Harness, KeySource, Target, desk, secret_mail, server};
use crate::{
    Case, Checked, cases,
    mailer::Observer as _,
    ses_server::{AccountState, Keys},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["ses";
        the_destination_is_the_envelope,
        the_author_keeps_the_name,
        configuration_set_tags_and_feedback_go_with_the_mail,
        a_kind_that_no_tag_can_hold_is_invalid,
        what_ses_cannot_carry_makes_no_request,
        readers_see_the_id_of_the_region,
        one_connection_serves_many_mails,
        two_regions_at_once_do_not_mix,
        temporary_keys_bring_their_token,
        keys_that_end_are_asked_for_again,
        checking_asks_whether_mails_are_taken
    ]
}

/// Hidden copies included, and nobody whom only a header names.
async fn the_destination_is_the_envelope(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let to = ["bob@example.com", "hidden@example.net", "ann@example.net"].map(desk::address);
    let mail = desk::enveloped(Some(desk::address("vault@example.org")), to.clone());
    counter.try_deliver(&mail).await.expect("the mail is taken");
    let delivered = counter.server.deliveries();
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].has_destination, "the headers say who gets it");
    assert_eq!(delivered[0].to, to.map(String::from));
    Ok(())
}

/// SES replaces the header by what a request names, and a bare address has no name.
async fn the_author_keeps_the_name(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let mut email = desk::email().text("hello");
    email.from.name = Some("Vault, Jürgen's".to_owned());
    counter.try_deliver(&desk::render(&email)).await.expect("the mail is taken");
    let delivered = counter.server.delivered().await.remove(0);
    let message = desk::parse(&delivered);
    let author = message.from().and_then(|from| from.first()).and_then(|from| from.name());
    assert_eq!(author, Some("Vault, Jürgen's"));
    Ok(())
}

/// Those of the backend, and the mail's own kind where a tag was named for it.
async fn configuration_set_tags_and_feedback_go_with_the_mail(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    server.make_configuration_set("vault");
    let mut target = Target::new(&server, Fixed(Some(server.issue_keys())));
    target.configuration_set = Some("vault".to_owned());
    target.feedback = Some(desk::address("bounces@example.org"));
    target.tags = BTreeMap::from([("service".to_owned(), "vault-1".to_owned())]);
    target.kind_tag = Some("kind".to_owned());
    let backend = harness.open_ses(&target).await?;
    let mail = desk::render(&desk::email().kind("invite"));
    backend.deliver(&mail, &Context::new()).await.expect("the mail is taken");
    let delivered = &server.deliveries()[0];
    assert_eq!(delivered.configuration_set.as_deref(), Some("vault"));
    assert_eq!(delivered.feedback.as_deref(), Some("bounces@example.org"));
    let tags: Vec<_> = delivered.tags.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(tags, [("kind", "invite"), ("service", "vault-1")]);
    Ok(())
}

/// It is neither altered nor left out, for somebody counts by it. Without such a tag the same mail is sent.
async fn a_kind_that_no_tag_can_hold_is_invalid(harness: &dyn Harness) -> Checked {
    let mail = desk::render(&desk::email().kind("invite.accepted"));
    let counter = Counter::open(harness).await?;
    counter.try_deliver(&mail).await.expect("no tag was asked for");
    let mut target = Target::new(&counter.server, Fixed(Some(counter.server.issue_keys())));
    target.kind_tag = Some("kind".to_owned());
    let backend = harness.open_ses(&target).await?;
    let before = counter.server.requests();
    let error = backend.deliver(&mail, &Context::new()).await.expect_err("the mail was taken");
    assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some("kind")), "{error}");
    assert_eq!((error.outcome(), counter.server.requests()), (Outcome::NotApplied, before));
    Ok(())
}

/// Too many recipients, too many bytes, a local part that is not ASCII, a sender of its own.
async fn what_ses_cannot_carry_makes_no_request(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let sender = || Some(desk::address("vault@example.org"));
    let large = desk::with_body("0123456789abcdefghijklmnopqrstuvwxyz0123456789\r\n".repeat((40 << 20) / 48));
    let readers = |count| desk::enveloped(sender(), desk::readers(count));
    let unfit: [(Outgoing, ErrorKind); 4] = [
        (readers(51), ErrorKind::Unsupported),
        (large, ErrorKind::TooLarge),
        (desk::render(&desk::email_to("jürgen@example.com")), ErrorKind::Unsupported),
        (desk::enveloped(None, desk::readers(1)), ErrorKind::Unsupported),
    ];
    for (mail, kind) in unfit {
        let error = counter.fail(&mail).await;
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{error}");
    }
    assert_eq!((counter.server.requests(), counter.server.connections()), (0, 0));
    counter.try_deliver(&readers(50)).await.expect("as many as SES takes");
    Ok(())
}

/// It is made of SES's own, and the oldest region has a host of its own.
async fn readers_see_the_id_of_the_region(harness: &dyn Harness) -> Checked {
    for (region, host) in [("eu-west-1", "eu-west-1.amazonses.com"), ("us-east-1", "email.amazonses.com")] {
        let server = server(region).await;
        let backend = harness.open_ses(&Target::new(&server, Fixed(Some(server.issue_keys())))).await?;
        let receipt = backend.deliver(&secret_mail(), &Context::new()).await.expect("taken");
        let id = server.deliveries()[0].id.clone();
        assert_eq!(receipt.message_id.as_str(), format!("{id}@{host}"));
        assert_eq!(receipt.provider_id, Some(id));
    }
    Ok(())
}

/// A connection costs more than a mail.
async fn one_connection_serves_many_mails(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    for _ in 0..5 {
        counter.assert_works().await;
    }
    assert_eq!(counter.server.connections(), 1);
    Ok(())
}

/// Each has its own address, signature and ids.
async fn two_regions_at_once_do_not_mix(harness: &dyn Harness) -> Checked {
    let (one, two) = (server("eu-west-1").await, server("us-west-2").await);
    let mut backends = Vec::new();
    for server in [&one, &two] {
        let target = Target::new(server, Fixed(Some(server.issue_keys())));
        backends.push(harness.open_ses(&target).await?);
    }
    let mail = |reader: &Address| desk::render(&desk::email_to(reader.as_str()));
    let readers = desk::readers(10);
    let calls = readers.iter().enumerate().map(|(n, reader)| {
        let backend = Arc::clone(&backends[n % 2]);
        async move { backend.deliver(&mail(reader), &Context::new()).await.expect("taken") }
    });
    let receipts = futures_util::future::join_all(calls).await;
    for (at, server) in [&one, &two].into_iter().enumerate() {
        let deliveries = server.deliveries();
        assert_eq!(deliveries.len(), 5, "{}", server.region());
        for (receipt, reader) in receipts.iter().zip(&readers).skip(at).step_by(2) {
            let id = receipt.provider_id.as_ref().expect("SES gives an id");
            let own = deliveries.iter().find(|one| one.id == *id).expect("it is this region's");
            assert_eq!(own.to, [reader.as_str()]);
        }
    }
    Ok(())
}

/// SES knows temporary keys by it.
async fn temporary_keys_bring_their_token(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let target = Target::new(&server, Fixed(Some(server.issue_temporary_keys())));
    let backend = harness.open_ses(&target).await?;
    backend.deliver(&secret_mail(), &Context::new()).await.expect("the mail is taken");
    Ok(())
}

/// Two pairs of keys, of which the first ends soon.
#[derive(Debug)]
struct Renewed {
    keys: [Keys; 2],
    is_first_over: Arc<AtomicBool>,
}

impl KeySource for Renewed {
    fn keys(&self) -> Option<(Keys, Option<SystemTime>)> {
        let over = self.is_first_over.load(Ordering::Relaxed);
        let lives = Duration::from_secs(if over { 3600 } else { 5 });
        Some((self.keys[usize::from(over)].clone(), Some(Clock::system().now() + lives)))
    }
}

/// Whoever holds keys that are about to end asks for others before the next mail.
async fn keys_that_end_are_asked_for_again(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let keys = [server.issue_temporary_keys(), server.issue_temporary_keys()];
    let first = keys[0].clone();
    let is_first_over = Arc::new(AtomicBool::new(false));
    let renewed = Renewed { keys, is_first_over: Arc::clone(&is_first_over) };
    let backend = harness.open_ses(&Target::new(&server, renewed)).await?;
    backend.deliver(&secret_mail(), &Context::new()).await.expect("the first keys are good");
    server.expire_keys(&first);
    is_first_over.store(true, Ordering::Relaxed);
    backend.deliver(&secret_mail(), &Context::new()).await.expect("the second keys are good");
    Ok(())
}

/// Paused and shut down are found out; the sandbox is no fault. Nothing is sent.
async fn checking_asks_whether_mails_are_taken(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let good = AccountState::default();
    for (account, works) in [
        (good.clone(), true),
        (AccountState { production: false, ..good.clone() }, true),
        (AccountState { sending: false, ..good.clone() }, false),
        (AccountState { enforcement: "SHUTDOWN".to_owned(), ..good.clone() }, false),
    ] {
        counter.server.set_account(account.clone());
        match counter.backend.check().await {
            Ok(()) => assert!(works, "{account:?} is found to work"),
            Err(error) => {
                assert!(!works, "{account:?}: {error}");
                assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
            }
        }
    }
    assert_eq!(counter.server.deliveries(), []);
    Ok(())
}
