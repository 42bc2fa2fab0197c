//! From text to values that work together.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mailer::Mailbox;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Config, Options, Problem, Schemes, SecretUrl, Tls, defaults};
use crate::app::Signups;

/// More connections than this are a typing error.
const MOST_CONNECTIONS: u32 = 1000;
/// Ways for mail that end on this machine.
const PREVIEWED: [&str; 2] = ["maildir", "memory"];

/// A setting that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Config {
    /// Checks the options and fills in defaults. All problems are reported at once, each under its field.
    ///
    /// Looks at the file system, and changes nothing there.
    pub fn resolve(options: &Options, schemes: &Schemes) -> Result<Self, Vec<Problem>> {
        let mut check = Checker(Vec::new());
        let data = check.keep("data", data_folder(text(options.data.as_ref(), defaults::DATA)));
        let listen = check.keep("listen", listen(text(options.listen.as_ref(), defaults::LISTEN)));
        let tls = check.tls(options);
        let domain = check.keep("domain", domain(options.domain.as_deref(), tls.as_ref()));
        let folder = data.clone().unwrap_or_default();
        let database = match &options.database {
            Some(url) => check.keep("database", known_scheme(url, &schemes.database)),
            None => check.keep("database", in_folder("sqlite", &folder.join("undercroft.sqlite3"))),
        };
        let files = match &options.files {
            Some(url) => check.keep("files", known_scheme(url, &schemes.files)),
            None => check.keep("files", in_folder("file", &folder.join("files"))),
        };
        let mail = match &options.mail {
            Some(url) if url.expose() == "off" => Some(None),
            Some(url) => check.keep("mail", known_scheme(url, &schemes.mail)).map(Some),
            None => check.keep("mail", in_folder("maildir", &folder.join("mail"))).map(Some),
        };
        let connections = text(options.database_connections.as_ref(), defaults::DATABASE_CONNECTIONS);
        let database_connections = check.keep("database_connections", count(connections));
        let mail_from =
            check.keep("mail_from", mailbox(text(options.mail_from.as_ref(), defaults::MAIL_FROM)));
        let preview: Option<Switch> =
            check.keep("mail_preview", one_of(text(options.mail_preview.as_ref(), defaults::MAIL_PREVIEW)));
        check.preview(preview, mail.as_ref(), listen);
        let mail_events = check.keep("mail_events", topic(options.mail_events.as_deref()));
        let signups = check.keep("signups", one_of(text(options.signups.as_ref(), defaults::SIGNUPS)));
        let uploads = check.keep("uploads", one_of(text(options.uploads.as_ref(), defaults::UPLOADS)));
        let log = check.keep("log", filter(text(options.log.as_ref(), defaults::LOG)));
        if signups == Some(Signups::Verified) && mail == Some(None) {
            check.refuse("signups", "`verified` needs mail, and mail is off");
        }
        let config = || {
            Some(Self {
                data: data?,
                listen: listen?,
                domain: domain?,
                database: database?,
                database_connections: database_connections?,
                files: files?,
                mail: mail?,
                mail_from: mail_from?,
                mail_preview: preview? == Switch::On,
                mail_events: mail_events?,
                tls: tls?,
                signups: signups?,
                uploads: uploads?,
                log: log?,
            })
        };
        match config() {
            Some(config) if check.0.is_empty() => Ok(config),
            _ => Err(check.0),
        }
    }
}

/// Collects what is wrong, so that the operator reads all of it at once.
struct Checker(Vec<Problem>);

