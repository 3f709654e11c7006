//! One record of the fake: what the API takes, what it refuses, and how it shows it.
//!
//! Sources: the API reference of DNS records, "Record attributes" and "Time to Live (TTL)" at
//! developers.cloudflare.com, and the answers that octoDNS's and lexicon's own recordings have.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

/// A refusal: the HTTP status, and code and message of each error in its chain, the outermost
/// first.
#[derive(Clone, Debug)]
pub(crate) struct No {
    pub(crate) status: u16,
    pub(crate) chain: Vec<(u32, String)>,
}

impl No {
    pub(crate) fn new(status: u16, code: u32, message: &str) -> Self {
        Self { status, chain: vec![(code, message.to_owned())] }
    }

    /// A record that is invalid.
    pub(crate) fn invalid(code: u32, message: &str) -> Self {
        let mut no = Self::new(400, 1004, "DNS Validation Error");
        no.chain.push((code, message.to_owned()));
        no
    }
}

/// The form of a field of `data` in a master file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An integer up to this maximum.
    Up(u64),
    /// A real number, of metres or of seconds.
    Real,
    /// A word.
    Word,
    /// All words that are left.
    Words,
    /// A string in quotes.
    Quoted,
    /// A host name.
    Host,
}

/// The fields of `data`, in the order of a master file.
const DATA: &[(&str, &[(&str, Form)])] = {
    use Form::{Host, Quoted, Real, Up, Word, Words};
    const SHORT: Form = Up(255);
    const LONG: Form = Up(65_535);
    &[
        ("CAA", &[("flags", SHORT), ("tag", Word), ("value", Quoted)]),
        (
            "DNSKEY",
            &[("flags", LONG), ("protocol", SHORT), ("algorithm", SHORT), ("public_key", Words)],
        ),
        (
            "DS",
            &[("key_tag", LONG), ("algorithm", SHORT), ("digest_type", SHORT), ("digest", Words)],
        ),
        ("HTTPS", &[("priority", LONG), ("target", Host), ("value", Words)]),
        (
            "LOC",
            &[
                ("lat_degrees", Up(90)),
                ("lat_minutes", Up(59)),
                ("lat_seconds", Real),
                ("lat_direction", Word),
                ("long_degrees", Up(180)),
                ("long_minutes", Up(59)),
                ("long_seconds", Real),
                ("long_direction", Word),
                ("altitude", Real),
                ("size", Real),
                ("precision_horz", Real),
                ("precision_vert", Real),
            ],
        ),
        (
            "NAPTR",
            &[
                ("order", LONG),
                ("preference", LONG),
                ("flags", Quoted),
                ("service", Quoted),
                ("regex", Quoted),
                ("replacement", Host),
            ],
        ),
        (
            "SMIMEA",
            &[
                ("usage", SHORT),
                ("selector", SHORT),
                ("matching_type", SHORT),
                ("certificate", Words),
            ],
        ),
        ("SRV", &[("priority", LONG), ("weight", LONG), ("port", LONG), ("target", Host)]),
        ("SSHFP", &[("algorithm", SHORT), ("type", SHORT), ("fingerprint", Words)]),
        ("SVCB", &[("priority", LONG), ("target", Host), ("value", Words)]),
        (
            "TLSA",
            &[
                ("usage", SHORT),
                ("selector", SHORT),
                ("matching_type", SHORT),
                ("certificate", Words),
            ],
        ),
        ("URI", &[("weight", LONG), ("target", Quoted)]),
    ]
};

/// The types of records with only `content`, or with `content` and a priority.
const SIMPLE: &[&str] = &["A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT"];

/// Every type of records that the API supports.
pub(crate) fn types() -> impl Iterator<Item = &'static str> {
    SIMPLE.iter().copied().chain(DATA.iter().map(|(rtype, _)| *rtype))
}

fn fields_of(rtype: &str) -> Option<&'static [(&'static str, Form)]> {
    DATA.iter().find(|(known, _)| *known == rtype).map(|(_, fields)| *fields)
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) rtype: String,
    /// For TXT in quotes: one string, whatever its length.
    content: String,
    data: Option<Map<String, Value>>,
    priority: Option<u64>,
    pub(crate) ttl: u64,
    pub(crate) proxied: bool,
    flatten: bool,
    pub(crate) comment: Option<String>,
    tags: Vec<String>,
    pub(crate) email_routing: bool,
    pub(crate) read_only: bool,
}

