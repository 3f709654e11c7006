//! SPF: widened to old and new senders before the switch, narrowed when no message of the old ones
//! can be in flight any more.
//!
//! There is one record, and it is edited as one value inside the TXT RRset: other TXT records at
//! the name stay as they are. Terms that no host of the plan declares are kept, for somebody put
//! them there. `mx` and `a` change their meaning when exchanges or addresses change, so they are
//! frozen into the addresses that they mean now.

use std::collections::BTreeSet;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

use super::{Found, Kitchen};
use crate::diag::{Code, Diagnostic, Span};
use crate::intent::{DomainMove, Host};
use crate::model::spf_cost::{Cost, LOOKUPS_MAX, cost};
use crate::model::{NEW_TTL, Stage, Track, Transition, Verb, change};
use crate::observe::Seen;
use crate::spf::{SpfRecord, Target, Term};

/// Two SPF records at one name.
pub(super) const SPF_TWICE: Code = Code::semantic("spf-two-records");
/// More than ten look-ups.
pub(super) const SPF_LOOKUPS: Code = Code::semantic("spf-lookups");
/// A term that changes its meaning and cannot be frozen.
pub(super) const SPF_FREEZE: Code = Code::semantic("spf-freeze");
/// Terms of a sender that are no terms.
pub(super) const SPF_TERMS: Code = Code::semantic("spf-terms");

/// What SPF says of senders that no term names, where nobody has said it: "probably not" and not
/// "no". DMARC treats both alike, and a forgotten sender is not rejected for it. Our choice.
const DEFAULT_ALL: &str = "~all";

pub(super) fn tracks(kitchen: &Kitchen<'_>, found: &mut Found) {
    for one in &kitchen.intent.moves {
        let Some(versions) = Versions::of(kitchen, one, found) else { continue };
        let track = Track {
            zone: one.zone.clone(),
            key: versions.key.clone(),
            record: None,
            transitions: versions.transitions(one),
        };
        if !track.transitions.is_empty() {
            found.track(track, one.domain.span);
        }
    }
}

/// The three records: as it is, as it is while both sides send, and as it is in the end.
struct Versions {
    key: RrKey,
    live: Option<RrSet>,
    widened: SpfRecord,
    narrowed: SpfRecord,
}

impl Versions {
    fn of(kitchen: &Kitchen<'_>, one: &DomainMove, found: &mut Found) -> Option<Self> {
        let key = RrKey::new(one.domain.value.clone(), RrType::TXT);
        let live_txt = kitchen.zone(one).get(&key).cloned();
        let records: Vec<SpfRecord> = live_txt
            .iter()
            .flat_map(RrSet::rdata)
            .filter_map(SpfRecord::of_rdata)
            .collect();
        if records.len() > 1 {
            let title = format!("{} has {} SPF records", one.domain.value, records.len());
            let help = "merge them into one by hand, then plan again";
            found.report(
                Diagnostic::error(SPF_TWICE, one.domain.span, title, help)
                    .why("more than one record is an error for every receiver (RFC 7208 §4.5): SPF passes for nobody"),
            );
            return None;
        }
        let live = records.into_iter().next();
        let old = terms(std::slice::from_ref(&one.from), found);
        let new = terms(std::slice::from_ref(&one.to), found);
        let others = terms(&one.others, found);
        if live.is_none() && old.is_empty() && new.is_empty() && others.is_empty() {
            return None;
        }
        let parts = Parts { kitchen, one, old, staying: [new, others].concat() };
        let (widened, narrowed) = parts.versions(live.as_ref(), found)?;
        let versions = Self { key, live: live_txt, widened, narrowed };
        versions.budget(kitchen, one, live.as_ref(), found);
        Some(versions)
    }

