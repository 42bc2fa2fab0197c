//! Work that no request waits for: sending queued mail, removing files that nothing refers to.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailer::{Drained, Outbox};
use tokio::sync::Notify;

use crate::app::AppState;
use crate::error::Error;
use crate::mail;
use crate::vault::attachments;

/// How often the jobs look by themselves.
const PERIOD: Duration = Duration::from_secs(30);
/// How often old things are looked for.
const TIDY_PERIOD: Duration = Duration::from_hours(24);
/// How long one round may send mail.
const MAIL_TIME: Duration = Duration::from_secs(20);
/// Mails and files in one round.
const BATCH: usize = 200;
/// Mails that have ended stay this long, for the operator to look at.
const KEEP_SETTLED: Duration = Duration::from_hours(30 * 24);
/// Unfinished uploads and other leftovers are swept when they are older than this.
const KEEP_UNFINISHED: Duration = Duration::from_hours(24);

/// Wakes the jobs from a request.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Notify>);

impl Jobs {
    /// There is something to do. Costs nothing when the jobs run already, or do not run in this process.
    pub fn kick(&self) {
        self.0.notify_one();
    }
}

/// Runs the jobs until `shutdown` is done. A failed round is logged and tried again in the next.
pub async fn run(app: AppState, shutdown: impl Future<Output = ()>) {
    tokio::pin!(shutdown);
    let mut tidy_due = Instant::now();
    loop {
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "background jobs could not finish a round");
        }
        if tidy_due <= Instant::now() {
            tidy_due = Instant::now() + TIDY_PERIOD;
            if let Err(error) = tidy(&app).await {
                tracing::warn!(%error, "old things could not be tidied up");
            }
        }
        tokio::select! {
            () = &mut shutdown => return,
            () = app.jobs.0.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Everything once; what a schedule calls where no loop can run.
pub async fn round(app: &AppState) -> Result<(), Error> {
    // A limit on work, not a time that anybody stores or sees: hence the machine's clock.
    send_mail(app, BATCH, Instant::now() + MAIL_TIME).await?;
    attachments::service::remove_strays(app, BATCH).await?;
    Ok(())
}

/// Sends what waits in the outbox. `None` if mail is off.
pub async fn send_mail(app: &AppState, limit: usize, deadline: Instant) -> Result<Option<Drained>, Error> {
    let Some(mailer) = &app.mailer else { return Ok(None) };
    let table = mail::outbox::Table::new(app.db.clone(), app.clock.clone());
    let drained = Outbox::new(table, mailer.clone()).drain(limit, Some(deadline)).await?;
    if drained.dead + drained.unsure > 0 {
        tracing::warn!(?drained, "mails were given up or may not have arrived; see `undercroft mail outbox`");
    }
    Ok(Some(drained))
}

/// Removes what is old: ended mails, unfinished uploads. Run at start and once a day.
pub async fn tidy(app: &AppState) -> Result<(), Error> {
    let before = app.clock.now().minus(KEEP_SETTLED);
    app.db.write(async move |conn| mail::store::purge(conn, before).await).await?;
    app.db.write(async move |conn| mail::events::purge(conn, before).await).await?;
    attachments::service::forget_unfinished(app, KEEP_UNFINISHED).await?;
    app.files.sweep(KEEP_UNFINISHED).await?;
    Ok(())
}
