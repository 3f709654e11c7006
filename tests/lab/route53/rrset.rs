//! One RRset of the fake: what the API takes, what it refuses, and how it shows it.
//!
//! Sources: API reference of Route 53 (ResourceRecordSet, ChangeResourceRecordSets) and Developer
//! Guide ("Supported DNS record types", "DNS domain name format").

use std::net::{Ipv4Addr, Ipv6Addr};

use super::xml::Element;

/// An RRset, or one of several that have identifiers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rrset {
    /// The name in lower case, with a trailing dot and octal escapes.
    pub(crate) name: String,
    pub(crate) rtype: String,
    pub(crate) ttl: Option<u64>,
    /// The values as they were given.
    pub(crate) values: Vec<String>,
    pub(crate) identifier: Option<String>,
    /// Weight, AliasTarget and all other elements.
    more: Vec<Element>,
}

const TYPES: &[&str] = &[
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV",
    "SSHFP", "SVCB", "TLSA", "TXT",
];

/// Whether the API supports RRsets of this type.
pub(crate) fn has_type(rtype: &str) -> bool {
    TYPES.contains(&rtype)
}

impl Rrset {
    /// Reads an RRset from a request. An error is the message of the API.
    pub(crate) fn read(element: &Element) -> Result<Self, String> {
        let text = |name: &str| element.value(name).map(str::to_owned);
        let name = full_name(&text("Name").unwrap_or_default())?;
        let rtype = text("Type").unwrap_or_default();
        if !has_type(&rtype) {
            return Err(format!("Value '{rtype}' at 'type' failed to satisfy constraint"));
        }
        let ttl = match text("TTL") {
            None => None,
            Some(ttl) => Some(ttl.parse::<u64>().map_err(|_| format!("Invalid TTL {ttl}"))?),
        };
        if ttl.is_some_and(|ttl| ttl > 2_147_483_647) {
            return Err("TTL must be at most 2147483647".to_owned());
        }
        let records = element.child("ResourceRecords");
        let records = records.iter().flat_map(|records| &records.children);
        let values: Vec<String> =
            records.map(|record| record.value("Value").unwrap_or_default().to_owned()).collect();
        let known = ["Name", "Type", "TTL", "ResourceRecords", "SetIdentifier"];
        let more =
            element.children.iter().filter(|child| !known.contains(&child.name.as_str())).cloned();
        let rrset = Self {
            name,
            rtype,
            ttl,
            values,
            identifier: text("SetIdentifier"),
            more: more.collect(),
        };
        rrset.check()?;
        Ok(rrset)
    }

    /// Adds a line of a master file, `OWNER TTL IN TYPE RDATA`, to this RRset or to a new one.
    pub(crate) fn of_line(line: &str) -> Self {
        let mut words = line.splitn(5, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("five words: {line}"));
        let (name, ttl, _, rtype, value) = (word(), word(), word(), word(), word());
        Self {
            name: full_name(&octal(name)).unwrap_or_else(|error| panic!("{line}: {error}")),
            rtype: rtype.to_owned(),
            ttl: Some(ttl.parse().unwrap_or_else(|_| panic!("a TTL: {line}"))),
            values: vec![octal(value)],
            identifier: None,
            more: Vec::new(),
        }
    }

    pub(crate) fn is_alias(&self) -> bool {
        self.more.iter().any(|child| child.name == "AliasTarget")
    }

    fn check(&self) -> Result<(), String> {
        let place = format!("[name='{}', type='{}']", self.name, self.rtype);
        if self.is_alias() {
            return match self.ttl.is_none() && self.values.is_empty() {
                true => Ok(()),
                false => Err(format!("{place}: an alias has neither a TTL nor records")),
            };
        }
        if self.ttl.is_none() || self.values.is_empty() {
            return Err(format!(
                "{place}: expected exactly one of [AliasTarget, all of [TTL, and \
                                ResourceRecords], or TrafficPolicyInstanceId]"
            ));
        }
        for value in &self.values {
            let bad = |what: &str| {
                Err(format!(
                    "Invalid Resource Record: 'FATAL problem: {what} encountered with '{value}''"
                ))
            };
            if value.chars().count() > 4_000 {
                return bad("ValueTooLong");
            }
            let words: Vec<&str> = value.split(' ').collect();
            let is_number = |word: Option<&&str>| word.is_some_and(|w| w.parse::<u16>().is_ok());
            let is_bad = match self.rtype.as_str() {
                "A" => value.parse::<Ipv4Addr>().is_err(),
                "AAAA" => value.parse::<Ipv6Addr>().is_err(),
                "CNAME" | "NS" | "PTR" => !is_host(value),
                "MX" => words.len() != 2 || !is_number(words.first()) || !is_host(words[1]),
                "SRV" => {
                    words.len() != 4
                        || !words[..3].iter().all(|word| is_number(Some(word)))
                        || !is_host(words[3])
                }
                "TXT" | "SPF" => return_strings(value).is_none(),
                _ => value.is_empty(),
            };
            if is_bad {
                return bad(if self.rtype == "TXT" {
                    "InvalidCharacterString"
                } else {
                    "BadValue"
                });
            }
        }
        let mut values = self.values.clone();
        values.sort();
        values.dedup();
        match values.len() == self.values.len() {
            true => Ok(()),
            false => Err(format!("{place}: Duplicate Resource Record")),
        }
    }

