//! What nobody could see: a record outside, an `exists` list, the name of a client's address. Whether
//! it matches some mail is for an adversary to say, as long as it does so today and later alike. Mail
//! that passes today in such a story still has to pass in it, and mail that is not refused must not
//! be refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_zone::{Name, RrKey, RrType};

use super::refused::named;
use super::{is_worse, records_at, sends_from, sends_today, terms_of};
use crate::intent::DomainMove;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::invariant::authenticated::{ID, NOW, newly_open, of_old_exchanges};
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::spf_view::{
    Edges, Source, Story, evaluated, evaluated_for_anybody, evaluated_today, is_accepted,
    is_accepted_today, sources, stories,
};
use crate::proof::view::View;
use cutover_mail::spf::{Evaluation, Outcome, Reached, Term};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// Mail that a story makes worse, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worse {
    /// Who sends it.
    of: Subject,
    /// Its address, if a record names it.
    ip: Option<IpAddr>,
    /// The term that decides today, if there is one.
    today: (Outcome, Option<String>),
    /// The term that decides now.
    now: (Outcome, Option<String>),
    /// The names about which the story says something.
    names: String,
    /// What the story needs, in words.
    story: String,
}

/// The senders that a plan declares, by where their mail comes from.
type Declared = BTreeMap<Source, Subject>;

/// Mail that passes or is not refused today, and fails if what nobody could see matches it, or does
/// not. What fails in every story, and what passes by a term whose mail fails anyway, is judged
/// separately.
pub(super) fn undecided(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) {
    let all = builder.always(("named-by-any", domain, 0), &|| {
        let mut all = named(builder, domain, edges);
        all.extend(builder.library.nobody());
        all
    });
    let (declared, new) = builder
        .always(("declared", domain, 0), &|| declared(builder, domain, domain_move, edges))
        .as_ref()
        .clone();
    let others = sends_today(domain, domain_move);
    let via_term = builder.always(("via-term", domain, 0), &|| via_term(builder, domain, edges));
    let find = |builder: &PatternBuilder<'_>, view: &View<'_>| -> Vec<Worse> {
        let mut found = BTreeSet::new();
        for ip in all.iter().copied() {
            // What happens in every story.
            let usual = (evaluated_today(view, domain, ip), evaluated(view, domain, ip));
            if is_worse(usual.0.outcome, usual.1.outcome) {
                continue;
            }
            let is_named = !view.nobody().contains(&ip);
            let from = is_named.then_some(ip);
            let owner = |sources: &[&Source]| {
                let own = Source::Address(ip);
                let known = || sources.iter().copied().chain(from.map(|_| &own));
                let of = known().find_map(|source| declared.get(source)).cloned();
                let of = || of.unwrap_or_else(|| sends_from(builder, ip, domain_move, &others));
                (!known().any(|source| new.contains(source))).then(of)
            };
            let [before, now] = evaluated_for_anybody(view, domain, ip);
            if let Some(of) = owner(&[]).filter(|_| is_worse(before.outcome, now.outcome)) {
                found.insert(Worse {
                    of,
                    ip: from,
                    today: decided(&before, &|key| view.live(key)),
                    now: decided(&now, &|key| view.look_up(key)),
                    names: "anybody".to_owned(),
                    story: "no name in the zones knows its sender".to_owned(),
                });
            }
            let Some(stories) = stories(view, domain, ip, edges.hosts_of()) else {
                found.insert(Worse {
                    of: others.clone(),
                    ip: from,
                    today: (usual.0.outcome, None),
                    now: (usual.1.outcome, None),
                    names: "many".to_owned(),
                    story: "more can be said of it than is checked".to_owned(),
                });
                continue;
            };
            let worse: Vec<&Story> = stories
                .iter()
                .filter(|story| is_worse(story.today.outcome, story.now.outcome))
                .collect();
            // That a term refuses it for the first time may be ruled out by a statement.
            let open: BTreeSet<(Name, String)> = match worse.is_empty() {
                true => BTreeSet::new(),
                false => newly_open(view, domain, ip, false).collect(),
            };
            for story in worse {
                let refuses = |at: &Reached| {
                    let term = at.term.named(&at.domain, domain);
                    open.contains(&(at.domain.clone(), term.to_string()))
                };
                if story.now.path.iter().any(refuses) {
                    continue;
                }
                let path = &story.today.path;
                let met = |(of, term): &(Name, Term)| {
                    path.iter()
                        .any(|at| at.domain == *of && at.term.named(of, domain).same_as(term, of))
                };
                let passes = story.today.outcome == Outcome::Pass;
                let sources: Vec<&Source> = via_term
                    .iter()
                    .filter(|(of, _)| passes && met(of))
                    .map(|(_, source)| source)
                    .collect();
                // What is accepted today, and later not whatever the story is, is reported as such.
                let is_lost = |source: &&Source| {
                    is_accepted_today(view, domain, source) && !is_accepted(view, domain, source)
                };
                if sources.iter().any(is_lost) {
                    continue;
                }
                let Some(of) = owner(&sources) else { continue };
                found.insert(Worse {
                    of,
                    ip: from,
                    today: decided(&story.today, &|key| view.live(key)),
                    now: decided(&story.now, &|key| view.look_up(key)),
                    names: story.names(ip),
                    story: story.needs(ip),
                });
            }
        }
        // What is said of mail from anywhere need not be said of an address.
        let anywhere: BTreeSet<Worse> =
            found.iter().filter(|worse| worse.ip.is_none()).cloned().collect();
        found.retain(|worse| {
            worse.ip.is_none() || !anywhere.contains(&Worse { ip: None, ..worse.clone() })
        });
        found.into_iter().collect()
    };
    let met = {
        let builder = &*builder;
        builder.met(ID, ("undecided", domain, 0), &|view| find(builder, view))
    };
    for (place, worse) in met.iter().enumerate() {
        let cases = {
            let builder = &*builder;
            let is_it = |view: &View<'_>| find(builder, view).contains(worse).then_some(());
            builder.cases(ID, ("undecided", domain, place + 1), &is_it)
        };
        let Worse { of, ip, today, now, names, story } = worse;
        let who = ip.map_or("others".to_owned(), |ip| ip.to_string());
        let from = match ip {
            Some(ip) => format!("from {ip}"),
            None => "from an address that no record names".to_owned(),
        };
        let by = |(outcome, term): &(Outcome, Option<String>)| match term {
            Some(term) => format!("`{outcome}` by `{term}`"),
            None => format!("`{outcome}`"),
        };
        let harm = Harm::new(
            format!("{ID}/{}/today/spf/undecided/{who}/{names}", shown(domain)),
            format!(
                "mail as {domain} {from} gets {} today and {} then, if {story}: nobody can tell in advance, and nobody says that no such mail is sent",
                by(today),
                by(now)
            ),
            format!(
                "leave what the record says of such mail as it is; if no such mail is sent, {}",
                builder.statement(Fact::Sends, of, Value::False, "")
            ),
        );
        let atoms = in_flight(builder, domain_move, of);
        for (choice, ()) in cases.iter().filter(|(choice, ())| !choice.is_empty()) {
            for atom in &atoms {
                builder.forbid(ID, (choice, NOW), &[*atom], &harm);
            }
        }
    }
}

