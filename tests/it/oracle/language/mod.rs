//! Random small zones and plans over the whole language, and which parts of it they use.
//!
//! A plan is a value of the oracle. It is written as YAML for the compiler, and the simulated world
//! reads the value itself. So a mistake of the compiler in reading the plan does not reach the
//! judge.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::OnceLock;

use cutover::fact;
use cutover_contract::Atomicity;
use serde_json::Value;

mod coverage;
mod facts;
mod further;
mod names;
mod zones;

pub(super) use coverage::{Coverage, wanted};

use super::Random;
use crate::registry::language;

/// The JSON Schema of the language.
fn schema() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| {
        let schema = cutover::language::v1::schema(language());
        serde_json::to_value(schema).expect("JSON")
    })
}

/// The facts of the language.
pub(super) fn facts_of_language() -> Vec<&'static str> {
    let item = &schema()["properties"]["assume"]["items"]["properties"];
    let facts = item["fact"]["enum"].as_array().expect("facts");
    facts.iter().filter_map(Value::as_str).collect()
}

fn has(fact: &str) -> bool {
    facts_of_language().contains(&fact)
}

/// Whether facts may be about names and addresses. Earlier plans have only facts about hosts.
pub(super) fn has_names() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| has("published"))
}

pub(super) struct Exchange {
    pub(super) preference: u16,
    /// An absolute name, in which `{domain}` stands for each domain in turn.
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
}

pub(super) struct Dkim {
    pub(super) selector: String,
    /// What the plan publishes: a key of the language and its value.
    pub(super) publish: Option<(&'static str, String)>,
}

pub(super) struct Sender {
    pub(super) name: &'static str,
    pub(super) spf: Vec<String>,
    pub(super) dkim: Vec<Dkim>,
}

#[derive(Default)]
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) senders: Vec<Sender>,
    /// A mechanism, and its target: a name, for some with a port.
    pub(super) discovery: Vec<(&'static str, String)>,
    pub(super) tlsa: Vec<String>,
}

pub(super) struct Fact {
    pub(super) fact: &'static str,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) value: &'static str,
    pub(super) from: Option<&'static str>,
    pub(super) settle_secs: i64,
    /// It can be left out, because a fact that no pattern of a plan reads is an error.
    pub(super) may_be_needless: bool,
}

pub(super) struct Plan {
    /// A name without the last dot, and a text.
    pub(super) zones: Vec<(String, String)>,
    pub(super) hosts: Vec<Host>,
    /// The domains that move from the first host to the second; if empty, nothing moves.
    pub(super) domains: Vec<String>,
    pub(super) migrate: String,
    pub(super) overrun_secs: i64,
    pub(super) cutover_ttl_secs: i64,
    pub(super) records: Vec<String>,
    /// What happens to names that lead to one another, and what the plan has in addition.
    pub(super) leads: Vec<&'static str>,
    pub(super) facts: Vec<Fact>,
    pub(super) margin_secs: i64,
    pub(super) use_secs: i64,
    pub(super) queue_life_secs: i64,
    pub(super) more: String,
    pub(super) atomicity: Atomicity,
}

/// The value of a fact that is stated without one.
fn usual(fact: &str) -> &'static str {
    match fact {
        "mail" => "relay",
        "routes_local" | "sends" | "clients" | "signs" | "ipv4_only" | "ipv6_only" => "false",
        _ => "true",
    }
}

struct Made<'r> {
    random: &'r mut Random,
    acme: String,
    host: String,
    old: Host,
    new: Host,
    third: Host,
    /// Owners and types that the plan's own records may change.
    owners: Vec<(&'static str, &'static str)>,
    /// The plan's own records, as they are written.
    written: String,
}

const NAMES: [&str; 4] = ["acme.test", "host.test", "other.test", "new.acme.test"];

impl Plan {
    /// In some plans, SPF records refuse by something that cannot be decided: `-ptr`, or a record
    /// that was not queried. This depends only on the seed, so that all other plans stay the same.
    pub(super) fn refuse_by_name(&mut self, seed: u64) {
        const SPF: &str = "v=spf1 ";
        let zone = &mut self.zones[0].1;
        match seed % 17 {
            4 => *zone = zone.replacen(SPF, "v=spf1 -ptr ", 1),
            10 => {
                *zone = zone.replacen(SPF, "v=spf1 -include:_bad.isp.example ", 1);
                if seed.is_multiple_of(2) {
                    self.facts.push(Fact {
                        fact: "published",
                        kind: "name",
                        subject: "_bad.isp.example.".to_owned(),
                        value: "true",
                        from: None,
                        settle_secs: 0,
                        may_be_needless: true,
                    });
                }
            }
            14 => {
                let record = self.records.iter_mut().find(|record| record.contains(SPF));
                if let Some(record) = record {
                    *record = record.replacen(SPF, "v=spf1 ~ptr:isp.example ", 1);
                }
            }
            _ => {}
        }
    }

