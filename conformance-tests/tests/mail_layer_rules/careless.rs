//! Layers with one slip each, and the rules that find it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mailer::layers::{MemorySuppressions, Rate, RetryPolicy};
use mailer::{
    Address, Backend, Capabilities, Context, Disposition, Entropy, Envelope, Error, ErrorKind, Outcome,
    Outgoing, Receipt, Scope, Stage,
};

use crate::bench::{drawing, everything};
use crate::makers::{Layer, Makes, Sound};

/// What a layer does wrong. Those of the first group look wrongly at what is below, those of the second answer wrongly
/// themselves, and those of the third are set up wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    /// The provider's own pause is forgotten.
    ForgetsThePause,
    /// What is permanent is taken for something that passes.
    NeverGivesUp,
    /// Perhaps sent is taken for surely not sent.
    TakesUnsureForNotSent,
    /// Perhaps sent is taken for sent.
    TakesUnsureForSent,
    /// Sent is taken for perhaps sent.
    TakesSentForUnsure,
    /// No time left is taken for a provider that does not answer.
    TakesHasteForSilence,
    /// Every fault is taken for the transport's.
    BlamesTheTransport,
    /// Every fault is taken for the message's.
    BlamesTheMessage,
    /// A refusal is taken for one that is permanent.
    TakesEachRefusalForGood,
    /// Every attempt is called the first.
    ForgetsAttempts,
    /// The backend is taken for one that can do everything.
    ClaimsEverything,
    /// The bytes are changed on the way.
    Rewrites,

    IgnoresTheDeadline,
    /// A call goes on after its caller has left.
    Detaches,
    CountsOneAttempt,
    NamesItself,
    /// The outcome of earlier attempts is forgotten.
    SaysNotSent,
    /// Only the last error is told.
    TellsTheLastOnly,
    LosesHope,
    /// After one failure everything is refused.
    Sulks,
    ChecksNothing,
    ClosesNothing,
    ReportsNobody,
    DropsTheLast,
    PrefersSmall,

    AsksOnceLess,
    NeverDoubles,
    NeverDraws,
    NeverDead,
    DeadForever,
    AlwaysTheFirst,
    TooFast,
    TooSlow,
    CountsMails,
    ForgetsAfterFailure,
    KeepsTheRate,
    SuppressesNobody,
    LearnsAlways,
    LearnsNever,
    RedirectsNobody,
    AllowsSubdomains,
}

