//! Addresses behind which there is no server.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An address that refuses connections.
pub fn nobody_listens() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// An address that neither takes nor refuses a connection: packets to it are dropped, as by a firewall.
///
/// It listens, and accepts nobody. Its queue has room for one connection, which it opens to itself. That drops further ones
/// on Linux; elsewhere one may be taken, and is never spoken to.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: TcpStream,
}

impl BlackHole {
    /// Opens one.
    pub async fn open() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let queued = TcpStream::connect(address).await?;
        Ok(Self { address, _listener: listener, _queued: queued })
    }

    /// Where nothing happens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
