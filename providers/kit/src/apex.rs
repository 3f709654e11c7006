//! Changes that no server accepts, whatever its zone holds.

use cutover_contract::Change;
use cutover_zone::{Name, RrType};

use crate::serial;

/// Why servers that hold the SOA like any other record cannot make this change: the zone keeps its
/// SOA and the NS records of its apex, the serial only increases, and types that no zone holds are
/// not written. `None` if none of this applies.
#[must_use]
pub fn apex(zone: &Name, change: &Change) -> Option<&'static str> {
    let Change { key, before, after } = change;
    let is_apex = key.name == *zone;
    Some(match (key.rtype, before, after) {
        (RrType::SOA, ..) if !is_apex => "an SOA can only be at the apex of a zone",
        (RrType::SOA, None, _) => "a served zone already has an SOA",
        (RrType::SOA, _, None) => "a zone cannot lose its SOA",
        (RrType::SOA, Some(before), Some(after)) if !serial::goes_on(before, after) => {
            "servers ignore an SOA whose serial is not higher than before"
        }
        (RrType::NS, _, None) if is_apex => "a zone cannot lose the NS records of its apex",
        // RFC 6895 §3.1: types 128 to 255 are query types and transaction records; 41 is OPT.
        (rtype, ..) if matches!(rtype.number(), 0 | 41 | 128..=255) => {
            "no zone holds records of this type"
        }
        _ => return None,
    })
}
