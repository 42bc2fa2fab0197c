//! A process that drains an outbox and never comes to its end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::mailer::outbox::Moment;
use mailer::{
    Backend, Capabilities, Context, Error, Mailer, MessageId, Outbox, Outgoing, Policy, Receipt, Renderer,
};
use undercroft::clock::Clock;
use undercroft::mail::outbox::Table;

use crate::harness;

/// The first argument of the worker.
pub(crate) const COMMAND: &str = "be-the-worker";

const SENDING: &str = "about to send";

/// Starts a worker, waits until it is where it is to be killed, and kills it. Gives the mails that it had sent.
pub(crate) fn killed(url: &str, lease: Duration, at: Moment) -> Vec<MessageId> {
    let program = std::env::current_exe().expect("this program has a name");
    let mut worker = Command::new(program)
        .args([COMMAND, url, &lease.as_secs().to_string()])
        .arg(if at == Moment::BeforeSending { "before" } else { "after" })
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    let said = BufReader::new(worker.stdout.take().expect("its output is ours")).lines().next();
    worker.kill().expect("the worker can be killed");
    worker.wait().expect("the worker ends");
    match said.expect("the worker comes to a mail").expect("it says so in text").as_str() {
        SENDING => Vec::new(),
        id => vec![MessageId::parse(id).expect("it says which mail")],
    }
}

/// Drains until somebody ends this process.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) {
    let mut next = || arguments.next().expect("a URL, a lease in seconds and a moment");
    let (url, lease, at) = (next(), next().parse().expect("seconds"), next());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let store = Table::new(harness::open(&url).await, Clock::system());
        let mailer = Mailer::new(Stuck { is_sent: at == "after" }, Renderer::system()).with_timeout(None);
        let policy = Policy { lease: Duration::from_secs(lease), parallel: 1, ..Policy::default() };
        let drained = Outbox::new(store, mailer).with_policy(policy).drain(10, None).await;
        panic!("nobody has ended this worker: {drained:?}");
    });
}

/// Sends a mail or not, says so, and never answers.
#[derive(Debug)]
struct Stuck {
    is_sent: bool,
}

#[async_trait]
impl Backend for Stuck {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.envelope_from = mailer::Support::Yes;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, _: &Context) -> Result<Receipt, Error> {
        let mut out = std::io::stdout();
        let said = if self.is_sent { mail.message_id().as_str() } else { SENDING };
        writeln!(out, "{said}").and_then(|()| out.flush()).expect("somebody listens");
        std::future::pending().await
    }

    async fn close(&self) {}
}
