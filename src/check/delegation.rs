//! The servers and the signature of the zone.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrType};

use crate::{Check, Grade, Look};

pub(crate) const NOT_SIGNED: Check = Check {
    code: "zone-not-signed",
    grade: Grade::Note,
    traps: &[],
    means: "without DNSSEC, answers can be forged, and senders cannot use DANE; internet.nl counts it as a fault",
    fix: "nothing for the move: sign the zone before or after it, never during it",
    find: |subject| match (subject.zone, subject.is_signed) {
        (Some(zone), Some(false)) => vec![format!("the parent has no DS record for {zone}")],
        (_, _) => Vec::new(),
    },
};

pub(crate) const ONE_SERVER: Check = Check {
    code: "zone-one-server",
    grade: Grade::Note,
    traps: &[21],
    means: "with a single name server, nobody can look up the domain while it is away (RFC 2182 §5 asks for three)",
    fix: "add a second server elsewhere",
    find: |subject| {
        let Some(zone) = subject.zone else { return Vec::new() };
        let Look::Records { rdata, .. } = subject.at(zone, RrType::NS) else { return Vec::new() };
        let servers: BTreeSet<Name> = rdata.iter().filter_map(Rdata::target).collect();
        match servers.len() {
            1 => vec![format!("{zone} has one name server")],
            _ => Vec::new(),
        }
    },
};
