//! What a mail costs over SMTP, measured against lettre, which is what a user would take instead.
//!
//! ```text
//! cargo bench -p undercroft-conformance-tests --bench mail -- --rounds 10 --json mail.json --svg mail.svg
//! ```
//!
//! Every ratio says how many times as fast ours is than the other side, for the same mails, to the same server, in the
//! same run. The server counts the bytes, so speed hides no loss.

#[path = "../shared/chart.rs"]
mod chart;
mod clients;
mod distance;
#[path = "../shared/measure.rs"]
mod measure;
mod sink;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use clients::{Bare, Client, LettreConnection, LettrePool, Ours};
use futures_util::{FutureExt, future};
use mailer::{Address, Email, Outgoing, Renderer};
use measure::{Benchmark, Compared, Contender, Goal};
use serde_json::json;
use sink::Sink;

/// Mails in one run. Lettre's pool needs 45 ms for each.
const MAILS: usize = 40;
/// There and back again.
const ROUND_TRIP: Duration = Duration::from_millis(20);

#[derive(Debug, Parser)]
struct Arguments {
    /// How many rounds each benchmark has; each contender runs twice a round.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Only the benchmarks whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Writes the results to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the ratios into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// `cargo bench` says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|text| name.contains(text));
    let results = runtime.block_on(async {
        let mut results = Vec::new();
        for (name, make) in catalogue().into_iter().filter(|(name, _)| wanted(name)) {
            for compared in make(name).await.compare(arguments.rounds).await {
                println!("{compared}");
                results.push(compared);
            }
        }
        results
    });
    if let Some(path) = &arguments.json {
        std::fs::write(path, to_json(&arguments, &results)).expect("the results can be written");
    }
    if let Some(path) = &arguments.svg {
        std::fs::write(path, chart::draw(&results)).expect("the chart can be written");
    }
}

type Make = fn(&'static str) -> future::LocalBoxFuture<'static, Benchmark>;

/// Every benchmark, by name.
fn catalogue() -> Vec<(&'static str, Make)> {
    vec![
        ("one worker, 4 KiB", |name| nearby(name, 1, 20.0).boxed_local()),
        ("ten workers, 4 KiB", |name| nearby(name, 10, 10.0).boxed_local()),
        ("one worker, 20 ms away", |name| far_away(name).boxed_local()),
    ]
}

/// On loopback, where lettre's release waits for delayed acknowledgements.
async fn nearby(name: &'static str, workers: usize, goal: f64) -> Benchmark {
    let sink = Sink::start();
    let at = sink.address();
    Benchmark {
        name,
        ours: contender("ours", workers, Ours::open(at, workers), &sink),
        against: vec![
            (contender("lettre", workers, LettrePool::open(at, workers), &sink), Goal::Speed(goal)),
            (
                contender(
                    "lettre's connection, NODELAY",
                    workers,
                    LettreConnection::open(at, workers).await,
                    &sink,
                ),
                Goal::Speed(1.0),
            ),
            (contender("bare pipelining", workers, Bare::open(at, workers).await, &sink), Goal::None),
        ],
    }
}

/// Where round trips are what a mail costs.
async fn far_away(name: &'static str) -> Benchmark {
    let sink = Sink::start();
    let at = distance::proxy(sink.address(), ROUND_TRIP / 2).await;
    Benchmark {
        name,
        ours: contender("ours", 1, Ours::open(at, 1), &sink),
        against: vec![
            (contender("lettre", 1, LettrePool::open(at, 1), &sink), Goal::None),
            (
                contender("lettre's connection, NODELAY", 1, LettreConnection::open(at, 1).await, &sink),
                Goal::Speed(1.5),
            ),
            (contender("bare pipelining", 1, Bare::open(at, 1).await, &sink), Goal::Speed(1.0 / 1.1)),
        ],
    }
}

/// Sends the mails of a run, divided among the workers, and checks that they have all arrived.
fn contender<C: Client>(name: &'static str, workers: usize, client: C, sink: &Sink) -> Contender {
    let (client, mail, arrived) = (Arc::new(client), mail(), sink.counter());
    Contender::new(name, move || {
        let (client, mail, arrived) = (Arc::clone(&client), mail.clone(), arrived.clone());
        async move {
            let before = arrived.bytes();
            let work = (0..workers).map(|worker| {
                let (client, mail) = (Arc::clone(&client), mail.clone());
                tokio::spawn(async move {
                    for _ in 0..MAILS / workers {
                        client.send(worker, &mail).await;
                    }
                })
            });
            future::try_join_all(work).await.expect("no worker panics");
            let expected = (MAILS * mail.raw().len()) as u64;
            // Lettre ends each mail with an empty line of its own.
            let surplus = arrived.bytes() - before - expected;
            assert!(surplus <= 2 * MAILS as u64, "{surplus} bytes too many");
        }
    })
}

/// About 4 KiB, as most mails of a server are.
fn mail() -> Outgoing {
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let text = "A line of an ordinary length, of which a mail has a good many.\n".repeat(60);
    Email::new(address("vault@example.org"), address("ann@example.com"))
        .subject("Your code")
        .text(text)
        .render(&Renderer::system())
        .expect("it can be rendered")
}

fn to_json(arguments: &Arguments, results: &[Compared]) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let document = json!({
        "versions": { "undercroft": env!("CARGO_PKG_VERSION"), "lettre": "0.11.23" },
        "machine": { "kernel": kernel.trim(), "cores": cores },
        "rounds": arguments.rounds,
        "mails in a run": MAILS,
        "compared": results.iter().map(Compared::to_json).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

/// Where the sink or the proxy before it listens.
type At = SocketAddr;
