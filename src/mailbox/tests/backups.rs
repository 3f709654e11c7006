//! Backups: made, continued, checked by others, damaged, and restored.

use std::path::{Path, PathBuf};
use std::process::Command;

use cutover_mailbox::backup::{BackupError, Kept, Made, Restoring, bag_of, check, make, restore};
use cutover_mailbox::clock::RealClock;
use cutover_mailbox::copy::Pass;
use cutover_mailbox::error::Side;
use cutover_mailbox::ledger::Ledger;
use cutover_mailbox::report::{MailboxReport, Progress};

use crate::bed::{Bed, account, limits, run};
use crate::copies::{dots, slash, small};
use crate::mail::{TIME, append, commands, give_new_uids, odd, plain};

fn made(bed: &Bed, user: &str) -> Made {
    let bag = bag_of(&bed.dir().join("backups"), user);
    let account = account(&bed.old, "old", user);
    let progress = Progress::default();
    let made = make((Side::Old, &account), user, &bag, &RealClock, &progress);
    run(made).expect("a backup")
}

fn restored(bed: &Bed, user: &str, into: &str, folder: Option<&str>) -> MailboxReport {
    tried(bed, user, into, folder, Kept::AtLastBackup).expect("a bag")
}

fn tried(
    bed: &Bed,
    user: &str,
    into: &str,
    folder: Option<&str>,
    kept: Kept,
) -> Result<MailboxReport, BackupError> {
    let ledger = Ledger::open(&bed.ledger()).expect("a ledger");
    let progress = Progress::default();
    let pass = Pass {
        ledger: &ledger,
        aside: bed.aside(),
        clock: &RealClock,
        progress: &progress,
        limits: limits(),
    };
    let account = account(&bed.new, "new", into);
    let dir = bed.dir().join("backups");
    let (account, pass) = (&account, &pass);
    run(restore(&Restoring { dir: &dir, address: user, account, folder, kept, pass }))
}

fn bag(bed: &Bed, user: &str) -> PathBuf {
    bag_of(&bed.dir().join("backups"), user)
}

/// What coreutils say about the manifests of a bag.
fn sums_are_right(bag: &Path) -> bool {
    ["manifest-sha256.txt", "tagmanifest-sha256.txt"].iter().all(|manifest| {
        let mut command = Command::new("sha256sum");
        command.args(["--check", "--strict", "--quiet", manifest]).current_dir(bag);
        command.output().expect("coreutils").status.success()
    })
}

#[test]
fn a_backup_can_be_checked_by_anybody_and_restored_to_the_same_messages() {
    let bed = Bed::start(dots(), slash());
    for (at, (name, octets)) in odd().iter().enumerate() {
        let time = TIME + i64::try_from(at).expect("few");
        bed.old.deliver("u1", "", &name.replace(' ', "_"), octets, time);
    }
    let large = [&b"Subject: 2 MB\r\n\r\n"[..], &vec![b'x'; 2_000_000], b"\r\n"].concat();
    bed.old.deliver("u1", ".Large", "large", &large, TIME);
    small(&bed, "u1", ".Entw&APw-rfe", 10);
    let flags = ["\\Seen".to_owned(), "$Label".to_owned()];
    append(&bed.old, "u1", "INBOX", &[(&plain(5), &flags, "17-Jul-1996 02:44:25 -0700")]);
    let first = made(&bed, "u1");
    assert_eq!((first.counts.messages, first.counts.done), (29, 29), "{first:?}");
    assert!(sums_are_right(&bag(&bed, "u1")));
    let checked = check(&bag(&bed, "u1")).expect("a bag");
    assert_eq!((checked.problems.len(), checked.messages), (0, 29), "{checked:?}");
    let report = restored(&bed, "u1", "u1", None);
    assert!(report.is_complete() && report.total().copied == 29, "{report:#?}");
    assert_eq!(bed.same("u1"), 29);
    let again = restored(&bed, "u1", "u1", None).total();
    assert_eq!((again.copied, again.already), (0, 29));
    // One folder, to another mailbox.
    let report = restored(&bed, "u1", "u2", Some("INBOX.Entwürfe"));
    assert_eq!(report.total().copied, 11, "{report:#?}");
}