    /// Whether a `DELETE` with the other RRset matches this one: everything has to be equal, in any
    /// order.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        let sorted = |rrset: &Self| {
            let mut values = rrset.values.clone();
            values.sort();
            values
        };
        self.ttl == other.ttl && sorted(self) == sorted(other) && self.more == other.more
    }

    /// The sort key of a listing: labels from the right, then type and identifier.
    pub(crate) fn order(&self) -> (Vec<String>, String, Option<String>) {
        (order_of(&self.name), self.rtype.clone(), self.identifier.clone())
    }

    /// The RRset as the API shows it.
    pub(crate) fn shown(&self) -> Element {
        let name = self.name.replace('*', "\\052");
        let mut children = vec![Element::text("Name", &name), Element::text("Type", &self.rtype)];
        if let Some(identifier) = &self.identifier {
            children.push(Element::text("SetIdentifier", identifier));
        }
        children.extend(self.more.iter().filter(|child| child.name != "AliasTarget").cloned());
        if let Some(ttl) = self.ttl {
            children.push(Element::text("TTL", &ttl.to_string()));
            let record = |value: &String| {
                Element::with("ResourceRecord", vec![Element::text("Value", value)])
            };
            let records = self.values.iter().map(record).collect();
            children.push(Element::with("ResourceRecords", records));
        }
        children.extend(self.more.iter().filter(|child| child.name == "AliasTarget").cloned());
        Element::with("ResourceRecordSet", children)
    }

    /// The records that are served, as lines of a master file. Aliases and RRsets with identifiers
    /// have none.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Some(ttl) = self.ttl.filter(|_| self.identifier.is_none()) else { return Vec::new() };
        let (name, rtype) = (decimal(&self.name), &self.rtype);
        let value = |value: &String| match rtype.as_str() {
            "CNAME" | "NS" | "PTR" | "MX" | "SRV" if !value.ends_with('.') => format!("{value}."),
            _ => value.clone(),
        };
        let values = self.values.iter().map(|text| decimal(&value(text)));
        values.map(|value| format!("{name} {ttl} IN {rtype} {value}")).collect()
    }
}

/// The labels of a name, last label first.
pub(crate) fn order_of(name: &str) -> Vec<String> {
    let labels = name.trim_end_matches('.').split('.');
    labels.rev().map(|label| label.replace('*', "\\052")).collect()
}

/// The name in lower case, with a trailing dot, and with escapes where they are necessary.
pub(crate) fn full_name(name: &str) -> Result<String, String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase().replace("\\052", "*");
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"()@;$".contains(c);
    let is_good = name.split('.').all(|label| (1..=63).contains(&decimal_octets(label).len()));
    match is_good && name.chars().all(is_plain) && name.len() <= 1_024 {
        true => Ok(format!("{name}.")),
        false => Err(format!("FATAL problem: DomainLabelEmpty or InvalidCharacter in '{name}'")),
    }
}

/// The octets of a label.
fn decimal_octets(label: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = label.as_bytes();
    while let [octet, after @ ..] = rest {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (octet, code) {
            (b'\\', Some(code)) => {
                octets.push(code);
                rest = &after[3..];
            }
            (octet, _) => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
    octets
}

fn is_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_address = name.parse::<Ipv4Addr>().is_ok();
    name.is_empty() || (!is_address && full_name(name).is_ok() && !name.contains(' '))
}

/// The octets of quoted strings of at most 255 octets each; `None` if it is something else.
fn return_strings(value: &str) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        rest = rest.strip_prefix('"')?;
        let mut string = Vec::new();
        loop {
            let mut chars = rest.chars();
            match chars.next()? {
                '"' => break rest = chars.as_str(),
                '\\' => {
                    let digits = rest.get(1..4).and_then(|d| u8::from_str_radix(d, 8).ok());
                    match digits {
                        Some(octet) => {
                            string.push(octet);
                            rest = &rest[4..];
                        }
                        None => {
                            let c = chars.next().filter(char::is_ascii)?;
                            string.push(u8::try_from(c).ok()?);
                            rest = chars.as_str();
                        }
                    }
                }
                c if (' '..='~').contains(&c) => {
                    string.push(u8::try_from(c).ok()?);
                    rest = chars.as_str();
                }
                _ => return None,
            }
        }
        if string.len() > 255 {
            return None;
        }
        strings.push(string);
        rest = rest.trim_start();
    }
    (!strings.is_empty()).then_some(strings)
}

/// Replaces decimal escapes by octal ones.
pub(crate) fn octal(text: &str) -> String {
    escapes(text, 10, |octet| format!("{octet:03o}"))
}

/// Replaces octal escapes by decimal ones.
pub(crate) fn decimal(text: &str) -> String {
    escapes(text, 8, |octet| format!("{octet:03}"))
}

fn escapes(text: &str, radix: u32, shown: fn(u8) -> String) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut is_escaped = false;
    for part in parts {
        out.push('\\');
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, radix).ok());
        match code.filter(|_| !is_escaped) {
            Some(code) => {
                out.push_str(&shown(code));
                out.push_str(&part[3..]);
            }
            None => out.push_str(part),
        }
        // A backslash that is itself escaped does not begin an escape.
        is_escaped = part.is_empty() && !is_escaped;
    }
    out
}
