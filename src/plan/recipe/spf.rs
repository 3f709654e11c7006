//! SPF: the record is widened to old and new senders before the switch, and narrowed when no
//! message of the old senders can be in flight any more.
//!
//! There is one record, edited as one value in the TXT RRset. Other TXT records at the name do not
//! change, and those that `records:` adds come with the first change. Terms that no host of the
//! plan declares are kept, because somebody put them there. `mx` and `a` change their meaning when
//! exchanges or addresses change. So they are frozen: replaced by the addresses that they mean now.
//! They are thawed in the end if a remaining sender declares them.
//!
//! Included records are not edited: a term there that would change its meaning is refused, and so
//! is a declared include that leads to no record.

mod beside;

use std::collections::{BTreeSet, HashMap, HashSet};

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

pub(super) use beside::lines as beside;

use super::{Found, RecipeContext};
use crate::intent::{DomainMove, Exchange, Host};
use crate::language::RecordSpec;
use crate::model::spf_cost::{Cost, cost};
use crate::model::spf_meaning::{Meaning, addresses, meaning, same};
use crate::model::{NEW_TTL, Stage, Track, Transition, change};
use crate::observe::{Seen, Snapshot};
use cutover_base::diag::{Code, Diagnostic, Span, quoted};
use cutover_mail::spf::{BadTerm, SpfRecord, TERMS_MAX, Target, Term, TermMeaning};
use cutover_steps::graph::Verb;

/// Two SPF records at one name.
pub(super) const SPF_TWICE: Code = Code::semantic("spf-two-records");
/// More than ten look-ups.
pub(super) const SPF_LOOKUPS: Code = Code::semantic("spf-lookups");
/// A term that changes its meaning and cannot be frozen.
pub(super) const SPF_FREEZE: Code = Code::semantic("spf-freeze");
/// A term that leads to no record, or to two.
pub(super) const SPF_INCLUDE: Code = Code::semantic("spf-include");
/// A live record that no receiver can read.
pub(super) const SPF_SYNTAX: Code = Code::semantic("spf-syntax");

/// The default for senders that no term names: softfail instead of fail. DMARC treats both alike,
/// but a forgotten sender is not rejected for it. Our choice.
const DEFAULT_ALL: &str = "~all";

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    let lines = beside::lines(context);
    for one in &context.intent.moves {
        let line = lines.get(&one.domain.value).copied();
        let Some(versions) = Versions::of(context, (one, line), found) else { continue };
        let transitions = versions.transitions(one);
        let track = Track::new(one.zone.clone(), versions.key.clone(), transitions);
        let records = line.and_then(|line| line.id.as_ref()).map(|id| id.value.clone());
        found.track(Track { records: records.into_iter().collect(), ..track }, one.domain.span);
    }
}

/// The three versions of the record: now, while both sides send, and at the end.
struct Versions {
    key: RrKey,
    live: Option<RrSet>,
    /// The other texts at the name, from the first change on.
    beside: Vec<Rdata>,
    widened: SpfRecord,
    narrowed: SpfRecord,
}

impl Versions {
    fn of(
        context: &RecipeContext<'_>,
        (one, line): (&DomainMove, Option<&RecordSpec>),
        found: &mut Found,
    ) -> Option<Self> {
        let key = RrKey::new(one.domain.value.clone(), RrType::TXT);
        let live_txt = context.zone(one).get(&key).cloned();
        let records: Vec<SpfRecord> =
            live_txt.iter().flat_map(RrSet::rdata).filter_map(SpfRecord::of_rdata).collect();
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
        if let Some(live) = &live {
            is_readable(live, one, found)?;
        }
        let domain = &one.domain.value;
        let old = terms(std::slice::from_ref(&one.from), domain);
        let new = terms(std::slice::from_ref(&one.to), domain);
        let others = terms(&one.others, domain);
        if live.is_none() && old.is_empty() && new.is_empty() && others.is_empty() {
            return None;
        }
        let parts = Parts { context, one, old, staying: [new, others].concat() };
        let (widened, narrowed) = parts.versions(live.as_ref(), found)?;
        let beside = beside::texts(line, domain, live_txt.as_ref(), found)?;
        let versions = Self { key, live: live_txt, beside, widened, narrowed };
        versions.budget(context, one, live.as_ref(), found);
        Some(versions)
    }

