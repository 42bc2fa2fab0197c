//! What the tests of this crate share: how to reach a server.

use conformance_tests::s3_server::Account;
use fs_s3::{Config, Credentials, Keys};

/// The whole bucket of an account, with all that is needed to reach it.
pub(crate) fn config(account: &Account) -> Config {
    let keys = Keys::new(&account.access_key, &account.secret_key);
    let mut config = Config::new(&account.bucket, &account.region, Credentials::Static(keys));
    config.endpoint = Some(account.endpoint.parse().expect("a URL"));
    config.allow_http = true;
    config
}
