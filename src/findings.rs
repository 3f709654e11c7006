//! What the checks of [`crate::check`] find about a plan: in what is live, and in what the plan leaves.
//!
//! Findings are warnings. The proof decides whether a plan may be applied; a defect that was there
//! before the plan does not stop it. Notes are left to `cutover discover`.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use crate::check::{self, Finding, Grade, Look, Subject};
use crate::diag::{Code, Diagnostic};
use crate::intent::{DomainMove, Exchange, Intent};
use crate::model::end::in_the_end;
use crate::observe::{Seen, Snapshot};

/// The check that compares both hosts.
const SAME_HOST: &str = "same-host";

/// What can be found without looking at anything: in the hosts that the plan describes.
#[must_use]
pub fn offline(intent: &Intent) -> Vec<Diagnostic> {
    intent.moves.iter().flat_map(|one| shown(intent, one, of_hosts(one))).collect()
}

/// The same for one domain.
fn of_hosts(one: &DomainMove) -> Vec<Finding> {
    let (old, new) = (mx(&one.from.exchanges), mx(&one.to.exchanges));
    let only_mx = |rdata: &Vec<Rdata>, key: &RrKey| match key.rtype {
        RrType::MX if key.name == one.domain.value => {
            Look::Records { rdata: rdata.clone().into(), ttl: None, is_wildcard: false }
        }
        _ => Look::Unseen("nobody was asked".to_owned()),
    };
    check::look(&Subject {
        domain: &one.domain.value,
        zone: Some(&one.zone),
        look: &|key| only_mx(&old, key),
        after: Some(&|key| only_mx(&new, key)),
        keys: &[],
        policy: None,
        is_signed: None,
    })
}

fn mx(exchanges: &[Exchange]) -> Vec<Rdata> {
    exchanges.iter().map(|one| Rdata::mx(one.preference, &one.name.value)).collect()
}

/// What is found in what was seen.
#[must_use]
pub fn of_plan(intent: &Intent, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let end = in_the_end(intent, snapshot);
    let of = |one: &DomainMove| {
        let hosts = [&one.from, &one.to].into_iter().chain(&one.others);
        let keys = hosts.flat_map(|host| &host.senders).flat_map(|sender| &sender.selectors);
        // Keys that the plan publishes are checked by the language.
        let keys = keys.filter(|selector| selector.publish.is_none());
        let keys: BTreeSet<Name> = keys.map(|selector| selector.owner.value.clone()).collect();
        let keys: Vec<Name> = keys.into_iter().collect();
        let subject = Subject {
            domain: &one.domain.value,
            zone: Some(&one.zone),
            look: &|key| look(snapshot, key),
            after: Some(&|key| look(&end, key)),
            keys: &keys,
            policy: None,
            is_signed: None,
        };
        // Which host has the mail now, the plan says: the MX records may have been switched already.
        let seen = check::look(&subject).into_iter().filter(|one| one.code != SAME_HOST);
        let stated = of_hosts(one).into_iter().filter(|one| one.code == SAME_HOST);
        shown(intent, one, seen.chain(stated).collect())
    };
    intent.moves.iter().flat_map(of).collect()
}

/// What a snapshot answers.
fn look(snapshot: &Snapshot, key: &RrKey) -> Look {
    let zone = snapshot.zone_of(&key.name);
    // An alias is looked at itself only where its zone was read.
    if key.rtype == RrType::CNAME && zone.is_none() {
        return Look::Unseen("its zone was not read".to_owned());
    }
    match snapshot.look_up(key) {
        Seen::Records(rdata) => {
            let served = zone.and_then(|zone| zone.served(key));
            let is_wildcard = zone.is_some_and(|zone| zone.wildcard_of(key).is_some());
            let ttl = served.map(RrSet::ttl);
            Look::Records { rdata: rdata.into(), ttl, is_wildcard }
        }
        Seen::Absent => Look::Absent,
        Seen::Unknown(why) => Look::Unseen(why.to_owned()),
    }
}

/// The findings as warnings at the domain, without notes and without those that the plan ignores.
fn shown(intent: &Intent, of: &DomainMove, found: Vec<Finding>) -> Vec<Diagnostic> {
    let is_ignored = |code: &str| intent.ignored.iter().any(|one| one.code.value == code);
    let found = found.into_iter().filter(|one| one.grade != Grade::Note && !is_ignored(one.code));
    let warning = |Finding { code, grade: _, seen, means, fix }: Finding| {
        let title = format!("{}: {seen}", of.domain.value);
        Diagnostic::warning(Code::semantic(code), of.domain.span, title, fix).why(means)
    };
    found.map(warning).collect()
}
