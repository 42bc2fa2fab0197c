//! Every valid key names an object of its own.

use std::collections::BTreeSet;

use persistent_fs::{ErrorKind, Prefix, WriteOptions};

use super::{
    Harness,
    bench::{Bench, key, refused},
    tools::Dice,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::keys";
        unusual_keys_are_kept_as_they_are,
        look_alikes_are_different_objects,
        long_and_deep_keys_work,
        the_longest_keys_are_kept_apart_or_refused,
        random_keys_are_kept_apart,
        a_key_above_or_below_another_is_kept_or_refused,
    ]
}

/// Nothing is normalised or encoded: what is written is listed, letter by letter. What the product cannot hold at all
/// is refused by name.
async fn unusual_keys_are_kept_as_they_are(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let printable = (b' '..=b'~').map(char::from).filter(|c| !"/\\".contains(*c)).map(|c| format!("x{c}y"));
    let unusual = [
        "name#1",
        ".attrs",
        ".tmp",
        "a b",
        " lead",
        "trail ",
        "a%2Fb",
        "%00",
        "a?b=c&d",
        "a+b",
        "...",
        "..a",
        "-rf",
        "~",
        "日本語/ファイル",
        "🙂",
        "مرحبا",
        "CON",
        "nul.txt",
        "a:b",
        "a;b",
        "a*b",
        "folder/.persistent-fs",
        ".persistent-fs2",
        "staging/1",
        "lock",
        "'quoted'",
        "\"quoted\"",
        "$HOME",
        "`x`",
        "a|b",
        "a<b>c",
    ];
    let mut names = unusual.map(str::to_owned).into_iter().chain(printable).collect::<Vec<_>>();
    if !bench.files.capabilities().case_sensitive {
        names.retain(|name| name.to_lowercase() == *name);
    }
    names.sort();
    names.dedup();
    let (cannot, names): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| bench.fixture.refuses(&key(name)));
    for name in &cannot {
        let put = bench.files.put(&key(name), "never".into(), WriteOptions::default()).await;
        refused(put, ErrorKind::InvalidKey);
    }
    for name in &names {
        bench.put(name, name.clone()).await;
    }
    for name in &names {
        assert_eq!(bench.body(name).await, name.as_bytes(), "{name:?}");
    }
    assert_eq!(bench.list_all().await, names);
    Ok(())
}

/// Two keys that look or sound alike are two objects, or one of them is refused; they never merge.
async fn look_alikes_are_different_objects(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut pairs = vec![("caf\u{e9}", "cafe\u{301}"), ("a", "a "), ("%41", "B"), ("x.y", "x/y")];
    if bench.files.capabilities().case_sensitive {
        pairs.push(("case", "Case"));
    }
    for (one, other) in pairs {
        bench.put(one, "one").await;
        match bench.files.put(&key(other), "other".into(), WriteOptions::default()).await {
            Ok(_) => assert_eq!(bench.body(other).await, b"other", "{other:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidKey, "{other:?}"),
        }
        assert_eq!(bench.body(one).await, b"one", "{one:?} was merged with {other:?}");
    }
    Ok(())
}

/// Segments of 255 bytes, a hundred folders.
async fn long_and_deep_keys_work(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let long = "x".repeat(255);
    let deep = vec!["d"; 100].join("/");
    for name in [long.as_str(), deep.as_str()] {
        bench.put(name, "there").await;
        assert_eq!(bench.body(name).await, b"there");
    }
    assert_eq!(bench.list(&Prefix::all(), None).await, [deep, long]);
    Ok(())
}

/// Keys of 1024 bytes that differ in the last one: each is an object of its own, or refused with `InvalidKey`, as a
/// layer must that puts something before them.
async fn the_longest_keys_are_kept_apart_or_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let longest = vec!["x".repeat(204); 5].join("/");
    assert_eq!(longest.len(), 1024);
    let names =
        [&longest[..], &format!("{}y", &longest[..1023]), &format!("y{}", &longest[1..])].map(str::to_owned);
    let mut kept = Vec::new();
    for name in &names {
        match bench.files.put(&key(name), name.clone().into(), WriteOptions::default()).await {
            Ok(_) => kept.push(name.clone()),
            error => drop(refused(error, ErrorKind::InvalidKey)),
        }
    }
    assert!(kept.is_empty() || kept.len() == names.len(), "of keys of one length all are kept or none");
    for name in &kept {
        assert!(bench.body(name).await == name.as_bytes(), "two keys were put together");
    }
    kept.sort();
    assert_eq!(bench.list_all().await, kept);
    Ok(())
}

/// 150 random keys, of letters that file systems, URLs and shells treat in their own ways, are 150 objects.
async fn random_keys_are_kept_apart(harness: &dyn Harness) -> Checked {
    let (bench, mut dice) = (Bench::open(harness).await?, Dice::of(harness));
    let letters = "abz09 .-_~%+&=?#:;,@!$'()*[]{}|^`\"<>\u{e4}\u{308}\u{df}\u{6f22}\u{1f642}\u{200d}/";
    let letters = letters.chars().collect::<Vec<_>>();
    let mut names = BTreeSet::new();
    while names.len() < 150 {
        let text = (0..=dice.below(12)).map(|_| *dice.pick(&letters)).collect::<String>();
        // What lies above or below another is for another case.
        let crowded = |other: &String| key(other).contains(&key(&text)) || key(&text).contains(&key(other));
        let held = persistent_fs::Key::parse(&text).is_ok_and(|key| !bench.fixture.refuses(&key));
        if held && !names.iter().any(crowded) {
            names.insert(text);
        }
    }
    bench.put_all(names.iter().map(|name| (name.as_str(), name.as_str()))).await;
    for name in &names {
        assert_eq!(bench.body(name).await, name.as_bytes(), "{name:?} {dice}");
    }
    assert_eq!(bench.list_all().await, Vec::from_iter(names), "{dice}");
    Ok(())
}

/// `a` beside `a/b`: both are kept, or the second of the two is refused with `InvalidKey` and the first stands.
async fn a_key_above_or_below_another_is_kept_or_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (first, second) in [("a", "a/b"), ("c/d", "c"), ("e/f/g", "e"), ("h", "h/i/j")] {
        bench.put(first, "first").await;
        let created = bench.files.put(&key(second), "second".into(), WriteOptions::default()).await;
        if created.is_err() {
            refused(created, ErrorKind::InvalidKey);
            bench.assert_absent(second).await;
            bench.files.delete(&key(first)).await.expect("deleted");
            bench.put(second, "second").await;
        } else {
            assert_eq!(bench.body(first).await, b"first");
        }
        assert_eq!(bench.body(second).await, b"second");
    }
    Ok(())
}
