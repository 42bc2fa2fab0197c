//! Configuration: read once, checked as a whole, and never looked up again.
//!
//! Flags win over variables, variables over the file, the file over defaults. This is the only place that reads the
//! environment.

mod defaults;
mod example;
mod load;
mod options;
mod resolve;
mod secret_url;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgMatches, ValueEnum};
use mailer::Mailbox;
use url::Url;

pub use example::example;
pub use load::{Loaded, Origin};
pub use options::{Field, Options};
pub use secret_url::SecretUrl;

use crate::app::{Settings, Signups, Uploads};

/// Holds the master password for `undercroft account create`.
pub const PASSWORD_VARIABLE: &str = "UNDERCROFT_PASSWORD";

/// What the operator decided, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Absolute path of the data folder; it may not exist yet.
    pub data: PathBuf,
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Where clients reach this server, if the operator said so; see [`Config::settings`].
    pub domain: Option<Url>,
    /// The database.
    pub database: SecretUrl,
    /// How many connections to it are held at most.
    pub database_connections: u32,
    /// Where files are kept.
    pub files: SecretUrl,
    /// How mails leave; `None` when mail is off.
    pub mail: Option<SecretUrl>,
    /// Sender of all mails.
    pub mail_from: Mailbox,
    /// Whether a page shows the mails that stay on this machine.
    pub mail_preview: bool,
    /// The topic by which Amazon tells what became of mails, if it is to be heard.
    pub mail_events: Option<String>,
    /// How connections are protected.
    pub tls: Tls,
    /// Who may register.
    pub signups: Signups,
    /// How clients are told to upload attachments.
    pub uploads: Uploads,
    /// What is logged.
    pub log: String,
}

/// How connections are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: somebody in front of this server does it.
    Off,
    /// By a certificate from our own authority in the data folder.
    SelfSigned,
    /// By the operator's certificate.
    Files {
        /// PEM file of the chain, the server's certificate first.
        certificate: PathBuf,
        /// PEM file of its private key.
        key: PathBuf,
    },
}

/// URL schemes that this program can open.
#[derive(Clone, Debug)]
pub struct Schemes {
    /// For databases.
    pub database: Vec<String>,
    /// For file stores.
    pub files: Vec<String>,
    /// For mail.
    pub mail: Vec<String>,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting to change.
    pub field: String,
    /// What is wrong with it, without repeating a secret.
    pub message: String,
}

/// A configuration and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The values.
    pub config: Config,
    /// Where each came from; what is not in it is a default.
    pub origins: BTreeMap<String, Origin>,
}

/// Reads flags, the environment and the file, and checks the result.
pub fn read(matches: &ArgMatches, schemes: &Schemes) -> Result<Explained, Vec<Problem>> {
    // Names alone: what the variables hold comes with the matches.
    let variables = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let loaded = Loaded::new(matches, variables);
    match (Config::resolve(&loaded.options, schemes), loaded.problems) {
        (Ok(config), problems) if problems.is_empty() => Ok(Explained { config, origins: loaded.origins }),
        (Ok(_), problems) => Err(problems),
        (Err(more), mut problems) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// What clouds put into the environment of a program: who it is, and where. For adapters that are given it by
/// `assemble`.
pub fn cloud_variables() -> Vec<(String, String)> {
    let named = |name: &str| name.starts_with("AWS_");
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| named(name)).collect()
}

/// The master password in the environment, for scripts.
pub fn password_variable() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
    std::env::var(PASSWORD_VARIABLE).ok()
}

impl Config {
    /// What handlers act on. `bound` is where the server really listens, which the domain follows unless it was set.
    pub fn settings(&self, bound: SocketAddr) -> Settings {
        Settings {
            domain: self.domain_at(bound.port()),
            mail_from: self.mail_from.clone(),
            signups: self.signups,
            uploads: self.uploads,
        }
    }

    /// Every value as text, secrets masked, in the order of [`Options::fields`].
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let (tls, certificate, key) = match &self.tls {
            Tls::Off => ("off", None, None),
            Tls::SelfSigned => ("self-signed", None, None),
            Tls::Files { certificate, key } => ("files", Some(certificate), Some(key)),
        };
        let path = |path: Option<&PathBuf>| path.map_or("-".to_owned(), |path| path.display().to_string());
        vec![
            ("data", self.data.display().to_string()),
            ("listen", self.listen.to_string()),
            ("domain", self.domain_at(self.listen.port()).to_string()),
            ("database", self.database.to_string()),
            ("database_connections", self.database_connections.to_string()),
            ("files", self.files.to_string()),
            ("mail", self.mail.as_ref().map_or("off".to_owned(), ToString::to_string)),
            ("mail_from", mailbox(&self.mail_from)),
            ("mail_preview", if self.mail_preview { "on" } else { "off" }.to_owned()),
            ("mail_events", self.mail_events.clone().unwrap_or_else(|| "-".to_owned())),
            ("tls", tls.to_owned()),
            ("tls_certificate", path(certificate)),
            ("tls_key", path(key)),
            ("signups", name(&self.signups)),
            ("uploads", name(&self.uploads)),
            ("log", self.log.clone()),
        ]
    }

    fn domain_at(&self, port: u16) -> Url {
        if let Some(domain) = &self.domain {
            return domain.clone();
        }
        let scheme = if self.tls == Tls::Off { "http" } else { "https" };
        Url::parse(&format!("{scheme}://localhost:{port}")).expect("a scheme, a host and a port are a URL")
    }
}

impl Problem {
    /// A problem with one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

fn mailbox(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.address),
        None => mailbox.address.to_string(),
    }
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
