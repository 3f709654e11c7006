//! Repeats for all alike zones what was compiled for two of them.

use std::collections::{BTreeMap, BTreeSet};

use cutover_zone::{Name, RrKey};
use foldhash::HashMap;

use super::Group;
use super::rewrite::ZoneRewriter;
use crate::compile::Compiled;
use crate::compile::assumptions::Sentence;
use crate::compile::compiled::CompiledWayBack;
use crate::model::{Track, Transition};
use crate::proof::Findings;
use cutover_steps::graph::gate::{Expected, Gate};
use cutover_steps::graph::{Cause, ChangeStep, Primitive, Step, StepGraph, StepId, Wait};

/// What an item is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// The first zone of a group: it is repeated for all others.
    First(usize),
    /// The second zone of a group: the first has stood for it already.
    Second(usize),
    /// No zone of a group.
    NoGroup,
}

/// The result for a plan with all zones, from that for two zones of each group; `None` if it cannot
/// be derived.
pub(in crate::compile) fn unfold(compiled: Compiled, groups: &[Group]) -> Option<Compiled> {
    let Compiled {
        tracks,
        graph,
        findings,
        ways_back,
        why_refuted,
        assumptions,
        shortened,
        at_old,
        reads,
        relied,
        warnings,
    } = compiled;
    // Whatever is wrong is reported for each zone in its own words.
    let is_clean = findings.refuted.is_empty()
        && findings.present.is_empty()
        && findings.unstated.is_empty()
        && warnings.is_empty();
    if !is_clean {
        return None;
    }
    let expansion = Expansion::of(groups);
    let there = expansion.ids(&graph);
    let ways_back = ways_back.into_iter().map(|way_back| expansion.way_back(way_back, &there));
    Some(Compiled {
        tracks: expansion.expand(&tracks, |track| expansion.of_zone(&track.zone), track)?,
        ways_back: ways_back.collect::<Option<Vec<_>>>()?,
        graph: expansion.graph(&graph, &there)?,
        findings: Findings { steady: expansion.lines(findings.steady)?, ..findings },
        why_refuted,
        assumptions: expansion.sentences(assumptions)?,
        shortened,
        at_old: expansion.lines(at_old)?,
        reads: expansion.reads(&reads)?,
        relied: expansion.relied(&relied)?,
        warnings,
    })
}

/// The groups, and how the first zone of each is rewritten.
struct Expansion<'g> {
    groups: &'g [Group],
    /// For each group, a rewriter for each of its zones except the first, in order.
    rewriters: Vec<Vec<ZoneRewriter<'g>>>,
    by_zone: HashMap<&'g Name, About>,
}

impl<'g> Expansion<'g> {
    fn of(groups: &'g [Group]) -> Self {
        let mut by_zone = HashMap::default();
        for (number, group) in groups.iter().enumerate() {
            for (zone, of) in
                group.compiled().iter().zip([About::First(number), About::Second(number)])
            {
                by_zone.insert(zone.name(), of);
            }
        }
        let rewriters = groups.iter().map(|group| {
            let first = &group.zones[0];
            group.zones[1..].iter().map(|other| ZoneRewriter::new(first, other)).collect()
        });
        Self { groups, rewriters: rewriters.collect(), by_zone }
    }

    fn of_zone(&self, zone: &Name) -> About {
        self.by_zone.get(zone).copied().unwrap_or(About::NoGroup)
    }

    /// What a text is about; `None` if it is about several zones.
    fn of_text(&self, text: &str) -> Option<About> {
        let zones = self.groups.iter().flat_map(Group::compiled);
        let mut named = zones.filter(|zone| zone.is_in(text));
        match (named.next(), named.next()) {
            (None, _) => Some(About::NoGroup),
            (Some(zone), None) => Some(self.of_zone(zone.name())),
            (Some(_), Some(_)) => None,
        }
    }

