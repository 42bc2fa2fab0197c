//! The mails that the server sends, one function each, and the outbox they wait in.
//!
//! Texts lie in `server/templates/mail/`.

pub mod outbox;
pub mod store;

use askama::Template;
use mailer::{Address, Email, Mailbox, Mailer};
use url::form_urlencoded;

use crate::account::model::User;
use crate::app::Settings;
use crate::devices::model::Device;
use crate::error::Error;
use crate::ids::MailId;
use crate::rng::Rng;
use crate::time::Timestamp;
use store::QueuedMail;

/// The link with which a registration goes on.
pub fn verify_registration(settings: &Settings, email: &str, token: &str) -> Result<Email, Error> {
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
    letter(
        settings,
        email,
        "verify_registration",
        "Finish your registration",
        &Text { link: &link },
        &Html { link: &link },
    )
}

/// A device that was not known has logged in.
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
    let outgoing = email.render(mailer.renderer())?;
    Ok(QueuedMail {
        id: MailId::random(rng),
        state: store::PENDING.to_owned(),
        kind: email.kind.as_deref().map(str::to_owned),
        mail: serde_json::to_string(&outgoing).map_err(Error::internal)?,
        attempts: 0,
        generation: 0,
        due_at: now,
        created_at: now,
        settled_at: None,
        last_error: None,
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
