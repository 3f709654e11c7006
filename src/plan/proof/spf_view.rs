//! SPF in a view: where mail comes from, and whether a receiver accepts it.
//!
//! A sender's mail comes from the addresses that its terms name, if they are known. A term may also
//! lead to something that nobody has seen, or depend on the client (`ptr`, `exists`, macros): then
//! mail comes from an unknown source behind that term. It passes only by that very term, and only
//! if nothing before the term can refuse it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::view::View;
use crate::model::spf_meaning::{Meaning, meaning};
use crate::observe::{Seen, Snapshot};
use cutover_base::calendar::Timestamp;
use cutover_mail::spf::{
    Answer, Client, Evaluation, Network, Outcome, SpfRecord, Target, Term, check_host,
};
use cutover_steps::ask::Outside;

/// The maximum number of SPF records that are followed, so that a cycle of includes ends. Our
/// choice: RFC 7208 §4.6.4 allows ten look-ups.
const RECORDS_MAX: usize = 64;
/// The maximum number of addresses that stand for those of a network: its ends, and where others
/// begin or end within it. Our choice: more would be a record of hundreds of terms.
const EDGES_MAX: usize = 64;

/// Where mail comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// From this address.
    Address(IpAddr),
    /// From wherever a term leads that nobody could follow: the record's domain, and the term as
    /// written.
    ViaTerm(Name, String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::ViaTerm(_, term) => f.write_str(term),
        }
    }
}

/// The addresses at which the result of some record can change: the ends of all networks that are
/// named, and their direct neighbours.
#[derive(Debug, Default)]
pub struct Edges {
    all: BTreeSet<IpAddr>,
    /// Whether some record refuses by name: `-include:`, `~ptr`.
    refuse_by_name: bool,
    /// Whether some record refuses some clients and not all: `-ip4:`, `-include:`.
    refuse_some: bool,
}

impl Edges {
    /// The edges of the networks in these records.
    pub fn of(records: impl IntoIterator<Item = SpfRecord>) -> Self {
        let mut edges = Self::default();
        for record in records {
            edges.refuse_by_name |= record.terms.iter().any(refuses_by_name);
            let refuses = |term: &Term| term.on_match() == Some(Outcome::Fail) && !term.is_all();
            edges.refuse_some |= record.terms.iter().any(refuses);
            for network in record.terms.iter().filter_map(Term::network) {
                edges.all.extend([network.first, network.last]);
                edges.all.extend(network.neighbours().into_iter().flatten());
            }
        }
        edges
    }

    /// Whether some record refuses by name.
    pub fn refuse_by_name(&self) -> bool {
        self.refuse_by_name
    }

    /// Whether some record refuses some clients and not all.
    pub fn refuse_some(&self) -> bool {
        self.refuse_some
    }

    /// Addresses that stand for all of a network: if some address is treated differently, there is
    /// an edge in between.
    fn within(&self, network: &Network) -> impl Iterator<Item = IpAddr> {
        let edges = self.all.range(network.first..=network.last).filter(|ip| network.has(**ip));
        let edges: BTreeSet<IpAddr> = edges.copied().take(EDGES_MAX).collect();
        edges.into_iter().chain([network.first, network.last]).collect::<BTreeSet<_>>().into_iter()
    }
}

/// Whether a term, if it matches, refuses a client or says nothing about it, and uses a name to say
/// which clients match.
fn refuses_by_name(term: &Term) -> bool {
    term.on_match().is_some_and(|outcome| outcome != Outcome::Pass)
        && !term.is_all()
        && term.network().is_none()
}

/// The sources of mail that some terms authorise, with the meaning that they have at one time.
#[must_use]
pub fn sources(
    terms: &[Term],
    domain: &Name,
    at: &Snapshot,
    edges: &Edges,
) -> BTreeMap<String, BTreeSet<Source>> {
    let mut found: BTreeMap<String, BTreeSet<Source>> = BTreeMap::new();
    for term in terms {
        let of = found.entry(term.to_string()).or_default();
        let reached = BTreeSet::from([domain.clone()]);
        let mut walk = Walk { at, edges, sender: domain, any: false, found: of, reached };
        walk.term(domain, &term.named(domain, domain));
    }
    found
}

