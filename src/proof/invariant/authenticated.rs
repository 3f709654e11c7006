//! `authenticated`: mail that may be in flight passes SPF and has a DKIM key that verifies it, as far
//! as its sender declares them; and what a domain's record authorises today goes on to pass.
//!
//! DMARC (RFC 9989) is content with one of the two. That is not enough to plan on: receivers refuse
//! mail on an SPF `-all` before they look at a signature, and whoever forwards mail breaks SPF and
//! leaves DKIM alone. So each has to hold for itself, for every address that a sender's terms name,
//! and for every one of its selectors: the sender chooses.
//!
//! A host of the move that declares no sender sends from where nobody knows. A domain that does not
//! move, and a host that mail leaves, send from wherever the record of today lets them.
//!
//! When a sender's mail can be in flight: that of a host until `queue_life` after people have stopped
//! sending through it, that of all others always.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType};

use crate::dkim::KeyRecord;
use crate::fact::{Fact, Subject, Value};
use crate::intent::{DomainMove, Host, Selector, Sender};
use crate::observe::{Outside, Snapshot, is_dkim};
use crate::proof::model::{Bench, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::spf_view::{Edges, Source, evaluated, evaluated_today, is_let, passes, sources};
use crate::proof::view::{Choice, View};
use crate::spf::{Outcome, SpfRecord, Target, Term};

const ID: &str = "authenticated";
const NOW: Duration = Duration::ZERO;
/// "This network" (RFC 1122 §3.2.1.3): nobody sends from there, and no record names it.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(0, 0, 0, 1));

pub(super) fn patterns(bench: &mut Bench<'_>) {
    let edges = edges(bench);
    let always = bench.atom(
        What::InFlight { of: Subject::Host("every other sender".to_owned()), unknown: false },
        Start::Always,
        Vec::new(),
    );
    for (domain, one) in bench.moving() {
        let hosts = [(&one.from, 0), (&one.to, 1)];
        let hosts = hosts.into_iter().chain(one.others.iter().map(|host| (host, 2)));
        let mut stream = 0;
        for (host, part) in hosts {
            let of = Subject::Host(host.name.clone());
            let in_flight = |bench: &Bench<'_>| match part {
                2 if !bench.facts.is_stated(Fact::Sends, &of) => vec![always],
                _ => bench.facts.in_flight(&of),
            };
            for sender in host.senders.iter().filter(|sender| sender.says_anything()) {
                of_spf(bench, (domain, part), (host, sender), &mut stream, &edges, &in_flight);
                of_dkim(bench, (domain, part), (host, sender), &mut stream, &in_flight);
            }
            // Each stream that declares nothing comes from where nobody knows.
            let bare = |sender: &Sender| !sender.says_anything();
            if part == 1 && (host.senders.is_empty() || host.senders.iter().any(bare)) {
                undeclared(bench, domain, host, &in_flight);
            }
        }
        as_today(bench, domain, Some(one), &edges);
    }
    let moving: BTreeSet<&Name> = bench.moving().map(|(name, _)| name).collect();
    for domain in changing_records(bench).into_iter().filter(|name| !moving.contains(name)) {
        as_today(bench, domain, None, &edges);
    }
    keys_in_use(bench);
    stricter_policies(bench);
}

/// Every network that some SPF record names, as seen or in the course of the plan.
fn edges(bench: &Bench<'_>) -> Edges {
    let draft = bench.draft();
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let live = live.filter(|(key, _)| key.rtype == RrType::TXT).map(|(_, rrset)| rrset.rdata());
    let outside = draft.snapshot.outside.values().filter_map(|answer| match answer {
        Outside::Records(records) => Some(&**records),
        Outside::Absent | Outside::Unknown(_) => None,
    });
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let after = changes.filter_map(|change| change.after.as_ref()).map(RrSet::rdata);
    let records = live.chain(outside).chain(after).flatten();
    let declared = draft.intent.moves.iter().flat_map(|one| {
        [&one.from, &one.to].into_iter().chain(&one.others).flat_map(|host| &host.senders)
    });
    let declared = declared.filter_map(|sender| sender.spf.as_ref());
    let declared = declared.map(|spf| SpfRecord::of_terms(&spf.value));
    Edges::of(records.filter_map(SpfRecord::of_rdata).chain(declared))
}

