//! A backend that runs a program such as sendmail for each mail: how it calls it, what it makes of its end, and that it
//! leaves none behind.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use ::mailer::{Context, Disposition, EnvelopeFrom, Error, ErrorKind, Outcome, Outgoing, Scope};
use tokio::io::AsyncReadExt as _;

use super::{
    Harness,
    desk::{address, email, enveloped, render},
};
use crate::{
    Case, Checked, cases,
    process_stub::{ProcessStub, Run},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["process";
        it_is_called_with_these_arguments_and_this_input,
        a_recipient_is_never_an_option,
        it_sees_none_of_our_surroundings,
        each_exit_code_has_its_meaning,
        a_program_that_cannot_run_is_a_fault_of_the_setup,
        killed_before_it_had_the_mail_it_surely_sent_nothing,
        killed_when_it_had_the_mail_nobody_knows,
        one_that_complains_without_end_is_still_fed,
        one_that_ends_early_is_heard,
        one_that_reads_nothing_is_killed_at_the_deadline,
        one_that_never_ends_is_killed_at_the_deadline,
        a_dropped_call_leaves_no_process,
        half_a_mail_is_never_taken_for_a_whole
    ]
}

/// `-i -f <sender> -- <recipients>`, the null sender as `<>`, and the bytes with LF at the end of lines.
async fn it_is_called_with_these_arguments_and_this_input(harness: &dyn Harness) -> Checked {
    let bounce = address("bounce@example.org");
    for (sender, expected) in
        [(EnvelopeFrom::Address(bounce), "bounce@example.org"), (EnvelopeFrom::Null, "<>")]
    {
        let stub = ProcessStub::new();
        let backend = harness.open_sendmail(&stub.program()).await?;
        let text = "one \n.\n..\n-t\nFrom here\n\n";
        let mail = email().envelope_from(sender).bcc(address("bcc@example.com")).text(text);
        let mail = render(&mail);
        backend.deliver(&mail, &Context::new()).await.expect("the program took it");
        let run = only(&stub);
        assert_eq!(run.arguments, ["-i", "-f", expected, "--", "ann@example.com", "bcc@example.com"]);
        let input = run.input.as_deref().expect("the input was ended");
        let raw = String::from_utf8_lossy(mail.raw()).replace("\r\n", "\n");
        assert_eq!(String::from_utf8_lossy(input), raw);
    }
    Ok(())
}

/// Whatever it begins with.
async fn a_recipient_is_never_an_option(harness: &dyn Harness) -> Checked {
    let stub = ProcessStub::new();
    let backend = harness.open_sendmail(&stub.program()).await?;
    let odd = ["-t@example.com", "--help@example.com", "-oQ/tmp@example.com"].map(address);
    let mail = enveloped(Some(address("-f@example.org")), odd.clone());
    backend.deliver(&mail, &Context::new()).await.expect("the program took it");
    let arguments = only(&stub).arguments;
    let (options, recipients) =
        arguments.split_at(arguments.iter().position(|one| one == "--").expect("a --"));
    assert_eq!(recipients[1..], odd.map(|one| one.to_string()));
    assert_eq!(options, ["-i", "-f", "-f@example.org"]);
    Ok(())
}

/// Our environment may hold secrets, and is none of its business.
async fn it_sees_none_of_our_surroundings(harness: &dyn Harness) -> Checked {
    let stub = ProcessStub::new();
    let backend = harness.open_sendmail(&stub.program()).await?;
    backend.deliver(&small(), &Context::new()).await.expect("the program took it");
    // The shell that plays the program adds some of these itself.
    let known = ["PATH", "LC_ALL", "HOME", "USER", "LOGNAME", "TZ", "PWD", "OLDPWD", "SHLVL", "_"];
    for line in only(&stub).environment {
        let name = line.split('=').next().unwrap_or_default();
        assert!(known.contains(&name), "the program was given {name}");
    }
    Ok(())
}