/// The known addresses that some terms match, whatever the result is.
pub fn matched(
    terms: &[Term],
    domain: &Name,
    at: &Snapshot,
    edges: &Edges,
) -> impl Iterator<Item = IpAddr> + use<> {
    let mut found = BTreeSet::new();
    for term in terms {
        let reached = BTreeSet::from([domain.clone()]);
        let mut walk = Walk { at, edges, sender: domain, any: true, found: &mut found, reached };
        walk.term(domain, &term.named(domain, domain));
    }
    found.into_iter().filter_map(|source| match source {
        Source::Address(ip) => Some(ip),
        Source::ViaTerm(..) => None,
    })
}

struct Walk<'w> {
    at: &'w Snapshot,
    edges: &'w Edges,
    /// The domain that mail is sent as.
    sender: &'w Name,
    /// Whether terms that do not authorise whom they match count too.
    any: bool,
    found: &'w mut BTreeSet<Source>,
    reached: BTreeSet<Name>,
}

impl Walk<'_> {
    fn term(&mut self, of: &Name, term: &Term) {
        // Only a pass authorises a sender.
        if !self.any && !term.is_redirect() && term.on_match() != Some(Outcome::Pass) {
            return;
        }
        if let Some(network) = term.network() {
            self.found.extend(self.edges.within(&network).map(Source::Address));
            return;
        }
        let via_term = Source::ViaTerm(of.clone(), term.to_string());
        if term.hangs_on_the_client() {
            self.found.insert(via_term);
            return;
        }
        match term.target(of) {
            Some(Target::Record(name)) => {
                match self.at.look_up(&RrKey::new(name.clone(), RrType::TXT)) {
                    Seen::Records(txt) => {
                        if self.reached.len() < RECORDS_MAX && self.reached.insert(name.clone()) {
                            let records: Vec<SpfRecord> =
                                txt.iter().filter_map(SpfRecord::of_rdata).collect();
                            for record in records {
                                let record = record.named(&name, self.sender);
                                record.terms_that_count().for_each(|term| self.term(&name, term));
                            }
                        }
                    }
                    Seen::Unknown(_) => drop(self.found.insert(via_term)),
                    Seen::Absent => {}
                }
            }
            Some(target @ (Target::Exchanges(_) | Target::Addresses(_))) => {
                for meaning in meaning(&target, self.at).unwrap_or_default() {
                    match meaning {
                        Meaning::Address(ip) => {
                            let around = term.around(ip).unwrap_or(Network::of(ip, u8::MAX));
                            self.found.extend(self.edges.within(&around).map(Source::Address));
                        }
                        Meaning::Unseen(..) => drop(self.found.insert(via_term.clone())),
                    }
                }
            }
            None => {}
        }
    }
}

/// Whether a receiver with this view accepts mail from a source: it passes, or the domain says
/// nothing about its senders, before the first step and now.
#[must_use]
pub fn is_accepted(view: &View<'_>, domain: &Name, source: &Source) -> bool {
    says_nothing_of_senders(view, domain) || passes(view, domain, source)
}

/// Whether mail from a source passes at a receiver with this view.
#[must_use]
pub fn passes(view: &View<'_>, domain: &Name, source: &Source) -> bool {
    match source {
        Source::Address(ip) => evaluated(view, domain, *ip).outcome == Outcome::Pass,
        Source::ViaTerm(of, term) => {
            let wanted = Term::new(term).named(of, domain);
            let mut reached = BTreeSet::new();
            through(view, (domain, domain), (of, &wanted), &mut reached) == Some(Way::Through)
        }
    }
}

/// Whether a domain has no SPF record in this view, and had none before the first step.
fn says_nothing_of_senders(view: &View<'_>, domain: &Name) -> bool {
    let key = RrKey::new(domain.clone(), RrType::TXT);
    [view.live(&key), view.look_up(&key)].into_iter().all(|answer| match answer {
        Outside::Records(txt) => !txt.iter().any(SpfRecord::is_in),
        Outside::Absent => true,
        Outside::Unknown(_) => false,
    })
}

/// The evaluation for an address in a view. A name that nobody could ask for counts as saying
/// nothing about it. `spf-sound` checks whether the name has a record, and what it costs.
#[must_use]
pub fn evaluated(view: &View<'_>, domain: &Name, ip: IpAddr) -> Evaluation {
    evaluated_in(&|key| view.look_up(key), domain, ip)
}

/// The same before the first step.
#[must_use]
pub fn evaluated_today(view: &View<'_>, domain: &Name, ip: IpAddr) -> Evaluation {
    evaluated_in(&|key| view.live(key), domain, ip)
}

