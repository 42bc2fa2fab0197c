//! Enrols mail-smtp, against a server in the same process.

mod sink;

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
};
use mail_smtp::{Options, Security, Smtp};
use mailer::Backend;

conformance_tests::mailer!(SmtpHarness);

struct SmtpHarness;

#[async_trait]
impl Harness for SmtpHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let sink = sink::Sink::start().await;
        Ok(Setting { backend: backend(sink.port), observer: Arc::new(sink) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        // Nobody listens on a port that was given back.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        Ok(backend(listener.local_addr().expect("it is bound").port()))
    }
}

#[async_trait]
impl Observer for sink::Sink {
    async fn delivered(&self) -> Vec<Delivered> {
        self.mails.lock().expect("nobody panics with it").clone()
    }
}

fn backend(port: u16) -> Arc<dyn Backend> {
    let mut options = Options::new("127.0.0.1");
    options.port = port;
    options.security = Security::None;
    Arc::new(Smtp::new(options).expect("the options are sound"))
}
