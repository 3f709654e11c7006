//! The diagnostics of broken plans, and that correct plans are accepted.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use cutover::diag::{Diagnostic, Source, render_all};
use cutover::intent;
use cutover::language::Reading;
use cutover::language::shape::NOT_BUILT_YET;
use cutover::world::real::plan_files::read_plan_file;

use crate::registry::language;

/// A path of the workspace.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// One plan of the workspace, under its relative path.
pub(crate) fn plan(relative: &str) -> Source {
    let text = fs::read_to_string(path(relative)).expect("it is there, and it is UTF-8");
    Source::new(relative, text)
}

/// The plans in a directory of the workspace, sorted by name.
pub(crate) fn plans(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    // A missing directory has no plans, because git keeps no empty directories.
    let entries = fs::read_dir(path(directory)).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names: BTreeSet<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    for name in names {
        let relative = format!("{directory}/{name}");
        if path(&relative).is_dir() {
            found.extend(plans(&relative));
        } else if name.ends_with(".yaml") {
            found.push(plan(&relative));
        }
    }
    found
}

/// The findings about a plan that need no network.
pub(crate) fn findings(source: &Source) -> Vec<Diagnostic> {
    let mut reading = Reading::of(source.clone());
    let plan = path(&source.name);
    let home = plan.parent().expect("a directory");
    while let Some(wanted) = reading.wanted() {
        match read_plan_file(home, &wanted) {
            Ok((name, text)) => reading.add(&wanted, name, text),
            Err(error) => reading.unusable(&wanted, &error.to_string()),
        }
    }
    match reading.finish(language()).1 {
        Ok(spec) => intent::resolve(spec).err().unwrap_or_default(),
        Err(found) => found,
    }
}

fn stem(source: &Source) -> &str {
    source.name.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).expect("a plan")
}

#[test]
fn broken_plans_say_what_is_wrong() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/invalid");
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for source in plans("tests/fixtures/invalid") {
        let found = findings(&source);
        assert!(!found.is_empty(), "{} is accepted", source.name);
        insta::assert_snapshot!(stem(&source), render_all(&found, &source, false));
    }
}

#[test]
fn each_snapshot_has_its_plan() {
    let plans = plans("tests/fixtures/invalid");
    let names: BTreeSet<String> = plans.iter().map(|plan| format!("{}.snap", stem(plan))).collect();
    for entry in fs::read_dir(path("tests/it/snapshots/invalid")).expect("snapshots") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(names.contains(&name), "{name} belongs to no plan: delete it");
    }
}

/// The rules for every diagnostic, whatever the plan holds.
pub(crate) fn assert_well_formed(diagnostic: &Diagnostic, source: &Source) {
    let Diagnostic { title, span, help, label, also, .. } = diagnostic;
    let context = format!("{}: {diagnostic:?}", source.name);
    let text = source.text.trim_end();
    for span in also.iter().map(|(span, _)| span).chain([span]) {
        assert!(source.text.get(span.start..span.end).is_some(), "a place in the text: {context}");
        let whole = span.start == 0 && span.end >= text.len();
        assert!(!whole || !text.contains('\n'), "a place, not the whole text: {context}");
        assert!(!source.text[span.start..span.end].contains('\n'), "one line: {context}");
    }
    for message in [title, help] {
        assert!(!message.trim().is_empty(), "something is said: {context}");
    }
    for message in [title, help, label] {
        assert!(!message.contains(char::is_control), "one line: {context}");
        assert!(message.len() < 2_000, "a line that can be read: {context}");
    }
    assert!(!title.ends_with('.'), "no full stop: {context}");
    let first = title.chars().next();
    assert!(first.is_some_and(|c| c.is_lowercase() || c == '`' || c.is_ascii_digit()), "{context}");
    assert!(!title.contains("``"), "nothing is quoted: {context}");
}

#[test]
fn diagnostics_have_a_place_and_a_help() {
    for source in plans("tests/fixtures/invalid") {
        for diagnostic in findings(&source) {
            assert_well_formed(&diagnostic, &source);
        }
    }
}

