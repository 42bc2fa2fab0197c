//! Layers upon layers.

use std::sync::Arc;

use mailer::layers::{
    MemorySuppressions, Observed, Rate, RetryPolicy, SuppressionList as _, SuppressionReason,
};
use mailer::{Backend, Capabilities, Context, Support};

use crate::bench::{Answer, DOWN, SECOND, Script, address, addresses, drawing, everything, mail_to};
use crate::makers::{Layer, Makes};

crate::rules!["stacked";
    a_receipt_keeps_who_took_it_and_all_attempts,
    no_layer_adds_a_capability,
    check_and_close_reach_the_backend,
];

/// All layers in their order, around two providers.
async fn stack(makes: &dyn Makes, first: Layer, second: Layer) -> Layer {
    let rate = Rate::per_second(10.0).expect("a rate");
    let (first, _) = makes.rate_limited(first, rate);
    let failover = makes.failover(vec![first, second], SECOND);
    let policy = RetryPolicy { attempts: 9, first_pause: SECOND * 2, ..RetryPolicy::default() };
    let list = MemorySuppressions::new();
    list.add(&address("gone@example.org"), SuppressionReason::Bounced).await.expect("memory takes it");
    let suppressed = makes.suppressed(makes.retried(failover, policy, drawing(255)), list, true);
    let redirected = makes.redirected(suppressed, address("inbox@example.net"), &["example.org"]);
    Arc::new(Observed::new(redirected, "all"))
}

async fn a_receipt_keeps_who_took_it_and_all_attempts(makes: &dyn Makes) {
    let first = Script::new("first", [Answer::Fails(DOWN), Answer::Fails(DOWN)]);
    let second = Script::new("second", [Answer::Fails(DOWN)]);
    let layer = stack(makes, first.clone(), second.clone()).await;
    let mail = mail_to(&["ann@example.com", "bob@example.org", "gone@example.org"]);
    let receipt = layer.deliver(&mail, &Context::new()).await.expect("the fourth attempt is taken");
    assert_eq!((&*receipt.via, receipt.attempts, receipt.refused.len()), ("second", 4, 1));
    let attempts = |script: &Script| script.calls().iter().map(|call| call.attempt).collect::<Vec<_>>();
    assert_eq!((attempts(&first), attempts(&second)), (vec![1, 3], vec![2, 4]));
    assert_eq!(second.calls()[1].to, addresses(&["inbox@example.net", "bob@example.org"]));
}

/// What the outer one declares beyond the inner one.
fn added(inner: &Capabilities, outer: &Capabilities) -> Vec<&'static str> {
    let facts = [
        ("max_bytes", outer.max_bytes.unwrap_or(u64::MAX) > inner.max_bytes.unwrap_or(u64::MAX)),
        (
            "max_recipients",
            outer.max_recipients.unwrap_or(usize::MAX) > inner.max_recipients.unwrap_or(usize::MAX),
        ),
        ("utf8_local", outer.utf8_local > inner.utf8_local),
        ("envelope_from", outer.envelope_from > inner.envelope_from),
        ("partial", outer.partial && !inner.partial),
        ("provider_id", outer.provider_id && !inner.provider_id),
        ("dedupe", outer.dedupe && !inner.dedupe),
        ("keeps_message_id", outer.keeps_message_id && !inner.keeps_message_id),
        ("durable", outer.durable && !inner.durable),
    ];
    facts.into_iter().filter_map(|(name, added)| added.then_some(name)).collect()
}

async fn no_layer_adds_a_capability(makes: &dyn Makes) {
    let mut all = everything();
    all.dedupe = true;
    let mut little = Capabilities::default();
    (little.max_bytes, little.max_recipients) = (Some(1_000_000), Some(7));
    let mut other = all.clone();
    (other.max_recipients, other.utf8_local) = (Some(50), Support::Negotiated);
    for (first, second) in [(&all, &little), (&little, &all), (&all, &other), (&all, &all)] {
        let layer = stack(makes, Script::able("a", first.clone()), Script::able("b", second.clone())).await;
        let meet = first.meet(second);
        assert_eq!(added(&meet, &layer.capabilities()), [""; 0]);
        assert_eq!(layer.capabilities(), meet, "a capability was lost on the way");
    }
}

async fn check_and_close_reach_the_backend(makes: &dyn Makes) {
    let (first, second) = (Script::failing("first", DOWN), Script::failing("second", DOWN));
    let layer = stack(makes, first.clone(), second.clone()).await;
    layer.check().await.expect_err("both are down");
    second.then(Answer::Takes);
    layer.check().await.expect("the second works");
    assert_eq!((first.count(), second.count()), (0, 0), "a check delivered");
    layer.close().await;
    assert!(first.is_closed() && second.is_closed());
}
