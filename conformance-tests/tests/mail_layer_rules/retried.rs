//! When a mail is sent again.

use std::time::Duration;

use mailer::layers::RetryPolicy;
use mailer::{Backend as _, Context, Disposition, Outcome, Scope};

use crate::bench::{
    Answer, DOWN, Fault, HOPELESS, SECOND, Script, UNSURE, deliver, drawing, everything, mail, mail_with_key,
    within,
};
use crate::makers::Makes;

crate::rules!["retried";
    it_asks_as_often_as_it_may_and_counts,
    pauses_double_up_to_the_longest,
    any_part_of_a_pause_may_be_drawn_and_never_more,
    a_provider_is_never_asked_sooner_than_it_said,
    a_pause_longer_than_the_longest_is_not_waited_for,
    what_is_permanent_is_asked_once,
    what_was_perhaps_sent_is_not_sent_again,
    what_the_provider_tells_apart_is_sent_again,
    copies_that_were_allowed_are_sent,
    what_was_sent_all_the_same_is_not_sent_again,
    one_attempt_that_perhaps_sent_leaves_it_open,
    no_pause_begins_that_would_end_behind_the_deadline,
    a_dropped_call_is_not_repeated,
];

fn policy(attempts: u32) -> RetryPolicy {
    RetryPolicy { attempts, first_pause: SECOND, longest_pause: SECOND * 5, duplicates: false }
}

async fn it_asks_as_often_as_it_may_and_counts(makes: &dyn Makes) {
    let down = Script::failing("down", DOWN);
    let error = deliver(&*makes.retried(down.clone(), policy(4), drawing(0))).await.expect_err("it is down");
    assert_eq!((down.count(), error.attempts()), (4, 4));
    let attempts: Vec<u32> = down.calls().iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);

    let shaky = Script::new("shaky", [Answer::Fails(DOWN), Answer::Fails(DOWN)]);
    let layer = makes.retried(shaky.clone(), policy(4), drawing(0));
    let receipt = layer.deliver(&mail(), &Context::new().with_attempt(3)).await.expect("the third is taken");
    assert_eq!((shaky.count(), receipt.attempts), (3, 5));
}

async fn pauses_double_up_to_the_longest(makes: &dyn Makes) {
    let down = Script::failing("down", DOWN);
    deliver(&*makes.retried(down.clone(), policy(6), drawing(255))).await.expect_err("it is down");
    assert_eq!(down.gaps(), [1.0, 2.0, 4.0, 5.0, 5.0]);
}

async fn any_part_of_a_pause_may_be_drawn_and_never_more(makes: &dyn Makes) {
    for (drawn, gaps) in [(0, [0.0, 0.0, 0.0]), (128, [0.5, 1.0, 2.01]), (255, [1.0, 2.0, 4.0])] {
        let down = Script::failing("down", DOWN);
        deliver(&*makes.retried(down.clone(), policy(4), drawing(drawn))).await.expect_err("it is down");
        assert_eq!(down.gaps(), gaps, "drawing {drawn}");
    }
}

async fn a_provider_is_never_asked_sooner_than_it_said(makes: &dyn Makes) {
    let later = Fault(Scope::Transport, Disposition::After(SECOND * 4), Outcome::NotApplied);
    for (drawn, gap) in [(0, 4.0), (255, 5.0)] {
        let busy = Script::new("busy", [Answer::Fails(later)]);
        deliver(&*makes.retried(busy.clone(), policy(2), drawing(drawn))).await.expect("it is taken then");
        assert_eq!(busy.gaps(), [gap]);
    }
}

async fn a_pause_longer_than_the_longest_is_not_waited_for(makes: &dyn Makes) {
    let tomorrow = Fault(Scope::Transport, Disposition::After(Duration::from_hours(9)), Outcome::NotApplied);
    let busy = Script::new("busy", [Answer::Fails(tomorrow)]);
    let error = deliver(&*makes.retried(busy.clone(), policy(2), drawing(0))).await.expect_err("not now");
    assert_eq!(error.disposition(), Disposition::After(Duration::from_hours(9)));
    assert_eq!(busy.count(), 1);
}

