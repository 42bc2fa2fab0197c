//! Saying who we are.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use mailer::{Disposition, Error, ErrorKind};

use crate::{
    Ask, Credentials, CredentialsProvider, Mechanism,
    config::{Limits, Options},
    error::Step,
    extensions::Extensions,
    reply::Reply,
    wire::{Io, Wire},
};

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
        }
    }
}

/// Says who we are, if we are to be anybody.
pub(crate) async fn log_in<S: Io>(
    wire: &mut Wire<S>,
    offered: &Extensions,
    options: &Options,
    limits: &Limits,
) -> Result<(), Error> {
    let Some(provider) = &options.credentials else { return Ok(()) };
    let credentials = ask(&**provider, Ask { refused: false }, limits).await?;
    let mechanism = choose(&credentials, offered, options)?;
    let reply = exchange(wire, mechanism, &credentials, limits).await?;
    if reply.is_yes() {
        return Ok(());
    }
    let error = Step::Auth.refused(hidden(reply.clone(), &credentials));
    if reply.code != 535 {
        return Err(error);
    }
    // A token may have expired before its time, and a password may just have been changed.
    let renewed = ask(&**provider, Ask { refused: true }, limits).await?;
    if renewed == credentials {
        return Err(error);
    }
    let reply = exchange(wire, choose(&renewed, offered, options)?, &renewed, limits).await?;
    if reply.is_yes() { Ok(()) } else { Err(Step::Auth.refused(hidden(reply, &renewed))) }
}

async fn ask(provider: &dyn CredentialsProvider, ask: Ask, limits: &Limits) -> Result<Credentials, Error> {
    let asking = provider.credentials(ask);
    let answer = match limits.deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, asking).await,
        None => Ok(asking.await),
    };
    match answer {
        Ok(Ok(credentials)) if credentials.is_sound() => Ok(credentials),
        Ok(Ok(_)) => Err(Step::Auth.error(
            ErrorKind::Auth,
            "the user or the secret is empty or holds a character that cannot be sent",
        )),
        Ok(Err(error)) => Err(Step::Auth
            .error(ErrorKind::Auth, "the source of the credentials failed")
            .with_disposition(Disposition::Transient)
            .with_source(error)),
        Err(_) => Err(Step::Auth.error(ErrorKind::Timeout, "the source of the credentials took too long")),
    }
}

fn choose(credentials: &Credentials, offered: &Extensions, options: &Options) -> Result<Mechanism, Error> {
    let known: &[Mechanism] = match (options.mechanism, credentials.is_token()) {
        (Some(only), _) => &[only],
        (None, true) => &[Mechanism::Xoauth2],
        (None, false) => &[Mechanism::Plain, Mechanism::Login],
    };
    let common = known.iter().find(|ours| offered.auth.iter().any(|theirs| theirs == ours.name()));
    common.copied().ok_or_else(|| {
        let ours: Vec<&str> = known.iter().map(|mechanism| mechanism.name()).collect();
        let theirs = if offered.auth.is_empty() { "none".to_owned() } else { offered.auth.join(", ") };
        let message =
            format!("no common mechanism; the server offers: {theirs}; usable here: {}", ours.join(", "));
        Step::Auth.error(ErrorKind::Auth, message)
    })
}

/// Sends the credentials and answers the server's last word.
async fn exchange<S: Io>(
    wire: &mut Wire<S>,
    mechanism: Mechanism,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Reply, Error> {
    let (user, secret) = (credentials.user(), credentials.secret());
    let first = match mechanism {
        Mechanism::Plain => Some(BASE64.encode(format!("\0{user}\0{secret}"))),
        Mechanism::Login => None,
        Mechanism::Xoauth2 => Some(BASE64.encode(format!("user={user}\u{1}auth=Bearer {secret}\u{1}\u{1}"))),
    };
    let command = match &first {
        Some(first) => format!("AUTH {} {first}\r\n", mechanism.name()),
        None => format!("AUTH {}\r\n", mechanism.name()),
    };
    let mut reply = say(wire, &command, limits).await?;
    let answers = match (mechanism, first) {
        (Mechanism::Login, _) => vec![BASE64.encode(user), BASE64.encode(secret)],
        // A server may ask again for what the command held already.
        (Mechanism::Plain, Some(first)) => vec![first],
        // It tells what is wrong, and wants an empty line before it says so clearly.
        _ => vec![String::new()],
    };
    let mut told = None;
    for answer in answers {
        if reply.code != 334 {
            break;
        }
        if mechanism == Mechanism::Xoauth2 {
            told = BASE64.decode(reply.text()).ok().and_then(|json| String::from_utf8(json).ok());
        }
        reply = say(wire, &format!("{answer}\r\n"), limits).await?;
    }
    // Without this the reader of the error would see "bad credentials" and nothing of the reason.
    reply.lines.extend(told.map(|told| told.replace(|c: char| c.is_control(), " ")));
    Ok(reply)
}

async fn say<S: Io>(wire: &mut Wire<S>, line: &str, limits: &Limits) -> Result<Reply, Error> {
    let until = limits.until(limits.timeouts.command);
    wire.ask(line.as_bytes(), until).await.map_err(|fault| Step::Auth.fault(fault))
}

/// The reply without lines that repeat the secret.
fn hidden(mut reply: Reply, credentials: &Credentials) -> Reply {
    let (user, secret) = (credentials.user(), credentials.secret());
    let plain = BASE64.encode(format!("\0{user}\0{secret}"));
    let encoded = BASE64.encode(secret);
    for line in &mut reply.lines {
        let tells = [secret, &plain, &encoded].iter().any(|told| !told.is_empty() && line.contains(*told));
        if tells {
            "(hidden, since it repeats the secret)".clone_into(line);
        }
    }
    reply
}
