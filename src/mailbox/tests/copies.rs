//! Whole copies, and passes after them.

use cutover_imap::{Secret, Security, SignIn};
use cutover_mailbox::report::FolderReport;
use cutover_mailbox::verify::FolderComparison;

use crate::bed::{Bed, password, server};
use crate::lab::mailbox_host::{MASTER_PASSWORD, Setup};
use crate::mail::{TIME, append, commands, odd, plain};

pub(crate) fn slash() -> Setup {
    Setup::default()
}

pub(crate) fn dots() -> Setup {
    Setup { prefix: "INBOX.", separator: ".", ..Setup::default() }
}

/// Fills a mailbox with everything that trips programs.
fn fill(bed: &Bed, user: &str) {
    for (at, (name, octets)) in odd().iter().enumerate() {
        let time = TIME + i64::try_from(at).expect("few");
        bed.old.deliver(user, "", &name.replace(' ', "_"), octets, time);
    }
    for number in 0..150 {
        bed.old.deliver(user, ".Work", &format!("w{number}"), &plain(number), TIME);
    }
    // Twins are two messages.
    for twin in 0..3 {
        bed.old.deliver(user, ".Work", &format!("t{twin}"), &plain(7), TIME);
    }
}

#[test]
fn every_message_arrives_once_with_its_flags_and_dates_and_a_second_pass_finds_nothing_to_do() {
    let bed = Bed::start(dots(), slash());
    fill(&bed, "u1");
    let keywords: Vec<String> = (0..40).map(|number| format!("Keyword{number}")).collect();
    let flags = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let all = flags("\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded");
    append(
        &bed.old,
        "u1",
        "INBOX",
        &[
            (&plain(500), &keywords, "17-Jul-1996 02:44:25 -0700"),
            (&plain(501), &all, "01-Jan-1970 00:00:01 +0000"),
            (&plain(502), &[], "18-Jan-2038 03:14:07 +0000"),
        ],
    );
    commands(
        &bed.old,
        "u1",
        &[
            "CREATE \"INBOX.Entw&APw-rfe &ZeVnLIqe-.2024\"",
            "CREATE \"INBOX.with \\\"quotes\\\" and (brackets) {3}\"",
            "CREATE INBOX.empty",
            "SUBSCRIBE INBOX.Work",
        ],
    );
    let large = [&b"Subject: 20 MB\r\n\r\n"[..], &vec![b'x'; 20_000_000], b"\r\n"].concat();
    bed.old.deliver("u1", ".Large", "large", &large, TIME);
    let pairs = [bed.pair("u1")];
    let report = bed.copy(&pairs).remove(0);
    assert!(report.is_complete(), "{report:#?}");
    let total = report.total();
    assert_eq!(total.copied, total.messages);
    assert_eq!(bed.same("u1") as u64, total.messages);
    let compared = bed.verify(&pairs).remove(0);
    assert!(compared.has_all(), "{compared:#?}");
    let found = |folder: &FolderComparison| (folder.equal, folder.canonically_equal);
    let (equal, canonically) =
        compared.folders.iter().map(found).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    // Dovecot ends a last line that ends in a bare CR when it stores it again.
    assert_eq!((equal, canonically), (total.messages - 1, 1), "{compared:#?}");
    let again = bed.copy(&pairs).remove(0).total();
    assert_eq!((again.copied, again.already, again.flags_changed), (0, total.messages, 0));
    let subscribed = bed.new.doveadm(&["mailbox", "list", "-s", "-u", "u1"]);
    assert_eq!(subscribed.trim(), "Work");
}

/// A small mailbox with twins.
pub(crate) fn small(bed: &Bed, user: &str, folder: &str, count: usize) {
    for number in 0..count {
        bed.old.deliver(user, folder, &format!("s{number}"), &plain(number), TIME);
    }
    bed.old.deliver(user, folder, "twin", &plain(0), TIME);
}

