//! A small client of SMTP, sound or with one flaw, for the cases about servers that misbehave.

mod client;
mod flaw;
mod login;
mod session;
mod tls;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Harness, Setting, smtp::Target},
};
use mailer::Backend;

use crate::Suspect;
use client::Client;
use flaw::{FINDS, Flaw};

/// Makes clients with one flaw.
struct Workshop(Flaw);

pub(crate) fn sound() -> Arc<dyn Harness> {
    Arc::new(Workshop(Flaw::None))
}

pub(crate) fn suspects() -> Vec<Suspect> {
    let suspect = |(flaw, names): &(Flaw, &'static [&'static str])| {
        Suspect::new(format!("{flaw:?}"), Workshop(*flaw), names)
    };
    FINDS.iter().map(suspect).collect()
}

#[async_trait]
impl Harness for Workshop {
    async fn open(&self) -> Result<Setting, Absent> {
        Err(Absent::because("another workshop is for that"))
    }

    async fn open_smtp(&self, server: &Target) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Client::new(server.clone(), self.0)))
    }
}
