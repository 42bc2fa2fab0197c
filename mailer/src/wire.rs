//! The rules finished bytes must obey, checked on everything that becomes an [`Outgoing`](crate::Outgoing).

use crate::{Error, MessageId};

/// Longest line without its CRLF, after RFC 5322.
const MAX_LINE: usize = 998;

/// Checks lines and header, and finds the message id.
pub(crate) fn check(raw: &[u8]) -> Result<MessageId, Error> {
    check_lines(raw)?;
    check_header(raw)
}

/// True if the `From` header holds this address.
pub(crate) fn author_is(raw: &[u8], address: &str) -> bool {
    fields(raw).into_iter().flatten().any(|field| {
        let from = field.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("from"));
        from.is_some_and(|(_, value)| value.split([' ', '\t', '<', '>', ',']).any(|word| word == address))
    })
}

/// CRLF and nothing else ends a line; no line is too long; the last one is ended.
fn check_lines(raw: &[u8]) -> Result<(), Error> {
    let invalid = |what: &str| Err(Error::invalid("message bytes", what));
    if !raw.ends_with(b"\r\n") {
        return invalid("the last line is not ended by CRLF");
    }
    for line in raw.split_inclusive(|&b| b == b'\n') {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return invalid("a line feed without carriage return");
        };
        if line.contains(&b'\r') {
            return invalid("a carriage return without line feed");
        }
        if line.contains(&0) {
            return invalid("a NUL byte");
        }
        if line.len() > MAX_LINE {
            return invalid("a line over 998 bytes");
        }
    }
    Ok(())
}

/// Every header line is `Name: value` or a continuation; required ones are there once, `Bcc` never.
fn check_header(raw: &[u8]) -> Result<MessageId, Error> {
    let invalid = |what: &str| Err(Error::invalid("message header", what));
    let (mut message_id, mut dates) = (None, 0);
    let fields = fields(raw).ok_or_else(|| Error::invalid("message header", "no empty line ends it"))?;
    for field in fields {
        let Some((name, value)) = field.split_once(':').filter(|(name, _)| is_field_name(name)) else {
            return invalid("a line that is no header");
        };
        if name.eq_ignore_ascii_case("bcc") {
            return invalid("a Bcc header");
        } else if name.eq_ignore_ascii_case("date") {
            dates += 1;
        } else if name.eq_ignore_ascii_case("message-id") {
            if message_id.is_some() {
                return invalid("two Message-ID headers");
            }
            message_id = Some(MessageId::parse(value.trim())?);
        }
    }
    if dates != 1 {
        return invalid("not exactly one Date header");
    }
    message_id.ok_or_else(|| Error::invalid("message header", "no Message-ID header"))
}

/// True for what RFC 5322 allows as the name of a header.
pub(crate) fn is_field_name(name: &str) -> bool {
    (1..=76).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

/// The header's fields with their continuation lines; nothing if no empty line ends the header.
fn fields(raw: &[u8]) -> Option<Vec<String>> {
    let mut fields: Vec<String> = Vec::new();
    for line in raw.split_inclusive(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(line));
        if line.is_empty() {
            return Some(fields);
        }
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(&line),
            _ => fields.push(line.into_owned()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Date: now\r\nMessage-ID:\r\n <a@b>\r\n";

    #[test]
    fn a_sound_message_is_taken() {
        let id = check(format!("{HEAD}X: y\r\n\r\nhello\r\n.\r\n").as_bytes()).unwrap();
        assert_eq!(id.as_str(), "a@b");
        assert!(check(format!("{HEAD}\r\n").as_bytes()).is_ok(), "an empty body is a body");
    }

    #[test]
    fn each_fault_is_refused() {
        let long = "x".repeat(MAX_LINE + 1);
        for (fault, raw) in [
            ("no last CRLF", format!("{HEAD}\r\nhello")),
            ("lone LF", format!("{HEAD}\r\nhe\nllo\r\n")),
            ("lone CR", format!("{HEAD}\r\nhe\rllo\r\n")),
            ("CR before CRLF", format!("{HEAD}\r\nhello\r\r\n")),
            ("lone LF at the end", format!("{HEAD}\r\nhello\n\r\n")),
            ("NUL", format!("{HEAD}\r\nhe\0llo\r\n")),
            ("long line", format!("{HEAD}\r\n{long}\r\n")),
            ("no end of header", HEAD.to_owned()),
            ("no header line", format!("{HEAD}hello\r\n\r\n")),
            ("space in name", format!("{HEAD}X Y: z\r\n\r\n")),
            ("Bcc", format!("{HEAD}bcc: c@d\r\n\r\n")),
            ("two dates", format!("{HEAD}date: then\r\n\r\n")),
            ("no date", "Message-ID: <a@b>\r\n\r\n".to_owned()),
            ("two ids", format!("{HEAD}message-id: <c@d>\r\n\r\n")),
            ("no id", "Date: now\r\n\r\n".to_owned()),
            ("bad id", "Date: now\r\nMessage-ID: <ab>\r\n\r\n".to_owned()),
            ("nothing", String::new()),
        ] {
            assert!(check(raw.as_bytes()).is_err(), "{fault} was taken");
        }
    }
}
