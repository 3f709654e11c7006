//! Where invariants make their bad patterns, from the answers and facts of a plan.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::draft::{Back, Draft};
use super::facts::{Facts, Read};
use super::parties::{Parties, Routes, Side, routes_today};
use super::pattern::{AnswerPart, Atom, Ending, Harm, Pattern, PatternAtom, Start, What};
use super::states::Directions;
use super::view::{Choice, Library, TooMany, Tree, View};
use crate::intent::{DomainMove, Host};
use crate::observe::Snapshot;
use cutover_mail::dkim::signs_as;
use cutover_mail::spf::SpfRecord;
use cutover_steps::fact::{self, Fact, Subject, Value};
use cutover_steps::graph::MovePoint;
use cutover_steps::graph::gate::Place;
use cutover_steps::probe::{self, HostOf};

/// The maximum number of patterns for one choice of answers. Our choice: more would come from names
/// with dozens of versions, and nobody could read the findings.
const PATTERNS_MAX: usize = 10_000;

/// A mail domain.
#[derive(Clone, Debug)]
pub struct Domain<'d> {
    /// Its name.
    pub name: Name,
    /// How it moves, if it moves.
    pub moves: Option<&'d DomainMove>,
}

/// The atoms that say where the mailboxes may be.
#[derive(Clone, Copy, Debug)]
pub struct Mailboxes {
    /// Still at the old host; `None`: an earlier run has begun the switch.
    pub old: Option<usize>,
    /// At the old host again, on the way back.
    pub again: Option<usize>,
    /// At the new host.
    pub new: usize,
}

impl Mailboxes {
    /// At the old host, still or again.
    pub(super) fn at_old(&self) -> impl Iterator<Item = usize> + use<> {
        self.old.into_iter().chain(self.again)
    }
}