#[test]
fn a_later_backup_reads_only_what_is_new_and_keeps_what_is_gone() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    assert_eq!(made(&bed, "u1").counts.done, 11);
    commands(
        &bed.old,
        "u1",
        &[
            "SELECT INBOX",
            "UID STORE 1 +FLAGS (\\Flagged)",
            "UID STORE 2 +FLAGS (\\Deleted)",
            "EXPUNGE",
        ],
    );
    bed.old.deliver("u1", "", "later", &plain(77), TIME);
    let later = made(&bed, "u1");
    let counts = (later.counts.done, later.counts.already, later.gone);
    assert_eq!(counts, (1, 10, 1), "{later:?}");
    assert!(sums_are_right(&bag(&bed, "u1")));
    let report = restored(&bed, "u1", "u1", None);
    assert_eq!(report.total().copied, 11, "what is gone stays in the bag only");
    assert_eq!(bed.same("u1"), 11);
}

#[test]
fn one_flipped_bit_is_found_and_not_restored() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    made(&bed, "u1");
    let bag = bag(&bed, "u1");
    let message = std::fs::read_dir(bag.join("data/1")).expect("a directory").flatten().next();
    let message = message.expect("a message").path();
    let mut octets = std::fs::read(&message).expect("a message");
    octets[20] ^= 1;
    std::fs::write(&message, octets).expect("our own");
    assert!(!sums_are_right(&bag));
    let checked = check(&bag).expect("a bag");
    assert_eq!(checked.problems.len(), 1, "{checked:?}");
    assert!(checked.problems[0].ends_with("has changed: its digest is another"), "{checked:?}");
    let report = restored(&bed, "u1", "u1", None);
    let total = report.total();
    assert_eq!((total.copied, total.unreadable), (10, 1), "{report:#?}");
    assert!(!report.is_complete());
    std::fs::write(bag.join("data/stranger"), "x").expect("a file");
    let checked = check(&bag).expect("a bag");
    assert!(checked.problems.iter().any(|one| one == "data/stranger is not in the manifest"));
}

#[test]
fn a_backup_that_was_cut_off_is_continued() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 800);
    // The future is dropped in the middle, as a process that dies drops it.
    for cut in 0..4 {
        let bag = bag(&bed, "u1");
        let account = account(&bed.old, "old", "u1");
        let progress = Progress::default();
        let is_made = run(async {
            let making = make((Side::Old, &account), "u1", &bag, &RealClock, &progress);
            let read_enough = async {
                while progress.messages() < 60 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                made = making => made.is_ok(),
                () = read_enough => false,
            }
        });
        if is_made {
            assert!(cut > 0, "it was never cut off");
            break;
        }
        // The last line is torn, and so is a message.
        let index = bag.join("data/index.jsonl");
        let text = std::fs::read_to_string(&index).expect("an index");
        std::fs::write(&index, &text[..text.len() - 5]).expect("our own");
        let message = std::fs::read_dir(bag.join("data/1")).expect("a directory").flatten().next();
        std::fs::write(message.expect("a message").path(), "torn").expect("our own");
        let is_valid = check(&bag).is_ok_and(|checked| checked.problems.is_empty());
        assert!(!is_valid, "it is not finished");
    }
    let last = made(&bed, "u1");
    assert_eq!(last.counts.messages, 801);
    assert!(sums_are_right(&bag(&bed, "u1")));
    assert_eq!(check(&bag(&bed, "u1")).expect("a bag").problems, Vec::<String>::new());
    let report = restored(&bed, "u1", "u1", None);
    assert_eq!(report.total().copied, 801);
    assert_eq!(bed.same("u1"), 801);
}

#[test]
fn a_restore_brings_back_what_was_deleted_since_the_last_restore() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    made(&bed, "u1");
    assert_eq!(restored(&bed, "u1", "u1", None).total().copied, 11);
    for at in 0..2 {
        let delete = ["SELECT INBOX", "STORE 2:4 +FLAGS (\\Deleted)", "EXPUNGE"];
        commands(&bed.new, "u1", &delete);
        let total = restored(&bed, "u1", "u1", None).total();
        assert_eq!((total.copied, total.already), (3, 8), "round {at}");
        assert_eq!(bed.same("u1"), 11);
    }
}

