//! Proving who we are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use conformance_tests::mailer::smtp::{Login, Mechanism, Secret};
use mailer::{Disposition, Error, ErrorKind};

use super::{
    flaw::Flaw,
    session::Session,
    wire::{Reply, Step},
};

impl Session {
    pub(crate) async fn log_in(&mut self, login: &Login) -> Result<(), Error> {
        let flaw = self.wire.limits.flaw;
        for asked in 1.. {
            let secret = match &login.secret {
                Secret::Fixed(secret) => secret.clone(),
                Secret::Asked(provider) => provider.secret().await.map_err(|_| self.without_secret())?,
            };
            if secret.contains('\0') && flaw != Flaw::SendsAnySecret {
                return Err(Step::Auth.fault(flaw, ErrorKind::Auth, "the secret cannot be sent"));
            }
            let mechanism = self.choose(login)?;
            let mut reply = self.exchange(mechanism, &login.user, &secret).await?;
            if reply.code / 100 == 2 {
                return Ok(());
            }
            let most = match flaw {
                Flaw::NeverAsksAgain => 1,
                Flaw::AsksForEver => 9,
                _ => 2,
            };
            let is_fixed = matches!(login.secret, Secret::Fixed(_));
            if reply.code != 535 || is_fixed || asked >= most {
                if flaw != Flaw::QuotesTheServer {
                    reply.lines.clear();
                }
                return Err(if reply.is_no() {
                    Step::Auth.no(flaw, &reply)
                } else {
                    self.wire.nonsense(Step::Auth)
                });
            }
        }
        unreachable!("the loop is left from within")
    }

    fn without_secret(&self) -> Error {
        let disposition = match self.wire.limits.flaw {
            Flaw::LoginNeverPasses => Disposition::Permanent,
            _ => Disposition::Transient,
        };
        let error = Step::Auth.fault(self.wire.limits.flaw, ErrorKind::Auth, "there is no secret");
        error.with_disposition(disposition)
    }

    fn choose(&self, login: &Login) -> Result<Mechanism, Error> {
        if self.wire.is(Flaw::KnowsPlainOnly) {
            return Ok(Mechanism::Plain);
        }
        let known =
            login.mechanism.map_or_else(|| vec![Mechanism::Plain, Mechanism::Login], |only| vec![only]);
        let is_offered = |ours: &&Mechanism| self.extensions.auth.iter().any(|theirs| theirs == name(**ours));
        known.iter().find(is_offered).copied().ok_or_else(|| {
            let ours: Vec<_> = known.iter().map(|mechanism| name(*mechanism)).collect();
            let text = match self.wire.limits.flaw {
                Flaw::NamesNoMechanism => "no common mechanism".to_owned(),
                _ => format!("we know {ours:?}, the server {:?}", self.extensions.auth),
            };
            Step::Auth.fault(self.wire.limits.flaw, ErrorKind::Auth, &text)
        })
    }

    async fn exchange(&mut self, mechanism: Mechanism, user: &str, secret: &str) -> Result<Reply, Error> {
        let cut = self.wire.is(Flaw::CutsAtColon);
        let user = if cut { user.split(':').next().unwrap_or_default() } else { user };
        let name = name(mechanism);
        match mechanism {
            Mechanism::Plain => {
                let text = STANDARD.encode(format!("\0{user}\0{secret}"));
                self.wire.ask(Step::Auth, &format!("AUTH {name} {text}")).await
            }
            Mechanism::Login => {
                let mut reply = self.wire.ask(Step::Auth, &format!("AUTH {name}")).await?;
                for part in [user, secret] {
                    if reply.code == 334 {
                        reply = self.wire.ask(Step::Auth, &STANDARD.encode(part)).await?;
                    }
                }
                Ok(reply)
            }
            Mechanism::Xoauth2 => {
                let text = STANDARD.encode(format!("user={user}\x01auth=Bearer {secret}\x01\x01"));
                let reply = self.wire.ask(Step::Auth, &format!("AUTH {name} {text}")).await?;
                if reply.code == 334 && !self.wire.is(Flaw::LeavesTheChallenge) {
                    return self.wire.ask(Step::Auth, "").await;
                }
                Ok(reply)
            }
        }
    }
}

fn name(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Plain => "PLAIN",
        Mechanism::Login => "LOGIN",
        Mechanism::Xoauth2 => "XOAUTH2",
    }
}
