//! Everything an operator can set, in one flat list.

use std::fmt;

use clap::{Args, Command};
use serde::{Deserialize, Deserializer};

use super::SecretUrl;

/// What every variable begins with.
pub(super) const VARIABLE_PREFIX: &str = "UNDERCROFT_";

/// What the operator set, as text. A field is a flag (`--mail-from`), a variable (`UNDERCROFT_MAIL_FROM`) and a key of
/// the configuration file (`mail_from`). The comments are the help text and the example file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[command(next_help_heading = "Configuration")]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Folder for everything that no other setting places elsewhere: database, files, mails, certificates.
    #[arg(long, env = "UNDERCROFT_DATA", value_name = "FOLDER", global = true)]
    pub data: Option<String>,

    /// Address and port to listen on. Port 0 takes any free one.
    #[arg(long, env = "UNDERCROFT_LISTEN", value_name = "IP:PORT", global = true)]
    pub listen: Option<String>,

    /// Where clients reach this server. Unless set, it is localhost with the port listened on.
    #[arg(long, env = "UNDERCROFT_DOMAIN", value_name = "URL", global = true)]
    pub domain: Option<String>,

    /// Database. Unless set, it is a file in the data folder.
    #[arg(long, env = "UNDERCROFT_DATABASE", value_name = "URL", global = true, hide_env_values = true)]
    pub database: Option<SecretUrl>,

    /// How many connections to the database are held at most.
    #[arg(long, env = "UNDERCROFT_DATABASE_CONNECTIONS", value_name = "COUNT", global = true)]
    #[serde(deserialize_with = "text_or_number")]
    pub database_connections: Option<String>,

    /// Where attachments and the server's own keys are kept. Unless set, it is a folder in the data folder.
    #[arg(long, env = "UNDERCROFT_FILES", value_name = "URL", global = true, hide_env_values = true)]
    pub files: Option<SecretUrl>,

    /// How mails leave, or `off`. Unless set, they are put into a maildir in the data folder. `smtp://user:password@host`
    /// upgrades to TLS or fails, `smtps://user:password@host` begins with it, `ses://eu-west-1` is Amazon SES,
    /// `sendmail:` the local mail server; `failover(url url)` takes the first that works. `undercroft mail test` tries it.
    #[arg(long, env = "UNDERCROFT_MAIL", value_name = "URL|off", global = true, hide_env_values = true)]
    pub mail: Option<SecretUrl>,

    /// Sender of all mails.
    #[arg(long, env = "UNDERCROFT_MAIL_FROM", value_name = "NAME <ADDRESS>", global = true)]
    pub mail_from: Option<String>,

    /// For trying out: `on` shows the mails of a `maildir:` or `memory:` on the page `/dev/mail`, to anybody on this
    /// machine.
    #[arg(long, env = "UNDERCROFT_MAIL_PREVIEW", value_name = "on|off", global = true)]
    pub mail_preview: Option<String>,

    /// ARN of the SNS topic that tells of SES's bounces and complaints. Subscribe `/hooks/mail` to it over HTTPS; those
    /// addresses are not written to any more.
    #[arg(long, env = "UNDERCROFT_MAIL_EVENTS", value_name = "ARN", global = true)]
    pub mail_events: Option<String>,

    /// `self-signed` makes a certificate authority for this server in the data folder. `off` is for a server behind a
    /// proxy: official clients refuse plain HTTP. A certificate of your own takes the place of both.
    #[arg(long, env = "UNDERCROFT_TLS", value_name = "self-signed|off", global = true)]
    pub tls: Option<String>,

    /// PEM file with the server's certificate and its chain.
    #[arg(long, env = "UNDERCROFT_TLS_CERTIFICATE", value_name = "FILE", global = true)]
    pub tls_certificate: Option<String>,

    /// PEM file with the private key of the certificate.
    #[arg(long, env = "UNDERCROFT_TLS_KEY", value_name = "FILE", global = true)]
    pub tls_key: Option<String>,

    /// Who may register: anybody, anybody who can read mail at the address, or nobody. `undercroft account create`
    /// works in any case.
    #[arg(long, env = "UNDERCROFT_SIGNUPS", value_name = "open|verified|closed", global = true)]
    pub signups: Option<String>,

    /// How clients upload attachments: with one PUT to a signed URL, or as a form through the API.
    #[arg(long, env = "UNDERCROFT_UPLOADS", value_name = "ticket|multipart", global = true)]
    pub uploads: Option<String>,

    /// What is logged, as `level` or `target=level`, separated by commas.
    #[arg(long, env = "UNDERCROFT_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,
}

/// A setting as the help knows it.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its key in the file.
    pub name: String,
    /// Its flag.
    pub flag: String,
    /// Its variable.
    pub variable: String,
    /// What it is for, one paragraph.
    pub help: String,
}

impl Options {
    /// Every setting, in the order of the help.
    pub fn fields() -> Vec<Field> {
        let command = Self::augment_args(Command::new("undercroft"));
        let fields = command.get_arguments().map(|arg| Field {
            name: arg.get_id().to_string(),
            flag: format!("--{}", arg.get_long().unwrap_or_default()),
            variable: arg.get_env().unwrap_or_default().to_string_lossy().into_owned(),
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        });
        fields.collect()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The known name that looks most like a misspelt one.
pub(super) fn nearest<'a>(misspelt: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    let likeness = |name: &str| strsim::jaro_winkler(misspelt, name);
    known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number")]
    enum Either {
        Number(i64),
        Text(String),
    }
    Ok(Some(match Either::deserialize(deserializer)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_variable_and_key_have_one_name() {
        for field in Options::fields() {
            assert_eq!(field.flag, format!("--{}", field.name.replace('_', "-")));
            assert_eq!(field.variable, format!("{VARIABLE_PREFIX}{}", field.name.to_uppercase()));
            assert!(!field.help.is_empty(), "{field} is not documented");
        }
    }

    #[test]
    fn the_nearest_name_is_found() {
        let fields = Options::fields();
        let names = || fields.iter().map(|field| field.name.as_str());
        assert_eq!(nearest("databse", names()), "database");
        assert_eq!(nearest("signup", names()), "signups");
        assert_eq!(nearest("tls_cert", names()), "tls_certificate");
    }

    #[test]
    fn urls_are_not_shown() {
        let table = toml::from_str::<Options>("database = 'postgres://u:canary@h/d'").unwrap();
        assert!(!format!("{table:?}").contains("canary"));
    }
}
