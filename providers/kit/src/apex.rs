//! What no server takes, whatever its zone holds.

use cutover_contract::{Change, Name, RrType};

use crate::serial;

/// Why servers that hold the SOA as a record like any other cannot make a change: the SOA and the NS
/// records of the apex stay, the serial goes on, and types that no zone holds are not written. `None`
/// where nothing of this is in the way.
#[must_use]
pub fn apex(zone: &Name, change: &Change) -> Option<&'static str> {
    let Change { key, before, after } = change;
    let is_apex = key.name == *zone;
    Some(match (key.rtype, before, after) {
        (RrType::SOA, ..) if !is_apex => "an SOA stands at the apex of a zone only",
        (RrType::SOA, None, _) => "a zone that is served has an SOA already",
        (RrType::SOA, _, None) => "a zone cannot lose its SOA",
        (RrType::SOA, Some(before), Some(after)) if !serial::goes_on(before, after) => {
            "servers ignore an SOA whose serial is not higher than the one before"
        }
        (RrType::NS, _, None) if is_apex => "a zone cannot lose the NS records of its apex",
        // RFC 6895 §3.1: types 128 to 255 are questions and transaction records; 41 is OPT.
        (rtype, ..) if matches!(rtype.number(), 0 | 41 | 128..=255) => {
            "no zone holds records of this type"
        }
        _ => return None,
    })
}
