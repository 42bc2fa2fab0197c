//! What SES says, as it says it, by each way it comes.
//!
//! The signed envelopes were made with `openssl dgst -sign`, by the owner of `certificate.pem`, at six seconds past noon of
//! 1 March 2026.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use mail_ses::events::{Certificates, Notice, Refusal, Sns, parse};
use mailer::{
    Clock,
    events::{Bounce, Event, EventKind},
};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:eu-west-1:000000000000:mail-events";
const PROVIDER_ID: &str = "0102018f2b6c4d10-1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809-000000";

macro_rules! sample {
    ($name:literal) => {
        ($name, include_str!(concat!("events/samples/", $name, ".json")))
    };
}

macro_rules! envelope {
    ($name:literal) => {
        include_str!(concat!("events/", $name, ".json"))
    };
}

/// What SES says, and what it means.
fn samples() -> Vec<((&'static str, &'static str), EventKind)> {
    vec![
        (sample!("send"), EventKind::Sent),
        (sample!("delivery"), EventKind::Delivered),
        (sample!("delivery_delay"), EventKind::Deferred),
        (sample!("bounce_hard"), EventKind::Bounced(Bounce::Hard)),
        (sample!("bounce_soft"), EventKind::Bounced(Bounce::Soft)),
        (sample!("bounce_undetermined"), EventKind::Bounced(Bounce::Soft)),
        (sample!("complaint"), EventKind::Complained),
        (sample!("complaint_not_spam"), EventKind::Unknown),
        (sample!("reject"), EventKind::Rejected),
        (sample!("rendering_failure"), EventKind::Failed),
        (sample!("open"), EventKind::Opened),
        (sample!("click"), EventKind::Clicked),
        (sample!("unsubscribe"), EventKind::Unsubscribed),
        (sample!("subscribe"), EventKind::Unknown),
        (sample!("something_new"), EventKind::Unknown),
        (sample!("feedback_bounce"), EventKind::Bounced(Bounce::Hard)),
        (sample!("feedback_complaint"), EventKind::Complained),
        (sample!("feedback_delivery"), EventKind::Delivered),
    ]
}

/// The same message by each way it can come.
fn ways(said: &str) -> Vec<Vec<u8>> {
    let value: Value = serde_json::from_str(said).expect("the sample is JSON");
    let sns = |id: &str| {
        json!({ "Type": "Notification", "MessageId": id, "TopicArn": TOPIC, "Message": said,
                "Timestamp": "2026-03-01T12:00:06.000Z" })
    };
    let bridge = json!({ "version": "0", "id": "x", "detail-type": "Email Event", "source": "aws.ses",
                         "resources": [], "detail": value });
    let function = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": sns("function") }] });
    let ways = [value, sns("first"), sns("again"), bridge, function];
    ways.iter().map(|way| way.to_string().into_bytes()).collect()
}

