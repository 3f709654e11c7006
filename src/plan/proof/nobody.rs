//! Addresses that stand for those that no SPF record names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cutover_zone::{RrSet, RrType};

use super::draft::Draft;
use cutover_mail::spf::{Network, SpfRecord};
use cutover_steps::ask::Outside;

/// Addresses that hardly any record names. First "this network" (RFC 1122 §3.2.1.3), and over IPv6
/// what is discarded (RFC 6666): nobody sends from there.
const UNNAMED_V4: [u32; 6] =
    [0x0000_0001, 0xf000_0001, 0x7f00_0001, 0x4000_0001, 0xc000_0001, 0x8000_0001];
const UNNAMED_V6: [u128; 6] = [
    (0x0100 << 112) + 1,
    (0xf000 << 112) + 1,
    (0x8000 << 112) + 1,
    (0x4000 << 112) + 1,
    (0x2000 << 112) + 1,
    (0x6000 << 112) + 1,
];

/// An IPv4 and an IPv6 address that no SPF record of the zones names, now or later; the first of ours
/// if the records name all of these.
pub(super) fn unnamed(draft: &Draft<'_>) -> [IpAddr; 2] {
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.values());
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let rrsets = live.chain(changes.filter_map(|change| change.after.as_ref()));
    let outside = draft.snapshot.outside.values().filter_map(|answer| match answer {
        Outside::Records(records) => Some(&**records),
        Outside::Absent | Outside::Unknown(_) => None,
    });
    let texts = rrsets.map(RrSet::rdata).chain(outside).flatten();
    let networks: Vec<Network> = texts
        .filter(|rdata| rdata.rtype() == RrType::TXT)
        .filter_map(SpfRecord::of_rdata)
        .flat_map(|record| record.terms)
        .filter_map(|term| term.network())
        .collect();
    let first = |of: Vec<IpAddr>| {
        let is_unnamed = |ip: &&IpAddr| !networks.iter().any(|network| network.has(**ip));
        of.iter().find(is_unnamed).copied().unwrap_or(of[0])
    };
    [
        first(UNNAMED_V4.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).to_vec()),
        first(UNNAMED_V6.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))).to_vec()),
    ]
}
