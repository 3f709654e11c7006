//! Servers whose answers are wrong: about what they have stored, where, and as what.

use std::time::Duration;

use cutover_mailbox::account::Pair;
use cutover_mailbox::clock::RealClock;
use cutover_mailbox::copy::{Limits, Pass, copy};
use cutover_mailbox::ledger::Ledger;
use cutover_mailbox::report::{MailboxReport, Progress};

use crate::bed::{Bed, limits, run};
use crate::copies::{slash, small};
use crate::mail::{TIME, append, commands, give_new_uids, plain};
use crate::store::{Fault, Manners, Store, Stored};

/// A real old side.
fn bed(count: usize) -> Bed {
    let bed = Bed::start(slash(), slash());
    fill(&bed, "u1", count);
    bed
}

/// Gives a user so many messages at the old side.
fn fill(bed: &Bed, user: &str, count: usize) {
    for number in 0..count {
        bed.old.deliver(user, "", &format!("s{number}"), &plain(number), TIME);
    }
}

fn pair(bed: &Bed, store: &Store) -> Pair {
    pair_of(bed, store, "u1")
}

fn pair_of(bed: &Bed, store: &Store, user: &str) -> Pair {
    Pair { new: store.account(bed, user), ..bed.pair(user) }
}

fn copied_with(bed: &Bed, pair: &Pair, ledger: &str) -> MailboxReport {
    let ledger = Ledger::open(&bed.dir().join(ledger)).expect("a ledger");
    let limits = Limits { settle_max: Duration::from_millis(300), ..limits() };
    let progress = Progress::default();
    let pass = Pass {
        ledger: &ledger,
        aside: bed.aside(),
        clock: &RealClock,
        progress: &progress,
        limits,
    };
    run(copy(std::slice::from_ref(pair), &pass)).remove(0)
}

fn copied(bed: &Bed, pair: &Pair) -> MailboxReport {
    copied_with(bed, pair, "ledger.sqlite")
}

/// A fault for one of the messages that are sent, counted from 1.
fn at(
    number: usize,
    fault: fn() -> Fault,
) -> impl FnMut(&crate::store::Asked<'_>) -> Option<Fault> {
    let mut count = 0;
    move |asked| {
        count += usize::from(asked.words.starts_with("APPEND"));
        (asked.words.starts_with("APPEND") && count == number).then(fault)
    }
}

fn subjects(count: usize) -> Vec<String> {
    let mut subjects: Vec<String> = (0..count).map(|number| format!("number {number}")).collect();
    subjects.sort();
    subjects
}

/// A message whose storing is only claimed is not copied, and the next pass sends it again.
#[track_caller]
fn lost_then_found(bed: &Bed, user: &str, number: usize, manners: Manners, fault: fn() -> Fault) {
    fill(bed, user, 8);
    let store = Store::start(manners, at(number, fault));
    let pair = pair_of(bed, &store, user);
    let report = copied(bed, &pair);
    let total = report.total();
    assert_eq!((total.copied, total.lost, total.unconfirmed), (7, 1, 0), "{report:#?}");
    assert!(!report.is_complete());
    let note = &report.folders[0].notes[0].text;
    assert!(note.ends_with("it is not there: the next pass sends it again"), "{note}");
    store.repent();
    let report = copied(bed, &pair);
    assert!(report.is_complete() && report.total().copied == 1, "{report:#?}");
    assert_eq!(store.subjects("INBOX"), subjects(8));
}

#[test]
fn an_ok_for_a_message_that_is_not_there_does_not_count() {
    let silent = Manners { names_no_uids: true, ..Manners::default() };
    let plain = Manners::default();
    let bed = bed(0);
    let kinds: [(Manners, fn() -> Fault); 4] = [
        (silent, || Fault::Says("OK done")),
        (plain, || Fault::Says("OK done")),
        (plain, || Fault::Says("OK [APPENDUID 7 {next}] done")),
        (plain, || Fault::Says("OK [APPENDUID 7 4000000] done")),
    ];
    for (kind, (manners, fault)) in kinds.into_iter().enumerate() {
        for number in [1, 4, 8] {
            lost_then_found(&bed, &format!("k{kind}n{number}"), number, manners, fault);
        }
    }
}