fn only(bytes: &[u8]) -> Event {
    let mut events = parse(bytes).expect("it is what SES says");
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[test]
fn each_sort_of_event_has_its_kind_by_each_way() {
    for ((name, said), kind) in samples() {
        for way in ways(said) {
            assert_eq!(only(&way).kind, kind, "{name}: {}", String::from_utf8_lossy(&way));
        }
    }
}

#[test]
fn the_same_event_has_the_same_id_and_others_have_others() {
    let mut ids = BTreeSet::new();
    for ((name, said), _) in samples() {
        let of_ways: BTreeSet<String> = ways(said).iter().map(|way| only(way).id).collect();
        assert_eq!(of_ways.len(), 1, "{name}");
        // Both dialects tell of the same bounce, and of the same delivery.
        let is_told_before = matches!(name, "feedback_bounce" | "feedback_delivery");
        assert_eq!(ids.is_superset(&of_ways), is_told_before, "{name}");
        ids.extend(of_ways);
    }
}

#[test]
fn an_event_tells_which_mail_whom_and_when() {
    let event = only(sample!("bounce_hard").1.as_bytes());
    assert_eq!(event.provider_id.as_deref(), Some(PROVIDER_ID), "the id of the receipt");
    assert_eq!(event.message_id.as_ref().map(mailer::MessageId::as_str), Some("7f3a@example.org"));
    assert_eq!(event.recipients, ["ann@example.com".parse().expect("an address")]);
    assert_eq!(event.suppresses(), event.recipients);
    assert_eq!(event.at, Some(noon() + Duration::from_millis(5250)));
    let detail = event.detail.expect("the server said why");
    assert!(detail.contains("Permanent") && detail.contains("550 5.1.1"), "{detail}");
    // Where SES names nobody it is about the whole mail.
    let event = only(sample!("reject").1.as_bytes());
    assert_eq!((event.recipients.len(), event.at), (2, Some(noon())));
}

#[test]
fn links_are_not_repeated() {
    let event = only(sample!("click").1.as_bytes());
    assert!(!format!("{event:?}").contains("geheimnis"));
}

#[test]
fn odd_addresses_are_left_out_and_named_ones_are_read() {
    let said = json!({ "eventType": "Bounce", "mail": { "messageId": "x", "destination": [] }, "bounce": {
        "bounceType": "Permanent", "bouncedRecipients": [
            { "emailAddress": "Ann <ann@example.com>" }, { "emailAddress": "ann@EXAMPLE.com" },
            { "emailAddress": "nobody" }, { "emailAddress": 7 }, "bob@example.com", null ] } });
    let addresses: Vec<String> =
        only(said.to_string().as_bytes()).recipients.into_iter().map(String::from).collect();
    assert_eq!(addresses, ["ann@example.com", "bob@example.com"]);
}

#[test]
fn what_is_about_no_mail_is_no_event() {
    for envelope in [envelope!("greeting"), envelope!("subscribe"), envelope!("unsubscribe")] {
        assert_eq!(parse(envelope.as_bytes()).expect("it is SNS's"), []);
    }
    for junk in ["", "{}", "[]", "7", "null", r#"{"Records":[7]}"#, r#"{"detail":{}}"#, r#"{"TopicArn":"x"}"#]
    {
        assert!(matches!(parse(junk.as_bytes()), Err(Refusal::Malformed(_))), "{junk}");
    }
}

/// Bytes cut, changed and doubled, by a small generator whose seed is printed with the failure.
#[tokio::test]
async fn mangled_bytes_never_panic_and_are_never_believed() {
    let (sns, _) = receiver(CERTIFICATE);
    let signed = envelope!("notification_v2");
    for seed in 0..3_000_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).expect("it is below a length")
        };
        let all = samples();
        let said = if next(2) == 0 { signed } else { all[next(all.len())].0.1 };
        let mut bytes = said.as_bytes().to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes.truncate(at + 1),
                1 => bytes[at] = u8::try_from(next(256)).expect("a byte"),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}[]\",:0"[next(8)]),
            }
            if bytes.is_empty() {
                break;
            }
        }
        drop(parse(&bytes));
        if let Ok(Notice::Events(events)) = sns.receive(&bytes).await {
            let is_true = events == parse(signed.as_bytes()).expect("it is what SES says");
            assert!(is_true, "seed {seed}: something that was not said is believed");
        }
    }
}

const CERTIFICATE: &str = include_str!("events/certificate.pem");

/// Hands out one certificate, and counts.
struct Shelf {
    pem: &'static str,
    fetched: AtomicUsize,
    urls: Mutex<Vec<String>>,
}

#[async_trait]
impl Certificates for Shelf {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.urls.lock().expect("nobody panics while holding it").push(url.to_owned());
        if self.pem.is_empty() { Err("out of reach".into()) } else { Ok(self.pem.into()) }
    }
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(492_324)
}

fn receiver(pem: &'static str) -> (Sns, Arc<Shelf>) {
    let shelf = Arc::new(Shelf { pem, fetched: AtomicUsize::new(0), urls: Mutex::default() });
    let sns = Sns::new([TOPIC.to_owned()], Arc::clone(&shelf) as Arc<dyn Certificates>);
    (sns.with_clock(Clock::new(|| noon() + Duration::from_mins(1))), shelf)
}

