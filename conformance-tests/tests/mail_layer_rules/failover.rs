//! When a mail goes by another way.

use mailer::{Backend as _, Context, Disposition, ErrorKind, Outcome, Refused, Scope};

use crate::bench::{
    Answer, DOWN, Fault, HOPELESS, SECOND, Script, UNSURE, address, advance, deliver, everything, mail,
    mail_to_many, within,
};
use crate::makers::Makes;

crate::rules!["failover";
    it_turns_only_for_a_transport_that_surely_sent_nothing,
    a_refused_recipient_does_not_make_a_transport_dead,
    a_dead_one_is_passed_over_until_its_time_is_up,
    a_perhaps_sent_mail_makes_its_transport_dead,
    a_caller_without_time_does_not_make_a_transport_dead,
    a_provider_that_says_when_is_asked_then,
    a_success_ends_the_dead_time,
    if_all_are_dead_they_are_asked_all_the_same,
    if_all_fail_each_has_its_say,
    if_any_may_pass_the_whole_may,
    the_receipt_tells_who_took_it_and_after_how_many,
    a_mail_that_not_all_could_take_is_refused_unasked,
    one_that_works_is_enough_for_a_check,
    closing_closes_all,
];

async fn it_turns_only_for_a_transport_that_surely_sent_nothing(makes: &dyn Makes) {
    for scope in [Scope::Message, Scope::Recipients, Scope::Transport] {
        for outcome in [Outcome::NotApplied, Outcome::Applied, Outcome::Unknown] {
            let fault = Fault(scope, Disposition::Transient, outcome);
            let (first, second) = (Script::failing("first", fault), Script::new("second", []));
            let layer = makes.failover(vec![first, second.clone()], SECOND * 60);
            let answer = deliver(&*layer).await;
            let turns = scope == Scope::Transport && outcome == Outcome::NotApplied;
            assert_eq!((answer.is_ok(), second.count() == 1), (turns, turns), "{fault:?}");
        }
    }
}

async fn a_refused_recipient_does_not_make_a_transport_dead(makes: &dyn Makes) {
    let nobody = vec![Refused { address: address("ann@example.com"), permanent: true, reply: None }];
    let first = Script::new("first", [Answer::Refuses(nobody)]);
    let second = Script::new("second", []);
    let layer = makes.failover(vec![first.clone(), second.clone()], SECOND * 60);
    deliver(&*layer).await.expect_err("refused");
    assert_eq!(&*deliver(&*layer).await.expect("taken").via, "first");
    assert_eq!(second.count(), 0);
}

async fn a_dead_one_is_passed_over_until_its_time_is_up(makes: &dyn Makes) {
    let first = Script::new("first", [Answer::Fails(DOWN)]);
    let layer = makes.failover(vec![first.clone(), Script::new("second", [])], SECOND * 60);
    for (after, via) in [(0, "second"), (30, "second"), (29, "second"), (2, "first"), (0, "first")] {
        advance(SECOND * after).await;
        assert_eq!(&*deliver(&*layer).await.expect("taken").via, via);
    }
    assert_eq!(first.count(), 3);
}

async fn a_perhaps_sent_mail_makes_its_transport_dead(makes: &dyn Makes) {
    let first = Script::new("first", [Answer::Fails(UNSURE)]);
    let layer = makes.failover(vec![first, Script::new("second", [])], SECOND * 60);
    assert_eq!(deliver(&*layer).await.expect_err("nobody knows").outcome(), Outcome::Unknown);
    assert_eq!(&*deliver(&*layer).await.expect("another mail").via, "second");
}

async fn a_caller_without_time_does_not_make_a_transport_dead(makes: &dyn Makes) {
    let first = Script::new("first", [Answer::HasNoTime]);
    let layer = makes.failover(vec![first, Script::new("second", [])], SECOND * 60);
    drop(deliver(&*layer).await);
    assert_eq!(&*deliver(&*layer).await.expect("another mail has time").via, "first");
}

async fn a_provider_that_says_when_is_asked_then(makes: &dyn Makes) {
    let busy = Fault(Scope::Transport, Disposition::After(SECOND * 5), Outcome::NotApplied);
    let first = Script::new("first", [Answer::Fails(busy)]);
    let layer = makes.failover(vec![first, Script::new("second", [])], SECOND * 60);
    for (after, via) in [(0, "second"), (4, "second"), (2, "first")] {
        advance(SECOND * after).await;
        assert_eq!(&*deliver(&*layer).await.expect("taken").via, via);
    }
}

