//! Text that a mail program would take for an encoded word (RFC 2047), encoded so that it is shown as it was written.
//!
//! lettre encodes what is not ASCII and leaves `=?utf-8?q?…?=` as it is, so whoever chooses a name could show another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An encoded word is at most 75 bytes long; with this many of content it is 64.
const CONTENT: usize = 39;

/// True if a reader might decode a part of it.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    text.contains("=?")
}

/// The whole text as encoded words, one a line.
pub(crate) fn encode(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, left) = rest.split_at(rest.floor_char_boundary(CONTENT));
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
        rest = left;
    }
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_none_is_cut_within_a_character() {
        for text in ["", "=?x", &"=?ü".repeat(100), &"🎉".repeat(50)] {
            let encoded = encode(text);
            let mut decoded = Vec::new();
            for word in encoded.split("\r\n ").filter(|word| !word.is_empty()) {
                assert!(word.len() <= 75, "{word}");
                let content = word.strip_prefix("=?utf-8?b?").unwrap().strip_suffix("?=").unwrap();
                let part = STANDARD.decode(content).unwrap();
                decoded.extend(String::from_utf8(part).unwrap().chars());
            }
            assert_eq!(decoded.iter().collect::<String>(), text);
        }
    }
}
