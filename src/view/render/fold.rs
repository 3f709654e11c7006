//! Folds zones that change alike: one of them is shown, the others are only named.
//!
//! Two zones are alike if their steps and the times of these are the same but for the zone's name.
//! A zone that differs from the largest group is shown without the steps that it shares with it.
//! Whatever is folded away equals what is shown, letter for letter, once the name is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::Name;

use super::lines;
use cutover_base::diag::some_of;
use cutover_run::artifact::Artifact;
use cutover_steps::graph::{Primitive, Step, StepGraph, StepId};

/// How many zones have to be alike before they are folded. Our choice: two or three are quick to
/// read.
const ALIKE_MIN: usize = 4;
/// How many names are listed; the rest are counted. Our choice: one line.
const NAMED_MAX: usize = 6;

/// Which zones are alike.
#[derive(Debug, Default)]
pub(super) struct Folds<'a> {
    /// For each shown zone, the zones like it that are not shown, in order.
    families: BTreeMap<&'a Name, Vec<&'a Name>>,
    hidden: BTreeSet<&'a Name>,
    /// The zones that are like no other.
    single: Vec<&'a Name>,
    /// The steps and differences of the zone `most`, without its name.
    usual: BTreeSet<String>,
    /// The zone that stands for the largest group.
    most: Option<&'a Name>,
    times: BTreeMap<&'a StepId, (Duration, Duration)>,
}

impl<'a> Folds<'a> {
    /// The folds of an artifact; none if `full`.
    pub(super) fn of(artifact: &'a Artifact, full: bool) -> Self {
        if full || artifact.zones.len() < ALIKE_MIN {
            return Self::default();
        }
        let times: BTreeMap<&StepId, (Duration, Duration)> =
            artifact.forecast.iter().map(|one| (&one.step, (one.begin, one.end))).collect();
        let mut said: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
        for step in artifact.graph.steps() {
            if let Some(zone) = artifact.graph.zone_of(step) {
                let shape = shape(step, zone, times.get(&step.id).copied());
                said.entry(zone).or_default().push(shape);
            }
        }
        let mut alike: BTreeMap<String, Vec<&Name>> = BTreeMap::new();
        for (zone, said) in &said {
            let said = format!("{}\n{}", artifact.zones[*zone].provider, said.concat());
            alike.entry(said).or_default().push(zone);
        }
        let Some(most) = alike.values().max_by_key(|zones| zones.len()) else {
            return Self::default();
        };
        if most.len() < ALIKE_MIN {
            return Self::default();
        }
        let mut folds = Self { most: most.first().copied(), times, ..Self::default() };
        for zones in alike.into_values() {
            match zones.split_first() {
                Some((first, others)) if !others.is_empty() => {
                    folds.hidden.extend(others);
                    folds.families.insert(first, others.to_vec());
                }
                Some(_) | None => folds.single.extend(zones),
            }
        }
        if let Some(most) = folds.most {
            folds.usual = said.remove(most).unwrap_or_default().into_iter().collect();
        }
        folds.single.sort();
        folds
    }

    /// Whether anything is folded.
    pub(super) fn any(&self) -> bool {
        !self.families.is_empty()
    }

    /// Whether a zone is not shown because a zone like it is.
    pub(super) fn hides(&self, zone: &Name) -> bool {
        self.hidden.contains(zone)
    }

    /// Whether another zone is like this zone.
    pub(super) fn is_folded(&self, zone: &Name) -> bool {
        self.hides(zone) || self.families.contains_key(zone)
    }

    /// Whether a step is not shown.
    pub(super) fn hides_step(&self, graph: &StepGraph, step: &Step) -> bool {
        let Some(zone) = graph.zone_of(step).filter(|_| self.any()) else { return false };
        let when = self.times.get(&step.id).copied();
        self.hides(zone)
            || (self.most != Some(zone) && self.usual.contains(&shape(step, zone, when)))
    }

    /// The zone that stands for the largest group, unless it is this zone. What both share is shown
    /// there only.
    pub(super) fn differs(&self, zone: &Name) -> Option<&'a Name> {
        self.most.filter(|most| *most != zone)
    }

    /// How many other zones this shown zone stands for.
    pub(super) fn like(&self, zone: &Name) -> usize {
        self.families.get(zone).map_or(0, Vec::len)
    }

    /// Which zones are alike and which differ, one line each; empty if nothing is folded.
    pub(super) fn said(&self) -> Vec<String> {
        let families = self.families.iter().map(|(first, others)| {
            format!(
                "{} zones are alike; {first} stands for {}",
                others.len() + 1,
                some_of(others, NAMED_MAX)
            )
        });
        let single = (self.any() && !self.single.is_empty()).then(|| {
            let differ = if self.single.len() == 1 { "differs" } else { "differ" };
            format!("{} {differ}: {}", self.single.len(), some_of(&self.single, NAMED_MAX))
        });
        families.chain(single).collect()
    }

    /// Merges lines that are the same but for the name of a folded zone.
    pub(super) fn lines(&self, all: &[String]) -> Vec<String> {
        if !self.any() {
            return all.to_vec();
        }
        let names: BTreeMap<&Name, String> = self
            .families
            .iter()
            .flat_map(|(first, others)| std::iter::once(*first).chain(others.iter().copied()))
            .map(|zone| (zone, word(zone)))
            .collect();
        let mut known: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut kept: Vec<(String, usize)> = Vec::new();
        for line in all {
            let of = names.values().find(|name| line.contains(name.as_str()));
            let shape = of.map_or_else(|| line.clone(), |name| line.replace(name, "\u{0}"));
            match known.get_mut(&shape) {
                Some((place, number)) if of.is_some() => {
                    *number += 1;
                    kept[*place].1 = *number;
                }
                Some(_) | None => {
                    known.insert(shape, (kept.len(), 0));
                    kept.push((line.clone(), 0));
                }
            }
        }
        let shown = |(line, others): (String, usize)| match others {
            0 => line,
            others => format!("{line} (and the same for {others} zones like it)"),
        };
        kept.into_iter().map(shown).collect()
    }
}

/// Everything that is shown of a step, without the name of its zone.
fn shape(step: &Step, zone: &Name, when: Option<(Duration, Duration)>) -> String {
    let Step { id, primitive, after, title, reason, window: _ } = step;
    let after: Vec<&str> = after.keys().map(StepId::as_str).collect();
    let mut text = format!("{id}|{title}|{reason}|{}|{when:?}\n", after.join(" "));
    if let Primitive::Change(changes) = primitive {
        for Change { key, before, after } in changes.changes() {
            let (before, after) = (lines(key, before.as_ref()), lines(key, after.as_ref()));
            // Unchanged records beside a change, such as a verification code of each domain, do not
            // make two zones differ.
            let going = before.iter().filter(|line| !after.contains(line));
            let coming = after.iter().filter(|line| !before.contains(line));
            for line in going.chain(coming) {
                text += line;
                text.push('\n');
            }
            text.push_str("--\n");
        }
    }
    nameless(&text, zone)
}

/// A text without the name of a zone.
pub(super) fn nameless(text: &str, zone: &Name) -> String {
    let word = word(zone);
    text.replace(&word, "\u{0}").replace(&word.replace('.', "-"), "\u{0}-")
}

/// A zone's name without its trailing dot, so that it is found in ids and in records alike.
fn word(zone: &Name) -> String {
    zone.to_string().trim_end_matches('.').to_owned()
}
