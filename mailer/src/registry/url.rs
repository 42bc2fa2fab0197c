//! A URL, taken apart key by key.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::config;
use crate::Error;

/// A URL being read by an opener.
///
/// An opener reads the fixed parts from [`url`](Self::url) and takes each key it knows with
/// [`take`](Self::take), also if it is not there, so that a mistake can be answered with the list of what would
/// have been right. The [`Registry`](crate::Registry) calls [`finish`](Self::finish) itself.
///
/// What an opener does not take is an error afterwards, so a misspelt key never passes in silence.
///
/// ```
/// # use mailer::{BackendUrl, Error, ErrorKind};
/// /// What `pigeon://loft?birds=3` says.
/// fn birds(url: &mut BackendUrl) -> Result<u32, Error> {
///     let wrong = |_| Error::new(ErrorKind::Config, "`birds` is not a number");
///     url.take("birds").map_or(Ok(1), |birds| birds.parse().map_err(wrong))
/// }
///
/// let mut url = BackendUrl::parse("pigeon://loft?brids=3")?;
/// assert_eq!(birds(&mut url)?, 1);
/// let error = url.finish().unwrap_err();
/// assert!(error.to_string().ends_with("unknown key brids in the mail URL; pigeon takes: birds"));
/// # Ok::<(), Error>(())
/// ```
pub struct BackendUrl {
    url: Url,
    query: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl BackendUrl {
    /// Parses a URL; the error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|error| config(format!("the mail URL is not valid: {error}")))?;
        if url.fragment().is_some() {
            return Err(config("the mail URL has a # part, which means nothing"));
        }
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (i, (key, _)) in query.iter().enumerate() {
            if query[..i].iter().any(|(earlier, _)| earlier == key) {
                return Err(config(format!("the mail URL has the {} twice", shown(key))));
            }
        }
        Ok(Self { url, query, known: Vec::new() })
    }

    /// Everything but the query: scheme, user, password, host, port and path, percent-encoded.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Takes the value of a key out of the query, decoded; `None` if the key is not there.
    pub fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let at = self.query.iter().position(|(name, _)| name == key)?;
        Some(self.query.remove(at).1)
    }

    /// Takes a number; what is none answers [`Config`](crate::ErrorKind::Config) and names the key.
    pub fn take_number<N: FromStr>(&mut self, key: &'static str) -> Result<Option<N>, Error> {
        self.take(key).map(|text| text.parse().map_err(|_| wrong(key, "a number"))).transpose()
    }

    /// Takes a time span: a whole number with `ms`, `s`, `m` or `h` behind it, or with nothing for seconds. What is none
    /// answers [`Config`](crate::ErrorKind::Config) and names the key.
    pub fn take_duration(&mut self, key: &'static str) -> Result<Option<Duration>, Error> {
        let invalid = || wrong(key, "a time span such as 500ms, 15s, 2m or 1h");
        self.take(key).map(|text| duration(&text).ok_or_else(invalid)).transpose()
    }

    /// Takes `yes` or `no`; what is neither answers [`Config`](crate::ErrorKind::Config) and names the key.
    pub fn take_flag(&mut self, key: &'static str) -> Result<Option<bool>, Error> {
        let flag = |text: String| match text.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(wrong(key, "yes or no")),
        };
        self.take(key).map(flag).transpose()
    }

    /// Answers [`Config`](crate::ErrorKind::Config), naming the first key nobody took.
    pub fn finish(&self) -> Result<(), Error> {
        let Some((key, _)) = self.query.first() else { return Ok(()) };
        let (key, scheme) = (shown(key), self.url.scheme());
        if self.known.is_empty() {
            return Err(config(format!("unknown {key} in the mail URL; {scheme} takes none")));
        }
        let known = self.known.join(", ");
        Err(config(format!("unknown {key} in the mail URL; {scheme} takes: {known}")))
    }
}

/// A key as an error may name it. Behind a `?` that should have been written `%3F` stands the rest of a password.
fn shown(key: &str) -> String {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if (1..=32).contains(&key.len()) && key.bytes().all(is_word) {
        return format!("key {key}");
    }
    "key that is no word of a-z, 0-9, _ and -".to_owned()
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn wrong(key: &str, expected: &str) -> Error {
    config(format!("the value of {key} is not {expected}"))
}

impl fmt::Debug for BackendUrl {
    /// Shows scheme, host and the names of keys; values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendUrl")
            .field("scheme", &self.url.scheme())
            .field("host", &self.url.host_str())
            .field("keys", &self.query.iter().map(|(key, _)| shown(key)).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_password_and_values() {
        let url = BackendUrl::parse("smtp://u:geheim@h?token=geheim").unwrap();
        assert!(!format!("{url:?}").contains("geheim"));
    }

    #[test]
    fn time_spans_have_a_unit_or_are_seconds() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("15s", Some(15_000)),
            ("15", Some(15_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "1 s", "1d", "99999999999999999999", "9999999999999999999h", "١"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_value_names_its_key_and_is_not_repeated() {
        let mut url = BackendUrl::parse("smtp://h?pool=geheim&timeout=geheim&strict=geheim").unwrap();
        for (error, key) in [
            (url.take_number::<u32>("pool").unwrap_err(), "pool"),
            (url.take_duration("timeout").unwrap_err(), "timeout"),
            (url.take_flag("strict").unwrap_err(), "strict"),
        ] {
            assert!(error.to_string().contains(key) && !error.to_string().contains("geheim"), "{error}");
        }
        assert_eq!(url.take_number::<u32>("absent").unwrap(), None);
    }
}
