//! Facts that gates establish: a host's fact becomes true when a gate that looks at the host has
//! passed, so nobody has to state it.
//!
//! Such a fact is a statement like those of `assume:`, which a gate confirms. Where the plan states
//! the fact itself, that statement counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::language::gate::{GateSpec, GatesSpec, OnFail, gate_id};
use crate::language::{AssumeSpec, Confirm};
use cutover_base::diag::{Span, Spanned};
use cutover_steps::config::ConfigSpec;
use cutover_steps::fact::{Fact, Subject};
use cutover_steps::graph::gate::Place;
use cutover_steps::graph::{Point, SAMPLE_MAX, StepId};
use cutover_steps::probe::target::{DOMAIN, EXCHANGES, HOST, SERVERS};
use cutover_steps::probe::{self, HostOf, ProbeKeys};

use super::{DomainMove, Host};

/// Gates that establish the same fact.
struct Found {
    span: Span,
    gates: Vec<StepId>,
    reach: BTreeSet<&'static str>,
}

/// The facts that the plan's gates establish, and that it does not state itself.
pub(super) fn of_gates(
    gates: &GatesSpec,
    moves: &[DomainMove],
    stated: &[AssumeSpec],
) -> Vec<AssumeSpec> {
    let mut all = Vec::new();
    let mut known: BTreeSet<(Fact, String)> = BTreeSet::new();
    for (place, gates, from) in [
        (Place::BeforeSwitch, &gates.before_switch, Point::Expand),
        (Place::AfterSwitch, &gates.after_switch, Point::Contract),
    ] {
        let mut found: BTreeMap<(Fact, String), Found> = BTreeMap::new();
        for (number, gate) in gates.iter().enumerate() {
            let Some((fact, host, reach)) = established(gate, moves) else { continue };
            let span = gate.probe.span;
            let none = || Found { span, gates: Vec::new(), reach: BTreeSet::new() };
            let found = found.entry((fact, host)).or_insert_with(none);
            found.gates.push(gate_id(place, gates, number));
            found.reach.insert(reach);
        }
        for ((fact, host), Found { span, gates, reach }) in found {
            let subject = Subject::Host(host.clone());
            let is_it = |one: &AssumeSpec| one.fact.value == fact && one.subject.value == subject;
            // What a gate establishes earlier needs no second gate.
            if stated.iter().any(is_it) || !known.insert((fact, host)) {
                continue;
            }
            all.push(AssumeSpec {
                fact: Spanned { value: fact, span },
                subject: Spanned { value: subject, span },
                value: fact.row().stated,
                from: Some(from),
                by: None,
                settle: Duration::ZERO,
                confirm: Confirm::Gates(gates),
                reason: reach.into_iter().collect::<Vec<_>>().join(" and "),
            });
        }
    }
    all
}

/// The fact that a gate establishes, about which host, and how far that reaches.
fn established(gate: &GateSpec, moves: &[DomainMove]) -> Option<(Fact, String, &'static str)> {
    let ProbeKeys { host: host_of, establishes, .. } = probe::of_name(&gate.probe.value)?.keys;
    let (host_of, establishes) = (host_of?, establishes?);
    let settings = &gate.settings;
    // A person who lets it pass, or a failure that is tolerated, is no evidence.
    let is_strict = gate.on_fail != OnFail::Ask && gate.pace.fail_limit == 0;
    // Servers that the gate names by itself need not be the host's.
    let is_of_host = [EXCHANGES, SERVERS].iter().all(|key| !settings.contains_key(*key));
    let is_close = establishes.needs.is_none_or(|key| settings.contains_key(key));
    let is_of_all = moves.len() == 1 || !settings.contains_key(DOMAIN);
    if !(is_strict && is_of_host && is_close && is_of_all) {
        return None;
    }
    let first = moves.first()?;
    let usual = match host_of {
        HostOf::New => &first.to,
        HostOf::Old => &first.from,
    };
    let name = match settings.get(HOST) {
        Some(ConfigSpec::Text(name)) => name.clone(),
        Some(_) | None => usual.name.clone(),
    };
    let hosts = moves.iter().flat_map(|one| [&one.to, &one.from]);
    let hosts: Vec<&Host> = hosts.filter(|host| host.name == name).collect();
    let exchanges = hosts.iter().flat_map(|host| &host.exchanges);
    let exchanges: BTreeSet<_> = exchanges.map(|exchange| &exchange.name.value).collect();
    // Of more, only a sample is asked.
    let is_whole = !hosts.is_empty() && exchanges.len() <= SAMPLE_MAX;
    is_whole.then_some((establishes.fact, name, establishes.reach))
}
