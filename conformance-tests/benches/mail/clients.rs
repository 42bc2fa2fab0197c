//! Who sends.

use std::sync::Arc;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope,
    transport::smtp::{PoolConfig, client::AsyncSmtpConnection, extension::ClientId},
};
use mailer::{Address, Backend, BackendUrl, Context, Outgoing};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Mutex,
};

use crate::At;

/// Sends one mail after the other, for each worker.
pub(crate) trait Client: Send + Sync + 'static {
    fn send(&self, worker: usize, mail: &Outgoing) -> impl Future<Output = ()> + Send;
}

/// `mail-smtp`, with a connection for each worker.
pub(crate) struct Ours(Arc<dyn Backend>);

/// lettre's transport, with a connection for each worker.
pub(crate) struct LettrePool(AsyncSmtpTransport<Tokio1Executor>);

/// lettre's connection without lettre's pool, on a socket that does not wait for acknowledgements.
pub(crate) struct LettreConnection(Vec<Mutex<AsyncSmtpConnection>>);

/// The least that can be done: two writes a mail, and nothing is understood but that the answers are there.
pub(crate) struct Bare(Vec<Mutex<BufReader<TcpStream>>>);

impl Ours {
    pub(crate) fn open(at: At, workers: usize) -> Self {
        let mut url = BackendUrl::parse(&format!("smtp://{at}?tls=off&pool={workers}")).expect("a URL");
        Self(Arc::new(mail_smtp::Smtp::from_url(&mut url).expect("known keys")))
    }
}

impl Client for Ours {
    async fn send(&self, _worker: usize, mail: &Outgoing) {
        self.0.deliver(mail, &Context::new()).await.expect("it is taken");
    }
}

impl LettrePool {
    pub(crate) fn open(at: At, workers: usize) -> Self {
        let workers = u32::try_from(workers).expect("a handful");
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(at.ip().to_string())
            .port(at.port())
            .hello_name(hello())
            .pool_config(PoolConfig::new().max_size(workers));
        Self(transport.build())
    }
}

impl Client for LettrePool {
    async fn send(&self, _worker: usize, mail: &Outgoing) {
        self.0.send_raw(&envelope(mail), mail.raw()).await.expect("it is taken");
    }
}

impl LettreConnection {
    pub(crate) async fn open(at: At, workers: usize) -> Self {
        let mut connections = Vec::new();
        for _ in 0..workers {
            let stream = TcpStream::connect(at).await.expect("the server listens");
            stream.set_nodelay(true).expect("it is connected");
            let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello()).await;
            connections.push(Mutex::new(connection.expect("the server greets")));
        }
        Self(connections)
    }
}

impl Client for LettreConnection {
    async fn send(&self, worker: usize, mail: &Outgoing) {
        let mut connection = self.0[worker].lock().await;
        connection.send(&envelope(mail), mail.raw()).await.expect("it is taken");
    }
}

impl Bare {
    pub(crate) async fn open(at: At, workers: usize) -> Self {
        let mut connections = Vec::new();
        for _ in 0..workers {
            let stream = TcpStream::connect(at).await.expect("the server listens");
            stream.set_nodelay(true).expect("it is connected");
            let mut stream = BufReader::new(stream);
            answers(&mut stream, 1).await;
            stream.get_mut().write_all(b"EHLO bench\r\n").await.expect("written");
            answers(&mut stream, 3).await;
            connections.push(Mutex::new(stream));
        }
        Self(connections)
    }
}

impl Client for Bare {
    async fn send(&self, worker: usize, mail: &Outgoing) {
        let mut stream = self.0[worker].lock().await;
        let from = mail.envelope().from().map_or("", Address::as_str);
        let to = mail.envelope().to()[0].as_str();
        let commands = format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        stream.get_mut().write_all(commands.as_bytes()).await.expect("written");
        answers(&mut stream, 3).await;
        let body = [mail.raw(), &b".\r\n"[..]].concat();
        stream.get_mut().write_all(&body).await.expect("written");
        answers(&mut stream, 1).await;
    }
}

async fn answers(stream: &mut BufReader<TcpStream>, lines: usize) {
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        assert!(stream.read_line(&mut line).await.expect("read") > 0, "the server hung up");
    }
}

fn hello() -> ClientId {
    ClientId::Domain("bench".to_owned())
}

fn envelope(mail: &Outgoing) -> Envelope {
    let parse = |address: &Address| address.as_str().parse().expect("an address");
    let to = mail.envelope().to().iter().map(parse).collect();
    Envelope::new(mail.envelope().from().map(parse), to).expect("there is a recipient")
}
