//! What the checks of [`crate::check`] find about a plan: in what is live, and in what the plan leaves.
//!
//! Findings are warnings, and stand in the artifact for whoever reviews it. The proof decides whether a plan may be applied; a defect that was there
//! before the plan does not stop it. Notes are left to `cutover discover`.

use std::collections::BTreeSet;
use std::path::Path;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use crate::artifact::{self, FindingPlace};
use crate::check::{self, Finding, Grade, Look, Subject};
use crate::diag::{Code, Diagnostic, Place, Position, Source, located};
use crate::intent::{DomainMove, Exchange, Intent};
use crate::model::end::in_the_end;
use crate::observe::{Seen, Snapshot};

/// The check that compares both hosts.
const SAME_HOST: &str = "same-host";

/// What a check has found about a plan.
#[derive(Clone, Debug)]
pub struct Found {
    /// The same as a warning at its place in the plan.
    diagnostic: Diagnostic,
    grade: Grade,
    /// Why the plan ignores it, if it does.
    ignored: Option<String>,
}

/// What can be found without looking at anything: in the hosts that the plan describes.
#[must_use]
pub fn offline(intent: &Intent) -> Vec<Diagnostic> {
    let all: Vec<Found> =
        intent.moves.iter().flat_map(|one| found(intent, one, of_hosts(one))).collect();
    warnings(&all)
}

/// As warnings, without those that the plan ignores.
#[must_use]
pub fn warnings(all: &[Found]) -> Vec<Diagnostic> {
    let shown = all.iter().filter(|one| one.ignored.is_none());
    shown.map(|one| one.diagnostic.clone()).collect()
}

/// As an artifact has them, with those that the plan ignores. Files are named without directories, since
/// the same plan is the same artifact wherever it lies.
#[must_use]
pub fn sealed(all: &[Found], source: &Source) -> Vec<artifact::Finding> {
    let of = |Found { diagnostic, grade, ignored }: &Found| {
        let Place { file, begin: Position { line, column }, end: _ } =
            located(source, diagnostic.span);
        let name = || Some(Path::new(file).file_name()?.to_string_lossy().into_owned());
        let file = if file == source.name { None } else { name() };
        artifact::Finding {
            code: diagnostic.code.name.to_owned(),
            is_error: *grade == Grade::Error,
            said: diagnostic.title.clone(),
            place: FindingPlace { file, line, column },
            ignored: ignored.clone(),
        }
    };
    all.iter().map(of).collect()
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
pub fn of_plan(intent: &Intent, snapshot: &Snapshot) -> Vec<Found> {
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
        found(intent, one, seen.chain(stated).collect())
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

/// The findings at the domain, without notes.
fn found(intent: &Intent, of: &DomainMove, all: Vec<Finding>) -> Vec<Found> {
    let all = all.into_iter().filter(|one| one.grade != Grade::Note);
    let at = |Finding { code, grade, seen, means, fix }: Finding| {
        let title = format!("{}: {seen}", of.domain.value);
        let diagnostic =
            Diagnostic::warning(Code::semantic(code), of.domain.span, title, fix).why(means);
        let ignored = intent.ignored.iter().find(|one| one.code.value == code);
        Found { diagnostic, grade, ignored: ignored.map(|one| one.reason.clone()) }
    };
    all.map(at).collect()
}