async fn a_success_ends_the_dead_time(makes: &dyn Makes) {
    let first = Script::new("first", [Answer::Fails(DOWN)]);
    let second = Script::new("second", [Answer::Fails(DOWN)]);
    let layer = makes.failover(vec![first.clone(), second], SECOND * 60);
    deliver(&*layer).await.expect_err("both are down");
    // Both are thought dead and asked all the same; the first is found to live.
    assert_eq!(&*deliver(&*layer).await.expect("taken").via, "first");
    first.then(Answer::Fails(DOWN));
    assert_eq!(&*deliver(&*layer).await.expect("taken").via, "second");
    assert_eq!(first.count(), 3, "a living one was passed over");
}

async fn if_all_are_dead_they_are_asked_all_the_same(makes: &dyn Makes) {
    let (first, second) = (Script::failing("first", DOWN), Script::failing("second", DOWN));
    let layer = makes.failover(vec![first.clone(), second.clone()], SECOND * 60);
    deliver(&*layer).await.expect_err("both are down");
    advance(SECOND).await;
    deliver(&*layer).await.expect_err("both are still down");
    assert_eq!((first.count(), second.count()), (2, 2));
}

async fn if_all_fail_each_has_its_say(makes: &dyn Makes) {
    let names = ["first", "second", "third"];
    let scripts = names.map(|name| Script::failing(name, DOWN));
    let layer = makes.failover(scripts.map(|script| script as _).to_vec(), SECOND * 60);
    let error = layer.deliver(&mail(), &Context::new()).await.expect_err("all are down");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
    assert_eq!((error.attempts(), error.earlier().len()), (3, 2));
    let text = error.to_string();
    let at: Vec<_> = ["third", "first", "second"].map(|name| text.find(name)).to_vec();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{text}");
}

async fn if_any_may_pass_the_whole_may(makes: &dyn Makes) {
    let busy = Fault(Scope::Transport, Disposition::After(SECOND * 5), Outcome::NotApplied);
    for (first, expected) in [
        (DOWN, Disposition::Transient),
        (busy, Disposition::After(SECOND * 5)),
        (HOPELESS, Disposition::Permanent),
    ] {
        let backends = vec![Script::failing("first", first) as _, Script::failing("second", HOPELESS) as _];
        let error = deliver(&*makes.failover(backends, SECOND * 60)).await.expect_err("both fail");
        assert_eq!(error.disposition(), expected);
    }
}

async fn the_receipt_tells_who_took_it_and_after_how_many(makes: &dyn Makes) {
    let (first, second) = (Script::failing("first", DOWN), Script::failing("second", DOWN));
    let layer = makes.failover(vec![first, second, Script::new("third", [])], SECOND * 60);
    let receipt = layer.deliver(&mail(), &Context::new().with_attempt(2)).await.expect("the third takes it");
    assert_eq!((&*receipt.via, receipt.attempts), ("third", 4));
}

async fn a_mail_that_not_all_could_take_is_refused_unasked(makes: &dyn Makes) {
    let mut few = everything();
    few.max_recipients = Some(2);
    let (many, few) = (Script::new("many", []), Script::able("few", few));
    let layer = makes.failover(vec![many.clone(), few], SECOND * 60);
    assert_eq!(layer.capabilities().max_recipients, Some(2));
    let error = layer.deliver(&mail_to_many(3), &Context::new()).await.expect_err("three are too many");
    assert_eq!((error.kind(), many.count()), (ErrorKind::Unsupported, 0));
    layer.deliver(&mail_to_many(2), &within(SECOND)).await.expect("two are not");
}

async fn one_that_works_is_enough_for_a_check(makes: &dyn Makes) {
    let (first, second) = (Script::failing("first", DOWN), Script::new("second", []));
    let layer = makes.failover(vec![first.clone(), second.clone()], SECOND * 60);
    layer.check().await.expect("the second works");
    second.then(Answer::Fails(DOWN));
    assert_eq!(layer.check().await.expect_err("neither works").earlier().len(), 1);
    assert_eq!((first.count(), second.count()), (0, 0), "a check delivered");
}

async fn closing_closes_all(makes: &dyn Makes) {
    let (first, second) = (Script::new("first", []), Script::new("second", []));
    makes.failover(vec![first.clone(), second.clone()], SECOND * 60).close().await;
    assert!(first.is_closed() && second.is_closed());
}
