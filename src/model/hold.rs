//! How long a version of an RRset may live in caches after it was replaced.
//!
//! A hold counts from the moment when every authoritative server was seen to serve the replacement.
//! The *replaced* version's TTL counts, never the new one's.

use std::time::Duration;

use cutover_contract::{Change, RrSet};

use crate::observe::ZoneSeen;

/// 7 d: "the recommended cap is on the order of days", 604,800 s (RFC 8767 §4).
pub const CAP: Duration = Duration::from_secs(604_800);

/// How long this version, or its absence, may be cached; the margin is added by the caller.
#[must_use]
pub fn hold(version: Option<&RrSet>, zone: &ZoneSeen) -> Duration {
    let ttl = version.map_or_else(|| zone.negative_ttl(), RrSet::ttl);
    let unseen = zone.capabilities.unseen_nodes;
    ttl.duration().min(CAP) + unseen
}

/// How long what a change replaces may be cached: the version, or the absence; and where a wildcard
/// answered for the name so far, what it said (RFC 4592 §3.3.1).
#[must_use]
pub fn hold_of_replaced(change: &Change, zone: &ZoneSeen) -> Duration {
    let wildcard = match &change.before {
        Some(_) => None,
        None => zone.wildcard_of(&change.key),
    };
    let replaced = hold(change.before.as_ref(), zone);
    wildcard.map_or(replaced, |wildcard| replaced.max(hold(Some(wildcard), zone)))
}
