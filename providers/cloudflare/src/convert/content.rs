//! The data of a record in the API's JSON: `content`, `data` and `priority`.
//!
//! Types with a single field have it as `content`; an MX also has a `priority`; types with several
//! fields have them in `data` (API reference, "DNS records for a zone"). Names have no final dot
//! there. The content of a TXT is quoted. It may come back divided in other places, or unquoted if
//! it was created like that.

use std::fmt::Write as _;

use cutover_zone::{Rdata, RrType};
use serde_json::{Map, Number, Value};

use super::Record;

/// A field of `data`, and its form in presentation form.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A number.
    Number(&'static str),
    /// The `priority` beside `data`.
    Priority,
    /// A word.
    Word(&'static str),
    /// A string, in quotes in presentation form.
    String(&'static str),
    /// A name.
    Host(&'static str),
    /// All remaining words, perhaps none.
    Rest(&'static str),
    /// A number of metres.
    Metres(&'static str),
}

use Part::{Host, Metres, Number as N, Priority, Rest, String as S, Word};

/// The parts of each type that has `data`.
fn parts_of(rtype: RrType) -> Option<&'static [Part]> {
    const TLSA: &[Part] = &[N("usage"), N("selector"), N("matching_type"), Rest("certificate")];
    const SVCB: &[Part] = &[N("priority"), Host("target"), Rest("value")];
    Some(match rtype {
        RrType::CAA => &[N("flags"), Word("tag"), S("value")],
        RrType::DNSKEY => &[N("flags"), N("protocol"), N("algorithm"), Rest("public_key")],
        RrType::DS => &[N("key_tag"), N("algorithm"), N("digest_type"), Rest("digest")],
        RrType::HTTPS | RrType::SVCB => SVCB,
        RrType::LOC => &[
            N("lat_degrees"),
            N("lat_minutes"),
            N("lat_seconds"),
            Word("lat_direction"),
            N("long_degrees"),
            N("long_minutes"),
            N("long_seconds"),
            Word("long_direction"),
            Metres("altitude"),
            Metres("size"),
            Metres("precision_horz"),
            Metres("precision_vert"),
        ],
        RrType::NAPTR => &[
            N("order"),
            N("preference"),
            S("flags"),
            S("service"),
            S("regex"),
            Host("replacement"),
        ],
        RrType::SMIMEA | RrType::TLSA => TLSA,
        RrType::SRV => &[N("priority"), N("weight"), N("port"), Host("target")],
        RrType::SSHFP => &[N("algorithm"), N("type"), Rest("fingerprint")],
        RrType::URI => &[Priority, N("weight"), S("target")],
        _ => return None,
    })
}

/// Data that the API cannot express, as a lower-case fragment.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unwritable(&'static str);

/// Reads the data of a record; `None` if it cannot be read.
pub(super) fn read(rtype: RrType, record: &Record) -> Option<Rdata> {
    let content = record.content.as_deref();
    let text = match rtype {
        RrType::TXT => return text_of(content?),
        RrType::CNAME | RrType::NS | RrType::PTR => absolute(content?),
        RrType::MX => {
            let data = |field: &str| record.data.as_ref().and_then(|data| data.get(field));
            let priority = record.priority.as_ref().or_else(|| data("priority"))?;
            let target = data("target").and_then(Value::as_str);
            format!("{} {}", number(priority)?, absolute(target.or(content)?))
        }
        _ => match parts_of(rtype) {
            None => content?.to_owned(),
            Some(parts) => match put_together(parts, record) {
                Some(text) => text,
                // Without `data`, everything but the leading numbers is in the content.
                None if [RrType::SRV, RrType::URI].contains(&rtype) => return None,
                None => content?.to_owned(),
            },
        },
    };
    Rdata::parse(rtype, &text, None).ok()
}

fn put_together(parts: &[Part], record: &Record) -> Option<String> {
    let data = record.data.as_ref()?;
    let mut text = String::new();
    for part in parts {
        let word = match part {
            N(field) => number(data.get(*field)?)?,
            Priority => number(record.priority.as_ref().or_else(|| data.get("priority"))?)?,
            Metres(field) => format!("{}m", number(data.get(*field)?)?),
            Word(field) => data.get(*field)?.as_str()?.to_owned(),
            S(field) => quoted(data.get(*field)?.as_str()?),
            Host(field) => absolute(data.get(*field)?.as_str()?),
            Rest(field) => data.get(*field)?.as_str()?.to_owned(),
        };
        text += &word;
        text.push(' ');
    }
    Some(text)
}

/// A number in JSON, or in a JSON string.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => text.parse::<f64>().ok().map(|_| text.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// A TXT, quoted or not.
fn text_of(content: &str) -> Option<Rdata> {
    match content.trim_start().starts_with('"') {
        true => Rdata::parse(RrType::TXT, content, None).ok(),
        false if content.len() > u16::MAX.into() => None,
        false => Some(Rdata::txt(content.as_bytes())),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => quoted.extend(['\\', char::from(octet)]),
            b' '..=b'~' => quoted.push(char::from(octet)),
            _ => {
                let _ = write!(quoted, "\\{octet:03}");
            }
        }
    }
    quoted.push('"');
    quoted
}

/// The JSON fields of a record with this data.
pub(super) fn written(rdata: &Rdata) -> Result<Map<String, Value>, Unwritable> {
    let text = rdata.to_string();
    let mut record = Map::new();
    let Some(parts) = parts_of(rdata.rtype()) else {
        let content = match rdata.rtype() {
            RrType::CNAME | RrType::NS | RrType::PTR => host(&text),
            RrType::MX => {
                let (preference, exchange) = text.split_once(' ').unwrap_or_default();
                record.insert("priority".to_owned(), numeric(preference)?);
                host(exchange)
            }
            _ => text,
        };
        record.insert("content".to_owned(), content.into());
        return Ok(record);
    };
    let mut data = Map::new();
    let mut words = words_of(&text).into_iter();
    for part in parts {
        let mut word = || words.next().unwrap_or_default();
        let (field, value) = match part {
            N(field) => (*field, numeric(&word())?),
            Metres(field) => (*field, numeric(word().trim_end_matches('m'))?),
            Priority => {
                record.insert("priority".to_owned(), numeric(&word())?);
                continue;
            }
            Word(field) => (*field, word().into()),
            S(field) => (*field, unquoted(&word())?.into()),
            Host(field) => (*field, host(&word()).into()),
            Rest(field) => {
                let rest: Vec<String> = words.by_ref().collect();
                (*field, rest.join(" ").into())
            }
        };
        data.insert(field.to_owned(), value);
    }
    record.insert("data".to_owned(), data.into());
    Ok(record)
}

fn host(name: &str) -> String {
    match name {
        "." => name.to_owned(),
        _ => name.trim_end_matches('.').to_owned(),
    }
}

fn numeric(text: &str) -> Result<Value, Unwritable> {
    let whole = text.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map(Value::from).ok_or(Unwritable("a number has an unknown form"))
}

/// The words of presentation form; a quoted string is a single word.
fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        match c {
            ' ' if !is_quoted && !is_escaped => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The contents of a quoted string. JSON cannot express octets that are not text.
fn unquoted(word: &str) -> Result<String, Unwritable> {
    let inner = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word);
    let mut octets = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes().iter();
    while let Some(octet) = rest.next() {
        if *octet != b'\\' {
            octets.push(*octet);
            continue;
        }
        let digits =
            rest.as_slice().get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        match digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()) {
            Some(octet) => {
                octets.push(octet);
                rest.nth(2);
            }
            None => octets.extend(rest.next()),
        }
    }
    String::from_utf8(octets).map_err(|_| Unwritable("it has octets that are not text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn there_and_back(rtype: RrType, text: &str) -> (Value, Option<Rdata>) {
        let rdata = Rdata::parse(rtype, text, None).unwrap_or_else(|e| panic!("{text}: {e}"));
        let written = written(&rdata).expect("it has a form");
        let mut whole = json!({ "id": "1", "name": "a.test", "ttl": 1, "type": rtype.to_string() });
        let whole_map = whole.as_object_mut().expect("an object");
        whole_map.extend(written.clone());
        let record: Record = serde_json::from_value(whole).expect("a record");
        let read = read(rtype, &record);
        assert_eq!(read.as_ref(), Some(&rdata), "{written:?}");
        (Value::Object(written), read)
    }

    #[test]
    fn every_type_has_a_form_and_comes_back() {
        for (rtype, text, form) in [
            (RrType::A, "192.0.2.1", json!({ "content": "192.0.2.1" })),
            (RrType::CNAME, "a.b.test.", json!({ "content": "a.b.test" })),
            (RrType::MX, "0 .", json!({ "content": ".", "priority": 0 })),
            (RrType::MX, "10 mx.b.test.", json!({ "content": "mx.b.test", "priority": 10 })),
            (RrType::TXT, "\"a \\\"b\\\" \\\\c\"", json!({ "content": "\"a \\\"b\\\" \\\\c\"" })),
            (
                RrType::CAA,
                "128 issue \"ca.test; a=b\"",
                json!({ "data": { "flags": 128, "tag": "issue", "value": "ca.test; a=b" } }),
            ),
            (
                RrType::SRV,
                "1 2 443 s.b.test.",
                json!({ "data": { "priority": 1, "weight": 2, "port": 443, "target": "s.b.test" } }),
            ),
            (
                RrType::URI,
                "10 1 \"https://b.test/\\\"\"",
                json!({ "priority": 10, "data": { "weight": 1, "target": "https://b.test/\"" } }),
            ),
            (
                RrType::HTTPS,
                "1 . alpn=h2,h3 port=443",
                json!({ "data": { "priority": 1, "target": ".", "value": "alpn=\"h2,h3\" port=443" } }),
            ),
            (
                RrType::SVCB,
                "0 b.test.",
                json!({ "data": { "priority": 0, "target": "b.test", "value": "" } }),
            ),
            (
                RrType::NAPTR,
                "1 2 \"U\" \"SIP+D2U\" \"!^.*$!sip:\\\\1@b.test!\" .",
                json!({ "data": {
                    "order": 1, "preference": 2, "flags": "U", "service": "SIP+D2U",
                    "regex": "!^.*$!sip:\\1@b.test!", "replacement": "."
                } }),
            ),
        ] {
            let (written, _) = there_and_back(rtype, text);
            if rtype != RrType::HTTPS {
                assert_eq!(written, form, "{rtype} {text}");
            }
        }
        for (rtype, text) in [
            (RrType::LOC, "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
            (RrType::LOC, "1 0 0.999 S 179 59 59.999 W 100m 1m 2m 3m"),
            (RrType::DS, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
            (RrType::DNSKEY, "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+"),
            (
                RrType::TLSA,
                "3 1 1 0d6fce3d1c8a4a4b6fce3d1c8a4a4b6fce3d1c8a4a4b6fce3d1c8a4a4b6fce3d",
            ),
            (RrType::SSHFP, "1 1 dd465c09cfa51fb45020cc83316fff21b9ec74ac"),
            (RrType::OPENPGPKEY, "mQINBFit"),
            (RrType::AAAA, "2001:db8::1"),
        ] {
            there_and_back(rtype, text);
        }
    }

    #[test]
    fn records_of_others_are_read() {
        let read = |json: Value| {
            let record: Record = serde_json::from_value(json).expect("a record");
            read(record.rtype.parse().expect("a type"), &record).map(|rdata| rdata.to_string())
        };
        for (json, text) in [
            // Unquoted, and divided where the API divides.
            (json!({ "type": "TXT", "content": "v=spf1 -all" }), Some("\"v=spf1 -all\"")),
            (json!({ "type": "TXT", "content": "\"a\" \"b\"" }), Some("\"a\" \"b\"")),
            // Where `priority` will move, as announced.
            (
                json!({ "type": "MX", "content": "x", "data": { "priority": 5, "target": "mx.test" } }),
                Some("5 mx.test."),
            ),
            (json!({ "type": "MX", "content": "mx.test" }), None),
            (
                json!({ "type": "CAA", "content": "0 issue \"ca.test\"" }),
                Some("0 issue \"ca.test\""),
            ),
            (json!({ "type": "A", "content": "nonsense" }), None),
        ] {
            let mut whole = json!({ "id": "1", "name": "a.test", "ttl": 1 });
            let map = whole.as_object_mut().expect("an object");
            map.extend(json.as_object().expect("an object").clone());
            assert_eq!(read(whole).as_deref(), text, "{json}");
        }
    }
}
