//! A plan on the calendar: windows in words, and the forecast of a run that starts at a given time.

use chrono_tz::Tz;

use super::count;
use crate::document::{Block, Document, Item, Room, Section, Spare, Table, Text};
use cutover_base::calendar::window::Windows;
use cutover_base::calendar::{Timestamp, later, show_second_in, since_start};
use cutover_run::artifact::{Artifact, Forecast};
use cutover_steps::graph::{MovePoint, Step};

/// When a step may begin: one line for windows, one for freezes.
pub(super) fn within(windows: &Windows) -> Vec<Text> {
    let (open, closed) = (windows.windows(), windows.freezes());
    let open = (!open.is_empty()).then(|| format!("only within: {}", all(open)));
    let closed = (!closed.is_empty()).then(|| format!("not within: {}", all(closed)));
    open.into_iter().chain(closed).map(Text::from).collect()
}

/// What a step outside its windows waits for.
pub(super) fn awaited(windows: &Windows) -> String {
    match (windows.windows(), windows.freezes()) {
        ([], freezes) => format!("the end of the freeze {}", all(freezes)),
        ([one], []) => format!("the window {one}"),
        ([one], freezes) => format!("the window {one}, not within {}", all(freezes)),
        (several, []) => format!("one of the windows {}", all(several)),
        (several, freezes) => {
            format!("one of the windows {}, not within {}", all(several), all(freezes))
        }
    }
}

fn all(texts: &[impl ToString]) -> String {
    texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Shows a forecast that counts from `start`, in the time zone of the plan's windows, or UTC
/// without windows.
#[must_use]
pub fn calendar(artifact: &Artifact, forecast: &[Forecast], start: Timestamp) -> Document {
    let before_switch = artifact.graph.point(MovePoint::BeforeSwitch);
    let windows = before_switch.and_then(|step| step.window.as_ref());
    let zone = windows.map_or(Tz::UTC, Windows::zone);
    let start = Start { at: start, zone };
    let title = format!("On the calendar, if started at {}", show_second_in(start.at, zone));
    let mut items = before_switch.map(|step| switch(step, forecast, start)).unwrap_or_default();
    let end = forecast.iter().map(|one| one.end).max().unwrap_or_default();
    let steps = count(forecast.len(), "step");
    items.push(Item::new(format!("{steps}, all done at {}", dated(start, end)), Vec::new()));
    let shown = |after| show_second_in(later(start.at, after), zone);
    let rows = forecast.iter().map(|Forecast { step, begin, end }| {
        [Text::value(step.as_str()), shown(*begin).into(), shown(*end).into()]
    });
    let table = Table::new(["step", "begins", "ends"], rows);
    Document(vec![Block::Section(Section {
        title: title.into(),
        blocks: vec![Block::List(items), Block::Table(table)],
        room: Room::Spare(Spare { turn: 0, part: "step" }),
    })])
}

/// When a run starts, and the time zone in which its times are shown.
#[derive(Clone, Copy)]
struct Start {
    at: Timestamp,
    zone: Tz,
}

/// When the switch is ready, and when it can begin.
fn switch(step: &Step, forecast: &[Forecast], start: Start) -> Vec<Item> {
    let Some(Forecast { begin, end, .. }) = forecast.iter().find(|one| one.step == step.id) else {
        return Vec::new();
    };
    let within = match &step.window {
        Some(windows) => within(windows),
        None => vec![Text::from("any time: the plan has no ").and_code("window:")],
    };
    let ready = (begin != end).then(|| {
        let ready = format!("everything is ready for the switch at {}", dated(start, *begin));
        Item::new(ready, Vec::new())
    });
    let begins = format!("the switch can begin at {}", dated(start, *end));
    ready.into_iter().chain([Item::new(begins, vec![Block::Lines(within)])]).collect()
}

/// A time, and its distance from the start.
fn dated(start: Start, after: std::time::Duration) -> String {
    format!("{} ({})", show_second_in(later(start.at, after), start.zone), since_start(after))
}
