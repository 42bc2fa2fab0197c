//! Where a drop box or a program lies.

use std::path::PathBuf;

use mailer::{BackendUrl, Error, ErrorKind};

/// Which program takes the mails, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendmailOptions {
    /// The program.
    pub program: PathBuf,
    /// Arguments before those that every mail brings. They are shown by `Debug`, and to everybody who lists processes:
    /// no place for a secret.
    pub arguments: Vec<String>,
    /// How many programs run at a time, at least one; further mails wait for their turn.
    pub processes: usize,
}

impl SendmailOptions {
    /// Reads `sendmail:` (the program is `/usr/sbin/sendmail`) or `sendmail:///path/to/program`, with these keys:
    ///
    /// - `args`: further arguments, separated by spaces: `sendmail:///usr/bin/msmtp?args=-C%20/etc/msmtprc`;
    /// - `processes`: how many run at a time, 8 unless said otherwise.
    ///
    /// Answers [`Config`](ErrorKind::Config) for a path that is not absolute, for no processes, and for the argument
    /// `-t`, with which a program would read further recipients out of the mail.
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        let mut options = Self::default();
        if url.url().has_host() || !url.url().path().is_empty() {
            options.program = absolute_path(url)?;
        }
        if let Some(arguments) = url.take("args") {
            options.arguments = arguments.split_whitespace().map(str::to_owned).collect();
        }
        if options.arguments.iter().any(|argument| argument == "-t") {
            return Err(Error::new(ErrorKind::Config, "the argument -t in args would add recipients"));
        }
        if let Some(processes) = url.take("processes") {
            let invalid =
                || Error::new(ErrorKind::Config, "the value of processes is not a number from 1 to 1000");
            options.processes =
                processes.parse().ok().filter(|count| (1..=1000).contains(count)).ok_or_else(invalid)?;
        }
        Ok(options)
    }
}

impl Default for SendmailOptions {
    /// `/usr/sbin/sendmail`, eight at a time.
    fn default() -> Self {
        Self { program: "/usr/sbin/sendmail".into(), arguments: Vec::new(), processes: 8 }
    }
}

/// The folder or file in `scheme:///absolute/path`, percent-decoded.
///
/// A host, a user, a port or a missing path answers [`Config`](ErrorKind::Config).
pub(crate) fn absolute_path(url: &BackendUrl) -> Result<PathBuf, Error> {
    let scheme = url.url().scheme();
    if url.url().has_host() || url.url().path().len() < 2 {
        return Err(Error::new(ErrorKind::Config, format!("write {scheme}:///absolute/path")));
    }
    decode(url.url().path())
        .map(PathBuf::from)
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("the path in {scheme}:/// is wrongly encoded")))
}

/// Percent-decodes UTF-8; nothing if an escape is cut short, not UTF-8, or a NUL.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_taken() {
        for (text, path) in [
            ("maildir:///var/mail", Some("/var/mail")),
            ("maildir:///var/a%20b%C3%A4", Some("/var/a bä")),
            ("maildir:///a%2", None),
            ("maildir:///a%00", None),
            ("maildir:///a%ff", None),
            ("maildir://var/mail", None),
            ("maildir:///", None),
            ("maildir:", None),
        ] {
            let url = BackendUrl::parse(text).unwrap();
            assert_eq!(absolute_path(&url).ok(), path.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn a_program_has_its_path_and_its_keys() {
        let read = |text: &str| SendmailOptions::from_url(&mut BackendUrl::parse(text).unwrap());
        assert_eq!(read("sendmail:").unwrap(), SendmailOptions::default());
        let options = read("sendmail:///usr/bin/msmtp?args=-C%20/etc/msmtprc+-a&processes=2").unwrap();
        assert_eq!(options.program, PathBuf::from("/usr/bin/msmtp"));
        assert_eq!(
            (options.arguments, options.processes),
            (vec!["-C".into(), "/etc/msmtprc".into(), "-a".into()], 2)
        );
        for (url, named) in [
            ("sendmail://usr/bin/msmtp", "absolute"),
            ("sendmail:///", "absolute"),
            ("sendmail:?args=-a%20-t", "-t"),
            ("sendmail:?processes=0", "processes"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.to_string().contains(named), "{url}: {error}");
        }
    }
}