/// Whether a receiver lets all that comes through one term pass, or else what it does not.
struct Stream<'s> {
    domain: &'s Name,
    host: &'s Host,
    sender: &'s Sender,
    sources: BTreeSet<Source>,
    term: Term,
}

/// Mail of a sender that declares SPF terms: every address of each of them.
fn of_spf(
    bench: &mut Bench<'_>,
    (domain, part): (&Name, u8),
    (host, sender): (&Host, &Sender),
    stream: &mut usize,
    edges: &Edges,
    in_flight: &dyn Fn(&Bench<'_>) -> Vec<usize>,
) {
    let Some(spf) = &sender.spf else { return };
    let terms = SpfRecord::of_terms(&spf.value).terms;
    let snapshot = bench.draft().snapshot;
    let before = sources(&terms, domain, snapshot, edges);
    let end = std::sync::Arc::clone(&bench.end);
    let after = sources(&terms, domain, &end, edges);
    let mut streams: BTreeMap<String, BTreeSet<Source>> = match part {
        0 => before,
        // Where the names lead that it sends by, it sends from today: but for those of the old host.
        1 => {
            let mut both = after.clone();
            let parties = bench.parties();
            let own = |source: &Source| match source {
                Source::Address(ip) => !parties.has(Side::From, *ip),
                Source::Behind(..) => true,
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
        // A sender that stays has its addresses of today until somebody says otherwise, and those of
        // the end with them.
        _ => {
            let mut both = before;
            for (term, more) in &after {
                both.entry(term.clone()).or_default().extend(more.iter().cloned());
            }
            both
        }
    };
    if part == 0 {
        of_old_exchanges(bench, domain, &terms, edges, &mut streams);
    }
    // A term that leads nowhere authorises nobody: mail comes from where nobody knows.
    for (term, sources) in &mut streams {
        if sources.is_empty() {
            sources.insert(Source::Behind(domain.clone(), term.clone()));
        }
    }
    for (term, sources) in streams {
        let of = Stream { domain, host, sender, sources, term: Term::new(&term) };
        *stream += 1;
        let number = *stream;
        if part == 1 {
            let behind = of.sources.iter().filter_map(|source| match source {
                Source::Behind(owner, term) => Some((owner.clone(), Term::new(term))),
                Source::Address(_) => None,
            });
            for (owner, term) in behind.filter(|(_, term)| term.hangs_on_the_client()) {
                on_the_client(bench, &of, (&owner, &term), &in_flight(bench));
            }
        }
        // What shall send passes; of what sends today, a domain that says nothing refuses nothing.
        let is_well = if part == 1 { passes } else { is_let };
        // Most of a record's addresses pass by the same term: those are looked at one by one only
        // where that term does not do for all of them.
        let all = |view: &View<'_>| {
            let behind = Source::Behind(domain.clone(), of.term.to_string());
            is_fixed(view, &of.term, domain) && is_well(view, domain, &behind)
        };
        let some_fails = {
            let fails = |view: &View<'_>| {
                let ok = all(view) || of.sources.iter().all(|source| is_well(view, domain, source));
                (!ok).then_some(())
            };
            let label = ("spf", domain, number << 16);
            let found = bench.cases(ID, label, &fails);
            !found.is_empty()
        };
        if !some_fails {
            continue;
        }
        let usual = in_flight(bench);
        for (place, source) in of.sources.iter().enumerate() {
            let found = {
                let fails = |view: &View<'_>| (!is_well(view, domain, source)).then_some(());
                bench.cases(ID, ("spf", domain, (number << 16) + place + 1), &fails)
            };
            let harm = spf_harm(&of, source);
            // An address that a sender has no longer in the end: nobody says when it stops to send
            // from there.
            let goes = part != 0 && !after.get(&term).is_some_and(|all| all.contains(source));
            let in_flight = match goes {
                true => bench.facts.in_flight(&Subject::Name(domain.clone())),
                false => usual.clone(),
            };
            for (choice, ()) in found.iter() {
                for atom in &in_flight {
                    bench.forbid(ID, (choice, NOW), &[*atom], &harm);
                }
            }
        }
    }
}

/// A term of which only its publisher says whom it lets pass: the new host's mail, if so it is.
fn on_the_client(
    bench: &mut Bench<'_>,
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
        bench.statement(Fact::Published, &by, Value::True, ""),
    );
    for bad in bench.facts.having(Fact::Published, &by, Value::False) {
        for atom in in_flight {
            bench.forbid(ID, (&Choice::new(), NOW), &[bad, *atom], &harm);
        }
    }
}