#[test]
fn a_pass_does_with_every_set_of_capabilities() {
    let all = "IMAP4rev1 SASL-IR LITERAL+ MULTIAPPEND UIDPLUS NAMESPACE LIST-EXTENDED SPECIAL-USE CONDSTORE";
    let sets: Vec<String> = all
        .split(' ')
        .filter(|one| ["LITERAL+", "MULTIAPPEND", "UIDPLUS", "CONDSTORE"].contains(one))
        .map(|off| all.split(' ').filter(|one| *one != off).collect::<Vec<_>>().join(" "))
        .chain(["IMAP4rev1", "IMAP4rev1 LITERAL- UIDPLUS", "IMAP4rev1 UIDPLUS"].map(str::to_owned))
        .collect();
    for set in sets {
        let setup =
            Setup { capabilities: Some(Box::leak(set.clone().into_boxed_str())), ..slash() };
        let bed = Bed::start(setup.clone(), setup);
        small(&bed, "u1", "", 30);
        let pairs = [bed.pair("u1")];
        let report = bed.copy(&pairs).remove(0);
        assert!(report.is_complete() && report.total().copied == 31, "{set}: {report:#?}");
        assert_eq!(bed.same("u1"), 31, "{set}");
        bed.old.deliver("u1", "", "later", &plain(77), TIME);
        let total = bed.copy(&pairs).remove(0).total();
        assert_eq!((total.copied, total.already), (1, 31), "{set}");
        assert_eq!(bed.same("u1"), 32, "{set}");
    }
}

#[test]
fn later_passes_follow_the_old_side_and_leave_alone_what_people_do_at_the_new_one() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 20);
    let pairs = [bed.pair("u1")];
    assert_eq!(bed.copy(&pairs)[0].total().copied, 21);
    // At the old side: a message is read, one loses a flag again, one is deleted, one comes.
    commands(
        &bed.old,
        "u1",
        &[
            "SELECT INBOX",
            "UID STORE 1:3 +FLAGS (\\Seen $Label)",
            "UID STORE 5 +FLAGS (\\Deleted)",
            "EXPUNGE",
        ],
    );
    bed.old.deliver("u1", "", "later", &plain(77), TIME);
    // At the new side: a copy is deleted, another is answered, and a message comes.
    commands(
        &bed.new,
        "u1",
        &[
            "SELECT INBOX",
            "UID STORE 7 +FLAGS (\\Deleted)",
            "EXPUNGE",
            "UID STORE 2 +FLAGS (\\Answered)",
            "CREATE Mine",
        ],
    );
    append(&bed.new, "u1", "INBOX", &[(&plain(900), &[], "13-Sep-2020 12:26:40 +0000")]);
    let total = bed.copy(&pairs).remove(0).total();
    let done = (total.copied, total.flags_changed, total.gone_at_old, total.vanished);
    assert_eq!(done, (1, 3, 1, 0), "{total:#?}");
    commands(&bed.old, "u1", &["SELECT INBOX", "UID STORE 1 -FLAGS ($Label)"]);
    let total = bed.copy(&pairs).remove(0).total();
    assert_eq!((total.copied, total.flags_changed), (0, 1), "{total:#?}");
    let compared = bed.verify(&pairs).remove(0);
    let inbox = compared.folders.iter().find(|folder| folder.old == "INBOX").expect("a folder");
    assert_eq!((inbox.missing.count, inbox.extra.count, inbox.other_flags.count), (1, 2, 1));
    let text = inbox.other_flags.listed[0].text.as_deref().expect("a text");
    assert!(text.contains("\\Answered \\Seen) ") && text.contains("at the new"), "{text}");
    let missing = inbox.missing.listed[0].message_id.as_deref();
    let extra: Vec<_> = inbox.extra.listed.iter().map(|one| one.subject.as_deref()).collect();
    assert!(missing.is_some() && extra.contains(&Some("number 900")), "{inbox:#?}");
    assert!(!compared.has_all());
}

