//! What the server really does, found out before anything is promised.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use persistent_fs::{Error, ErrorKind, RESERVED, Result};

use crate::{
    config::{Conditional, Config},
    connect::header_text,
    wire::{Call, Wire},
    xml::{self, Begun},
};

/// What is promised of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts, not states")]
pub(crate) struct Abilities {
    /// `If-None-Match: *` is kept wherever an object is published.
    pub(crate) create: bool,
    /// `If-Match` is kept wherever an object is published.
    ///
    /// Ceph's gateway is no such server: it compares, and then writes, and a write in between is lost. It is told by
    /// its not matching a tag in quotation marks, as HTTP writes them.
    pub(crate) swap: bool,
    /// Objects may be sent in parts.
    pub(crate) parts: bool,
    /// A body with another SHA-256 than its header says is refused.
    pub(crate) checksums: bool,
}

/// Writes and removes one object of a name that nobody else uses.
struct Probe<'a> {
    wire: &'a Wire,
    new_object: &'a HeaderMap,
    name: String,
}

impl Abilities {
    /// What Amazon promises.
    const ALL: Self = Self { create: true, swap: true, parts: true, checksums: true };

    /// By the configuration, or by asking the server. Asking fails where writing does: without credentials, bucket or
    /// network.
    pub(crate) async fn of(
        config: &Config,
        wire: &Wire,
        prefix: &str,
        new_object: &HeaderMap,
    ) -> Result<Self> {
        let amazon = config.is_amazon();
        match config.conditional {
            Conditional::Probe if amazon => Ok(Self::ALL),
            Conditional::Yes => Ok(Self { checksums: amazon, ..Self::ALL }),
            Conditional::No => Ok(Self { create: false, swap: false, checksums: amazon, ..Self::ALL }),
            Conditional::Probe | Conditional::Put => {
                // The hasher's keys are random, which is all that a name of its own needs.
                let unique = RandomState::new().hash_one(config.clock.now());
                let name = format!("{}{unique:016x}", probes(prefix));
                let parts = config.conditional == Conditional::Probe;
                let probe = Probe { wire, new_object, name };
                let found = probe.run(parts).await;
                let removed = probe.remove().await;
                found.and_then(|found| removed.map(|()| found))
            }
        }
    }
}

/// What the names of all probes begin with.
pub(crate) fn probes(prefix: &str) -> String {
    format!("{prefix}{RESERVED}/probe-")
}

impl Probe<'_> {
    async fn run(&self, parts: bool) -> Result<Abilities> {
        let mut found = Abilities { parts, ..Abilities::ALL };
        self.put(&[]).await?;
        found.create = refused(self.put(&[(header::IF_NONE_MATCH, "*")]).await, ErrorKind::AlreadyExists)?;
        found.swap = self.swaps().await?;
        if parts && (found.create || found.swap) {
            let (create, swap) = self.completions().await?;
            found.create &= create;
            found.swap &= swap;
        }
        let checksum = HeaderName::from_static("x-amz-checksum-sha256");
        found.checksums = refused(self.put(&[(checksum, WRONG_SUM)]).await, ErrorKind::Integrity)?;
        Ok(found)
    }

    /// Whether the current version can be replaced by naming it, and no other.
    async fn swaps(&self) -> Result<bool> {
        let current = self.put(&[]).await?;
        let swapped = refused(self.put(&[(header::IF_MATCH, &current)]).await, ErrorKind::Precondition)?;
        let stale = refused(self.put(&[(header::IF_MATCH, STALE)]).await, ErrorKind::Precondition)?;
        Ok(!swapped && stale)
    }

    /// Whether create and swap are kept at the end of an upload in parts. There is an object at the name.
    async fn completions(&self) -> Result<(bool, bool)> {
        let call = Call::new(Method::POST, &self.name).query("uploads", "").headers(self.new_object);
        let answer = self.wire.send(call).await?;
        let begun: Begun = xml::read(&answer.body)
            .map_err(|_| Error::new(ErrorKind::Config, "what answers at the endpoint does not speak S3"))?;
        let tested = self.completed(&begun.upload_id).await;
        // An upload that was completed is gone, and one that was not must not stay.
        let abort = Call::new(Method::DELETE, &self.name).query("uploadId", &begun.upload_id).repeatable();
        drop(self.wire.send(abort).await);
        tested
    }

    async fn completed(&self, id: &str) -> Result<(bool, bool)> {
        let part = Call::new(Method::PUT, &self.name).query("partNumber", "1").query("uploadId", id);
        let answer = self.wire.send(part.body(vec![Bytes::from_static(b"part")]).repeatable()).await?;
        let etag = header_text(&answer.headers, header::ETAG).unwrap_or_default().to_owned();
        let end = |name: HeaderName, value: &str| {
            let document = xml::completion(std::slice::from_ref(&etag));
            let call = Call::new(Method::POST, &self.name).query("uploadId", id);
            call.header(name, value).map(|call| call.body(vec![document.into()]))
        };
        let create = end(header::IF_NONE_MATCH, "*")?;
        if !refused(self.wire.send(create).await, ErrorKind::AlreadyExists)? {
            // The parts are spent.
            return Ok((false, false));
        }
        let swap = end(header::IF_MATCH, STALE)?;
        if !refused(self.wire.send(swap).await, ErrorKind::Precondition)? {
            return Ok((true, false));
        }
        // A server that refuses whatever it is told keeps no condition.
        let current = self.head().await?;
        let swap = end(header::IF_MATCH, &current)?;
        let kept = !refused(self.wire.send(swap).await, ErrorKind::Precondition)?;
        Ok((true, kept))
    }

    async fn head(&self) -> Result<String> {
        let answer = self.wire.send(Call::new(Method::HEAD, &self.name)).await?;
        Ok(header_text(&answer.headers, header::ETAG).unwrap_or_default().to_owned())
    }

    /// Writes the object, and returns its version.
    async fn put(&self, headers: &[(HeaderName, &str)]) -> Result<String> {
        let mut call = Call::new(Method::PUT, &self.name).headers(self.new_object);
        for (name, value) in headers {
            call = call.header(name.clone(), value)?;
        }
        let answer = self.wire.send(call.body(vec![Bytes::from_static(b"probe")]).repeatable()).await?;
        Ok(header_text(&answer.headers, header::ETAG).unwrap_or_default().to_owned())
    }

    async fn remove(&self) -> Result<()> {
        self.wire.send(Call::new(Method::DELETE, &self.name).repeatable()).await.map(drop)
    }
}

/// A version that no object of a probe has.
const STALE: &str = "\"00000000000000000000000000000000\"";
/// A SHA-256 that no body of a probe has.
const WRONG_SUM: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Whether it was refused for this reason. A server that does not know the header at all keeps no promise about it
/// either; any other trouble says nothing about what it can.
fn refused<T>(result: Result<T>, kind: ErrorKind) -> Result<bool> {
    match result {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == kind => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Other) => Ok(false),
        Err(error) => Err(error),
    }
}
