//! Nothing that a mail says becomes a header, a recipient, a command or a second mail.

use ::mailer::{Email, ErrorKind, Mailbox, Mailer, Renderer, Unsubscribe};

use mail_parser::HeaderForm;

use super::{
    Harness,
    desk::{Desk, address, email, email_to, enveloped, header_names, parse, render, text, with_body},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["injection";
        line_breaks_and_controls_are_refused_in_every_field,
        what_is_no_address_is_refused,
        odd_addresses_arrive_as_they_are,
        headers_of_our_own_cannot_be_set_twice,
        odd_header_values_stay_values,
        a_body_cannot_end_the_mail,
        a_finished_mail_with_bare_line_breaks_is_refused,
        boundaries_in_the_text_divide_nothing,
        random_names_and_subjects_read_the_same_again
    ]
}

/// What ends lines, headers and strings somewhere.
const EVIL: [&str; 11] = [
    "a\r\nBcc: evil@example.net",
    "a\nBcc: evil@example.net",
    "a\rBcc: evil@example.net",
    "a\r\n\r\n<p>evil</p>",
    "a\r\n.\r\nMAIL FROM:<evil@example.net>",
    "a\n.\n",
    "a\0b",
    "\u{1b}[2J",
    "\u{7f}",
    "a\u{85}b",
    "a\u{2028}b",
];

/// Each is refused by the name of its field, before the backend hears of it.
async fn line_breaks_and_controls_are_refused_in_every_field(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mailer = Mailer::new(std::sync::Arc::clone(&desk.backend), Renderer::system());
    for evil in EVIL {
        for (field, mail) in evil_mails(evil) {
            let error = mailer.send(&mail).await.expect_err(field);
            assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some(field)), "{evil:?}");
            assert!(!error.to_string().contains("evil"), "the error repeats the attack: {error}");
        }
    }
    assert_eq!(desk.delivered().await, [], "a refused mail arrived");
    Ok(())
}

fn evil_mails(evil: &str) -> Vec<(&'static str, Email)> {
    let named = || Mailbox::named(evil, address("ann@example.com"));
    let link = Unsubscribe { one_click: Some(format!("https://example.org/{evil}")), mail: None };
    vec![
        ("from: display name", Email::new(named(), address("ann@example.com"))),
        ("to: display name", email().to(named())),
        ("cc: display name", email().cc(named())),
        ("bcc: display name", email().bcc(named())),
        ("reply-to: display name", email().reply_to(named())),
        ("subject", email().subject(evil)),
        ("header X-Test", email().header("X-Test", evil)),
        ("header name", email().header(evil, "value")),
        ("inline: content id", email().inline(evil, "image/png", "")),
        ("inline: content type", email().inline("id", evil, "")),
        ("attachment: file name", email().attach(evil, "text/plain", "")),
        ("attachment: content type", email().attach("a.txt", format!("text/plain; name=\"{evil}\""), "")),
        ("unsubscribe", email().unsubscribe(link)),
        ("kind", email().kind(evil.to_owned())),
    ]
}

/// So none of it can reach an SMTP command or a command line.
async fn what_is_no_address_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mut texts: Vec<String> = EVIL.iter().map(|evil| format!("{evil}@example.com")).collect();
    texts.extend(EVIL.iter().map(|evil| format!("ann@{evil}")));
    let commands =
        ["a@b> SIZE=1", "a@b>\r\nDATA", "<a@b>", "a b@c", "a@b c", "a@b,c@d", "\"a\"@b", "@b:c@d", "a@", "@"];
    texts.extend(commands.map(str::to_owned));
    for text in texts {
        let error = text.parse::<::mailer::Address>().expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
        let stored = serde_json::to_string(&text).expect("a string is JSON");
        assert!(
            serde_json::from_str::<::mailer::Address>(&stored).is_err(),
            "{text:?} came back from storage"
        );
    }
    assert_eq!(desk.delivered().await, []);
    Ok(())
}

/// Each is one recipient, whatever a shell or an SMTP server makes of such signs.
async fn odd_addresses_arrive_as_they_are(harness: &dyn Harness) -> Checked {
    for odd in [
        "-f@example.com",
        "--@example.com",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "%00@example.com",
        "a=b@example.com",
    ] {
        let desk = Desk::open(harness).await?;
        let mail = enveloped(Some(address("vault@example.org")), [address(odd)]);
        desk.deliver(&mail).await;
        assert_eq!(desk.only(&mail).await.to, [address(odd)]);
    }
    Ok(())
}

/// A further header cannot stand in for one with a field of its own.
async fn headers_of_our_own_cannot_be_set_twice(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mailer = Mailer::new(std::sync::Arc::clone(&desk.backend), Renderer::system());
    for name in
        ["Bcc", "from", "TO", "Subject", "Message-ID", "Date", "Content-Type", "MIME-Version", "Received"]
    {
        let error = mailer.send(&email().header(name, "x")).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
    }
    assert_eq!(desk.delivered().await, []);
    Ok(())
}

