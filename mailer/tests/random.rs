//! Whatever a caller passes, nothing panics, and nothing but what was said gets into a mail. Inputs are drawn from what
//! means something to somebody on the way; a failure names the seed it was drawn with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mail_parser::{Message, MessageParser, MimeHeaders as _};
use mailer::{
    Address, Backend, BackendUrl, Clock, DedupeKey, Email, Entropy, Envelope, EnvelopeFrom, Error, ErrorKind,
    Mailbox, MessageId, Meta, Outgoing, Registry, Renderer, Unsubscribe,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Another one gives another run.
const SEED: u64 = 20_261_122;

/// Calls the check with so many different sources of randomness, and names the one it fails with.
fn with_seeds(count: u64, mut check: impl FnMut(&mut StdRng)) {
    /// Says so only if it is dropped by a panic.
    struct Named(u64);

    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("it was the seed {}", self.0);
            }
        }
    }

    for seed in SEED..SEED + count {
        let _named = Named(seed);
        check(&mut StdRng::seed_from_u64(seed));
    }
}

/// What ends something, begins something or is long, beside what is harmless.
const PIECES: [&str; 64] = [
    "a",
    "B",
    "7",
    " ",
    "  ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\r\n.\r\n",
    "\r\n\r\n",
    "\n.\n",
    "\0",
    "\u{1b}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{fffd}",
    "e\u{301}",
    "ü",
    "名",
    "🎉",
    "ß",
    "İ",
    "\"",
    "'",
    "\\",
    "(",
    ")",
    "<",
    ">",
    "[",
    "]",
    "{",
    "}",
    "@",
    ",",
    ";",
    ":",
    ".",
    "..",
    "=",
    "=?utf-8?q?=0D=0A?=",
    "?=",
    "%0d%0a",
    "%",
    "&",
    "#",
    "/",
    "-",
    "--",
    "_",
    "example.com",
    "xn--",
    "Bcc: x@y",
    "Content-Type: text/html",
    "[127.0.0.1]",
    "[IPv6:::1]",
    "mailto:",
    "https://",
    "utf8",
    "$",
];

fn text(rng: &mut StdRng, most: usize) -> String {
    let length = rng.random_range(0..=most);
    let piece = |rng: &mut StdRng| {
        if rng.random_ratio(1, 40) {
            "x".repeat(rng.random_range(0..2000))
        } else {
            PIECES.choose(rng).expect("some").to_string()
        }
    };
    (0..length).map(|_| piece(rng)).collect()
}

fn bytes(rng: &mut StdRng, most: usize) -> Bytes {
    let length = rng.random_range(0..=most);
    (0..length).map(|_| rng.random::<u8>()).collect()
}

/// An address that is one, in most of the ways in which one can be. Without literals of IPv6: the parser below takes their
/// colons for the name of a group.
fn address(rng: &mut StdRng) -> Address {
    let local = ["ann", "A.b+c", "-x", "jürgen", "名前", "!#$%&'*+-/=?^_`{|}~"].choose(rng).expect("some");
    let domain = ["example.com", "Müller.example", "[192.0.2.1]", "localhost"].choose(rng).expect("some");
    format!("{local}@{domain}").parse().expect("an address")
}

/// One line, mostly without what no line can hold.
fn line(rng: &mut StdRng, most: usize, mild: bool) -> String {
    let text = text(rng, most);
    if !mild {
        return text;
    }
    let lines = |c: char| c.is_control() || c == '\u{2028}';
    text.chars().filter(|c| !lines(*c)).collect()
}

fn mailbox(rng: &mut StdRng, mild: bool) -> Mailbox {
    let address = address(rng);
    if rng.random() { Mailbox::named(line(rng, 6, mild), address) } else { address.into() }
}

