//! `undercroft config`

use clap::{ArgMatches, Subcommand};

use super::Failure;
use crate::assemble;
use crate::config::{Origin, example, read};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say whether the configuration is valid, which values hold and where each comes from. Changes nothing.
    Check,
    /// Print a configuration file that explains every setting.
    Example,
}

pub(super) fn run(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    match command {
        Command::Example => print!("{}", example()),
        Command::Check => {
            let explained = read(matches, &assemble::schemes()).map_err(Failure::Config)?;
            println!("configuration is valid\n");
            for (name, value) in explained.config.values() {
                let origin = explained.origins.get(name).unwrap_or(&Origin::Default);
                println!("{name:<20} {value:<50} ({origin})");
            }
        }
    }
    Ok(())
}
