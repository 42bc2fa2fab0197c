//! A folder of `.eml` files.

use std::path::PathBuf;

use async_trait::async_trait;
use mailer::{
    Backend, BackendUrl, Capabilities, Clock, Context, Entropy, Envelope, Error, ErrorKind, MessageId, Meta,
    Outgoing, Receipt,
};
use serde::{Deserialize, Serialize};

use crate::config::absolute_path;
use crate::drop_box::{Draft, DropBox, make_folder, sync_folder};

/// Puts each mail as `<name>.eml`, its bytes and nothing else, into a folder, with an [`EnvelopeFile`] beside it.
///
/// Both are written under hidden names and synced; then the `.json` gets its name, then the `.eml`, then the
/// folder is synced. So whoever sees an `.eml` sees it whole and finds its `.json`. An interrupted write can
/// leave hidden files or a `.json` without an `.eml`, which mean nothing.
///
/// The receipt's provider id is `<name>`. Dropping a `deliver` future does not interrupt the writing.
#[derive(Clone, Debug)]
pub struct Eml {
    pub(crate) drop_box: DropBox,
}

/// What stands in the `.json` beside an `.eml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnvelopeFile {
    /// Sender and recipients, hidden copies included.
    pub envelope: Envelope,
    /// The message id.
    pub message_id: MessageId,
    /// What else is known about the mail.
    pub meta: Meta,
}

impl Eml {
    /// A folder at this path, absolute or relative to the working directory. Does no I/O; the folder is made
    /// when the first mail comes.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with(root, Clock::system(), Entropy::system())
    }

    /// As [`new`](Self::new), with file names made from this clock and randomness.
    pub fn with(root: impl Into<PathBuf>, clock: Clock, entropy: Entropy) -> Self {
        Self { drop_box: DropBox::new(root.into(), clock, entropy) }
    }

    /// Opens `eml:///absolute/path`. Does no I/O. There are no keys.
    ///
    /// Anything but an absolute path answers [`Config`](mailer::ErrorKind::Config).
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        Ok(Self::new(absolute_path(url)?))
    }
}

#[async_trait]
impl Backend for Eml {
    fn capabilities(&self) -> Capabilities {
        DropBox::capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.capabilities().admit(mail)?;
        let name = self.drop_box.unique_name();
        let receipt = Receipt::new(mail.message_id().clone(), "eml")
            .with_provider_id(name.clone())
            .with_attempts(cx.attempt);
        let envelope = EnvelopeFile {
            envelope: mail.envelope().clone(),
            message_id: mail.message_id().clone(),
            meta: mail.meta().clone(),
        };
        let envelope = serde_json::to_vec_pretty(&envelope).map_err(|error| {
            Error::new(ErrorKind::Invalid, "the envelope cannot be written").with_source(error)
        })?;
        let raw = mail.raw().clone();
        self.drop_box
            .run(cx, move |root| {
                make_folder(root)?;
                let beside = Draft::write(root.join(format!(".{name}.json")), &[&envelope])?;
                let draft = Draft::write(root.join(format!(".{name}.eml")), &[&raw])?;
                beside.publish(&root.join(format!("{name}.json")))?;
                draft.publish(&root.join(format!("{name}.eml")))?;
                sync_folder(root)
            })
            .await?;
        Ok(receipt)
    }

    /// Makes the folder if need be, and writes and removes a hidden file in it.
    async fn check(&self) -> Result<(), Error> {
        let name = self.drop_box.unique_name();
        self.drop_box
            .run(&Context::new(), move |root| {
                make_folder(root)?;
                Draft::write(root.join(format!(".{name}")), &[]).map(drop)
            })
            .await
    }

    async fn close(&self) {
        self.drop_box.close().await;
    }
}
