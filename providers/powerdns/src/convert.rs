//! Converts to and from the API's JSON: zones and RRsets with their comments, and change sets.
//!
//! What is *held* at a key is more than an RRset: there may also be disabled records, which are not
//! served, and comments. A zone is read with its served records only. A change never touches an
//! RRset with disabled records, since replacing it would delete them.
//!
//! Left out are records of a signer, ALIAS and LUA (instructions from which the server makes up
//! answers), and records outside the zone, which no server serves. If the records of an RRset have
//! several TTLs in the database, the API shows only the smallest, and the adapter cannot notice.

mod content;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, next_serial};
use serde::{Deserialize, Serialize};

use crate::convert::content::{read, shown};
use crate::limits::{INSTRUCTIONS, MARK_ACCOUNT, MARK_TEXT};

/// What the API reports about a zone besides its RRsets.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Head {
    /// `Native`, `Master`, `Slave` and so on.
    pub(crate) kind: String,
    /// The stored serial.
    pub(crate) serial: u32,
    /// The served serial; older servers do not report it.
    #[serde(default)]
    pub(crate) edited_serial: Option<u32>,
    /// Whether the zone is signed, here or elsewhere.
    #[serde(default)]
    pub(crate) dnssec: bool,
    /// Whether the server rectifies by itself after a change.
    #[serde(default)]
    pub(crate) api_rectify: bool,
    /// How the server increases the serial after a change by the API; empty if it does not.
    #[serde(default)]
    pub(crate) soa_edit_api: String,
}

impl Head {
    /// The served serial, as far as the server reports it.
    pub(crate) fn served_serial(&self) -> u32 {
        self.edited_serial.unwrap_or(self.serial)
    }

    /// Whether the server increases the serial after a change by the API.
    fn counts_serial(&self) -> bool {
        !self.soa_edit_api.is_empty() && !self.soa_edit_api.eq_ignore_ascii_case("OFF")
    }
}

/// A comment on an RRset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Comment {
    content: String,
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified_at: Option<u64>,
}

#[derive(Deserialize)]
struct ZoneDoc<'a> {
    #[serde(borrow, default)]
    rrsets: Vec<RrSetDoc<'a>>,
}

#[derive(Deserialize)]
struct ExportDoc {
    zone: String,
}

#[derive(Deserialize)]
struct RrSetDoc<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    rtype: Cow<'a, str>,
    ttl: u64,
    #[serde(borrow, default)]
    records: Vec<RecordDoc<'a>>,
    #[serde(default)]
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct RecordDoc<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    disabled: bool,
}

/// What is held at a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// The served RRset.
    pub(crate) rrset: Option<RrSet>,
    /// Whether there are disabled records too.
    pub(crate) has_disabled: bool,
    /// All comments, whoever wrote them.
    comments: Vec<Comment>,
}

/// What a zone or a part of it holds.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// By key, including keys that only have comments.
    pub(crate) held: Vec<(RrKey, Held)>,
    /// The names where the server makes up answers, and for which types.
    pub(crate) made_up: BTreeMap<Name, BTreeSet<RrType>>,
}

/// Why an answer is not a zone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadZone {
    /// It is not JSON, or required fields are missing.
    #[error("this is not the API's description of a zone: {0}")]
    Json(#[from] serde_json::Error),
    /// A line of an export lacks a part of a record.
    #[error("the line `{0}` is not a record")]
    Line(String),
    /// A name is invalid.
    #[error("the name `{0}` cannot be read")]
    Name(String),
    /// A TTL above 32 bits.
    #[error("{0} has a TTL of {1} s")]
    Ttl(RrKey, u64),
    /// Rdata cannot be read.
    #[error("{0} has a record that cannot be read: {1}")]
    Rdata(RrKey, String),
    /// The records are not an RRset.
    #[error("{0}: {1}")]
    RrSet(RrKey, cutover_zone::RrSetError),
    /// An RRset occurs twice.
    #[error("{0} is there twice")]
    Twice(RrKey),
}

/// Reads what the API reports about a zone besides its RRsets.
pub(crate) fn head(body: &[u8]) -> Result<Head, BadZone> {
    Ok(serde_json::from_slice(body)?)
}

/// Reads the RRsets of an answer at the names that are `wanted`.
pub(crate) fn holdings(
    body: &[u8],
    zone: &Name,
    wanted: impl Fn(&Name) -> bool,
) -> Result<Holdings, BadZone> {
    let ZoneDoc { rrsets } = serde_json::from_slice(body)?;
    let mut holdings = Holdings { held: Vec::with_capacity(rrsets.len()), ..Holdings::default() };
    for doc in rrsets {
        let contents = doc.records.iter().map(|record| &*record.content);
        if let Some(key) = holdings.key(zone, &doc.name, &doc.rtype, contents, &wanted)? {
            let held = held(&key, doc)?;
            holdings.held.push((key, held));
        }
    }
    holdings.held.sort_by(|(a, _), (b, _)| a.cmp(b));
    let twice = holdings.held.windows(2).find(|pair| pair[0].0 == pair[1].0);
    match twice {
        Some(pair) => Err(BadZone::Twice(pair[0].0.clone())),
        None => Ok(holdings),
    }
}

