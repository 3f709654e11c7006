//! `authenticated`: mail that may be in flight passes SPF and has a DKIM key that verifies it, as
//! far as its sender declares them; and what a domain's record authorises today still passes.
//!
//! DMARC (RFC 9989) needs only one of the two. A plan cannot rely on that: receivers refuse mail by
//! an SPF `-all` before they look at a signature, and forwarding breaks SPF but not DKIM. So each
//! has to hold by itself, for every address that a sender's terms name, and for each of its
//! selectors: the sender chooses.
//!
//! If a host of the move declares no sender, it is unknown where its mail comes from. A domain that
//! does not move, and a host that mail leaves, send from wherever the current record lets them.
//!
//! For DMARC, SPF counts only if the domain of the envelope's sender is aligned. Nothing that is seen
//! or declared says which domain that is, so the verdict lists it for a new sender without a key.
//!
//! A host's mail can be in flight until `queue_life` after people have stopped sending through it;
//! any other sender's mail can always be in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use cutover_zone::{Name, RrKey, RrSet, RrType};

use crate::intent::{Host, Sender};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::spf_view::{
    Edges, Source, evaluated, is_accepted, matches_no_more, may_refuse, may_refuse_today, passes,
    sources,
};
use crate::proof::view::{Choice, View};
use cutover_mail::spf::{Outcome, SpfRecord, Target, Term};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

mod aliases;
mod dkim;
mod dmarc;
mod edges;
mod today;

pub use aliases::{end_of, is_changed_with_mail, sender_aliases};
pub use dmarc::dmarc_requires_a_pass;

const ID: &str = "authenticated";
const NOW: Duration = Duration::ZERO;

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let edges = builder.always(("edges", &Name::root(), 0), &|| edges::edges(builder));
    let always = builder.atom(
        What::InFlight {
            by: Fact::Sends,
            of: Subject::Host("every other sender".to_owned()),
            unknown: false,
        },
        Start::Always,
        Vec::new(),
    );
    for (domain, domain_move) in builder.moving() {
        let hosts = [(&domain_move.from, Role::Old), (&domain_move.to, Role::New)];
        let hosts =
            hosts.into_iter().chain(domain_move.others.iter().map(|host| (host, Role::Other)));
        let mut stream = 0;
        for (host, role) in hosts {
            let of = Subject::Host(host.name.clone());
            let in_flight = |builder: &PatternBuilder<'_>| match role == Role::Other
                && !builder.facts.is_stated(Fact::Sends, &of)
            {
                true => vec![always],
                false => builder.facts.in_flight(&of),
            };
            for sender in host.senders.iter().filter(|sender| sender.says_anything()) {
                of_spf(builder, (domain, role), (host, sender), &mut stream, &edges, &in_flight);
                dkim::of_dkim(builder, (domain, role), (host, sender), &mut stream, &in_flight);
            }
            // It is unknown where the mail of a sender comes from that declares nothing.
            let declares_nothing = |sender: &Sender| !sender.says_anything();
            let has_undeclared = match role {
                Role::New => host.senders.is_empty() || host.senders.iter().any(declares_nothing),
                Role::Other => host.senders.iter().any(declares_nothing),
                // What passes today still passes, whoever sends it.
                Role::Old => false,
            };
            if has_undeclared {
                undeclared(builder, domain, host, &in_flight);
            }
        }
        today::still_passes(builder, domain, Some(domain_move), &edges);
    }
    let moving: BTreeSet<&Name> = builder.moving().map(|(name, _)| name).collect();
    let changing =
        builder.always(("changing-records", &Name::root(), 0), &|| changing_records(builder));
    for domain in changing.iter().filter(|name| !moving.contains(name)) {
        today::still_passes(builder, domain, None, &edges);
    }
    let is_known = |name: &Name| moving.contains(name) || changing.contains(name);
    aliases::led_elsewhere(builder, &is_known, &edges);
    dkim::keys_in_use(builder);
    dmarc::stricter_policies(builder);
}

/// The role of a host in a move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Mail leaves it.
    Old,
    /// Mail moves to it.
    New,
    /// It sends as the domain, before and after the move.
    Other,
}

/// The mail of a sender that comes through a single SPF term.
struct Stream<'s> {
    domain: &'s Name,
    host: &'s Host,
    sender: &'s Sender,
    sources: &'s BTreeSet<Source>,
    term: Term,
}

/// The sources of mail, by the term that authorises them.
type ByTerm = BTreeMap<String, BTreeSet<Source>>;

/// The sources of a sender's mail.
struct Streams {
    /// Over the course of the plan.
    by_term: ByTerm,
    /// In the end.
    after: ByTerm,
}

