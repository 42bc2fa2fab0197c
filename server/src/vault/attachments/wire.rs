//! Attachments as clients see them.

use serde::{Deserialize, Serialize};

use super::model::Attachment;
use crate::account::service::check_enc_string;
use crate::error::Error;
use crate::http::json::number_or_text;
use crate::ids::AttachmentId;
use crate::time::Timestamp;
use crate::vault::ciphers::wire::CipherResponse;

/// An attachment in an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentResponse {
    id: AttachmentId,
    url: String,
    file_name: String,
    key: Option<String>,
    /// A number as text.
    size: String,
    size_name: String,
    object: &'static str,
}

impl AttachmentResponse {
    /// As part of an item: the URL is where a link to the file can be had.
    pub fn listed(attachment: Attachment, base: &str) -> Self {
        let url = format!("{base}/api/ciphers/{}/attachment/{}", attachment.cipher_id, attachment.id);
        Self::linked(attachment, url)
    }

    /// By itself, with a link that leads to the file.
    pub fn linked(attachment: Attachment, url: String) -> Self {
        let size = attachment.size();
        Self {
            id: attachment.id,
            url,
            file_name: attachment.file_name,
            key: attachment.item_key,
            size: size.to_string(),
            size_name: size_name(size),
            object: "attachment",
        }
    }
}

/// `POST /api/ciphers/{id}/attachment/v2`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadRequest {
    key: Option<String>,
    file_name: String,
    /// Bytes of the encrypted file.
    #[serde(deserialize_with = "number_or_text")]
    pub file_size: u64,
    /// What the client last saw of the item.
    pub last_known_revision_date: Option<Timestamp>,
}

impl UploadRequest {
    /// Encrypted file name and key, checked.
    pub fn into_texts(self) -> Result<(String, Option<String>), Error> {
        check_file_name("fileName", &self.file_name)?;
        if let Some(key) = &self.key {
            check_enc_string("key", key)?;
        }
        Ok((self.file_name, self.key))
    }
}

/// Refuses a file name that is not encrypted, among them every path.
pub fn check_file_name(field: &str, name: &str) -> Result<(), Error> {
    check_enc_string(field, name)?;
    if name.len() > 1000 { Err(Error::invalid(field, "The file name is too long.")) } else { Ok(()) }
}

/// Where an upload goes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadResponse {
    /// The attachment that was announced.
    pub attachment_id: AttachmentId,
    /// Where to; meaningless for type 0.
    pub url: String,
    /// 0: a multipart form to the API; 1: one PUT to the URL.
    pub file_upload_type: u8,
    /// The item with its new attachment.
    pub cipher_response: CipherResponse,
    /// The same for administrators of an organization.
    pub cipher_mini_response: Option<()>,
    /// Always `attachment-fileUpload`.
    pub object: &'static str,
}

/// The answer to a removal.
#[derive(Debug, Serialize)]
pub struct RemovedResponse {
    /// The item without the attachment.
    pub cipher: CipherResponse,
}

/// `1.5 MB`, as people read it.
fn size_name(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["Bytes", "KB", "MB", "GB"];
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let number = format!("{size:.2}");
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_names() {
        let names: Vec<_> = [0, 1, 1023, 1024, 1536, 10 * 1024 * 1024].into_iter().map(size_name).collect();
        assert_eq!(names, ["0 Bytes", "1 Bytes", "1023 Bytes", "1 KB", "1.5 KB", "10 MB"]);
    }

    #[test]
    fn paths_are_no_file_names() {
        for name in ["../../etc/passwd", "/etc/passwd", "a.txt", "..\\a", "2.a=|b=|../c"] {
            assert!(check_file_name("fileName", name).is_err(), "{name}");
        }
    }
}
