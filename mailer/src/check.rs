//! What mail cannot carry, refused before anything is encoded, by the name of the field.

use std::borrow::Cow;

use crate::wire::is_field_name;
use crate::{Email, Error, Mailbox, Part, Unsubscribe};

/// A header is folded only at spaces, so no word may be longer than what fits a line.
const MAX_WORD: usize = 900;

/// Content ids stand in a header that cannot be folded and in `cid:` links.
const MAX_CONTENT_ID: usize = 200;

/// Headers the renderer writes, or that only relays may write.
const RESERVED: [&str; 13] = [
    "bcc",
    "cc",
    "date",
    "from",
    "list-unsubscribe-post",
    "message-id",
    "mime-version",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

/// Checks every field of a mail.
pub(crate) fn email(email: &Email) -> Result<(), Error> {
    mailbox("from", &email.from)?;
    email.sender.as_ref().map_or(Ok(()), |sender| mailbox("sender", sender))?;
    for (field, boxes) in [
        ("from", &email.co_authors),
        ("to", &email.to),
        ("cc", &email.cc),
        ("bcc", &email.bcc),
        ("reply-to", &email.reply_to),
    ] {
        for one in boxes {
            mailbox(field, one)?;
        }
    }
    line("subject", &email.subject)?;
    body("text", email.text.as_deref())?;
    body("html", email.html.as_deref())?;
    for (name, value) in email.headers.iter() {
        header_name(name, email.unsubscribe.is_some())?;
        line(&format!("header {name}"), value)?;
    }
    for part in &email.inline {
        content_id(&part.name)?;
        content_type("inline", part)?;
    }
    for part in &email.attachments {
        file_name(&part.name)?;
        content_type("attachment", part)?;
    }
    email.unsubscribe.as_ref().map_or(Ok(()), unsubscribe)
}

/// The text with CRLF at the end of each line, whichever of CRLF, LF and CR it came with.
pub(crate) fn with_crlf(text: &str) -> String {
    let text: Cow<'_, str> =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() };
    text.replace('\n', "\r\n")
}

fn mailbox(field: &str, mailbox: &Mailbox) -> Result<(), Error> {
    match &mailbox.name {
        Some(name) => line(&format!("{field}: display name"), name),
        None => Ok(()),
    }
}

/// One line of any script, without control characters and line separators.
fn line(field: &str, text: &str) -> Result<(), Error> {
    if text.chars().any(is_control) {
        return Err(Error::invalid(field, "holds a line break or another control character"));
    }
    if text.split(' ').any(|word| word.len() > MAX_WORD) {
        return Err(Error::invalid(field, "holds a word too long for a header"));
    }
    Ok(())
}

/// Tabs are control characters too: in a header they only ever came by accident or to fold.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn body(field: &str, text: Option<&str>) -> Result<(), Error> {
    match text {
        Some(text) if text.contains('\0') => Err(Error::invalid(field, "holds a NUL character")),
        _ => Ok(()),
    }
}

fn header_name(name: &str, unsubscribes: bool) -> Result<(), Error> {
    // The name itself is not repeated: it may be the attack.
    if !is_field_name(name) {
        return Err(Error::invalid("header name", "is not a header name"));
    }
    let lower = name.to_ascii_lowercase();
    let is_ours = RESERVED.contains(&lower.as_str())
        || lower.starts_with("content-")
        || lower.starts_with("resent-")
        || (unsubscribes && lower == "list-unsubscribe");
    if is_ours {
        return Err(Error::invalid(format!("header {name}"), "has a field of its own or is not for authors"));
    }
    Ok(())
}

fn content_id(id: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_graphic() && !b"<>\"\\()".contains(&b);
    if (1..=MAX_CONTENT_ID).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid("inline: content id", "is not 1 to 200 printable ASCII characters without brackets"))
}

fn file_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > 255 {
        return Err(Error::invalid("attachment: file name", "is not 1 to 255 bytes long"));
    }
    line("attachment: file name", name)
}

/// Parsed in full when rendered; here only what a parser might let through.
fn content_type(field: &str, part: &Part) -> Result<(), Error> {
    let text = &part.content_type;
    let field = format!("{field}: content type");
    let is_sound = (3..=200).contains(&text.len())
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        && text.contains('/');
    if !is_sound {
        return Err(Error::invalid(field, "is not a media type"));
    }
    let lower = text.trim_start().to_ascii_lowercase();
    if lower.starts_with("multipart/") || lower.starts_with("message/") {
        return Err(Error::invalid(field, "is a container, which must not be encoded as a file is"));
    }
    Ok(())
}

fn unsubscribe(unsubscribe: &Unsubscribe) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_graphic() && !b"<>,".contains(&b);
    match &unsubscribe.one_click {
        Some(link)
            if !link.starts_with("https://") || link.len() > MAX_WORD || !link.bytes().all(allowed) =>
        {
            Err(Error::invalid("unsubscribe", "is not an https link in printable ASCII"))
        }
        None if unsubscribe.mail.is_none() => {
            Err(Error::invalid("unsubscribe", "names neither a link nor an address"))
        }
        _ => match &unsubscribe.mail {
            // A `?` would start the mailto's own headers.
            Some(mail) if mail.needs_utf8() || mail.as_str().contains(['?', '%', '&']) => {
                Err(Error::invalid("unsubscribe", "the address cannot stand in a mailto link"))
            }
            _ => Ok(()),
        },
    }
}