    fn budget(
        &self,
        kitchen: &Kitchen<'_>,
        one: &DomainMove,
        live: Option<&SpfRecord>,
        found: &mut Found,
    ) {
        let mut unseen = BTreeSet::new();
        for (record, when) in [(&self.widened, "while both sides send"), (&self.narrowed, "in the end")] {
            let Cost { lookups, unseen: not_seen } = cost(record, &one.domain.value, kitchen.snapshot);
            unseen.extend(not_seen);
            if lookups > LOOKUPS_MAX {
                let title = format!("the SPF record of {} costs {lookups} look-ups {when}", one.domain.value);
                let before = live.map_or(0, |live| cost(live, &one.domain.value, kitchen.snapshot).lookups);
                let help = format!("take out includes that nobody uses, or give a sender a subdomain of its own; the live record costs {before}");
                found.report(
                    Diagnostic::error(SPF_LOOKUPS, one.domain.span, title, help)
                        .label(record.to_string())
                        .why("more than ten is an error for every receiver (RFC 7208 §4.6.4): SPF passes for nobody"),
                );
                return;
            }
        }
        let changes = live != Some(&self.widened) || self.widened != self.narrowed;
        if !unseen.is_empty() && changes {
            let names: Vec<String> = unseen.iter().map(ToString::to_string).collect();
            found.assume(format!(
                "the SPF records of {}, which were not seen, keep {} within ten look-ups",
                names.join(", "),
                one.domain.value
            ));
        }
    }

    fn transitions(&self, one: &DomainMove) -> Vec<Transition> {
        let ttl = self.live.as_ref().map_or(Ttl::from_wire(NEW_TTL), RrSet::ttl);
        let with = |record: &SpfRecord| {
            let others = self.live.iter().flat_map(RrSet::rdata);
            let others = others.filter(|rdata| SpfRecord::of_rdata(rdata).is_none()).cloned();
            RrSet::new(ttl, others.chain([record.rdata()])).ok()
        };
        let is_live = |record: &SpfRecord| {
            let spf = |rrset: &RrSet| rrset.rdata().iter().find_map(SpfRecord::of_rdata);
            self.live.as_ref().and_then(spf).as_ref() == Some(record)
        };
        let (widened, narrowed) = (with(&self.widened), with(&self.narrowed));
        let mut transitions = Vec::new();
        let mut current = self.live.clone();
        if !is_live(&self.widened) {
            transitions.push(Transition {
                verb: if current.is_some() { Verb::Widen } else { Verb::Publish },
                stage: Stage::Expand,
                changes: vec![change(&self.key, current.as_ref(), widened.as_ref())],
                title: format!("widen the SPF record of {} to both sides", one.domain.value),
                reason: format!("`{}` may send before `{}` has stopped", one.to.name, one.from.name),
            });
            current = widened;
        }
        if self.narrowed != self.widened {
            transitions.push(Transition {
                verb: Verb::Narrow,
                stage: Stage::Retire,
                changes: vec![change(&self.key, current.as_ref(), narrowed.as_ref())],
                title: format!("narrow the SPF record of {} to the senders that stay", one.domain.value),
                reason: format!("`{}` sends no longer, and no mail that it sent is in flight", one.from.name),
            });
        }
        transitions
    }
}

/// The SPF terms that hosts declare for their senders.
fn terms(hosts: &[Host], found: &mut Found) -> Vec<Declared> {
    let mut terms: Vec<Declared> = Vec::new();
    for spf in hosts.iter().flat_map(|host| &host.senders).filter_map(|sender| sender.spf.as_ref()) {
        for term in SpfRecord::of_terms(&spf.value).terms {
            if term.is_all() || term.to_string().to_ascii_lowercase().starts_with("v=spf1") {
                let title = format!("`{term}` is not a sender");
                let help = "write only the terms that authorise this sender, such as `include:_spf.example.com`";
                found.report(
                    Diagnostic::error(SPF_TERMS, spf.span, title, help)
                        .why("the record's beginning and its `all` belong to the domain, which has one record for all senders"),
                );
            } else if !terms.iter().any(|declared| declared.term == term) {
                terms.push(Declared { term, span: spf.span });
            }
        }
    }
    terms
}

#[derive(Clone, Debug)]
struct Declared {
    term: Term,
    span: Span,
}

struct Parts<'p> {
    kitchen: &'p Kitchen<'p>,
    one: &'p DomainMove,
    old: Vec<Declared>,
    staying: Vec<Declared>,
}

