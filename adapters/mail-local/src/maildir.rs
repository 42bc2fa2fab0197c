//! A maildir.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use mailer::{
    Address, Backend, BackendUrl, Capabilities, Clock, Context, Entropy, Envelope, Error, Outgoing, Receipt,
};

use crate::config::absolute_path;
use crate::drop_box::{Draft, DropBox, make_folder, sync_folder};

/// Puts each mail as one file into `new/` of a maildir, as a local delivery does.
///
/// A maildir has no place for an envelope, so a mail begins with the lines a delivering program writes (see
/// [`Trace`]): `Return-Path` and one `Delivered-To` for each recipient, hidden copies included. The mail's own
/// bytes follow unchanged, with CRLF at the end of lines.
///
/// `tmp/`, `new/` and `cur/` are made when the first mail comes. A mail is written to `tmp/`, synced, renamed to
/// `new/`, and the folder synced; so one in `new/` is always whole. An interrupted write can leave a file in
/// `tmp/`, where readers of maildirs do not look and remove what is old.
///
/// The receipt's provider id is the file's name. Dropping a `deliver` future does not interrupt the writing.
#[derive(Clone, Debug)]
pub struct Maildir {
    pub(crate) drop_box: DropBox,
}

/// The lines at the top of a mail in a [`Maildir`], which tell its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The envelope.
    pub envelope: Envelope,
    /// The mail's own bytes.
    pub raw: Bytes,
}

impl Maildir {
    /// A maildir at this path, absolute or relative to the working directory. Does no I/O.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with(root, Clock::system(), Entropy::system())
    }

    /// As [`new`](Self::new), with file names made from this clock and randomness.
    pub fn with(root: impl Into<PathBuf>, clock: Clock, entropy: Entropy) -> Self {
        Self { drop_box: DropBox::new(root.into(), clock, entropy) }
    }

    /// Opens `maildir:///absolute/path`. Does no I/O. There are no keys.
    ///
    /// Anything but an absolute path answers [`Config`](mailer::ErrorKind::Config).
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        Ok(Self::new(absolute_path(url)?))
    }
}

impl Trace {
    /// Reads a file of a [`Maildir`]. `None` if it does not begin as one.
    ///
    /// A mail of somebody else's making that itself begins with `Delivered-To` lines would have them counted as
    /// recipients.
    pub fn read(file: &[u8]) -> Option<Self> {
        let (sender, mut rest) = line_after(file, "Return-Path: <")?;
        let sender = sender.strip_suffix('>')?;
        let from = if sender.is_empty() { None } else { Some(Address::parse(sender).ok()?) };
        let mut to = Vec::new();
        while let Some((recipient, tail)) = line_after(rest, "Delivered-To: ") {
            to.push(Address::parse(recipient).ok()?);
            rest = tail;
        }
        Some(Self { envelope: Envelope::new(from, to).ok()?, raw: Bytes::copy_from_slice(rest) })
    }

    fn lines(envelope: &Envelope) -> String {
        let sender = envelope.from().map(Address::as_str).unwrap_or_default();
        let mut lines = format!("Return-Path: <{sender}>\r\n");
        for recipient in envelope.to() {
            write!(lines, "Delivered-To: {recipient}\r\n").expect("writing to a string cannot fail");
        }
        lines
    }
}

/// The rest of a first line that begins like this, and what follows the line.
fn line_after<'a>(bytes: &'a [u8], begin: &str) -> Option<(&'a str, &'a [u8])> {
    let end = bytes.iter().position(|&b| b == b'\n')?;
    let line = bytes[..end].strip_suffix(b"\r")?.strip_prefix(begin.as_bytes())?;
    Some((std::str::from_utf8(line).ok()?, &bytes[end + 1..]))
}

fn make_folders(root: &Path) -> Result<(), Error> {
    ["tmp", "new", "cur"].iter().try_for_each(|name| make_folder(&root.join(name)))
}

#[async_trait]
impl Backend for Maildir {
    fn capabilities(&self) -> Capabilities {
        DropBox::capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.capabilities().admit(mail)?;
        let name = self.drop_box.unique_name();
        let receipt = Receipt::new(mail.message_id().clone(), "maildir")
            .with_provider_id(name.clone())
            .with_attempts(cx.attempt);
        let (lines, raw) = (Trace::lines(mail.envelope()), mail.raw().clone());
        self.drop_box
            .run(cx, move |root| {
                make_folders(root)?;
                let draft = Draft::write(root.join("tmp").join(&name), &[lines.as_bytes(), &raw])?;
                draft.publish(&root.join("new").join(&name))?;
                sync_folder(&root.join("new"))
            })
            .await?;
        Ok(receipt)
    }

    /// Makes the folders if need be, and writes and removes a file in `tmp/`.
    async fn check(&self) -> Result<(), Error> {
        let name = self.drop_box.unique_name();
        self.drop_box
            .run(&Context::new(), move |root| {
                make_folders(root)?;
                Draft::write(root.join("tmp").join(name), &[]).map(drop)
            })
            .await
    }

    async fn close(&self) {
        self.drop_box.close().await;
    }
}
