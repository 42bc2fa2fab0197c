//! An SMTP server within the process of a test: a sink that behaves well, until it is told not to.
//!
//! It runs on a thread of its own, so clients of every sort can be tested, blocking ones and those on another runtime
//! included. It keeps each mail, each command and each byte that it was sent, and knows how many connections are and
//! were open. What it should do otherwise than a sound server is said by a [`Twist`]: at which [`Point`] of a
//! conversation which [`Step`]s are taken. Nothing in it depends on time: it holds still until it is released, and a
//! test waits for what it waits for with [`until`](SmtpServer::until).
//!
//! ```no_run
//! use conformance_tests::smtp_server::{Options, Point, SmtpServer, Step, Twist};
//!
//! # async fn example() {
//! let server = SmtpServer::start(Options::new().keyword("SIZE 1000000").start_tls().user("ann", "secret"));
//! // The next mail is read in full; then the connection is cut before anybody learns what became of it.
//! server.twist(Twist::at(Point::Verdict).does([Step::Take, Step::Close]));
//! // … the client under test connects to server.address() …
//! server.until(|seen| seen.mails.len() == 1).await;
//! assert_eq!(server.seen(|seen| seen.connections[0].commands[0].clone()), "EHLO client.example.com");
//! # }
//! ```

mod auth;
mod certificates;
mod nobody;
mod options;
mod session;
mod state;
mod twist;
mod wire;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread::{self, JoinHandle},
};

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

pub use certificates::Certificate;
use certificates::Issued;
pub use nobody::{BlackHole, nobody_listens};
pub use options::{Mechanism, Options};
pub use state::{Connection, Mail, State};
pub use twist::{Point, Step, Twist};

/// A server on a free port of loopback. Dropping it cuts its connections.
pub struct SmtpServer {
    address: SocketAddr,
    authority: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server's connections share.
struct Shared {
    options: Options,
    acceptor: TlsAcceptor,
    twists: Mutex<Vec<Twist>>,
    state: watch::Sender<State>,
    /// Counts how often everything that holds still was released.
    released: watch::Sender<usize>,
}

impl SmtpServer {
    /// Begins to listen. Needs no runtime.
    pub fn start(options: Options) -> Self {
        let issued = Issued::new(options.certificate);
        let shared = Arc::new(Shared {
            options,
            acceptor: issued.acceptor,
            twists: Mutex::default(),
            state: watch::Sender::default(),
            released: watch::Sender::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime can be built").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
                tell.send(listener.local_addr().expect("it listens")).expect("somebody waits for it");
                tokio::select! {
                    () = accept(listener, serving) => {}
                    // Also when the sender is dropped.
                    _ = stopped => {}
                }
            });
        });
        let address = told.recv().expect("the server listens");
        Self { address, authority: issued.authority, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that signed the server's own, as PEM. A self-signed one is signed by nobody
    /// else, and this is of an authority that has nothing to do with it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Does as the twist says when a conversation comes to its point. Of several twists for one point the oldest that
    /// is not used up counts.
    pub fn twist(&self, twist: Twist) {
        self.shared.twists().push(twist);
    }

    /// Forgets all twists, and behaves well from here on. What holds still goes on holding.
    pub fn untwist(&self) {
        self.shared.twists().clear();
    }

    /// Lets everything go on that holds still at this moment.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// Looks at what has come so far.
    pub fn seen<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.borrow())
    }

    /// Waits until what has come so far is as described.
    pub async fn until(&self, reached: impl FnMut(&State) -> bool) {
        let waited = self.shared.state.subscribe().wait_for(reached).await.map(drop);
        waited.expect("the server is borrowed, so it lives");
    }

    /// The mails that were taken, in the order in which they were.
    pub fn mails(&self) -> Vec<Mail> {
        self.seen(|seen| seen.mails.clone())
    }

    /// How many connections are open.
    pub fn live(&self) -> usize {
        self.seen(|seen| seen.live)
    }

    /// How many connections have been opened.
    pub fn opened(&self) -> usize {
        self.seen(|seen| seen.connections.len())
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed, and is no reason to abort the test that fails by it.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn twists(&self) -> MutexGuard<'_, Vec<Twist>> {
        self.twists.lock().expect("nobody panics while holding it")
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(session::serve(socket, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}