/// `mx` means the exchanges of the old host for its mail, wherever the MX records lead now.
fn of_old_exchanges(
    bench: &Bench<'_>,
    domain: &Name,
    terms: &[Term],
    edges: &Edges,
    found: &mut BTreeMap<String, BTreeSet<Source>>,
) {
    for term in terms {
        let Some(Target::Exchanges(of)) = term.target(domain) else { continue };
        let moves = bench.moving().filter(|(name, _)| **name == of);
        for exchange in moves.flat_map(|(_, one)| &one.from.exchanges) {
            let a = Term::new(&format!("a:{}", shown(&exchange.name.value)));
            let snapshot = bench.draft().snapshot;
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
        Source::Behind(_, term) => format!("from where `{term}` leads"),
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

/// Whether all that a term leads to is the same throughout the plan.
fn is_fixed(view: &View<'_>, term: &Term, domain: &Name) -> bool {
    match term.target(domain) {
        None => true,
        Some(Target::Addresses(_) | Target::Exchanges(_)) => false,
        Some(Target::Record(name)) => {
            let key = RrKey::new(name.clone(), RrType::TXT);
            view.is_constant(&key)
                && match view.look_up(&key) {
                    Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).all(|r| {
                        r.terms.iter().all(|term| {
                            term.network().is_some() || term.is_all() || !term.costs_lookup()
                        })
                    }),
                    Outside::Absent | Outside::Unknown(_) => false,
                }
        }
    }
}

/// Mail of a host that declares no sender: it comes from where nobody knows.
fn undeclared(
    bench: &mut Bench<'_>,
    domain: &Name,
    host: &Host,
    in_flight: &dyn Fn(&Bench<'_>) -> Vec<usize>,
) {
    let found = {
        let fails = |view: &View<'_>| {
            let outcome = evaluated(view, domain, NOBODY).outcome;
            // Without a record nobody refuses it, but for a DMARC policy that wants either.
            let refused = || strictness(domain, &|key| view.look_up(key))[0] > 0;
            let ok = outcome == Outcome::Pass || (outcome == Outcome::None && !refused());
            (!ok).then_some(())
        };
        bench.cases(ID, ("undeclared", domain, 0), &fails)
    };
    let in_flight = in_flight(bench);
    let of = Subject::Host(host.name.clone());
    let harm = Harm::new(
        format!("{ID}/{}/{}/undeclared", shown(domain), host.name),
        format!(
            "mail that `{}` sends as {domain} comes from where nobody says, and fails SPF",
            host.name
        ),
        format!(
            "declare what `{}` sends with under `senders:`; where it sends nothing, {}",
            host.name,
            bench.statement(Fact::Sends, &of, Value::False, "")
        ),
    );
    for (choice, ()) in found.iter() {
        for atom in &in_flight {
            bench.forbid(ID, (choice, NOW), &[*atom], &harm);
        }
    }
}

/// What the record of today lets pass, and no sender of the move declares: somebody may rely on it.
fn as_today(bench: &mut Bench<'_>, domain: &Name, one: Option<&DomainMove>, edges: &Edges) {
    let snapshot = bench.draft().snapshot;
    let live = records_at(snapshot, domain);
    all_others(bench, domain, one);
    let Some(live) = live.first() else { return };
    let terms: Vec<Term> = live.terms_that_count().cloned().collect();
    let today: BTreeSet<Source> =
        sources(&terms, domain, snapshot, edges).into_values().flatten().collect();
    // Of a host that mail leaves, and that declares no sender, it is what it sends from.
    let of_old = one.filter(|one| !one.from.senders.iter().any(Sender::says_anything));
    let declared: BTreeSet<Source> = one.map_or(BTreeSet::new(), |one| {
        let terms = |host: &Host| -> Vec<Term> {
            let spf = host.senders.iter().filter_map(|sender| sender.spf.as_ref());
            spf.flat_map(|spf| SpfRecord::of_terms(&spf.value).terms).collect()
        };
        let old = terms(&one.from);
        let mut found = sources(&old, domain, snapshot, edges);
        of_old_exchanges(bench, domain, &old, edges, &mut found);
        let mut declared: BTreeSet<Source> = found.into_values().flatten().collect();
        // What the new host's terms mean today is the old one's.
        let later = sources(&terms(&one.to), domain, &bench.end, edges);
        declared.extend(later.into_values().flatten());
        for host in &one.others {
            declared.extend(sources(&terms(host), domain, snapshot, edges).into_values().flatten());
        }
        declared
    });
    let of = match of_old {
        Some(one) => Subject::Host(one.from.name.clone()),
        None => Subject::Name(domain.clone()),
    };
    let rest: Vec<&Source> = today.iter().filter(|source| !declared.contains(source)).collect();
    if rest.is_empty() {
        return;
    }
    let failing = |bench: &Bench<'_>, number: usize, sources: &[&Source]| {
        let fails = |view: &View<'_>| {
            sources.iter().any(|source| !is_let(view, domain, source)).then_some(())
        };
        bench.cases(ID, ("today", domain, number), &fails)
    };
    if failing(bench, 0, &rest).is_empty() {
        return;
    }
    for (place, source) in rest.iter().enumerate() {
        let found = failing(bench, place + 1, &[*source]);
        let harm = Harm::new(
            format!("{ID}/{}/today/spf/{source}", shown(domain)),
            format!(
                "mail as {domain} from {source}, which its SPF record lets pass today, fails SPF: nobody says that nothing is sent from there"
            ),
            format!(
                "leave the term in the record, or declare its sender at a host; where nothing is sent from there, {}",
                bench.statement(Fact::Sends, &of, Value::False, "")
            ),
        );
        // What fails today, and was only authorised by a term behind another, fails for itself.
        for (choice, ()) in found.iter().filter(|(choice, ())| !choice.is_empty()) {
            for atom in bench.facts.in_flight(&of) {
                bench.forbid(ID, (choice, NOW), &[atom], &harm);
            }
        }
    }
}

