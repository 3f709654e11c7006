//! `spf-sound`: in every view, the domain has at most one SPF record, of at most ten look-ups and two
//! void ones (RFC 7208 §4.5, §4.6.4), and no include leads to a name without a record (§5.2).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cutover_contract::{Name, RrKey, RrType};

use crate::calendar::Timestamp;
use crate::model::spf_cost::cost;
use crate::observe::Outside;
use crate::proof::model::Bench;
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use crate::spf::{Answer, Client, Outcome, SpfRecord, TERMS_MAX, Target, VOIDS_MAX, check_host};

const ID: &str = "spf-sound";

pub(super) fn patterns(bench: &mut Bench<'_>) {
    for one in bench.domains() {
        for (choice, harm) in
            bench.cases(ID, ("sound", one.name, 0), &|view| harm(view, one.name)).iter()
        {
            bench.forbid(ID, (choice, Duration::ZERO), &[], harm);
        }
    }
}

fn harm(view: &View<'_>, domain: &Name) -> Option<Harm> {
    let mut records = records_at(view, domain)?;
    if records.len() > 1 {
        return Some(Harm::new(
            format!(
                "a receiver sees {} SPF records for {domain}: SPF is an error for every sender",
                records.len()
            ),
            "keep one SPF record and edit it as one value",
        ));
    }
    let record = records.pop()?;
    let lookups = cost(&record, domain, &|key| view.look_up(key)).lookups;
    if lookups > TERMS_MAX {
        return Some(Harm::new(
            format!(
                "a receiver needs {lookups} look-ups for the SPF record of {domain}: SPF is an error for every sender"
            ),
            "take out includes that nobody uses, or give a sender a subdomain of its own",
        ));
    }
    // A record that can be seen but names nothing makes the whole evaluation an error.
    let mut open = vec![(record, domain.clone())];
    let mut seen = std::collections::BTreeSet::new();
    let mut voids = 0;
    while let Some((record, of)) = open.pop() {
        for target in record.targets(&of) {
            let name = match target {
                Target::Record(name) => name,
                Target::Addresses(name) => {
                    voids += usize::from(is_void(view, &name, &[RrType::A, RrType::AAAA]));
                    continue;
                }
                Target::Exchanges(name) => {
                    voids += usize::from(is_void(view, &name, &[RrType::MX]));
                    continue;
                }
            };
            if !seen.insert(name.clone()) {
                continue;
            }
            let Some(found) = records_at(view, &name) else { continue };
            if found.len() != 1 {
                return Some(Harm::new(
                    format!(
                        "a receiver finds {} SPF records at {name}, which the record of {domain} includes: SPF is an error for every sender",
                        found.len()
                    ),
                    format!(
                        "take {name} out of the SPF record first, and let that record expire before it is removed"
                    ),
                ));
            }
            open.extend(found.into_iter().map(|record| (record, name.clone())));
        }
    }
    if voids <= VOIDS_MAX {
        return broken(view, domain);
    }
    Some({
        Harm::new(
            format!(
                "{voids} terms of the SPF record of {domain} lead to nothing, and receivers allow {VOIDS_MAX}: SPF is an error for every sender"
            ),
            "take the terms out whose names have no records",
        )
    })
}

/// What else makes an evaluation an error: whatever a receiver finds when no term matches.
fn broken(view: &View<'_>, domain: &Name) -> Option<Harm> {
    let world = |key: &RrKey| match view.look_up(key) {
        Outside::Records(records) => Answer::Records(records.to_vec()),
        Outside::Absent => Answer::Absent,
        Outside::Unknown(_) => Answer::Unknown,
    };
    let client = Client {
        // "This network" (RFC 1122 §3.2.1.3): nobody sends from there, and no record names it.
        ip: IpAddr::V4(Ipv4Addr::new(0, 0, 0, 1)),
        mail_from: "postmaster@invalid",
        helo: "unknown",
        receiver: "unknown",
        now: Timestamp::UNIX_EPOCH,
    };
    let evaluation = check_host(&client, domain, &world);
    let problem = evaluation.problem.filter(|_| evaluation.unanswered.is_empty())?;
    (evaluation.outcome == Outcome::PermError).then(|| {
        Harm::new(
            format!("a receiver cannot evaluate the SPF record of {domain} ({problem}): SPF is an error for every sender"),
            "mend the record, or what it leads to",
        )
    })
}

fn is_void(view: &View<'_>, name: &Name, types: &[RrType]) -> bool {
    types.iter().all(|rtype| view.look_up(&RrKey::new(name.clone(), *rtype)) == Outside::Absent)
}

/// The SPF records at a name; `None` where nobody knows.
fn records_at(view: &View<'_>, name: &Name) -> Option<Vec<SpfRecord>> {
    match view.look_up(&RrKey::new(name.clone(), RrType::TXT)) {
        Outside::Records(txt) => Some(txt.iter().filter_map(SpfRecord::of_rdata).collect()),
        Outside::Absent => Some(Vec::new()),
        Outside::Unknown(_) => None,
    }
}
