//! Alike zones are written once: what is written for one of them applies to each of the others,
//! with its name replaced.
//!
//! In a plan of many domains most change alike, and nobody reads a text that repeats itself a
//! thousand times. Which zones are alike follows from the steps, so there is still one encoding. A
//! plan of a few zones is written out in full.

use std::collections::{BTreeMap, HashMap};

use cutover_zone::Name;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{OCTETS_MAX, ReadError};
use super::{ArtifactV1, ForecastV1, StepV1, ids, value};
use cutover_base::digest::Digest;
use cutover_steps::graph::StepId;

/// Up to how many zones are written out even if they are alike. Our choice: that many are readable.
const APART_MAX: usize = 8;

/// A group of alike zones.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlikeV1 {
    /// The zone whose steps are written out.
    like: Name,
    /// The others.
    zones: Vec<Name>,
}

/// Placeholders for a zone's name, and for its name with dashes instead of dots, when texts are
/// compared. They cannot occur otherwise, since JSON has no control characters.
const NAME: &str = "\u{1}";
const DASHED: &str = "\u{2}";

/// The spellings of a zone's name in texts.
struct Spelled {
    bare: String,
    dashed: String,
}

impl Spelled {
    /// `None` for names that JSON or a step's id may spell differently.
    fn of(name: &Name) -> Option<Self> {
        let text = name.to_string();
        let bare = text.strip_suffix('.').filter(|bare| !bare.is_empty())?;
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        bare.bytes()
            .all(is_plain)
            .then(|| Self { bare: bare.into(), dashed: bare.replace('.', "-") })
    }

    /// The text with this zone's name replaced by placeholders.
    fn taken_out_of(&self, text: &str) -> String {
        text.replace(&self.bare, NAME).replace(&self.dashed, DASHED)
    }

    fn put_into(&self, text: &str) -> String {
        text.replace(NAME, &self.bare).replace(DASHED, &self.dashed)
    }
}

/// An entry of a list that can be written once for several zones.
trait Entry: Serialize + DeserializeOwned {
    fn id(&self) -> &StepId;
    /// The positions of the entries of the other zones, in the order of the zones.
    fn at(&mut self) -> &mut Vec<usize>;
}

impl Entry for StepV1 {
    fn id(&self) -> &StepId {
        &self.id
    }

    fn at(&mut self) -> &mut Vec<usize> {
        &mut self.at
    }
}

impl Entry for ForecastV1 {
    fn id(&self) -> &StepId {
        &self.step
    }

    fn at(&mut self) -> &mut Vec<usize> {
        &mut self.at
    }
}

/// The zones, by their names in step ids.
struct Zones {
    names: Vec<Name>,
    spelled: Vec<Spelled>,
    by_name: HashMap<String, usize>,
}

impl Zones {
    fn of<'n>(names: impl Iterator<Item = &'n Name>) -> Self {
        let (names, spelled): (Vec<Name>, Vec<Spelled>) =
            names.filter_map(|name| Some((name.clone(), Spelled::of(name)?))).unzip();
        let by_name = spelled.iter().enumerate().map(|(n, one)| (one.bare.clone(), n)).collect();
        Self { names, spelled, by_name }
    }

    /// The zone that a step is about.
    fn of_id(&self, id: &StepId) -> Option<usize> {
        ids::parts(id).find_map(|part| self.by_name.get(part).copied())
    }
}

fn text_of(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).expect("names, numbers and texts are always written")
}

/// The digest of a zone's entry without the zone's name. A digest, because the texts are long and
/// many.
fn skeleton(zones: &Zones, zone: usize, entry: &impl Serialize) -> Digest {
    Digest::of(zones.spelled[zone].taken_out_of(&text_of(entry)).as_bytes())
}

/// The groups of alike zones, by number: a first zone, and the others.
struct Groups {
    zones: Zones,
    /// For each zone that is not written out, its group.
    others: HashMap<usize, usize>,
    /// For each group, the zone that is written out, and the others in order.
    all: Vec<(usize, Vec<usize>)>,
    of_first: HashMap<usize, usize>,
}

impl Groups {
    fn of(zones: Zones, all: Vec<(usize, Vec<usize>)>) -> Self {
        let numbered = || all.iter().enumerate();
        let others = numbered().flat_map(|(n, (_, of))| of.iter().map(move |zone| (*zone, n)));
        let of_first = numbered().map(|(n, (first, _))| (*first, n));
        Self { others: others.collect(), of_first: of_first.collect(), zones, all }
    }

