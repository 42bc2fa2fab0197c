//! Where a server stops behaving well, and what it does there.

use bytes::Bytes;

/// Something that a server does in place of what a sound one would.
///
/// Says at which point of a conversation; by itself the first time that any connection comes there.
#[derive(Clone, Debug)]
pub struct Twist {
    point: Point,
    skip: usize,
    times: usize,
    steps: Vec<Step>,
}

/// A point in a conversation, just before the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Point {
    /// The connection was opened.
    Greeting,
    /// `EHLO`.
    Ehlo,
    /// `HELO`.
    Helo,
    /// `STARTTLS`. The handshake follows if the answer is 220.
    StartTls,
    /// The handshake is about to begin, whether asked for or from the first byte.
    Handshake,
    /// `AUTH`. What the client sent with it counts as accepted if the answer is 235.
    Auth,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA`. The mail follows if the answer is 354.
    Data,
    /// This many bytes of a mail, or more, have come.
    Body(usize),
    /// The mail has come in full. It is taken if the answer begins with 2.
    Verdict,
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
}

/// What a server does at a point. After the last step the conversation goes on as if the server had answered of its
/// own will what the steps answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// What a sound server answers here.
    Proceed,
    /// Sends these bytes as they are.
    Reply(Bytes),
    /// Sends these bytes one by one.
    Drip(Bytes),
    /// Reads a line, which must be this command. If it is another, the server complains and closes.
    Expect(&'static str),
    /// Makes the connection private.
    StartTls,
    /// Forgets what the client has sent already and was not read yet.
    DropInput,
    /// Takes the mail over, without telling anybody.
    Take,
    /// Does nothing, and reads nothing, until it is [released](super::SmtpServer::release).
    Hold,
    /// Says that it will send no more, and waits for the client to close.
    Close,
    /// Cuts the connection at once, so that what is on its way is lost.
    Reset,
}

impl Twist {
    /// A twist at this point, once.
    pub fn at(point: Point) -> Self {
        Self { point, skip: 0, times: 1, steps: vec![Step::Proceed] }
    }

    /// Does these steps.
    #[must_use]
    pub fn does(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Answers this, to which the line break is added.
    #[must_use]
    pub fn replies(self, line: &str) -> Self {
        self.does([Step::line(line)])
    }

    /// Not before the point was come to this often.
    #[must_use]
    pub fn after(mut self, times: usize) -> Self {
        self.skip = times;
        self
    }

    /// This often rather than once.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Each time.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// What to do at this point; `None` if this twist has nothing to do with it, or not now.
    pub(super) fn apply(&mut self, point: Point) -> Option<Vec<Step>> {
        let is_reached = match (self.point, point) {
            (Point::Body(least), Point::Body(bytes)) => bytes >= least,
            (asked, point) => asked == point,
        };
        if !is_reached || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.saturating_sub(usize::from(self.times != usize::MAX));
        Some(self.steps.clone())
    }
}

impl Step {
    /// Sends one line, to which the line break is added.
    pub fn line(text: &str) -> Self {
        Self::Reply(format!("{text}\r\n").into())
    }
}