/// Which slip which rules must find.
pub(crate) const FINDS: &[(Slip, &[&str])] = &[
    (
        Slip::ForgetsThePause,
        &[
            "retried::a_provider_is_never_asked_sooner_than_it_said",
            "retried::a_pause_longer_than_the_longest_is_not_waited_for",
            "failover::a_provider_that_says_when_is_asked_then",
        ],
    ),
    (Slip::NeverGivesUp, &["retried::what_is_permanent_is_asked_once"]),
    (
        Slip::TakesUnsureForNotSent,
        &[
            "retried::what_was_perhaps_sent_is_not_sent_again",
            "failover::it_turns_only_for_a_transport_that_surely_sent_nothing",
            "round_robin::it_turns_only_for_a_transport_that_surely_sent_nothing",
        ],
    ),
    (
        Slip::TakesUnsureForSent,
        &[
            "retried::what_the_provider_tells_apart_is_sent_again",
            "retried::copies_that_were_allowed_are_sent",
        ],
    ),
    (Slip::TakesSentForUnsure, &["retried::what_was_sent_all_the_same_is_not_sent_again"]),
    (Slip::TakesHasteForSilence, &["failover::a_caller_without_time_does_not_make_a_transport_dead"]),
    (
        Slip::BlamesTheTransport,
        &[
            "failover::it_turns_only_for_a_transport_that_surely_sent_nothing",
            "failover::a_refused_recipient_does_not_make_a_transport_dead",
            "round_robin::it_turns_only_for_a_transport_that_surely_sent_nothing",
        ],
    ),
    (
        Slip::BlamesTheMessage,
        &[
            "failover::it_turns_only_for_a_transport_that_surely_sent_nothing",
            "failover::if_all_fail_each_has_its_say",
        ],
    ),
    (Slip::TakesEachRefusalForGood, &["suppressed::a_refusal_that_may_pass_is_not_remembered"]),
    (
        Slip::ForgetsAttempts,
        &["deadlines::attempt_and_deadline_are_passed_on", "retried::it_asks_as_often_as_it_may_and_counts"],
    ),
    (
        Slip::ClaimsEverything,
        &[
            "failover::a_mail_that_not_all_could_take_is_refused_unasked",
            "rate_limited::what_would_be_refused_does_not_wait",
            "redirected::what_production_would_refuse_staging_refuses",
            "stacked::no_layer_adds_a_capability",
        ],
    ),
    (
        Slip::Rewrites,
        &["suppressed::the_bytes_are_the_same_for_the_others", "redirected::the_bytes_and_the_sender_stay"],
    ),
    (
        Slip::IgnoresTheDeadline,
        &[
            "deadlines::attempt_and_deadline_are_passed_on",
            "deadlines::nothing_is_sent_behind_the_deadline",
            "deadlines::no_other_way_is_tried_behind_the_deadline",
            "retried::no_pause_begins_that_would_end_behind_the_deadline",
            "rate_limited::a_turn_behind_the_deadline_fails_at_once_and_says_when",
            "rate_limited::a_queue_is_left_at_the_deadline",
        ],
    ),
    (
        Slip::Detaches,
        &["retried::a_dropped_call_is_not_repeated", "rate_limited::what_gives_up_has_taken_nothing"],
    ),
    (
        Slip::CountsOneAttempt,
        &[
            "retried::it_asks_as_often_as_it_may_and_counts",
            "failover::the_receipt_tells_who_took_it_and_after_how_many",
            "stacked::a_receipt_keeps_who_took_it_and_all_attempts",
        ],
    ),
    (
        Slip::NamesItself,
        &[
            "failover::the_receipt_tells_who_took_it_and_after_how_many",
            "stacked::a_receipt_keeps_who_took_it_and_all_attempts",
        ],
    ),
    (Slip::SaysNotSent, &["retried::one_attempt_that_perhaps_sent_leaves_it_open"]),
    (Slip::TellsTheLastOnly, &["failover::if_all_fail_each_has_its_say"]),
    (Slip::LosesHope, &["failover::if_any_may_pass_the_whole_may"]),
    (
        Slip::Sulks,
        &["failover::a_success_ends_the_dead_time", "failover::if_all_are_dead_they_are_asked_all_the_same"],
    ),
    (
        Slip::ChecksNothing,
        &["failover::one_that_works_is_enough_for_a_check", "stacked::check_and_close_reach_the_backend"],
    ),
    (Slip::ClosesNothing, &["failover::closing_closes_all", "stacked::check_and_close_reach_the_backend"]),
    (Slip::ReportsNobody, &["suppressed::who_is_listed_is_left_out_and_named"]),
    (Slip::DropsTheLast, &["suppressed::nobody_is_left_out_who_is_not_listed"]),
    (Slip::PrefersSmall, &["rate_limited::mails_go_in_the_order_in_which_they_came"]),
    (Slip::AsksOnceLess, &["retried::it_asks_as_often_as_it_may_and_counts"]),
    (Slip::NeverDoubles, &["retried::pauses_double_up_to_the_longest"]),
    (
        Slip::NeverDraws,
        &["retried::any_part_of_a_pause_may_be_drawn_and_never_more", "round_robin::who_begins_is_drawn"],
    ),
    (
        Slip::NeverDead,
        &[
            "failover::a_dead_one_is_passed_over_until_its_time_is_up",
            "failover::a_perhaps_sent_mail_makes_its_transport_dead",
        ],
    ),
    (Slip::DeadForever, &["failover::a_dead_one_is_passed_over_until_its_time_is_up"]),
    (
        Slip::AlwaysTheFirst,
        &[
            "round_robin::each_gets_as_many_as_any_other",
            "round_robin::one_in_trouble_is_passed_over_and_its_share_goes_to_all",
            "round_robin::who_begins_is_drawn",
        ],
    ),
    (
        Slip::TooFast,
        &[
            "rate_limited::no_span_of_time_holds_more_than_it_may",
            "rate_limited::recipients_count_and_not_mails",
        ],
    ),
    (
        Slip::TooSlow,
        &[
            "rate_limited::it_is_no_slower_than_it_must",
            "rate_limited::a_burst_goes_at_once_after_a_quiet_time",
        ],
    ),
    (Slip::CountsMails, &["rate_limited::recipients_count_and_not_mails"]),
    (Slip::ForgetsAfterFailure, &["rate_limited::a_failed_mail_counts"]),
    (Slip::KeepsTheRate, &["rate_limited::a_changed_rate_holds_for_those_who_wait"]),
    (
        Slip::SuppressesNobody,
        &["suppressed::who_is_listed_is_left_out_and_named", "suppressed::if_all_are_listed_nobody_is_asked"],
    ),
    (Slip::LearnsAlways, &["suppressed::it_learns_only_if_asked_to"]),
    (Slip::LearnsNever, &["suppressed::it_learns_whom_a_provider_refuses_for_good"]),
    (Slip::RedirectsNobody, &["redirected::no_recipient_is_left_but_the_inbox"]),
    (Slip::AllowsSubdomains, &["redirected::allowed_domains_stay_and_their_subdomains_do_not"]),
];