    /// The group whose first zone an entry belongs to.
    fn first_of(&self, id: &StepId) -> Option<usize> {
        self.of_first.get(&self.zones.of_id(id)?).copied()
    }

    fn is_of_others(&self, id: &StepId) -> bool {
        self.zones.of_id(id).is_some_and(|zone| self.others.contains_key(&zone))
    }

    /// A text about the first zone of a group, rewritten for each of the others.
    fn told<'g>(&'g self, group: usize, text: &str) -> impl Iterator<Item = String> + use<'g> {
        let (first, others) = &self.all[group];
        let skeleton = self.zones.spelled[*first].taken_out_of(text);
        others.iter().map(move |zone| self.zones.spelled[*zone].put_into(&skeleton))
    }
}

/// Writes alike zones once.
pub(super) fn fold(artifact: &mut ArtifactV1) {
    let zones = Zones::of(artifact.zones.iter().map(|zone| &zone.name));
    if zones.names.len() <= APART_MAX {
        return;
    }
    let mut said: Vec<Vec<(usize, Digest)>> = vec![Vec::new(); zones.names.len()];
    look(&zones, 0, &artifact.steps, &mut said);
    look(&zones, 1, &artifact.forecast, &mut said);
    for (number, point) in artifact.rollback_points.iter().enumerate() {
        look(&zones, 2 + number, &point.steps, &mut said);
    }
    let mut alike: BTreeMap<Vec<(usize, Digest)>, Vec<usize>> = BTreeMap::new();
    for (zone, mut of_zone) in said.into_iter().enumerate().filter(|(_, said)| !said.is_empty()) {
        of_zone.sort_unstable();
        alike.entry(of_zone).or_default().push(zone);
    }
    let mut all: Vec<(usize, Vec<usize>)> = alike
        .into_values()
        .filter(|group| group.len() > APART_MAX)
        .map(|group| (group[0], group[1..].to_vec()))
        .collect();
    all.sort_unstable();
    let groups = Groups::of(zones, all);
    if groups.all.is_empty() {
        return;
    }
    let names = &groups.zones.names;
    artifact.alike = groups
        .all
        .iter()
        .map(|(first, others)| AlikeV1 {
            like: names[*first].clone(),
            zones: others.iter().map(|zone| names[*zone].clone()).collect(),
        })
        .collect();
    once(&groups, &mut artifact.steps);
    artifact.steps.iter_mut().for_each(|step| befores_once(&groups, step));
    once(&groups, &mut artifact.forecast);
    for point in &mut artifact.rollback_points {
        once(&groups, &mut point.steps);
        point.steps.iter_mut().for_each(|step| befores_once(&groups, step));
        point.takes_back_each = map_once(&groups, &mut point.takes_back);
    }
}

fn look<T: Entry>(zones: &Zones, list: usize, all: &[T], said: &mut [Vec<(usize, Digest)>]) {
    for entry in all {
        if let Some(zone) = zones.of_id(entry.id()) {
            said[zone].push((list, skeleton(zones, zone, entry)));
        }
    }
}

/// Removes the entries of the other zones, and records their positions in the entry of the first.
fn once<T: Entry>(groups: &Groups, all: &mut Vec<T>) {
    let zones = &groups.zones;
    let mut places: HashMap<(usize, Digest), HashMap<usize, usize>> = HashMap::new();
    for (place, entry) in all.iter().enumerate() {
        let Some(zone) = zones.of_id(entry.id()) else { continue };
        if let Some(group) = groups.others.get(&zone) {
            places.entry((*group, skeleton(zones, zone, entry))).or_default().insert(zone, place);
        }
    }
    all.retain(|entry| !groups.is_of_others(entry.id()));
    for entry in all {
        let Some(group) = groups.first_of(entry.id()) else { continue };
        let (first, others) = &groups.all[group];
        let of_entry = &places[&(group, skeleton(zones, *first, entry))];
        *entry.at() = others.iter().map(|zone| of_entry[zone]).collect();
    }
}

/// Shortens what a step outside of zones comes after, if it is the same in each of the alike zones.
fn befores_once(groups: &Groups, step: &mut StepV1) {
    if groups.zones.of_id(&step.id).is_none() && map_once(groups, &mut step.because) {
        step.after = step.because.keys().cloned().collect();
        step.each = true;
    }
}

