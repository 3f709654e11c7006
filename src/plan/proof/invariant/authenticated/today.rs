//! What the current SPF records let pass: somebody may rely on it, declared or not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_zone::{Name, RrKey, RrType};

use super::{From, ID, NOW, may_be_refused, of_old_exchanges};
use crate::intent::{DomainMove, Host, Sender};
use crate::observe::Snapshot;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::draft::touched_by;
use crate::proof::parties::Side;
use crate::proof::pattern::Harm;
use crate::proof::spf_view::{
    Edges, Source, evaluated, evaluated_today, is_accepted, is_host, is_of_address,
    receivers_differ_today, sources,
};
use crate::proof::view::View;
use cutover_mail::spf::{Outcome, SpfRecord, Term};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

mod refused;
mod undecided;

/// What the current record lets pass and no sender of the move declares: somebody may rely on it.
pub(super) fn still_passes(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) {
    all_others(builder, domain, domain_move);
    of_the_client(builder, domain, domain_move, edges);
    if edges.refuse_by_name() {
        all_sources_today(builder, domain, domain_move, edges);
    }
    if edges.refuse_some() {
        refused::newly_refused(builder, domain, domain_move, edges);
    }
    if edges.are_open() || receivers_differ_today(builder.library, domain) {
        undecided::undecided(builder, domain, domain_move, edges);
    }
    let rest = builder.always(("undeclared-today", domain, 0), &|| {
        undeclared_today(builder, domain, domain_move, edges)
    });
    if rest.is_empty() {
        return;
    }
    let of = sends_today(domain, domain_move);
    let rest: Vec<&Source> = rest.iter().collect();
    let failing = |builder: &PatternBuilder<'_>, number: usize, sources: &[&Source]| {
        let fails = |view: &View<'_>| {
            sources.iter().any(|source| !is_accepted(view, domain, source)).then_some(())
        };
        builder.cases(ID, ("today", domain, number), &fails)
    };
    if failing(builder, 0, &rest).is_empty() {
        return;
    }
    for (place, source) in rest.iter().enumerate() {
        let found = failing(builder, place + 1, &[*source]);
        let of = match source {
            Source::Address(ip) => sends_from(builder, *ip, domain_move, &of),
            Source::ViaTerm(..) => of.clone(),
        };
        let harm = Harm::new(
            format!("{ID}/{}/today/spf/{source}", shown(domain)),
            format!(
                "mail as {domain} from {source}, which its SPF record lets pass today, fails SPF: nobody says that nothing is sent from there"
            ),
            format!(
                "leave the term in the record, or declare its sender at a host; if nothing is sent from there, {}",
                builder.statement(Fact::Sends, &of, Value::False, "")
            ),
        );
        // A source that already fails today, and was only authorised by a term that follows
        // another, fails anyway.
        for (choice, ()) in found.iter().filter(|(choice, ())| !choice.is_empty()) {
            for atom in builder.facts.in_flight(&of) {
                builder.forbid(ID, (choice, NOW), &[atom], &harm);
            }
        }
    }
}

/// Mail from any source that the current record does not refuse, but another record may.
fn all_sources_today(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) {
    let snapshot = builder.draft().snapshot;
    let terms: Vec<Term> = records_at(snapshot, domain)
        .first()
        .map_or(Vec::new(), |live| live.terms_that_count().cloned().collect());
    let found = sources(&terms, domain, snapshot, edges).into_values().flatten();
    let addresses = found.filter_map(|source| match source {
        Source::Address(ip) => Some(ip),
        Source::ViaTerm(..) => None,
    });
    let all: BTreeSet<IpAddr> = addresses.chain(builder.library.nobody()).collect();
    let of = sends_today(domain, domain_move);
    let from = From { domain, id: "today".to_owned(), who: format!("is sent as {domain}") };
    let in_flight = builder.facts.in_flight(&of);
    may_be_refused(builder, &from, (all.into_iter().collect(), false, 0), &in_flight);
}

