//! Under which name a server will know a mail.

/// How long a name may be; who says more tells a story.
const MAX_NAME: usize = 255;

/// The name in the text of a server's yes, as the common servers write it, or else the whole text.
///
/// | Server | Text |
/// |---|---|
/// | Postfix | `Ok: queued as 4B7C123456` |
/// | Exim | `OK id=1qX2yZ-000abc-1D` |
/// | Amazon SES | `Ok 0102018f-…-000000` |
pub(crate) fn provider_id(text: &str) -> Option<String> {
    let after = |mark: &str| {
        // Upper and lower case have the same length in ASCII, so places in one are places in the other.
        let at = text.to_ascii_lowercase().find(mark)?;
        text[at + mark.len()..].split_whitespace().next()
    };
    let only = || {
        let mut words = text.split_whitespace();
        let id = words.next().filter(|word| word.eq_ignore_ascii_case("ok")).and(words.next())?;
        words.next().is_none().then_some(id)
    };
    let id = after("queued as ").or_else(|| after("id=")).or_else(only).unwrap_or(text);
    let id = id.trim_end_matches(['.', ',', ';', ')']);
    // A bare yes names nothing.
    let is_name = !id.is_empty() && !id.eq_ignore_ascii_case("ok");
    is_name.then(|| id.chars().take(MAX_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_servers_are_understood() {
        for (text, id) in [
            ("Ok: queued as 4B7C123456", Some("4B7C123456")),
            ("OK: Queued as abc.", Some("abc")),
            ("OK id=1qX2yZ-000abc-1D", Some("1qX2yZ-000abc-1D")),
            ("Ok 0102018f-000000", Some("0102018f-000000")),
            ("OK  1700000000 a1b2.12 - gsmtp", Some("OK  1700000000 a1b2.12 - gsmtp")),
            ("34F5 Message accepted for delivery", Some("34F5 Message accepted for delivery")),
            ("queued as ", Some("queued as ")),
            ("Ok", None),
            ("OK.", None),
            ("", None),
        ] {
            assert_eq!(provider_id(text).as_deref(), id, "{text:?}");
        }
        assert_eq!(provider_id(&"ä".repeat(4000)).map(|id| id.chars().count()), Some(MAX_NAME));
    }
}
