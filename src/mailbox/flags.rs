//! Flags: what can be sent to a server, and what changed.

use std::collections::BTreeSet;

/// The flags that every server has (RFC 3501 §2.3.2), `\Recent` aside, which no client sets.
const SYSTEM: [&str; 5] = ["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"];
/// What no keyword may contain (RFC 3501 §9, `atom-specials`).
const SPECIALS: &[u8] = b"(){ %*\"\\]";

/// The flags of a message that can be sent, sorted, and those that cannot, for people.
pub(crate) fn sendable(flags: &[Vec<u8>]) -> (BTreeSet<String>, Vec<String>) {
    let mut good = BTreeSet::new();
    let mut bad = Vec::new();
    for flag in flags {
        let text = String::from_utf8_lossy(flag);
        if text.eq_ignore_ascii_case("\\Recent") {
            continue;
        }
        let system = SYSTEM.iter().find(|known| text.eq_ignore_ascii_case(known));
        let is_keyword = !flag.is_empty()
            && flag.iter().all(|octet| octet.is_ascii_graphic() && !SPECIALS.contains(octet));
        match system {
            Some(system) => _ = good.insert((*system).to_owned()),
            None if is_keyword => _ = good.insert(text.into_owned()),
            None => bad.push(flag.escape_ascii().to_string()),
        }
    }
    (good, bad)
}

/// Which of these flags a folder can keep: all, unless it lists those that it can.
pub(crate) fn kept(
    flags: &BTreeSet<String>,
    permanent: Option<&BTreeSet<String>>,
) -> BTreeSet<String> {
    let Some(permanent) = permanent.filter(|permanent| !permanent.contains("\\*")) else {
        return flags.clone();
    };
    let is_kept = |flag: &&String| permanent.iter().any(|known| known.eq_ignore_ascii_case(flag));
    flags.iter().filter(is_kept).cloned().collect()
}

/// Flags as one text.
pub(crate) fn joined(flags: &BTreeSet<String>) -> String {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.join(" ")
}

/// The flags of such a text.
pub(crate) fn split(text: &str) -> BTreeSet<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_server_takes_is_left_out_and_named() {
        let flags = [&b"\\seen"[..], b"\\Recent", b"$Label1", b"a]b", b"\xe4", b"\\Forwarded", b""];
        let flags: Vec<Vec<u8>> = flags.iter().map(|flag| flag.to_vec()).collect();
        let (good, bad) = sendable(&flags);
        assert_eq!(joined(&good), "$Label1 \\Seen");
        assert_eq!(bad, ["a]b", "\\xe4", "\\\\Forwarded", ""]);
        assert_eq!(split(&joined(&good)), good);
    }

    #[test]
    fn a_folder_may_keep_some_keywords_only() {
        let flags = split("$A $b \\Seen");
        let some = split("\\seen $B");
        assert_eq!(kept(&flags, None), flags);
        assert_eq!(kept(&flags, Some(&split("\\Seen \\*"))), flags);
        assert_eq!(joined(&kept(&flags, Some(&some))), "$b \\Seen");
    }
}
