//! The mails that the server sends, one function each, the outbox they wait in, and what is heard of them afterwards.
//!
//! Texts lie in `server/templates/mail/`.

pub mod events;
pub mod outbox;
pub mod routes;
pub mod store;
pub mod suppressions;

use askama::Template;
use mailer::{Address, Email, Mailbox, Mailer, Outgoing};
use url::form_urlencoded;

use crate::account::model::User;
use crate::app::Settings;
use crate::devices::model::Device;
use crate::error::Error;
use crate::ids::MailId;
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::tokens::REGISTRATION_LIFE;
use store::QueuedMail;

/// The link with which a registration goes on, for as long as it works. By the outbox, although somebody waits for it: an
/// answer that told of a failure would tell which addresses have an account.
pub fn verify_registration(
    settings: &Settings,
    email: &str,
    token: &str,
    now: Timestamp,
) -> Result<Email, Error> {
    #[derive(Template)]
    #[template(path = "mail/verify_registration/body.txt")]
    struct Text<'a> {
        link: &'a str,
    }
    #[derive(Template)]
    #[template(path = "mail/verify_registration/body.html")]
    struct Html<'a> {
        link: &'a str,
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("email", email)
        .append_pair("token", token)
        .finish();
    let link = format!("{}/#/finish-signup/?{query}", settings.base());
    let (text, html) = (Text { link: &link }, Html { link: &link });
    let mail = letter(settings, email, "verify_registration", "Finish your registration", &text, &html)?;
    Ok(mail.not_after(now.plus(REGISTRATION_LIFE).to_system()))
}

/// A device that was not known has logged in. By the outbox, with the session that it tells of: a login does not wait for
/// a mail server.
pub fn new_device(settings: &Settings, user: &User, device: &Device) -> Result<Email, Error> {
    #[derive(Template)]
    #[template(path = "mail/new_device/body.txt")]
    struct Text<'a> {
        device: &'a str,
        kind: &'a str,
        at: &'a str,
        server: &'a str,
    }
    #[derive(Template)]
    #[template(path = "mail/new_device/body.html")]
    struct Html<'a> {
        device: &'a str,
        kind: &'a str,
        at: &'a str,
        server: &'a str,
    }
    let (kind, at, server) =
        (Device::kind_name(device.kind), device.created_at.to_rfc3339(), settings.base());
    letter(
        settings,
        &user.email,
        "new_device",
        "New login to your vault",
        &Text { device: &device.name, kind, at: &at, server },
        &Html { device: &device.name, kind, at: &at, server },
    )
}

/// Renders a mail for the outbox: from here on its bytes and its message id are fixed.
pub fn queue(mailer: &Mailer, email: &Email, rng: &Rng, now: Timestamp) -> Result<QueuedMail, Error> {
    queued(&email.render(mailer.renderer())?, rng, now)
}

/// A row for a mail that is due from then on.
pub fn queued(mail: &Outgoing, rng: &Rng, due_at: Timestamp) -> Result<QueuedMail, Error> {
    let meta = mail.meta();
    Ok(QueuedMail {
        id: MailId::random(rng),
        state: store::PENDING.to_owned(),
        kind: meta.kind.as_deref().map(str::to_owned),
        mail: serde_json::to_string(mail).map_err(Error::internal)?,
        attempts: 0,
        generation: 0,
        due_at,
        created_at: due_at,
        settled_at: None,
        last_error: None,
        dedupe_key: meta.key.as_ref().map(|key| key.as_str().to_owned()),
    })
}

fn letter(
    settings: &Settings,
    to: &str,
    kind: &'static str,
    subject: &str,
    text: &impl Template,
    html: &impl Template,
) -> Result<Email, Error> {
    Ok(Email::new(settings.mail_from.clone(), Mailbox::new(Address::parse(to)?))
        .subject(subject)
        .text(text.render().map_err(Error::internal)?)
        .html(html.render().map_err(Error::internal)?)
        .kind(kind))
}
