//! Each rule of the ledger.

use std::collections::BTreeSet;

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
fn begin(ledger: &Ledger, folder: FolderId, uid: u32, of: u8) -> Option<There> {
    let (digests, likeness) = (digests(of), Likeness::default());
    let begun = Begun { uid, digests, likeness, date: None, flags: "\\Seen" };
    ledger.begin(folder, &[begun]).expect("a change").get(&uid).copied()
}

fn target(uid: u32, of: u8) -> FoundTarget {
    let canonical = digests(of).canonical;
    FoundTarget { uid, canonical, octets: 1, likeness: Likeness::default(), date: None }
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
    ledger.add_targets(folder, &[target(10, b'a'), target(11, b'b')]).expect("a change");
    let claimed = ledger.claim_begun(folder).expect("a change");
    assert_eq!((claimed.found, claimed.open), (2, BTreeSet::from([2])));
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
    assert_eq!(begin(&ledger, folder, 7, b'b'), Some(There::Deleted));
    assert_eq!(begin(&ledger, folder, 8, b'a'), Some(There::Copy(101)));
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
    ledger.made_anew("old", "new").expect("a change");
    assert_eq!(ledger.new_validity(folder, 9).expect("a change"), Anew::No);
    assert_eq!(ledger.unknown_targets(folder, &[1]).expect("a look"), [1]);
    ledger.add_targets(folder, &[target(1, b'b')]).expect("a change");
    let claimed = ledger.claim_begun(folder).expect("a change");
    assert_eq!(claimed.found, 1);
    assert_eq!(claimed.open, BTreeSet::from([1]), "one is lost there, and is copied again");
}

#[test]
fn a_folder_that_people_make_anew_is_not_filled_again() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'b')] {
        begin(&ledger, folder, uid, of);
        copied(&ledger, folder, uid, uid + 100, of);
    }
    ledger.set_gone(folder).expect("a change");
    assert_eq!(ledger.new_validity(folder, 9).expect("a change"), Anew::AfterPeople);
    ledger.add_targets(folder, &[target(1, b'b')]).expect("a change");
    assert_eq!(ledger.claim_copied(folder).expect("a change"), 1);
    assert_eq!(ledger.compare(folder, &[1, 2, 3]).expect("a look").open, [3]);
    assert_eq!(ledger.flags(folder, 2).expect("a look"), Some(("\\Seen".to_owned(), 1)));
    assert_eq!(ledger.flags(folder, 1).expect("a look"), None);
    // Nobody has seen that it was gone, so its messages may be lost.
    assert_eq!(ledger.new_validity(folder, 10).expect("a change"), Anew::Unseen);
    assert_eq!(ledger.compare(folder, &[1, 2, 3]).expect("a look").open, [1, 2, 3]);
}

#[test]
fn what_disappears_before_it_is_copied_has_vanished() {
    let (_dir, ledger, folder) = fresh();
    begin(&ledger, folder, 1, b'a');
    begin(&ledger, folder, 2, b'b');
    copied(&ledger, folder, 2, 102, b'b');
    let compared = ledger.compare(folder, &[3]).expect("a look");
    let expected = Compared { open: vec![3], gone: 1, vanished: 1, ..Compared::default() };
    assert_eq!(compared, expected);
    let compared = ledger.compare(folder, &[3]).expect("a look");
    assert_eq!(compared.vanished, 0, "counted once");
}

/// A message that is recognized by its Message-ID, or by its head if it has none.
fn like(uid: u32, of: u8, id: Option<u8>) -> (u32, Digests, Likeness) {
    let likeness = Likeness { id: id.map(|id| [id; 16]), head: Some([9; 16]) };
    (uid, Digests { octets: 1000, ..digests(of) }, likeness)
}

fn begin_like(
    ledger: &Ledger,
    folder: FolderId,
    (uid, digests, likeness): (u32, Digests, Likeness),
) -> Option<There> {
    let begun = Begun { uid, digests, likeness, date: Some(5), flags: "" };
    ledger.begin(folder, &[begun]).expect("a change").remove(&uid)
}

fn target_like((uid, digests, likeness): (u32, Digests, Likeness), date: i64) -> FoundTarget {
    let Digests { canonical, octets, .. } = digests;
    FoundTarget { uid, canonical, octets, likeness, date: Some(date) }
}

#[test]
fn a_changed_copy_whose_answer_was_lost_is_found_among_new_messages_only() {
    let (_dir, ledger, folder) = fresh();
    ledger.set_floor(folder, 10).expect("a change");
    assert_eq!(begin_like(&ledger, folder, like(1, b'a', Some(1))), None);
    assert_eq!(begin_like(&ledger, folder, like(2, b'b', Some(2))), None);
    assert_eq!(begin_like(&ledger, folder, like(3, b'c', None)), None);
    let new = [
        // It was there before: another message with the same Message-ID.
        target_like(like(9, b'x', Some(1)), 5),
        target_like(like(10, b'y', Some(2)), 99),
        // Exchange adds a Message-ID to a message without one.
        target_like(like(11, b'z', Some(7)), 99),
    ];
    ledger.add_targets(folder, &new).expect("a change");
    let claimed = ledger.claim_begun(folder).expect("a change");
    assert_eq!(claimed.alike, [(2, 10), (3, 11)]);
    assert_eq!(claimed.open, BTreeSet::from([1]));
}

