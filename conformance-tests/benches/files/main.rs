//! What the promises of `persistent-fs` cost, measured against what a user would take instead.
//!
//! ```text
//! cargo bench -p undercroft-conformance-tests --bench files -- --rounds 30 --json files.json --svg files.svg
//! ```
//!
//! Every ratio says how many times as fast ours is than the other side, for the same work, in the same run. What is
//! durable is compared with what is durable.

#[path = "../shared/chart.rs"]
mod chart;
mod layers;
mod local;
#[path = "../shared/measure.rs"]
mod measure;
mod memory;
mod s3;

use std::path::PathBuf;

use clap::Parser;
use measure::{Benchmark, Compared};
use serde_json::json;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many rounds each benchmark has; each contender runs twice a round.
    #[arg(long, default_value_t = 30)]
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
    /// Streams a file of this many bytes and nothing else. How the benchmark of memory calls itself.
    #[arg(long, hide = true, value_name = "FILE")]
    stream: Option<PathBuf>,
    /// `cargo bench` says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    // object_store is built without a provider of its own.
    rustls::crypto::ring::default_provider().install_default().expect("nobody else has installed one");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    if let Some(file) = &arguments.stream {
        return runtime.block_on(memory::stream(file));
    }
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|text| name.contains(text));
    let results = runtime.block_on(async {
        let mut results = Vec::new();
        for (name, make) in catalogue().into_iter().filter(|(name, _)| wanted(name)) {
            let benchmark = make(name).await;
            for compared in benchmark.compare(arguments.rounds).await {
                println!("{compared}");
                results.push(compared);
            }
        }
        results
    });
    let peak = wanted(memory::NAME).then(memory::peak_of_a_stream);
    if let Some(peak) = &peak {
        println!("{peak}");
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, to_json(&arguments, &results, peak.as_ref()))
            .expect("the results can be written");
    }
    if let Some(path) = &arguments.svg {
        std::fs::write(path, chart::draw(&results)).expect("the chart can be written");
    }
}

type Make = fn(&'static str) -> futures_util::future::LocalBoxFuture<'static, Benchmark>;

/// Every benchmark, by name. What it needs is made just before it runs, and gone after it.
fn catalogue() -> Vec<(&'static str, Make)> {
    [local::catalogue(), s3::catalogue(), layers::catalogue()].concat()
}

fn to_json(arguments: &Arguments, results: &[Compared], peak: Option<&memory::Peak>) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let document = json!({
        "versions": {
            "undercroft": env!("CARGO_PKG_VERSION"),
            "object_store": "0.14.2",
            "opendal": "0.59.5",
        },
        "machine": { "kernel": kernel.trim(), "cores": cores },
        "rounds": arguments.rounds,
        "compared": results.iter().map(Compared::to_json).collect::<Vec<_>>(),
        "memory": peak.map(memory::Peak::to_json),
    });
    format!("{document:#}\n")
}
