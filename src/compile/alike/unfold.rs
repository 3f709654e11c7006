//! Says of all alike zones what came of two of them.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Name, RrKey};
use foldhash::HashMap;

use super::Group;
use super::pen::Pen;
use crate::compile::Compiled;
use crate::compile::back::CompiledWayBack;
use crate::compile::granted::Sentence;
use crate::graph::gate::{Expected, Gate};
use crate::graph::{Cause, ChangeStep, Primitive, Step, StepGraph, StepId, Wait};
use crate::model::{Track, Transition};
use crate::proof::Findings;

/// What something is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The first zone of a group: it is said of all others too.
    First(usize),
    /// The second: it has been said of the first.
    Second(usize),
    /// None of them.
    Rest,
}

/// What was compiled of a plan with fewer zones, as it is with all of them; `None` where that cannot be
/// said.
pub(in crate::compile) fn unfold(compiled: Compiled, groups: &[Group]) -> Option<Compiled> {
    let Compiled {
        tracks,
        graph,
        findings,
        ways_back,
        closed,
        assumptions,
        shortened,
        at_old,
        reads,
        relied,
        warnings,
    } = compiled;
    // What is wrong is said of each zone in its own words.
    let is_clean = findings.refuted.is_empty()
        && findings.present.is_empty()
        && findings.unstated.is_empty()
        && warnings.is_empty();
    if !is_clean {
        return None;
    }
    let all = All::of(groups);
    let there = all.ids(&graph);
    let ways_back = ways_back.into_iter().map(|one| all.way_back(one, &there));
    Some(Compiled {
        tracks: all.each(&tracks, |one| all.of_zone(&one.zone), track)?,
        ways_back: ways_back.collect::<Option<Vec<_>>>()?,
        graph: all.graph(&graph, &there)?,
        findings: Findings { steady: all.lines(findings.steady)?, ..findings },
        closed,
        assumptions: all.sentences(assumptions)?,
        shortened,
        at_old: all.lines(at_old)?,
        reads: all.reads(&reads)?,
        relied: all.relied(&relied)?,
        warnings,
    })
}

/// The groups, and how the first of each is rewritten.
struct All<'g> {
    groups: &'g [Group],
    /// For each group a pen for each of its zones but the first, in order.
    pens: Vec<Vec<Pen<'g>>>,
    by_zone: HashMap<&'g Name, Of>,
}

impl<'g> All<'g> {
    fn of(groups: &'g [Group]) -> Self {
        let mut by_zone = HashMap::default();
        for (number, group) in groups.iter().enumerate() {
            for (zone, of) in group.compiled().iter().zip([Of::First(number), Of::Second(number)]) {
                by_zone.insert(zone.name(), of);
            }
        }
        let pens = groups.iter().map(|group| {
            let first = &group.zones[0];
            group.zones[1..].iter().map(|other| Pen::new(first, other)).collect()
        });
        Self { groups, pens: pens.collect(), by_zone }
    }

    fn of_zone(&self, zone: &Name) -> Of {
        self.by_zone.get(zone).copied().unwrap_or(Of::Rest)
    }

    /// What a text is about; `None` where it is about several.
    fn of_text(&self, text: &str) -> Option<Of> {
        let zones = self.groups.iter().flat_map(Group::compiled);
        let mut named = zones.filter(|zone| zone.is_in(text));
        match (named.next(), named.next()) {
            (None, _) => Some(Of::Rest),
            (Some(zone), None) => Some(self.of_zone(zone.name())),
            (Some(_), Some(_)) => None,
        }
    }

