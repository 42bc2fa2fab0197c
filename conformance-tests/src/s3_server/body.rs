//! Bodies of requests, and what was promised of them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256},
    dto::{Checksum, PutObjectInput, StreamingBlob, UploadPartInput},
    s3_error,
};

/// What the headers of a request say of its body.
#[derive(Debug, Default)]
pub(super) struct Promised {
    length: Option<i64>,
    md5: Option<String>,
    sums: Checksum,
}

/// Both kinds of request have these fields, by the same names.
macro_rules! promised {
    ($input:expr) => {
        Promised {
            length: $input.content_length,
            md5: $input.content_md5.clone(),
            sums: Checksum {
                checksum_crc32: $input.checksum_crc32.clone(),
                checksum_crc32c: $input.checksum_crc32c.clone(),
                checksum_crc64nvme: $input.checksum_crc64nvme.clone(),
                checksum_sha1: $input.checksum_sha1.clone(),
                checksum_sha256: $input.checksum_sha256.clone(),
                ..Checksum::default()
            },
        }
    };
}

impl Promised {
    pub(super) fn of_put(input: &PutObjectInput) -> Self {
        promised!(input)
    }

    pub(super) fn of_part(input: &UploadPartInput) -> Self {
        promised!(input)
    }

    fn check(&self, body: &[u8]) -> S3Result<()> {
        if self.length.is_some_and(|length| usize::try_from(length).ok() != Some(body.len())) {
            return Err(s3_error!(IncompleteBody));
        }
        if let Some(promised) = &self.md5 {
            let mut sum = Md5::new();
            sum.update(body);
            if BASE64_STANDARD.encode(sum.finalize()) != *promised {
                return Err(s3_error!(BadDigest));
            }
        }
        let mut hasher = ChecksumHasher {
            crc32: self.sums.checksum_crc32.as_ref().map(|_| Crc32::new()),
            crc32c: self.sums.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
            sha1: self.sums.checksum_sha1.as_ref().map(|_| Sha1::new()),
            sha256: self.sums.checksum_sha256.as_ref().map(|_| Sha256::new()),
            crc64nvme: self.sums.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
        };
        hasher.update(body);
        if hasher.finalize() != self.sums {
            return Err(s3_error!(BadDigest));
        }
        Ok(())
    }
}

/// The whole body of a request, if it is what was promised.
pub(super) async fn collect(body: Option<StreamingBlob>, promised: &Promised) -> S3Result<Bytes> {
    let mut whole =
        BytesMut::with_capacity(promised.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
    if let Some(mut body) = body {
        while let Some(piece) = body.try_next().await.map_err(spoiled)? {
            whole.extend_from_slice(&piece);
        }
    }
    promised.check(&whole)?;
    Ok(whole.freeze())
}

/// A body that ends too early, or whose hash is not the one that was signed.
fn spoiled(error: s3s::StdError) -> S3Error {
    S3Error::with_source(S3ErrorCode::IncompleteBody, error)
}
