//! The SMTP server of the suite, by a client that is only a socket.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::TcpStream,
    sync::Arc,
};

use conformance_tests::smtp_server::{
    BlackHole, Certificate, Mechanism, Options, Point, SmtpServer, Step, Twist, nobody_listens,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::CertificateDer,
    pki_types::pem::PemObject as _,
};

/// A conversation by hand.
struct Talk<S>(BufReader<S>);

impl Talk<TcpStream> {
    fn open(server: &SmtpServer) -> Self {
        Self(BufReader::new(TcpStream::connect(server.address()).expect("the server listens")))
    }

    fn greeted(server: &SmtpServer) -> Self {
        let mut talk = Self::open(server);
        talk.hears("220");
        talk.says("EHLO me").hears("250");
        talk
    }
}

impl<S: io::Read + io::Write> Talk<S> {
    fn says(&mut self, line: &str) -> &mut Self {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
        self
    }

    /// Reads a reply, which must begin like this, and answers all of it.
    fn hears(&mut self, start: &str) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("the server answers");
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        assert!(reply.starts_with(start), "{reply:?} rather than {start}");
        reply
    }

    fn sends_a_mail(&mut self) {
        self.says("MAIL FROM:<a@example.org> BODY=8BITMIME").hears("250");
        self.says("RCPT TO:<b@example.org>").hears("250");
        self.says("DATA").hears("354");
        self.says("X: y\r\n\r\n..\r\nend\r\n.").hears("250 2.0.0 Ok: queued as Q000000");
    }

    /// Reads to the end, which must come without anything before it.
    fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the server closes");
        assert_eq!(rest, b"");
    }
}

#[test]
fn a_mail_is_kept_with_all_that_is_known_of_it() {
    let server = SmtpServer::start(Options::new().user("ann", "secret"));
    let mut talk = Talk::greeted(&server);
    talk.says("MAIL FROM:<a@example.org>").hears("530");
    talk.says("AUTH PLAIN AGFubgBzZWNyZXQ=").hears("235");
    talk.sends_a_mail();
    talk.says("QUIT").hears("221");
    talk.hears_the_end();
    drop(talk);

    let [mail] = &server.mails()[..] else { panic!("one mail was sent") };
    assert_eq!((mail.from.as_str(), mail.parameters.as_str()), ("a@example.org", "BODY=8BITMIME"));
    assert_eq!(
        (&mail.to[..], &mail.raw[..]),
        (&["b@example.org".to_owned()][..], &b"X: y\r\n\r\n.\r\nend\r\n"[..])
    );
    assert_eq!((mail.user.as_deref(), mail.private, mail.connection), (Some("ann"), false, 0));
    assert_eq!(server.opened(), 1);
    server.seen(|seen| {
        assert_eq!((seen.count("mail"), seen.connections[0].ended_mails), (2, 1));
        assert!(seen.connections[0].clear.ends_with(b"end\r\n.\r\nQUIT\r\n"));
    });
}

#[test]
fn what_is_not_accepted_is_not_kept() {
    let server =
        SmtpServer::start(Options::new().keyword("SIZE 20").recipient("no@example.org", "550 5.1.1 no"));
    let mut talk = Talk::greeted(&server);
    talk.says("RCPT TO:<b@example.org>").hears("503");
    talk.says("MAIL FROM:<> SIZE=21").hears("552");
    talk.says("MAIL FROM:<> SIZE=19").hears("250");
    talk.says("RCPT TO:<no@example.org>").hears("550 5.1.1 no");
    talk.says("DATA").hears("554");
    talk.says("RCPT TO:<b@example.org>").hears("250");
    talk.says("DATA").hears("354");
    talk.says("123456789012345678901\r\n.").hears("552");
    assert_eq!(server.mails(), []);
}

#[test]
fn every_mechanism_is_understood() {
    let talks: [&[(&str, &str)]; 5] = [
        &[("AUTH PLAIN", "334"), ("AGFubgBzZWNyZXQ=", "235")],
        &[("AUTH PLAIN AGFubgBmYWxzZQ==", "535")],
        &[("AUTH LOGIN", "334"), ("YW5u", "334"), ("c2VjcmV0", "235")],
        &[("AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgc2VjcmV0AQE=", "235")],
        &[("AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgbm8BAQ==", "334"), ("", "535")],
    ];
    let server = SmtpServer::start(Options::new().user("ann", "secret"));
    for lines in talks {
        let mut talk = Talk::greeted(&server);
        for (line, reply) in lines {
            talk.says(line).hears(reply);
        }
    }
    let server = SmtpServer::start(Options::new().user("ann", "secret").mechanisms(&[Mechanism::Login]));
    Talk::greeted(&server).says("AUTH PLAIN AGFubgBzZWNyZXQ=").hears("504");
}

#[test]
fn a_connection_is_made_private_on_request_or_at_once() {
    let server = SmtpServer::start(Options::new().start_tls().user("ann", "secret"));
    let mut talk = Talk::open(&server);
    talk.hears("220");
    assert!(!talk.says("EHLO me").hears("250").contains("AUTH"));
    talk.says("STARTTLS").hears("220");
    let mut talk = private(talk.0.into_inner(), &server);
    assert!(talk.says("EHLO me").hears("250").contains("AUTH"));
    talk.says("AUTH PLAIN AGFubgBzZWNyZXQ=").hears("235");
    talk.sends_a_mail();
    assert!(server.mails()[0].private);
    server.seen(|seen| assert_eq!(seen.connections[0].clear, b"EHLO me\r\nSTARTTLS\r\n"));

    let server = SmtpServer::start(Options::new().implicit_tls());
    let mut talk = private(TcpStream::connect(server.address()).expect("the server listens"), &server);
    talk.hears("220");
    talk.says("QUIT").hears("221");
    talk.hears_the_end();
}

