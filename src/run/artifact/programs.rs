//! The programs that the run of an artifact, or its way back, may start.

use std::collections::BTreeSet;

use super::Artifact;
use cutover_contract::FieldKind;
use cutover_steps::config::{ConfigSpec, SecretRef};
use cutover_steps::graph::task::{Task, Work};
use cutover_steps::graph::{Primitive, Step};
use cutover_steps::notify::Way;
use cutover_steps::probe;

impl Artifact {
    /// All programs that it names, each with its purpose: secrets, tasks, probes, and commands of
    /// providers.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (name, provider) in &self.providers {
            let values = provider.config.iter();
            values.for_each(|(key, value)| {
                of_value(&format!("provider `{name}`, `{key}`"), value, &mut found)
            });
        }
        for notice in &self.notify {
            let secret = match &notice.way {
                Way::Webhook(webhook) => Some(webhook),
                Way::Mail(mail) => mail.login.as_ref().map(|login| &login.password),
            };
            secret.into_iter().for_each(|secret| of_secret("`notify`", secret, &mut found));
        }
        let ways_back = self.rollback_points.iter().map(|point| &point.graph);
        for graph in std::iter::once(&self.graph).chain(ways_back) {
            graph.steps().iter().for_each(|step| of_step(step, &mut found));
        }
        found.into_iter().collect()
    }
}

fn program(place: &str, argv: &[String], found: &mut BTreeSet<String>) {
    found.insert(format!("{place}: `{}`", argv.join(" ")));
}

fn of_secret(place: &str, secret: &SecretRef, found: &mut BTreeSet<String>) {
    if let SecretRef::Command(argv) = secret {
        program(place, argv, found);
    }
}

fn of_value(place: &str, value: &ConfigSpec, found: &mut BTreeSet<String>) {
    match value {
        ConfigSpec::Argv(argv) => program(place, argv, found),
        ConfigSpec::Secret(secret) => of_secret(place, secret, found),
        ConfigSpec::Object(object) => {
            let inner = object.iter();
            inner.for_each(|(key, value)| of_value(&format!("{place}, `{key}`"), value, found));
        }
        ConfigSpec::Text(_) | ConfigSpec::Number(_) | ConfigSpec::Bool(_) => {}
    }
}

fn of_step(step: &Step, found: &mut BTreeSet<String>) {
    let place = step.id.as_str();
    match &step.primitive {
        Primitive::Gate(gate) => {
            let fields = probe::of_name(&gate.probe).map_or(&[][..], |probe| probe.keys.fields);
            for (key, value) in &gate.settings {
                let field = fields.iter().find(|field| field.name == key);
                // A list of servers is not a program. What this version does not know may be one.
                if field.is_none_or(|field| !matches!(field.kind, FieldKind::Texts)) {
                    of_value(place, value, found);
                }
            }
        }
        Primitive::Task(Task { work, check, within: _, purpose: _ }) => {
            if let Work::Command(argv) = work {
                program(place, argv, found);
            }
            check.iter().for_each(|argv| program(&format!("{place}, `check`"), argv, found));
        }
        Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint(_) => {}
    }
}
