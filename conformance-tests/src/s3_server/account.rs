//! What it takes to use an S3 server.

use std::fmt;

use crate::Absent;

/// Where an S3 server is, and who may use which bucket of it.
#[derive(Clone)]
pub struct Account {
    /// A URL without a path.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// A bucket that is there.
    pub bucket: String,
    /// The public name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

impl Account {
    /// The server that the surroundings offer: `TEST_S3_ENDPOINT`, `TEST_S3_BUCKET`, `TEST_S3_ACCESS_KEY`,
    /// `TEST_S3_SECRET_KEY`, and `TEST_S3_REGION` if it is not `us-east-1`.
    ///
    /// # Panics
    ///
    /// If there is none although `TEST_REQUIRE` names `s3`.
    pub fn from_environment() -> Result<Self, Absent> {
        let wanted = |name: &str| variable(name).ok_or_else(|| absent(name));
        Ok(Self {
            endpoint: wanted("TEST_S3_ENDPOINT")?,
            region: variable("TEST_S3_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            bucket: wanted("TEST_S3_BUCKET")?,
            access_key: wanted("TEST_S3_ACCESS_KEY")?,
            secret_key: wanted("TEST_S3_SECRET_KEY")?,
        })
    }
}

fn absent(name: &str) -> Absent {
    let required = variable("TEST_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|required| required.trim() == "s3");
    assert!(!required, "TEST_REQUIRE names s3, and {name} is not set");
    Absent::because(format!("{name} is not set"))
}

#[expect(clippy::disallowed_methods, reason = "a test takes the address of a server from its surroundings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}
