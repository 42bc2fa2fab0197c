//! `name(url url …)?key=value`: layers by configuration.

use std::sync::Arc;
use std::time::Duration;

use super::{BackendUrl, config, is_name};
use crate::layers::{Failover, Rate, RateLimited, Redirected, Retried, RetryPolicy, RoundRobin};
use crate::{Address, Backend, Entropy, Error};

/// Deep enough for every layer twice, and shallow enough for any stack.
const MAX_DEPTH: usize = 16;

/// What is to be opened.
pub(super) enum Spec<'a> {
    Url(&'a str),
    Combination(Combination<'a>),
}

pub(super) struct Combination<'a> {
    name: &'a str,
    pub(super) parts: Vec<Spec<'a>>,
    query: &'a str,
}

/// A combination whose options are read, waiting for what it stands around.
pub(super) enum Layer {
    Failover { dead_for: Duration },
    RoundRobin { dead_for: Duration },
    Retry(RetryPolicy),
    Limit(Rate),
    Redirect { inbox: Address, allowed: Vec<String> },
}

impl<'a> Spec<'a> {
    /// Takes a text apart. A URL that stands alone is taken as it is, parentheses and all.
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        if !text.find([':', '(']).is_some_and(|at| text[at..].starts_with('(')) {
            return Ok(Self::Url(text));
        }
        let mut reader = Reader { rest: text };
        let spec = reader.spec(0)?;
        if !reader.rest.trim().is_empty() {
            return Err(config("something follows the last closing parenthesis of the mail URL"));
        }
        Ok(spec)
    }
}

/// Reads combinations from left to right.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn spec(&mut self, depth: usize) -> Result<Spec<'a>, Error> {
        let word = self.take_until(|c| c.is_whitespace() || c == '(' || c == ')');
        if !self.rest.starts_with('(') {
            if word.ends_with(',') {
                return Err(config("mail URLs in a combination are separated by spaces, not by commas"));
            }
            return Ok(Spec::Url(word));
        }
        if word.contains(':') {
            return Err(config("a ( inside of a mail URL in a combination is written %28"));
        }
        if !is_name(word) {
            return Err(config("a combination of mail URLs does not begin with a name in lower case"));
        }
        if depth >= MAX_DEPTH {
            return Err(config(format!("more than {MAX_DEPTH} combinations of mail URLs inside each other")));
        }
        self.rest = &self.rest[1..];
        self.combination(word, depth).map(Spec::Combination)
    }

    /// Everything behind the opening parenthesis.
    fn combination(&mut self, name: &'a str, depth: usize) -> Result<Combination<'a>, Error> {
        let mut parts = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest;
                break;
            }
            if self.rest.is_empty() {
                return Err(config(format!("{name}( has no closing parenthesis")));
            }
            parts.push(self.spec(depth + 1)?);
            if !self.rest.is_empty() && !self.rest.starts_with(|c: char| c == ')' || c.is_whitespace()) {
                return Err(config(format!("something inside of {name}(…) is not separated by a space")));
            }
        }
        let query = self.rest.strip_prefix('?').map_or("", |rest| {
            self.rest = rest;
            self.take_until(|c| c.is_whitespace() || c == '(' || c == ')')
        });
        Ok(Combination { name, parts, query })
    }

    fn take_until(&mut self, ends: impl FnMut(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }
}

impl Combination<'_> {
    /// Reads name, keys and the number of parts, of this one and of all inside.
    pub(super) fn layer(&self) -> Result<Layer, Error> {
        let mut url = BackendUrl::parse(&format!("{}:?{}", self.name, self.query))?;
        let layer = match self.name {
            "failover" => Layer::Failover { dead_for: dead_for(&mut url)? },
            "roundrobin" => Layer::RoundRobin { dead_for: dead_for(&mut url)? },
            "retry" => Layer::Retry(retry_policy(&mut url)?),
            "limit" => Layer::Limit(rate(&mut url)?),
            "redirect" => redirect(&mut url)?,
            name => {
                let known = "failover, limit, redirect, retry, roundrobin";
                return Err(config(format!("unknown combination {name}(…); known are: {known}")));
            }
        };
        url.finish()?;
        let (name, count) = (self.name, self.parts.len());
        let takes_many = matches!(layer, Layer::Failover { .. } | Layer::RoundRobin { .. });
        if count == 0 || (count > 1 && !takes_many) {
            let wanted = if takes_many { "at least one mail URL" } else { "one mail URL" };
            return Err(config(format!("{name}(…) takes {wanted} and has {count}")));
        }
        for part in &self.parts {
            if let Spec::Combination(inner) = part {
                inner.layer()?;
            }
        }
        Ok(layer)
    }
}

impl Layer {
    /// Puts the layer around what it was written around.
    pub(super) fn around(
        self,
        mut parts: Vec<Arc<dyn Backend>>,
        entropy: &Entropy,
    ) -> Result<Arc<dyn Backend>, Error> {
        let mut one = || parts.pop().ok_or_else(|| config("a combination of no mail URLs"));
        Ok(match self {
            Self::Failover { dead_for } => Arc::new(Failover::new(parts)?.dead_for(dead_for)),
            Self::RoundRobin { dead_for } => Arc::new(RoundRobin::new(parts, entropy)?.dead_for(dead_for)),
            Self::Retry(policy) => Arc::new(Retried::new(one()?, policy, entropy.clone())),
            Self::Limit(rate) => Arc::new(RateLimited::new(one()?, rate)),
            Self::Redirect { inbox, allowed } => Arc::new(Redirected::new(one()?, inbox).allowing(allowed)),
        })
    }
}

fn dead_for(url: &mut BackendUrl) -> Result<Duration, Error> {
    Ok(url.take_duration("retry")?.unwrap_or(Duration::from_mins(1)))
}

fn retry_policy(url: &mut BackendUrl) -> Result<RetryPolicy, Error> {
    let default = RetryPolicy::default();
    Ok(RetryPolicy {
        attempts: url.take_number("attempts")?.unwrap_or(default.attempts),
        first_pause: url.take_duration("first_pause")?.unwrap_or(default.first_pause),
        longest_pause: url.take_duration("longest_pause")?.unwrap_or(default.longest_pause),
        duplicates: url.take_flag("duplicates")?.unwrap_or(default.duplicates),
    })
}

fn rate(url: &mut BackendUrl) -> Result<Rate, Error> {
    let per_second = url.take_number("per_second")?;
    let burst = url.take_number("burst")?;
    let rate = Rate::per_second(per_second.ok_or_else(|| config("limit(…) needs the key per_second"))?)?;
    Ok(burst.map_or(rate, |burst| rate.with_burst(burst)))
}

fn redirect(url: &mut BackendUrl) -> Result<Layer, Error> {
    let inbox = url.take("to").ok_or_else(|| config("redirect(…) needs the key to"))?;
    let inbox = Address::parse(&inbox).map_err(|_| config("the value of to is not an address"))?;
    let allowed = url.take("allow").unwrap_or_default();
    let allowed: Vec<String> =
        allowed.split(',').filter(|domain| !domain.is_empty()).map(str::to_owned).collect();
    if allowed.iter().any(|domain| crate::address::domain_to_ascii(domain).is_none()) {
        return Err(config("the value of allow is not a list of domains"));
    }
    Ok(Layer::Redirect { inbox, allowed })
}