#[test]
fn new_uids_at_either_side_double_nothing() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 20);
    let pairs = [bed.pair("u1")];
    assert_eq!(bed.copy(&pairs)[0].total().copied, 21);
    for (side, host) in [("old", &bed.old), ("new", &bed.new)] {
        for entry in std::fs::read_dir(host.maildir("u1")).expect("a directory").flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("dovecot") {
                std::fs::remove_file(entry.path()).expect("our own");
            }
        }
        let report = bed.copy(&pairs).remove(0);
        let total = report.total();
        assert_eq!((total.copied, total.already), (0, 21), "{side}: {report:#?}");
        assert_eq!(bed.same("u1"), 21);
    }
    // A ledger that is lost doubles nothing either.
    for end in ["", "-wal"] {
        let mut path = bed.ledger().into_os_string();
        path.push(end);
        let _ = std::fs::remove_file(path);
    }
    let total = bed.copy(&pairs).remove(0).total();
    assert_eq!((total.copied, total.already), (0, 21));
    assert_eq!(bed.same("u1"), 21);
}

#[test]
fn separators_in_names_are_replaced_and_no_two_folders_become_one() {
    let files = Setup { more: "mail_location = maildir:~/:LAYOUT=fs", ..slash() };
    let bed = Bed::start(files, dots());
    commands(&bed.old, "u1", &["CREATE a.b", "CREATE a_b", "CREATE x/y.z", "CREATE inner/INBOX"]);
    for (folder, number) in [("a.b", 1), ("a_b", 2), ("x/y.z", 3)] {
        let date = "13-Sep-2020 12:26:40 +0000";
        append(&bed.old, "u1", folder, &[(&plain(number), &[], date)]);
    }
    let pairs = [bed.pair("u1")];
    for _ in 0..2 {
        let report = bed.copy(&pairs).remove(0);
        assert!(report.is_complete(), "{report:#?}");
        let names = |folder: &FolderReport| (folder.old.clone(), folder.new.clone());
        let names: Vec<_> = report.folders.iter().map(names).collect();
        let expected = [
            ("INBOX", "INBOX"),
            ("a.b", "INBOX.a_b"),
            ("a_b", "INBOX.a_b (2)"),
            ("inner/INBOX", "INBOX.inner.INBOX"),
            ("x/y.z", "INBOX.x.y_z"),
        ];
        let expected = expected.map(|(old, new)| (old.to_owned(), new.to_owned()));
        assert_eq!(names, expected);
    }
    let compared = bed.verify(&pairs).remove(0);
    assert!(compared.has_all(), "{compared:#?}");
}

#[test]
fn one_wrong_password_stops_one_mailbox() {
    let bed = Bed::start(slash(), slash());
    let mut pairs: Vec<_> = ["u1", "u2", "u3"].map(|user| bed.pair(user)).into();
    for user in ["u1", "u2", "u3"] {
        small(&bed, user, "", 5);
    }
    pairs[1].old.sign_in = password("u2", "wrong");
    let reports = bed.copy(&pairs);
    let copied: Vec<u64> = reports.iter().map(|report| report.total().copied).collect();
    assert_eq!(copied, [6, 0, 6]);
    let error = reports[1].error.as_deref().expect("an error");
    assert!(
        error.starts_with("old side: the sign-in is refused: NO [AUTHENTICATIONFAILED]"),
        "{error}"
    );
    assert_eq!(reports[1].restarts, 0, "a wrong password is not tried again");
}

#[test]
fn somebody_else_may_sign_in_for_the_user() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 5);
    let mut pair = bed.pair("u1");
    pair.old.sign_in = SignIn::Password {
        user: "master".to_owned(),
        on_behalf_of: Some("u1".to_owned()),
        password: Secret::new(MASTER_PASSWORD.to_owned()),
    };
    pair.new.sign_in = password("u1*master", MASTER_PASSWORD);
    pair.new.server.security = Security::StartTls;
    pair.new.server.port = bed.new.port();
    let report = bed.copy(&[pair]).remove(0);
    assert_eq!(report.total().copied, 6, "{report:#?}");
    assert_eq!(bed.same("u1"), 6);
}

