//! `spf-sound`: in every view, the domain has at most one SPF record, of at most ten look-ups
//! (RFC 7208 §4.5, §4.6.4), and no include leads to a name without a record (§5.2).

use cutover_contract::{Name, RrKey, RrType};

use crate::model::spf_cost::cost;
use crate::observe::Outside;
use crate::proof::view::{Harm, View, judge};
use crate::proof::{Judgement, Proof};
use crate::spf::{SpfRecord, TERMS_MAX, Target};

pub(super) fn check(proof: &Proof<'_>) -> Judgement {
    let domains = proof.domains();
    Judgement::worst(domains.iter().map(|one| judge(proof, &[], &|view| harm(view, one.name))))
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
    while let Some((record, of)) = open.pop() {
        for target in record.targets(&of) {
            let Target::Record(name) = target else { continue };
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
    None
}

/// The SPF records at a name; `None` where nobody knows.
fn records_at(view: &View<'_>, name: &Name) -> Option<Vec<SpfRecord>> {
    match view.look_up(&RrKey::new(name.clone(), RrType::TXT)) {
        Outside::Records(txt) => Some(txt.iter().filter_map(SpfRecord::of_rdata).collect()),
        Outside::Absent => Some(Vec::new()),
        Outside::Unknown(_) => None,
    }
}
