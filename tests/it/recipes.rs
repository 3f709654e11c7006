//! What the recipes make of zones and a plan: the steps as people read them, and properties of
//! every plan.
//!
//! [`plan`] runs the program on zone files and returns its changes as text, or what it refuses. The
//! changes of each accepted plan are also made, one by one, on zones in memory:
//!
//! * each change finds the records that it expects;
//! * no name ever has a CNAME and other records, no domain loses its MX records, and TXT records
//!   other than SPF stay as they are, to the octet;
//! * planned again when everything is done, there is nothing to change;
//! * planned again after any of the changes, the rest leads to the same records, except for TTLs
//!   whose first value is no longer known.

mod addresses;
mod discovery;
mod dkim;
mod mx;
mod others;
mod spf;
mod spf_meaning;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use cutover::artifact::{Artifact, Outcome};
use cutover::calendar::show_span;
use cutover::graph::Primitive;
use cutover::spf::SpfRecord;
use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Zone};

/// Zones by name, as they are before the plan.
type Zones = BTreeMap<Name, Zone>;

/// The zone `acme.test` of most cases, with its own server. `more` is appended.
fn acme(more: &str) -> String {
    format!(
        "$TTL 1d
@ SOA ns1 hostmaster 1 3600 600 86400 3600
@ NS ns1
ns1 A 192.0.2.53
mail 1h A 192.0.2.10
{more}"
    )
}

/// The zone of another host, which the plan reads but never changes.
const HOST: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 3600 600 86400 3600
@ NS ns1
ns1 A 198.51.100.53
mx1 A 198.51.100.1
imap A 198.51.100.2
smtp A 198.51.100.3
auto A 198.51.100.4
_spf TXT \"v=spf1 ip4:198.51.100.0/24 -all\"
new TXT \"v=DKIM1; p=AAAA\"
s1 TXT \"v=DKIM1; p=AAAA\"
new.acme.test.dkim TXT \"v=DKIM1; p=AAAA\"
";

/// Two hosts and a move of `acme.test` between them. `old` and `new` are the senders' SPF terms.
fn moves(old: &str, new: &str) -> String {
    format!(
        "hosts:
  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ], senders: [ {{ name: people{} }} ] }}
  new: {{ exchanges: [ {{ preference: 10, name: mx1.host.test. }} ], senders: [ {{ name: people{} }} ] }}
migrate: {{ domains: [ acme.test ], from: old, to: new }}
",
        spf_key(old),
        spf_key(new)
    )
}

/// The facts about the two hosts that have to be stated, because no zone shows them.
pub(crate) const STATED: &str = "\
assume:
  - { fact: accepts, host: new, reason: every address was created }
  - { fact: serves, host: new, reason: mailboxes have been copied }
  - { fact: routes_local, host: old, reason: it hosts nobody else }
  - { fact: sends, host: old, from: contract, confirm: false, reason: people were told }
  - { fact: clients, host: old, from: contract, confirm: false, reason: devices are set up anew }
  - { fact: synced, host: old, from: contract, confirm: false, reason: a last copy is made }
  - { fact: synced, host: new, reason: mailboxes would be copied back }
  - { fact: clients, host: new, reason: devices would be set back }
  - { fact: routes_local, host: new, reason: the domain would be taken out }
";

fn spf_key(terms: &str) -> String {
    if terms.is_empty() { String::new() } else { format!(", spf: \"{terms}\"") }
}

/// The changes that a plan makes on these zones, or why it is refused.
fn plan(zones: &[(&str, &str)], body: &str) -> String {
    let zones: Zones = zones.iter().map(|(origin, text)| read(origin, text)).collect();
    let plan = match planned(&zones, body) {
        Ok(plan) => plan,
        Err(refusal) => return refusal,
    };
    let end = made_step_by_step(&zones, &plan);
    let again = planned(&end, body).unwrap_or_else(|refusal| panic!("when all is done: {refusal}"));
    assert_eq!(steps(&again), "nothing to change", "planned again when all is done");
    let mut half = zones.clone();
    for changes in changes(&plan) {
        make(&mut half, changes);
        let rest = planned(&half, body).unwrap_or_else(|refusal| panic!("half done: {refusal}"));
        let (rest_end, end) = (data(&made_step_by_step(&half, &rest)), data(&end));
        let differ = rest_end.iter().filter(|(key, records)| end.get(*key) != Some(*records));
        let differ: Vec<_> = differ.collect();
        assert!(rest_end == end, "planned again after {changes:?}\n{}\n{differ:?}", steps(&rest));
    }
    steps(&plan)
}

