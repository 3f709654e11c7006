//! Converts to and from the API's types: RRsets, names and values, and batches.
//!
//! An RRset is kept in Route 53's spelling too, because deleting it needs the exact spelling. A
//! name and type may have several *routed* RRsets (weighted, by region and so on) or an alias of
//! another resource. They decide who gets which answer, and cannot be read or written as an RRset.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet,
};
use cutover_contract::ChangeSet;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

use crate::limits::MARK;

/// What is held at a name and type.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// An RRset, with its spelling at Route 53.
    Simple(RrSet, Box<ResourceRecordSet>),
    /// RRsets with identifiers, of which Route 53 chooses one for each query.
    Routed,
    /// An alias of another resource.
    Alias,
    /// An unknown type, or an unknown form of a known type.
    Unread,
}

impl Held {
    /// The RRset, if it is a simple one.
    pub(crate) fn rrset(&self) -> Option<&RrSet> {
        match self {
            Self::Simple(rrset, _) => Some(rrset),
            Self::Routed | Self::Alias | Self::Unread => None,
        }
    }
}

/// What a zone holds, at some names or all.
pub(crate) type Holdings = BTreeMap<RrKey, Held>;

/// An RRset that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRrset {
    /// Its name is invalid.
    #[error("an RRset has the name {0:?}")]
    Name(String),
}

/// Collects the RRsets by key.
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
        // A type that is unknown here has no key, and clashes with nothing.
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
    // Names that were entered without a final dot are absolute too.
    let rdata = set
        .resource_records()
        .iter()
        .map(|record| Rdata::parse(rtype, &decimal(record.value()), Some(&Name::root())).ok());
    RrSet::new(ttl, rdata.collect::<Option<Vec<_>>>()?).ok()
}

/// Turns the API's octal escapes (Developer Guide, "DNS domain name format") into decimal ones.
fn decimal(text: &str) -> String {
    with_escapes(text, |digits| Some(format!("{:03}", u8::from_str_radix(digits, 8).ok()?)))
}

/// Turns decimal escapes into octal ones.
fn octal(text: &str) -> String {
    with_escapes(text, |digits| Some(format!("{:03o}", digits.parse::<u8>().ok()?)))
}

/// A text with its escapes of three digits rewritten; other escapes stay as they are.
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

/// A name as Route 53 writes it: all octets but letters, digits, `-`, `_` and stars become octal
/// escapes.
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

/// A value as Route 53 expects it.
pub(crate) fn value(rdata: &Rdata) -> String {
    octal(&rdata.to_string())
}

/// How much of its limits a batch uses: records, and characters of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) records: usize,
    pub(crate) chars: usize,
}

/// The batch of a change set and its size: first all deletions, then all creations.
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

/// What a change set expects to be there, in our spelling.
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

/// The characters of a batch that a change needs. Each record counts as at least 32 characters, so
/// that 32,000 characters are at most 1,000 records.
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
