//! An upload in parts, from its beginning to its end, whichever it is.

use std::{mem, sync::Arc};

use bytes::Bytes;
use http::{Method, header};
use persistent_fs::{Error, ErrorKind, Key, Outcome, Result, WriteMode, WriteOptions};
use tokio::task::JoinSet;

use crate::{
    connect::header_text,
    list::document,
    publish::{Target, Told, conditioned},
    wire::Call,
    xml::{self, Begun, Published},
};

/// Parts that are, or are about to be, at the server. Dropping it gives them up.
#[derive(Debug)]
pub(crate) struct Multipart {
    target: Arc<Target>,
    name: String,
    /// Empty once the upload has ended.
    id: String,
    under_way: JoinSet<Result<(usize, String)>>,
    etags: Vec<String>,
    sent: u64,
}

impl Multipart {
    pub(crate) async fn begin(target: Arc<Target>, key: &Key, options: &WriteOptions) -> Result<Self> {
        let name = target.name(key);
        let mut call = Call::new(Method::POST, &name).query("uploads", "").headers(&target.new_object);
        if let Some(content_type) = &options.content_type {
            call = call.header(header::CONTENT_TYPE, content_type)?;
        }
        // Begun twice, the first of them stays behind empty, and is swept.
        let answer = target.wire.send(call.repeatable()).await.map_err(invisible)?;
        let begun: Begun = xml::read(&answer.body)
            .map_err(|_| Error::new(ErrorKind::Other, "the server began an upload without naming it"))?;
        target.open_uploads().insert(begun.upload_id.clone());
        let (under_way, etags) = (JoinSet::new(), Vec::new());
        Ok(Self { target, name, id: begun.upload_id, under_way, etags, sent: 0 })
    }

    /// How many bytes are in parts.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Puts a part on its way, as soon as fewer than `at_once` are.
    pub(crate) async fn send(&mut self, part: Bytes, at_once: usize) -> Result<()> {
        while self.under_way.len() >= at_once {
            self.arrival().await?;
        }
        self.sent += part.len() as u64;
        self.etags.push(String::new());
        let number = self.etags.len();
        let call = Call::new(Method::PUT, &self.name)
            .query("partNumber", number.to_string())
            .query("uploadId", &self.id)
            .body(vec![part])
            .repeatable();
        let target = Arc::clone(&self.target);
        self.under_way.spawn(async move {
            let answer = target.wire.send(call).await.map_err(invisible)?;
            let etag = header_text(&answer.headers, header::ETAG).ok_or_else(|| {
                Error::new(ErrorKind::Other, "the server took a part without naming its version")
            })?;
            Ok((number, etag.to_owned()))
        });
        Ok(())
    }

    /// Makes an object of the parts, under the conditions of the options, and returns what is told of it. Where that
    /// fails, the parts are given up.
    pub(crate) async fn complete(mut self, options: &WriteOptions) -> Result<Told> {
        while !self.under_way.is_empty() {
            self.arrival().await?;
        }
        let call = Call::new(Method::POST, &self.name)
            .query("uploadId", &self.id)
            .header(header::CONTENT_TYPE, "application/xml")?
            .body(vec![xml::completion(&self.etags).into()]);
        // Completing again what is complete answers the same, unless a condition has come to be met by it.
        let call = if options.mode == WriteMode::Replace { call.repeatable() } else { call };
        let completed = self.target.wire.send(conditioned(call, &options.mode)?).await;
        match completed {
            Ok(answer) => {
                self.ended();
                let published: Published =
                    document(&answer.body).map_err(|error| error.with_outcome(Outcome::Unknown))?;
                Ok(Told::in_document(&answer, &published))
            }
            Err(error) => {
                drop(self.abort().await);
                Err(if is_gone(&error) { ended_unheard() } else { error })
            }
        }
    }

    /// Gives the parts up.
    pub(crate) async fn abort(mut self) -> Result<()> {
        let (target, name, id) = (Arc::clone(&self.target), self.name.clone(), mem::take(&mut self.id));
        // A part that arrived after the end would stay.
        self.under_way.shutdown().await;
        give_up(target, name, id).await
    }

    /// Waits for a part to arrive.
    async fn arrival(&mut self) -> Result<()> {
        let Some(arrived) = self.under_way.join_next().await else { return Ok(()) };
        let (number, etag) =
            arrived.map_err(|_| Error::new(ErrorKind::Other, "a part was not sent to its end"))??;
        self.etags[number - 1] = etag;
        Ok(())
    }

    fn ended(&mut self) {
        let id = mem::take(&mut self.id);
        self.target.open_uploads().remove(&id);
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        let id = mem::take(&mut self.id);
        if id.is_empty() {
            return;
        }
        let (target, name, mut under_way) =
            (Arc::clone(&self.target), mem::take(&mut self.name), mem::take(&mut self.under_way));
        // Without a runtime, as at the end of a program, the parts are left to a sweep.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            under_way.shutdown().await;
            if let Err(error) = give_up(target, name, id).await {
                tracing::warn!(%error, "parts of an upload are left to a sweep");
            }
        });
    }
}

pub(crate) async fn give_up(target: Arc<Target>, name: String, id: String) -> Result<()> {
    let call = Call::new(Method::DELETE, name).query("uploadId", &id).repeatable();
    let aborted = target.wire.send(call).await;
    target.open_uploads().remove(&id);
    match aborted {
        Err(error) if !is_gone(&error) => Err(invisible(error)),
        _ => Ok(()),
    }
}

/// Whether the server knows no such upload: somebody else ended it.
pub(crate) fn is_gone(error: &Error) -> bool {
    error.to_string().contains("NoSuchUpload")
}

/// The end of an upload met that it has ended. Perhaps by an attempt before, whose answer was lost, or by something on
/// the way that sends requests twice; perhaps by somebody else's sweep.
fn ended_unheard() -> Error {
    Error::new(ErrorKind::Unavailable, "the upload had ended already").with_outcome(Outcome::Unknown)
}

/// Nothing that happens to parts can be seen.
pub(crate) fn invisible(error: Error) -> Error {
    error.with_outcome(Outcome::NotApplied)
}