#[test]
fn a_message_that_is_always_lost_is_sent_three_times_and_then_only_named() {
    let bed = bed(2);
    let store = Store::start(Manners::default(), |asked| {
        let is_it = asked.literal.windows(10).any(|words| words == b"number 1\r\n");
        is_it.then_some(Fault::Says("OK [APPENDUID 7 {next}] done"))
    });
    let pair = pair(&bed, &store);
    let mut ends = Vec::new();
    for _ in 0..4 {
        let report = copied(&bed, &pair);
        assert!(!report.is_complete());
        let total = report.total();
        ends.push((total.lost, total.unconfirmed));
    }
    assert_eq!(ends, [(1, 0), (1, 0), (0, 1), (0, 1)]);
}

/// Whatever the answers name, each message is there once, and its flags are followed.
#[track_caller]
fn wrong_uids(bed: &Bed, user: &str, fault: fn(usize) -> Option<Fault>) {
    fill(bed, user, 6);
    let mut count = 0;
    let store = Store::start(Manners::default(), move |asked| {
        count += usize::from(asked.words.starts_with("APPEND"));
        asked.words.starts_with("APPEND").then(|| fault(count)).flatten()
    });
    store.folders().get_mut("INBOX").expect("a folder").add(&plain(900), "", "x");
    let pair = pair_of(bed, &store, user);
    let report = copied(bed, &pair);
    let total = report.total();
    assert!(report.is_complete() && total.copied == 6, "{report:#?}");
    store.repent();
    commands(&bed.old, user, &["SELECT INBOX", "UID STORE 2 +FLAGS (\\Flagged)"]);
    assert_eq!(copied(bed, &pair).total().flags_changed, 1);
    let folders = store.folders();
    let of = |mail: &Stored| mail.octets.windows(9).any(|words| words == b"number 1\r");
    let flagged: Vec<&Stored> =
        folders["INBOX"].mails.iter().filter(|mail| mail.flags.contains("Flagged")).collect();
    assert!(flagged.len() == 1 && of(flagged[0]), "{flagged:#?}");
    assert_eq!(folders["INBOX"].mails.len(), 7);
}

#[test]
fn a_uid_of_another_message_is_not_believed() {
    let bed = bed(0);
    let stores: [fn(usize) -> Option<Fault>; 6] = [
        // The next one, always the first, one that was there before, none, of another folder.
        |_| Some(Fault::StoresAndSays("OK [APPENDUID 7 {wrong}] done")),
        |_| Some(Fault::StoresAndSays("OK [APPENDUID 7 2] done")),
        |_| Some(Fault::StoresAndSays("OK [APPENDUID 7 1] done")),
        |_| Some(Fault::StoresAndSays("OK [APPENDUID 7 0] done")),
        |_| Some(Fault::StoresAndSays("OK [APPENDUID 8 {uid}] done")),
        // Two are exchanged.
        |number| match number {
            1 => Some(Fault::StoresAndSays("OK [APPENDUID 7 3] done")),
            2 => Some(Fault::StoresAndSays("OK [APPENDUID 7 2] done")),
            _ => None,
        },
    ];
    for (number, fault) in stores.into_iter().enumerate() {
        wrong_uids(&bed, &format!("u{number}"), fault);
    }
}

/// What Exchange does, in short: a field more, and header fields folded anew.
fn exchange(octets: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(octets).replacen("Subject: ", "Subject:\r\n ", 1);
    format!("Received: from x\r\n{text}").into_bytes()
}

const EXCHANGE: Manners = Manners {
    rewrites: Some(exchange),
    folds_case: true,
    name_octets_max: None,
    names_no_uids: false,
};

