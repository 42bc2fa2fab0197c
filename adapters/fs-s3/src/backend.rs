//! The store and its operations.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use object_store::{RetryConfig, aws::AmazonS3Builder};
use persistent_fs::{
    Backend, Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream, Prefix,
    PutLinks, ReadOptions, Result, Swept, Tally, Upload, WriteOptions,
};

use crate::{
    abilities::Abilities,
    config::{Config, Encryption, config},
    connect::Connector,
    copy,
    credentials::Signing,
    error::retell,
    links::{self, fits_header},
    list,
    publish::{Target, publish},
    read, sweep,
    upload::S3Upload,
    wire::{Call, Wire},
};

/// A file store in a bucket, or below a prefix of one. Clones are the same store.
#[derive(Clone)]
pub struct S3 {
    target: Arc<Target>,
}

impl S3 {
    /// Opens the store.
    ///
    /// What cannot work is refused before the server is asked: [`Config`](ErrorKind::Config). With
    /// [`Conditional::Probe`](crate::Conditional::Probe), a server that is not Amazon's is then asked what it does,
    /// which ends as a write would: [`Unauthenticated`](ErrorKind::Unauthenticated), [`Denied`](ErrorKind::Denied),
    /// [`Config`](ErrorKind::Config) for a bucket that is not there, [`Unavailable`](ErrorKind::Unavailable).
    /// Otherwise nothing is asked, and the first call finds out. Dropping the future may leave an object below
    /// `.persistent-fs/`, which a [sweep](Backend::sweep) removes.
    pub async fn open(config: Config) -> Result<Self> {
        let config = config.located().await?;
        config.check()?;
        let prefix = if config.prefix.is_empty() { String::new() } else { format!("{}/", config.prefix) };
        let new_object = new_object(&config)?;
        let (wire, store) = connected(&config)?;
        let abilities = Abilities::of(&config, &wire, &prefix, &new_object)
            .await
            .map_err(|error| error.with_operation("open"))?;
        let target = Target {
            wire,
            store,
            bucket: config.bucket,
            prefix,
            part_size: config.part_size,
            concurrency: config.concurrency,
            new_object,
            abilities,
            clock: config.clock,
            open_uploads: Mutex::new(HashSet::new()),
        };
        Ok(Self { target: Arc::new(target) })
    }

    /// Refuses what is not declared, names that are too long together with the prefix, and what no header can hold.
    fn permit(&self, key: &Key, options: &WriteOptions) -> Result<()> {
        self.capabilities().permit(options)?;
        self.target.path(key)?;
        if options.content_type.as_deref().is_none_or(fits_header) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidOption, "a media type is 1 to 1024 visible characters of ASCII")
            .with_key(key))
    }
}

/// The way to the bucket, once for what is asked here and once for what `object_store` asks.
fn connected(config: &Config) -> Result<(Wire, object_store::aws::AmazonS3)> {
    let connector = Connector::new(config)?;
    let bucket = config.bucket_url()?.as_str().trim_end_matches('/').to_owned();
    let http = connector.client();
    let signing = Signing::new(config, connector.clone())?;
    let retry =
        RetryConfig { max_retries: config.retries, retry_timeout: config.timeout, ..RetryConfig::default() };
    let store = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        // The URL names the bucket already, in one way or the other.
        .with_endpoint(&bucket)
        .with_virtual_hosted_style_request(true)
        .with_credentials(signing.provider())
        .with_retry(retry)
        .with_http_connector(connector)
        .build()
        .map_err(|error| retell(&error))?;
    let wire = Wire { http, bucket, region: config.region.clone(), signing, retries: config.retries };
    Ok((wire, store))
}

/// What every new object is told.
fn new_object(options: &Config) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut tell = |name: &'static str, value: &str| -> Result<()> {
        let value =
            HeaderValue::from_str(value).map_err(|_| config("an option cannot be part of a request"))?;
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    if let Some(class) = &options.storage_class {
        tell("x-amz-storage-class", class)?;
    }
    match &options.encryption {
        None => {}
        Some(Encryption::S3) => tell("x-amz-server-side-encryption", "AES256")?,
        Some(Encryption::Kms { key_id }) => {
            tell("x-amz-server-side-encryption", "aws:kms")?;
            if let Some(key_id) = key_id {
                tell("x-amz-server-side-encryption-aws-kms-key-id", key_id)?;
            }
        }
    }
    Ok(headers)
}

#[async_trait]
impl Backend for S3 {
    fn capabilities(&self) -> Capabilities {
        let abilities = self.target.abilities;
        Capabilities {
            durable: true,
            create: abilities.create,
            compare_and_swap: abilities.swap,
            etag: true,
            content_type: true,
            case_sensitive: true,
            get_links: true,
            put_links: if abilities.checksums { PutLinks::Exact } else { PutLinks::Unbounded },
            max_size: Some(self.target.largest()),
        }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.target.head(key).await.map_err(|error| error.with_key(key))
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        read::read(&self.target, key, options).await.map_err(|error| error.with_key(key))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.permit(key, &options)?;
        Ok(Box::new(S3Upload::new(Arc::clone(&self.target), key.clone(), options)))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let call = Call::new(Method::DELETE, self.target.path(key)?.as_ref()).repeatable();
        match self.target.wire.send(call).await {
            // Amazon says nothing of the kind, but others do.
            Err(error) if error.is_not_found() => Ok(()),
            deleted => deleted.map(drop).map_err(|error| error.with_key(key)),
        }
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        list::list(Arc::clone(&self.target), prefix, after)
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        options.size.get_or_insert(body.len() as u64);
        self.permit(key, &options)?;
        if body.len() as u64 <= self.target.part_size {
            let mut tally = Tally::expecting(&options);
            tally.add(&body).and_then(|()| tally.finish()).map_err(|error| error.with_key(key))?;
            return publish(&self.target, key, &options, body).await.map_err(|error| error.with_key(key));
        }
        let mut upload = self.writer(key, options).await?;
        upload.write(body).await?;
        upload.finish().await
    }

    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.permit(to, &options)?;
        copy::copy(&self.target, from, to, options).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        list::delete_prefix(&self.target, prefix).await
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request)?;
        self.target.path(key)?;
        links::mint(&self.target, key, &request).await.map_err(|error| error.with_key(key))
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        sweep::sweep(&self.target, older_than).await
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { bucket, prefix, abilities, .. } = &*self.target;
        f.debug_struct("S3")
            .field("bucket", bucket)
            .field("prefix", prefix)
            .field("abilities", abilities)
            .finish()
    }
}
