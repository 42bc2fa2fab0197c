//! What the options do that the suite does not ask for, against a server within the same process.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use conformance_tests::smtp_server::{self, Certificate, Point, SmtpServer, Twist};
use mail_smtp::{Options, PasswordFile, Roots, Security, Smtp};
use mailer::{Address, Backend, BackendUrl, Context, Email, Error, ErrorKind, Outgoing, Receipt, Renderer};
use tracing_subscriber::fmt::MakeWriter;

#[tokio::test]
async fn a_certificate_of_another_name_is_taken_by_those_who_say_so_and_no_other() {
    for (certificate, is_taken) in [
        (Certificate::Sound, true),
        (Certificate::OtherName, true),
        (Certificate::Expired, false),
        (Certificate::SelfSigned, false),
    ] {
        let server = SmtpServer::start(smtp_server::Options::new().implicit_tls().certificate(certificate));
        let mut options = options(&server, Security::Implicit);
        options.accept_invalid_hostnames = true;
        let sent = send(&Smtp::new(options).unwrap()).await;
        assert_eq!(sent.is_ok(), is_taken, "{certificate:?}: {sent:?}");
        assert_eq!(server.mails().len(), usize::from(is_taken));
    }
}

#[tokio::test]
async fn a_url_says_it_all() {
    let server =
        SmtpServer::start(smtp_server::Options::new().start_tls().user("ann@example.org", "p@ss:wörd%"));
    let folder = tempfile::tempdir().unwrap();
    let (authority, password) = (folder.path().join("ca.pem"), folder.path().join("password"));
    std::fs::write(&authority, server.authority()).unwrap();
    std::fs::write(&password, "p@ss:wörd%\n").unwrap();
    let (port, authority, password) = (server.address().port(), authority.display(), password.display());
    for url in [
        format!("smtp://ann%40example.org:p%40ss:w%C3%B6rd%25@localhost:{port}?ca_file={authority}"),
        format!("smtp://ann%40example.org@localhost:{port}?ca_file={authority}&password_file={password}"),
    ] {
        let smtp = Smtp::from_url(&mut BackendUrl::parse(&url).unwrap()).unwrap();
        send(&smtp).await.unwrap();
        smtp.check().await.unwrap();
    }
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| mail.private && mail.user.as_deref() == Some("ann@example.org")));
}

#[test]
fn roots_that_cannot_be_used_are_found_at_once() {
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec();
    for pem in [Vec::new(), b"no certificate".to_vec(), broken, cut] {
        let mut options = Options::new("localhost");
        options.roots = Roots::Pem(pem);
        let error = Smtp::new(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("root certificate"), "{error}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_though_nobody_sends() {
    let server = SmtpServer::start(smtp_server::Options::new());
    let mut options = options(&server, Security::None);
    options.idle = Duration::from_millis(50);
    let smtp = Smtp::new(options).unwrap();
    for round in 1..3 {
        send(&smtp).await.unwrap();
        server.until(|seen| seen.live == 0).await;
        assert_eq!(server.opened(), round);
    }
}

#[tokio::test]
async fn a_connection_is_asked_whether_it_works_only_after_a_while() {
    for (after, asked) in [(Duration::ZERO, 2), (Duration::from_mins(1), 0)] {
        let server = SmtpServer::start(smtp_server::Options::new());
        let mut options = options(&server, Security::None);
        options.ping_after = after;
        let smtp = Smtp::new(options).unwrap();
        for _ in 0..3 {
            send(&smtp).await.unwrap();
        }
        assert_eq!((server.opened(), server.seen(|seen| seen.count("NOOP"))), (1, asked));
    }
}

#[tokio::test]
async fn one_that_does_not_work_any_more_is_replaced() {
    let server = SmtpServer::start(smtp_server::Options::new());
    let mut options = options(&server, Security::None);
    options.ping_after = Duration::ZERO;
    let smtp = Smtp::new(options).unwrap();
    send(&smtp).await.unwrap();
    server.twist(Twist::at(Point::Noop).replies("421 4.3.2 shutting down"));
    send(&smtp).await.unwrap();
    assert_eq!((server.opened(), server.mails().len()), (2, 2));
}

#[test]
fn a_runtime_that_stands_still_does_not_hold_up_another() {
    let server = SmtpServer::start(smtp_server::Options::new());
    let smtp = Smtp::new(options(&server, Security::None)).unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    first.block_on(send(&smtp)).unwrap();
    // Nothing drives the first one now, and its connection would never wake anybody up.
    second.block_on(send(&smtp)).unwrap();
    first.block_on(send(&smtp)).unwrap();
    assert_eq!(server.mails().len(), 3);
}

#[tokio::test]
async fn a_missing_password_file_may_be_there_later() {
    let server = SmtpServer::start(smtp_server::Options::new().user("ann", "secret"));
    let mut options = options(&server, Security::None);
    options.auth_in_clear = true;
    options.credentials = Some(Arc::new(PasswordFile::new("ann", "/nowhere/password")));
    let error = send(&Smtp::new(options).unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Auth, mailer::Retry::Backoff), "{error:?}");
    assert_eq!(server.seen(|seen| seen.count("AUTH")), 0);
}

#[test]
fn the_log_holds_neither_credentials_nor_mails() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // In this thread everything happens but for the server.
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            for mechanism in ["plain", "login", "xoauth2"] {
                let server = SmtpServer::start(smtp_server::Options::new().user("ann", "geheim"));
                let port = server.address().port();
                for secret in ["geheim", "geheimer"] {
                    let url = format!(
                        "smtp://ann:{secret}@localhost:{port}?tls=off&auth={mechanism}&auth_in_clear=true"
                    );
                    let smtp = Smtp::from_url(&mut BackendUrl::parse(&url).unwrap()).unwrap();
                    assert_eq!(send(&smtp).await.is_ok(), secret == "geheim", "{mechanism}");
                    smtp.close().await;
                }
            }
        });
    });
    let log = log.text();
    assert!(log.contains("SMTP connection opened") && log.contains("SMTP connection closed"), "{log}");
    // The second ones are the begin of the password and of the whole answer in base64.
    for told in
        ["geheim", "Z2VoZWlt", "AGFubgBnZWhl", "AUTH", "dXNlcj1hbm4B", "ann@example.com", "Betreff", "Inhalt"]
    {
        assert!(!log.contains(told), "the log tells {told}: {log}");
    }
}

/// Options to speak to this server.
fn options(server: &SmtpServer, security: Security) -> Options {
    let mut options = Options::new("localhost");
    options.port = server.address().port();
    options.security = security;
    options.roots = Roots::Pem(server.authority().as_bytes().to_vec());
    options
}

async fn send(smtp: &Smtp) -> Result<Receipt, Error> {
    smtp.deliver(&mail(), &Context::new()).await
}

fn mail() -> Outgoing {
    let address = |text: &str| text.parse::<Address>().unwrap();
    let email = Email::new(address("vault@example.org"), address("ann@example.com"));
    email.subject("Betreff").text("Inhalt").render(&Renderer::system()).unwrap()
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
