//! A mail arrives as it was written.

use ::mailer::{Email, Mailbox};
use mail_parser::{MimeHeaders as _, PartType};

use super::{
    Harness,
    desk::{Desk, address, email, email_to, parse, part, render, text, with_body},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["content";
        text_only,
        html_only,
        text_and_html_are_alternatives_in_this_order,
        a_picture_is_found_by_its_content_id,
        an_attachment_keeps_name_and_bytes,
        everything_together,
        an_empty_body,
        an_empty_subject,
        a_long_subject_of_many_scripts,
        display_names_of_every_sort,
        very_long_lines,
        lines_that_begin_with_a_dot,
        no_line_break_is_added_or_lost_at_the_end,
        line_breaks_of_every_sort,
        spaces_at_the_end_of_lines,
        html_full_of_equals_signs,
        eight_bit_bytes_in_a_finished_mail,
        attachments_of_no_bytes_and_of_ten_megabytes,
        date_and_message_id_are_there_once,
        what_is_rendered_here_needs_seven_bits
    ]
}

/// Plain text alone.
async fn text_only(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().subject("Hello").text("Hi\nthere\n")).await;
    let message = parse(&delivered);
    assert_eq!(message.subject(), Some("Hello"));
    assert_eq!(text(&message, "text/plain"), "Hi\nthere\n");
    Ok(())
}

/// HTML alone.
async fn html_only(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().html("<p>Hi</p>")).await;
    let message = parse(&delivered);
    assert_eq!(text(&message, "text/html").trim_end(), "<p>Hi</p>");
    assert_eq!(part(&message, "text/plain"), None);
    Ok(())
}

/// Of two alternatives the last is the richest.
async fn text_and_html_are_alternatives_in_this_order(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().text("Hi").html("<p>Hi</p>")).await;
    let message = parse(&delivered);
    assert_eq!(message.content_type().and_then(|of| of.subtype()), Some("alternative"));
    let PartType::Multipart(parts) = &message.parts[0].body else { panic!("there are no alternatives") };
    let subtype = |n: usize| {
        let id = usize::try_from(parts[n]).expect("a part's number is small");
        message.parts[id].content_type().and_then(|of| of.subtype()).map(str::to_owned)
    };
    assert_eq!((subtype(0).as_deref(), subtype(1).as_deref()), (Some("plain"), Some("html")));
    Ok(())
}

/// HTML shows a picture by `cid:`.
async fn a_picture_is_found_by_its_content_id(harness: &dyn Harness) -> Checked {
    let picture = [0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 255];
    let html = "<img src=\"cid:logo@vault\">";
    let mail = email().html(html).inline("logo@vault", "image/png", picture.to_vec());
    let delivered = Desk::open(harness).await?.send(&mail).await;
    let message = parse(&delivered);
    let found = message.parts.iter().find(|part| part.content_id() == Some("logo@vault"));
    assert_eq!(found.expect("the picture is there").contents(), picture);
    Ok(())
}

/// A file name may be of any script and hold what paths and quotes are made of.
async fn an_attachment_keeps_name_and_bytes(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let bytes: Vec<u8> = (0..=255).collect();
    let name = "Übersicht \"2027\"/ä\\ö; x=1.bin";
    let delivered = desk.send(&email().attach(name, "application/octet-stream", bytes.clone())).await;
    let message = parse(&delivered);
    let file = message.attachments().next().expect("the file is there");
    assert_eq!((file.attachment_name(), file.contents()), (Some(name), &bytes[..]));
    Ok(())
}

/// All sorts of parts in one mail.
async fn everything_together(harness: &dyn Harness) -> Checked {
    let mail = email()
        .subject("All of it")
        .text("text")
        .html("<p>html</p>")
        .inline("a", "image/png", "picture")
        .attach("b.pdf", "application/pdf", "file")
        .header("X-Sort", "all");
    let delivered = Desk::open(harness).await?.send(&mail).await;
    let message = parse(&delivered);
    assert_eq!(text(&message, "text/plain"), "text");
    assert_eq!(text(&message, "text/html"), "<p>html</p>");
    assert_eq!(part(&message, "image/png").as_deref(), Some(&b"picture"[..]));
    assert_eq!(part(&message, "application/pdf").as_deref(), Some(&b"file"[..]));
    assert_eq!(message.header("X-Sort").and_then(|value| value.as_text()), Some("all"));
    Ok(())
}

/// A mail that says nothing is a mail.
async fn an_empty_body(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().subject("Nothing")).await;
    assert_eq!(text(&parse(&delivered), "text/plain").trim_end(), "");
    Ok(())
}

/// So is one about nothing.
async fn an_empty_subject(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().text("hello")).await;
    assert_eq!(parse(&delivered).subject().unwrap_or_default(), "");
    Ok(())
}

/// Encoded and folded, it reads the same again.
async fn a_long_subject_of_many_scripts(harness: &dyn Harness) -> Checked {
    let subject = "Grüße 🎉 مرحبا 名前 e\u{301} ".repeat(30);
    let delivered = Desk::open(harness).await?.send(&email().subject(&subject)).await;
    assert_eq!(parse(&delivered).subject(), Some(subject.trim_end()));
    Ok(())
}

