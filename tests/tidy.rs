//! Rules that the compiler does not check: which crate may depend on which, sizes, and what must not
//! be in the sources.

#[path = "tidy/circles.rs"]
mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates below `src/`, from bottom to top, and those of ours that each may depend on. The
/// compiler refuses an import across these lines; this list refuses a new line in a manifest. Above
/// all, `run` knows neither the plan language nor the compiler, and `net` knows nobody.
const CRATES: &[(&str, &[&str])] = &[
    ("zone", &[]),
    ("net/imap", &[]),
    ("net/process", &[]),
    ("net/web", &[]),
    ("base", &[]),
    ("approval", &[]),
    ("store", &["base"]),
    ("store/git", &["base", "process", "store"]),
    ("store/postgres", &["base", "store"]),
    ("store/s3", &["base", "store", "web"]),
    ("store/suite", &["base", "store", "store-git", "store-postgres", "store-s3"]),
    ("profile", &["zone"]),
    ("mail", &["base", "zone"]),
    ("check", &["base", "mail", "profile", "zone"]),
    ("mailbox", &["base", "imap"]),
    ("steps", &["base", "contract", "zone"]),
    ("discover", &["base", "check", "mail", "profile", "steps", "zone"]),
    ("plan", &["base", "check", "contract", "mail", "profile", "steps", "zone"]),
    // The simulated world is made of the adapter that keeps its zones in memory.
    ("run", &["base", "contract", "memory", "steps", "zone"]),
    (
        "view",
        &[
            "approval", "base", "check", "contract", "discover", "mail", "profile", "run", "steps",
            "zone",
        ],
    ),
];