/// A mail has the headers it was given and no other.
async fn odd_header_values_stay_values(harness: &dyn Harness) -> Checked {
    let plain = Desk::open(harness).await?.send(&email()).await;
    let mut expected = header_names(&parse(&plain));
    expected.insert("x-test".to_owned());
    let long = "word ".repeat(400);
    for value in
        ["Bcc: evil@example.net", "a: b: c", "%0d%0aBcc: x", "\\r\\n", "=0D=0A", "ü\\", "--", "\"", &long]
    {
        let delivered = Desk::open(harness).await?.send(&email().header("X-Test", value)).await;
        let message = parse(&delivered);
        assert_eq!(header_names(&message), expected, "{value:?}");
        let read = message.header_as("X-Test", HeaderForm::Text);
        assert_eq!(read.first().and_then(|read| read.as_text()), Some(value.trim_end()));
    }
    Ok(())
}

/// What lax servers take for the end of a mail arrives inside one mail.
async fn a_body_cannot_end_the_mail(harness: &dyn Harness) -> Checked {
    for end in ["\n.\n", "\r\n.\r\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r\n\0"] {
        let body = format!("one{end}MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\n");
        let desk = Desk::open(harness).await?;
        let Ok(mail) = email().text(&body).render(&Renderer::system()) else {
            assert!(body.contains('\0'), "only a NUL is refused");
            assert_eq!(desk.delivered().await, []);
            continue;
        };
        desk.deliver(&mail).await;
        let delivered = desk.only(&mail).await;
        assert!(text(&parse(&delivered), "text/plain").contains("RCPT TO:<evil@example.net>"));
    }
    Ok(())
}

/// Whoever renders elsewhere is held to the same rules.
async fn a_finished_mail_with_bare_line_breaks_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let sound = render(&email());
    for bare in ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\0", "no end"] {
        let raw = [&sound.raw()[..], bare.as_bytes()].concat();
        let made = ::mailer::Outgoing::new(sound.envelope().clone(), raw, sound.meta().clone());
        let error = made.expect_err("such a mail was made");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bare:?}");
    }
    assert_eq!(desk.delivered().await, []);
    Ok(())
}

/// Text that looks like the borders of parts is text.
async fn boundaries_in_the_text_divide_nothing(harness: &dyn Harness) -> Checked {
    let body = "--\n--=_0\nContent-Type: text/html\n\n<p>evil</p>\n--=_0--\n";
    let delivered = Desk::open(harness).await?.send(&email().text(body).html("<p>good</p>")).await;
    let message = parse(&delivered);
    assert_eq!(text(&message, "text/plain"), body);
    assert_eq!(text(&message, "text/html"), "<p>good</p>");
    let desk = Desk::open(harness).await?;
    let mail = with_body("From here on\r\n>From there\r\n--\r\n");
    desk.deliver(&mail).await;
    desk.only(&mail).await;
    Ok(())
}

/// A few hundred, made of the signs that mean something in headers.
async fn random_names_and_subjects_read_the_same_again(harness: &dyn Harness) -> Checked {
    const SIGNS: [&str; 20] = [
        "a", "B", "7", " ", "\"", "\\", "(", ")", "<", ">", "@", ",", ";", ":", ".", "ü", "名", "🎉", "'",
        "-",
    ];
    let desk = Desk::open(harness).await?;
    let mut state = 0x9E37_79B9_u32;
    let mut sign = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        SIGNS[(state >> 16) as usize % SIGNS.len()]
    };
    let mut sent = Vec::new();
    for _ in 0..200 {
        let (name, subject): (String, String) =
            ((0..12).map(|_| sign()).collect(), (0..60).map(|_| sign()).collect());
        let mut mail = email_to("ann@example.com").subject(subject.trim());
        mail.to[0].name = Some(name.trim().to_owned());
        let rendered = render(&mail);
        desk.deliver(&rendered).await;
        sent.push((rendered.raw().clone(), mail));
    }
    let delivered = desk.delivered().await;
    assert_eq!(delivered.len(), sent.len());
    for (raw, mail) in sent {
        let same = |raw: &[u8]| desk.comparable(raw);
        let one = delivered.iter().find(|one| same(&one.raw) == same(&raw)).expect("the mail arrived");
        let message = parse(one);
        assert_eq!(words(message.subject().unwrap_or_default()), words(&mail.subject));
        let reader = message.to().and_then(|to| to.first()).expect("there is a reader");
        let name = mail.to[0].name.as_deref().unwrap_or_default();
        assert_eq!(words(reader.name().unwrap_or_default()), words(name));
    }
    Ok(())
}

/// The text without its spaces: where a header is folded, parsers disagree about how many there were.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}
