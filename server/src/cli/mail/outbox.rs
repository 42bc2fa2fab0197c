//! `undercroft mail outbox`

use clap::Args;

use super::super::{Failure, application};
use crate::config::Config;
use crate::ids::MailId;
use crate::mail::store;

/// Mails that are listed at most.
const MOST: i64 = 100;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Send a mail again that was given up or has perhaps been sent. It keeps its message id.
    #[arg(long, value_name = "ID", conflicts_with = "drop")]
    retry: Option<String>,
    /// Forget a mail that was given up or has perhaps been sent.
    #[arg(long, value_name = "ID")]
    drop: Option<String>,
}

pub(super) async fn run(arguments: Arguments, config: &Config) -> Result<(), Failure> {
    let app = application(config).await?;
    let now = app.clock.now();
    if let Some(id) = arguments.retry {
        let id = MailId::try_from(id)?;
        let found = app.db.write(async move |conn| store::retry(conn, &id, now).await).await?;
        return seen_to(found, "it is due now");
    }
    if let Some(id) = arguments.drop {
        let id = MailId::try_from(id)?;
        let found = app.db.write(async move |conn| store::forget(conn, &id).await).await?;
        return seen_to(found, "it is gone");
    }
    for (state, count) in app.db.read(async |conn| store::counts(conn).await).await? {
        println!("{state:<8} {count}");
    }
    for mail in app.db.read(async |conn| store::troubled(conn, MOST).await).await? {
        let at = mail.settled_at.unwrap_or(mail.created_at).to_rfc3339();
        let kind = mail.kind.as_deref().unwrap_or("-");
        println!("\n{}  {}  {kind}  {at}", mail.state, mail.id);
        println!("  {}", mail.last_error.as_deref().unwrap_or("-"));
    }
    Ok(())
}

fn seen_to(found: bool, done: &str) -> Result<(), Failure> {
    if !found {
        return Err("no mail of this id was given up or has perhaps been sent".into());
    }
    println!("{done}");
    Ok(())
}
