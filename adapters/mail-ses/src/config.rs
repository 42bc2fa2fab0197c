//! How to reach SES: typed options, and their URL.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use mailer::{Address, BackendUrl, Error, ErrorKind};

/// How to reach SES, and what goes with every mail. `Debug` shows no credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The region that sends, such as `eu-west-1`.
    pub region: String,
    /// Who asks.
    pub credentials: SharedCredentialsProvider,
    /// Where to ask, in place of the region's usual address: `https://host` or, for tests, `http://host`.
    pub endpoint: Option<String>,
    /// The configuration set. SES publishes events by it; a default one on the identity needs a policy that allows it.
    pub configuration_set: Option<String>,
    /// Where SES sends bounces and complaints by mail, instead of to the author. It is the nearest that SES has to an
    /// envelope sender of one's own; the real one is always SES's.
    pub feedback: Option<Address>,
    /// Tags for every mail, which come back with its events: 1 to 256 of A-Z, a-z, 0-9, `_` and `-`, also the values.
    pub tags: BTreeMap<String, String>,
    /// The name of a tag that says what kind a mail is. With it a kind that SES's tags cannot hold, because of a dot,
    /// makes a mail [`Invalid`](ErrorKind::Invalid).
    pub kind_tag: Option<String>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a whole call may take. The caller's deadline counts too.
    pub timeout: Duration,
}

/// What an application lets `ses:` URLs take from its surroundings, passed in by whoever may read them. `Debug` shows
/// neither credentials nor values.
///
/// | Variables | For |
/// |---|---|
/// | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | keys, as on Lambda |
/// | `AWS_ENDPOINT_URL_SESV2`, `AWS_ENDPOINT_URL` | the endpoint, if the URL names none |
///
/// ```
/// # use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
/// # use mail_ses::Environment;
/// // From variables that the program has read, or from a provider of its own making.
/// let lambda = Environment::from_vars([("AWS_ACCESS_KEY_ID".to_owned(), "AKIDEXAMPLE".to_owned())]);
/// let keys = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let own = Environment::default().with_credentials(SharedCredentialsProvider::new(keys));
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    credentials: Option<SharedCredentialsProvider>,
}

impl Options {
    /// No configuration set, no tags; 5 seconds to connect, 30 for a whole call.
    pub fn new(region: impl Into<String>, credentials: SharedCredentialsProvider) -> Self {
        Self {
            region: region.into(),
            credentials,
            endpoint: None,
            configuration_set: None,
            feedback: None,
            tags: BTreeMap::new(),
            kind_tag: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }

    /// What a URL says, completed from the environment. The keys are those at the [top of this crate](crate).
    ///
    /// What cannot be read answers [`Config`](ErrorKind::Config), naming the key and never its value.
    pub fn from_url(url: &mut BackendUrl, environment: &Environment) -> Result<Self, Error> {
        let of = url.url();
        let is_plain = of.username().is_empty()
            && of.password().is_none()
            && of.port().is_none()
            && matches!(of.path(), "" | "/");
        let region = of.host_str().filter(|_| is_plain).map(str::to_owned);
        let region = region.ok_or_else(|| config("write ses://region, such as ses://eu-west-1"))?;

        let mut options = Self::new(region, credentials(url, environment)?);
        options.endpoint = url.take("endpoint").or_else(|| environment.endpoint());
        options.configuration_set = url.take("set");
        options.feedback = read(url, "feedback")?;
        options.tags = tags(url)?;
        options.kind_tag = url.take("kind_tag");
        options.connect_timeout = seconds(url, "connect_timeout")?.unwrap_or(options.connect_timeout);
        options.timeout = seconds(url, "timeout")?.unwrap_or(options.timeout);
        options.check()?;
        Ok(options)
    }

    /// What SES would refuse with every mail, or what would lead elsewhere.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.region.is_empty() || self.region.len() > 32 || !self.region.bytes().all(is_region) {
            return Err(config("the region is not 1 to 32 of a-z, 0-9 and -"));
        }
        let is_url = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if self.endpoint.as_deref().is_some_and(|url| !is_url(url)) {
            return Err(config("`endpoint` is not a URL"));
        }
        if self.configuration_set.as_deref().is_some_and(|set| !is_tag(set) || set.len() > 64) {
            return Err(config("`set` is not 1 to 64 of A-Z, a-z, 0-9, _ and -"));
        }
        let words = self.tags.iter().flat_map(|(name, value)| [name, value]);
        if !words.chain(&self.kind_tag).all(|word| is_tag(word)) {
            return Err(config("a tag is not 1 to 256 of A-Z, a-z, 0-9, _ and -"));
        }
        if self.kind_tag.as_ref().is_some_and(|name| self.tags.contains_key(name)) {
            return Err(config("`kind_tag` is among `tags`"));
        }
        if self.timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(config("a timeout is zero"));
        }
        Ok(())
    }
}