/// The sources of mail that a sender's terms authorise.
fn streams(
    builder: &PatternBuilder<'_>,
    (domain, role): (&Name, Role),
    terms: &str,
    edges: &Edges,
) -> Streams {
    let terms = SpfRecord::of_terms(terms).named(domain, domain).terms;
    let snapshot = builder.draft().snapshot;
    let before = sources(&terms, domain, snapshot, edges);
    let end = std::sync::Arc::clone(&builder.end);
    let after = sources(&terms, domain, &end, edges);
    let mut by_term = match role {
        Role::Old => before,
        // It sends from wherever its names lead today, except from addresses of the old host.
        Role::New => {
            let mut both = after.clone();
            let parties = builder.parties();
            let own = |source: &Source| match source {
                Source::Address(ip) => !parties.has(Side::From, *ip),
                Source::ViaTerm(..) => true,
            };
            for (term, more) in &before {
                let target = Term::new(term).target(domain);
                if matches!(target, Some(Target::Record(_) | Target::Addresses(_))) {
                    let more = more.iter().filter(|source| own(source)).cloned();
                    both.entry(term.clone()).or_default().extend(more);
                }
            }
            both
        }
        // A sender that stays has its current addresses until somebody says otherwise, and also
        // those of the end.
        Role::Other => {
            let mut both = before;
            for (term, more) in &after {
                both.entry(term.clone()).or_default().extend(more.iter().cloned());
            }
            both
        }
    };
    if role == Role::Old {
        of_old_exchanges(builder, domain, &terms, edges, &mut by_term);
    }
    // A term that leads nowhere authorises nobody: it is unknown where the mail comes from.
    for (term, sources) in &mut by_term {
        if sources.is_empty() {
            sources.insert(Source::ViaTerm(domain.clone(), term.clone(), None));
        }
    }
    Streams { by_term, after }
}

/// Mail of a sender that declares SPF terms: every address of each term.
fn of_spf(
    builder: &mut PatternBuilder<'_>,
    (domain, role): (&Name, Role),
    (host, sender): (&Host, &Sender),
    stream: &mut usize,
    edges: &Edges,
    in_flight: &dyn Fn(&PatternBuilder<'_>) -> Vec<usize>,
) {
    let Some(spf) = &sender.spf else { return };
    let label = ("streams", domain, *stream);
    let found = builder.always(label, &|| streams(builder, (domain, role), &spf.value, edges));
    let Streams { by_term, after } = &*found;
    for (term, sources) in by_term {
        let of = Stream { domain, host, sender, sources, term: Term::new(term) };
        *stream += 1;
        let number = *stream;
        if role == Role::New {
            let via_term = of.sources.iter().filter_map(|source| match source {
                Source::ViaTerm(owner, term, _) => Some((owner.clone(), Term::new(term))),
                Source::Address(_) => None,
            });
            for (owner, term) in via_term.filter(|(_, term)| term.hangs_on_the_client()) {
                on_the_client(builder, &of, (&owner, &term), &in_flight(builder));
            }
        }
        if edges.refuse_by_name() {
            let who = format!("`{}` sends as {domain} (`{}`)", host.name, sender.name);
            let from = From { domain, id: format!("{}/{}", host.name, sender.name), who };
            let all = of.sources.iter().filter_map(|source| match source {
                Source::Address(ip) => Some(*ip),
                Source::ViaTerm(..) => None,
            });
            let usual = in_flight(builder);
            may_be_refused(builder, &from, (all.collect(), role == Role::New, number), &usual);
        }
        // A new sender has to pass. For current senders, a domain that says nothing refuses
        // nothing.
        let is_fine = if role == Role::New { passes } else { is_accepted };
        // Most addresses of a record pass by the same term. They are looked at one by one only if
        // that term does not pass all of them.
        let all = |view: &View<'_>| {
            let via_term = Source::ViaTerm(domain.clone(), of.term.to_string(), None);
            is_fixed(view, &of.term, domain) && is_fine(view, domain, &via_term)
        };
        let some_fails = {
            let fails = |view: &View<'_>| {
                let ok = all(view) || of.sources.iter().all(|source| is_fine(view, domain, source));
                (!ok).then_some(())
            };
            let label = ("spf", domain, number << 16);
            let found = builder.cases(ID, label, &fails);
            !found.is_empty()
        };
        if !some_fails {
            continue;
        }
        let usual = in_flight(builder);
        for (place, source) in of.sources.iter().enumerate() {
            let found = {
                let fails = |view: &View<'_>| (!is_fine(view, domain, source)).then_some(());
                builder.cases(ID, ("spf", domain, (number << 16) + place + 1), &fails)
            };
            let harm = spf_harm(&of, source);
            // An address that the sender no longer has in the end: nobody says when it stops
            // sending from there.
            let goes =
                role != Role::Old && !after.get(term).is_some_and(|all| all.contains(source));
            let in_flight = match goes {
                true => builder.facts.in_flight(&Subject::Name(domain.clone())),
                false => usual.clone(),
            };
            for (choice, ()) in found.iter() {
                for atom in &in_flight {
                    builder.forbid(ID, (choice, NOW), &[*atom], &harm);
                }
            }
        }
    }
}

