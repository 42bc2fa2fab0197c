//! What goes wrong before SES hears anything, where the stand-in cannot be asked.

use std::time::{Duration, Instant};

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::{
    Address, Backend as _, Context, Disposition, Email, Error, ErrorKind, Outcome, Outgoing, Renderer,
};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

fn mail() -> Outgoing {
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let email = Email::new(address("vault@example.org"), address("ann@example.com")).text("hello");
    email.render(&Renderer::system()).expect("it can be rendered")
}

/// Who has no keys, and why.
#[derive(Debug)]
enum Broke {
    Silent,
    Failing,
    Misread,
}

impl ProvideCredentials for Broke {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self {
            Self::Silent => future::ProvideCredentials::new(std::future::pending()),
            Self::Failing => {
                future::ProvideCredentials::ready(Err(CredentialsError::provider_error("geheimnis")))
            }
            Self::Misread => {
                future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration("geheimnis")))
            }
        }
    }
}

/// What comes of a mail that is sent to this place.
async fn fail(credentials: SharedCredentialsProvider, endpoint: String, cx: &Context) -> Error {
    let mut options = Options::new("eu-west-1", credentials);
    options.endpoint = Some(endpoint);
    let ses = Ses::open(options).expect("the options are sound");
    let error = ses.deliver(&mail(), cx).await.expect_err("nobody is there");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
    assert!(!format!("{error} {error:?}").contains("geheimnis"), "{error:?}");
    error
}

fn keys() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "geheimnis", None, None, "test"))
}

/// A server that speaks in clear where TLS is expected.
#[tokio::test]
async fn no_private_connection_is_a_fault_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let endpoint = format!("https://{}", listener.local_addr().expect("it is bound"));
    let serving = async {
        let (mut connection, _) = listener.accept().await.expect("somebody calls");
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("it listens");
        std::future::pending::<()>().await;
    };
    let cx = Context::new();
    tokio::select! {
        () = serving => {}
        error = fail(keys(), endpoint, &cx) => assert_eq!(error.kind(), ErrorKind::Tls, "{error}"),
    }
}

#[tokio::test]
async fn whoever_has_no_keys_for_now_may_have_some_later() {
    for (broke, kind, disposition) in [
        (Broke::Failing, ErrorKind::Auth, Disposition::Transient),
        (Broke::Misread, ErrorKind::Config, Disposition::Permanent),
    ] {
        let credentials = SharedCredentialsProvider::new(broke);
        let error = fail(credentials, "http://127.0.0.1:9".to_owned(), &Context::new()).await;
        assert_eq!((error.kind(), error.disposition()), (kind, disposition), "{error}");
    }
}

#[tokio::test]
async fn the_deadline_bounds_the_wait_for_keys() {
    let cx = Context::new().with_deadline(Instant::now() + Duration::from_millis(50));
    let credentials = SharedCredentialsProvider::new(Broke::Silent);
    let error = fail(credentials, "http://127.0.0.1:9".to_owned(), &cx).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
