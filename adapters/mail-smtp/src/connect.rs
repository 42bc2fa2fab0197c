//! From a host name to a connection that takes mail.

use std::{io, net::SocketAddr};

use mailer::{Disposition, Error, ErrorKind};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};

use crate::{
    auth,
    config::{Limits, Options, Security},
    error::Step,
    extensions::Extensions,
    session::Session,
    tls::Tls,
    wire::{Fault, Io, Wire},
};

/// Opens a connection that is private, if it is to be, and logged in.
pub(crate) async fn open(options: &Options, tls: &Tls, limits: &Limits) -> Result<Session, Error> {
    let tcp = dial(options, limits).await?;
    let helo = helo(options, &tcp);
    let mut wire = match options.security {
        Security::None => greeted(tcp, limits).await?,
        Security::Implicit => greeted(tls.secure(tcp, limits).await?, limits).await?,
        Security::StartTls => {
            let tcp = start_tls(Wire::new(tcp), &helo, limits).await?;
            // A new wire, and below a new EHLO: nothing that was said in clear is believed any more.
            Wire::new(Box::new(tls.secure(tcp, limits).await?) as Box<dyn Io>)
        }
    };
    let extensions = hello(&mut wire, &helo, limits).await?;
    auth::log_in(&mut wire, &extensions, options, limits).await?;
    tracing::debug!(
        host = options.host,
        port = options.port,
        security = ?options.security,
        pipelining = extensions.pipelining,
        "SMTP connection opened"
    );
    Ok(Session::new(wire, extensions))
}

async fn greeted(io: impl Io + 'static, limits: &Limits) -> Result<Wire<Box<dyn Io>>, Error> {
    let mut wire = Wire::new(Box::new(io) as Box<dyn Io>);
    greeting(&mut wire, limits).await?;
    Ok(wire)
}

/// Reaches one of the server's addresses. Each gets its share of the time that is left, so that a dead one does not use
/// up all of it.
async fn dial(options: &Options, limits: &Limits) -> Result<TcpStream, Error> {
    let until = limits.until(limits.timeouts.connect);
    let slow = || Step::Connect.error(ErrorKind::Timeout, "the server was not reached in time");
    let failed = |message: &str, error: io::Error| {
        Step::Connect.error(ErrorKind::Unavailable, message).with_source(error)
    };
    let found = timeout_at(until, lookup_host((options.host.as_str(), options.port))).await;
    let found =
        found.map_err(|_| slow())?.map_err(|error| failed("the server's name was not found", error))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let mut last = Step::Connect.error(ErrorKind::Unavailable, "the server's name has no address");
    for (n, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - n).unwrap_or(u32::MAX);
        let share = now + until.saturating_duration_since(now) / left;
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Commands are small and wait for answers: holding them back only costs time.
                tcp.set_nodelay(true).map_err(|error| failed("the connection cannot be set up", error))?;
                return Ok(tcp);
            }
            Ok(Err(error)) => last = failed("the server was not reached", error),
            Err(_) => last = slow(),
        }
    }
    Err(last)
}

/// The name we greet with. Our address serves where none is set, as RFC 5321 has it.
fn helo(options: &Options, tcp: &TcpStream) -> String {
    options.helo.clone().unwrap_or_else(|| match tcp.local_addr() {
        Ok(SocketAddr::V4(address)) => format!("[{}]", address.ip()),
        Ok(SocketAddr::V6(address)) => format!("[IPv6:{}]", address.ip()),
        Err(_) => "localhost".to_owned(),
    })
}

async fn greeting<S: Io>(wire: &mut Wire<S>, limits: &Limits) -> Result<(), Error> {
    let greeting = wire.greeting(limits.until(limits.timeouts.greeting)).await;
    let greeting = greeting.map_err(|fault| Step::Greeting.fault(fault))?;
    if greeting.code == 220 { Ok(()) } else { Err(Step::Greeting.refused(greeting)) }
}

/// Greets, and hears what the server can do. One that does not know EHLO can do nothing special.
async fn hello<S: Io>(wire: &mut Wire<S>, helo: &str, limits: &Limits) -> Result<Extensions, Error> {
    let fault = |fault: Fault| Step::Hello.fault(fault);
    let until = || limits.until(limits.timeouts.command);
    let reply = wire.ask(format!("EHLO {helo}\r\n").as_bytes(), until()).await.map_err(fault)?;
    if reply.is_yes() {
        return Ok(Extensions::read(&reply));
    }
    if !reply.is_permanent() {
        return Err(Step::Hello.refused(reply));
    }
    let reply = wire.ask(format!("HELO {helo}\r\n").as_bytes(), until()).await.map_err(fault)?;
    if reply.is_yes() { Ok(Extensions::default()) } else { Err(Step::Hello.refused(reply)) }
}

/// Has the server begin TLS, and gives the bare connection back.
async fn start_tls(mut wire: Wire<TcpStream>, helo: &str, limits: &Limits) -> Result<TcpStream, Error> {
    greeting(&mut wire, limits).await?;
    let extensions = hello(&mut wire, helo, limits).await?;
    let refused = |message: &str| Step::StartTls.error(ErrorKind::Tls, message);
    if !extensions.starttls {
        return Err(refused("the server does not offer STARTTLS; `tls=off` sends in clear"));
    }
    let until = limits.until(limits.timeouts.command);
    let reply = wire.ask(b"STARTTLS\r\n", until).await.map_err(|fault| Step::StartTls.fault(fault))?;
    if !reply.is_yes() {
        return Err(Step::StartTls.refused(reply));
    }
    // Whoever sits in between could have put answers here that would be taken for the server's own afterwards.
    wire.into_inner().ok_or_else(|| {
        refused("bytes in clear came after the go-ahead for TLS").with_disposition(Disposition::Permanent)
    })
}
