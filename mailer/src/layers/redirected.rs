//! Lets no mail out of a system that is being tried.

use async_trait::async_trait;

use crate::{Address, Backend, Capabilities, Context, Envelope, Error, Outgoing, Receipt};

/// A backend that gets all mail for one inbox: for staging, with a copy of production's data, where nobody outside may
/// hear of it.
///
/// Every recipient becomes the inbox, and several become one. Recipients in the [allowed](Self::allowing) domains stay,
/// so testers get their mails themselves. No other recipient is left in the envelope, hidden ones included. The envelope
/// sender stays: it is ours, and bounces belong there.
///
/// The bytes stay as they are, so what is looked at in the inbox is what readers would get, signatures included. To whom a
/// mail was going its `To` and `Cc` say; whom it was hidden from nobody finds out. No header is added that would tell:
/// it would be one that production's mails do not have, and the one place where hidden copies are written down.
///
/// ```
/// # use mailer::{Address, Error, Mailer, layers::Redirected};
/// # fn example(mailer: Mailer) -> Result<Mailer, Error> {
/// let inbox: Address = "staging@example.org".parse()?;
/// Ok(mailer.layer(|backend| Redirected::new(backend, inbox).allowing(["example.org"])))
/// # }
/// ```
///
/// Put it outside of everything that looks at recipients: a suppression list of production must not decide what a tester
/// sees, nor learn from it.
#[derive(Clone, Debug)]
pub struct Redirected<B> {
    inner: B,
    inbox: Address,
    allowed: Vec<String>,
}

impl<B: Backend> Redirected<B> {
    /// Sends all mail for `inner` to this inbox.
    pub fn new(inner: B, inbox: Address) -> Self {
        Self { inner, inbox, allowed: Vec::new() }
    }

    /// Lets recipients in these domains be, each without its subdomains. What is no domain allows nothing.
    #[must_use]
    pub fn allowing<D: AsRef<str>>(mut self, domains: impl IntoIterator<Item = D>) -> Self {
        let ascii = |domain: D| crate::address::domain_to_ascii(domain.as_ref());
        self.allowed.extend(domains.into_iter().filter_map(ascii));
        self
    }

    fn redirect(&self, envelope: &Envelope) -> Result<Envelope, Error> {
        let is_allowed = |address: &Address| self.allowed.iter().any(|domain| domain == address.domain());
        let redirected = |to: &Address| if is_allowed(to) { to.clone() } else { self.inbox.clone() };
        Envelope::new(envelope.from().cloned(), envelope.to().iter().map(redirected))
    }
}

#[async_trait]
impl<B: Backend> Backend for Redirected<B> {
    /// Those of the inner backend.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// What the inner backend would refuse for its real recipients is refused here, too: staging must not hide it.
    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.inner.capabilities().admit(mail)?;
        let envelope = self.redirect(mail.envelope())?;
        self.inner.deliver(&mail.with_envelope(envelope), cx).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
