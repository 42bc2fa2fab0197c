//! Servers that cut connections, or leave us waiting.

use std::time::Duration;

use ::mailer::{Disposition, Error, ErrorKind, Outcome, Scope, Stage};

use super::{
    Harness, Target,
    post::{Answers, Post, answers, assert_answers, large_mail, mail, settle},
};
use crate::{
    Case, Checked, cases,
    smtp_server::{BlackHole, Options, Point, SmtpServer, Step, Twist, nobody_listens},
};

use Disposition::Transient;
use Outcome::{NotApplied, Unknown};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::rude";
        nobody_at_the_address_is_unavailable,
        silence_at_the_address_ends_in_time,
        a_connection_closed_before_the_mail_surely_sent_nothing,
        a_connection_closed_after_an_answer_surely_sent_nothing,
        a_connection_cut_before_the_mail_surely_sent_nothing,
        a_connection_cut_before_the_dot_surely_sent_nothing,
        a_connection_lost_after_the_dot_leaves_the_outcome_open,
        a_stall_at_any_point_ends_at_the_deadline,
        a_stall_at_any_point_ends_when_a_step_takes_too_long,
        a_greeting_that_never_ends_ends_in_time,
        a_slow_reader_gets_all_of_the_mail,
        a_no_in_the_middle_of_the_mail_is_heard,
        a_farewell_on_an_idle_connection_costs_no_mail,
        an_idle_connection_that_was_closed_costs_no_mail
    ]
}

/// At once, and surely without effect.
async fn nobody_at_the_address_is_unavailable(harness: &dyn Harness) -> Checked {
    let nobody = nobody_listens().expect("loopback has a free port");
    let error = fails_at(harness, &Target::plain(nobody)).await?;
    assert_answers(&error, lost(Stage::Connect), "nobody listens");
    Ok(())
}

/// By the deadline of the call, or by the bound of a step.
async fn silence_at_the_address_ends_in_time(harness: &dyn Harness) -> Checked {
    let hole = BlackHole::open().await.expect("loopback has a free port");
    let late = (ErrorKind::Timeout, Scope::Transport, Transient, NotApplied, Stage::Connect);
    let mut target = Target::plain(hole.address());
    let error = fails_at(harness, &target).await?;
    assert_answers(&error, late, "by the deadline");
    target.step_timeout = Duration::from_millis(200);
    let backend = harness.open_smtp(&target).await?;
    let post = Post { server: SmtpServer::start(Options::new()), backend };
    assert_answers(&post.fails(&mail()).await, late, "by the step");
    Ok(())
}

/// In place of an answer.
async fn a_connection_closed_before_the_mail_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    for (point, stage) in BEFORE_THE_MAIL {
        let post = Post::open(harness, Options::new()).await?;
        let error = post.fails_by(Twist::at(point).does([Step::Close])).await;
        assert_answers(&error, lost(stage), &format!("{point:?}"));
        post.next_is_fine().await;
    }
    Ok(())
}

/// Just after it.
async fn a_connection_closed_after_an_answer_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    for (point, _) in BEFORE_THE_MAIL.into_iter().filter(|(point, _)| *point != Point::Data) {
        let post = Post::open(harness, Options::new()).await?;
        let error = post.fails_by(Twist::at(point).does([Step::Proceed, Step::Close])).await;
        assert_answers(&error, lost(error.stage()), &format!("{point:?}"));
        assert!(error.stage() < Stage::Verdict, "{error:?}");
        post.next_is_fine().await;
    }
    Ok(())
}

/// So that not even what the server said before arrives.
async fn a_connection_cut_before_the_mail_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    for (point, stage) in BEFORE_THE_MAIL {
        let post = Post::open(harness, Options::new()).await?;
        let error = post.fails_by(Twist::at(point).does([Step::Reset])).await;
        let told = (error.kind(), error.scope(), error.disposition(), error.outcome());
        assert_eq!(
            told,
            (ErrorKind::Unavailable, Scope::Transport, Transient, NotApplied),
            "{point:?}: {error:?}"
        );
        assert!(error.stage() <= stage, "{point:?}: {error:?}");
        post.next_is_fine().await;
    }
    Ok(())
}

