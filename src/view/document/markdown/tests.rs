//! The escapes, one by one. `tests/it/markdown.rs` has a CommonMark implementation judge the whole.

use super::*;

#[test]
fn what_a_forge_looks_for_is_code_and_markup_is_escaped() {
    for (value, expected) in [
        ("plain words, and 3.5 of them", "plain words, and 3.5 of them"),
        ("a|b `c` *d* _e_", "a\\|b \\`c\\` \\*d\\* \\_e\\_"),
        ("ask @alice", "ask `@alice`"),
        ("closes #1", "closes `#1`"),
        ("closes GH-1, gh-x", "closes `GH-1`, gh-x"),
        ("see https://a.test/ or www.a.test", "see `https://a.test/` or `www.a.test`"),
        ("`@a`", "`` `@a` ``"),
        ("(@a), ((@ #.", "(`@a`), ((`@` `#`."),
        ("a5c3785ed8d6a35868bc169f07e40e889087fd2e", "`a5c3785ed8d6a35868bc169f07e40e889087fd2e`"),
        ("a :tada: b", "a `:tada`: b"),
        ("![x](y) [x]: <b>", "!\\[x\\](y) \\[x\\]: \\<b\\>"),
        ("\u{202e}x\u{200b}y\u{200d}z\nw", r"\\u{202e}x\\u{200b}y\\u{200d}z\\nw"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("    code", "code"),
        ("---", "\\---"),
        ("/close", "\\/close"),
        ("", ""),
    ] {
        assert_eq!(shown(&Text::from(value)), expected, "{value}");
    }
}

#[test]
fn code_shows_every_character() {
    for (value, line, cell) in [
        ("a", "`a`", "`a`"),
        ("a`b", "``a`b``", "``a`b``"),
        ("``", "``` `` ```", "``` `` ```"),
        (" a ", "`  a  `", "`  a  `"),
        ("a|b", "`a|b`", "`a`\\|`b`"),
        ("a\\|b", "`a\\|b`", "`a\\`\\|`b`"),
    ] {
        assert_eq!(code(value, Place::Line), line, "{value}");
        assert_eq!(code(value, Place::Cell), cell, "{value}");
    }
}

#[test]
fn what_has_to_be_whole_is_whole_or_there_is_nothing() {
    let section = |room, number| {
        let texts = (0..number).map(|n| Text::from(format!("part {n}"))).collect();
        Block::Section(Section {
            title: "Title".into(),
            blocks: vec![crate::document::list(Mark::Bullet, texts)],
            room,
        })
    };
    let spare = |turn| Room::Spare(Spare { turn, part: "part" });
    let document = Document(vec![
        Block::Lines(vec!["head".into()]),
        section(spare(0), 20),
        section(spare(1), 20),
        section(Room::Whole, 10),
    ]);
    let whole = document.markdown(CHARS_MAX).expect("it fits");
    assert!(!whole.contains("eft out"), "{whole}");
    let length = whole.chars().count();
    assert_eq!(document.markdown(length), Ok(whole));
    for chars_max in 0..length {
        match document.markdown(chars_max) {
            Ok(text) => {
                assert!(text.chars().count() <= chars_max, "{chars_max}: {text}");
                let lines = text.lines().filter(|line| line.starts_with("- part")).count();
                let missing: usize = text
                    .lines()
                    .filter_map(|line| line.strip_prefix('*')?.strip_suffix(" left out.*"))
                    .filter_map(|line| line.split(' ').find_map(|word| word.parse::<usize>().ok()))
                    .sum();
                assert_eq!(lines + missing, 50, "{chars_max}: {text}");
                assert!(text.contains("**Left out, for length:**"), "{text}");
                let last = text.rsplit("### ").next().expect("a section");
                assert_eq!(last.matches("- part").count(), 10, "{text}");
            }
            Err(TooLong { chars, .. }) => assert!(chars > chars_max && chars < 500, "{chars}"),
        }
    }
}
