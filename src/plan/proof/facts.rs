//! Facts as atoms: which values a fact may have, and from when to when.
//!
//! While a step changes a fact, both the new and the earlier value *may hold*, and the earlier
//! value may hold until it has settled. A fact that nobody states has its worst value forever. What
//! a host does that accepts the mail today, it goes on doing until somebody states otherwise
//! ([`cutover_steps::fact::Row::of_old`]).
//!
//! The facts that some pattern relies on are recorded: a stated fact that nothing relies on is an
//! error in the plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::draft::Draft;
use super::pattern::{Atom, Ending, Start, What};
use super::view::{Counts, Library};
use crate::language::{AssumeSpec, Confirm};
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::{MovePoint, Point};

/// The values of facts that were asked for so far.
pub struct Facts<'d> {
    library: &'d Library<'d>,
    known: RefCell<BTreeMap<(Fact, Subject), Values>>,
    in_flight: RefCell<BTreeMap<(Fact, Subject), Vec<usize>>>,
    read: RefCell<Read>,
}

/// The facts that patterns rely on.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// On the forward steps, and on ways back.
    pub anywhere: BTreeSet<(Fact, Subject)>,
    /// Only on ways back past the switch, whether or not there are any.
    pub past_switch: BTreeSet<(Fact, Subject)>,
}

/// The values that a fact may have, each with its atom.
pub type Values = Vec<(Value, usize)>;

/// A value, while values are collected.
struct Phase {
    value: Value,
    start: Start,
    ends: Vec<Ending>,
    unknown: bool,
    counts: Counts,
}

impl Phase {
    /// A value that is stated or known, for any steps.
    fn of(value: Value, start: Start, ends: Vec<Ending>) -> Self {
        Self { value, start, ends, unknown: false, counts: Counts::Always }
    }
}

impl<'d> Facts<'d> {
    /// No fact was asked for yet.
    #[must_use]
    pub fn of(library: &'d Library<'d>) -> Self {
        Self {
            library,
            known: RefCell::default(),
            in_flight: RefCell::default(),
            read: RefCell::default(),
        }
    }

    fn draft(&self) -> &'d Draft<'d> {
        self.library.draft
    }

    /// The facts that were asked for.
    #[must_use]
    pub fn into_read(self) -> Read {
        self.read.into_inner()
    }

    /// The values that a fact may have, each with its atom. Asking for them means relying on the
    /// fact.
    #[must_use]
    pub fn values(&self, fact: Fact, subject: &Subject) -> Values {
        self.read.borrow_mut().anywhere.insert((fact, subject.clone()));
        self.look(fact, subject)
    }

    fn look(&self, fact: Fact, subject: &Subject) -> Values {
        let of = (fact, subject.clone());
        if let Some(known) = self.known.borrow().get(&of) {
            return known.clone();
        }
        let phases = self.phases(fact, subject);
        let atoms: Values = phases
            .into_iter()
            .map(|Phase { value, start, ends, unknown, counts }| {
                let what = What::Fact { fact, subject: subject.clone(), value, unknown };
                (value, self.library.add_where(counts, Atom { what, start, ends }))
            })
            .collect();
        self.known.borrow_mut().insert(of, atoms.clone());
        atoms
    }

    /// The atoms of a value.
    #[must_use]
    pub fn having(&self, fact: Fact, subject: &Subject, value: Value) -> Vec<usize> {
        of_value(self.values(fact, subject), value)
    }

    /// The atoms of a value of a host's fact.
    #[must_use]
    pub fn of_host(&self, fact: Fact, host: &str, value: Value) -> Vec<usize> {
        self.having(fact, &Subject::Host(host.to_owned()), value)
    }

    /// The same, if only a way back past the switch asks.
    #[must_use]
    pub fn of_host_again(&self, fact: Fact, host: &str, value: Value) -> Vec<usize> {
        let subject = Subject::Host(host.to_owned());
        self.read.borrow_mut().past_switch.insert((fact, subject.clone()));
        of_value(self.look(fact, &subject), value)
    }