/// Maximum lines of a source file.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files in a directory with one of these endings, with paths relative to the root.
fn files(below: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory of the project") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).expect("a text file");
                let shown = path.strip_prefix(root()).expect("below the root");
                found.push((shown.display().to_string(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there are files below {below}");
    found
}

fn rust() -> Vec<(String, String)> {
    let below = ["src", "providers", "tests"];
    below.iter().flat_map(|dir| files(dir, &[".rs"])).collect()
}

/// The part of a source before its unit tests.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The crates of ours that a manifest depends on, tests aside.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let shipped = manifest.split("[dev-dependencies]").next().unwrap_or(manifest);
    let ours = shipped.lines().filter_map(|line| line.strip_prefix("cutover-"));
    ours.filter_map(|line| line.split(['.', ' ', '=']).next()).collect()
}

/// The folders that have a manifest, with a slash at the end: the crates other than the package.
fn crates() -> BTreeSet<String> {
    let manifests = ["src", "providers"].iter().flat_map(|below| files(below, &["Cargo.toml"]));
    manifests.filter_map(|(path, _)| Some(path.strip_suffix("Cargo.toml")?.to_owned())).collect()
}

#[track_caller]
fn nothing(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn crates_depend_only_on_lower_ones() {
    let manifests: BTreeMap<String, String> = files("src", &["Cargo.toml"]).into_iter().collect();
    let mut problems = Vec::new();
    for (name, allowed) in CRATES {
        let path = format!("src/{name}/Cargo.toml");
        let manifest = manifests.get(&path).unwrap_or_else(|| panic!("no {path}"));
        let others = dependencies(manifest).into_iter().filter(|other| !allowed.contains(other));
        problems.extend(others.map(|other| format!("{path}: may not depend on {other}")));
    }
    let known: Vec<String> =
        CRATES.iter().map(|(name, _)| format!("src/{name}/Cargo.toml")).collect();
    let new = manifests.keys().filter(|path| !known.contains(path));
    problems.extend(new.map(|path| format!("{path}: give the crate its line in tests/tidy.rs")));
    nothing(problems);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let roots = crates();
    let mut crates: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (path, text) in files("src", &[".rs"]).into_iter().chain(files("providers", &[".rs"])) {
        // The innermost crate: stores lie in that of their trait, and all in the package's sources.
        let within = roots.iter().filter(|root| path.starts_with(*root));
        let of = within.max_by_key(|root| root.len()).map_or("src/", String::as_str);
        let file = path.strip_prefix(of).unwrap_or(&path);
        // A crate of `src/` has its sources beside its manifest.
        let file = match of.starts_with("providers/") {
            true => file.strip_prefix("src/"),
            false => Some(file).filter(|file| !file.starts_with("tests/")),
        };
        let Some(file) = file.map(str::to_owned) else { continue };
        crates.entry(of.to_owned()).or_default().push((file, text));
    }
    assert!(crates.len() > CRATES.len() + 7, "{:?}", crates.keys());
    let found = crates.iter().flat_map(|(of, files)| {
        circles::circles(files).into_iter().map(move |circle| format!("{of}: {circle}"))
    });
    nothing(found.collect());
}

/// Ids are opaque: one file makes their texts, and one other file parses them.
#[test]
fn ids_of_steps_are_texts_in_two_files_only() {
    let own = ["src/steps/graph/id.rs", "src/run/artifact/v1/ids.rs"];
    // The plan language writes `by: task/NAME`.
    let others = ["src/plan/language/decode/assume.rs"];
    let begin = ["checkpoint/", "back/", "wait/", "task/", "gate/", "assume/", "switch/"];
    let mut problems = Vec::new();
    for (path, text) in files("src", &[".rs"]) {
        if own.iter().chain(&others).any(|known| *known == path) {
            continue;
        }
        for (number, line) in shipped(&text).lines().enumerate() {
            if begin.iter().any(|begin| line.contains(&format!("\"{begin}"))) {
                problems.push(format!("{path}:{}: an id's text: {}", number + 1, line.trim()));
            }
        }
    }
    nothing(problems);
}

/// The compiler finds a code that nothing makes; this finds a code that stands for two things.
#[test]
fn codes_of_problems_are_in_one_table_and_used() {
    const TABLE: &str = "src/cli/failure/code.rs";
    let sources = files("src", &[".rs"]);
    let (_, table) = sources.iter().find(|(path, _)| path == TABLE).expect("the table");
    let rows =
        table.lines().filter_map(|line| line.trim().strip_suffix("\",")?.split_once(" = \""));
    let mut problems = Vec::new();
    let mut count = 0;
    for (kind, name) in rows.filter(|(kind, _)| kind.chars().all(char::is_alphanumeric)) {
        count += 1;
        let used = format!("Code::{kind}");
        let is_used = |(path, text): &(String, String)| path != TABLE && text.contains(&used);
        if !sources.iter().any(is_used) {
            problems.push(format!("{TABLE}: nothing is `{name}`"));
        }
        let plans = format!("(\"{name}\")");
        for (path, _) in sources.iter().filter(|(_, text)| shipped(text).contains(&plans)) {
            problems.push(format!("{path}: `{name}` is a code of commands, see {TABLE}"));
        }
    }
    assert!(count > 40, "{count} codes");
    nothing(problems);
}

/// A code is the name of one thing: a check, a finding about a plan, or a problem of a command.
#[test]
fn codes_of_checks_are_no_other_codes() {
    let sources = files("src", &[".rs"]);
    let of_check = |(path, _): &&(String, String)| path.starts_with("src/check/");
    let codes: Vec<&str> = sources
        .iter()
        .filter(of_check)
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.trim().strip_prefix("code: \"")?.strip_suffix("\","))
        .collect();
    assert!(codes.len() > 40, "{} codes", codes.len());
    let mut problems = Vec::new();
    for code in &codes {
        if codes.iter().filter(|other| *other == code).count() > 1 {
            problems.push(format!("two checks are `{code}`"));
        }
        if !code
            .bytes()
            .all(|octet| octet.is_ascii_lowercase() || matches!(octet, b'-' | b'0'..=b'9'))
        {
            problems.push(format!("`{code}` is not lower case with hyphens"));
        }
        let others = [format!("(\"{code}\")"), format!(" = \"{code}\",")];
        for (path, text) in sources.iter().filter(|source| !of_check(source)) {
            if others.iter().any(|other| shipped(text).contains(other.as_str())) {
                problems.push(format!("{path}: `{code}` is the code of a check"));
            }
        }
    }
    nothing(problems);
}

#[test]
fn recipes_do_not_import_one_another() {
    let recipes = files("src/plan/recipe", &[".rs"]);
    let names: Vec<&str> = recipes
        .iter()
        .filter_map(|(path, _)| Path::new(path).file_stem()?.to_str())
        .filter(|name| !["mod", "order"].contains(name))
        .collect();
    let mut problems = Vec::new();
    for (path, text) in recipes.iter().filter(|(path, _)| !path.ends_with("mod.rs")) {
        for name in &names {
            let uses = [format!("super::{name}"), format!("recipe::{name}")];
            if uses.iter().any(|used| text.contains(used.as_str())) {
                problems.push(format!("{path} imports the recipe {name}"));
            }
        }
    }
    nothing(problems);
}

#[test]
fn only_world_and_cli_touch_the_world() {
    let edge = |path: &str| {
        let below =
            ["src/world/real", "src/net", "src/mailbox", "src/store", "src/cli", "src/main.rs"];
        below.iter().any(|below| path.starts_with(below)) || path.contains("/tests/")
    };
    let worldly = [
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "tokio::",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "UdpSocket",
        "TcpStream",
        "hickory_resolver",
        "println!",
        "eprintln!",
    ];
    let mut problems = Vec::new();
    for (path, text) in files("src", &[".rs"]).iter().filter(|(path, _)| !edge(path)) {
        for (number, line) in shipped(text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            // Threads that end before their function does cannot be noticed outside it.
            let code = code.replace("std::thread::scope", "");
            for word in worldly.iter().filter(|word| code.contains(*word)) {
                problems
                    .push(format!("{path}:{}: `{word}` belongs to world/real or cli", number + 1));
            }
        }
    }
    nothing(problems);
}

#[test]
fn only_cli_imports_adapters() {
    let others = ["contract", "kit", "memory"];
    let crates = files("providers", &["Cargo.toml"]).into_iter();
    let crates = crates.filter_map(|(path, _)| Some(path.split('/').nth(1)?.to_owned()));
    let adapters: BTreeSet<String> = crates
        .filter(|name| !others.contains(&name.as_str()))
        .map(|name| format!("cutover_{name}"))
        .collect();
    assert!(adapters.contains("cutover_route53"), "{adapters:?}");
    let mut problems = Vec::new();
    for (path, text) in files("src", &[".rs"]) {
        for adapter in &adapters {
            if text.contains(adapter) && !path.starts_with("src/cli") {
                problems.push(format!("{path} imports {adapter}"));
            }
        }
        if path.starts_with("src/world") && text.contains("::sim::") {
            problems.push(format!("{path}: the real world does not know the simulated world"));
        }
    }
    nothing(problems);
}

#[test]
fn adapters_depend_only_on_the_contract_the_kit_and_clients() {
    for (path, text) in files("providers", &["Cargo.toml"]) {
        let allowed: &[&str] = match Path::new(&path).parent().and_then(Path::file_name) {
            Some(name) if name == "contract" => &["zone"],
            Some(name) if name == "kit" => &["contract", "zone"],
            _ => &["contract", "kit", "process", "web", "zone"],
        };
        for name in dependencies(&text) {
            assert!(allowed.contains(&name), "{path} depends on {name}");
        }
    }
}

#[test]
fn files_are_small_and_nothing_is_left_over() {
    let mut problems = Vec::new();
    for (path, text) in rust() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            problems.push(format!("{path} has {lines} lines; {LINES_MAX} is the most"));
        }
        if path == "tests/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX", "#[ignore"];
            for word in words.iter().filter(|word| line.contains(*word)) {
                problems.push(format!("{path}:{}: `{word}`", number + 1));
            }
            // The lab is part of several test binaries, each of which uses a different part of it.
            if line.contains("#[allow(") && !path.starts_with("tests/lab/") {
                problems.push(format!(
                    "{path}:{}: silence a lint with #[expect(.., reason = ..)]",
                    number + 1
                ));
            }
        }
        for unwrap in shipped(&text).lines().filter(|line| line.contains(".unwrap()")) {
            if !path.contains("tests/") {
                problems.push(format!("{path}: {}: say why it holds with `expect`", unwrap.trim()));
            }
        }
    }
    nothing(problems);
}

#[test]
fn no_machine_path_is_named() {
    let mut problems = Vec::new();
    for (path, text) in rust().into_iter().chain(files("plans", &[".yaml", ".zone"])) {
        // Written in parts, so that this file does not contain them.
        for prefix in
            ["wo", "ro", "ho"].iter().zip(["rk/", "ot/", "me/"]).map(|(a, b)| format!("/{a}{b}"))
        {
            if text.contains(&prefix) {
                problems.push(format!("{path} names {prefix}"));
            }
        }
    }
    nothing(problems);
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut problems = Vec::new();
    for (path, text) in rust() {
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#![doc") {
            problems.push(format!("{path} does not open with what it is for"));
        }
    }
    nothing(problems);
}
