//! The outbox suite is itself tested: the example in the documentation of `OutboxStore` passes every case, and for every
//! case there is a table with one flaw that the case must find.

#[path = "../../mailer/src/outbox/example.rs"]
mod example;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use conformance_tests::mailer::outbox::{Entry, Harness, Moment, Setting, State, Table, cases};
use conformance_tests::{Absent, Verdict as Judgement};
use example::Row;
use mailer::{Claimed, Clock, Error, ErrorKind, Lease, MessageId, Meta, OutboxStore, Outgoing, Verdict};

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// Nothing.
    None,
    /// A mail whose transaction is rolled back is there.
    AddsOutsideTheTransaction,
    /// What is known of a mail beside its bytes is not stored.
    ForgetsMeta,
    /// Mails are rendered anew when claimed.
    RenewsTheMessageId,
    IgnoresKeys,
    ForgetsKeysOfSettled,
    /// Two mails of the same size are taken for the same.
    MergesEqualMails,
    NewestFirst,
    ClaimsOneTooMany,
    /// Everything is always due.
    IgnoresDue,
    LeasesNothing,
    LeasesForEver,
    HasOneGeneration,
    CountsNoClaims,
    CountsReleased,
    TrustsLateWorkers,
    /// It looks first and claims then.
    ClaimsInTwoSteps,
    FailsOnDamaged,
    SkipsDamaged,
    /// A lease that ends later than it could have been given is not believed.
    DoubtsLeases,
    TriesTheDeadAgain,
    TakesUnsureForDead,
    KeepsBytes,
    BlanksAll,
    ForgetsReasons,
    /// Later is now.
    WaitsForNothing,
    /// Later is after the lease at least.
    KeepsTheLease,
    /// The lease stays when it is given back.
    ReleasesNothing,
    SettlesTheFirst,
    PurgesAllSettled,
    PurgesAll,
    /// A mail is out of the table while it is claimed or settled.
    TakesOutAndPutsBack,
    /// What a killed process had claimed is gone.
    DiesWithItsWorkers,
}

