//! A mail as SMTP carries it: dots at the begin of lines doubled, and a lone one at the end.

/// Mails up to about this size go out in one write.
const BLOCK: usize = 64 << 10;

/// The bytes of a mail in blocks, the last of which ends in the dot that ends the mail.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    /// What has not been sent; nothing once the dot was.
    rest: Option<&'a [u8]>,
    begins_line: bool,
    block: Vec<u8>,
}

impl<'a> Blocks<'a> {
    /// `raw` ends in CRLF and has no other CR or LF than in CRLF, as every mail of the contract.
    pub(crate) fn new(raw: &'a [u8]) -> Self {
        let block = Vec::with_capacity(raw.len().min(BLOCK) + 64);
        Self { rest: Some(raw), begins_line: true, block }
    }

    /// The next block.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let rest = self.rest?;
        let (piece, rest) = rest.split_at(rest.len().min(BLOCK));
        self.block.clear();
        let mut from = 0;
        for dot in memchr::memchr_iter(b'.', piece) {
            let begins_line = if dot == 0 { self.begins_line } else { piece[dot - 1] == b'\n' };
            if begins_line {
                self.block.extend_from_slice(&piece[from..dot]);
                self.block.push(b'.');
                from = dot;
            }
        }
        self.block.extend_from_slice(&piece[from..]);
        self.begins_line = piece.last() == Some(&b'\n');
        self.rest = Some(rest);
        if rest.is_empty() {
            self.block.extend_from_slice(b".\r\n");
            self.rest = None;
        }
        Some(&self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(raw: &[u8]) -> Vec<u8> {
        let mut blocks = Blocks::new(raw);
        let mut all = Vec::new();
        while let Some(block) = blocks.next() {
            all.extend_from_slice(block);
        }
        all
    }

    #[test]
    fn dots_at_the_begin_of_lines_are_doubled() {
        for (raw, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a.b\r\n.c\r\n..\r\n\r\n", "a.b\r\n..c\r\n...\r\n\r\n.\r\n"),
        ] {
            assert_eq!(sent(raw.as_bytes()), expected.as_bytes(), "{raw:?}");
        }
    }

    #[test]
    fn it_does_not_matter_where_a_block_ends() {
        for before in BLOCK - 4..BLOCK + 4 {
            let mut raw = vec![b'x'; before - 2];
            raw.extend_from_slice(b"\r\n.y\r\nz.\r\n");
            let mut expected = raw[..before].to_vec();
            expected.extend_from_slice(b"..y\r\nz.\r\n.\r\n");
            assert!(sent(&raw) == expected, "after {before} bytes");
        }
    }

    #[test]
    fn a_small_mail_and_its_dot_are_one_block() {
        let mut blocks = Blocks::new(b"a\r\n");
        assert!(blocks.next().is_some_and(|block| block.ends_with(b"\r\n.\r\n")));
        assert!(blocks.next().is_none());
    }
}
