//! Listings are ordered, complete, resumable, and show objects only.

use futures_util::TryStreamExt;
use persistent_fs::{Prefix, WriteOptions};

use super::{
    Harness,
    bench::{Bench, first, key, prefix},
};
use crate::{Case, Checked, cases};

/// Keys around the slash, in byte order: `-` and `.` come before it, digits and letters behind it.
const KEYS: [&str; 12] = ["B", "a!", "a-b", "a.b/c", "a/-", "a/b/c", "a/b/d", "a/bc", "a0", "ab", "b", "ä"];

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::listing";
        an_empty_store_lists_nothing,
        keys_come_in_byte_order,
        a_prefix_is_text_and_not_a_path,
        it_resumes_behind_any_key,
        after_need_not_exist_and_may_lie_outside_of_the_prefix,
        three_thousand_keys_come_once_each,
        keys_that_stay_are_listed_while_others_come_and_go,
        uploads_under_way_are_not_listed,
    ]
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

/// More keys than any page holds: complete, ordered, without repetition; and one can stop early.
async fn three_thousand_keys_come_once_each(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut names = (0..3000).map(|n| format!("{}/{}/{n}", n % 7, n % 11)).collect::<Vec<_>>();
    for name in &names {
        bench.put(name, "").await;
    }
    names.sort();
    assert_eq!(bench.list_all().await, names);
    let half = bench.list(&Prefix::all(), Some(&names[1500])).await;
    assert_eq!(half, names[1501..]);
    let begun = first(bench.files.list(&Prefix::all(), None)).await.expect("an object").expect("listed");
    assert_eq!(begun.key.as_str(), names[0]);
    Ok(())
}

/// Every object that is there from the beginning to the end appears exactly once.
async fn keys_that_stay_are_listed_while_others_come_and_go(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let staying = (0..300).map(|n| format!("stay/{n:03}/x")).collect::<Vec<_>>();
    for name in &staying {
        bench.put(name, "").await;
    }
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

async fn populated(harness: &dyn Harness) -> Result<Bench, crate::Absent> {
    let bench = Bench::open(harness).await?;
    for name in KEYS.iter().rev() {
        bench.put(name, *name).await;
    }
    Ok(bench)
}
