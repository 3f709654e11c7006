//! To and from the API's JSON: zones and RRsets, their comments, and change sets.
//!
//! What is *held* at a key is more than an RRset: disabled records, which are not served, and
//! comments. A zone as it is read has the served records only; a change never touches an RRset with
//! disabled ones, since replacing it would delete them.
//!
//! Left out are records that a signer makes, ALIAS and LUA (no data: the server makes up answers
//! from them), and what stands outside of the zone, which no server serves. That the API shows one
//! TTL, the smallest, where a database has several in an RRset, cannot be seen from here.

mod content;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet, Name, Rdata, RrKey, RrSet, RrType, Ttl, next_serial};
use serde::{Deserialize, Serialize};

use crate::convert::content::{read, shown};
use crate::limits::{INSTRUCTIONS, MARK_ACCOUNT, MARK_TEXT};

/// What the API says of a zone beside its RRsets.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Head {
    /// `Native`, `Master`, `Slave` and so on.
    pub(crate) kind: String,
    /// The serial as it is stored.
    pub(crate) serial: u32,
    /// The serial as it is served; older servers do not say.
    #[serde(default)]
    pub(crate) edited_serial: Option<u32>,
    /// Whether the zone is signed, here or elsewhere.
    #[serde(default)]
    pub(crate) dnssec: bool,
    /// Whether the server itself rectifies after a change.
    #[serde(default)]
    pub(crate) api_rectify: bool,
    /// How the server counts the serial on for changes by the API; empty: it does not.
    #[serde(default)]
    pub(crate) soa_edit_api: String,
}

impl Head {
    /// The serial as it is served, as far as the server says.
    pub(crate) fn served_serial(&self) -> u32 {
        self.edited_serial.unwrap_or(self.serial)
    }

    /// Whether the server counts the serial on when the API changes something.
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

/// What is held under a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// What is served.
    pub(crate) rrset: Option<RrSet>,
    /// Whether there are disabled records beside it.
    pub(crate) has_disabled: bool,
    /// Everybody's comments.
    comments: Vec<Comment>,
}

/// What a zone, or a part of it, holds.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// By key; keys with comments only are there too.
    pub(crate) held: Vec<(RrKey, Held)>,
    /// Where the server makes up answers, and to which types.
    pub(crate) made_up: BTreeMap<Name, BTreeSet<RrType>>,
}

/// Why an answer is no zone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadZone {
    /// No JSON, or JSON without what it has to have.
    #[error("this is not what the API says of a zone: {0}")]
    Json(#[from] serde_json::Error),
    /// A line of an export without all that a record has.
    #[error("the line `{0}` is no record")]
    Line(String),
    /// A name that is none.
    #[error("the name `{0}` cannot be read")]
    Name(String),
    /// A TTL above 32 bits.
    #[error("{0} has a TTL of {1} s")]
    Ttl(RrKey, u64),
    /// Rdata that are none.
    #[error("{0} has a record that cannot be read: {1}")]
    Rdata(RrKey, String),
    /// Records that make no RRset.
    #[error("{0}: {1}")]
    RrSet(RrKey, cutover_contract::RrSetError),
    /// An RRset in two places.
    #[error("{0} stands there twice")]
    Twice(RrKey),
}

/// Reads what the API says of a zone beside its RRsets.
pub(crate) fn head(body: &[u8]) -> Result<Head, BadZone> {
    Ok(serde_json::from_slice(body)?)
}

/// Reads the RRsets of an answer, those that `wanted` does not want left out.
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

/// Reads the served RRsets of an export: a line for each record, with name, TTL, class, type and
/// content between tabs. Those that `wanted` does not want are left out.
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
            // As the API shows RRsets with several.
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
    /// What stands under a name and a type; `None` where it is no data, or not wanted.
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
            // LUA has the type that it answers in front.
            let first = contents.into_iter().filter_map(|content| content.split(' ').next());
            types.extend(
                first.filter(|_| made.is_empty()).filter_map(|word| word.parse::<RrType>().ok()),
            );
            return Ok(None);
        }
        match rtype.parse::<RrType>() {
            // A type that has no number here has no key either, and stands in nobody's way.
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
    /// By a comment.
    Comments,
    /// Not at all: the server's database has no comments.
    None,
}

/// The request that makes these changes, all of them or none.
///
/// The server takes them one after the other, so all deletions come first: a CNAME finds its name
/// empty, and other data find no CNAME. A replacement never has no records, since that would be a
/// deletion. Where the server does not count the serial on, the SOA comes last with the next one:
/// secondaries would never ask for the change otherwise.
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
        let next = live.get(&soa).and_then(|held| counted_on(held.rrset.as_ref()?));
        rrsets.extend(next.map(|next| replacement(&soa, &next, None)));
    }
    serde_json::to_vec(&PatchDoc { rrsets }).expect("texts and numbers are JSON")
}

/// What [`patch`] takes for a change, other comments than ours left out.
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

/// All comments, with our mark among them; `None` where it is there already, which leaves them all
/// as they are.
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

/// The SOA with the next serial; 0 is left out, since PowerDNS takes it as "count by yourself".
fn counted_on(soa: &RrSet) -> Option<RrSet> {
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
            assert_eq!(counted_on(&soa(before)), Some(soa(after)));
        }
    }
}
