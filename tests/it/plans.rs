//! The shipped plans: each is checked, planned, sealed, and planned again with the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover::artifact::Artifact;

use crate::bind_fixture::said;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn plans() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("plans")).expect("the plans");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut plans: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    plans.sort();
    assert!(plans.len() >= 4);
    plans
}

fn cutover(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    said(&command.args(args).current_dir(root()).output().expect("the program can be run"))
}

#[test]
fn every_plan_is_planned_the_same_way_twice() {
    for plan in plans() {
        let path = plan.to_str().expect("a text path");
        assert_eq!(cutover(&["check", path]).0, 0);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let sealed = dir.path().join("plan.json");
        let sealed_path = sealed.to_str().expect("a text path");
        let (code, first) = cutover(&["plan", path]);
        assert_eq!(code, 0, "{first}");
        assert_eq!(cutover(&["plan", path]), (0, first.clone()), "same input, same bytes");
        let (code, _) = cutover(&["plan", path, "-o", sealed_path, "--detailed-exitcode"]);
        assert_eq!(code, 2, "there is something to change");
        assert_eq!(
            cutover(&["show", sealed_path]),
            (0, first),
            "what was sealed is what was shown"
        );
        let text = fs::read_to_string(&sealed).expect("the artifact");
        assert_eq!(cutover(&["plan", path, "--format", "json"]), (0, text.clone()));
        let artifact = Artifact::decode(&text).expect("an artifact");
        assert_eq!(artifact.encode(), text);
        let name = plan.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        insta::assert_snapshot!(
            format!("plan-{name}"),
            cutover(&["show", "--full", sealed_path]).1
        );
    }
}

#[test]
fn an_artifact_that_was_changed_is_refused() {
    let (_, text) = cutover(&["plan", "plans/quickstart.yaml", "--format", "json"]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("plan.json");
    let shown = |text: &str| {
        fs::write(&path, text).expect("the file can be written");
        cutover(&["show", path.to_str().expect("a text path")])
    };
    assert_eq!(shown(&text).0, 0);
    let cases = [
        (
            text.replacen("mx1.host.test.", "mx9.host.test.", 1),
            "it was changed after it was sealed",
        ),
        (text.replacen("  \"name\"", " \"name\"", 1), "not in canonical form"),
        (text.replacen("\"parent\": null", "\"parent\": null,\n  \"more\": 1", 1), "unknown field"),
        (text.replacen("artifact/1", "artifact/9", 1), "its format is `cutover/artifact/9`"),
        (text[..text.len() / 2].to_owned(), "it is not an artifact"),
    ];
    for (touched, why) in cases {
        let (code, said) = shown(&touched);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{why:?} is missing: {said}");
    }
}
