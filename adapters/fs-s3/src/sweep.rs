//! What nobody ends any more: uploads, and probes of the server.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::TryStreamExt;
use http::Method;
use persistent_fs::{Error, Result, Swept};

use crate::{
    abilities::probes,
    list::{document, find, name_of, whole_store},
    multipart::{give_up, invisible},
    publish::Target,
    wire::Call,
    xml::{ListedUpload, PartPage, UploadPage},
};

/// Gives up every upload in parts that was begun below the prefix longer than this ago, and removes what a probe of
/// that age wrote.
///
/// A server that does not list uploads: `Unsupported`, since what they left is still there.
pub(crate) async fn sweep(target: &Arc<Target>, older_than: Duration) -> Result<Swept> {
    let mut swept = Swept::default();
    let Some(before) = target.clock.now().checked_sub(older_than) else { return Ok(swept) };
    remove_probes(target, before).await?;
    let mut markers = None;
    loop {
        let mut call = Call::new(Method::GET, "")
            .query("uploads", "")
            .query("encoding-type", "url")
            .query("prefix", &target.prefix);
        if let Some((key, id)) = &markers {
            call = call.query("key-marker", key).query("upload-id-marker", id);
        }
        let answer = target.wire.send(call).await.map_err(whole_store)?;
        let page: UploadPage = document(&answer.body)?;
        let encoded = page.encoding_type.is_some();
        for upload in page.uploads {
            let Some(name) = name_of(&upload.key, encoded) else { continue };
            if is_abandoned(target, &name, &upload, before) {
                swept.bytes += held(target, &name, &upload.upload_id).await?;
                give_up(Arc::clone(target), name, upload.upload_id).await?;
                swept.uploads += 1;
            }
        }
        markers = match (page.is_truncated, page.next_key_marker, page.next_upload_id_marker) {
            (true, Some(key), Some(id)) => {
                let key = name_of(&key, encoded);
                Some((
                    key.ok_or_else(|| Error::new(persistent_fs::ErrorKind::Other, "a name is not in UTF-8"))?,
                    id,
                ))
            }
            _ => return Ok(swept),
        };
    }
}

/// Their names are no keys, so that none of them can be an object of the store.
async fn remove_probes(target: &Arc<Target>, before: SystemTime) -> Result<()> {
    let mut probes = pin!(find(Arc::clone(target), probes(&target.prefix), String::new()));
    while let Some((name, probe)) = probes.try_next().await? {
        if SystemTime::from(probe.last_modified) <= before {
            match target.wire.send(Call::new(Method::DELETE, name).repeatable()).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Servers that take the prefix for a whole name may list more than was asked for.
fn is_abandoned(target: &Target, name: &str, upload: &ListedUpload, before: SystemTime) -> bool {
    name.starts_with(&target.prefix)
        && SystemTime::from(upload.initiated) <= before
        && !target.open_uploads().contains(&upload.upload_id)
}

/// How many bytes the parts of an upload hold. One that ends meanwhile holds none.
async fn held(target: &Target, name: &str, id: &str) -> Result<u64> {
    let (mut bytes, mut marker) = (0, None);
    loop {
        let mut call = Call::new(Method::GET, name).query("uploadId", id);
        if let Some(marker) = &marker {
            call = call.query("part-number-marker", marker);
        }
        let page: PartPage = match target.wire.send(call).await {
            Ok(answer) => document(&answer.body)?,
            Err(error) if crate::multipart::is_gone(&error) => return Ok(bytes),
            Err(error) => return Err(invisible(error)),
        };
        bytes += page.parts.iter().map(|part| part.size).sum::<u64>();
        marker = match page.next_part_number_marker {
            Some(next) if page.is_truncated => Some(next),
            _ => return Ok(bytes),
        };
    }
}