fn evaluated_in(look_up: &dyn Fn(&RrKey) -> Outside, domain: &Name, ip: IpAddr) -> Evaluation {
    // `exists` matches any address record. If nobody could ask, the adversary says that there is
    // none.
    let mut absent: BTreeSet<RrKey> = BTreeSet::new();
    let mut mail_from = format!("postmaster@{domain}");
    if mail_from.ends_with('.') {
        mail_from.pop();
    }
    loop {
        let world = |key: &RrKey| match look_up(key) {
            Outside::Records(records) => Answer::Records(records),
            Outside::Absent => Answer::Absent,
            Outside::Unknown(_) if absent.contains(key) => Answer::Absent,
            Outside::Unknown(_) => {
                says_nothing(key).map_or(Answer::Unknown, |rdata| Answer::Records([rdata].into()))
            }
        };
        let client = Client {
            ip,
            mail_from: &mail_from,
            helo: "unknown",
            receiver: "unknown",
            now: Timestamp::UNIX_EPOCH,
        };
        let found = check_host(&client, domain, &world);
        let by = found.path.last().filter(|_| found.outcome == Outcome::Pass);
        let key = by.and_then(|by| by.term.existence()).map(|name| RrKey::new(name, RrType::A));
        let unseen = key.filter(|key| matches!(look_up(key), Outside::Unknown(_)));
        if !unseen.is_some_and(|key| absent.insert(key)) {
            return found;
        }
    }
}

/// Terms that an evaluation for an address meets before the deciding term, and that refuse the mail
/// if they match, which nobody can say in advance. Each with the domain of its record.
#[must_use]
pub fn may_refuse(view: &View<'_>, domain: &Name, ip: IpAddr) -> BTreeSet<(Name, String)> {
    may_refuse_in(&|key| view.look_up(key), domain, ip)
}

/// The same before the first step.
#[must_use]
pub fn may_refuse_today(view: &View<'_>, domain: &Name, ip: IpAddr) -> BTreeSet<(Name, String)> {
    may_refuse_in(&|key| view.live(key), domain, ip)
}

fn may_refuse_in(
    look_up: &dyn Fn(&RrKey) -> Outside,
    domain: &Name,
    ip: IpAddr,
) -> BTreeSet<(Name, String)> {
    let evaluation = evaluated_in(look_up, domain, ip);
    // The last record is the target of a redirect, if nothing in it matches.
    let last = evaluation.path.last().and_then(|last| {
        match last.term.named(&last.domain, domain).target(&last.domain) {
            Some(Target::Record(name)) => Some((name, None)),
            Some(Target::Exchanges(_) | Target::Addresses(_)) | None => None,
        }
    });
    let path = evaluation.path.iter().map(|at| (at.domain.clone(), Some(&at.term))).chain(last);
    let path: Vec<(Name, Option<&Term>)> = match evaluation.path.is_empty() {
        true => vec![(domain.clone(), None)],
        false => path.collect(),
    };
    let mut found = BTreeSet::new();
    for (of, until) in path {
        let Outside::Records(txt) = look_up(&RrKey::new(of.clone(), RrType::TXT)) else { continue };
        let records = txt.iter().filter_map(SpfRecord::of_rdata);
        let terms = records.flat_map(|record| record.terms);
        for term in terms.take_while(|term| Some(term) != until) {
            let mut reached = BTreeSet::from([of.clone()]);
            let term = term.named(&of, domain);
            if refuses_by_name(&term) && is_open(look_up, (&of, &term, domain), &mut reached) {
                found.insert((of.clone(), term.to_string()));
            }
        }
    }
    found
}

/// Whether nobody can say in advance which clients a term matches.
fn is_open(
    look_up: &dyn Fn(&RrKey) -> Outside,
    (of, term, sender): (&Name, &Term, &Name),
    reached: &mut BTreeSet<Name>,
) -> bool {
    let unseen = |name: &Name, rtype| {
        matches!(look_up(&RrKey::new(name.clone(), rtype)), Outside::Unknown(_))
    };
    let no_address = |name: &Name| unseen(name, RrType::A) || unseen(name, RrType::AAAA);
    if term.hangs_on_the_client() {
        return true;
    }
    if let Some(name) = term.existence() {
        return unseen(&name, RrType::A);
    }
    match term.target(of) {
        Some(Target::Record(name)) => {
            if reached.len() >= RECORDS_MAX || !reached.insert(name.clone()) {
                return false;
            }
            match look_up(&RrKey::new(name.clone(), RrType::TXT)) {
                Outside::Records(txt) => {
                    txt.iter().filter_map(SpfRecord::of_rdata).flat_map(|record| record.terms).any(
                        |term| {
                            let term = term.named(&name, sender);
                            is_open(look_up, (&name, &term, sender), reached)
                        },
                    )
                }
                Outside::Absent => false,
                Outside::Unknown(_) => true,
            }
        }
        Some(Target::Addresses(name)) => no_address(&name),
        Some(Target::Exchanges(name)) => match look_up(&RrKey::new(name, RrType::MX)) {
            Outside::Records(mx) => {
                mx.iter().filter_map(Rdata::as_mx).any(|(_, exchange)| no_address(&exchange))
            }
            Outside::Absent => false,
            Outside::Unknown(_) => true,
        },
        None => false,
    }
}