#[test]
fn a_secret_in_a_plan_is_not_shown() {
    for name in ["secret-in-plan", "secret-under-another-key"] {
        let source = plan(&format!("tests/fixtures/invalid/{name}.yaml"));
        assert!(source.text.contains("c2VjcmV0"), "{name} has a secret");
        for coloured in [false, true] {
            let shown = render_all(&findings(&source), &source, coloured);
            assert!(!shown.contains("c2VjcmV0"), "{name}");
        }
    }
}

#[test]
fn whole_plans_are_accepted() {
    for source in plans("tests/fixtures/valid").into_iter().chain(plans("plans")) {
        let found = findings(&source);
        assert!(found.is_empty(), "{}", render_all(&found, &source, false));
    }
}

#[test]
fn the_example_of_the_target_gives_only_not_built_yet() {
    let source = plan("tests/fixtures/example-plan.yaml");
    let found = findings(&source);
    assert!(!found.is_empty(), "nothing is left to build: ship the example as a plan");
    for diagnostic in found {
        assert_eq!(diagnostic.code.name, NOT_BUILT_YET.name, "{diagnostic:?}");
    }
}

/// A plan with this text inserted is accepted, or refused with this title.
fn check(front: &str, text: &str, back: &str, expected: Option<&str>) {
    let source = Source::new("plan.yaml", format!("{front}{text}{back}"));
    let found = findings(&source);
    let titles: Vec<&str> = found.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
    assert_eq!(titles, expected.into_iter().collect::<Vec<_>>(), "{text}");
}

const HEAD: &str = "version: 1\nname: n\nproviders: { dns: { type: zonefile, directory: d } }\n\
                    zones: { acme.test: { provider: dns } }\n";

#[test]
fn records_are_checked_by_their_meaning() {
    let front = format!("{HEAD}records: [ {{ zone: acme.test, name: ");
    for (name, rtype, to, expected) in [
        ("www", "A", "192.0.2.1", None),
        ("a.b", "A", "192.0.2.1", None),
        (
            "www.acme.test",
            "A",
            "192.0.2.1",
            Some("`www.acme.test` would become `www.acme.test.acme.test.`"),
        ),
        ("ACME.TEST", "A", "192.0.2.1", Some("`ACME.TEST` would become `acme.test.acme.test.`")),
        ("www.acme.test.", "A", "192.0.2.1", None),
        ("xacme.test", "A", "192.0.2.1", None),
        ("m", "MX", "10 mx", None),
        ("m", "MX", "10 mx.host.example.", None),
        (
            "m",
            "MX",
            "10 mx.host.example",
            Some("`mx.host.example` without a trailing dot is a name below `acme.test.`"),
        ),
        ("m", "MX", "0 .", None),
        ("t", "TXT", "'\"a b\" \"c\"'", None),
        ("t", "TXT", "one-word=x", None),
        ("t", "TXT", "two words", Some("without quotes, this text loses its spaces")),
        ("t", "TXT", "'\"a {domain}\"'", Some("a record cannot contain `{domain}`")),
    ] {
        let back = format!(", type: {rtype}, to: [ {to} ] }} ]\n");
        check(&front, name, &back, expected);
    }
}

#[test]
fn addresses_are_whole() {
    let front = format!(
        "{HEAD}records: [ {{ zone: acme.test, name: w, type: A, absent: true }} ]\nresolver: [ '"
    );
    for (address, good) in [
        ("192.0.2.53", true),
        ("192.0.2.53:53", true),
        ("::1", true),
        ("[::1]", true),
        ("[::1]:53", true),
        ("192.0.2.53:0", false),
        ("192.0.2.53:", false),
        ("192.0.2.53:65536", false),
        ("[192.0.2.53]", false),
        ("[::1", false),
        ("::1]", false),
        ("[[::1]]", false),
        ("[::1:53", false),
        ("ns1.acme.test", false),
    ] {
        let title = format!("`{address}` is not an address");
        check(&front, address, "' ]\n", (!good).then_some(title.as_str()));
    }
}
