//! A store in git over HTTPS: `git http-backend` behind a real server with TLS and a password.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bind_fixture::said;
use crate::lab::Authority;
use crate::shared::{Machine, git};
use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

const USER: &str = "ada";
const PASSWORD: &str = "s3cret-w0rd";

/// A server with an empty repository `state.git`.
struct Forge {
    child: Child,
    port: u16,
    /// The authority that signed its certificate.
    authority: Authority,
}

impl Forge {
    fn new(dir: &Path) -> Self {
        git(dir, &["init", "--quiet", "--bare", "state.git"]);
        let authority = Authority::new();
        let pem = authority.signs("forge", &["localhost"]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/git_http.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(dir).arg(pem).arg(format!("{USER}:{PASSWORD}"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("python3 is installed");
        let mut port = String::new();
        let mut printed = BufReader::new(child.stdout.take().expect("it is piped"));
        printed.read_line(&mut port).expect("a port");
        let port = port.trim().parse().expect("a port");
        Self { child, port, authority }
    }

    fn store(&self, login: &str) -> String {
        format!("git+https://{login}@localhost:{}/state.git", self.port)
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program, which trusts this authority. Returns its exit code and output.
fn run(one: &Machine, authority: &Path, args: &[&str]) -> (i32, String) {
    let mut command = one.command(args);
    command.env("GIT_SSL_CAINFO", authority).env("GIT_CONFIG_GLOBAL", "/dev/null");
    said(&command.output().expect("the program can be run"))
}

#[test]
fn a_run_is_kept_in_a_repository_over_https() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let forge = Forge::new(dir.path());
    let trusted = forge.authority.file();
    let with = |login: &str| Machine { files: ZonefileFixture::new(), store: forge.store(login) };
    let one = with(&format!("{USER}:{PASSWORD}"));
    let ends = |code: i32, args: &[&str]| {
        let (ended, said) = run(&one, &trusted, args);
        assert_eq!(ended, code, "{args:?}: {said}");
        assert!(!said.contains(PASSWORD), "{args:?}: {said}");
        said
    };
    assert_eq!(ends(0, &["status", "--all"]), "no run yet\n");
    ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE);
    assert!(ends(0, &["state", "list"]).contains("finished"));
    let log = git(&dir.path().join("state.git"), &["log", "--format=%s", "cutover-state"]);
    assert!(log.lines().count() > 10, "{log}");

    // Nothing is begun, and nobody asks at the terminal, if the forge cannot be trusted, does not
    // know who it is, or is away.
    let stranger = Authority::new();
    let nobody = stranger.file();
    let wrong = with(&format!("{USER}:wr0ng"));
    let anonymous = with(USER);
    for (machine, authority, reason) in [
        (&with(&format!("{USER}:{PASSWORD}")), &nobody, "certificate"),
        (&wrong, &trusted, "Authentication failed"),
        (&anonymous, &trusted, "terminal prompts disabled"),
    ] {
        let (code, said) = run(machine, authority, &["apply", "plan.yaml", "--auto-approve"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(reason) && said.contains("cannot be reached"), "{reason}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains("wr0ng"), "{said}");
        assert_eq!(machine.files.zone(), ZONE);
    }
    drop(forge);
    let (code, said) = run(&one, &trusted, &["status", "plan.yaml"]);
    assert!(code == 1 && said.contains("cannot be reached"), "{said}");
}
