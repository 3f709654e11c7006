//! `cutover/journal/1`: the wire types, apart from the domain's. One JSON object per line.

mod approvals;

use cutover_zone::{Name, RrKey, RrType};
use serde::{Deserialize, Serialize};

use super::{Approvals, Difference, Entry, EntryError, Event, Halt, HaltReason};
use crate::artifact::RrSetV1;
use cutover_base::calendar::{Timestamp, show_exact};
use cutover_base::digest::Digest;
use cutover_steps::graph::StepId;
use cutover_steps::notify::Occasion;
use cutover_steps::probe::Finding;

/// The name of the format, in the first entry of a run.
pub const FORMAT: &str = "cutover/journal/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryV1 {
    seq: u64,
    at: String,
    steady: Option<String>,
    prev: Digest,
    event: EventV1,
    /// Of this line; empty while the digest itself is computed.
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum EventV1 {
    Opened {
        format: String,
        name: String,
        artifact: Digest,
        tool: String,
    },
    Resumed {
        tool: String,
    },
    Begun {
        step: StepId,
    },
    Written {
        step: StepId,
        serial: Option<u32>,
    },
    Unsure {
        step: StepId,
        detail: String,
    },
    NotMade {
        step: StepId,
    },
    NotDone {
        step: StepId,
        reason: String,
    },
    Propagated {
        step: StepId,
        servers: usize,
    },
    WaitBegun {
        step: StepId,
        since: String,
        until: String,
    },
    Lapsed {
        step: StepId,
        detail: String,
    },
    Behind {
        step: StepId,
        detail: String,
    },
    WaitEnded {
        step: StepId,
    },
    Reached {
        step: StepId,
    },
    Probed {
        step: StepId,
        finding: Finding,
        detail: String,
    },
    Did {
        step: StepId,
        output: String,
    },
    Allowed {
        step: StepId,
        reason: String,
    },
    Halted {
        step: StepId,
        reason: ReasonV1,
        detail: String,
        differences: Vec<DifferenceV1>,
    },
    SetAside {
        step: StepId,
        reason: ReasonV1,
        detail: String,
        differences: Vec<DifferenceV1>,
    },
    TurnedBack {
        to: String,
        because: Option<StepId>,
    },
    Replaced {
        by: Digest,
    },
    Approved {
        need: u32,
        by: Vec<approvals::ApproverV1>,
    },
    Told {
        seq: u64,
        notice: usize,
        occasion: Occasion,
        step: Option<StepId>,
        problem: Option<String>,
    },
    Finished {},
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReasonV1 {
    Drift,
    Refused,
    Unanswered,
    Unpublished,
    Failed,
    Undecided,
    NoWayBack,
    Unapproved,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceV1 {
    name: Name,
    #[serde(rename = "type")]
    rtype: RrType,
    planned: Option<RrSetV1>,
    expected: Option<RrSetV1>,
    live: Option<RrSetV1>,
}

/// What follows an entry's digest.
const END: &str = "\"}";

pub(super) fn line(entry: &Entry) -> String {
    let mut line = write(&wire(entry, String::new()));
    let digest = Digest::of(line.as_bytes());
    line.insert_str(line.len() - END.len(), &digest.to_string());
    line
}

fn wire(entry: &Entry, digest: String) -> EntryV1 {
    let Entry { seq, at, steady, prev, event } = entry;
    EntryV1 {
        seq: *seq,
        at: show_exact(*at),
        steady: steady.map(|steady| steady.to_string()),
        prev: *prev,
        event: wire_event(event),
        digest,
    }
}

fn write(wire: &EntryV1) -> String {
    serde_json::to_string(wire).expect("names, numbers and texts are always written")
}

/// Reads an entry exactly as [`line`] writes it, including its digest; with the line's digest.
pub(super) fn read(line: &str) -> Result<(Entry, Digest), EntryError> {
    let read: EntryV1 = serde_json::from_str(line)?;
    let digest = read.digest.clone();
    let entry = of_wire(read)?;
    // The digest is that of the line without it.
    let end = line.len().saturating_sub(digest.len() + END.len());
    let (front, rest) = line.split_at_checked(end).unwrap_or_default();
    let (own, whole) = Digest::of_both(front.as_bytes(), END.as_bytes(), rest.as_bytes());
    match own.to_string() == digest && write(&wire(&entry, digest)) == line {
        true => Ok((entry, whole)),
        false => Err(EntryError::Altered),
    }
}

fn of_wire(wire: EntryV1) -> Result<Entry, EntryError> {
    let EntryV1 { seq, at, steady, prev, event, digest: _ } = wire;
    let steady = steady.map(|text| {
        let none = || EntryError::Value(format!("`{text}` is not a time of a machine"));
        text.parse().map_err(|()| none())
    });
    let steady = steady.transpose()?;
    Ok(Entry { seq, at: instant(&at)?, steady, prev, event: read_event(event)? })
}

fn instant(text: &str) -> Result<Timestamp, EntryError> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .map_err(|_| EntryError::Value(format!("`{text}` is not an instant")))
}

fn wire_event(event: &Event) -> EventV1 {
    match event.clone() {
        Event::Opened { name, artifact, tool } => {
            EventV1::Opened { format: FORMAT.to_owned(), name, artifact, tool }
        }
        Event::Resumed { tool } => EventV1::Resumed { tool },
        Event::Begun { step } => EventV1::Begun { step },
        Event::Written { step, serial } => EventV1::Written { step, serial },
        Event::Unsure { step, detail } => EventV1::Unsure { step, detail },
        Event::NotMade { step } => EventV1::NotMade { step },
        Event::NotDone { step, reason } => EventV1::NotDone { step, reason },
        Event::Propagated { step, servers } => EventV1::Propagated { step, servers },
        Event::WaitBegun { step, since, until } => {
            EventV1::WaitBegun { step, since: show_exact(since), until: show_exact(until) }
        }
        Event::Lapsed { step, detail } => EventV1::Lapsed { step, detail },
        Event::Behind { step, detail } => EventV1::Behind { step, detail },
        Event::WaitEnded { step } => EventV1::WaitEnded { step },
        Event::Reached { step } => EventV1::Reached { step },
        Event::Probed { step, finding, detail } => EventV1::Probed { step, finding, detail },
        Event::Did { step, output } => EventV1::Did { step, output },
        Event::Allowed { step, reason } => EventV1::Allowed { step, reason },
        Event::Halted(Halt { step, reason, detail, differences }) => EventV1::Halted {
            step,
            reason: wire_reason(reason),
            detail,
            differences: differences.iter().map(wire_difference).collect(),
        },
        Event::SetAside(Halt { step, reason, detail, differences }) => EventV1::SetAside {
            step,
            reason: wire_reason(reason),
            detail,
            differences: differences.iter().map(wire_difference).collect(),
        },
        Event::TurnedBack { to, because } => EventV1::TurnedBack { to, because },
        Event::Replaced { by } => EventV1::Replaced { by },
        Event::Approved(Approvals { need, by }) => {
            EventV1::Approved { need, by: by.iter().map(approvals::wire).collect() }
        }
        Event::Told { seq, notice, occasion, step, problem } => {
            EventV1::Told { seq, notice, occasion, step, problem }
        }
        Event::Finished => EventV1::Finished {},
    }
}

fn wire_reason(reason: HaltReason) -> ReasonV1 {
    match reason {
        HaltReason::Drift => ReasonV1::Drift,
        HaltReason::Refused => ReasonV1::Refused,
        HaltReason::Unanswered => ReasonV1::Unanswered,
        HaltReason::Unpublished => ReasonV1::Unpublished,
        HaltReason::Failed => ReasonV1::Failed,
        HaltReason::Undecided => ReasonV1::Undecided,
        HaltReason::NoWayBack => ReasonV1::NoWayBack,
        HaltReason::Unapproved => ReasonV1::Unapproved,
    }
}

fn read_halt(
    step: StepId,
    reason: ReasonV1,
    detail: String,
    differences: Vec<DifferenceV1>,
) -> Result<Halt, EntryError> {
    let differences = differences.into_iter().map(read_difference).collect::<Result<_, _>>()?;
    Ok(Halt { step, reason: read_reason(reason), detail, differences })
}

fn read_reason(reason: ReasonV1) -> HaltReason {
    match reason {
        ReasonV1::Drift => HaltReason::Drift,
        ReasonV1::Refused => HaltReason::Refused,
        ReasonV1::Unanswered => HaltReason::Unanswered,
        ReasonV1::Unpublished => HaltReason::Unpublished,
        ReasonV1::Failed => HaltReason::Failed,
        ReasonV1::Undecided => HaltReason::Undecided,
        ReasonV1::NoWayBack => HaltReason::NoWayBack,
        ReasonV1::Unapproved => HaltReason::Unapproved,
    }
}

fn wire_difference(difference: &Difference) -> DifferenceV1 {
    let Difference { key, planned, expected, live } = difference;
    DifferenceV1 {
        name: key.name.clone(),
        rtype: key.rtype,
        planned: planned.as_ref().map(RrSetV1::from),
        expected: expected.as_ref().map(RrSetV1::from),
        live: live.as_ref().map(RrSetV1::from),
    }
}

fn read_event(event: EventV1) -> Result<Event, EntryError> {
    Ok(match event {
        EventV1::Opened { format, .. } if format != FORMAT => {
            return Err(EntryError::Format(format));
        }
        EventV1::Opened { format: _, name, artifact, tool } => {
            Event::Opened { name, artifact, tool }
        }
        EventV1::Resumed { tool } => Event::Resumed { tool },
        EventV1::Begun { step } => Event::Begun { step },
        EventV1::Written { step, serial } => Event::Written { step, serial },
        EventV1::Unsure { step, detail } => Event::Unsure { step, detail },
        EventV1::NotMade { step } => Event::NotMade { step },
        EventV1::NotDone { step, reason } => Event::NotDone { step, reason },
        EventV1::Propagated { step, servers } => Event::Propagated { step, servers },
        EventV1::WaitBegun { step, since, until } => {
            Event::WaitBegun { step, since: instant(&since)?, until: instant(&until)? }
        }
        EventV1::Lapsed { step, detail } => Event::Lapsed { step, detail },
        EventV1::Behind { step, detail } => Event::Behind { step, detail },
        EventV1::WaitEnded { step } => Event::WaitEnded { step },
        EventV1::Reached { step } => Event::Reached { step },
        EventV1::Probed { step, finding, detail } => Event::Probed { step, finding, detail },
        EventV1::Did { step, output } => Event::Did { step, output },
        EventV1::Allowed { step, reason } => Event::Allowed { step, reason },
        EventV1::Halted { step, reason, detail, differences } => {
            Event::Halted(read_halt(step, reason, detail, differences)?)
        }
        EventV1::SetAside { step, reason, detail, differences } => {
            Event::SetAside(read_halt(step, reason, detail, differences)?)
        }
        EventV1::TurnedBack { to, because } => Event::TurnedBack { to, because },
        EventV1::Replaced { by } => Event::Replaced { by },
        EventV1::Approved { need, by } => Event::Approved(approvals::read(need, by)?),
        EventV1::Told { seq, notice, occasion, step, problem } => {
            Event::Told { seq, notice, occasion, step, problem }
        }
        EventV1::Finished {} => Event::Finished,
    })
}

fn read_difference(wire: DifferenceV1) -> Result<Difference, EntryError> {
    let DifferenceV1 { name, rtype, planned, expected, live } = wire;
    let read = |rrset: Option<RrSetV1>| {
        let read = rrset.map(|rrset| rrset.read(rtype)).transpose();
        read.map_err(|error| EntryError::Value(error.to_string()))
    };
    Ok(Difference {
        planned: read(planned)?,
        expected: read(expected)?,
        live: read(live)?,
        key: RrKey::new(name, rtype),
    })
}