impl Parts<'_> {
    fn versions(&self, live: Option<&SpfRecord>, found: &mut Found) -> Option<(SpfRecord, SpfRecord)> {
        let none = SpfRecord { terms: vec![Term::new(DEFAULT_ALL)] };
        let base = live.unwrap_or(&none);
        let mut widened = SpfRecord { terms: Vec::new() };
        let mut narrowed = SpfRecord { terms: Vec::new() };
        for term in &base.terms {
            let only_old = self.old.iter().any(|old| old.term == *term) && !self.stays(term);
            if self.changes_meaning(term) {
                // What it means now goes on until nobody relies on it. What it will mean comes
                // back in the end, where a sender that stays asks for it.
                let frozen = self.freeze(term, self.one.domain.span, found)?;
                widened.terms.extend(frozen.clone());
                match (self.stays(term), only_old) {
                    (true, _) => narrowed.terms.push(term.clone()),
                    (false, true) => {}
                    (false, false) => narrowed.terms.extend(frozen),
                }
                continue;
            }
            widened.terms.push(term.clone());
            if !only_old {
                narrowed.terms.push(term.clone());
            }
        }
        if live.is_none() {
            self.old.iter().for_each(|old| widened.add(old.term.clone()));
        }
        for Declared { term, span } in &self.staying {
            let term = as_mechanism(term);
            if self.changes_meaning(&term) {
                for frozen in self.future(&term, *span, found)? {
                    add_once(&mut widened, frozen);
                }
            } else {
                add_once(&mut widened, term.clone());
            }
            add_once(&mut narrowed, term);
        }
        self.keep_an_ending(base, &mut narrowed);
        Some((without_repeats(widened), without_repeats(narrowed)))
    }

    fn stays(&self, term: &Term) -> bool {
        self.staying.iter().any(|staying| as_mechanism(&staying.term) == *term)
    }

    /// A record that loses its `redirect` would say nothing of unknown senders: it gets the ending
    /// that the redirect gave it.
    fn keep_an_ending(&self, base: &SpfRecord, narrowed: &mut SpfRecord) {
        if narrowed.terms.iter().any(|term| term.is_all() || term.is_redirect()) {
            return;
        }
        let Some(redirect) = base.terms.iter().find(|term| term.is_redirect()) else { return };
        let mut ending = Term::new(DEFAULT_ALL);
        if let Some(Target::Record(name)) = redirect.target(&self.one.domain.value)
            && let Seen::Records(txt) = self.kitchen.snapshot.look_up(&RrKey::new(name, RrType::TXT))
            && let Some(target) = txt.iter().find_map(SpfRecord::of_rdata)
            && let Some(all) = target.terms.iter().find(|term| term.is_all())
        {
            ending = all.clone();
        }
        narrowed.terms.push(ending);
    }

    /// Whether the plan changes what the term means: the exchanges of a domain that moves, or
    /// addresses that the plan sets.
    fn changes_meaning(&self, term: &Term) -> bool {
        match term.target(&self.one.domain.value) {
            Some(Target::Exchanges(name)) => {
                self.kitchen.intent.moves.iter().any(|one| one.domain.value == name && self.moves(one))
            }
            Some(Target::Addresses(name)) => {
                let set = |key: &RrKey| key.name == name;
                self.kitchen.intent.records.iter().any(|record| {
                    matches!(record.rtype.value, RrType::A | RrType::AAAA | RrType::CNAME)
                        && set(&RrKey::new(record.name.value.clone(), record.rtype.value))
                }) || self.kitchen.intent.moves.iter().any(|one| {
                    one.to.exchanges.iter().any(|e| e.name.value == name && !e.addresses.is_empty())
                })
            }
            Some(Target::Record(_)) | None => false,
        }
    }

    /// Whether the MX records of a domain are still to be switched.
    fn moves(&self, one: &DomainMove) -> bool {
        let key = RrKey::new(one.domain.value.clone(), RrType::MX);
        let live = self.kitchen.zone(one).get(&key);
        let goal = one.to.exchanges.iter().map(|e| Rdata::mx(e.preference, &e.name.value));
        let goal = RrSet::new(Ttl::ZERO, goal).ok();
        match (live, goal) {
            (Some(live), Some(goal)) => !live.same_rdata(&goal),
            (None, _) | (_, None) => true,
        }
    }

    /// The addresses that a term means now.
    fn freeze(&self, term: &Term, span: Span, found: &mut Found) -> Option<Vec<Term>> {
        let names = match term.target(&self.one.domain.value)? {
            Target::Exchanges(domain) => {
                let key = RrKey::new(domain, RrType::MX);
                match self.kitchen.snapshot.look_up(&key) {
                    Seen::Records(mx) => mx.iter().filter_map(Rdata::as_mx).map(|(_, e)| e).collect(),
                    Seen::Absent | Seen::Unknown(_) => Vec::new(),
                }
            }
            Target::Addresses(name) => vec![name],
            Target::Record(_) => return None,
        };
        self.addresses(term, &names, span, found)
    }

    /// The addresses that a term will mean after the switch.
    fn future(&self, term: &Term, span: Span, found: &mut Found) -> Option<Vec<Term>> {
        match term.target(&self.one.domain.value)? {
            Target::Exchanges(domain) => {
                let one = self.kitchen.intent.moves.iter().find(|one| one.domain.value == domain)?;
                let mut terms = Vec::new();
                for exchange in &one.to.exchanges {
                    if exchange.addresses.is_empty() {
                        terms.extend(self.addresses(term, std::slice::from_ref(&exchange.name.value), span, found)?);
                    }
                    terms.extend(exchange.addresses.iter().map(|address| ip_term(*address)));
                }
                Some(terms)
            }
            Target::Addresses(name) => {
                let exchanges = self.kitchen.intent.moves.iter().flat_map(|one| &one.to.exchanges);
                let set: Vec<Term> = exchanges
                    .filter(|exchange| exchange.name.value == name)
                    .flat_map(|exchange| &exchange.addresses)
                    .map(|address| ip_term(*address))
                    .collect();
                let records = self.kitchen.intent.records.iter();
                let records = records.filter(|record| record.name.value == name);
                let records = records.flat_map(|record| record.to.iter().flatten());
                Some(set.into_iter().chain(records.filter_map(Rdata::ip).map(ip_term)).collect())
            }
            Target::Record(_) => None,
        }
    }

    fn addresses(&self, term: &Term, names: &[Name], span: Span, found: &mut Found) -> Option<Vec<Term>> {
        let mut refuse = |problem: String| {
            let title = format!("the SPF term `{term}` of {} changes its meaning with the move, and {problem}", self.one.domain.value);
            let help = "replace it in the live record by `ip4:` and `ip6:` terms that say the same, then plan again";
            found.report(
                Diagnostic::error(SPF_FREEZE, span, title, help)
                    .why("after the switch it would authorise other servers than before"),
            );
        };
        if term.has_prefix_length() || term.to_string().starts_with(['-', '~', '?']) {
            refuse("a prefix length or a qualifier cannot be carried over".into());
            return None;
        }
        let mut terms = Vec::new();
        for name in names {
            for rtype in [RrType::A, RrType::AAAA] {
                match self.kitchen.snapshot.look_up(&RrKey::new(name.clone(), rtype)) {
                    Seen::Records(records) => terms.extend(records.iter().filter_map(Rdata::ip).map(ip_term)),
                    Seen::Absent => {}
                    Seen::Unknown(why) => {
                        refuse(format!("the {rtype} records of {name} are not known ({why})"));
                        return None;
                    }
                }
            }
        }
        Some(terms)
    }
}

fn ip_term(address: std::net::IpAddr) -> Term {
    match address {
        std::net::IpAddr::V4(v4) => Term::new(&format!("ip4:{v4}")),
        std::net::IpAddr::V6(v6) => Term::new(&format!("ip6:{v6}")),
    }
}

/// A `redirect` of one host cannot stand in a record that others share: as `include` it authorises
/// the same senders (RFC 7208 §6.1).
fn as_mechanism(term: &Term) -> Term {
    match term.is_redirect() {
        true => Term::new(&term.to_string().replacen('=', ":", 1).replacen("redirect", "include", 1)),
        false => term.clone(),
    }
}

fn add_once(record: &mut SpfRecord, term: Term) {
    if !record.has(&term) {
        record.add(term);
    }
}

fn without_repeats(record: SpfRecord) -> SpfRecord {
    let mut terms: Vec<Term> = Vec::with_capacity(record.terms.len());
    for term in record.terms {
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    SpfRecord { terms }
}
