//! Whole zones as text: master files (RFC 1035 §5), octoDNS's YAML, and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Soa, Ttl, Zone};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{count, lines};
use crate::document::{Block, Diff, Document, Hunk};

/// A master file: the SOA first, owner names relative to the zone, all other names absolute.
///
/// If the provider shows no SOA, a comment says so in its place.
#[must_use]
pub fn master_file(zone: &Zone) -> String {
    let Zone { origin, rrsets } = zone;
    let soa = RrKey::new(origin.clone(), RrType::SOA);
    let mut text = format!("$ORIGIN {origin}\n");
    if !rrsets.contains_key(&soa) {
        text += "; The provider shows no SOA. Add one before a server loads this file.\n";
    }
    let first = rrsets.get_key_value(&soa);
    let rest = rrsets.iter().filter(|(key, _)| **key != soa);
    let mut rows = Vec::new();
    for (key, rrset) in first.into_iter().chain(rest) {
        for rdata in rrset.rdata() {
            rows.push((key.name.shown_in(origin), rrset.ttl().to_string(), key, rdata));
        }
    }
    let wide = rows.iter().map(|(owner, ..)| owner.len()).max().unwrap_or(0).min(OWNER_CHARS_MAX);
    for (owner, ttl, RrKey { name, rtype }, rdata) in rows {
        // Nobody knows which words of such a record are names, so keep the origin that they were
        // written under.
        let elsewhere = rdata.origin_of_words().filter(|words| *words != origin);
        if let Some(words) = elsewhere {
            let _ = writeln!(text, "$ORIGIN {words}");
            let _ = writeln!(text, "{name} {ttl:>6} IN {rtype:6} {rdata}");
            let _ = writeln!(text, "$ORIGIN {origin}");
            continue;
        }
        let _ = writeln!(text, "{owner:wide$} {ttl:>6} IN {rtype:6} {rdata}");
    }
    text
}

/// How the RRsets that differ do so, in canonical order, with a hunk for each. SOAs only count if both zones have one and
/// more than the serial differs.
#[must_use]
pub fn difference(one: &Zone, other: &Zone) -> Diff {
    let keys: BTreeSet<&RrKey> = one.rrsets.keys().chain(other.rrsets.keys()).collect();
    let mut hunks = Vec::new();
    for key in keys {
        let (a, b) = (one.get(key), other.get(key));
        let is_same = match (a, b) {
            (Some(a), Some(b)) if key.rtype == RrType::SOA => {
                without_serial(a) == without_serial(b)
            }
            (Some(_), None) | (None, Some(_)) if key.rtype == RrType::SOA => true,
            _ => a == b,
        };
        if !is_same {
            hunks.push(Hunk::of(&lines(key, a), &lines(key, b)));
        }
    }
    Diff(hunks)
}

/// Two whole zones compared, as a document; `names` says which is which.
#[must_use]
pub fn compared(zone: &Name, [one, other]: &[String; 2], diff: Diff) -> Document {
    let block = match diff.0.len() {
        0 => Block::Lines(vec![format!("{zone} is the same at {one} and {other}").into()]),
        differ => {
            let differ = count(differ, "RRset");
            Block::Group {
                title: format!("{one} (-) and {other} (+) differ in {differ} of {zone}").into(),
                blocks: vec![Block::Diff(diff)],
            }
        }
    };
    Document(vec![block])
}

fn without_serial(soa: &RrSet) -> Option<(Ttl, Soa)> {
    let fields = soa.rdata().first()?.as_soa()?;
    Some((soa.ttl(), Soa { serial: 0, ..fields }))
}

/// The maximum width of the column of owner names. Our choice.
const OWNER_CHARS_MAX: usize = 32;

/// JSON: `zone`, and `rrsets` with `name`, `type`, `ttl` and `rdata` in presentation form, in
/// canonical order.
#[must_use]
pub fn json(zone: &Zone) -> String {
    let rrset = |(key, rrset): (&RrKey, &RrSet)| {
        let rdata: Vec<String> = rrset.rdata().iter().map(ToString::to_string).collect();
        json!({
            "name": key.name.to_string(),
            "type": key.rtype.to_string(),
            "ttl": rrset.ttl().secs(),
            "rdata": rdata,
        })
    };
    let rrsets: Vec<Value> = zone.rrsets.iter().map(rrset).collect();
    let value = json!({ "zone": zone.origin.to_string(), "rrsets": rrsets });
    format!("{value:#}\n")
}

