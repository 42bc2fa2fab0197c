//! `undercroft serve`

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Failure;
use crate::app::Settings;
use crate::clock::Clock;
use crate::config::{Config, Tls};
use crate::mail::routes::PREVIEW;
use crate::rng::Rng;
use crate::{assemble, http, jobs, migrations, tls};

/// How long requests may take to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let (clock, rng) = (Clock::system(), Rng::from_os());
    // The port is ours now, but nobody is let in before there is something to answer with.
    let socket = bind(config.listen)?;
    let address = socket.local_addr()?;
    let settings = config.settings(address);
    let tls = server_tls(config, &settings, &clock)?;
    let db = assemble::database(config, &clock).await?;
    dbconn::migrate::up(&db, migrations::ALL, &assemble::database_clock(&clock)).await?;
    let app = assemble::app(config, settings, db, clock, rng).await?;

    let (stop, stopped) = watch::channel(());
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), ended(stopped)));
    let listener = socket.listen(BACKLOG)?;
    announce(config, address, &app.settings);
    accept(listener, tls, http::router(app)).await?;
    drop(stop);
    jobs.await?;
    Ok(())
}

fn bind(address: SocketAddr) -> Result<TcpSocket, Failure> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    Ok(socket)
}

fn server_tls(
    config: &Config,
    settings: &Settings,
    clock: &Clock,
) -> Result<Option<Arc<ServerConfig>>, tls::Error> {
    match &config.tls {
        Tls::Off => Ok(None),
        Tls::Files { certificate, key } => tls::from_files(certificate, key).map(Some),
        Tls::SelfSigned => {
            let host = settings.domain.host_str().unwrap_or("localhost");
            tls::self_signed(&config.data.join("tls"), host, clock.system_time()).map(Some)
        }
    }
}

/// Accepts connections until the process is told to stop, then lets requests finish.
async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: axum::Router,
) -> Result<(), Failure> {
    let (listener, service) = (listener.into_std()?, router.into_make_service());
    let handle = Handle::new();
    tokio::spawn({
        let (handle, signal) = (handle.clone(), told_to_stop()?);
        async move {
            signal.await;
            tracing::info!("stopping");
            handle.graceful_shutdown(Some(GRACE));
        }
    });
    match tls {
        Some(tls) => {
            let tls = RustlsConfig::from_config(tls);
            axum_server::from_tcp_rustls(listener, tls)?.handle(handle).serve(service).await?;
        }
        None => axum_server::from_tcp(listener)?.handle(handle).serve(service).await?,
    }
    Ok(())
}

/// What the operator needs to know, on standard output; the log goes to standard error.
fn announce(config: &Config, address: SocketAddr, settings: &Settings) {
    let scheme = if config.tls == Tls::Off { "http" } else { "https" };
    let mut lines = vec![format!("listening on {scheme}://{address} as {}", settings.base())];
    if config.tls == Tls::SelfSigned {
        let authority = tls::authority_file(&config.data.join("tls"));
        lines.push(format!("clients must trust it: export NODE_EXTRA_CA_CERTS={}", authority.display()));
    }
    if config.mail_preview {
        lines.push(format!("mails can be read at {}{PREVIEW}", settings.base()));
    }
    let data = config.data.display();
    lines.push(format!("make an account: undercroft account create --data {data} --email <address>\n"));
    // Nobody may be reading any more, and that is no reason to stop serving.
    let _ = std::io::stdout().write_all(lines.join("\n").as_bytes());
}

/// Waits for an interrupt or the request to terminate.
fn told_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits until the sender is gone.
async fn ended(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}
