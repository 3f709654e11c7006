//! The addresses at which the result of some SPF record can change: between two of them, all addresses
//! are treated alike.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use crate::model::spf_meaning::{Meaning, meaning};
use crate::proof::builder::PatternBuilder;
use crate::proof::spf_view::Edges;
use cutover_mail::spf::{Network, SpfRecord, Target, Term};
use cutover_steps::ask::Outside;

/// Every network that some SPF record names, now or over the course of the plan, directly or by the
/// addresses of a name.
pub(super) fn edges(builder: &PatternBuilder<'_>) -> Edges {
    let draft = builder.draft();
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let live = live.filter(|(key, _)| key.rtype == RrType::TXT);
    let live = live.map(|(key, rrset)| (&key.name, rrset.rdata()));
    let outside = draft.snapshot.outside.iter().filter_map(|(key, answer)| match answer {
        Outside::Records(records) => Some((&key.name, &**records)),
        Outside::Absent | Outside::Unknown(_) => None,
    });
    let changes = || draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let comes = || changes().filter_map(|change| Some((&change.key, change.after.as_ref()?)));
    let after = comes().map(|(key, rrset)| (&key.name, rrset.rdata()));
    let records = live.chain(outside).chain(after).flat_map(|(name, records)| {
        records.iter().filter_map(SpfRecord::of_rdata).map(move |record| (name, record))
    });
    let declared = draft.intent.moves.iter().flat_map(|domain_move| {
        let hosts = [&domain_move.from, &domain_move.to].into_iter().chain(&domain_move.others);
        let spf = hosts.flat_map(|host| &host.senders).filter_map(|sender| sender.spf.as_ref());
        spf.map(|spf| (&domain_move.domain.value, SpfRecord::of_terms(&spf.value)))
    });
    let records: Vec<(&Name, SpfRecord)> = records.chain(declared).collect();
    let mut edges = Edges::of(records.iter().map(|(name, record)| (*name, record)));
    if is_open(builder, &records) {
        edges.open();
    }
    // What `a` and `mx` mean, with each prefix length that a term gives them.
    let mut lengths: BTreeMap<String, Term> = BTreeMap::new();
    let mut targets: BTreeSet<Target> = BTreeSet::new();
    for (name, record) in &records {
        for term in &record.terms {
            let term = term.named(name, name);
            match term.target(name) {
                Some(target @ (Target::Addresses(_) | Target::Exchanges(_))) => {
                    let length = term.to_string();
                    let length = length.find('/').map_or("", |at| &length[at..]).to_owned();
                    lengths.entry(length).or_insert(term);
                    targets.insert(target);
                }
                Some(Target::Record(_)) | None => {}
            }
        }
    }
    let has_macros = records.iter().any(|(_, record)| record.to_string().contains("%{"));
    if has_macros {
        let zones = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
        let names: BTreeSet<&Name> = zones.chain(draft.owned()).map(|key| &key.name).collect();
        let ends: BTreeSet<Vec<u8>> =
            names.iter().filter_map(|name| part_of_address(name)).collect();
        let named = names.into_iter().flat_map(addresses_in);
        named.for_each(|ip| edges.add(Network::of(ip, u8::MAX)));
        // A name with fewer octets stands for many addresses: for one in each network.
        let known: Vec<IpAddr> = edges.known().chain(builder.library.nobody()).collect();
        let in_each = ends
            .iter()
            .flat_map(|end| known.iter().flat_map(|ip| with_octets(*ip, end)).collect::<Vec<_>>());
        in_each.for_each(|ip| edges.add(Network::of(ip, u8::MAX)));
    }
    if lengths.is_empty() {
        return edges;
    }
    let exchanges = comes().flat_map(|(_, rrset)| rrset.rdata()).filter_map(Rdata::as_mx);
    targets.extend(exchanges.map(|(_, exchange)| Target::Addresses(exchange)));
    let ends = [draft.snapshot, &*builder.end];
    let meant = ends.into_iter().flat_map(|at| targets.iter().filter_map(|t| meaning(t, at)));
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    addresses.extend(meant.flatten().filter_map(|meaning| match meaning {
        Meaning::Address(ip) => Some(ip),
        Meaning::Unseen(..) => None,
    }));
    addresses.extend(comes().flat_map(|(_, rrset)| rrset.rdata()).filter_map(Rdata::ip));
    let around = |ip: IpAddr| lengths.values().filter_map(move |term| term.around(ip));
    addresses.into_iter().flat_map(around).for_each(|network| edges.add(network));
    edges
}

