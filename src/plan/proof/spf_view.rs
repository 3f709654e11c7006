//! SPF in a view: where mail comes from, and whether a receiver accepts it.
//!
//! A sender's mail comes from the addresses that its terms name, if they are known. A term may also
//! lead to something that nobody has seen, or depend on the client (`ptr`, `exists`, macros): then
//! mail comes from an unknown source behind that term. It passes only by that very term, and only
//! if nothing before the term can refuse it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::draft::Draft;
use super::view::{Library, View};
use crate::model::spf_meaning::{Meaning, meaning};
use crate::observe::{Seen, Snapshot};
use cutover_base::calendar::Timestamp;
use cutover_mail::spf::{
    Answer, Client, Evaluation, Network, Outcome, Problem, SpfRecord, Target, Term, VOIDS_MAX,
    World, check_host,
};
use cutover_steps::ask::Outside;
use outside::Wanted;

mod outside;
mod stories;

pub use outside::{is_host, is_of_address, matches_all, matches_no_more};
pub use stories::{Story, stories};

/// A local part, and a name in HELO, that the sender chooses.
const SOMEBODY: &str = "whoeversends";
/// The first label of a host name that the owner of an address chooses; as long as [`SOMEBODY`].
const SOME_HOST: &str = "whateverhost";
/// The maximum number of SPF records that are followed, so that a cycle of includes ends. Our
/// choice: RFC 7208 §4.6.4 allows ten look-ups.
const RECORDS_MAX: usize = 64;
/// The maximum number of addresses that stand for those of a network: its ends, and where others
/// begin or end within it. Our choice: more would be a record of hundreds of terms.
const EDGES_MAX: usize = 256;

/// Where mail comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// From this address.
    Address(IpAddr),
    /// From wherever a term leads that nobody could follow: the record's domain, the term as
    /// written, and the name outside the zones that it leads to, if there is one.
    ViaTerm(Name, String, Option<Name>),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::ViaTerm(_, term, _) => f.write_str(term),
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
    /// Whether some record does not pass some clients, but not all: `-ip4:`, `?include:`.
    refuse_some: bool,
    /// The domains to which a host's name may have to belong: `ptr`.
    hosts_of: BTreeSet<Name>,
    /// Whether some record leads to what nobody could see.
    are_open: bool,
}

impl Edges {
    /// The edges of the networks in these records, each with its domain.
    pub fn of<'r>(records: impl IntoIterator<Item = (&'r Name, &'r SpfRecord)>) -> Self {
        let mut edges = Self::default();
        for (domain, record) in records {
            let of_hosts = record.terms.iter().filter(|term| term.is_of_host_names());
            edges.hosts_of.extend(of_hosts.map(|term| term.answered_below(domain)));
            edges.refuse_by_name |= record.terms.iter().any(refuses_by_name);
            let refuses = |term: &Term| {
                term.on_match().is_some_and(|outcome| outcome != Outcome::Pass) && !term.is_all()
            };
            edges.refuse_some |= record.terms.iter().any(refuses);
            for network in record.terms.iter().filter_map(Term::network) {
                edges.add(network);
            }
        }
        edges
    }

    /// Adds the addresses at which the result of a check against a network changes.
    pub fn add(&mut self, network: Network) {
        self.all.extend([network.first, network.last]);
        self.all.extend(network.neighbours().into_iter().flatten());
    }

    /// The addresses so far.
    pub fn known(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.all.iter().copied()
    }

    /// Notes that some record leads to what nobody could see.
    pub fn open(&mut self) {
        self.are_open = true;
    }

    /// Whether some record leads to what nobody could see.
    pub fn are_open(&self) -> bool {
        self.are_open
    }

    /// The domains to which a host's name may have to belong.
    pub fn hosts_of(&self) -> &BTreeSet<Name> {
        &self.hosts_of
    }

    /// Whether some record refuses by name.
    pub fn refuse_by_name(&self) -> bool {
        self.refuse_by_name
    }

    /// Whether some record does not pass some clients, but not all.
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
        let via_term = |beyond| Source::ViaTerm(of.clone(), term.to_string(), beyond);
        if term.hangs_on_the_client() {
            self.found.insert(via_term(None));
            return;
        }
        match term.target(of) {
            Some(Target::Record(name)) => {
                let key = RrKey::new(name.clone(), RrType::TXT);
                match self.at.look_up(&key) {
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
                    Seen::Unknown(_) => {
                        let beyond = self.at.leaves_at(&key).map(|key| key.name);
                        self.found.insert(via_term(beyond));
                    }
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
                        Meaning::Unseen(key, _) => {
                            self.found.insert(via_term(Some(key.name)));
                        }
                    }
                }
            }
            None => {}
        }
    }
}

/// Whether a receiver with this view accepts mail from a source of today: it still passes, or the
/// domain says nothing about its senders, before the first step and now.
#[must_use]
pub fn is_accepted(view: &View<'_>, domain: &Name, source: &Source) -> bool {
    says_nothing_of_senders(view, domain) || passes_where(view, domain, source, true)
}

