//! What goes wrong, and when.

use hyper::http::request::Parts;

/// Which requests are spoiled. Unless [`always`](Self::always) is said, one.
#[derive(Debug, Clone, Default)]
pub struct When {
    method: Option<&'static str>,
    path: Option<String>,
    query: Vec<&'static str>,
    without: Vec<&'static str>,
    skip: usize,
    times: Option<usize>,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is cut before the server sees anything.
    CutBefore,
    /// The server gets half of the request's body, and both connections are cut.
    CutWithin,
    /// The server does what it is asked, and the connection is cut in place of the answer.
    CutAfter,
    /// The server sees nothing, and no answer ever comes.
    Stall,
    /// The server does what it is asked, and no answer ever comes.
    StallAfter,
    /// So many bytes of the answer's body come, and then nothing more.
    StallWithin(usize),
    /// So many bytes of the answer's body come, and then the connection is cut.
    Truncate(usize),
    /// So many bytes of the answer's body come, and its headers say that this is all.
    Shorten(usize),
    /// The answer's body comes a byte at a time.
    Drip,
    /// The server sees nothing; this is the answer.
    Answer(Reply),
    /// The server does what it is asked; this is the answer.
    AnswerAfter(Reply),
    /// The server gets the request twice; its second answer is the answer.
    Twice,
    /// The request waits until a later one has been answered.
    Overtaken,
    /// A header of the answer has another value, or is missing.
    Header(&'static str, Option<&'static str>),
}

/// An answer that no server gave.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: String,
}

/// A fault, and how often it has its turn.
#[derive(Debug)]
pub(super) struct Rule {
    when: When,
    fault: Fault,
    matched: usize,
}

impl When {
    /// Any request.
    pub fn any() -> Self {
        Self { times: Some(1), ..Self::default() }
    }

    /// Requests of this method.
    pub fn method(method: &'static str) -> Self {
        Self { method: Some(method), ..Self::any() }
    }

    /// Of these, the ones whose path ends like this.
    #[must_use]
    pub fn path(mut self, end: impl Into<String>) -> Self {
        self.path = Some(end.into());
        self
    }

    /// Of these, the ones whose query contains this.
    #[must_use]
    pub fn query(mut self, text: &'static str) -> Self {
        self.query.push(text);
        self
    }

    /// Of these, the ones whose query does not contain this.
    #[must_use]
    pub fn without(mut self, text: &'static str) -> Self {
        self.without.push(text);
        self
    }

    /// Of these, not the first so many.
    #[must_use]
    pub fn after(mut self, skipped: usize) -> Self {
        self.skip = skipped;
        self
    }

    /// Of these, so many.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Of these, all.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn is_about(&self, request: &Parts) -> bool {
        let query = request.uri.query().unwrap_or_default();
        self.method.is_none_or(|method| request.method == method)
            && self.path.as_ref().is_none_or(|end| request.uri.path().ends_with(end.as_str()))
            && self.query.iter().all(|text| query.contains(text))
            && !self.without.iter().any(|text| query.contains(text))
    }
}

impl Reply {
    /// An answer with this status and nothing else.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// The document in which S3 says what is wrong.
    pub fn s3_error(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Made by a proxy.</Message></Error>"
        );
        Self { status, headers: vec![("content-type", "application/xml")], body }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Rule {
    pub(super) fn new(when: When, fault: Fault) -> Self {
        Self { when, fault, matched: 0 }
    }

    /// The fault, if it is this request's turn.
    pub(super) fn spoils(&mut self, request: &Parts) -> Option<Fault> {
        if !self.when.is_about(request) {
            return None;
        }
        self.matched += 1;
        let turn = self.matched.checked_sub(self.when.skip + 1)?;
        self.when.times.is_none_or(|times| turn < times).then(|| self.fault.clone())
    }

    /// How many requests it has spoiled.
    pub(super) fn spoiled(&self) -> usize {
        let turns = self.matched.saturating_sub(self.when.skip);
        self.when.times.map_or(turns, |times| turns.min(times))
    }
}
