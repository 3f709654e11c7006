//! Gates on the wire.

use std::time::Duration;

use cutover_zone::{Name, RrKey, RrType};
use serde::{Deserialize, Serialize};

use super::{ReadError, RrSetV1, WAIT_SECS_MAX, value};
use cutover_steps::graph::StepId;
use cutover_steps::graph::gate::{Evidence, Expected, Failing, Gate, Pace, Settings};
use cutover_steps::probe;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GateV1 {
    probe: String,
    settings: Settings,
    pub(super) expect: Vec<ExpectedV1>,
    delay_secs: u64,
    every_secs: u64,
    count: Option<u32>,
    success_limit: Option<u32>,
    fail_limit: u32,
    inconclusive_limit: u32,
    unanswered_limit: u32,
    on_fail: FailingV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceV1 {
    facts: Vec<String>,
    age_max_secs: u64,
    before: Vec<StepId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailingV1 {
    Halt,
    Rollback { to: String },
    Ask,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedV1 {
    zone: Name,
    name: Name,
    #[serde(rename = "type")]
    rtype: RrType,
    versions: Vec<Option<RrSetV1>>,
    replaced: Option<RrSetV1>,
    expires_secs: u64,
    overrun_secs: u64,
}

pub(super) fn wire(gate: &Gate) -> GateV1 {
    let Gate { probe, settings, expect, delay, pace, on_fail, evidence } = gate;
    let Pace { every, count, success_limit, fail_limit, inconclusive_limit, unanswered_limit } =
        *pace;
    GateV1 {
        probe: probe.clone(),
        settings: settings.clone(),
        expect: expect.iter().map(wire_expected).collect(),
        delay_secs: delay.as_secs(),
        every_secs: every.as_secs(),
        count,
        success_limit,
        fail_limit,
        inconclusive_limit,
        unanswered_limit,
        on_fail: match on_fail {
            Failing::Halt => FailingV1::Halt,
            Failing::Rollback { to } => FailingV1::Rollback { to: to.clone() },
            Failing::Ask => FailingV1::Ask,
        },
        evidence: evidence.as_ref().map(|evidence| EvidenceV1 {
            facts: evidence.facts.clone(),
            age_max_secs: evidence.age_max.as_secs(),
            before: evidence.before.clone(),
        }),
    }
}

fn wire_expected(expected: &Expected) -> ExpectedV1 {
    let Expected { zone, key, versions, replaced, expires, overrun } = expected;
    ExpectedV1 {
        zone: zone.clone(),
        name: key.name.clone(),
        rtype: key.rtype,
        versions: versions.iter().map(|one| one.as_ref().map(RrSetV1::from)).collect(),
        replaced: replaced.as_ref().map(RrSetV1::from),
        expires_secs: expires.as_secs(),
        overrun_secs: overrun.as_secs(),
    }
}

pub(super) fn read(id: &StepId, wire: GateV1) -> Result<Gate, ReadError> {
    let GateV1 {
        probe,
        settings,
        expect,
        delay_secs,
        every_secs,
        count,
        success_limit,
        fail_limit,
        inconclusive_limit,
        unanswered_limit,
        on_fail,
        evidence,
    } = wire;
    let known = probe::of_name(&probe);
    let known = known.ok_or_else(|| value(id, format!("there is no probe `{probe}`")))?;
    let needed = known.keys.fields.iter().filter(|field| field.required);
    if let Some(missing) = needed.into_iter().find(|field| !settings.contains_key(field.name)) {
        return Err(value(id, format!("the probe's `{}` is missing", missing.name)));
    }
    (known.keys.check)(&settings).map_err(|bad| value(id, bad.problem))?;
    if delay_secs.max(every_secs) > WAIT_SECS_MAX || every_secs < Pace::EVERY_MIN.as_secs() {
        return Err(value(id, "it asks too rarely, or too often"));
    }
    if count.is_none() && success_limit.is_none() || count == Some(0) || success_limit == Some(0) {
        return Err(value(id, "with this count and success limit it never passes"));
    }
    let expect = expect.into_iter().map(|one| read_expected(id, one));
    Ok(Gate {
        expect: expect.collect::<Result<_, _>>()?,
        probe,
        settings,
        delay: Duration::from_secs(delay_secs),
        pace: Pace {
            every: Duration::from_secs(every_secs),
            count,
            success_limit,
            fail_limit,
            inconclusive_limit,
            unanswered_limit,
        },
        on_fail: match on_fail {
            FailingV1::Halt => Failing::Halt,
            FailingV1::Rollback { to } => Failing::Rollback { to },
            FailingV1::Ask => Failing::Ask,
        },
        evidence: evidence.map(|evidence| Evidence {
            facts: evidence.facts,
            age_max: Duration::from_secs(evidence.age_max_secs),
            before: evidence.before,
        }),
    })
}

fn read_expected(id: &StepId, wire: ExpectedV1) -> Result<Expected, ReadError> {
    let ExpectedV1 { zone, name, rtype, versions, replaced, expires_secs, overrun_secs } = wire;
    let read = |one: Option<RrSetV1>| {
        one.map(|one| one.read(rtype)).transpose().map_err(|problem| value(id, problem))
    };
    Ok(Expected {
        zone,
        versions: versions.into_iter().map(read).collect::<Result<_, _>>()?,
        replaced: read(replaced)?,
        key: RrKey::new(name, rtype),
        expires: Duration::from_secs(expires_secs),
        overrun: Duration::from_secs(overrun_secs),
    })
}