/// Whether mail from a source passes before the first step, or the domain says nothing about its
/// senders then.
#[must_use]
pub fn is_accepted_today(view: &View<'_>, domain: &Name, source: &Source) -> bool {
    match source {
        Source::Address(ip) => {
            matches!(evaluated_today(view, domain, *ip).outcome, Outcome::Pass | Outcome::None)
        }
        Source::ViaTerm(of, term, beyond) => {
            let term = Term::new(term).named(of, domain);
            let wanted = Wanted { of, term: &term, beyond: beyond.as_ref() };
            outside::passes_today(&wanted, view, domain)
        }
    }
}

/// Whether mail from a source that sends for the first time passes at a receiver with this view.
#[must_use]
pub fn passes(view: &View<'_>, domain: &Name, source: &Source) -> bool {
    let asks_for_the_sender = Cell::new(false);
    let passes = match source {
        Source::ViaTerm(..) => passes_where(view, domain, source, false),
        Source::Address(ip) => {
            let look_up = |key: &RrKey| {
                asks_for_the_sender
                    .set(asks_for_the_sender.get() || holds_the_sender(key.name.wire()));
                view.look_up(key)
            };
            evaluated_in(Some(view.draft()), &look_up, domain, *ip).outcome == Outcome::Pass
        }
    };
    let anybody_passes = || match source {
        Source::Address(ip) if asks_for_the_sender.get() => {
            let [_, now] = evaluated_for_anybody(view, domain, *ip);
            now.outcome == Outcome::Pass
        }
        Source::Address(_) | Source::ViaTerm(..) => true,
    };
    passes && anybody_passes()
}

fn passes_where(view: &View<'_>, domain: &Name, source: &Source, of_today: bool) -> bool {
    match source {
        Source::Address(ip) => evaluated(view, domain, *ip).outcome == Outcome::Pass,
        Source::ViaTerm(of, term, beyond) => {
            let term = Term::new(term).named(of, domain);
            let wanted = Wanted { of, term: &term, beyond: beyond.as_ref() };
            wanted.passes(view, domain, of_today)
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
/// nothing about it: it authorises nobody. `spf-sound` checks whether the name has a record, and
/// what it costs; and [`may_refuse`] finds the terms by which it could refuse the mail.
#[must_use]
pub fn evaluated(view: &View<'_>, domain: &Name, ip: IpAddr) -> Evaluation {
    evaluated_in(Some(view.draft()), &|key| view.look_up(key), domain, ip)
}

/// The same before the first step.
#[must_use]
pub fn evaluated_today(view: &View<'_>, domain: &Name, ip: IpAddr) -> Evaluation {
    evaluated_in(Some(view.draft()), &|key| view.live(key), domain, ip)
}

/// The evaluations before the first step and in a view, for a sender of whom no name in the zones
/// knows.
#[must_use]
pub fn evaluated_for_anybody(view: &View<'_>, domain: &Name, ip: IpAddr) -> [Evaluation; 2] {
    [
        evaluated_in(None, &|key| view.live(key), domain, ip),
        evaluated_in(None, &|key| view.look_up(key), domain, ip),
    ]
}

/// Whether a domain's record today has more void look-ups than receivers have to allow, so that
/// they differ.
#[must_use]
pub fn receivers_differ_today(library: &Library<'_>, domain: &Name) -> bool {
    let draft = Some(library.draft);
    let of = |ip| evaluated_in(draft, &|key| library.live(key), domain, ip).problem;
    library.nobody().into_iter().any(|ip| of(ip) == Some(Problem::ManyVoids))
}

/// `draft`: whatever depends on what the sender chooses matches nobody; without, the sender chooses
/// what no name in the zones knows.
fn evaluated_in(
    draft: Option<&Draft<'_>>,
    look_up: &dyn Fn(&RrKey) -> Outside,
    domain: &Name,
    ip: IpAddr,
) -> Evaluation {
    let world = |key: &RrKey| match look_up(key) {
        _ if draft.is_some_and(|draft| is_for_the_sender_to_choose(draft, &key.name)) => {
            Answer::MatchesNobody
        }
        Outside::Records(records) => Answer::Records(records),
        // The client's operator may have no name for its address.
        Outside::Unknown(_) if key.rtype == RrType::PTR => Answer::Absent,
        Outside::Absent => Answer::Absent,
        Outside::Unknown(_) => Answer::MatchesNobody,
    };
    check(&world, domain, ip, VOIDS_MAX)
}

/// The evaluation of mail that somebody sends as a domain.
fn check(world: &World<'_>, domain: &Name, ip: IpAddr, voids_max: usize) -> Evaluation {
    let mut mail_from = format!("{SOMEBODY}@{domain}");
    if mail_from.ends_with('.') {
        mail_from.pop();
    }
    let client = Client {
        ip,
        mail_from: &mail_from,
        helo: SOMEBODY,
        receiver: "unknown",
        now: Timestamp::UNIX_EPOCH,
        voids_max,
    };
    check_host(&client, domain, world)
}

/// Whether a name comes from a macro with something that the sender chooses, and it depends on that
/// choice what is found there: below where the macro ends there is more than a wildcard.
fn is_for_the_sender_to_choose(draft: &Draft<'_>, name: &Name) -> bool {
    if !holds_the_sender(name.wire()) {
        return false;
    }
    let labels: Vec<&[u8]> = name.labels().collect();
    let Some(last) = labels.iter().rposition(|label| holds_the_sender(label)) else {
        return false;
    };
    let Ok(below) = Name::from_labels(labels[last + 1..].iter().copied()) else { return true };
    let is_the_wildcard =
        |other: &Name| other.is_wildcard() && other.parent().as_ref() == Some(&below);
    let is_single =
        |other: &Name| other.is_at_or_below(&below) && *other != below && !is_the_wildcard(other);
    let live = draft.snapshot.zone_of(&below).is_some_and(|zone| {
        let from = RrKey::new(below.clone(), RrType::new(0));
        let mut keys = zone.zone.rrsets.range(from..).map(|(key, _)| &key.name);
        keys.by_ref().take_while(|name| name.is_at_or_below(&below)).any(is_single)
    });
    live || draft.owned().any(|key| is_single(&key.name))
}

/// Whether a name comes from a macro with something that the sender chooses.
fn holds_the_sender(octets: &[u8]) -> bool {
    let mut parts = octets.windows(SOMEBODY.len());
    parts.any(|part| part == SOMEBODY.as_bytes() || part == SOME_HOST.as_bytes())
}

/// A term that may refuse mail: the domain of its record, the term as written, and the names that it
/// leads to and that nobody could ask.
pub type Open = (Name, String, BTreeSet<String>);

/// Terms that an evaluation for an address meets before the deciding term, and that refuse the mail
/// if they match, which nobody can say in advance.
#[must_use]
pub fn may_refuse(view: &View<'_>, domain: &Name, ip: IpAddr) -> BTreeSet<Open> {
    may_refuse_in(view.draft(), &|key| view.look_up(key), domain, ip)
}

/// The same before the first step.
#[must_use]
pub fn may_refuse_today(view: &View<'_>, domain: &Name, ip: IpAddr) -> BTreeSet<Open> {
    may_refuse_in(view.draft(), &|key| view.live(key), domain, ip)
}

fn may_refuse_in(
    draft: &Draft<'_>,
    look_up: &dyn Fn(&RrKey) -> Outside,
    domain: &Name,
    ip: IpAddr,
) -> BTreeSet<Open> {
    let evaluation = evaluated_in(Some(draft), look_up, domain, ip);
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
            let term = term.named(&of, domain);
            if !refuses_by_name(&term) {
                continue;
            }
            let mut walk = Unseen { look_up, sender: domain, names: BTreeSet::new() };
            if walk.is_open((&of, &term), &mut BTreeSet::from([of.clone()])) {
                found.insert((of.clone(), term.to_string(), walk.names));
            }
        }
    }
    found
}

/// What a term leads to and nobody could ask.
struct Unseen<'u> {
    look_up: &'u dyn Fn(&RrKey) -> Outside,
    sender: &'u Name,
    /// Each name, and why it is not known.
    names: BTreeSet<String>,
}

