//! Enrols the backend on the server that `TEST_SMTP_ADDRESS` names: Postfix with TLS and passwords, when `./test` runs.
//!
//! The server writes each mail into a file in `mails/<user>`, so every case logs in as somebody else.

use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
};
use mail_smtp::{Credentials, Options, Roots, Smtp};
use mailer::{Address, Backend, Capabilities, Context, Envelope, Error, MessageId, Meta, Outgoing, Receipt};

conformance_tests::mailer!(Postfix);

struct Postfix;

/// Where it is, and who may know.
struct Server {
    host: String,
    port: u16,
    password: String,
    ca: Vec<u8>,
    mails: PathBuf,
}

/// The backend, and what must become of what it is given: the server answers before it has written a mail's file, and
/// sorts the recipients.
#[derive(Debug)]
struct Watched {
    smtp: Smtp,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    taken: usize,
    recipients: HashMap<MessageId, Vec<Address>>,
}

#[derive(Debug)]
struct Files {
    folder: PathBuf,
    log: Arc<Mutex<Log>>,
}

#[async_trait]
impl Harness for Postfix {
    async fn open(&self) -> Result<Setting, Absent> {
        let server = Server::from_environment()?;
        let user = format!("user-{:016x}", RandomState::new().hash_one(0));
        let log = Arc::<Mutex<Log>>::default();
        let smtp = Smtp::new(server.options(&user)).expect("sound options");
        let backend = Arc::new(Watched { smtp, log: Arc::clone(&log) });
        Ok(Setting { backend, observer: Arc::new(Files { folder: server.mails.join(user), log }) })
    }

    /// The password is wrong.
    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        let mut options = Server::from_environment()?.options("user");
        options.credentials = Some(Arc::new(Credentials::password("user", "wrong")));
        Ok(Arc::new(Smtp::new(options).expect("sound options")))
    }
}

impl Server {
    /// If there is none although `TEST_REQUIRE` names `smtp`, that is a failure.
    fn from_environment() -> Result<Self, Absent> {
        let address = variable("TEST_SMTP_ADDRESS")?;
        let (host, port) = address.rsplit_once(':').expect("host:port");
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().expect("a port"),
            password: variable("TEST_SMTP_PASSWORD")?,
            ca: fs::read(variable("TEST_SMTP_CA")?).expect("the authority's certificate"),
            mails: Path::new(&variable("TEST_SMTP_FOLDER")?).join("mails"),
        })
    }

    fn options(&self, user: &str) -> Options {
        let mut options = Options::new(self.host.clone());
        options.port = self.port;
        options.roots = Roots::Pem(self.ca.clone());
        options.credentials = Some(Arc::new(Credentials::password(user, self.password.clone())));
        options
    }
}

fn variable(name: &str) -> Result<String, Absent> {
    #[expect(clippy::disallowed_methods, reason = "this is the edge: a test program that a person calls")]
    let [value, required] = [name, "TEST_REQUIRE"].map(std::env::var);
    let required = required.is_ok_and(|names| names.split(',').any(|name| name == "smtp"));
    assert!(value.is_ok() || !required, "TEST_REQUIRE names smtp, and {name} is not set");
    value.map_err(|_| Absent::because(format!("no mail server: {name} is not set")))
}

#[async_trait]
impl Backend for Watched {
    fn capabilities(&self) -> Capabilities {
        self.smtp.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let to = mail.envelope().to().to_vec();
        self.log.lock().expect("nobody panics with it").recipients.insert(mail.message_id().clone(), to);
        let receipt = self.smtp.deliver(mail, cx).await?;
        self.log.lock().expect("nobody panics with it").taken += 1;
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), Error> {
        self.smtp.check().await
    }

    async fn close(&self) {
        self.smtp.close().await;
    }
}

#[async_trait]
impl Observer for Files {
    async fn delivered(&self) -> Vec<Delivered> {
        let taken = self.log.lock().expect("nobody panics with it").taken;
        // The runner gives up on a case that hangs.
        while self.names().len() < taken {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.names().iter().map(|name| self.read(name)).collect()
    }
}

impl Files {
    fn names(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        names.retain(|name| name.extension().is_some_and(|extension| extension != "new"));
        names
    }

    /// The sender, the recipients, an empty line, the server's own header, and the mail with bare line feeds.
    fn read(&self, name: &Path) -> Delivered {
        let file = fs::read(name).expect("it is whole");
        // The null sender is an empty line, so the search begins behind the first.
        let second = file.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
        let split = file[second..].windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
        let split = second + split + 2;
        let envelope = std::str::from_utf8(&file[..split]).expect("addresses are UTF-8");
        let parse = |line: &str| line.parse::<Address>().expect("an address");
        let mut lines = envelope.lines();
        let from = lines.next().filter(|line| !line.is_empty()).map(parse);
        let mut to: Vec<_> = lines.filter(|line| !line.is_empty()).map(parse).collect();

        let (received, mail) = without_first_header(&file[split..]);
        let provider_id = received.split_once(" id ").map(|(_, rest)| rest);
        let provider_id = provider_id.and_then(|rest| rest.split([';', '\n']).next()).map(str::to_owned);
        let raw = Bytes::from(with_carriage_returns(mail));
        let envelope = Envelope::new(from.clone(), to.clone()).expect("there is a recipient");
        let mail = Outgoing::new(envelope, raw.clone(), Meta::default()).expect("it is still a sound mail");
        let log = self.log.lock().expect("nobody panics with it");
        let order = &log.recipients[mail.message_id()];
        to.sort_by_key(|address| order.iter().position(|other| other == address));
        Delivered { from, to, raw, provider_id }
    }
}

/// The first header with its continuation lines, and the rest.
fn without_first_header(mail: &[u8]) -> (String, &[u8]) {
    let mut end = 0;
    for line in mail.split_inclusive(|&byte| byte == b'\n') {
        if end > 0 && !line.starts_with(b"\t") && !line.starts_with(b" ") {
            break;
        }
        end += line.len();
    }
    (String::from_utf8_lossy(&mail[..end]).into_owned(), &mail[end..])
}

fn with_carriage_returns(mail: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(mail.len() + mail.len() / 32);
    for line in mail.split_inclusive(|&byte| byte == b'\n') {
        raw.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        raw.extend_from_slice(b"\r\n");
    }
    raw
}
