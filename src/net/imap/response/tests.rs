//! What servers say, and what they should not say.

use super::*;
use crate::bounds::Bounds;
use crate::frame::Reader;

/// Reads a whole conversation.
fn read(input: &[u8]) -> Vec<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut reader = Reader::new(input, Bounds::default());
        let mut found = Vec::new();
        while let Ok(parts) = reader.response().await {
            found.push(Response::read(parts));
        }
        found
    })
}

/// Reads the only response of an input.
#[track_caller]
fn one(input: &[u8]) -> Response {
    let mut found = read(input);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[track_caller]
fn fetched(attributes: &[u8]) -> Fetched {
    let line = [b"* 1 FETCH ", attributes, b"\r\n"].concat();
    let response = one(&line);
    let Response::Untagged(Untagged::Fetch(fetched)) = response else { panic!("{response:?}") };
    fetched
}

fn flags_of(fetched: &Fetched) -> Vec<String> {
    let flags = fetched.flags.as_deref().unwrap_or_default();
    flags.iter().map(|flag| flag.escape_ascii().to_string()).collect()
}

#[test]
fn attributes_come_in_any_order_and_unknown_ones_hide_nothing() {
    for attributes in [
        &b"(UID 7 FLAGS (\\Seen) BODY[] {2}\r\nab)"[..],
        b"(BODY[] {2}\r\nab FLAGS (\\Seen) UID 7)",
        b"( UID  7   FLAGS ( \\Seen )  BODY[] {2}\r\nab ) ",
        b"(X-GM-MSGID 1278455344230334865 X-GM-LABELS (\"\\\\Inbox\" \"a b\") UID 7 FLAGS (\\Seen) BODY[] {2}\r\nab)",
        b"(EMAILID (M1) THREADID NIL SAVEDATE \"x\" UID 7 PREVIEW {3}\r\n) (BODY[] {2}\r\nab FLAGS (\\Seen))",
        b"(BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) \"MIXED\") UID 7 FLAGS (\\Seen) BODY[] {2}\r\nab)",
        b"(UID 7 FLAGS (\\Seen) BODY[] ~{2}\r\nab)",
        b"(UID 7 FLAGS (\\Seen) BODY[] \"ab\")",
        b"(UID 7 FLAGS (\\Seen) BODY[] {2+}\r\nab)",
    ] {
        let fetched = fetched(attributes);
        assert_eq!(fetched.uid, Some(7), "{}", attributes.escape_ascii());
        assert_eq!(flags_of(&fetched), ["\\\\Seen"], "{}", attributes.escape_ascii());
        assert_eq!(fetched.body.map(|body| body.len()), Some(2), "{}", attributes.escape_ascii());
    }
}

#[test]
fn a_literal_of_another_length_than_announced_is_no_body() {
    for attributes in [
        // Shorter than what follows: the rest of the message stands where attributes would.
        &b"(UID 7 BODY[] {2}\r\nabcd)"[..],
        b"(UID 7 BODY[] {2}\r\nabcd efgh)",
        b"(UID 7 BODY[] {2}\r\nab)) * 3",
        b"(UID 7 BODY[] {2}\r\nab",
        // Longer: the end of this response, and the beginning of the next, stand in the message.
        b"(UID 7 BODY[] {24}\r\nab)\r\n* 2 FETCH (UID 8 FL BODY[] {2}\r\ncd)",
        b"(UID 7 BODY[] {21}\r\nab)\r\n* 2 FETCH (UID 8  UID 8 FLAGS ())",
    ] {
        let fetched = fetched(attributes);
        let shown = attributes.escape_ascii();
        assert!(fetched.is_broken && fetched.body.is_none(), "{shown}");
        assert_eq!(fetched.uid, Some(7), "{shown}");
    }
    assert!(!fetched(b"(UID 7 BODY[] {2}\r\nab)  ").is_broken);
}

#[test]
fn what_is_not_a_value_is_not_taken_for_one() {
    assert_eq!(fetched(b"(UID 0)").uid, None);
    assert_eq!(fetched(b"(UID -1)").uid, None);
    assert_eq!(fetched(b"(UID 99999999999)").uid, None);
    assert_eq!(fetched(b"(RFC822.SIZE -1)").size, None);
    assert_eq!(fetched(b"(RFC822.SIZE 5000000000)").size, Some(5_000_000_000));
    assert_eq!(fetched(b"(INTERNALDATE NIL UID 3)").uid, Some(3));
    assert!(fetched(b"(INTERNALDATE NIL)").internal_date.is_none());
    let nil = fetched(b"(UID 7 BODY[] NIL)");
    assert!(nil.has_no_body && nil.body.is_none());
    let part = fetched(b"(UID 7 BODY[HEADER.FIELDS (DATE)] {3}\r\na\r\n)");
    assert!(part.body.is_none() && part.header.is_some(), "a part is not the whole");
    let range = fetched(b"(UID 7 BODY[]<0> {2}\r\nab)");
    assert!(range.body.is_none(), "the beginning is not the whole");
    assert!(fetched(b"(MODSEQ (12121231000))").modseq == Some(12_121_231_000));
}

#[test]
fn flags_may_have_any_octets() {
    let flags = flags_of(&fetched(b"(FLAGS (\\Seen $a]b \xe4 \\* NonJunk))"));
    assert_eq!(flags, ["\\\\Seen", "$a]b", "\\xe4", "\\\\*", "NonJunk"]);
    assert!(flags_of(&fetched(b"(FLAGS ())")).is_empty());
}

#[test]
fn deep_lists_and_torn_lines_do_not_hurt() {
    let deep = [&b"(X "[..], &b"(".repeat(100_000), b" UID 7)"].concat();
    assert_eq!(fetched(&deep).uid, None);
    for torn in
        [&b"("[..], b"(UID", b"(UID 7", b"(FLAGS (", b"(BODY[", b"", b")))", b"(\"", b"(\"\\"]
    {
        let fetched = fetched(torn);
        assert!(fetched.body.is_none(), "{}", torn.escape_ascii());
    }
}

#[test]
fn statuses_have_codes_and_texts_of_all_kinds() {
    for (line, code, text) in [
        (&b"c1 OK [APPENDUID 38505 3955] done\r\n"[..], Some(("APPENDUID", "38505 3955")), "done"),
        (b"c1 OK\r\n", None, ""),
        (b"c1 NO [ALERT] {5}\r\n", Some(("ALERT", "")), "{5}"),
        (b"c1 BAD \xe4\r\n", None, "\u{fffd}"),
        (b"c1 no [unavailable] x\n", Some(("UNAVAILABLE", "")), "x"),
        (b"c1 OK [x\r\n", None, "[x"),
    ] {
        let Response::Tagged { tag, code: found, text: said, .. } = one(line) else {
            panic!("{}", line.escape_ascii())
        };
        let found = found.as_ref().map(|code| (code.name.as_str(), code.arguments.as_str()));
        assert_eq!((&*tag, found, &*said), ("c1", code, text));
    }
    let Response::Untagged(Untagged::Status { code, .. }) =
        one(b"* OK [PERMANENTFLAGS (\\Seen a]b \\*)] kept\r\n")
    else {
        panic!("a status")
    };
    assert_eq!(code.expect("a code").arguments, "(\\Seen a]b \\*");
}

#[test]
fn names_of_mailboxes_are_kept_octet_by_octet() {
    for (line, separator, name) in [
        (&b"* LIST (\\HasChildren) \"/\" INBOX\r\n"[..], Some(b'/'), &b"INBOX"[..]),
        (b"* LIST () NIL \"a \\\"b\\\"\"\r\n", None, b"a \"b\""),
        (b"* LIST () \".\" {7}\r\nEntw\xfcrf\r\n", Some(b'.'), b"Entw\xfcrf"),
        (b"* LIST () \"\\\\\" NIL (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", Some(b'\\'), b"NIL"),
    ] {
        let Response::Untagged(Untagged::List(listed)) = one(line) else {
            panic!("{}", line.escape_ascii())
        };
        assert_eq!((listed.separator, &*listed.name), (separator, name));
    }
    assert!(matches!(one(b"* LIST\r\n"), Response::Untagged(Untagged::Other(_))));
}

#[test]
fn other_lines_are_read_or_kept() {
    let Response::Untagged(Untagged::Search(found)) = one(b"* SEARCH 2 84 882 (MODSEQ 917)\r\n")
    else {
        panic!("a search")
    };
    assert_eq!(found, [2, 84, 882]);
    let line = b"* STATUS \"a b\" (MESSAGES 3 X (1) UIDNEXT 9 SIZE 5000000000 HIGHESTMODSEQ 7)\r\n";
    let Response::Untagged(Untagged::Counts(counts)) = one(line) else { panic!("counts") };
    assert_eq!(
        (counts.messages, counts.uid_next, counts.size),
        (Some(3), Some(9), Some(5_000_000_000))
    );
    let Response::Untagged(Untagged::Namespace(namespace)) =
        one(b"* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"shared.\" \".\"))\r\n")
    else {
        panic!("a namespace")
    };
    assert_eq!((&*namespace.prefix, namespace.separator), (&b"INBOX."[..], Some(b'.')));
    for line in [
        &b"* \r\n"[..],
        b"*\r\n",
        b"\r\n",
        b"* 5\r\n",
        b"* 99999999999 EXISTS\r\n",
        b"* ESEARCH x\r\n",
    ] {
        assert!(
            matches!(one(line), Response::Untagged(Untagged::Other(_))),
            "{}",
            line.escape_ascii()
        );
    }
    assert!(matches!(one(b"+\r\n"), Response::Continue(_)));
}

#[test]
fn no_garbage_stops_the_reader() {
    // SplitMix64 (Steele, Lea, Flood 2014): the same garbage in every run.
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % below as u64).expect("it is below")
    };
    let words: [&[u8]; 24] = [
        b"* ",
        b"1 ",
        b"FETCH ",
        b"(",
        b")",
        b"UID ",
        b"FLAGS ",
        b"BODY[]",
        b" ",
        b"\"",
        b"\\",
        b"{2}\r\n",
        b"~{0}\r\n",
        b"\r\n",
        b"\n",
        b"NIL",
        b"LIST ",
        b"[",
        b"]",
        b"STATUS ",
        b"OK ",
        b"NAMESPACE ",
        b"\xff",
        b"99999999999 ",
    ];
    let mut count = 0;
    for _ in 0..3_000 {
        let mut input = b"* 1 FETCH (".to_vec();
        for _ in 0..random(30) {
            input.extend_from_slice(words[random(words.len())]);
        }
        input.extend_from_slice(b"\r\n");
        count += read(&input).len();
    }
    assert!(count > 3_000, "{count} responses");
}