async fn what_is_permanent_is_asked_once(makes: &dyn Makes) {
    let hopeless = Script::failing("hopeless", HOPELESS);
    deliver(&*makes.retried(hopeless.clone(), policy(4), drawing(0))).await.expect_err("hopeless");
    assert_eq!(hopeless.count(), 1);
}

async fn what_was_perhaps_sent_is_not_sent_again(makes: &dyn Makes) {
    let mut can = everything();
    // A key alone does not help, nor does a provider that would know it.
    for (dedupe, mail) in [(false, mail()), (false, mail_with_key()), (true, mail())] {
        can.dedupe = dedupe;
        let unsure = Script::build("unsure", [Answer::Fails(UNSURE)], can.clone(), Duration::ZERO);
        let layer = makes.retried(unsure.clone(), policy(4), drawing(0));
        let error = layer.deliver(&mail, &Context::new()).await.expect_err("nobody knows");
        assert_eq!((unsure.count(), error.outcome()), (1, Outcome::Unknown));
    }
}

async fn what_the_provider_tells_apart_is_sent_again(makes: &dyn Makes) {
    let mut can = everything();
    can.dedupe = true;
    let unsure = Script::build("unsure", [Answer::Fails(UNSURE)], can, Duration::ZERO);
    let layer = makes.retried(unsure.clone(), policy(4), drawing(0));
    layer.deliver(&mail_with_key(), &Context::new()).await.expect("it is taken once");
    assert_eq!(unsure.count(), 2);
}

async fn copies_that_were_allowed_are_sent(makes: &dyn Makes) {
    let unsure = Script::new("unsure", [Answer::Fails(UNSURE)]);
    let policy = RetryPolicy { duplicates: true, ..policy(4) };
    deliver(&*makes.retried(unsure.clone(), policy, drawing(0))).await.expect("it is taken, perhaps twice");
    assert_eq!(unsure.count(), 2);
}

async fn what_was_sent_all_the_same_is_not_sent_again(makes: &dyn Makes) {
    let applied = Fault(Scope::Transport, Disposition::Transient, Outcome::Applied);
    let sent = Script::failing("sent", applied);
    let policy = RetryPolicy { duplicates: true, ..policy(4) };
    deliver(&*makes.retried(sent.clone(), policy, drawing(0))).await.expect_err("it failed afterwards");
    assert_eq!(sent.count(), 1);
}

async fn one_attempt_that_perhaps_sent_leaves_it_open(makes: &dyn Makes) {
    let shaky = Script::new("shaky", [Answer::Fails(UNSURE), Answer::Fails(HOPELESS)]);
    let policy = RetryPolicy { duplicates: true, ..policy(4) };
    let error =
        deliver(&*makes.retried(shaky.clone(), policy, drawing(0))).await.expect_err("it failed twice");
    assert_eq!((shaky.count(), error.outcome()), (2, Outcome::Unknown));
}

async fn no_pause_begins_that_would_end_behind_the_deadline(makes: &dyn Makes) {
    let down = Script::failing("down", DOWN);
    let layer = makes.retried(down.clone(), policy(9), drawing(255));
    let began = tokio::time::Instant::now();
    layer.deliver(&mail(), &within(SECOND * 5)).await.expect_err("it is down");
    // The third pause would last from second 3 to second 7.
    assert_eq!((down.gaps(), crate::bench::rounded(began.elapsed())), (vec![1.0, 2.0], 3.0));
}

async fn a_dropped_call_is_not_repeated(makes: &dyn Makes) {
    let down = Script::failing("down", DOWN);
    let layer = makes.retried(down.clone(), policy(9), drawing(255));
    let dropped = tokio::time::timeout(SECOND / 2, deliver(&*layer)).await;
    dropped.expect_err("it pauses");
    crate::bench::advance(SECOND * 60).await;
    assert_eq!(down.count(), 1);
}
