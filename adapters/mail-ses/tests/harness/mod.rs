//! How the suite opens the adapter.

use std::{net::TcpListener, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use conformance_tests::{
    Absent,
    mailer::{
        Harness, Setting,
        ses::{Fixed, KeySource, Target},
    },
    ses_server::{Keys, SesServer},
};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::Backend;

pub(crate) struct SesHarness;

/// Keys of the suite as the SDK wants them.
#[derive(Debug)]
struct Provider(Arc<dyn KeySource>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let sdk = |(keys, until): (Keys, Option<SystemTime>)| {
            Credentials::new(keys.id, keys.secret, keys.session_token, until, "suite")
        };
        future::ProvideCredentials::ready(
            self.0.keys().map(sdk).ok_or_else(CredentialsError::not_loaded_no_source),
        )
    }
}

/// The options that a target asks for.
pub(crate) fn options(target: &Target) -> Options {
    let credentials = SharedCredentialsProvider::new(Provider(Arc::clone(&target.keys)));
    let mut options = Options::new(target.region.clone(), credentials);
    options.endpoint = Some(target.endpoint.clone());
    options.configuration_set.clone_from(&target.configuration_set);
    options.tags.clone_from(&target.tags);
    options.kind_tag.clone_from(&target.kind_tag);
    options.feedback.clone_from(&target.feedback);
    options
}

#[async_trait]
impl Harness for SesHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let server = SesServer::start("eu-west-1").await.expect("a port of loopback");
        let backend = self.open_ses(&Target::new(&server, Fixed(Some(server.issue_keys())))).await?;
        Ok(Setting { backend, observer: Arc::new(server) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        let nobody = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let keys = Credentials::new("AKIDNOBODY", "not-to-be-shown", None, None, "suite");
        let mut options = Options::new("eu-west-1", SharedCredentialsProvider::new(keys));
        options.endpoint = Some(format!("http://{}", nobody.expect("a port of loopback")));
        Ok(Arc::new(Ses::open(options).expect("the options are sound")))
    }

    async fn open_ses(&self, target: &Target) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Ses::open(options(target)).expect("the options are sound")))
    }
}
