//! To and from the API's types: RRsets, names and values, and batches.
//!
//! An RRset as Route 53 has it is kept beside what it says, since it is deleted by its exact spelling
//! only. At a name and type there may be more than one RRset (weighted, by region and so on), or an
//! alias of another resource: such *routed* ones say what is answered to whom, and are no RRset that
//! could be read or written here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet,
};
use cutover_contract::{ChangeSet, Name, Rdata, RrKey, RrSet, RrType, Ttl};

use crate::limits::MARK;

/// What is at a name and type.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// An RRset, as Route 53 spells it.
    Simple(RrSet, Box<ResourceRecordSet>),
    /// RRsets with identifiers, of which one is chosen for each question.
    Routed,
    /// An alias of another resource.
    Alias,
    /// A type, or a form of one, that is not known here.
    Unread,
}

impl Held {
    /// The RRset, if it is one.
    pub(crate) fn rrset(&self) -> Option<&RrSet> {
        match self {
            Self::Simple(rrset, _) => Some(rrset),
            Self::Routed | Self::Alias | Self::Unread => None,
        }
    }
}

/// What there is, at some names or at all.
pub(crate) type Holdings = BTreeMap<RrKey, Held>;

/// An RRset that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRrset {
    /// No name.
    #[error("an RRset has the name {0:?}")]
    Name(String),
}

/// Puts RRsets in order.
pub(crate) fn holdings(
    sets: impl IntoIterator<Item = ResourceRecordSet>,
    zone: &Name,
) -> Result<Holdings, BadRrset> {
    let mut held = Holdings::new();
    for set in sets {
        let bad = || BadRrset::Name(set.name().to_owned());
        let name = name_of(set.name()).ok_or_else(bad)?;
        if !name.is_at_or_below(zone) {
            return Err(bad());
        }
        // A type that has no name here has no key either, and stands in nobody's way.
        let Ok(rtype) = set.r#type().as_str().parse::<RrType>() else { continue };
        let what = match (set.alias_target(), set.set_identifier()) {
            (Some(_), _) => Held::Alias,
            (None, Some(_)) => Held::Routed,
            (None, None) => match read(rtype, &set) {
                Some(rrset) => Held::Simple(rrset, Box::new(set)),
                None => Held::Unread,
            },
        };
        held.insert(RrKey::new(name, rtype), what);
    }
    Ok(held)
}

fn read(rtype: RrType, set: &ResourceRecordSet) -> Option<RrSet> {
    let ttl = Ttl::from_secs(u32::try_from(set.ttl()?).ok()?).ok()?;
    // Names that were typed without a dot at the end are absolute all the same.
    let rdata = set
        .resource_records()
        .iter()
        .map(|record| Rdata::parse(rtype, &decimal(record.value()), Some(&Name::root())).ok());
    RrSet::new(ttl, rdata.collect::<Option<Vec<_>>>()?).ok()
}

/// Escapes are octal (Developer Guide, "DNS domain name format"): here they are decimal.
fn decimal(text: &str) -> String {
    with_escapes(text, |digits| Some(format!("{:03}", u8::from_str_radix(digits, 8).ok()?)))
}

/// Escapes in octal.
fn octal(text: &str) -> String {
    with_escapes(text, |digits| Some(format!("{:03o}", digits.parse::<u8>().ok()?)))
}

/// A text with its escapes of three digits written in another way; others stay as they are.
fn with_escapes(text: &str, written: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(c);
        if c != '\\' {
            continue;
        }
        match rest.as_str().get(..3).and_then(&written) {
            Some(digits) => {
                out.push_str(&digits);
                rest.nth(2);
            }
            None => out.extend(rest.next()),
        }
    }
    out
}

fn name_of(text: &str) -> Option<Name> {
    Name::absolute(&format!("{}.", decimal(text).trim_end_matches('.'))).ok()
}

/// A name as Route 53 has it: all octets but letters, digits, `-`, `_` and a star as octal escapes.
pub(crate) fn shown(name: &Name) -> String {
    let mut out = String::new();
    for label in name.labels() {
        for octet in label {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*' => out.push(char::from(*octet)),
                _ => {
                    let _ = write!(out, "\\{octet:03o}");
                }
            }
        }
        out.push('.');
    }
    if out.is_empty() {
        out.push('.');
    }
    out
}

