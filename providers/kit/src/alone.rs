//! Record types that must be alone at their name.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet, ProviderError};
use cutover_zone::{Name, RrKey, RrType};

use crate::unsupported;

/// Refuses changes that would leave a record of one of the `lonely` types beside others. CNAME is
/// such a type everywhere (RFC 1034 §3.6.2). At some providers NS below the apex is another, beside
/// which only DS is allowed (RFC 4035 §2.4).
///
/// `held` has at least the RRsets that the names of the change set have now; RRsets at other names
/// are ignored. RRsets that the change set removes do not count.
///
/// # Errors
/// [`ProviderError::Unsupported`], for the first change that is not allowed. If the change set
/// writes both RRsets, that is the change of the lonely type.
pub fn alone<'k>(
    changes: &ChangeSet,
    held: impl IntoIterator<Item = &'k RrKey>,
    lonely: &[RrType],
) -> Result<(), ProviderError> {
    let mut types: BTreeMap<&Name, BTreeSet<RrType>> = BTreeMap::new();
    for change in changes.changes() {
        types.entry(&change.key.name).or_default();
    }
    for key in held {
        if let Some(there) = types.get_mut(&key.name) {
            there.insert(key.rtype);
        }
    }
    for Change { key, after, .. } in changes.changes() {
        let there = types.entry(&key.name).or_default();
        match after {
            Some(_) => there.insert(key.rtype),
            None => there.remove(&key.rtype),
        };
    }
    for Change { key, .. } in changes.changes().iter().filter(|change| change.after.is_some()) {
        let there = &types[&key.name];
        let Some(alone) = lonely.iter().find(|rtype| there.contains(rtype)) else { continue };
        let Some(other) = there.iter().find(|other| !may_stay(*alone, **other)) else { continue };
        let lonely = RrKey::new(key.name.clone(), *alone);
        let article = if *alone == RrType::NS { "an" } else { "a" };
        let is_new = |change: &Change| change.key == lonely && change.after.is_some();
        return Err(match changes.changes().iter().any(is_new) {
            true => {
                let why =
                    format!("the name has {other} records, and {article} {alone} must be alone");
                unsupported(changes.zone(), &lonely, why)
            }
            false => {
                let why =
                    format!("the name has {article} {alone}, which must be alone at its name");
                unsupported(changes.zone(), key, why)
            }
        });
    }
    Ok(())
}

fn may_stay(alone: RrType, other: RrType) -> bool {
    other == alone || (alone, other) == (RrType::NS, RrType::DS)
}

#[cfg(test)]
mod tests {
    use cutover_zone::{Rdata, RrSet, Ttl};

    use super::*;

    fn key(text: &str) -> RrKey {
        let (name, rtype) = text.split_once(' ').expect("a name and a type");
        let name = Name::absolute(&format!("{name}.acme.test.")).expect("a name");
        RrKey::new(name, rtype.parse().expect("a type"))
    }

    fn set(rtype: RrType) -> RrSet {
        let text = match rtype {
            RrType::A => "192.0.2.1",
            RrType::TXT => "\"x\"",
            RrType::DS => "1 8 2 00",
            _ => "elsewhere.example.",
        };
        let rdata = Rdata::parse(rtype, text, None).expect("rdata");
        RrSet::new(Ttl::ZERO, [rdata]).expect("an RRset")
    }

    /// `+www A` writes, `-www A` removes. Returns the key that is refused, and why.
    fn refused(held: &[&str], edits: &[&str], lonely: &[RrType]) -> Option<(String, String)> {
        let change = |edit: &&str| {
            let key = key(&edit[1..]);
            let rrset = Some(set(key.rtype));
            match edit.starts_with('+') {
                true => Change { key, before: None, after: rrset },
                false => Change { key, before: rrset, after: None },
            }
        };
        let zone = Name::absolute("acme.test.").expect("a name");
        let changes = ChangeSet::new(zone, edits.iter().map(change).collect());
        let held: Vec<RrKey> = held.iter().map(|text| key(text)).collect();
        match alone(&changes.expect("a change set"), &held, lonely) {
            Ok(()) => None,
            Err(ProviderError::Unsupported { key, why, .. }) => Some((key.to_string(), why)),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn rfc1034_section_3_6_2_a_cname_is_alone() {
        for (held, edits, expected) in [
            (&[][..], &["+www CNAME"][..], ""),
            (&["other A"], &["+www CNAME"], ""),
            (&["www A"], &["+www CNAME"], "www.acme.test. CNAME"),
            (&["www A"], &["-www A", "+www CNAME"], ""),
            (&["www CNAME"], &["+www A"], "www.acme.test. A"),
            (&["www CNAME"], &["-www CNAME", "+www A"], ""),
            (&[], &["+www A", "+www CNAME"], "www.acme.test. CNAME"),
            (&["www A", "www CNAME"], &["-www A"], ""),
            (&["www NS"], &["+www A"], ""),
        ] {
            let found = refused(held, edits, &[RrType::CNAME]);
            let (key, why) = found.unwrap_or_default();
            assert_eq!(key, expected, "{held:?} {edits:?}");
            assert_eq!(why.contains("must be alone"), !expected.is_empty(), "{why}");
        }
    }

    #[test]
    fn an_ns_may_have_a_ds() {
        let both = [RrType::CNAME, RrType::NS];
        assert_eq!(refused(&["sub NS"], &["+sub DS"], &both), None);
        let (key, why) = refused(&["sub TXT"], &["+sub NS"], &both).expect("refused");
        assert_eq!(key, "sub.acme.test. NS");
        assert_eq!(why, "the name has TXT records, and an NS must be alone");
    }
}
