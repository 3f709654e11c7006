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
use crate::mail::{TIME, append, commands, odd, plain};

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
fn addresses_that_no_file_can_have_get_bags_of_their_own() {
    let names = ["a@b.test", "A@b.test", "a/b@c.test", "a_b@c.test", "../x@y.test", "."];
    let bags: std::collections::BTreeSet<_> =
        names.iter().map(|name| bag_of(Path::new("d"), name)).collect();
    assert_eq!(bags.len(), names.len(), "{bags:?}");
    assert!(bags.iter().all(|bag| bag.parent() == Some(Path::new("d"))), "{bags:?}");
}
