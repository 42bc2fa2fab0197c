use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// Later than any test.
fn later() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

/// A connection that holds this many bytes on their way, and the server's end of it.
fn wire(room: usize) -> (Wire<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(room);
    (Wire::new(ours), theirs)
}

async fn code(wire: &mut Wire<DuplexStream>) -> u16 {
    wire.answer(later()).await.expect("there is an answer").code
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_while_a_group_is_written_are_kept() {
    let (mut wire, mut server) = wire(16);
    let commands = "RCPT TO:<a@example.com>\r\n".repeat(50);
    let answering = async {
        let mut read = vec![0; commands.len()];
        // Neither side has room for all of it: each must read while the other writes.
        for piece in read.chunks_mut(25) {
            server.read_exact(piece).await.unwrap();
            server.write_all(b"250 2.1.5 ok\r\n").await.unwrap();
        }
        server
    };
    let (taken, _server) = tokio::join!(wire.send(commands.as_bytes(), 50, later()), answering);
    assert_eq!(taken, commands.len());
    for _ in 0..50 {
        assert_eq!(code(&mut wire).await, 250);
    }
    assert!(wire.is_settled() && wire.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn writing_stops_when_all_is_answered() {
    let (mut wire, mut server) = wire(64);
    let no = async { server.write_all(b"552 too large\r\n").await.unwrap() };
    let (taken, ()) = tokio::join!(wire.send(&[b'x'; 1000], 1, later()), no);
    assert!(taken < 1000);
    assert_eq!(code(&mut wire).await, 552);
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_though_the_connection_ended_behind_it() {
    let (mut wire, mut server) = wire(64);
    server.write_all(b"552 too large\r\n").await.unwrap();
    drop(server);
    assert!(wire.send(&[b'x'; 1000], 1, later()).await < 1000);
    assert_eq!(code(&mut wire).await, 552);
    assert!(!wire.is_settled());
}

#[tokio::test(start_paused = true)]
async fn nobody_may_answer_what_was_not_asked() {
    let (mut wire, mut server) = wire(64);
    server.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
    assert!(wire.ask(b"NOOP\r\n", later()).await.is_ok(), "the first one was asked for");
    assert!(!wire.is_settled());
    assert!(matches!(wire.answer(later()).await, Err(Fault::Nonsense(_))));
}

#[tokio::test(start_paused = true)]
async fn a_farewell_may_come_unasked() {
    let (mut wire, mut server) = wire(64);
    server.write_all(b"354 go\r\n421 too late\r\n").await.unwrap();
    assert_eq!(wire.ask(b"DATA\r\n", later()).await.unwrap().code, 354);
    assert_eq!(wire.send(b"x\r\n.\r\n", 1, later()).await, 0);
    assert_eq!(code(&mut wire).await, 421);
}

#[tokio::test(start_paused = true)]
async fn it_is_told_how_much_was_taken_when_time_ran_out() {
    let (mut wire, _server) = wire(10);
    assert_eq!(wire.send(b"0123456789abc", 1, Instant::now() + Duration::from_secs(1)).await, 10);
    assert!(matches!(wire.answer(later()).await, Err(Fault::Slow)));
}

#[tokio::test(start_paused = true)]
async fn what_waits_on_an_idle_connection_is_seen_without_asking() {
    for last in [&b"421 idle for too long\r\n"[..], b"2", b""] {
        let (mut wire, mut server) = wire(64);
        assert!(wire.is_quiet());
        server.write_all(last).await.unwrap();
        drop(server);
        assert!(!wire.is_quiet(), "{}", last.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_given_back_only_if_nothing_is_left_on_it() {
    for (left, is_clean) in [(&b""[..], true), (b"250 fake\r\n", false), (b"2", false)] {
        let (mut wire, mut server) = wire(64);
        server.write_all(&[b"220 go ahead\r\n", left].concat()).await.unwrap();
        assert_eq!(wire.ask(b"STARTTLS\r\n", later()).await.unwrap().code, 220);
        assert_eq!(wire.into_inner().is_some(), is_clean, "{}", left.escape_ascii());
    }
}
