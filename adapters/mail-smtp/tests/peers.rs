//! The suite on lettre's own transports, as they are: what a server negotiates is declared, and what they do not keep is
//! in `expected_failures.toml`. Compared are the groups that [`COMPARED`] names.

use std::{process::ExitCode, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{
        Delivered, Harness, Observer, Setting, cases,
        smtp::{Mechanism, Secret, Security, Target},
    },
    peers::{self, Peer},
    smtp_server::{Options, SmtpServer, nobody_listens},
};
use lettre::{
    AsyncSmtpTransport, Tokio1Executor,
    transport::{
        smtp::{
            PoolConfig,
            authentication::{Credentials, Mechanism as LettreMechanism},
            client::{Certificate, CertificateStore, Tls, TlsParameters},
            extension::ClientId,
        },
        stub::AsyncStubTransport,
    },
};
use mailer::{Address, Backend, lettre::Bridge};

const COMPARED: [&str; 10] = [
    "content::",
    "envelope::",
    "receipt::",
    "limits::",
    "injection::",
    "smtp::errors::",
    "smtp::partial::",
    "smtp::rude::",
    "smtp::odd::",
    "smtp::pool::",
];

fn main() -> ExitCode {
    let mut cases = cases();
    cases.retain(|case| COMPARED.iter().any(|group| case.name().starts_with(group)));
    let peers: Vec<Peer<dyn Harness>> = vec![
        Peer { configuration: "AsyncSmtpTransport", harness: Arc::new(Smtp) },
        Peer { configuration: "AsyncStubTransport", harness: Arc::new(Stub) },
    ];
    peers::main(env!("CARGO_MANIFEST_DIR"), "lettre", &cases, peers)
}

struct Smtp;

struct Stub;

#[derive(Debug)]
struct Sink(SmtpServer);

#[derive(Debug)]
struct Kept(AsyncStubTransport);

#[async_trait]
impl Harness for Smtp {
    async fn open(&self) -> Result<Setting, Absent> {
        let server = SmtpServer::start(Options::new());
        let backend = Arc::new(transport(&Target::plain(server.address()))?);
        Ok(Setting { backend, observer: Arc::new(Sink(server)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        let nobody = nobody_listens().expect("a port that is not in use");
        Ok(Arc::new(transport(&Target::plain(nobody))?))
    }

    async fn open_smtp(&self, server: &Target) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(transport(server)?))
    }
}

#[async_trait]
impl Harness for Stub {
    async fn open(&self) -> Result<Setting, Absent> {
        let stub = AsyncStubTransport::new_ok();
        Ok(Setting { backend: Arc::new(Bridge::stub(stub.clone())), observer: Arc::new(Kept(stub)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Bridge::stub(AsyncStubTransport::new_error())))
    }
}

#[async_trait]
impl Observer for Sink {
    async fn delivered(&self) -> Vec<Delivered> {
        let read = |mail: conformance_tests::smtp_server::Mail| Delivered {
            from: Some(mail.from).filter(|from| !from.is_empty()).map(|from| address(&from)),
            to: mail.to.iter().map(|to| address(to)).collect(),
            raw: mail.raw,
            provider_id: None,
        };
        self.0.mails().into_iter().map(read).collect()
    }
}

#[async_trait]
impl Observer for Kept {
    async fn delivered(&self) -> Vec<Delivered> {
        let read = |(envelope, raw): (lettre::address::Envelope, String)| Delivered {
            from: envelope.from().map(|from| address(from.as_ref())),
            to: envelope.to().iter().map(|to| address(to.as_ref())).collect(),
            raw: raw.into_bytes().into(),
            provider_id: None,
        };
        self.0.messages().await.into_iter().map(read).collect()
    }
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// What lettre has a setting for. For the rest the target must ask for what lettre does by itself.
fn transport(target: &Target) -> Result<Bridge<AsyncSmtpTransport<Tokio1Executor>>, Absent> {
    if target.mails_per_connection.is_some() {
        return Err(Absent::because("lettre has no limit of mails for a connection"));
    }
    let connections = u32::try_from(target.connections).expect("a handful");
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&target.host)
        .port(target.address.port())
        .hello_name(ClientId::Domain("client.example.com".to_owned()))
        .timeout(Some(target.step_timeout))
        .pool_config(PoolConfig::new().max_size(connections).idle_timeout(target.idle))
        .tls(match target.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(tls(target)),
            Security::Implicit => Tls::Wrapper(tls(target)),
        });
    if let Some(login) = &target.login {
        let Secret::Fixed(secret) = &login.secret else {
            return Err(Absent::because("lettre does not ask for a secret"));
        };
        builder = builder.credentials(Credentials::new(login.user.clone(), secret.clone()));
        if let Some(mechanism) = login.mechanism {
            builder = builder.authentication(vec![match mechanism {
                Mechanism::Plain => LettreMechanism::Plain,
                Mechanism::Login => LettreMechanism::Login,
                Mechanism::Xoauth2 => LettreMechanism::Xoauth2,
            }]);
        }
    }
    Ok(Bridge::smtp(builder.build()))
}

fn tls(target: &Target) -> TlsParameters {
    let mut parameters = TlsParameters::builder(target.host.clone())
        .certificate_store(CertificateStore::None)
        .dangerous_accept_invalid_certs(target.accept_invalid_certificates);
    if let Some(authority) = &target.authority {
        parameters = parameters
            .add_root_certificate(Certificate::from_pem(authority.as_bytes()).expect("a certificate"));
    }
    parameters.build_rustls().expect("sound parameters")
}