/// However much of the mail was sent.
async fn a_connection_cut_before_the_dot_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Body(1)).does([Step::Reset]).always());
    let error = post.fails(&large_mail()).await;
    assert_answers(&error, lost(Stage::Data), "in the middle of the mail");
    post.server.untwist();
    post.next_is_fine().await;
    assert_eq!(post.server.mails().len(), 1);
    Ok(())
}

/// The server may have taken the mail. It is not sent again.
async fn a_connection_lost_after_the_dot_leaves_the_outcome_open(harness: &dyn Harness) -> Checked {
    for steps in [&[Step::Close][..], &[Step::Reset], &[Step::Take, Step::Close], &[Step::Take, Step::Reset]]
    {
        let post = Post::open(harness, Options::new()).await?;
        post.server.twist(Twist::at(Point::Verdict).does(steps.to_vec()));
        let mail = mail();
        let error = post.fails(&mail).await;
        let expected = (ErrorKind::Unavailable, Scope::Transport, Transient, Unknown, Stage::Verdict);
        assert_answers(&error, expected, &format!("{steps:?}"));
        let sent: usize = post.server.seen(|seen| seen.connections.iter().map(|one| one.ended_mails).sum());
        assert_eq!(sent, 1, "the mail was sent again");
        assert_eq!(post.arrived(&mail).len(), usize::from(steps[0] == Step::Take));
        post.next_is_fine().await;
    }
    Ok(())
}

/// The deadline bounds the whole call; only after the dot it leaves the outcome open.
async fn a_stall_at_any_point_ends_at_the_deadline(harness: &dyn Harness) -> Checked {
    assert_stalls_end(harness, |_| {}, async |post| post.fails_briefly(&mail()).await).await
}

/// Without a deadline a server may not hold a caller for ever either.
async fn a_stall_at_any_point_ends_when_a_step_takes_too_long(harness: &dyn Harness) -> Checked {
    let brief = |target: &mut Target| target.step_timeout = Duration::from_secs(1);
    assert_stalls_end(harness, brief, async |post| post.fails(&mail()).await).await
}

/// Some of it came, and the rest does not.
async fn a_greeting_that_never_ends_ends_in_time(harness: &dyn Harness) -> Checked {
    for greeting in ["220 loc", "220-localhost\r\n220-is busy\r\n"] {
        let post = Post::open(harness, Options::new()).await?;
        let steps = [Step::Drip(greeting.into()), Step::Hold];
        post.server.twist(Twist::at(Point::Greeting).does(steps).always());
        let error = post.fails_briefly(&mail()).await;
        let expected = (ErrorKind::Timeout, Scope::Transport, Transient, NotApplied, Stage::Connect);
        assert_answers(&error, expected, greeting);
        post.server.untwist();
        post.server.release();
        post.next_is_fine().await;
    }
    Ok(())
}

/// A server that takes its time to store what came gets the rest later.
async fn a_slow_reader_gets_all_of_the_mail(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Body(1)).does([Step::Hold]));
    post.server.twist(Twist::at(Point::Body(5_000_000)).does([Step::Hold]));
    let mail = large_mail();
    let mut sending = post.begin(&mail, ::mailer::Context::new());
    for holds in [1, 2] {
        tokio::select! {
            answer = &mut sending => panic!("the server has not read it yet: {answer:?}"),
            () = post.until(|seen| seen.holds == holds) => {}
        }
        post.server.release();
    }
    let receipt = sending.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    post.assert_arrived(&mail, &receipt);
    post.next_is_fine().await;
    Ok(())
}

/// Also if the server hangs up after it, as most do.
async fn a_no_in_the_middle_of_the_mail_is_heard(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let no = [Step::line("552 5.3.4 that is enough"), Step::Close];
    post.server.twist(Twist::at(Point::Body(100_000)).does(no).always());
    let error = post.fails(&large_mail()).await;
    let told = (error.kind(), error.scope(), error.disposition(), error.outcome());
    assert_eq!(told, (ErrorKind::TooLarge, Scope::Message, Disposition::Permanent, NotApplied), "{error:?}");
    post.server.untwist();
    post.next_is_fine().await;
    assert_eq!(post.server.mails().len(), 1);
    Ok(())
}

