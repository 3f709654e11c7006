//! Markdown, as `cmark-gfm` reads it: GitHub's own fork of the reference implementation of CommonMark, with
//! the extensions that GitHub turns on.
//!
//! A forge does more than parse: it looks for mentions, references and emoji in the page. It does not
//! do so within code; what is outside of code must not have any of them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use cutover::document::markdown::CHARS_MAX;
use cutover::document::text::Styling;
use cutover::document::{
    Block, Diff, Document, Hunk, Item, Kind, Mark, Room, Row, Section, Spare, Table, Text,
    Timeline, list,
};

use crate::zonefile_fixture::ZonefileFixture;

/// What a value may try, in the order of the issue that asked for it, and more.
const HOSTILE: &[&str] = &[
    "a | b || c \\| d",
    "`code` ``two`` ``` three",
    "```",
    "~~~",
    "```diff",
    "</code></pre><script>alert(1)</script>",
    "<b>bold</b> <!-- hidden --> &lt; &#64;alice",
    "</details></summary><details open>",
    "<div",
    "<script src=x",
    "<!-- open",
    "<?php",
    "</details",
    "@alice and @org/team, mail alice@example.test",
    "closes #1, fixes org/repo#2 or GH-3",
    "see a5c3785ed8d6a35868bc169f07e40e889087fd2e or org@a5c3785",
    "![image](https://a.test/x.png)",
    "[link](https://a.test) <https://a.test> [ref][x] [x]: https://a.test",
    "https://a.test/?a=b&c=d, http://a.test. ftp://a.test www.a.test. (www.a.test)",
    "mailto:a@b.test xmpp:a@b.test",
    "[^1] [^1]: note",
    "- [ ] task",
    "- [x] task",
    "[ ] task",
    "[x] task",
    "/close",
    "* item",
    "+ item",
    "1. item",
    "1) item",
    "# heading",
    "> quote",
    "---",
    "===",
    "***",
    "___",
    ":-",
    "| a |",
    "|---|---|",
    "*emphasis* **strong** _under_ __score__ ~struck~ ~~struck~~",
    "    indented",
    "ends with a backslash \\",
    "\\",
    "\\`a\\`",
    "a\\",
    "`",
    " ` ",
    "``a",
    "$x^2$ $`x`$ $$y$$",
    ":tada: :+1: 2001:db8::1",
    "!12 &3 %4 ~bug",
    "one\ntwo\n\nthree",
    "one\r\ntwo\ttab",
    "\u{1b}[31mred\u{1b}[0m \u{9b}2J \u{7}",
    "\u{202e}drowssap\u{202c} \u{2066}x\u{2069} \u{200f}y",
    "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f\u{ad}g",
    "\u{e0041}\u{e0042} \u{fe0f} \u{3164} \u{34f}",
    "Straße, naïve, 日本語, emoji 🎉",
    "  two  spaces  ",
    "",
    "gantt section title :crit, 2001-01-01, 1d #35; ; %% comment",
    "click x href \"https://a.test\"",
];

/// Of 64 KiB.
fn long() -> String {
    "`|<b>@a #1 \\".chars().cycle().take(64 << 10).collect()
}

/// The elements that documents are made of, and no others.
const ELEMENTS: &[&str] = &[
    "document",
    "heading",
    "paragraph",
    "list",
    "item",
    "table",
    "table_header",
    "table_row",
    "table_cell",
    "code_block",
    "html_block",
    "text",
    "code",
    "strong",
    "emph",
    "linebreak",
    "softbreak",
];

