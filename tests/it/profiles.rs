//! Profiles of mail hosts: each file says what the plan language takes, and is recognised by its
//! own exchanges; a plan takes a profile over, key by key.

use std::collections::BTreeMap;
use std::fs;

use chrono::NaiveDate;
use cutover::diag::{Diagnostic, Source};
use cutover::intent::{self, Intent};
use cutover::language::Reading;
use cutover::profile::{Profile, ProfileKind, names, profile, text};
use serde_json::Value;

use crate::language::path;
use crate::registry::language;
use crate::zonefile_fixture::ZonefileFixture;

/// A plan that moves acme.test to a host with these keys.
fn plan(new: &str) -> String {
    format!(
        "version: 1
name: moves
providers: {{ files: {{ type: zonefile, directory: zones, served: {{ assume_within: 5m }} }} }}
resolver: none
zones: {{ acme.test: {{ provider: files }} }}
hosts:
  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ] }}
  new: {{ {new} }}
migrate: {{ domains: [ acme.test ], from: old, to: new }}
"
    )
}

fn resolved(new: &str) -> Result<Intent, Vec<Diagnostic>> {
    let source = Source::new("plan.yaml", plan(new));
    intent::resolve(Reading::of(source).finish(language()).1?)
}

/// The plan's host with the profile's own examples.
fn with_examples(name: &str, profile: &Profile) -> String {
    let parameters = profile.parameters.iter();
    let all: BTreeMap<_, _> = parameters.map(|(name, of)| (name, &of.example)).collect();
    match all.is_empty() {
        true => format!("profile: {name}"),
        false => {
            let all = serde_json::to_string(&all).expect("texts");
            format!("profile: {name}, parameters: {all}")
        }
    }
}

/// Code and title of each finding.
fn said(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|one| format!("{}: {} ({})", one.code.name, one.title, one.help)).collect()
}

fn all() -> impl Iterator<Item = (&'static str, Profile)> {
    names().map(|name| (name, profile(name).expect("it is listed")))
}

/// The exchanges of acme.test at this host.
fn exchanges(name: &str, profile: &Profile) -> Vec<String> {
    let intent = resolved(&with_examples(name, profile)).map_err(|found| said(&found));
    let intent = intent.unwrap_or_else(|found| panic!("{name}: {found:#?}"));
    let exchanges = intent.moves[0].to.exchanges.iter();
    exchanges.map(|exchange| exchange.name.value.to_string()).collect()
}

#[test]
fn every_file_is_a_profile_that_a_plan_can_use() {
    let files = fs::read_dir(path("src/profile/profiles")).expect("a directory");
    let files = files.map(|file| file.expect("an entry").file_name());
    let mut files: Vec<String> = files
        .map(|name| name.to_string_lossy().strip_suffix(".yaml").expect("YAML").to_owned())
        .collect();
    files.sort();
    let listed: Vec<&str> = names().collect();
    assert_eq!(listed, files, "the table of profiles has every file, sorted");
    for (name, profile) in all() {
        assert!(!exchanges(name, &profile).is_empty(), "{name}");
        assert!(!profile.sources.is_empty(), "{name}");
        for source in &profile.sources {
            assert!(source.url.starts_with("https://"), "{name}: {}", source.url);
            let seen: NaiveDate = source.seen.parse().expect("a day");
            assert!(seen.to_string() == source.seen, "{name}: {}", source.seen);
        }
        let file = text(name).expect("it is listed");
        let host = file.split("\nhost:\n").nth(1).expect("its key `host` has a line of its own");
        for (parameter, of) in &profile.parameters {
            assert!(of.form.fits(&of.example), "{name}: the example of {parameter}");
            assert!(host.contains(&format!("{{{parameter}}}")), "{name} uses {parameter}");
        }
    }
}

fn matches(pattern: &str, exchange: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => exchange.len() > end.len() && exchange.ends_with(end),
        None => exchange == pattern,
    }
}