/// A zone file for octoDNS's `YamlProvider`, and the RRsets whose type or values octoDNS cannot
/// represent. The SOA, which octoDNS leaves to providers, is not among them.
///
/// Source: octoDNS 1.22.0, `octodns/record/*.py`; semicolons are escaped, its default up to 2.0.
#[must_use]
pub fn octodns(zone: &Zone) -> (String, Vec<RrKey>) {
    let mut left_out = Vec::new();
    let mut owners: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, rrset) in zone.rrsets.iter().filter(|(key, _)| key.rtype != RrType::SOA) {
        let values: Option<Vec<Value>> = rrset.rdata().iter().map(octodns_value).collect();
        let Some(values) = values else {
            left_out.push(key.clone());
            continue;
        };
        let mut record = json!({ "ttl": rrset.ttl().secs(), "type": key.rtype.to_string() });
        match <[Value; 1]>::try_from(values) {
            Ok([value]) => record["value"] = value,
            Err(values) => record["values"] = Value::Array(values),
        }
        let owner = key.name.shown_in(&zone.origin);
        let owner = if owner == "@" { String::new() } else { owner };
        owners.entry(owner).or_default().push(record);
    }
    let mut owners: Vec<(String, Value)> = owners
        .into_iter()
        .map(|(owner, records)| match <[Value; 1]>::try_from(records) {
            Ok([record]) => (owner, record),
            Err(records) => (owner, Value::Array(records)),
        })
        .collect();
    owners.sort_by(|(one, _), (other, _)| natural(one).cmp(&natural(other)));
    let text = serde_saphyr::to_string(&InOrder(owners)).expect("maps and lists are YAML");
    (format!("---\n{text}"), left_out)
}

/// A mapping that keeps its order: octoDNS refuses files whose owners are not sorted.
struct InOrder(Vec<(String, Value)>);

impl Serialize for InOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(owner, record)| (owner, record)))
    }
}

/// The key by which octoDNS sorts owners (its `natsort`): text and numbers in turn, starting with
/// text, which may be empty. Without leading zeros, a longer number is greater, so length comes
/// first.
fn natural(owner: &str) -> Vec<(usize, &str)> {
    let mut runs = Vec::new();
    let mut rest = owner;
    loop {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(digits);
        runs.push((0, text));
        if after.is_empty() {
            return runs;
        }
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let number = after[..end].trim_start_matches('0');
        runs.push((number.len(), number));
        rest = &after[end..];
        if rest.is_empty() {
            return runs;
        }
    }
}

/// A value as octoDNS writes it; `None` if octoDNS cannot represent it.
fn octodns_value(rdata: &Rdata) -> Option<Value> {
    let rtype = rdata.rtype();
    if let (RrType::TXT | RrType::SPF, Some(joined)) = (rtype, rdata.txt_joined()) {
        let text = std::str::from_utf8(&joined).ok()?;
        return Some(Value::from(text.replace(';', "\\;")));
    }
    let words = words(&rdata.to_string())?;
    let named = |names: &[&str]| {
        let mut map = Map::new();
        if names.len() != words.len() {
            return None;
        }
        for (name, word) in names.iter().zip(&words) {
            let number = word.parse::<u32>().ok().filter(|_| !TEXTUAL.contains(name));
            map.insert((*name).to_owned(), number.map_or(json!(word), |number| json!(number)));
        }
        Some(Value::Object(map))
    };
    match rtype {
        RrType::A
        | RrType::AAAA
        | RrType::NS
        | RrType::CNAME
        | RrType::DNAME
        | RrType::PTR
        | RrType::OPENPGPKEY => Some(json!(words.concat())),
        RrType::MX => named(&["preference", "exchange"]),
        RrType::SRV => named(&["priority", "weight", "port", "target"]),
        RrType::CAA => named(&["flags", "tag", "value"]),
        RrType::DS => named(&["key_tag", "algorithm", "digest_type", "digest"]),
        RrType::SSHFP => named(&["algorithm", "fingerprint_type", "fingerprint"]),
        RrType::TLSA => named(&[
            "certificate_usage",
            "selector",
            "matching_type",
            "certificate_association_data",
        ]),
        RrType::URI => named(&["priority", "weight", "target"]),
        RrType::NAPTR => {
            named(&["order", "preference", "flags", "service", "regexp", "replacement"])
        }
        RrType::LOC => location(&words),
        RrType::SVCB | RrType::HTTPS => service(&words),
        _ => None,
    }
}

