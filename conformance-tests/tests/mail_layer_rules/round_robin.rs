//! Who gets which share of the mails.

use std::sync::Arc;

use mailer::{Disposition, Outcome, Scope};

use crate::bench::{Answer, DOWN, Fault, SECOND, Script, UNSURE, advance, deliver, drawing};
use crate::makers::{Layer, Makes};

crate::rules!["round_robin";
    each_gets_as_many_as_any_other,
    one_in_trouble_is_passed_over_and_its_share_goes_to_all,
    who_begins_is_drawn,
    it_turns_only_for_a_transport_that_surely_sent_nothing,
];

fn three() -> [Arc<Script>; 3] {
    ["first", "second", "third"].map(|name| Script::new(name, []))
}

fn layers(scripts: &[Arc<Script>]) -> Vec<Layer> {
    scripts.iter().map(|script| Arc::clone(script) as Layer).collect()
}

async fn each_gets_as_many_as_any_other(makes: &dyn Makes) {
    let scripts = three();
    let layer = makes.round_robin(layers(&scripts), drawing(77));
    for round in 1..=10 {
        for _ in 0..3 {
            deliver(&*layer).await.expect("taken");
        }
        assert_eq!(scripts.clone().map(|script| script.count()), [round; 3]);
    }
}

async fn one_in_trouble_is_passed_over_and_its_share_goes_to_all(makes: &dyn Makes) {
    let scripts = three();
    scripts[1].then(Answer::Fails(DOWN));
    let layer = makes.round_robin(layers(&scripts), drawing(0));
    for _ in 0..40 {
        deliver(&*layer).await.expect("taken by another");
    }
    let [first, second, third] = scripts.clone().map(|script| script.count());
    assert_eq!((second, first + third), (1, 40));
    assert!(first.abs_diff(third) <= 2, "{first} and {third}");
    scripts[1].then(Answer::Takes);
    advance(SECOND * 61).await;
    for _ in 0..6 {
        deliver(&*layer).await.expect("taken");
    }
    assert_eq!(scripts[1].count(), 3, "it has its share again");
}

async fn who_begins_is_drawn(makes: &dyn Makes) {
    let mut began = Vec::new();
    for drawn in [0, 1, 2] {
        let layer = makes.round_robin(layers(&three()), drawing(drawn));
        began.push(deliver(&*layer).await.expect("taken").via);
    }
    began.sort();
    began.dedup();
    assert!(began.len() > 1, "always {began:?}");
}

async fn it_turns_only_for_a_transport_that_surely_sent_nothing(makes: &dyn Makes) {
    let refused = Fault(Scope::Recipients, Disposition::Permanent, Outcome::NotApplied);
    for fault in [UNSURE, refused] {
        let backends = layers(&["first", "second"].map(|name| Script::failing(name, fault)));
        let error = deliver(&*makes.round_robin(backends, drawing(0))).await.expect_err("it is passed on");
        assert_eq!((error.attempts(), error.outcome()), (1, fault.2));
    }
}
