//! Two domains on a real name server, a plan that moves them within seconds, and the `cutover` program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Bind, Knot, Server, loopback};

/// The zone of the first domain and of both hosts. Both exchanges have an address in it, because BIND
/// refuses MX records whose exchange has none.
const ACME_TEST: &str = "\
$TTL 6
@ SOA ns1 hostmaster 1 3600 600 86400 2
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 192.0.2.54
@ MX 10 mail
@ TXT \"v=spf1 mx ip4:192.0.2.11 -all\"
@ TXT \"site-verification=6dcd4ce2 3d88e2ee\"
mail A 192.0.2.10
www A 192.0.2.80
_dmarc TXT \"v=DMARC1; p=none\"
old1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
autodiscover A 192.0.2.10
";

const ACME_EXAMPLE: &str = "\
$TTL 5
@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 2
@ NS ns1.acme.test.
@ NS ns2.acme.test.
@ MX 10 mail.acme.test.
@ TXT \"v=spf1 mx ip4:192.0.2.11 -all\"
www CNAME www.acme.test.
old1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
";

/// The zones, as origin and master file.
pub(crate) const ZONES: &[(&str, &str)] =
    &[("acme.test", ACME_TEST), ("acme.example", ACME_EXAMPLE)];

/// How far the secondary lags: long enough that a wait that ignored it would end too early.
pub(crate) const LAG: Duration = Duration::from_millis(2_500);

/// The servers, and the directory of the plan.
pub(crate) struct BindFixture {
    pub(crate) primary: Server,
    pub(crate) secondary: Option<Server>,
    dir: TempDir,
}

impl BindFixture {
    /// BIND with a lagging secondary on another address.
    pub(crate) fn bind_pair() -> Self {
        let primary = Bind::primary(ZONES);
        let secondary = Bind::secondary_of(&primary, loopback(2), LAG);
        Self::new(primary, Some(secondary))
    }

    /// BIND alone.
    pub(crate) fn bind() -> Self {
        Self::new(Bind::primary(ZONES), None)
    }

    /// Knot alone.
    pub(crate) fn knot() -> Self {
        Self::new(Knot::primary(ZONES), None)
    }

    fn new(primary: Server, secondary: Option<Server>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let fixture = Self { primary, secondary, dir };
        fs::write(fixture.plan(), fixture.plan_text()).expect("the plan can be written");
        fixture
    }

    fn plan_text(&self) -> String {
        let key = self.primary.key();
        let servers = std::iter::once(&self.primary).chain(&self.secondary);
        let authorities: Vec<String> = servers.map(|s| format!("\"{}\"", s.addr())).collect();
        let (server, name, algorithm) = (self.primary.addr(), &key.name, key.algorithm);
        let provider = format!(
            "{{ type: rfc2136, server: \"{server}\", \
             tsig: {{ key: {name}, algorithm: {algorithm}, secret: {{ env: FIXTURE_TSIG }} }} }}"
        );
        plan_text(&provider, &authorities.join(", "))
    }

    /// The plan's file.
    pub(crate) fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.yaml")
    }

    /// The artifact's file.
    pub(crate) fn artifact(&self) -> PathBuf {
        self.dir.path().join("plan.json")
    }

    /// The directory of the plan.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("CUTOVER_STATE")
            .env("FIXTURE_TSIG", &self.primary.key().secret);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end. Returns its exit code and its whole output.
    pub(crate) fn cutover(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().expect("the program can be run");
        said(&output)
    }

    /// Starts the program.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program can be started")
    }

    /// The complete lines of the first run's journal.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.journal_lines().lines().map(entry).collect()
    }

    /// The last entry of the journal. Only its line is parsed, so that it can be asked for often.
    pub(crate) fn last_entry(&self) -> Option<Value> {
        self.journal_lines().lines().next_back().map(entry)
    }

    fn journal_lines(&self) -> String {
        let path = self.dir.path().join(".cutover/two-domains/0001/journal.jsonl");
        let mut text = fs::read_to_string(path).unwrap_or_default();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        text
    }

    /// What each server serves, by zone, as sorted lines without the SOA, whose serial changes.
    pub(crate) fn served(&self) -> Vec<Vec<String>> {
        let servers = std::iter::once(&self.primary).chain(&self.secondary);
        servers
            .flat_map(|server| ZONES.iter().map(|(zone, _)| records(&server.transfer(zone))))
            .collect()
    }

    /// The number of changes in the artifact.
    pub(crate) fn changes_planned(&self) -> usize {
        let text = fs::read_to_string(self.artifact()).expect("the artifact");
        let artifact: Value = serde_json::from_str(&text).expect("JSON");
        let steps = artifact["steps"].as_array().expect("steps");
        steps.iter().filter(|step| step["kind"] == "change").count()
    }
}

