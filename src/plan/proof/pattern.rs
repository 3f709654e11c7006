//! Atoms and bad patterns: what may be true, from when to when, and what must not be true together.
//!
//! An [`Atom`] is an interval during which, for example, a version of an answer can be served, or a
//! fact may have a value. It begins with the begin of a step, or before the first step, and ends a
//! certain time after the end of the step that replaces it. A [`Pattern`] is a set of atoms that
//! must not hold together in any state, and what happens if they do.

use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{RrKey, RrSet};

use cutover_steps::fact::{Fact, Subject, Value};

/// From when on an atom can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// Before the first step.
    Always,
    /// From the begin of this step.
    Begin(usize),
}

/// What ends an atom: enough waiting after the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// The step that replaces it.
    pub step: usize,
    /// How long it may still hold after that.
    pub hold: Duration,
}

/// Something that may be true at times.
#[derive(Clone, Debug)]
pub struct Atom {
    /// What.
    pub what: What,
    /// From when on.
    pub start: Start,
    /// Each of these ends it; if there are none, it never ends.
    pub ends: Vec<Ending>,
}

/// What an atom says.
#[derive(Clone, Debug)]
pub enum What {
    /// A resolver may hold this answer.
    Answer {
        /// The question.
        key: RrKey,
        /// The records, or the alias in their place; `None`: neither exists.
        records: Option<RrSet>,
        /// It is visible only while a change is being made.
        exposed: bool,
    },
    /// A fact about a host may have this value.
    Fact {
        /// The kind.
        fact: Fact,
        /// Whose fact it is.
        subject: Subject,
        /// The value.
        value: Value,
        /// Nobody states it: this is the worst possible value.
        unknown: bool,
    },
    /// Mail of a sender may be in flight.
    InFlight {
        /// What makes this mail: somebody sends, or signs.
        by: Fact,
        /// The host, or the domain as which undeclared senders send.
        of: Subject,
        /// Nobody says when people stop sending.
        unknown: bool,
    },
    /// The mailboxes may be at this host.
    MailboxesAt {
        /// The host.
        host: String,
    },
    /// A step has begun, and what began with it is not over.
    Begun,
}

/// A set of atoms that must not hold together.
///
/// By the theorem they hold together in some reachable state if and only if none of
/// [`Pattern::separations`] is kept: no end of any of them equals or precedes the start of any of
/// them.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The invariant that is broken if the atoms hold together.
    pub invariant: &'static str,
    /// The atoms, and how much longer than usual each may hold.
    pub atoms: Vec<PatternAtom>,
    /// What happens if they hold together.
    pub harm: Harm,
    /// More is possible than was checked, so nothing can be proved.
    pub undecided: bool,
}

/// What happens, and what would help.
#[derive(Clone, Debug)]
pub struct Harm {
    /// Its id says what exactly is broken, such as
    /// `authenticated/acme.test/old/people/spf/192.0.2.1`. Harms with the same id are the same
    /// harm.
    pub id: Arc<str>,
    /// What happens: `a sender ...`.
    pub what: Arc<str>,
    /// What would help.
    pub fix: Arc<str>,
    /// The name of this state, if it is intended when it exists before the first step: then it is
    /// not a defect, but should be known.
    pub steady: Option<Arc<str>>,
}

impl Harm {
    /// A harm, and what would help.
    #[must_use]
    pub fn new(
        id: impl Into<Arc<str>>,
        what: impl Into<Arc<str>>,
        fix: impl Into<Arc<str>>,
    ) -> Self {
        Self { id: id.into(), what: what.into(), fix: fix.into(), steady: None }
    }

    /// The same harm, which zones can also have on purpose.
    #[must_use]
    pub fn or_steady(self, called: impl Into<Arc<str>>) -> Self {
        Self { steady: Some(called.into()), ..self }
    }
}

/// An atom of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternAtom {
    /// Its number.
    pub atom: usize,
    /// Added to its holds: an answer is used for a while after it was looked up, and some resolvers
    /// keep answers too long.
    pub extra: Duration,
    /// The part that it plays in an answer that several RRsets make.
    pub part: Option<AnswerPart>,
}

impl PatternAtom {
    /// An atom by itself, without an addition to its holds.
    #[must_use]
    pub fn plain(atom: usize) -> Self {
        Self { atom, extra: Duration::ZERO, part: None }
    }
}

/// A part of an answer that depends on several RRsets. A resolver gets the answer only if they are
/// served together, however long it caches the answer then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerPart {
    /// Which answer of the pattern.
    pub answer: usize,
    /// How much longer a replaced part may be served by nodes that nobody can query.
    pub anycast_margin: Duration,
}

/// A way to prevent a pattern: an atom ends before another begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Separation {
    /// How much waiting has to lie in between.
    pub hold: Duration,
    /// The step at whose end the waiting begins.
    pub from: usize,
    /// The step that has to come after.
    pub to: usize,
    /// Which of the pattern's atoms ends.
    pub ends: usize,
    /// Which of the pattern's atoms begins.
    pub begins: usize,
}

/// What prevents a pattern: a step comes so long after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MinGap {
    /// The step that comes first.
    pub from: usize,
    /// The step that comes after it.
    pub to: usize,
    /// How much waiting lies in between, in seconds.
    pub secs: u64,
}

impl Separation {
    /// The gap that the separation requires.
    #[must_use]
    pub fn min_gap(&self) -> MinGap {
        MinGap { from: self.from, to: self.to, secs: self.hold.as_secs() }
    }
}

impl Pattern {
    /// Whether it is true before the first step, as far as was observed: a fact that nobody states
    /// is not an observed defect.
    #[must_use]
    pub fn is_present(&self, atoms: &[Atom]) -> bool {
        self.atoms.iter().all(|held| atoms[held.atom].start == Start::Always)
            && self.unknown(atoms).next().is_none()
            && !self.undecided
    }

    /// The facts that it relies on and that nobody states.
    pub fn unknown<'a>(&'a self, atoms: &'a [Atom]) -> impl Iterator<Item = (Fact, &'a Subject)> {
        self.atoms.iter().filter_map(|held| match &atoms[held.atom].what {
            What::Fact { fact, subject, unknown: true, .. } => Some((*fact, subject)),
            What::InFlight { by, of, unknown: true } => Some((*by, of)),
            What::Fact { .. }
            | What::Answer { .. }
            | What::InFlight { .. }
            | What::MailboxesAt { .. }
            | What::Begun => None,
        })
    }

    /// Every way to prevent it, at whatever cost.
    pub fn separations<'a>(&'a self, atoms: &'a [Atom]) -> impl Iterator<Item = Separation> + 'a {
        self.atoms.iter().enumerate().flat_map(move |(ends, ended)| {
            atoms[ended.atom].ends.iter().flat_map(move |ending| {
                self.atoms.iter().enumerate().filter_map(move |(begins, begun)| {
                    match atoms[begun.atom].start {
                        Start::Always => None,
                        Start::Begin(to) => Some(Separation {
                            hold: match (ended.part, begun.part) {
                                (Some(ended), Some(begun)) if ended.answer == begun.answer => {
                                    ended.anycast_margin
                                }
                                (_, _) => ending.hold + ended.extra,
                            },
                            from: ending.step,
                            to,
                            ends,
                            begins,
                        }),
                    }
                })
            })
        })
    }

    /// The steps that have begun in the smallest state in which it is true.
    pub fn starts(&self, atoms: &[Atom]) -> impl Iterator<Item = usize> {
        self.atoms.iter().filter_map(|held| match atoms[held.atom].start {
            Start::Always => None,
            Start::Begin(step) => Some(step),
        })
    }
}
