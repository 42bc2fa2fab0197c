//! The command line.

mod account;
mod config;
mod mail;
mod migrate;
mod serve;

use std::error::Error as StdError;
use std::fs::DirBuilder;
use std::io::IsTerminal as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Args as _, FromArgMatches as _, Subcommand, value_parser};
use tracing_subscriber::EnvFilter;

use crate::app::AppState;
use crate::clock::Clock;
use crate::config::{Config, Explained, Options, Problem, read};
use crate::rng::Rng;
use crate::{assemble, migrations};

/// What `undercroft` can be told to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is interrupted.
    Serve,
    /// Look at the database's schema, or bring it up to date. `serve` does the latter by itself.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Look after accounts.
    #[command(subcommand)]
    Account(account::Command),
    /// Try out how mails are sent, and look after those that wait.
    #[command(subcommand)]
    Mail(mail::Command),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::Command),
}

/// Why a command did not succeed.
#[derive(Debug)]
enum Failure {
    /// The configuration is wrong, in these places.
    Config(Vec<Problem>),
    /// Anything else.
    Other(Box<dyn StdError + Send + Sync>),
}

/// Runs the program. The exit code is 0 for success, 1 for failure, 2 for a command line that cannot be read.
pub fn run() -> ExitCode {
    let matches = command_line().get_matches();
    let command = match Command::from_arg_matches(&matches) {
        Ok(command) => command,
        Err(error) => error.exit(),
    };
    match execute(command, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(problems)) => {
            eprintln!("the configuration is not valid:");
            for problem in problems {
                eprintln!("  {problem}");
            }
            ExitCode::FAILURE
        }
        Err(Failure::Other(error)) => {
            eprintln!("error: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// All commands take all settings, so the settings are arguments of the program itself.
fn command_line() -> clap::Command {
    let config = Arg::new("config")
        .long("config")
        .env("UNDERCROFT_CONFIG")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help("Configuration file. Unless set, it is `undercroft.toml` in the data folder, if there is one");
    let program = clap::Command::new("undercroft")
        .about("A password vault for Bitwarden's clients")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    Options::augment_args(
        Command::augment_subcommands(program).next_help_heading("Configuration").arg(config),
    )
}

fn execute(command: Command, matches: &ArgMatches) -> Result<(), Failure> {
    // Those that are asked about the configuration must work when it is wrong.
    if let Command::Config(command) = command {
        return config::run(&command, matches);
    }
    let Explained { config, .. } = read(matches, &assemble::schemes()).map_err(Failure::Config)?;
    log_to_stderr(&config)?;
    make_data_folder(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(&config).await,
            Command::Migrate(command) => migrate::run(&command, &config).await,
            Command::Account(command) => account::run(command, &config).await,
            Command::Mail(command) => mail::run(command, &config).await,
            Command::Config(_) => Ok(()),
        }
    })
}

/// The whole application, for commands that do what a request does.
async fn application(config: &Config) -> Result<AppState, Failure> {
    let (clock, rng) = (Clock::system(), Rng::from_os());
    let db = assemble::database(config, &clock).await?;
    dbconn::migrate::up(&db, migrations::ALL, &assemble::database_clock(&clock)).await?;
    Ok(assemble::app(config, config.settings(config.listen), db, clock, rng).await?)
}

fn log_to_stderr(config: &Config) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.log)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// What lies there is for the server alone.
fn make_data_folder(config: &Config) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.data);
    made.map_err(|error| Failure::Config(vec![Problem::new("data", error.to_string())]))
}

/// The error and what is behind it, on one line.
fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Many errors repeat their cause.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    #[test]
    fn settings_stand_before_or_behind_the_command() {
        for line in
            [&["undercroft", "--data=d", "migrate", "up"], &["undercroft", "migrate", "up", "--data=d"]]
        {
            let matches = command_line().get_matches_from(line);
            assert_eq!(matches.get_one::<String>("data").map(String::as_str), Some("d"));
        }
    }

    #[test]
    fn help_shows_no_value_of_a_url() {
        let urls = ["database", "files", "mail"];
        for argument in command_line().get_arguments().filter(|arg| urls.contains(&arg.get_id().as_str())) {
            assert!(argument.is_hide_env_values_set(), "{}", argument.get_id());
        }
    }
}