    /// The atoms of a value of a fact that several subjects can have. Takes all subjects for which
    /// it is stated, since neither of two contradicting statements is trusted. If it is stated for
    /// none, takes the first.
    #[must_use]
    pub fn of_any(&self, fact: Fact, subjects: &[Subject], value: Value) -> Vec<usize> {
        let stated = subjects.iter().filter(|subject| self.is_stated(fact, subject));
        let stated: Vec<&Subject> = stated.collect();
        let of = if stated.is_empty() { &subjects[..subjects.len().min(1)] } else { &[] };
        let all = stated.into_iter().chain(of);
        all.flat_map(|subject| self.having(fact, subject, value)).collect()
    }

    /// Whether the fact is stated.
    #[must_use]
    pub fn is_stated(&self, fact: Fact, subject: &Subject) -> bool {
        let mut stated = self.draft().intent.assume.iter();
        stated.any(|stated| stated.fact.value == fact && stated.subject.value == *subject)
    }

    /// Whether gates establish the fact.
    #[must_use]
    pub fn is_of_gates(&self, fact: Fact, subject: &Subject) -> bool {
        self.draft().intent.assume.iter().any(|stated| {
            let is_it = stated.fact.value == fact && stated.subject.value == *subject;
            is_it && matches!(stated.confirm, Confirm::Gates { .. })
        })
    }

    /// Whether the fact is stated with this value, from the first step on and forever.
    #[must_use]
    pub fn is_always(&self, fact: Fact, subject: &Subject, value: Value) -> bool {
        let all = self.values(fact, subject);
        self.is_stated(fact, subject) && all.iter().all(|(has, _)| *has == value)
    }

    fn phases(&self, fact: Fact, subject: &Subject) -> Vec<Phase> {
        let draft = self.draft();
        let mut stated: Vec<&AssumeSpec> = draft
            .intent
            .assume
            .iter()
            .filter(|stated| stated.fact.value == fact && stated.subject.value == *subject)
            .collect();
        stated.sort_by_key(|stated| stated.from);
        if fact == Fact::Sends && stated.is_empty() && self.is_new(subject) {
            return self.begins_to_send();
        }
        let (initial, unknown) = self.initial(fact, subject, &stated);
        let mut phases = vec![Phase { unknown, ..Phase::of(initial, Start::Always, Vec::new()) }];
        let mut begun: Vec<(&AssumeSpec, usize)> = Vec::new();
        for spec in stated {
            let Some(step) = draft.step_of(spec) else { continue };
            if begin(&mut phases, spec.value, step, spec.settle) {
                begun.push((spec, phases.len() - 1));
            }
        }
        if fact == Fact::Mail
            && self.is_old(subject)
            && let Some(release) = draft.point(MovePoint::Release)
        {
            begin(&mut phases, Value::Off, release, Duration::ZERO);
        }
        self.way_back(fact, subject, &begun, &mut phases);
        phases
    }

    fn is_old(&self, subject: &Subject) -> bool {
        let moves = &self.draft().intent.moves;
        subject.host().is_some_and(|host| moves.iter().any(|domain| domain.from.name == host))
    }

    fn is_new(&self, subject: &Subject) -> bool {
        let moves = &self.draft().intent.moves;
        subject.host().is_some_and(|host| moves.iter().any(|domain| domain.to.name == host))
    }

    /// The new host sends from the switch on, or from when the old host no longer sends, if that is
    /// earlier. The verdict lists that it does not before (`compile::assumptions::senders`).
    fn begins_to_send(&self) -> Vec<Phase> {
        let draft = self.draft();
        let Some(switch) = draft.point(MovePoint::BeforeSwitch) else {
            return vec![Phase::of(Value::True, Start::Always, Vec::new())];
        };
        let ends = vec![Ending { step: switch, hold: Duration::ZERO }];
        let mut phases = vec![
            Phase::of(Value::False, Start::Always, ends),
            Phase::of(Value::True, Start::Begin(switch), Vec::new()),
        ];
        let stops = draft.intent.assume.iter().filter(|stated| {
            stated.fact.value == Fact::Sends
                && stated.value == Value::False
                && self.is_old(&stated.subject.value)
        });
        for stop in stops {
            match (stop.from, draft.step_of(stop)) {
                (None, _) => phases.push(Phase::of(Value::True, Start::Always, Vec::new())),
                (Some(Point::Expand), Some(step)) => {
                    phases.push(Phase::of(Value::True, Start::Begin(step), Vec::new()));
                }
                (Some(_), _) => {}
            }
        }
        phases
    }

