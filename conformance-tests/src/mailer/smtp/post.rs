//! What the cases share: a server, a backend that speaks to it, and a bound for backends that hang.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::mailer::{Backend, Context, Disposition, Error, ErrorKind, Outcome, Outgoing, Receipt, Scope, Stage};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{super::desk, Harness, Target};
use crate::{
    Absent,
    smtp_server::{Mail, Options, SmtpServer, Twist},
};

/// A call that takes longer than this hangs. No sound backend comes near it.
const HANGS: Duration = Duration::from_secs(10);

/// What a server does not see within this time will not come any more.
const NEVER: Duration = Duration::from_secs(5);

/// How long a call may take that is about to wait for nothing. Long enough for all that comes before.
const PATIENCE: Duration = Duration::from_secs(1);

/// What every mail of these cases says, and no error may repeat.
const CONTENT: &str = "geheimnis";

/// Everything that callers can act upon.
pub(super) type Answers = (ErrorKind, Scope, Disposition, Outcome, Stage);

/// A server, and a backend that speaks to it.
pub(super) struct Post {
    pub(super) server: SmtpServer,
    pub(super) backend: Arc<dyn Backend>,
}

impl Post {
    /// In clear, and as nobody.
    pub(super) async fn open(harness: &dyn Harness, options: Options) -> Result<Self, Absent> {
        Self::open_with(harness, options, |_| {}).await
    }

    /// As the target says once it was adjusted.
    pub(super) async fn open_with(
        harness: &dyn Harness,
        options: Options,
        adjust: impl FnOnce(&mut Target),
    ) -> Result<Self, Absent> {
        let server = SmtpServer::start(options);
        let mut target = Target::plain(server.address());
        target.authority = Some(server.authority().to_owned());
        adjust(&mut target);
        let backend = harness.open_smtp(&target).await?;
        Ok(Self { server, backend })
    }

    /// Hands a mail over to a backend that will not wait longer than a second.
    pub(super) async fn try_briefly(&self, mail: &Outgoing) -> Result<Receipt, Error> {
        self.try_within(mail, Context::new().with_deadline(Instant::now() + PATIENCE)).await
    }

    pub(super) async fn try_send(&self, mail: &Outgoing) -> Result<Receipt, Error> {
        self.try_within(mail, Context::new()).await
    }

    pub(super) async fn try_within(&self, mail: &Outgoing, cx: Context) -> Result<Receipt, Error> {
        bounded("deliver", self.begin(mail, cx)).await
    }

    /// Hands a mail over at the side, so that even a backend that blocks its thread stops nobody else.
    pub(super) fn begin(&self, mail: &Outgoing, cx: Context) -> Call {
        let (backend, mail) = (Arc::clone(&self.backend), mail.clone());
        Call(tokio::spawn(async move { backend.deliver(&mail, &cx).await }))
    }

    /// Hands over a mail that must be taken, and arrive once and as itself.
    pub(super) async fn send(&self, mail: &Outgoing) -> Receipt {
        let receipt =
            self.try_send(mail).await.unwrap_or_else(|error| panic!("{mail:?} was not taken: {error:?}"));
        self.assert_arrived(mail, &receipt);
        receipt
    }

    /// Hands over a mail that must not be taken. What the error says is not what the mail said.
    pub(super) async fn fails(&self, mail: &Outgoing) -> Error {
        assert_discreet(self.try_send(mail).await.expect_err("the mail was taken"))
    }

    /// As [`fails`](Self::fails), with a deadline that will come.
    pub(super) async fn fails_briefly(&self, mail: &Outgoing) -> Error {
        assert_discreet(self.try_briefly(mail).await.expect_err("the mail was taken"))
    }

    /// Hands over a mail that must fail by this twist, as often as it is tried. Afterwards the server behaves well.
    pub(super) async fn fails_by(&self, twist: Twist) -> Error {
        self.server.twist(twist.always());
        let error = self.fails(&mail()).await;
        self.server.untwist();
        error
    }

