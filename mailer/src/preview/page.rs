//! The pages. Everything that comes from a mail goes through [`escaped`].

use std::fmt::Write as _;

use super::message::Message;
use super::{Held, encoded};

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

/// Which side of a mail is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The HTML, or the text of a mail without any.
    Best,
    Text,
    Headers,
    Source,
}

impl View {
    pub(super) fn of(query: Option<&str>) -> Self {
        match query {
            Some("view=text") => Self::Text,
            Some("view=headers") => Self::Headers,
            Some("view=source") => Self::Source,
            _ => Self::Best,
        }
    }
}

/// All mails.
pub(super) fn list(base: &str, held: &[Held]) -> String {
    if held.is_empty() {
        let body = "<main class=\"empty\"><h1>No mails yet</h1>\
            <p>This server is in development mode: what it would send by mail shows up here.</p>\
            <p class=\"quiet\">The page looks again every few seconds.</p></main>";
        return document(base, "Mails", "<meta http-equiv=\"refresh\" content=\"3\">", body);
    }
    let mut rows = String::new();
    for one in held {
        push(&mut rows, &row(base, one));
    }
    let count = if held.len() == 1 { "1 mail".to_owned() } else { format!("{} mails", held.len()) };
    let body = format!(
        "<header class=\"bar\"><h1>Mails</h1><span class=\"quiet\">{count}, newest first</span><form method=\"post\" action=\"{base}/clear\"><button>Clear all</button></form></header>\
         <main><ul class=\"mails\">{rows}</ul></main>",
        base = escaped(base),
    );
    document(base, "Mails", "", &body)
}

fn row(base: &str, held: &Held) -> String {
    let message = Message::read(held);
    let to: Vec<&str> = held.envelope.to().iter().map(crate::Address::as_str).collect();
    format!(
        "<li><a href=\"{link}\"><span class=\"top\"><strong>{subject}</strong>{kind}<time>{date}</time></span>\
         <span class=\"quiet\">{from} to {to}</span></a></li>",
        link = escaped(&address(base, held)),
        subject = subject(&message),
        kind = kind(held),
        date = escaped(&message.date()),
        from = escaped(&message.from()),
        to = escaped(&to.join(", ")),
    )
}

/// One mail.
pub(super) fn mail(base: &str, held: &Held, message: &Message<'_>, view: View) -> String {
    let address = address(base, held);
    let body = format!(
        "<header class=\"bar\"><a href=\"{home}/\">All mails</a><a href=\"{link}/eml\">Save as file</a></header>\
         <main><h1>{subject}{kind}</h1>{facts}{tabs}{shown}{files}</main>",
        home = escaped(base),
        link = escaped(&address),
        subject = subject(message),
        kind = kind(held),
        facts = facts(held, message),
        tabs = tabs(&address, message, view),
        shown = shown(&address, held, message, view),
        files = files(&address, message),
    );
    document(base, message.subject(), "", &body)
}

/// What could not be done.
pub(super) fn fault(base: &str, text: &str) -> String {
    let body = format!(
        "<main class=\"empty\"><h1>{}</h1><p><a href=\"{}/\">All mails</a></p></main>",
        escaped(text),
        escaped(base)
    );
    document(base, "Mails", "", &body)
}

/// Who wrote to whom and when; recipients that no header names are told apart.
fn facts(held: &Held, message: &Message<'_>) -> String {
    let named = format!("{} {}", message.to(), message.cc());
    let to = held.envelope.to().iter().map(crate::Address::as_str);
    let hidden: Vec<&str> = to.filter(|address| !named.contains(address)).collect();
    let mut facts = String::new();
    for (name, value) in [
        ("From", message.from()),
        ("To", message.to()),
        ("Copy to", message.cc()),
        ("Hidden copy to", hidden.join(", ")),
        ("Sent", message.date()),
    ] {
        if !value.is_empty() {
            push(&mut facts, &format!("<dt>{name}</dt><dd>{}</dd>", escaped(&value)));
        }
    }
    format!("<dl>{facts}</dl>")
}

