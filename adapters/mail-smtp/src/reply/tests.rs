use super::*;

fn read(bytes: &[u8]) -> Result<Vec<Reply>, Nonsense> {
    let mut reader = ReplyReader::default();
    reader.feed(bytes);
    let mut replies = Vec::new();
    while let Some(reply) = reader.next()? {
        replies.push(reply);
    }
    Ok(replies)
}

fn reply(code: u16, enhanced: Option<&str>, lines: &[&str]) -> Reply {
    let lines = lines.iter().map(|&line| line.to_owned()).collect();
    Reply { code, enhanced: enhanced.map(str::to_owned), lines }
}

#[test]
fn replies_of_every_shape_are_read() {
    for (bytes, expected) in [
        (&b"250 OK\r\n"[..], reply(250, None, &["OK"])),
        (b"250\r\n", reply(250, None, &[""])),
        (b"250 \r\n", reply(250, None, &[""])),
        (b"250 OK\n", reply(250, None, &["OK"])),
        (b"550 5.1.1 no such user\r\n", reply(550, Some("5.1.1"), &["no such user"])),
        (b"550-5.1.1 no\r\n550 5.1.1 user\r\n", reply(550, Some("5.1.1"), &["no", "user"])),
        (b"550-no\r\n550 5.1.1\r\n", reply(550, Some("5.1.1"), &["no", ""])),
        (b"550 4.1.1 odd\r\n", reply(550, None, &["4.1.1 odd"])),
        (b"250 1.2.3.4 hello\r\n", reply(250, None, &["1.2.3.4 hello"])),
        (b"250 2.0 hello\r\n", reply(250, None, &["2.0 hello"])),
        (b"554 \xffnein\x07\r\n", reply(554, None, &["\u{fffd}nein"])),
    ] {
        assert_eq!(read(bytes).unwrap(), [expected], "{}", bytes.escape_ascii());
    }
}

#[test]
fn it_does_not_matter_how_bytes_are_cut() {
    let bytes = b"250-one\r\n250-SIZE 10\r\n250 two\r\n354 go\r\n";
    let whole = read(bytes).unwrap();
    assert_eq!(whole.len(), 2);
    for cut in 0..=bytes.len() {
        let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
        for piece in [&bytes[..cut], &bytes[cut..]] {
            reader.feed(piece);
            while let Some(reply) = reader.next().unwrap() {
                replies.push(reply);
            }
        }
        assert_eq!(replies, whole, "cut at {cut}");
        assert!(reader.is_empty());
    }
    let mut reader = ReplyReader::default();
    let mut single = Vec::new();
    for byte in bytes {
        reader.feed(&[*byte]);
        single.extend(reader.next().unwrap());
    }
    assert_eq!(single, whole);
}

#[test]
fn nonsense_is_found_before_its_line_ends() {
    for bytes in [
        &b"SSH-2.0-OpenSSH"[..],
        b"\x15\x03\x01\x00\x02",
        b"\0",
        b"hello",
        b"25O ok",
        b"2500",
        b"999 odd\r\n",
        b"150 odd\r\n",
        b"25\r\n",
        b"\r\n",
        b"250-a\r\n550 b\r\n",
    ] {
        assert!(read(bytes).is_err(), "{} was taken", bytes.escape_ascii());
    }
}

#[test]
fn long_lines_are_read_and_endless_ones_are_not() {
    let long = [b"250 ".as_slice(), &b"x".repeat(5000), b"\r\n"].concat();
    assert_eq!(read(&long).unwrap()[0].text().len(), 5000);
    let endless = [b"250 ".as_slice(), &b"x".repeat(MAX_REPLY)].concat();
    assert!(read(&endless).is_err());
    assert!(read(&b"250-x\r\n".repeat(MAX_REPLY / 7 + 1)).is_err());
}

#[test]
fn of_a_long_text_the_begin_is_kept() {
    let bytes = [b"250-".as_slice(), "ä".repeat(6000).as_bytes(), b"\r\n250 end\r\n"].concat();
    let replies = read(&bytes).unwrap();
    assert!(replies[0].lines.concat().len() <= MAX_TEXT);
    let many = [b"250-\r\n".repeat(9000), b"250 end\r\n".to_vec()].concat();
    assert!(read(&many).unwrap()[0].lines.len() < 400);
}

#[test]
fn farewells_are_no_yes() {
    assert!(!read(b"221 bye\r\n").unwrap()[0].is_yes());
    assert!(read(b"421 bye\r\n").unwrap()[0].is_farewell());
    assert!(read(b"251 will forward\r\n").unwrap()[0].is_yes());
}

/// Lines of replies, and now and then something else, from a seed.
fn noise(seed: u64) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"250 ok\r\n",
        b"250\r\n",
        b"250-more\r\n",
        b"250-\n",
        b"250 2.1.5 \xff\x07\r\n",
        b"250-2.1.5\r\n",
        b"250 \t \r\r\n",
        b"250-\xc3\xa4\0\n",
        b"250 5.1.1 x\n",
        b"250 2.\r\n",
        b"250 ok\n",
        b"250-2.1.5 x\r\n",
        b"550 no\r\n",
        b"250",
        b"\n",
        b"x",
    ];
    let mut state = seed;
    let mut bytes = Vec::new();
    for _ in 0..10 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(PIECES[usize::try_from(state >> 60).unwrap_or_default()]);
    }
    bytes
}

#[test]
fn whatever_comes_is_read_or_refused_and_the_cut_changes_nothing() {
    let mut sound = 0;
    for seed in 0..3000 {
        let bytes = noise(seed);
        let whole = read(&bytes);
        let (mut reader, mut replies, mut refused) = (ReplyReader::default(), Vec::new(), false);
        'bytes: for byte in &bytes {
            reader.feed(&[*byte]);
            loop {
                match reader.next() {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(_) => {
                        refused = true;
                        break 'bytes;
                    }
                }
            }
        }
        assert_eq!(refused, whole.is_err(), "seed {seed}: {}", bytes.escape_ascii());
        if let Ok(whole) = whole {
            sound += usize::from(!whole.is_empty());
            assert_eq!(replies, whole, "seed {seed}: {}", bytes.escape_ascii());
        }
        let text: String =
            replies.iter().flat_map(|reply| reply.lines.concat().chars().collect::<Vec<_>>()).collect();
        assert!(!text.contains(char::is_control), "seed {seed}: {text:?}");
    }
    assert!(sound > 10, "of 3000 noises {sound} are replies: too few to prove anything");
}
