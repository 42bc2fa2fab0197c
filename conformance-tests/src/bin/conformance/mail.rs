//! The provider under test, opened from a URL.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use conformance_tests::mailer::live::Live;
use mailer::{Address, Backend, Registry};

/// A provider of mail. It is opened anew for each case, as each case has a runtime of its own.
pub(crate) struct Provider {
    url: String,
    from: Address,
    to: Address,
}

impl Provider {
    /// Opens it once, so that a wrong URL is told before any case.
    pub(crate) fn at(url: &str, from: &Address, to: &Address) -> Result<Self, String> {
        let opened = crate::stores::runtime().block_on(async { registry().open(url) });
        opened.map_err(|error| error.to_string())?;
        Ok(Self { url: url.to_owned(), from: from.clone(), to: to.clone() })
    }
}

/// The rest of the URL may hold credentials, and is not shown.
impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split([':', '(']).next().unwrap_or_default())
    }
}

#[async_trait]
impl Live for Provider {
    async fn open(&self) -> Arc<dyn Backend> {
        registry().open(&self.url).expect("it could be opened before")
    }

    fn from(&self) -> Address {
        self.from.clone()
    }

    fn to(&self) -> Address {
        self.to.clone()
    }
}

/// The adapters that can be named by a URL. Credentials for SES may come from the environment, as with any tool.
fn registry() -> Registry {
    #[expect(clippy::disallowed_methods, reason = "this is the edge: a program that is run by hand")]
    let environment = mail_ses::Environment::from_vars(std::env::vars());
    Registry::new()
        .with("eml", |url| Ok(Arc::new(mail_local::Eml::from_url(url)?)))
        .with("maildir", |url| Ok(Arc::new(mail_local::Maildir::from_url(url)?)))
        .with("memory", |url| Ok(Arc::new(mail_memory::Memory::from_url(url)?)))
        .with("sendmail", |url| Ok(Arc::new(mail_local::Sendmail::from_url(url)?)))
        .with("ses", move |url| Ok(Arc::new(mail_ses::Ses::from_url(url, &environment)?)))
        .with("smtp", |url| Ok(Arc::new(mail_smtp::Smtp::from_url(url)?)))
        .with("smtps", |url| Ok(Arc::new(mail_smtp::Smtp::from_url(url)?)))
}
