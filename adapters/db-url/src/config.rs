//! From URLs to typed options.

use std::path::PathBuf;

use dbconn::{Error, ErrorKind, Roots, Secret, Tls, UrlOptions};
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
    pub fn from_url(url: &Url) -> Result<Self, Error> {
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(refused("the URL does not begin with `postgres://`"));
        }
        let mut options = UrlOptions::of(url)?;
        let described = Self {
            host: host(url)?,
            port: url.port().unwrap_or(5432),
            database: decoded(url.path().trim_start_matches('/'), "database")?,
            user: decoded(url.username(), "user")?,
            password: password(url, &mut options)?,
            tls: tls(&mut options)?,
            application_name: options.take("application_name").unwrap_or_else(|| "undercroft".to_owned()),
        };
        options.finish()?;
        if described.database.is_empty() || described.user.is_empty() {
            return Err(refused("the URL names no user or no database"));
        }
        Ok(described)
    }
}

/// The path in `sqlite:///path`.
pub(crate) fn sqlite_path(url: &Url) -> Result<PathBuf, Error> {
    if url.scheme() != "sqlite" {
        return Err(refused("the URL does not begin with `sqlite://`"));
    }
    UrlOptions::of(url)?.finish()?;
    let somewhere_else = url.host_str().is_some_and(|host| !host.is_empty());
    if somewhere_else || url.fragment().is_some() || !url.path().starts_with('/') {
        return Err(refused("a SQLite URL is `sqlite://` and an absolute path: `sqlite:///srv/data.db`"));
    }
    Ok(PathBuf::from(decoded(url.path(), "path")?))
}

fn host(url: &Url) -> Result<String, Error> {
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("the URL names no host"))?;
    // An IPv6 address is written in brackets in a URL, and only there.
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn password(url: &Url, options: &mut UrlOptions) -> Result<Password, Error> {
    match (url.password(), options.take("password_file")) {
        (Some(_), Some(_)) => Err(refused("there is a password in the URL and a `password_file`")),
        (None, Some(path)) => Ok(Password::File(path.into())),
        (password, None) => {
            let bytes: Vec<u8> = percent_decode_str(password.unwrap_or_default()).collect();
            Ok(Password::Known(Secret::new(bytes)))
        }
    }
}

fn tls(options: &mut UrlOptions) -> Result<Tls, Error> {
    let roots = options.take("sslrootcert");
    match (options.take("sslmode").as_deref(), roots) {
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

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Config, "open", why)
}

#[cfg(test)]
mod tests;
