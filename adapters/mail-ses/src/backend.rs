//! The backend.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_sesv2::{
    Client,
    config::{
        BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    primitives::Blob,
    types::{Destination, EmailContent, MessageTag, RawMessage},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use mailer::{
    Backend, BackendUrl, Capabilities, Context, Error, ErrorKind, MessageId, Outcome, Outgoing, Receipt,
};
use tokio::time::timeout_at;

use crate::{
    account::{Account, Quota},
    config::{Environment, Options, is_tag},
    error::{Progress, deadline, nonsense, translate},
    gate::Gate,
    handover::Handover,
};

/// SES takes 40 MiB of base64, which is this much mail.
const MAX_BYTES: u64 = (40 << 20) / 4 * 3;

/// SES counts all recipients of a mail together.
const MAX_RECIPIENTS: usize = 50;

/// Connections that nobody uses are closed by us before SES does it, and before a frozen function wakes up with them.
const IDLE: Duration = Duration::from_secs(15);

/// Sends by Amazon SES in one region. Cheap to clone; clones share connections.
///
/// One call is one HTTP request: what fails is repeated by nobody but the caller, who is told whether it may have been
/// sent. See the [top of this crate](crate).
#[derive(Clone)]
pub struct Ses {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    gate: Gate,
}

impl Ses {
    /// Sets up a client; asks nobody yet, and reads nothing from the environment.
    ///
    /// Options that SES would refuse with every mail answer [`Config`](ErrorKind::Config).
    pub fn open(options: Options) -> Result<Self, Error> {
        options.check()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(options.connect_timeout)
            .operation_attempt_timeout(options.timeout)
            .operation_timeout(options.timeout);
        let mut config = aws_sdk_sesv2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client())
            .region(Region::new(options.region.clone()))
            .credentials_provider(options.credentials.clone())
            .retry_config(RetryConfig::disabled())
            // The timeouts say how long a call may take; a slow line is no fault before that.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts.build());
        config.set_endpoint_url(options.endpoint.clone());
        let shared = Shared { options, gate: Gate::default() };
        Ok(Self { client: Client::from_conf(config.build()), shared: Arc::new(shared) })
    }

    /// Opens `ses://region?…`, for [`mailer::Registry::with`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use mail_ses::{Environment, Ses};
    /// # fn registry(environment: Environment) -> mailer::Registry {
    /// mailer::Registry::new().with("ses", move |url| Ok(Arc::new(Ses::from_url(url, &environment)?)))
    /// # }
    /// ```
    pub fn from_url(url: &mut BackendUrl, environment: &Environment) -> Result<Self, Error> {
        Self::open(Options::from_url(url, environment)?)
    }

    /// What SES says about the account. Needs the permission `ses:GetAccount`; SES answers it about once a second.
    pub async fn account(&self) -> Result<Account, Error> {
        let _running = self.shared.gate.enter()?;
        let output = self.client.get_account().send().await;
        // Asking sends nothing, however it ends.
        let output =
            output.map_err(|error| translate(&error, Progress::Handing).with_outcome(Outcome::NotApplied))?;
        Ok(Account::read(&output))
    }

    /// How much may be sent, for whoever limits the rate. As [`account`](Self::account); an answer without a quota is
    /// [`Protocol`](ErrorKind::Protocol).
    pub async fn quota(&self) -> Result<Quota, Error> {
        let quota = self.account().await?.quota;
        quota.ok_or_else(|| nonsense("SES told no quota").with_outcome(Outcome::NotApplied))
    }

    async fn hand_over(&self, mail: &Outgoing, cx: &Context, handover: &Handover) -> Result<Receipt, Error> {
        let _running = self.shared.gate.enter()?;
        cx.admit()?;
        self.capabilities().admit(mail)?;
        let options = &self.shared.options;
        let to = mail.envelope().to().iter().map(ToString::to_string).collect();
        let request = self
            .client
            .send_email()
            .set_configuration_set_name(options.configuration_set.clone())
            .set_feedback_forwarding_email_address(options.feedback.as_ref().map(ToString::to_string))
            .set_email_tags(self.tags(mail)?)
            // The envelope and nothing else; without it SES would read the headers. There `To` is as good as `Bcc`.
            .destination(Destination::builder().set_to_addresses(Some(to)).build())
            .content(content(mail)?);
        let sending = request.customize().interceptor(handover.clone()).send();
        let output = sending.await.map_err(|error| translate(&error, progress(handover)))?;
        let id = output.message_id().ok_or_else(|| nonsense("SES took the mail and gave it no id"))?;
        Ok(Receipt::new(self.message_id(id)?, "ses").with_provider_id(id).with_attempts(cx.attempt))
    }

    /// The id that readers see, which SES puts into the mail.
    fn message_id(&self, id: &str) -> Result<MessageId, Error> {
        let host = match self.shared.options.region.as_str() {
            "us-east-1" => "email",
            region => region,
        };
        MessageId::parse(&format!("{id}@{host}.amazonses.com"))
            .map_err(|_| nonsense("SES took the mail and gave it an id that is none"))
    }

    fn tags(&self, mail: &Outgoing) -> Result<Option<Vec<MessageTag>>, Error> {
        let options = &self.shared.options;
        let mut tags = Vec::new();
        if let (Some(name), Some(kind)) = (&options.kind_tag, &mail.meta().kind) {
            if !is_tag(kind) {
                return Err(Error::invalid("kind", "cannot be a tag of SES, because of a dot in it"));
            }
            tags.push((name.as_str(), &**kind));
        }
        tags.extend(options.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let tag =
            |(name, value)| MessageTag::builder().name(name).value(value).build().map_err(|_| unbuilt());
        let tags = tags.into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(tags).filter(|tags| !tags.is_empty()))
    }
}

