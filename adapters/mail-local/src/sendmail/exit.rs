//! How a program ended, and what that says about the mail.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use mailer::{Disposition, Error, ErrorKind, Outcome, Reply, Scope, Stage};

/// Lines of the program's complaint that are kept, and characters of each.
const LINES: usize = 8;
const WIDTH: usize = 240;

/// What the end of a program means that had the whole mail, or of one that had not.
pub(super) fn verdict(status: ExitStatus, had_it_all: bool, complaint: &[u8]) -> Result<(), Error> {
    if status.success() && had_it_all {
        return Ok(());
    }
    let (code, error) = match (status.code(), status.signal()) {
        (Some(0), _) => {
            ("exit 0".to_owned(), error(ErrorKind::Protocol, "it ended before it had read the mail"))
        }
        (Some(code), _) => (format!("exit {code}"), of_code(code)),
        (None, Some(signal)) => (format!("signal {signal}"), error(ErrorKind::Unavailable, "it was killed")),
        (None, None) => ("unknown".to_owned(), error(ErrorKind::Other, "it ended in an unknown way")),
    };
    let error = error.at(if had_it_all { Stage::Verdict } else { Stage::Data });
    let error = if had_it_all { error } else { error.with_outcome(Outcome::NotApplied) };
    Err(error.with_reply(Reply { code, enhanced: None, lines: lines(complaint) }))
}

/// The codes of `sysexits.h`, as sendmail and its successors use them.
fn of_code(code: i32) -> Error {
    use Disposition::{Permanent, Transient};
    use Outcome::{NotApplied, Unknown};
    use Scope::{Message, Recipients, Transport};
    let (kind, scope, disposition, outcome, text) = match code {
        64 => (ErrorKind::Config, Transport, Permanent, NotApplied, "it does not know these arguments"),
        65 => (ErrorKind::Refused, Message, Permanent, NotApplied, "the mail is wrong"),
        66 => (ErrorKind::Config, Transport, Permanent, NotApplied, "it lacks a file"),
        67 => (ErrorKind::Refused, Recipients, Permanent, NotApplied, "a recipient is unknown"),
        // Some say this of the recipients' host and some of their relay. Names that are not found today may be tomorrow.
        68 => (ErrorKind::Refused, Recipients, Transient, NotApplied, "a host is unknown"),
        69 => (ErrorKind::Unavailable, Transport, Transient, NotApplied, "a service is unavailable"),
        // These three may come after the mail was passed on: a reply that was lost, a log that is full.
        70 => (ErrorKind::Other, Transport, Permanent, Unknown, "it has a fault"),
        74 => (ErrorKind::Unavailable, Transport, Transient, Unknown, "it could not read or write"),
        76 => (ErrorKind::Protocol, Transport, Transient, Unknown, "it did not understand its peer"),
        71 => (ErrorKind::Unavailable, Transport, Transient, NotApplied, "the system is out of resources"),
        72 => (ErrorKind::Config, Transport, Permanent, NotApplied, "a system file is missing"),
        73 => (ErrorKind::Unavailable, Transport, Transient, NotApplied, "it cannot write its queue"),
        75 => (ErrorKind::Unavailable, Transport, Transient, NotApplied, "it asks to try again later"),
        77 => (ErrorKind::Auth, Transport, Permanent, NotApplied, "we may not send through it"),
        78 => (ErrorKind::Config, Transport, Permanent, NotApplied, "it is set up wrongly"),
        _ => (ErrorKind::Other, Transport, Permanent, Unknown, "it ended with a code that means nothing"),
    };
    error(kind, text).with_scope(scope).with_disposition(disposition).with_outcome(outcome)
}

fn error(kind: ErrorKind, text: &str) -> Error {
    Error::new(kind, format!("the mail program: {text}"))
}

/// The first lines, without what could move a terminal's cursor or feign another line of a log.
fn lines(complaint: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(complaint);
    let printable = |line: &str| -> String {
        let shown = line.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'));
        shown.take(WIDTH).collect()
    };
    text.lines().map(printable).filter(|line| !line.trim().is_empty()).take(LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(wait_status: i32, had_it_all: bool) -> Error {
        verdict(ExitStatus::from_raw(wait_status), had_it_all, b"no\n").unwrap_err()
    }

    #[test]
    fn each_row_of_the_table() {
        use Disposition::{Permanent, Transient};
        use Outcome::{NotApplied, Unknown};
        use Scope::{Message, Recipients, Transport};
        for (code, kind, scope, disposition, outcome) in [
            (1, ErrorKind::Other, Transport, Permanent, Unknown),
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
            (127, ErrorKind::Other, Transport, Permanent, Unknown),
        ] {
            let error = ended(code << 8, true);
            let answers = (error.kind(), error.scope(), error.disposition(), error.outcome());
            assert_eq!(answers, (kind, scope, disposition, outcome), "{code}");
            assert_eq!(error.reply().unwrap().code, format!("exit {code}"));
            assert_eq!(ended(code << 8, false).outcome(), NotApplied, "{code}, not read to the end");
        }
        assert_eq!(ended(9, true).outcome(), Unknown);
        assert_eq!(ended(9, false).outcome(), NotApplied);
        assert_eq!(ended(0, false).kind(), ErrorKind::Protocol);
        assert!(verdict(ExitStatus::from_raw(0), true, b"").is_ok());
    }

    #[test]
    fn a_complaint_is_cleaned_and_short() {
        let long = format!("a\u{1b}[2Jb\r\n\n \n{}\n", "x".repeat(1000)) + &"more\n".repeat(100);
        let kept = lines(long.as_bytes());
        assert_eq!(kept[0], "a[2Jb");
        assert_eq!((kept[1].len(), kept.len()), (WIDTH, LINES));
        assert_eq!(lines(&[0xFF, b'a']), ["\u{fffd}a"]);
    }
}
