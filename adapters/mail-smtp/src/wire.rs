//! Bytes to and from a server, in both directions at once, so that neither side can wait for the other for ever.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

use crate::reply::{Nonsense, Reply, ReplyReader};

/// What a connection runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server closed it.
    Lost,
    /// The network, or TLS, gave it up.
    Broken(io::Error),
    /// The server took too long.
    Slow,
    /// What the server said is no answer to what it was asked.
    Nonsense(Nonsense),
}

/// A connection that knows how many answers it has to get.
pub(crate) struct Wire<S> {
    io: S,
    reader: ReplyReader,
    /// Answers that came while something was being written.
    answers: VecDeque<Reply>,
    /// How many commands have no answer yet. Bounds `answers`, since nobody may answer what was not asked.
    awaited: usize,
    /// Set once nothing more can be read or written. Answers that came before are still good.
    end: Option<Fault>,
}

impl<S: Io> Wire<S> {
    pub(crate) fn new(io: S) -> Self {
        Self { io, reader: ReplyReader::default(), answers: VecDeque::new(), awaited: 0, end: None }
    }

    /// The connection itself, if there is nothing on it that was not read as an answer.
    pub(crate) fn into_inner(self) -> Option<S> {
        self.is_settled().then_some(self.io)
    }

    /// Waits for something the server says by itself: its greeting.
    pub(crate) async fn greeting(&mut self, until: Instant) -> Result<Reply, Fault> {
        self.awaited += 1;
        self.answer(until).await
    }

    /// Writes one command and waits for its answer.
    pub(crate) async fn ask(&mut self, command: &[u8], until: Instant) -> Result<Reply, Fault> {
        self.send(command, 1, until).await;
        self.answer(until).await
    }

    /// Writes bytes that will be answered this many times, and answers how many of them the connection took. Those are
    /// fewer if time runs out, the connection ends, or everything that was asked has been answered already.
    pub(crate) async fn send(&mut self, bytes: &[u8], answers: usize, until: Instant) -> usize {
        self.awaited += answers;
        let mut taken = 0;
        let sending = std::future::poll_fn(|cx| self.poll_send(cx, bytes, &mut taken));
        if timeout_at(until, sending).await.is_err() {
            self.end.get_or_insert(Fault::Slow);
        }
        taken
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, until: Instant) -> Result<Reply, Fault> {
        let answer = std::future::poll_fn(|cx| self.poll_answer(cx));
        timeout_at(until, answer).await.unwrap_or(Err(Fault::Slow))
    }

    /// Whether everything asked was answered, and nothing else came.
    pub(crate) fn is_settled(&self) -> bool {
        self.awaited == 0 && self.answers.is_empty() && self.reader.is_empty() && self.end.is_none()
    }

    /// Whether it is settled and the server has said nothing since, nor gone. Costs no round trip.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let waiting = self.poll_read(&mut Context::from_waker(Waker::noop())).is_pending();
        waiting && self.is_settled()
    }

    /// Writes some last bytes and says that no more will come, as far as that can be done without waiting.
    pub(crate) fn part(&mut self, last: &[u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        if last.is_empty() || Pin::new(&mut self.io).poll_write(&mut cx, last).is_ready() {
            // Nobody hears what becomes of it.
            let _ = Pin::new(&mut self.io).poll_shutdown(&mut cx);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], taken: &mut usize) -> Poll<()> {
        loop {
            // Listening comes first: a server may say no to what it has not read yet, and stop reading.
            while self.end.is_none() && self.poll_read(cx).is_ready() {}
            if self.end.is_some() || self.awaited == 0 {
                return Poll::Ready(());
            }
            let step = if *taken < bytes.len() {
                Pin::new(&mut self.io).poll_write(cx, &bytes[*taken..])
            } else {
                Pin::new(&mut self.io).poll_flush(cx).map_ok(|()| 0)
            };
            match ready!(step) {
                Ok(_) if *taken == bytes.len() => return Poll::Ready(()),
                Ok(0) => self.end = Some(Fault::Lost),
                Ok(count) => *taken += count,
                Err(error) => self.end = Some(Fault::Broken(error)),
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        loop {
            if let Some(reply) = self.answers.pop_front() {
                return Poll::Ready(Ok(reply));
            }
            if let Some(fault) = self.end.take() {
                return Poll::Ready(Err(fault));
            }
            ready!(self.poll_read(cx));
        }
    }

    /// Reads once and sorts what came.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        let mut bytes = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut bytes)) {
            Err(error) => self.end = Some(Fault::Broken(error)),
            Ok(()) if bytes.filled().is_empty() => self.end = Some(Fault::Lost),
            Ok(()) => {
                self.reader.feed(bytes.filled());
                if let Err(nonsense) = self.sort() {
                    self.end = Some(Fault::Nonsense(nonsense));
                }
            }
        }
        Poll::Ready(())
    }

    fn sort(&mut self) -> Result<(), Nonsense> {
        while let Some(reply) = self.reader.next()? {
            match self.awaited.checked_sub(1) {
                Some(awaited) => self.awaited = awaited,
                // A server may say unasked that it is about to leave.
                None if reply.is_farewell() => self.end = Some(Fault::Lost),
                None => return Err("an answer to nothing"),
            }
            self.answers.push_back(reply);
            if self.end.is_some() {
                break;
            }
        }
        Ok(())
    }
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("awaited", &self.awaited).field("end", &self.end).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