/// Mail from where no record names: a record that refuses it, where that of today does not.
fn all_others(bench: &mut Bench<'_>, domain: &Name, one: Option<&DomainMove>) {
    let undeclared = one.is_some_and(|one| !one.from.senders.iter().any(Sender::says_anything));
    let refused = |view: &View<'_>| {
        let today = evaluated_today(view, domain, NOBODY).outcome;
        let now = evaluated(view, domain, NOBODY).outcome;
        let worse = match today {
            Outcome::Pass => now != Outcome::Pass,
            // Of a host that declares no sender, this is all of its mail.
            Outcome::None if undeclared => !matches!(now, Outcome::Pass | Outcome::None),
            Outcome::None | Outcome::Neutral | Outcome::SoftFail => now == Outcome::Fail,
            Outcome::Fail | Outcome::PermError | Outcome::TempError => false,
        };
        worse.then_some(today)
    };
    let of = match one.filter(|one| !one.from.senders.iter().any(Sender::says_anything)) {
        Some(one) => Subject::Host(one.from.name.clone()),
        None => Subject::Name(domain.clone()),
    };
    for (choice, today) in bench.cases(ID, ("others", domain, 0), &refused).iter() {
        let harm = Harm::new(
            format!("{ID}/{}/today/spf/others", shown(domain)),
            format!(
                "mail as {domain} from where no record names fails SPF, and does not today ({}): nobody says that nothing is sent from there",
                today
            ),
            format!(
                "leave the end of the record as it is, or declare every sender; where nothing else is sent, {}",
                bench.statement(Fact::Sends, &of, Value::False, "")
            ),
        );
        for atom in bench.facts.in_flight(&of) {
            bench.forbid(ID, (choice, NOW), &[atom], &harm);
        }
    }
}

fn records_at(at: &Snapshot, name: &Name) -> Vec<SpfRecord> {
    match at.told(&RrKey::new(name.clone(), RrType::TXT)) {
        Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).collect(),
        Outside::Absent | Outside::Unknown(_) => Vec::new(),
    }
}