    fn budget(
        &self,
        context: &RecipeContext<'_>,
        one: &DomainMove,
        live: Option<&SpfRecord>,
        found: &mut Found,
    ) {
        let mut unseen = BTreeSet::new();
        for (record, when) in
            [(&self.widened, "while both sides send"), (&self.narrowed, "when the plan is done")]
        {
            let Cost { lookups, unseen: not_seen } =
                cost(record, &one.domain.value, &|key| context.snapshot.told(key));
            unseen.extend(not_seen);
            if lookups > TERMS_MAX {
                let title = format!(
                    "the SPF record of {} costs {lookups} look-ups {when}",
                    one.domain.value
                );
                let before = live.map_or(0, |live| {
                    cost(live, &one.domain.value, &|key| context.snapshot.told(key)).lookups
                });
                let help = format!(
                    "remove includes that nobody uses, or move a sender to its own subdomain; the live record costs {before}"
                );
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
            RrSet::new(ttl, self.beside.iter().cloned().chain([record.rdata()]))
                .expect("a record and others of the same type are an RRset")
        };
        let live = || self.live.iter().flat_map(RrSet::rdata);
        let is_live = live().find_map(SpfRecord::of_rdata).as_ref() == Some(&self.widened);
        let more = self.beside.iter().filter(|text| !live().any(|there| there == *text));
        let more: Vec<Rdata> = more.cloned().collect();
        let (widened, narrowed) = (with(&self.widened), with(&self.narrowed));
        let mut transitions = Vec::new();
        let mut current = self.live.clone();
        if !is_live {
            transitions.push(Transition {
                verb: if current.is_some() { Verb::Widen } else { Verb::Publish },
                stage: Stage::Expand,
                changes: vec![change(&self.key, current.as_ref(), Some(&widened))],
                title: format!("widen the SPF record of {} to both sides", one.domain.value),
                reason: format!(
                    "`{}` may send before `{}` has stopped",
                    one.to.name, one.from.name
                ),
            });
            current = Some(widened);
        } else if !more.is_empty() {
            let beside = RrSet::new(ttl, live().cloned().chain(more))
                .expect("more records of the same type are an RRset");
            transitions.push(Transition {
                verb: Verb::Widen,
                stage: Stage::Expand,
                changes: vec![change(&self.key, current.as_ref(), Some(&beside))],
                title: format!("add texts beside the SPF record of {}", one.domain.value),
                reason: "the plan asks for them".to_owned(),
            });
            current = Some(beside);
        }
        if self.narrowed != self.widened {
            transitions.push(Transition {
                verb: Verb::Narrow,
                stage: Stage::Retire,
                changes: vec![change(&self.key, current.as_ref(), Some(&narrowed))],
                title: format!(
                    "narrow the SPF record of {} to the senders that stay",
                    one.domain.value
                ),
                reason: format!(
                    "`{}` no longer sends, and no mail that it sent is in flight",
                    one.from.name
                ),
            });
        }
        transitions
    }
}

/// Refuses a live record with a bad term: widened or narrowed, it would still pass for nobody.
fn is_readable(live: &SpfRecord, one: &DomainMove, found: &mut Found) -> Option<()> {
    let Err(BadTerm { term, meant }) = live.check() else { return Some(()) };
    let title =
        format!("{} in the live SPF record of {} is not a term", quoted(&term), one.domain.value);
    let help = match meant {
        Some(meant) => {
            format!("correct it in the zone, if you mean {}, then plan again", quoted(&meant))
        }
        None => "correct or remove it in the zone, then plan again".to_owned(),
    };
    found.report(
        Diagnostic::error(SPF_SYNTAX, one.domain.span, title, help)
            .label(format!("the record is `{live}`"))
            .why("one bad term makes the whole record an error for every receiver (RFC 7208 §4.6): SPF passes for nobody"),
    );
    None
}

/// The SPF terms that hosts declare for their senders.
fn terms(hosts: &[Host], domain: &Name) -> Vec<Declared> {
    let mut terms: Vec<Declared> = Vec::new();
    for spf in hosts.iter().flat_map(|host| &host.senders).filter_map(|sender| sender.spf.as_ref())
    {
        for term in SpfRecord::of_terms(&spf.value).terms {
            if !terms.iter().any(|declared| declared.term.same_as(&term, domain)) {
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
    context: &'p RecipeContext<'p>,
    one: &'p DomainMove,
    old: Vec<Declared>,
    staying: Vec<Declared>,
}

impl Parts<'_> {
    fn versions(
        &self,
        live: Option<&SpfRecord>,
        found: &mut Found,
    ) -> Option<(SpfRecord, SpfRecord)> {
        self.includes_are_sound(live, found)?;
        let none = SpfRecord { terms: vec![Term::new(DEFAULT_ALL)] };
        let base = live.unwrap_or(&none);
        let thawed = self.thawed(base);
        let mut widened = SpfRecord { terms: Vec::new() };
        let mut narrowed = SpfRecord { terms: Vec::new() };
        for term in &base.terms {
            let is_old = |old: &Declared| {
                self.same(&old.term, term) || self.same(&as_mechanism(&old.term), term)
            };
            let only_old = self.old.iter().any(is_old) && !self.stays(term);
            if self.changes_meaning(term) {
                // Freeze the current meaning until nobody relies on it. The term itself returns in
                // the end if a remaining sender declares it.
                let frozen =
                    self.frozen(term, self.one.domain.span, self.context.snapshot, found)?;
                widened.terms.extend(frozen.clone());
                match (self.stays(term), only_old) {
                    (true, _) => narrowed.terms.push(term.clone()),
                    (false, true) => {}
                    (false, false) => narrowed.terms.extend(frozen),
                }
                continue;
            }
            widened.terms.push(term.clone());
            if !only_old && !self.is_among(term, &thawed) {
                narrowed.terms.push(term.clone());
            }
        }
        if live.is_none() {
            for Declared { term, span } in &self.old {
                for term in self.now(&as_mechanism(term), *span, found)? {
                    self.add_once(&mut widened, term);
                }
            }
        }
        for Declared { term: declared, span } in &self.staying {
            let term = as_mechanism(declared);
            let stands = narrowed.has(declared, &self.one.domain.value);
            let standing = if stands { declared.clone() } else { term };
            let later = self.later(&standing, *span, found)?;
            // If an earlier run has already frozen it, the addresses are enough for now.
            let meant: Vec<Term> = self
                .means(&standing, self.context.end)
                .iter()
                .filter_map(Meaning::frozen)
                .collect();
            let is_frozen =
                |term: &Term| self.is_among(term, &base.terms) && self.is_among(term, &thawed);
            if meant.is_empty() || !meant.iter().all(is_frozen) {
                later.into_iter().for_each(|term| self.add_once(&mut widened, term));
            }
            self.add_once(&mut narrowed, standing);
        }
        self.keep_an_ending(base, &mut narrowed);
        Some((self.without_repeats(widened, base), self.without_repeats(narrowed, base)))
    }

    fn stays(&self, term: &Term) -> bool {
        self.staying.iter().any(|staying| self.same(&as_mechanism(&staying.term), term))
    }

    /// Whether two terms mean the same in the domain's record.
    fn same(&self, one: &Term, other: &Term) -> bool {
        one.same_as(other, &self.one.domain.value)
    }

    fn is_among(&self, term: &Term, terms: &[Term]) -> bool {
        terms.iter().any(|other| self.same(term, other))
    }

    fn add_once(&self, record: &mut SpfRecord, term: Term) {
        if !record.has(&term, &self.one.domain.value) {
            record.add(term);
        }
    }

    /// Removes duplicates that freezing may create, preferring the live record's spelling. An
    /// unchanged record keeps its duplicates.
    fn without_repeats(&self, record: SpfRecord, base: &SpfRecord) -> SpfRecord {
        if record == *base {
            return record;
        }
        let meaning = |term: &Term| term.meaning(&self.one.domain.value);
        let mut live: HashMap<TermMeaning, &Term> = HashMap::new();
        for term in &base.terms {
            live.entry(meaning(term)).or_insert(term);
        }
        let mut said = HashSet::new();
        let mut terms: Vec<Term> = Vec::with_capacity(record.terms.len());
        for term in record.terms {
            let meaning = meaning(&term);
            let term = live.get(&meaning).map_or(term, |live| (*live).clone());
            if said.insert(meaning) {
                terms.push(term);
            }
        }
        SpfRecord { terms }
    }

    /// The addresses that an earlier run froze `mx` and `a` into, for declared terms that the
    /// record does not have. They are removed when the plan is done.
    fn thawed(&self, base: &SpfRecord) -> Vec<Term> {
        let mut meant: Vec<Meaning> = Vec::new();
        for Declared { term, .. } in
            self.old.iter().chain(&self.staying).filter(|d| !self.is_among(&d.term, &base.terms))
        {
            if self.stays(term) {
                meant.extend(self.means(term, self.context.end));
            }
            if self.stays(term) || self.changes_meaning(term) {
                meant.extend(self.means(term, self.context.snapshot));
            }
            if let Some(Target::Exchanges(domain)) = term.target(&self.one.domain.value) {
                meant.extend(self.old_exchanges(&domain));
            }
        }
        let declared = |term: &Term| self.staying.iter().any(|d| self.same(&d.term, term));
        meant.iter().filter_map(Meaning::frozen).filter(|term| !declared(term)).collect()
    }

    /// What `mx` meant before the switch, wherever the MX records lead now.
    fn old_exchanges(&self, domain: &Name) -> Vec<Meaning> {
        let moves = self.context.intent.moves.iter().filter(|one| one.domain.value == *domain);
        let exchanges: Vec<&Exchange> = moves.flat_map(|one| &one.from.exchanges).collect();
        let names: Vec<Name> =
            exchanges.iter().map(|exchange| exchange.name.value.clone()).collect();
        let said = exchanges.iter().flat_map(|exchange| &exchange.addresses).copied();
        let mut meant: Vec<Meaning> = said.map(Meaning::Address).collect();
        meant.extend(addresses(&names, self.context.snapshot));
        meant
    }

    /// A record that loses its `redirect` would say nothing about unknown senders, so it gets the
    /// `all` of the record that the redirect led to.
    fn keep_an_ending(&self, base: &SpfRecord, narrowed: &mut SpfRecord) {
        if narrowed.terms.iter().any(|term| term.is_all() || term.is_redirect()) {
            return;
        }
        let Some(redirect) = base.terms.iter().find(|term| term.is_redirect()) else { return };
        let mut ending = Term::new(DEFAULT_ALL);
        if let Some(Target::Record(name)) = redirect.target(&self.one.domain.value)
            && let Seen::Records(txt) =
                self.context.snapshot.look_up(&RrKey::new(name, RrType::TXT))
            && let Some(target) = txt.iter().find_map(SpfRecord::of_rdata)
            && let Some(all) = target.terms.iter().find(|term| term.is_all())
        {
            ending = all.clone();
        }
        narrowed.terms.push(ending);
    }

    fn means(&self, term: &Term, at: &Snapshot) -> Vec<Meaning> {
        let target = term.target(&self.one.domain.value);
        target.and_then(|target| meaning(&target, at)).unwrap_or_default()
    }

    /// Whether the plan changes what the term means.
    fn changes_meaning(&self, term: &Term) -> bool {
        !same(&self.means(term, self.context.snapshot), &self.means(term, self.context.end))
    }

    /// Terms that keep the current meaning of a term.
    fn now(&self, term: &Term, span: Span, found: &mut Found) -> Option<Vec<Term>> {
        match self.changes_meaning(term) {
            true => self.frozen(term, span, self.context.snapshot, found),
            false => Some(vec![term.clone()]),
        }
    }

    /// Terms that have the final meaning of a term.
    fn later(&self, term: &Term, span: Span, found: &mut Found) -> Option<Vec<Term>> {
        match self.changes_meaning(term) {
            true => self.frozen(term, span, self.context.end, found),
            false => Some(vec![term.clone()]),
        }
    }

    /// The addresses that a term means in a snapshot, as terms.
    fn frozen(
        &self,
        term: &Term,
        span: Span,
        at: &Snapshot,
        found: &mut Found,
    ) -> Option<Vec<Term>> {
        let mut refuse = |problem: String| {
            let title = format!(
                "the SPF term `{term}` of {} changes its meaning with the move, but {problem}",
                self.one.domain.value
            );
            let help = "replace it in the live record by equivalent `ip4:` and `ip6:` terms, then plan again";
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
        for one in self.means(term, at) {
            match &one {
                Meaning::Address(_) => terms.extend(one.frozen()),
                Meaning::Unseen(key, why) => {
                    let RrKey { name, rtype } = key;
                    refuse(format!("the {rtype} records of {name} are unknown ({why})"));
                    return None;
                }
            }
        }
        Some(terms)
    }

    /// Checks the other records that this record leads to: each exists, and means the same before
    /// and after.
    fn includes_are_sound(&self, live: Option<&SpfRecord>, found: &mut Found) -> Option<()> {
        let (domain, span) = (&self.one.domain.value, self.one.domain.span);
        let mut open: Vec<(Name, SpfRecord, Span)> =
            live.iter().map(|live| (domain.clone(), (*live).clone(), span)).collect();
        open.extend(
            self.staying
                .iter()
                .map(|d| (domain.clone(), SpfRecord { terms: vec![d.term.clone()] }, d.span)),
        );
        let mut reached: BTreeSet<Name> = BTreeSet::from([domain.clone()]);
        while let Some((of, record, span)) = open.pop() {
            for term in &record.terms {
                let Some(target) = term.target(&of) else { continue };
                let Target::Record(name) = target else {
                    if of != *domain {
                        self.keeps_meaning(&of, term, &target, span, found)?;
                    }
                    continue;
                };
                // Domains that move have their own records widened and narrowed.
                let moves = self.context.intent.moves.iter().any(|one| one.domain.value == name);
                if moves || !reached.insert(name.clone()) {
                    continue;
                }
                let records = self.records_at(&name);
                let declared = self.staying.iter().any(|declared| self.same(&declared.term, term));
                match records {
                    Some(records) if records.len() != 1 && declared && of == *domain => {
                        self.refuse_include(term, records.len(), span, found);
                        return None;
                    }
                    records => {
                        open.extend(records.into_iter().flatten().map(|r| (name.clone(), r, span)))
                    }
                }
            }
        }
        Some(())
    }

    /// The SPF records at a name when the plan is done; `None` if unknown.
    fn records_at(&self, name: &Name) -> Option<Vec<SpfRecord>> {
        match self.context.end.look_up(&RrKey::new(name.clone(), RrType::TXT)) {
            Seen::Records(txt) => Some(txt.iter().filter_map(SpfRecord::of_rdata).collect()),
            Seen::Absent => Some(Vec::new()),
            Seen::Unknown(_) => None,
        }
    }

    fn refuse_include(&self, term: &Term, records: usize, span: Span, found: &mut Found) {
        let title = format!("`{term}` leads to a name with {records} SPF records");
        let help =
            "check the name in the host's documentation; if the record is yours, publish it first";
        found.report(
            Diagnostic::error(SPF_INCLUDE, span, title, help)
                .why("an include that leads to no record, or to two, is an error for every receiver (RFC 7208 §5.2): SPF passes for nobody"),
        );
    }

    /// A term of an included record cannot be frozen here. It may only gain a meaning, not change
    /// it.
    fn keeps_meaning(
        &self,
        of: &Name,
        term: &Term,
        target: &Target,
        span: Span,
        found: &mut Found,
    ) -> Option<()> {
        let now = meaning(target, self.context.snapshot).unwrap_or_default();
        let end = meaning(target, self.context.end).unwrap_or_default();
        if now.is_empty() || same(&now, &end) {
            return Some(());
        }
        let title = format!(
            "the SPF term `{term}` of {of}, which the record of {} leads to, changes its meaning with the move",
            self.one.domain.value
        );
        let help =
            format!("replace it at {of} by equivalent `ip4:` and `ip6:` terms, then plan again");
        found.report(
            Diagnostic::error(SPF_FREEZE, span, title, help)
                .why("after the switch it would authorise other servers than before"),
        );
        None
    }
}

/// A host's `redirect` cannot be used in a record that it shares with others; an `include`
/// authorises the same senders (RFC 7208 §6.1).
fn as_mechanism(term: &Term) -> Term {
    match term.to_string().split_once('=') {
        Some((_, name)) if term.is_redirect() => Term::new(&format!("include:{name}")),
        _ => term.clone(),
    }
}