#[test]
fn each_host_is_recognised_by_its_own_exchanges_and_by_no_others() {
    for (name, profile) in all() {
        // The user's own server has whatever name the user gave it.
        if profile.kind == ProfileKind::Software {
            assert_eq!(profile.recognised_by, [""; 0], "{name}");
            continue;
        }
        for exchange in &exchanges(name, &profile) {
            for (other, of) in all() {
                let is_known = of.recognised_by.iter().any(|pattern| matches(pattern, exchange));
                assert_eq!(is_known, other == name, "{exchange} of {name}, and {other}");
            }
        }
    }
}

#[test]
fn a_plan_says_a_part_itself() {
    let written = |new: &str| match resolved(new) {
        Ok(intent) => intent,
        Err(found) => panic!("{new}: {:#?}", said(&found)),
    };
    let tenant = "parameters: { tenant: acme }";
    let whole = written(&format!("profile: microsoft365, {tenant}"));
    let new = &whole.moves[0].to;
    assert_eq!(new.exchanges[0].name.value.to_string(), "acme-test.mail.protection.outlook.com.");
    assert_eq!(new.discovery.len(), 1);
    let own = "exchanges: [ { preference: 5, name: mx.acme.test. } ]";
    let mixed = written(&format!("profile: microsoft365, {tenant}, {own}"));
    let new = &mixed.moves[0].to;
    assert_eq!(new.exchanges.len(), 1);
    assert_eq!(new.exchanges[0].name.value.to_string(), "mx.acme.test.");
    assert_eq!(new.discovery.len(), 1);
    // What needs the parameter is not used.
    let own = "senders: [ { name: people, spf: \"include:spf.protection.outlook.com\" } ]";
    written(&format!("profile: microsoft365, {own}"));
}

#[test]
fn mistakes_are_named_with_what_to_do() {
    for (new, wanted) in [
        (
            "profile: microsoft356, parameters: { tenant: acme }",
            "unknown-profile: there is no profile `microsoft356` (did you mean `microsoft365`?)",
        ),
        (
            "profile: microsoft365",
            "profile-parameter: profile `microsoft365` needs `tenant`: the tenant's first name, as in TENANT.onmicrosoft.com (add `parameters: { tenant: contoso }` to the host)",
        ),
        (
            "profile: microsoft365, parameters: { tenant: acme.onmicrosoft.com }",
            "profile-parameter: `acme.onmicrosoft.com` is not one label of a domain name (`tenant` is the tenant's first name, as in TENANT.onmicrosoft.com; for example `contoso`)",
        ),
        (
            "profile: microsoft365, parameters: { tennant: acme, tenant: acme }",
            "profile-parameter: profile `microsoft365` has no parameter `tennant` (did you mean `tenant`?)",
        ),
        (
            "parameters: { tenant: acme }, exchanges: [ { preference: 5, name: mx.acme.test. } ]",
            "profile-parameter: `parameters` belong to a profile, and this host has none (add `profile: NAME`, or remove them; `cutover profiles` lists all profiles)",
        ),
    ] {
        let found = resolved(new).err().unwrap_or_else(|| panic!("{new} is accepted"));
        assert_eq!(said(&found), [wanted], "{new}");
    }
}

#[test]
fn the_program_lists_profiles_and_shows_one() {
    let fixture = ZonefileFixture::new();
    let (code, all) = fixture.cutover(&["profiles"]);
    assert_eq!(code, 0, "{all}");
    assert!(names().all(|name| all.contains(name)), "{all}");
    let (code, one) = fixture.cutover(&["profiles", "microsoft365"]);
    assert_eq!(code, 0, "{one}");
    for part in ["tenant", "domain-dashed", "selector2", "https://", "MS="] {
        assert!(one.contains(part), "{part} in {one}");
    }
    let (code, json) = fixture.cutover(&["profiles", "--format", "json"]);
    assert_eq!(code, 0, "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["microsoft365"]["parameters"]["tenant"]["example"], "contoso");
    let (code, near) = fixture.cutover(&["profiles", "microsoft"]);
    assert_eq!(code, 2, "{near}");
}
