//! Ways for mail by URL, and who reads what is told about mails afterwards.

use std::sync::Arc;

use mailer::preview::Preview;
use mailer::{Backend, BackendUrl, Mailer, Registry, Renderer};

use super::Error;
use crate::clock::Clock;
use crate::config::{Config, SecretUrl};
use crate::mail::events::Hook;
use crate::mail::routes::PREVIEW;
use crate::rng::Rng;

/// All ways that a URL can name.
pub(super) fn ways() -> Registry {
    let registry = Registry::new()
        .with("eml", |url| Ok(Arc::new(mail_local::Eml::from_url(url)?)))
        .with("maildir", |url| Ok(Arc::new(mail_local::Maildir::from_url(url)?)))
        .with("memory", |url| Ok(Arc::new(mail_memory::Memory::from_url(url)?)))
        .with("sendmail", |url| Ok(Arc::new(mail_local::Sendmail::from_url(url)?)))
        .with("smtp", |url| Ok(Arc::new(mail_smtp::Smtp::from_url(url)?)))
        .with("smtps", |url| Ok(Arc::new(mail_smtp::Smtp::from_url(url)?)));
    #[cfg(feature = "ses")]
    let registry = {
        let environment = mail_ses::Environment::from_vars(crate::config::cloud_variables());
        registry.with("ses", move |url| Ok(Arc::new(mail_ses::Ses::from_url(url, &environment)?)))
    };
    registry
}

/// The way for mail alone, without the list of those who are not to be written to.
pub fn mailer(config: &Config, clock: &Clock, rng: &Rng) -> Result<Option<Mailer>, Error> {
    let Some(url) = &config.mail else { return Ok(None) };
    Ok(Some(Mailer::new(ways().open(url.expose())?, renderer(clock, rng))))
}

/// The way for mail, and the page that shows what goes there, if the operator wants one.
pub(super) fn mailer_and_page(
    config: &Config,
    clock: &Clock,
    rng: &Rng,
) -> Result<(Option<Mailer>, Option<Preview>), Error> {
    match &config.mail {
        Some(url) if config.mail_preview => {
            let (way, page) = shown(url)?;
            Ok((Some(Mailer::new(way, renderer(clock, rng))), Some(page.at(PREVIEW))))
        }
        _ => Ok((mailer(config, clock, rng)?, None)),
    }
}

fn renderer(clock: &Clock, rng: &Rng) -> Renderer {
    let (clock, rng) = (clock.clone(), rng.clone());
    let clock = mailer::Clock::new(move || clock.system_time());
    Renderer::new(clock, mailer::Entropy::new(move || rng.bytes()))
}

/// A way whose mails stay on this machine. What is in memory has to be the same for both.
fn shown(url: &SecretUrl) -> Result<(Arc<dyn Backend>, Preview), Error> {
    let mut url = BackendUrl::parse(url.expose())?;
    let (way, page): (Arc<dyn Backend>, _) = if url.url().scheme() == "memory" {
        let memory = mail_memory::Memory::from_url(&mut url)?;
        let inbox = memory.inbox();
        (Arc::new(memory), Preview::new(inbox))
    } else {
        let folder = mail_local::Maildir::from_url(&mut url)?;
        (Arc::new(folder.clone()), Preview::new(folder))
    };
    url.finish()?;
    Ok((way, page))
}

/// Who reads what the provider tells, if the operator expects it.
pub(super) fn hook(config: &Config, clock: &Clock) -> Result<Option<Arc<dyn Hook>>, Error> {
    let Some(topic) = &config.mail_events else { return Ok(None) };
    #[cfg(feature = "ses")]
    return Ok(Some(Arc::new(super::notifications::Notifications::new(topic.clone(), clock)?)));
    #[cfg(not(feature = "ses"))]
    {
        let _ = (topic, clock);
        let why = "mail_events: this program was built without SES";
        Err(mailer::Error::new(mailer::ErrorKind::Config, why).into())
    }
}
