//! Facts as atoms: which values a fact may have, and from when to when.
//!
//! A value that changes in a step *may hold* together with the one before while the step runs, and
//! the one before goes on to hold for as long as it settles. A fact that nobody states has its worst
//! value for ever.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::draft::{Back, Draft, MovePoint};
use super::pattern::{Atom, Ending, Start, What};
use super::view::Library;
use crate::fact::{Fact, Value};
use crate::spec::AssumeSpec;

/// The values of facts, as far as somebody has asked for them.
#[derive(Debug)]
pub struct Facts<'d> {
    library: &'d Library<'d>,
    known: RefCell<BTreeMap<(Fact, String), Values>>,
    in_flight: RefCell<BTreeMap<String, Vec<usize>>>,
}

/// The values that a fact may have, each with its atom.
pub type Values = Vec<(Value, usize)>;

/// One value while they are gathered.
struct Phase {
    value: Value,
    start: Start,
    ends: Vec<Ending>,
    unknown: bool,
}

impl<'d> Facts<'d> {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn of(library: &'d Library<'d>) -> Self {
        Self { library, known: RefCell::default(), in_flight: RefCell::default() }
    }

    fn draft(&self) -> &'d Draft<'d> {
        self.library.draft
    }

    /// The values that a fact may have, each with its atom.
    #[must_use]
    pub fn values(&self, fact: Fact, host: &str) -> Values {
        if let Some(known) = self.known.borrow().get(&(fact, host.to_owned())) {
            return known.clone();
        }
        let phases = self.phases(fact, host);
        let atoms: Values = phases
            .into_iter()
            .map(|Phase { value, start, ends, unknown }| {
                let what = What::Fact { fact, host: host.to_owned(), value, unknown };
                (value, self.library.add(Atom { what, start, ends }))
            })
            .collect();
        self.known.borrow_mut().insert((fact, host.to_owned()), atoms.clone());
        atoms
    }

    /// The atoms of one value.
    #[must_use]
    pub fn having(&self, fact: Fact, host: &str, value: Value) -> Vec<usize> {
        let all = self.values(fact, host);
        all.into_iter().filter(|(has, _)| *has == value).map(|(_, atom)| atom).collect()
    }

    fn phases(&self, fact: Fact, host: &str) -> Vec<Phase> {
        let draft = self.draft();
        let mut stated: Vec<&AssumeSpec> = draft
            .intent
            .assume
            .iter()
            .filter(|one| one.fact.value == fact && one.host.value == host)
            .collect();
        stated.sort_by_key(|one| one.from);
        let (initial, unknown) = self.initial(fact, host, &stated);
        let mut phases =
            vec![Phase { value: initial, start: Start::Always, ends: Vec::new(), unknown }];
        let mut begun: Vec<(&AssumeSpec, usize)> = Vec::new();
        for one in stated {
            let Some(step) = draft.step_of(one) else { continue };
            if begin(&mut phases, one.value, step, one.settle) {
                begun.push((one, phases.len() - 1));
            }
        }
        if fact == Fact::Mail
            && draft.intent.moves.iter().any(|one| one.from.name == host)
            && let Some(release) = draft.point(MovePoint::Release)
        {
            begin(&mut phases, Value::Off, release, Duration::ZERO);
        }
        self.way_back(fact, host, &begun, &mut phases);
        phases
    }

    /// The values of the way back: what had begun to be true is so no longer; and what is stated of
    /// the new host for that way begins.
    fn way_back(
        &self,
        fact: Fact,
        host: &str,
        begun: &[(&AssumeSpec, usize)],
        phases: &mut Vec<Phase>,
    ) {
        let draft = self.draft();
        let mut current: Option<usize> = None;
        for (stated, place) in begun.iter().rev() {
            let same = |back: &Back<'_>| matches!(back, Back::Unstated(one) if std::ptr::eq(*one, *stated));
            let Some(step) = draft.back_step(&same) else { continue };
            for place in [*place].into_iter().chain(current) {
                phases[place].ends.push(Ending { step, hold: stated.settle });
            }
            let value = phases[place - 1].value;
            phases.push(Phase {
                value,
                start: Start::Begin(step),
                ends: Vec::new(),
                unknown: false,
            });
            current = Some(phases.len() - 1);
        }
        let of_new = |back: &Back<'_>| matches!(back, Back::Stated(one) if one.fact.value == fact && one.host.value == host);
        if let Some(step) = draft.back_step(&of_new) {
            let stated = fact.row().stated;
            let before = fact.row().unknown.unwrap_or(stated);
            *phases = vec![Phase {
                value: before,
                start: Start::Always,
                ends: Vec::new(),
                unknown: false,
            }];
            begin(phases, stated, step, Duration::ZERO);
        }
    }

    /// The value before the first step, and whether nobody states it.
    fn initial(&self, fact: Fact, host: &str, stated: &[&AssumeSpec]) -> (Value, bool) {
        let draft = self.draft();
        // Stated without a beginning, or with a part of the move that lies behind already.
        let already = stated.iter().rev().find(|one| draft.step_of(one).is_none());
        if let Some(one) = already {
            return (one.value, false);
        }
        let row = fact.row();
        match row.unknown {
            // What takes mail now puts it into mailboxes; what shall take it will.
            None => (Value::Store, false),
            Some(worst) => (worst, stated.is_empty() && self.matters(fact, host)),
        }
    }

    /// Whether anybody has to say anything at all.
    fn matters(&self, fact: Fact, host: &str) -> bool {
        let moves = &self.draft().intent.moves;
        match fact {
            Fact::Sends => moves.iter().any(|one| {
                one.from.name == host
                    && one.from.senders.iter().any(|sender| sender.says_anything())
            }),
            Fact::Accepts
            | Fact::Mail
            | Fact::RoutesLocal
            | Fact::Clients
            | Fact::Synced
            | Fact::Serves
            | Fact::StsAllows
            | Fact::TlsaMatches => true,
        }
    }

    /// Mail of the old host in flight: until the last message has been delivered that was sent before
    /// people stopped; none: nobody sends through it, as somebody states.
    #[must_use]
    pub fn old_in_flight(&self, host: &str) -> Vec<usize> {
        if let Some(known) = self.in_flight.borrow().get(host) {
            return known.clone();
        }
        let clocks = self.draft().intent.terms.clocks;
        let life = clocks.queue_life + clocks.margin;
        let mut found = Vec::new();
        // While people send, mail may be in flight; the atom of the value says until when they do.
        for sending in self.having(Fact::Sends, host, Value::True) {
            let Atom { start, ends, what } = self.library.atoms.borrow()[sending].clone();
            let unknown = matches!(what, What::Fact { unknown: true, .. });
            let ends =
                ends.into_iter().map(|one| Ending { hold: one.hold + life, ..one }).collect();
            let what = What::InFlight { host: host.to_owned(), unknown };
            found.push(self.library.add(Atom { what, start, ends }));
        }
        self.in_flight.borrow_mut().insert(host.to_owned(), found.clone());
        found
    }
}

/// Whether the value begins anew.
fn begin(phases: &mut Vec<Phase>, value: Value, step: usize, settle: Duration) -> bool {
    let last = phases.last_mut().expect("one at least");
    if last.value == value {
        return false;
    }
    last.ends.push(Ending { step, hold: settle });
    phases.push(Phase { value, start: Start::Begin(step), ends: Vec::new(), unknown: false });
    true
}