/// Reads the served RRsets of an export at the names that are `wanted`. An export has a line for
/// each record, with name, TTL, class, type and content separated by tabs.
pub(crate) fn exported(
    body: &[u8],
    zone: &Name,
    wanted: impl Fn(&Name) -> bool,
) -> Result<Holdings, BadZone> {
    let ExportDoc { zone: lines } = serde_json::from_slice(body)?;
    let mut holdings = Holdings::default();
    let mut records: Vec<(RrKey, Ttl, Rdata)> = Vec::new();
    for line in lines.lines() {
        let bad = || BadZone::Line(line.to_owned());
        let mut words = line.splitn(5, '\t');
        let mut word = || words.next().ok_or_else(bad);
        let (name, ttl, _class, rtype, content) = (word()?, word()?, word()?, word()?, word()?);
        let Some(key) = holdings.key(zone, name, rtype, [content], &wanted)? else { continue };
        let ttl = Ttl::from_wire(ttl.parse().map_err(|_| bad())?);
        let rdata = read(key.rtype, content)
            .map_err(|problem| BadZone::Rdata(key.clone(), problem.to_string()))?;
        records.push((key, ttl, rdata));
    }
    records.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let mut records = records.into_iter().peekable();
    while let Some((key, mut ttl, first)) = records.next() {
        let mut rdata = vec![first];
        while let Some((_, other, more)) = records.next_if(|(next, ..)| *next == key) {
            // The smallest TTL, as the API shows it.
            ttl = ttl.min(other);
            rdata.push(more);
        }
        let rrset = RrSet::new(ttl, rdata);
        let rrset = rrset.map_err(|problem| BadZone::RrSet(key.clone(), problem))?;
        holdings.held.push((key, Held { rrset: Some(rrset), ..Held::default() }));
    }
    Ok(holdings)
}

impl Holdings {
    /// The key of a name and a type; `None` if it is not data, or not wanted.
    fn key<'c>(
        &mut self,
        zone: &Name,
        name: &str,
        rtype: &str,
        contents: impl IntoIterator<Item = &'c str>,
        wanted: impl Fn(&Name) -> bool,
    ) -> Result<Option<RrKey>, BadZone> {
        let name = Name::absolute(name).map_err(|_| BadZone::Name(name.to_owned()))?;
        if !name.is_at_or_below(zone) || !wanted(&name) {
            return Ok(None);
        }
        if let Some((_, made)) = INSTRUCTIONS.iter().find(|(instruction, _)| *instruction == rtype)
        {
            let types = self.made_up.entry(name).or_default();
            types.extend(made.iter().copied());
            // A LUA record begins with the type that it answers.
            let first = contents.into_iter().filter_map(|content| content.split(' ').next());
            types.extend(
                first.filter(|_| made.is_empty()).filter_map(|word| word.parse::<RrType>().ok()),
            );
            return Ok(None);
        }
        match rtype.parse::<RrType>() {
            // A type without a known number has no key, and clashes with nothing.
            Err(_) => Ok(None),
            Ok(rtype) if rtype.is_made_by_signer() => Ok(None),
            Ok(rtype) => Ok(Some(RrKey::new(name, rtype))),
        }
    }
}

fn held(key: &RrKey, doc: RrSetDoc<'_>) -> Result<Held, BadZone> {
    let has_disabled = doc.records.iter().any(|record| record.disabled);
    let served = doc.records.iter().filter(|record| !record.disabled);
    let rdata = served
        .map(|record| read(key.rtype, &record.content))
        .collect::<Result<Vec<Rdata>, _>>()
        .map_err(|problem| BadZone::Rdata(key.clone(), problem.to_string()))?;
    let rrset = match rdata.is_empty() {
        true => None,
        false => {
            let ttl = u32::try_from(doc.ttl).map_err(|_| BadZone::Ttl(key.clone(), doc.ttl))?;
            let rrset = RrSet::new(Ttl::from_wire(ttl), rdata);
            Some(rrset.map_err(|problem| BadZone::RrSet(key.clone(), problem))?)
        }
    };
    Ok(Held { rrset, has_disabled, comments: doc.comments })
}

#[derive(Serialize)]
struct PatchDoc {
    rrsets: Vec<EditDoc>,
}

#[derive(Serialize)]
struct EditDoc {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    changetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<NewRecordDoc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comments: Option<Vec<Comment>>,
}

#[derive(Serialize)]
struct NewRecordDoc {
    content: String,
    disabled: bool,
}

