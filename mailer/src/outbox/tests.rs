use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    Address, Backend, Capabilities, Clock, Disposition, Email, Entropy, Outgoing, Receipt, Renderer,
};

/// The time at which all of this happens.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn renderer() -> Renderer {
    Renderer::new(Clock::new(noon), Entropy::new(|| [255; 16]))
}

/// Answers what it is told to, and counts.
#[derive(Clone, Debug, Default)]
struct Scripted {
    errors: Arc<Mutex<VecDeque<Error>>>,
    attempts: Arc<Mutex<Vec<u32>>>,
}

#[async_trait]
impl Backend for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.attempts.lock().unwrap().push(cx.attempt);
        match self.errors.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(Receipt::new(mail.message_id().clone(), "scripted")),
        }
    }

    async fn close(&self) {}
}

/// A store of entries that are all due, each claimed once.
#[derive(Clone, Debug, Default)]
struct Shelf {
    due: Arc<Mutex<VecDeque<Claimed>>>,
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    is_broken: Arc<AtomicBool>,
}

#[async_trait]
impl OutboxStore for Shelf {
    async fn claim(&self, limit: usize, _: Duration, _: SystemTime) -> Result<Vec<Claimed>, Error> {
        let mut due = self.due.lock().unwrap();
        let count = limit.min(due.len());
        Ok(due.drain(..count).collect())
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        if self.is_broken.swap(false, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "no table"));
        }
        let copy = match verdict {
            Verdict::Later { at, .. } => Verdict::Later { at: *at, error: Error::new(ErrorKind::Other, "") },
            Verdict::Sent(receipt) => Verdict::Sent(receipt.clone()),
            Verdict::Expired => Verdict::Expired,
            Verdict::Released => Verdict::Released,
            Verdict::Dead(_) => Verdict::Dead(Error::new(ErrorKind::Other, "")),
            Verdict::Unsure(_) => Verdict::Unsure(Error::new(ErrorKind::Other, "")),
        };
        self.verdicts.lock().unwrap().push(copy);
        Ok(lease.generation > 0)
    }

    async fn purge(&self, _: SystemTime) -> Result<u64, Error> {
        Ok(0)
    }
}

struct Setting {
    backend: Scripted,
    shelf: Shelf,
    outbox: Outbox,
}

fn setting() -> Setting {
    let (backend, shelf) = (Scripted::default(), Shelf::default());
    let mailer = Mailer::new(backend.clone(), renderer());
    let outbox = Outbox::new(shelf.clone(), mailer);
    Setting { backend, shelf, outbox }
}

impl Setting {
    fn put(&self, attempts: u32, not_after: Option<SystemTime>) {
        let address: Address = "a@example.org".parse().unwrap();
        let mut email = Email::new(address.clone(), address);
        email.not_after = not_after;
        let mail = email.render(&renderer()).unwrap();
        let lease = Lease { id: "1".to_owned(), generation: 1 };
        self.shelf.due.lock().unwrap().push_back(Claimed { lease, mail, attempts });
    }

    fn fail(&self, error: Error) {
        self.backend.errors.lock().unwrap().push_back(error);
    }

    async fn drain(&self) -> Drained {
        self.outbox.drain(100, None).await.unwrap()
    }

    fn verdict(&self) -> Verdict {
        self.shelf.verdicts.lock().unwrap().pop().unwrap()
    }
}

#[tokio::test]
async fn what_is_due_is_sent_with_the_number_of_its_attempt() {
    let s = setting();
    (0..12).for_each(|attempts| s.put(attempts, None));
    assert_eq!(s.drain().await, Drained { sent: 12, ..Drained::default() });
    assert_eq!(*s.backend.attempts.lock().unwrap(), (1..=12).collect::<Vec<_>>());
    assert!(matches!(s.verdict(), Verdict::Sent(receipt) if receipt.attempts == 12));
}

#[tokio::test]
async fn no_more_than_asked_for_is_claimed() {
    let s = setting();
    (0..25).for_each(|_| s.put(0, None));
    assert_eq!(s.outbox.drain(12, None).await.unwrap().sent, 12);
    assert_eq!(s.shelf.due.lock().unwrap().len(), 13);
}

#[tokio::test]
async fn surely_unsent_and_passing_is_tried_again_after_a_growing_pause() {
    for (attempts, pause) in [(0, 30), (1, 60), (2, 120), (10, 3600)] {
        let s = setting();
        s.put(attempts, None);
        s.fail(Error::new(ErrorKind::Throttled, ""));
        assert_eq!(s.drain().await.later, 1);
        let due = noon() + Duration::from_secs(pause);
        assert!(matches!(s.verdict(), Verdict::Later { at, .. } if at == due), "attempt {attempts}");
    }
}

#[tokio::test]
async fn a_named_wait_is_never_cut_short() {
    let s = setting();
    s.put(0, None);
    let wait = Duration::from_hours(24);
    s.fail(Error::new(ErrorKind::Quota, "").with_disposition(Disposition::After(wait)));
    s.drain().await;
    assert!(matches!(s.verdict(), Verdict::Later { at, .. } if at == noon() + wait));
}

