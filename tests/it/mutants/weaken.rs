//! The mutants: ways to weaken a proof, and what each removes from a model.
//!
//! What can be weakened is derived from the models themselves: every kind of pattern, every kind of
//! hold, every kind of answer, and every "each" in which patterns of the same kind differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use cutover::fact::Fact;
use cutover::intent::Host;
use cutover::proof::draft::Draft;
use cutover::proof::model::Model;
use cutover::proof::pattern::{Atom, Pattern, What};
use cutover_zone::{Rdata, RrType};

/// A way to weaken a proof.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mutant {
    /// No pattern of this kind.
    Without(String),
    /// Of this kind only the patterns of the first name, address, selector or family.
    FirstOf(String),
    /// Of each harm of this kind only the pattern of the first view.
    FirstView(String),
    /// Unstated values of this fact are assumed to be good.
    Unstated(Fact),
    /// No pattern in which such an answer is cached.
    Blind(Answer),
    /// These holds are zero.
    NoHold(Hold),
}

/// A kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// Records of this type.
    Records(RrType),
    /// An alias instead of records.
    Alias,
    /// The absence of records.
    Absence,
    /// An intermediate state of a change.
    Exposed,
}

/// A kind of hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// How long such an answer may be cached.
    Lives(Answer),
    /// The margin after answers.
    AnswerMargin,
    /// How long a fact takes to settle.
    Settle(Fact),
    /// How long mail is in flight after its sender has stopped.
    InFlight,
    /// The margin after mail in flight.
    FlightMargin,
    /// How long an answer is used after it was looked up.
    Use,
    /// How much too long some resolvers keep answers.
    Overrun,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(rtype) => write!(f, "{rtype} records"),
            Self::Alias => f.write_str("an alias"),
            Self::Absence => f.write_str("an absence"),
            Self::Exposed => f.write_str("what is seen in the midst of a change"),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lives(answer) => write!(f, "the life of {answer}"),
            Self::AnswerMargin => f.write_str("the margin after answers"),
            Self::Settle(fact) => write!(f, "how long `{fact}` settles"),
            Self::InFlight => f.write_str("the life of mail in flight"),
            Self::FlightMargin => f.write_str("the margin after mail in flight"),
            Self::Use => f.write_str("how long an answer is used"),
            Self::Overrun => f.write_str("how much too long resolvers keep answers"),
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Without(kind) => write!(f, "without {kind}"),
            Self::FirstOf(kind) => write!(f, "the first only of {kind}"),
            Self::FirstView(kind) => write!(f, "the first view only of {kind}"),
            Self::Unstated(fact) => write!(f, "unstated `{fact}` is well"),
            Self::Blind(answer) => write!(f, "blind to {answer}"),
            Self::NoHold(hold) => write!(f, "no hold: {hold}"),
        }
    }
}

/// The kinds of an answer's atom.
fn answers_of(what: &What) -> Vec<Answer> {
    let What::Answer { key, records, exposed } = what else { return Vec::new() };
    let is_alias = |first: &Rdata| key.rtype != RrType::CNAME && first.target().is_some();
    let kind = match records {
        None => Answer::Absence,
        Some(records) if records.rdata().first().is_some_and(is_alias) => Answer::Alias,
        Some(_) => Answer::Records(key.rtype),
    };
    if *exposed { vec![kind, Answer::Exposed] } else { vec![kind] }
}

/// The kind of a harm: its id without names, addresses, hosts and senders.
fn kind_of(draft: &Draft<'_>, id: &str) -> String {
    let moves = || draft.intent.moves.iter();
    let hosts = || {
        moves().flat_map(|migration| {
            [&migration.from, &migration.to].into_iter().chain(&migration.others)
        })
    };
    let is_sender = |part: &str| {
        hosts().flat_map(|host: &Host| &host.senders).any(|sender| sender.name == part)
    };
    let word = |part: &str| -> String {
        if moves().any(|migration| migration.from.name == part) {
            "OLD".to_owned()
        } else if moves().any(|migration| migration.to.name == part) {
            "NEW".to_owned()
        } else if hosts().any(|host| host.name == part) {
            "OTHER".to_owned()
        } else if is_sender(part) || !part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
            "*".to_owned()
        } else {
            part.to_owned()
        }
    };
    // How far mail comes to a host distinguishes harms of the same kind.
    let extents = ["always", "standing-by", "first", "over-ipv4", "over-ipv6"];
    let parts = id.split(['/', ' ']).filter(|part| !extents.contains(part));
    let words: Vec<String> = parts.map(word).collect();
    words.join("/")
}

/// The kind of the harm of each pattern.
fn kinds(draft: &Draft<'_>, model: &Model) -> Vec<String> {
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    let patterns = model.patterns.iter();
    patterns
        .map(|pattern| {
            let id = &*pattern.harm.id;
            known.entry(id).or_insert_with(|| kind_of(draft, id)).clone()
        })
        .collect()
}

