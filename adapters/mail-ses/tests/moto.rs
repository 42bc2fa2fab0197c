//! The same mail to somebody else's idea of SES: `moto`, where `TEST_SES_ENDPOINT` says it listens. It has to be one of its
//! own, for it cannot show its mails once other services hold bytes.
//!
//! moto checks who may send, and neither signatures nor sizes nor tags. It keeps bytes as they came, adds the addresses of
//! the headers to those of the envelope, and does not know about accounts.

use std::{process::ExitCode, sync::Arc};

use aws_sdk_sesv2::{
    Client, Config,
    config::{BehaviorVersion, Region},
};
use aws_smithy_http_client::Builder;
use conformance_tests::{Absent, Checked, cases, run_all, trials};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::{Address, Backend as _, Context, Email, ErrorKind, Outcome, Outgoing, Renderer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the settings of these tests")]
    let [endpoint, required] = ["TEST_SES_ENDPOINT", "TEST_REQUIRE"].map(std::env::var);
    let required = required.is_ok_and(|named| named.split(',').any(|name| name.trim() == "ses"));
    assert!(endpoint.is_ok() || !required, "TEST_REQUIRE names ses, and TEST_SES_ENDPOINT is not set");
    let moto = Arc::new(Moto(endpoint.ok()));
    let cases = cases!["moto"; a_mail_arrives_as_it_is_for_its_envelope, a_sender_nobody_verified_is_refused];
    run_all(env!("CARGO_PKG_NAME"), trials("", &moto, cases))
}

/// Where moto listens, if it does.
struct Moto(Option<String>);

impl Moto {
    fn endpoint(&self) -> Result<&str, Absent> {
        self.0.as_deref().ok_or_else(|| Absent::because("TEST_SES_ENDPOINT is not set"))
    }

    fn ses(&self) -> Result<Ses, Absent> {
        let mut options = Options::new("eu-west-1", SharedCredentialsProvider::new(credentials()));
        options.endpoint = Some(self.endpoint()?.to_owned());
        Ok(Ses::open(options).expect("the options are sound"))
    }

    /// What an administrator does.
    async fn verify(&self, identity: &str) -> Checked {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .region(Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .endpoint_url(self.endpoint()?);
        let client = Client::from_conf(config.build());
        client.create_email_identity().email_identity(identity).send().await.expect("moto takes identities");
        Ok(())
    }

    /// The raw mails that moto holds.
    async fn mails(&self) -> Result<Vec<Value>, Absent> {
        let host = self.endpoint()?.strip_prefix("http://").expect("moto speaks in clear");
        let mut connection = TcpStream::connect(host).await.expect("moto listens");
        let request = format!("GET /moto-api/data.json HTTP/1.0\r\nHost: {host}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("moto listens");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("moto answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        let data: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("moto says {answer}"));
        Ok(data["ses"]["RawMessage"].as_array().cloned().unwrap_or_default())
    }
}

fn credentials() -> Credentials {
    Credentials::new("AKIATEST", "not-to-be-shown", None, None, "test")
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// From a domain of its own, for moto is shared.
fn mail(domain: &str) -> Outgoing {
    let email = Email::new(address(&format!("vault@{domain}")), address("ann@example.com"))
        .cc(address("cc@example.com"))
        .bcc(address("hidden@example.com"))
        .subject("Hellö")
        .text("a line\n.\nand another");
    email.render(&Renderer::system()).expect("it can be rendered")
}

async fn a_mail_arrives_as_it_is_for_its_envelope(moto: &Moto) -> Checked {
    moto.verify("arrives.example").await?;
    let mail = mail("arrives.example");
    let receipt = moto.ses()?.deliver(&mail, &Context::new()).await.expect("the mail is taken");
    let id = receipt.provider_id.expect("moto gives ids");
    let held = moto.mails().await?;
    let held = held.iter().find(|held| held["id"] == *id).expect("moto holds the mail");
    assert_eq!(held["raw_data"].as_str().map(str::as_bytes), Some(mail.raw().as_ref()));
    let to: Vec<_> =
        held["destinations"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(to[..3], ["ann@example.com", "cc@example.com", "hidden@example.com"]);
    Ok(())
}

async fn a_sender_nobody_verified_is_refused(moto: &Moto) -> Checked {
    let error = moto.ses()?.deliver(&mail("unverified.example"), &Context::new()).await;
    let error = error.expect_err("nobody verified it");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotApplied), "{error}");
    assert_eq!(error.reply().map(|reply| reply.code.as_str()), Some("MessageRejected"));
    Ok(())
}
