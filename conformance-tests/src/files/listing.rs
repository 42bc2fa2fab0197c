//! Listings are ordered, complete, resumable, and show objects only.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use persistent_fs::{Key, Prefix, WriteOptions};

use super::{
    Harness,
    bench::{Bench, first, key, prefix},
    tools::Dice,
};
use crate::{Absent, Case, Checked, cases};

/// Keys around the slash, in byte order: `-` and `.` come before it, digits and letters behind it.
const KEYS: [&str; 12] = ["B", "a!", "a-b", "a.b/c", "a/-", "a/b/c", "a/b/d", "a/bc", "a0", "ab", "b", "ä"];

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::listing";
        an_empty_store_lists_nothing,
        keys_come_in_byte_order,
        a_prefix_is_text_and_not_a_path,
        it_resumes_behind_any_key,
        after_need_not_exist_and_may_lie_outside_of_the_prefix,
        random_listings_are_what_the_keys_say,
        keys_that_stay_are_listed_while_others_come_and_go,
        uploads_under_way_are_not_listed,
        listings_that_nobody_finishes_hold_nothing_up,
    ];
    all.extend(cases!["files::listing" heavy; ten_thousand_keys_come_once_each]);
    all
}

/// No object: an empty stream.
async fn an_empty_store_lists_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    assert!(bench.list_all().await.is_empty());
    assert!(bench.list(&prefix("no/such/"), None).await.is_empty());
    bench.put("a", "a").await;
    assert!(bench.list(&prefix("a/"), None).await.is_empty());
    Ok(())
}

/// In byte order of the whole keys, whatever folders they are in, and described as head does.
async fn keys_come_in_byte_order(harness: &dyn Harness) -> Checked {
    let bench = populated(harness).await?;
    assert_eq!(bench.list_all().await, KEYS);
    let mut listing = bench.files.list(&Prefix::all(), None);
    while let Some(meta) = listing.try_next().await.expect("listed") {
        assert_eq!(bench.files.head(&meta.key).await.expect("there"), meta);
    }
    Ok(())
}

/// `a` covers `a/b`, `ab` and `a-b`; `a/` covers a folder; `a/b` cuts a segment in two.
async fn a_prefix_is_text_and_not_a_path(harness: &dyn Harness) -> Checked {
    let bench = populated(harness).await?;
    for text in ["a", "a/", "a/b", "a/b/", "a.", "a/b/c", "b", "ä", "zzz"] {
        let expected = KEYS.into_iter().filter(|key| key.starts_with(text)).collect::<Vec<_>>();
        assert_eq!(bench.list(&prefix(text), None).await, expected, "{text:?}");
    }
    Ok(())
}

/// A listing that begins behind a key is the rest of the whole one: from each key, with each prefix.
async fn it_resumes_behind_any_key(harness: &dyn Harness) -> Checked {
    let bench = populated(harness).await?;
    for text in ["", "a", "a/", "a/b"] {
        let prefix = if text.is_empty() { Prefix::all() } else { prefix(text) };
        for after in KEYS {
            let expected =
                KEYS.into_iter().filter(|key| key.starts_with(text) && *key > after).collect::<Vec<_>>();
            assert_eq!(bench.list(&prefix, Some(after)).await, expected, "{text:?} after {after:?}");
        }
    }
    Ok(())
}

/// Any key will do to begin behind: one that is gone, one above a folder, one outside of the prefix.
async fn after_need_not_exist_and_may_lie_outside_of_the_prefix(harness: &dyn Harness) -> Checked {
    let bench = populated(harness).await?;
    for after in ["0", "a", "a/a", "a/b", "a/b/cc", "a/c", "a~", "zz", "🙂"] {
        for text in ["a/", "a/b"] {
            let expected =
                KEYS.into_iter().filter(|key| key.starts_with(text) && *key > after).collect::<Vec<_>>();
            assert_eq!(bench.list(&prefix(text), Some(after)).await, expected, "{text:?} after {after:?}");
        }
    }
    Ok(())
}