fn email(rng: &mut StdRng) -> Email {
    // What mail cannot carry in any field would leave few to look at.
    let mild = rng.random_ratio(3, 4);
    let mut email = Email::new(mailbox(rng, mild), mailbox(rng, mild)).subject(line(rng, 8, mild));
    let some = |rng: &mut StdRng| (0..rng.random_range(0..3)).map(|_| mailbox(rng, mild)).collect::<Vec<_>>();
    (email.cc, email.bcc, email.reply_to, email.co_authors) = (some(rng), some(rng), some(rng), some(rng));
    email.sender = rng.random_ratio(1, 4).then(|| mailbox(rng, mild));
    email.text = rng.random::<bool>().then(|| text(rng, 30).replace('\0', ""));
    email.html = rng.random::<bool>().then(|| text(rng, 30).replace('\0', ""));
    if rng.random_ratio(1, 3) {
        email = email.header(line(rng, 2, mild), line(rng, 6, mild)).header("X-Note", line(rng, 6, mild));
    }
    if rng.random_ratio(1, 3) {
        email = email.attach(line(rng, 4, mild), *TYPES.choose(rng).expect("some"), bytes(rng, 300));
    }
    if rng.random_ratio(1, 3) {
        email = email.inline(line(rng, 3, mild), *TYPES.choose(rng).expect("some"), bytes(rng, 300));
    }
    if rng.random_ratio(1, 6) {
        let one_click = rng.random::<bool>().then(|| format!("https://{}", line(rng, 4, mild)));
        email =
            email.unsubscribe(Unsubscribe { one_click, mail: rng.random::<bool>().then(|| address(rng)) });
    }
    if rng.random_ratio(1, 4) {
        let sender = EnvelopeFrom::Address(address(rng));
        email = email.envelope_from(if rng.random() { sender } else { EnvelopeFrom::Null });
    }
    if rng.random_ratio(1, 6) {
        email = email.kind(line(rng, 2, mild));
    }
    email
}

const TYPES: [&str; 9] = [
    "image/png",
    "text/plain; charset=utf-8",
    "a/b; c=\"d e\"",
    "application/octet-stream",
    "multipart/mixed",
    "text",
    "a/b; c=\"\r\nBcc: x@y\"",
    " / ",
    "message/rfc822",
];

fn renderer(rng: &mut StdRng) -> Renderer {
    let token: [u8; 16] = rng.random();
    // Mostly a sensible time, now and then one that no date can say.
    let seconds =
        if rng.random_ratio(1, 20) { rng.random_range(0..1 << 40) } else { rng.random_range(0..1 << 32) };
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Renderer::new(Clock::new(move || time), Entropy::new(move || token))
}

#[test]
fn a_mail_is_refused_by_the_name_of_a_field_or_says_what_it_was_told() {
    let mut passed = 0;
    with_seeds(2500, |rng| {
        let (email, renderer) = (email(rng), renderer(rng));
        match email.render(&renderer) {
            Ok(mail) => {
                passed += 1;
                assert_says(&email, &mail);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                assert!(error.field().is_some(), "{error} names no field");
            }
        }
    });
    assert!(passed > 300, "only {passed} of 2500 could be rendered");
}

/// What an independent parser finds is what was said: no header more, no reader more, no part more.
fn assert_says(email: &Email, mail: &Outgoing) {
    let message = MessageParser::default().parse(&mail.raw()[..]).expect("it is a mail");
    let allowed = [
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "mime-version",
        "reply-to",
        "sender",
        "subject",
        "to",
        "x-note",
    ];
    for header in message.headers() {
        let name = header.name().to_ascii_lowercase();
        let is_ours = allowed.contains(&name.as_str()) || email.headers.get(&name).is_some();
        assert!(is_ours, "a header that nobody asked for: {name}");
    }
    let authors = [&email.from].into_iter().chain(&email.co_authors).cloned().collect::<Vec<_>>();
    for (said, found) in [
        (&authors, message.from()),
        (&email.to, message.to()),
        (&email.cc, message.cc()),
        (&email.reply_to, message.reply_to()),
    ] {
        let found: Vec<_> = found.into_iter().flat_map(|list| list.iter()).collect();
        assert_eq!(found.len(), said.len());
        for (said, found) in said.iter().zip(found) {
            assert_eq!(found.address(), Some(said.address.as_str()));
            assert_eq!(
                words(found.name().unwrap_or_default()),
                words(said.name.as_deref().unwrap_or_default())
            );
        }
    }
    assert_eq!(words(message.subject().unwrap_or_default()), words(&email.subject));
    assert_parts(email, &message);
    let recipients = email.to.iter().chain(&email.cc).chain(&email.bcc).map(|to| &to.address);
    assert!(recipients.clone().all(|to| mail.envelope().to().contains(to)), "a reader was left out");
    assert!(
        mail.envelope().to().iter().all(|to| recipients.clone().any(|known| known == to)),
        "a reader was added"
    );
    let stored = serde_json::to_string(mail).expect("it can be stored");
    assert_eq!(&serde_json::from_str::<Outgoing>(&stored).expect("it can be read back"), mail);
}

