//! `transport-policy`: a sender that obeys MTA-STS (RFC 8461) and DANE (RFC 7672) can deliver.
//!
//! A policy that senders have cached is not in DNS and cannot be read from there: where a domain has
//! an `_mta-sts` record, somebody has to state that every policy in circulation allows the new
//! exchanges. TLSA records are in DNS; what the certificates match is said by the host's `tlsa:`, or
//! stated.

use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use super::{Side, host, is_of, label, leads, moving};
use crate::fact::{Fact, Value};
use crate::intent::DomainMove;
use crate::observe::Outside;
use crate::proof::model::Bench;
use crate::proof::pattern::Harm;
use crate::proof::view::View;

const ID: &str = "transport-policy";
/// The port of SMTP, as it stands in front of TLSA records (RFC 7672 §2.1).
const TLSA_LABELS: &str = "_25._tcp";

pub(super) fn patterns(bench: &mut Bench<'_>) {
    for (domain, one) in moving(bench) {
        let to = &one.to.name;
        for bad in bench.facts.having(Fact::StsAllows, to, Value::False) {
            let harm = Harm::new(
                format!(
                    "a sender that has cached the MTA-STS policy of {domain} may not deliver to `{to}`, which the policy does not list: the message waits"
                ),
                bench.statement(Fact::StsAllows, to, Value::True, ""),
            );
            let in_force = |view: &View<'_>| {
                policy(view, domain).then(|| leads(view, one, Side::To)).flatten()
            };
            for (choice, _) in bench.cases(ID, ("policy", domain, 0), &in_force).iter() {
                bench.forbid(ID, (choice, Duration::ZERO), &[bad], &harm);
            }
        }
        for side in [Side::From, Side::To] {
            let host = host(one, side);
            if host.tlsa.is_empty() {
                continue;
            }
            for (choice, harm) in bench
                .cases(ID, (label(side), domain, 1), &|view| mismatch(view, domain, one, side))
                .iter()
            {
                bench.forbid(ID, (choice, Duration::ZERO), &[], harm);
            }
        }
        if one.from.tlsa.is_empty() {
            other_tlsa_of_old_host(bench, one);
        }
        if !one.to.tlsa.is_empty() {
            continue;
        }
        for bad in bench.facts.having(Fact::TlsaMatches, to, Value::False) {
            let harm = Harm::new(
                format!(
                    "a sender that obeys DANE finds TLSA records of an exchange of `{to}` that its certificate may not match: the message waits, and bounces in the end"
                ),
                format!(
                    "say what the certificates match with `tlsa:` at the host, or {}",
                    bench.statement(Fact::TlsaMatches, to, Value::True, "")
                ),
            );
            for (choice, _) in bench
                .cases(ID, ("tlsa", domain, 0), &|view| tlsa(view, one, Side::To).map(drop))
                .iter()
            {
                bench.forbid(ID, (choice, Duration::ZERO), &[bad], &harm);
            }
        }
    }
}

/// TLSA records of the old host that are not those which were there: nobody says what they match.
fn other_tlsa_of_old_host(bench: &mut Bench<'_>, one: &DomainMove) {
    let from = &one.from.name;
    let bad = bench.facts.having(Fact::TlsaMatches, from, Value::False);
    if bad.is_empty() {
        return;
    }
    let other = |view: &View<'_>| {
        let (exchange, records) = tlsa(view, one, Side::From)?;
        let name = Name::from_user(TLSA_LABELS).and_then(|labels| labels.join(&exchange)).ok()?;
        let was = view.live(&RrKey::new(name, RrType::TLSA));
        (was != Outside::Records(records)).then_some(())
    };
    for (choice, ()) in bench.cases(ID, ("other-tlsa", &one.domain.value, 0), &other).iter() {
        for bad in &bad {
            let harm = Harm::new(
                format!(
                    "a sender that obeys DANE finds other TLSA records of an exchange of `{from}` than before, and its certificate may match none of them: the message waits, and bounces in the end"
                ),
                format!(
                    "say what the certificates match with `tlsa:` at the host, or {}",
                    bench.statement(Fact::TlsaMatches, from, Value::True, "")
                ),
            );
            bench.forbid(ID, (choice, Duration::ZERO), &[*bad], &harm);
        }
    }
}

/// Whether the domain says that it has a policy.
fn policy(view: &View<'_>, domain: &Name) -> bool {
    let Ok(name) = Name::from_user("_mta-sts").and_then(|name| name.join(domain)) else {
        return false;
    };
    let key = RrKey::new(name, RrType::TXT);
    let has = |answer: Outside| match answer {
        Outside::Records(txt) => {
            txt.iter().filter_map(Rdata::txt_joined).any(|text| text.starts_with(b"v=STSv1"))
        }
        Outside::Absent | Outside::Unknown(_) => false,
    };
    // Taking the record away ends no policy that somebody has (RFC 8461 §3.1).
    has(view.live(&key)) || has(view.look_up(&key))
}

/// The TLSA records of an exchange of a host to which the MX records lead in this view.
fn tlsa(view: &View<'_>, one: &DomainMove, side: Side) -> Option<(Name, Arc<[Rdata]>)> {
    let Outside::Records(mx) = view.look_up(&RrKey::new(one.domain.value.clone(), RrType::MX))
    else {
        return None;
    };
    mx.iter().filter_map(Rdata::as_mx).find_map(|(_, exchange)| {
        if !is_of(view, one, &exchange, side) {
            return None;
        }
        let name = Name::from_user(TLSA_LABELS).and_then(|labels| labels.join(&exchange)).ok()?;
        match view.look_up(&RrKey::new(name, RrType::TLSA)) {
            Outside::Records(records) => Some((exchange, records)),
            Outside::Absent | Outside::Unknown(_) => None,
        }
    })
}

/// TLSA records of which the certificate behind the exchange matches none.
fn mismatch(view: &View<'_>, domain: &Name, one: &DomainMove, side: Side) -> Option<Harm> {
    let (exchange, records) = tlsa(view, one, side)?;
    let host = host(one, side);
    if records.iter().any(|record| host.tlsa.contains(record)) {
        return None;
    }
    Some(Harm::new(
        format!(
            "a sender of mail for {domain} that obeys DANE finds TLSA records of {exchange} of which the certificate of `{}` matches none: the message waits, and bounces in the end",
            host.name
        ),
        format!(
            "publish the TLSA records of both hosts, let what was there expire, and switch then (RFC 7671 §8.1): {exchange}"
        ),
    ))
}