fn tabs(address: &str, message: &Message<'_>, view: View) -> String {
    let mut all = Vec::new();
    if message.html().is_some() {
        all.push((View::Best, "", "HTML"));
    }
    if message.text().is_some() {
        let is_best = message.html().is_none();
        all.push((
            if is_best { View::Best } else { View::Text },
            if is_best { "" } else { "?view=text" },
            "Text",
        ));
    }
    all.push((View::Headers, "?view=headers", "Headers"));
    all.push((View::Source, "?view=source", "Source"));
    let mut tabs = String::new();
    for (of, query, name) in all {
        let current = if of == view { " aria-current=\"page\"" } else { "" };
        push(&mut tabs, &format!("<a href=\"{}{query}\"{current}>{name}</a>", escaped(address)));
    }
    format!("<nav>{tabs}</nav>")
}

fn shown(address: &str, held: &Held, message: &Message<'_>, view: View) -> String {
    match (view, message.html(), message.text()) {
        (View::Best, Some(_), _) => format!(
            "<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\" title=\"The mail's HTML\" \
             src=\"{}/html\"></iframe><p class=\"quiet\">Links open in a new window. Scripts do not run, and \
             pictures from other servers are not loaded.</p>",
            escaped(address)
        ),
        (View::Best | View::Text, _, Some(text)) => format!("<pre>{}</pre>", linked(&text)),
        (View::Best | View::Text, _, None) => "<p class=\"quiet\">This mail has no text.</p>".to_owned(),
        (View::Headers, ..) => {
            let mut rows = String::new();
            for (name, value) in message.headers() {
                push(&mut rows, &format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value)));
            }
            format!("<dl class=\"headers\">{rows}</dl>")
        }
        (View::Source, ..) => format!("<pre>{}</pre>", escaped(&String::from_utf8_lossy(&held.raw))),
    }
}

fn files(address: &str, message: &Message<'_>) -> String {
    let files = message.files();
    if files.is_empty() {
        return String::new();
    }
    let mut items = String::new();
    for file in files {
        let item = format!(
            "<li><a href=\"{}/part/{}\" download>{}</a> <span class=\"quiet\">{}</span></li>",
            escaped(address),
            file.number,
            escaped(&file.name),
            size(file.content.len())
        );
        push(&mut items, &item);
    }
    format!("<h2>Attachments</h2><ul class=\"files\">{items}</ul>")
}

fn document(base: &str, title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{head}\
         <link rel=\"stylesheet\" href=\"{base}/style.css\"></head><body>{body}</body></html>",
        title = escaped(title),
        base = escaped(base),
    )
}

fn subject(message: &Message<'_>) -> String {
    match message.subject().trim() {
        "" => "<em>No subject</em>".to_owned(),
        subject => escaped(subject),
    }
}

fn kind(held: &Held) -> String {
    held.kind
        .as_deref()
        .map(|kind| format!("<span class=\"kind\">{}</span>", escaped(kind)))
        .unwrap_or_default()
}

fn address(base: &str, held: &Held) -> String {
    format!("{base}/mail/{}", encoded(&held.id))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} kB", bytes / 1024),
        _ => format!("{} MB", bytes / 1_048_576),
    }
}

/// Text in which what looks like a link to the web is one.
fn linked(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, link) = rest.split_at(at);
        let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"');
        let (link, after) = link.split_at(link.find(ends).unwrap_or(link.len()));
        push(&mut shown, &escaped(before));
        let link = escaped(link);
        push(
            &mut shown,
            &format!("<a href=\"{link}\" target=\"_blank\" rel=\"noopener noreferrer\">{link}</a>"),
        );
        rest = after;
    }
    shown + &escaped(rest)
}

/// Text that is nothing but text, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn push(to: &mut String, text: &str) {
    to.write_str(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_end_where_the_text_goes_on() {
        let shown = linked("go: https://a.example/?x=1&y=\"z <b>\nhttp://b");
        assert_eq!(shown.matches("<a href").count(), 2);
        assert!(shown.contains("href=\"https://a.example/?x=1&amp;y=\" target"), "{shown}");
        assert!(shown.contains("&lt;b&gt;"), "{shown}");
    }
}