/// A client of HTTP: rustls with ring, and the operating system's roots of trust.
pub(crate) fn http_client() -> SharedHttpClient {
    let tls = Provider::Rustls(CryptoMode::Ring);
    Builder::new().pool_idle_timeout(IDLE).tls_provider(tls).build_https()
}

fn content(mail: &Outgoing) -> Result<EmailContent, Error> {
    let raw = RawMessage::builder().data(Blob::new(mail.raw().as_ref())).build().map_err(|_| unbuilt())?;
    Ok(EmailContent::builder().raw(raw).build())
}

/// The SDK's builders fail when a field is missing, and none is.
fn unbuilt() -> Error {
    Error::new(ErrorKind::Other, "the request cannot be built").with_outcome(Outcome::NotApplied)
}

fn progress(handover: &Handover) -> Progress {
    if handover.is_complete() { Progress::Handed } else { Progress::Handing }
}

#[async_trait]
impl Backend for Ses {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = Some(MAX_BYTES);
        capabilities.max_recipients = Some(MAX_RECIPIENTS);
        capabilities.provider_id = true;
        capabilities.durable = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let handover = Handover::default();
        let call = self.hand_over(mail, cx, &handover);
        match cx.deadline {
            None => call.await,
            Some(end) => {
                let answer = timeout_at(end.into(), call).await;
                answer.unwrap_or_else(|_elapsed| Err(deadline(progress(&handover))))
            }
        }
    }

    /// Asks for the account, and so needs the permission `ses:GetAccount` beside the one to send. An account that SES
    /// has shut down or somebody has paused is [`Unavailable`](ErrorKind::Unavailable); one in the sandbox is logged,
    /// for it works as far as it goes.
    async fn check(&self) -> Result<(), Error> {
        match self.account().await {
            Ok(account) => account.check(),
            // Somebody has asked a moment before.
            Err(error) if error.kind() == ErrorKind::Throttled => {
                let busy = Error::new(ErrorKind::Unavailable, "SES was asked too often").at(error.stage());
                Err(busy.with_outcome(Outcome::NotApplied))
            }
            Err(error) => Err(error),
        }
    }

    async fn close(&self) {
        self.shared.gate.close().await;
    }
}

impl fmt::Debug for Ses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ses").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
