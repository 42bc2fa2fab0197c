//! What the layers for mail promise beyond the contract, on a paused clock: when a mail is sent again or by another way,
//! how fast, and to whom not. Each rule is a function of whoever makes the layers, so that it can be shown to fail.

mod bench;
mod careless;
mod deadlines;
mod failover;
mod makers;
mod observed;
mod rate_limited;
mod redirected;
mod retried;
mod round_robin;
mod stacked;
mod suppressed;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use careless::{Careless, FINDS};
use makers::{Makes, Sound};

/// One promise of a layer. It is broken if this panics.
pub(crate) struct Rule {
    name: &'static str,
    check: Check,
}

type Check = for<'a> fn(&'a dyn Makes) -> Checking<'a>;

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Lists the rules of one layer: its name, then the functions.
macro_rules! rules {
    ($layer:literal; $($rule:ident),+ $(,)?) => {
        pub(crate) fn rules() -> Vec<crate::Rule> {
            vec![$(crate::Rule::new(concat!($layer, "::", stringify!($rule)), |makes| Box::pin($rule(makes)))),+]
        }
    };
}
pub(crate) use rules;

fn all() -> Vec<Rule> {
    [
        deadlines::rules(),
        failover::rules(),
        rate_limited::rules(),
        redirected::rules(),
        retried::rules(),
        round_robin::rules(),
        stacked::rules(),
        suppressed::rules(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Rule {
    fn new(name: &'static str, check: Check) -> Self {
        Self { name, check }
    }

    /// Runs it on a clock that jumps wherever everybody waits.
    fn holds(&self, makes: &dyn Makes) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be built");
        catch_unwind(AssertUnwindSafe(|| runtime.block_on((self.check)(makes)))).is_ok()
    }
}

#[test]
fn every_rule_holds() {
    let broken: Vec<_> = all().into_iter().filter(|rule| !rule.holds(&Sound)).map(|rule| rule.name).collect();
    assert!(broken.is_empty(), "broken, as told above: {broken:?}");
}

#[test]
fn each_slip_is_found_by_the_rules_named_for_it() {
    for (slip, names) in FINDS {
        for name in *names {
            let rule = all().into_iter().find(|rule| rule.name == *name);
            let rule = rule.unwrap_or_else(|| panic!("there is no rule {name}"));
            assert!(!rule.holds(&Careless(*slip)), "{slip:?} passes {name}");
        }
    }
}

#[test]
fn every_rule_finds_some_slip() {
    let named: BTreeSet<&str> = FINDS.iter().flat_map(|(_, names)| *names).copied().collect();
    let unproved: Vec<_> =
        all().into_iter().map(|rule| rule.name).filter(|name| !named.contains(name)).collect();
    assert!(unproved.is_empty(), "nothing shows that these can fail: {unproved:?}");
}
