use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::*;
use crate::{Address, Capabilities, Context, Email, Outcome, Outgoing, Receipt, Renderer};

/// Says what it was opened as, and fails as it is told to.
#[derive(Debug)]
struct Named(String);

#[async_trait]
impl Backend for Named {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        if self.0.starts_with("down") {
            return Err(Error::new(ErrorKind::Unavailable, &*self.0).with_outcome(Outcome::NotApplied));
        }
        let to = mail.envelope().to().iter().map(Address::as_str).collect::<Vec<_>>().join(" ");
        Ok(Receipt::new(mail.message_id().clone(), &*self.0).with_attempts(cx.attempt).with_provider_id(to))
    }

    async fn close(&self) {}
}

fn registry() -> Registry {
    let open = |url: &mut BackendUrl| -> Result<Arc<dyn Backend>, Error> {
        url.take("pool");
        url.finish()?;
        Ok(Arc::new(Named(url.url().host_str().unwrap_or_default().to_owned())))
    };
    Registry::new().with("smtp", open).with("memory", open).with_entropy(Entropy::new(|| [0; 16]))
}

fn mail() -> Outgoing {
    let ann: Address = "ann@example.com".parse().unwrap();
    let email = Email::new(ann.clone(), ann).to("bob@example.org".parse::<Address>().unwrap());
    email.render(&Renderer::system()).unwrap()
}

async fn deliver(backend: &dyn Backend) -> Result<(String, u32), Error> {
    let receipt = backend.deliver(&mail(), &Context::new()).await?;
    Ok((receipt.via.to_string(), receipt.attempts))
}

