//! What there is to configure, and the URL that says the same.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use mailer::{BackendUrl, Error, ErrorKind};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use crate::{Credentials, CredentialsProvider, PasswordFile};

/// Which server, as whom, and within which bounds.
///
/// ```
/// # use mail_smtp::{Credentials, Options};
/// let mut options = Options::new("smtp.example.org");
/// options.credentials = Some(std::sync::Arc::new(Credentials::password("vault", "secret")));
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Options {
    /// The server: a name, in ASCII, or an IP address. Its certificate must bear it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made private.
    pub security: Security,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// Takes any certificate, whoever signed it, for whatever name and time. Whoever sits between us and the server can
    /// read and change everything then, passwords included.
    pub accept_invalid_certs: bool,
    /// Takes a sound certificate that bears another name.
    pub accept_invalid_hostnames: bool,
    /// Who we are; `None` to send no `AUTH`.
    pub credentials: Option<Arc<dyn CredentialsProvider>>,
    /// The only mechanism to use; `None` for the best that both sides know.
    pub mechanism: Option<Mechanism>,
    /// Sends the credentials also if the connection is not private.
    pub auth_in_clear: bool,
    /// The name we greet with; `None` for the address of our end of the connection.
    pub helo: Option<String>,
    /// The most connections that are open at the same time.
    pub pool: usize,
    /// After how many mails a connection is given up; `None` for no limit.
    pub mails_per_connection: Option<u32>,
    /// For how long a connection may lie unused before it is closed.
    pub idle: Duration,
    /// After how long a connection that lay unused is asked whether it still works, which costs a round trip.
    pub ping_after: Duration,
    /// A mail that is refused for some of its recipients goes to the others. Otherwise it goes to none.
    pub partial: bool,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// How the connection is made private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// From the first byte, as port 465 wants it.
    Implicit,
    /// By `STARTTLS`. A server that does not offer it gets neither credentials nor mail.
    StartTls,
    /// Not at all.
    None,
}

/// Whose certificates are trusted.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// The authorities of the web.
    Web,
    /// These alone, in PEM.
    Pem(Vec<u8>),
}

/// A way to prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// User and password in one line.
    Plain,
    /// User and password in a line each.
    Login,
    /// A token.
    Xoauth2,
}

/// How long each step may take. The deadline of a call bounds all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Finding the server's addresses and reaching one of them. Making the connection private may take as long again.
    pub connect: Duration,
    /// The server's first words. Some let strangers wait on purpose.
    pub greeting: Duration,
    /// The answer to a command.
    pub command: Duration,
    /// Each 64 KiB of a mail.
    pub data: Duration,
    /// The answer to the whole mail. Giving up early is dear here: nobody knows then whether it was sent.
    pub verdict: Duration,
    /// A whole call, waiting for a connection included; `None` for no bound but the caller's own.
    pub total: Option<Duration>,
}

/// The bounds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeouts: Timeouts,
    /// When the call must be over.
    pub(crate) deadline: Option<Instant>,
}

