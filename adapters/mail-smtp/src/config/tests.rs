use std::time::Duration;

use mailer::{BackendUrl, Error, ErrorKind};

use super::{Limits, Mechanism, Options, Security, Timeouts};
use crate::Ask;

fn read(text: &str) -> Result<Options, Error> {
    let mut url = BackendUrl::parse(text)?;
    let options = Options::from_url(&mut url)?;
    url.finish()?;
    Ok(options)
}

#[test]
fn a_bare_url_is_submission_with_starttls_and_as_nobody() {
    let options = read("smtp://mail.example.org").unwrap();
    assert_eq!((options.host.as_str(), options.port), ("mail.example.org", 587));
    assert_eq!(options.security, Security::StartTls);
    assert!(options.credentials.is_none() && options.partial && !options.accept_invalid_certs);
    let options = read("smtps://mail.example.org/").unwrap();
    assert_eq!((options.security, options.port), (Security::Implicit, 465));
}

#[test]
fn hosts_of_every_sort() {
    for (text, host) in [
        ("smtp://192.0.2.1:25", "192.0.2.1"),
        ("smtp://[2001:db8::1]:25", "2001:db8::1"),
        ("smtp://Müller.example", "xn--mller-kva.example"),
        ("smtp://m%C3%BCller.example", "xn--mller-kva.example"),
        ("smtp://localhost", "localhost"),
    ] {
        assert_eq!(read(text).unwrap().host, host, "{text}");
    }
}

#[test]
fn every_key_is_taken() {
    let options = read(
        "smtp://h?tls=starttls&accept_invalid_certs=true&accept_invalid_hostnames=true&helo=[192.0.2.1]&pool=2\
         &mails_per_connection=5&idle=2m&ping_after=250ms&partial=false&connect_timeout=1s&greeting_timeout=2\
         &command_timeout=3s&data_timeout=4s&verdict_timeout=5s&timeout=6s",
    );
    let options = options.unwrap();
    assert!(options.accept_invalid_certs && options.accept_invalid_hostnames && !options.partial);
    assert_eq!(options.helo.as_deref(), Some("[192.0.2.1]"));
    assert_eq!((options.pool, options.mails_per_connection), (2, Some(5)));
    assert_eq!((options.idle, options.ping_after), (Duration::from_mins(2), Duration::from_millis(250)));
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        greeting: Duration::from_secs(2),
        command: Duration::from_secs(3),
        data: Duration::from_secs(4),
        verdict: Duration::from_secs(5),
        total: Some(Duration::from_secs(6)),
    };
    assert_eq!(options.timeouts, timeouts);
    let open = read("smtp://ann:x@h?tls=off&auth=login&auth_in_clear=true").unwrap();
    assert_eq!(
        (open.security, open.mechanism, open.auth_in_clear),
        (Security::None, Some(Mechanism::Login), true)
    );
}

#[tokio::test]
async fn credentials_are_decoded() {
    let ask = Ask::new(false);
    for (text, user, secret, is_token) in [
        ("smtp://ann:p%40ss%3Aw%25rd@h", "ann", "p@ss:w%rd", false),
        ("smtp://ann%40example.org:gr%C3%BCn@h", "ann@example.org", "grün", false),
        ("smtp://ann:token@h?auth=xoauth2", "ann", "token", true),
    ] {
        let options = read(text).unwrap();
        let credentials = options.credentials.unwrap().credentials(ask).await.unwrap();
        assert_eq!((credentials.user(), credentials.secret()), (user, secret), "{text}");
        assert_eq!(credentials.is_token(), is_token, "{text}");
    }
    let file = read("smtp://ann@h?password_file=/run/secrets/smtp").unwrap().credentials.unwrap();
    assert!(format!("{file:?}").contains("/run/secrets/smtp"));
}

#[test]
fn each_fault_is_named_and_no_secret_is_repeated() {
    for (text, named) in [
        ("http://ann:geheim@h", "neither smtp nor smtps"),
        ("smtp://ann:geheim@h/path", "a path"),
        ("smtp:ann", "path"),
        ("smtp:///", "no host"),
        ("smtp://ann:geheim@a%20b", "the host"),
        ("smtp://ann:geheim@h?tls=on", "`tls`"),
        ("smtps://ann:geheim@h?tls=starttls", "`tls`"),
        ("smtp://ann:geheim@h?tls=off", "`auth_in_clear=true`"),
        ("smtp://ann:geheim@h?auth=geheim", "`auth`"),
        ("smtp://h?auth=plain", "no user"),
        ("smtp://:geheim@h", "no user"),
        ("smtp://h?password_file=geheim", "no user"),
        ("smtp://ann@h", "no password"),
        ("smtp://ann:@h", "no password"),
        ("smtp://ann:geheim@h?password_file=geheim", "`password_file`"),
        ("smtp://ann@h?password_file=geheim&auth=xoauth2", "`password_file`"),
        ("smtp://ann:geheim%00@h", "NUL"),
        ("smtp://ann%00:geheim@h", "NUL"),
        ("smtp://ann:geheim%ff@h", "the password"),
        ("smtp://a%ffnn:geheim@h", "the user"),
        ("smtp://ann:geheim@h?ca_file=/geheim", "`ca_file`"),
        ("smtp://ann:geheim@h?pool=0", "`pool`"),
        ("smtp://ann:geheim@h?pool=many", "`pool`"),
        ("smtp://ann:geheim@h?mails_per_connection=0", "`mails_per_connection`"),
        ("smtp://ann:geheim@h?partial=yes", "`partial`"),
        ("smtp://ann:geheim@h?idle=1h", "`idle`"),
        ("smtp://ann:geheim@h?timeout=geheim", "`timeout`"),
        ("smtp://ann:geheim@h?timeout=-1s", "`timeout`"),
        ("smtp://ann:geheim@h?data_timeout=0s", "a timeout"),
        ("smtp://ann:geheim@h?helo=a%0d%0aQUIT", "`helo`"),
        ("smtp://ann:geheim@h?geheimnis=1", "geheimnis"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(named), "{text}: {shown}");
        assert!(named == "geheimnis" || !shown.contains("geheim"), "{text}: {shown}");
    }
}

#[test]
fn debug_hides_the_password() {
    let options = read("smtp://ann:geheim@h").unwrap();
    assert!(!format!("{options:?} {:?}", crate::Smtp::new(options.clone()).unwrap()).contains("geheim"));
}

#[tokio::test(start_paused = true)]
async fn a_step_ends_with_the_call() {
    let now = tokio::time::Instant::now();
    let minute = Duration::from_mins(1);
    let unbounded = Limits::new(Timeouts::default(), None);
    assert_eq!(unbounded.until(minute), now + minute);
    assert!(unbounded.until(Duration::MAX) > now);
    let bounded = Limits::new(Timeouts::default(), Some((now + minute).into_std()));
    assert_eq!(bounded.until(minute * 2), now + minute);
    let timeouts = Timeouts { total: Some(minute / 2), ..Timeouts::default() };
    assert_eq!(Limits::new(timeouts, Some((now + minute).into_std())).until(minute), now + minute / 2);
}