#[tokio::test]
async fn perhaps_sent_is_surfaced_and_not_repeated() {
    for outcome in [Outcome::Unknown, Outcome::Applied] {
        let s = setting();
        s.put(0, None);
        s.fail(Error::new(ErrorKind::Timeout, "").with_outcome(outcome));
        assert_eq!(s.drain().await, Drained { unsure: 1, ..Drained::default() });
        assert!(matches!(s.verdict(), Verdict::Unsure(_)));
    }
}

#[tokio::test]
async fn permanent_faults_and_the_last_attempt_are_dead() {
    let s = setting();
    s.put(0, None);
    s.put(11, None);
    s.fail(Error::new(ErrorKind::Refused, ""));
    s.fail(Error::new(ErrorKind::Throttled, ""));
    assert_eq!(s.drain().await, Drained { dead: 2, ..Drained::default() });
}

#[tokio::test]
async fn a_wrong_password_costs_no_mail() {
    let s = setting();
    s.put(0, None);
    s.put(11, None);
    s.fail(Error::new(ErrorKind::Auth, ""));
    s.fail(Error::new(ErrorKind::Auth, ""));
    assert_eq!(s.drain().await, Drained { later: 1, dead: 1, ..Drained::default() });
}

#[tokio::test]
async fn what_is_too_late_is_never_sent() {
    let s = setting();
    s.put(0, Some(noon() - Duration::from_secs(1)));
    s.put(0, Some(noon()));
    assert_eq!(s.drain().await, Drained { sent: 1, expired: 1, ..Drained::default() });
    assert_eq!(s.backend.attempts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn past_the_deadline_nothing_is_claimed() {
    let s = setting();
    s.put(0, None);
    assert_eq!(s.outbox.drain(9, Some(Instant::now())).await.unwrap(), Drained::default());
    assert_eq!(s.shelf.due.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_counted() {
    let s = setting();
    s.put(0, None);
    s.shelf.due.lock().unwrap()[0].lease.generation = 0;
    assert_eq!(s.drain().await, Drained { sent: 1, lost: 1, ..Drained::default() });
}

#[tokio::test]
async fn a_mail_whose_workers_all_died_is_left_to_somebody_who_looks() {
    let s = setting();
    s.put(12, None);
    assert_eq!(s.drain().await, Drained { unsure: 1, ..Drained::default() });
    assert!(s.backend.attempts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_error_of_the_table_ends_the_drain_and_what_was_on_its_way_is_recorded() {
    let s = setting();
    let outbox = s.outbox.clone().with_policy(Policy { parallel: 1, batch: 3, ..Policy::default() });
    (0..6).for_each(|_| s.put(0, None));
    s.shelf.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(outbox.drain(6, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(s.shelf.due.lock().unwrap().len(), 3, "no more was claimed");
}

#[tokio::test]
async fn as_many_as_allowed_are_on_their_way_at_once() {
    /// Takes no mail before so many are there, which it counts.
    #[derive(Clone, Debug)]
    struct Ferry(Arc<tokio::sync::Barrier>, Arc<Mutex<(usize, usize)>>);

    #[async_trait]
    impl Backend for Ferry {
        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }

        async fn deliver(&self, mail: &Outgoing, _: &Context) -> Result<Receipt, Error> {
            {
                let mut aboard = self.1.lock().unwrap();
                aboard.0 += 1;
                aboard.1 = aboard.1.max(aboard.0);
            }
            self.0.wait().await;
            self.1.lock().unwrap().0 -= 1;
            Ok(Receipt::new(mail.message_id().clone(), "ferry"))
        }

        async fn close(&self) {}
    }

    let s = setting();
    (0..12).for_each(|_| s.put(0, None));
    let ferry = Ferry(Arc::new(tokio::sync::Barrier::new(4)), Arc::default());
    let outbox = Outbox::new(s.shelf.clone(), Mailer::new(ferry.clone(), renderer()));
    assert_eq!(outbox.drain(12, None).await.unwrap().sent, 12);
    assert_eq!(ferry.1.lock().unwrap().1, 4);
}

#[test]
fn mails_are_begun_in_time_to_end() {
    let now = Instant::now();
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    let reserve = Duration::from_secs(5);

    let window = Window::of_drain(Some(now + minute), reserve);
    assert_eq!(window.last_start, (now + minute).checked_sub(reserve));
    assert_eq!(window.end, Some(now + minute));

    // A drain that has no more than the reserve begins mails all the same.
    let window = Window::of_drain(Some(now + reserve), reserve);
    assert!(window.is_open() && window.last_start.unwrap() < now + reserve);

    // A lease is a limit too, whichever comes first.
    let window = Window::of_drain(Some(now + hour), reserve).within_lease(minute);
    assert!(window.last_start.unwrap() < now + hour / 2 && window.end.unwrap() < now + hour);
    let window = Window::of_drain(None, reserve);
    assert_eq!((window.last_start, window.end), (None, None));
    assert!(window.within_lease(minute).is_open());
}