/// Those that clearly say no let the mail be sent again; the others do not.
async fn each_exit_code_has_its_meaning(harness: &dyn Harness) -> Checked {
    use Disposition::{Permanent, Transient};
    use Outcome::{NotApplied, Unknown};
    use Scope::{Message, Recipients, Transport};
    let stub = ProcessStub::new();
    let backend = harness.open_sendmail(&stub.program()).await?;
    for (code, kind, scope, disposition, outcome) in [
        (64, ErrorKind::Config, Transport, Permanent, NotApplied),
        (65, ErrorKind::Refused, Message, Permanent, NotApplied),
        (66, ErrorKind::Config, Transport, Permanent, NotApplied),
        (67, ErrorKind::Refused, Recipients, Permanent, NotApplied),
        (68, ErrorKind::Refused, Recipients, Transient, NotApplied),
        (69, ErrorKind::Unavailable, Transport, Transient, NotApplied),
        (70, ErrorKind::Other, Transport, Permanent, Unknown),
        (71, ErrorKind::Unavailable, Transport, Transient, NotApplied),
        (72, ErrorKind::Config, Transport, Permanent, NotApplied),
        (73, ErrorKind::Unavailable, Transport, Transient, NotApplied),
        (74, ErrorKind::Unavailable, Transport, Transient, Unknown),
        (75, ErrorKind::Unavailable, Transport, Transient, NotApplied),
        (76, ErrorKind::Protocol, Transport, Transient, Unknown),
        (77, ErrorKind::Auth, Transport, Permanent, NotApplied),
        (78, ErrorKind::Config, Transport, Permanent, NotApplied),
        (1, ErrorKind::Other, Transport, Permanent, Unknown),
    ] {
        stub.plays(&format!("take; echo 'no, {code}' >&2; exit {code}"));
        let error = backend.deliver(&small(), &Context::new()).await.expect_err("it failed");
        let answers = (error.kind(), error.scope(), error.disposition(), error.outcome());
        assert_eq!(answers, (kind, scope, disposition, outcome), "exit {code}: {error}");
        assert_eq!(said(&error), [format!("no, {code}")]);
    }
    assert!(stub.runs().iter().all(|run| !run.is_left()), "a process was not waited for");
    Ok(())
}

/// Not there, not executable, not a program: nothing went out, and the check finds out too.
async fn a_program_that_cannot_run_is_a_fault_of_the_setup(harness: &dyn Harness) -> Checked {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let text = folder.path().join("text");
    std::fs::write(&text, "no program").expect("the file can be written");
    for program in [folder.path().join("missing"), text, folder.path().to_owned()] {
        let backend = harness.open_sendmail(&program).await?;
        let error = backend.deliver(&small(), &Context::new()).await.expect_err("there is no program");
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Config, Outcome::NotApplied), "{error}");
        let error = backend.check().await.expect_err("there is no program");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    Ok(())
}

/// A signal while the mail was still being handed over.
async fn killed_before_it_had_the_mail_it_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    let error = fails(harness, "head -c 1 > /dev/null; kill -9 $$", &large()).await?;
    assert_eq!((error.scope(), error.outcome()), (Scope::Transport, Outcome::NotApplied), "{error}");
    assert_eq!(error.disposition(), Disposition::Transient, "{error}");
    Ok(())
}

/// A signal after the input was ended.
async fn killed_when_it_had_the_mail_nobody_knows(harness: &dyn Harness) -> Checked {
    let error = fails(harness, "take; kill -9 $$", &small()).await?;
    assert_eq!((error.scope(), error.outcome()), (Scope::Transport, Outcome::Unknown), "{error}");
    Ok(())
}

/// It says more than fits a pipe before it reads, and once more in the end; it is neither stopped nor repeated in full.
async fn one_that_complains_without_end_is_still_fed(harness: &dyn Harness) -> Checked {
    let flood = "i=0; while [ $i -lt 3000 ]; do echo 'a complaint of a hundred characters, more or less, of which \
                 nobody needs to hear all that many, really' >&2; i=$((i+1)); done";
    let stub = ProcessStub::new();
    stub.plays(&format!("{flood}; take; {flood}; echo done; exit ${{code:-0}}"));
    let backend = harness.open_sendmail(&stub.program()).await?;
    let mail = large();
    backend.deliver(&mail, &bounded()).await.expect("the program took it");
    let input = only(&stub).input.expect("the input was ended");
    assert_eq!(input.len(), String::from_utf8_lossy(mail.raw()).replace("\r\n", "\n").len());
    let error = fails(harness, &format!("{flood}; take; {flood}; exit 75"), &mail).await?;
    let kept: usize = said(&error).iter().map(String::len).sum();
    assert!((1..=16 << 10).contains(&kept), "{kept} bytes of complaint were kept");
    Ok(())
}

