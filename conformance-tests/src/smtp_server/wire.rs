//! One connection as bytes, in clear or over TLS, with a record of what came.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{Shared, state::Connection};

/// The longest line that is read; SMTP allows no more than 512 bytes, and extensions some hundreds.
const LONGEST_LINE: usize = 64 << 10;

/// One side has hung up, and there is nothing more to do.
pub(super) struct Gone;

/// What came of a step of the conversation.
pub(super) type Served<T> = Result<T, Gone>;

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    input: BytesMut,
    /// What is written before the next byte is read, so that answers to what came at once go out at once.
    output: Vec<u8>,
    number: usize,
    shared: Arc<Shared>,
}

enum Stream {
    Clear(TcpStream),
    Private(Box<TlsStream<TcpStream>>),
    /// While it is made private, and if that fails.
    Gone,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, number: usize, shared: Arc<Shared>) -> Self {
        Self { stream: Stream::Clear(socket), input: BytesMut::new(), output: Vec::new(), number, shared }
    }

    pub(super) fn is_private(&self) -> bool {
        matches!(self.stream, Stream::Private(_))
    }

    /// Which connection it is, counted from 0.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Changes what is known of this connection.
    pub(super) fn note(&self, note: impl FnOnce(&mut Connection)) {
        self.shared.state.send_modify(|state| note(&mut state.connections[self.number]));
    }

    /// The next line without its line break, which may be a bare LF.
    pub(super) async fn line(&mut self) -> Served<String> {
        loop {
            if let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
                let line = self.input.split_to(end + 1);
                let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
                let line = String::from_utf8_lossy(line).into_owned();
                self.note(|connection| connection.commands.push(line.clone()));
                return Ok(line);
            }
            if self.input.len() > LONGEST_LINE {
                return Err(Gone);
            }
            self.fill().await?;
        }
    }

    /// Everything that came and was not used yet, without waiting.
    pub(super) fn take_input(&mut self) -> BytesMut {
        self.input.split()
    }

    /// Puts back what was taken and not used.
    pub(super) fn put_back(&mut self, rest: &[u8]) {
        self.input = rest.iter().chain(&self.input).collect();
    }

    /// Waits for more to come.
    pub(super) async fn fill(&mut self) -> Served<()> {
        self.flush().await?;
        self.input.reserve(16 << 10);
        let before = self.input.len();
        let read = match &mut self.stream {
            Stream::Clear(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Private(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Gone => 0,
        };
        if read == 0 {
            return Err(Gone);
        }
        let (came, is_private) = (&self.input[before..], self.is_private());
        self.note(|connection| {
            let record = if is_private { &mut connection.private } else { &mut connection.clear };
            record.extend_from_slice(came);
        });
        Ok(())
    }

    /// Says something before the next byte is read.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Says now what is to be said.
    pub(super) async fn flush(&mut self) -> Served<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.output));
        let portion = if self.shared.options.drips { 1 } else { bytes.len().max(1) };
        self.write(&bytes, portion).await
    }

    /// Says something byte by byte.
    pub(super) async fn drip(&mut self, bytes: &[u8]) -> Served<()> {
        self.flush().await?;
        self.write(bytes, 1).await
    }

    async fn write(&mut self, bytes: &[u8], portion: usize) -> Served<()> {
        for bytes in bytes.chunks(portion) {
            match &mut self.stream {
                Stream::Clear(stream) => stream.write_all(bytes).await?,
                Stream::Private(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await?;
                }
                Stream::Gone => return Err(Gone),
            }
            // Lets other connections see that this one is slow.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Makes the connection private. What came in clear and was not read is forgotten.
    pub(super) async fn upgrade(&mut self) -> Served<()> {
        self.flush().await?;
        self.input.clear();
        if let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) {
            let private = self.shared.acceptor.accept(stream).await?;
            self.stream = Stream::Private(Box::new(private));
        }
        Ok(())
    }

    /// Ends the conversation as one should: TLS is told, and what was said arrives.
    pub(super) async fn end(&mut self) -> Served<()> {
        self.flush().await?;
        if let Stream::Private(stream) = &mut self.stream {
            stream.shutdown().await?;
        }
        self.close().await
    }

    /// Says that nothing more will be said, without a word to TLS, and waits for the other side to do the same. Closing
    /// at once would destroy what is on its way, if anything came that was not read.
    pub(super) async fn close(&mut self) -> Served<()> {
        self.flush().await?;
        if let Some(socket) = self.socket() {
            socket.shutdown().await?;
        }
        self.note(|connection| connection.is_ended = true);
        if let Some(socket) = self.socket() {
            let mut ignored = vec![0; 4096];
            while socket.read(&mut ignored).await? > 0 {}
        }
        Err(Gone)
    }

    /// Cuts the connection. What is on its way is lost.
    pub(super) fn reset(&mut self) -> Served<()> {
        if let Some(socket) = self.socket() {
            socket.set_zero_linger()?;
        }
        Err(Gone)
    }

    fn socket(&mut self) -> Option<&mut TcpStream> {
        match &mut self.stream {
            Stream::Clear(stream) => Some(stream),
            Stream::Private(stream) => Some(stream.get_mut().0),
            Stream::Gone => None,
        }
    }
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}
