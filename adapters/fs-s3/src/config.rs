//! What there is to configure, and the URL that says the same.

use std::{path::PathBuf, time::Duration};

use persistent_fs::{Clock, Error, ErrorKind, Key, Result};
use url::Url;

use crate::{credentials::Credentials, error::is_plain};

const MIB: u64 = 1 << 20;

/// The region of servers that have none.
pub(crate) const ELSEWHERE: &str = "us-east-1";

/// Where a bucket is and how to use it. [`S3::open`](crate::S3::open) checks it and opens the store.
///
/// ```
/// # use fs_s3::{Config, Credentials, Keys};
/// let credentials = Credentials::Static(Keys::new("AKIA…", "secret"));
/// let mut config = Config::new("attachments", "eu-west-1", credentials);
/// config.prefix = "vault".to_owned();
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The bucket. It must be there.
    pub bucket: String,
    /// Everything lies below this, as keys do below a folder: `a/b`. Empty: the whole bucket is the store.
    pub prefix: String,
    /// The region that requests are signed for. Servers other than Amazon's mostly ignore it. Empty: asked of a
    /// [`CredentialSource`](crate::CredentialSource), and `us-east-1` with an endpoint if that knows none.
    pub region: String,
    /// The server, if it is not Amazon's: scheme, host, port, and perhaps a path.
    pub endpoint: Option<Url>,
    /// Whether the bucket is named in the path rather than in the host name. `None`: with an endpoint of one's own,
    /// or if the bucket's name has dots, which no certificate covers.
    pub path_style: Option<bool>,
    /// Whether the endpoint may be reached without TLS.
    pub allow_http: bool,
    /// Root certificates in PEM to trust beside those of the web.
    pub ca_file: Option<PathBuf>,
    /// Who asks.
    pub credentials: Credentials,
    /// The storage class of new objects, such as `STANDARD_IA`. `None`: the bucket's.
    pub storage_class: Option<String>,
    /// How the server encrypts new objects. `None`: as the bucket says.
    pub encryption: Option<Encryption>,
    /// Bodies up to this size are sent in one request, larger ones in parts of this size or more. 5 MiB at least.
    pub part_size: u64,
    /// How many parts of one upload are on their way at once. One upload holds about this many parts in memory, and
    /// one more.
    pub concurrency: usize,
    /// How long to wait for an answer, or for the next piece of one.
    pub timeout: Duration,
    /// How often a request that can be repeated without harm is repeated.
    pub retries: usize,
    /// What is known about the server's conditional writes.
    pub conditional: Conditional,
    /// Tells the time, for links.
    pub clock: Clock,
}

/// How the server encrypts objects at rest. Reading them needs nothing but the right to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// With keys of S3's own (SSE-S3).
    S3,
    /// With a key of the key management service (SSE-KMS): the one named, or the account's own for S3.
    Kms {
        /// An identifier or an ARN.
        key_id: Option<String>,
    },
}

/// What is known about a server's conditional writes, on which creates and swaps stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditional {
    /// Amazon keeps all conditions; any other server is asked when the store is opened, by writing a few objects below
    /// `.persistent-fs/` and removing them.
    Probe,
    /// They are kept, says the operator.
    Yes,
    /// They may be kept by single requests, and are not at the end of an upload in parts. The server is asked about
    /// the former alone, and every object is sent in one request, so none may be larger than [`Config::part_size`].
    Put,
    /// They are not kept, says the operator: there is neither create nor swap.
    No,
}

impl Config {
    /// The whole bucket in a region of Amazon's.
    pub fn new(bucket: impl Into<String>, region: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: region.into(),
            endpoint: None,
            path_style: None,
            allow_http: false,
            ca_file: None,
            credentials,
            storage_class: None,
            encryption: None,
            part_size: 8 * MIB,
            concurrency: 4,
            timeout: Duration::from_mins(1),
            retries: 3,
            conditional: Conditional::Probe,
            clock: Clock::system(),
        }
    }

    /// The same with a region, if there was none and the source of the keys knows it.
    pub(crate) async fn located(mut self) -> Result<Self> {
        if self.region.is_empty()
            && let Credentials::Source(source) = &self.credentials
        {
            let usual = || self.endpoint.as_ref().map(|_| ELSEWHERE.to_owned());
            self.region = source.region().await?.or_else(usual).unwrap_or_default();
        }
        Ok(self)
    }

    /// Refuses what cannot work, with [`ErrorKind::Config`] and the name of the option.
    pub(crate) fn check(&self) -> Result<()> {
        let bucket = (3..=255).contains(&self.bucket.len())
            && self.bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        demand(bucket, "a bucket's name has 3 letters, digits, `-`, `_` or `.` or more")?;
        demand(self.prefix.is_empty() || Key::parse(&self.prefix).is_ok(), "the prefix is no valid key")?;
        demand(is_plain(&self.region), "`region` is missing or not valid")?;
        demand((5 * MIB..=5 << 30).contains(&self.part_size), "`part_size` is from 5 MiB to 5 GiB")?;
        demand((1..=64).contains(&self.concurrency), "`concurrency` is from 1 to 64")?;
        demand(!self.timeout.is_zero(), "`timeout` is one second or more")?;
        demand(self.retries <= 10, "`retries` is 10 at most")?;
        demand(self.storage_class.as_deref().is_none_or(is_class), "`storage_class` is not valid")?;
        let url = self.bucket_url()?;
        let web =
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        demand(web, "`endpoint` is an http or https URL without query")?;
        let bare = url.username().is_empty() && url.password().is_none();
        demand(bare, "`endpoint` holds no credentials")?;
        let secure = url.scheme() == "https" || self.allow_http;
        demand(secure, "`endpoint` is not encrypted; `allow_http=true` permits that")
    }

    /// The URL of the bucket, without a slash at its end unless it has no path.
    pub(crate) fn bucket_url(&self) -> Result<Url> {
        let by_path = self.path_style.unwrap_or(self.endpoint.is_some() || self.bucket.contains('.'));
        let mut url = if let Some(endpoint) = &self.endpoint {
            endpoint.clone()
        } else {
            let domain = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            let url = format!("https://s3.{}.{domain}", self.region);
            Url::parse(&url).map_err(|_| config("`region` is missing or not valid"))?
        };
        if by_path {
            let path = format!("{}/{}", url.path().trim_end_matches('/'), self.bucket);
            url.set_path(&path);
        } else {
            let host = format!("{}.{}", self.bucket, url.host_str().unwrap_or_default());
            url.set_host(Some(&host)).map_err(|_| config("the bucket cannot be part of a host name"))?;
        }
        Ok(url)
    }

    /// Whether the server is Amazon's own.
    pub(crate) fn is_amazon(&self) -> bool {
        let host = self.endpoint.as_ref().and_then(Url::host_str);
        host.is_none_or(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
    }
}

fn is_class(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn demand(holds: bool, otherwise: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(config(otherwise)) }
}

pub(crate) fn config(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, detail).with_operation("open")
}
