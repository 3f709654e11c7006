//! One store for several machines: a branch of a git repository, chosen by `--state` or
//! `CUTOVER_STATE`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::s3;
use crate::zonefile_fixture::{ZONE_DONE, ZonefileFixture};

/// A new bare repository.
pub(crate) fn repository(dir: &Path) -> String {
    let bare = dir.join("state.git");
    git(dir, &["init", "--quiet", "--bare", "state.git"]);
    format!("git+file://{}", bare.display())
}

/// What `git` prints.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let ran = Command::new("git").args(args).current_dir(dir).output().expect("git is installed");
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// A machine with the plan and a cache of its own. The zone lies elsewhere, as at a provider.
pub(crate) struct Machine {
    pub(crate) files: ZonefileFixture,
    pub(crate) store: String,
}

impl Machine {
    /// A machine that writes the zone of another one.
    pub(crate) fn beside(other: &ZonefileFixture, store: &str) -> Self {
        let files = ZonefileFixture::new();
        fs::remove_dir_all(files.path("zones")).expect("a directory");
        symlink(other.path("zones"), files.path("zones")).expect("a link");
        Self { files, store: store.to_owned() }
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.files.command(args);
        command.env("CUTOVER_STATE", &self.store);
        command.env("XDG_CACHE_HOME", self.files.path("cache"));
        // Only a store in S3 looks for them.
        command.env("AWS_ACCESS_KEY_ID", s3::ID).env("AWS_SECRET_ACCESS_KEY", s3::SECRET);
        command
    }

    /// Runs the program, which has to exit with this code. Returns its output.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> String {
        let (ended, said) = said(&self.command(args).output().expect("the program can be run"));
        assert_eq!(ended, code, "{args:?}: {said}");
        said
    }
}

/// Two machines with one store, and the directory of its repository.
pub(crate) fn two_machines() -> (TempDir, Machine, Machine) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = repository(dir.path());
    let one = Machine { files: ZonefileFixture::new(), store: store.clone() };
    let other = Machine::beside(&one.files, &store);
    (dir, one, other)
}

#[test]
fn a_run_that_one_machine_begins_is_finished_by_another() {
    let (dir, one, other) = two_machines();
    one.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let said = one.ends(4, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.contains("waiting: apply again at"), "{said}");
    assert!(!one.files.path(".cutover").exists(), "the state is in the repository only");
    // The other machine has no artifact, and sees the whole run.
    let said = other.ends(0, &["status", "plan.yaml"]);
    assert!(said.contains("wait/lower/acme.test/www/A"), "{said}");
    assert_eq!(other.ends(4, &["status", "plan.yaml", "--exit-code"]), said);
    let said = other.ends(0, &["log", "plan.yaml"]);
    assert!(said.contains("lower/acme.test/www/A"), "{said}");
    let said = other.ends(2, &["confirm", "plan.yaml", "lower/acme.test/www/A", "--reason", "x"]);
    assert!(said.contains("not waiting for a person"), "{said}");
    let said = other.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert!(said.contains("done: everything matches the plan"), "{said}");
    assert_eq!(one.files.zone(), ZONE_DONE);
    one.ends(0, &["status", "plan.yaml", "--exit-code"]);
    // The branch says who did what.
    let log = git(&dir.path().join("state.git"), &["log", "--format=%an %s", "cutover-state"]);
    assert!(log.contains("move/0001: the run is created"), "{log}");
    assert!(log.lines().all(|line| line.starts_with("cutover ")), "{log}");
}

#[test]
fn an_option_wins_over_the_environment_and_is_repeated_in_suggestions() {
    let (dir, one, other) = two_machines();
    let branch = format!("{}?branch=elsewhere", one.store);
    one.ends(4, &["apply", "plan.yaml", "--auto-approve", "--state", &branch]);
    assert_eq!(one.ends(0, &["status", "plan.yaml"]), "no run yet\n");
    let said = other.ends(0, &["status", "plan.yaml", "--state", &branch]);
    assert!(said.contains("move"), "{said}");
    let branches = git(&dir.path().join("state.git"), &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches, "elsewhere\n");
    one.files.write("plan.yaml", one.files.read("plan.yaml").replace("113.80", "113.81"));
    let said = one.ends(2, &["apply", "plan.yaml", "--state", &branch]);
    assert!(said.contains("the run move/0001 continues with"), "{said}");
    let said = one.ends(0, &["plan", "plan.yaml", "--format", "markdown", "--state", &branch]);
    assert!(said.contains(&format!("--state '{branch}'")), "{said}");
}

#[test]
fn what_is_not_a_store_is_refused_with_the_reason() {
    let (dir, one, _) = two_machines();
    for (store, code, reason) in [
        ("file:///srv/state", 2, "no store has the scheme `file://`"),
        ("ftp://host/state", 2, "no store has the scheme `ftp://`"),
        ("git+ssh://forge.test", 2, "it names no repository"),
        ("git+ftp://forge.test/x", 2, "expected `git+file://`, `git+ssh://` or `git+https://`"),
        ("git+file:///x?depth=1", 2, "there is no option `depth`"),
        ("git+https://me:s3cret@forge.test/x?branch=..", 2, "me:[redacted]@forge.test"),
        ("git+file:///does/not/exist.git", 1, "does not appear to be a git repository"),
    ] {
        for args in [
            &["status", "plan.yaml"][..],
            &["plan", "plan.yaml"],
            &["apply", "plan.yaml", "--auto-approve"],
            &["log", "plan.yaml"],
            &["confirm", "plan.yaml", "x", "--reason", "y"],
            &["rollback", "plan.yaml"],
        ] {
            let said = one.ends(code, &[args, &["--state", store]].concat());
            assert!(said.contains(reason), "{args:?} {store}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
    // A branch with something else in it is not touched.
    git(dir.path(), &["init", "--quiet", "--initial-branch=main", "other"]);
    let other = dir.path().join("other");
    let commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty"];
    git(&other, &[&commit[..], &["-m", "x"]].concat());
    let store = format!("git+file://{}?branch=main", other.display());
    let said = one.ends(1, &["status", "plan.yaml", "--state", &store]);
    assert!(said.contains("the branch has other contents"), "{said}");
    assert_eq!(one.files.zone(), crate::zonefile_fixture::ZONE, "nothing was applied");
}
