//! A line to a database that can be cut, at a chosen point of the conversation.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Relays connections to a database. Each change of its state cuts those that there are.
#[derive(Clone)]
pub(super) struct Line {
    /// Where to connect to instead.
    pub(super) port: u16,
    state: watch::Sender<State>,
    trap: Arc<Mutex<Option<(Trap, State)>>>,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It leads to the database.
    Up,
    /// It is closed at once.
    Down,
    /// It is open, and nothing ever answers.
    Silent,
}

/// When a line is cut by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trap {
    /// In place of the next question with this text.
    Before(&'static str),
    /// In place of the answer that names the same command as the next question with this text.
    After(&'static str),
    /// Once the database has sent so many bytes more.
    Bytes(usize),
}

impl Line {
    /// A line to the database, which is up.
    pub(super) async fn to(host: String, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let line = Self { port: here, state: watch::Sender::new(State::Up), trap: Arc::default() };
        tokio::spawn(line.clone().accept(listener, host, port));
        line
    }

    /// Cuts what there is. From now on new connections fare like this.
    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Cuts the line when the trap springs, once; then the state is this.
    pub(super) fn cut(&self, trap: Trap, then: State) {
        *self.trap.lock().unwrap() = Some((trap, then));
    }

    /// Whether the trap has not been sprung yet.
    pub(super) fn is_set(&self) -> bool {
        self.trap.lock().unwrap().is_some()
    }

    async fn accept(self, listener: TcpListener, host: String, port: u16) {
        while let Ok((client, _)) = listener.accept().await {
            let mut state = self.state.subscribe();
            let now = *state.borrow_and_update();
            let (line, host) = (self.clone(), host.clone());
            tokio::spawn(async move {
                let carried = async {
                    match now {
                        State::Up => {
                            if let Ok(server) = TcpStream::connect((host, port)).await {
                                line.carry(client, server).await;
                            }
                        }
                        State::Down => {}
                        State::Silent => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = state.changed() => {}
                    () = carried => {}
                }
            });
        }
    }

    async fn carry(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut question, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut awaited = None;
        loop {
            tokio::select! {
                read = client.read(&mut question) => {
                    let Ok(length @ 1..) = read else { return };
                    match self.asked(&question[..length]) {
                        Some((Trap::Before(_) | Trap::Bytes(_), then)) => return self.set(then),
                        Some((Trap::After(text), then)) => awaited = Some((text, then)),
                        None => {}
                    }
                    if server.write_all(&question[..length]).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut answer) => {
                    let Ok(length @ 1..) = read else { return };
                    match awaited {
                        // What comes before that answer is lost with it.
                        Some((text, then)) if contains(&answer[..length], text) => return self.set(then),
                        Some(_) => continue,
                        None => {}
                    }
                    if let Some(then) = self.answered(length) {
                        return self.set(then);
                    }
                    if client.write_all(&answer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// The trap that a question springs.
    fn asked(&self, question: &[u8]) -> Option<(Trap, State)> {
        let mut trap = self.trap.lock().unwrap();
        match *trap {
            Some((Trap::Before(text) | Trap::After(text), _)) if contains(question, text) => trap.take(),
            _ => None,
        }
    }

    /// What comes after the bytes that an answer uses up.
    fn answered(&self, length: usize) -> Option<State> {
        let mut trap = self.trap.lock().unwrap();
        let Some((Trap::Bytes(left), then)) = *trap else { return None };
        *trap = left.checked_sub(length).map(|left| (Trap::Bytes(left), then));
        trap.is_none().then_some(then)
    }
}

fn contains(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|window| window == text.as_bytes())
}