/// Makes layers with one slip.
pub(crate) struct Careless(pub(crate) Slip);

impl Careless {
    fn is(&self, slip: Slip) -> bool {
        self.0 == slip
    }

    /// What the layer is told about a backend below it.
    fn below(&self, inner: Layer) -> Layer {
        Arc::new(Below { inner, slip: self.0 })
    }

    /// What the caller is told about the layer.
    fn above(&self, layer: Layer) -> Layer {
        Arc::new(Above { layer, slip: self.0, failed: AtomicBool::new(false) })
    }

    fn all_below(&self, backends: Vec<Layer>) -> Vec<Layer> {
        backends.into_iter().map(|backend| self.below(backend)).collect()
    }

    fn dead_for(&self, dead_for: Duration) -> Duration {
        match self.0 {
            Slip::NeverDead => Duration::ZERO,
            Slip::DeadForever => Duration::from_hours(9),
            _ => dead_for,
        }
    }

    fn entropy(&self, entropy: Entropy) -> Entropy {
        if self.is(Slip::NeverDraws) { drawing(255) } else { entropy }
    }
}

impl Makes for Careless {
    fn retried(&self, inner: Layer, mut policy: RetryPolicy, entropy: Entropy) -> Layer {
        match self.0 {
            Slip::AsksOnceLess => policy.attempts -= 1,
            Slip::NeverDoubles => policy.longest_pause = policy.first_pause,
            _ => {}
        }
        self.above(Sound.retried(self.below(inner), policy, self.entropy(entropy)))
    }

    fn failover(&self, backends: Vec<Layer>, dead_for: Duration) -> Layer {
        self.above(Sound.failover(self.all_below(backends), self.dead_for(dead_for)))
    }

    fn round_robin(&self, backends: Vec<Layer>, entropy: Entropy) -> Layer {
        if self.is(Slip::AlwaysTheFirst) {
            return Sound.failover(backends, Duration::from_mins(1));
        }
        self.above(Sound.round_robin(self.all_below(backends), self.entropy(entropy)))
    }

    fn rate_limited(&self, inner: Layer, rate: Rate) -> (Layer, Box<dyn Fn(Rate)>) {
        let inner = self.below(inner);
        let fast = |factor: f64| Rate::per_second(factor).expect("a rate");
        let (layer, set_rate) = match self.0 {
            // No rule asks for another rate than this where it finds these two.
            Slip::TooFast => Sound.rate_limited(inner, fast(20.0).with_burst(3)),
            Slip::TooSlow => Sound.rate_limited(inner, fast(0.5).with_burst(3)),
            Slip::CountsMails => (
                Arc::new(CountsMails { inner, turn: tokio::sync::Mutex::default() }) as Layer,
                Box::new(drop) as Box<dyn Fn(Rate)>,
            ),
            Slip::ForgetsAfterFailure => {
                let limited = Mutex::new(Sound.rate_limited(Arc::clone(&inner), rate).0);
                (Arc::new(Forgets { inner, rate, limited }) as Layer, Box::new(drop) as Box<dyn Fn(Rate)>)
            }
            Slip::KeepsTheRate => (Sound.rate_limited(inner, rate).0, Box::new(drop) as Box<dyn Fn(Rate)>),
            _ => Sound.rate_limited(inner, rate),
        };
        (self.above(layer), set_rate)
    }

    fn suppressed(&self, inner: Layer, list: MemorySuppressions, learning: bool) -> Layer {
        let list = if self.is(Slip::SuppressesNobody) { MemorySuppressions::new() } else { list };
        let learning = match self.0 {
            Slip::LearnsAlways => true,
            Slip::LearnsNever => false,
            _ => learning,
        };
        self.above(Sound.suppressed(self.below(inner), list, learning))
    }

    fn redirected(&self, inner: Layer, inbox: Address, allowed: &[&str]) -> Layer {
        let inner = self.below(inner);
        self.above(match self.0 {
            Slip::RedirectsNobody => inner,
            Slip::AllowsSubdomains => {
                let more = [allowed, &["sub.example.org", "notexample.org"]].concat();
                Sound.redirected(inner, inbox, &more)
            }
            _ => Sound.redirected(inner, inbox, allowed),
        })
    }
}

/// Shows a layer something else than what its backend says.
#[derive(Debug)]
struct Below {
    inner: Layer,
    slip: Slip,
}

impl Below {
    fn mail(&self, mail: &Outgoing) -> Outgoing {
        if self.slip != Slip::Rewrites {
            return mail.clone();
        }
        let raw = [&mail.raw()[..], b"Sent from staging\r\n"].concat();
        Outgoing::new(mail.envelope().clone(), raw, mail.meta().clone()).expect("it is sound")
    }

