//! How it is written: `cutover/standing/2`, one JSON object. A reader that does not know the version
//! reads the run instead.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_zone::Name;
use serde::{Deserialize, Serialize};

use super::super::due::Due;
use super::super::exit::Exit;
use super::{RunEntry, RunStage, Standing};
use crate::calendar::{Timestamp, parse_instant, show_exact};
use crate::digest::Digest;
use crate::engine::next::Pause;
use crate::render::overview::{Doing, Line, NextUp};

const FORMAT: &str = "cutover/standing/2";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StandingV2 {
    format: String,
    way_back: bool,
    doing: DoingV1,
    next: Option<NextV1>,
    exit: ExitV1,
    due: DueV1,
    open: bool,
    zones: Option<BTreeSet<String>>,
    run: RunV2,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunV2 {
    name: String,
    artifact: Digest,
    entries: u64,
    head: Digest,
    stage: RunStage,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum DoingV1 {
    Finished { at: String },
    Halted { words: String },
    Person { step: String },
    Going { then_secs: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextV1 {
    step: String,
    not_before: Option<NotBeforeV1>,
    zone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotBeforeV1 {
    at: String,
    pause: PauseV1,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PauseV1 {
    Wait,
    Window,
    Gate,
    ForeignRecords,
    Propagation,
    Doubt,
    Retry,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DueV1 {
    Now,
    Halted,
    At(String),
    Person,
    Never,
}

/// The exit codes that a run can end with.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ExitV1 {
    Done,
    Waiting,
    Halted,
    ApprovalNeeded,
    Stuck,
}

pub(super) fn write(standing: &Standing) -> String {
    let Standing { line: Line { is_way_back, doing, next }, exit, due, is_open, zones, entry } =
        standing;
    // Only runs in the row are said anything of, and the way back is said already.
    let RunEntry { name, artifact, is_way_back: _, is_given_up: _, entries, head, stage } = entry;
    let standing = StandingV2 {
        format: FORMAT.to_owned(),
        way_back: *is_way_back,
        doing: match doing {
            Doing::Finished { at } => DoingV1::Finished { at: show_exact(*at) },
            Doing::Halted { words } => DoingV1::Halted { words: words.clone() },
            Doing::Person { step } => DoingV1::Person { step: step.clone() },
            Doing::Going { then } => DoingV1::Going { then_secs: then.as_secs() },
        },
        next: next.as_ref().map(|NextUp { step, not_before, zone }| NextV1 {
            step: step.clone(),
            not_before: not_before
                .map(|(at, pause)| NotBeforeV1 { at: show_exact(at), pause: pause.into() }),
            zone: zone.name().to_owned(),
        }),
        exit: (*exit).into(),
        due: match due {
            Due::Now => DueV1::Now,
            Due::Halted => DueV1::Halted,
            Due::At(at) => DueV1::At(show_exact(*at)),
            Due::Person => DueV1::Person,
            Due::Never => DueV1::Never,
        },
        open: *is_open,
        zones: zones.as_ref().map(|zones| zones.iter().map(ToString::to_string).collect()),
        run: RunV2 {
            name: name.clone(),
            artifact: *artifact,
            entries: *entries,
            head: *head,
            stage: *stage,
        },
    };
    serde_json::to_string(&standing).expect("it has string keys alone")
}

pub(super) fn read(text: &str) -> Option<Standing> {
    let said: StandingV2 = serde_json::from_str(text).ok()?;
    let StandingV2 { format, way_back, doing, next, exit, due, open, zones, run } = said;
    if format != FORMAT {
        return None;
    }
    let doing = match doing {
        DoingV1::Finished { at } => Doing::Finished { at: parse_instant(&at)? },
        DoingV1::Halted { words } => Doing::Halted { words },
        DoingV1::Person { step } => Doing::Person { step },
        DoingV1::Going { then_secs } => Doing::Going { then: Duration::from_secs(then_secs) },
    };
    let next = match next {
        None => None,
        Some(NextV1 { step, not_before, zone }) => {
            let not_before: Option<(Timestamp, Pause)> = match not_before {
                None => None,
                Some(NotBeforeV1 { at, pause }) => Some((parse_instant(&at)?, pause.into())),
            };
            Some(NextUp { step, not_before, zone: zone.parse().ok()? })
        }
    };
    let due = match due {
        DueV1::Now => Due::Now,
        DueV1::Halted => Due::Halted,
        DueV1::At(at) => Due::At(parse_instant(&at)?),
        DueV1::Person => Due::Person,
        DueV1::Never => Due::Never,
    };
    let zones: Option<BTreeSet<Name>> = match zones {
        None => None,
        Some(zones) => {
            Some(zones.iter().map(|zone| Name::absolute(zone).ok()).collect::<Option<_>>()?)
        }
    };
    let line = Line { is_way_back: way_back, doing, next };
    let RunV2 { name, artifact, entries, head, stage } = run;
    let (is_way_back, is_given_up) = (way_back, false);
    let entry = RunEntry { name, artifact, is_way_back, is_given_up, entries, head, stage };
    Some(Standing { line, exit: exit.into(), due, is_open: open, zones, entry })
}

impl From<Pause> for PauseV1 {
    fn from(pause: Pause) -> Self {
        match pause {
            Pause::Wait => Self::Wait,
            Pause::Window => Self::Window,
            Pause::Gate => Self::Gate,
            Pause::ForeignRecords => Self::ForeignRecords,
            Pause::Propagation => Self::Propagation,
            Pause::Doubt => Self::Doubt,
            Pause::Retry => Self::Retry,
        }
    }
}

impl From<PauseV1> for Pause {
    fn from(pause: PauseV1) -> Self {
        match pause {
            PauseV1::Wait => Self::Wait,
            PauseV1::Window => Self::Window,
            PauseV1::Gate => Self::Gate,
            PauseV1::ForeignRecords => Self::ForeignRecords,
            PauseV1::Propagation => Self::Propagation,
            PauseV1::Doubt => Self::Doubt,
            PauseV1::Retry => Self::Retry,
        }
    }
}

impl From<Exit> for ExitV1 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::Done,
            Exit::Waiting => Self::Waiting,
            Exit::Halted => Self::Halted,
            Exit::ApprovalNeeded => Self::ApprovalNeeded,
            Exit::Stuck => Self::Stuck,
            Exit::Error | Exit::Usage | Exit::Changes | Exit::Refuted | Exit::Stopped(_) => {
                unreachable!("a run that was looked at does not end so")
            }
        }
    }
}

impl From<ExitV1> for Exit {
    fn from(exit: ExitV1) -> Self {
        match exit {
            ExitV1::Done => Self::Done,
            ExitV1::Waiting => Self::Waiting,
            ExitV1::Halted => Self::Halted,
            ExitV1::ApprovalNeeded => Self::ApprovalNeeded,
            ExitV1::Stuck => Self::Stuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back() {
        let at = |text: &str| parse_instant(text).expect("an instant");
        let (soon, late) = (at("2026-11-30T10:00:00Z"), at("2026-12-01T10:00:00.250Z"));
        let of = |doing, next, exit, due| Standing {
            line: Line { is_way_back: false, doing, next },
            exit,
            due,
            is_open: true,
            zones: Some(BTreeSet::from([Name::absolute("acme.test.").expect("a name")])),
            entry: RunEntry {
                name: "0012".to_owned(),
                artifact: Digest::of(b"an artifact"),
                is_way_back: false,
                is_given_up: false,
                entries: 7,
                head: Digest::of(b"a line"),
                stage: RunStage::Settling,
            },
        };
        let next = |not_before| {
            let zone = "Europe/Zurich".parse().expect("a time zone");
            Some(NextUp { step: "wait/lower".to_owned(), not_before, zone })
        };
        let going = || Doing::Going { then: Duration::from_secs(60) };
        let words = "halted at x: drift".to_owned();
        let step = "task/tell".to_owned();
        let later = next(Some((late, Pause::Propagation)));
        for standing in [
            of(Doing::Finished { at: soon }, None, Exit::Done, Due::Never),
            of(Doing::Halted { words }, None, Exit::Stuck, Due::Halted),
            of(Doing::Person { step }, None, Exit::ApprovalNeeded, Due::Person),
            of(going(), later, Exit::Waiting, Due::At(late)),
            Standing {
                is_open: false,
                zones: None,
                ..of(going(), next(None), Exit::Halted, Due::Now)
            },
        ] {
            let text = write(&standing);
            assert_eq!(read(&text), Some(standing), "{text}");
            let other = text.replace("standing/2", "standing/1");
            assert_eq!(read(&other), None);
        }
        assert_eq!(read(""), None);
    }
}