/// Its own words explain more than a broken pipe, and are fit to be printed.
async fn one_that_ends_early_is_heard(harness: &dyn Harness) -> Checked {
    let play = r"printf 'queue \033[2Jis full\r\nask the \000postmaster\n' >&2; exit 75";
    for mail in [small(), large()] {
        let error = fails(harness, play, &mail).await?;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{error}");
        assert_eq!(said(&error), ["queue [2Jis full", "ask the postmaster"]);
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    let error = fails(harness, "exit 0", &large()).await?;
    assert_eq!(error.outcome(), Outcome::NotApplied, "it said yes to a mail it had not read: {error}");
    Ok(())
}

/// It never had the mail.
async fn one_that_reads_nothing_is_killed_at_the_deadline(harness: &dyn Harness) -> Checked {
    let error = never_ends(harness, "exec sleep 600", &large()).await?;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied), "{error}");
    Ok(())
}

/// It has had the mail, and what it did with it nobody knows.
async fn one_that_never_ends_is_killed_at_the_deadline(harness: &dyn Harness) -> Checked {
    let error = never_ends(harness, "take; exec sleep 600", &small()).await?;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
    Ok(())
}

/// It is killed and waited for, by the time the backend is closed.
async fn a_dropped_call_leaves_no_process(harness: &dyn Harness) -> Checked {
    let stub = ProcessStub::new();
    stub.plays("exec 3> \"$here/signs\"; echo here >&3; take; exec sleep 600");
    let backend = harness.open_sendmail(&stub.program()).await?;
    drop_at_sign(&stub, backend.deliver(&small(), &Context::new())).await;
    backend.close().await;
    assert!(!only(&stub).is_left(), "a process was left behind");
    Ok(())
}

/// When a call is dropped on the way, the program must not see its input end.
async fn half_a_mail_is_never_taken_for_a_whole(harness: &dyn Harness) -> Checked {
    let stub = ProcessStub::new();
    stub.plays("exec 3> \"$here/signs\"; head -c 1 > /dev/null; echo half >&3; read _ < \"$here/go\"; take");
    let backend = harness.open_sendmail(&stub.program()).await?;
    let mut signs = drop_at_sign(&stub, backend.deliver(&large(), &Context::new())).await;
    backend.close().await;
    // If it lives, it goes on; then its end is awaited.
    stub.go();
    signs.read_to_end(&mut Vec::new()).await.expect("the pipe can be read");
    assert_eq!(only(&stub).input, None, "half a mail was taken");
    Ok(())
}

/// Polls a call until the program gives a sign, and drops it.
async fn drop_at_sign<T>(
    stub: &ProcessStub,
    call: impl Future<Output = T>,
) -> tokio::net::unix::pipe::Receiver {
    let mut signs = stub.signs();
    let mut call = pin!(call);
    tokio::select! {
        _ = &mut call => panic!("the program still runs, and the call has ended"),
        sign = signs.read_u8() => drop(sign.expect("the program gives a sign")),
    }
    signs
}

/// Hands a mail to a program that plays this and fails.
async fn fails(harness: &dyn Harness, play: &str, mail: &Outgoing) -> Result<Error, crate::Absent> {
    let stub = ProcessStub::new();
    stub.plays(play);
    let backend = harness.open_sendmail(&stub.program()).await?;
    Ok(backend.deliver(mail, &bounded()).await.expect_err("the program failed"))
}

/// Hands a mail to a program that has to be killed, which must be gone when the call answers.
async fn never_ends(harness: &dyn Harness, play: &str, mail: &Outgoing) -> Result<Error, crate::Absent> {
    let stub = ProcessStub::new();
    stub.plays(play);
    let backend = harness.open_sendmail(&stub.program()).await?;
    let cx = Context::new().with_deadline(Instant::now() + Duration::from_secs(2));
    let error = backend.deliver(mail, &cx).await.expect_err("the program never ended");
    assert!(stub.runs().iter().all(|run| !run.is_left()), "a process was left behind");
    Ok(error)
}

/// Far more time than anything here takes; only a hang comes to feel it.
fn bounded() -> Context {
    Context::new().with_deadline(Instant::now() + Duration::from_secs(20))
}

/// A mail that fits a pipe.
fn small() -> Outgoing {
    render(&email().text("hello"))
}

/// A mail that fits no pipe.
fn large() -> Outgoing {
    render(&email().text("a line of text\n".repeat(100_000)))
}

fn only(stub: &ProcessStub) -> Run {
    let mut runs = stub.runs();
    assert_eq!(runs.len(), 1, "one mail is one run");
    runs.remove(0)
}

/// The program's own words.
fn said(error: &Error) -> &[String] {
    error.reply().map(|reply| &reply.lines[..]).unwrap_or_default()
}