    fn error(&self, error: Error) -> Error {
        match (self.slip, error.disposition(), error.outcome()) {
            (Slip::ForgetsThePause, Disposition::After(_), _) | (Slip::NeverGivesUp, _, _) => {
                error.with_disposition(Disposition::Transient)
            }
            (Slip::TakesUnsureForNotSent, _, Outcome::Unknown) => error.with_outcome(Outcome::NotApplied),
            (Slip::TakesUnsureForSent, _, Outcome::Unknown) => error.with_outcome(Outcome::Applied),
            (Slip::TakesSentForUnsure, _, Outcome::Applied) => error.with_outcome(Outcome::Unknown),
            (Slip::TakesHasteForSilence, ..) => error.at(Stage::Connect),
            (Slip::BlamesTheTransport, ..) => error.with_scope(Scope::Transport),
            (Slip::BlamesTheMessage, ..) => error.with_scope(Scope::Message),
            _ => error,
        }
    }
}

#[async_trait]
impl Backend for Below {
    fn capabilities(&self) -> Capabilities {
        if self.slip == Slip::ClaimsEverything { everything() } else { self.inner.capabilities() }
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let cx = if self.slip == Slip::ForgetsAttempts { cx.with_attempt(1) } else { *cx };
        let mut receipt =
            self.inner.deliver(&self.mail(mail), &cx).await.map_err(|error| self.error(error))?;
        if self.slip == Slip::TakesEachRefusalForGood {
            receipt.refused.iter_mut().for_each(|one| one.permanent = true);
        }
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Answers something else than what a layer says.
#[derive(Debug)]
struct Above {
    layer: Layer,
    slip: Slip,
    failed: AtomicBool,
}

impl Above {
    fn receipt(&self, mut receipt: Receipt) -> Receipt {
        match self.slip {
            Slip::CountsOneAttempt => receipt.attempts = 1,
            Slip::NamesItself => receipt.via = "layer".into(),
            Slip::ReportsNobody => receipt.refused.clear(),
            _ => {}
        }
        receipt
    }

    fn error(&self, error: Error) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        match self.slip {
            Slip::CountsOneAttempt => error.with_attempts(1),
            Slip::SaysNotSent => error.with_outcome(Outcome::NotApplied),
            Slip::TellsTheLastOnly => error.with_earlier(Vec::new()),
            Slip::LosesHope => error.with_disposition(Disposition::Permanent),
            _ => error,
        }
    }
}

#[async_trait]
impl Backend for Above {
    fn capabilities(&self) -> Capabilities {
        self.layer.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let (mut mail, mut cx) = (mail.clone(), *cx);
        match self.slip {
            Slip::IgnoresTheDeadline => cx.deadline = None,
            Slip::Sulks if self.failed.load(Ordering::Relaxed) => {
                return Err(Error::new(ErrorKind::Unavailable, ""));
            }
            Slip::PrefersSmall if mail.envelope().to().len() > 5 => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Slip::DropsTheLast => {
                let (from, to) = (mail.envelope().from().cloned(), mail.envelope().to());
                let left = to[..to.len().saturating_sub(1).max(1)].to_vec();
                mail = mail.with_envelope(Envelope::new(from, left).expect("one is left"));
            }
            _ => {}
        }
        let answer = if self.slip == Slip::Detaches {
            let layer = Arc::clone(&self.layer);
            tokio::spawn(async move { layer.deliver(&mail, &cx).await }).await.expect("no panic")
        } else {
            self.layer.deliver(&mail, &cx).await
        };
        answer.map(|receipt| self.receipt(receipt)).map_err(|error| self.error(error))
    }

    async fn check(&self) -> Result<(), Error> {
        if self.slip == Slip::ChecksNothing { Ok(()) } else { self.layer.check().await }
    }

    async fn close(&self) {
        if self.slip != Slip::ClosesNothing {
            self.layer.close().await;
        }
    }
}

/// Ten mails a second, whatever they weigh.
#[derive(Debug)]
struct CountsMails {
    inner: Layer,
    turn: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Backend for CountsMails {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let _turn = self.turn.lock().await;
        let receipt = self.inner.deliver(mail, cx).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        receipt
    }

    async fn close(&self) {}
}

/// A rate that begins anew after each failure.
#[derive(Debug)]
struct Forgets {
    inner: Layer,
    rate: Rate,
    limited: Mutex<Layer>,
}

#[async_trait]
impl Backend for Forgets {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let limited = Arc::clone(&self.limited.lock().expect("not poisoned"));
        let answer = limited.deliver(mail, cx).await;
        if answer.is_err() {
            let (anew, _) = Sound.rate_limited(Arc::clone(&self.inner), self.rate);
            *self.limited.lock().expect("not poisoned") = anew;
        }
        answer
    }

    async fn close(&self) {}
}