#[test]
fn each_fault_is_named_and_no_secret_is_repeated() {
    let deep = format!("{}smtp://u:geheim@h{}", "retry(".repeat(10_000), ")".repeat(10_000));
    for (url, named) in [
        ("pigeon://u:geheim@h", "unknown mail scheme pigeon; known are: memory, smtp"),
        ("smtp://u:geheim@h?pol=2", "unknown key pol in the mail URL; smtp takes: pool"),
        ("smtp://u:geheim@h?pool=1&pool=2", "the key pool twice"),
        ("smtp://u:25?geheim@h", "unknown key that is no word"),
        ("smtp://u:25?geheim@h&geheim@h", "the key that is no word of a-z, 0-9, _ and - twice"),
        ("smtp://u:geheim@h#x", "a # part"),
        ("smtp://u:geheim@h:port", "not valid: invalid port number"),
        ("SMTP://u:geheim@h", "scheme in lower case"),
        ("geheim", "no scheme"),
        ("", "no scheme"),
        ("backup(smtp://u:geheim@h)", "unknown combination backup(…); known are: failover, limit"),
        ("failover(smtp://u:geheim@h", "failover( has no closing parenthesis"),
        ("failover(retry(smtp://u:geheim@h)", "failover( has no closing parenthesis"),
        ("failover(smtp://u:geheim@h))", "something follows the last closing parenthesis"),
        ("failover(smtp://u:geheim@h) geheim", "something follows the last closing parenthesis"),
        ("failover(smtp://u:geheim@h)geheim", "something follows the last closing parenthesis"),
        ("failover(retry(smtp://u:geheim@h)geheim)", "inside of failover(…) is not separated"),
        ("failover(smtp://u:geheim@h, smtp://i)", "separated by spaces"),
        ("failover(smtp://u:geh(eim@h)", "written %28"),
        ("failover(smtp://u:geheim@h)?retry=geheim", "the value of retry is not a time span"),
        ("failover(smtp://u:geheim@h)?wait=1s", "unknown key wait in the mail URL; failover takes: retry"),
        ("failover(smtp://u:geheim@h)?retry=1s&retry=2s", "the key retry twice"),
        (
            "failover(smtp://h retry(smtp://u:geheim@h)?tries=1)",
            "unknown key tries in the mail URL; retry takes",
        ),
        ("failover(smtp://h geheim)", "no scheme"),
        ("failover(smtp://h pigeon://u:geheim@h)", "unknown mail scheme pigeon"),
        ("failover()", "failover(…) takes at least one mail URL and has 0"),
        ("retry(smtp://u:geheim@h smtp://i)", "retry(…) takes one mail URL and has 2"),
        ("limit(smtp://u:geheim@h)", "limit(…) needs the key per_second"),
        ("limit(smtp://h)?per_second=inf", "a rate that is no number"),
        ("limit(smtp://h)?per_second=0", "a rate that is no number"),
        ("limit(smtp://h)?per_second=geheim", "the value of per_second is not a number"),
        ("redirect(smtp://u:geheim@h)", "redirect(…) needs the key to"),
        ("redirect(smtp://h)?to=geheim", "the value of to is not an address"),
        ("redirect(smtp://h)?to=a@b&allow=geheim%20x", "the value of allow is not a list of domains"),
        ("retry(smtp://h)?duplicates=geheim", "the value of duplicates is not yes or no"),
        ("Retry(smtp://u:geheim@h)", "a name in lower case"),
        ("(smtp://u:geheim@h)", "a name in lower case"),
        (&deep, "more than 16 combinations"),
    ] {
        let error = registry().open(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(error.to_string().contains(named), "{url}: {error}");
        assert!(!format!("{error:?}").contains("geheim"), "{url}: {error:?}");
    }
}

#[test]
fn nothing_is_opened_before_all_is_read() {
    let open = |_: &mut BackendUrl| -> Result<Arc<dyn Backend>, Error> { panic!("it was opened") };
    let registry = Registry::new().with("smtp", open);
    for url in ["failover(smtp://a retry(smtp://b)?x=1)", "failover(smtp://a backup(smtp://b))"] {
        assert_eq!(registry.open(url).unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn combinations_nest() {
    let open = |url: &str| registry().open(url).unwrap();
    assert_eq!(deliver(&*open("smtp://u:%28p%29@one?pool=2")).await.unwrap(), ("one".into(), 1));
    assert_eq!(
        deliver(&*open("failover( smtp://down\n memory://two )?retry=60s ")).await.unwrap(),
        ("two".into(), 2)
    );
    let nested = open(
        "retry(failover(smtp://down1 roundrobin(smtp://down2 smtp://three) smtp://four)?retry=0)?attempts=2",
    );
    assert_eq!(deliver(&*nested).await.unwrap(), ("three".into(), 3));
    let retried =
        open("retry(smtp://down)?attempts=3&first_pause=1s").deliver(&mail(), &Context::new()).await;
    assert_eq!(retried.unwrap_err().attempts(), 3);
    let redirected = open("redirect(smtp://h)?to=staging@example.net&allow=example.org,x.example");
    let receipt = redirected.deliver(&mail(), &Context::new()).await.unwrap();
    assert_eq!(receipt.provider_id.as_deref(), Some("staging@example.net bob@example.org"));
    let limited = open("limit(smtp://h)?per_second=2&burst=2");
    assert_eq!(deliver(&*limited).await.unwrap(), ("h".into(), 1));
    let soon = Context::new().with_deadline(Instant::now() + Duration::from_millis(400));
    assert_eq!(limited.deliver(&mail(), &soon).await.unwrap_err().kind(), ErrorKind::Throttled);
    let turns = open("roundrobin(smtp://a smtp://b)");
    let (first, second) = (deliver(&*turns).await.unwrap(), deliver(&*turns).await.unwrap());
    assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "b"));
}

#[tokio::test(start_paused = true)]
async fn times_that_no_clock_can_tell_are_harmless() {
    const LONGEST: &str = "18446744073709551615s";
    let patient = format!("retry(smtp://down)?attempts=9&first_pause={LONGEST}&longest_pause={LONGEST}");
    let drawn = registry().with_entropy(Entropy::new(|| [255; 16]));
    let error = deliver(&*drawn.open(&patient).unwrap()).await.unwrap_err();
    assert_eq!(error.attempts(), 1, "it waited for the end of time");
    let grudging = registry().open(&format!("failover(smtp://down smtp://up)?retry={LONGEST}")).unwrap();
    for attempts in [2, 1] {
        assert_eq!(deliver(&*grudging).await.unwrap(), ("up".into(), attempts));
    }
}