impl Environment {
    /// Keeps the variables whose names begin with `AWS_`, and drops the others. An empty one counts as absent.
    pub fn from_vars(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |(name, value): &(String, String)| name.starts_with("AWS_") && !value.is_empty();
        Self { variables: variables.into_iter().filter(known).collect(), credentials: None }
    }

    /// Who asks, for URLs that name nobody. Counts before variables.
    #[must_use]
    pub fn with_credentials(mut self, credentials: SharedCredentialsProvider) -> Self {
        self.credentials = Some(credentials);
        self
    }

    fn endpoint(&self) -> Option<String> {
        self.get("AWS_ENDPOINT_URL_SESV2").or_else(|| self.get("AWS_ENDPOINT_URL"))
    }

    fn credentials(&self) -> Result<SharedCredentialsProvider, Error> {
        if let Some(credentials) = &self.credentials {
            return Ok(credentials.clone());
        }
        let keys = (self.get("AWS_ACCESS_KEY_ID"), self.get("AWS_SECRET_ACCESS_KEY"));
        match keys {
            (Some(id), Some(secret)) => Ok(fixed(id, secret, self.get("AWS_SESSION_TOKEN"))),
            (Some(_), None) => Err(config("`AWS_SECRET_ACCESS_KEY` is missing")),
            (None, _) => Err(config("no credentials: neither the URL nor the environment names any")),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// What SES allows in the name and in the value of a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=256).contains(&text.len()) && text.bytes().all(allowed)
}

/// Keys in the URL, or who else is to be asked.
fn credentials(url: &mut BackendUrl, environment: &Environment) -> Result<SharedCredentialsProvider, Error> {
    let (id, secret) = (url.take("access_key_id"), url.take("secret_access_key"));
    let (token, kind) = (url.take("session_token"), url.take("credentials"));
    #[cfg(feature = "aws-config")]
    let profile = url.take("profile");
    let is_given = id.is_some() || secret.is_some() || token.is_some();
    match (kind.as_deref(), is_given) {
        (None, true) => match (id, secret) {
            (Some(id), Some(secret)) => Ok(fixed(id, secret, token)),
            (None, _) => Err(config("`access_key_id` is missing")),
            (_, None) => Err(config("`secret_access_key` is missing")),
        },
        (Some(_), true) => Err(config("`credentials` is for URLs without keys")),
        (None | Some("environment"), false) => environment.credentials(),
        #[cfg(feature = "aws-config")]
        (Some("sdk"), false) => Ok(SharedCredentialsProvider::new(crate::sdk::SdkCredentials::new(profile))),
        #[cfg(not(feature = "aws-config"))]
        (Some("sdk"), false) => Err(config(
            "`credentials=sdk` needs the cargo feature `aws-config`, which this program is built without",
        )),
        (Some(_), false) => Err(config("`credentials` is `environment` or `sdk`")),
    }
}

fn fixed(id: String, secret: String, token: Option<String>) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "options"))
}

/// `name:value,name:value`, of characters that tags cannot hold.
fn tags(url: &mut BackendUrl) -> Result<BTreeMap<String, String>, Error> {
    let Some(text) = url.take("tags") else { return Ok(BTreeMap::new()) };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once(':')?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.split(',')
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| config("`tags` is not name:value,name:value"))
}

fn seconds(url: &mut BackendUrl, key: &'static str) -> Result<Option<Duration>, Error> {
    let Some(text) = url.take(key) else { return Ok(None) };
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number
        .map(|number| Some(Duration::from_secs(number)))
        .ok_or_else(|| config(format!("`{key}` is not a number of seconds, such as 15s")))
}

fn read<T: FromStr>(url: &mut BackendUrl, key: &'static str) -> Result<Option<T>, Error> {
    let given = url.take(key);
    given.map(|text| text.parse().map_err(|_| config(format!("`{key}` is not valid")))).transpose()
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