    /// In some plans, it depends on the sender, or on what nobody could see, what an SPF record says.
    /// This depends only on the seed.
    pub(super) fn hide(&mut self, seed: u64) {
        const OWN: &str = "\n@ TXT \"v=spf1 ";
        let zone = &mut self.zones[0].1;
        let Some(at) = zone.find(OWN).map(|at| at + OWN.len()).filter(|_| seed % 13 == 5) else {
            return;
        };
        let end = zone[at..].find("all\"").map(|end| at + end - 1);
        let names = "*.l A 127.0.0.2\nbob.l TXT x\n";
        match seed / 13 % 6 {
            0 => {
                let end = end.unwrap_or(at);
                zone.insert_str(end, "?exists:%{i}.l.isp.example ");
            }
            1 => {
                zone.insert_str(at, "-exists:%{l}.l.acme.test ");
                *zone += names;
            }
            2 => {
                zone.insert_str(at, "exists:%{l}.l.acme.test ");
                *zone += names;
            }
            3 => zone.insert_str(at, "a:g1.acme.test exists:%{i}.l.isp.example "),
            4 => {
                let end = end.unwrap_or(at);
                zone.insert_str(end, "?ptr ");
            }
            _ => {
                zone.insert_str(at, "-include:_b.acme.test ");
                *zone += "_b TXT \"v=spf1 -exists:%{i}.l.isp.example ip4:192.0.2.0/24 -all\"\n";
            }
        }
        // Some plans write the record anew without it.
        let own = self.records.iter_mut().find(|record| record.contains("v=spf1 "));
        if let Some(record) = own.filter(|_| seed.is_multiple_of(3)) {
            *record = record.replacen("v=spf1 ", "v=spf1 ?exists:%{i}.l.isp.example ", 1);
        }
    }

    /// States the facts that these lines of a verdict ask for. Returns `false` if there are none.
    pub(super) fn paste(&mut self, lines: &[String]) -> bool {
        let before = self.facts.len();
        for line in lines.iter().filter_map(|line| line.trim().strip_prefix("- { fact: ")) {
            let line = line.split(", reason:").next().unwrap_or_default();
            let mut parts = line.split(", ");
            let Some(row) = parts.next().and_then(fact::Fact::of_word).map(fact::Fact::row) else {
                continue;
            };
            let mut stated = Fact {
                fact: row.word,
                kind: "host",
                subject: String::new(),
                value: row.stated.word(),
                from: None,
                settle_secs: 0,
                may_be_needless: true,
            };
            for (key, value) in parts.filter_map(|part| part.split_once(": ")) {
                let value = value.trim_matches('"');
                match key {
                    "value" => {
                        stated.value = row.fact.value(value).map_or(stated.value, |v| v.word());
                    }
                    "from" => {
                        let points = ["expand", "switch", "contract"];
                        stated.from = points.into_iter().find(|point| *point == value);
                    }
                    "name" | "address" | "host" => {
                        let kinds = ["host", "name", "address"];
                        stated.kind = kinds.into_iter().find(|k| *k == key).unwrap_or("host");
                        stated.subject = value.to_owned();
                    }
                    _ => {}
                }
            }
            self.facts.push(stated);
        }
        self.facts.len() > before
    }