impl Unseen<'_> {
    /// Whether nobody can say in advance which clients a term matches.
    fn is_open(&mut self, (of, term): (&Name, &Term), reached: &mut BTreeSet<Name>) -> bool {
        if term.hangs_on_the_client() {
            return true;
        }
        if let Some(name) = term.existence() {
            return self.ask(&name, RrType::A).is_none();
        }
        match term.target(of) {
            Some(Target::Record(name)) => {
                if reached.len() >= RECORDS_MAX || !reached.insert(name.clone()) {
                    return false;
                }
                let Some(txt) = self.ask(&name, RrType::TXT) else { return true };
                let records = txt.iter().filter_map(SpfRecord::of_rdata);
                let mut is_open = false;
                for term in records.flat_map(|record| record.terms) {
                    let term = term.named(&name, self.sender);
                    is_open |= self.is_open((&name, &term), reached);
                }
                is_open
            }
            Some(Target::Addresses(name)) => self.has_open_address(&name),
            Some(Target::Exchanges(name)) => {
                let Some(mx) = self.ask(&name, RrType::MX) else { return true };
                let mut is_open = false;
                for (_, exchange) in mx.iter().filter_map(Rdata::as_mx) {
                    is_open |= self.has_open_address(&exchange);
                }
                is_open
            }
            None => false,
        }
    }

    fn has_open_address(&mut self, name: &Name) -> bool {
        [RrType::A, RrType::AAAA].map(|rtype| self.ask(name, rtype).is_none()).contains(&true)
    }

    /// The records; `None` if nobody could ask.
    fn ask(&mut self, name: &Name, rtype: RrType) -> Option<Arc<[Rdata]>> {
        match (self.look_up)(&RrKey::new(name.clone(), rtype)) {
            Outside::Records(records) => Some(records),
            Outside::Absent => Some(Arc::default()),
            Outside::Unknown(why) => {
                self.names.insert(why);
                None
            }
        }
    }
}
