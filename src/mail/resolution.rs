//! How a zone answers a question: RFC 1034 §4.3.2, with wildcards and empty non-terminals (RFC
//! 4592), DNAME (RFC 6672) and delegations.
//!
//! This is the only implementation: it serves what was seen (`observe`) and every version that a
//! plan makes of a zone (`proof::answers`). It does not follow aliases, because the next name may
//! be in another zone, which has its own versions.

use cutover_zone::{Name, RrKey, RrSet, RrType, Zone};

/// The contents of a zone, as far as answering needs them.
pub trait Contents<'z> {
    /// The zone's apex.
    fn origin(&self) -> &'z Name;
    /// The RRset at exactly this name.
    fn at(&self, key: &RrKey) -> Option<&'z RrSet>;
    /// Whether the name has records, or a name below it has: an empty non-terminal exists too
    /// (RFC 4592 §2.2.2).
    fn exists(&self, name: &Name) -> bool;
    /// Whether there can be a delegation or a DNAME anywhere in the zone.
    fn has_cuts(&self) -> bool;
    /// Whether there can be a wildcard anywhere in the zone.
    fn has_wildcards(&self) -> bool;
}

/// Up to how many RRsets a zone is searched for cuts and wildcards; a larger zone is assumed to
/// have them. Our choice: searching this many costs less than answering with them in mind.
const LOOKED_THROUGH_MAX: usize = 64;

/// An authoritative server's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'z> {
    /// These records.
    Records(&'z RrSet),
    /// An alias: a CNAME, or the CNAME that a DNAME generates.
    Alias {
        /// The name that it leads to.
        target: Name,
        /// The CNAME or DNAME RRset, whose TTL is the lifetime of the answer (RFC 6672 §3.1).
        by: &'z RrSet,
    },
    /// Neither records nor an alias.
    Absent,
    /// Other servers answer for this name and everything below it.
    Delegated(Name),
}

/// The reply to a question.
#[must_use]
pub fn reply<'z>(zone: &dyn Contents<'z>, key: &RrKey) -> Reply<'z> {
    if key.name != *zone.origin()
        && zone.has_cuts()
        && let Some(found) = above(zone, key)
    {
        return found;
    }
    if let Some(found) = at_name(zone, &key.name, key.rtype) {
        return found;
    }
    if !zone.has_wildcards() || key.name == *zone.origin() || zone.exists(&key.name) {
        return Reply::Absent;
    }
    // The closest encloser: the longest existing ancestor (RFC 4592 §3.3.1).
    let mut encloser = key.name.parent();
    while let Some(name) = &encloser {
        if *name == *zone.origin() || zone.exists(name) {
            break;
        }
        encloser = name.parent();
    }
    let wildcard = encloser.and_then(|name| name.child("*").ok());
    wildcard.and_then(|name| at_name(zone, &name, key.rtype)).unwrap_or(Reply::Absent)
}

/// The first delegation or DNAME on the way down from the apex.
fn above<'z>(zone: &dyn Contents<'z>, key: &RrKey) -> Option<Reply<'z>> {
    let origin = zone.origin();
    let below = |name: &Name| name.is_at_or_below(origin);
    let way: Vec<Name> = std::iter::successors(Some(key.name.clone()), Name::parent)
        .take_while(|name| below(name))
        .collect();
    for node in way.iter().rev() {
        let at = |rtype| zone.at(&RrKey::new(node.clone(), rtype));
        if node != origin && at(RrType::NS).is_some() {
            return Some(Reply::Delegated(node.clone()));
        }
        // A DNAME does not apply to its own name (RFC 6672 §2.3).
        if *node == key.name {
            return None;
        }
        if let Some(by) = at(RrType::DNAME) {
            let target = by.rdata().first().and_then(|dname| dname.target());
            let moved = target.and_then(|target| moved(&key.name, node, &target));
            // A name that becomes too long is an error (RFC 6672 §2.2).
            return Some(moved.map_or(Reply::Absent, |target| Reply::Alias { target, by }));
        }
    }
    None
}

/// The name with `from` at its end replaced by `to`; `None` if it becomes too long.
#[must_use]
pub fn moved(name: &Name, from: &Name, to: &Name) -> Option<Name> {
    let labels = name.labels().count().checked_sub(from.labels().count())?;
    Name::from_labels(name.labels().take(labels).chain(to.labels())).ok()
}

