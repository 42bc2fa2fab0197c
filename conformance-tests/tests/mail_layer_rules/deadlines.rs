//! What every layer does with the caller's patience.

use mailer::layers::{MemorySuppressions, Rate, RetryPolicy};
use mailer::{Backend as _, Context, ErrorKind, Outcome};

use crate::bench::{Answer, DOWN, SECOND, Script, address, advance, drawing, mail, within};
use crate::makers::{Layer, Makes};

crate::rules!["deadlines";
    attempt_and_deadline_are_passed_on,
    nothing_is_sent_behind_the_deadline,
    no_other_way_is_tried_behind_the_deadline,
];

/// One of each, around a backend.
fn each(makes: &dyn Makes, inner: &Layer) -> Vec<Layer> {
    let inner = || Layer::clone(inner);
    let rate = Rate::per_second(100.0).expect("a rate");
    vec![
        makes.retried(inner(), RetryPolicy::default(), drawing(0)),
        makes.failover(vec![inner()], SECOND),
        makes.round_robin(vec![inner()], drawing(0)),
        makes.rate_limited(inner(), rate).0,
        makes.suppressed(inner(), MemorySuppressions::new(), false),
        makes.redirected(inner(), address("ann@example.com"), &[]),
    ]
}

async fn attempt_and_deadline_are_passed_on(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let inner: Layer = script.clone();
    for layer in each(makes, &inner) {
        let cx = within(SECOND * 9).with_attempt(5);
        let receipt = layer.deliver(&mail(), &cx).await.expect("taken");
        let call = script.calls().pop().expect("one call");
        assert_eq!((call.attempt, call.deadline), (5, cx.deadline), "{layer:?}");
        assert_eq!((receipt.attempts, &*receipt.via), (5, "it"), "{layer:?}");
    }
}

async fn nothing_is_sent_behind_the_deadline(makes: &dyn Makes) {
    // The provider itself does not look.
    let script = Script::new("it", []);
    let inner: Layer = script.clone();
    let cx = within(SECOND);
    advance(SECOND * 2).await;
    // The layers that wait for nothing themselves leave it to the backend.
    let waiting = [1, 2, 3, 4];
    let layers = each(makes, &inner);
    for layer in waiting.map(|at| &layers[at]) {
        let error = layer.deliver(&mail(), &cx).await.expect_err("it is too late");
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied), "{layer:?}");
    }
    assert_eq!(script.count(), 0);
}

async fn no_other_way_is_tried_behind_the_deadline(makes: &dyn Makes) {
    let slow = Script::slow("slow", SECOND * 3, [Answer::Fails(DOWN)]);
    let spare = Script::new("spare", []);
    let layer = makes.failover(vec![slow, spare.clone()], SECOND * 60);
    layer.deliver(&mail(), &within(SECOND * 2)).await.expect_err("time is up");
    assert_eq!(spare.count(), 0);
    assert_eq!(&*layer.deliver(&mail(), &Context::new()).await.expect("taken").via, "spare");
}
