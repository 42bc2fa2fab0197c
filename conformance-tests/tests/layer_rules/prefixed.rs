//! Nothing outside of a folder can be named, changed or seen through it.

use fs_memory::Memory;
use persistent_fs::{Backend, ErrorKind, Key, Prefix, Prefixed};

use crate::bench::{body, key, names, replace};

#[tokio::test]
async fn nobody_gets_out_of_a_folder() {
    let memory = Memory::new();
    for name in ["a", "f/a", "f2/a", "g/a"] {
        memory.put(&key(name), name.into(), replace()).await.expect("written");
    }
    let folder = Prefixed::new(memory.clone(), key("f"));
    for text in ["../a", "../g/a", "a/../../g/a", "./../a", "/a", "..", "\\..\\a", "a\0"] {
        assert!(Key::parse(text).is_err(), "{text:?} is a key");
        assert!(Prefix::parse(&format!("{text}/")).is_err(), "{text:?} is a prefix");
    }
    assert_eq!(names(&folder).await, ["a"]);
    assert_eq!(body(&folder, "a").await.expect("inside"), b"f/a");
    // What looks like a way out and is a name.
    for name in ["%2e%2e/a", "..%2fa", "...", "2/a", "f/a"] {
        let missing = folder.head(&key(name)).await.expect_err("not inside");
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{name:?}");
        folder.delete(&key(name)).await.expect("nothing to do");
    }
    let behind = folder.list(&Prefix::all(), Some(&key("0")));
    assert_eq!(futures_util::StreamExt::count(behind).await, 1);
    assert_eq!(folder.delete_prefix(&Prefix::all()).await.expect("deleted"), 1);
    assert_eq!(names(&memory).await, ["a", "f2/a", "g/a"]);
}
