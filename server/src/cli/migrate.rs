//! `undercroft migrate`

use clap::Subcommand;
use dbconn::migrate;

use super::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::time::Timestamp;
use crate::{assemble, migrations};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show which steps were carried out and which are pending, without carrying any out.
    Status,
    /// Carry out what is pending.
    Up,
}

pub(super) async fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let clock = Clock::system();
    let pool = assemble::database(config, &clock).await?;
    match command {
        Command::Status => {
            let status = migrate::status(&pool, migrations::ALL).await?;
            for step in &status.applied {
                let at = Timestamp::from_system(step.at).to_rfc3339();
                println!("applied  {}/{} at {at}", step.migration, step.step);
            }
            for (state, steps) in
                [("pending", &status.pending), ("unknown", &status.unknown), ("edited", &status.edited)]
            {
                for step in steps {
                    println!("{state:<8} {step}");
                }
            }
        }
        Command::Up => {
            let applied = migrate::up(&pool, migrations::ALL, &assemble::database_clock(&clock)).await?;
            for step in applied {
                println!("applied  {}/{}", step.migration, step.step);
            }
            println!("the schema is up to date");
        }
    }
    Ok(())
}
