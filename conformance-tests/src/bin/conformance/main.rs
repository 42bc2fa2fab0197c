//! Runs a conformance suite against a real store, or a real provider of mail, that somebody is about to trust.
//!
//! ```text
//! cargo run -p undercroft-conformance-tests -- files 'file:///srv/data'
//! cargo run -p undercroft-conformance-tests -- mail 'smtps://user:password@mail.example.org' --from … --to …
//! ```

mod mail;
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

use ::mailer::Address;
use clap::{Args, Parser, Subcommand};
use conformance_tests::{
    Case,
    files::{self, Scale},
    mailer::live,
};

use crate::{
    mail::Provider,
    report::Report,
    stores::{ScratchHarness, Store},
};

/// Tests a real store, in a folder of its own that is removed afterwards, or a real provider of mail.
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
    /// What of the suite for `mailer` can be seen from the answers, against the provider that a URL names.
    Mail(MailArguments),
}

#[derive(Debug, Args)]
struct FilesArguments {
    /// `file:///srv/data`, `s3://bucket/prefix?endpoint=…` or `memory:`. What is in the store already stays untouched.
    url: String,
    /// Fewer objects and rounds, for a store that costs money or is slow.
    #[arg(long)]
    small: bool,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
struct MailArguments {
    /// `smtps://user:password@host`, `smtp://…`, `ses://region`, `sendmail:`, `maildir:///folder`, also combined.
    url: String,
    /// From whom the provider takes mail.
    #[arg(long, value_name = "ADDRESS")]
    from: Address,
    /// Who gets the mails, about fifteen.
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// Only the cases whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Writes the results to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Names the cases and runs none.
    #[arg(long)]
    list: bool,
}

/// 0: every case that ran has passed. 1: one has failed. 2: the suite could not be run.
fn main() -> ExitCode {
    let result = match Arguments::parse().suite {
        Suite::Files(arguments) => files(&arguments),
        Suite::Mail(arguments) => mail(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn files(arguments: &FilesArguments) -> Result<bool, String> {
    let Some(chosen) = arguments.run.choose(files::cases())? else { return Ok(true) };
    let store = Arc::new(Store::at(&arguments.url)?);
    println!("{} cases against {store}, below {}", chosen.len(), store.scratch());
    let scale = if arguments.small { Scale::Small } else { Scale::Full };
    let harness: &dyn files::Harness = &ScratchHarness { store: Arc::clone(&store), scale };
    let report = run(Report::new("files", &store.to_string(), chosen.len()), &chosen, harness);
    store.clean_up()?;
    arguments.run.conclude(&report)
}

fn mail(arguments: &MailArguments) -> Result<bool, String> {
    let Some(chosen) = arguments.run.choose(live::cases())? else { return Ok(true) };
    let provider = Provider::at(&arguments.url, &arguments.from, &arguments.to)?;
    println!("{} cases against {provider}, with mails to {}", chosen.len(), arguments.to);
    let live: &dyn live::Live = &provider;
    let report = run(Report::new("mail", &provider.to_string(), chosen.len()), &chosen, live);
    arguments.run.conclude(&report)
}

impl RunArguments {
    /// The cases to run; nothing if they were only to be named.
    fn choose<H: ?Sized>(&self, cases: Vec<Case<H>>) -> Result<Option<Vec<Case<H>>>, String> {
        let wanted = |name: &str| self.only.as_deref().is_none_or(|text| name.contains(text));
        let chosen = cases.into_iter().filter(|case| wanted(case.name())).collect::<Vec<_>>();
        if chosen.is_empty() {
            return Err("no case has such a name; --list names them all".to_owned());
        }
        if self.list {
            for case in &chosen {
                println!("{}", case.name());
            }
            return Ok(None);
        }
        Ok(Some(chosen))
    }

    /// Shows and writes what came of it, and says whether all have passed.
    fn conclude(&self, report: &Report) -> Result<bool, String> {
        print!("\n{report}");
        if let Some(path) = &self.json {
            std::fs::write(path, report.json()).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(report.failed() == 0 && report.is_complete())
    }
}

/// Runs the cases one after the other, until somebody interrupts.
fn run<H: ?Sized>(mut report: Report, cases: &[Case<H>], harness: &H) -> Report {
    let interrupted = watch_for_interrupts();
    // A case fails by panicking. The report tells it, in its place.
    std::panic::set_hook(Box::new(|_| {}));
    for case in cases {
        if interrupted.load(Ordering::Relaxed) {
            println!("interrupted: {} cases have not been run", cases.len() - report.len());
            break;
        }
        report.add(case.name(), case.judge(harness));
    }
    report
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
