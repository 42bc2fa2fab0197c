//! What failover and taking turns share: several backends, and which of them were in trouble lately.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    Backend, Capabilities, Context, Disposition, Error, ErrorKind, Outcome, Outgoing, Receipt, Scope, Stage,
};

/// Backends of which each can take any mail of the combination.
#[derive(Debug)]
pub(super) struct Several<B> {
    members: Vec<Member<B>>,
    pub(super) dead_for: Duration,
}

#[derive(Debug)]
struct Member<B> {
    backend: B,
    dead_until: Mutex<Option<Instant>>,
}

impl<B: Backend> Several<B> {
    pub(super) fn new(backends: impl IntoIterator<Item = B>) -> Result<Self, Error> {
        let member = |backend| Member { backend, dead_until: Mutex::default() };
        let members: Vec<_> = backends.into_iter().map(member).collect();
        if members.is_empty() {
            return Err(Error::new(ErrorKind::Config, "a combination of no backends"));
        }
        Ok(Self { members, dead_for: Duration::from_mins(1) })
    }

    /// What all of them can do: any of them may be asked.
    pub(super) fn capabilities(&self) -> Capabilities {
        let each = self.members.iter().map(|member| member.backend.capabilities());
        each.reduce(|all, one| all.meet(&one)).unwrap_or_default()
    }

    /// Asks one after the other until one answers for good: the living ones, `turn` places further round, and then
    /// those that are thought dead, because asking them beats giving up.
    pub(super) async fn deliver(&self, mail: &Outgoing, cx: &Context, turn: usize) -> Result<Receipt, Error> {
        cx.admit()?;
        self.capabilities().admit(mail)?;
        let mut said: Vec<Error> = Vec::new();
        let mut made = 0_u32;
        for member in self.in_order(turn) {
            // The first is asked in any case, so that there is an answer.
            if !said.is_empty() && cx.admit().is_err() {
                break;
            }
            let attempt = cx.with_attempt(cx.attempt.saturating_add(made));
            let error = match member.backend.deliver(mail, &attempt).await {
                Ok(receipt) => {
                    member.is_alive();
                    return Ok(receipt);
                }
                Err(error) => error,
            };
            made = made.saturating_add(error.attempts().max(1));
            if is_in_trouble(&error) {
                member.is_dead_for(self.pause(&error));
            }
            let turns_away = error.scope() == Scope::Transport && error.outcome() == Outcome::NotApplied;
            said.push(error);
            if !turns_away {
                break;
            }
        }
        Err(together(said).with_attempts(made))
    }

    /// One that works will do.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let mut said = Vec::new();
        for member in &self.members {
            match member.backend.check().await {
                Ok(()) => return Ok(()),
                Err(error) => said.push(error),
            }
        }
        Err(together(said))
    }

    /// All at once: each lets its running calls finish, and that takes its time.
    pub(super) async fn close(&self) {
        join_all(self.members.iter().map(|member| member.backend.close())).await;
    }

    fn in_order(&self, turn: usize) -> Vec<&Member<B>> {
        let now = Instant::now();
        let is_dead = |member: &&Member<B>| member.dead_until().is_some_and(|until| until > now);
        let (mut dead, mut living): (Vec<_>, Vec<_>) = self.members.iter().partition(is_dead);
        if !living.is_empty() {
            let turn = turn % living.len();
            living.rotate_left(turn);
        }
        // The one that recovers first is the one that may have recovered.
        dead.sort_by_key(|member| member.dead_until());
        living.extend(dead);
        living
    }

    /// A backend that says when it may be asked again is not asked sooner, nor left alone for longer.
    fn pause(&self, error: &Error) -> Duration {
        match error.disposition() {
            Disposition::After(wait) => wait,
            Disposition::Permanent | Disposition::Transient => self.dead_for,
        }
    }
}

impl<B> Member<B> {
    fn dead_until(&self) -> Option<Instant> {
        *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pause that no clock can tell is as good as a year.
    fn is_dead_for(&self, pause: Duration) {
        let now = Instant::now();
        let until = now.checked_add(pause).or_else(|| now.checked_add(Duration::from_hours(24 * 365)));
        *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_alive(&self) {
        *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether the error says that the next mail should go elsewhere. Time that ran out before anything was tried says only
/// how little there was of it.
fn is_in_trouble(error: &Error) -> bool {
    let untried = error.kind() == ErrorKind::Timeout && error.stage() == Stage::Prepare;
    error.scope() == Scope::Transport && !untried
}

/// The last error, with the others behind it. If any of them may pass, so may the whole.
fn together(mut said: Vec<Error>) -> Error {
    let hope = said.iter().map(Error::disposition).min_by_key(|disposition| match disposition {
        Disposition::Transient => (0, Duration::ZERO),
        Disposition::After(wait) => (1, *wait),
        Disposition::Permanent => (2, Duration::ZERO),
    });
    let last = said.pop().unwrap_or_else(|| Error::new(ErrorKind::Config, "a combination of no backends"));
    // An answer for good stands as it is, whatever others said before.
    let turned_away = last.scope() == Scope::Transport && last.outcome() == Outcome::NotApplied;
    match hope {
        Some(hope) if turned_away => last.with_disposition(hope).with_earlier(said),
        _ => last.with_earlier(said),
    }
}