impl Record {
    /// Makes a record from a request.
    pub(crate) fn new(id: String, zone: &str, requested: &Value, ttl_min: u64) -> Result<Self, No> {
        let text = |field: &str| requested[field].as_str();
        let rtype = text("type").ok_or_else(|| No::invalid(9004, "Type is required."))?;
        let name = full_name(text("name").unwrap_or_default(), zone)?;
        let ttl = requested.get("ttl").map_or(Some(1), Value::as_u64).unwrap_or(0);
        let proxied = requested["proxied"] == true;
        if ttl != 1 && (ttl < ttl_min || ttl > 86_400) {
            let message = format!(
                "Invalid TTL. Must be between {ttl_min} and 86400 seconds, or 1 for Automatic."
            );
            return Err(No::invalid(9021, &message));
        }
        if proxied && !["A", "AAAA", "CNAME"].contains(&rtype) {
            return Err(No::invalid(9004, "This record type cannot be proxied."));
        }
        let comment = text("comment").map(str::to_owned).filter(|comment| !comment.is_empty());
        if comment.as_ref().is_some_and(|comment| comment.chars().count() > 100) {
            return Err(No::invalid(9301, "Comment is too long."));
        }
        let tags = requested["tags"].as_array().into_iter().flatten();
        let mut record = Self {
            id,
            name,
            rtype: rtype.to_owned(),
            content: String::new(),
            data: None,
            priority: None,
            ttl: if proxied { 1 } else { ttl },
            proxied,
            flatten: requested["settings"]["flatten_cname"] == true,
            comment,
            tags: tags.filter_map(Value::as_str).map(str::to_owned).collect(),
            email_routing: false,
            read_only: false,
        };
        record.fill(requested)?;
        Ok(record)
    }

    fn fill(&mut self, requested: &Value) -> Result<(), No> {
        if ["MX", "URI"].contains(&self.rtype.as_str()) {
            let priority = requested["priority"].as_u64().filter(|priority| *priority <= 65_535);
            self.priority =
                Some(priority.ok_or_else(|| No::invalid(9100, "priority is required."))?);
        }
        if let Some(fields) = fields_of(&self.rtype) {
            let given = requested["data"].as_object();
            let given = given.ok_or_else(|| No::invalid(9101, "data is a required object."))?;
            let mut data = Map::new();
            for (field, form) in fields {
                let value = given.get(*field).unwrap_or(&Value::Null);
                data.insert((*field).to_owned(), checked(field, *form, value)?);
            }
            if self.rtype == "SRV" {
                self.priority = data["priority"].as_u64();
            }
            self.content = written(&self.rtype, &data);
            self.data = Some(data);
            return Ok(());
        }
        let content = requested["content"].as_str();
        let content = content.ok_or_else(|| No::invalid(9000, "content is required."))?;
        self.content = match self.rtype.as_str() {
            "A" => match content.parse::<Ipv4Addr>() {
                Ok(address) => address.to_string(),
                Err(_) => {
                    let message = "Content for A record must be a valid IPv4 address.";
                    return Err(No::invalid(9005, message));
                }
            },
            "AAAA" => match content.parse::<Ipv6Addr>() {
                Ok(address) => address.to_string(),
                Err(_) => {
                    let message = "Content for AAAA record must be a valid IPv6 address.";
                    return Err(No::invalid(9006, message));
                }
            },
            "CNAME" | "MX" | "NS" | "PTR" => host(content)?,
            "OPENPGPKEY" => content.to_owned(),
            "TXT" => text(content)?,
            _ => return Err(No::invalid(9004, "Unknown record type.")),
        };
        Ok(())
    }

    /// The record as a whole request, after the changes of a partial request.
    pub(crate) fn merged(&self, patch: &Value) -> Value {
        let mut requested = self.shown("", "", false);
        if let (Some(requested), Some(patch)) = (requested.as_object_mut(), patch.as_object()) {
            for (field, value) in patch {
                requested.insert(field.clone(), value.clone());
            }
        }
        requested
    }

    /// Its content, as in a list.
    pub(crate) fn content_listed(&self) -> String {
        match self.rtype.as_str() {
            "TXT" => split(&self.content),
            _ => self.content.clone(),
        }
    }

