//! Texts from outside in YAML: as quoted values, and in comments.

use cutover_base::diag::is_unseen;
use cutover_zone::Name;

/// The maximum length of a text in a comment, in characters. Our choice: a line.
const COMMENT_CHARS_MAX: usize = 90;

/// A text as a double-quoted scalar (YAML 1.2 §7.3.1). No character of it can end the scalar, or
/// change how the file looks to its reader.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for c in text.chars() {
        match c {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            c if !is_unseen(c) => shown.push(c),
            c => shown.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    shown.push('"');
    shown
}

/// A domain name as people write it in a plan: without quotes and without the final dot, unless it has
/// characters that mean something in YAML.
pub(crate) fn name(name: &Name) -> String {
    let text = name.to_string();
    let bare = text.strip_suffix('.').unwrap_or(&text);
    let is_plain = |octet: u8| {
        octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'.' | b'_')
    };
    // A word without a dot could be `true`, and digits could be a number.
    let begins = bare.starts_with(|c: char| c.is_ascii_lowercase());
    match begins && bare.contains('.') && bare.bytes().all(is_plain) {
        true => bare.to_owned(),
        false => quoted(&text),
    }
}

/// The same for the target of a record, with the final dot.
pub(crate) fn target(target: &Name) -> String {
    let shown = name(target);
    if shown.starts_with('"') { shown } else { shown + "." }
}

/// A text in a comment: on one line, and cut if it is long.
pub(crate) fn comment(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(COMMENT_CHARS_MAX) {
        match is_unseen(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    if text.chars().nth(COMMENT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_read_back() {
        let odd = "a\"b\\c\n#: - {d}\u{202e}\u{0}\u{7f}é'\t\u{1f600}\u{2028}";
        for text in ["", "plain", odd] {
            let shown = quoted(text);
            assert!(!shown.contains(is_unseen), "{shown:?}");
            let read: String = serde_saphyr::from_str(&shown).expect("YAML");
            assert_eq!(read, text, "{shown}");
        }
    }

    #[test]
    fn names_are_quoted_if_they_have_to_be() {
        for (text, wanted) in [
            ("acme.test", "acme.test"),
            ("true", "\"true.\""),
            ("1.2", "\"1.2.\""),
            ("a\\032b.test", "\"a\\\\032b.test.\""),
            ("{x}.test", "\"{x}.test.\""),
        ] {
            let of = Name::from_user(text).expect(text);
            assert_eq!(name(&of), wanted);
        }
    }

    #[test]
    fn a_comment_is_one_short_line() {
        assert_eq!(comment("a\nb: !x\u{202e}"), "a\\nb: !x\\u{202e}");
        assert_eq!(comment(&"x".repeat(1_000)).chars().count(), COMMENT_CHARS_MAX + 1);
    }
}
