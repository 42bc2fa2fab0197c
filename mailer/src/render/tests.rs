use mail_parser::{MessageParser, MimeHeaders as _, PartType};

use super::*;
use crate::{DedupeKey, ErrorKind};

fn renderer_at(time: SystemTime) -> Renderer {
    Renderer::new(Clock::new(move || time), Entropy::new(|| [7; 16]))
}

fn renderer() -> Renderer {
    renderer_at(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn email() -> Email {
    Email::new(Mailbox::named("Vault", address("vault@example.org")), address("ann@example.com"))
}

fn raw(email: &Email) -> String {
    String::from_utf8(email.render(&renderer()).unwrap().raw().to_vec()).unwrap()
}

/// Asserts that the mail is refused and that the field is named.
fn refused(email: &Email, field: &str) {
    let error = email.render(&renderer()).expect_err(field);
    assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some(field)));
}

#[test]
fn a_plain_mail_is_these_bytes() {
    let email = email().subject("Hello").text("Hi,\nthere\n");
    assert_eq!(
        raw(&email),
        "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n\
         Message-ID: <07070707070707070707070707070707@example.org>\r\n\
         From: Vault <vault@example.org>\r\n\
         To: ann@example.com\r\n\
         Subject: Hello\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         Hi,\r\nthere\r\n"
    );
}

#[test]
fn line_breaks_of_every_sort_become_crlf_and_none_is_added() {
    for (text, body) in [
        ("", "\r\n"),
        ("a", "a\r\n"),
        ("a\n", "a\r\n"),
        ("a\r\n", "a\r\n"),
        ("a\n\n", "a\r\n\r\n"),
        ("a\rb\nc\r\nd", "a\r\nb\r\nc\r\nd\r\n"),
        ("a\n.\nb", "a\r\n.\r\nb\r\n"),
        ("a\r\r\nb", "a\r\n\r\nb\r\n"),
    ] {
        let raw = raw(&email().text(text));
        assert_eq!(raw.split_once("\r\n\r\n").unwrap().1, body, "{text:?}");
    }
}

#[test]
fn everything_comes_back_from_an_independent_parser() {
    let text = format!("Grüße 🎉\n{}\n.\ntrailing \n", "long ".repeat(400));
    let html = "<img src=\"cid:logo.png\"><p style=\"a=b\">=3D</p>\n";
    let email = email()
        .to(Mailbox::named("Jürgen \"J\" O'Hara, (x)", address("j@müller.example")))
        .cc(address("cc@example.com"))
        .bcc(address("bcc@example.com"))
        .reply_to(Mailbox::named("Answers", address("re@example.org")))
        .subject("Prüfung 🎉 ".repeat(20))
        .text(&text)
        .html(html)
        .inline("logo.png", "image/png", vec![0, 255, 13, 10])
        .attach("Übersicht \"1\".txt", "text/plain; charset=utf-8", "a\nb\rc")
        .header("X-Note", "Grüße");
    let out = email.render(&renderer()).unwrap();
    assert!(out.raw().is_ascii());
    let mail = MessageParser::default().parse(&out.raw()[..]).unwrap();
    assert_eq!(mail.subject().unwrap(), email.subject.trim_end());
    let to: Vec<_> = mail.to().unwrap().iter().map(|to| (to.name(), to.address().unwrap())).collect();
    assert_eq!(to[1], (Some("Jürgen \"J\" O'Hara, (x)"), "j@xn--mller-kva.example"));
    assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), text);
    assert_eq!(mail.body_html(0).unwrap().replace("\r\n", "\n"), html);
    let inline = mail.parts.iter().find(|part| part.content_id().is_some()).unwrap();
    assert_eq!(inline.content_id(), Some("logo.png"));
    assert_eq!(inline.contents(), [0, 255, 13, 10]);
    let file = mail.parts.iter().find(|part| part.attachment_name().is_some()).unwrap();
    assert_eq!(file.attachment_name(), Some("Übersicht \"1\".txt"));
    assert_eq!(file.contents(), b"a\nb\rc");
    assert!(matches!(&mail.parts[0].body, PartType::Multipart(parts) if parts.len() == 2));
    let recipients: Vec<_> = out.envelope().to().iter().map(Address::as_str).collect();
    assert_eq!(
        recipients,
        ["ann@example.com", "j@xn--mller-kva.example", "cc@example.com", "bcc@example.com"]
    );
    assert!(!String::from_utf8_lossy(out.raw()).to_ascii_lowercase().contains("bcc"));
}

