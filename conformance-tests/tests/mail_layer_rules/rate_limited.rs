//! How fast mails go.

use std::sync::Arc;

use mailer::layers::Rate;
use mailer::{Backend as _, Context, Disposition, ErrorKind, Outcome};
use tokio::time::Instant;

use crate::bench::{Answer, DOWN, SECOND, Script, deliver, mail, mail_to_many, rounded, within};
use crate::makers::{Layer, Makes};

crate::rules!["rate_limited";
    no_span_of_time_holds_more_than_it_may,
    recipients_count_and_not_mails,
    a_burst_goes_at_once_after_a_quiet_time,
    it_is_no_slower_than_it_must,
    mails_go_in_the_order_in_which_they_came,
    what_gives_up_has_taken_nothing,
    a_turn_behind_the_deadline_fails_at_once_and_says_when,
    a_queue_is_left_at_the_deadline,
    what_would_be_refused_does_not_wait,
    a_failed_mail_counts,
    a_changed_rate_holds_for_those_who_wait,
];

fn rate(per_second: f64, burst: u32) -> Rate {
    Rate::per_second(per_second).expect("a rate").with_burst(burst)
}

/// Hands over mails for so many recipients each, all at once, and says when how many went.
async fn all_at_once(layer: &Layer, script: &Script, counts: &[usize]) -> Vec<(f64, usize)> {
    let began = Instant::now();
    let tasks: Vec<_> = counts
        .iter()
        .map(|count| {
            let (layer, mail) = (Arc::clone(layer), mail_to_many(*count));
            tokio::spawn(async move { layer.deliver(&mail, &Context::new()).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("taken");
    }
    script.calls().iter().map(|call| (rounded(call.at - began), call.to.len())).collect()
}

async fn no_span_of_time_holds_more_than_it_may(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(5.0, 3));
    let went = all_at_once(&layer, &script, &[1; 40]).await;
    for (start, _) in &went {
        for span in [0.19, 1.0, 3.0] {
            let within = went.iter().filter(|(at, _)| (*start..start + span).contains(at)).count();
            let within = f64::from(u32::try_from(within).expect("a few"));
            assert!(within <= span.mul_add(5.0, 3.0), "{within} within {span} s of {start}");
        }
    }
}

async fn recipients_count_and_not_mails(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(10.0, 1));
    let went = all_at_once(&layer, &script, &[1, 20, 5, 1]).await;
    assert_eq!(went, [(0.0, 1), (0.1, 20), (2.1, 5), (2.6, 1)]);
}

async fn a_burst_goes_at_once_after_a_quiet_time(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(1.0, 3));
    let went = all_at_once(&layer, &script, &[1; 5]).await;
    assert_eq!(went.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0.0, 0.0, 0.0, 1.0, 2.0]);
    // A quiet time fills up the burst and no more than that.
    crate::bench::advance(SECOND * 60).await;
    let before = script.count();
    let went = all_at_once(&layer, &script, &[1; 5]).await;
    let last = went[before..].iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(last, [0.0, 0.0, 0.0, 1.0, 2.0]);
}

async fn it_is_no_slower_than_it_must(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(10.0, 5));
    let went = all_at_once(&layer, &script, &[1; 105]).await;
    // The first five go at once, the others at ten a second.
    let (last, _) = went[104];
    assert!(last <= 10.2, "the last of 105 went after {last} s");
}

async fn mails_go_in_the_order_in_which_they_came(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(2.0, 1));
    let went = all_at_once(&layer, &script, &[9, 1, 2, 8, 3, 7, 4]).await;
    assert_eq!(went.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [9, 1, 2, 8, 3, 7, 4]);
}

async fn what_gives_up_has_taken_nothing(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(1.0, 1));
    deliver(&*layer).await.expect("the first goes at once");
    tokio::time::timeout(SECOND / 2, layer.deliver(&mail_to_many(50), &Context::new()))
        .await
        .expect_err("it waits");
    layer.deliver(&mail_to_many(50), &within(SECOND / 4)).await.expect_err("its turn comes later");
    deliver(&*layer).await.expect("the next goes when its turn is");
    assert_eq!(script.gaps(), [1.0]);
}

async fn a_turn_behind_the_deadline_fails_at_once_and_says_when(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(0.1, 1));
    deliver(&*layer).await.expect("the first goes at once");
    let began = Instant::now();
    let error = layer.deliver(&mail(), &within(SECOND * 5)).await.expect_err("its turn is in ten seconds");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotApplied));
    let Disposition::After(wait) = error.disposition() else { panic!("it does not say when") };
    assert_eq!((rounded(wait), rounded(began.elapsed()), script.count()), (10.0, 0.0, 1));
}

async fn a_queue_is_left_at_the_deadline(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, _) = makes.rate_limited(script.clone(), rate(0.1, 1));
    deliver(&*layer).await.expect("the first goes at once");
    let patient = {
        let layer = Arc::clone(&layer);
        tokio::spawn(async move { deliver(&*layer).await })
    };
    tokio::task::yield_now().await;
    let began = Instant::now();
    let error = layer.deliver(&mail(), &within(SECOND * 5)).await.expect_err("another one is before it");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotApplied));
    assert!(rounded(began.elapsed()) <= 5.01, "it waited on");
    patient.await.expect("no panic").expect("taken");
    assert_eq!(script.gaps(), [10.0]);
}

async fn what_would_be_refused_does_not_wait(makes: &dyn Makes) {
    let mut can = crate::bench::everything();
    can.max_recipients = Some(2);
    let script = Script::able("it", can);
    let (layer, _) = makes.rate_limited(script.clone(), rate(0.1, 1));
    deliver(&*layer).await.expect("the first goes at once");
    let began = Instant::now();
    let error = layer.deliver(&mail_to_many(3), &Context::new()).await.expect_err("too many");
    assert_eq!((error.kind(), rounded(began.elapsed())), (ErrorKind::Unsupported, 0.0));
}

async fn a_failed_mail_counts(makes: &dyn Makes) {
    let script = Script::new("it", [Answer::Fails(DOWN)]);
    let (layer, _) = makes.rate_limited(script.clone(), rate(0.5, 1));
    deliver(&*layer).await.expect_err("it is down");
    deliver(&*layer).await.expect("taken");
    assert_eq!(script.gaps(), [2.0]);
}

async fn a_changed_rate_holds_for_those_who_wait(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let (layer, set_rate) = makes.rate_limited(script.clone(), rate(0.001, 1));
    deliver(&*layer).await.expect("the first goes at once");
    let waiting = {
        let layer = Arc::clone(&layer);
        tokio::spawn(async move { deliver(&*layer).await })
    };
    crate::bench::advance(SECOND * 3).await;
    set_rate(rate(1.0, 1));
    waiting.await.expect("no panic").expect("taken");
    deliver(&*layer).await.expect("taken");
    assert_eq!(script.gaps(), [4.0, 1.0]);
}
