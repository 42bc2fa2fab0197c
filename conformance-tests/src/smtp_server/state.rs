//! What a server has seen.

use bytes::Bytes;

/// What a server has seen until now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct State {
    /// The mails that were taken, in the order in which they were.
    pub mails: Vec<Mail>,
    /// All connections, in the order in which they were opened.
    pub connections: Vec<Connection>,
    /// How many connections are open.
    pub live: usize,
    /// The most connections that have been open at the same time.
    pub most_live: usize,
    /// How many connections hold still until they are released.
    pub held: usize,
    /// How often a connection began to hold still.
    pub holds: usize,
    /// What a twist expected and did not get.
    pub complaints: Vec<String>,
}

/// One mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail {
    /// The address in `MAIL FROM`, without its brackets; empty for the null sender.
    pub from: String,
    /// What else stood in `MAIL FROM`, such as `BODY=8BITMIME`.
    pub parameters: String,
    /// The recipients that were accepted, in order.
    pub to: Vec<String>,
    /// The bytes, with the dots taken away that SMTP adds.
    pub raw: Bytes,
    /// The connection, counted from 0, by which it came.
    pub connection: usize,
    /// Who sent it.
    pub user: Option<String>,
    /// Whether it came over TLS.
    pub private: bool,
    /// The name that was answered for it, as `250 2.0.0 Ok: queued as …`.
    pub id: String,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// All bytes that came in clear. The handshake of TLS is not among them.
    pub clear: Vec<u8>,
    /// All bytes that came over TLS.
    pub private: Vec<u8>,
    /// The lines that were commands, or answers to a challenge, without their line breaks.
    pub commands: Vec<String>,
    /// How many bytes of mail came after the last `DATA`, as they were sent.
    pub body: usize,
    /// How many mails came in full, with the dot that ends them.
    pub ended_mails: usize,
    /// Whether the server has said that it will send no more.
    pub is_ended: bool,
    /// Whether it was closed, by whichever side.
    pub is_closed: bool,
}

impl Connection {
    /// How many commands of this name came.
    pub fn count(&self, verb: &str) -> usize {
        self.commands.iter().filter(|line| is_verb(line, verb)).count()
    }
}

impl State {
    /// How many commands of this name came over all connections.
    pub fn count(&self, verb: &str) -> usize {
        self.connections.iter().map(|connection| connection.count(verb)).sum()
    }
}

/// Whether a line is this command.
pub(super) fn is_verb(line: &str, verb: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    word.eq_ignore_ascii_case(verb)
}
