//! Which parts of the language the random plans use, and which they have to use.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// Which keys, facts, types and moments the plans use, and how often.
#[derive(Default)]
pub(in crate::oracle) struct Coverage(pub(in crate::oracle) BTreeMap<String, u64>);

impl Coverage {
    pub(in crate::oracle) fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(in crate::oracle) fn take(&mut self, plan: &Plan) {
        let value: Value = serde_saphyr::from_str(&plan.text()).expect("YAML");
        let mut seen = BTreeSet::new();
        keys("", &value, &mut seen);
        for fact in &plan.facts {
            let from = fact.from.unwrap_or("already");
            seen.insert(format!("fact {} {from}", fact.fact));
            seen.insert(format!("fact {} of {}", fact.fact, fact.kind));
            seen.insert(format!("value {} {}", fact.fact, fact.value));
        }
        for (_, zone) in &plan.zones {
            for line in zone.lines() {
                let rtype = line.split(' ').find(|word| {
                    ["A", "AAAA", "CNAME", "DNAME", "MX", "NS", "SOA", "SRV", "TLSA", "TXT"]
                        .contains(word)
                });
                seen.extend(rtype.map(|rtype| format!("zone {rtype}")));
                if line.starts_with('*') {
                    seen.insert("zone wildcard".to_owned());
                }
                let terms = line.split_once("v=spf1").map_or("", |(_, terms)| terms);
                for term in terms.trim_end_matches('"').split_whitespace() {
                    let word = term.trim_start_matches(['-', '~', '?', '+']);
                    let end = word.find([':', '=', '/']).unwrap_or(word.len());
                    seen.insert(format!("spf {}", &word[..end]));
                    if term.starts_with('-') {
                        seen.insert(format!("spf -{}", &word[..end]));
                    }
                }
            }
        }
        seen.insert(format!("adapter {:?}", plan.atomicity));
        seen.extend(plan.leads.iter().map(|what| format!("names: {what}")));
        seen.into_iter().for_each(|what| self.add(what));
    }
}

/// The parts of the language that the oracle's plans never use, and why.
const NOT_JUDGED: &[(&str, &str)] = &[
    ("key hosts.*.mailboxes", "mailboxes are copied apart from the graph"),
    ("key migrate.recipients", "they are copied apart from the graph"),
    ("key notify", "it tells people, and changes nothing"),
    ("key providers", "an adapter's own keys; what it can do is chosen by the oracle"),
    (
        "key zones.*.authorities",
        "which servers are queried; the simulated servers have no addresses",
    ),
    ("key gates.before_switch.", "what is probed and how often changes no step's place"),
    ("key gates.after_switch.", "as before the switch"),
    ("key tasks.before_switch.", "a task's command is not run by the world"),
    ("key tasks.after_switch.", "as before the switch"),
    ("key gates.on_fail", "which way is gone back: all of them are tried"),
    (
        "key hosts.*.profile",
        "its text takes its place before anything is judged: `profiles`, `moves`",
    ),
    ("key hosts.*.parameters", "as a profile"),
    ("key defaults", "resolved before the plan is decoded"),
    ("key include", "resolved before the plan is decoded"),
    ("key migrate.domains.file", "resolved before the plan is decoded"),
    ("key zones.file", "resolved before the plan is decoded"),
    ("key checks", "what a check finds changes no step"),
    ("key on_drift", "what is set aside is late, and every delay is judged"),
    ("key approvals", "who has to approve changes no step, and expired approvals delay some"),
    ("key assume.confirm", "asking a person delays a step, and every delay is tried"),
    ("key assume.check", "asking a person delays a step, and every delay is tried"),
    ("key assume.by", "not played yet: a fact that a task brings about"),
    ("key tasks.before_contract", "not simulated yet: as those before and after the switch"),
    ("key tasks.before_release", "not simulated yet: as those before and after the switch"),
    ("key tasks.way_back", "not played yet: a task of the way back"),
    ("key hosts.*.exchanges.domains", "not played yet: a host that is another for each domain"),
    ("key hosts.*.senders.domains", "not played yet: a host that is another for each domain"),
];

/// Everything that the plans have to use: each key and fact of the language, each moment, each
/// value, and the components of zones and SPF records.
pub(in crate::oracle) fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    schema_keys("", schema(), &mut wanted);
    wanted.retain(|key| !NOT_JUDGED.iter().any(|(start, _)| key.starts_with(start)));
    for fact in facts_of_language() {
        for from in ["already", "expand", "switch", "contract"] {
            wanted.insert(format!("fact {fact} {from}"));
        }
        wanted.insert(format!("value {fact} {}", usual(fact)));
    }
    for value in ["store", "relay", "relay_by_mx", "reject", "off"] {
        wanted.insert(format!("value mail {value}"));
    }
    let others = [
        "adapter ChangeSet",
        "adapter RrSet",
        "adapter Record",
        "adapter None",
        "zone wildcard",
        "zone A",
        "zone AAAA",
        "zone CNAME",
        "zone DNAME",
        "zone MX",
        "zone NS",
        "zone SRV",
        "zone TLSA",
        "zone TXT",
        "spf a",
        "spf mx",
        "spf ip4",
        "spf ip6",
        "spf include",
        "spf redirect",
        "spf exists",
        "spf ptr",
        "spf all",
        "spf -a",
        "spf -mx",
        "spf -ip4",
        "spf -include",
        "spf -exists",
    ];
    wanted.extend(others.map(str::to_owned));
    let besides = names::together().chain(further::FURTHER);
    wanted.extend(besides.map(|what| format!("names: {what}")));
    wanted
}

fn schema_keys(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    let start = if path.is_empty() { "key ".to_owned() } else { format!("{path}.") };
    for (key, below) in value["properties"].as_object().into_iter().flatten() {
        let path = format!("{start}{key}");
        schema_keys(&path, below, seen);
        seen.insert(path);
    }
    if value["additionalProperties"].is_object() {
        let path = format!("{start}*");
        schema_keys(&path, &value["additionalProperties"], seen);
        seen.insert(path);
    }
    if value["items"].is_object() {
        schema_keys(path, &value["items"], seen);
    }
    for word in ["anyOf", "oneOf"] {
        value[word]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|schema| schema_keys(path, schema, seen));
    }
}

/// The paths of a plan's keys, without names of the user's choice.
pub(in crate::oracle) fn keys(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let is_named = matches!(path, "key hosts" | "key zones" | "key providers");
                let key = if is_named { "*" } else { key };
                let start = if path.is_empty() { "key ".to_owned() } else { format!("{path}.") };
                let path = format!("{start}{key}");
                keys(&path, value, seen);
                seen.insert(path);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(path, value, seen)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
