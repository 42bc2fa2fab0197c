//! `persistent-fs` on Amazon S3 and servers that speak its protocol.
//!
//! ```no_run
//! # async fn run() -> Result<(), persistent_fs::Error> {
//! let url = "s3://attachments/vault?region=eu-west-1&credentials=instance".parse().expect("a URL");
//! let files = persistent_fs::Files::new(fs_s3::open(url).await?);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! * A write that returned is durable, and seen by everybody: S3 itself promises both.
//! * Creates and swaps are conditional requests, decided by the server in one step, also at the end of an upload in
//!   parts. A conditional request that got no answer is never sent again, since it could then meet its own object: its
//!   outcome is [`Unknown`](persistent_fs::Outcome::Unknown).
//! * A server that is not Amazon's is asked what it really does before it is promised; see [`Conditional`]. Ceph 16,
//!   for one, keeps creates for single requests alone: it offers none, or with `conditional=put` creates of objects no
//!   larger than `part_size`. Swaps it never offers, since a plain write can slip between its comparing and writing.
//! * One upload holds `concurrency` parts in memory and the one being filled. Their size is `part_size`, or more where
//!   ten thousand of them would not hold the object: a ten-thousandth of a declared size, or else a thousandth of what
//!   was sent already.
//! * An upload that ends badly or is dropped gives its parts up, in a task of its own. What a crash leaves, a
//!   [sweep](persistent_fs::Backend::sweep) finds.
//! * Links are signed URLs of S3. They live seven days at most, and die with the keys that signed them. A link to
//!   write fixes length, SHA-256, media type and create-only by signed headers; the uploader sends those in
//!   [`Link::headers`](persistent_fs::Link::headers), and the `Content-Length` that every client sends. A link to read
//!   is for GET and not for HEAD.
//!
//! # What it cannot do
//!
//! * A listing does not tell content types. S3 has no such answer, and asking for each object would cost a request.
//! * The time of an object is in whole seconds, and is that of the server; in the answer to a write it is the time of
//!   the server's answer.
//! * A copy that creates, swaps or is hashed, and one of more than 5 GiB, passes through this process.
//! * Prefix and key together have 1024 bytes at most.
//! * Objects whose names are no keys are not listed, such as the empty ones that consoles make for folders.
//!
//! # The URL
//!
//! `s3://bucket/prefix?option=value&…`; with keys in it also `s3://id:secret@bucket/prefix`, both percent-encoded.
//! What is not listed here is an error that names it.
//!
//! | Option | Means | Without it |
//! |---|---|---|
//! | `region` | the bucket's region | that of the [`Environment`], or of `sdk`; `us-east-1` with an `endpoint` |
//! | `endpoint` | another server than Amazon's: `https://host:port` | Amazon's, or the [`Environment`]'s |
//! | `path_style` | the bucket in the path (`true`) or in the host name (`false`) | `true` with an `endpoint` |
//! | `allow_http` | `true` permits an endpoint without TLS | `false` |
//! | `ca_file` | a file of root certificates (PEM) to trust as well | those of the web |
//! | `credentials` | `static`, `environment`, `container`, `instance`, `sdk` | `static` with keys in the URL, else `environment` |
//! | `profile` | with `sdk`: the profile to take keys and region from | the chain of the SDK |
//! | `access_key_id`, `secret_access_key`, `session_token` | the keys | |
//! | `storage_class` | that of new objects: `STANDARD_IA` … | the bucket's |
//! | `sse` | how the server encrypts: `AES256`, `aws:kms` | as the bucket says |
//! | `sse_kms_key_id` | the key for `aws:kms` | the account's for S3 |
//! | `part_size` | bytes, or `8MiB`: what is sent in one request | `8MiB` |
//! | `concurrency` | parts of one upload on their way at once | `4` |
//! | `timeout` | seconds to wait for an answer, or for its next piece | `60` |
//! | `retries` | how often what is harmless to repeat is repeated | `3` |
//! | `conditional` | `probe`, `yes`, `put`, `no`; see [`Conditional`] | `probe` |
//!
//! `environment` and `container` need an [`Environment`] that was passed in: [`open_with`]. Nothing here reads the
//! process's own, no profile file, and no proxy setting, but for `sdk`: whoever chooses it has the AWS SDK look for keys,
//! and for the region if none is given, as it does in every program: in the process's environment, in profiles and
//! what they name (roles, single sign-on, programs), at the container's and the machine's services. It needs the cargo
//! feature `aws-config`, which is off by default because the SDK is large.
//!
//! # What it needs
//!
//! On Amazon, for `arn:aws:s3:::bucket/prefix/*`: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`,
//! `s3:AbortMultipartUpload`, `s3:ListMultipartUploadParts`; for `arn:aws:s3:::bucket`: `s3:ListBucket` and
//! `s3:ListBucketMultipartUploads`. Without `s3:ListBucket` a missing object is
//! [`Denied`](persistent_fs::ErrorKind::Denied), as S3 does not tell it then. With `sse=aws:kms` also
//! `kms:GenerateDataKey` and `kms:Decrypt` for the key. A store that only reads needs the first of them, `ListBucket`,
//! and `conditional=no` on servers that would otherwise be probed.
//!
//! A lifecycle rule of the bucket that aborts incomplete multipart uploads after some days costs nothing, and makes
//! up for sweeps that nobody runs; on servers that do not list uploads it is the only way. It must leave more time than
//! the longest upload takes. On a bucket with versions a delete hides the object, and old versions go on costing: a
//! rule for those belongs there too.
//!
//! # What it costs
//!
//! | Call | Requests |
//! |---|---|
//! | `head`, `read` | one; two if the object is missing, since a HEAD does not tell it from a missing bucket |
//! | `put`, an upload up to `part_size` | one |
//! | an upload in parts | one for each part, and two more |
//! | `copy` by the server | a HEAD, and the copy |
//! | `list`, `delete_prefix` | one for each thousand objects; deleting, two |
//! | `sweep` | one for what openings left; one for each thousand uploads, two for each that is given up |
//! | `link` | none |
//! | opening | none; about a dozen on a server that is probed |
//!
//! A server that does not name the version in its answer to a write is asked for it, which is a HEAD more.
//!
//! # Where it was tried
//!
//! Against an S3 server in the tests' own process, and against Ceph's gateway 16.2. It was never run against Amazon.

#![deny(missing_docs)]

mod abilities;
mod backend;
mod config;
mod connect;
mod copy;
mod credentials;
mod error;
mod links;
mod list;
mod multipart;
mod parts;
mod publish;
mod read;
#[cfg(feature = "aws-config")]
mod sdk;
mod sweep;
mod upload;
mod url_options;
mod wire;
mod xml;

pub use backend::S3;
pub use config::{Conditional, Config, Encryption};
pub use credentials::{ContainerEndpoint, CredentialSource, Credentials, Environment, Keys};
#[cfg(feature = "aws-config")]
pub use sdk::SdkCredentials;
pub use url_options::{open, open_with};
