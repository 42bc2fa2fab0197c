//! Trouble that no tracer makes: a full disk, a disk that may only be read, a root that is gone, a folder that is closed
//! to us.
//!
//! The child gets a small world of its own (`unshare`), in which it may mount what it likes, and which ends with it.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{child, disk::Tree, prepared, skipped};

/// What the child said of each step when its folder was prepared by these commands, in which `$1` is the folder.
fn said_in(before: &[(&str, &str)], lines: &[&str], commands: &str) -> Option<(TempDir, Vec<String>)> {
    let commands = format!("{commands} && shift && exec \"$@\"");
    said(before, lines, Command::new("unshare").args(["-rm", "sh", "-c", &commands]).arg("sh"))
}

fn said(before: &[(&str, &str)], lines: &[&str], world: &mut Command) -> Option<(TempDir, Vec<String>)> {
    let folder = prepared(before);
    let path = fs::canonicalize(folder.path()).expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let child = world
        .arg(&path)
        .arg(program)
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let ended = child.and_then(|mut child| {
        let orders = child::orders(&path, lines, 0) + "go\n";
        let _if_it_listens = child.stdin.take().expect("piped").write_all(orders.as_bytes());
        child.wait_with_output()
    });
    let output = ended.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned()).unwrap_or_default();
    if !output.lines().any(|line| line == child::READY) {
        skipped("no process can be given a world of its own here");
        return None;
    }
    let of_steps = |line: &&str| line.starts_with("done") || line.starts_with("failed");
    Some((folder, output.lines().filter(of_steps).map(str::to_owned).collect()))
}

#[test]
fn a_full_disk_keeps_what_it_has() {
    let long = "x".repeat(100_000);
    let put = format!("put a/old {long}");
    let lines = [&put, "put a/old short", "upload b/new short", "clear a/", "put a/old short"];
    let Some((_, said)) = said_in(&[], &lines, "mount -t tmpfs -o size=64k none \"$1\"") else { return };
    assert_eq!(said, ["failed 0 NoSpace NotApplied", "done 1", "done 2", "done 3", "done 4"]);
}

#[test]
fn a_root_that_may_only_be_read_is_read_and_refuses_the_rest() {
    let lines = &["read a/old", "list", "put a/old second", "create a/new body", "delete a/old", "clear a/"];
    let Some((folder, said)) = said_in(
        &[("a/old", "first")],
        lines,
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"",
    ) else {
        return;
    };
    let refused = |step: usize| format!("failed {step} Denied NotApplied");
    assert_eq!(said[..2], ["done 0", "done 1"]);
    assert_eq!(said[2..5], [refused(2), refused(3), refused(4)]);
    // Some of the objects may be gone when one cannot be removed, as far as the store knows.
    assert_eq!(said[5], "failed 5 Denied Unknown");
    assert_eq!(fs::read(folder.path().join("root/a/old")).expect("still there"), b"first");
}

#[test]
fn what_may_not_be_looked_at_is_an_error_and_no_empty_listing() {
    let before = [("a/closed", "body"), ("b/object", "body")];
    let lines = ["list", "read a/closed", "put a/new body", "delete a/closed", "read b/object"];
    // The child has no rights over the folder `a`, which belongs to somebody else or to nobody who may look.
    let close = "chmod 0 \"$1/root/a\" && chmod 0755 \"$1\" && chmod -R o=u \"$1/root/.persistent-fs\" \"$1/root/b\" && \
                 chmod o=rwx \"$1/root\"";
    let drop_rights = "[ \"$(id -u)\" != 0 ] || set -- \"$1\" setpriv --reuid=65534 --regid=65534 --clear-groups \
                       --bounding-set=-all --inh-caps=-all \"$2\" \"$3\" \"$4\" \"$5\" \"$6\"";
    let mut world = Command::new("sh");
    world.args(["-c", &format!("{close} && {drop_rights} && shift && exec \"$@\"")]).arg("sh");
    let Some((folder, said)) = said(&before, &lines, &mut world) else { return };
    let denied = |step: usize| format!("failed {step} Denied NotApplied");
    assert_eq!(said, [denied(0), denied(1), denied(2), denied(3), "done 4".to_owned()]);
    let open = Command::new("chmod").arg("700").arg(folder.path().join("root/a")).status();
    assert!(open.expect("chmod").success());
    assert_eq!(files_below(&folder.path().join("root")), ["a/closed", "b/object"]);
}

#[test]
fn a_root_that_is_gone_is_no_empty_store() {
    let folder = prepared(&[("a/object", "body")]);
    let store = fs_local::Local::open(folder.path().join("root")).expect("a store");
    let files = persistent_fs::Files::new(store);
    fs::remove_dir_all(folder.path().join("root")).expect("removed");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let script = crate::script::parse(
        &["read a/object", "list", "put a/object body", "create b body", "delete a/object", "clear a/"],
        0,
    );
    let told = std::cell::RefCell::new(Vec::new());
    runtime.block_on(crate::script::act(&files, folder.path(), &script, |what| {
        if !what.starts_with("begin") {
            told.borrow_mut().push(what.to_owned());
        }
    }));
    let told = told.into_inner();
    assert_eq!(told.len(), 6);
    assert!(told.iter().all(|what| what.starts_with("failed") && what.contains(" Unavailable ")), "{told:?}");
}

fn files_below(root: &Path) -> Vec<String> {
    let files = Tree::of(root).files();
    let names = files.iter().map(|path| path.to_str().expect("text").to_owned());
    names.filter(|name| !name.starts_with(persistent_fs::RESERVED)).collect()
}
