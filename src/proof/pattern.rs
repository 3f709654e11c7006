//! Atoms and bad patterns: what may be true, from when to when, and what must not be true together.
//!
//! An [`Atom`] is an interval: that a version of an answer can be served, that a fact may have a
//! value. It begins with the begin of a step, or was there before the first, and ends when enough
//! waiting lies behind the step that replaces it. A [`Pattern`] is a set of atoms that must not hold
//! together in any state, with what would happen then.

use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{RrKey, RrSet};

use crate::fact::{Fact, Subject, Value};

/// Since when an atom can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// Before the first step.
    Always,
    /// From the begin of this step.
    Begin(usize),
}

/// What ends an atom: enough waiting behind the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// The step that replaces it.
    pub step: usize,
    /// How long it may go on to hold after that.
    pub hold: Duration,
}

/// Something that may be true.
#[derive(Clone, Debug)]
pub struct Atom {
    /// What.
    pub what: What,
    /// Since when.
    pub start: Start,
    /// Each of them ends it; none: it never ends.
    pub ends: Vec<Ending>,
}

/// What an atom says.
#[derive(Clone, Debug)]
pub enum What {
    /// A resolver may hold this answer.
    Answer {
        /// To which question.
        key: RrKey,
        /// The records, or the alias that is answered in their place; `None`: there are none.
        records: Option<RrSet>,
        /// It is seen only while a change is being made.
        exposed: bool,
    },
    /// A fact about a host may have this value.
    Fact {
        /// The kind.
        fact: Fact,
        /// What it is a fact of.
        subject: Subject,
        /// The value.
        value: Value,
        /// Nobody states it: it is the worst that can be.
        unknown: bool,
    },
    /// Mail of a sender may be in flight.
    InFlight {
        /// What somebody does that makes it: sends, or signs.
        by: Fact,
        /// The host, or the domain that undeclared senders send as.
        of: Subject,
        /// Nobody says when people stop sending.
        unknown: bool,
    },
    /// The mailboxes may be at this host.
    MailboxesAt {
        /// The host.
        host: String,
    },
    /// A step has begun, and what it begins is not over.
    Begun,
}

/// A set of atoms that must not hold together.
///
/// By the theorem they do in some reachable state if and only if none of its [`Pattern::separations`] is
/// kept: no end of any of them is equal to or precedes the start of any of them.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The invariant that is broken then.
    pub invariant: &'static str,
    /// The atoms, and how much longer than usual each may go on to hold.
    pub atoms: Vec<PatternAtom>,
    /// What happens then.
    pub harm: Harm,
    /// More is possible than was looked at: that is no proof of anything.
    pub undecided: bool,
}

/// What happens, and what would help.
#[derive(Clone, Debug)]
pub struct Harm {
    /// Its id: what exactly is broken, such as `authenticated/acme.test/old/people/spf/192.0.2.1`. Two
    /// harms of one id are the same harm.
    pub id: Arc<str>,
    /// What happens: `a sender ...`.
    pub what: Arc<str>,
    /// What would help.
    pub fix: Arc<str>,
    /// What it is called where it is so before the first step and somebody means it to be: no defect,
    /// but a state to know of.
    pub steady: Option<Arc<str>>,
}

impl Harm {
    /// This harm, and what would help.
    #[must_use]
    pub fn new(
        id: impl Into<Arc<str>>,
        what: impl Into<Arc<str>>,
        fix: impl Into<Arc<str>>,
    ) -> Self {
        Self { id: id.into(), what: what.into(), fix: fix.into(), steady: None }
    }

    /// The same, of a kind that zones can be in on purpose.
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
    /// The answer that it makes with others.
    pub part: Option<Part>,
}

impl PatternAtom {
    /// An atom that is held by itself, for no longer than it says.
    #[must_use]
    pub fn plain(atom: usize) -> Self {
        Self { atom, extra: Duration::ZERO, part: None }
    }
}

/// A part of an answer that hangs on several RRsets: they have to be served together to make it, however
/// long it is cached then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Which answer of the pattern.
    pub answer: usize,
    /// For how long a replaced part may be served yet where nobody can ask.
    pub unseen: Duration,
}

/// One way to keep a pattern from coming true: this atom ends before that one begins.
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
    /// Which begins.
    pub begins: usize,
}

/// What keeps a pattern from coming true: one step comes so long after another.
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
    /// What it takes.
    #[must_use]
    pub fn min_gap(&self) -> MinGap {
        MinGap { from: self.from, to: self.to, secs: self.hold.as_secs() }
    }
}

impl Pattern {
    /// Whether it is true before the first step, and was seen: what nobody states is no defect that
    /// anybody has seen.
    #[must_use]
    pub fn is_present(&self, atoms: &[Atom]) -> bool {
        self.atoms.iter().all(|held| atoms[held.atom].start == Start::Always)
            && self.unknown(atoms).next().is_none()
            && !self.undecided
    }

    /// What it takes that nobody has stated.
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

    /// Every way to keep it from coming true, whatever it would take.
    pub fn separations<'a>(&'a self, atoms: &'a [Atom]) -> impl Iterator<Item = Separation> + 'a {
        self.atoms.iter().enumerate().flat_map(move |(ends, ended)| {
            atoms[ended.atom].ends.iter().flat_map(move |ending| {
                self.atoms.iter().enumerate().filter_map(move |(begins, begun)| {
                    match atoms[begun.atom].start {
                        Start::Always => None,
                        Start::Begin(to) => Some(Separation {
                            hold: match (ended.part, begun.part) {
                                (Some(one), Some(other)) if one.answer == other.answer => {
                                    one.unseen
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

    /// The steps that have begun in the least state in which it is true.
    #[must_use]
    pub fn starts(&self, atoms: &[Atom]) -> Vec<usize> {
        let starts = self.atoms.iter().filter_map(|held| match atoms[held.atom].start {
            Start::Always => None,
            Start::Begin(step) => Some(step),
        });
        starts.collect()
    }
}