/// The holds of an atom.
fn holds_of(draft: &Draft<'_>, atom: &Atom) -> Vec<Hold> {
    if atom.ends.iter().all(|end| end.hold.is_zero()) {
        return Vec::new();
    }
    let margin = draft.intent.terms.clocks.margin;
    match &atom.what {
        What::Answer { .. } => {
            let lives = answers_of(&atom.what).into_iter().map(Hold::Lives);
            let margin = (!margin.is_zero()).then_some(Hold::AnswerMargin);
            lives.filter(|hold| *hold != Hold::Lives(Answer::Exposed)).chain(margin).collect()
        }
        What::Fact { fact, .. } => vec![Hold::Settle(*fact)],
        What::InFlight { .. } => {
            let margin = (!margin.is_zero()).then_some(Hold::FlightMargin);
            [Hold::InFlight].into_iter().chain(margin).collect()
        }
        What::MailboxesAt { .. } | What::Begun => Vec::new(),
    }
}

/// Every mutant that removes something from this model.
pub(super) fn that_weaken(draft: &Draft<'_>, model: &Model) -> BTreeSet<Mutant> {
    let mut found = BTreeSet::new();
    let kinds = kinds(draft, model);
    let mut ids: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (pattern, kind) in model.patterns.iter().zip(&kinds) {
        *ids.entry(kind).or_default().entry(&pattern.harm.id).or_default() += 1;
        found.extend(pattern.unknown(&model.atoms).map(|(fact, _)| Mutant::Unstated(fact)));
        for held in &pattern.atoms {
            let atom = &model.atoms[held.atom];
            found.extend(answers_of(&atom.what).into_iter().map(Mutant::Blind));
            found.extend(holds_of(draft, atom).into_iter().map(Mutant::NoHold));
            let clocks = draft.intent.terms.clocks;
            if !held.extra.is_zero() && !atom.ends.is_empty() {
                let used = (!clocks.use_.is_zero()).then_some(Hold::Use);
                let late = (!draft.intent.terms.overrun.is_zero()).then_some(Hold::Overrun);
                found.extend(used.into_iter().chain(late).map(Mutant::NoHold));
            }
        }
    }
    for (kind, ids) in ids {
        found.insert(Mutant::Without(kind.to_owned()));
        if ids.len() > 1 {
            found.insert(Mutant::FirstOf(kind.to_owned()));
        }
        if ids.values().any(|count| *count > 1) {
            found.insert(Mutant::FirstView(kind.to_owned()));
        }
    }
    found
}

/// Removes from a model what the mutant lacks.
pub(super) fn weaken(mutant: &Mutant, draft: &Draft<'_>, model: &mut Model) {
    let Model { atoms, patterns, .. } = &mut *model;
    match mutant {
        Mutant::Without(kind) => {
            patterns.retain(|pattern| kind_of(draft, &pattern.harm.id) != *kind)
        }
        Mutant::FirstOf(kind) => {
            let is_of = |pattern: &Pattern| kind_of(draft, &pattern.harm.id) == *kind;
            let first = patterns
                .iter()
                .find(|pattern| is_of(pattern))
                .map(|pattern| pattern.harm.id.clone());
            patterns.retain(|pattern| !is_of(pattern) || Some(&pattern.harm.id) == first.as_ref());
        }
        Mutant::FirstView(kind) => {
            let mut met = BTreeSet::new();
            patterns.retain(|pattern| {
                kind_of(draft, &pattern.harm.id) != *kind || met.insert(pattern.harm.id.clone())
            });
        }
        Mutant::Unstated(fact) => {
            patterns.retain(|pattern| !pattern.unknown(atoms).any(|(unknown, _)| unknown == *fact));
        }
        Mutant::Blind(answer) => patterns.retain(|pattern| {
            let mut held = pattern.atoms.iter();
            !held.any(|held| answers_of(&atoms[held.atom].what).contains(answer))
        }),
        Mutant::NoHold(hold) => no_hold(*hold, draft, atoms, patterns),
    }
}

fn no_hold(hold: Hold, draft: &Draft<'_>, atoms: &mut [Atom], patterns: &mut [Pattern]) {
    let terms = &draft.intent.terms;
    for atom in &mut *atoms {
        let is_answer = matches!(atom.what, What::Answer { .. });
        let is_flight = matches!(atom.what, What::InFlight { .. });
        let less = match hold {
            Hold::Lives(answer) if answers_of(&atom.what).contains(&answer) => Duration::MAX,
            Hold::AnswerMargin if is_answer => terms.clocks.margin,
            Hold::InFlight if is_flight => Duration::MAX,
            Hold::FlightMargin if is_flight => terms.clocks.margin,
            Hold::Settle(of) if matches!(atom.what, What::Fact { fact, .. } if fact == of) => {
                Duration::MAX
            }
            Hold::Lives(_)
            | Hold::AnswerMargin
            | Hold::Settle(_)
            | Hold::InFlight
            | Hold::FlightMargin
            | Hold::Use
            | Hold::Overrun => continue,
        };
        atom.ends.iter_mut().for_each(|end| end.hold = end.hold.saturating_sub(less));
    }
    let less = match hold {
        Hold::Use => terms.clocks.use_,
        Hold::Overrun => terms.overrun,
        Hold::Lives(_)
        | Hold::AnswerMargin
        | Hold::Settle(_)
        | Hold::InFlight
        | Hold::FlightMargin => return,
    };
    for held in patterns.iter_mut().flat_map(|pattern| &mut pattern.atoms) {
        held.extra = held.extra.saturating_sub(less);
    }
}