/// The names whose SPF records the plan can change, by themselves or by what they lead to.
fn changing_records<'d>(bench: &Bench<'d>) -> BTreeSet<&'d Name> {
    let draft = bench.draft();
    let rrsets = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let has = |rrset: &RrSet| rrset.rdata().iter().any(|r| SpfRecord::of_rdata(r).is_some());
    let texts = rrsets.filter(|(key, rrset)| key.rtype == RrType::TXT && has(rrset));
    // A record whose own terms all name addresses changes only by itself.
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
    // Nobody sends as a name that is no host's (RFC 5321 §2.3.5): such records are for including.
    let is_domain = |name: &&Name| !name.labels().any(|label| label.first() == Some(&b'_'));
    let names = live.chain(changes.map(|change| &change.key)).map(|key| &key.name);
    names.filter(is_domain).collect()
}

/// Mail of a sender that declares selectors: it may sign with any of them.
fn of_dkim(
    bench: &mut Bench<'_>,
    (domain, part): (&Name, u8),
    (host, sender): (&Host, &Sender),
    stream: &mut usize,
    in_flight: &dyn Fn(&Bench<'_>) -> Vec<usize>,
) {
    for selector in &sender.selectors {
        *stream += 1;
        let owner = &selector.owner.value;
        let id = format!("{ID}/{}/{}/{}/dkim", shown(domain), host.name, sender.name);
        let missing = Harm::new(
            format!("{id}/{}", shown(owner)),
            format!(
                "mail that `{}` sent as {domain} (`{}`) and signed with {owner} fails DKIM, and wherever it was forwarded DMARC too",
                host.name, sender.name
            ),
            format!(
                "publish the DKIM key of `{}` before it sends, and keep it until its last message has arrived",
                host.name
            ),
        );
        let fails = |view: &View<'_>| (key(view, selector) == Key::Missing).then_some(());
        let found = bench.cases(ID, ("dkim", domain, *stream), &fails);
        for (choice, ()) in found.iter() {
            for atom in in_flight(bench) {
                bench.forbid(ID, (choice, NOW), &[atom], &missing);
            }
        }
        let unseen =
            bench.met(ID, ("dkim-unseen", domain, *stream), &|view| match key(view, selector) {
                Key::Unseen(name) => vec![name],
                Key::There | Key::Missing => Vec::new(),
            });
        for name in unseen.iter() {
            // A key that is in use today is there.
            if selector.publish.is_none() && part != 1 {
                continue;
            }
            let of = Subject::Name(name.clone());
            let harm = Harm::new(
                format!("{id}/{}", shown(name)),
                format!(
                    "`{}` signs mail as {domain} with {owner}, which leads to {name}, and nobody could ask whether there is a key",
                    host.name
                ),
                format!(
                    "configure a `resolver:`, or {}",
                    bench.statement(Fact::Published, &of, Value::True, "")
                ),
            );
            let missing = bench.facts.having(Fact::Published, &of, Value::False);
            for atom in in_flight(bench) {
                for bad in &missing {
                    bench.forbid(ID, (&Choice::new(), NOW), &[*bad, atom], &harm);
                }
            }
        }
    }
}

/// What a receiver finds that looks for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    There,
    Missing,
    /// It lies at this name, which nobody could ask.
    Unseen(Name),
}