fn assert_parts(email: &Email, message: &Message<'_>) {
    let leaves = message.parts.iter().filter(|part| !part.is_multipart()).collect::<Vec<_>>();
    let bodies = usize::from(email.text.is_some()) + usize::from(email.html.is_some());
    assert_eq!(leaves.len(), bodies.max(1) + email.inline.len() + email.attachments.len());
    for part in email.attachments.iter().chain(&email.inline) {
        let found = leaves.iter().any(|leaf| leaf.contents() == &part.content[..]);
        // A parser turns text into UTF-8, whatever it was.
        let is_text = part.content_type.starts_with("text/");
        assert!(found || is_text, "the content of a part was changed");
    }
    for part in &email.attachments {
        let names: Vec<_> = leaves.iter().filter_map(|leaf| leaf.attachment_name()).collect();
        assert!(
            names.iter().any(|name| words(name) == words(&part.name)),
            "{:?} is not in {names:?}",
            part.name
        );
    }
}

/// The text without its spaces: where a header is folded, parsers disagree about how many there were. So they do about
/// characters that change nothing but the direction.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn what_is_parsed_is_harmless_or_refused() {
    with_seeds(10_000, |rng| {
        let text = text(rng, 8);
        if let Ok(address) = Address::parse(&text) {
            let written = address.as_str();
            let harmful = |c: char| c.is_control() || c.is_whitespace() || "<>()[]:;,\"\\".contains(c);
            let literal = address.domain().starts_with('[');
            assert!(
                !address.local().contains(harmful) && (literal || !address.domain().contains(harmful)),
                "{written:?}"
            );
            assert_eq!(
                Address::parse(written).expect("it is one"),
                address,
                "parsing twice is not parsing once"
            );
        }
        if let Ok(mailbox) = Mailbox::parse(&text) {
            assert!(Address::parse(mailbox.address.as_str()).is_ok());
        }
        if let Ok(id) = MessageId::parse(&text) {
            assert!(id.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
        if let Ok(key) = DedupeKey::new(text.clone()) {
            assert!(key.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
        if let Ok(renderer) = Renderer::system().with_id_domain(&text) {
            let ann: Address = "ann@example.com".parse().expect("an address");
            Email::new(ann.clone(), ann).render(&renderer).expect("the domain is one");
        }
    });
}

#[test]
fn finished_bytes_keep_the_promises_or_are_refused() {
    let ann: Address = "ann@example.com".parse().expect("an address");
    let head = "Date: now\r\nMessage-ID: <a@b>\r\n";
    with_seeds(5000, |rng| {
        let raw = format!("{head}{}\r\n\r\n{}\r\n", text(rng, 6), text(rng, 6));
        let envelope = Envelope::new(None, [ann.clone()]).expect("there is a recipient");
        let Ok(mail) = Outgoing::new(envelope, raw, Meta::default()) else { return };
        let raw = mail.raw();
        assert!(raw.ends_with(b"\r\n") && !raw.contains(&0));
        for (at, byte) in raw.iter().enumerate() {
            match byte {
                b'\r' => assert_eq!(raw.get(at + 1), Some(&b'\n')),
                b'\n' => assert_eq!(raw[at - 1], b'\r'),
                _ => {}
            }
        }
        let head =
            String::from_utf8_lossy(raw).split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        let lines = |name: &str| head.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!((lines("date:"), lines("message-id:"), lines("bcc:")), (1, 1, 0));
    });
    with_seeds(2000, |rng| {
        let envelope = Envelope::new(None, [ann.clone()]).expect("there is a recipient");
        drop(Outgoing::new(envelope, bytes(rng, 200), Meta::default()));
        drop(serde_json::from_str::<Email>(&text(rng, 10)));
        drop(serde_json::from_str::<Outgoing>(&text(rng, 10)));
    });
}

#[test]
fn urls_open_or_say_what_is_wrong_without_their_password() {
    const PARTS: [&str; 24] = [
        "failover(",
        "roundrobin(",
        "retry(",
        "limit(",
        "redirect(",
        "backup(",
        ")",
        "(",
        " ",
        "  ",
        "smtp://",
        "memory:",
        "u:geheim@",
        "host",
        ":25",
        "?",
        "&",
        "retry=60s",
        "attempts=2",
        "per_second=5",
        "to=a@b",
        "=",
        "#",
        "名",
    ];
    let open = |url: &mut BackendUrl| -> Result<Arc<dyn Backend>, Error> {
        url.take("pool");
        url.finish()?;
        Err(Error::new(ErrorKind::Config, "opened"))
    };
    let registry = Registry::new().with("smtp", open).with("memory", open);
    with_seeds(10_000, |rng| {
        let length = rng.random_range(0..14);
        let url: String = (0..length).map(|_| *PARTS.choose(rng).expect("some")).collect();
        let error = registry.open(&url).expect_err("nothing opens here");
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error:?}").contains("geheim"), "{url}: {error}");
    });
}
