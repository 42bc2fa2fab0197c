//! What a mail says, read for showing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Addr, Address, DateTime, MessageParser, MessagePart, MimeHeaders as _, PartType};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::Held;

/// A mail that was parsed. One that cannot be is shown as one that says nothing, but for its source.
pub(super) struct Message<'a> {
    parsed: mail_parser::Message<'a>,
}

/// A part that can be saved.
pub(super) struct File<'a> {
    /// Its place among the parts.
    pub(super) number: usize,
    pub(super) name: Cow<'a, str>,
    pub(super) content: &'a [u8],
}

/// One line of the list, for programs.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    id: &'a str,
    subject: String,
    from: String,
    /// The recipients, hidden copies included.
    to: Vec<&'a str>,
    kind: Option<&'a str>,
    date: Option<String>,
    size: usize,
}

impl<'a> Message<'a> {
    pub(super) fn read(held: &'a Held) -> Self {
        Self { parsed: MessageParser::default().parse(&held.raw[..]).unwrap_or_default() }
    }

    pub(super) fn summary<'h>(&self, held: &'h Held) -> Summary<'h> {
        Summary {
            id: &held.id,
            subject: self.subject().to_owned(),
            from: self.from(),
            to: held.envelope.to().iter().map(crate::Address::as_str).collect(),
            kind: held.kind.as_deref(),
            date: self.parsed.date().map(DateTime::to_rfc3339),
            size: held.raw.len(),
        }
    }

    pub(super) fn subject(&self) -> &str {
        self.parsed.subject().unwrap_or_default()
    }

    pub(super) fn from(&self) -> String {
        people(self.parsed.from())
    }

    pub(super) fn to(&self) -> String {
        people(self.parsed.to())
    }

    pub(super) fn cc(&self) -> String {
        people(self.parsed.cc())
    }

    /// Day and time in UTC; empty if the mail does not say.
    pub(super) fn date(&self) -> String {
        let Some(date) = self.parsed.date() else { return String::new() };
        let utc = DateTime::from_timestamp(date.to_timestamp());
        format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", utc.year, utc.month, utc.day, utc.hour, utc.minute)
    }

    /// Names and values as they stand in the bytes.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parsed.headers_raw().map(|(name, value)| (name, value.trim()))
    }

    /// The plain text, if the mail has some.
    pub(super) fn text(&self) -> Option<String> {
        self.joined(&self.parsed.text_body, |body| match body {
            PartType::Text(text) => Some(text.as_ref()),
            _ => None,
        })
    }

    /// The HTML as it came, if the mail has some.
    pub(super) fn html(&self) -> Option<String> {
        self.joined(&self.parsed.html_body, |body| match body {
            PartType::Html(html) => Some(html.as_ref()),
            _ => None,
        })
    }

    /// The HTML as a document of its own: its pictures are in it, and its links open windows.
    pub(super) fn document(&self) -> String {
        let html = self.html().unwrap_or_default();
        format!("<!doctype html><base target=\"_blank\">{}", with_pictures(&html, &self.pictures()))
    }

    /// What can be saved, without the pictures that the HTML shows.
    pub(super) fn files(&self) -> Vec<File<'_>> {
        let html = self.html().unwrap_or_default();
        let is_shown =
            |part: &MessagePart<'_>| part.content_id().is_some_and(|id| html.contains(&format!("cid:{id}")));
        let numbers = self.parsed.attachments.iter().filter_map(|&number| usize::try_from(number).ok());
        numbers
            .filter(|&number| !is_shown(&self.parsed.parts[number]))
            .filter_map(|number| self.file(number))
            .collect()
    }

    /// The part with this number, unless it only holds others.
    pub(super) fn file(&self, number: usize) -> Option<File<'_>> {
        let part = self.parsed.parts.get(number)?;
        if matches!(part.body, PartType::Multipart(_)) {
            return None;
        }
        let name = part.attachment_name().filter(|name| !name.trim().is_empty());
        let name = name.map_or_else(|| Cow::Owned(format!("part-{number}")), Cow::Borrowed);
        Some(File { number, name, content: part.contents() })
    }

    fn joined<'m>(
        &'m self,
        numbers: &[u32],
        pick: impl Fn(&'m PartType<'a>) -> Option<&'m str>,
    ) -> Option<String> {
        let parts = numbers.iter().filter_map(|&number| self.parsed.parts.get(usize::try_from(number).ok()?));
        let found: Vec<&str> = parts.filter_map(|part| pick(&part.body)).collect();
        (!found.is_empty()).then(|| found.join("\n"))
    }

    /// Pictures by content id, as URLs that hold them.
    fn pictures(&self) -> BTreeMap<&str, String> {
        let picture = |part: &'_ MessagePart<'_>| -> Option<String> {
            let of = part.content_type().filter(|of| of.ctype().eq_ignore_ascii_case("image"))?;
            let subtype = of
                .subtype()
                .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)))?;
            Some(format!("data:image/{subtype};base64,{}", STANDARD.encode(part.contents())))
        };
        let parts = self.parsed.parts.iter();
        parts.filter_map(|part| Some((part.content_id()?, picture(part)?))).collect()
    }
}

/// Puts pictures in the place of `cid:` links. What names none stays, and shows nothing.
fn with_pictures(html: &str, pictures: &BTreeMap<&str, String>) -> String {
    let mut shown = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("cid:") {
        let (before, link) = rest.split_at(at);
        let id = &link["cid:".len()..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | '<' | ')' | '&' | '\\');
        let id = &id[..id.find(ends).unwrap_or(id.len())];
        shown.push_str(before);
        match pictures.get(percent_decode_str(id).decode_utf8_lossy().as_ref()) {
            Some(picture) => shown.push_str(picture),
            None => shown.push_str(&link[.."cid:".len() + id.len()]),
        }
        rest = &link["cid:".len() + id.len()..];
    }
    shown + rest
}

/// Names and addresses, as a mail program shows them.
fn people(people: Option<&Address<'_>>) -> String {
    let shown = |one: &Addr<'_>| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    people.map(|people| people.iter().map(shown).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_pictures_that_are_there_change() {
        let pictures =
            BTreeMap::from([("logo", "A".to_owned()), ("logo2", "B".to_owned()), ("a@b", "C".to_owned())]);
        for (html, shown) in [
            ("<img src=\"cid:logo\"><img src='cid:logo2'>", "<img src=\"A\"><img src='B'>"),
            ("url(cid:a%40b)", "url(C)"),
            ("<img src=cid:a@b>", "<img src=C>"),
            ("cid:none cid:", "cid:none cid:"),
        ] {
            assert_eq!(with_pictures(html, &pictures), shown);
        }
    }
}
