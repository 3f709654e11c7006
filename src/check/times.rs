//! Times that a move has to wait for.

use std::time::Duration;

use cutover_base::calendar::show_span;
use cutover_zone::{Rdata, RrType, Ttl};

use crate::{Check, Grade, Look};

/// The longest negative TTL that does not slow a move down: "one to three hours have been found to
/// work well" (RFC 2308 §5).
const NEGATIVE_SECS_MAX: u32 = 3 * 3_600;
/// The longest TTL of MX records that does not slow a move down. Our choice: a move that begins
/// today can switch tomorrow.
const TTL_SECS_MAX: u32 = 86_400;

/// A TTL for people.
fn span(secs: u32) -> String {
    show_span(Duration::from_secs(secs.into()))
}

pub(crate) const NEGATIVE: Check = Check {
    code: "negative-ttl-long",
    grade: Grade::Warning,
    traps: &[52],
    means: "resolvers remember for this long that a name does not exist: new records, such as DKIM keys, are seen only after it",
    fix: "lower the last number of the SOA record to an hour, some days before the move; ask no public resolver for names that are to be published",
    find: |subject| {
        let Some(zone) = subject.zone else { return Vec::new() };
        let Look::Records { rdata, ttl: Some(ttl), .. } = subject.at(zone, RrType::SOA) else {
            return Vec::new();
        };
        // min(MINIMUM, TTL of the SOA record) (RFC 2308 §5).
        let minimum = rdata.first().and_then(Rdata::as_soa).map(|soa| soa.minimum);
        let negative = minimum.map_or(0, |minimum| ttl.secs().min(Ttl::from_wire(minimum).secs()));
        match negative > NEGATIVE_SECS_MAX {
            true => vec![format!("the negative TTL of {zone} is {}", span(negative))],
            false => Vec::new(),
        }
    },
};

pub(crate) const TTL: Check = Check {
    code: "mx-ttl-long",
    grade: Grade::Note,
    traps: &[3],
    means: "the switch has to wait this long after the TTL is lowered, and so has a way back before that",
    fix: "nothing: `cutover` lowers the TTL first and waits; lower it yourself some days before to save the wait",
    find: |subject| {
        let long = subject.own(RrType::MX).ttl().map(Ttl::secs).filter(|ttl| *ttl > TTL_SECS_MAX);
        long.map(|ttl| format!("the TTL of the MX records is {}", span(ttl))).into_iter().collect()
    },
};