fn at_name<'z>(zone: &dyn Contents<'z>, name: &Name, rtype: RrType) -> Option<Reply<'z>> {
    if let Some(rrset) = zone.at(&RrKey::new(name.clone(), rtype)) {
        return Some(Reply::Records(rrset));
    }
    if rtype == RrType::CNAME {
        return None;
    }
    let by = zone.at(&RrKey::new(name.clone(), RrType::CNAME))?;
    Some(match by.rdata().first().and_then(|alias| alias.target()) {
        Some(target) => Reply::Alias { target, by },
        None => Reply::Absent,
    })
}

impl<'z> Contents<'z> for &'z Zone {
    fn origin(&self) -> &'z Name {
        &self.origin
    }

    fn at(&self, key: &RrKey) -> Option<&'z RrSet> {
        self.get(key)
    }

    fn exists(&self, name: &Name) -> bool {
        let from = RrKey::new(name.clone(), RrType::new(0));
        self.rrsets.range(from..).next().is_some_and(|(key, _)| key.name.is_at_or_below(name))
    }

    fn has_cuts(&self) -> bool {
        let is_cut = |key: &RrKey| match key.rtype {
            RrType::DNAME => true,
            RrType::NS => key.name != self.origin,
            _ => false,
        };
        self.rrsets.len() > LOOKED_THROUGH_MAX || self.rrsets.keys().any(is_cut)
    }

    fn has_wildcards(&self) -> bool {
        self.rrsets.len() > LOOKED_THROUGH_MAX
            || self.rrsets.keys().any(|key| key.name.is_wildcard())
    }
}

#[cfg(test)]
mod tests {
    use cutover_zone::{Rdata, Ttl};

    use super::*;

    fn zone(records: &[(&str, RrType, &str)]) -> Zone {
        let origin = Name::from_user("a.test").expect("a name");
        let mut rrsets = std::collections::BTreeMap::new();
        for (owner, rtype, data) in records {
            let name = Name::relative_to(owner, &origin).expect("a name");
            let rdata = Rdata::parse(*rtype, data, Some(&origin)).expect("rdata");
            let rrset = RrSet::new(Ttl::from_wire(60), [rdata]).expect("an RRset");
            rrsets.insert(RrKey::new(name, *rtype), rrset);
        }
        Zone { origin, rrsets }
    }

    fn said(zone: &Zone, name: &str, rtype: RrType) -> String {
        let name = Name::relative_to(name, &zone.origin).expect("a name");
        match reply(&zone, &RrKey::new(name, rtype)) {
            Reply::Records(rrset) => rrset.rdata()[0].to_string(),
            Reply::Alias { target, .. } => format!("-> {target}"),
            Reply::Absent => "absent".to_owned(),
            Reply::Delegated(cut) => format!("ask {cut}"),
        }
    }

    #[test]
    fn rfc4592_section_2_2_1_the_example_zone() {
        let zone = zone(&[
            ("@", RrType::NS, "ns1"),
            ("*", RrType::MX, "10 host1"),
            ("*", RrType::TXT, "\"wild\""),
            ("sub.*", RrType::TXT, "\"below\""),
            ("host1", RrType::A, "192.0.2.1"),
            ("_ssh._tcp.host1", RrType::SRV, "0 0 22 host1"),
            ("subdel", RrType::NS, "ns.b.test."),
        ]);
        for (name, rtype, says) in [
            ("host3", RrType::MX, "10 host1.a.test."),
            ("host3", RrType::A, "absent"),
            ("foo.bar", RrType::TXT, "\"wild\""),
            ("host1", RrType::MX, "absent"),
            ("sub.*", RrType::MX, "absent"),
            ("_telnet._tcp.host1", RrType::SRV, "absent"),
            ("host.subdel", RrType::A, "ask subdel.a.test."),
            ("ghost.*", RrType::MX, "absent"),
            ("_tcp.host1", RrType::TXT, "absent"),
        ] {
            assert_eq!(said(&zone, name, rtype), says, "{name} {rtype}");
        }
    }

    #[test]
    fn rfc6672_section_2_3_a_dname_redirects_what_lies_below_it() {
        let zone = zone(&[
            ("@", RrType::NS, "ns1"),
            ("d", RrType::DNAME, "other.test."),
            ("d", RrType::A, "192.0.2.2"),
            ("x.d", RrType::A, "192.0.2.3"),
        ]);
        assert_eq!(said(&zone, "d", RrType::A), "192.0.2.2");
        assert_eq!(said(&zone, "x.d", RrType::A), "-> x.other.test.");
        assert_eq!(said(&zone, "y.x.d", RrType::TXT), "-> y.x.other.test.");
        assert_eq!(said(&zone, "d", RrType::DNAME), "other.test.");
    }
}