impl Options {
    /// This server on the port for submission (587), with `STARTTLS`, as nobody.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 587,
            security: Security::StartTls,
            roots: Roots::Web,
            accept_invalid_certs: false,
            accept_invalid_hostnames: false,
            credentials: None,
            mechanism: None,
            auth_in_clear: false,
            helo: None,
            pool: 8,
            mails_per_connection: Some(100),
            idle: Duration::from_mins(1),
            ping_after: Duration::from_secs(15),
            partial: true,
            timeouts: Timeouts::default(),
        }
    }

    /// Reads `smtp://` or `smtps://`; the crate's documentation lists the keys.
    ///
    /// Answers [`Config`](ErrorKind::Config) with the name of the part that is wrong, and never repeats a value. Reads the
    /// file that `ca_file` names.
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        let mut options = Self::new(host(url)?);
        options.security = security(url)?;
        let usual = if options.security == Security::Implicit { 465 } else { 587 };
        options.port = url.url().port().unwrap_or(usual);
        options.mechanism = mechanism(url)?;
        options.credentials = credentials(url, options.mechanism)?;
        if let Some(path) = url.take("ca_file") {
            let pem =
                std::fs::read(path).map_err(|error| config("`ca_file` cannot be read").with_source(error))?;
            options.roots = Roots::Pem(pem);
        }
        set(url, "auth_in_clear", &mut options.auth_in_clear, boolean)?;
        set(url, "accept_invalid_certs", &mut options.accept_invalid_certs, boolean)?;
        set(url, "accept_invalid_hostnames", &mut options.accept_invalid_hostnames, boolean)?;
        options.helo = url.take("helo");
        set(url, "pool", &mut options.pool, number)?;
        set(url, "mails_per_connection", &mut options.mails_per_connection, |text| number(text).map(Some))?;
        set(url, "idle", &mut options.idle, duration)?;
        set(url, "ping_after", &mut options.ping_after, duration)?;
        set(url, "partial", &mut options.partial, boolean)?;
        set(url, "connect_timeout", &mut options.timeouts.connect, duration)?;
        set(url, "greeting_timeout", &mut options.timeouts.greeting, duration)?;
        set(url, "command_timeout", &mut options.timeouts.command, duration)?;
        set(url, "data_timeout", &mut options.timeouts.data, duration)?;
        set(url, "verdict_timeout", &mut options.timeouts.verdict, duration)?;
        set(url, "timeout", &mut options.timeouts.total, |text| duration(text).map(Some))?;
        if options.shows_credentials() {
            return Err(config("the credentials would travel in clear; `auth_in_clear=true` permits that"));
        }
        options.check()?;
        Ok(options)
    }

    /// Whether credentials would have to be sent in clear though nobody permitted it.
    pub(crate) fn shows_credentials(&self) -> bool {
        self.credentials.is_some() && self.security == Security::None && !self.auth_in_clear
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_name = |name: &str| {
            (1..=255).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b))
        };
        let timeouts = &self.timeouts;
        let steps = [timeouts.connect, timeouts.greeting, timeouts.command, timeouts.data, timeouts.verdict];
        demand(is_name(&self.host), "the host is not a name in ASCII or an address")?;
        demand(
            self.helo.as_deref().is_none_or(is_name),
            "`helo` is not a name in ASCII or an address in brackets",
        )?;
        demand((1..=1000).contains(&self.pool), "`pool` is from 1 to 1000")?;
        demand(self.mails_per_connection != Some(0), "`mails_per_connection` is 1 or more")?;
        demand(
            steps.iter().chain(&timeouts.total).all(|step| !step.is_zero()),
            "a timeout is not longer than nothing",
        )
    }
}

impl Default for Timeouts {
    /// 10 seconds to connect, 30 for the greeting and a command, a minute for 64 KiB, 5 minutes for the verdict, and no
    /// bound for the whole.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            greeting: Duration::from_secs(30),
            command: Duration::from_secs(30),
            data: Duration::from_mins(1),
            verdict: Duration::from_mins(5),
            total: None,
        }
    }
}

impl Limits {
    /// The bounds of a call that begins now and whose caller waits until then.
    pub(crate) fn new(timeouts: Timeouts, deadline: Option<std::time::Instant>) -> Self {
        let own = timeouts.total.and_then(|total| Instant::now().checked_add(total));
        Self { timeouts, deadline: deadline.map(Instant::from_std).into_iter().chain(own).min() }
    }

    /// When a step must be over that begins now and may take this long.
    pub(crate) fn until(&self, step: Duration) -> Instant {
        // A step longer than the clock can count is as good as a day.
        let now = Instant::now();
        let own = now.checked_add(step).unwrap_or(now + Duration::from_hours(24));
        self.deadline.map_or(own, |deadline| deadline.min(own))
    }
}

fn host(url: &BackendUrl) -> Result<String, Error> {
    if !matches!(url.url().path(), "" | "/") {
        return Err(config("the mail URL has a path, which means nothing for SMTP"));
    }
    let host = url.url().host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| config("the mail URL has no host"))?;
    let host = decoded(host, "the host")?;
    // The parser of URLs knows international names, but applies that to schemes of the web alone.
    let host = url::Host::parse(&host).map_err(|_| config("the host in the mail URL is not valid"))?;
    Ok(match host {
        url::Host::Ipv6(address) => address.to_string(),
        host => host.to_string(),
    })
}

