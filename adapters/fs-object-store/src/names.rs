//! Between our keys, versions and descriptions and those of `object_store`.

use object_store::{Attribute, Attributes, ObjectMeta, path::Path};
use persistent_fs::{ETag, Error, ErrorKind, Key, Meta, Result};

/// The path with exactly this text. `object_store` percent-encodes what it is given by `Path::from`; this does not, so
/// what is written is what a human sees in the bucket.
///
/// Every key is a path, so [`ErrorKind::InvalidKey`] comes only from a version of `object_store` that narrows it.
pub fn to_path(key: &Key) -> Result<Path> {
    let refused = || Error::new(ErrorKind::InvalidKey, "object_store cannot express this key").with_key(key);
    let path = Path::parse(key.as_str()).map_err(|_| refused())?;
    if path.as_ref() == key.as_str() { Ok(path) } else { Err(refused()) }
}

/// The key with exactly this text, or `None` for a path that is no key: one with a backslash, for example.
pub fn to_key(path: &Path) -> Option<Key> {
    Key::parse(path.as_ref()).ok()
}

/// The version that `object_store` names by this entity tag, without its quotation marks; `None` for a weak one.
pub fn to_etag(tag: &str) -> Option<ETag> {
    if tag.starts_with("W/") || tag.is_empty() {
        return None;
    }
    let bare = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    (!bare.is_empty()).then(|| ETag::new(bare))
}

/// What `object_store` knows about an object without its attributes: all but the content type.
pub fn to_meta(key: Key, meta: &ObjectMeta) -> Meta {
    let mut ours = Meta::new(key, meta.size, meta.last_modified.into());
    ours.etag = meta.e_tag.as_deref().and_then(to_etag);
    ours
}

/// The media type among the attributes.
pub fn to_content_type(attributes: &Attributes) -> Option<String> {
    attributes.get(&Attribute::ContentType).map(|value| value.to_string())
}

/// The attributes of an object with this media type.
pub fn to_attributes(content_type: Option<&str>) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(content_type) = content_type {
        attributes.insert(Attribute::ContentType, content_type.to_owned().into());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_is_a_path_of_the_same_text() {
        for text in [
            "a",
            "a/b",
            "a b",
            "ä/日本/🙂",
            "a%2Fb",
            "%00",
            "name#1",
            "...",
            "a?b=c&d",
            "~",
            "{x}",
            "a\u{fffe}",
        ] {
            let key = Key::parse(text).expect(text);
            let path = to_path(&key).expect(text);
            assert_eq!(path.as_ref(), text);
            assert_eq!(to_key(&path), Some(key));
        }
    }

    #[test]
    fn a_path_that_is_no_key_is_told_apart() {
        for text in ["a\\b", ".persistent-fs/x", "a\u{85}"] {
            assert_eq!(to_key(&Path::parse(text).expect(text)), None, "{text:?}");
        }
    }

    #[test]
    fn an_entity_tag_loses_its_quotation_marks_and_a_weak_one_is_none() {
        assert_eq!(to_etag("\"abc\""), Some(ETag::new("abc")));
        assert_eq!(to_etag("abc"), Some(ETag::new("abc")));
        for none in ["W/\"abc\"", "", "\"\""] {
            assert_eq!(to_etag(none), None, "{none:?}");
        }
    }
}