/// A set of mail, for messages.
struct From<'f> {
    domain: &'f Name,
    /// For the id of a harm.
    id: String,
    /// For a sentence, after `mail that`.
    who: String,
}

/// Terms that may match mail and refuse it, as somebody outside decides: nobody can tell in
/// advance. A term that could do so today, and as far as is known does not, still does not; except
/// for mail that is sent for the first time.
fn may_be_refused(
    builder: &mut PatternBuilder<'_>,
    from: &From<'_>,
    (sources, is_new, number): (Vec<IpAddr>, bool, usize),
    in_flight: &[usize],
) {
    let From { domain, id, who } = from;
    let open = |view: &View<'_>| -> Vec<(Name, String)> {
        sources.iter().flat_map(|ip| newly_open(view, domain, *ip, is_new)).collect()
    };
    let all = builder.met(ID, ("may-refuse", domain, number << 16), &open);
    for (place, term) in all.iter().enumerate() {
        let (owner, text) = term;
        let by = Subject::Name(Term::new(text).answered_below(owner));
        let harm = Harm::new(
            format!("{ID}/{}/{id}/refused-by/{text}", shown(domain)),
            format!(
                "mail that {who} is refused by `{text}` in the SPF record of {owner} if that matches its address, and nobody can tell that in advance"
            ),
            format!(
                "remove the term; or, if it never matches, {}",
                builder.statement(Fact::Published, &by, Value::True, "")
            ),
        );
        let met = |view: &View<'_>| open(view).contains(term).then_some(());
        let found = builder.cases(ID, ("may-refuse", domain, (number << 16) + place + 1), &met);
        for bad in builder.facts.having(Fact::Published, &by, Value::False) {
            for (choice, ()) in found.iter() {
                for atom in in_flight {
                    builder.forbid(ID, (choice, NOW), &[bad, *atom], &harm);
                }
            }
        }
    }
}

/// The terms that may refuse mail from an address, each with the domain of its record, and could not
/// do so today if it is not sent for the first time.
fn newly_open(
    view: &View<'_>,
    domain: &Name,
    ip: IpAddr,
    is_new: bool,
) -> impl Iterator<Item = (Name, String)> {
    let mut now = may_refuse(view, domain, ip);
    if !is_new {
        let today = may_refuse_today(view, domain, ip);
        now.retain(|open| {
            let (of, term) = (&open.0, Term::new(&open.1));
            !(today.contains(open) && matches_no_more(view, (of, domain), &term))
        });
    }
    now.into_iter().map(|(owner, text, _)| (owner, text))
}

/// A term whose matches only its publisher knows: it has to pass the new host's mail.
fn on_the_client(
    builder: &mut PatternBuilder<'_>,
    of: &Stream<'_>,
    (owner, term): (&Name, &Term),
    in_flight: &[usize],
) {
    let Stream { domain, host, sender, .. } = of;
    let by = Subject::Name(term.answered_below(owner));
    let harm = Harm::new(
        format!("{ID}/{}/{}/{}/client/{term}", shown(domain), host.name, sender.name),
        format!(
            "mail that `{}` sends as {domain} (`{}`) passes SPF only if `{term}` matches its address, and nobody can tell that in advance",
            host.name, sender.name
        ),
        builder.statement(Fact::Published, &by, Value::True, ""),
    );
    for bad in builder.facts.having(Fact::Published, &by, Value::False) {
        for atom in in_flight {
            builder.forbid(ID, (&Choice::new(), NOW), &[bad, *atom], &harm);
        }
    }
}

/// For the old host's mail, `mx` means its exchanges, wherever the MX records lead now.
fn of_old_exchanges(
    builder: &PatternBuilder<'_>,
    domain: &Name,
    terms: &[Term],
    edges: &Edges,
    found: &mut ByTerm,
) {
    for term in terms {
        let Some(Target::Exchanges(of)) = term.target(domain) else { continue };
        let moves = builder.moving().filter(|(name, _)| **name == of);
        for exchange in moves.flat_map(|(_, domain_move)| &domain_move.from.exchanges) {
            let a = Term::new(&format!("a:{}", shown(&exchange.name.value)));
            let snapshot = builder.draft().snapshot;
            let live = sources(&[a], domain, snapshot, edges).into_values().flatten();
            let given = exchange.addresses.iter().copied().map(Source::Address);
            let known = live.filter(|source| matches!(source, Source::Address(_)));
            found.entry(term.to_string()).or_default().extend(known.chain(given));
        }
    }
}

