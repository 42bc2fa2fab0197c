//! A server that takes every mail, as fast as it can, on a thread of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// Takes mails for as long as the program runs.
pub(crate) struct Sink {
    address: SocketAddr,
    counter: Counter,
}

/// How many bytes of mails have arrived.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Sink {
    pub(crate) fn start() -> Self {
        let (tell, told) = mpsc::channel();
        let counter = Counter::default();
        let counting = counter.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("it is bound")).expect("somebody waits");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(serve(stream, counting.clone()));
                }
            });
        });
        Self { address: told.recv().expect("the thread listens"), counter }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn counter(&self) -> Counter {
        self.counter.clone()
    }
}

impl Counter {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Answers each group of commands with one write, as servers that offer pipelining do.
async fn serve(stream: TcpStream, counter: Counter) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    stream.get_mut().write_all(b"220 sink\r\n").await?;
    let (mut line, mut answers, mut in_mail) = (Vec::new(), Vec::new(), false);
    let mut bytes = 0;
    while stream.read_until(b'\n', &mut line).await? > 0 {
        match (in_mail, &line[..]) {
            (true, b".\r\n") => {
                in_mail = false;
                // Counted before it is answered, so whoever has the answer sees it counted.
                counter.0.fetch_add(std::mem::take(&mut bytes), Ordering::SeqCst);
                answers.extend_from_slice(b"250 2.0.0 Ok: queued as 4A\r\n");
            }
            (true, _) => bytes += line.len() as u64,
            (false, command) => match &command[..4.min(command.len())] {
                b"EHLO" => answers.extend_from_slice(b"250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n"),
                b"DATA" => {
                    in_mail = true;
                    answers.extend_from_slice(b"354 go on\r\n");
                }
                b"QUIT" => answers.extend_from_slice(b"221 bye\r\n"),
                _ => answers.extend_from_slice(b"250 ok\r\n"),
            },
        }
        line.clear();
        if stream.buffer().is_empty() && !answers.is_empty() {
            stream.get_mut().write_all(&answers).await?;
            answers.clear();
        }
    }
    Ok(())
}
