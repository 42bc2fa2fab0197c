//! The smallest server that takes mail.

use std::sync::{Arc, Mutex};

use conformance_tests::mailer::Delivered;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
};

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    pub(crate) mails: Arc<Mutex<Vec<Delivered>>>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, Arc::clone(&shared)));
            }
        });
        Self { port, mails }
    }
}

async fn serve(tcp: TcpStream, mails: Arc<Mutex<Vec<Delivered>>>) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut io = BufStream::new(tcp);
    let mut mail = Delivered { from: None, to: Vec::new(), raw: bytes::Bytes::new(), provider_id: None };
    say(&mut io, "220 sink").await?;
    loop {
        let mut line = String::new();
        if io.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match &line[..4] {
            "EHLO" => say(&mut io, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            "MAIL" => {
                mail.from = path.parse().ok();
                mail.to.clear();
                say(&mut io, "250 ok").await?;
            }
            "RCPT" => {
                mail.to.push(path.parse().expect("an address"));
                say(&mut io, "250 ok").await?;
            }
            "DATA" => {
                say(&mut io, "354 go").await?;
                let mut raw = Vec::new();
                loop {
                    let mut line = Vec::new();
                    if io.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                }
                let id = {
                    let mut mails = mails.lock().expect("nobody panics with it");
                    let id = format!("id{}", mails.len());
                    mails.push(Delivered { raw: raw.into(), provider_id: Some(id.clone()), ..mail.clone() });
                    id
                };
                say(&mut io, &format!("250 Ok: queued as {id}")).await?;
            }
            _ => say(&mut io, "250 ok").await?,
        }
    }
}

async fn say(io: &mut BufStream<TcpStream>, text: &str) -> std::io::Result<()> {
    io.write_all(format!("{text}\r\n").as_bytes()).await?;
    io.flush().await
}
