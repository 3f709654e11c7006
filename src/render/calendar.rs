//! A plan on the calendar: windows in words, and the forecast of a run that starts at a given time.

use chrono_tz::Tz;

use super::{Paint, Styling, count, since_start, table};
use crate::artifact::{Artifact, Forecast};
use crate::calendar::window::Windows;
use crate::calendar::{Timestamp, later, show_second_in};
use crate::graph::{MovePoint, Step};

/// When a step may begin: one line for windows, one for freezes.
pub(super) fn within(windows: &Windows, indent: &str) -> String {
    let (open, closed) = (windows.windows(), windows.freezes());
    let mut text = String::new();
    if !open.is_empty() {
        text += &format!("{indent}only within: {}\n", all(open));
    }
    if !closed.is_empty() {
        text += &format!("{indent}not within: {}\n", all(closed));
    }
    text
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
pub fn calendar(
    artifact: &Artifact,
    forecast: &[Forecast],
    start: Timestamp,
    styling: Styling,
) -> String {
    let before_switch = artifact.graph.point(MovePoint::BeforeSwitch);
    let windows = before_switch.and_then(|step| step.window.as_ref());
    let zone = windows.map_or(Tz::UTC, Windows::zone);
    let start = Start { at: start, zone };
    let title = format!("On the calendar, if started at {}", show_second_in(start.at, zone));
    let mut text = format!("{}\n\n", styling.paint(Paint::Heading, &title));
    if let Some(step) = before_switch {
        text += &switch(step, forecast, start);
    }
    let end = forecast.iter().map(|one| one.end).max().unwrap_or_default();
    let steps = count(forecast.len(), "step");
    text += &format!("  {steps}, all done at {}\n\n", dated(start, end));
    let shown = |after| show_second_in(later(start.at, after), zone);
    let rows: Vec<[String; 3]> = forecast
        .iter()
        .map(|Forecast { step, begin, end }| [step.to_string(), shown(*begin), shown(*end)])
        .collect();
    text + &table(["step", "begins", "ends"], &rows)
}

/// When a run starts, and the time zone in which its times are shown.
#[derive(Clone, Copy)]
struct Start {
    at: Timestamp,
    zone: Tz,
}

/// When the switch is ready, and when it can begin.
fn switch(step: &Step, forecast: &[Forecast], start: Start) -> String {
    let Some(Forecast { begin, end, .. }) = forecast.iter().find(|one| one.step == step.id) else {
        return String::new();
    };
    let within = match &step.window {
        Some(windows) => within(windows, "      "),
        None => "      any time: the plan has no `window:`\n".to_owned(),
    };
    let ready = match begin == end {
        true => String::new(),
        false => format!("  everything is ready for the switch at {}\n", dated(start, *begin)),
    };
    format!("{ready}  the switch can begin at {}\n{within}", dated(start, *end))
}

/// A time, and its distance from the start.
fn dated(start: Start, after: std::time::Duration) -> String {
    format!("{} ({})", show_second_in(later(start.at, after), start.zone), since_start(after))
}
