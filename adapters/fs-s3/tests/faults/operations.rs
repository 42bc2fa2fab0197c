//! Every operation, with what was there before it and what is there after it.

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ByteRange, ETag, Outcome, Prefix, ReadOptions, Result, WriteOptions};

use crate::bench::{Bench, PART, key};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Put(Mode),
    Upload(Mode),
    Copy(Mode),
    Delete,
    DeletePrefix,
    Sweep,
    Head,
    Read,
    ReadRange,
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Replace,
    Create,
    Match,
}

/// What an operation has found, as far as it can be compared.
pub(crate) type Found = Vec<String>;

/// The object that operations are about, and those that they are not about.
const NAME: &str = "dir/object";
const OTHERS: [&str; 2] = ["dir/neighbour", "dir2/other"];

impl Operation {
    /// Makes what must be there, and answers the version of the object.
    pub(crate) async fn prepare(self, bench: &Bench) -> ETag {
        for other in OTHERS {
            bench.place(other, &"neighbour".into()).await;
        }
        if matches!(self, Self::Copy(_)) {
            bench.place("source", &self.new_body()).await;
        }
        if self == Self::Sweep {
            bench.server.abandon_upload("left");
        }
        if self.creates() {
            return ETag::new("none");
        }
        bench.place(NAME, &old_body()).await;
        let meta = bench.elsewhere().await.head(&key(NAME)).await.expect("there");
        meta.etag.expect("a version")
    }

    pub(crate) async fn run(self, bench: &Bench, etag: ETag) -> Result<Found> {
        let (store, key) = (&bench.store, key(NAME));
        match self {
            Self::Put(mode) => store.put(&key, self.new_body(), mode.options(etag)).await.map(|_| Vec::new()),
            Self::Upload(mode) => {
                let mut upload = store.writer(&key, mode.options(etag)).await?;
                upload.write(self.new_body()).await?;
                upload.finish().await.map(|_| Vec::new())
            }
            Self::Copy(mode) => {
                store.copy(&crate::bench::key("source"), &key, mode.options(etag)).await.map(|_| Vec::new())
            }
            Self::Delete => store.delete(&key).await.map(|()| Vec::new()),
            Self::DeletePrefix => {
                store.delete_prefix(&Prefix::parse("dir/").expect("a prefix")).await.map(|_| Vec::new())
            }
            Self::Sweep => store.sweep(std::time::Duration::ZERO).await.map(|_| Vec::new()),
            Self::Head => store.head(&key).await.map(|meta| vec![format!("{} {:?}", meta.size, meta.etag)]),
            Self::Read => read(bench, ReadOptions::default()).await,
            Self::ReadRange => read(bench, ReadOptions::range(ByteRange::Span(10, 40))).await,
            Self::List => {
                let listed = store.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
                listed.try_collect().await
            }
        }
    }

    /// Fails unless the bucket holds what this outcome says: all of the old or all of the new.
    pub(crate) fn assert_outcome(self, bench: &Bench, outcome: Outcome, told: &str) {
        if self == Self::Sweep || self == Self::DeletePrefix {
            let left = bench.server.raw_entries();
            let changed = !left.iter().any(|entry| entry.contains("uploadId"));
            let untouched = [NAME, OTHERS[0]].iter().all(|name| left.iter().any(|entry| entry == name));
            match (self, outcome) {
                (Self::Sweep, Outcome::Applied) => assert!(changed, "{told}: {left:?}"),
                (Self::DeletePrefix, Outcome::NotApplied) => assert!(untouched, "{told}: {left:?}"),
                (Self::DeletePrefix, Outcome::Applied) => {
                    assert!(!left.iter().any(|entry| entry.starts_with("dir/")), "{told}: {left:?}");
                }
                _ => {}
            }
        } else {
            let (old, new) = (self.before(), self.wanted());
            let raw = bench.raw(NAME);
            let (is_old, is_new) = (raw == old, raw == new);
            let length = raw.map(|raw| raw.len());
            match outcome {
                Outcome::NotApplied => assert!(is_old, "{told}, but the old does not stand: {length:?}"),
                Outcome::Applied => assert!(is_new, "{told}, but the new is not there: {length:?}"),
                Outcome::Unknown => assert!(is_old || is_new, "{told}: neither old nor new: {length:?}"),
            }
        }
        assert_eq!(bench.raw(OTHERS[1]).as_deref(), Some(&b"neighbour"[..]), "{told}: a neighbour suffered");
    }

    /// Whether a second delivery of the same request cannot be told from a rival's.
    pub(crate) fn is_conditional(self) -> bool {
        matches!(
            self,
            Self::Put(Mode::Create | Mode::Match)
                | Self::Upload(Mode::Create | Mode::Match)
                | Self::Copy(Mode::Create | Mode::Match)
        )
    }

    fn creates(self) -> bool {
        matches!(self, Self::Put(Mode::Create) | Self::Upload(Mode::Create) | Self::Copy(Mode::Create))
    }

    fn before(self) -> Option<Bytes> {
        (!self.creates()).then(old_body)
    }

    fn wanted(self) -> Option<Bytes> {
        match self {
            Self::Put(_) | Self::Upload(_) | Self::Copy(_) => Some(self.new_body()),
            Self::Delete => None,
            _ => self.before(),
        }
    }

    fn new_body(self) -> Bytes {
        match self {
            Self::Upload(_) => BytesMut::zeroed(PART + 1000).freeze(),
            _ => Bytes::from_static(b"a new body, longer than the old one was, and in one request"),
        }
    }
}

impl Mode {
    fn options(self, etag: ETag) -> WriteOptions {
        match self {
            Self::Replace => WriteOptions::default(),
            Self::Create => WriteOptions::create(),
            Self::Match => WriteOptions::matching(etag),
        }
    }
}

fn old_body() -> Bytes {
    Bytes::from_static(b"the old body, which stands until another one does in full")
}

async fn read(bench: &Bench, options: ReadOptions) -> Result<Found> {
    let download = bench.store.read(&key(NAME), options).await?;
    let announced = download.range.end - download.range.start;
    let pieces: Vec<Bytes> = download.body.try_collect().await?;
    let body = pieces.concat();
    assert_eq!(body.len() as u64, announced, "a body that ends well is as long as announced");
    Ok(vec![String::from_utf8(body).expect("text")])
}