#[test]
fn unusual_authors_survive_the_encoder() {
    for author in [
        Mailbox::named("  ", address("a@b")),
        Mailbox::named("\u{202e}Ann \\ \"", address("a@[192.0.2.1]")),
        Mailbox::named("名前", address("jürgen@例え.example")),
        Mailbox::named("a@b, c <d@e>", address("!#$%&'*+-/=?^_`{|}~@x-y.example")),
    ] {
        let email = Email::new(author.clone(), address("ann@example.com"));
        let out = email.render(&renderer()).unwrap_or_else(|error| panic!("{author:?}: {error}"));
        let mail = MessageParser::default().parse(&out.raw()[..]).unwrap();
        assert_eq!(mail.from().unwrap().iter().count(), 1, "{author:?}");
        let read = mail.from().unwrap().first().unwrap();
        assert_eq!(read.address(), Some(author.address.as_str()));
        assert_eq!(read.name().unwrap_or_default(), author.name.unwrap_or_default().trim());
    }
}

#[test]
fn several_authors_name_a_sender() {
    let authors = |email: &Email| {
        let out = email.render(&renderer()).unwrap();
        let mail = MessageParser::default().parse(&out.raw()[..]).unwrap();
        let from =
            mail.from().unwrap().iter().map(|one| one.address().unwrap().to_owned()).collect::<Vec<_>>();
        let sender = mail.sender().map(|one| one.first().unwrap().address().unwrap().to_owned());
        (from.join(" "), sender, out.envelope().from().unwrap().to_string(), out.is_from_author())
    };
    let secretary = Mailbox::named("Office, Sec.", address("sec@example.org"));
    let alone = email().sender(secretary.clone());
    let sec = || "sec@example.org".to_owned();
    assert_eq!(authors(&alone), ("vault@example.org".into(), Some(sec()), sec(), false));
    let two = email().co_author(Mailbox::named("Lee, Bob", address("bob@example.com")));
    let both = "vault@example.org bob@example.com";
    let vault = || "vault@example.org".to_owned();
    assert_eq!(authors(&two), (both.into(), Some(vault()), vault(), true));
    assert_eq!(authors(&two.clone().sender(secretary)), (both.into(), Some(sec()), sec(), false));
    let many = (0..100).fold(email(), |email, n| email.co_author(address(&format!("author{n}@example.org"))));
    assert_eq!(authors(&many).0.split(' ').count(), 101);
    let bad = Mailbox::named("a\r\nBcc: x@y", address("x@example.com"));
    refused(&email().co_author(bad.clone()), "from: display name");
    refused(&email().sender(bad), "sender: display name");
    refused(&email().header("Sender", "x@y"), "header Sender");
}

#[test]
fn a_thousand_readers_fit_into_the_header() {
    let named =
        |n: usize| Mailbox::named(format!("Reader Nº {n}"), address(&format!("reader{n}@example.com")));
    let crowd =
        (1..1000).fold(email(), |email, n| if n % 2 == 0 { email.to(named(n)) } else { email.cc(named(n)) });
    let out = crowd.render(&renderer()).unwrap();
    assert_eq!(out.envelope().to().len(), 1000);
    let mail = MessageParser::default().parse(&out.raw()[..]).unwrap();
    assert_eq!((mail.to().unwrap().iter().count(), mail.cc().unwrap().iter().count()), (500, 500));
}

