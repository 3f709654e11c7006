//! The plan as a reviewer reads it: the difference that it makes, its steps with times and reasons,
//! and its assumptions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{Change, Name, RrKey, RrSet};

use super::calendar::within;
use super::difference::difference;
use super::fold::{Folds, nameless};
use super::timeline::timeline;
use super::{
    Paint, Styling, chain, count, escape_control, gate, lines, since_start, table, verdict,
    zone_heading,
};
use crate::artifact::{Artifact, Forecast};
use crate::calendar::show_span;
use crate::diag::some_of;
use crate::graph::{Primitive, Step, StepId, Wait};
use crate::spec::notify::{Notice, Way};

/// Shown if there is nothing to do.
pub const NOTHING_TO_CHANGE: &str = "nothing to change: everything matches the plan";

/// The last line of the brief form.
const HOW_TO_SEE_MORE: &str = "Add `--full` to see every step, with its records and the reason for each wait. `cutover explain` explains one step.\n";

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a reviewer needs to decide: summary, difference, timeline, way back and verdict. Zones
    /// that change alike are folded into one.
    Brief,
    /// Every zone and every step, with reasons.
    Full,
}

/// Shows an artifact, in the order in which a reviewer reads it.
#[must_use]
pub fn plan(artifact: &Artifact, detail: Detail, styling: Styling) -> String {
    let folds = Folds::of(artifact, detail == Detail::Full);
    let head = head(artifact, &folds, styling);
    if artifact.graph.steps().is_empty() {
        return head;
    }
    let part = |title: &str, text: String| match text.is_empty() {
        true => String::new(),
        false => format!("{}\n\n{text}", styling.paint(Paint::Heading, title)),
    };
    let details: [(&str, &dyn Fn() -> String); 4] = [
        ("Steps", &|| steps(artifact, styling)),
        ("Exposure: how long an old version may still be seen", &|| exposure(artifact)),
        ("Why it takes this long", &|| chain::waits(artifact)),
        ("Compared with the usual runbook", &|| chain::runbook(artifact).unwrap_or_default()),
    ];
    let details = details.iter().filter(|_| detail == Detail::Full);
    let details: Vec<String> = details.map(|(title, text)| part(title, text())).collect();
    let more = match detail {
        Detail::Brief => HOW_TO_SEE_MORE.to_owned(),
        Detail::Full => String::new(),
    };
    let way_back = match artifact.is_way_back() {
        true => String::new(),
        false => chain::ways_back(artifact, &folds),
    };
    [
        head,
        part("Difference from start to end", differences(artifact, &folds, styling)),
        part("Timeline of an undisturbed run", timeline(artifact, &folds)),
        details.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"),
        part("The way back", way_back),
        part("Notifications", notices(artifact)),
        part("Verdict", verdict::whole(artifact, &folds)),
        more,
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn head(artifact: &Artifact, folds: &Folds<'_>, styling: Styling) -> String {
    let what = if artifact.is_way_back() { "way back of" } else { "plan" };
    let name = styling.paint(Paint::Heading, &format!("{what} {}", artifact.name));
    let digest = artifact.digest();
    if artifact.graph.steps().is_empty() {
        return format!("{name}  {digest}\n\n{NOTHING_TO_CHANGE}\n");
    }
    let kinds = |test: fn(&Primitive) -> bool| {
        artifact.graph.steps().iter().filter(|step| test(&step.primitive)).count()
    };
    let end = artifact.forecast.iter().map(|f| f.end).max().unwrap_or_default();
    let also = [
        (kinds(|p| matches!(p, Primitive::Gate(_))), "gate"),
        (kinds(|p| matches!(p, Primitive::Task(_))), "task"),
    ];
    let also = also.into_iter().filter(|(number, _)| *number > 0);
    let gates: String = also.map(|(number, what)| format!(", {}", count(number, what))).collect();
    let folded = match folds.said() {
        said if said.is_empty() => said,
        said => format!("\n{said}"),
    };
    let first = verdict::first(artifact);
    format!(
        "{name}  {digest}\n\n{first}\n{} in {}, {}{gates}; done after {} at the earliest\n{folded}",
        count(kinds(|p| matches!(p, Primitive::Change(_))), "change"),
        count(artifact.zones.len(), "zone"),
        count(kinds(|p| matches!(p, Primitive::Wait(_))), "wait"),
        show_span(end),
    )
}

type Versions<'a> = BTreeMap<&'a RrKey, (Option<&'a RrSet>, Option<&'a RrSet>)>;

/// First and last version of each RRset, by zone.
fn ends(artifact: &Artifact) -> BTreeMap<&Name, Versions<'_>> {
    let mut zones: BTreeMap<&Name, Versions<'_>> = BTreeMap::new();
    for step in artifact.graph.steps() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        let versions = zones.entry(changes.zone()).or_default();
        for Change { key, before, after } in changes.changes() {
            let ends = versions.entry(key).or_insert((before.as_ref(), None));
            ends.1 = after.as_ref();
        }
    }
    zones
}