/// Marks that mean something in a header mean nothing in a name.
async fn display_names_of_every_sort(harness: &dyn Harness) -> Checked {
    for name in ["Ann Lee", "Lee, Ann", "Ann \"A\" (x)", "a@b <c@d>;", "Jürgen", "名前 🎉", "\\"] {
        let mail = Email::new(address("vault@example.org"), Mailbox::named(name, address("ann@example.com")));
        let delivered = Desk::open(harness).await?.send(&mail).await;
        let message = parse(&delivered);
        let reader = message.to().and_then(|to| to.first()).expect("there is a reader");
        assert_eq!((reader.name(), reader.address()), (Some(name), Some("ann@example.com")));
    }
    Ok(())
}

/// Lines longer than mail's 998 bytes are encoded.
async fn very_long_lines(harness: &dyn Harness) -> Checked {
    let long = format!("{}\n{}\n", "x".repeat(5000), "wörter ".repeat(500));
    let delivered = Desk::open(harness).await?.send(&email().text(&long)).await;
    assert_eq!(text(&parse(&delivered), "text/plain"), long);
    Ok(())
}

/// SMTP ends a mail by a line that is only a dot; such a line in a mail ends nothing.
async fn lines_that_begin_with_a_dot(harness: &dyn Harness) -> Checked {
    let dots = ".\n..\n.a\n\n.\n\nQUIT\n.\n";
    let delivered = Desk::open(harness).await?.send(&email().text(dots)).await;
    assert_eq!(text(&parse(&delivered), "text/plain"), dots);
    Ok(())
}

/// The last bytes are those that were handed over.
async fn no_line_break_is_added_or_lost_at_the_end(harness: &dyn Harness) -> Checked {
    for body in ["\r\n", "a\r\n", "a\r\n\r\n", "a\r\n\r\n\r\n", "\r\n\r\n", "\r\na\r\n"] {
        let desk = Desk::open(harness).await?;
        let mail = with_body(body);
        desk.deliver(&mail).await;
        desk.only(&mail).await;
    }
    Ok(())
}

/// CR, LF and CRLF each end a line, and arrive as CRLF.
async fn line_breaks_of_every_sort(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().text("a\nb\r\nc\rd\n\re\r\r\nf")).await;
    assert_eq!(text(&parse(&delivered), "text/plain").trim_end(), "a\nb\nc\nd\n\ne\n\nf");
    let raw = &delivered.raw;
    let ends = |i: usize| raw[i] != b'\n' || (i > 0 && raw[i - 1] == b'\r');
    let begins = |i: usize| raw[i] != b'\r' || raw.get(i + 1) == Some(&b'\n');
    assert!((0..raw.len()).all(|i| ends(i) && begins(i)), "a line ends otherwise than by CRLF");
    Ok(())
}

/// They mean something in signatures and in quoted text.
async fn spaces_at_the_end_of_lines(harness: &dyn Harness) -> Checked {
    let spaced = "-- \nAnn  \t\nü \n \n";
    let delivered = Desk::open(harness).await?.send(&email().text(spaced)).await;
    assert_eq!(text(&parse(&delivered), "text/plain"), spaced);
    Ok(())
}

/// What looks encoded already is not decoded twice.
async fn html_full_of_equals_signs(harness: &dyn Harness) -> Checked {
    let html = "<a href=\"x?a=3D&b==20\" style=\"a=b\">=?utf-8?q?x?= ü =\n</a>=\n".repeat(40);
    let delivered = Desk::open(harness).await?.send(&email().html(&html)).await;
    assert_eq!(text(&parse(&delivered), "text/html"), html);
    Ok(())
}

/// A mail somebody else rendered may hold bytes over 127.
async fn eight_bit_bytes_in_a_finished_mail(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = with_body([&b"latin "[..], &[0xE9, 0xFF, 0x80], b"\r\n"].concat());
    desk.deliver(&mail).await;
    desk.only(&mail).await;
    Ok(())
}

/// Both ends of what is usual.
async fn attachments_of_no_bytes_and_of_ten_megabytes(harness: &dyn Harness) -> Checked {
    for size in [0, 10 << 20] {
        let desk = Desk::open(harness).await?;
        let bytes: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let mail = render(&email().attach("a.bin", "application/octet-stream", bytes.clone()));
        if desk.capabilities().max_bytes.is_some_and(|max| mail.raw().len() as u64 > max) {
            desk.assert_refused(&mail, ::mailer::ErrorKind::TooLarge).await;
            continue;
        }
        desk.deliver(&mail).await;
        let delivered = desk.only(&mail).await;
        let message = parse(&delivered);
        assert!(message.attachments().next().expect("the file is there").contents() == bytes);
    }
    Ok(())
}

/// Exactly one of each, also where the provider replaces them.
async fn date_and_message_id_are_there_once(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email().text("hello")).await;
    let message = parse(&delivered);
    for name in ["date", "message-id"] {
        let count =
            message.headers().iter().filter(|header| header.name().eq_ignore_ascii_case(name)).count();
        assert_eq!(count, 1, "{name}");
    }
    Ok(())
}

/// Whatever a mail holds, so that no provider need support more.
async fn what_is_rendered_here_needs_seven_bits(harness: &dyn Harness) -> Checked {
    let mail = email_to("ann@Müller.example")
        .subject("Grüße")
        .text("Grüße 🎉\n")
        .html("<p>Grüße</p>")
        .inline("logo", "image/png", vec![0xFF; 1000])
        .attach("Grüße.bin", "application/octet-stream", (0..=255).collect::<Vec<u8>>())
        .header("X-Greeting", "Grüße");
    let delivered = Desk::open(harness).await?.send(&mail).await;
    assert!(delivered.raw.is_ascii(), "there are bytes over 127");
    Ok(())
}
