//! An inbox as what the page of [`mailer::preview`] shows.

use async_trait::async_trait;
use mailer::Error;
use mailer::preview::{Held, Source};

use crate::{Inbox, Sent};

#[async_trait]
impl Source for Inbox {
    async fn list(&self, limit: usize) -> Result<Vec<Held>, Error> {
        Ok(self.sent().iter().rev().take(limit).map(held).collect())
    }

    async fn get(&self, id: &str) -> Result<Option<Held>, Error> {
        Ok(self.sent().iter().find(|sent| sent.provider_id() == id).map(held))
    }

    async fn clear(&self) -> Result<(), Error> {
        self.take();
        Ok(())
    }
}

fn held(sent: &Sent) -> Held {
    Held {
        id: sent.provider_id().to_owned(),
        envelope: sent.mail().envelope().clone(),
        kind: sent.kind().map(str::to_owned),
        raw: sent.mail().raw().clone(),
    }
}