    /// Repeats for every zone of a group what concerns its first. What concerns the second has to
    /// be equal to that.
    ///
    /// Consecutive items about the first zone are repeated together, zone by zone. If the second
    /// zone comes before the first, as on a way back, the order is reversed.
    fn expand<T: Clone + PartialEq>(
        &self,
        items: &[T],
        of: impl Fn(&T) -> About,
        rewrite: impl Fn(&ZoneRewriter<'_>, &T) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut expanded = Vec::new();
        let mut firsts: Vec<Vec<T>> = vec![Vec::new(); self.groups.len()];
        let mut seconds: Vec<Vec<&T>> = vec![Vec::new(); self.groups.len()];
        let mut is_reversed = vec![false; self.groups.len()];
        let mut rest = items;
        while let Some(item) = rest.first() {
            let group = match of(item) {
                About::First(group) => group,
                About::Second(group) => {
                    is_reversed[group] |= firsts[group].is_empty();
                    seconds[group].push(item);
                    rest = &rest[1..];
                    continue;
                }
                About::NoGroup => {
                    expanded.push(item.clone());
                    rest = &rest[1..];
                    continue;
                }
            };
            let is_first = |item: &&T| of(item) == About::First(group);
            let run = &rest[..rest.iter().take_while(is_first).count()];
            rest = &rest[run.len()..];
            let others = self.rewriters[group].iter().map(|rewriter| {
                let all = run.iter().map(|item| rewrite(rewriter, item));
                all.collect::<Option<Vec<T>>>()
            });
            let others = others.collect::<Option<Vec<Vec<T>>>>()?;
            firsts[group].extend_from_slice(&others[0]);
            if is_reversed[group] {
                expanded.extend(others.into_iter().rev().flatten());
                expanded.extend_from_slice(run);
            } else {
                expanded.extend_from_slice(run);
                expanded.extend(others.into_iter().flatten());
            }
        }
        let is_so =
            |(firsts, seconds): (&Vec<T>, &Vec<&T>)| firsts.iter().eq(seconds.iter().copied());
        firsts.iter().zip(&seconds).all(is_so).then_some(expanded)
    }

    /// The same for a map, whatever the order.
    fn expand_map<K: Clone + Ord, V: Clone + PartialEq>(
        &self,
        items: &BTreeMap<K, V>,
        of: impl Fn(&K) -> About,
        rewrite: impl Fn(&ZoneRewriter<'_>, &K, &V) -> Option<(K, V)>,
    ) -> Option<BTreeMap<K, V>> {
        let mut expanded = BTreeMap::new();
        let (mut firsts, mut seconds) = (0_usize, 0_usize);
        for (key, value) in items {
            match of(key) {
                About::NoGroup => {
                    expanded.insert(key.clone(), value.clone());
                }
                About::Second(_) => seconds += 1,
                About::First(group) => {
                    expanded.insert(key.clone(), value.clone());
                    for (place, rewriter) in self.rewriters[group].iter().enumerate() {
                        let (key, value) = rewrite(rewriter, key, value)?;
                        if place == 0 && items.get(&key)? == &value {
                            firsts += 1;
                        }
                        expanded.insert(key, value);
                    }
                }
            }
        }
        (firsts == seconds).then_some(expanded)
    }

    /// Repeats lines of text, each about at most one zone.
    fn lines(&self, lines: Vec<String>) -> Option<Vec<String>> {
        let expanded = self.sentences(lines.into_iter().map(Sentence::from).collect())?;
        Some(expanded.into_iter().map(|sentence| sentence.before).collect())
    }

    /// Repeats sentences, each about one zone, or with a list of names.
    fn sentences(&self, sentences: Vec<Sentence>) -> Option<Vec<Sentence>> {
        let of = |sentence: &Sentence| match sentence.names.is_empty() {
            true => self.of_text(&sentence.before),
            false => Some(About::NoGroup),
        };
        let of: Vec<About> = sentences.iter().map(of).collect::<Option<_>>()?;
        let sentences = sentences
            .into_iter()
            .map(|sentence| self.of_names(sentence))
            .collect::<Option<Vec<_>>>()?;
        let sentences: Vec<(About, Sentence)> = of.into_iter().zip(sentences).collect();
        let expanded = self.expand(
            &sentences,
            |(of, _)| *of,
            |rewriter, (of, sentence)| {
                let of = match of {
                    About::First(group) => About::Second(*group),
                    About::Second(_) | About::NoGroup => *of,
                };
                Some((
                    of,
                    Sentence { before: rewriter.string(&sentence.before), ..sentence.clone() },
                ))
            },
        )?;
        Some(expanded.into_iter().map(|(_, sentence)| sentence).collect())
    }

    /// Completes the names that a sentence lists with those of all zones.
    fn of_names(&self, sentence: Sentence) -> Option<Sentence> {
        let names: Vec<Name> = sentence.names.iter().cloned().collect();
        let of = names.iter().map(|name| self.of_text(&name.to_string()));
        let of: Vec<About> = of.collect::<Option<_>>()?;
        let of: BTreeMap<Name, About> = names.iter().cloned().zip(of).collect();
        let names =
            self.expand(&names, |name| of[name], |rewriter, name| Some(rewriter.name(name)))?;
        Some(Sentence { names: names.into_iter().collect(), ..sentence })
    }

    fn reads(
        &self,
        reads: &BTreeMap<Name, BTreeSet<Name>>,
    ) -> Option<BTreeMap<Name, BTreeSet<Name>>> {
        let whole = reads.iter().map(|(zone, into)| (zone.clone(), self.of_each(into, zone)));
        let whole: BTreeMap<Name, BTreeSet<Name>> = whole.collect();
        self.expand_map(
            &whole,
            |zone| self.of_zone(zone),
            |rewriter, zone, _| {
                let zone = rewriter.name(zone);
                let into = self.of_each(&reads[rewriter.from()], &zone);
                Some((zone, into))
            },
        )
    }

    /// The RRsets that the proof takes as unchanging. An RRset outside a zone may have a name that
    /// contains the zone's.
    fn relied(&self, relied: &BTreeSet<RrKey>) -> Option<BTreeSet<RrKey>> {
        let of = relied.iter().map(|key| Some((key, self.of_text(&key.name.to_string())?)));
        let of: BTreeMap<&RrKey, About> = of.collect::<Option<_>>()?;
        let whole: BTreeMap<RrKey, ()> = relied.iter().map(|key| (key.clone(), ())).collect();
        let expanded = self.expand_map(
            &whole,
            |key| of[key],
            |rewriter, key, ()| Some((rewriter.key(key), ())),
        )?;
        Some(expanded.into_keys().collect())
    }

    /// The zones that a zone leads to. Only what may lead anywhere leads to alike zones: so it
    /// leads to all of them.
    fn of_each(&self, into: &BTreeSet<Name>, zone: &Name) -> BTreeSet<Name> {
        let all = into.iter().flat_map(|other| match self.of_zone(other) {
            About::NoGroup => vec![other.clone()],
            About::First(group) | About::Second(group) => {
                self.groups[group].zones.iter().map(|zone| zone.name().clone()).collect()
            }
        });
        all.filter(|other| other != zone).collect()
    }

    /// What each step of a graph is about.
    fn ids(&self, graph: &StepGraph) -> HashMap<StepId, About> {
        let of = |step| graph.zone_of(step).map_or(About::NoGroup, |zone| self.of_zone(zone));
        graph.steps().iter().map(|step| (step.id.clone(), of(step))).collect()
    }

    fn graph(&self, graph: &StepGraph, ids: &HashMap<StepId, About>) -> Option<StepGraph> {
        let of = |step: &Step| ids[&step.id];
        let steps = self.expand(graph.steps(), of, step)?;
        let steps = steps.into_iter().map(|step| match ids.get(&step.id) {
            Some(About::NoGroup) => self.of_all(step, ids),
            Some(About::First(_) | About::Second(_)) | None => Some(step),
        });
        Some(StepGraph::of_sorted(steps.collect::<Option<_>>()?))
    }

    /// Completes a step that belongs to no zone in particular, and may come after steps of all.
    fn of_all(&self, step: Step, ids: &HashMap<StepId, About>) -> Option<Step> {
        let after = self.expand_map(
            &step.after,
            |id| ids[id],
            |rewriter, id, why| Some((rewriter.id(id), cause(rewriter, why))),
        )?;
        let primitive = match step.primitive {
            Primitive::Gate(gate) => {
                let mut expect =
                    self.expand(&gate.expect, |expected| self.of_zone(&expected.zone), expected)?;
                expect
                    .sort_by(|left, right| (&left.zone, &left.key).cmp(&(&right.zone, &right.key)));
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
        there: &HashMap<StepId, About>,
    ) -> Option<CompiledWayBack> {
        let CompiledWayBack { to, at, graph, takes_back, undone_by, kept, no_return, patterns } =
            back;
        let ids = self.ids(&graph);
        let of = |id: &StepId| there.get(id).copied().unwrap_or(About::NoGroup);
        let takes_back = self.expand_map(
            &takes_back,
            |id| ids[id],
            |rewriter, id, other| Some((rewriter.id(id), rewriter.id(other))),
        )?;
        let undone_by = self.expand_map(&undone_by, of, |rewriter, id, other| {
            Some((rewriter.id(id), rewriter.id(other)))
        })?;
        let no_return = self.expand_map(&no_return, of, |rewriter, id, why| {
            Some((rewriter.id(id), rewriter.string(why)))
        })?;
        let kept = self.expand(&kept, of, |rewriter, id| Some(rewriter.id(id)))?;
        let graph = self.graph(&graph, &ids)?;
        Some(CompiledWayBack { to, at, graph, takes_back, undone_by, kept, no_return, patterns })
    }
}

fn cause(rewriter: &ZoneRewriter<'_>, cause: &Cause) -> Cause {
    Cause { origin: cause.origin, of: rewriter.shared(&cause.of), why: rewriter.shared(&cause.why) }
}

fn expected(rewriter: &ZoneRewriter<'_>, expected: &Expected) -> Option<Expected> {
    let Expected { zone, key, versions, replaced, expires, overrun } = expected;
    let replaced = match replaced {
        Some(rrset) => Some(rewriter.rrset(rrset)?),
        None => None,
    };
    Some(Expected {
        zone: rewriter.name(zone),
        key: rewriter.key(key),
        versions: rewriter.versions(versions)?,
        replaced,
        expires: *expires,
        overrun: *overrun,
    })
}

fn step(rewriter: &ZoneRewriter<'_>, step: &Step) -> Option<Step> {
    let Step { id, primitive, after, title, reason, window } = step;
    let primitive = match primitive {
        Primitive::Change(ChangeStep { verb, set }) => {
            Primitive::Change(ChangeStep { verb: *verb, set: rewriter.change_set(set)? })
        }
        Primitive::Wait(Wait { span, origin, over }) => {
            let over = over.as_ref().map(|over| rewriter.id(over));
            Primitive::Wait(Wait { span: *span, origin: *origin, over })
        }
        Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => return None,
    };
    Some(Step {
        id: rewriter.id(id),
        primitive,
        after: after.iter().map(|(id, why)| (rewriter.id(id), cause(rewriter, why))).collect(),
        title: rewriter.string(title),
        reason: rewriter.string(reason),
        window: window.clone(),
    })
}

fn track(rewriter: &ZoneRewriter<'_>, track: &Track) -> Option<Track> {
    let Track { zone, key, records, placed, routes, transitions } = track;
    let transitions = transitions.iter().map(|transition| {
        let Transition { verb, stage, changes, title, reason } = transition;
        Some(Transition {
            verb: *verb,
            stage: stage.clone(),
            changes: rewriter.changes(changes)?,
            title: rewriter.string(title),
            reason: rewriter.string(reason),
        })
    });
    Some(Track {
        zone: rewriter.name(zone),
        key: rewriter.key(key),
        records: records.clone(),
        placed: *placed,
        routes: *routes,
        transitions: transitions.collect::<Option<_>>()?,
    })
}