/// As [`plan`], for plans that depend on an address which is no longer known after it is replaced.
/// Planned again at that point, it stays in the SPF record.
fn planned_only(zones: &[(&str, &str)], body: &str) -> String {
    let zones: Zones = zones.iter().map(|(origin, text)| read(origin, text)).collect();
    match planned(&zones, body) {
        Ok(plan) => steps(&plan),
        Err(refusal) => refusal,
    }
}

fn read(origin: &str, text: &str) -> (Name, Zone) {
    let name = Name::from_user(origin).expect("a name");
    let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let path = format!("{origin}.zone");
    let reading = cutover_zonefile::read(&name, Path::new(&path), text.into(), &nothing);
    (name, reading.expect("a master file").zone)
}

/// Runs `cutover plan`. Returns an artifact, or the titles and helps of the refusals.
fn planned(zones: &Zones, body: &str) -> Result<Artifact, String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut header = "version: 1\nname: case\nresolver: none\nproviders: { files: { type: zonefile, directory: ., served: { assume_within: 5m } } }\nzones:\n".to_owned();
    for (name, zone) in zones {
        let mut text = String::new();
        for (key, rrset) in &zone.rrsets {
            for rdata in rrset.rdata() {
                let _ = writeln!(text, "{} {} {} {rdata}", key.name, rrset.ttl(), key.rtype);
            }
        }
        let origin = name.to_string();
        let origin = origin.trim_end_matches('.');
        fs::write(dir.path().join(format!("{origin}.zone")), text).expect("a zone file");
        let _ = writeln!(header, "  {origin}: {{ provider: files }}");
    }
    let mut assume = if body.contains("migrate:") { STATED.to_owned() } else { String::new() };
    let declares = |host: &str| {
        let line = body.lines().find(|line| line.starts_with(host)).unwrap_or_default();
        ["spf:", "dkim:"].iter().any(|key| line.contains(key))
    };
    if body.contains("migrate:") && !declares("  new:") {
        assume += "  - { fact: sends, host: new, reason: it only takes mail }\n";
    }
    let mut accepted = String::new();
    // Pastes what the verdict asks for, as a user would. The tests are about the rest.
    for _ in 0..3 {
        let text = format!("{header}{body}{assume}{accepted}");
        fs::write(dir.path().join("plan.yaml"), text).expect("the plan's file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["plan", "plan.yaml", "--format", "json"]).current_dir(dir.path());
        let output = command.output().expect("the program can be run");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr);
        let Ok(artifact) = Artifact::decode(&stdout) else { return Err(refusal(&said)) };
        let lines = artifact.verdict.derivation.iter().map(String::as_str).chain(said.lines());
        let pasted = |start: &str| -> String {
            let lines = lines.clone().filter(|line| line.starts_with(start));
            let unique: BTreeSet<String> =
                lines.map(|line| line.replace("reason: \"\"", "reason: pasted") + "\n").collect();
            unique.into_iter().collect()
        };
        let (facts, defects) = (pasted("  - { fact: "), pasted("  - { defect: "));
        if artifact.verdict.outcome == Outcome::Proved || (facts.is_empty() && defects.is_empty()) {
            return Ok(artifact);
        }
        if assume.is_empty() && !facts.is_empty() {
            assume = "assume:\n".to_owned();
        }
        assume += &facts;
        if accepted.is_empty() && !defects.is_empty() {
            accepted = "override:\n".to_owned();
        }
        accepted += &defects;
    }
    Err("what the verdict asks for does not do".to_owned())
}

/// The titles and helps of the refusals, without the plan's text.
fn refusal(stderr: &str) -> String {
    let is_said = |line: &&str| {
        line.starts_with("error") || line.starts_with("warning") || line.contains("= help: ")
    };
    let lines: Vec<&str> = stderr.lines().filter(is_said).map(str::trim).collect();
    assert!(!lines.is_empty(), "a refusal says why: {stderr}");
    lines.join("\n")
}