/// What `cmark-gfm` finds.
fn xml(markdown: &str) -> String {
    let mut command = Command::new("cmark-gfm");
    for extension in ["table", "autolink", "strikethrough", "tasklist", "footnotes"] {
        command.args(["-e", extension]);
    }
    command.args(["--to", "xml"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("cmark-gfm is installed by tests/run");
    let mut stdin = child.stdin.take().expect("its input");
    let text = markdown.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("cmark-gfm ends");
    writer.join().expect("a thread").expect("its input can be written");
    String::from_utf8(output.stdout).expect("text")
}

/// The blocks that have text, each with its element and all of its text; spaces are folded, as a
/// browser folds them. Fails on an element that documents do not have.
#[track_caller]
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let xml = xml(markdown);
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut rest = &xml[xml.find("<document").expect("a document")..];
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') || name.is_empty() {
            continue;
        }
        assert!(ELEMENTS.contains(&name), "a {name} in:\n{markdown}\n{xml}");
        let text = match tag.ends_with('/') {
            true => "",
            false => &rest[..rest.find('<').expect("a tag follows")],
        };
        match name {
            "text" | "code" => blocks.last_mut().expect("a block").1 += &unescaped(text),
            "linebreak" | "softbreak" => blocks.last_mut().expect("a block").1.push('\n'),
            "strong" | "emph" | "document" | "list" | "item" | "table" | "table_header"
            | "table_row" => {}
            _ => blocks.push((name.to_owned(), unescaped(text))),
        }
    }
    blocks.into_iter().map(|(name, text)| (name, folded(&text))).collect()
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value as it should be seen: what is not seen as an escape. Written apart from the program's own
/// table: by what Unicode calls these characters.
fn seen(value: &str) -> String {
    let hidden = "\u{ad}\u{34f}\u{200b}\u{200c}\u{200d}\u{200f}\u{202c}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{e0041}\u{e0042}";
    let chars = value.chars().map(|c| match c.is_control() || hidden.contains(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    });
    chars.collect()
}

/// A document that has a value in every place that a value can be in.
fn everywhere(value: &str) -> Document {
    let section = |room: Room, blocks: Vec<Block>| {
        Block::Section(Section { title: Text::from("title ").and(value), blocks, room })
    };
    let spare = Spare { turn: 0, part: "part" };
    let lines = |n: usize| (0..n).map(|_| Text::from(value)).collect::<Vec<_>>();
    let hunk = Hunk::of(&[value.to_owned(), "same".to_owned()], &["same".to_owned()]);
    let nested = vec![
        Block::Lines(lines(2)),
        Block::Diff(Diff(vec![hunk.clone()])),
        list(Mark::None, lines(1)),
        Block::Code(vec![value.to_owned()]),
    ];
    let row = |kind| Row {
        label: format!("label {value}"),
        kind,
        begin: Duration::ZERO,
        end: Duration::from_secs(86_400),
    };
    let mixed = Text::strong(value).and(" ").and(value).and_code(value).and_value(value);
    Document(vec![
        Block::Lines(vec![mixed.and(value), Text::faint(value), value.into(), value.into()]),
        Block::Group { title: value.into(), blocks: vec![Block::Code(vec![value.to_owned(); 2])] },
        section(Room::Whole, vec![Block::Lines(lines(3)), list(Mark::Bullet, lines(2))]),
        section(Room::Folded(spare), vec![list(Mark::Warning, lines(2))]),
        section(
            Room::Spare(spare),
            vec![
                Block::List(vec![
                    Item { mark: Mark::Number(1), text: value.into(), blocks: nested.clone() },
                    Item { mark: Mark::None, text: Text::strong(value), blocks: nested },
                ]),
                Block::Table(Table::new(
                    ["a", "b", "c"],
                    [[Text::from(value), Text::value(value), Text::from("end")]],
                )),
                Block::Diff(Diff(vec![hunk])),
                Block::Timeline(Timeline {
                    total: Duration::from_secs(86_400),
                    rows: vec![row(Kind::Change), row(Kind::Checkpoint)],
                }),
            ],
        ),
    ])
}

/// Every place shows the value and nothing else; the elements are those of a value that is a word.
#[test]
fn a_value_is_shown_as_it_is_and_makes_no_element() {
    const WORD: &str = "Xy";
    /// A chart with a longer label is not drawn, by Mermaid either.
    const CHART_CHARS_MAX: usize = 45_000;
    let written = |value: &str| everywhere(value).markdown(usize::MAX).expect("room for all");
    let plain = blocks(&written(WORD));
    assert!(plain.len() > 40, "{plain:?}");
    let long = long();
    for value in HOSTILE.iter().copied().chain([long.as_str()]) {
        let markdown = written(value);
        let hidden = markdown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(hidden, None, "{markdown:?}");
        let wanted = plain.iter().map(|(name, text)| {
            let text = if name == "html_block" { without_tags(text) } else { text.clone() };
            (name.clone(), text.replace(WORD, &seen(value)))
        });
        let found = blocks(&markdown).into_iter().map(|(name, text)| match name.as_str() {
            "html_block" => (name, of_html(&text)),
            "code_block" if text.starts_with("gantt dateFormat") => (name, of_gantt(&text)),
            _ => (name, text),
        });
        // Where values touch, their spaces and those between code may differ.
        let bare = |(name, text): (String, String)| {
            let text: String = text.split_whitespace().collect();
            (!text.is_empty()).then_some((name, text))
        };
        let found: Vec<_> = found.filter_map(bare).collect();
        let mut wanted: Vec<_> = wanted.filter_map(bare).collect();
        if value.len() > CHART_CHARS_MAX {
            wanted.retain(|(_, text)| !text.starts_with("ganttdateFormat"));
        }
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found, wanted, "{value:?}:\n{markdown}");
        }
        assert_eq!(found.len(), wanted.len(), "{value:?}:\n{markdown}");
        has_no_reference(&markdown);
    }
}