    /// Says of every zone of a group what is said of its first. What is said of the second has to be that.
    ///
    /// Where several things in a row are about the first, they are said of each zone in a row; where the
    /// second comes before the first, as on a way back, the last comes first.
    fn each<T: Clone + PartialEq>(
        &self,
        items: &[T],
        of: impl Fn(&T) -> Of,
        rewrite: impl Fn(&Pen<'_>, &T) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut said = Vec::new();
        let mut firsts: Vec<Vec<T>> = vec![Vec::new(); self.groups.len()];
        let mut seconds: Vec<Vec<&T>> = vec![Vec::new(); self.groups.len()];
        let mut is_turned = vec![false; self.groups.len()];
        let mut rest = items;
        while let Some(item) = rest.first() {
            let group = match of(item) {
                Of::First(group) => group,
                Of::Second(group) => {
                    is_turned[group] |= firsts[group].is_empty();
                    seconds[group].push(item);
                    rest = &rest[1..];
                    continue;
                }
                Of::Rest => {
                    said.push(item.clone());
                    rest = &rest[1..];
                    continue;
                }
            };
            let is_first = |item: &&T| of(item) == Of::First(group);
            let run = &rest[..rest.iter().take_while(is_first).count()];
            rest = &rest[run.len()..];
            let others = self.pens[group].iter().map(|pen| {
                let all = run.iter().map(|item| rewrite(pen, item));
                all.collect::<Option<Vec<T>>>()
            });
            let others = others.collect::<Option<Vec<Vec<T>>>>()?;
            firsts[group].extend_from_slice(&others[0]);
            if is_turned[group] {
                said.extend(others.into_iter().rev().flatten());
                said.extend_from_slice(run);
            } else {
                said.extend_from_slice(run);
                said.extend(others.into_iter().flatten());
            }
        }
        let is_so =
            |(firsts, seconds): (&Vec<T>, &Vec<&T>)| firsts.iter().eq(seconds.iter().copied());
        firsts.iter().zip(&seconds).all(is_so).then_some(said)
    }

    /// The same of a map, whatever the order.
    fn each_of<K: Clone + Ord, V: Clone + PartialEq>(
        &self,
        items: &BTreeMap<K, V>,
        of: impl Fn(&K) -> Of,
        rewrite: impl Fn(&Pen<'_>, &K, &V) -> Option<(K, V)>,
    ) -> Option<BTreeMap<K, V>> {
        let mut said = BTreeMap::new();
        let (mut firsts, mut seconds) = (0_usize, 0_usize);
        for (key, value) in items {
            match of(key) {
                Of::Rest => {
                    said.insert(key.clone(), value.clone());
                }
                Of::Second(_) => seconds += 1,
                Of::First(group) => {
                    said.insert(key.clone(), value.clone());
                    for (place, pen) in self.pens[group].iter().enumerate() {
                        let (key, value) = rewrite(pen, key, value)?;
                        if place == 0 && items.get(&key)? == &value {
                            firsts += 1;
                        }
                        said.insert(key, value);
                    }
                }
            }
        }
        (firsts == seconds).then_some(said)
    }

    /// Lines of text, each about one zone at the most.
    fn lines(&self, lines: Vec<String>) -> Option<Vec<String>> {
        let said = self.sentences(lines.into_iter().map(Sentence::from).collect())?;
        Some(said.into_iter().map(|one| one.before).collect())
    }

    /// Sentences, each about one zone, or a list of names.
    fn sentences(&self, sentences: Vec<Sentence>) -> Option<Vec<Sentence>> {
        let of = |one: &Sentence| match one.names.is_empty() {
            true => self.of_text(&one.before),
            false => Some(Of::Rest),
        };
        let of: Vec<Of> = sentences.iter().map(of).collect::<Option<_>>()?;
        let sentences =
            sentences.into_iter().map(|one| self.of_names(one)).collect::<Option<Vec<_>>>()?;
        let sentences: Vec<(Of, Sentence)> = of.into_iter().zip(sentences).collect();
        let said = self.each(
            &sentences,
            |(of, _)| *of,
            |pen, (of, one)| {
                let of = match of {
                    Of::First(group) => Of::Second(*group),
                    Of::Second(_) | Of::Rest => *of,
                };
                Some((of, Sentence { before: pen.string(&one.before), ..one.clone() }))
            },
        )?;
        Some(said.into_iter().map(|(_, one)| one).collect())
    }

    /// The names that a sentence lists, of all zones.
    fn of_names(&self, sentence: Sentence) -> Option<Sentence> {
        let names: Vec<Name> = sentence.names.iter().cloned().collect();
        let of = names.iter().map(|name| self.of_text(&name.to_string()));
        let of: Vec<Of> = of.collect::<Option<_>>()?;
        let of: BTreeMap<Name, Of> = names.iter().cloned().zip(of).collect();
        let names = self.each(&names, |name| of[name], |pen, name| Some(pen.name(name)))?;
        Some(Sentence { names: names.into_iter().collect(), ..sentence })
    }

    fn reads(
        &self,
        reads: &BTreeMap<Name, BTreeSet<Name>>,
    ) -> Option<BTreeMap<Name, BTreeSet<Name>>> {
        let whole = reads.iter().map(|(zone, into)| (zone.clone(), self.of_each(into, zone)));
        let whole: BTreeMap<Name, BTreeSet<Name>> = whole.collect();
        self.each_of(
            &whole,
            |zone| self.of_zone(zone),
            |pen, zone, _| {
                let zone = pen.name(zone);
                let into = self.of_each(&reads[pen.from()], &zone);
                Some((zone, into))
            },
        )
    }

    /// The RRsets that the proof takes as they are. One in another zone may be named after an alike one.
    fn relied(&self, relied: &BTreeSet<RrKey>) -> Option<BTreeSet<RrKey>> {
        let of = relied.iter().map(|key| Some((key, self.of_text(&key.name.to_string())?)));
        let of: BTreeMap<&RrKey, Of> = of.collect::<Option<_>>()?;
        let whole: BTreeMap<RrKey, ()> = relied.iter().map(|key| (key.clone(), ())).collect();
        let said = self.each_of(&whole, |key| of[key], |pen, key, ()| Some((pen.key(key), ())))?;
        Some(said.into_keys().collect())
    }

    /// The zones that one leads into. Into alike ones nothing leads but what may lead anywhere: into all
    /// others, then.
    fn of_each(&self, into: &BTreeSet<Name>, zone: &Name) -> BTreeSet<Name> {
        let all = into.iter().flat_map(|other| match self.of_zone(other) {
            Of::Rest => vec![other.clone()],
            Of::First(group) | Of::Second(group) => {
                self.groups[group].zones.iter().map(|one| one.name().clone()).collect()
            }
        });
        all.filter(|other| other != zone).collect()
    }

    /// What each step of a graph is about.
    fn ids(&self, graph: &StepGraph) -> HashMap<StepId, Of> {
        let of = |step| graph.zone_of(step).map_or(Of::Rest, |zone| self.of_zone(zone));
        graph.steps().iter().map(|step| (step.id.clone(), of(step))).collect()
    }

    fn graph(&self, graph: &StepGraph, ids: &HashMap<StepId, Of>) -> Option<StepGraph> {
        let of = |step: &Step| ids[&step.id];
        let steps = self.each(graph.steps(), of, step)?;
        let steps = steps.into_iter().map(|one| match ids.get(&one.id) {
            Some(Of::Rest) => self.of_all(one, ids),
            Some(Of::First(_) | Of::Second(_)) | None => Some(one),
        });
        Some(StepGraph::of_sorted(steps.collect::<Option<_>>()?))
    }

    /// A step that is of no zone in particular, and may come after steps of all.
    fn of_all(&self, step: Step, ids: &HashMap<StepId, Of>) -> Option<Step> {
        let after = self.each_of(
            &step.after,
            |id| ids[id],
            |pen, id, why| Some((pen.id(id), cause(pen, why))),
        )?;
        let primitive = match step.primitive {
            Primitive::Gate(gate) => {
                let mut expect =
                    self.each(&gate.expect, |one| self.of_zone(&one.zone), expected)?;
                expect.sort_by(|one, other| (&one.zone, &one.key).cmp(&(&other.zone, &other.key)));
                Primitive::Gate(Gate { expect, ..gate })
            }
            other @ (Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_)) => other,
        };
        let is_of_second =
            |text: &str| self.groups.iter().any(|group| group.compiled()[1].is_in(text));
        let is_of_any = is_of_second(&step.title) || is_of_second(&step.reason);
        (!is_of_any).then_some(Step { after, primitive, ..step })
    }

    fn way_back(
        &self,
        back: CompiledWayBack,
        there: &HashMap<StepId, Of>,
    ) -> Option<CompiledWayBack> {
        let CompiledWayBack { to, at, graph, takes_back, undone_by, kept, no_return, patterns } =
            back;
        let ids = self.ids(&graph);
        let of = |id: &StepId| there.get(id).copied().unwrap_or(Of::Rest);
        let takes_back = self.each_of(
            &takes_back,
            |id| ids[id],
            |pen, id, other| Some((pen.id(id), pen.id(other))),
        )?;
        let undone_by =
            self.each_of(&undone_by, of, |pen, id, other| Some((pen.id(id), pen.id(other))))?;
        let no_return =
            self.each_of(&no_return, of, |pen, id, why| Some((pen.id(id), pen.string(why))))?;
        let kept = self.each(&kept, of, |pen, id| Some(pen.id(id)))?;
        let graph = self.graph(&graph, &ids)?;
        Some(CompiledWayBack { to, at, graph, takes_back, undone_by, kept, no_return, patterns })
    }
}

fn cause(pen: &Pen<'_>, cause: &Cause) -> Cause {
    Cause { origin: cause.origin, of: pen.shared(&cause.of), why: pen.shared(&cause.why) }
}

fn expected(pen: &Pen<'_>, one: &Expected) -> Option<Expected> {
    let Expected { zone, key, versions, replaced, expires, overrun } = one;
    let replaced = match replaced {
        Some(rrset) => Some(pen.rrset(rrset)?),
        None => None,
    };
    Some(Expected {
        zone: pen.name(zone),
        key: pen.key(key),
        versions: pen.versions(versions)?,
        replaced,
        expires: *expires,
        overrun: *overrun,
    })
}

fn step(pen: &Pen<'_>, step: &Step) -> Option<Step> {
    let Step { id, primitive, after, title, reason, window } = step;
    let primitive = match primitive {
        Primitive::Change(ChangeStep { verb, set }) => {
            Primitive::Change(ChangeStep { verb: *verb, set: pen.change_set(set)? })
        }
        Primitive::Wait(Wait { span, origin, over }) => {
            let over = over.as_ref().map(|over| pen.id(over));
            Primitive::Wait(Wait { span: *span, origin: *origin, over })
        }
        Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => return None,
    };
    Some(Step {
        id: pen.id(id),
        primitive,
        after: after.iter().map(|(id, why)| (pen.id(id), cause(pen, why))).collect(),
        title: pen.string(title),
        reason: pen.string(reason),
        window: window.clone(),
    })
}

fn track(pen: &Pen<'_>, track: &Track) -> Option<Track> {
    let Track { zone, key, records, placed, routes, transitions } = track;
    let transitions = transitions.iter().map(|one| {
        let Transition { verb, stage, changes, title, reason } = one;
        Some(Transition {
            verb: *verb,
            stage: stage.clone(),
            changes: pen.changes(changes)?,
            title: pen.string(title),
            reason: pen.string(reason),
        })
    });
    Some(Track {
        zone: pen.name(zone),
        key: pen.key(key),
        records: records.clone(),
        placed: *placed,
        routes: *routes,
        transitions: transitions.collect::<Option<_>>()?,
    })
}
