//! What the mail provider tells about mails that it took, and what follows from that.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use dbconn::{Conn, on_conn};
use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;
use mailer::events::{Event, EventKind};
use mailer::layers::SuppressionReason;

use super::suppressions;
use crate::app::App;
use crate::error::Error;
use crate::schema::mail_events;
use crate::time::Timestamp;

/// Makes events of what somebody has sent to the server, if it was the provider.
#[async_trait]
pub trait Hook: Send + Sync + fmt::Debug {
    /// Proves who wrote it, and reads it. No events if it is about something else, which has been seen to.
    ///
    /// Kinds: [`Auth`](mailer::ErrorKind::Auth) if it is not the provider's, [`Invalid`](mailer::ErrorKind::Invalid) if
    /// it cannot be read, [`Unavailable`](mailer::ErrorKind::Unavailable) if the proof cannot be fetched now.
    async fn read(&self, body: Bytes) -> Result<Vec<Event>, mailer::Error>;
}

/// Acts upon an event, once: whether it is new.
pub async fn hear(app: &App, event: Event) -> Result<bool, Error> {
    let now = app.clock.now();
    let (kind, provider_id) = (event.kind, event.provider_id.clone());
    let addresses = event.suppresses().len();
    let is_new = app.db.write(async move |conn| record(conn, &event, now).await).await?;
    let provider_id = provider_id.as_deref();
    tracing::info!(?kind, provider_id, addresses, is_new, "the mail provider tells");
    Ok(is_new)
}

/// Removes what was told before `before`; providers do not repeat themselves for so long.
pub async fn purge(conn: &mut Conn, before: Timestamp) -> Result<usize, dbconn::Error> {
    let old = mail_events::table.filter(mail_events::received_at.lt(before));
    on_conn!(conn, |c| diesel::delete(old).execute(c).await)
}

async fn record(conn: &mut Conn, event: &Event, now: Timestamp) -> Result<bool, dbconn::Error> {
    let row = (
        mail_events::id.eq(&event.id),
        mail_events::kind.eq(name(event.kind)),
        mail_events::received_at.eq(now),
    );
    let inserted = on_conn!(conn, |c| diesel::insert_into(mail_events::table)
        .values(row)
        .on_conflict(mail_events::id)
        .do_nothing()
        .execute(c)
        .await)?;
    if inserted == 0 {
        return Ok(false);
    }
    let reason = match event.kind {
        EventKind::Complained => SuppressionReason::Complained,
        _ => SuppressionReason::Bounced,
    };
    for address in event.suppresses() {
        suppressions::add(conn, address, reason, now).await?;
    }
    Ok(true)
}

/// The kind in words for the table.
fn name(kind: EventKind) -> String {
    match kind {
        EventKind::Bounced(bounce) => format!("bounced {bounce:?}").to_lowercase(),
        kind => format!("{kind:?}").to_lowercase(),
    }
}
