//! `spf-sound`: in every view, a domain has at most one SPF record, with at most ten look-ups of
//! which at most two are void (RFC 7208 §4.5, §4.6.4), and every term leads to something that can
//! be evaluated (§5.2).
//!
//! The result comes from the evaluator itself, for a client that no term names, so that it looks at
//! all terms. A name that a record leads to and that nobody has seen may cost anything.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_zone::{Name, RrKey, RrSet, RrType};

use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::draft::Draft;
use crate::proof::pattern::Harm;
use crate::proof::spf_view::{evaluated, matches_all};
use crate::proof::view::View;
use cutover_mail::spf::{Outcome, Problem, SpfRecord, TERMS_MAX, Target, Term};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

const ID: &str = "spf-sound";
const NOW: Duration = Duration::ZERO;
/// The maximum number of SPF records that are followed, so that a cycle of includes ends. Our
/// choice.
const RECORDS_MAX: usize = 64;

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let moving: BTreeSet<&Name> = builder.moving().map(|(name, _)| name).collect();
    for domain in domains(builder) {
        let moves = moving.contains(&domain);
        let broken = |view: &View<'_>| harm(view, &domain);
        for (choice, harm) in builder.cases(ID, ("sound", &domain, 0), &broken).iter() {
            // The plan is not responsible for a domain that it does not touch.
            if moves || !choice.is_empty() {
                builder.forbid(ID, (choice, NOW), &[], harm);
            }
        }
        unseen(builder, &domain);
    }
}

/// Every name that has an SPF record, now or later, and the domains that move, whatever they have.
fn domains(builder: &PatternBuilder<'_>) -> BTreeSet<Name> {
    let draft = builder.draft();
    let has_spf = |rrset: &RrSet| rrset.rdata().iter().any(|r| SpfRecord::of_rdata(r).is_some());
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let live = live.filter(|(key, rrset)| key.rtype == RrType::TXT && has_spf(rrset));
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let comes = changes.filter(|change| {
        change.key.rtype == RrType::TXT && change.after.as_ref().is_some_and(has_spf)
    });
    let moving = builder.moving().map(|(name, _)| name);
    let names = live.map(|(key, _)| &key.name).chain(comes.map(|change| &change.key.name));
    names.chain(moving).cloned().collect()
}

fn records_at(answer: Outside) -> Option<Vec<SpfRecord>> {
    match answer {
        Outside::Records(txt) => Some(txt.iter().filter_map(SpfRecord::of_rdata).collect()),
        Outside::Absent => Some(Vec::new()),
        Outside::Unknown(_) => None,
    }
}

fn harm(view: &View<'_>, domain: &Name) -> Option<Harm> {
    let found = records_at(view.look_up(&RrKey::new(domain.clone(), RrType::TXT)))?;
    let harm = |what: &str, says: String, fix: String| {
        Some(Harm::new(format!("{ID}/{}/{what}", shown(domain)), says, fix))
    };
    if found.len() > 1 {
        return harm(
            "twice",
            format!(
                "a receiver sees {} SPF records for {domain}: SPF is an error for every sender",
                found.len()
            ),
            "keep one SPF record and edit it as one value".to_owned(),
        );
    }
    if found.is_empty() {
        return None;
    }
    let evaluation = evaluated(view, domain, view.nobody()[0]);
    match (evaluation.outcome, evaluation.problem) {
        (Outcome::PermError, Some(Problem::ManyTerms)) => harm(
            "look-ups",
            format!(
                "a receiver needs more than {TERMS_MAX} look-ups for the SPF record of {domain}: SPF is an error for every sender"
            ),
            "remove includes that nobody uses, or give a sender a subdomain of its own".to_owned(),
        ),
        (Outcome::PermError, Some(Problem::ManyVoids)) => harm(
            "voids",
            format!(
                "more terms of the SPF record of {domain} lead to nothing than receivers allow: SPF is an error for every sender"
            ),
            "remove the terms whose names have no records".to_owned(),
        ),
        (Outcome::PermError, Some(problem)) => {
            let (what, fix) = match &problem {
                Problem::NoRecord { term, .. } => (
                    format!("leads-nowhere/{term}"),
                    format!(
                        "first remove `{term}` from the record, and let the old record expire before what the term leads to is removed"
                    ),
                ),
                Problem::Syntax { term, .. } => {
                    (format!("syntax/{term}"), format!("correct `{term}`"))
                }
                Problem::ManyRecords { .. }
                | Problem::ManyTerms
                | Problem::ManyVoids
                | Problem::ManyExchanges { .. }
                | Problem::Unanswered(_) => {
                    ("broken".to_owned(), "correct the record, or what it leads to".to_owned())
                }
            };
            harm(
                &what,
                format!(
                    "a receiver cannot evaluate the SPF record of {domain} ({problem}): SPF is an error for every sender"
                ),
                fix,
            )
        }
        (_, _) => None,
    }
}

