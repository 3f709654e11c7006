//! `cutover/artifact/1`: the wire types, apart from the domain's.

mod alike;
mod approvals;
mod gate;
mod ids;
mod relied;
mod task;
mod undo;
mod verdict;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RdataError, RrKey, RrSet, RrSetError, RrType, Ttl};
use serde::{Deserialize, Serialize};

use super::{Artifact, Forecast, ReadError, Relied, RollbackPoint, SealedZone, Undo};
use cutover_base::digest::Digest;
use cutover_base::slug::is_slug;
use cutover_steps::authority::{Authority, Exception};
use cutover_steps::config::ProviderSpec;
use cutover_steps::graph::{
    Cause, ChangeStep, OnDrift, Origin, Primitive, Step, StepGraph, StepId, Wait,
};
use cutover_steps::notify::{MailSpec, MailTls, Notice, Way, is_mailbox, unknown_placeholder};

/// The name of the format.
pub const FORMAT: &str = "cutover/artifact/1";

/// The longest wait: twice the longest TTL (RFC 2181 §8), which leaves room for a plan's clocks. It
/// also keeps the instants of any realistic run representable.
const WAIT_SECS_MAX: u64 = 2 * (1 << 31);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtifactV1 {
    format: String,
    /// Empty while the digest itself is computed.
    digest: String,
    name: String,
    tool: String,
    plan: Digest,
    parent: Option<Digest>,
    providers: BTreeMap<String, ProviderSpec>,
    notify: Vec<Notice>,
    on_drift: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvals: Option<approvals::ApprovalsV1>,
    zones: Vec<ZoneV1>,
    /// The groups of alike zones, which are written once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alike: Vec<alike::AlikeV1>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    relies_on: Vec<relied::ReliedV1>,
    verdict: verdict::VerdictV1,
    steps: Vec<StepV1>,
    rollback_points: Vec<RollbackPointV1>,
    forecast: Vec<ForecastV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackPointV1 {
    name: String,
    at: Option<StepId>,
    steps: Vec<StepV1>,
    takes_back: BTreeMap<StepId, StepId>,
    /// Whether the same applies in each of the alike zones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    takes_back_each: bool,
    residue: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneV1 {
    name: Name,
    provider: String,
    authorities: Vec<Authority>,
    authorities_except: Vec<ExceptionV1>,
    served_within_secs: Option<u64>,
    absence_secs: u64,
    settle_max_secs: u64,
    reads: BTreeSet<Name>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionV1 {
    address: std::net::SocketAddr,
    reason: String,
}

/// Why a step comes after another.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CauseV1 {
    origin: Origin,
    of: Arc<str>,
    why: Arc<str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepV1 {
    id: StepId,
    kind: KindV1,
    title: String,
    reason: String,
    after: BTreeSet<StepId>,
    /// The origin of each edge in `after`, and why it is there.
    because: BTreeMap<StepId, CauseV1>,
    changes: Vec<ChangeV1>,
    wait_secs: Option<u64>,
    origin: Option<Origin>,
    /// The change whose replaced version a wait lets expire.
    over: Option<StepId>,
    /// What a gate asks.
    gate: Option<gate::GateV1>,
    /// What a task does.
    task: Option<task::TaskV1>,
    /// When a checkpoint may be reached or a gate may ask; `None` for any time.
    window: Option<window::WindowV1>,
    /// How it is undone: a step of the way back, `keep`, or `never` and why; `None` for steps that
    /// change nothing.
    undo: Option<String>,
    /// Whether it comes after the same steps in each of the alike zones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    each: bool,
    /// The positions of the same steps for the other alike zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    at: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindV1 {
    Change,
    Wait,
    Gate,
    Task,
    Checkpoint,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeV1 {
    zone: Name,
    name: Name,
    #[serde(rename = "type")]
    rtype: RrType,
    before: Option<RrSetV1>,
    after: Option<RrSetV1>,
}

/// An RRset: TTL, and its records in presentation form, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RrSetV1 {
    pub(crate) ttl: Ttl,
    pub(crate) rdata: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForecastV1 {
    step: StepId,
    begin_secs: u64,
    end_secs: u64,
    /// The positions of the same entries for the other alike zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    at: Vec<usize>,
}

/// Why an RRset cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RrSetReadError {
    #[error(transparent)]
    Rdata(#[from] RdataError),
    #[error(transparent)]
    RrSet(#[from] RrSetError),
}

impl From<&RrSet> for RrSetV1 {
    fn from(rrset: &RrSet) -> Self {
        Self { ttl: rrset.ttl(), rdata: rrset.rdata().iter().map(ToString::to_string).collect() }
    }
}

impl RrSetV1 {
    /// The RRset of this type.
    pub(crate) fn read(&self, rtype: RrType) -> Result<RrSet, RrSetReadError> {
        let rdata = self.rdata.iter().map(|text| Rdata::parse(rtype, text, None));
        Ok(RrSet::new(self.ttl, rdata.collect::<Result<Vec<_>, _>>()?)?)
    }
}

/// The digest's place while it is computed.
const NO_DIGEST: &str = r#""digest": """#;

/// The encoding, and the digest in it: that of the same text without it.
pub(super) fn encode(artifact: &Artifact) -> (String, Digest) {
    let mut wire = wire(artifact);
    alike::fold(&mut wire);
    let mut octets = Vec::with_capacity(octets_about(&wire));
    serde_json::to_writer_pretty(&mut octets, &wire)
        .expect("names, numbers and texts always serialize");
    octets.push(b'\n');
    let mut text = String::from_utf8(octets).expect("JSON is UTF-8");
    let digest = Digest::of(text.as_bytes());
    let place = text.find(NO_DIGEST).expect("it comes second, and the first is `format`");
    text.insert_str(place + NO_DIGEST.len() - 1, &digest.to_string());
    (text, digest)
}

/// An estimate of the length of the text, so that its buffer does not have to grow again and again.
fn octets_about(wire: &ArtifactV1) -> usize {
    const OTHERS: usize = 16 << 10;
    const CHANGE: usize = 320;
    let back = wire.rollback_points.iter().flat_map(|point| &point.steps);
    let changes = wire.steps.iter().chain(back).map(|step| match &step.gate {
        Some(gate) => 2 + 2 * gate.expect.len(),
        None => step.changes.len().max(1),
    });
    OTHERS + CHANGE * changes.sum::<usize>()
}

pub(super) fn decode(text: &str) -> Result<Artifact, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let head: Head = serde_json::from_str(text)?;
    if head.format != FORMAT {
        return Err(ReadError::Format(head.format));
    }
    let mut wire: ArtifactV1 = serde_json::from_str(text)?;
    alike::unfold(&mut wire)?;
    let stated =
        Digest::parse(&wire.digest).ok_or_else(|| value("digest", "it is not a sha256 digest"))?;
    let artifact = read(wire)?;
    let (encoded, actual) = encode(&artifact);
    if stated != actual {
        return Err(ReadError::Digest { stated, actual });
    }
    match encoded == text {
        true => Ok(artifact),
        false => Err(ReadError::NotCanonical),
    }
}

fn value(place: impl ToString, problem: impl ToString) -> ReadError {
    ReadError::Value { place: place.to_string(), problem: problem.to_string() }
}

/// The whole artifact except for its digest.
fn wire(artifact: &Artifact) -> ArtifactV1 {
    let Artifact {
        name,
        tool,
        plan,
        parent,
        providers,
        notify,
        on_drift,
        approvals,
        zones,
        relies_on,
        verdict,
        graph,
        undos,
        rollback_points,
        forecast,
    } = artifact;
    ArtifactV1 {
        format: FORMAT.to_owned(),
        digest: String::new(),
        name: name.clone(),
        tool: tool.clone(),
        plan: *plan,
        parent: *parent,
        providers: providers.clone(),
        notify: notify.clone(),
        on_drift: on_drift.word().to_owned(),
        approvals: approvals::wire(approvals),
        zones: zones.iter().map(|(name, zone)| wire_zone(name, zone)).collect(),
        alike: Vec::new(),
        relies_on: relies_on.iter().map(|(zone, of)| relied::wire(zone, of)).collect(),
        verdict: verdict::wire(verdict),
        steps: graph.steps().iter().map(|step| wire_step(step, undos.get(&step.id))).collect(),
        rollback_points: rollback_points.iter().map(wire_point).collect(),
        forecast: forecast
            .iter()
            .map(|Forecast { step, begin, end }| ForecastV1 {
                step: step.clone(),
                begin_secs: begin.as_secs(),
                end_secs: end.as_secs(),
                at: Vec::new(),
            })
            .collect(),
    }
}

fn wire_point(point: &RollbackPoint) -> RollbackPointV1 {
    let RollbackPoint { name, at, graph, takes_back, residue } = point;
    RollbackPointV1 {
        name: name.clone(),
        at: at.clone(),
        steps: graph.steps().iter().map(|step| wire_step(step, None)).collect(),
        takes_back: takes_back.clone(),
        takes_back_each: false,
        residue: residue.clone(),
    }
}

fn wire_zone(name: &Name, zone: &SealedZone) -> ZoneV1 {
    let SealedZone { provider, authorities, except, served_within, absence, reads, settle_max } =
        zone;
    ZoneV1 {
        name: name.clone(),
        provider: provider.clone(),
        authorities: authorities.clone(),
        authorities_except: except
            .iter()
            .map(|e| ExceptionV1 { address: e.address, reason: e.reason.clone() })
            .collect(),
        served_within_secs: served_within.map(|span| span.as_secs()),
        absence_secs: absence.as_secs(),
        settle_max_secs: settle_max.as_secs(),
        reads: reads.clone(),
    }
}

fn wire_step(step: &Step, undo: Option<&Undo>) -> StepV1 {
    let Step { id, primitive, after, title, reason, window } = step;
    let (kind, changes, wait, gate, task) = match primitive {
        Primitive::Change(changes) => {
            (KindV1::Change, wire_changes(&changes.set), None, None, None)
        }
        Primitive::Wait(wait) => (KindV1::Wait, Vec::new(), Some(wait), None, None),
        Primitive::Gate(gate) => (KindV1::Gate, Vec::new(), None, Some(gate), None),
        Primitive::Task(task) => (KindV1::Task, Vec::new(), None, None, Some(task)),
        Primitive::Checkpoint(_) => (KindV1::Checkpoint, Vec::new(), None, None, None),
    };
    StepV1 {
        id: id.clone(),
        kind,
        title: title.clone(),
        reason: reason.clone(),
        after: after.keys().cloned().collect(),
        because: after
            .iter()
            .map(|(id, Cause { origin, of, why })| {
                (id.clone(), CauseV1 { origin: *origin, of: of.clone(), why: why.clone() })
            })
            .collect(),
        changes,
        wait_secs: wait.map(|wait| wait.span.as_secs()),
        origin: wait.map(|wait| wait.origin),
        over: wait.and_then(|wait| wait.over.clone()),
        gate: gate.map(gate::wire),
        task: task.map(task::wire),
        window: window.as_ref().map(window::wire),
        undo: undo.map(undo::wire),
        each: false,
        at: Vec::new(),
    }
}

fn wire_changes(changes: &ChangeSet) -> Vec<ChangeV1> {
    let wire = |change: &Change| ChangeV1 {
        zone: changes.zone().clone(),
        name: change.key.name.clone(),
        rtype: change.key.rtype,
        before: change.before.as_ref().map(RrSetV1::from),
        after: change.after.as_ref().map(RrSetV1::from),
    };
    changes.changes().iter().map(wire).collect()
}

fn read(wire: ArtifactV1) -> Result<Artifact, ReadError> {
    let ArtifactV1 {
        format: _,
        digest: _,
        name,
        tool,
        plan,
        parent,
        providers,
        notify,
        on_drift,
        approvals,
        zones,
        alike: _,
        relies_on,
        verdict,
        steps,
        rollback_points,
        forecast,
    } = wire;
    check_name(&name)?;
    let on_drift = OnDrift::of_word(&on_drift);
    let on_drift = on_drift.ok_or_else(|| value("on_drift", "it is not one of the known words"))?;
    let approvals = approvals::read(approvals)?;
    let mails = notify.iter().filter_map(|notice| match &notice.way {
        Way::Mail(mail) => Some(mail),
        Way::Webhook(_) => None,
    });
    for MailSpec { from, to, tls, login, .. } in mails {
        if !to.iter().chain([from]).all(|address| is_mailbox(address)) {
            return Err(value("notify", "an address is not a mail address"));
        }
        if *tls == MailTls::None && login.is_some() {
            return Err(value("notify", "the password would be sent unencrypted"));
        }
    }
    let texts = notify.iter().filter_map(|notice| notice.text.as_deref());
    if let Some(word) = texts.into_iter().find_map(unknown_placeholder) {
        return Err(value("notify", format!("unknown placeholder `{{{word}}}`")));
    }
    let zones = zones.into_iter().map(read_zone);
    let zones: BTreeMap<Name, SealedZone> = zones.collect::<Result<_, _>>()?;
    let relies_on = relies_on.into_iter().map(relied::read);
    let relies_on: BTreeMap<Name, Relied> = relies_on.collect::<Result<_, _>>()?;
    let used = zones.values().map(|zone| &zone.provider);
    let mut used = used.chain(relies_on.values().map(|of| &of.provider));
    if let Some(provider) = used.find(|provider| !providers.contains_key(*provider)) {
        return Err(value("zones", format!("there is no provider `{provider}`")));
    }
    let other = |(zone, of): &(&Name, &Relied)| {
        zones.get(*zone).is_some_and(|sealed| sealed.provider != of.provider)
    };
    if let Some((zone, _)) = relies_on.iter().find(other) {
        return Err(value(zone, "two providers are named for it"));
    }
    let undos = steps.iter().filter_map(|step| Some((step.id.clone(), step.undo.clone()?)));
    let undos = undos.map(|(id, undo)| (id, undo::read(undo))).collect();
    let graph = read_graph(steps, &zones)?;
    let rollback_points = rollback_points
        .into_iter()
        .map(|RollbackPointV1 { name, at, steps, takes_back, takes_back_each: _, residue }| {
            let graph = read_graph(steps, &zones)?;
            Ok(RollbackPoint { name, at, graph, takes_back, residue })
        })
        .collect::<Result<Vec<_>, ReadError>>()?;
    let forecast = forecast
        .into_iter()
        .map(|ForecastV1 { step, begin_secs, end_secs, at: _ }| Forecast {
            step,
            begin: Duration::from_secs(begin_secs),
            end: Duration::from_secs(end_secs),
        })
        .collect();
    let verdict = verdict::read(verdict);
    Ok(Artifact {
        name,
        tool,
        plan,
        parent,
        providers,
        notify,
        on_drift,
        approvals,
        zones,
        relies_on,
        verdict,
        graph,
        undos,
        rollback_points,
        forecast,
    })
}

fn read_graph(
    steps: Vec<StepV1>,
    zones: &BTreeMap<Name, SealedZone>,
) -> Result<StepGraph, ReadError> {
    let steps = steps.into_iter().map(|step| read_step(step, zones));
    StepGraph::new(steps.collect::<Result<_, _>>()?).map_err(|e| value("steps", e))
}

/// The name becomes the name of a folder, so it must not lead anywhere else.
fn check_name(name: &str) -> Result<(), ReadError> {
    match is_slug(name) {
        true => Ok(()),
        false => Err(value("name", "it is not a valid name of a plan")),
    }
}

fn read_zone(wire: ZoneV1) -> Result<(Name, SealedZone), ReadError> {
    let except = wire.authorities_except.into_iter();
    let zone = SealedZone {
        provider: wire.provider,
        authorities: wire.authorities,
        except: except.map(|e| Exception { address: e.address, reason: e.reason }).collect(),
        served_within: wire.served_within_secs.map(Duration::from_secs),
        absence: Duration::from_secs(wire.absence_secs),
        settle_max: Duration::from_secs(wire.settle_max_secs),
        reads: wire.reads,
    };
    if zone.served_within.is_none() && zone.asked().next().is_none() {
        return Err(value(&wire.name, "no server is asked whether it is served"));
    }
    Ok((wire.name, zone))
}

fn read_step(wire: StepV1, zones: &BTreeMap<Name, SealedZone>) -> Result<Step, ReadError> {
    let StepV1 {
        id,
        kind,
        title,
        reason,
        after,
        because,
        changes,
        wait_secs,
        origin,
        over,
        gate,
        task,
        window,
        undo: _,
        each: _,
        at: _,
    } = wire;
    if !after.iter().eq(because.keys()) {
        return Err(value(&id, "`because` does not match `after`"));
    }
    let after = because
        .into_iter()
        .map(|(id, CauseV1 { origin, of, why })| (id, Cause::new(origin, of, why)))
        .collect();
    // Ids are shown without escaping wherever a step is named.
    if id.as_str().contains(char::is_control) {
        return Err(value("steps", "an id contains control characters"));
    }
    if wait_secs.is_some_and(|secs| secs > WAIT_SECS_MAX) {
        return Err(value(&id, "it waits longer than anything may be cached"));
    }
    let primitive = match (kind, wait_secs, origin, gate, task) {
        (KindV1::Change, None, None, None, None) => {
            let verb = ids::verb(&id).ok_or_else(|| value(&id, "its id has no verb"))?;
            Primitive::Change(ChangeStep { verb, set: read_changes(&id, changes, zones)? })
        }
        (KindV1::Wait, Some(secs), Some(origin), None, None) if changes.is_empty() => {
            Primitive::Wait(Wait { span: Duration::from_secs(secs), origin, over })
        }
        (KindV1::Gate, None, None, Some(gate), None) if changes.is_empty() => {
            Primitive::Gate(gate::read(&id, gate)?)
        }
        (KindV1::Task, None, None, None, Some(task)) if changes.is_empty() => {
            Primitive::Task(task::read(&id, task)?)
        }
        (KindV1::Checkpoint, None, None, None, None) if changes.is_empty() => {
            let checkpoint = ids::checkpoint(&id);
            let checkpoint = checkpoint.ok_or_else(|| value(&id, "there is no such checkpoint"))?;
            Primitive::Checkpoint(checkpoint)
        }
        (KindV1::Change | KindV1::Wait | KindV1::Gate | KindV1::Task | KindV1::Checkpoint, ..) => {
            return Err(value(&id, "its keys do not fit its kind"));
        }
    };
    let window = window.map(|window| window::read(&id, &window)).transpose()?.flatten();
    if window.is_some() && !matches!(primitive, Primitive::Checkpoint(_) | Primitive::Gate(_)) {
        return Err(value(&id, "only checkpoints and gates have a window"));
    }
    Ok(Step { id, primitive, after, title, reason, window })
}

fn read_changes(
    id: &StepId,
    changes: Vec<ChangeV1>,
    zones: &BTreeMap<Name, SealedZone>,
) -> Result<ChangeSet, ReadError> {
    let zone = changes.first().map(|change| change.zone.clone());
    let zone = zone.ok_or_else(|| value(id, "it changes nothing"))?;
    if !zones.contains_key(&zone) || changes.iter().any(|change| change.zone != zone) {
        return Err(value(id, "its changes are not in a single zone of the artifact"));
    }
    let read = |rrset: Option<RrSetV1>, rtype| {
        rrset.map(|rrset| rrset.read(rtype)).transpose().map_err(|problem| value(id, problem))
    };
    let changes = changes.into_iter().map(|ChangeV1 { zone: _, name, rtype, before, after }| {
        Ok(Change {
            key: RrKey::new(name, rtype),
            before: read(before, rtype)?,
            after: read(after, rtype)?,
        })
    });
    let changes = changes.collect::<Result<Vec<_>, ReadError>>()?;
    ChangeSet::new(zone, changes).map_err(|error| value(id, error))
}
