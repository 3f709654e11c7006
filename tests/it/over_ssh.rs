//! A store in git over ssh, with a real server, and with a configuration of git that is against us.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use crate::bind_fixture::said;
use crate::lab::now;
use crate::shared::{Machine, git};
use crate::sshd::Sshd;
use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

/// A server with an empty repository in this directory, and the address of a store in it.
fn served(dir: &std::path::Path) -> Option<(Sshd, String)> {
    let Some(server) = Sshd::start() else {
        eprintln!("sshd cannot run in this user namespace: nothing was tested");
        return None;
    };
    git(dir, &["init", "--quiet", "--bare", "state.git"]);
    let store = server.url(server.address(), &dir.join("state.git"));
    Some((server, store))
}

impl Machine {
    /// The program with a configuration of git, and in an environment, that should not matter.
    fn hostile(&self, args: &[&str], config: &str) -> Command {
        let evil = self.files.path("evil-hooks");
        let script = format!("#!/bin/sh\necho $0 >>{}\nexit 1\n", self.files.path("ran").display());
        fs::create_dir_all(evil.join("hooks")).expect("a directory");
        let names = ["pre-push", "reference-transaction", "post-update", "pre-auto-gc", "gpg"];
        for name in names.into_iter().flat_map(|name| [name.to_owned(), format!("hooks/{name}")]) {
            fs::write(evil.join(&name), &script).expect("written");
            fs::set_permissions(evil.join(&name), fs::Permissions::from_mode(0o755)).expect("set");
        }
        let evil = evil.display();
        let common = format!(
            "[core]\n hooksPath = {evil}\n fsmonitor = {evil}/gpg\n autocrlf = true\n pager = false\n\
             [commit]\n gpgSign = true\n[tag]\n gpgSign = true\n[gpg]\n program = {evil}/gpg\n\
             [push]\n gpgSign = true\n followTags = true\n default = nothing\n pushOption = x\n\
             [push]\n recurseSubmodules = on-demand\n[init]\n templateDir = {evil}\n\
             [init]\n defaultBranch = x\n defaultObjectFormat = sha256\n defaultRefFormat = reftable\n\
             [alias]\n fetch = !{evil}/gpg\n push = !{evil}/gpg\n fast-import = !{evil}/gpg\n\
             [fetch]\n prune = true\n recurseSubmodules = true\n writeCommitGraph = true\n\
             [i18n]\n commitEncoding = ISO-8859-1\n[color]\n ui = always\n[gc]\n auto = 1\n\
             [maintenance]\n auto = true\n[receive]\n denyNonFastForwards = true\n"
        );
        self.files.write("gitconfig", common + config);
        let mut command = self.command(args);
        command.env("GIT_CONFIG_GLOBAL", self.files.path("gitconfig"));
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
            command.env(name, "/nowhere");
        }
        command.env("GIT_NAMESPACE", "elsewhere").env("GIT_TEMPLATE_DIR", "/nowhere");
        command.env("LC_ALL", "de_DE.UTF-8").env("GIT_TRACE", "1");
        command
    }

    #[track_caller]
    fn hostile_ends(&self, code: i32, args: &[&str], config: &str) -> String {
        let output = self.hostile(args, config).output().expect("the program can be run");
        let (ended, said) = said(&output);
        assert_eq!(ended, code, "{args:?}: {said}");
        assert_eq!(self.files.read("ran"), "", "nothing of the user's was run: {said}");
        said
    }
}

#[test]
fn a_run_over_ssh_needs_no_more_than_a_key() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some((server, store)) = served(dir.path()) else { return };
    let one = Machine { files: ZonefileFixture::new(), store: store.clone() };
    let other = Machine::beside(&one.files, &store);
    let ssh = server.command();
    // One machine has its key in the configuration, the other one in the environment.
    let config = format!("[core]\n sshCommand = \"{ssh}\"\n");
    one.hostile_ends(4, &["apply", "plan.yaml", "--auto-approve"], &config);
    let apply =
        other.command(&["apply", "plan.yaml", "--wait"]).env("GIT_SSH_COMMAND", &ssh).output();
    let (code, said) = said(&apply.expect("the program can be run"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(one.files.zone(), ZONE_DONE);
    one.hostile_ends(0, &["status", "plan.yaml", "--exit-code"], &config);
    let refs = git(&dir.path().join("state.git"), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/cutover-state\n");
    assert!(server.log().contains("Accepted publickey"), "{}", server.log());
}

#[test]
fn whoever_may_not_come_in_is_told_so_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some((_server, store)) = served(dir.path()) else { return };
    let one = Machine { files: ZonefileFixture::new(), store };
    let begun = now();
    // Without its key, and without knowing the server: ssh would ask at the terminal.
    let said = one.ends(1, &["apply", "plan.yaml", "--auto-approve"]);
    assert!(said.contains("cannot be reached: ") && said.contains("Host key"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "it asked somebody");
    assert_eq!(one.files.zone(), ZONE);
    let nowhere = "[url \"/nowhere/\"]\n insteadOf = ssh://\n";
    let said = one.hostile_ends(1, &["apply", "plan.yaml", "--auto-approve"], nowhere);
    assert!(said.contains("cannot be reached"), "{said}");
    assert_eq!(one.files.zone(), ZONE, "nothing was applied");
}

/// Git can push to another repository than the one it fetches from (`url.*.pushInsteadOf`): a run that
/// is written there would not be found again.
#[test]
fn a_run_is_written_where_it_is_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some((server, store)) = served(dir.path()) else { return };
    let one = Machine { files: ZonefileFixture::new(), store };
    let here = one.store.trim_start_matches("git+");
    let elsewhere = format!(
        "[core]\n sshCommand = \"{}\"\n[url \"{}\"]\n pushInsteadOf = {here}\n",
        server.command(),
        here.replace("state.git", "other.git"),
    );
    git(dir.path(), &["init", "--quiet", "--bare", "other.git"]);
    one.hostile_ends(4, &["apply", "plan.yaml", "--auto-approve"], &elsewhere);
    let refs = |name: &str| git(&dir.path().join(name), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!([refs("state.git"), refs("other.git")], ["refs/heads/cutover-state\n", ""]);
    one.hostile_ends(0, &["apply", "plan.yaml", "--wait"], &elsewhere);
    assert_eq!(one.files.zone(), ZONE_DONE);
}
