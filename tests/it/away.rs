//! A store in git that fails: away in the middle of a run, damaged, slow, and a process that is killed
//! with every entry.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::lab::{now, sleep};
use crate::shared::{Machine, git, repository};
use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

/// How long anything may take that should happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Runs that are killed at once, by threads of one test: they mostly wait.
const AT_ONCE: usize = 6;

/// A machine with a store of its own, with these options of its address.
fn machine(options: &str) -> (TempDir, Machine) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = repository(dir.path()) + options;
    (dir, Machine { files: ZonefileFixture::new(), store })
}

fn bare(dir: &TempDir) -> PathBuf {
    dir.path().join("state.git")
}

/// A hook of the repository, which runs on its side of the line.
fn hook(dir: &TempDir, name: &str, script: &str) {
    let path = bare(dir).join("hooks").join(name);
    fs::create_dir_all(path.parent().expect("hooks")).expect("a directory");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it may be run");
}

fn tip(dir: &TempDir) -> String {
    git(&bare(dir), &["rev-parse", "cutover-state"])
}

#[test]
fn a_store_that_is_away_halts_the_run_before_its_next_effect() {
    let (dir, one) = machine("");
    let mut command = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let apply = command.spawn().expect("the program can be run");
    let begun = now();
    while !one.files.zone().contains("www   1 A 192.0.2.80") {
        assert!(begun.elapsed() < PATIENCE, "it never begins");
    }
    fs::rename(bare(&dir), dir.path().join("away")).expect("renamed");
    let ended = apply.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(said.contains("the journal cannot be written"), "{said}");
    assert!(said.contains("Run the same command again"), "{said}");
    // The first change was made; the second one was not even begun.
    let lowered = one.files.zone();
    assert!(lowered.contains("www   1 A 192.0.2.80"), "{lowered}");
    for args in [&["apply", "plan.yaml"][..], &["status", "plan.yaml"], &["run", "--all", "--once"]]
    {
        let said = one.ends(1, args);
        assert!(said.contains("cannot be reached"), "{said}");
    }
    assert_eq!(one.files.zone(), lowered);
    fs::rename(dir.path().join("away"), bare(&dir)).expect("renamed");
    // The process could not give its lease back.
    one.ends(0, &["state", "unlock", "move", "--auto-approve"]);
    one.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE);
}

/// Kills the program with the push of this number, before or after it counts. Returns whether it was
/// killed: otherwise it ended before.
fn killed_at(number: usize, hook_name: &str) -> bool {
    let (dir, one) = machine("?lease=2s");
    let kill = format!(
        "echo >>pushes; [ $(wc -l <pushes) -eq {number} ] || exit 0
         process=$PPID
         while [ \"$(cat /proc/$process/comm)\" != cutover ]; do
             process=$(cut -d' ' -f4 /proc/$process/stat)
         done
         kill -9 $process"
    );
    hook(&dir, hook_name, &kill);
    let mut apply = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let ended = apply.output().expect("the program can be run");
    let is_killed = ended.status.signal() == Some(9);
    let context = || String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(is_killed || ended.status.success(), "{number}: {}", context());
    let begun = now();
    loop {
        let again = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]).output();
        let again = again.expect("the program can be run");
        let said = String::from_utf8_lossy(&again.stderr);
        // Until the lease is over.
        if again.status.code() == Some(1) && said.contains("is locked by") {
            assert!(begun.elapsed() < PATIENCE, "{number}: {said}");
            sleep(Duration::from_millis(200));
            continue;
        }
        assert!(again.status.success(), "{number}: {said}");
        break;
    }
    // Each change was made once: the serial counts them.
    assert_eq!(one.files.zone(), ZONE_DONE, "{number}: {}", context());
    one.ends(0, &["status", "plan.yaml", "--exit-code"]);
    is_killed
}

#[test]
fn a_process_that_is_killed_with_any_push_loses_and_doubles_nothing() {
    for hook_name in ["post-receive", "pre-receive"] {
        let next = Mutex::new(1..);
        let most = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = next.lock().expect("no panic").next().expect("no end");
                        if !killed_at(number, hook_name) {
                            return;
                        }
                        let mut most = most.lock().expect("no panic");
                        *most = number.max(*most);
                    }
                });
            }
        });
        // A lease, the run, and more than ten entries.
        let most = *most.lock().expect("no panic");
        assert!(most > 12, "{hook_name}: {most} pushes");
    }
}

/// Writes a commit into the branch that changes one file.
fn vandalise(dir: &TempDir, path: &str, content: Option<&[u8]>) {
    let clone = dir.path().join("clone");
    let _ = fs::remove_dir_all(&clone);
    let bare = bare(dir).display().to_string();
    git(dir.path(), &["clone", "--quiet", "--branch", "cutover-state", &bare, "clone"]);
    match content {
        Some(content) => fs::write(clone.join(path), content).expect("written"),
        None => fs::remove_file(clone.join(path)).expect("removed"),
    }
    git(&clone, &["add", "--all"]);
    let commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"];
    git(&clone, &commit);
    git(&clone, &["push", "--quiet"]);
}

