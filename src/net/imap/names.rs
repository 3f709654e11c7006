//! Mailbox names: modified UTF-7 (RFC 3501 §5.1.3), and their form in a command.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = {
    let lenient = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&IMAP_MUTF7, lenient)
};

/// The text that a name in modified UTF-7 stands for; `None` if it is not in that form, for
/// example because the server sends Latin-1. Plain UTF-8 is taken as it is (RFC 6855).
#[must_use]
pub fn decoded(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        let (coded, after) = rest[at + 1..].split_once('-')?;
        match coded {
            "" => text.push('&'),
            coded => {
                let octets = BASE64.decode(coded).ok()?;
                let units = octets.chunks_exact(2);
                if !units.remainder().is_empty() {
                    return None;
                }
                let units = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                for c in char::decode_utf16(units) {
                    text.push(c.ok()?);
                }
            }
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// The name in modified UTF-7 that stands for a text.
#[must_use]
pub fn encoded(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut units: Vec<u8> = Vec::new();
    let flush = |units: &mut Vec<u8>, name: &mut Vec<u8>| {
        if !units.is_empty() {
            name.push(b'&');
            name.extend(BASE64.encode(&*units).bytes());
            name.push(b'-');
            units.clear();
        }
    };
    for c in text.chars() {
        match c {
            ' '..='~' => {
                flush(&mut units, &mut name);
                name.extend(c.to_string().bytes());
                if c == '&' {
                    name.push(b'-');
                }
            }
            c => {
                let mut buffer = [0; 2];
                for unit in c.encode_utf16(&mut buffer) {
                    units.extend(unit.to_be_bytes());
                }
            }
        }
    }
    flush(&mut units, &mut name);
    name
}

/// A name, user or password as a quoted string. Octets that no quoted string can hold (NUL, CR, LF)
/// make it `None`; 8-bit octets are sent as they came, because a name that a server has listed in
/// Latin-1 is known to that server by these octets only.
#[must_use]
pub fn quoted(octets: &[u8]) -> Option<Vec<u8>> {
    if octets.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        return None;
    }
    let mut text = vec![b'"'];
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*octet);
    }
    text.push(b'"');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_modified_utf_7_go_both_ways() {
        // The first is the example of RFC 3501 §5.1.3.
        for (name, text) in [
            (&b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"[..], "~peter/mail/台北/日本語"),
            (b"Entw&APw-rfe", "Entwürfe"),
            (b"R&-D", "R&D"),
            (b"&2D3eAA-", "😀"),
            (b"INBOX", "INBOX"),
            (b"", ""),
        ] {
            assert_eq!(decoded(name).as_deref(), Some(text));
            assert_eq!(encoded(text), name);
        }
    }

    #[test]
    fn a_name_in_another_form_is_not_guessed() {
        for name in [&b"Entw\xfcrfe"[..], b"a&b", b"&A-", b"&2D0-", b"&A!A-"] {
            assert_eq!(decoded(name), None, "{}", name.escape_ascii());
        }
        assert_eq!(decoded("Entwürfe".as_bytes()).as_deref(), Some("Entwürfe"));
    }

    #[test]
    fn quoting_escapes_and_refuses_line_ends() {
        assert_eq!(quoted(br#"a"b\c"#).as_deref(), Some(&br#""a\"b\\c""#[..]));
        assert_eq!(quoted(b"Entw\xfcrfe").as_deref(), Some(&b"\"Entw\xfcrfe\""[..]));
        assert_eq!(quoted(b"a\r\nLOGOUT"), None);
    }
}