#[test]
fn a_certificate_of_another_name_or_authority_is_refused() {
    let bed = Bed::start(slash(), slash());
    let mut pair = bed.pair("u1");
    pair.new.server = server(&bed.old);
    pair.new.server.port = bed.new.tls_port();
    let error = bed.copy(std::slice::from_ref(&pair)).remove(0).error.expect("an error");
    assert!(error.starts_with("new side: no TLS with localhost:"), "{error}");
    pair.new.server = server(&bed.new);
    pair.new.server.host = "127.0.0.1".to_owned();
    let error = bed.copy(&[pair]).remove(0).error.expect("an error");
    assert!(
        error.contains("no TLS with 127.0.0.1:") && error.contains("not valid for name"),
        "{error}"
    );
}

#[test]
fn a_full_mailbox_stops_and_goes_on_when_there_is_room() {
    let quota = "mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=20K
  quota_grace = 0
}";
    let bed = Bed::start(slash(), Setup { more: quota, ..slash() });
    small(&bed, "u1", "", 40);
    let pairs = [bed.pair("u1")];
    let report = bed.copy(&pairs).remove(0);
    let error = report.error.as_deref().expect("an error");
    assert!(error.contains("the mailbox is full: NO [OVERQUOTA]"), "{error}");
    let config = bed.new.maildir("").join("../dovecot.conf");
    let text = std::fs::read_to_string(&config).expect("a file");
    std::fs::write(&config, text.replace("storage=20K", "storage=20M")).expect("our own");
    bed.new.doveadm(&["reload"]);
    let report = bed.copy(&pairs).remove(0);
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(bed.same("u1"), 41);
}

#[test]
fn a_comparison_names_what_is_lost_altered_or_too_much() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 10);
    let pairs = [bed.pair("u1")];
    bed.copy(&pairs);
    assert!(bed.verify(&pairs)[0].has_all());
    commands(&bed.new, "u1", &["SELECT INBOX", "STORE 4 +FLAGS (\\Deleted)", "EXPUNGE"]);
    let cur = bed.new.maildir("u1").join("cur");
    let mut files: Vec<_> = std::fs::read_dir(cur).expect("a directory").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let text = std::fs::read_to_string(files[0].path()).expect("a message");
    // One octet, so that the size stays.
    std::fs::write(files[0].path(), text.replace("To: b@", "To: c@")).expect("our own");
    append(&bed.new, "u1", "INBOX", &[(&plain(900), &[], "13-Sep-2020 12:26:40 +0000")]);
    let compared = bed.verify(&pairs).remove(0);
    assert!(!compared.has_all());
    let inbox = &compared.folders[0];
    let counts = (inbox.missing.count, inbox.altered.count, inbox.extra.count);
    assert_eq!(counts, (1, 1, 1), "{inbox:#?}");
    assert!(inbox.missing.listed[0].message_id.is_some());
    assert_eq!(inbox.extra.listed[0].subject.as_deref(), Some("number 900"));
}

/// Nothing has changed at the old side, but the copies are gone: they are made again.
#[test]
fn a_new_mailbox_that_is_made_anew_is_filled_again() {
    let bed = Bed::start(slash(), slash());
    for number in 0..10 {
        bed.old.deliver("u1", "", &format!("a{number}"), &plain(number), TIME);
        bed.old.deliver("u1", ".Work", &format!("w{number}"), &plain(100 + number), TIME);
    }
    let pairs = [bed.pair("u1")];
    assert_eq!(bed.copy(&pairs).remove(0).total().copied, 20);
    assert_eq!(bed.copy(&pairs).remove(0).total().copied, 0);
    std::fs::remove_dir_all(bed.new.maildir("u1")).expect("a directory");
    // Dovecot takes the time in seconds as UIDVALIDITY, and one more for each folder.
    crate::lab::sleep(std::time::Duration::from_millis(3_100));
    let report = bed.copy(&pairs).remove(0);
    assert_eq!(report.total().copied, 20, "{report:#?}");
    assert_eq!(bed.same("u1"), 20);
}
