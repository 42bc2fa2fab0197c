//! What the server holds: objects and uploads, and the conditions under which they change.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::{Bound, Range},
    sync::{Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use s3s::{
    S3Result,
    crypto::{Checksum, Md5},
    dto::{ETag, ETagCondition, ServerSideEncryption, StorageClass},
    s3_error,
};

/// A part that others follow has at least this many bytes.
const SMALLEST_PART: usize = 5 << 20;

/// One bucket. Each change is one step under one lock, so of racing conditions exactly one holds.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    uploads_ever: u64,
}

/// A finished object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) facts: Facts,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    /// The body as it arrived, in one piece or in several.
    pieces: Vec<Bytes>,
}

/// What is stored with an object because the client said so.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) content_type: Option<String>,
    pub(super) disposition: Option<String>,
    pub(super) storage_class: Option<StorageClass>,
    pub(super) encryption: Option<ServerSideEncryption>,
}

/// An object in parts, of which nobody sees anything yet.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) begun: SystemTime,
    pub(super) parts: BTreeMap<i32, Part>,
    facts: Facts,
}

/// One part of an upload.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) body: Bytes,
    pub(super) etag: String,
    sum: [u8; 16],
}

/// The conditions of a write.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// The object that is there has this entity tag.
    pub(super) matches: Option<ETagCondition>,
    /// There is no object.
    pub(super) create_only: bool,
}

impl Bucket {
    pub(super) fn named(name: String) -> Self {
        Self { name, state: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub(super) fn body(&self, key: &str) -> Option<Vec<u8>> {
        Some(self.state().objects.get(key)?.pieces.concat())
    }

    /// The keys of the open uploads, by the uploads' ids.
    pub(super) fn uploads(&self) -> BTreeMap<String, String> {
        self.state().uploads.iter().map(|(id, upload)| (id.clone(), upload.key.clone())).collect()
    }

    pub(super) fn find(&self, key: &str) -> S3Result<Object> {
        self.state().objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Publishes an object, if the one that is there allows it.
    pub(super) fn put(&self, key: &str, object: Object, conditions: &Conditions) -> S3Result<()> {
        let mut state = self.state();
        conditions.admit(state.objects.get(key))?;
        state.objects.insert(key.to_owned(), object);
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// The objects whose keys begin with `prefix` and come after `after`, in order, without their bodies.
    pub(super) fn list(&self, prefix: &str, after: &str) -> Vec<(String, Object)> {
        let state = self.state();
        let behind = state.objects.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let found = behind.filter(|(key, _)| key.starts_with(prefix));
        found.map(|(key, object)| (key.clone(), Object { pieces: Vec::new(), ..object.clone() })).collect()
    }

    /// Begins an upload and answers its id.
    pub(super) fn begin(&self, key: &str, facts: Facts) -> String {
        let mut state = self.state();
        state.uploads_ever += 1;
        let id = format!("upload-{:08}", state.uploads_ever);
        let upload = Upload { key: key.to_owned(), begun: now(), parts: BTreeMap::new(), facts };
        state.uploads.insert(id.clone(), upload);
        id
    }

    /// Adds a part to an upload, or replaces it, and answers its entity tag.
    pub(super) fn add_part(&self, key: &str, id: &str, number: i32, body: Bytes) -> S3Result<String> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000"));
        }
        let sum = md5(&body);
        let etag = hex(&sum);
        let mut state = self.state();
        let upload = state.uploads.get_mut(id).filter(|upload| upload.key == key);
        let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(number, Part { body, etag: etag.clone(), sum });
        Ok(etag)
    }

    pub(super) fn upload(&self, key: &str, id: &str) -> S3Result<Upload> {
        let state = self.state();
        let upload = state.uploads.get(id).filter(|upload| upload.key == key);
        upload.cloned().ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// The open uploads for keys that begin with `prefix`, by key and then id, without their parts.
    pub(super) fn open_uploads(&self, prefix: &str) -> BTreeMap<(String, String), SystemTime> {
        let state = self.state();
        let found = state.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
        found.map(|(id, upload)| ((upload.key.clone(), id.clone()), upload.begun)).collect()
    }

    /// Makes an object of these parts of an upload and publishes it, if the object that is there allows it.
    pub(super) fn complete(
        &self,
        key: &str,
        id: &str,
        named: &[(i32, Option<String>)],
        conditions: &Conditions,
    ) -> S3Result<Object> {
        let upload = self.upload(key, id)?;
        let object = upload.assemble(named)?;
        let mut state = self.state();
        conditions.admit(state.objects.get(key))?;
        state.uploads.remove(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        state.objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    pub(super) fn abort(&self, key: &str, id: &str) -> S3Result<()> {
        self.upload(key, id)?;
        self.state().uploads.remove(id);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Object {
    /// An object that was sent in one piece.
    pub(super) fn whole(body: Bytes, facts: Facts) -> Self {
        let etag = hex(&md5(&body));
        Self { facts, size: body.len() as u64, etag, modified: now(), pieces: vec![body] }
    }

    /// The same content under other facts, as a copy has it.
    pub(super) fn again(self, facts: Facts) -> Self {
        Self { facts, modified: now(), ..self }
    }

    pub(super) fn matches(&self, condition: &ETagCondition) -> bool {
        condition.as_etag().is_none_or(|etag| etag.value() == self.etag)
    }

    /// A part of the body, in the pieces in which it is stored.
    pub(super) fn slice(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut start = 0;
        let mut found = Vec::new();
        for piece in &self.pieces {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
            if from < to {
                let within = |offset: u64| usize::try_from(offset - start).expect("within a piece in memory");
                found.push(piece.slice(within(from)..within(to)));
            }
            start = end;
        }
        found
    }
}

impl Upload {
    fn assemble(&self, named: &[(i32, Option<String>)]) -> S3Result<Object> {
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        if !named.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let (mut pieces, mut sums) = (Vec::new(), Vec::new());
        for (place, (number, etag)) in named.iter().enumerate() {
            let part =
                self.parts.get(number).filter(|part| etag.as_ref().is_none_or(|tag| *tag == part.etag));
            let part = part.ok_or_else(|| s3_error!(InvalidPart))?;
            if part.body.len() < SMALLEST_PART && place + 1 < named.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            sums.extend(part.sum);
            pieces.push(part.body.clone());
        }
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        let etag = format!("{}-{}", hex(&md5(&sums)), pieces.len());
        Ok(Object { facts: self.facts.clone(), size, etag, modified: now(), pieces })
    }
}

impl Conditions {
    fn admit(&self, present: Option<&Object>) -> S3Result<()> {
        if self.create_only && present.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        let Some(condition) = &self.matches else { return Ok(()) };
        let present = present.ok_or_else(|| s3_error!(NoSuchKey))?;
        if present.matches(condition) { Ok(()) } else { Err(s3_error!(PreconditionFailed)) }
    }
}

/// The time in whole seconds, so that listings and headers agree on it.
fn now() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a server's clock is its own, and signatures are checked by the same"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn md5(body: &[u8]) -> [u8; 16] {
    let mut sum = Md5::new();
    sum.update(body);
    sum.finalize()
}

fn hex(sum: &[u8]) -> String {
    sum.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

pub(super) fn strong(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}