/// Where invariants make their patterns.
pub struct PatternBuilder<'d> {
    /// The answers.
    pub library: &'d Library<'d>,
    /// The facts.
    pub facts: Facts<'d>,
    /// The zones in the end.
    pub end: Arc<Snapshot>,
    /// The mail domains of all zones.
    domains: Rc<[Domain<'d>]>,
    /// The patterns so far.
    patterns: Vec<Pattern>,
    mailboxes: OnceCell<Mailboxes>,
    /// What could not be decided, by invariant and name.
    undecided: RefCell<BTreeSet<(&'static str, Name)>>,
}

impl<'d> PatternBuilder<'d> {
    /// A builder without patterns.
    pub(super) fn of(library: &'d Library<'d>) -> Self {
        let draft = library.draft;
        Self {
            library,
            facts: Facts::of(library),
            end: Arc::clone(&draft.end),
            domains: domains(draft),
            patterns: Vec::new(),
            mailboxes: OnceCell::new(),
            undecided: RefCell::default(),
        }
    }

    /// All patterns, with those for what could not be decided, and the facts that they rely on.
    pub(super) fn finish(self) -> (Vec<Pattern>, Read) {
        let PatternBuilder { mut patterns, facts, undecided, .. } = self;
        patterns.extend(undecided.into_inner().into_iter().map(|(invariant, of)| Pattern {
        invariant,
        atoms: Vec::new(),
        harm: Harm::new(
            format!("{invariant}/{}/undecided", shown(&of)),
            format!(
                "this cannot be decided for {of}: too many combinations of answers are possible"
            ),
            "split the plan into smaller ones, or change fewer records under one name at a time",
        ),
        undecided: true,
    }));
        (patterns, facts.into_read())
    }

    pub(super) fn draft(&self) -> &'d Draft<'d> {
        self.library.draft
    }

    /// The mail domains that a change of these zones can harm.
    pub(super) fn domains(&self) -> Rc<[Domain<'d>]> {
        Rc::clone(&self.domains)
    }

    /// The domains that move.
    pub(super) fn moving(&self) -> impl Iterator<Item = (&'d Name, &'d DomainMove)> + use<'d> {
        self.draft().intent.moves.iter().map(|domain| (&domain.domain.value, domain))
    }

    /// Whose servers accept mail.
    pub(super) fn parties(&self) -> &'d Parties {
        &self.draft().parties
    }

    /// The two hosts of the move: where the mail is now, and where it goes.
    pub(super) fn sides(&self) -> Option<(&'d Host, &'d Host)> {
        self.draft().intent.moves.first().map(|domain| (&domain.from, &domain.to))
    }

    /// The result under a label, made now if it does not exist. If there are too many views, it is
    /// empty, and a pattern of its own says so.
    ///
    /// The label names the evaluation: what it asks, about which name, and a number that
    /// distinguishes evaluations of the same name. Evaluations with the same label are the same,
    /// and are made once.
    fn once<T: Default + Send + Sync + 'static>(
        &self,
        invariant: &'static str,
        (what, of, number): (&'static str, &Name, usize),
        make: &dyn Fn() -> Result<T, TooMany>,
    ) -> Arc<T> {
        self.library.once((what, of.clone(), number), || {
            make().unwrap_or_else(|TooMany| {
                self.undecided.borrow_mut().insert((invariant, of.clone()));
                T::default()
            })
        })
    }

    /// The result under a label for something that depends on no view, made once.
    pub(super) fn always<T: Send + Sync + 'static>(
        &self,
        (what, of, number): (&'static str, &Name, usize),
        make: &dyn Fn() -> T,
    ) -> Arc<T> {
        self.library.once((what, of.clone(), number), make)
    }

    /// The smallest sets of answers for which an evaluation finds something; empty if there are too
    /// many views.
    pub(super) fn cases<T: Clone + Send + Sync + 'static>(
        &self,
        invariant: &'static str,
        label: (&'static str, &Name, usize),
        evaluate: &dyn Fn(&View<'_>) -> Option<T>,
    ) -> Arc<Vec<(Choice, T)>> {
        self.once(invariant, label, &|| {
            Ok(Tree::of(self.library, label.1, evaluate)?.smallest(&Option::clone))
        })
    }

    /// What an evaluation finds in every view; nothing if there are too many views.
    pub(super) fn views<T: Send + Sync + 'static>(
        &self,
        invariant: &'static str,
        label: (&'static str, &Name, usize),
        evaluate: &dyn Fn(&View<'_>) -> T,
    ) -> Arc<Tree<T>> {
        self.once(invariant, label, &|| Tree::of(self.library, label.1, evaluate))
    }

    /// Where mail for a domain may go, in every view.
    pub(super) fn routes(&self, invariant: &'static str, domain: &Name) -> Arc<Tree<Routes>> {
        self.views(invariant, ("routes", domain, 0), &|view| view.routes(domain))
    }

    /// Where mail for a domain may go before the first step.
    pub(super) fn routes_today(&self, domain: &Name) -> Arc<Routes> {
        let label = ("routes-today", domain, 0);
        self.always(label, &|| routes_today(self.draft().snapshot, domain))
    }

    /// The smallest sets of answers that make the routes of a domain's mail as wanted.
    pub(super) fn routed<T: Send + Sync + 'static>(
        &self,
        invariant: &'static str,
        (what, domain, number): (&'static str, &Name, usize),
        wanted: &dyn Fn(&Routes) -> Option<T>,
    ) -> Arc<Vec<(Choice, T)>> {
        self.once(invariant, (what, domain, number), &|| {
            Ok(self.routes(invariant, domain).smallest(wanted))
        })
    }

    /// Everything that some view may show; empty if there are too many views.
    pub(super) fn met<T: Clone + Ord + Send + Sync + 'static>(
        &self,
        invariant: &'static str,
        label: (&'static str, &Name, usize),
        look: &dyn Fn(&View<'_>) -> Vec<T>,
    ) -> Arc<Vec<T>> {
        self.once(invariant, label, &|| {
            let tree = Tree::of(self.library, label.1, look)?;
            let found: BTreeSet<&T> = tree.found().flatten().collect();
            Ok(found.into_iter().cloned().collect())
        })
    }

    /// Adds patterns: each combination of versions of the chosen answers, together with these
    /// atoms.
    pub(super) fn forbid(
        &mut self,
        invariant: &'static str,
        (choice, extra): (&Choice, Duration),
        others: &[usize],
        harm: &Harm,
    ) {
        self.forbid_with(invariant, choice, &|_| extra, others, harm);
    }

    /// The same, with an addition to the hold for the answer to each question.
    pub(super) fn forbid_with(
        &mut self,
        invariant: &'static str,
        choice: &Choice,
        extra: &dyn Fn(&RrKey) -> Duration,
        others: &[usize],
        harm: &Harm,
    ) {
        let all = self.combined(choice, extra, others, Directions::Both);
        let sets = all.or_else(|_| {
            self.library.undecided_back.set(true);
            self.combined(choice, extra, others, Directions::Forward)
        });
        let sets = match sets {
            Ok(sets) => sets,
            Err(of) => {
                self.undecided.borrow_mut().insert((invariant, of));
                return;
            }
        };
        self.patterns.extend(sets.into_iter().map(|atoms| Pattern {
            invariant,
            atoms,
            harm: harm.clone(),
            undecided: false,
        }));
    }

    /// Each combination of versions of the chosen answers, together with these atoms; or a name for
    /// which there are too many combinations.
    fn combined(
        &self,
        choice: &Choice,
        extra: &dyn Fn(&RrKey) -> Duration,
        others: &[usize],
        directions: Directions,
    ) -> Result<Vec<Vec<PatternAtom>>, Name> {
        let mut sets: Vec<Vec<PatternAtom>> =
            vec![others.iter().copied().map(PatternAtom::plain).collect()];
        for (answer, (key, class)) in choice.iter().enumerate() {
            let Some(answers) = self.library.answers(key) else { continue };
            let class = &answers.classes[*class];
            let extra = extra(key);
            let late = class.late.iter().filter(|_| !extra.is_zero()).map(std::slice::from_ref);
            let versions = class.versions.iter().map(Vec::as_slice).chain(late);
            let versions: Vec<&[usize]> = versions
                .filter(|version| directions == Directions::Both || self.is_forward(version))
                .collect();
            if sets.len().saturating_mul(versions.len()) > PATTERNS_MAX {
                return Err(key.name.clone());
            }
            sets = sets
                .iter()
                .flat_map(|set| {
                    versions.iter().map(|version| {
                        let version = self.held(key, answer, version, extra);
                        set.iter().copied().chain(version).collect()
                    })
                })
                .collect();
        }
        Ok(sets)
    }

    /// The parts of a version of an answer, as atoms of a pattern.
    fn held(
        &self,
        key: &RrKey,
        answer: usize,
        version: &[usize],
        extra: Duration,
    ) -> impl Iterator<Item = PatternAtom> {
        let zone = self.draft().snapshot.zone_of(&key.name).filter(|_| version.len() > 1);
        let part = zone.map(|zone| {
            let anycast_margin = zone.capabilities.anycast_margin;
            AnswerPart { answer, anycast_margin }
        });
        version.iter().map(move |atom| PatternAtom { atom: *atom, extra, part })
    }

    /// Adds patterns: each version of an answer that several RRsets make together.
    pub(super) fn forbid_made_of_several(
        &mut self,
        invariant: &'static str,
        (key, class): (&RrKey, usize),
        harm: &Harm,
    ) {
        let Some(answers) = self.library.answers(key) else { return };
        for version in answers.classes[class].versions.iter().filter(|version| version.len() > 1) {
            let atoms = self.held(key, 0, version, Duration::ZERO).collect();
            let harm = harm.clone();
            self.patterns.push(Pattern { invariant, atoms, harm, undecided: false });
        }
    }

    /// Whether a version exists during the forward steps.
    fn is_forward(&self, version: &[usize]) -> bool {
        let atoms = self.library.atoms.borrow();
        let begins = |atom: &usize| match atoms[*atom].start {
            Start::Always => true,
            Start::Begin(step) => step < self.draft().forward,
        };
        version.iter().all(begins)
    }

    /// Adds patterns for each case, with each of these atoms in turn. They are made, and a fact is
    /// read, only if there is a case.
    pub(super) fn forbid_each(
        &mut self,
        invariant: &'static str,
        (cases, extra): (&[(Choice, ())], Duration),
        atoms: &dyn Fn(&Self) -> Vec<usize>,
        harm: &Harm,
    ) {
        if cases.is_empty() {
            return;
        }
        let atoms = atoms(self);
        for (choice, ()) in cases {
            for atom in &atoms {
                self.forbid(invariant, (choice, extra), &[*atom], harm);
            }
        }
    }

    /// Adds the pattern of one version of an answer, together with these atoms.
    pub(super) fn forbid_version(
        &mut self,
        invariant: &'static str,
        version: &[usize],
        others: &[usize],
        harm: &Harm,
    ) {
        self.patterns.push(Pattern {
            invariant,
            atoms: others.iter().chain(version).copied().map(PatternAtom::plain).collect(),
            harm: harm.clone(),
            undecided: false,
        });
    }

    /// How much longer an old answer counts if the old side must go on working: it is used for a
    /// while after the look-up, and some resolvers keep it too long.
    pub(super) fn late(&self) -> Duration {
        let terms = &self.draft().intent.terms;
        terms.clocks.use_ + terms.overrun
    }

    /// Where the mailboxes may be; `None` if no mail moves.
    pub(super) fn mailboxes(&self) -> Option<&Mailboxes> {
        let (from, to) = self.sides()?;
        Some(self.mailboxes.get_or_init(|| {
            let draft = self.draft();
            let switch = draft.point(MovePoint::BeforeSwitch);
            let back =
                draft.back_step(&|back| matches!(back, Back::Point(MovePoint::BeforeSwitch)));
            let end = |step: Option<usize>| -> Vec<Ending> {
                step.into_iter().map(|step| Ending { step, hold: Duration::ZERO }).collect()
            };
            let at = |host: &str, start, ends| {
                let what = What::MailboxesAt { host: host.to_owned() };
                self.library.add(Atom { what, start, ends })
            };
            // If an earlier run has begun the switch, people already use the new host.
            let old =
                (!draft.snapshot.is_switching).then(|| at(&from.name, Start::Always, end(switch)));
            let again = back.map(|step| at(&from.name, Start::Begin(step), Vec::new()));
            let new = at(&to.name, switch.map_or(Start::Always, Start::Begin), end(back));
            Mailboxes { old, again, new }
        }))
    }

    /// Adds an atom.
    pub(super) fn atom(&self, what: What, start: Start, ends: Vec<Ending>) -> usize {
        self.library.add(Atom { what, start, ends })
    }

    /// What would help if a fact is not stated, or does not begin early enough.
    pub(super) fn statement(&self, fact: Fact, of: &Subject, value: Value, from: &str) -> String {
        if self.facts.is_of_gates(fact, of) && self.draft().snapshot.is_switching {
            return format!(
                "the switch has begun, and the gate that establishes `{fact}` of {of} has not passed since: go on with that run, so that it is asked again, or roll back"
            );
        }
        if self.facts.is_of_gates(fact, of) {
            return format!(
                "the gate that establishes `{fact}` of {of} comes too late for this: state the fact instead (`assume:`), if it is true"
            );
        }
        if self.facts.is_stated(fact, of) {
            return format!(
                "what the plan states for `{fact}` of {of} is not enough: let it be {value} earlier (`from:`), if that is true"
            );
        }
        let from = if from.is_empty() { String::new() } else { format!(", from: {from}") };
        let named = match value == fact.row().stated {
            true => String::new(),
            false => format!(", value: {value}"),
        };
        format!(
            "state it, if it is true: `assume: [ {{ fact: {fact}, {}: {}{named}{from}, reason: WHY }} ]`{}",
            of.kind().key(),
            yaml_word(of),
            self.or_a_gate(fact, of, value)
        )
    }

    /// What is there besides a statement: a gate that can establish the fact, or why the plan's does
    /// not.
    fn or_a_gate(&self, fact: Fact, of: &Subject, value: Value) -> String {
        let intent = self.draft().intent;
        let probe = fact.row().sources.iter().find_map(|source| match source {
            fact::Source::Gate(probe) => Some(*probe),
            fact::Source::PlanKey(_) | fact::Source::Snapshot(_) | fact::Source::Assume => None,
        });
        let looks_at = probe.and_then(|name| probe::of_name(name)?.keys.host);
        let (Some(probe), Some(host), Some(first)) = (probe, looks_at, intent.moves.first()) else {
            return String::new();
        };
        let (host, place) = match host {
            HostOf::New => (&first.to, Place::BeforeSwitch),
            HostOf::Old => (&first.from, Place::AfterSwitch),
        };
        if of.host() != Some(host.name.as_str()) || value != fact.row().stated {
            return String::new();
        }
        let none = intent.no_evidence.iter().find(|one| one.fact == fact && one.subject == *of);
        match none {
            Some(none) => format!(" (the gate `{probe}` does not establish it: {})", none.why),
            None => {
                let place = place.key();
                format!(", or let a gate establish it: `gates: {{ {place}: [ {probe} ] }}`")
            }
        }
    }

    /// The same for a host.
    pub(super) fn of_host(&self, fact: Fact, host: &str, value: Value, from: &str) -> String {
        self.statement(fact, &Subject::Host(host.to_owned()), value, from)
    }
}

/// The mail domains that a change of these zones can harm: those that move, and others.
fn domains<'d>(draft: &Draft<'d>) -> Rc<[Domain<'d>]> {
    let others = other_domains(draft).into_iter().map(|name| Domain { name, moves: None });
    let moves = draft.intent.moves.iter();
    let moving =
        moves.map(|domain| Domain { name: domain.domain.value.clone(), moves: Some(domain) });
    moving.chain(others).collect()
}

/// The mail domains that do not move: every name that has MX records, now or later. Also every name
/// with an address for which an SPF record, a DKIM key or a policy exists, since without MX records
/// its own address accepts its mail (RFC 5321 §5.1). Such a name may also be an alias, whose mail
/// goes where that of its target goes.
#[must_use]
pub fn other_domains(draft: &Draft<'_>) -> Vec<Name> {
    let moving: BTreeMap<&Name, &DomainMove> =
        draft.intent.moves.iter().map(|domain| (&domain.domain.value, domain)).collect();
    let is_mx = |key: &&RrKey| key.rtype == RrType::MX;
    let rrsets = || draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let live = rrsets().map(|(key, _)| key);
    let with_mx = live.filter(is_mx).chain(draft.owned().filter(is_mx)).map(|key| &key.name);
    let mut names: BTreeSet<&Name> = with_mx.filter(|name| !moving.contains_key(name)).collect();
    // Servers have SPF records for their HELO names (RFC 7208 §2.3), and accept mail for others.
    let exchanges: BTreeSet<Name> = rrsets()
        .filter(|(key, _)| key.rtype == RrType::MX)
        .flat_map(|(_, mx)| mx.rdata().iter().filter_map(Rdata::as_mx).map(|(_, name)| name))
        .chain(draft.parties.names(Side::From).iter().cloned())
        .chain(draft.parties.names(Side::To).iter().cloned())
        .collect();
    let sends = |record: SpfRecord| record.terms_that_count().next().is_some();
    let with_spf = rrsets().filter(|(key, rrset)| {
        key.rtype == RrType::TXT
            && !moving.contains_key(&key.name)
            && !key.name.labels().any(|label| label.first() == Some(&b'_') || label == b"*")
            && !exchanges.contains(&key.name)
            && rrset.rdata().iter().filter_map(SpfRecord::of_rdata).any(sends)
    });
    names.extend(with_spf.map(|(key, _)| &key.name));
    // A name that signs mail, or has a mail policy, has mail. The same if it gets a key or a policy
    // later.
    let of_mail = rrsets().map(|(key, _)| key).chain(draft.owned()).filter_map(|key| {
        let mut labels = key.name.labels();
        let first = labels.next()?;
        let is = |label: &[u8], text: &str| label.eq_ignore_ascii_case(text.as_bytes());
        if is(first, "_dmarc") || is(first, "_mta-sts") {
            return key.name.parent();
        }
        // The TLSA record for a server's certificate (RFC 7672 §3.1) exists for its mail.
        match is(first, "_25") && labels.next().is_some_and(|label| is(label, "_tcp")) {
            true => key.name.parent()?.parent(),
            false => signs_as(&key.name),
        }
    });
    let known: BTreeSet<Name> = of_mail.filter(|name| !exchanges.contains(name)).collect();
    let zones = draft.snapshot.zones.values();
    let owners = zones.flat_map(|zone| zone.zone.rrsets.keys()).filter(|key| {
        matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME)
            && !moving.contains_key(&key.name)
    });
    names.extend(owners.map(|key| &key.name).filter(|name| known.contains(*name)));
    names.into_iter().cloned().collect()
}

/// A subject as written in a line of YAML.
#[must_use]
pub fn yaml_word(of: &Subject) -> String {
    match of {
        Subject::Host(_) => of.to_string(),
        Subject::Name(_) | Subject::Address(_) => format!("\"{of}\""),
    }
}

/// A name as written in the id of a harm: without its final dot.
#[must_use]
pub fn shown(name: &Name) -> String {
    let text = name.to_string();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(bare) => bare.to_owned(),
    }
}