/// Whether some record leads to what nobody could see, before the plan, in the end or in between.
fn is_open(builder: &PatternBuilder<'_>, records: &[(&Name, SpfRecord)]) -> bool {
    let draft = builder.draft();
    let changes = || draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let comes: Vec<(&RrKey, &Rdata)> = changes()
        .flat_map(|change| change.after.iter().map(move |rrset| (&change.key, rrset)))
        .flat_map(|(key, rrset)| rrset.rdata().iter().map(move |rdata| (key, rdata)))
        .collect();
    let ask = |name: &Name, rtype| match builder.library.live(&RrKey::new(name.clone(), rtype)) {
        Outside::Records(records) => Some(records),
        Outside::Absent => Some(Arc::default()),
        Outside::Unknown(_) => None,
    };
    let mut reached: BTreeSet<Name> = BTreeSet::new();
    for (name, record) in records {
        for term in record.terms.iter().map(|term| term.named(name, name)) {
            if term.hangs_on_the_client() {
                return true;
            }
            let (names, types): (Vec<Name>, &[RrType]) = match term.target(name) {
                None => continue,
                Some(Target::Record(name)) => (vec![name], &[RrType::TXT]),
                Some(Target::Addresses(name)) => (vec![name], &[RrType::A, RrType::AAAA]),
                Some(Target::Exchanges(name)) => {
                    let Some(mx) = ask(&name, RrType::MX) else { return true };
                    let all = mx.iter().chain(comes.iter().map(|(_, rdata)| *rdata));
                    let exchanges = all.filter_map(Rdata::as_mx).map(|(_, exchange)| exchange);
                    (exchanges.collect(), &[RrType::A, RrType::AAAA])
                }
            };
            for name in names {
                if types.iter().any(|rtype| ask(&name, *rtype).is_none()) {
                    return true;
                }
                reached.insert(name);
            }
        }
    }
    // An alias that comes may lead out of the zones.
    let aliases: Vec<(&Name, Name)> =
        comes.iter().filter_map(|(key, rdata)| Some((&key.name, rdata.target()?))).collect();
    let mut open: Vec<Name> = reached.iter().cloned().collect();
    while let Some(name) = open.pop().filter(|_| !aliases.is_empty()) {
        let live = builder.library.live_alias(&name);
        let comes = aliases.iter().filter(|(owner, _)| answers(owner, &name));
        for target in comes.map(|(_, target)| target.clone()).chain(live) {
            if draft.snapshot.zone_of(&target).is_none() {
                return true;
            }
            if reached.insert(target.clone()) {
                open.push(target);
            }
        }
    }
    false
}

/// Whether an alias of an owner may be met on the way from a name: it has that name, is above it
/// (DNAME), or is a wildcard.
fn answers(owner: &Name, name: &Name) -> bool {
    let up = owner.parent().filter(|_| owner.is_wildcard());
    name.is_at_or_below(up.as_ref().unwrap_or(owner))
}

/// The addresses for which a name with the macro `i` can stand, in either order (RFC 7208 §7.3): the
/// first four labels as octets, or the first 32 as digits.
fn addresses_in(name: &Name) -> Vec<IpAddr> {
    let labels: Vec<&str> =
        name.labels().map_while(|label| std::str::from_utf8(label).ok()).take(32).collect();
    let octet = |label: &&str| label.parse::<u8>().ok().filter(|n| n.to_string() == **label);
    let mut found: Vec<IpAddr> = Vec::new();
    let octets: Vec<u8> = labels.iter().take(4).map_while(octet).collect();
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        let [a, b, c, d] = octets;
        found.extend([Ipv4Addr::from(octets), Ipv4Addr::new(d, c, b, a)].map(IpAddr::V4));
    }
    let digit = |label: &&str| u128::from_str_radix(label, 16).ok().filter(|_| label.len() == 1);
    let digits: Vec<u128> = labels.iter().map_while(digit).collect();
    if digits.len() == 32 {
        let bits =
            |digits: &mut dyn Iterator<Item = &u128>| digits.fold(0, |bits, n| bits << 4 | n);
        let both = [bits(&mut digits.iter()), bits(&mut digits.iter().rev())];
        found.extend(both.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))));
    }
    found
}

/// The octets of a name that begins with one to three of them: the end of an address, or with the
/// macro `ir` its beginning.
fn part_of_address(name: &Name) -> Option<Vec<u8>> {
    let octet = |label: &[u8]| {
        let text = std::str::from_utf8(label).ok()?;
        text.parse::<u8>().ok().filter(|n| n.to_string() == text)
    };
    let octets: Vec<u8> = name.labels().map_while(octet).take(4).collect();
    matches!(octets.len(), 1..=3).then_some(octets)
}

/// An address with these octets at its end, and one with their reverse at its beginning.
fn with_octets(ip: IpAddr, octets: &[u8]) -> Vec<IpAddr> {
    let IpAddr::V4(ip) = ip else { return Vec::new() };
    let (mut end, mut start) = (ip.octets(), ip.octets());
    end[4 - octets.len()..].copy_from_slice(octets);
    start.iter_mut().zip(octets.iter().rev()).for_each(|(at, octet)| *at = *octet);
    [end, start].map(|octets| IpAddr::V4(Ipv4Addr::from(octets))).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7208_section_7_3_names_of_addresses() {
        let of = |text: &str| addresses_in(&Name::from_user(text).expect("a name"));
        let v4 = |text: &str| IpAddr::V4(text.parse().expect("an address"));
        assert_eq!(of("192.0.2.11.l.acme.test"), [v4("192.0.2.11"), v4("11.2.0.192")]);
        assert!(of("l.acme.test").is_empty());
        assert!(of("192.0.2.256.l.acme.test").is_empty());
        let digits = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.l.acme.test";
        let found = of(digits);
        assert!(
            found.contains(&IpAddr::V6("2001:db8::1".parse().expect("an address"))),
            "{found:?}"
        );
    }
}
