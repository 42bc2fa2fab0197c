//! A network that can be cut.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Relays connections to a server, until told to cut them.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    wires: Arc<Wires>,
    accepting: JoinHandle<()>,
}

/// What happens to a message from the client that contains a certain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trap {
    /// It never reaches the server, and the connection is cut.
    Before(&'static [u8]),
    /// The server carries it out, and the connection is cut in place of the answer.
    After(&'static [u8]),
}

#[derive(Debug)]
struct Wires {
    /// Raised to cut all connections of the time.
    cuts: watch::Sender<u32>,
    /// Sprung once.
    trap: Mutex<Option<Trap>>,
}

impl Proxy {
    pub(super) async fn to(host: String, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let wires = Arc::new(Wires { cuts: watch::Sender::new(0), trap: Mutex::new(None) });
        let shared = Arc::clone(&wires);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect((host.as_str(), port)).await {
                    tokio::spawn(relay(client, server, Arc::clone(&shared)));
                }
            }
        });
        Ok(Self { address, wires, accepting })
    }

    /// Cuts all connections there are.
    pub(super) fn cut(&self) {
        self.wires.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Sets the trap for the next message with its text.
    pub(super) fn set(&self, trap: Trap) {
        *self.wires.trap.lock().expect("the trap is not poisoned") = Some(trap);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn relay(client: TcpStream, server: TcpStream, wires: Arc<Wires>) {
    let mut cuts = wires.cuts.subscribe();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (awaited, await_answer) = watch::channel(None);
    tokio::select! {
        _ = cuts.changed() => {}
        () = upstream(from_client, to_server, &wires, &awaited) => {}
        () = downstream(from_server, to_client, await_answer) => {}
    }
}

/// Carries the client's messages until one of them springs a trap.
async fn upstream(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    wires: &Wires,
    awaited: &watch::Sender<Option<&'static [u8]>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        let message = &buffer[..length];
        match wires.sprung_by(message) {
            Some(Trap::Before(_)) => return,
            Some(Trap::After(text)) => {
                awaited.send_replace(Some(text));
                let _ = server.write_all(message).await;
                // The other direction swallows the answer, and ends with it.
                return std::future::pending().await;
            }
            None => {
                if server.write_all(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Carries the server's messages. Once an answer is awaited it swallows them, and ends with the one that has its text:
/// the server names the statement that it has carried out.
async fn downstream(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    awaited: watch::Receiver<Option<&'static [u8]>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        let message = &buffer[..length];
        let awaited = *awaited.borrow();
        let ended = match awaited {
            Some(text) => contains(message, text),
            None => client.write_all(message).await.is_err(),
        };
        if ended {
            return;
        }
    }
}

impl Wires {
    fn sprung_by(&self, message: &[u8]) -> Option<Trap> {
        let mut trap = self.trap.lock().expect("the trap is not poisoned");
        let text = match (*trap)? {
            Trap::Before(text) | Trap::After(text) => text,
        };
        if contains(message, text) { trap.take() } else { None }
    }
}

fn contains(message: &[u8], text: &[u8]) -> bool {
    message.windows(text.len()).any(|window| window == text)
}
