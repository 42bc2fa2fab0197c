//! URLs that may hold a password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

/// A backend's URL. Whatever is shown of it has its secrets masked.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct SecretUrl(String);

/// A query key that contains one of these has a secret for a value.
const SECRET_KEYS: [&str; 5] = ["pass", "secret", "token", "key", "credential"];

impl SecretUrl {
    /// Takes the text as it is; whether it is a URL at all is for its reader to say.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text, for the registry that opens it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before the colon, or nothing if the text does not begin like a URL.
    pub fn scheme(&self) -> Option<&str> {
        scheme(&self.0)
    }

    /// The schemes of all URLs in it: one, or those that a combination such as `failover(url url)` is made of.
    pub fn schemes(&self) -> impl Iterator<Item = Option<&str>> {
        let parts: Vec<&str> = if self.is_combination() {
            self.0.split(DELIMITERS).filter(|part| part.contains(':')).collect()
        } else {
            vec![&self.0]
        };
        parts.into_iter().map(scheme)
    }

    fn is_combination(&self) -> bool {
        self.scheme().is_some_and(|name| self.0[name.len()..].starts_with('('))
    }

    fn masked(&self) -> Option<String> {
        if !self.is_combination() {
            return masked(&self.0);
        }
        let mut shown = String::new();
        for part in self.0.split_inclusive(DELIMITERS) {
            let text = part.trim_end_matches(DELIMITERS);
            // Names and the combination's own options hold no secrets.
            shown += &if text.contains(':') { masked(text)? } else { text.to_owned() };
            shown += &part[text.len()..];
        }
        Some(shown)
    }
}

/// What a combination puts around and between its URLs.
const DELIMITERS: [char; 3] = ['(', ' ', ')'];

fn scheme(text: &str) -> Option<&str> {
    let scheme = &text[..text.find([':', '('])?];
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_scheme)).then_some(scheme)
}

fn masked(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if url.password().is_some() {
        url.set_password(Some("***")).ok()?;
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (key, value) in pairs {
            let lower = key.to_lowercase();
            let is_secret = SECRET_KEYS.iter().any(|part| lower.contains(part));
            query.append_pair(&key, if is_secret { "***" } else { &value });
        }
    }
    Some(url.into())
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.masked(), self.scheme()) {
            (Some(masked), _) => f.write_str(&masked),
            (None, Some(scheme)) => write!(f, "{scheme}:…"),
            (None, None) => f.write_str("…"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_shown() {
        for (text, shown) in [
            ("postgres://ann:canary@db.example/vault", "postgres://ann:***@db.example/vault"),
            ("postgres://h/d?password=canary&sslmode=require", "postgres://h/d?password=***&sslmode=require"),
            ("s3://bucket?access_key=canary&region=eu", "s3://bucket?access_key=***&region=eu"),
            (
                "failover(smtp://u:canary@a limit(smtp://u:canary@b)?burst=2)?retry=60s",
                "failover(smtp://u:***@a limit(smtp://u:***@b)?burst=2)?retry=60s",
            ),
            ("failover(smtp://u:canary@a smtp://u:canary@b:port)", "failover:…"),
            ("smtp://u:canary@h:port", "smtp:…"),
            ("host=h password=canary:x", "…"),
            ("memory:", "memory:"),
            ("sqlite:///srv/data/undercroft.sqlite3", "sqlite:///srv/data/undercroft.sqlite3"),
        ] {
            assert_eq!(SecretUrl::new(text).to_string(), shown);
            assert!(!format!("{:?}", SecretUrl::new(text)).contains("canary"));
        }
    }

    #[test]
    fn a_combination_has_the_schemes_of_its_parts() {
        for (text, schemes) in [
            ("smtp://h", &[Some("smtp")][..]),
            ("failover(smtp://h:25 limit(ses://eu-west-1)?burst=2)?retry=60s", &[Some("smtp"), Some("ses")]),
            ("failover(smtp://h 1:2)", &[Some("smtp"), None]),
            ("nothing", &[None]),
        ] {
            assert_eq!(SecretUrl::new(text).schemes().collect::<Vec<_>>(), schemes, "{text}");
        }
    }
}