/// Removes the other zones' values from a map if they equal those of the first zone.
fn map_once<T: Serialize + DeserializeOwned + PartialEq>(
    groups: &Groups,
    map: &mut BTreeMap<StepId, T>,
) -> bool {
    let (others, mut own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(map).into_iter().partition(|(id, _)| groups.is_of_others(id));
    let said = in_each(groups, &own);
    let is_same = !others.is_empty() && said.is_ok_and(|said| said == others);
    if !is_same {
        own.extend(others);
    }
    *map = own;
    is_same
}

/// The values of the other zones, made from that of the first.
fn in_each<T: Serialize + DeserializeOwned>(
    groups: &Groups,
    map: &BTreeMap<StepId, T>,
) -> Result<BTreeMap<StepId, T>, serde_json::Error> {
    let firsts = map.iter().filter_map(|(id, said)| Some((groups.first_of(id)?, (id, said))));
    let all = firsts.flat_map(|(group, entry)| groups.told(group, &text_of(&entry)));
    all.map(|text| serde_json::from_str(&text)).collect()
}

/// Writes out for each zone what is written once.
///
/// # Errors
/// If positions are missing or used twice, or the result would exceed the size of an artifact.
pub(super) fn unfold(artifact: &mut ArtifactV1) -> Result<(), ReadError> {
    if artifact.alike.is_empty() {
        return Ok(());
    }
    let zones = Zones::of(artifact.zones.iter().map(|zone| &zone.name));
    let number = |name: &Name| {
        let spelled = Spelled::of(name).and_then(|one| zones.by_name.get(&one.bare).copied());
        spelled.ok_or_else(|| value("alike", format!("{name} cannot be in a group")))
    };
    let all = artifact.alike.iter().map(|one| {
        let others = one.zones.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        Ok((number(&one.like)?, others))
    });
    let all = all.collect::<Result<Vec<_>, ReadError>>()?;
    let groups = Groups::of(zones, all);
    let mut octets = 0;
    artifact.steps.iter_mut().try_for_each(|step| befores_of_each(&groups, step, &mut octets))?;
    of_each(&groups, &mut artifact.steps, &mut octets)?;
    of_each(&groups, &mut artifact.forecast, &mut octets)?;
    for point in &mut artifact.rollback_points {
        point.steps.iter_mut().try_for_each(|step| befores_of_each(&groups, step, &mut octets))?;
        of_each(&groups, &mut point.steps, &mut octets)?;
        if std::mem::take(&mut point.takes_back_each) {
            let each = in_each(&groups, &point.takes_back)?;
            point.takes_back.extend(each);
        }
    }
    artifact.alike.clear();
    Ok(())
}

/// Counts the size of the result so far.
fn count(octets: &mut u64, text: &str) -> Result<(), ReadError> {
    *octets += text.len() as u64;
    match *octets <= OCTETS_MAX {
        true => Ok(()),
        false => Err(value("alike", "the alike zones make it larger than an artifact may be")),
    }
}

fn befores_of_each(groups: &Groups, step: &mut StepV1, octets: &mut u64) -> Result<(), ReadError> {
    if std::mem::take(&mut step.each) {
        count(octets, &text_of(step))?;
        let each = in_each(groups, &step.because)?;
        step.because.extend(each);
        step.after = step.because.keys().cloned().collect();
    }
    Ok(())
}

/// Puts the entries of the other zones where they belong.
fn of_each<T: Entry>(groups: &Groups, all: &mut Vec<T>, octets: &mut u64) -> Result<(), ReadError> {
    let mut others: BTreeMap<usize, T> = BTreeMap::new();
    for entry in all.iter_mut() {
        let at = std::mem::take(entry.at());
        if at.is_empty() {
            continue;
        }
        let wrong = |problem: &str| value(entry.id(), problem);
        let group = groups.first_of(entry.id());
        let group = group.ok_or_else(|| wrong("its zone is not the first of a group"))?;
        if at.len() != groups.all[group].1.len() {
            return Err(wrong("it does not have one position for each other zone of its group"));
        }
        for (place, text) in at.into_iter().zip(groups.told(group, &text_of(entry))) {
            count(octets, &text)?;
            if others.insert(place, serde_json::from_str(&text)?).is_some() {
                return Err(wrong("two entries have the same position"));
            }
        }
    }
    let total = all.len() + others.len();
    let mut own = std::mem::take(all).into_iter();
    for place in 0..total {
        all.extend(others.remove(&place).or_else(|| own.next()));
    }
    match others.is_empty() {
        true => Ok(()),
        false => Err(value("alike", "a position is after the last entry")),
    }
}