#[test]
fn a_message_that_kept_its_octets_is_found_before_one_that_is_only_alike() {
    let (_dir, ledger, folder) = fresh();
    ledger.set_floor(folder, 1).expect("a change");
    // Two messages with one Message-ID, of which the second was stored.
    begin_like(&ledger, folder, like(1, b'a', Some(1)));
    begin_like(&ledger, folder, like(2, b'b', Some(1)));
    ledger.add_targets(folder, &[target_like(like(7, b'b', Some(1)), 5)]).expect("a change");
    let claimed = ledger.claim_begun(folder).expect("a change");
    assert_eq!((claimed.found, claimed.alike), (1, vec![]));
    assert_eq!(claimed.open, BTreeSet::from([1]));
}

#[test]
fn what_was_there_first_is_adopted_if_it_has_the_same_date_and_about_the_same_size() {
    let (_dir, ledger, folder) = fresh();
    let mut larger = target_like(like(4, b'w', Some(4)), 5);
    larger.octets = 1_000_000;
    let first =
        [target_like(like(1, b'x', Some(1)), 5), target_like(like(2, b'y', Some(2)), 6), larger];
    ledger.add_targets(folder, &first).expect("a change");
    ledger.set_floor(folder, 10).expect("a change");
    assert_eq!(begin_like(&ledger, folder, like(1, b'a', Some(1))), Some(There::Alike(1)));
    assert_eq!(begin_like(&ledger, folder, like(2, b'b', Some(2))), None, "another date");
    assert_eq!(begin_like(&ledger, folder, like(4, b'd', Some(4))), None, "another size");
    // What came later is not taken for it.
    ledger.add_targets(folder, &[target_like(like(12, b'z', Some(5)), 5)]).expect("a change");
    assert_eq!(begin_like(&ledger, folder, like(5, b'e', Some(5))), None);
}

#[test]
fn a_message_that_is_lost_is_sent_three_times_at_most() {
    let (_dir, ledger, folder) = fresh();
    for outcome in [Outcome::Lost, Outcome::Lost, Outcome::Unconfirmed] {
        assert_eq!(ledger.compare(folder, &[1]).expect("a look").open, [1]);
        begin(&ledger, folder, 1, b'a');
        copied(&ledger, folder, 1, 101, b'a');
        let arrivals = ledger.arrivals(folder, 100, &[]).expect("a look");
        assert_eq!(arrivals, Arrivals { gone: vec![1], unknown: vec![] });
        let ends = ledger.lose(folder, &arrivals.gone).expect("a change");
        assert_eq!(ends, BTreeMap::from([(1, outcome)]));
    }
    let compared = ledger.compare(folder, &[1]).expect("a look");
    assert_eq!((compared.open, compared.unconfirmed), (vec![], vec![1]));
}

#[test]
fn wrong_uids_in_answers_are_noticed_and_forgotten() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'b')] {
        begin(&ledger, folder, uid, of);
        // The server names the next UID each time.
        copied(&ledger, folder, uid, uid + 101, of);
    }
    let arrivals = ledger.arrivals(folder, 101, &[101, 102]).expect("a look");
    assert_eq!(arrivals, Arrivals { gone: vec![2], unknown: vec![101] });
    ledger.add_targets(folder, &[target(101, b'a')]).expect("a change");
    assert!(ledger.is_contradicted(folder, 101).expect("a look"));
    ledger.forget_copies(folder, 101).expect("a change");
    ledger.add_targets(folder, &[target(101, b'a'), target(102, b'b')]).expect("a change");
    assert_eq!(ledger.claim_begun(folder).expect("a change").found, 2);
    assert_eq!(ledger.flags(folder, 2).expect("a look"), Some(("\\Seen".to_owned(), 102)));
}

#[test]
fn whoever_restores_brings_back_what_was_deleted() {
    let (_dir, ledger, folder) = fresh();
    for (uid, of) in [(1, b'a'), (2, b'b')] {
        begin(&ledger, folder, uid, of);
        copied(&ledger, folder, uid, uid + 100, of);
    }
    ledger.unknown_targets(folder, &[101]).expect("a look");
    assert!(ledger.compare(folder, &[1, 2]).expect("a look").open.is_empty());
    ledger.forget_deleted(folder).expect("a change");
    assert_eq!(ledger.compare(folder, &[1, 2]).expect("a look").open, [2]);
}

#[test]
fn a_ledger_of_format_1_is_brought_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger");
    let old = Connection::open(&path).expect("a database");
    old.execute_batch(include_str!("format_1.sql")).expect("a change");
    drop(old);
    let ledger = Ledger::open(&path).expect("a ledger");
    let folder = ledger.folder(("old", "new"), (b"INBOX", b"INBOX")).expect("a folder");
    let compared = ledger.compare(folder, &[1, 2, 3]).expect("a look");
    assert_eq!((compared.copied, compared.open), (1, vec![2, 3]));
    assert_eq!(ledger.flags(folder, 1).expect("a look"), Some(("\\Seen".to_owned(), 101)));
    begin(&ledger, folder, 3, b'c');
    ledger.doubt(folder, &[3]).expect("the new outcomes are allowed");
    drop(ledger);
    Ledger::open(&path).expect("it has the format of today");
}
