//! Runs a conformance suite against a real store that somebody is about to trust.
//!
//! ```text
//! cargo run -p undercroft-conformance-tests -- files 'file:///srv/data'
//! ```

mod report;
mod stores;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::{Args, Parser, Subcommand};
use conformance_tests::files::{Harness, Scale, cases};

use crate::{
    report::Report,
    stores::{ScratchHarness, Store},
};

/// Tests a real store, in a folder of its own that is removed afterwards.
#[derive(Debug, Parser)]
#[command(name = "conformance", version)]
struct Arguments {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// The suite for `persistent-fs`, against the store that a URL names.
    Files(FilesArguments),
}

#[derive(Debug, Args)]
struct FilesArguments {
    /// `file:///srv/data`, `s3://bucket/prefix?endpoint=…` or `memory:`. What is in the store already stays untouched.
    url: String,
    /// Only the cases whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Writes the results to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer objects and rounds, for a store that costs money or is slow.
    #[arg(long)]
    small: bool,
    /// Names the cases and runs none.
    #[arg(long)]
    list: bool,
}

/// 0: every case that ran has passed. 1: one has failed. 2: the suite could not be run.
fn main() -> ExitCode {
    let Suite::Files(arguments) = Arguments::parse().suite;
    match files(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

/// Runs the cases one after the other, and says whether none failed.
fn files(arguments: &FilesArguments) -> Result<bool, String> {
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|text| name.contains(text));
    let chosen = cases().into_iter().filter(|case| wanted(case.name())).collect::<Vec<_>>();
    if chosen.is_empty() {
        return Err("no case has such a name; --list names them all".to_owned());
    }
    if arguments.list {
        for case in &chosen {
            println!("{}", case.name());
        }
        return Ok(true);
    }
    let store = Arc::new(Store::at(&arguments.url)?);
    println!("{} cases against {store}, below {}", chosen.len(), store.scratch());
    let interrupted = watch_for_interrupts();
    let scale = if arguments.small { Scale::Small } else { Scale::Full };
    let harness = ScratchHarness { store: Arc::clone(&store), scale };
    let harness: &dyn Harness = &harness;
    let mut report = Report::new(&store.to_string(), chosen.len());
    // A case fails by panicking. The report tells it, in its place.
    std::panic::set_hook(Box::new(|_| {}));
    for case in &chosen {
        if interrupted.load(Ordering::Relaxed) {
            println!("interrupted: {} cases have not been run", chosen.len() - report.len());
            break;
        }
        report.add(case.name(), case.judge(harness));
    }
    store.clean_up()?;
    print!("\n{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, report.json()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report.failed() == 0 && report.len() == chosen.len())
}

/// Turns true at the first Ctrl-C, so that the case under way can end and the scratch folder be removed.
fn watch_for_interrupts() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    std::thread::spawn(move || {
        let waited = stores::runtime().block_on(tokio::signal::ctrl_c());
        if waited.is_ok() {
            eprintln!("stopping after this case");
            seen.store(true, Ordering::Relaxed);
        }
    });
    interrupted
}