    /// The record in JSON. If `is_listed`, as in a list, where TXT is split.
    pub(crate) fn shown(&self, zone_id: &str, zone: &str, is_listed: bool) -> Value {
        let content = if is_listed { self.content_listed() } else { self.content.clone() };
        let when = "2026-11-27T00:00:00.000000Z";
        let mut meta = json!({
            "auto_added": false, "managed_by_apps": false, "managed_by_argo_tunnel": false
        });
        if self.email_routing {
            meta["email_routing"] = true.into();
        }
        if self.read_only {
            meta["read_only"] = true.into();
        }
        let is_proxiable = ["A", "AAAA", "CNAME"].contains(&self.rtype.as_str());
        let mut shown = json!({
            "id": self.id, "zone_id": zone_id, "zone_name": zone, "name": self.name,
            "type": self.rtype, "content": content, "ttl": self.ttl, "proxied": self.proxied,
            "proxiable": is_proxiable,
            "settings": {}, "meta": meta, "tags": self.tags,
            "created_on": when, "modified_on": when,
        });
        if self.flatten {
            shown["settings"] = json!({ "flatten_cname": true });
        }
        if let Some(comment) = &self.comment {
            shown["comment"] = comment.clone().into();
        }
        if let Some(data) = &self.data {
            shown["data"] = Value::Object(data.clone());
        }
        if let Some(priority) = self.priority {
            shown["priority"] = priority.into();
        }
        shown
    }

    /// The record as a line of a master file; `None` if Cloudflare publishes something else in its
    /// place.
    pub(crate) fn line(&self, zone: &str) -> Option<String> {
        if self.proxied || self.flatten || (self.rtype == "CNAME" && self.name == zone) {
            return None;
        }
        let ttl = if self.ttl == 1 { 300 } else { self.ttl };
        let rdata = match (self.rtype.as_str(), &self.data, self.priority) {
            ("URI", Some(_), Some(priority)) => format!("{priority} {}", self.content),
            ("SRV", Some(_), Some(priority)) => {
                format!("{priority} {}", absolute_last(&self.content))
            }
            ("HTTPS" | "SVCB", Some(data), _) => format!(
                "{} {} {}",
                data["priority"],
                absolute(data["target"].as_str().unwrap_or_default()),
                data["value"].as_str().unwrap_or_default()
            ),
            ("NAPTR", _, _) => absolute_last(&self.content),
            ("MX", _, Some(priority)) => format!("{priority} {}", absolute(&self.content)),
            ("CNAME" | "NS" | "PTR", _, _) => absolute(&self.content),
            ("TXT", _, _) => match self.content.starts_with('"') {
                true => split(&self.content),
                false => split(&quoted(self.content.as_bytes())),
            },
            _ => self.content.clone(),
        };
        Some(format!("{}. {ttl} IN {} {rdata}", self.name, self.rtype))
    }

    /// The length in octets of a TXT's value.
    pub(crate) fn text_octets(&self) -> usize {
        if self.rtype == "TXT" { octets_of(&self.content).len() } else { 0 }
    }

    /// Whether name, type, content and priority are equal.
    pub(crate) fn is_equal(&self, other: &Self) -> bool {
        self.name == other.name
            && self.rtype == other.rtype
            && self.content == other.content
            && self.priority == other.priority
    }
}

/// The request for a line of a master file, `OWNER TTL IN TYPE RDATA`.
pub(crate) fn request_for(line: &str) -> Value {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("five words: {line}"));
    let (name, ttl, _, rtype, rdata) = (word(), word(), word(), word(), word());
    let ttl: u64 = ttl.parse().unwrap_or_else(|_| panic!("a TTL: {line}"));
    let mut requested = json!({ "name": name, "ttl": ttl, "type": rtype });
    let number = |word: String| match word.trim_end_matches('m').parse::<u64>() {
        Ok(number) => Value::from(number),
        Err(_) => word.trim_end_matches('m').parse::<f64>().map_or(Value::Null, Value::from),
    };
    let mut rest = words_of(rdata).into_iter();
    if ["MX", "URI"].contains(&rtype) {
        requested["priority"] = number(rest.next().unwrap_or_default());
    }
    let Some(fields) = fields_of(rtype) else {
        requested["content"] = match rtype {
            "TXT" => rdata.into(),
            _ => rest.next().into(),
        };
        return requested;
    };
    let mut data = Map::new();
    for (field, form) in fields {
        let value = match form {
            Form::Words => rest.by_ref().collect::<Vec<_>>().join(" ").into(),
            Form::Up(_) | Form::Real => number(rest.next().unwrap_or_default()),
            Form::Word | Form::Host => rest.next().into(),
            Form::Quoted => {
                String::from_utf8_lossy(&octets_of(&rest.next().unwrap_or_default())).into()
            }
        };
        data.insert((*field).to_owned(), value);
    }
    requested["data"] = data.into();
    requested
}