/// The plan that moves both domains, with this provider and these authoritative servers.
pub(crate) fn plan_text(provider: &str, authorities: &str) -> String {
    format!(
        "version: 1
name: two-domains
providers: {{ dns: {provider} }}
resolver: none
zones:
  acme.test: {{ provider: dns, authorities: [ {authorities} ] }}
  acme.example: {{ provider: dns, authorities: [ {authorities} ] }}
hosts:
  old:
    exchanges: [ {{ preference: 10, name: mail.acme.test. }} ]
    senders: [ {{ name: people, spf: \"mx ip4:192.0.2.11\", dkim: [ old1 ] }} ]
  new:
    exchanges: [ {{ preference: 10, name: mx.acme.test., addresses: [ 203.0.113.25 ] }} ]
    senders:
      - name: people
        spf: ip4:203.0.113.25
        dkim: [ {{ selector: new1, txt: \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\" }} ]
    discovery: {{ imap: \"mx.acme.test:993\", autodiscover: mx.acme.test. }}
migrate:
  domains: [ acme.test, acme.example ]
  from: old
  to: new
  cutover_ttl: 2s
  keep_old: 3s
  overrun: 1s
clocks: {{ margin: 1s, use: 0s, queue_life: 2s }}
{}  - {{ fact: redirects, host: old, reason: it leads each log-in to where the mailbox is }}
",
        crate::recipes::STATED
    )
}

/// A program's exit code and its whole output.
pub(crate) fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout, &output.stderr].map(|o| String::from_utf8_lossy(o).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

/// The records of a zone transfer: sorted, with single spaces, without the SOA.
pub(crate) fn records(transfer: &str) -> Vec<String> {
    let lines = transfer.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty());
    let mut records: Vec<String> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.contains(" SOA "))
        .collect();
    records.sort();
    records
}

/// What the two zones hold when the plan is done, written by hand.
pub(crate) fn end_state() -> [Vec<String>; 2] {
    let test = [
        "_dmarc.acme.test. 6 IN TXT \"v=DMARC1; p=none\"",
        "_imaps._tcp.acme.test. 3600 IN SRV 0 1 993 mx.acme.test.",
        "acme.test. 6 IN MX 10 mx.acme.test.",
        "acme.test. 6 IN NS ns1.acme.test.",
        "acme.test. 6 IN NS ns2.acme.test.",
        "acme.test. 6 IN TXT \"site-verification=6dcd4ce2 3d88e2ee\"",
        "acme.test. 6 IN TXT \"v=spf1 ip4:203.0.113.25 -all\"",
        "autodiscover.acme.test. 3600 IN CNAME mx.acme.test.",
        "mail.acme.test. 6 IN A 192.0.2.10",
        "mx.acme.test. 3600 IN A 203.0.113.25",
        "new1._domainkey.acme.test. 3600 IN TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"",
        "ns1.acme.test. 6 IN A 192.0.2.53",
        "ns2.acme.test. 6 IN A 192.0.2.54",
        "www.acme.test. 6 IN A 192.0.2.80",
    ];
    let example = [
        "_imaps._tcp.acme.example. 3600 IN SRV 0 1 993 mx.acme.test.",
        "acme.example. 5 IN MX 10 mx.acme.test.",
        "acme.example. 5 IN NS ns1.acme.test.",
        "acme.example. 5 IN NS ns2.acme.test.",
        "acme.example. 5 IN TXT \"v=spf1 ip4:203.0.113.25 -all\"",
        "autodiscover.acme.example. 3600 IN CNAME mx.acme.test.",
        "new1._domainkey.acme.example. 3600 IN TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"",
        "www.acme.example. 5 IN CNAME www.acme.test.",
    ];
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.sort();
        lines
    };
    [sorted(&test), sorted(&example)]
}

/// The last instant of each kind of event and step, as RFC 3339 text, whose order is that of time.
pub(crate) fn instants(journal: &[Value]) -> BTreeMap<(String, String), String> {
    let mut instants = BTreeMap::new();
    for entry in journal {
        let event = entry["event"].as_object().expect("an event");
        let (kind, body) = event.iter().next().expect("one kind");
        let step = body["step"].as_str().unwrap_or_default().to_owned();
        let at = body["since"].as_str().or(entry["at"].as_str()).expect("an instant").to_owned();
        instants.insert((kind.clone(), step), at);
    }
    instants
}

/// Asserts that no file below this directory contains these octets: no journal, artifact or plan.
pub(crate) fn is_nowhere(secret: &str, dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            is_nowhere(secret, &path);
            continue;
        }
        let octets = std::fs::read(&path).expect("a file");
        let is_there = octets.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there, "{} contains the secret", path.display());
    }
}

fn entry(line: &str) -> Value {
    serde_json::from_str(line).expect("an entry")
}