#[test]
fn control_characters_are_refused_wherever_they_stand() {
    for bad in
        ["a\r\nBcc: x@y", "a\nb", "a\rb", "a\0b", "\u{1b}[1m", "a\u{7f}", "a\u{85}b", "a\u{2028}b", "\t"]
    {
        let named = Mailbox::named(bad, address("x@example.com"));
        refused(&Email::new(named.clone(), address("x@example.com")), "from: display name");
        refused(&email().to(named.clone()), "to: display name");
        refused(&email().cc(named.clone()), "cc: display name");
        refused(&email().bcc(named.clone()), "bcc: display name");
        refused(&email().reply_to(named), "reply-to: display name");
        refused(&email().subject(bad), "subject");
        refused(&email().header("X-A", bad), "header X-A");
        refused(&email().header(bad, "v"), "header name");
        refused(&email().inline(bad, "image/png", ""), "inline: content id");
        refused(&email().inline("a", bad, ""), "inline: content type");
        refused(&email().attach(bad, "image/png", ""), "attachment: file name");
        refused(&email().attach("a", format!("image/png{bad}"), ""), "attachment: content type");
        refused(&email().kind(bad), "kind");
        let link = Unsubscribe { one_click: Some(format!("https://x/{bad}")), mail: None };
        refused(&email().unsubscribe(link), "unsubscribe");
        assert!(DedupeKey::new(bad).is_err() && Address::parse(&format!("{bad}@b")).is_err());
    }
    refused(&email().text("a\0b"), "text");
    refused(&email().html("a\0b"), "html");
}

#[test]
fn what_no_header_can_hold_is_refused() {
    let long = "x".repeat(901);
    refused(&email().subject(&long), "subject");
    refused(&email().header("X-A", &long), "header X-A");
    refused(&email().header("Subject", "two"), "header Subject");
    refused(&email().header("bCC", "x@y"), "header bCC");
    refused(&email().header("Content-Type", "text/html"), "header Content-Type");
    refused(&email().header("", "v"), "header name");
    refused(&email().header("X Y", "v"), "header name");
    refused(&email().header("X:Y", "v"), "header name");
    refused(&email().attach("a", "multipart/mixed", ""), "attachment: content type");
    refused(&email().attach("a", "no", ""), "attachment: content type");
    refused(&email().attach("a", "no/ /type", ""), "content type");
    let mut nobody = email();
    nobody.to.clear();
    refused(&nobody, "to");
    for year in [SystemTime::UNIX_EPOCH - Duration::from_secs(1), SystemTime::UNIX_EPOCH + YEAR_10000] {
        let error = email().render(&renderer_at(year)).unwrap_err();
        assert_eq!(error.field(), Some("date"));
    }
}

const YEAR_10000: Duration = Duration::from_hours(70_389_528);

#[test]
fn unsubscribing_takes_one_click() {
    let ways = Unsubscribe { one_click: Some("https://x.example/u?t=1".into()), mail: Some(address("u@x")) };
    let raw = raw(&email().unsubscribe(ways));
    assert!(raw.contains("\r\nList-Unsubscribe: <mailto:u@x>,\r\n <https://x.example/u?t=1>\r\n"), "{raw}");
    assert!(raw.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{raw}");
}

#[test]
fn envelope_sender_is_the_author_unless_said_otherwise() {
    let from = |email: Email| {
        let out = email.render(&renderer()).unwrap();
        (out.envelope().from().map(ToString::to_string), out.is_from_author())
    };
    assert_eq!(from(email()), (Some("vault@example.org".to_owned()), true));
    assert_eq!(from(email().envelope_from(EnvelopeFrom::Null)), (None, false));
    let other = EnvelopeFrom::Address(address("bounce@example.org"));
    assert_eq!(from(email().envelope_from(other)), (Some("bounce@example.org".to_owned()), false));
}

#[test]
fn mails_and_their_renderings_can_be_stored() {
    let email = email().subject("s").text("secret").kind("otp").attach("a", "text/plain", vec![0, 255]);
    let json = serde_json::to_string(&email).unwrap();
    assert!(serde_json::from_str::<Email>(&json).unwrap() == email);
    let out = email.render(&renderer()).unwrap();
    let json = serde_json::to_string(&out).unwrap();
    assert_eq!(serde_json::from_str::<Outgoing>(&json).unwrap(), out);
    assert!(!format!("{email:?}{out:?}").contains("secret"));
    let raw = base64_of("Date: x\r\nMessage-ID: <a@b>\r\nBcc: c@d\r\n\r\n");
    let forged = format!(r#"{{"envelope":{{"from":null,"to":["a@b"]}},"raw":"{raw}"}}"#);
    assert!(serde_json::from_str::<Outgoing>(&forged).is_err());
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
