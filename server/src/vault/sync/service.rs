//! Writes the sync while it is read: a fixed number of statements, and never the whole vault in memory.

use dbconn::{Conn, RowSink};
use serde_json::json;

use crate::account::model::User;
use crate::account::wire::{ProfileResponse, master_password_unlock};
use crate::error::Error;
use crate::http::stream::JsonWriter;
use crate::meta::routes::no_domains;
use crate::vault::ciphers::model::{Row, View};
use crate::vault::ciphers::store as ciphers;
use crate::vault::ciphers::wire::CipherResponse;
use crate::vault::folders::store as folders;
use crate::vault::folders::wire::FolderResponse;

/// What a sync needs to know besides the database.
#[derive(Debug)]
pub struct Request {
    /// Whose vault.
    pub user: User,
    /// Where clients reach the server.
    pub base: String,
    /// Whether to leave out the equivalent domains.
    pub exclude_domains: bool,
}

/// Writes one complete sync.
///
/// Once `begin` has given the writer, the client reads along and nothing can be repeated: a conflict then ends the
/// answer. An error before that is an ordinary one.
pub async fn write(
    conn: &mut Conn,
    request: &Request,
    begin: impl FnOnce() -> Result<JsonWriter, Error> + Send,
) -> Result<(), Error> {
    let folders = folders::by_user(conn, &request.user.id).await?;
    let body = begin()?;
    let mut sink = Sink { body, base: &request.base, pending: None, first: true };

    sink.body.raw("{\"profile\":");
    sink.body.value(&ProfileResponse::from(&request.user))?;
    sink.body.raw(",\"folders\":");
    sink.body.value(&folders.into_iter().map(FolderResponse::from).collect::<Vec<_>>())?;
    sink.body.raw(",\"ciphers\":[");
    ciphers::each(conn, &request.user.id, &mut sink).await.map_err(Error::internal)?;
    sink.write_pending().map_err(Error::internal)?;
    sink.body.raw("],\"collections\":[],\"policies\":[],\"sends\":[],\"domains\":");
    sink.body.value(&(!request.exclude_domains).then(no_domains))?;
    sink.body.raw(",\"userDecryption\":");
    sink.body.value(&json!({
        "masterPasswordUnlock": master_password_unlock(&request.user),
        "userKeyId": request.user.user_key_id,
    }))?;
    sink.body.raw(",\"object\":\"sync\"}");
    sink.body.finish().await
}

/// Turns rows into items and items into JSON, one at a time.
struct Sink<'a> {
    body: JsonWriter,
    base: &'a str,
    /// The item whose rows may go on.
    pending: Option<View>,
    first: bool,
}

impl Sink<'_> {
    fn write_pending(&mut self) -> Result<(), dbconn::Error> {
        let Some(view) = self.pending.take() else { return Ok(()) };
        if !std::mem::take(&mut self.first) {
            self.body.raw(",");
        }
        let item = CipherResponse::new(view, self.base).map_err(broken)?;
        self.body.value(&item).map_err(broken)
    }
}

impl RowSink<Row> for Sink<'_> {
    fn push(&mut self, row: Row) -> Result<(), dbconn::Error> {
        let next = match &mut self.pending {
            Some(view) => view.absorb(row),
            None => Some(row),
        };
        if let Some(row) = next {
            self.write_pending()?;
            self.pending = Some(View::from_row(row));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.body.is_full()
    }

    async fn flush(&mut self) -> Result<(), dbconn::Error> {
        self.body.flush().await.map_err(broken)
    }

    fn flush_blocking(&mut self) -> Result<(), dbconn::Error> {
        self.body.flush_blocking().map_err(broken)
    }
}

/// Of a kind that is never retried.
fn broken(error: Error) -> dbconn::Error {
    dbconn::Error::new(dbconn::ErrorKind::Other, "sync", "the answer could not be written").with_source(error)
}
