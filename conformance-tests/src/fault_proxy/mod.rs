//! A proxy for HTTP that spoils chosen requests on their way to a server, or the answers on their way back.
//!
//! It reads each request in full, so what it does is exact: a server has seen a request or it has not, and the test
//! knows which. The relay of the suite for connections, which knows nothing of HTTP, cannot tell where a request ends.
//!
//! ```no_run
//! # use conformance_tests::fault_proxy::{Fault, FaultProxy, When};
//! # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
//! let proxy = FaultProxy::before(server).await?;
//! // The server makes an object of the parts, and nobody learns it.
//! proxy.inject(When::method("POST").query("uploadId="), Fault::CutAfter);
//! # Ok(())
//! # }
//! ```

mod rules;
mod spoil;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use rules::Rule;
pub use rules::{Fault, Reply, When};

/// A proxy on a free port of loopback. Dropping it cuts its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

/// What the proxy's connections share.
#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
    /// How many requests have been answered.
    answered: watch::Sender<usize>,
}

impl FaultProxy {
    /// A proxy that does no harm yet.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            rules: Mutex::default(),
            seen: Mutex::default(),
            answered: watch::Sender::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Where it listens, as a URL without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils the requests that this is about. Of several rules about one request the oldest counts.
    pub fn inject(&self, when: When, fault: Fault) {
        self.shared.rules().push(Rule::new(when, fault));
    }

    /// Forgets all rules, and answers how many requests they have spoiled.
    pub fn heal(&self) -> usize {
        self.shared.rules().drain(..).map(|rule| rule.spoiled()).sum()
    }

    /// The requests that came, each as its method, its path and the names in its query, and forgets them. Signatures
    /// are left out.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.seen())
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().expect("nobody panics while holding it")
    }

    fn seen(&self) -> MutexGuard<'_, Vec<String>> {
        self.seen.lock().expect("nobody panics while holding it")
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let relayed = service_fn(move |request| spoil::relay(Arc::clone(&shared), request));
        let answering = http1::Builder::new().serve_connection(TokioIo::new(socket), relayed);
        // Cut connections are what this is about.
        connections.spawn(async move { drop(answering.await) });
        while connections.try_join_next().is_some() {}
    }
}