#[test]
fn a_lost_answer_of_a_host_that_rewrites_messages_doubles_nothing() {
    let bed = bed(0);
    for manners in [EXCHANGE, Manners { names_no_uids: true, ..EXCHANGE }] {
        for number in [1, 4, 8] {
            let user = format!("{}{number}", manners.names_no_uids);
            fill(&bed, &user, 8);
            let store = Store::start(manners, at(number, || Fault::DoesAndHangs));
            let pair = pair_of(&bed, &store, &user);
            let report = copied(&bed, &pair);
            assert!(report.is_complete(), "{report:#?}");
            assert_eq!(store.folders()["INBOX"].mails.len(), 8, "{report:#?}");
            let notes = &report.folders[0].notes;
            let is_named = |text: &str| text.starts_with("the new side has it as UID");
            assert!(notes.iter().any(|note| is_named(&note.text)), "{notes:#?}");
            // New UIDs at either side double nothing either.
            store.folders().get_mut("INBOX").expect("a folder").validity = 99;
            assert!(copied(&bed, &pair).is_complete());
            give_new_uids(&bed.old, &user);
            assert!(copied(&bed, &pair).is_complete());
            assert_eq!(store.folders()["INBOX"].mails.len(), 8);
        }
    }
}

#[test]
fn another_ledger_adopts_what_is_there_and_brings_the_rest() {
    for manners in [EXCHANGE, Manners::default()] {
        let bed = bed(8);
        // One without a Message-ID, and one with that of another message.
        let date = "13-Sep-2020 12:26:40 +0000";
        let bare = b"From: x@acme.test\r\nDate: Sun, 13 Sep 2020 12:26:41 +0000\r\n\r\nbare\r\n";
        append(&bed.old, "u1", "INBOX", &[(bare, &[], date)]);
        let store = Store::start(manners, |_| None);
        let pair = pair(&bed, &store);
        assert_eq!(copied_with(&bed, &pair, "one").total().copied, 9);
        bed.old.deliver("u1", "", "later", &plain(77), TIME);
        let edited = String::from_utf8(plain(3)).expect("text").replace("number 3", "a draft");
        append(&bed.old, "u1", "INBOX", &[(edited.as_bytes(), &[], "14-Sep-2020 12:00:00 +0000")]);
        let report = copied_with(&bed, &pair, "two");
        let total = report.total();
        assert!(report.is_complete(), "{report:#?}");
        assert_eq!((total.copied, total.already), (2, 9), "{report:#?}");
        assert_eq!(store.folders()["INBOX"].mails.len(), 11);
        // The first does not bring again what the second has brought unchanged.
        let copies = if manners.rewrites.is_some() { 13 } else { 11 };
        assert!(copied_with(&bed, &pair, "one").is_complete());
        assert_eq!(store.folders()["INBOX"].mails.len(), copies);
    }
}

#[test]
fn another_ledger_adopts_what_a_real_host_has_in_another_form() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    let pairs = [bed.pair("u1")];
    for number in 0..11 {
        let octets = exchange(&plain(number % 10));
        bed.new.deliver("u1", "", &format!("n{number}"), &octets, TIME);
    }
    let report = bed.copy(&pairs).remove(0);
    let total = report.total();
    assert_eq!((total.copied, total.already), (0, 11), "{report:#?}");
    let verdict = bed.verify(&pairs)[0].verdict();
    assert_eq!((verdict.present, verdict.altered, verdict.missing), (0, 11, 0));
}

#[test]
fn what_people_have_deleted_stays_deleted_when_the_old_side_gives_new_uids() {
    let bed = bed(8);
    let pairs = [bed.pair("u1")];
    assert_eq!(bed.copy(&pairs)[0].total().copied, 8);
    commands(&bed.new, "u1", &["SELECT INBOX", "STORE 2:4 +FLAGS (\\Deleted)", "EXPUNGE"]);
    give_new_uids(&bed.old, "u1");
    let total = bed.copy(&pairs)[0].total();
    assert_eq!((total.copied, total.already), (0, 8), "{total:#?}");
    assert_eq!(bed.judge_new("u1").len(), 5);
}