    /// The values on the way back. Values that had begun end. And what is stated about the new host
    /// for the way back begins, whatever was true before.
    fn way_back(
        &self,
        fact: Fact,
        subject: &Subject,
        begun: &[(&AssumeSpec, usize)],
        phases: &mut Vec<Phase>,
    ) {
        let draft = self.draft();
        let mut current: Option<usize> = None;
        for (stated, place) in begun.iter().rev() {
            let Some(step) = draft.end_of(stated) else { continue };
            for place in [*place].into_iter().chain(current) {
                phases[place].ends.push(Ending { step, hold: stated.settle });
            }
            let value = phases[place - 1].value;
            phases.push(Phase::of(value, Start::Begin(step), Vec::new()));
            current = Some(phases.len() - 1);
        }
        if let Some(step) = draft.begins_again(fact, subject) {
            phases.iter_mut().for_each(|phase| phase.counts = Counts::Without(step));
            let row = fact.row();
            let mut again = vec![Phase::of(row.unknown, Start::Always, Vec::new())];
            begin(&mut again, row.stated, step, Duration::ZERO);
            again.iter_mut().for_each(|phase| phase.counts = Counts::With(step));
            phases.extend(again);
        }
    }

    /// The value before the first step, and whether it is not stated.
    fn initial(&self, fact: Fact, subject: &Subject, stated: &[&AssumeSpec]) -> (Value, bool) {
        let draft = self.draft();
        // Stated without a beginning, or for a part of the move that is over already.
        let is_over =
            |stated: &&&AssumeSpec| draft.step_of(stated).is_none() && draft.counts_already(stated);
        let already = stated.iter().rev().find(is_over);
        if let Some(stated) = already {
            return (stated.value, false);
        }
        // Who says from when on the new host sends also says that it does not before.
        let begins = |first: &&AssumeSpec| first.value == Value::True;
        if fact == Fact::Sends && self.is_new(subject) && stated.first().is_some_and(begins) {
            return (Value::False, false);
        }
        let row = fact.row();
        match row.of_old.filter(|_| self.is_old(subject)) {
            Some(today) => (today, false),
            // A host that is to accept mail puts it into mailboxes; nobody has to state that.
            None => (row.unknown, stated.is_empty() && fact != Fact::Mail),
        }
    }

    /// Mail of a host or a domain in flight, until the last message has been delivered that was
    /// sent before people stopped. Empty if, as stated, nobody sends.
    #[must_use]
    pub fn in_flight(&self, of: &Subject) -> Vec<usize> {
        self.in_flight_by(Fact::Sends, of)
    }

    /// The same for what somebody sends, or signs.
    #[must_use]
    pub fn in_flight_by(&self, fact: Fact, of: &Subject) -> Vec<usize> {
        let sending = self.having(fact, of, Value::True);
        let key = (fact, of.clone());
        if let Some(known) = self.in_flight.borrow().get(&key) {
            return known.clone();
        }
        let clocks = self.draft().intent.terms.clocks;
        let life = clocks.queue_life + clocks.margin;
        let mut found = Vec::new();
        // While people send, mail may be in flight. The atom of the value says how long they send.
        for sending in sending {
            let Atom { start, ends, what } = self.library.atoms.borrow()[sending].clone();
            let unknown = matches!(what, What::Fact { unknown: true, .. });
            let ends = ends
                .into_iter()
                .map(|ending| Ending { hold: ending.hold + life, ..ending })
                .collect();
            let what = What::InFlight { by: fact, of: of.clone(), unknown };
            let counts = self.library.counts(sending);
            found.push(self.library.add_where(counts, Atom { what, start, ends }));
        }
        self.in_flight.borrow_mut().insert(key, found.clone());
        found
    }
}

fn of_value(values: Values, value: Value) -> Vec<usize> {
    values.into_iter().filter(|(has, _)| *has == value).map(|(_, atom)| atom).collect()
}

/// Begins a new value, unless the fact already has it. Returns whether it did.
fn begin(phases: &mut Vec<Phase>, value: Value, step: usize, settle: Duration) -> bool {
    let last = phases.last_mut().expect("one at least");
    if last.value == value {
        return false;
    }
    last.ends.push(Ending { step, hold: settle });
    phases.push(Phase::of(value, Start::Begin(step), Vec::new()));
    true
}