    pub(super) fn random(random: &mut Random) -> Self {
        let negative = random.of(&["10m", "10m", "10m", "1d", "2h"]);
        let soa = format!(
            "$TTL {}\n@ SOA ns1 hostmaster 1 4h 1h 2w {negative}\n@ NS ns1\nns1 A 192.0.2.53\n",
            random.of(&["1h", "1h", "1h", "1d"])
        );
        let mut made = Made {
            random,
            acme: soa.clone(),
            host: soa.clone(),
            old: Host { name: "old", ..Host::default() },
            new: Host { name: "new", ..Host::default() },
            third: Host::default(),
            owners: Vec::new(),
            written: String::new(),
        };
        let is_move = made.random.below(6) > 0;
        made.old_side();
        made.new_side();
        made.spf();
        made.clients();
        made.policies();
        made.others();
        let mut zones = vec![NAMES[0].to_owned()];
        let has_host = made.host != soa;
        let mut domains = vec![NAMES[0].to_owned()];
        let mut texts = Vec::new();
        if has_host {
            zones.push(NAMES[1].to_owned());
        }
        let mut other = String::new();
        if made.one_in(6) {
            other = soa.clone();
            other += made.of(&[
                "@ MX 10 mail.acme.test.\n",
                "@ MX 10 mail.acme.test.\n@ TXT \"v=spf1 include:_spf.acme.test -all\"\n",
            ]);
            if made.one_in(2) {
                domains.push(NAMES[2].to_owned());
            }
        }
        let mut records = Vec::new();
        let wanted = if is_move {
            [0, 0, 0, 0, 1, 2][made.random.place(6)]
        } else {
            1 + made.random.below(4)
        };
        let mut used = BTreeSet::new();
        for _ in 0..wanted {
            let number = u64::try_from(records.len()).expect("few");
            records.extend(made.record(number, is_move, &mut used));
        }
        made.written = records.join("\n");
        let facts = if is_move { made.facts() } else { Vec::new() };
        let overrun = ["0s", "1h", "24h"][made.random.place(3)];
        let cutover_ttl = ["5m", "5m", "5m", "40m", "1d"][made.random.place(5)];
        let keep = made.of(&["0s", "1h", "2d", "7d"]);
        let switch = made.of(&["", "", "", ", switch: standby", ", switch: direct"]);
        let restore = made.of(&["", "", ", restore_ttls: false", ", restore_ttls: true"]);
        let window = made.of(&[
            "",
            "",
            "",
            "",
            ", window: \"Sat 20:00-23:00 Europe/Berlin\"",
            ", freeze: \"2026-12-20..2027-01-06 Europe/Berlin\"",
        ]);
        let migrate = format!(
            "keep_old: {keep}, overrun: {overrun}, cutover_ttl: {cutover_ttl}{switch}{restore}{window}"
        );
        let secs = |text: &str| match text {
            "0s" => 0,
            "1h" => 3_600,
            "24h" | "1d" => 86_400,
            "5m" => 300,
            "40m" => 2_400,
            other => panic!("{other}"),
        };
        let queue_life_secs = [3_600, 432_000][made.random.place(2)];
        let use_secs = [0, 1_800][made.random.place(2)];
        let margin_secs = [0, 60][made.random.place(2)];
        let atomicity = match made.random.below(12) {
            0..7 => Atomicity::ChangeSet,
            7 | 8 => Atomicity::RrSet,
            9 | 10 => Atomicity::Record,
            _ => Atomicity::None,
        };
        let mut more = String::new();
        if has_names() && made.one_in(100) {
            more += "override: [ { defect: authenticated/acme.test/moo, reason: random } ]\n";
        } else if made.one_in(12) {
            let invariant = made.of(&["reach", "clients", "authenticated", "minimal-touch"]);
            let _ = writeln!(more, "override: [ {{ invariant: {invariant}, reason: random }} ]");
        }
        if is_move && made.one_in(12) {
            more += "gates: { before_switch: [ { probe: served, every: 1m, count: 2 } ], after_switch: [ { probe: served, every: 1m, for: 10m } ], on_fail: halt }\n";
        }
        if is_move && made.one_in(12) {
            more += "tasks: { before_switch: [ { name: copy, manual: copy it } ], after_switch: [ { name: tell, manual: tell them } ] }\n";
        }
        let Made { acme, host, old, new, third, .. } = made;
        texts.push((NAMES[0].to_owned(), acme));
        if has_host {
            texts.push((NAMES[1].to_owned(), host));
        }
        if !other.is_empty() {
            texts.push((NAMES[2].to_owned(), other));
        }
        let mut hosts = vec![old, new];
        if !third.name.is_empty() {
            hosts.push(third);
        }
        if !is_move {
            domains.clear();
            hosts.clear();
        }
        Self {
            zones: texts,
            hosts,
            domains,
            migrate,
            overrun_secs: secs(overrun),
            cutover_ttl_secs: secs(cutover_ttl),
            records,
            leads: Vec::new(),
            facts,
            margin_secs,
            use_secs,
            queue_life_secs,
            more,
            atomicity,
        }
    }