#[test]
fn a_mailbox_that_was_emptied_can_still_be_restored_after_another_backup() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    small(&bed, "u1", ".Work", 3);
    made(&bed, "u1");
    let before = bed.judge("u1")[0].clone();
    // New UIDs: the bag has everything twice, and a restore brings it once.
    give_new_uids(&bed.old, "u1");
    assert_eq!(made(&bed, "u1").gone, 11);
    let empty = ["SELECT INBOX", "STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE", "DELETE Work"];
    commands(&bed.old, "u1", &empty);
    let last = made(&bed, "u1");
    assert_eq!((last.counts.messages, last.gone), (0, 26), "{last:?}");
    assert_eq!(check(&bag(&bed, "u1")).expect("a bag").problems, Vec::<String>::new());
    let error = tried(&bed, "u1", "u1", None, Kept::AtLastBackup).expect_err("an error");
    let error = error.to_string();
    assert!(
        error.contains("the mailbox was empty when the backup was last made: 15 messages"),
        "{error}"
    );
    let report = tried(&bed, "u1", "u1", None, Kept::Ever).expect("a bag");
    assert!(report.is_complete() && report.total().copied == 15, "{report:#?}");
    assert_eq!(bed.judge_new("u1"), before);
    let again = tried(&bed, "u1", "u1", None, Kept::Ever).expect("a bag").total();
    assert_eq!((again.copied, again.already), (0, 15));
}

#[test]
fn what_was_gone_at_the_last_backup_is_counted() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    made(&bed, "u1");
    commands(&bed.old, "u1", &["SELECT INBOX", "STORE 2:4 +FLAGS (\\Deleted)", "EXPUNGE"]);
    made(&bed, "u1");
    let report = restored(&bed, "u1", "u1", None);
    assert_eq!((report.total().copied, report.left_out), (8, 3), "{report:#?}");
    assert_eq!(tried(&bed, "u1", "u1", None, Kept::Ever).expect("a bag").total().copied, 3);
}

/// A bag whose files others have exchanged. `spoil` gets the bag and the file of a message.
#[track_caller]
fn spoiled(spoil: fn(&Path, &Path)) -> (Bed, Result<MailboxReport, BackupError>, Vec<String>) {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    std::fs::write(bed.dir().join("secret"), "a secret\n").expect("a file");
    made(&bed, "u1");
    let bag = bag(&bed, "u1");
    let message = std::fs::read_dir(bag.join("data/1")).expect("a directory").flatten().next();
    spoil(&bag, &message.expect("a message").path());
    let problems = match check(&bag) {
        Ok(checked) => checked.problems,
        Err(error) => vec![error.to_string()],
    };
    let report = tried(&bed, "u1", "u1", None, Kept::Ever);
    (bed, report, problems)
}

#[test]
fn links_and_pipes_in_a_bag_are_not_followed() {
    let link: fn(&Path, &Path) = |bag, message| {
        std::fs::remove_file(message).expect("our own");
        let secret = bag.join("../../secret");
        std::os::unix::fs::symlink(secret, message).expect("a link");
    };
    let pipe: fn(&Path, &Path) = |_, message| {
        std::fs::remove_file(message).expect("our own");
        let made = Command::new("mkfifo").arg(message).status();
        assert!(made.expect("coreutils").success());
    };
    for spoil in [link, pipe] {
        let (bed, report, problems) = spoiled(spoil);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let total = report.expect("a bag").total();
        assert_eq!((total.copied, total.unreadable), (10, 1));
        assert!(!bed.judge_new("u1").is_empty());
        // Another backup reads the message again, and leaves the file alone that the link named.
        assert_eq!(made(&bed, "u1").counts.done, 1);
        assert_eq!(check(&bag(&bed, "u1")).expect("a bag").problems, Vec::<String>::new());
        assert_eq!(std::fs::read(bed.dir().join("secret")).expect("a file"), b"a secret\n");
    }
    let (bed, report, problems) = spoiled(|bag, _| {
        std::fs::rename(bag.join("data/1"), bag.join("../../elsewhere")).expect("our own");
        std::os::unix::fs::symlink("../../../elsewhere", bag.join("data/1")).expect("a link");
    });
    assert!(
        problems.iter().any(|problem| problem.contains("it is not a directory")),
        "{problems:?}"
    );
    assert_eq!(report.expect("a bag").total().unreadable, 11);
    let account = account(&bed.old, "old", "u1");
    let (bag, progress) = (bag(&bed, "u1"), Progress::default());
    let made = run(make((Side::Old, &account), "u1", &bag, &RealClock, &progress));
    assert!(made.expect_err("an error").to_string().ends_with("it is not a directory"));
}