/// What the terms lead to that depend on the client: nobody can tell whose mail passes by which of
/// the records there, so each has to keep its current answer.
fn of_the_client(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) {
    let draft = builder.draft();
    let snapshot = draft.snapshot;
    let via_term = |terms: &[Term]| -> BTreeSet<(Name, String)> {
        let all = sources(terms, domain, snapshot, edges).into_values().flatten();
        all.filter_map(|source| match source {
            Source::ViaTerm(of, term, _) if Term::new(&term).hangs_on_the_client() => {
                Some((of, term))
            }
            Source::ViaTerm(..) | Source::Address(_) => None,
        })
        .collect()
    };
    let live: Vec<Term> = records_at(snapshot, domain)
        .first()
        .map_or(Vec::new(), |live| live.terms_that_count().cloned().collect());
    let all = via_term(&live);
    if all.is_empty() {
        return;
    }
    // Whose mail it is. The new host's own terms are judged separately.
    let hosts = domain_move
        .into_iter()
        .flat_map(|domain_move| [&domain_move.from].into_iter().chain(&domain_move.others));
    let declared: Vec<(&Host, BTreeSet<(Name, String)>)> =
        hosts.map(|host| (host, via_term(&terms_of(host, domain)))).collect();
    for (number, (owner, text)) in all.iter().enumerate() {
        let term = Term::new(text);
        let below = term.answered_below(owner);
        // Whoever has a name in DNS for its address is a host.
        let of_hosts = term.is_of_host_names();
        let owned = || draft.owned().map(|key| &key.name);
        let names = owned()
            .filter(|name| name.is_at_or_below(&below) && (!of_hosts || is_host(name)))
            .flat_map(|owner| touched_by(owner, &below).into_iter().map(move |name| (name, owner)))
            .map(|(name, owner)| (name, (owner, term.asks_for())));
        // And the names that an address has, which lead back to it (RFC 7208 §5.5).
        let asks_names = term.asks_names_of_addresses();
        let pointers = owned()
            .filter(|name| asks_names && is_of_address(name))
            .map(|name| (name.clone(), (name, [RrType::PTR].as_slice())));
        let hosts = owned()
            .filter(|name| asks_names && !of_hosts && is_host(name))
            .map(|name| (name.clone(), (name, [RrType::A, RrType::AAAA].as_slice())));
        let names: BTreeMap<Name, (&Name, &[RrType])> =
            names.chain(pointers).chain(hosts).collect();
        let senders: Vec<Subject> = declared
            .iter()
            .filter(|(_, terms)| terms.contains(&(owner.clone(), text.clone())))
            .map(|(host, _)| Subject::Host(host.name.clone()))
            .collect();
        let senders =
            if senders.is_empty() { vec![sends_today(domain, domain_move)] } else { senders };
        for (place, (name, (owner, asks_for))) in names.into_iter().enumerate() {
            let asks_existence = term.is_existence() && asks_for == term.asks_for();
            let keys: Vec<RrKey> =
                asks_for.iter().map(|rtype| RrKey::new(name.clone(), *rtype)).collect();
            let changed = |view: &View<'_>| {
                // An `exists` asks only whether there is a record.
                let is_other = |key: &RrKey| match (view.live(key), view.look_up(key)) {
                    (Outside::Absent, _) => false,
                    (Outside::Records(_), Outside::Records(_)) if asks_existence => false,
                    (live, now) => live != now,
                };
                keys.iter().any(is_other).then_some(())
            };
            let own = Subject::Name(owner.clone());
            // Of a name with an SPF record of its own it says who sends as that name.
            let is_told = !term.leads_to_any_record();
            let harm = Harm::new(
                format!("{ID}/{}/today/client/{text}/{}", shown(domain), shown(&name)),
                format!(
                    "mail as {domain} passes SPF by `{text}` today, which may lead to {name}: what is found there changes, and nobody can tell whose mail fails"
                ),
                format!(
                    "leave {owner} as it is until nobody sends by it; if nobody does, {}",
                    builder.statement(
                        Fact::Sends,
                        if is_told { &own } else { &senders[0] },
                        Value::False,
                        ""
                    )
                ),
            );
            let found =
                builder.cases(ID, ("of-the-client", domain, (number << 16) + place), &changed);
            let bad = |builder: &PatternBuilder<'_>| -> Vec<usize> {
                match is_told && builder.facts.is_stated(Fact::Sends, &own) {
                    true => builder.facts.in_flight(&own),
                    false => senders.iter().flat_map(|of| builder.facts.in_flight(of)).collect(),
                }
            };
            builder.forbid_each(ID, (&found, NOW), &bad, &harm);
        }
    }
}

/// The sender of mail that the current record lets pass and nobody declares: a host that mail
/// leaves and that declares no sender, or otherwise anybody.
fn sends_today(domain: &Name, domain_move: Option<&DomainMove>) -> Subject {
    match domain_move
        .filter(|domain_move| !domain_move.from.senders.iter().any(Sender::says_anything))
    {
        Some(domain_move) => Subject::Host(domain_move.from.name.clone()),
        None => Subject::Name(domain.clone()),
    }
}