/// 200 listings of random keys, with random prefixes, behind random keys, are what sorting and filtering give.
async fn random_listings_are_what_the_keys_say(harness: &dyn Harness) -> Checked {
    let (bench, mut dice) = (Bench::open(harness).await?, Dice::of(harness));
    // Neighbours of the slash in byte order, on both sides, are where walking a tree goes wrong.
    let letters = ['a', 'a', 'b', '/', '/', '-', '.', '0', '~', '\u{e4}'];
    let text = |dice: &mut Dice, most: usize| {
        (0..=dice.below(most)).map(|_| *dice.pick(&letters)).collect::<String>()
    };
    let mut names = BTreeSet::new();
    for _ in 0..600 {
        let name = text(&mut dice, 7);
        let crowded = |other: &String| key(other).contains(&key(&name)) || key(&name).contains(&key(other));
        if Key::parse(&name).is_ok() && !names.iter().any(crowded) {
            names.insert(name);
        }
    }
    bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
    assert_eq!(bench.list_all().await, Vec::from_iter(names.clone()), "{dice}");
    for _ in 0..bench.scaled(200, 40) {
        let (start, after) = (text(&mut dice, 3), text(&mut dice, 7));
        let (Ok(prefix), Ok(_)) = (Prefix::parse(&start), Key::parse(&after)) else { continue };
        let expected =
            names.iter().filter(|name| name.starts_with(&start) && **name > after).collect::<Vec<_>>();
        let listed = bench.list(&prefix, Some(&after)).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{start:?} after {after:?} {dice}");
    }
    Ok(())
}

/// More keys than any page holds: complete, ordered, without repetition; and one can begin anywhere and stop early.
async fn ten_thousand_keys_come_once_each(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let many = bench.scaled(10_000, 2100);
    let mut names = (0..many).map(|n| format!("{}/{}/{n}", n % 7, n % 11)).collect::<Vec<_>>();
    bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
    names.sort();
    assert_eq!(bench.list_all().await, names);
    for begin in [0, 999, 1000, 1001, many / 2, many - 2, many - 1] {
        assert_eq!(
            bench.list(&Prefix::all(), Some(&names[begin])).await,
            names[begin + 1..],
            "after {begin}"
        );
    }
    let begun = first(bench.files.list(&Prefix::all(), None)).await.expect("an object").expect("listed");
    assert_eq!(begun.key.as_str(), names[0]);
    Ok(())
}

/// 1200 listings of which only the first object is taken, or nothing at all, and the store works as before.
async fn listings_that_nobody_finishes_hold_nothing_up(harness: &dyn Harness) -> Checked {
    let bench = populated(harness).await?;
    for round in 0..bench.scaled(1200, 30) {
        let mut listing = bench.files.list(&Prefix::all(), None);
        if round % 2 == 0 {
            assert_eq!(listing.try_next().await.expect("listed").expect("an object").key.as_str(), KEYS[0]);
        }
    }
    assert_eq!(bench.list_all().await, KEYS);
    Ok(())
}

/// Every object that is there from the beginning to the end appears exactly once.
async fn keys_that_stay_are_listed_while_others_come_and_go(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let staying = (0..bench.scaled(300, 60)).map(|n| format!("stay/{n:03}/x")).collect::<Vec<_>>();
    bench.put_all(staying.iter().map(|name| (name.as_str(), ""))).await;
    // Whoever finds pages by counting repeats keys in the first pass, and misses some in the second.
    for adding in [true, false] {
        let (mut listing, mut listed) = (bench.files.list(&Prefix::all(), None), Vec::new());
        while let Some(meta) = listing.try_next().await.expect("listed") {
            listed.extend(Some(meta.key.to_string()).filter(|name| name.ends_with("/x")));
            let passing = format!("passing/{}", listed.len());
            if listed.len() % 3 != 0 {
                continue;
            }
            if adding {
                bench.put(&passing, "").await;
            } else {
                bench.files.delete(&key(&passing)).await.expect("deleted");
            }
        }
        assert_eq!(listed, staying, "while others were {}", if adding { "coming" } else { "going" });
    }
    Ok(())
}

/// Nothing but finished objects appears, even under the prefix of all.
async fn uploads_under_way_are_not_listed(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "a").await;
    let mut upload = bench.files.writer(&key("b"), WriteOptions::default()).await.expect("an upload");
    upload.write(vec![0; 1_000_000].into()).await.expect("written");
    assert_eq!(bench.list_all().await, ["a"]);
    upload.abort().await.expect("aborted");
    assert_eq!(bench.list_all().await, ["a"]);
    Ok(())
}

async fn populated(harness: &dyn Harness) -> Result<Bench, Absent> {
    let bench = Bench::open(harness).await?;
    for name in KEYS.iter().rev() {
        bench.put(name, *name).await;
    }
    Ok(bench)
}