fn words_of(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        let is_end = c == ' ' && !is_quoted && !is_escaped;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        match (is_end, words.last_mut()) {
            (true, _) => words.push(String::new()),
            (false, Some(word)) => word.push(c),
            (false, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn checked(field: &str, form: Form, value: &Value) -> Result<Value, No> {
    let bad = || No::invalid(9101, &format!("{field} is not valid."));
    match form {
        Form::Up(max) => {
            let number = value.as_u64().filter(|number| *number <= max);
            Ok(number.ok_or_else(bad)?.into())
        }
        Form::Real => value.is_number().then(|| value.clone()).ok_or_else(bad),
        Form::Word => {
            let word = value.as_str().filter(|word| !word.is_empty() && !word.contains(' '));
            Ok(word.ok_or_else(bad)?.into())
        }
        Form::Words | Form::Quoted => Ok(value.as_str().ok_or_else(bad)?.into()),
        Form::Host => Ok(host(value.as_str().ok_or_else(bad)?)?.into()),
    }
}

/// The `content` of a record that has `data`, without its priority if that is a field of its own.
fn written(rtype: &str, data: &Map<String, Value>) -> String {
    let fields = fields_of(rtype).unwrap_or_default();
    let fields = fields.iter().filter(|(field, _)| rtype != "SRV" || *field != "priority");
    let word = |(field, form): &(&str, Form)| {
        let value = &data[*field];
        let is_metres = ["altitude", "size", "precision_horz", "precision_vert"].contains(field)
            && rtype == "LOC";
        match (form, value.as_str()) {
            (Form::Quoted, Some(text)) => quoted(text.as_bytes()),
            (_, Some(text)) => text.to_owned(),
            (_, None) if is_metres => format!("{value}m"),
            (_, None) => value.to_string(),
        }
    };
    fields.map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn absolute_last(words: &str) -> String {
    match words.rsplit_once(' ') {
        Some((front, name)) => format!("{front} {}", absolute(name)),
        None => absolute(words),
    }
}

fn full_name(name: &str, zone: &str) -> Result<String, No> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_inside = name == zone || name.ends_with(&format!(".{zone}"));
    let name = match name.as_str() {
        "@" => zone.to_owned(),
        _ if is_inside => name,
        _ => format!("{name}.{zone}"),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let mut labels = name.split('.').enumerate();
    let is_good = labels.all(|(index, label)| {
        (1..=63).contains(&label.len())
            && (label.chars().all(is_plain) || (index == 0 && label == "*"))
    });
    match is_good && name.len() <= 253 {
        true => Ok(name),
        false => Err(No::invalid(9000, "DNS name is invalid.")),
    }
}

fn host(name: &str) -> Result<String, No> {
    if name == "." {
        return Ok(name.to_owned());
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_*/".contains(c);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(is_plain);
    match name.len() <= 253 && name.split('.').all(is_label) && name.parse::<Ipv4Addr>().is_err() {
        true => Ok(name),
        false => Err(No::invalid(9007, "Content is not a valid host name.")),
    }
}

/// The content of TXT as it is stored: one string in quotes, or without quotes if it came so.
fn text(content: &str) -> Result<String, No> {
    let stored = match content.trim_start().starts_with('"') {
        true => quoted(&octets_of(content)),
        false => content.to_owned(),
    };
    match octets_of(&stored).len() {
        0 => Err(No::invalid(9207, "Content for TXT record must not be empty.")),
        1..=4096 => Ok(stored),
        _ => Err(No::invalid(9015, "Content for TXT record is too long.")),
    }
}

/// The joined octets of quoted strings; text without quotes is returned unchanged.
fn octets_of(content: &str) -> Vec<u8> {
    if !content.trim_start().starts_with('"') {
        return content.as_bytes().to_vec();
    }
    let mut octets = Vec::new();
    let mut is_inside = false;
    let all = content.as_bytes();
    let mut at = 0;
    while let Some(&octet) = all.get(at) {
        at += 1;
        match octet {
            b'"' => is_inside = !is_inside,
            b'\\' => {
                let digits = all.get(at..at + 3).filter(|d| d.iter().all(u8::is_ascii_digit));
                let code = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse().ok());
                match code {
                    Some(code) => {
                        octets.push(code);
                        at += 3;
                    }
                    None => {
                        octets.extend(all.get(at));
                        at += 1;
                    }
                }
            }
            _ if is_inside => octets.push(octet),
            _ => {}
        }
    }
    octets
}

fn quoted(octets: &[u8]) -> String {
    let escaped: String = octets.iter().map(|octet| escape(*octet)).collect();
    format!("\"{escaped}\"")
}

fn escape(octet: u8) -> String {
    match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:03}"),
    }
}

/// Splits into strings of 255 octets, as in a list. Text without quotes is unchanged.
fn split(content: &str) -> String {
    if !content.starts_with('"') {
        return content.to_owned();
    }
    let strings: Vec<String> = octets_of(content).chunks(255).map(quoted).collect();
    strings.join(" ")
}