/// The sender of mail from an address: what comes from one of the old host is sent through it.
fn sends_from(
    builder: &PatternBuilder<'_>,
    ip: IpAddr,
    domain_move: Option<&DomainMove>,
    others: &Subject,
) -> Subject {
    match domain_move.filter(|_| builder.parties().has(Side::From, ip)) {
        Some(domain_move) => Subject::Host(domain_move.from.name.clone()),
        None => others.clone(),
    }
}

/// What the current record lets pass and no sender of the move declares.
fn undeclared_today(
    builder: &PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) -> BTreeSet<Source> {
    let snapshot = builder.draft().snapshot;
    let live = records_at(snapshot, domain);
    let Some(live) = live.first() else { return BTreeSet::new() };
    let terms: Vec<Term> = live.terms_that_count().cloned().collect();
    let today = sources(&terms, domain, snapshot, edges).into_values().flatten();
    let declared: BTreeSet<Source> = domain_move.map_or(BTreeSet::new(), |domain_move| {
        let old = terms_of(&domain_move.from, domain);
        let mut found = sources(&old, domain, snapshot, edges);
        of_old_exchanges(builder, domain, &old, edges, &mut found);
        let mut declared: BTreeSet<Source> = found.into_values().flatten().collect();
        // After an earlier run of the plan the new host's addresses pass as well, and caches hold
        // records in which they do not.
        if builder.draft().beginning().is_some() {
            let new = terms_of(&domain_move.to, domain);
            let later = sources(&new, domain, &builder.end, edges);
            declared.extend(later.into_values().flatten());
        }
        for host in &domain_move.others {
            declared.extend(
                sources(&terms_of(host, domain), domain, snapshot, edges).into_values().flatten(),
            );
        }
        declared
    });
    today.filter(|source| !declared.contains(source)).collect()
}

/// Mail from sources that no record names: a record that refuses it, although the current record
/// does not.
fn all_others(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: Option<&DomainMove>) {
    let undeclared = domain_move
        .is_some_and(|domain_move| !domain_move.from.senders.iter().any(Sender::says_anything));
    let worse = |view: &View<'_>, ip: IpAddr| {
        let today = evaluated_today(view, domain, ip).outcome;
        let now = evaluated(view, domain, ip).outcome;
        let worse = match today {
            Outcome::Pass => now != Outcome::Pass,
            // For a host that declares no sender, this is all of its mail.
            Outcome::None if undeclared => !matches!(now, Outcome::Pass | Outcome::None),
            Outcome::None
            | Outcome::Neutral
            | Outcome::SoftFail
            | Outcome::Fail
            | Outcome::PermError
            | Outcome::TempError => is_refused_now(today, now),
        };
        worse.then_some(today)
    };
    let refused = |view: &View<'_>| view.nobody().into_iter().find_map(|ip| worse(view, ip));
    let of = sends_today(domain, domain_move);
    for (choice, today) in builder.cases(ID, ("others", domain, 0), &refused).iter() {
        let harm = Harm::new(
            format!("{ID}/{}/today/spf/others", shown(domain)),
            format!(
                "mail as {domain} from addresses that no record names fails SPF, and does not today ({}): nobody says that nothing is sent from there",
                today
            ),
            format!(
                "leave the end of the record as it is, or declare every sender; if nothing else is sent, {}",
                builder.statement(Fact::Sends, &of, Value::False, "")
            ),
        );
        for atom in builder.facts.in_flight(&of) {
            builder.forbid(ID, (choice, NOW), &[atom], &harm);
        }
    }
}

/// Whether mail that does not pass today is refused now, and is not today.
fn is_refused_now(today: Outcome, now: Outcome) -> bool {
    let is_open = matches!(today, Outcome::None | Outcome::Neutral | Outcome::SoftFail);
    is_open && now == Outcome::Fail
}

/// Whether mail that passes today no longer does, or mail that is not refused today is.
fn is_worse(today: Outcome, now: Outcome) -> bool {
    (today == Outcome::Pass && now != Outcome::Pass) || is_refused_now(today, now)
}

/// The SPF terms that a host declares.
fn terms_of(host: &Host, domain: &Name) -> Vec<Term> {
    let spf = host.senders.iter().filter_map(|sender| sender.spf.as_ref());
    spf.flat_map(|spf| SpfRecord::of_terms(&spf.value).named(domain, domain).terms).collect()
}

fn records_at(at: &Snapshot, name: &Name) -> Vec<SpfRecord> {
    match at.told(&RrKey::new(name.clone(), RrType::TXT)) {
        Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).collect(),
        Outside::Absent | Outside::Unknown(_) => Vec::new(),
    }
}
