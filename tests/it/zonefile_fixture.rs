//! A plan over zone files in a temporary directory, whose waits take seconds, and the `cutover` program.
//! No server is needed or queried.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::bind_fixture::said;

/// The zone before the plan, with comments and a record that would colour a terminal.
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

/// The zone when the plan is done, written by hand.
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

/// A directory with `plan.yaml`, its zone, and a reload command that counts its calls.
pub(crate) struct ZonefileFixture {
    dir: TempDir,
}

impl ZonefileFixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir(fixture.path("zones")).expect("a directory can be made");
        fixture.write("zones/acme.test.zone", ZONE);
        fixture.write("plan.yaml", PLAN);
        fixture.write("reload.sh", "echo reloaded >> reloads\n");
        fixture
    }

    /// With a copy of the quick start and its zones.
    pub(crate) fn quickstart() -> Self {
        let fixture = Self::new();
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        fixture
            .write("quickstart.yaml", fs::read(plans.join("quickstart.yaml")).expect("the plan"));
        fs::create_dir(fixture.path("quickstart")).expect("a directory can be made");
        for entry in fs::read_dir(plans.join("quickstart")).expect("its zones") {
            let from = entry.expect("an entry").path();
            let name = from.file_name().expect("a name").to_string_lossy().into_owned();
            fixture.write(&format!("quickstart/{name}"), fs::read(&from).expect("a zone"));
        }
        fixture
    }

    /// With the sealed artifact in `plan.json`.
    pub(crate) fn planned() -> Self {
        let fixture = Self::new();
        fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
        fixture
    }

    /// With a run that waits after its first change.
    pub(crate) fn waiting() -> Self {
        let fixture = Self::planned();
        fixture.ends(4, &["apply", "plan.json", "--auto-approve"]);
        fixture
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

    fn prepare(&self, mut command: Command) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_cutover"));
        let folder = program.parent().expect("a program lies in a directory").display();
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env_remove("NO_COLOR");
        command.env_remove("CUTOVER_STATE");
        command.env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"));
        command
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.prepare(Command::new(env!("CARGO_BIN_EXE_cutover")));
        command.args(args);
        command
    }

    /// Runs the program to its end. Returns its exit code and its whole output.
    pub(crate) fn cutover(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().expect("the program can be run"))
    }

    /// Runs the program, which has to exit with this code. Returns its output.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> String {
        let (ended, said) = self.cutover(args);
        assert_eq!(ended, code, "{args:?}: {said}");
        said
    }

    /// Runs a shell script that has `cutover` in its path. The exit code is 128 plus the signal if the
    /// script was killed.
    pub(crate) fn shell(&self, script: &str) -> (i32, String) {
        let mut command = self.prepare(Command::new("sh"));
        let output = command.args(["-c", script]).output().expect("a shell");
        let (code, said) = said(&output);
        (output.status.signal().map_or(code, |signal| 128 + signal), said)
    }

    /// Every file below the directory, with its contents.
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

    /// Runs the program, which has to exit with this code and change no file. Returns its output.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, args: &[&str]) -> String {
        let before = self.files();
        let said = self.ends(code, args);
        // A process that takes the lock writes its name into it.
        let but_lock = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<_> {
            files.into_iter().filter(|(path, _)| !path.ends_with("lock")).collect()
        };
        assert!(but_lock(self.files()) == but_lock(before), "{args:?} changed a file: {said}");
        said
    }
}
