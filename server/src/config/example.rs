//! The example file: every setting with its explanation, switched off.

use std::fmt::Write as _;

use super::{Options, defaults};

/// Lines are no longer than this.
const WIDTH: usize = 100;

/// A commented `undercroft.toml` that names every setting. `docs/undercroft.example.toml` is this text.
pub fn example() -> String {
    let mut text = paragraph(
        "Settings of an Undercroft server. Take the # away from what you want to change: each line shows the \
         default, or an example where the default depends on other settings. Flags (--mail-from) and variables \
         (UNDERCROFT_MAIL_FROM) override this file. It is read from the data folder, or from where --config says.",
    );
    for field in Options::fields() {
        let value = value(&field.name);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}#{} = {value}\n", paragraph(&field.help), field.name);
    }
    text
}

fn value(name: &str) -> String {
    let text = match name {
        "data" => defaults::DATA,
        "listen" => defaults::LISTEN,
        "domain" => "https://localhost:8443",
        "database" => "sqlite:///srv/undercroft/undercroft.sqlite3",
        "database_connections" => return defaults::DATABASE_CONNECTIONS.to_owned(),
        "files" => "file:///srv/undercroft/files",
        "mail" => "maildir:///srv/undercroft/mail",
        "mail_from" => defaults::MAIL_FROM,
        "mail_preview" => defaults::MAIL_PREVIEW,
        "mail_events" => "arn:aws:sns:eu-west-1:123456789012:mail",
        "tls" => defaults::TLS,
        "tls_certificate" => "/etc/undercroft/fullchain.pem",
        "tls_key" => "/etc/undercroft/privkey.pem",
        "signups" => defaults::SIGNUPS,
        "uploads" => defaults::UPLOADS,
        "log" => defaults::LOG,
        _ => "",
    };
    format!("\"{text}\"")
}

/// The text as comment lines.
fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines += &line;
            lines += "\n";
            line = String::from("#");
        }
        line += " ";
        line += word;
    }
    let stop = if line.ends_with('.') { "" } else { "." };
    lines + &line + stop + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_docs_is_this_one() {
        let kept = include_str!("../../../docs/undercroft.example.toml");
        assert!(kept == example(), "run `undercroft config example > docs/undercroft.example.toml`");
    }

    #[test]
    fn switched_on_it_sets_every_field() {
        let settings: Vec<&str> = example().leak().lines().filter_map(|line| setting(line)).collect();
        let table: toml::Table = settings.join("\n").parse().unwrap();
        let fields = Options::fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(settings.len(), names.len());
        for name in names {
            assert!(table.get(name).is_some_and(|value| value.as_str() != Some("")), "{name} has no example");
        }
        toml::from_str::<Options>(&settings.join("\n")).unwrap();
    }

    /// A line that is a setting has no space behind its `#`.
    fn setting(line: &str) -> Option<&str> {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
    }
}
