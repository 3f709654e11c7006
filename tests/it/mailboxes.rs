//! `cutover mailboxes`, from a plan, with real servers on both sides.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::MailboxHost;
use crate::lab::mailbox_host::{MASTER_PASSWORD, PASSWORD, Setup};

/// 2020-09-13.
const TIME: i64 = 1_600_000_000;

struct Case {
    old: MailboxHost,
    new: MailboxHost,
    dir: TempDir,
}

impl Case {
    /// Two hosts and a plan. The old one is opened by each user, the new one by a master.
    fn start() -> Self {
        let old =
            MailboxHost::start(&Setup { prefix: "INBOX.", separator: ".", ..Setup::default() });
        let new = MailboxHost::start(&Setup::default());
        let case = Self { old, new, dir: tempfile::tempdir().expect("a directory") };
        case.write("zones/.keep", "");
        case.write("master", MASTER_PASSWORD);
        let opened = |host: &MailboxHost, sign_in: &str| {
            format!(
                "\n    mailboxes:\n      imap: \"localhost:{}\"\n      authority: {}\n{sign_in}",
                host.tls_port(),
                host.authority().display()
            )
        };
        let master = "      sign_in: { master: { user: master, password: { file: master } } }\n";
        let (old, new) = (opened(&case.old, ""), opened(&case.new, master));
        let recipients = "  recipients: { file: recipients.csv }\n";
        case.write("plan.yaml", &plan(&old, &new, recipients));
        case
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn fill(&self, user: &str, count: usize) {
        for number in 0..count {
            let text = format!("Subject: {number}\r\nMessage-ID: <{number}@{user}>\r\n\r\nx\r\n");
            self.old.deliver(user, ".Work", &format!("w{number}"), text.as_bytes(), TIME);
        }
    }

    fn cutover(&self, args: &[&str]) -> (i32, String, String) {
        cutover(self.dir.path(), args)
    }
}

fn plan(old: &str, new: &str, recipients: &str) -> String {
    format!(
        "version: 1
name: acme
providers:
  dns: {{ type: zonefile, directory: zones }}
zones:
  acme.test: {{ provider: dns }}
hosts:
  old:
    exchanges: [ {{ preference: 10, name: mail.acme.test. }} ]{old}
  new:
    exchanges: [ {{ preference: 10, name: mx.host.example. }} ]{new}
migrate:
  domains: [ acme.test ]
  from: old
  to: new
{recipients}"
    )
}

/// The exit code, and what is said on both channels.
fn cutover(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).env("ANNA", PASSWORD);
    let output = command.output().expect("the program can be run");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let said = (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr));
    for secret in [PASSWORD, MASTER_PASSWORD, "wrong-password"] {
        assert!(!format!("{}{}", said.1, said.2).contains(secret), "{said:?}");
    }
    said
}