#[tokio::test]
async fn what_sns_has_signed_is_believed_in_both_versions() {
    let (sns, shelf) = receiver(CERTIFICATE);
    for envelope in [envelope!("notification_v1"), envelope!("notification_v2")] {
        let notice = sns.receive(envelope.as_bytes()).await.expect("it is signed");
        assert_eq!(notice, Notice::Events(parse(envelope.as_bytes()).expect("it is what SES says")));
        assert!(matches!(notice, Notice::Events(events) if events.len() == 1));
    }
    let greeting = sns.receive(envelope!("greeting").as_bytes()).await.expect("it is signed");
    assert_eq!(greeting, Notice::Events(Vec::new()));
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), 1, "a certificate is kept");
}

#[tokio::test]
async fn sns_is_told_yes_at_its_own_address_alone() {
    let (sns, _) = receiver(CERTIFICATE);
    let notice = sns.receive(envelope!("subscribe").as_bytes()).await.expect("it is signed");
    let Notice::Confirm { topic, url } = notice else { panic!("{notice:?}") };
    assert_eq!(topic, TOPIC);
    assert!(url.starts_with("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"), "{url}");
    let notice = sns.receive(envelope!("unsubscribe").as_bytes()).await.expect("it is signed");
    assert_eq!(notice, Notice::Unsubscribed { topic });
    let elsewhere = sns.receive(envelope!("subscribe_elsewhere").as_bytes()).await;
    assert!(matches!(elsewhere, Err(Refusal::Malformed(_))), "{elsewhere:?}");
}

#[tokio::test]
async fn what_was_altered_is_refused() {
    let (sns, _) = receiver(CERTIFICATE);
    let signed = envelope!("notification_v2");
    for (from, to) in [
        ("ann@example.com", "eve@example.com"),
        ("11111111-2222", "22222222-2222"),
        ("12:00:06", "12:00:07"),
        ("Email Event Notification", "Email Event Notificatiom"),
        ("\"Type\": \"Notification\"", "\"Type\": \"UnsubscribeConfirmation\""),
        ("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"1\""),
        ("\"Signature\": \"", "\"Signature\": \"AAAA"),
    ] {
        let altered = signed.replace(from, to);
        assert_ne!(altered, signed);
        let answer = sns.receive(altered.as_bytes()).await;
        assert!(matches!(answer, Err(Refusal::Signature | Refusal::Malformed(_))), "{to}: {answer:?}");
    }
    // Somebody else's certificate, from the right place.
    let (sns, _) = receiver(include_str!("events/other.pem"));
    assert!(matches!(sns.receive(signed.as_bytes()).await, Err(Refusal::Signature)));
}

#[tokio::test]
async fn what_is_not_for_us_is_refused_before_anything_is_fetched() {
    let (sns, shelf) = receiver(CERTIFICATE);
    let signed = envelope!("notification_v2");
    let answer = sns.receive(envelope!("other_topic").as_bytes()).await;
    assert!(matches!(answer, Err(Refusal::Topic)), "{answer:?}");
    let answer = sns
        .receive(signed.replace("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"3\"").as_bytes())
        .await;
    assert!(matches!(answer, Err(Refusal::Version)), "{answer:?}");
    for host in ["example.com", "sns.eu-west-1.amazonaws.com.example.com", "sns.eu-west-1.amazonaws.com:1"] {
        let foreign = signed.replace("sns.eu-west-1.amazonaws.com", host);
        let answer = sns.receive(foreign.as_bytes()).await;
        assert!(matches!(answer, Err(Refusal::CertificateHost)), "{host}: {answer:?}");
    }
    for apart in [Duration::from_hours(2), Duration::from_hours(240)] {
        for now in [noon() + apart, noon() - apart] {
            let (sns, _) = receiver(CERTIFICATE);
            let answer = sns.with_clock(Clock::new(move || now)).receive(signed.as_bytes()).await;
            assert!(matches!(answer, Err(Refusal::Stale)), "{answer:?}");
        }
    }
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_is_asked_for_again() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let (sns, shelf) = receiver(pem);
        for fetched in 1..3 {
            let answer = sns.receive(envelope!("notification_v2").as_bytes()).await;
            assert!(matches!(answer, Err(Refusal::Certificate(_))), "{answer:?}");
            assert_eq!(shelf.fetched.load(Ordering::Relaxed), fetched);
        }
        let urls = shelf.urls.lock().expect("nobody panics while holding it");
        assert!(urls.iter().all(|url| url.starts_with("https://sns.eu-west-1.amazonaws.com/")), "{urls:?}");
    }
}
