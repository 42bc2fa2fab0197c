//! The objects of a store, and the rules for putting one among the others.

use std::{collections::BTreeMap, fmt, ops::Bound, time::SystemTime};

use bytes::Bytes;
use persistent_fs::{ETag, Error, ErrorKind, Key, Meta, Prefix, Result, WriteOptions};

#[derive(Default)]
pub(crate) struct State {
    objects: BTreeMap<Key, Object>,
    /// Counts publications; so no two versions of anything share an entity tag.
    version: u64,
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) meta: Meta,
    pub(crate) body: Bytes,
}

/// Without the bodies.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn find(&self, key: &Key) -> Result<&Object> {
        self.objects.get(key).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object").with_key(key))
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// Puts an object in its place, if the options and the neighbours allow it.
    pub(crate) fn publish(
        &mut self,
        key: &Key,
        body: Bytes,
        options: &WriteOptions,
        now: SystemTime,
    ) -> Result<Meta> {
        let present = self.objects.get(key).map(|object| &object.meta);
        options.admits(present).map_err(|error| error.with_key(key))?;
        if present.is_none() && self.crowded(key) {
            let why = "a key cannot lie below another, as a file cannot hold files";
            return Err(Error::new(ErrorKind::InvalidKey, why).with_key(key));
        }
        self.version += 1;
        let mut meta = Meta::new(key.clone(), body.len() as u64, now);
        meta.etag = Some(ETag::new(self.version.to_string()));
        meta.content_type.clone_from(&options.content_type);
        self.objects.insert(key.clone(), Object { meta: meta.clone(), body });
        Ok(meta)
    }

    /// The first object in order that begins with `prefix` and comes behind `after`.
    pub(crate) fn next(&self, prefix: &Prefix, after: Option<&Key>) -> Option<Meta> {
        let begin = match after {
            Some(after) if after.as_str() >= prefix.as_str() => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let (key, object) = self.objects.range::<str, _>((begin, Bound::Unbounded)).next()?;
        key.starts_with(prefix).then(|| object.meta.clone())
    }

    /// Whether an object lies above or below this key.
    fn crowded(&self, key: &Key) -> bool {
        let text = key.as_str();
        let mut above = text.match_indices('/').map(|(end, _)| &text[..end]);
        let below = format!("{text}/");
        let mut from_there =
            self.objects.range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded));
        above.any(|ancestor| self.objects.contains_key(ancestor))
            || from_there.next().is_some_and(|(key, _)| key.as_str().starts_with(&below))
    }
}