fn spf_harm(of: &Stream<'_>, source: &Source) -> Harm {
    let Stream { domain, host, sender, .. } = of;
    let from = match source {
        Source::Address(ip) => format!("from {ip}"),
        Source::ViaTerm(_, term, _) => format!("from where `{term}` leads"),
    };
    Harm::new(
        format!("{ID}/{}/{}/{}/spf/{source}", shown(domain), host.name, sender.name),
        format!(
            "mail that `{}` sent as {domain} (`{}`) {from} fails SPF: receivers that obey `-all`, or DMARC, refuse it",
            host.name, sender.name
        ),
        format!(
            "publish the SPF terms of `{}` before it sends, and keep them until its last message has arrived",
            host.name
        ),
    )
}

/// Whether everything that a term leads to stays the same throughout the plan.
fn is_fixed(view: &View<'_>, term: &Term, domain: &Name) -> bool {
    match term.target(domain) {
        None => true,
        Some(Target::Addresses(_) | Target::Exchanges(_)) => false,
        Some(Target::Record(name)) => {
            let key = RrKey::new(name.clone(), RrType::TXT);
            view.is_constant(&key)
                && match view.look_up(&key) {
                    Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).all(|r| {
                        let r = r.named(&name, domain);
                        r.terms.iter().all(|term| {
                            term.network().is_some() || term.is_all() || !term.costs_lookup()
                        })
                    }),
                    Outside::Absent | Outside::Unknown(_) => false,
                }
        }
    }
}

/// Mail of a host that declares no sender: it is unknown where it comes from.
fn undeclared(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    host: &Host,
    in_flight: &dyn Fn(&PatternBuilder<'_>) -> Vec<usize>,
) {
    let found = {
        let fails = |view: &View<'_>| {
            // Without a record nobody refuses it, except by a DMARC policy that requires either.
            let refused = || dmarc::strictness(domain, &|key| view.look_up(key))[0] > 0;
            let is_ok = |ip| {
                let outcome = evaluated(view, domain, ip).outcome;
                outcome == Outcome::Pass || (outcome == Outcome::None && !refused())
            };
            (!view.nobody().into_iter().all(is_ok)).then_some(())
        };
        builder.cases(ID, ("undeclared", domain, 0), &fails)
    };
    let in_flight = in_flight(builder);
    let of = Subject::Host(host.name.clone());
    let harm = Harm::new(
        format!("{ID}/{}/{}/undeclared", shown(domain), host.name),
        format!(
            "mail that `{}` sends as {domain} comes from unknown addresses, and fails SPF",
            host.name
        ),
        format!(
            "declare under `senders:` what `{}` sends with; if it sends nothing, {}",
            host.name,
            builder.statement(Fact::Sends, &of, Value::False, "")
        ),
    );
    for (choice, ()) in found.iter() {
        for atom in &in_flight {
            builder.forbid(ID, (choice, NOW), &[*atom], &harm);
        }
    }
}

/// The names whose SPF records the plan can change, directly or by what they lead to.
fn changing_records(builder: &PatternBuilder<'_>) -> BTreeSet<Name> {
    let draft = builder.draft();
    let rrsets = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let has = |rrset: &RrSet| rrset.rdata().iter().any(|r| SpfRecord::of_rdata(r).is_some());
    let texts = rrsets.filter(|(key, rrset)| key.rtype == RrType::TXT && has(rrset));
    // A record whose terms all name addresses changes only by itself.
    let leads = |rrset: &RrSet| {
        let leads = |record: SpfRecord| record.terms.iter().any(Term::costs_lookup);
        rrset.rdata().iter().filter_map(SpfRecord::of_rdata).any(leads)
    };
    let live = texts.filter(|(_, rrset)| leads(rrset)).map(|(key, _)| key);
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let changes = changes.filter(|change| {
        let rrsets = [&change.before, &change.after];
        change.key.rtype == RrType::TXT && rrsets.into_iter().flatten().any(has)
    });
    // Nobody sends as a name that is not a host's (RFC 5321 §2.3.5): such records exist to be
    // included.
    let is_domain = |name: &&Name| !name.labels().any(|label| label.first() == Some(&b'_'));
    let names = live.chain(changes.map(|change| &change.key)).map(|key| &key.name);
    names.filter(is_domain).cloned().collect()
}