/// The text of HTML that has no tags but ours.
fn of_html(html: &str) -> String {
    let text = without_tags(html);
    assert!(!text.contains('<') && !text.contains('>'), "{html}");
    unescaped(&text)
}

fn without_tags(html: &str) -> String {
    let tags = ["<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>"];
    tags.iter().fold(html.to_owned(), |html, tag| html.replacen(tag, "", usize::MAX))
}

/// A chart with its labels as Mermaid shows them.
fn of_gantt(chart: &str) -> String {
    let (first, rest) = chart.split_once('#').unwrap_or((chart, ""));
    let mut text = first.to_owned();
    for part in rest.split('#').filter(|part| !part.is_empty()) {
        let (number, rest) = part.split_once(';').expect("an escape ends");
        let number = number.parse().expect("an escape is a number");
        text.push(char::from_u32(number).expect("a character"));
        text += rest;
    }
    text
}

/// Outside of code there is nothing that a forge looks for.
#[track_caller]
fn has_no_reference(markdown: &str) {
    let xml = xml(markdown);
    for part in xml.split("<text xml:space=\"preserve\">").skip(1) {
        let text = unescaped(part.split("</text>").next().unwrap_or_default());
        for sign in ["@", "#", "://", "www.", "GH-3", "$", ":tada:", "a5c3785"] {
            assert!(!text.contains(sign), "{sign} in {text:?}");
        }
    }
}

/// A plan that says what a plan can say, and a zone that has it already.
fn hostile_plan(fixture: &ZonefileFixture) {
    let quoted = |value: &str| {
        let octets = value.bytes().map(|octet| match octet {
            b'"' | b'\\' => format!("\\{}", char::from(octet)),
            b' '..=b'~' => char::from(octet).to_string(),
            _ => format!("\\{octet:03}"),
        });
        let octets: Vec<String> = octets.collect();
        let strings = octets.chunks(200).map(|part| format!("\"{}\"", part.concat()));
        strings.collect::<Vec<_>>().join(" ")
    };
    let long = long();
    let values = HOSTILE.iter().copied().chain([&long[..60_000]]).filter(|value| !value.is_empty());
    let mut zone = fixture.read("quickstart/acme.test.zone");
    let mut records = String::new();
    for (number, value) in values.enumerate() {
        let text = quoted(value);
        zone += &format!("e{number} 300 TXT \"before\" {text}\n");
        let yaml = text.replace('\'', "''");
        records +=
            &format!("  - {{ zone: acme.test, name: e{number}, type: TXT, to: [ '{yaml}' ] }}\n");
    }
    fixture.write("quickstart/acme.test.zone", zone);
    // Where a person is asked, and why something may be broken: in words.
    let is_text = |value: &&&str| !value.chars().any(char::is_control) && !value.trim().is_empty();
    let words: Vec<String> = HOSTILE
        .iter()
        .filter(is_text)
        .map(|value| serde_json::to_string(value).expect("a string"))
        .collect();
    let tasks: String = words
        .iter()
        .enumerate()
        .map(|(number, text)| format!("    - {{ name: t{number}, manual: {text} }}\n"))
        .collect();
    let overrides: String = ["clients", "deliverable", "reach", "spf-sound"]
        .iter()
        .zip(words.chunks(words.len().div_ceil(4)))
        .map(|(invariant, texts)| {
            let texts = texts.join(" / ").replace("\" / \"", " / ");
            format!("  - {{ invariant: {invariant}, reason: {texts} }}\n")
        })
        .collect();
    let plan = fixture.read("quickstart.yaml");
    fixture.write(
        "quickstart.yaml",
        format!("{plan}records:\n{records}tasks:\n  before_switch:\n{tasks}override:\n{overrides}"),
    );
}

