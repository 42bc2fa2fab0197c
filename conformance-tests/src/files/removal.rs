//! Deleting, one by one and by prefix.

use persistent_fs::Prefix;

use super::{
    Harness,
    bench::{Bench, key, prefix},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::removal";
        a_deleted_object_is_gone,
        deleting_what_is_not_there_succeeds,
        deleting_leaves_the_neighbours,
        a_prefix_is_deleted_and_counted,
        a_prefix_may_be_deleted_by_several_at_once,
        deleting_everything_leaves_nothing,
    ];
    all.extend(cases!["files::removal" heavy; a_prefix_of_more_than_a_page_is_deleted]);
    all
}

/// When it returns, no later call sees the object.
async fn a_deleted_object_is_gone(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a/b", "body").await;
    bench.files.delete(&key("a/b")).await.expect("deleted");
    bench.assert_absent("a/b").await;
    Ok(())
}

/// Removing what is not there succeeds, so it may be repeated.
async fn deleting_what_is_not_there_succeeds(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.files.delete(&key("never")).await.expect("nothing to do");
    bench.files.delete(&key("never/at/all")).await.expect("nothing to do");
    bench.put("a/b", "body").await;
    bench.files.delete(&key("a")).await.expect("a folder is no object");
    bench.files.delete(&key("a/b/c")).await.expect("an object is no folder");
    assert_eq!(bench.body("a/b").await, b"body");
    for _ in 0..2 {
        bench.files.delete(&key("a/b")).await.expect("deleted");
    }
    Ok(())
}

/// One key is one object: those beside it, in the same folder and above, stay.
async fn deleting_leaves_the_neighbours(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for name in ["a/b", "a/bc", "a/c/d", "ab"] {
        bench.put(name, name).await;
    }
    bench.files.delete(&key("a/b")).await.expect("deleted");
    assert_eq!(bench.list_all().await, ["a/bc", "a/c/d", "ab"]);
    bench.files.delete(&key("a/c/d")).await.expect("deleted");
    bench.put("a/c", "now an object").await;
    assert_eq!(bench.list_all().await, ["a/bc", "a/c", "ab"]);
    Ok(())
}

/// Every object whose key begins with the prefix, no other, and the count is right.
async fn a_prefix_is_deleted_and_counted(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let names = (0..300).map(|n| format!("a/{}/{n}", n % 5)).collect::<Vec<_>>();
    bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
    for name in ["ab", "a.b", "b/a/1"] {
        bench.put(name, "").await;
    }
    assert_eq!(bench.files.delete_prefix(&prefix("a/1")).await.expect("deleted"), 60);
    assert_eq!(bench.files.delete_prefix(&prefix("a/")).await.expect("deleted"), 240);
    assert_eq!(bench.files.delete_prefix(&prefix("a/")).await.expect("nothing to do"), 0);
    assert_eq!(bench.list_all().await, ["a.b", "ab", "b/a/1"]);
    Ok(())
}

/// As many objects as there are, however many of them one request can list or delete.
async fn a_prefix_of_more_than_a_page_is_deleted(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let many = bench.scaled(2500, 1250);
    let names = (0..many).map(|n| format!("a/{}/{n}", n % 5)).collect::<Vec<_>>();
    bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
    bench.put("b", "stays").await;
    assert_eq!(bench.files.delete_prefix(&prefix("a/")).await.expect("deleted"), many as u64);
    assert_eq!(bench.list_all().await, ["b"]);
    Ok(())
}

/// Whoever finds an object gone that he was about to remove has nothing to complain of.
async fn a_prefix_may_be_deleted_by_several_at_once(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("b", "stays").await;
    let doomed = prefix("a/");
    for _ in 0..bench.scaled(10, 2) {
        let names = (0..60).map(|n| format!("a/{}/{n}", n % 3)).collect::<Vec<_>>();
        bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
        let all = futures_util::future::join_all((0..4).map(|_| bench.files.delete_prefix(&doomed))).await;
        let counted = all.into_iter().map(|deleted| deleted.expect("deleted")).sum::<u64>();
        assert!(counted >= 60, "60 are gone, and {counted} are counted");
        assert_eq!(bench.list_all().await, ["b"]);
    }
    Ok(())
}

/// Everything, asked for by name; and nothing is left in the storage, folders included.
async fn deleting_everything_leaves_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for name in ["a", "b/c", "b/d/e/f"] {
        bench.put(name, "").await;
    }
    assert_eq!(bench.files.delete_prefix(&Prefix::all()).await.expect("deleted"), 3);
    assert!(bench.list_all().await.is_empty());
    assert_eq!(bench.fixture.raw_entries().await?, [""; 0]);
    Ok(())
}