#[test]
fn a_folder_that_disappears_while_it_is_filled_stops_and_nothing_is_put_aside() {
    let bed = bed(8);
    append(&bed.old, "u1", "INBOX", &[(&plain(9), &[], "13-Sep-2020 12:26:40 +0000")]);
    commands(&bed.old, "u1", &["CREATE Work"]);
    append(&bed.old, "u1", "Work", &[(&plain(10), &[], "13-Sep-2020 12:26:40 +0000")]);
    let store = Store::start(Manners::default(), |asked| {
        let is_inbox = asked.words.starts_with("APPEND \"INBOX\"");
        is_inbox.then_some(Fault::Says("NO [TRYCREATE] no such folder"))
    });
    let pair = pair(&bed, &store);
    let report = copied(&bed, &pair);
    assert_eq!((report.error.as_deref(), report.total().copied), (None, 1), "{report:#?}");
    let error = report.folders[0].error.as_deref().expect("an error");
    assert!(
        error.ends_with("folder INBOX cannot be used: NO [TRYCREATE] no such folder"),
        "{error}"
    );
    assert!(!bed.aside().exists());
    store.repent();
    assert!(copied(&bed, &pair).is_complete());
    assert_eq!(store.folders()["INBOX"].mails.len(), 9);
}

#[test]
fn flags_that_are_refused_are_tried_again() {
    let bed = bed(3);
    let store = Store::start(Manners::default(), |_| None);
    let pair = pair(&bed, &store);
    assert_eq!(copied(&bed, &pair).total().copied, 3);
    commands(&bed.old, "u1", &["SELECT INBOX", "UID STORE 2 +FLAGS (\\Flagged)"]);
    // Later, in the same pass; and not at all, until the next.
    let mut left = 2;
    let mut words = "NO [UNAVAILABLE] later";
    store.obey(move |asked| {
        let is_store = asked.words.starts_with("UID STORE") && left > 0;
        is_store.then(|| {
            left -= 1;
            Fault::Says(std::mem::replace(&mut words, "NO never"))
        })
    });
    let report = copied(&bed, &pair);
    let notes: Vec<&str> = report.folders[0].notes.iter().map(|note| &*note.text).collect();
    assert_eq!(notes, ["the new side refuses a change of flags: NO never"]);
    assert!(report.waited_ms > 0 && report.total().flags_changed == 0, "{report:#?}");
    assert_eq!(copied(&bed, &pair).total().flags_changed, 1);
    let folders = store.folders();
    let flags: Vec<&str> = folders["INBOX"].mails.iter().map(|mail| &*mail.flags).collect();
    assert_eq!(flags, ["", "\\Flagged", ""]);
}

#[test]
fn a_literal_that_is_shorter_than_its_message_is_not_copied() {
    use crate::fake::{Fake, fetched};
    let bed = Bed::start(slash(), slash());
    let date = "INTERNALDATE \"13-Sep-2020 12:26:40 +0000\" FLAGS ()";
    let fake = Fake::start(3, move |command| {
        let set = command.strip_prefix("UID FETCH ")?;
        let range = set.split(' ').next().expect("a set");
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        let mut answer = Vec::new();
        for uid in from..=to {
            let body = format!("Subject: {uid}\r\n\r\nline\r\nline\r\n").into_bytes();
            let whole = fetched(uid, date, &body);
            let announced = format!("{{{}}}", body.len());
            let less = format!("{{{}}}", body.len() - 7);
            let text = String::from_utf8(whole).expect("text");
            answer.extend(if uid == 2 { text.replace(&announced, &less) } else { text }.bytes());
        }
        Some((answer, "OK done".to_owned()))
    });
    let report = copied(&bed, &fake.pair(&bed, "u1", true));
    let total = report.total();
    assert_eq!((total.copied, total.unreadable), (2, 1), "{report:#?}");
    let note = &report.folders[0].notes[0];
    assert_eq!(note.uid, 2);
    assert!(note.text.ends_with("the answer has another length than the server says"), "{note:?}");
    assert_eq!(bed.judge_new("u1").len(), 2);
}