impl Checker {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Problem::new(field, message));
    }

    fn keep<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.refuse(field, message)).ok()
    }

    /// Whoever can read the mails can take over the accounts.
    fn preview(
        &mut self,
        preview: Option<Switch>,
        mail: Option<&Option<SecretUrl>>,
        listen: Option<SocketAddr>,
    ) {
        if preview != Some(Switch::On) {
            return;
        }
        let scheme = mail.and_then(Option::as_ref).and_then(SecretUrl::scheme);
        if mail.is_some() && !scheme.is_some_and(|scheme| PREVIEWED.contains(&scheme)) {
            let known = PREVIEWED.join(":` or `");
            self.refuse(
                "mail_preview",
                format!("needs mails that stay here: `mail` must begin with `{known}:`"),
            );
        }
        if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
            self.refuse("mail_preview", "is for the machine itself: `listen` must be a loopback address");
        }
    }

    fn tls(&mut self, options: &Options) -> Option<Tls> {
        match (&options.tls_certificate, &options.tls_key) {
            (Some(certificate), Some(key)) => {
                if options.tls.is_some() {
                    self.refuse("tls", "either leave it out or leave out `tls_certificate` and `tls_key`");
                }
                let certificate = self.keep("tls_certificate", readable(certificate));
                let key = self.keep("tls_key", readable(key));
                Some(Tls::Files { certificate: certificate?, key: key? })
            }
            (Some(_), None) => self.keep("tls_key", Err("is missing beside `tls_certificate`".into())),
            (None, Some(_)) => self.keep("tls_certificate", Err("is missing beside `tls_key`".into())),
            (None, None) => match text(options.tls.as_ref(), defaults::TLS) {
                "self-signed" => Some(Tls::SelfSigned),
                "off" => Some(Tls::Off),
                _ => self.keep("tls", Err("is neither `self-signed` nor `off`".into())),
            },
        }
    }
}

fn text<'a>(given: Option<&'a String>, default: &'a str) -> &'a str {
    given.map_or(default, String::as_str)
}

/// The folder as an absolute path, if it can be written or made.
fn data_folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    let folder = std::path::absolute(text).map_err(|error| error.to_string())?;
    let Some(existing) = folder.ancestors().find(|path| path.exists()) else {
        return Err(format!("{} cannot be made", folder.display()));
    };
    if !existing.is_dir() {
        return Err(format!("{} is not a folder", existing.display()));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(existing, access) {
        Ok(()) => Ok(folder),
        Err(error) => Err(format!("{} is not writable: {error}", existing.display())),
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "is not an address with a port, such as 127.0.0.1:8443".into())
}

fn domain(text: Option<&str>, tls: Option<&Tls>) -> Result<Option<Url>, String> {
    let Some(text) = text else { return Ok(None) };
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` and `#`".into());
    }
    match (url.scheme(), tls) {
        ("https", _) | ("http", Some(Tls::Off) | None) => Ok(Some(url)),
        ("http", Some(_)) => Err("must begin with https:// while tls is on".into()),
        _ => Err("must begin with https://".into()),
    }
}

fn known_scheme(url: &SecretUrl, known: &[String]) -> Result<SecretUrl, String> {
    let list = known.join(", ");
    for scheme in url.schemes() {
        match scheme {
            None => return Err(format!("is not a URL; it begins with one of: {list}")),
            Some(scheme) if known.iter().any(|known| known == scheme) => {}
            Some(scheme) => return Err(format!("begins with `{scheme}:`, which is not one of: {list}")),
        }
    }
    Ok(url.clone())
}

/// A URL of this scheme with the path of a file or folder.
fn in_folder(scheme: &str, path: &Path) -> Result<SecretUrl, String> {
    let path = if path.is_absolute() { path.to_owned() } else { Path::new("/").join(path) };
    let url =
        Url::from_file_path(&path).map_err(|()| "the data folder cannot be written as a URL".to_owned())?;
    Ok(SecretUrl::new(format!("{scheme}://{}", url.path())))
}

fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=MOST_CONNECTIONS) => Ok(count),
        _ => Err(format!("is not a number from 1 to {MOST_CONNECTIONS}")),
    }
}

/// The name that Amazon gives a topic.
fn topic(text: Option<&str>) -> Result<Option<String>, String> {
    match text {
        Some(text) if text.starts_with("arn:") && text.split(':').count() == 6 => Ok(Some(text.to_owned())),
        Some(_) => {
            Err("is not the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:mail".into())
        }
        None => Ok(None),
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    Mailbox::parse(text).map_err(|error| error.to_string())
}

fn one_of<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        format!("is not one of: {}", names.join(", "))
    })
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn readable(path: &str) -> Result<PathBuf, String> {
    match fs::File::open(path) {
        Ok(_) => std::path::absolute(path).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{path}: {error}")),
    }
}