/// Which flaw which case must find.
const FINDS: &[(Flaw, &[&str])] = &[
    (Flaw::AddsOutsideTheTransaction, &["outbox::adding::what_was_rolled_back_is_never_claimed"]),
    (
        Flaw::ForgetsMeta,
        &[
            "outbox::adding::what_was_added_is_claimed_as_it_was",
            "outbox::drains::what_is_too_late_is_never_sent",
        ],
    ),
    (
        Flaw::RenewsTheMessageId,
        &[
            "outbox::adding::what_was_added_is_claimed_as_it_was",
            "outbox::crashes::ended_before_recording_a_mail_is_sent_again_as_the_same",
            "outbox::crashes::killed_before_recording_a_process_repeats_the_same_mail",
        ],
    ),
    (
        Flaw::IgnoresKeys,
        &["outbox::adding::a_key_names_one_entry", "outbox::adding::a_settled_entry_keeps_its_key"],
    ),
    (Flaw::ForgetsKeysOfSettled, &["outbox::adding::a_settled_entry_keeps_its_key"]),
    (Flaw::MergesEqualMails, &["outbox::adding::mails_without_a_key_are_entries_of_their_own"]),
    (Flaw::NewestFirst, &["outbox::claims::the_oldest_due_come_first_and_no_more_than_asked_for"]),
    (Flaw::ClaimsOneTooMany, &["outbox::claims::the_oldest_due_come_first_and_no_more_than_asked_for"]),
    (Flaw::IgnoresDue, &["outbox::claims::what_is_not_due_waits"]),
    (Flaw::LeasesNothing, &["outbox::claims::a_lease_keeps_others_away_until_it_ends"]),
    (
        Flaw::LeasesForEver,
        &[
            "outbox::claims::a_lease_keeps_others_away_until_it_ends",
            "outbox::crashes::ended_before_sending_a_mail_is_sent_by_the_next",
        ],
    ),
    (Flaw::HasOneGeneration, &["outbox::claims::a_lease_keeps_others_away_until_it_ends"]),
    (
        Flaw::CountsNoClaims,
        &[
            "outbox::claims::each_claim_counts_until_it_is_released",
            "outbox::drains::a_poisonous_mail_dies_and_the_others_flow",
        ],
    ),
    (Flaw::CountsReleased, &["outbox::claims::each_claim_counts_until_it_is_released"]),
    (Flaw::TrustsLateWorkers, &["outbox::claims::a_late_worker_has_no_say"]),
    (
        Flaw::ClaimsInTwoSteps,
        &[
            "outbox::claims::claims_at_the_same_time_share_nothing",
            "outbox::drains::two_at_once_send_each_mail_once",
        ],
    ),
    (Flaw::FailsOnDamaged, &["outbox::claims::a_damaged_mail_is_dead_and_blocks_nothing"]),
    (Flaw::SkipsDamaged, &["outbox::claims::a_damaged_mail_is_dead_and_blocks_nothing"]),
    (Flaw::DoubtsLeases, &["outbox::claims::a_clock_that_goes_back_repeats_and_loses_nothing"]),
    (
        Flaw::TriesTheDeadAgain,
        &[
            "outbox::settling::what_is_settled_is_never_claimed_again",
            "outbox::drains::a_poisonous_mail_dies_and_the_others_flow",
        ],
    ),
    (
        Flaw::TakesUnsureForDead,
        &[
            "outbox::settling::what_is_settled_is_never_claimed_again",
            "outbox::drains::what_may_have_gone_out_is_surfaced_and_never_repeated",
        ],
    ),
    (
        Flaw::KeepsBytes,
        &[
            "outbox::settling::what_a_mail_said_is_forgotten_when_it_has_done_its_duty",
            "outbox::drains::what_is_too_late_is_never_sent",
        ],
    ),
    (Flaw::BlanksAll, &["outbox::settling::a_mail_that_is_dead_or_unsure_is_kept"]),
    (
        Flaw::ForgetsReasons,
        &[
            "outbox::settling::what_went_wrong_can_be_read",
            "outbox::drains::what_may_have_gone_out_is_surfaced_and_never_repeated",
        ],
    ),
    (Flaw::WaitsForNothing, &["outbox::settling::a_mail_for_later_waits_whole_until_its_time"]),
    (Flaw::KeepsTheLease, &["outbox::settling::a_mail_for_later_waits_whole_until_its_time"]),
    (
        Flaw::ReleasesNothing,
        &[
            "outbox::settling::what_is_released_is_due_at_once",
            "outbox::drains::at_its_deadline_a_drain_keeps_nothing_claimed",
        ],
    ),
    (Flaw::SettlesTheFirst, &["outbox::settling::several_settled_together_are_each_settled"]),
    (Flaw::PurgesAllSettled, &["outbox::settling::purging_removes_what_was_settled_before_and_nothing_else"]),
    (Flaw::PurgesAll, &["outbox::settling::purging_removes_what_was_settled_before_and_nothing_else"]),
    (Flaw::TakesOutAndPutsBack, &["outbox::settling::a_dropped_call_leaves_an_entry_before_or_after_it"]),
    (
        Flaw::DiesWithItsWorkers,
        &[
            "outbox::crashes::killed_before_sending_a_process_loses_nothing",
            "outbox::crashes::killed_before_recording_a_process_repeats_the_same_mail",
        ],
    ),
];

#[test]
fn the_example_passes_every_case() {
    for case in cases() {
        assert_eq!(case.judge(&Workshop(Flaw::None)), Judgement::Passed, "{}", case.name());
    }
}

#[test]
fn each_flaw_is_found_by_the_cases_named_for_it() {
    for (flaw, names) in FINDS {
        for name in *names {
            let case = cases().into_iter().find(|case| case.name() == *name);
            let case = case.unwrap_or_else(|| panic!("there is no case {name}"));
            let judgement = case.judge(&Workshop(*flaw));
            assert!(matches!(judgement, Judgement::Failed(_)), "{flaw:?}: {name}: {judgement:?}");
        }
    }
}

#[test]
fn every_case_finds_some_flaw() {
    let named: BTreeSet<&str> = FINDS.iter().flat_map(|(_, names)| *names).copied().collect();
    for case in cases() {
        assert!(named.contains(case.name()), "nothing shows that {} can fail", case.name());
    }
}

/// Makes tables with one flaw.
struct Workshop(Flaw);

#[async_trait]
impl Harness for Workshop {
    async fn open(&self) -> Result<Setting, Absent> {
        let broken = Arc::new(Broken {
            flaw: self.0,
            table: example::Table::new(Clock::system()),
            damaged: Mutex::default(),
        });
        Ok(Setting { store: broken.clone(), table: broken })
    }
}

/// The example with a flaw.
#[derive(Debug)]
struct Broken {
    flaw: Flaw,
    table: example::Table,
    damaged: Mutex<BTreeSet<String>>,
}

type Rows = std::collections::BTreeMap<String, Row>;

