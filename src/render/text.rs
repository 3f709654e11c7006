//! The plan as a reviewer reads it: what is different in the end, which steps lead there and why,
//! when, and what is taken for granted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{Change, Name, RrKey, RrSet};

use super::calendar::within;
use super::difference::difference;
use super::timeline::timeline;
use super::{Dress, Paint, chain, count, gate, harmless, lines, since_start, table, zone_heading};
use crate::artifact::{Artifact, Checked, Forecast, Outcome, Verdict};
use crate::calendar::show_span;
use crate::graph::{Primitive, Step, StepId, Wait};
use crate::spec::notify::{Notice, Way};

/// What is said where there is nothing to do.
pub const NOTHING_TO_CHANGE: &str = "nothing to change: everything is as the plan wants it";

/// Shows an artifact.
#[must_use]
pub fn plan(artifact: &Artifact, dress: Dress) -> String {
    let head = head(artifact, dress);
    if artifact.graph.steps().is_empty() {
        return head;
    }
    let heading = |title: &str| dress.paint(Paint::Heading, title);
    [
        head,
        format!(
            "{}\n\n{}",
            heading("Difference from beginning to end"),
            differences(artifact, dress)
        ),
        format!("{}\n\n{}", heading("Steps"), steps(artifact, dress)),
        format!("{}\n\n{}", heading("Timeline of an undisturbed run"), timeline(artifact)),
        format!(
            "{}\n\n{}",
            heading("Exposure: how long an old version may still be seen"),
            exposure(artifact)
        ),
        format!("{}\n\n{}", heading("Why it takes so long"), chain::waits(artifact)),
        chain::runbook(artifact)
            .map(|text| format!("{}\n\n{text}", heading("Compared with the usual runbook")))
            .unwrap_or_default(),
        match artifact.is_way_back() {
            true => String::new(),
            false => format!("{}\n\n{}", heading("The way back"), chain::ways_back(artifact)),
        },
        match artifact.notify.is_empty() {
            true => String::new(),
            false => format!("{}\n\n{}", heading("Who is told"), notices(artifact)),
        },
        format!("{}\n\n{}", heading("Verdict"), verdict(artifact)),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn head(artifact: &Artifact, dress: Dress) -> String {
    let what = if artifact.is_way_back() { "way back of" } else { "plan" };
    let name = dress.paint(Paint::Heading, &format!("{what} {}", artifact.name));
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
    format!(
        "{name}  {digest}\n\n{} in {}, {}{gates}; done after {} at the earliest\n",
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

fn differences(artifact: &Artifact, dress: Dress) -> String {
    let mut text = String::new();
    for (zone, versions) in ends(artifact) {
        let heading = zone_heading(zone, &artifact.zones[zone].provider);
        text += &format!("  {heading}\n");
        for (key, (first, last)) in versions {
            text += &difference(&lines(key, first), &lines(key, last), "    ", dress);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn steps(artifact: &Artifact, dress: Dress) -> String {
    let begins: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let mut text = String::new();
    for (number, step) in artifact.graph.steps().iter().enumerate() {
        let Step { id, primitive, after, title, reason, window } = step;
        let begin = begins.get(id).map(|f| since_start(f.begin)).unwrap_or_default();
        let heading = dress.paint(Paint::Heading, &harmless(title));
        text += &format!("  {:>3}. {heading}  ({begin})\n", number + 1);
        text += &format!("       {}\n", dress.paint(Paint::Faint, id.as_str()));
        text += &format!("       why: {}\n", harmless(reason));
        if !after.is_empty() {
            text += &format!("       after: {}\n", names(after.keys()));
        }
        text += &window.as_ref().map(|windows| within(windows, "       ")).unwrap_or_default();
        if let (Primitive::Wait(wait), Some(cause)) = (primitive, after.values().next()) {
            let why = harmless(&cause.why);
            text += &format!("       for: {} ({}), {why}\n", cause.of, wait.origin.word());
        }
        match primitive {
            Primitive::Gate(gate) => text += &gate::lines(gate, "       "),
            Primitive::Task(task) => text += &gate::of_task(task, "       "),
            Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint => {}
        }
        if let Primitive::Change(changes) = primitive {
            for Change { key, before, after } in changes.changes() {
                let (before, after) = (lines(key, before.as_ref()), lines(key, after.as_ref()));
                text += &difference(&before, &after, "       ", dress);
            }
        }
    }
    text
}

/// Up to four ids, and how many more.
fn names<'a>(ids: impl ExactSizeIterator<Item = &'a StepId>) -> String {
    /// More would hide the sentence that they stand in.
    const SHOWN_MAX: usize = 4;
    let more = ids.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<&str> = ids.take(SHOWN_MAX).map(StepId::as_str).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// One line for each RRset and each reason for which its old version is waited out: what comes after
/// the wait says for what.
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
    table(["RRset", "TTL", "replaced", "old one gone", "waited", "for"], &rows)
}

fn notices(artifact: &Artifact) -> String {
    let rows = artifact.notify.iter().map(|Notice { at, way, text: _ }| {
        let at: Vec<&str> = at.iter().map(|occasion| occasion.word()).collect();
        let who = match way {
            Way::Webhook(webhook) => format!("the webhook in {webhook}"),
            Way::Mail(mail) => format!("{} by {}:{}", mail.to.join(", "), mail.server, mail.port),
        };
        format!("  at {}: {}\n", at.join(", "), harmless(&who))
    });
    rows.collect()
}

/// The invariants that are broken before the first step, each with what it is broken for.
fn exceptions(present: &[String]) -> String {
    let mut by_invariant: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in present {
        let id = line.split(": ").next().unwrap_or(line);
        let mut parts = id.split('/');
        let of = by_invariant.entry(parts.next().unwrap_or(id)).or_default();
        of.extend(parts.next());
    }
    let words = by_invariant.into_iter().map(|(invariant, of)| {
        format!("`{invariant}` ({})", of.into_iter().collect::<Vec<_>>().join(", "))
    });
    harmless(&words.collect::<Vec<_>>().join(", "))
}

fn verdict(artifact: &Artifact) -> String {
    let Verdict {
        outcome,
        holding,
        broken: _,
        overrides,
        checked: Checked { atoms, patterns, patterns_back },
        assumptions,
        present,
        story,
        derivation,
    } = &artifact.verdict;
    let indented = |lines: &[String]| -> String {
        lines.iter().map(|line| format!("    {}\n", harmless(line))).collect()
    };
    let mut text = match outcome {
        Outcome::Proved if present.is_empty() => "  PROVED. ".to_owned(),
        _ if story.is_empty() => format!("  PROVED EXCEPT {}.\n  ", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let passes = match artifact.verdict.forbidding().next() {
                Some(_) => "",
                None => ", AND LET PASS, as the plan says (`override:`)",
            };
            format!("  REFUTED{passes}: {}\n  ", indented(story).trim_start())
        }
    };
    if !holding.is_empty() {
        text += &format!(
            "In every order, at every delay and for every cached answer these hold:\n  {}\n",
            holding.join(", ")
        );
    }
    text += &format!(
        "  looked at: {atoms} things that may be true, {} of them that must not be true together",
        count(*patterns, "set")
    );
    text += &match patterns_back {
        0 => "\n".to_owned(),
        back => format!(", and {back} along the way back\n"),
    };
    if !derivation.is_empty() {
        text += &format!("\n  why no other order would do:\n{}", indented(derivation));
    }
    if !overrides.is_empty() {
        text += "\n  may be broken, as the plan says:\n";
        for (invariant, reason) in overrides {
            text += &format!("  ! {invariant}: {}\n", harmless(reason));
        }
    }
    if !present.is_empty() {
        text += &format!("\n  broken before the first step:\n{}", indented(present));
    }
    if !assumptions.is_empty() {
        text += "\n  taken for granted:\n";
        for assumption in assumptions {
            text += &format!("  * {}\n", harmless(assumption));
        }
    }
    text
}
