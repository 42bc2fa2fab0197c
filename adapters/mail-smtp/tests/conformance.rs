//! Enrols mail-smtp, against a server within the same process.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting, smtp},
    smtp_server::{self, SmtpServer, nobody_listens},
};
use mail_smtp::{Ask, Credentials, CredentialsProvider, Mechanism, Options, Roots, Security, Smtp};
use mailer::Backend;

conformance_tests::mailer!(SmtpHarness);

struct SmtpHarness;

#[derive(Debug)]
struct Reader(SmtpServer);

/// A secret that the suite tells when it is asked.
struct Told {
    user: String,
    is_token: bool,
    provider: Arc<dyn smtp::Provider>,
}

#[async_trait]
impl Harness for SmtpHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let server = SmtpServer::start(smtp_server::Options::new());
        let backend = self.open_smtp(&smtp::Target::plain(server.address())).await?;
        Ok(Setting { backend, observer: Arc::new(Reader(server)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        self.open_smtp(&smtp::Target::plain(nobody_listens().expect("loopback has a free port"))).await
    }

    async fn open_smtp(&self, server: &smtp::Target) -> Result<Arc<dyn Backend>, Absent> {
        let mut options = Options::new(server.host.clone());
        options.port = server.address.port();
        options.security = match server.security {
            smtp::Security::None => Security::None,
            smtp::Security::StartTls => Security::StartTls,
            smtp::Security::Implicit => Security::Implicit,
        };
        if let Some(authority) = &server.authority {
            options.roots = Roots::Pem(authority.clone().into_bytes());
        }
        options.accept_invalid_certs = server.accept_invalid_certificates;
        if let Some(login) = &server.login {
            options.credentials = Some(credentials(login));
            options.mechanism = login.mechanism.map(|mechanism| match mechanism {
                smtp::Mechanism::Plain => Mechanism::Plain,
                smtp::Mechanism::Login => Mechanism::Login,
                smtp::Mechanism::Xoauth2 => Mechanism::Xoauth2,
            });
        }
        options.auth_in_clear = server.login_in_clear;
        options.pool = server.connections;
        options.mails_per_connection =
            server.mails_per_connection.map(|most| most.try_into().unwrap_or(u32::MAX));
        options.idle = server.idle;
        options.partial = !server.all_or_nothing;
        options.timeouts.connect = server.step_timeout;
        options.timeouts.greeting = server.step_timeout;
        options.timeouts.command = server.step_timeout;
        options.timeouts.data = server.step_timeout;
        options.timeouts.verdict = server.step_timeout;
        Ok(Arc::new(Smtp::new(options).expect("the options are sound")))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        let read = |mail: smtp_server::Mail| Delivered {
            from: if mail.from.is_empty() { None } else { Some(mail.from.parse().expect("an address")) },
            to: mail.to.iter().map(|to| to.parse().expect("an address")).collect(),
            raw: mail.raw,
            provider_id: Some(mail.id),
        };
        self.0.mails().into_iter().map(read).collect()
    }
}

#[async_trait]
impl CredentialsProvider for Told {
    async fn credentials(&self, _: Ask) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        let secret = self.provider.secret().await?;
        Ok(made(&self.user, &secret, self.is_token))
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

fn credentials(login: &smtp::Login) -> Arc<dyn CredentialsProvider> {
    let is_token = login.mechanism == Some(smtp::Mechanism::Xoauth2);
    match &login.secret {
        smtp::Secret::Fixed(secret) => Arc::new(made(&login.user, secret, is_token)),
        smtp::Secret::Asked(provider) => {
            Arc::new(Told { user: login.user.clone(), is_token, provider: Arc::clone(provider) })
        }
    }
}

fn made(user: &str, secret: &str, is_token: bool) -> Credentials {
    if is_token { Credentials::token(user, secret) } else { Credentials::password(user, secret) }
}