/// A value as it is written.
pub(crate) fn value(rdata: &Rdata) -> String {
    octal(&rdata.to_string())
}

/// What a batch takes of the limits: records and characters of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) records: usize,
    pub(crate) chars: usize,
}

/// The batch of a change set, and its size: everything that goes before everything that comes.
pub(crate) fn batch(
    changes: &ChangeSet,
    held: &Holdings,
) -> Result<(ChangeBatch, Size), BuildError> {
    let mut size = Size::default();
    let mut count = |set: &ResourceRecordSet| {
        let records = set.resource_records();
        size.records += records.len();
        size.chars += records.iter().map(|record| record.value().chars().count()).sum::<usize>();
    };
    let mut batch = ChangeBatch::builder().comment(MARK);
    for change in changes.changes() {
        let Some(Held::Simple(_, set)) = held.get(&change.key) else { continue };
        if change.before.is_some() {
            count(set);
            batch = batch.changes(action(ChangeAction::Delete, (**set).clone())?);
        }
    }
    for change in changes.changes() {
        let Some(after) = &change.after else { continue };
        let set = created(&change.key, after)?;
        count(&set);
        batch = batch.changes(action(ChangeAction::Create, set)?);
    }
    Ok((batch.build()?, size))
}

/// What a change set expects to be there, as it would be spelt here.
pub(crate) fn held_before(changes: &ChangeSet) -> Result<Holdings, BuildError> {
    let before =
        changes.changes().iter().filter_map(|change| Some((&change.key, change.before.as_ref()?)));
    let held = |(key, rrset): (&RrKey, &RrSet)| {
        let set = Box::new(created(key, rrset)?);
        Ok((key.clone(), Held::Simple(rrset.clone(), set)))
    };
    before.map(held).collect()
}

fn action(action: ChangeAction, set: ResourceRecordSet) -> Result<Change, BuildError> {
    Change::builder().action(action).resource_record_set(set).build()
}

fn created(key: &RrKey, rrset: &RrSet) -> Result<ResourceRecordSet, BuildError> {
    let records = rrset.rdata().iter().map(|rdata| ResourceRecord::builder().value(value(rdata)));
    let records = records.map(|record| record.build()).collect::<Result<Vec<_>, _>>()?;
    ResourceRecordSet::builder()
        .name(shown(&key.name))
        .r#type(key.rtype.to_string().as_str().into())
        .ttl(rrset.ttl().secs().into())
        .set_resource_records(Some(records))
        .build()
}

/// What a change takes of a batch, in characters. A record counts as 32 of them at the least, so that
/// 32,000 characters are 1,000 records at the most.
pub(crate) fn chars_of(_: &Name, change: &cutover_contract::Change) -> usize {
    const RECORD_CHARS_MIN: usize = 32;
    let sets = [&change.before, &change.after];
    let rdata = sets.into_iter().flatten().flat_map(|rrset| rrset.rdata());
    rdata.map(|rdata| value(rdata).chars().count().max(RECORD_CHARS_MIN)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_octal_escapes() {
        for (ours, theirs) in [
            ("acme.test.", "acme.test."),
            ("*.acme.test.", "*.acme.test."),
            ("a\\.b.acme.test.", "a\\056b.acme.test."),
            ("a\\255\\032.test.", "a\\377\\040.test."),
            ("_dmarc.acme.test.", "_dmarc.acme.test."),
            (".", "."),
        ] {
            let name = Name::absolute(ours).expect("a name");
            assert_eq!(shown(&name), theirs);
            assert_eq!(name_of(theirs), Some(name));
        }
        let star = Name::absolute("*.acme.test.").expect("a name");
        assert_eq!(name_of("\\052.acme.test."), Some(star));
        assert_eq!(name_of("a..b"), None);
    }

    #[test]
    fn values_have_octal_escapes() {
        for (ours, theirs) in [
            (r#""a\"b\\c""#, r#""a\"b\\c""#),
            (r#""\195\188 \000""#, r#""\303\274 \000""#),
            (r#""\\195""#, r#""\\195""#),
        ] {
            assert_eq!(octal(ours), theirs);
            assert_eq!(decimal(theirs), ours);
        }
    }
}