/// Whether a receiver finds the key that the sender signs with: what the plan publishes for it, or
/// what was there when the plan was made.
fn key(view: &View<'_>, selector: &Selector) -> Key {
    let owner = &selector.owner.value;
    let txt = RrKey::new(owner.clone(), RrType::TXT);
    let alias = RrKey::new(owner.clone(), RrType::CNAME);
    if let Some(published) = &selector.publish {
        let same = match (published.rtype(), view.answer(&alias), view.look_up(&txt)) {
            (RrType::CNAME, found, _) => found == Outside::Records([published.clone()].into()),
            // A live key in other words is the same key.
            (_, _, Outside::Records(found)) => {
                let key = |rdata: &Rdata| KeyRecord::of_rdata(rdata).and_then(Result::ok);
                let wanted = key(published);
                found.iter().any(|one| one == published || (wanted.is_some() && key(one) == wanted))
            }
            (_, _, Outside::Absent | Outside::Unknown(_)) => false,
        };
        if !same {
            return Key::Missing;
        }
    }
    match view.look_up(&txt) {
        Outside::Records(records) if usable(&records) => match &selector.publish {
            Some(published) if published.target().is_none() => Key::There,
            // Another key than the one that was there verifies nothing that was signed.
            led => match view.live(&key_of(led.as_ref(), &txt)) {
                Outside::Records(live) if usable(&live) && live != records => Key::Missing,
                // A key that the plan's own records publish.
                Outside::Records(_) | Outside::Absent | Outside::Unknown(_) => Key::There,
            },
        },
        Outside::Records(_) | Outside::Absent => Key::Missing,
        Outside::Unknown(_) => Key::Unseen(view.leaves_at(&txt).unwrap_or(txt.name)),
    }
}

/// Where the key lies that a selector leads to.
fn key_of(published: Option<&Rdata>, own: &RrKey) -> RrKey {
    let target = published.and_then(Rdata::target);
    target.map_or_else(|| own.clone(), |target| RrKey::new(target, RrType::TXT))
}

/// Whether one of these texts is a key that verifies anything (RFC 6376 §3.6.1, §6.1.2).
fn usable(records: &[Rdata]) -> bool {
    let mut keys = records.iter().filter_map(KeyRecord::of_rdata);
    // Of several, a verifier takes any (RFC 6376 §3.6.2.2).
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => !key.is_revoked(),
        (_, _) => false,
    }
}

/// Keys that the plan changes or takes away, and that no sender of the move declares: whoever signs
/// with them, nobody has said.
fn keys_in_use(bench: &mut Bench<'_>) {
    let draft = bench.draft();
    let declared: BTreeSet<&Name> = draft
        .intent
        .moves
        .iter()
        .flat_map(|one| [&one.from, &one.to].into_iter().chain(&one.others))
        .flat_map(|host| &host.senders)
        .flat_map(|sender| &sender.selectors)
        .map(|selector| &selector.owner.value)
        .collect();
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    // A key that comes may take the place of what a wildcard answers.
    let names: BTreeSet<Name> = live
        .chain(draft.owned())
        .filter(|key| matches!(key.rtype, RrType::TXT | RrType::CNAME) && is_dkim(&key.name))
        .filter(|key| !declared.contains(&key.name))
        .map(|key| key.name.clone())
        .collect();
    for name in names {
        let key = RrKey::new(name.clone(), RrType::TXT);
        let is_key = |answer: &Outside| match answer {
            Outside::Records(records) => usable(records),
            Outside::Unknown(_) => true,
            Outside::Absent => false,
        };
        let other = |view: &View<'_>| {
            let live = view.live(&key);
            (is_key(&live) && view.look_up(&key) != live).then_some(())
        };
        let found = bench.cases(ID, ("key", &name, 0), &other);
        if found.iter().all(|(choice, ())| choice.is_empty()) {
            continue;
        }
        let of = Subject::Name(name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/dkim", shown(&name)),
            format!(
                "mail that somebody signs with {name} fails DKIM: nobody says that it is not used"
            ),
            format!(
                "leave the key, or declare its sender at a host; where nobody signs with it, {}",
                bench.statement(Fact::Signs, &of, Value::False, "")
            ),
        );
        for (choice, ()) in found.iter() {
            for signs in bench.facts.in_flight_by(Fact::Signs, &of) {
                bench.forbid(ID, (choice, NOW), &[signs], &harm);
            }
        }
    }
}

