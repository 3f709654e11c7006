//! Each rule of the ledger.

use super::*;

fn digests(of: u8) -> Digests {
    let digest = Digest::of(&[of]);
    Digests { raw: digest, canonical: digest, octets: 1 }
}

fn fresh() -> (tempfile::TempDir, Ledger, FolderId) {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = Ledger::open(&dir.path().join("ledger")).expect("a ledger");
    let folder = ledger.folder(("old", "new"), (b"INBOX", b"INBOX")).expect("a folder");
    ledger.old_validity(folder, 1).expect("a change");
    ledger.new_validity(folder, 1).expect("a change");
    (dir, ledger, folder)
}

/// Begins a message with this content.
fn begin(ledger: &Ledger, folder: FolderId, uid: u32, of: u8) -> Option<Option<u32>> {
    let begun = Begun { uid, digests: digests(of), flags: "\\Seen" };
    ledger.begin(folder, &[begun]).expect("a change").get(&uid).copied()
}

fn copied(ledger: &Ledger, folder: FolderId, uid: u32, copy: u32, of: u8) {
    let copy = Some((copy, digests(of).canonical));
    let settled = Settled { uid, outcome: Outcome::Copied, copy, note: None };
    ledger.settle(folder, &[settled]).expect("a change");
}

#[test]
fn a_second_process_is_refused_and_the_lock_ends_with_the_first() {
    let (dir, ledger, _) = fresh();
    let path = dir.path().join("ledger");
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Locked(_))));
    drop(ledger);
    Ledger::open(&path).expect("the lock is gone");
}

#[test]
fn what_is_no_ledger_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger");
    std::fs::write(&path, "not a database, but long enough to be read as one").expect("a file");
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Sqlite(_))));
    std::fs::remove_file(&path).expect("a file");
    let foreign = Connection::open(&path).expect("a database");
    foreign.pragma_update(None, "user_version", 7).expect("a change");
    drop(foreign);
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Foreign { found: 7, .. })));
}

#[test]
fn a_lost_answer_is_found_by_its_digest_and_twins_are_two() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'a'), (3, b'b')] {
        assert_eq!(begin(&ledger, folder, uid, of), None);
    }
    assert_eq!(ledger.unknown_targets(folder, &[10, 11]).expect("a look"), [10, 11]);
    let found = [(10, digests(b'a').canonical), (11, digests(b'b').canonical)];
    ledger.add_targets(folder, &found).expect("a change");
    let (found, open) = ledger.claim_begun(folder).expect("a change");
    assert_eq!((found, open), (2, BTreeSet::from([2])));
    let compared = ledger.compare(folder, &[1, 2, 3, 4]).expect("a look");
    assert_eq!((compared.copied, compared.open), (2, vec![2, 4]));
    // Its copy is another's, so a third message of the same content is sent.
    assert_eq!(begin(&ledger, folder, 4, b'a'), None);
}

#[test]
fn new_uids_of_the_old_side_are_recognized_and_nothing_comes_back_that_was_deleted() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'b')] {
        begin(&ledger, folder, uid, of);
        copied(&ledger, folder, uid, uid + 100, of);
    }
    // The user has deleted the copy of the second.
    assert!(ledger.unknown_targets(folder, &[101]).expect("a look").is_empty());
    assert!(ledger.old_validity(folder, 2).expect("a change"));
    assert_eq!(ledger.compare(folder, &[7, 8, 9]).expect("a look").open, [7, 8, 9]);
    assert_eq!(begin(&ledger, folder, 7, b'b'), Some(None), "deleted at the new side");
    assert_eq!(begin(&ledger, folder, 8, b'a'), Some(Some(101)));
    assert_eq!(begin(&ledger, folder, 9, b'b'), None, "only as often as it was copied");
    assert!(!ledger.old_validity(folder, 2).expect("no change"));
}

#[test]
fn new_uids_of_the_new_side_are_looked_for() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'b')] {
        begin(&ledger, folder, uid, of);
        copied(&ledger, folder, uid, uid + 100, of);
    }
    assert!(ledger.new_validity(folder, 9).expect("a change"));
    assert_eq!(ledger.unknown_targets(folder, &[1]).expect("a look"), [1]);
    ledger.add_targets(folder, &[(1, digests(b'b').canonical)]).expect("a change");
    let (found, open) = ledger.claim_begun(folder).expect("a change");
    assert_eq!((found, open), (1, BTreeSet::from([1])), "one is lost there, and is copied again");
}

#[test]
fn what_disappears_before_it_is_copied_has_vanished() {
    let (_dir, ledger, folder) = fresh();
    begin(&ledger, folder, 1, b'a');
    begin(&ledger, folder, 2, b'b');
    copied(&ledger, folder, 2, 102, b'b');
    let compared = ledger.compare(folder, &[3]).expect("a look");
    let expected = Compared { open: vec![3], copied: 0, gone: 1, vanished: 1 };
    assert_eq!(compared, expected);
    let compared = ledger.compare(folder, &[3]).expect("a look");
    assert_eq!(compared.vanished, 0, "counted once");
}
