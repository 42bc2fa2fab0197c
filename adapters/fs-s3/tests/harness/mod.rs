//! What the tests of this crate share: stores in one of the two servers, and strangers who use links.

mod stranger;

use std::hash::{BuildHasher, RandomState};

use conformance_tests::{files::Quirk, s3_server::Account};
use fs_s3::{Config, Credentials, Keys};

pub(crate) use stranger::send;

/// The whole bucket of an account, with all that is needed to reach it.
pub(crate) fn config(account: &Account) -> Config {
    let keys = Keys::new(&account.access_key, &account.secret_key);
    let mut config = Config::new(&account.bucket, &account.region, Credentials::Static(keys));
    config.endpoint = Some(account.endpoint.parse().expect("a URL"));
    config.allow_http = true;
    config
}

/// A name that nobody has used before.
pub(crate) fn unique() -> String {
    format!("test-{:016x}", RandomState::new().hash_one(0))
}

/// In what links of S3 differ from ours.
pub(crate) const QUIRKS: &[Quirk] = &[
    Quirk::RefusalsDiffer,
    Quirk::HeadRefused,
    Quirk::NoSafeHeaders,
    Quirk::OneTagOnly,
    Quirk::IfRangeIgnored,
    Quirk::OneRangeOnly,
    Quirk::NoPreflight,
    Quirk::LengthRequired,
];