/// `T+ID`, and each RRset before and after.
fn steps(plan: &Artifact) -> String {
    let mut text = String::new();
    if plan.verdict.outcome == Outcome::Refuted {
        let _ = writeln!(text, "refuted: {}", plan.verdict.story.join("\n  "));
    }
    for step in plan.graph.steps() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        let forecast = plan.forecast.iter().find(|forecast| forecast.step == step.id);
        let begin = forecast.map(|forecast| show_span(forecast.begin)).unwrap_or_default();
        let _ = writeln!(text, "T+{begin} {}", step.id);
        for change in changes.changes() {
            let own = step.id.as_str().ends_with(&format!("/{}", change.key.rtype));
            let rtype = if own { String::new() } else { format!("{} ", change.key.rtype) };
            let (before, after) = (shown(change.before.as_ref()), shown(change.after.as_ref()));
            let _ = writeln!(text, "  {rtype}{before} -> {after}");
        }
    }
    if text.is_empty() { "nothing to change".to_owned() } else { text.trim_end().to_owned() }
}

fn shown(rrset: Option<&RrSet>) -> String {
    let Some(rrset) = rrset else { return "absent".to_owned() };
    let rdata: Vec<String> = rrset.rdata().iter().map(ToString::to_string).collect();
    format!("{} {}", rrset.ttl(), rdata.join(", "))
}

fn changes(plan: &Artifact) -> impl Iterator<Item = &ChangeSet> {
    plan.graph.steps().iter().filter_map(|step| match &step.primitive {
        Primitive::Change(changes) => Some(&changes.set),
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => {
            None
        }
    })
}

fn made_step_by_step(zones: &Zones, plan: &Artifact) -> Zones {
    let mut zones = zones.clone();
    for changes in changes(plan) {
        make(&mut zones, changes);
    }
    zones
}

fn make(zones: &mut Zones, changes: &ChangeSet) {
    let rrsets = &mut zones.get_mut(changes.zone()).expect("a zone of the plan").rrsets;
    for Change { key, before, after } in changes.changes() {
        assert_eq!(rrsets.get(key), before.as_ref(), "{key} is what the change was made for");
        if key.rtype == RrType::MX {
            assert!(after.is_some(), "{key} is never absent");
        }
        if let (Some(before), Some(after)) = (before, after)
            && (has_spf(before) || has_spf(after))
        {
            assert!(verbatim(before).is_subset(&verbatim(after)), "{key} keeps what is no SPF");
        }
        match after {
            Some(after) => rrsets.insert(key.clone(), after.clone()),
            None => rrsets.remove(key),
        };
    }
    for alias in rrsets.keys().filter(|key| key.rtype == RrType::CNAME) {
        let beside = rrsets.keys().filter(|key| key.name == alias.name).count();
        assert_eq!(beside, 1, "{alias} stands alone");
    }
}

fn has_spf(rrset: &RrSet) -> bool {
    rrset.rdata().iter().any(|rdata| SpfRecord::of_rdata(rdata).is_some())
}

/// The octets of TXT records other than SPF.
fn verbatim(rrset: &RrSet) -> BTreeSet<&[u8]> {
    let others = rrset.rdata().iter().filter(|rdata| SpfRecord::of_rdata(rdata).is_none());
    others.map(Rdata::wire).collect()
}

/// All records without their TTLs. SPF records are given by the meaning of their terms, in any
/// order.
fn data(zones: &Zones) -> BTreeMap<RrKey, Vec<String>> {
    let said = |key: &RrKey, rdata: &Rdata| match SpfRecord::of_rdata(rdata) {
        None => rdata.to_string(),
        Some(record) => {
            let meant = record.terms.iter().map(|term| format!("{:?}", term.meaning(&key.name)));
            let mut terms: Vec<String> = meant.collect();
            terms.sort();
            terms.join(" ")
        }
    };
    let rrsets = zones.values().flat_map(|zone| &zone.rrsets);
    rrsets
        .map(|(key, rrset)| {
            (key.clone(), rrset.rdata().iter().map(|rdata| said(key, rdata)).collect())
        })
        .collect()
}
