//! What the cases have in common: a store at hand, and short words for what they do and demand.

use std::{fmt::Debug, sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use persistent_fs::{
    Backend, Error, ErrorKind, Key, Meta, Outcome, Prefix, ReadOptions, Result, WriteOptions,
};

use super::{Fixture, Harness, Scale};
use crate::{Absent, Need};

/// An empty store, opened for one case.
pub(super) struct Bench {
    pub(super) fixture: Box<dyn Fixture>,
    pub(super) files: Arc<dyn Backend>,
    scale: Scale,
}

impl Bench {
    pub(super) async fn open(harness: &dyn Harness) -> Result<Self, Absent> {
        let fixture = harness.open().await?;
        let files = fixture.backend();
        Ok(Self { fixture, files, scale: harness.scale() })
    }

    /// A number for the full scale, and one for stores that cost money or are slow.
    pub(super) fn scaled(&self, full: usize, small: usize) -> usize {
        self.scale.pick(full, small)
    }

    /// As much of this length as the backend takes in one object.
    pub(super) fn fitting(&self, length: usize) -> usize {
        let max = self.files.capabilities().max_size.and_then(|max| usize::try_from(max).ok());
        max.map_or(length, |max| max.min(length))
    }

    /// Writes and demands success.
    pub(super) async fn put(&self, name: &str, body: impl Into<Bytes>) -> Meta {
        self.files.put(&key(name), body.into(), WriteOptions::default().atomic()).await.expect(name)
    }

    /// Describes an object that must be there.
    pub(super) async fn head(&self, name: &str) -> Meta {
        self.files.head(&key(name)).await.expect(name)
    }

    /// Writes many small objects, a few at a time.
    pub(super) async fn put_all<'n>(&self, objects: impl IntoIterator<Item = (&'n str, &'n str)>) {
        let objects =
            objects.into_iter().map(|(name, body)| (key(name), Bytes::copy_from_slice(body.as_bytes())));
        let writes = objects.map(|(key, body)| self.write_one(key, body)).collect::<Vec<_>>();
        futures_util::stream::iter(writes).buffer_unordered(32).collect::<()>().await;
    }

    async fn write_one(&self, key: Key, body: Bytes) {
        let written = self.files.put(&key, body, WriteOptions::default().atomic()).await;
        written.unwrap_or_else(|error| panic!("{key:?}: {error:?}"));
    }

    /// The whole body of an object that must be there, read from the stream.
    pub(super) async fn body(&self, name: &str) -> Vec<u8> {
        self.read(name, ReadOptions::default()).await.expect(name)
    }

    pub(super) async fn read(&self, name: &str, options: ReadOptions) -> Result<Vec<u8>> {
        let download = self.files.read(&key(name), options).await?;
        let announced = download.range.end - download.range.start;
        let body = collect(download.body).await?;
        assert_eq!(body.len() as u64, announced, "the body of {name} has another length than announced");
        Ok(body)
    }

    /// The keys of a listing that must succeed.
    pub(super) async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Vec<String> {
        let after = after.map(key);
        let listed = self.files.list(prefix, after.as_ref()).map_ok(|meta| meta.key.to_string());
        listed.try_collect().await.expect("a listing")
    }

    pub(super) async fn list_all(&self) -> Vec<String> {
        self.list(&Prefix::all(), None).await
    }

    /// Demands that nothing of this name can be seen in any way.
    pub(super) async fn assert_absent(&self, name: &str) {
        refused(self.files.head(&key(name)).await, ErrorKind::NotFound);
        refused(self.files.read(&key(name), ReadOptions::default()).await, ErrorKind::NotFound);
        assert!(!self.list_all().await.contains(&name.to_owned()), "{name} is listed");
    }
}

/// A key that is known to be valid.
pub(super) fn key(text: &str) -> Key {
    Key::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

pub(super) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The description without its time, which the answer to a write may tell by seconds otherwise than head, read and list.
pub(super) fn but_for_time(mut meta: Meta) -> Meta {
    meta.modified = SystemTime::UNIX_EPOCH;
    meta
}

/// Demands an error of this kind, that changed nothing, and returns it.
#[track_caller]
pub(super) fn refused<T: Debug>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = result.expect_err("this should have been refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    error
}

/// Bytes without a pattern that a piece size could hide in. Different seeds differ.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(step).take(length).collect()
}

pub(super) async fn collect(body: persistent_fs::ByteStream) -> Result<Vec<u8>> {
    body.try_fold(Vec::new(), |mut whole, piece| async move {
        whole.extend_from_slice(&piece);
        Ok(whole)
    })
    .await
}

/// The capability and the demand that an undeclared one is refused without effect.
macro_rules! need {
    ($name:ident, $declared:expr, $undeclared:expr) => {
        pub(super) const $name: Need<dyn Harness> = Need {
            declared: |harness| {
                Box::pin(async move {
                    let declared: fn(persistent_fs::Capabilities) -> bool = $declared;
                    Ok(declared(Bench::open(harness).await?.files.capabilities()))
                })
            },
            undeclared: |harness| {
                Box::pin(async move {
                    let bench = Bench::open(harness).await?;
                    ($undeclared)(bench).await;
                    Ok(())
                })
            },
        };
    };
}

need!(CREATE, |can| can.create, |bench: Bench| refuses_to_write(bench, WriteOptions::create()));
need!(SWAP, |can| can.compare_and_swap, |bench: Bench| {
    refuses_to_write(bench, WriteOptions::matching(persistent_fs::ETag::new("none")))
});
need!(TYPES, |can| can.content_type, |bench: Bench| {
    refuses_to_write(bench, WriteOptions::default().typed("text/plain"))
});
need!(ETAGS, |can| can.etag, |bench: Bench| async move {
    bench.put("a", "old").await;
    let options = ReadOptions { if_match: Some(persistent_fs::ETag::new("none")), ..ReadOptions::default() };
    refused(bench.files.read(&key("a"), options).await, ErrorKind::Unsupported);
});
need!(GET_LINKS, |can| can.get_links, |bench: Bench| async move {
    let request = persistent_fs::LinkRequest::get(std::time::Duration::from_mins(1));
    refused(bench.files.link(&key("a"), request).await, ErrorKind::Unsupported);
});
need!(PUT_LINKS, |can| can.put_links == persistent_fs::PutLinks::Exact, |bench: Bench| async move {
    let request = persistent_fs::LinkRequest::Put {
        expires_in: std::time::Duration::from_mins(1),
        size: Some(3),
        sha256: None,
        content_type: None,
        create_only: false,
    };
    refused(bench.files.link(&key("a"), request).await, ErrorKind::Unsupported);
});

async fn refuses_to_write(bench: Bench, options: WriteOptions) {
    refused(bench.files.put(&key("a"), "new".into(), options.clone()).await, ErrorKind::Unsupported);
    refused(bench.files.writer(&key("a"), options).await, ErrorKind::Unsupported);
    bench.assert_absent("a").await;
}

/// The first item of a listing, and then nothing more of it.
pub(super) async fn first(mut listing: persistent_fs::MetaStream) -> Option<Result<Meta>> {
    listing.next().await
}
