//! One conversation: what a sound server says, and the twists that take its place.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    Shared,
    options::Tls,
    state::{Connection, Mail, is_verb},
    twist::{Point, Step},
    wire::{Gone, Served, Wire},
};

/// One conversation.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) shared: Arc<Shared>,
    pub(super) user: Option<String>,
    is_greeted: bool,
    mail: Option<Envelope>,
    /// The mail that came in full and has no verdict yet.
    whole: Option<Bytes>,
}

/// What is known of a mail before it comes.
#[derive(Clone, Default)]
struct Envelope {
    from: String,
    parameters: String,
    to: Vec<String>,
}

/// Serves one connection until one side hangs up.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let mut number = 0;
    shared.state.send_modify(|state| {
        number = state.connections.len();
        state.connections.push(Connection::default());
        state.live += 1;
        state.most_live = state.most_live.max(state.live);
    });
    // Without it an answer in several parts waits for the other side's patience.
    if socket.set_nodelay(true).is_ok() {
        let wire = Wire::new(socket, number, Arc::clone(&shared));
        let session = Session {
            wire,
            shared: Arc::clone(&shared),
            user: None,
            is_greeted: false,
            mail: None,
            whole: None,
        };
        // It ends when somebody hangs up, and closes the connection by being dropped.
        let Err(Gone) = session.converse().await;
    }
    shared.state.send_modify(|state| {
        state.connections[number].is_closed = true;
        state.live -= 1;
    });
}

impl Session {
    async fn converse(mut self) -> Served<std::convert::Infallible> {
        let most = self.shared.options.connections;
        if most.is_some_and(|most| self.shared.state.borrow().live > most) {
            self.wire.say(b"421 4.7.0 too many connections\r\n");
            self.wire.close().await?;
        }
        if self.shared.options.tls == Tls::AtOnce {
            self.handshake().await?;
        }
        self.answer(Point::Greeting, "220 localhost ready").await?;
        loop {
            let line = self.wire.line().await?;
            self.obey(&line).await?;
        }
    }

