//! A desk: a plan over zone files in a temporary directory, whose waits are seconds, and the
//! `cutover` program. No server is needed, and none is asked.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::bed::said;

/// The zone at the beginning: with comments, and a record that would colour a terminal.
pub(crate) const ZONE: &str = "\
; Kept in git: every line that is not changed stays.
$TTL 2
@  IN SOA ns1 hostmaster ( 7 ; serial
        3600 600 86400 1 )
   NS ns1 ; the only one
ns1 A 192.0.2.53
www   A 192.0.2.80    ; the site
note 1 TXT \"\\027[31mred\"
";

/// The zone when the plan is done: written by hand, not computed.
pub(crate) const ZONE_DONE: &str = "\
; Kept in git: every line that is not changed stays.
$TTL 2
@  IN SOA ns1 hostmaster ( 10 ; serial
        3600 600 86400 1 )
   NS ns1 ; the only one
ns1 A 192.0.2.53
www   2 A 203.0.113.80    ; the site
note 1 TXT \"\\027[31mred\"
";

const PLAN: &str = "\
version: 1
name: move
providers:
  files:
    type: zonefile
    directory: zones
    served: { assume_within: 1s }
    reload: [ sh, reload.sh ]
resolver: none
zones: { acme.test: { provider: files } }
records:
  - { id: site, zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 1s }
clocks: { margin: 0s, use: 0s }
";

/// A directory with a plan `plan.yaml`, its zone, and a reload command that counts its calls.
pub(crate) struct Desk {
    dir: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir(desk.path("zones")).expect("a directory can be made");
        desk.write("zones/acme.test.zone", ZONE);
        desk.write("plan.yaml", PLAN);
        desk.write("reload.sh", "echo reloaded >> reloads\n");
        desk
    }

    /// With the quick start that users copy, its zones beside it.
    pub(crate) fn quickstart() -> Self {
        let desk = Self::new();
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        desk.write("quickstart.yaml", fs::read(plans.join("quickstart.yaml")).expect("the plan"));
        fs::create_dir(desk.path("quickstart")).expect("a directory can be made");
        for entry in fs::read_dir(plans.join("quickstart")).expect("its zones") {
            let from = entry.expect("an entry").path();
            let name = from.file_name().expect("a name").to_string_lossy().into_owned();
            desk.write(&format!("quickstart/{name}"), fs::read(&from).expect("a zone"));
        }
        desk
    }

    /// With the artifact of the plan in `plan.json`.
    pub(crate) fn planned() -> Self {
        let desk = Self::new();
        desk.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
        desk
    }

    /// With a run that waits: its first change is written.
    pub(crate) fn waiting() -> Self {
        let desk = Self::planned();
        desk.ends(4, &["apply", "plan.json", "--auto-approve"]);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file can be written");
    }

    pub(crate) fn zone(&self) -> String {
        self.read("zones/acme.test.zone")
    }

    /// The journal of the first run.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path(".cutover/move/0001/journal.jsonl")
    }

    /// How often the reload command was run.
    pub(crate) fn reloads(&self) -> usize {
        self.read("reloads").lines().count()
    }

    fn prepared(&self, mut command: Command) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_cutover"));
        let folder = program.parent().expect("a program lies in a directory").display();
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env_remove("NO_COLOR");
        command.env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"));
        command
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.prepared(Command::new(env!("CARGO_BIN_EXE_cutover")));
        command.args(args);
        command
    }

    /// Runs the program to its end; its exit code, and all that it said.
    pub(crate) fn cutover(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().expect("the program can be run"))
    }

    /// Runs the program, which has to end with this code; what it said.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> String {
        let (ended, said) = self.cutover(args);
        assert_eq!(ended, code, "{args:?}: {said}");
        said
    }

    /// Runs a shell script in which `cutover` is the program; 128 and the signal where it is killed.
    pub(crate) fn shell(&self, script: &str) -> (i32, String) {
        let mut command = self.prepared(Command::new("sh"));
        let output = command.args(["-c", script]).output().expect("a shell");
        let (code, said) = said(&output);
        (output.status.signal().map_or(code, |signal| 128 + signal), said)
    }

    /// Every file below the directory, with its octets.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).expect("a directory") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => open.push(path),
                    false => files.push((path.clone(), fs::read(path).expect("a file"))),
                }
            }
        }
        files.sort();
        files
    }

    /// Runs the program, which has to end with this code and to touch no file; what it said.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, args: &[&str]) -> String {
        let before = self.files();
        let said = self.ends(code, args);
        // Whoever takes the lock writes its name into it.
        let but_lock = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<_> {
            files.into_iter().filter(|(path, _)| !path.ends_with("lock")).collect()
        };
        assert!(but_lock(self.files()) == but_lock(before), "{args:?} touched a file: {said}");
        said
    }
}