/// What a record leads to that nobody could ask, if the record is not the current one: there may be
/// no record, or it may cost too much.
fn unseen(builder: &mut PatternBuilder<'_>, domain: &Name) {
    let own = RrKey::new(domain.clone(), RrType::TXT);
    let names = builder.met(ID, ("spf-unseen", domain, 0), &|view| unseen_in(view, domain));
    for (number, name) in names.iter().enumerate() {
        let of = Subject::Name(name.clone());
        // A stated fact counts from the first step on.
        let today = today_has(builder.draft(), domain, name)
            && !builder.facts.is_stated(Fact::Published, &of);
        let leads = |view: &View<'_>| {
            let other = view.look_up(&own) != view.live(&own);
            ((other || !today) && unseen_in(view, domain).contains(name)).then_some(())
        };
        let harm = Harm::new(
            format!("{ID}/{}/unseen/{}", shown(domain), shown(name)),
            format!(
                "the SPF record of {domain} leads to {name}, and nobody could ask what that is: it may have no record, or one that costs too many look-ups, and then SPF is an error for every sender"
            ),
            format!(
                "configure a `resolver:`, or {}",
                builder.statement(Fact::Published, &of, Value::True, "")
            ),
        );
        let found = builder.cases(ID, ("spf-unseen", domain, number + 1), &leads);
        let bad =
            |builder: &PatternBuilder<'_>| builder.facts.having(Fact::Published, &of, Value::False);
        builder.forbid_each(ID, (&found, NOW), &bad, &harm);
    }
}

/// Whether the current record leads to a name.
fn today_has(draft: &Draft<'_>, domain: &Name, wanted: &Name) -> bool {
    let snapshot = draft.snapshot;
    let leaves_at = |key: &RrKey| snapshot.leaves_at(key).map(|key| key.name);
    unseen_at(draft, (&|key| snapshot.told(key), &leaves_at), domain).contains(wanted)
}

fn unseen_in(view: &View<'_>, domain: &Name) -> Vec<Name> {
    unseen_at(view.draft(), (&|key| view.look_up(key), &|key| view.leaves_at(key)), domain)
}

/// Looks up a question, and finds the name outside of the zones to which it leads.
type Asked<'a> = (&'a dyn Fn(&RrKey) -> Outside, &'a dyn Fn(&RrKey) -> Option<Name>);

fn unseen_at(draft: &Draft<'_>, (look_up, leaves_at): Asked<'_>, domain: &Name) -> Vec<Name> {
    let mut unseen = BTreeSet::new();
    let mut reached = BTreeSet::from([domain.clone()]);
    let mut open = vec![domain.clone()];
    while let Some(of) = open.pop() {
        let key = RrKey::new(of.clone(), RrType::TXT);
        let Some(records) = records_at(look_up(&key)) else {
            unseen.extend(leaves_at(&key));
            continue;
        };
        let named = records.iter().map(|record| record.named(&of, domain));
        let met = named.flat_map(|record| {
            let end = record.terms.iter().position(|term| matches_all(draft, look_up, term));
            let end = end.unwrap_or(record.terms.len());
            record.terms.into_iter().take(end).collect::<Vec<_>>()
        });
        let met: Vec<Term> = met.collect();
        // Nobody can ask for every name that an include with macros may lead to.
        let any_record = met.iter().filter(|term| term.leads_to_any_record());
        unseen.extend(any_record.map(|term| term.answered_below(&of)));
        let targets: Vec<Target> = met.iter().filter_map(|term| term.target(&of)).collect();
        for target in targets {
            let (name, types) = match target {
                Target::Record(name) => {
                    if reached.len() < RECORDS_MAX && reached.insert(name.clone()) {
                        open.push(name);
                    }
                    continue;
                }
                Target::Exchanges(name) => (name, vec![RrType::MX]),
                Target::Addresses(name) => (name, vec![RrType::A, RrType::AAAA]),
            };
            for rtype in types {
                let key = RrKey::new(name.clone(), rtype);
                if matches!(look_up(&key), Outside::Unknown(_)) {
                    unseen.extend(leaves_at(&key));
                }
            }
        }
    }
    unseen.into_iter().collect()
}