#[test]
fn a_plan_shows_the_values_of_a_hostile_zone() {
    let fixture = ZonefileFixture::quickstart();
    hostile_plan(&fixture);
    let all = ["plan", "quickstart.yaml", "--format", "markdown", "--max-chars", "9999999"];
    let markdown = fixture.ends(0, &all);
    has_no_reference(&markdown);
    let found = blocks(&markdown);
    let text: String = found.iter().map(|(_, text)| text.as_str()).collect();
    for value in HOSTILE.iter().filter(|value| !value.chars().any(char::is_control)) {
        let seen = folded(&seen(value));
        assert!(text.contains(&seen), "{seen} is missing:\n{markdown}");
    }
    let headings: Vec<&str> =
        found.iter().filter(|(name, _)| name == "heading").map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        headings,
        ["Difference from start to end", "Timeline of an undisturbed run", "Verdict"]
    );
    // As long as a comment may be: the long value is left out, and its absence is said.
    let markdown = fixture.ends(0, &all[..4]);
    assert!(markdown.chars().count() <= CHARS_MAX);
    blocks(&markdown);
    has_no_reference(&markdown);
    assert!(markdown.contains("**Left out, for length:**"), "{markdown}");
}

#[test]
fn what_may_not_be_left_out_is_an_error_where_it_does_not_fit() {
    let fixture = ZonefileFixture::new();
    let reason = "x".repeat(3_000);
    let plan = fixture.read("plan.yaml");
    fixture.write(
        "plan.yaml",
        plan + &format!("override: [ {{ invariant: deliverable, reason: \"{reason}\" }} ]\n"),
    );
    let args = |max| ["plan", "plan.yaml", "--format", "markdown", "--max-chars", max];
    let said = fixture.ends(1, &args("2000"));
    assert!(said.contains("what may not be left out (verdict, assumptions, overrides)"), "{said}");
    let said = fixture.ends(0, &args("8500"));
    assert!(said.contains(&reason) && said.contains("**Left out, for length:**"), "{said}");
    let said = fixture.ends(2, &["plan", "plan.yaml", "--max-chars", "8500"]);
    assert!(said.contains("works with `--format markdown` only"), "{said}");
}

/// What is shown and what is said to be left out add up.
#[test]
fn a_plan_of_ten_thousand_changes_fits_and_says_what_is_missing() {
    const CHANGES: usize = 10_000;
    let fixture = ZonefileFixture::new();
    let names = (0..CHANGES)
        .map(|n| format!("  - {{ zone: acme.test, name: h{n:05}, type: A, to: [ 192.0.2.1 ] }}\n"));
    let plan = fixture.read("plan.yaml");
    let (head, clocks) = plan.split_once("clocks:").expect("the last key");
    fixture.write("plan.yaml", format!("{head}{}clocks:{clocks}", names.collect::<String>()));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let markdown = fixture.ends(0, &["show", "plan.json", "--format", "markdown"]);
    assert!(markdown.chars().count() <= CHARS_MAX, "{}", markdown.chars().count());
    assert!(markdown.chars().count() > CHARS_MAX - 500, "{}", markdown.chars().count());
    blocks(&markdown);
    let left_out = markdown.lines().find(|line| line.starts_with("**Left out")).expect("a line");
    let (missing, all) = left_out
        .split("; ")
        .find_map(|part| part.strip_suffix(" changed RRsets (“Difference from start to end”)"))
        .and_then(|part| part.split_once(" of "))
        .unwrap_or_else(|| panic!("{left_out}"));
    let missing: usize = missing.rsplit(' ').next().expect("a word").parse().expect("a number");
    assert_eq!(all, (CHANGES + 1).to_string());
    let shown = markdown.lines().filter(|line| line.starts_with("+ ")).count();
    assert_eq!(shown + missing, CHANGES + 1, "{left_out}");
    assert!(markdown.contains("taken for granted:") && markdown.contains("Digest: "), "{left_out}");
}

#[test]
fn the_quick_start_in_a_pull_request() {
    let fixture = ZonefileFixture::quickstart();
    let args = ["plan", "quickstart.yaml", "--format", "markdown"];
    let markdown = fixture.ends(0, &args);
    blocks(&markdown);
    insta::assert_snapshot!(markdown);
    // The text has the same document's words: nothing is said in one form alone.
    let text = fixture.ends(0, &["plan", "quickstart.yaml"]);
    for words in ["taken for granted:", "needs a person 4 times", "every address was created there"]
    {
        assert!(text.contains(words) && markdown.contains(words), "{words}");
    }
    let plain = Document(vec![Block::Lines(vec![Text::from("a\nb\u{1b}")])]);
    assert_eq!(plain.text(Styling::Plain), "a\\nb\\u{1b}\n");
}