fn security(url: &mut BackendUrl) -> Result<Security, Error> {
    let implicit = match url.url().scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(config("the scheme is neither smtp nor smtps")),
    };
    match (url.take("tls").as_deref(), implicit) {
        (None, true) => Ok(Security::Implicit),
        (None | Some("starttls"), false) => Ok(Security::StartTls),
        (Some("off"), false) => Ok(Security::None),
        (Some(_), true) => Err(config("`tls` means nothing for smtps, which always is")),
        (Some(_), false) => {
            Err(config("`tls` is `starttls` or `off`; for TLS from the start write smtps://"))
        }
    }
}

fn mechanism(url: &mut BackendUrl) -> Result<Option<Mechanism>, Error> {
    match url.take("auth").as_deref() {
        None => Ok(None),
        Some("plain") => Ok(Some(Mechanism::Plain)),
        Some("login") => Ok(Some(Mechanism::Login)),
        Some("xoauth2") => Ok(Some(Mechanism::Xoauth2)),
        Some(_) => Err(config("`auth` is `plain`, `login` or `xoauth2`")),
    }
}

fn credentials(
    url: &mut BackendUrl,
    mechanism: Option<Mechanism>,
) -> Result<Option<Arc<dyn CredentialsProvider>>, Error> {
    let user = decoded(url.url().username(), "the user")?;
    let password = url.url().password().map(|password| decoded(password, "the password")).transpose()?;
    let file = url.take("password_file");
    if user.is_empty() {
        let nothing = password.is_none() && file.is_none() && mechanism.is_none();
        return if nothing { Ok(None) } else { Err(config("there is no user for `auth` or a password")) };
    }
    let credentials = match (password, file) {
        (Some(_), Some(_)) => return Err(config("there is a password and a `password_file`")),
        (None, None) => return Err(config("there is a user, and no password or `password_file`")),
        (None, Some(_)) if mechanism == Some(Mechanism::Xoauth2) => {
            return Err(config("`password_file` holds no token, as `auth=xoauth2` needs one"));
        }
        (None, Some(path)) => return Ok(Some(Arc::new(PasswordFile::new(user, PathBuf::from(path))))),
        (Some(token), None) if mechanism == Some(Mechanism::Xoauth2) => Credentials::token(user, token),
        (Some(password), None) => Credentials::password(user, password),
    };
    demand(
        credentials.is_sound(),
        "the user or the password holds a NUL or another character that cannot be sent",
    )?;
    Ok(Some(Arc::new(credentials)))
}

fn decoded(text: &str, part: &str) -> Result<String, Error> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from).map_err(|_| config(format!("{part} in the mail URL is not UTF-8")))
}

/// Takes a key, if it is there, and reads its value.
fn set<T>(
    url: &mut BackendUrl,
    key: &'static str,
    option: &mut T,
    read: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<(), Error> {
    if let Some(text) = url.take(key) {
        *option = read(&text).map_err(|expected| config(format!("`{key}` is not {expected}")))?;
    }
    Ok(())
}

fn number<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "a number")
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "`true` or `false`")
}

/// Reads `250ms`, `15s`, `2m`, or seconds.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u32 = digits.parse().map_err(|_| "a time such as `250ms`, `15s` or `2m`")?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(count.into())),
        "s" | "" => Ok(Duration::from_secs(count.into())),
        "m" => Ok(Duration::from_secs(u64::from(count) * 60)),
        _ => Err("a time such as `250ms`, `15s` or `2m`"),
    }
}

fn demand(holds: bool, otherwise: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(config(otherwise)) }
}

pub(crate) fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web => f.write_str("Web"),
            Self::Pem(pem) => write!(f, "Pem({} bytes)", pem.len()),
        }
    }
}

#[cfg(test)]
mod tests;