/// Whether what we write is marked as ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// With a comment.
    Comments,
    /// Not at all: the server's database does not support comments.
    None,
}

/// The request that makes these changes, all of them or none.
///
/// The server makes them in order, so all deletions come first: a CNAME then finds its name empty,
/// and other data find no CNAME. A replacement always has records, since without any it would be a
/// deletion. If the server does not increase the serial, the SOA with the next serial comes last;
/// otherwise secondaries would never fetch the change.
pub(crate) fn patch(
    changes: &ChangeSet,
    head: &Head,
    live: &BTreeMap<RrKey, Held>,
    marks: Marks,
) -> Vec<u8> {
    let soa = RrKey::new(changes.zone().clone(), RrType::SOA);
    let all = changes.changes();
    let gone = all.iter().filter(|change| change.after.is_none());
    let mut rrsets: Vec<EditDoc> = gone.map(|change| deletion(&change.key)).collect();
    rrsets.extend(all.iter().filter_map(|change| {
        let comments = match marks {
            Marks::Comments => marked(live.get(&change.key)),
            Marks::None => None,
        };
        Some(replacement(&change.key, change.after.as_ref()?, comments))
    }));
    if !head.counts_serial() && !all.iter().any(|change| change.key == soa) {
        let next = live.get(&soa).and_then(|held| increased(held.rrset.as_ref()?));
        rrsets.extend(next.map(|next| replacement(&soa, &next, None)));
    }
    serde_json::to_vec(&PatchDoc { rrsets }).expect("texts and numbers are JSON")
}

/// The octets that [`patch`] needs for a change, without other people's comments.
pub(crate) fn octets_of(_: &Name, change: &Change) -> usize {
    let edit = match &change.after {
        Some(after) => replacement(&change.key, after, marked(None)),
        None => deletion(&change.key),
    };
    let comma = 1;
    serde_json::to_vec(&edit).expect("texts and numbers are JSON").len() + comma
}

fn deletion(key: &RrKey) -> EditDoc {
    EditDoc {
        name: key.name.to_string(),
        rtype: key.rtype.to_string(),
        changetype: "DELETE",
        ttl: None,
        records: None,
        comments: None,
    }
}

fn replacement(key: &RrKey, rrset: &RrSet, comments: Option<Vec<Comment>>) -> EditDoc {
    let record = |rdata| NewRecordDoc { content: shown(rdata), disabled: false };
    EditDoc {
        name: key.name.to_string(),
        rtype: key.rtype.to_string(),
        changetype: "REPLACE",
        ttl: Some(rrset.ttl().secs()),
        records: Some(rrset.rdata().iter().map(record).collect()),
        comments,
    }
}

/// All comments with our mark among them; `None` if the mark is already there, which leaves all
/// comments as they are.
fn marked(held: Option<&Held>) -> Option<Vec<Comment>> {
    let mut comments = held.map(|held| held.comments.clone()).unwrap_or_default();
    if comments.iter().any(|comment| comment.account == MARK_ACCOUNT) {
        return None;
    }
    comments.push(Comment {
        content: MARK_TEXT.to_owned(),
        account: MARK_ACCOUNT.to_owned(),
        modified_at: None,
    });
    Some(comments)
}

/// The SOA with the next serial; 0 is skipped, since PowerDNS reads it as "count by yourself".
fn increased(soa: &RrSet) -> Option<RrSet> {
    let mut fields = soa.rdata().first()?.as_soa()?;
    fields.serial = next_serial(fields.serial);
    Some(RrSet::new(soa.ttl(), [Rdata::soa(&fields)]).expect("one record is an RRset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_others_are_kept_and_ours_is_added_once() {
        let comment = |account: &str, modified_at| Comment {
            content: "a word".to_owned(),
            account: account.to_owned(),
            modified_at,
        };
        let held = |comments| Held { comments, ..Held::default() };
        let others = vec![comment("bob", Some(17)), comment("", None)];
        let merged = marked(Some(&held(others.clone()))).expect("a mark is added");
        assert_eq!(merged[..2], others);
        assert_eq!((merged.len(), &*merged[2].account), (3, MARK_ACCOUNT));
        assert_eq!(marked(Some(&held(merged))), None);
        assert_eq!(marked(None).map(|comments| comments.len()), Some(1));
    }

    #[test]
    fn serials_skip_zero() {
        let soa = |serial: u32| {
            let text = format!("ns.acme.test. h.acme.test. {serial} 1 1 1 1");
            let rdata = Rdata::parse(RrType::SOA, &text, None).expect("an SOA");
            RrSet::new(Ttl::ZERO, [rdata]).expect("an RRset")
        };
        for (before, after) in [(1, 2), (u32::MAX - 1, u32::MAX), (u32::MAX, 1)] {
            assert_eq!(increased(&soa(before)), Some(soa(after)));
        }
    }
}
