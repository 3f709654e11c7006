//! Probes of mail against real servers that are set up badly on purpose: Postfix and Dovecot, and
//! small servers of the lab for what no real one can be made to do.
//!
//! Each case is a gate of a plan and what it has to find. All gates of a table are asked by one
//! `cutover probe`.

mod hostile;
mod lists;
mod round_trip;
mod sessions;
mod strict;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::said;

/// A gate without `probe:`, and what it finds: the finding, and a part of what was seen.
pub(crate) type Case<'c> = (&'c str, &'c str, &'c str);

/// A directory with a plan.
pub(crate) struct Plan {
    pub(crate) dir: TempDir,
    /// What this machine trusts.
    trusted: std::path::PathBuf,
}

/// The plan but for its gates: its hosts are asked nothing, since each gate names its own servers.
const HEAD: &str = "version: 1
name: probes
providers:
  files: { type: zonefile, directory: ., served: { assume_within: 5m } }
resolver: RESOLVER
zones:
  acme.test: { provider: files }
hosts:
  own: { exchanges: [ { preference: 10, name: mail.hosts.test. } ] }
  host: { exchanges: [ { preference: 10, name: mx.hosts.test. } ] }
migrate: { domains: [ acme.test ], from: own, to: host }
gates:
  before_switch:
";

impl Plan {
    /// A plan with these gates, whose names are looked up at `resolver`.
    pub(crate) fn with(trusted: &Path, resolver: &str, gates: &[String]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut text = HEAD.replace("RESOLVER", resolver);
        for gate in gates {
            text += &format!("    - {{ {gate} }}\n");
        }
        fs::write(dir.path().join("plan.yaml"), text).expect("a plan");
        fs::write(dir.path().join("password"), "open sesame\n").expect("a file");
        fs::write(dir.path().join("wrong"), "open barley\n").expect("a file");
        Self { dir, trusted: trusted.to_owned() }
    }

    /// `cutover` in its directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).env("SSL_CERT_FILE", &self.trusted);
        command
    }

    /// What the probes find, in the order of the gates.
    pub(crate) fn findings(&self) -> Vec<(String, String)> {
        let output = self.command(&["probe", "plan.yaml", "--format", "json"]).output();
        let output = output.expect("it can be run");
        let json = String::from_utf8_lossy(&output.stdout).into_owned();
        let read: Value =
            serde_json::from_str(&json).unwrap_or_else(|_| panic!("{}", said(&output).1));
        assert_eq!(read["format"], "cutover/probes/1");
        let findings = read["findings"].as_array().expect("a list");
        let text = |one: &Value, key: &str| one[key].as_str().expect("a text").to_owned();
        findings
            .iter()
            .filter(|one| one["place"] != "")
            .map(|one| (text(one, "finding"), text(one, "said")))
            .collect()
    }
}

/// Checks a table of cases of one probe.
pub(crate) fn check(trusted: &Path, resolver: &str, probe: &str, cases: &[Case<'_>]) {
    let gates: Vec<String> =
        cases.iter().map(|(gate, ..)| format!("probe: {probe}, {gate}")).collect();
    let plan = Plan::with(trusted, resolver, &gates);
    let findings = plan.findings();
    assert_eq!(findings.len(), cases.len(), "{findings:#?}");
    let wrong = cases
        .iter()
        .zip(&findings)
        .filter(|((_, finding, part), (found, said))| finding != found || !said.contains(part));
    let wrong: Vec<String> = wrong
        .map(|((gate, finding, part), found)| format!("{gate}\n  {finding}: {part}\n  {found:?}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