impl Broken {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.table.rows.lock().expect("nobody panics while holding it")
    }

    /// A claim and then, for as long as nobody drops it, the mails are back.
    async fn out_and_back(&self) {
        if self.is(Flaw::TakesOutAndPutsBack) {
            let all = std::mem::take(&mut *self.rows());
            tokio::task::yield_now().await;
            *self.rows() = all;
        }
    }

    /// What a table does that meets something unreadable.
    fn settle_damaged(&self, now: SystemTime) -> Result<(), Error> {
        let mut rows = self.rows();
        for id in &*self.damaged.lock().expect("nobody panics while holding it") {
            let row = rows.get_mut(id).expect("it was there");
            if row.settled.is_some() || row.due_at > now {
                continue;
            }
            match self.flaw {
                Flaw::FailsOnDamaged => return Err(Error::new(ErrorKind::Other, "unreadable")),
                Flaw::SkipsDamaged => row.due_at = now + Duration::from_hours(1),
                _ => {
                    row.settled = Some(("dead", now));
                    row.reason = Some("unreadable".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Spoils the rows before a claim looks at them.
    fn before_claim(&self, now: SystemTime, lease: Duration) {
        for row in self.rows().values_mut().filter(|row| row.settled.is_none()) {
            match self.flaw {
                Flaw::IgnoresDue => row.due_at = row.due_at.min(now),
                Flaw::DoubtsLeases if row.due_at > now + lease => row.due_at = now,
                Flaw::CountsNoClaims => row.attempts = 0,
                _ => {}
            }
        }
    }

    /// Spoils what was claimed.
    fn after_claim(&self, mut claimed: Vec<Claimed>) -> Vec<Claimed> {
        for one in &mut claimed {
            let (envelope, raw) = (one.mail.envelope().clone(), one.mail.raw().clone());
            match self.flaw {
                Flaw::ForgetsMeta => {
                    one.mail = Outgoing::new(envelope, raw, Meta::default()).expect("a mail");
                }
                Flaw::RenewsTheMessageId => {
                    let text = String::from_utf8_lossy(&raw);
                    let (old, new) =
                        (one.mail.message_id().as_str(), format!("{}@new.example", one.lease.generation));
                    let raw = text.replace(old, &new).into_bytes();
                    one.mail = Outgoing::new(envelope, raw, one.mail.meta().clone()).expect("a mail");
                }
                Flaw::HasOneGeneration => one.lease.generation = 1,
                _ => {}
            }
        }
        claimed
    }

    /// Looks, lets others look, and claims what it has seen.
    async fn claim_in_two_steps(&self, limit: usize, lease: Duration, now: SystemTime) -> Vec<Claimed> {
        let seen: Vec<String> = {
            let rows = self.rows();
            let due = rows.iter().filter(|(_, row)| row.settled.is_none() && row.due_at <= now);
            due.take(limit).map(|(id, _)| id.clone()).collect()
        };
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let mut rows = self.rows();
        let claim = |id: String| {
            let row = rows.get_mut(&id).expect("it was seen");
            (row.due_at, row.leased, row.generation) = (now + lease, true, row.generation + 1);
            let lease = Lease { id, generation: row.generation };
            Some(Claimed { lease, mail: row.mail.clone()?, attempts: 0 })
        };
        seen.into_iter().filter_map(claim).collect()
    }
}

#[async_trait]
impl OutboxStore for Broken {
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error> {
        self.settle_damaged(now)?;
        self.before_claim(now, lease);
        self.out_and_back().await;
        if self.is(Flaw::ClaimsInTwoSteps) {
            return Ok(self.claim_in_two_steps(limit, lease, now).await);
        }
        let (limit, lease) = match self.flaw {
            Flaw::NewestFirst => (usize::MAX, lease),
            Flaw::ClaimsOneTooMany => (limit + 1, lease),
            Flaw::LeasesNothing => (limit, Duration::ZERO),
            Flaw::LeasesForEver => (limit, lease * 1000),
            _ => (limit, lease),
        };
        let mut claimed = self.table.claim(limit, lease, now).await?;
        if self.is(Flaw::NewestFirst) {
            claimed.reverse();
        }
        Ok(self.after_claim(claimed))
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        let mut lease = lease.clone();
        let before = self.rows().get(&lease.id).cloned();
        if let Some(row) =
            before.as_ref().filter(|_| self.is(Flaw::TrustsLateWorkers) || self.is(Flaw::HasOneGeneration))
        {
            lease.generation = row.generation;
        }
        self.out_and_back().await;
        let kept = self.table.settle(&lease, verdict).await?;
        let mut rows = self.rows();
        let (Some(before), Some(row), true) = (before, rows.get_mut(&lease.id), kept) else {
            return Ok(kept);
        };
        match (self.flaw, verdict) {
            (Flaw::CountsReleased, Verdict::Released) => row.attempts += 1,
            (Flaw::ReleasesNothing, Verdict::Released) | (Flaw::KeepsTheLease, _) => {
                row.due_at = before.due_at.max(row.due_at);
            }
            (Flaw::WaitsForNothing, _) => row.due_at = SystemTime::UNIX_EPOCH,
            (Flaw::TriesTheDeadAgain, Verdict::Dead(_)) => *row = before,
            (Flaw::TakesUnsureForDead, Verdict::Unsure(_)) => {
                row.settled = row.settled.map(|(_, at)| ("dead", at));
            }
            (Flaw::KeepsBytes, _) => row.mail = before.mail,
            (Flaw::BlanksAll, _) if row.settled.is_some() => row.mail = None,
            (Flaw::ForgetsReasons, _) => row.reason = None,
            _ => {}
        }
        Ok(kept)
    }

    async fn settle_all(&self, settled: &[(Lease, Verdict)]) -> Result<Vec<bool>, Error> {
        let mut kept = Vec::new();
        for (n, (lease, verdict)) in settled.iter().enumerate() {
            let is_left_out = self.is(Flaw::SettlesTheFirst) && n > 0;
            kept.push(is_left_out || self.settle(lease, verdict).await?);
        }
        Ok(kept)
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Error> {
        let all = self.rows().len() as u64;
        match self.flaw {
            Flaw::PurgesAll => self.rows().clear(),
            Flaw::PurgesAllSettled => self.rows().retain(|_, row| row.settled.is_none()),
            _ => return self.table.purge(before).await,
        }
        Ok(all - self.rows().len() as u64)
    }
}

#[async_trait]
impl Table for Broken {
    async fn enqueue(&self, mail: &Outgoing, due: SystemTime) -> String {
        let settled = |row: &Row| row.settled.is_some() && self.is(Flaw::ForgetsKeysOfSettled);
        self.rows().retain(|_, row| !settled(row));
        let same = |row: &Row| row.mail.as_ref().is_some_and(|other| other.raw().len() == mail.raw().len());
        if self.is(Flaw::MergesEqualMails)
            && let Some((id, _)) = self.rows().iter().find(|(_, row)| same(row))
        {
            return id.clone();
        }
        if self.is(Flaw::IgnoresKeys) {
            let keyless = Outgoing::new(mail.envelope().clone(), mail.raw().clone(), Meta::default());
            return self.table.enqueue(&keyless.expect("a mail"), due);
        }
        self.table.enqueue(mail, due)
    }

    async fn entry(&self, id: &str) -> Option<Entry> {
        let rows = self.rows();
        let row = rows.get(id)?;
        let state = match row.settled {
            None => State::Waiting,
            Some(("sent", _)) => State::Sent,
            Some(("dead", _)) => State::Dead,
            Some(("expired", _)) => State::Expired,
            Some(_) => State::Unsure,
        };
        let mail = row.mail.as_ref().map_or(String::new(), |mail| serde_json::to_string(mail).expect("text"));
        Some(Entry { state, mail, reason: row.reason.clone() })
    }

    async fn enqueue_and_roll_back(&self, mail: &Outgoing, due: SystemTime) -> Result<(), Absent> {
        let before = self.rows().clone();
        self.table.enqueue(mail, due);
        if !self.is(Flaw::AddsOutsideTheTransaction) {
            *self.rows() = before;
        }
        Ok(())
    }

    async fn damage(&self, id: &str) -> Result<(), Absent> {
        self.damaged.lock().expect("nobody panics while holding it").insert(id.to_owned());
        Ok(())
    }

    /// A worker that is killed and one that is forgotten look the same to a table in memory.
    async fn drain_and_be_killed(&self, lease: Duration, at: Moment) -> Result<Vec<MessageId>, Absent> {
        let claimed = self.claim(10, lease, Clock::system().now()).await.expect("a claim is answered");
        if self.is(Flaw::DiesWithItsWorkers) {
            self.rows().clear();
        }
        let sent = usize::from(at == Moment::BeforeRecording);
        Ok(claimed.iter().take(sent).map(|claimed| claimed.mail.message_id().clone()).collect())
    }
}
