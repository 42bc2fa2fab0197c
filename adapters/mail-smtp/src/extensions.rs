//! What a server can do, as it says in its answer to EHLO.

use crate::reply::Reply;

/// The extensions that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is offered by itself")]
pub(crate) struct Extensions {
    pub(crate) starttls: bool,
    pub(crate) pipelining: bool,
    pub(crate) eight_bit: bool,
    pub(crate) smtputf8: bool,
    /// True if a mail's size may be told beforehand.
    pub(crate) size: bool,
    /// The largest mail in bytes, if there is a limit.
    pub(crate) max_bytes: Option<u64>,
    /// The mechanisms of AUTH, in upper case.
    pub(crate) auth: Vec<String>,
}

impl Extensions {
    /// Reads the answer to EHLO; its first line is a greeting. Keywords count in any case, some servers write
    /// `AUTH=PLAIN`, and spaces stand where they like.
    pub(crate) fn read(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("PIPELINING") => extensions.pipelining = true,
                Some("8BITMIME") => extensions.eight_bit = true,
                Some("SMTPUTF8") => extensions.smtputf8 = true,
                Some("SIZE") => {
                    extensions.size = true;
                    // 0 stands for no limit.
                    extensions.max_bytes =
                        words.next().and_then(|size| size.parse().ok()).filter(|&size| size > 0);
                }
                Some("AUTH") => extensions.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        extensions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_understood_however_they_are_written() {
        let lines = [
            "mx.example",
            "auth=PLAIN login",
            "AUTH  XOAUTH2",
            " pipelining ",
            "Size  1000",
            "8bitmime",
            "X",
        ];
        let reply = Reply { code: 250, enhanced: None, lines: lines.map(str::to_owned).to_vec() };
        let extensions = Extensions::read(&reply);
        assert_eq!(extensions.auth, ["PLAIN", "LOGIN", "XOAUTH2"]);
        assert!(extensions.pipelining && extensions.eight_bit && extensions.size);
        assert!(!extensions.starttls && !extensions.smtputf8);
        assert_eq!(extensions.max_bytes, Some(1000));
    }

    #[test]
    fn a_greeting_offers_nothing_and_no_size_is_no_limit() {
        for lines in [vec!["STARTTLS"], vec!["x", "SIZE 0"], vec!["x", "SIZE"], vec!["x", "SIZE many"]] {
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            let extensions = Extensions::read(&Reply { code: 250, enhanced: None, lines });
            assert!(!extensions.starttls);
            assert_eq!(extensions.max_bytes, None);
        }
    }
}