#[test]
fn certificates_are_as_bad_as_asked_for() {
    for (certificate, complaint) in [
        (Certificate::Expired, "Expired"),
        (Certificate::OtherName, "NotValidForName"),
        (Certificate::SelfSigned, "UnknownIssuer"),
    ] {
        let server = SmtpServer::start(Options::new().implicit_tls().certificate(certificate));
        let socket = TcpStream::connect(server.address()).expect("the server listens");
        let error = private(socket, &server).0.fill_buf().expect_err("the certificate is bad").to_string();
        let error = format!("{error:?}").replace(' ', "").to_lowercase();
        assert!(error.contains(&complaint.to_lowercase()), "{certificate:?}: {error}");
    }
}

#[tokio::test]
async fn a_twist_takes_the_place_of_a_sound_answer() {
    let server = SmtpServer::start(Options::new());
    server.twist(Twist::at(Point::Rcpt).after(1).times(2).replies("450 4.2.0 later"));
    server.twist(Twist::at(Point::Verdict).does([Step::Take, Step::Close]));
    let mut talk = Talk::greeted(&server);
    talk.says("MAIL FROM:<a@example.org>").hears("250");
    for (to, reply) in [("a", "250"), ("b", "450"), ("c", "450"), ("d", "250")] {
        talk.says(&format!("RCPT TO:<{to}@example.org>")).hears(reply);
    }
    talk.says("DATA").hears("354");
    talk.says("text\r\n.");
    talk.hears_the_end();
    assert_eq!(server.mails()[0].to, ["a@example.org", "d@example.org"]);
    assert_eq!(server.live(), 1, "the other side has not closed");
    drop(talk);
    server.until(|seen| seen.live == 0).await;
}

#[tokio::test]
async fn a_conversation_can_be_written_down_step_by_step() {
    let server = SmtpServer::start(Options::new());
    let steps = [
        Step::line("220 hello"),
        Step::Expect("HELO"),
        Step::Drip("250 hello\r\n".into()),
        Step::Expect("QUIT"),
        Step::Close,
    ];
    server.twist(Twist::at(Point::Greeting).does(steps).always());
    let mut talk = Talk::open(&server);
    talk.hears("220 hello");
    talk.says("HELO me").hears("250 hello");
    talk.says("QUIT").hears_the_end();
    let mut talk = Talk::open(&server);
    talk.says("EHLO me").hears("220 hello");
    talk.hears_the_end();
    assert_eq!(server.seen(|seen| seen.complaints.clone()), [r#"HELO was expected and "EHLO me" came"#]);
}

#[tokio::test]
async fn what_holds_still_reads_nothing_until_it_is_released() {
    let server = SmtpServer::start(Options::new());
    server.twist(Twist::at(Point::Body(1)).does([Step::Hold]));
    let mut talk = Talk::greeted(&server);
    talk.says("MAIL FROM:<a@example.org>").hears("250");
    talk.says("RCPT TO:<b@example.org>").hears("250");
    talk.says("DATA").hears("354");
    talk.says("text");
    server.until(|seen| seen.held == 1).await;
    talk.says("more\r\n.");
    server.seen(|seen| assert_eq!(seen.connections[0].body, 6));
    server.release();
    talk.hears("250");
    assert_eq!(&server.mails()[0].raw[..], b"text\r\nmore\r\n");
}

#[test]
fn a_reset_is_told_from_an_end() {
    let server = SmtpServer::start(Options::new());
    server.twist(Twist::at(Point::Noop).does([Step::Reset]));
    let mut talk = Talk::greeted(&server);
    let error = talk.says("NOOP").0.fill_buf().expect_err("the connection was cut");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn connections_over_the_limit_are_sent_away() {
    let server = SmtpServer::start(Options::new().connections(1));
    let first = Talk::greeted(&server);
    let mut second = Talk::open(&server);
    second.hears("421");
    second.hears_the_end();
    drop(first);
    assert_eq!((server.opened(), server.seen(|seen| seen.most_live)), (2, 2));
}

#[tokio::test]
async fn there_are_addresses_without_a_server() {
    let refused = TcpStream::connect(nobody_listens().expect("loopback has a free port"));
    assert_eq!(refused.expect_err("nobody listens").kind(), io::ErrorKind::ConnectionRefused);
    // What other systems do with a full queue differs.
    if cfg!(target_os = "linux") {
        let hole = BlackHole::open().await.expect("loopback has a free port");
        let patience = std::time::Duration::from_millis(200);
        let answer = TcpStream::connect_timeout(&hole.address(), patience);
        assert_eq!(answer.expect_err("nobody answers").kind(), io::ErrorKind::TimedOut);
    }
}

fn private(socket: TcpStream, server: &SmtpServer) -> Talk<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(server.authority().as_bytes()).expect("it is PEM");
    roots.add(authority).expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("it is a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("the configuration is sound");
    Talk(BufReader::new(StreamOwned::new(client, socket)))
}
