//! How long a version of an RRset may live in caches after it was replaced.
//!
//! A hold counts from the moment when every authoritative server was seen to serve the replacement.
//! The *replaced* version's TTL counts, never the new one's.

use std::time::Duration;

use cutover_zone::{RrKey, RrSet};

use crate::observe::ZoneSeen;
use cutover_steps::graph::CACHE_CAP;

/// How long this version, or its non-existence, may be cached. The caller adds the margin.
#[must_use]
pub fn hold(version: Option<&RrSet>, zone: &ZoneSeen) -> Duration {
    let ttl = version.map_or_else(|| zone.negative_ttl(), RrSet::ttl);
    let unseen = zone.capabilities.anycast_margin;
    ttl.duration().min(CACHE_CAP) + unseen
}

/// How long the non-existence of an RRset may be cached, and also the answer of a wildcard if one
/// covered the name until now (RFC 4592 §3.3.1).
#[must_use]
pub fn negative_hold(zone: &ZoneSeen, key: &RrKey) -> Duration {
    let absent = hold(None, zone);
    zone.wildcard_of(key).map_or(absent, |wildcard| absent.max(hold(Some(wildcard), zone)))
}

/// How long what a change replaces may be cached.
#[must_use]
pub fn hold_of_replaced(before: Option<&RrSet>, zone: &ZoneSeen, key: &RrKey) -> Duration {
    match before {
        Some(before) => hold(Some(before), zone),
        None => negative_hold(zone, key),
    }
}
