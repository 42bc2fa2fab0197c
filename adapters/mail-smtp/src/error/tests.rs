use mailer::Outcome;

use super::*;

fn reply(line: &str) -> Reply {
    let (code, text) = line.split_at(3);
    let enhanced = text.split_whitespace().next().filter(|word| word.contains('.')).map(str::to_owned);
    Reply { code: code.parse().unwrap(), enhanced, lines: vec![text.trim().to_owned()] }
}

#[test]
fn each_row_of_the_table() {
    use ErrorKind::{Auth, Protocol, Quota, Refused, Throttled, TooLarge, Unavailable};
    for (step, line, kind, scope) in [
        (Step::Greeting, "421 busy", Unavailable, Scope::Transport),
        (Step::Greeting, "554 not here", Unavailable, Scope::Transport),
        (Step::Hello, "501 no", Unavailable, Scope::Transport),
        (Step::StartTls, "454 not now", ErrorKind::Tls, Scope::Transport),
        (Step::Auth, "535 no", Auth, Scope::Transport),
        (Step::Auth, "454 later", Auth, Scope::Transport),
        (Step::Auth, "421 bye", Unavailable, Scope::Transport),
        (Step::Ping, "500 what", Unavailable, Scope::Transport),
        (Step::Mail, "451 later", Unavailable, Scope::Transport),
        (Step::Mail, "550 not you", Refused, Scope::Message),
        (Step::Mail, "530 log in", Auth, Scope::Transport),
        (Step::Mail, "552 too large", TooLarge, Scope::Message),
        (Step::Mail, "554 5.3.4 too large", TooLarge, Scope::Message),
        (Step::Rcpt, "450 later", Refused, Scope::Recipients),
        (Step::Rcpt, "552 box is full", Refused, Scope::Recipients),
        (Step::Rcpt, "530 log in", Auth, Scope::Transport),
        (Step::Data, "554 no", Refused, Scope::Message),
        (Step::Body, "552 too large", TooLarge, Scope::Message),
        (Step::Verdict, "451 later", Unavailable, Scope::Transport),
        (Step::Verdict, "550 spam", Refused, Scope::Message),
        (Step::Verdict, "454 Throttling failure: rate", Throttled, Scope::Transport),
        (Step::Verdict, "454 Throttling failure: daily quota", Quota, Scope::Transport),
        (Step::Data, "250 odd", Protocol, Scope::Transport),
        (Step::Mail, "221 bye", Unavailable, Scope::Transport),
    ] {
        let error = step.refused(reply(line));
        assert_eq!((error.kind(), error.scope()), (kind, scope), "{step:?} {line}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{step:?} {line}");
        assert_eq!(error.reply().map(|reply| reply.code.as_str()), Some(&line[..3]));
        if kind != Protocol {
            let expected =
                if line.starts_with('5') { Disposition::Permanent } else { Disposition::Transient };
            assert_eq!(error.disposition(), expected, "{step:?} {line}");
        }
    }
}

#[test]
fn only_after_the_dot_the_outcome_is_open() {
    for step in
        [Step::Connect, Step::Greeting, Step::Handshake, Step::Auth, Step::Mail, Step::Data, Step::Body]
    {
        assert_eq!(step.fault(Fault::Lost).outcome(), Outcome::NotApplied, "{step:?}");
        assert_eq!(step.fault(Fault::Slow).outcome(), Outcome::NotApplied, "{step:?}");
    }
    for (fault, kind) in [
        (Fault::Lost, ErrorKind::Unavailable),
        (Fault::Broken(io::ErrorKind::ConnectionReset.into()), ErrorKind::Unavailable),
        (Fault::Slow, ErrorKind::Timeout),
        (Fault::Nonsense("what is no reply"), ErrorKind::Protocol),
    ] {
        let error = Step::Verdict.fault(fault);
        assert_eq!((error.kind(), error.outcome(), error.stage()), (kind, Outcome::Unknown, Stage::Verdict));
    }
    for line in ["221 bye", "354 go on"] {
        assert_eq!(Step::Verdict.refused(reply(line)).outcome(), Outcome::Unknown, "{line} is no clear no");
    }
    assert_eq!(Step::Verdict.refused(reply("421 bye")).outcome(), Outcome::NotApplied);
}

#[test]
fn a_mail_is_worth_another_attempt_if_somebody_may_take_it_then() {
    let refused =
        |address: &str, permanent| Refused { address: address.parse().unwrap(), permanent, reply: None };
    let both = vec![refused("a@example.com", true), refused("b@example.com", false)];
    let error = recipients_refused(both, reply("550 5.1.1 nobody"));
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Refused, Disposition::Transient));
    assert_eq!(error.refused().len(), 2);
    let error = recipients_refused(vec![refused("a@example.com", true)], reply("550 5.1.1 nobody"));
    assert_eq!(error.disposition(), Disposition::Permanent);
}

#[test]
fn each_way_a_handshake_fails() {
    use rustls::{CertificateError, Error as Tls, InvalidMessage};
    let of = |error: Tls| handshake(io::Error::new(io::ErrorKind::InvalidData, error));
    for (fault, told) in [
        (CertificateError::UnknownIssuer, "nobody who is trusted"),
        (CertificateError::Expired, "expired"),
        (CertificateError::NotValidYet, "not valid yet"),
        (CertificateError::NotValidForName, "another name"),
        (CertificateError::BadSignature, "not trusted"),
    ] {
        let error = of(Tls::InvalidCertificate(fault));
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.disposition(), Disposition::Permanent);
    }
    let untrusted = of(Tls::InvalidCertificate(CertificateError::UnknownIssuer));
    let clear = of(Tls::InvalidMessage(InvalidMessage::InvalidContentType));
    assert!(clear.to_string().contains("smtp://"), "{clear}");
    for error in [untrusted, clear, handshake(io::ErrorKind::ConnectionReset.into())] {
        assert_eq!((error.kind(), error.stage()), (ErrorKind::Tls, Stage::Tls), "{error}");
        assert_eq!(error.outcome(), Outcome::NotApplied);
    }
}
