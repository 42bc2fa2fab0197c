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
    if options.shows_credentials() {
        let message = "the credentials would travel in clear, which nobody permitted";
        return Err(Step::Auth.error(ErrorKind::Auth, message));
    }
    let credentials = ask(&**provider, Ask::new(false), limits).await?;
    let mechanism = choose(&credentials, offered, options)?;
    let reply = exchange(wire, mechanism, &credentials, limits).await?;
    if reply.is_yes() {
        return Ok(());
    }
    let may_be_outdated = reply.code == 535;
    let error = Step::Auth.refused(reply);
    if !may_be_outdated {
        return Err(error);
    }
    // A token may have expired before its time, and a password may just have been changed.
    let renewed = ask(&**provider, Ask::new(true), limits).await?;
    if renewed == credentials {
        return Err(error);
    }
    let reply = exchange(wire, choose(&renewed, offered, options)?, &renewed, limits).await?;
    if reply.is_yes() { Ok(()) } else { Err(Step::Auth.refused(reply)) }
}

async fn ask(provider: &dyn CredentialsProvider, ask: Ask, limits: &Limits) -> Result<Credentials, Error> {
    let until = limits.until(limits.timeouts.command);
    match tokio::time::timeout_at(until, provider.credentials(ask)).await {
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

/// What we say to prove who we are: a command, and an answer to each challenge.
struct Script {
    command: String,
    answers: Vec<String>,
    /// What no error may repeat.
    secrets: Vec<String>,
}

impl Script {
    fn new(mechanism: Mechanism, credentials: &Credentials) -> Self {
        let (user, secret) = (credentials.user(), credentials.secret());
        let name = mechanism.name();
        let (first, answers) = match mechanism {
            Mechanism::Plain => {
                let first = BASE64.encode(format!("\0{user}\0{secret}"));
                // A server may ask again for what the command held already.
                (Some(first.clone()), vec![first])
            }
            Mechanism::Login => (None, vec![BASE64.encode(user), BASE64.encode(secret)]),
            Mechanism::Xoauth2 => {
                let first = BASE64.encode(format!("user={user}\u{1}auth=Bearer {secret}\u{1}\u{1}"));
                // The challenge says what is wrong. An empty answer has the server say so in a reply.
                (Some(first), vec![String::new()])
            }
        };
        let command = first.as_ref().map_or(format!("AUTH {name}"), |first| format!("AUTH {name} {first}"));
        let secrets = [Some(secret.to_owned()), Some(BASE64.encode(secret)), first].into_iter().flatten();
        Self { command, answers, secrets: secrets.filter(|secret| !secret.is_empty()).collect() }
    }

    /// The reply without lines that repeat a secret.
    fn hide(&self, mut reply: Reply) -> Reply {
        for line in &mut reply.lines {
            if self.secrets.iter().any(|secret| line.contains(secret)) {
                "(hidden, since it repeats the secret)".clone_into(line);
            }
        }
        reply
    }
}

/// Sends the credentials and answers the server's last word.
async fn exchange<S: Io>(
    wire: &mut Wire<S>,
    mechanism: Mechanism,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Reply, Error> {
    let script = Script::new(mechanism, credentials);
    let mut reply = say(wire, &script.command, limits).await?;
    let mut told = None;
    for answer in &script.answers {
        if reply.code != 334 {
            break;
        }
        if mechanism == Mechanism::Xoauth2 {
            told = BASE64.decode(reply.text()).ok().and_then(|json| String::from_utf8(json).ok());
        }
        reply = say(wire, answer, limits).await?;
    }
    // Without this the reader of the error would see that the token was refused, and nothing of the reason.
    reply.lines.extend(told.map(|told| told.replace(char::is_control, " ")));
    Ok(script.hide(reply))
}

async fn say<S: Io>(wire: &mut Wire<S>, line: &str, limits: &Limits) -> Result<Reply, Error> {
    let until = limits.until(limits.timeouts.command);
    let answer = wire.ask(format!("{line}\r\n").as_bytes(), until).await;
    answer.map_err(|fault| Step::Auth.fault(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_repeats_a_secret_is_hidden() {
        let credentials = Credentials::password("ann", "geheim");
        for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2] {
            let script = Script::new(mechanism, &credentials);
            for told in script.secrets.iter().chain([&script.command]).filter(|told| *told != "AUTH LOGIN") {
                let lines = vec![format!("what is {told}?"), "no".to_owned()];
                let reply = script.hide(Reply { code: 535, enhanced: None, lines });
                assert!(!reply.lines.concat().contains(told.as_str()), "{mechanism:?}: {:?}", reply.lines);
                assert_eq!(reply.lines[1], "no");
            }
        }
    }
}