/// It is not taken for the answer to the next mail, which goes over another connection.
async fn a_farewell_on_an_idle_connection_costs_no_mail(harness: &dyn Harness) -> Checked {
    for farewell in ["421 4.4.2 idle for too long", "221 2.0.0 bye", "250 2.0.0 hm"] {
        let post = Post::open(harness, Options::new()).await?;
        let steps = [Step::Proceed, Step::Hold, Step::line(farewell), Step::Hold, Step::Close];
        post.server.twist(Twist::at(Point::Verdict).does(steps));
        post.next_is_fine().await;
        // Between the two the farewell is written.
        for holds in [1, 2] {
            post.until(|seen| seen.holds == holds).await;
            if holds == 1 {
                post.server.release();
            }
        }
        settle().await;
        let mail = mail();
        let mut sending = post.begin(&mail, ::mailer::Context::new());
        // The first connection holds still until the mail has gone another way.
        let answer = tokio::select! {
            answer = &mut sending => answer,
            () = post.until(|seen| seen.connections.len() == 2) => {
                post.server.release();
                sending.answer().await
            }
        };
        let receipt = answer.unwrap_or_else(|error| panic!("{farewell} was taken for an answer: {error:?}"));
        post.assert_arrived(&mail, &receipt);
        post.next_is_fine().await;
        assert_eq!(post.server.mails().len(), 3, "a mail was sent twice");
    }
    Ok(())
}

/// With a word or without one.
async fn an_idle_connection_that_was_closed_costs_no_mail(harness: &dyn Harness) -> Checked {
    let farewell = || Step::line("421 4.4.2 idle for too long");
    for ending in [&[farewell(), Step::Close][..], &[Step::Close], &[Step::Reset]] {
        let post = Post::open(harness, Options::new()).await?;
        let steps = [Step::Proceed, Step::Hold].into_iter().chain(ending.iter().cloned());
        post.server.twist(Twist::at(Point::Verdict).does(steps));
        post.next_is_fine().await;
        post.until(|seen| seen.held == 1).await;
        post.server.release();
        post.until(|seen| seen.connections[0].is_ended || seen.connections[0].is_closed).await;
        settle().await;
        post.next_is_fine().await;
        assert_eq!(post.server.mails().len(), 2, "a mail was sent twice");
        assert_eq!(post.server.opened(), 2);
    }
    Ok(())
}

/// The points at which a server answers before it is sent a mail, and the stage of a fault there.
const BEFORE_THE_MAIL: [(Point, Stage); 5] = [
    (Point::Greeting, Stage::Connect),
    (Point::Ehlo, Stage::Connect),
    (Point::Mail, Stage::Envelope),
    (Point::Rcpt, Stage::Envelope),
    (Point::Data, Stage::Data),
];

/// A connection that was lost before the server had the mail.
fn lost(stage: Stage) -> Answers {
    (ErrorKind::Unavailable, Scope::Transport, Transient, NotApplied, stage)
}

/// What comes of a mail to an address behind which there is no server.
async fn fails_at(harness: &dyn Harness, target: &Target) -> Result<Error, crate::Absent> {
    let backend = harness.open_smtp(target).await?;
    // The server is one that nobody is sent to.
    let post = Post { server: SmtpServer::start(Options::new()), backend };
    let error = post.fails_briefly(&mail()).await;
    post.close().await;
    Ok(error)
}

/// Lets a server stall at each point, all at the same time, and checks what comes of it.
async fn assert_stalls_end(
    harness: &dyn Harness,
    adjust: impl Fn(&mut Target),
    send: impl AsyncFn(&Post) -> Error,
) -> Checked {
    let points = BEFORE_THE_MAIL.into_iter().chain([(Point::Verdict, Stage::Verdict)]);
    let mut posts = Vec::new();
    for (point, stage) in points {
        let post = Post::open_with(harness, Options::new(), &adjust).await?;
        if stage > Stage::Connect {
            // So that little time is lost before the stall.
            post.next_is_fine().await;
        }
        post.server.twist(Twist::at(point).does([Step::Hold]).always());
        posts.push((point, stage, post));
    }
    let errors = futures_util::future::join_all(posts.iter().map(|(_, _, post)| send(post))).await;
    for ((point, stage, post), error) in posts.iter().zip(&errors) {
        let outcome = if *stage == Stage::Verdict { Unknown } else { NotApplied };
        let expected = (ErrorKind::Timeout, Scope::Transport, Transient, outcome, *stage);
        assert_eq!(answers(error), expected, "{point:?}: {error:?}");
        post.server.untwist();
        post.server.release();
        post.next_is_fine().await;
    }
    Ok(())
}
