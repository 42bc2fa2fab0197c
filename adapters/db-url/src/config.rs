//! From URLs to typed options.

use std::{collections::BTreeMap, path::PathBuf};

use dbconn::{Error, ErrorKind, Roots, Secret, Tls};
use percent_encoding::percent_decode_str;
use url::Url;

/// A Postgres server and who we are to it.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Host name or address.
    pub host: String,
    /// TCP port, 5432 by default.
    pub port: u16,
    /// Database name.
    pub database: String,
    /// Database role.
    pub user: String,
    /// Where the password is.
    pub password: Password,
    /// How the connection is protected.
    pub tls: Tls,
    /// What the server's activity list shows.
    pub application_name: String,
}

/// Where a password is.
#[derive(Debug, Clone)]
pub enum Password {
    /// Here.
    Known(Secret),
    /// In this file, read anew for each connection. Line breaks at its end do not belong to it.
    File(PathBuf),
}

impl PostgresOptions {
    /// Reads `postgres://user:password@host:port/database?…`; see the crate's documentation for the keys.
    ///
    /// `Config`, naming the part or key that is wrong. Certificates are read now.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url = Url::parse(url).map_err(|_| refused("the URL cannot be read"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(refused("the URL does not begin with `postgres://`"));
        }
        let mut keys = Keys::of(&url)?;
        let options = Self {
            host: host(&url)?,
            port: url.port().unwrap_or(5432),
            database: decoded(url.path().trim_start_matches('/'), "database")?,
            user: decoded(url.username(), "user")?,
            password: password(&url, &mut keys)?,
            tls: tls(&mut keys)?,
            application_name: keys.take("application_name").unwrap_or_else(|| "undercroft".to_owned()),
        };
        keys.finish()?;
        if options.database.is_empty() || options.user.is_empty() {
            return Err(refused("the URL names no user or no database"));
        }
        Ok(options)
    }
}

/// The path in `sqlite:///path`.
pub(crate) fn sqlite_path(url: &str) -> Result<PathBuf, Error> {
    let Some(path) = url.strip_prefix("sqlite://") else {
        return Err(refused("the URL does not begin with `sqlite://`"));
    };
    let (path, keys) = path.split_once('?').unwrap_or((path, ""));
    if let Some(key) = keys.split(['&', '=']).find(|key| !key.is_empty()) {
        return Err(unknown_key(key));
    }
    if !path.starts_with('/') || path.contains('#') {
        return Err(refused("a SQLite URL is `sqlite://` and an absolute path: `sqlite:///srv/data.db`"));
    }
    Ok(PathBuf::from(decoded(path, "path")?))
}

/// The keys after `?`, taken one by one, so that those left over are the unknown ones.
struct Keys(BTreeMap<String, String>);

impl Keys {
    fn of(url: &Url) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        for (key, value) in url.query_pairs() {
            if keys.insert(key.to_string(), value.into_owned()).is_some() {
                return Err(refused(&format!("the key `{key}` is given twice")));
            }
        }
        Ok(Self(keys))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    fn finish(self) -> Result<(), Error> {
        self.0.into_keys().next().map_or(Ok(()), |key| Err(unknown_key(&key)))
    }
}

fn host(url: &Url) -> Result<String, Error> {
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("the URL names no host"))?;
    // An IPv6 address is written in brackets in a URL, and only there.
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn password(url: &Url, keys: &mut Keys) -> Result<Password, Error> {
    match (url.password(), keys.take("password_file")) {
        (Some(_), Some(_)) => Err(refused("there is a password in the URL and a `password_file`")),
        (None, Some(path)) => Ok(Password::File(path.into())),
        (password, None) => {
            let bytes: Vec<u8> = percent_decode_str(password.unwrap_or_default()).collect();
            Ok(Password::Known(Secret::new(bytes)))
        }
    }
}

fn tls(keys: &mut Keys) -> Result<Tls, Error> {
    let roots = keys.take("sslrootcert");
    match (keys.take("sslmode").as_deref(), roots) {
        (Some("disable"), None) => Ok(Tls::Off),
        (Some("disable"), Some(_)) => Err(refused("`sslrootcert` has no meaning with `sslmode=disable`")),
        (None | Some("verify-full"), None) => Ok(Tls::VerifyFull(Roots::Web)),
        (None | Some("verify-full"), Some(path)) => {
            let pem = std::fs::read(path)
                .map_err(|error| refused(&format!("`sslrootcert` cannot be read: {}", error.kind())))?;
            Ok(Tls::VerifyFull(Roots::Pem(pem)))
        }
        (Some("require" | "prefer" | "allow" | "verify-ca"), _) => Err(refused(
            "this `sslmode` does not verify whom it talks to, and would hand the password to anybody in between; \
             use `verify-full`, with `sslrootcert` for a private authority, or `disable`",
        )),
        (Some(_), _) => Err(refused("`sslmode` is `verify-full` or `disable`")),
    }
}

fn decoded(part: &str, name: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map(Into::into).map_err(|_| refused(&format!("the {name} in the URL is not UTF-8")))
}

fn unknown_key(key: &str) -> Error {
    refused(&format!("the key `{key}` is unknown"))
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Config, "open", why)
}

#[cfg(test)]
mod tests;