    /// Asks the backend whether the server works.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let backend = Arc::clone(&self.backend);
        aside("check", async move { backend.check().await }).await
    }

    pub(super) async fn close(&self) {
        let backend = Arc::clone(&self.backend);
        aside("close", async move { backend.close().await }).await;
    }

    /// After whatever has happened, a mail is taken, and arrives once and as itself.
    pub(super) async fn next_is_fine(&self) {
        self.send(&mail()).await;
    }

    /// Checks that a mail has arrived once, as it was, and that the receipt is its own.
    pub(super) fn assert_arrived(&self, mail: &Outgoing, receipt: &Receipt) {
        let arrived = self.arrived(mail);
        assert_eq!(arrived.len(), 1, "the mail arrived this many times");
        self.assert_is(&arrived[0], mail, receipt);
    }

    /// Checks that what arrived is this mail, and that the receipt is its own.
    pub(super) fn assert_is(&self, arrived: &Mail, mail: &Outgoing, receipt: &Receipt) {
        assert_same(mail, arrived, receipt);
        assert_eq!(&receipt.message_id, mail.message_id(), "the receipt is another mail's");
        if self.backend.capabilities().provider_id {
            assert_eq!(receipt.provider_id.as_ref(), Some(&arrived.id), "the receipt is another mail's");
        }
    }

    /// Each arrival of this mail.
    pub(super) fn arrived(&self, mail: &Outgoing) -> Vec<Mail> {
        let id = mail.message_id().as_str().as_bytes();
        let is_it = |one: &Mail| one.raw.windows(id.len()).take(4096).any(|at| at == id);
        self.server.seen(|seen| seen.mails.iter().filter(|one| is_it(one)).cloned().collect())
    }

    /// Waits until the server has seen what is described, which must happen.
    pub(super) async fn until(&self, reached: impl FnMut(&crate::smtp_server::State) -> bool) {
        let waited = tokio::time::timeout(NEVER, self.server.until(reached)).await;
        waited.unwrap_or_else(|_| panic!("it never came to this: {:?}", self.server.seen(summary)));
    }
}

/// Lets a runtime take note of all that has come over the network until now: it is told of events in their order.
pub(super) async fn settle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it listens");
    let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut connected, (mut accepted, _)) =
        (connected.expect("it listens"), accepted.expect("somebody connects"));
    accepted.write_all(b"now").await.expect("the other end is open");
    connected.read_exact(&mut [0; 3]).await.expect("the other end is open");
}

/// A call that runs at the side. Dropping it drops the call.
pub(super) struct Call(tokio::task::JoinHandle<Result<Receipt, Error>>);

impl Call {
    /// What came of it.
    pub(super) async fn answer(self) -> Result<Receipt, Error> {
        bounded("deliver", self).await
    }

    /// Drops the future of the call, and returns when that is done.
    pub(super) async fn abandon(mut self) {
        self.0.abort();
        bounded("dropping the call", async { drop((&mut self.0).await) }).await;
    }
}

impl Future for Call {
    type Output = Result<Receipt, Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|ended| match ended {
            Ok(answer) => answer,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does something that must end at the side, so that it ends here even if it blocks its thread.
pub(super) async fn aside<T: Send + 'static>(
    what: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    match bounded(what, tokio::spawn(future)).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Waits for something that must end.
pub(super) async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(HANGS, future).await;
    ended.unwrap_or_else(|_| panic!("{what} hangs: it still runs after {HANGS:?}"))
}

/// A mail of its own to one reader.
pub(super) fn mail() -> Outgoing {
    mail_to(&["ann@example.com"])
}

pub(super) fn mail_to(readers: &[&str]) -> Outgoing {
    let email = desk::email().subject(CONTENT).text(format!("{CONTENT}\n"));
    let from = Some(desk::address("vault@example.org"));
    let envelope = ::mailer::Envelope::new(from, readers.iter().map(|reader| desk::address(reader)));
    desk::render(&email).with_envelope(envelope.expect("there is a reader"))
}

/// A mail that no buffer on its way can hold.
pub(super) fn large_mail() -> Outgoing {
    desk::with_body(format!("{CONTENT}\r\n{}", "0123456789abcdefghijklmnopqrstuvwxyz\r\n".repeat(220_000)))
}

/// Everything that callers can act upon.
pub(super) fn answers(error: &Error) -> Answers {
    (error.kind(), error.scope(), error.disposition(), error.outcome(), error.stage())
}

/// Checks all that callers can act upon; `what` says about what.
pub(super) fn assert_answers(error: &Error, expected: Answers, what: &str) {
    assert_eq!(answers(error), expected, "{what}: {error:?}");
}

fn assert_same(mail: &Outgoing, arrived: &Mail, receipt: &Receipt) {
    let refused: Vec<_> = receipt.refused.iter().map(|refused| &refused.address).collect();
    let to = mail.envelope().to().iter().filter(|to| !refused.contains(to)).map(::mailer::Address::as_str);
    assert_eq!(arrived.to, to.collect::<Vec<_>>(), "the recipients");
    let from = mail.envelope().from().map(::mailer::Address::as_str).unwrap_or_default();
    assert_eq!(arrived.from, from, "the sender");
    assert!(
        arrived.raw == mail.raw(),
        "{} bytes were sent, and others arrived: {}",
        mail.raw().len(),
        arrived.raw.len()
    );
}

fn assert_discreet(error: Error) -> Error {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(CONTENT), "the error tells what the mail says");
    error
}

fn summary(state: &crate::smtp_server::State) -> String {
    let commands: Vec<_> = state.connections.iter().map(|connection| &connection.commands).collect();
    format!("{} mails, {} live, {} held, {commands:?}", state.mails.len(), state.live, state.held)
}
