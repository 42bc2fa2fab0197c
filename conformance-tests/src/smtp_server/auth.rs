//! How clients prove who they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    options::{Mechanism, Tls},
    session::Session,
    twist::Point,
    wire::Served,
};

/// Somebody who says who he is, and whether it was found to be true.
type Claim = Option<(String, bool)>;

impl Session {
    /// The line that announces `AUTH`, if it is offered now.
    pub(super) fn auth_line(&self) -> Option<String> {
        let options = &self.shared.options;
        let is_safe = options.tls == Tls::Never || self.wire.is_private() || options.auth_in_clear;
        if options.users.is_empty() || !is_safe {
            return None;
        }
        let names = options.mechanisms.iter().map(|mechanism| mechanism.name());
        let line = format!("AUTH {}", names.collect::<Vec<_>>().join(" "));
        Some(options.auth_line.clone().unwrap_or(line))
    }

    pub(super) async fn auth(&mut self, line: &str) -> Served<()> {
        if self.auth_line().is_none() || self.user.is_some() {
            self.wire.say(b"503 5.5.1 not now\r\n");
            return Ok(());
        }
        let mut words = line.split(' ').skip(1);
        let name = words.next().unwrap_or_default();
        let initial = words.next().map(|text| if text == "=" { "" } else { text }.to_owned());
        let offered = &self.shared.options.mechanisms;
        let mechanism = offered.iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name)).copied();
        let claim = match mechanism {
            Some(Mechanism::Plain) => self.plain(initial).await?,
            Some(Mechanism::Login) => self.login(initial).await?,
            Some(Mechanism::Xoauth2) => self.xoauth2(initial).await?,
            None => {
                self.wire.say(b"504 5.5.4 not this way\r\n");
                return Ok(());
            }
        };
        let sound = match &claim {
            Some((_, true)) => "235 2.7.0 welcome",
            Some((_, false)) => "535 5.7.8 not so",
            None => "501 5.5.2 what?",
        };
        if self.answer(Point::Auth, sound).await? == 235 {
            self.user = claim.map(|(user, _)| user);
        }
        Ok(())
    }

    async fn plain(&mut self, initial: Option<String>) -> Served<Claim> {
        let text = match initial {
            Some(text) => text,
            None => self.challenge("").await?,
        };
        let decoded = decode(&text);
        let mut parts = decoded.as_deref().unwrap_or_default().split('\0').skip(1);
        Ok(parts.next().zip(parts.next()).map(|(user, password)| self.judged(user, password)))
    }

    async fn login(&mut self, initial: Option<String>) -> Served<Claim> {
        let user = match initial {
            Some(text) => text,
            None => self.challenge("Username:").await?,
        };
        let password = self.challenge("Password:").await?;
        let said = decode(&user).zip(decode(&password));
        Ok(said.map(|(user, password)| self.judged(&user, &password)))
    }

    async fn xoauth2(&mut self, initial: Option<String>) -> Served<Claim> {
        let text = match initial {
            Some(text) => text,
            None => self.challenge("").await?,
        };
        let decoded = decode(&text).unwrap_or_default();
        let part = |name| decoded.split('\x01').find_map(|part| part.strip_prefix(name));
        let claim = part("user=").zip(part("auth=Bearer ")).map(|(user, token)| self.judged(user, token));
        if !matches!(claim, Some((_, true))) {
            // The fault is told in a challenge, which the client answers with nothing.
            self.challenge(r#"{"status":"401","schemes":"bearer","scope":"mail"}"#).await?;
        }
        Ok(claim)
    }

    async fn challenge(&mut self, text: &str) -> Served<String> {
        self.wire.say(format!("334 {}\r\n", STANDARD.encode(text)).as_bytes());
        self.wire.line().await
    }

    fn judged(&self, user: &str, secret: &str) -> (String, bool) {
        let mut known = self.shared.options.users.iter();
        (user.to_owned(), known.any(|(name, password)| (name.as_str(), password.as_str()) == (user, secret)))
    }
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}