#[test]
fn nothing_is_believed_that_the_manifests_do_not_cover() {
    let index: fn(&Path, &Path) = |bag, _| {
        let path = bag.join("data/index.jsonl");
        let text = std::fs::read_to_string(&path).expect("an index");
        let without_last = &text[..text.trim_end().rfind('\n').expect("lines") + 1];
        std::fs::write(path, without_last).expect("our own");
    };
    let folders: fn(&Path, &Path) = |bag, _| {
        let path = bag.join("data/folders.json");
        let text = std::fs::read_to_string(&path).expect("a list");
        std::fs::write(path, text.replace("INBOX", "Other")).expect("our own");
    };
    let manifest: fn(&Path, &Path) = |bag, message| {
        std::fs::write(message, "edited").expect("our own");
        let digest = cutover_base::digest::Digest::of(b"edited").to_string();
        let path = bag.join("manifest-sha256.txt");
        let text = std::fs::read_to_string(&path).expect("a manifest");
        let name = message.strip_prefix(bag).expect("within").display().to_string();
        let lines = text.lines().map(|line| match line.ends_with(&name) {
            true => format!("{}  {name}\n", &digest[7..]),
            false => format!("{line}\n"),
        });
        std::fs::write(path, lines.collect::<String>()).expect("our own");
    };
    let address: fn(&Path, &Path) = |bag, _| {
        let path = bag.join("bag-info.txt");
        let text = std::fs::read_to_string(&path).expect("information");
        std::fs::write(path, text.replace(": u1", ": u2")).expect("our own");
    };
    for spoil in [index, folders, manifest, address] {
        let (bed, report, problems) = spoiled(spoil);
        assert!(!problems.is_empty());
        let error = report.expect_err("an error").to_string();
        assert!(
            error.ends_with("it has changed since the backup was made: nothing is restored"),
            "{error}"
        );
        let all = bed.judge_new("u1");
        assert!(all.iter().all(|line| line.ends_with("\tempty")), "{all:?}");
    }
}

#[test]
fn the_bag_of_another_address_is_neither_restored_nor_continued() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 3);
    made(&bed, "u1");
    std::fs::rename(bag(&bed, "u1"), bag(&bed, "u2")).expect("our own");
    let error = tried(&bed, "u2", "u2", None, Kept::Ever).expect_err("an error").to_string();
    assert!(error.ends_with("it is the backup of \"u1\""), "{error}");
    let account = account(&bed.old, "old", "u2");
    let (bag, progress) = (bag(&bed, "u2"), Progress::default());
    let made = run(make((Side::Old, &account), "u2", &bag, &RealClock, &progress));
    assert!(made.expect_err("an error").to_string().ends_with("it is the backup of \"u1\""));
    let error = tried(&bed, "u3", "u3", None, Kept::Ever).expect_err("an error").to_string();
    assert!(error.ends_with("there is no backup"), "{error}");
}

#[test]
fn addresses_that_no_file_can_have_get_bags_of_their_own() {
    let names = ["a@b.test", "A@b.test", "a/b@c.test", "a_b@c.test", "../x@y.test", "."];
    let bags: std::collections::BTreeSet<_> =
        names.iter().map(|name| bag_of(Path::new("d"), name)).collect();
    assert_eq!(bags.len(), names.len(), "{bags:?}");
    assert!(bags.iter().all(|bag| bag.parent() == Some(Path::new("d"))), "{bags:?}");
}
