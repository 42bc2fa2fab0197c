//! A stand-in for Amazon SES, version 2 of its interface, within the process of a test.
//!
//! It takes `POST /v2/email/outbound-emails` with raw mails and answers `GET /v2/email/account`. What SES checks it
//! checks too: the signature, which it computes by itself (`signature`), keys that expire, sizes, counts, addresses, tags,
//! configuration sets and senders that nobody has verified. What SES does to a mail it does too: `Message-ID` and `Date`
//! are replaced, and so is `From` if the request names one; without a `Destination` the headers say who gets it.
//!
//! And it can be told to misbehave: see [`Fault`].
//!
//! ```no_run
//! # use conformance_tests::ses_server::{Fault, SesServer};
//! # async fn example() -> std::io::Result<()> {
//! let ses = SesServer::start("eu-west-1").await?;
//! let keys = ses.issue_keys();
//! ses.inject(Fault::answer(400, "ThrottlingException", "Maximum sending rate exceeded."));
//! # Ok(())
//! # }
//! ```

mod calls;
mod keys;
mod mails;
mod signature;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use keys::Keys;

use crate::mailer::{Delivered, Observer};

/// A server on a free port of loopback that stands for SES in one region. It needs a runtime of tokio; dropping it ends it
/// and cuts its connections.
///
/// It begins as an account in production whose domain `example.org` is verified.
#[derive(Debug)]
pub struct SesServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The sender that was verified.
    pub from: String,
    /// All recipients, in the order To, Cc, Bcc of the destination.
    pub to: Vec<String>,
    /// Whether the request had a destination. If not, the recipients are those of the headers.
    pub has_destination: bool,
    /// The bytes, as they are sent on.
    pub raw: Bytes,
    /// SES's name for it.
    pub id: String,
    /// The configuration set.
    pub configuration_set: Option<String>,
    /// Where bounces are mailed to.
    pub feedback: Option<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// What SES says about the account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountState {
    /// Not in the sandbox. There, recipients have to be verified as senders are.
    pub production: bool,
    /// Not paused.
    pub sending: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub enforcement: String,
    /// Recipients a second, recipients a day, and those of the last day.
    pub quota: (f64, f64, f64),
}

/// What happens to one request instead of what should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with these: status, code and text.
    Answer {
        /// The status.
        status: u16,
        /// SES's name for the error.
        code: String,
        /// SES's words.
        message: String,
    },
    /// It is refused with a body that is not SES's.
    Raw {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The mail is taken, and the answer breaks off in the middle of its JSON.
    Truncate,
    /// The mail is taken, and the answer has no id.
    NoId,
    /// The connection is closed as soon as the request has begun.
    CloseEarly,
    /// The mail is taken, and the connection closed without an answer.
    CloseLate,
    /// The body is not read, and there is no answer.
    StallEarly,
    /// The mail is taken, and there is no answer.
    StallLate,
}

#[derive(Debug)]
struct Shared {
    region: String,
    state: Mutex<State>,
    connections: AtomicUsize,
    /// How many requests have begun.
    requests: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    keys: Vec<Keys>,
    identities: BTreeSet<String>,
    sets: BTreeSet<String>,
    account: AccountState,
    faults: VecDeque<Fault>,
    deliveries: Vec<Delivery>,
    /// What is added to the clock.
    ahead: Duration,
}

impl SesServer {
    /// A server that does as it should.
    pub async fn start(region: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            region: region.to_owned(),
            state: Mutex::default(),
            connections: AtomicUsize::new(0),
            requests: watch::Sender::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Where it listens, as a URL without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The region that requests have to be signed for.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// New keys that are good until they are [expired](Self::expire_keys).
    pub fn issue_keys(&self) -> Keys {
        let keys = Keys::new(token().to_uppercase(), token() + &token(), None);
        self.shared.state().keys.push(keys.clone());
        keys
    }

    /// New keys with a session token, as roles have them.
    pub fn issue_temporary_keys(&self) -> Keys {
        let keys = Keys::new(token().to_uppercase(), token() + &token(), Some(token()));
        self.shared.state().keys.push(keys.clone());
        keys
    }

    /// Lets keys expire.
    pub fn expire_keys(&self, keys: &Keys) {
        for known in &mut self.shared.state().keys {
            known.expired |= known.id == keys.id;
        }
    }

    /// Lets this address, or all of this domain, send.
    pub fn verify(&self, identity: &str) {
        self.shared.state().identities.insert(identity.to_owned());
    }

    /// Makes a configuration set.
    pub fn make_configuration_set(&self, name: &str) {
        self.shared.state().sets.insert(name.to_owned());
    }

    /// Changes what SES says about the account.
    pub fn set_account(&self, account: AccountState) {
        self.shared.state().account = account;
    }

    /// Sets the server's clock ahead, so that requests are signed too long ago.
    pub fn set_ahead(&self, ahead: Duration) {
        self.shared.state().ahead = ahead;
    }

    /// Spoils the next request that nothing spoils yet.
    pub fn inject(&self, fault: Fault) {
        self.shared.state().faults.push_back(fault);
    }

    /// The mails that were taken.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.state().deliveries.clone()
    }

    /// How many requests have begun, spoiled and refused ones included.
    pub fn requests(&self) -> usize {
        *self.shared.requests.borrow()
    }

    /// Waits until this many requests have begun.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut seen = self.shared.requests.subscribe();
        // The sender lives as long as this server.
        drop(seen.wait_for(|requests| *requests >= count).await);
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Fault {
    /// A refusal by status, code and text.
    pub fn answer(status: u16, code: &str, message: &str) -> Self {
        Self::Answer { status, code: code.to_owned(), message: message.to_owned() }
    }
}

#[async_trait]
impl Observer for SesServer {
    async fn delivered(&self) -> Vec<Delivered> {
        let address = |text: &String| text.parse().expect("taken addresses are sound");
        let read = |one: Delivery| Delivered {
            from: Some(address(&one.from)),
            to: one.to.iter().map(address).collect(),
            raw: one.raw,
            provider_id: Some(one.id),
        };
        self.deliveries().into_iter().map(read).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            identities: BTreeSet::from(["example.org".to_owned()]),
            sets: BTreeSet::new(),
            account: AccountState::default(),
            faults: VecDeque::new(),
            deliveries: Vec::new(),
            ahead: Duration::ZERO,
        }
    }
}

impl Default for AccountState {
    fn default() -> Self {
        Self {
            production: true,
            sending: true,
            enforcement: "HEALTHY".to_owned(),
            quota: (14.0, 50_000.0, 7.0),
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&shared);
        let answers = service_fn(move |request| calls::answer(Arc::clone(&shared), request));
        let answering = http1::Builder::new().serve_connection(TokioIo::new(socket), answers);
        // Cut connections are part of what this is about.
        connections.spawn(async move { drop(answering.await) });
        while connections.try_join_next().is_some() {}
    }
}

/// Letters that nobody guesses: the standard library seeds its hashers from the system.
fn token() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}