    /// Leaves out what the plan may not need. Returns whether there was anything.
    pub(super) fn leave_out(&mut self, all: bool) -> bool {
        let count = self.facts.len();
        self.facts.retain(|fact| !(fact.may_be_needless || (all && fact.kind != "host")));
        self.facts.len() < count
    }

    pub(super) fn is_move(&self) -> bool {
        !self.domains.is_empty()
    }

    /// The plan as YAML.
    pub(super) fn text(&self) -> String {
        let zones: Vec<String> =
            self.zones.iter().map(|(name, _)| format!("{name}: {{ provider: files }}")).collect();
        let mut text = format!(
            "version: 1\nname: random\nproviders: {{ files: {{ type: zonefile, directory: . }} }}\n\
             resolver: none\nzones: {{ {} }}\nclocks: {{ margin: {}s, use: {}s, queue_life: {}s }}\n",
            zones.join(", "),
            self.margin_secs,
            self.use_secs,
            self.queue_life_secs
        );
        if self.is_move() {
            text += "hosts:\n";
            self.hosts.iter().for_each(|host| host_text(host, &mut text));
            let _ = writeln!(
                text,
                "migrate: {{ domains: [ {} ], from: old, to: new, {} }}",
                self.domains.join(", "),
                self.migrate
            );
        }
        if !self.records.is_empty() {
            text += "records:\n";
            self.records.iter().for_each(|record| text += &format!("  - {record}\n"));
        }
        if !self.facts.is_empty() {
            text += "assume:\n";
            self.facts.iter().for_each(|fact| fact_text(fact, &mut text));
        }
        text + &self.more
    }
}

fn host_text(host: &Host, text: &mut String) {
    let mut parts = Vec::new();
    let quoted = |words: &[String]| {
        words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    };
    let exchanges: Vec<String> = host
        .exchanges
        .iter()
        .map(|exchange| {
            let addresses = match exchange.addresses.is_empty() {
                true => String::new(),
                false => format!(", addresses: [ {} ]", quoted(&exchange.addresses)),
            };
            format!(
                "{{ preference: {}, name: \"{}\"{addresses} }}",
                exchange.preference, exchange.name
            )
        })
        .collect();
    if !exchanges.is_empty() {
        parts.push(format!("exchanges: [ {} ]", exchanges.join(", ")));
    }
    let senders: Vec<String> = host.senders.iter().map(sender_text).collect();
    if !senders.is_empty() {
        parts.push(format!("senders: [ {} ]", senders.join(", ")));
    }
    let discovery: Vec<String> =
        host.discovery.iter().map(|(word, target)| format!("{word}: \"{target}\"")).collect();
    if !discovery.is_empty() {
        parts.push(format!("discovery: {{ {} }}", discovery.join(", ")));
    }
    if !host.tlsa.is_empty() {
        parts.push(format!("tlsa: [ {} ]", quoted(&host.tlsa)));
    }
    let _ = writeln!(text, "  {}: {{ {} }}", host.name, parts.join(", "));
}

fn sender_text(sender: &Sender) -> String {
    let mut text = format!("{{ name: {}", sender.name);
    if !sender.spf.is_empty() {
        let _ = write!(text, ", spf: \"{}\"", sender.spf.join(" "));
    }
    let keys = sender.dkim.iter().map(|dkim| match &dkim.publish {
        None => dkim.selector.clone(),
        Some((word, value)) => {
            format!("{{ selector: {}, {word}: \"{value}\" }}", dkim.selector)
        }
    });
    let keys: Vec<String> = keys.collect();
    if !keys.is_empty() {
        let _ = write!(text, ", dkim: [ {} ]", keys.join(", "));
    }
    text + " }"
}

fn fact_text(fact: &Fact, text: &mut String) {
    let value = match fact.value == usual(fact.fact) {
        true => String::new(),
        false => format!(", value: {}", fact.value),
    };
    let from = fact.from.map(|from| format!(", from: {from}")).unwrap_or_default();
    let settle = match fact.settle_secs {
        0 => String::new(),
        secs => format!(", settle: {secs}s"),
    };
    let Fact { fact, kind, subject, .. } = fact;
    let _ = writeln!(
        text,
        "  - {{ fact: {fact}, {kind}: \"{subject}\"{value}{from}{settle}, reason: random }}"
    );
}
