//! `s3:` URLs.

use std::{path::PathBuf, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use persistent_fs::{Result, UrlOptions};
use url::Url;

use crate::{
    S3,
    config::{Conditional, Config, ELSEWHERE, Encryption, config},
    credentials::{Credentials, Environment, Keys},
};

/// Opens `s3://bucket/prefix?…`, for [`persistent_fs::Registry::with`]. The options are those at the
/// [top of this crate](crate).
///
/// It reads no environment, so the URL has to say who asks: by keys, by `credentials=instance`, or by `credentials=sdk`,
/// which leaves it to the AWS SDK to read one. An unknown option, or one that is not valid:
/// [`ErrorKind::Config`](persistent_fs::ErrorKind::Config). Otherwise as [`S3::open`].
pub async fn open(url: Url) -> Result<S3> {
    S3::open(Config::from_url(&url, None)?).await
}

/// The same as [`open`], with an environment to take credentials, region and endpoint from where the URL names none.
///
/// ```no_run
/// # #[expect(clippy::disallowed_methods, reason = "an example of a main function")]
/// # fn main() {
/// let environment = fs_s3::Environment::from_vars(std::env::vars());
/// let registry = persistent_fs::Registry::new()
///     .with("s3", move |url| fs_s3::open_with(url, environment.clone()));
/// # }
/// ```
pub async fn open_with(url: Url, environment: Environment) -> Result<S3> {
    S3::open(Config::from_url(&url, Some(&environment))?).await
}

impl Config {
    /// What the URL says, completed from the environment if one is given. With `credentials=sdk` the region may be empty,
    /// and the rest is checked when the store is opened.
    ///
    /// What cannot be read, and an option that is not known:
    /// [`ErrorKind::Config`](persistent_fs::ErrorKind::Config), naming it and never its value.
    pub fn from_url(url: &Url, environment: Option<&Environment>) -> Result<Self> {
        let bucket = url.host_str().ok_or_else(|| config("an S3 URL is `s3://bucket/prefix`"))?;
        if url.scheme() != "s3" || url.port().is_some() || url.fragment().is_some() {
            return Err(config("an S3 URL is `s3://bucket/prefix`; a server is named by `endpoint`"));
        }
        let mut options = UrlOptions::of(url)?;
        let endpoint =
            read::<Url>(&mut options, "endpoint")?.or_else(|| environment.and_then(Environment::endpoint));
        let credentials = credentials(url, &mut options, environment)?;
        // A source may know the region, and is not asked before the store is opened.
        let open_end = matches!(credentials, Credentials::Source(_)).then(String::new);
        let region = options
            .take("region")
            .or_else(|| environment.and_then(Environment::region).map(str::to_owned))
            .or(open_end)
            .or_else(|| endpoint.as_ref().map(|_| ELSEWHERE.to_owned()))
            .ok_or_else(|| config("`region` is missing"))?;

        let mut config = Self::new(bucket, region, credentials);
        config.prefix = decoded(url.path().trim_matches('/'))?;
        config.endpoint = endpoint;
        config.path_style = read(&mut options, "path_style")?;
        config.allow_http = read(&mut options, "allow_http")?.unwrap_or(false);
        config.ca_file = options.take("ca_file").map(PathBuf::from);
        config.storage_class = options.take("storage_class");
        config.encryption = encryption(&mut options)?;
        config.part_size = size(&mut options, "part_size")?.unwrap_or(config.part_size);
        config.concurrency = read(&mut options, "concurrency")?.unwrap_or(config.concurrency);
        config.timeout = read(&mut options, "timeout")?.map_or(config.timeout, Duration::from_secs);
        config.retries = read(&mut options, "retries")?.unwrap_or(config.retries);
        config.conditional = conditional(&mut options)?;
        options.finish()?;
        if !config.region.is_empty() {
            config.check()?;
        }
        Ok(config)
    }
}

/// Keys in the URL, or who else is to be asked.
fn credentials(
    url: &Url,
    options: &mut UrlOptions,
    environment: Option<&Environment>,
) -> Result<Credentials> {
    let (mut id, mut secret) = (options.take("access_key_id"), options.take("secret_access_key"));
    let (token, kind) = (options.take("session_token"), options.take("credentials"));
    if !url.username().is_empty() {
        if id.is_some() || secret.is_some() {
            return Err(config("the keys are given twice, before the bucket and as options"));
        }
        id = Some(decoded(url.username())?);
        secret = url.password().map(decoded).transpose()?;
    }
    let given = id.is_some() || secret.is_some() || token.is_some();
    match kind.as_deref() {
        None | Some("static") if given => match (id, secret) {
            (Some(id), Some(secret)) => {
                Ok(Credentials::Static(Keys { session_token: token, ..Keys::new(id, secret) }))
            }
            (None, _) => Err(config("`access_key_id` is missing")),
            (_, None) => Err(config("`secret_access_key` is missing")),
        },
        Some(_) if given => Err(config("keys in the URL are for `credentials=static` alone")),
        Some("static") => Err(config("`access_key_id` is missing")),
        Some("instance") => Ok(Credentials::Instance),
        None | Some("environment") => match environment {
            Some(environment) => Credentials::from_environment(environment),
            None => Err(config("no credentials: the URL names none, and no environment was passed")),
        },
        Some("container") => match environment {
            Some(environment) => Credentials::of_container(environment),
            None => Err(config("`credentials=container` needs the environment, which was not passed")),
        },
        #[cfg(feature = "aws-config")]
        Some("sdk") => {
            let sdk = crate::sdk::SdkCredentials::new(options.take("profile"));
            Ok(Credentials::Source(std::sync::Arc::new(sdk)))
        }
        #[cfg(not(feature = "aws-config"))]
        Some("sdk") => Err(config(
            "`credentials=sdk` needs the cargo feature `aws-config`, which this program is built without",
        )),
        Some(_) => Err(config("`credentials` is `static`, `environment`, `container`, `instance` or `sdk`")),
    }
}

fn encryption(options: &mut UrlOptions) -> Result<Option<Encryption>> {
    match (options.take("sse").as_deref(), options.take("sse_kms_key_id")) {
        (None, None) => Ok(None),
        (Some("AES256"), None) => Ok(Some(Encryption::S3)),
        (Some("aws:kms"), key_id) => Ok(Some(Encryption::Kms { key_id })),
        (None | Some("AES256"), Some(_)) => Err(config("`sse_kms_key_id` is for `sse=aws:kms`")),
        (Some(_), _) => Err(config("`sse` is `AES256` or `aws:kms`")),
    }
}

fn conditional(options: &mut UrlOptions) -> Result<Conditional> {
    match options.take("conditional").as_deref() {
        None | Some("probe") => Ok(Conditional::Probe),
        Some("yes") => Ok(Conditional::Yes),
        Some("put") => Ok(Conditional::Put),
        Some("no") => Ok(Conditional::No),
        Some(_) => Err(config("`conditional` is `probe`, `yes`, `put` or `no`")),
    }
}

/// A number of bytes, or of `MiB`.
fn size(options: &mut UrlOptions, name: &'static str) -> Result<Option<u64>> {
    let Some(text) = options.take(name) else { return Ok(None) };
    let (number, unit) = text.strip_suffix("MiB").map_or((text.as_str(), 1), |number| (number, 1 << 20));
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.map(Some).ok_or_else(|| config(format!("`{name}` is a number of bytes, or of `MiB`")))
}

fn read<T: FromStr>(options: &mut UrlOptions, name: &'static str) -> Result<Option<T>> {
    let given = options.take(name);
    given.map(|text| text.parse().map_err(|_| config(format!("`{name}` is not valid")))).transpose()
}

fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| config("the URL is not in UTF-8"))?;
    Ok(text.into_owned())
}

#[cfg(test)]
#[path = "url_options_tests.rs"]
mod tests;
