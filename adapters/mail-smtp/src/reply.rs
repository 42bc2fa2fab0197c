//! What a server says, line by line. A server may say anything; here it cannot make memory grow.

use std::mem;

/// The longest reply that is read to its end, all its lines together. RFC 5321 allows a line 512 bytes; real servers
/// put whole paragraphs into one.
const MAX_REPLY: usize = 64 << 10;

/// How much of a reply's text is kept.
const MAX_TEXT: usize = 8 << 10;

/// One reply, all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// The enhanced code of the first line that has one (`5.1.1`).
    pub(crate) enhanced: Option<String>,
    /// The text without codes and control characters.
    pub(crate) lines: Vec<String>,
}

/// Why bytes are no reply.
pub(crate) type Nonsense = &'static str;

/// Turns bytes, however they are cut, into replies.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    /// Bytes of a line that has not ended yet, or has not been looked at.
    pending: Vec<u8>,
    /// How many of them have been read as lines already.
    read: usize,
    /// The lines of a reply that goes on.
    begun: Option<Reply>,
    /// The bytes of the reply that goes on.
    size: usize,
}

impl Reply {
    /// Whether it says yes to a command. 221 and 421 announce the end of the connection, whatever they answer.
    pub(crate) fn is_yes(&self) -> bool {
        self.code / 100 == 2 && self.code != 221
    }

    /// Whether it says no, for now or for good.
    pub(crate) fn is_no(&self) -> bool {
        matches!(self.code / 100, 4 | 5)
    }

    /// Whether the no is for good.
    pub(crate) fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Whether the server is about to close the connection.
    pub(crate) fn is_farewell(&self) -> bool {
        matches!(self.code, 221 | 421)
    }

    /// The first line.
    pub(crate) fn text(&self) -> &str {
        self.lines.first().map(String::as_str).unwrap_or_default()
    }
}

impl From<Reply> for mailer::Reply {
    fn from(reply: Reply) -> Self {
        Self { code: reply.code.to_string(), enhanced: reply.enhanced, lines: reply.lines }
    }
}

impl ReplyReader {
    /// Takes bytes as they come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether nothing is left of what was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.begun.is_none()
    }

    /// The next reply that is complete. An error is final: what follows cannot be understood any more.
    pub(crate) fn next(&mut self) -> Result<Option<Reply>, Nonsense> {
        while let Some(length) = memchr::memchr(b'\n', &self.pending[self.read..]) {
            let line = &self.pending[self.read..self.read + length];
            self.read += length + 1;
            self.size += length + 1;
            if self.size > MAX_REPLY {
                return Err("a reply without end");
            }
            if let Some(reply) = take_line(&mut self.begun, line.strip_suffix(b"\r").unwrap_or(line))? {
                self.size = 0;
                return Ok(Some(reply));
            }
        }
        self.pending.drain(..self.read);
        self.read = 0;
        // A server that speaks something else may never end its line.
        begins_a_line(&self.pending)?;
        if self.size + self.pending.len() > MAX_REPLY {
            return Err("a reply without end");
        }
        Ok(None)
    }
}

/// Adds a line to the reply that goes on, and answers the reply if that was its last one.
fn take_line(begun: &mut Option<Reply>, line: &[u8]) -> Result<Option<Reply>, Nonsense> {
    begins_a_line(line)?;
    let Some((digits, rest)) = line.split_at_checked(3) else {
        return Err("a line that is no reply");
    };
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let reply = begun.get_or_insert_with(|| Reply { code, enhanced: None, lines: Vec::new() });
    if reply.code != code {
        return Err("a reply of several codes");
    }
    let goes_on = rest.first() == Some(&b'-');
    reply.take_text(&String::from_utf8_lossy(rest.get(1..).unwrap_or_default()));
    Ok(if goes_on { None } else { mem::take(begun) })
}

impl Reply {
    fn take_text(&mut self, text: &str) {
        let text = match enhanced_code(text, self.code) {
            Some((enhanced, rest)) => {
                self.enhanced.get_or_insert_with(|| enhanced.to_owned());
                rest
            }
            None => text,
        };
        // A line counts for more than its text, since each one takes memory of its own.
        let kept: usize = self.lines.iter().map(|line| line.len() + mem::size_of::<String>()).sum();
        let room = MAX_TEXT.saturating_sub(kept + mem::size_of::<String>());
        if room == 0 {
            return;
        }
        let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let plain = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c });
        self.lines.push(plain.collect::<String>().trim().to_owned());
    }
}

/// Refuses what cannot be the begin of a line, so that nobody waits for its end.
fn begins_a_line(line: &[u8]) -> Result<(), Nonsense> {
    match line {
        // The first bytes of a record of TLS: an alert, a handshake.
        [0x15 | 0x16, ..] => {
            return Err("TLS, though the connection is in clear; `smtps://` is for such ports");
        }
        [first, ..] if !(b'2'..=b'5').contains(first) => return Err("what is no reply"),
        _ => {}
    }
    let digits = line.iter().take(3).all(u8::is_ascii_digit);
    if !digits || line.get(3).is_some_and(|after| !b" -\t\r".contains(after)) {
        return Err("what is no reply");
    }
    Ok(())
}

/// The enhanced code at the begin of a line, and what follows it. Its class is that of the reply.
fn enhanced_code(text: &str, code: u16) -> Option<(&str, &str)> {
    let end = text.find(' ').unwrap_or(text.len());
    let (enhanced, rest) = text.split_at(end);
    let mut parts = enhanced.split('.');
    let is_class = parts.next()?.parse() == Ok(code / 100);
    let is_part = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let (subject, detail) = (parts.next()?, parts.next()?);
    (is_class && is_part(subject) && is_part(detail) && parts.next().is_none()).then_some((enhanced, rest))
}

#[cfg(test)]
mod tests;
