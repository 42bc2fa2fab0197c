//! Servers that say what is right in an odd way, or announce what they do not hold.

use ::mailer::{Address, ErrorKind, Outcome, Scope, Stage, Support};

use super::{
    super::desk,
    Harness, Login, Security,
    post::{Post, mail, mail_to},
};
use crate::{
    Case, Checked, cases,
    smtp_server::{Options, Point, Step, Twist},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::odd";
        answers_that_come_byte_by_byte_are_understood,
        keywords_may_be_written_in_any_way,
        a_server_that_knows_helo_only_gets_mail,
        a_server_that_announces_nothing_gets_mail,
        commands_that_a_server_drops_cost_no_more_than_time,
        a_mail_is_not_sent_to_a_server_that_did_not_ask_for_it,
        a_mail_larger_than_announced_is_not_sent,
        dots_at_every_place_of_a_line_arrive,
        a_local_part_of_another_script_needs_smtputf8,
        eight_bit_bytes_are_announced_or_refused
    ]
}

/// However the network cuts them.
async fn answers_that_come_byte_by_byte_are_understood(harness: &dyn Harness) -> Checked {
    for (options, security) in [
        (Options::new(), Security::None),
        (Options::bare(), Security::None),
        (Options::new().start_tls(), Security::StartTls),
        (Options::new().implicit_tls(), Security::Implicit),
    ] {
        let options =
            options.drips().keyword("SIZE 1000000").recipient("bob@example.com", "550 5.1.1 nobody");
        let post = Post::open_with(harness, options, |target| target.security = security).await?;
        for _ in 0..3 {
            post.send(&mail_to(&["ann@example.com", "eve@example.com"])).await;
            post.fails(&mail_to(&["bob@example.com"])).await;
        }
        assert_eq!(post.server.opened(), 1);
    }
    Ok(())
}

/// In lower case, with spaces where none belong, or with a mark from the days before the standard.
async fn keywords_may_be_written_in_any_way(harness: &dyn Harness) -> Checked {
    for line in ["auth PLAIN LOGIN", "AUTH=PLAIN LOGIN", "Auth  plain  login "] {
        let options = Options::bare()
            .keyword("size  1000")
            .keyword("pipelining ")
            .keyword("8BitMime")
            .user("ann", "secret")
            .auth_line(line);
        let post = Post::open_with(harness, options, |target| {
            target.login = Some(Login::fixed("ann", "secret"));
            target.login_in_clear = true;
        });
        let post = post.await?;
        post.next_is_fine().await;
        let error = post.fails(&desk::with_body("x\r\n".repeat(400))).await;
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{line}: {error:?}");
        post.next_is_fine().await;
    }
    Ok(())
}

/// As servers did before there were extensions.
async fn a_server_that_knows_helo_only_gets_mail(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::bare().helo_only()).await?;
    post.next_is_fine().await;
    post.next_is_fine().await;
    assert_eq!(
        post.server.seen(|seen| (seen.count("HELO"), seen.mails[0].parameters.clone())),
        (1, String::new())
    );
    Ok(())
}

/// Without parameters that it would not know.
async fn a_server_that_announces_nothing_gets_mail(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::bare()).await?;
    post.send(&mail_to(&["ann@example.com", "bob@example.com"])).await;
    post.next_is_fine().await;
    assert!(post.server.mails().iter().all(|mail| mail.parameters.is_empty()), "{:?}", post.server.mails());
    Ok(())
}

/// Announced, and not done: what follows the first command of a group is lost.
async fn commands_that_a_server_drops_cost_no_more_than_time(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Mail).does([Step::DropInput, Step::Proceed]));
    let mail = mail();
    match post.try_briefly(&mail).await {
        Ok(receipt) => post.assert_arrived(&mail, &receipt),
        Err(error) => {
            let told = (error.kind(), error.scope(), error.outcome());
            assert_eq!(told, (ErrorKind::Timeout, Scope::Transport, Outcome::NotApplied), "{error:?}");
            assert_eq!(post.arrived(&mail), []);
        }
    }
    post.next_is_fine().await;
    Ok(())
}

/// It would be taken for commands.
async fn a_mail_is_not_sent_to_a_server_that_did_not_ask_for_it(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let forged = "MAIL FROM:<eve@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nforged\r\n";
    let mail = desk::with_body(forged);
    post.server.twist(Twist::at(Point::Data).replies("250 2.0.0 ok").always());
    let error = post.fails(&mail).await;
    let told = (error.kind(), error.scope(), error.outcome(), error.stage());
    assert_eq!(told, (ErrorKind::Protocol, Scope::Transport, Outcome::NotApplied, Stage::Data), "{error:?}");
    post.server.untwist();
    post.next_is_fine().await;
    assert_eq!(
        post.server.seen(|seen| (seen.count("MAIL"), seen.mails.len())),
        (2, 1),
        "the body became commands"
    );
    Ok(())
}

/// The server said so when it was connected to.
async fn a_mail_larger_than_announced_is_not_sent(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new().keyword("SIZE 2000")).await?;
    let error = post.fails(&desk::with_body("x\r\n".repeat(1000))).await;
    let told = (error.kind(), error.scope(), error.outcome());
    assert_eq!(told, (ErrorKind::TooLarge, Scope::Message, Outcome::NotApplied), "{error:?}");
    let sent: usize = post.server.seen(|seen| seen.connections.iter().map(|one| one.body).sum());
    assert_eq!(sent, 0, "the mail was sent all the same");
    post.next_is_fine().await;
    Ok(())
}

/// Wherever the mail is divided on its way.
async fn dots_at_every_place_of_a_line_arrive(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let odd = ".\r\n..\r\n...\r\na.\r\n.a\r\n\r\n.\r\n\r\n";
    for padding in 0..8 {
        post.send(&desk::with_body(format!("{}{}", "x".repeat(padding), odd.repeat(5_000)))).await;
    }
    post.next_is_fine().await;
    Ok(())
}

/// Announced, it is used; not announced, the mail is refused, and nothing of it was sent.
async fn a_local_part_of_another_script_needs_smtputf8(harness: &dyn Harness) -> Checked {
    let readers = ["ann@example.com", "jürgen@example.com"];
    let post = Post::open(harness, Options::new()).await?;
    if post.backend.capabilities().utf8_local != Support::No {
        let mail = mail_to(&readers);
        post.send(&mail).await;
        assert!(post.arrived(&mail)[0].parameters.contains("SMTPUTF8"));
    }
    let post = Post::open(harness, Options::bare().keyword("PIPELINING").keyword("8BITMIME")).await?;
    let error = post.fails(&mail_to(&readers)).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotApplied), "{error:?}");
    assert_eq!(post.server.seen(|seen| seen.count("DATA")), 0);
    post.next_is_fine().await;
    Ok(())
}

/// Whoever did not say that it takes them might change them.
async fn eight_bit_bytes_are_announced_or_refused(harness: &dyn Harness) -> Checked {
    let mail = || desk::with_body("gr\u{fc}n\r\n");
    let post = Post::open(harness, Options::new()).await?;
    let sent = mail();
    post.send(&sent).await;
    assert!(post.arrived(&sent)[0].parameters.contains("BODY=8BITMIME"));
    let post = Post::open(harness, Options::bare()).await?;
    let error = post.fails(&mail()).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotApplied), "{error:?}");
    assert_eq!(post.server.seen(|seen| seen.count("DATA")), 0);
    let plain: Address = desk::address("ann@example.com");
    post.send(&mail_to(&[plain.as_str()])).await;
    Ok(())
}
