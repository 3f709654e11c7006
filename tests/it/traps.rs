//! The known traps of a mail move. Each is refuted with a story, refused, noticed by a run, or
//! marked as not built yet. `tests/fixtures/traps/INDEX` lists all of them, and none may be left
//! out.
//!
//! A refuted trap is a plan with the mistake, and a twin that differs only in the repair. The
//! stories of the invariant in the index are snapshots, which have to show the harm.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover::check::{ALL, of_code};
use cutover::proof::Findings;

use crate::bind_fixture::said;
use crate::proof::Case;

/// The number of traps.
const TRAPS: usize = 55;
/// How many of them have to be refuted at least; the rest is not about order and caches.
const REFUTED_MIN: usize = 25;

/// How a trap is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The proof refutes a plan with the mistake.
    Refuted,
    /// The plan is refused before the proof.
    Check,
    /// A check sees it in what is live, or in what the plan leaves.
    Found,
    /// A run notices it.
    Runtime,
    /// The check is not built yet.
    Later,
    /// The part of the language is not built yet.
    Missing,
}

/// A line of the index.
#[derive(Debug)]
struct Trap {
    name: String,
    kind: Kind,
    /// A fixture, the name of a test, or what is not built yet.
    place: String,
    /// An invariant, or the code of a diagnostic.
    seen: String,
    /// The trap in a few words.
    title: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traps")
}

fn traps() -> Vec<Trap> {
    let index = fs::read_to_string(fixtures().join("INDEX")).expect("the index");
    index.lines().filter(|line| !line.starts_with('#')).map(trap).collect()
}

fn trap(line: &str) -> Trap {
    let columns: Vec<&str> = line.split(" | ").collect();
    let [name, kind, place, seen, title] = columns[..] else {
        panic!("not five columns: {line}");
    };
    let kind = match kind {
        "refuted" => Kind::Refuted,
        "check" => Kind::Check,
        "found" => Kind::Found,
        "runtime" => Kind::Runtime,
        "later" => Kind::Later,
        "missing" => Kind::Missing,
        _ => panic!("no kind: {line}"),
    };
    assert!(!place.is_empty() && !title.is_empty(), "every column says something: {line}");
    let has_seen = matches!(kind, Kind::Refuted | Kind::Check);
    assert_eq!(has_seen, seen != "-", "an invariant or a code, where there is a fixture: {line}");
    let owned = str::to_owned;
    Trap { name: owned(name), kind, place: owned(place), seen: owned(seen), title: owned(title) }
}

fn of_kind(kind: Kind) -> impl Iterator<Item = Trap> {
    traps().into_iter().filter(move |trap| trap.kind == kind)
}

/// The names in a directory.
fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
}

/// A plan of a fixture, compiled with its zones.
fn case(fixture: &str, plan: &str) -> Case {
    let dir = fixtures().join(fixture);
    let read = |name: String| {
        fs::read_to_string(dir.join(&name)).unwrap_or_else(|e| panic!("{fixture}/{name}: {e}"))
    };
    let compiled = Case::try_of(&read(plan.to_owned()), &|zone| read(format!("{zone}.zone")));
    compiled.unwrap_or_else(|| panic!("{fixture}/{plan} can be compiled"))
}