/// DMARC policies that the plan makes stricter: mail that passed so far may be refused.
fn stricter_policies(bench: &mut Bench<'_>) {
    let draft = bench.draft();
    let of_policy = |key: &RrKey| {
        let label = key.name.labels().next()?;
        let is_text = matches!(key.rtype, RrType::TXT | RrType::CNAME);
        (is_text && label.eq_ignore_ascii_case(b"_dmarc")).then(|| key.name.parent()).flatten()
    };
    let owned: BTreeSet<Name> = draft.owned().filter_map(of_policy).collect();
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let aliases: BTreeSet<Name> = live
        .filter(|(key, _)| key.rtype == RrType::CNAME)
        .filter_map(|(key, _)| of_policy(key))
        .collect();
    if owned.is_empty() && aliases.is_empty() {
        return;
    }
    // A domain without a policy of its own has that of one above it (RFC 9989: the tree walk).
    let below = |name: &&Name| {
        let mut above = std::iter::successors(name.parent(), Name::parent);
        above.any(|above| owned.contains(&above) || aliases.contains(&above))
    };
    let inherits: Vec<Name> =
        bench.domains().iter().map(|one| one.name).filter(below).cloned().collect();
    for domain in owned.into_iter().chain(aliases).chain(inherits).collect::<BTreeSet<_>>() {
        let stricter = |view: &View<'_>| {
            let live = strictness(&domain, &|key| view.live(key));
            let found = strictness(&domain, &|key| view.look_up(key));
            let more = found.iter().zip(&live).any(|(found, live)| found > live);
            more.then_some(())
        };
        let of = Subject::Name(domain.clone());
        let harm = Harm::new(
            format!("{ID}/{}/dmarc", shown(&domain)),
            format!(
                "receivers obey a stricter DMARC policy of {domain}, and nobody says that all of its mail passes"
            ),
            bench.statement(Fact::PassesDmarc, &of, Value::True, ""),
        );
        for (choice, ()) in bench.cases(ID, ("dmarc", &domain, 0), &stricter).iter() {
            for bad in bench.facts.having(Fact::PassesDmarc, &of, Value::False) {
                bench.forbid(ID, (choice, NOW), &[bad], &harm);
            }
        }
    }
}

/// How strict the DMARC policy is that receivers find for a domain (RFC 7489 §6.3, RFC 9989): for the
/// domain, for names below it, there or not (none, quarantine, reject), in the alignment of DKIM and
/// SPF, and of how much mail.
///
/// What stands above a domain counts for it where it has no policy of its own.
fn strictness(domain: &Name, look_up: &dyn Fn(&RrKey) -> Outside) -> [u8; 6] {
    let mut at = Some(domain.clone());
    while let Some(name) = at {
        let owner = Name::from_user("_dmarc").and_then(|label| label.join(&name));
        let Ok(owner) = owner else { break };
        match look_up(&RrKey::new(owner, RrType::TXT)) {
            Outside::Records(records) => {
                if let Some([p, sp, np, adkim, aspf, share]) = strictness_of(&records) {
                    return match name == *domain {
                        true => [p, sp, np, adkim, aspf, share],
                        false => [sp, sp, np, adkim, aspf, share],
                    };
                }
            }
            Outside::Absent => {}
            // Of a domain's own record, the adversary says what nobody has seen.
            Outside::Unknown(_) if name == *domain => return [u8::MAX; 6],
            Outside::Unknown(_) => break,
        }
        at = name.parent().filter(|above| above.labels().nth(1).is_some());
    }
    [0; 6]
}

fn strictness_of(records: &[Rdata]) -> Option<[u8; 6]> {
    let texts = records.iter().filter_map(Rdata::txt_joined);
    let texts = texts.map(|text| String::from_utf8_lossy(&text).to_ascii_lowercase());
    let mut policies = texts.filter(|text| text.trim_start().starts_with("v=dmarc1"));
    let (Some(policy), None) = (policies.next(), policies.next()) else { return None };
    let tag = |name: &str| {
        let mut tags = policy.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(tag, _)| tag.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    // With `t=y` receivers apply the level below.
    let test = u8::from(tag("t").as_deref() == Some("y"));
    let rank = |value: Option<String>| match value.as_deref() {
        Some("reject") => 2 - test,
        Some("quarantine") => 1 - test,
        Some(_) | None => 0,
    };
    let strict = |name: &str| u8::from(tag(name).as_deref() == Some("s"));
    let p = rank(tag("p"));
    let below = tag("sp").map_or(p, |value| rank(Some(value)));
    let absent = tag("np").map_or(below, |value| rank(Some(value)));
    let share = tag("pct").and_then(|pct| pct.parse::<u8>().ok()).unwrap_or(100).min(100);
    Some([p, below, absent, strict("adkim"), strict("aspf"), if p > 0 { share } else { 0 }])
}