#[test]
fn mailboxes_are_copied_and_compared_from_a_plan_and_each_that_fails_is_named() {
    let case = Case::start();
    case.write(
        "recipients.csv",
        "address,kind,target,wave,old_user,old_secret\n\
         anna@acme.test,,,pilot,anna,env:ANNA\n\
         bert@acme.test,mailbox,,all,bert,file:bert.secret\n\
         info@acme.test,alias,anna@acme.test,,,\n\
         carl@acme.test,shared,,all,carl,env:NOT_THERE\n",
    );
    case.write("bert.secret", "wrong-password\n");
    case.fill("anna", 5);
    case.fill("bert", 3);
    let (code, out, err) = case.cutover(&["mailboxes", "copy", "plan.yaml", "--wave", "pilot"]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    let expected = "anna@acme.test: complete, 5 messages at the old side\n  \
        5 messages copied (195 B), 0 there before\n  folder INBOX.Work is Work at the new side\n";
    assert_eq!(out, expected);
    // The others: one has a wrong password, one has none, and the third is done.
    let (code, out, err) = case.cutover(&["mailboxes", "copy", "plan.yaml"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("anna@acme.test: complete") && out.contains("5 there before"), "{out}");
    assert!(out.contains("bert@acme.test: not complete"), "{out}");
    assert!(
        err.contains("bert@acme.test: old side: the sign-in is refused: NO [AUTHENTICATIONFAILED]")
    );
    let unread = "carl@acme.test: host `old`: the secret in the environment variable NOT_THERE cannot be read";
    assert!(err.contains(unread), "{err}");
    case.write("bert.secret", PASSWORD);
    let (code, out, _) = case.cutover(&[
        "mailboxes",
        "copy",
        "plan.yaml",
        "--only",
        "BERT@acme.test",
        "--format",
        "json",
    ]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &json["format"]), (0, &Value::from("cutover/mailboxes-copy/1")));
    assert_eq!(json["mailboxes"][0]["address"], "bert@acme.test");
    let (code, out, err) = case.cutover(&["mailboxes", "verify", "plan.yaml", "--wave", "pilot"]);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.starts_with("anna@acme.test: of 5 messages at the old side at 20"), "{out}");
    assert!(
        out.contains("5 were found at the new side at 20")
            && out.contains("  5 with equal octets, 0")
    );
    let lost = fs::read_dir(case.new.maildir("anna@acme.test").join(".Work/cur"));
    let lost = lost.expect("a directory").flatten().next().expect("a message").path();
    fs::remove_file(lost).expect("our own");
    let (code, out, err) = case.cutover(&["mailboxes", "verify", "plan.yaml", "--wave", "pilot"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("INBOX.Work: 1 message missing at the new side\n    UID ")
            && out.contains("@anna>")
    );
    assert!(err.contains("found at the new side: 1 missing, 0 altered, 0 not compared"), "{err}");
}

#[test]
fn backups_are_made_checked_and_restored_from_a_plan() {
    let case = Case::start();
    case.write("recipients.csv", "address,old_user,old_secret\nanna@acme.test,anna,env:ANNA\n");
    case.fill("anna", 5);
    let backup = ["mailboxes", "backup", "plan.yaml", "--to", "kept"];
    let (code, out, err) = case.cutover(&backup);
    assert_eq!((code, &*err), (0, ""));
    let expected =
        "anna@acme.test: 5 messages at the server, 5 new in the backup (195 B), 0 there before\n";
    assert_eq!(out, expected);
    let (code, out, err) = case.cutover(&["mailboxes", "check-backup", "kept/anna@acme.test"]);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.starts_with("kept/anna@acme.test: as it was made, 5 messages, "), "{out}");
    let restore = ["mailboxes", "restore", "plan.yaml", "--from", "kept"];
    let (code, out, err) = case.cutover(&restore);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("anna@acme.test: complete") && out.contains("5 messages copied"), "{out}");
    let (code, out, _) = case.cutover(&["mailboxes", "verify", "plan.yaml"]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = case.cutover(&["mailboxes", "inventory", "plan.yaml"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("anna@acme.test: 5 messages, 195 B, in 2 folders\n"), "{out}");
    assert!(
        out.contains("INBOX.Work: 5 messages, 195 B, the largest 39 B, from 2020-09-13"),
        "{out}"
    );
    // What is deleted at both sides since is left out of a restore, unless it is asked for.
    let old_folder = case.old.maildir("anna").join(".Work/cur");
    for folder in [old_folder, case.new.maildir("anna@acme.test").join(".Work/cur")] {
        let mut files: Vec<_> = fs::read_dir(folder).expect("a directory").flatten().collect();
        files.sort_by_key(|file| fs::read(file.path()).expect("a message"));
        fs::remove_file(files[0].path()).expect("our own");
    }
    assert_eq!(case.cutover(&backup).0, 0);
    let (code, out, err) = case.cutover(&restore);
    assert_eq!((code, &*err), (0, ""));
    let left_out =
        "  1 message left out, gone at the last backup; `--with-deleted` brings them too\n";
    assert!(out.contains("  0 messages copied (0 B), 4 there before\n"), "{out}");
    assert!(out.contains(left_out), "{out}");
    let (code, out, err) = case.cutover(&[&restore[..], &["--with-deleted"]].concat());
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("  1 message copied (39 B), 4 there before\n"), "{out}");
    let message = fs::read_dir(case.dir.path().join("kept/anna@acme.test/data/2"));
    let message = message.expect("a directory").flatten().next().expect("a message").path();
    fs::write(message, "edited").expect("our own");
    let (code, out, err) = case.cutover(&["mailboxes", "check-backup", "kept/anna@acme.test"]);
    assert_eq!(code, 1);
    assert!(out.contains("DAMAGED") && err.contains("has changed: its digest is another"), "{err}");
}

#[test]
fn a_plan_that_does_not_say_enough_gets_the_lines_to_add() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("zones")).expect("a directory");
    fs::write(dir.path().join("plan.yaml"), plan("", "", "")).expect("a file");
    let (code, out, err) = cutover(dir.path(), &["mailboxes", "copy", "plan.yaml"]);
    assert_eq!((code, &*out), (2, ""));
    insta::assert_snapshot!(err, @r#"
    error: the plan says too little about mailboxes
      how those of the host `old` are opened
      how those of the host `new` are opened
      which of them move
    help: add to `hosts:` `old:`
      mailboxes: { imap: "imap.example.com:993" }
    add to `hosts:` `new:`
      mailboxes: { imap: "imap.example.com:993" }
    add to `migrate:`
      recipients: { file: recipients.csv }
    whose first line is
      address,old_user,new_user,old_secret,new_secret
    "#);
}

#[test]
fn a_list_of_recipients_is_checked_as_a_whole_before_anything_is_done() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("zones")).expect("a directory");
    let opened = "\n    mailboxes: { imap: \"localhost:1\" }";
    let text = plan(opened, opened, "  recipients: { file: list.csv }\n");
    fs::write(dir.path().join("plan.yaml"), text).expect("a file");
    fs::write(dir.path().join("list.csv"), "address,kind\nanna,\nb@acme.test,mailbx\n")
        .expect("a file");
    let (code, _, err) = cutover(dir.path(), &["mailboxes", "verify", "plan.yaml"]);
    assert_eq!(code, 2);
    let err = err.replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(err, @r#"
    error[bad-recipient]: `anna` is not an address
     --> list.csv:2:1
      |
    2 | anna,
      | ^^^^^
      |
      = help: correct the line; `plans/README.md` describes the columns

    error[bad-recipient]: there is no kind `mailbx`: it is `mailbox`, `shared`, `resource`, `alias`, `forward`, `group`, `contact`
     --> list.csv:3:1
      |
    3 | b@acme.test,mailbx
      | ^^^^^^^^^^^^^^^^^^
      |
      = help: correct the line; `plans/README.md` describes the columns

    plan.yaml: 2 problems
    "#);
    assert!(!dir.path().join(".cutover").exists());
}
