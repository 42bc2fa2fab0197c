//! Enrols the mail program, with a stand-in for sendmail that keeps what it is given.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
    process_stub::{ProcessStub, Run},
};
use mail_local::Sendmail;
use mailer::Backend;

conformance_tests::mailer!(SendmailHarness);

struct SendmailHarness;

#[derive(Debug)]
struct Reader(ProcessStub);

#[async_trait]
impl Harness for SendmailHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let stub = ProcessStub::new();
        Ok(Setting { backend: Arc::new(Sendmail::new(stub.program())), observer: Arc::new(Reader(stub)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Sendmail::new("/dev/null/sendmail")))
    }

    async fn open_sendmail(&self, program: &Path) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Sendmail::new(program)))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        self.0.runs().into_iter().filter_map(delivered).collect()
    }
}

/// What the arguments say, and the input with the line ends that it will have on the wire.
fn delivered(run: Run) -> Option<Delivered> {
    let input = run.input?;
    let [_, _, sender, _, recipients @ ..] = &run.arguments[..] else { panic!("{:?}", run.arguments) };
    let address = |text: &String| text.parse().expect("an address");
    let lines = input.split_inclusive(|&byte| byte == b'\n');
    let wire = lines.flat_map(|line| match line.strip_suffix(b"\n") {
        Some(line) => [line, b"\r\n"].concat(),
        None => line.to_vec(),
    });
    Some(Delivered {
        from: (sender != "<>").then(|| address(sender)),
        to: recipients.iter().map(address).collect(),
        raw: wire.collect(),
        provider_id: None,
    })
}
