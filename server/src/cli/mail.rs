//! `undercroft mail`

mod outbox;
mod report;

use std::time::{Duration, Instant};

use clap::Subcommand;
use mailer::{Address, Email, Mailbox, Mailer};

use self::report::NotSent;
use super::{Failure, application};
use crate::clock::Clock;
use crate::config::Config;
use crate::rng::Rng;
use crate::{assemble, jobs, mail};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a test mail, now and past the outbox, and say what came of it.
    Test {
        /// Who is to get it.
        address: String,
    },
    /// Say whether the way for mail can be reached and accepts this server. Sends nothing.
    Check,
    /// Say how many mails wait, and which ones need somebody to look.
    Outbox(outbox::Arguments),
    /// Send what is due and end: for a schedule, where `serve` does not run.
    Drain {
        /// Begin and finish within so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 50)]
        seconds: u64,
    },
    /// List the addresses that are not written to any more: they bounced, or their owners complained.
    Suppressed {
        /// Write to this address again.
        #[arg(long, value_name = "ADDRESS")]
        remove: Option<String>,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<(), Failure> {
    match command {
        Command::Test { address } => test(&address, config).await,
        Command::Check => {
            mailer(config)?.check().await.map_err(NotSent)?;
            println!("mail: the way {} works", way(config));
            Ok(())
        }
        Command::Outbox(arguments) => outbox::run(arguments, config).await,
        Command::Drain { seconds } => drain(Duration::from_secs(seconds), config).await,
        Command::Suppressed { remove } => suppressed(remove, config).await,
    }
}

async fn test(address: &str, config: &Config) -> Result<(), Failure> {
    let to = Mailbox::new(Address::parse(address).map_err(NotSent)?);
    let text = format!("This is a test. {} can send mail.\n", config.settings(config.listen).base());
    let email = Email::new(config.mail_from.clone(), to).subject("Test").text(text).kind("test");
    let receipt = mailer(config)?.send(&email).await.map_err(NotSent)?;
    println!("handed over by {}", receipt.via);
    println!("  message id   {}", receipt.message_id);
    println!("  provider id  {}", receipt.provider_id.as_deref().unwrap_or("-"));
    println!("It has been taken, which is not to say that it arrives: a bounce would come later.");
    Ok(())
}

async fn drain(time: Duration, config: &Config) -> Result<(), Failure> {
    // A limit on work, not a time that anybody stores or sees.
    let deadline = Instant::now() + time;
    let app = application(config).await?;
    let drained = jobs::send_mail(&app, usize::MAX, deadline).await?.ok_or(OFF)?;
    println!("{}", report::drained(&drained));
    Ok(())
}

async fn suppressed(remove: Option<String>, config: &Config) -> Result<(), Failure> {
    const MOST: i64 = 1000;
    let app = application(config).await?;
    if let Some(address) = remove {
        let address = Address::parse(&address)?;
        let listed = app.db.write(async move |conn| mail::suppressions::remove(conn, &address).await).await?;
        return if listed { Ok(()) } else { Err("this address is not listed".into()) };
    }
    for one in app.db.read(async |conn| mail::suppressions::all(conn, MOST).await).await? {
        println!("{}  {:<10}  {}", one.created_at.to_rfc3339(), one.reason, one.address);
    }
    Ok(())
}

/// The way for mail alone, so that it can be tried where the database is not to be had. It writes to suppressed addresses.
fn mailer(config: &Config) -> Result<Mailer, Failure> {
    let mailer = assemble::mailer(config, &Clock::system(), &Rng::from_os())?;
    mailer.ok_or_else(|| OFF.into())
}

const OFF: &str = "mail is off; see the setting `mail`";

fn way(config: &Config) -> &str {
    config.mail.as_ref().and_then(|url| url.scheme()).unwrap_or_default()
}