#[test]
fn a_damaged_or_foreign_branch_is_refused_and_left_as_it_is() {
    let (dir, one) = machine("");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let good = tip(&dir);
    let journal = "move/0001/journal/00000000.jsonl";
    let lines = git(&bare(&dir), &["show", &format!("cutover-state:{journal}")]);
    let artifact = git(&bare(&dir), &["show", "cutover-state:move/0001/artifact.json"]);
    let cut = &lines[..lines.len() - 1];
    let first = lines.lines().next().expect("a line").to_owned() + "\n";
    let changed = artifact.replacen("203.0.113.80", "203.0.113.81", 1);
    let zone = one.files.zone();
    for (path, content, reason) in [
        ("format", Some(&b"cutover/state/git/2\n"[..]), "the branch has other contents"),
        ("format", None, "the branch has other contents"),
        (journal, Some(cut.as_bytes()), "its last line is incomplete"),
        (journal, Some(b"{}\n"), "journal:1: "),
        (journal, Some(b"\xff\xfe\n"), "journal:1: "),
        (journal, Some(format!("{first}{first}").as_bytes()), "journal:2: "),
        ("move/0001/artifact.json", Some(changed.as_bytes()), "artifact.json cannot be used"),
        ("move/0001/artifact.json", Some(b"\xff"), "it is not text"),
        ("move/0001/artifact.json", Some(b""), "artifact.json cannot be used"),
        ("move/lease.json", Some(b"Ada"), "it does not name a holder"),
    ] {
        vandalise(&dir, path, content);
        let bad = tip(&dir);
        assert_ne!(bad, good);
        let args: &[&[&str]] = match path {
            "move/lease.json" => &[&["apply", "plan.yaml"], &["state", "list"]],
            _ => &[&["apply", "plan.yaml"], &["status", "move"], &["run", "--all", "--once"]],
        };
        for args in args {
            let said = one.ends(1, args);
            assert!(said.contains(reason), "{path} {args:?}: {said}");
        }
        assert_eq!(tip(&dir), bad, "{path}: nothing was written");
        assert_eq!(one.files.zone(), zone, "{path}: nothing was applied");
        git(&bare(&dir), &["update-ref", "refs/heads/cutover-state", good.trim()]);
    }
    one.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE);
}

#[test]
fn a_slow_store_and_one_that_refuses_are_told_apart() {
    let (dir, one) = machine("");
    hook(&dir, "pre-receive", "echo 'ask Ada for the right to push' >&2; exit 1");
    let said = one.ends(1, &["apply", "plan.yaml", "--auto-approve"]);
    assert!(said.contains("ask Ada for the right to push"), "{said}");
    assert_eq!(one.files.zone(), ZONE, "nothing was applied");
    hook(&dir, "pre-receive", "sleep 0.7");
    let slow = one.command(&["apply", "plan.yaml", "--auto-approve"]).output().expect("it runs");
    let (code, said) = crate::bind_fixture::said(&slow);
    // On a busy machine the pushes take longer than the plan's wait.
    assert!(code == 0 || code == 4 && said.contains("waiting: apply again"), "{code}: {said}");
    fs::remove_file(bare(&dir).join("hooks/pre-receive")).expect("removed");
    one.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE);
    // Whatever the branch is rewound to, nothing is begun a second time.
    let earlier = git(&bare(&dir), &["rev-parse", "cutover-state~6"]);
    git(&bare(&dir), &["update-ref", "refs/heads/cutover-state", earlier.trim()]);
    one.ends(0, &["state", "unlock", "move", "--auto-approve"]);
    let again = one.command(&["apply", "plan.yaml", "--wait"]).output().expect("it runs");
    let (code, said) = crate::bind_fixture::said(&again);
    assert!([0, 5].contains(&code), "found done, or taken for drift: {code}: {said}");
    assert_eq!(one.files.zone(), ZONE_DONE);
}

#[test]
fn the_cache_can_be_removed_and_is_packed_in_time() {
    let (_dir, one) = machine("");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    fs::remove_dir_all(one.files.path("cache")).expect("removed");
    let caches = one.files.path("cache/cutover/stores");
    let cache = || {
        let mut caches = fs::read_dir(&caches).expect("caches");
        caches.next().expect("one").expect("a cache").path()
    };
    one.ends(0, &["status", "move"]);
    let mode = fs::metadata(cache()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o77, 0, "nobody else reads it");
    let count = |below: &str| fs::read_dir(cache().join(below)).map_or(0, Iterator::count);
    assert_eq!(count("refs/cutover"), 0, "no process leaves anything behind");
    assert_eq!(count("objects/pack"), 0);
    // Many loose objects, as after thousands of entries.
    let paths: String = (0..8_000).map(|n| format!("many/{n}\n")).collect();
    fs::create_dir(cache().join("many")).expect("a directory");
    for path in paths.lines() {
        fs::write(cache().join(path), path).expect("written");
    }
    one.files.write("paths", &paths);
    let add = "git --git-dir=. hash-object -w --stdin-paths >/dev/null";
    let paths = fs::File::open(one.files.path("paths")).expect("a file");
    let added = Command::new("sh").args(["-c", add]).current_dir(cache()).stdin(paths).status();
    assert!(added.expect("a shell").success());
    one.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE);
    assert!(count("objects/pack") > 0, "it was packed");
}