/// A record that would exist and say nothing about this client; `None` for types that RFC 7208
/// skips if no server answers (§5.5).
fn says_nothing(key: &RrKey) -> Option<Rdata> {
    match key.rtype {
        RrType::TXT => Some(Rdata::txt(b"v=spf1 ?all")),
        RrType::A => Some(Rdata::a(Ipv4Addr::UNSPECIFIED)),
        RrType::AAAA => Some(Rdata::aaaa(Ipv6Addr::UNSPECIFIED)),
        RrType::MX => Some(Rdata::mx(0, &Name::root())),
        _ => None,
    }
}

/// The result of following a source's mail through a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It reaches the term by which it passes.
    Through,
    /// Another term may decide, and does not accept it.
    Stopped,
}

/// Whether mail that a term accepts gets as far as that term; `None`: it reaches the end of this
/// record.
fn through(
    view: &View<'_>,
    (domain, sender): (&Name, &Name),
    (of, wanted): (&Name, &Term),
    reached: &mut BTreeSet<Name>,
) -> Option<Way> {
    if reached.len() >= RECORDS_MAX || !reached.insert(domain.clone()) {
        return Some(Way::Stopped);
    }
    let key = RrKey::new(domain.clone(), RrType::TXT);
    let records: Vec<SpfRecord> = match view.look_up(&key) {
        Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).collect(),
        Outside::Absent => return Some(Way::Stopped),
        Outside::Unknown(_) => return None,
    };
    let [record] = records.as_slice() else { return Some(Way::Stopped) };
    let record = record.named(domain, sender);
    for term in &record.terms {
        // A redirect of one host becomes an `include` in a record that others share.
        let same = term.same_as(wanted, of) || leads_alike(term, wanted, of);
        if domain == of && same {
            return Some(match term.is_redirect() || term.on_match() == Some(Outcome::Pass) {
                true => Way::Through,
                false => Way::Stopped,
            });
        }
        if term.is_all() {
            return Some(match term.on_match() == Some(Outcome::Pass) {
                true => Way::Through,
                false => Way::Stopped,
            });
        }
        let Some(on_match) = term.on_match() else { continue };
        if let Some(Target::Record(name)) = term.target(domain) {
            match through(view, (&name, sender), (of, wanted), reached) {
                Some(Way::Through) if on_match == Outcome::Pass => return Some(Way::Through),
                Some(Way::Through) => return Some(Way::Stopped),
                // An include that fails does not match; an include without a record is an error.
                Some(Way::Stopped) if has_record(view, &name) => {}
                Some(Way::Stopped) => return Some(Way::Stopped),
                None => {}
            }
            continue;
        }
        // Clients that match this term pass; which others match is for the adversary to say.
        if on_match != Outcome::Pass {
            return Some(Way::Stopped);
        }
    }
    let redirect = record.terms.iter().find(|term| term.is_redirect())?;
    match redirect.target(domain) {
        Some(Target::Record(name)) => through(view, (&name, sender), (of, wanted), reached),
        Some(_) | None => Some(Way::Stopped),
    }
}

fn leads_alike(term: &Term, wanted: &Term, of: &Name) -> bool {
    match (term.target(of), wanted.target(of)) {
        (Some(Target::Record(left)), Some(Target::Record(right))) => left == right,
        (_, _) => false,
    }
}

fn has_record(view: &View<'_>, name: &Name) -> bool {
    let key = RrKey::new(name.clone(), RrType::TXT);
    match view.look_up(&key) {
        Outside::Records(txt) => txt.iter().filter_map(SpfRecord::of_rdata).count() == 1,
        Outside::Absent => false,
        Outside::Unknown(_) => true,
    }
}