    async fn obey(&mut self, line: &str) -> Served<()> {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => self.ehlo().await,
            "HELO" => {
                (self.is_greeted, self.mail) = (true, None);
                self.answer(Point::Helo, "250 localhost").await.map(drop)
            }
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.auth(line).await,
            "MAIL" => self.mail(line).await,
            "RCPT" => self.rcpt(line).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.mail = None;
                self.answer(Point::Rset, "250 2.0.0 ok").await.map(drop)
            }
            "NOOP" => self.answer(Point::Noop, "250 2.0.0 ok").await.map(drop),
            "QUIT" => {
                self.answer(Point::Quit, "221 2.0.0 bye").await?;
                self.wire.end().await
            }
            _ => {
                self.wire.say(b"500 5.5.2 what?\r\n");
                Ok(())
            }
        }
    }

    async fn ehlo(&mut self) -> Served<()> {
        (self.is_greeted, self.mail) = (self.shared.options.has_ehlo, None);
        let reply = self.introduction();
        self.answer(Point::Ehlo, &reply).await.map(drop)
    }

    /// The answer to `EHLO`, line by line.
    fn introduction(&self) -> String {
        let options = &self.shared.options;
        if !options.has_ehlo {
            return "502 5.5.1 what?".to_owned();
        }
        let mut lines = vec!["localhost greets you".to_owned()];
        lines.extend(options.keywords.iter().cloned());
        if options.tls == Tls::OnRequest && !self.wire.is_private() {
            lines.push("STARTTLS".to_owned());
        }
        lines.extend(self.auth_line());
        let last = lines.pop().expect("the first line is always there");
        let before = lines.iter().map(|line| format!("250-{line}\r\n"));
        before.chain([format!("250 {last}")]).collect::<Vec<_>>().concat()
    }

    async fn start_tls(&mut self) -> Served<()> {
        if self.shared.options.tls != Tls::OnRequest || self.wire.is_private() {
            self.wire.say(b"502 5.5.1 not here\r\n");
            return Ok(());
        }
        if self.answer(Point::StartTls, "220 2.0.0 go ahead").await? == 220 {
            self.handshake().await?;
        }
        Ok(())
    }

    /// What was said before does not count after it.
    async fn handshake(&mut self) -> Served<()> {
        self.answer(Point::Handshake, "").await?;
        if !self.wire.is_private() {
            self.wire.upgrade().await?;
        }
        (self.is_greeted, self.mail, self.user) = (false, None, None);
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> Served<()> {
        let envelope = argument(line, "FROM:").map(|(from, parameters)| Envelope {
            from: from.to_owned(),
            parameters: parameters.trim().to_owned(),
            to: Vec::new(),
        });
        let announced = envelope.as_ref().and_then(Envelope::size);
        let sound = match (&envelope, self.shared.options.size()) {
            _ if !self.is_greeted => "503 5.5.1 who is there?",
            _ if !self.shared.options.users.is_empty() && self.user.is_none() => "530 5.7.0 say who you are",
            _ if self.mail.is_some() => "503 5.5.1 one at a time",
            (None, _) => "501 5.5.4 from whom?",
            (_, Some(most)) if announced > Some(most) => "552 5.3.4 too large",
            _ => "250 2.1.0 ok",
        };
        if self.answer(Point::Mail, sound).await? / 100 == 2 {
            self.mail = envelope;
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> Served<()> {
        let to = argument(line, "TO:").map(|(to, _)| to.to_owned());
        let shared = Arc::clone(&self.shared);
        let sound = match &to {
            _ if self.mail.is_none() => "503 5.5.1 first the sender",
            None => "501 5.5.4 to whom?",
            Some(to) => shared.options.reply_for(to),
        };
        let code = self.answer(Point::Rcpt, sound).await?;
        if let (2, Some(mail), Some(to)) = (code / 100, &mut self.mail, to) {
            mail.to.push(to);
        }
        Ok(())
    }

    async fn data(&mut self) -> Served<()> {
        let recipients = self.mail.as_ref().map(|mail| mail.to.len());
        let sound = match recipients {
            None => "503 5.5.1 first the sender",
            Some(0) => "554 5.5.1 no valid recipients",
            Some(_) => "354 go ahead",
        };
        if self.answer(Point::Data, sound).await? != 354 {
            return Ok(());
        }
        let raw = self.body().await?;
        let is_too_large = self.shared.options.size().is_some_and(|most| raw.len() > most);
        self.whole = Some(raw);
        let id = format!("Q{:06}", self.shared.state.borrow().mails.len());
        let sound = match recipients {
            None | Some(0) => "554 5.5.1 no valid recipients".to_owned(),
            _ if is_too_large => "552 5.3.4 too large".to_owned(),
            _ => format!("250 2.0.0 Ok: queued as {id}"),
        };
        let mut steps = self.shared.twisted(Point::Verdict).unwrap_or_else(|| vec![Step::Proceed]);
        // Whoever hears that a mail was taken must find it taken.
        if steps.iter().any(|step| step.code(&sound) / 100 == 2) {
            steps.insert(0, Step::Take);
        }
        self.play(steps, &sound).await?;
        (self.mail, self.whole) = (None, None);
        Ok(())
    }

    /// Reads a mail up to the dot that ends it, and takes away the dots that SMTP adds.
    async fn body(&mut self) -> Served<Bytes> {
        let mut sent = Vec::new();
        let end = loop {
            let searched = sent.len();
            sent.extend_from_slice(&self.wire.take_input());
            if let Some(end) = end_of_mail(&sent, searched) {
                break end;
            }
            self.wire.note(|connection| connection.body = sent.len());
            self.answer(Point::Body(sent.len()), "").await?;
            self.wire.fill().await?;
        };
        self.wire.put_back(&sent[end + 3..]);
        sent.truncate(end);
        self.wire.note(|connection| {
            connection.body = end;
            connection.ended_mails += 1;
        });
        let mut raw = Vec::with_capacity(end);
        for line in sent.split_inclusive(|&byte| byte == b'\n') {
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        Ok(raw.into())
    }

    /// Takes the mail over that came last, if it is for anybody.
    fn take(&mut self) {
        let (Some(mail), Some(raw)) = (self.mail.clone(), self.whole.take()) else { return };
        if mail.to.is_empty() {
            return;
        }
        let (connection, private, user) = (self.wire.number(), self.wire.is_private(), self.user.clone());
        self.shared.state.send_modify(|state| {
            let id = format!("Q{:06}", state.mails.len());
            let Envelope { from, parameters, to } = mail;
            state.mails.push(Mail { from, parameters, to, raw, connection, user, private, id });
        });
    }

    /// Answers what a sound server does, or what a twist says in its place; returns the code of the answer.
    pub(super) async fn answer(&mut self, point: Point, sound: &str) -> Served<u16> {
        let steps = self.shared.twisted(point).unwrap_or_else(|| vec![Step::Proceed]);
        self.play(steps, sound).await
    }

    async fn play(&mut self, steps: Vec<Step>, sound: &str) -> Served<u16> {
        let mut code = 0;
        for step in steps {
            code = Some(step.code(sound)).filter(|&code| code > 0).unwrap_or(code);
            match step {
                Step::Proceed if sound.is_empty() => {}
                Step::Proceed => self.wire.say(format!("{sound}\r\n").as_bytes()),
                Step::Reply(bytes) => self.wire.say(&bytes),
                Step::Drip(bytes) => self.wire.drip(&bytes).await?,
                Step::Expect(verb) => self.expect(verb).await?,
                Step::StartTls => self.wire.upgrade().await?,
                Step::DropInput => drop(self.wire.take_input()),
                Step::Take => self.take(),
                Step::Hold => self.hold().await?,
                Step::Close => self.wire.close().await?,
                Step::Reset => self.wire.reset()?,
            }
        }
        Ok(code)
    }

    async fn expect(&mut self, verb: &str) -> Served<()> {
        let line = self.wire.line().await?;
        if is_verb(&line, verb) {
            return Ok(());
        }
        let complaint = format!("{verb} was expected and {line:?} came");
        self.shared.state.send_modify(|state| state.complaints.push(complaint));
        self.wire.close().await
    }

    async fn hold(&mut self) -> Served<()> {
        self.wire.flush().await?;
        let mut released = self.shared.released.subscribe();
        self.shared.state.send_modify(|state| {
            state.held += 1;
            state.holds += 1;
        });
        let released = released.changed().await;
        self.shared.state.send_modify(|state| state.held -= 1);
        released.map_err(|_server_ended| Gone)
    }
}

impl Shared {
    /// What a twist wants to be done at this point, if any does.
    fn twisted(&self, point: Point) -> Option<Vec<Step>> {
        self.twists().iter_mut().find_map(|twist| twist.apply(point))
    }
}

impl Step {
    /// The code of what this step answers; 0 if it answers nothing.
    fn code(&self, sound: &str) -> u16 {
        let said = match self {
            Self::Proceed => sound.as_bytes(),
            Self::Reply(bytes) | Self::Drip(bytes) => bytes,
            _ => b"",
        };
        let digits = said.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }
}

impl Envelope {
    /// How large the mail will be, if the client said so.
    fn size(&self) -> Option<usize> {
        let mut words = self.parameters.split(' ').map(str::to_ascii_uppercase);
        words.find_map(|word| word.strip_prefix("SIZE=")?.parse().ok())
    }
}

/// The address of a `MAIL` or `RCPT`, and what follows it.
fn argument<'a>(line: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let rest = line.get(5..)?.trim_start();
    let path = rest
        .get(..word.len())
        .filter(|start| start.eq_ignore_ascii_case(word))
        .map(|_| &rest[word.len()..])?;
    path.trim_start().strip_prefix('<')?.split_once('>')
}

/// Where the dot is that ends a mail; what was searched before ends there.
fn end_of_mail(sent: &[u8], searched: usize) -> Option<usize> {
    let mut at = searched.saturating_sub(4);
    while let Some(dot) = sent[at..].iter().position(|&byte| byte == b'.') {
        let dot = at + dot;
        let begins_line = dot == 0 || sent[..dot].ends_with(b"\r\n");
        if begins_line && sent[dot..].starts_with(b".\r\n") {
            return Some(dot);
        }
        at = dot + 1;
    }
    None
}