/// Mail of a sender in flight; of a host that only stays, always, unless somebody says otherwise.
fn in_flight(
    builder: &PatternBuilder<'_>,
    domain_move: Option<&DomainMove>,
    of: &Subject,
) -> Vec<usize> {
    let stays = domain_move.is_some_and(|domain_move| {
        domain_move.others.iter().any(|host| Some(host.name.as_str()) == of.host())
    });
    if !stays || builder.facts.is_stated(Fact::Sends, of) {
        return builder.facts.in_flight(of);
    }
    let what = What::InFlight { by: Fact::Sends, of: of.clone(), unknown: false };
    vec![builder.atom(what, Start::Always, Vec::new())]
}

/// The outcome, and the term that decides in a record that somebody has seen.
fn decided(
    evaluation: &Evaluation,
    look_up: &dyn Fn(&RrKey) -> Outside,
) -> (Outcome, Option<String>) {
    let is_seen =
        |of: &Name| !matches!(look_up(&RrKey::new(of.clone(), RrType::TXT)), Outside::Unknown(_));
    let last = evaluation.path.iter().rfind(|at| is_seen(&at.domain));
    (evaluation.outcome, last.map(|at| at.term.to_string()))
}

/// The senders that a plan declares apart from the host that mail moves to, and what comes from that
/// host after an earlier run of the plan.
fn declared(
    builder: &PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) -> (Declared, BTreeSet<Source>) {
    let Some(domain_move) = domain_move else { return (Declared::new(), BTreeSet::new()) };
    let snapshot = builder.draft().snapshot;
    let mut found = Declared::new();
    for host in [&domain_move.from].into_iter().chain(&domain_move.others) {
        let terms = terms_of(host, domain);
        let mut of_host = sources(&terms, domain, snapshot, edges);
        if host.name == domain_move.from.name {
            of_old_exchanges(builder, domain, &terms, edges, &mut of_host);
        }
        for source in of_host.into_values().flatten() {
            found.entry(source).or_insert_with(|| Subject::Host(host.name.clone()));
        }
    }
    let new = match builder.draft().beginning() {
        Some(_) => sources(&terms_of(&domain_move.to, domain), domain, &builder.end, edges),
        None => BTreeMap::new(),
    };
    (found, new.into_values().flatten().collect())
}

/// The terms of today that nobody could follow, each with the mail that passes by it.
fn via_term(
    builder: &PatternBuilder<'_>,
    domain: &Name,
    edges: &Edges,
) -> Vec<((Name, Term), Source)> {
    let snapshot = builder.draft().snapshot;
    let live = records_at(snapshot, domain);
    let terms: Vec<Term> =
        live.first().into_iter().flat_map(|live| live.terms_that_count().cloned()).collect();
    let all: BTreeSet<Source> =
        sources(&terms, domain, snapshot, edges).into_values().flatten().collect();
    let of = |source: Source| match &source {
        Source::ViaTerm(of, term, _) => {
            Some(((of.clone(), Term::new(term).named(of, domain)), source))
        }
        Source::Address(_) => None,
    };
    all.into_iter().filter_map(of).collect()
}
