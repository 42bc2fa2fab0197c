//! Who a mail is from and for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// One address, parsed: it holds nothing that could end a header or an SMTP command.
///
/// The local part is kept as written, including its case. The domain is kept in lower case and in ASCII:
/// `info@Müller.example` becomes `info@xn--mller-kva.example`, so an international domain needs no support
/// from the provider. Two addresses are equal if they are equal in this form.
///
/// ```
/// # use mailer::Address;
/// let address = Address::parse("Ann.Lee@Müller.example")?;
/// assert_eq!(address.as_str(), "Ann.Lee@xn--mller-kva.example");
/// assert_eq!(address.masked(), "A***@xn--mller-kva.example");
/// assert!(Address::parse("ann@example.com> SIZE=1").is_err());
/// # Ok::<(), mailer::Error>(())
/// ```
///
/// Accepted are unquoted local parts of at most 64 bytes (letters and digits of any script, the usual marks,
/// single dots between) and domains or address literals (`[192.0.2.1]`). Quoted local parts (`"a b"@example.com`) are not:
/// hardly anybody has one, and where such an address ends is a question that programs on its way answer differently, which
/// is what an attack needs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Parses `local@domain`, without a display name and without angle brackets.
    ///
    /// Answers [`Invalid`](crate::ErrorKind::Invalid) for everything else. The error does not repeat the input.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (local, domain) =
            text.rsplit_once('@').ok_or_else(|| Error::invalid("address", "has no @ sign"))?;
        if !is_local_part(local) {
            return Err(Error::invalid("address", "the part before the @ sign is not allowed"));
        }
        let domain = domain_to_ascii(domain)
            .ok_or_else(|| Error::invalid("address", "the part after the @ sign is not a domain"))?;
        Ok(Self { text: format!("{local}@{domain}"), at: local.len() })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@` sign.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part after the `@` sign, in ASCII.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// True if the local part is not ASCII, so that the provider must support `SMTPUTF8`.
    pub fn needs_utf8(&self) -> bool {
        !self.text.is_ascii()
    }

    /// The address with most of its local part hidden, for logs. The domain stays: it tells which provider has
    /// trouble. `Display` and `Debug` show the whole address, which belongs into a mail and not into a log.
    pub fn masked(&self) -> String {
        let first = self.local().chars().next().unwrap_or('*');
        format!("{first}***@{}", self.domain())
    }
}

/// An address and the name to show for it.
///
/// ```
/// # use mailer::Mailbox;
/// # fn main() -> Result<(), mailer::Error> {
/// let ann = Mailbox::parse("\"Lee, Ann\" <ann@example.com>")?;
/// assert_eq!((ann.name.as_deref(), ann.address.as_str()), (Some("Lee, Ann"), "ann@example.com"));
/// // A name that a user chose is never parsed; it is quoted or encoded as it needs to be.
/// let odd = Mailbox::named("Ann\" <eve@example.com>", ann.address);
/// assert_eq!(odd.address.as_str(), "ann@example.com");
/// # Ok(())
/// # }
/// ```
///
/// The name may be any text; one that mail cannot carry is refused when the mail is rendered, by the name of
/// the field it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mailbox {
    /// The name to show; blank is the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// An address without a name.
    pub fn new(address: Address) -> Self {
        Self { name: None, address }
    }

    /// An address with a name.
    pub fn named(name: impl Into<String>, address: Address) -> Self {
        Self { name: Some(name.into()), address }
    }

    /// Parses `local@domain` or `Name <local@domain>`; quotes around the name are dropped.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let Some(inner) = text.strip_suffix('>') else {
            return Address::parse(text).map(Self::new);
        };
        let (name, address) =
            inner.rsplit_once('<').ok_or_else(|| Error::invalid("address", "has a > sign alone"))?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name);
        let address = Address::parse(address.trim())?;
        Ok(if name.is_empty() { Self::new(address) } else { Self::named(name, address) })
    }
}

/// True for dot-separated runs of the characters that need no quoting, in any script.
fn is_local_part(local: &str) -> bool {
    let allowed = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        _ if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
        _ => !c.is_control() && !c.is_whitespace(),
    };
    (1..=64).contains(&local.len())
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(allowed))
}

/// The domain in lower-case ASCII, or nothing if it is not one.
pub(crate) fn domain_to_ascii(domain: &str) -> Option<String> {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let is_v4 = literal.parse::<std::net::Ipv4Addr>().is_ok();
        let is_v6 =
            literal.strip_prefix("IPv6:").is_some_and(|rest| rest.parse::<std::net::Ipv6Addr>().is_ok());
        return (is_v4 || is_v6).then(|| domain.to_owned());
    }
    let ascii = idna::domain_to_ascii(domain).ok()?.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    (ascii.len() <= 253 && ascii.split('.').all(is_label)).then_some(ascii)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.text)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

impl FromStr for Mailbox {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self::new(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_local_part_and_folds_the_domain() {
        let address = Address::parse("Ann.Lee+x@Müller.Example").unwrap();
        assert_eq!(address.local(), "Ann.Lee+x");
        assert_eq!(address.domain(), "xn--mller-kva.example");
        assert!(!address.needs_utf8());
        assert_eq!(address.masked(), "A***@xn--mller-kva.example");
        assert!(Address::parse("jürgen@example.org").unwrap().needs_utf8());
    }

    #[test]
    fn literals_and_single_labels_are_domains() {
        for text in ["a@localhost", "a@[192.0.2.1]", "a@[IPv6:::1]", "-x@example.org"] {
            assert_eq!(Address::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn nothing_that_ends_a_header_or_a_command_is_an_address() {
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a@b>",
            "<a@b>",
            "a@b> SIZE=1",
            "a@b\r\n",
            "a\n@b",
            "a\0@b",
            "a@b\0",
            "a..b@c",
            ".a@c",
            "a.@c",
            "\"a b\"@c",
            "a@-b",
            "a@b..c",
            "a@[1.2.3]",
            "a@b,c@d",
            "a\u{85}@b",
            "a\u{2028}@b",
            "a@b\u{7f}",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(Address::parse(&format!("{}@b", "a".repeat(65))).is_err());
        assert!(Address::parse(&format!("a@{}", "b".repeat(64))).is_err());
    }

    #[test]
    fn mailboxes_parse_with_and_without_a_name() {
        assert_eq!(Mailbox::parse("a@b").unwrap(), Mailbox::new("a@b".parse().unwrap()));
        assert_eq!(Mailbox::parse("Ann Lee <a@b>").unwrap().name.as_deref(), Some("Ann Lee"));
        assert_eq!(Mailbox::parse("\"Lee, Ann\" <a@b>").unwrap().name.as_deref(), Some("Lee, Ann"));
        assert_eq!(Mailbox::parse("<a@b>").unwrap().name, None);
        assert!(Mailbox::parse("Ann a@b>").is_err());
    }

    #[test]
    fn what_was_stored_is_checked_when_it_comes_back() {
        assert!(serde_json::from_str::<Address>("\"a@b\\r\\nBcc: c@d\"").is_err());
    }
}