/// Fields that are text even if they look like numbers.
const TEXTUAL: &[&str] = &[
    "digest",
    "fingerprint",
    "certificate_association_data",
    "value",
    "tag",
    "service",
    "regexp",
    "target",
];

fn location(words: &[String]) -> Option<Value> {
    let [lat @ .., altitude, size, horizontal, vertical] = words else { return None };
    let [a, b, c, d, e, f, g, h] = lat else { return None };
    let degrees = |word: &String| word.parse::<u32>().ok();
    let metres = |word: &String| word.trim_end_matches('m').parse::<f64>().ok();
    Some(json!({
        "altitude": metres(altitude)?,
        "lat_degrees": degrees(a)?, "lat_direction": d, "lat_minutes": degrees(b)?,
        "lat_seconds": c.parse::<f64>().ok()?,
        "long_degrees": degrees(e)?, "long_direction": h, "long_minutes": degrees(f)?,
        "long_seconds": g.parse::<f64>().ok()?,
        "precision_horz": metres(horizontal)?, "precision_vert": metres(vertical)?,
        "size": metres(size)?,
    }))
}

fn service(words: &[String]) -> Option<Value> {
    let [priority, target, params @ ..] = words else { return None };
    let mut map = Map::new();
    for param in params {
        let (key, value) = match param.split_once('=') {
            None if param == "no-default-alpn" => (param.as_str(), Value::Null),
            None => return None,
            Some((key @ ("alpn" | "mandatory" | "ipv4hint" | "ipv6hint"), list)) => {
                (key, json!(list.split(',').collect::<Vec<_>>()))
            }
            Some(("port", port)) => ("port", json!(port.parse::<u16>().ok()?)),
            Some(("ech", ech)) => ("ech", json!(ech)),
            // octoDNS 1.22 supports no other parameters.
            Some(_) => return None,
        };
        map.insert(key.to_owned(), value);
    }
    let mut value = json!({
        "svcpriority": priority.parse::<u16>().ok()?,
        "targetname": target,
    });
    if !map.is_empty() {
        value["svcparams"] = Value::Object(map);
    }
    Some(value)
}

/// The words of a presentation form, without quotes and escapes; `None` if an octet is not ASCII.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                open = true;
            }
            ' ' if !quoted => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            '\\' if quoted => {
                open = true;
                let next = chars.next()?;
                match next.to_digit(10) {
                    None => word.push(next),
                    Some(hundreds) => {
                        let (tens, ones) =
                            (chars.next()?.to_digit(10)?, chars.next()?.to_digit(10)?);
                        let octet = u8::try_from(hundreds * 100 + tens * 10 + ones).ok()?;
                        word.push(char::from(octet.is_ascii().then_some(octet)?));
                    }
                }
            }
            _ => {
                open = true;
                word.push(c);
            }
        }
    }
    if open {
        words.push(word);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_where_no_quote_is_open() {
        for (text, expected) in [
            ("10 mail.acme.test.", Some(vec!["10", "mail.acme.test."])),
            ("0 issue \"\"", Some(vec!["0", "issue", ""])),
            ("0 issue \"a b\\\"c\\059\"", Some(vec!["0", "issue", "a b\"c;"])),
            ("1 a\\.b.test.", Some(vec!["1", "a\\.b.test."])),
            ("\"\\200\"", None),
        ] {
            let expected: Option<Vec<String>> =
                expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