fn differences(artifact: &Artifact, folds: &Folds<'_>, styling: Styling) -> String {
    let mut text = String::new();
    let mut usual = BTreeSet::new();
    let zones = ends(artifact).into_iter().filter(|(zone, _)| !folds.hides(zone));
    // The zone that stands for the largest group comes first, so that the others can refer to it.
    let (most, others): (Vec<_>, Vec<_>) =
        zones.partition(|(zone, _)| folds.differs(zone).is_none());
    for (zone, versions) in most.into_iter().chain(others) {
        let heading = zone_heading(zone, &artifact.zones[zone].provider);
        let like = match folds.like(zone) {
            0 => String::new(),
            others => format!(", and {} like it", count(others, "other")),
        };
        let most = folds.differs(zone);
        let but = most.map_or(String::new(), |most| format!("; otherwise the same as {most}"));
        text += &format!("  {heading}{like}{but}\n");
        for (key, (first, last)) in versions {
            let (before, after) = (lines(key, first), lines(key, last));
            if folds.any() {
                let said = [before.join("\n"), after.join("\n")].map(|text| nameless(&text, zone));
                if most.is_none() {
                    usual.insert(said);
                } else if usual.contains(&said) {
                    continue;
                }
            }
            text += &difference(&before, &after, "    ", styling);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn steps(artifact: &Artifact, styling: Styling) -> String {
    let begins: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let mut text = String::new();
    for (number, step) in artifact.graph.steps().iter().enumerate() {
        let Step { id, primitive, after, title, reason, window } = step;
        let begin = begins.get(id).map(|f| since_start(f.begin)).unwrap_or_default();
        let heading = styling.paint(Paint::Heading, &escape_control(title));
        text += &format!("  {:>3}. {heading}  ({begin})\n", number + 1);
        text += &format!("       {}\n", styling.paint(Paint::Faint, id.as_str()));
        text += &format!("       why: {}\n", escape_control(reason));
        if !after.is_empty() {
            text += &format!("       after: {}\n", some_of(after.keys(), IDS_MAX));
        }
        text += &window.as_ref().map(|windows| within(windows, "       ")).unwrap_or_default();
        if let (Primitive::Wait(wait), Some(cause)) = (primitive, after.values().next()) {
            let why = escape_control(&cause.why);
            text += &format!("       for: {} ({}), {why}\n", cause.of, wait.origin.word());
        }
        match primitive {
            Primitive::Gate(gate) => text += &gate::lines(gate, "       "),
            Primitive::Task(task) => text += &gate::of_task(task, "       "),
            Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint(_) => {}
        }
        if let Primitive::Change(changes) = primitive {
            for Change { key, before, after } in changes.changes() {
                let (before, after) = (lines(key, before.as_ref()), lines(key, after.as_ref()));
                text += &difference(&before, &after, "       ", styling);
            }
        }
    }
    text
}

/// How many ids are shown. Our choice: more would bury the sentence.
const IDS_MAX: usize = 4;

/// One line for each RRset and each reason for waiting until its old version has expired. The
/// reasons are the causes of the steps after the wait.
fn exposure(artifact: &Artifact) -> String {
    let forecasts: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    type Exposed<'a> = (&'a Change, &'a Forecast, &'a Forecast, Duration);
    let mut rows: Vec<(&RrKey, &str, Exposed<'_>)> = Vec::new();
    for (place, step) in artifact.graph.steps().iter().enumerate() {
        let Primitive::Wait(Wait { over: Some(over), span, .. }) = &step.primitive else {
            continue;
        };
        let Some(change) = artifact.graph.get(over) else { continue };
        let Primitive::Change(changes) = &change.primitive else { continue };
        let (Some(published), Some(gone)) = (forecasts.get(over), forecasts.get(&step.id)) else {
            continue;
        };
        let followers = artifact.graph.followers(place).iter();
        let causes = followers.filter_map(|at| artifact.graph.steps()[*at].after.get(&step.id));
        let reasons: BTreeSet<&str> = causes.map(|cause| &*cause.of).collect();
        for change in changes.changes() {
            for reason in &reasons {
                let exposed: Exposed<'_> = (change, published, gone, *span);
                let same = rows.iter_mut().find(|(key, of, (other, ..))| {
                    **key == change.key && of == reason && other.before == change.before
                });
                match same {
                    Some((_, _, known)) if known.2.end < gone.end => *known = exposed,
                    Some(_) => {}
                    None => rows.push((&change.key, *reason, exposed)),
                }
            }
        }
    }
    let ttl = |rrset: &Option<RrSet>| {
        let shown = |rrset: &RrSet| show_span(rrset.ttl().duration());
        rrset.as_ref().map_or("absent".to_owned(), shown)
    };
    let rows = rows.into_iter().map(|(key, reason, (change, published, gone, span))| {
        [
            key.to_string(),
            format!("{} -> {}", ttl(&change.before), ttl(&change.after)),
            since_start(published.begin),
            since_start(gone.end),
            show_span(span),
            reason.to_owned(),
        ]
    });
    let rows: Vec<[String; 6]> = rows.collect();
    table(["RRset", "TTL", "replaced", "old gone", "wait", "for"], &rows)
}

fn notices(artifact: &Artifact) -> String {
    let rows = artifact.notify.iter().map(|Notice { at, way, text: _ }| {
        let at: Vec<&str> = at.iter().map(|occasion| occasion.word()).collect();
        let who = match way {
            Way::Webhook(webhook) => format!("the webhook in {webhook}"),
            Way::Mail(mail) => format!("{} by {}:{}", mail.to.join(", "), mail.server, mail.port),
        };
        format!("  at {}: {}\n", at.join(", "), escape_control(&who))
    });
    rows.collect()
}
