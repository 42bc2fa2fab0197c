//! The other side of these tests: this program again, doing a script by orders on its standard input.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, IoSlice, IoSliceMut, Read as _, Write as _},
    os::fd::AsFd,
    path::Path,
};

use fs_local::Local;
use persistent_fs::Files;

use crate::{ROOT, script};

/// What a child says when it has opened its store. It begins when it is told to.
pub(crate) const READY: &str = "ready";

/// What a child is told, but for the word to begin.
pub(crate) fn orders(folder: &Path, lines: &[&str], first: usize) -> String {
    let mut orders = format!("{}\n{first}\n{}\n", folder.display(), lines.len());
    for line in lines {
        writeln!(orders, "{line}").expect("a string takes everything");
    }
    orders
}

pub(crate) fn obey() {
    // One byte at a time, so that the word to begin is not taken with the orders.
    let mut input = io::BufReader::with_capacity(1, stdin());
    let mut next = || {
        let mut line = String::new();
        input.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    };
    let folder = next();
    if folder.is_empty() {
        return;
    }
    let (first, count) = (next().parse().expect("a number"), next().parse().expect("a number"));
    let lines = (0..count).map(|_| next()).collect::<Vec<_>>();
    let lines = lines.iter().map(String::as_str).collect::<Vec<_>>();
    let script = script::parse(&lines, first);
    let folder = Path::new(&folder);
    script::prepare(folder, &script);
    let files = Files::new(Local::open(folder.join(ROOT)).expect("a store"));
    let at_once = script.iter().map(Vec::len).max().unwrap_or(1);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(at_once).build().expect("a runtime");
    // Where a process may trace only its own children, a tracer that comes later must be invited. Elsewhere this fails.
    let _invited = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    say(READY);
    wait();
    runtime.block_on(script::act(&files, folder, &script, say));
}

/// By other calls than a store uses, so that faults in those do not befall this conversation.
fn say(what: &str) {
    // On a line of its own, whatever the test runner has begun to write.
    let line = format!("\n{what}\n");
    let written = File::from(io::stdout().as_fd().try_clone_to_owned().expect("standard output"))
        .write_vectored(&[IoSlice::new(line.as_bytes())]);
    assert_eq!(written.expect("standard output"), line.len());
}

/// Until another line comes.
fn wait() {
    let mut line = [0; 16];
    let heard = stdin().read_vectored(&mut [IoSliceMut::new(&mut line)]).expect("standard input");
    assert_eq!(&line[..heard], b"go\n");
}

fn stdin() -> File {
    io::stdin().as_fd().try_clone_to_owned().expect("standard input").into()
}