/// The stories of an invariant.
fn stories(findings: &Findings, invariant: &str) -> String {
    let harms = findings.refuted.iter().filter(|harm| harm.invariant == invariant);
    harms.map(|harm| harm.story.join("\n")).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_trap_is_in_the_index_once() {
    let listed: Vec<String> = traps().into_iter().map(|trap| trap.name).collect();
    let wanted: Vec<String> = (1..=TRAPS).map(|number| format!("T{number}")).collect();
    assert_eq!(listed, wanted);
    let refuted = of_kind(Kind::Refuted).count();
    assert!(refuted >= REFUTED_MIN, "{refuted} are refuted, and {REFUTED_MIN} have to be");
}

#[test]
fn index_and_fixtures_agree() {
    let with_fixture = || of_kind(Kind::Refuted).chain(of_kind(Kind::Check));
    let mut listed = BTreeSet::from(["INDEX".to_owned()]);
    for Trap { name, place, .. } in with_fixture() {
        let number: usize = name.trim_start_matches('T').parse().expect("a number");
        assert!(place.starts_with(&format!("t{number:02}-")), "{place} is the fixture of {name}");
        listed.insert(place);
    }
    assert_eq!(listed.len(), with_fixture().count() + 1, "each trap has a fixture of its own");
    assert_eq!(names(&fixtures()), listed);
    let expected = of_kind(Kind::Refuted).map(|trap| format!("{}.snap", trap.place)).collect();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/traps");
    assert_eq!(names(&snapshots), expected, "each snapshot has its trap");
}

#[test]
fn what_a_check_finds_is_found_by_that_check() {
    for Trap { name, place, .. } in of_kind(Kind::Found) {
        let check = of_code(&place).unwrap_or_else(|| panic!("{name}: no check {place}"));
        let number: u8 = name.trim_start_matches('T').parse().expect("a number");
        assert!(check.traps.contains(&number), "{place} does not say that it sees {name}");
    }
}

/// What the table says about a trap, in Markdown.
fn row(trap: &Trap) -> String {
    let Trap { name, kind, place, seen, title } = trap;
    let how = match kind {
        Kind::Refuted => format!("the proof: `{seen}`"),
        Kind::Check => format!("the plan is refused: `{seen}`"),
        Kind::Found => format!("a check: `{place}`"),
        Kind::Runtime => "the run halts".to_owned(),
        Kind::Later | Kind::Missing => format!("not yet: {place}"),
    };
    let number: u8 = name.trim_start_matches('T').parse().expect("a number");
    let codes = ALL.iter().filter(|check| check.traps.contains(&number) && check.code != place);
    let codes: Vec<String> = codes.map(|check| format!("`{}`", check.code)).collect();
    format!("| {name} | {title} | {how} | {} |\n", codes.join(", "))
}

/// The table for readers is made of the index and of what the checks say about themselves.
#[test]
fn the_table_of_traps_is_up_to_date() {
    const MARK: &str = "<!-- the table of traps -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/README.md");
    let text = fs::read_to_string(&path).expect("the document");
    let (before, table) = text.split_once(MARK).expect("the table begins");
    let head = "| trap | what | how it is caught | checks of what is live |\n|---|---|---|---|\n";
    let wanted = format!("{head}{}", traps().iter().map(row).collect::<String>());
    #[expect(clippy::disallowed_methods, reason = "only a person says that the file is to change")]
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    if update {
        return fs::write(&path, format!("{before}{MARK}{wanted}")).expect("a file");
    }
    assert!(table == wanted, "write it anew with: UPDATE_SCHEMAS=1 cargo test --test it traps");
}

#[test]
fn each_mistake_is_refuted_and_its_repair_is_proved() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/traps");
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for Trap { name, place, seen, .. } in of_kind(Kind::Refuted) {
        let mistaken = case(&place, "refuted.yaml");
        let findings = mistaken.findings(&mistaken.graph);
        let broken: Vec<&str> = findings.refuted.iter().map(|harm| harm.invariant).collect();
        assert!(broken.contains(&seen.as_str()), "{name} breaks {seen}: {broken:?}");
        insta::assert_snapshot!(place.clone(), stories(&findings, &seen));
        let repaired = case(&place, "repaired.yaml");
        assert_eq!(repaired.findings(&repaired.graph).refuted, [], "{name} is repaired");
        assert!(!repaired.graph.steps().is_empty(), "{name}: the repaired plan does something");
    }
}

/// A twin that differed in more than the repair would prove nothing about the mistake.
#[test]
fn a_twin_differs_in_little() {
    /// Lines that a repair may add or remove. Our choice: the largest repair needs two.
    const LINES_MAX: usize = 2;
    let lines = |place: &str, plan: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(fixtures().join(place).join(plan)).expect("a plan");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    for Trap { name, place, .. } in of_kind(Kind::Refuted) {
        let (mistaken, repaired) = (lines(&place, "refuted.yaml"), lines(&place, "repaired.yaml"));
        let apart = [mistaken.difference(&repaired), repaired.difference(&mistaken)];
        for lines in apart.map(Iterator::count) {
            assert!(lines <= LINES_MAX, "{name}: the plans differ in {lines} lines");
        }
        assert_ne!(mistaken, repaired, "{name}");
    }
}

#[test]
fn what_is_checked_before_the_proof_is_refused() {
    for Trap { name, place, seen, .. } in of_kind(Kind::Check) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["plan", "refused.yaml"]).current_dir(fixtures().join(&place));
        let (code, said) = said(&command.output().expect("the program can be run"));
        assert_ne!(code, 0, "{name}: {said}");
        assert!(said.contains(&format!("error[{seen}]")), "{name}: {said}");
    }
}

#[test]
fn what_a_run_notices_has_a_test() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let sources: String = names(&dir)
        .into_iter()
        .filter(|name| name.ends_with(".rs"))
        .map(|name| fs::read_to_string(dir.join(name)).expect("a source"))
        .collect();
    for Trap { name, place, .. } in of_kind(Kind::Runtime) {
        assert!(sources.contains(&format!("\nfn {place}()")), "{name} is shown by {place}");
    }
}
