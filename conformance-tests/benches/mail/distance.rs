//! A server that is far away: each byte arrives this much later, in order, however many are on their way.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};

/// Where to connect to instead.
pub(crate) async fn proxy(to: SocketAddr, one_way: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (here, _) = listener.accept().await.expect("a connection");
            let there = TcpStream::connect(to).await.expect("the server listens");
            here.set_nodelay(true).expect("it is connected");
            there.set_nodelay(true).expect("it is connected");
            let (client, server) = (here.into_split(), there.into_split());
            tokio::spawn(delay(client.0, server.1, one_way));
            tokio::spawn(delay(server.0, client.1, one_way));
        }
    });
    address
}

async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one_way: Duration) {
    let (send, mut due) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if send.send((Instant::now() + one_way, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
    });
    while let Some((at, bytes)) = due.recv().await {
        tokio::time::sleep_until(at).await;
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
}
