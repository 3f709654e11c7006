//! Recipes: what a mail engineer would do for each kind of record, as tracks of versions.
//!
//! Each recipe handles one kind of record: it compares intent and snapshot, and says which versions
//! the RRsets go through. Recipes do not know each other and do not decide the order, which
//! `compile` derives. To add a recipe: a file, and a line in [`ALL`].

mod address;
mod discovery;
mod dkim;
mod mx;
mod names;
mod owners;
mod records;
mod spf;

use cutover_zone::{Name, Rdata, RrKey, RrSet, Ttl};

use crate::intent::{DomainMove, Intent};
use crate::model::{Goal, Stage, Track};
use crate::observe::{Snapshot, ZoneSeen};
use cutover_base::diag::{Code, Diagnostic, Severity, Span};

/// Two parts of the plan that set the same record.
pub const OWNED_TWICE: Code = Code::semantic("owned-twice");
/// A record that cannot exist at its name.
pub const CNAME_CLASH: Code = Code::semantic("cname-clash");

/// An exchange that has no address, or is an alias.
pub(crate) const UNUSABLE_EXCHANGE: Code = Code::semantic("unusable-exchange");

/// The recipe for one kind of record.
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// Adds the tracks for intent and snapshot.
    pub tracks: fn(&RecipeContext<'_>, &mut Found),
}

/// Every recipe.
pub const ALL: &[Recipe] = &[
    Recipe { name: "mx", tracks: mx::tracks },
    Recipe { name: "address", tracks: address::tracks },
    Recipe { name: "spf", tracks: spf::tracks },
    Recipe { name: "dkim", tracks: dkim::tracks },
    Recipe { name: "discovery", tracks: discovery::tracks },
    Recipe { name: "records", tracks: records::tracks },
];

/// The input of a recipe.
#[derive(Clone, Copy, Debug)]
pub struct RecipeContext<'k> {
    /// What the plan wants.
    pub intent: &'k Intent,
    /// What was seen.
    pub snapshot: &'k Snapshot,
    /// What will be seen when the plan is done; see [`crate::model::end::in_the_end`].
    pub end: &'k Snapshot,
}

/// What recipes have found so far.
#[derive(Debug, Default)]
pub struct Found {
    tracks: Vec<(Track, Span)>,
    diagnostics: Vec<Diagnostic>,
    assumptions: Vec<String>,
}

/// The output of all recipes.
#[derive(Clone, Debug)]
pub struct RecipeOutput {
    /// How each RRset gets from what was seen to what the plan wants.
    pub tracks: Vec<Track>,
    /// What the plan takes for granted, one sentence each.
    pub assumptions: Vec<String>,
    /// What somebody should look at.
    pub warnings: Vec<Diagnostic>,
}

impl Found {
    fn track(&mut self, track: Track, span: Span) {
        self.tracks.push((track, span));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn assume(&mut self, sentence: String) {
        if !self.assumptions.contains(&sentence) {
            self.assumptions.push(sentence);
        }
    }
}

impl<'k> RecipeContext<'k> {
    /// What was seen of the zone that a name is in, if the plan has it.
    fn zone_of(&self, name: &Name) -> Option<&'k ZoneSeen> {
        self.snapshot.zone_of(name)
    }

    /// Whether `records:` publishes something at a name.
    fn comes(&self, name: &Name) -> bool {
        let mut records = self.intent.records.iter();
        records.any(|record| record.name.value == *name && record.to.is_some())
    }

    /// What was seen of the zone of a domain that moves.
    fn zone(&self, one: &DomainMove) -> &'k ZoneSeen {
        &self.snapshot.zones[&one.zone]
    }

    /// How the TTL of an RRset is lowered before its switch.
    fn lowering(&self) -> Option<(Stage, Ttl)> {
        Some((Stage::Expand, self.intent.terms.cutover_ttl))
    }

    /// The goal for an RRset that is switched. If TTLs are not restored, it keeps its lowered TTL.
    /// Records that already match keep theirs, unless an earlier run has lowered it.
    fn goal(&self, zone: &ZoneSeen, key: &RrKey, records: Option<RrSet>) -> Goal {
        let live = zone.get(key);
        let as_wanted = match (live, &records) {
            (Some(live), Some(wanted)) => live.same_rdata(wanted),
            (None, _) | (_, None) => false,
        };
        let low = self.intent.terms.cutover_ttl.max(zone.capabilities.ttl_min);
        let ttl = match (self.intent.terms.restore_ttls, as_wanted) {
            // This also restores a TTL that an earlier run has lowered.
            (true, _) => self.snapshot.original_ttls.get(key).copied(),
            (false, true) => None,
            (false, false) => Some(live.map_or(low, |live| live.ttl().min(low))),
        };
        Goal { key: key.clone(), records, ttl }
    }
}

/// The RRset of these records for a goal, whose TTL is separate.
///
/// # Panics
/// If they do not form an RRset: records of a plan are checked when they are decoded, and recipes
/// only combine records of one type.
fn records_of(rdata: impl IntoIterator<Item = Rdata>) -> RrSet {
    RrSet::new(Ttl::ZERO, rdata).expect("decoding refuses records that form no RRset")
}

/// Says which versions every RRset goes through; `compile` derives the order.
///
/// # Errors
/// Everything that makes the plan impossible, all at once.
pub fn run_recipes(context: &RecipeContext<'_>) -> Result<RecipeOutput, Vec<Diagnostic>> {
    let mut found = Found::default();
    for Recipe { tracks, .. } in ALL {
        tracks(context, &mut found);
    }
    owners::owned_once(&mut found);
    names::check(context, &mut found);
    let Found { tracks, diagnostics, mut assumptions } = found;
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(diagnostics);
    }
    let tracks: Vec<Track> = tracks.into_iter().map(|(track, _)| track).collect();
    if tracks.iter().all(|track| track.transitions.is_empty()) {
        assumptions.clear();
    }
    Ok(RecipeOutput { tracks, assumptions, warnings: diagnostics })
}
