//! Names of folders that lead to other folders than they say, and folders that people tidy up.

use cutover_mailbox::account::Pair;
use cutover_mailbox::report::MailboxReport;

use crate::bed::Bed;
use crate::copies::slash;
use crate::lab::mailbox_host::Setup;
use crate::mail::{append, commands, plain};
use crate::store::{Fault, Manners, Store};

const DATE: &str = "13-Sep-2020 12:26:40 +0000";

fn filled(folders: &[&str]) -> Bed {
    let files = Setup { more: "mail_location = maildir:~/:LAYOUT=fs", ..slash() };
    let bed = Bed::start(files, slash());
    for (number, folder) in folders.iter().enumerate() {
        let create = format!("CREATE \"{folder}\"");
        commands(&bed.old, "u1", &[&create]);
        append(&bed.old, "u1", folder, &[(&plain(number), &[], DATE), (&plain(5), &[], DATE)]);
    }
    bed
}

fn errors(report: &MailboxReport) -> Vec<&str> {
    report.folders.iter().filter_map(|folder| folder.error.as_deref()).collect()
}

#[test]
fn names_that_differ_in_case_only_are_told_apart_at_a_server_that_does_not() {
    let bed = filled(&["Work", "work", "WORK"]);
    let manners = Manners { folds_case: true, ..Manners::default() };
    let store = Store::start(manners, |_| None);
    let pairs = [Pair { new: store.account(&bed, "u1"), ..bed.pair("u1") }];
    for _ in 0..2 {
        let report = bed.copy(&pairs).remove(0);
        assert!(report.is_complete(), "{report:#?}");
        let counts: Vec<(String, usize)> = store
            .folders()
            .iter()
            .map(|(name, folder)| (name.clone(), folder.mails.len()))
            .collect();
        let expected = [("INBOX", 0), ("WORK", 2), ("Work (2)", 2), ("work (3)", 2)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
    }
    assert_eq!(store.subjects("Work (2)"), ["number 0", "number 5"]);
}

#[test]
fn a_name_that_leads_to_another_folder_is_refused_with_both_names() {
    let bed = filled(&["abcdefghij", "abcdefghXX", "Posteingang"]);
    let manners = Manners { name_octets_max: Some(8), ..Manners::default() };
    let store = Store::start(manners, |asked| {
        let is_reserved = asked.words.starts_with("CREATE \"Posteingang\"");
        is_reserved.then_some(Fault::Says("NO [ALREADYEXISTS] reserved"))
    });
    let pairs = [Pair { new: store.account(&bed, "u1"), ..bed.pair("u1") }];
    let report = bed.copy(&pairs).remove(0);
    let found = errors(&report);
    assert_eq!(found.len(), 3, "{report:#?}");
    let expected = "new side: folder abcdefghXX is not listed under its name after it was made";
    assert!(found.iter().any(|error| error.starts_with(expected)), "{found:?}");
    assert!(!report.is_complete());
    // Nothing was put where it does not belong.
    assert!(store.folders().values().all(|folder| folder.mails.is_empty()));
    let compared = bed.verify(&pairs).remove(0);
    assert_eq!(compared.verdict().missing, 6, "{compared:#?}");
}

#[test]
fn folders_that_people_delete_or_rename_do_not_come_back() {
    let bed = Bed::start(slash(), slash());
    for folder in ["Keep", "Sent", "Work"] {
        commands(&bed.old, "u1", &[&format!("CREATE {folder}")]);
        append(&bed.old, "u1", folder, &[(&plain(1), &[], DATE), (&plain(2), &[], DATE)]);
    }
    append(&bed.old, "u1", "INBOX", &[(&plain(3), &[], DATE)]);
    let pairs = [bed.pair("u1")];
    assert_eq!(bed.copy(&pairs).remove(0).total().copied, 7);
    commands(&bed.new, "u1", &["RENAME Work Projects", "DELETE Sent"]);
    let report = bed.copy(&pairs).remove(0);
    assert!(report.is_complete() && report.total().copied == 0, "{report:#?}");
    let notes: Vec<String> = report
        .folders
        .iter()
        .flat_map(|folder| folder.notes.iter().map(|note| format!("{}: {}", folder.old, note.text)))
        .collect();
    let text = "people have deleted or renamed the folder at the new side";
    let expected = [
        format!("Sent: {text}: it is not made again"),
        format!("Work: {text} (maybe to Projects): it is not made again"),
    ];
    assert_eq!(notes, expected);
    // With new messages for it, it is an error that says how many.
    append(&bed.old, "u1", "Work", &[(&plain(4), &[], DATE)]);
    append(&bed.old, "u1", "Keep", &[(&plain(6), &[], DATE)]);
    let report = bed.copy(&pairs).remove(0);
    assert_eq!(report.total().copied, 1, "{report:#?}");
    assert_eq!(
        errors(&report),
        [
            "new side: folder Work was there, and is not any more: people have deleted or renamed it \
          (maybe to Projects). 1 messages of the old side are not copied. Make the folder again to get them"
        ]
    );
    assert!(!report.is_complete());
    let listed = bed.new.doveadm(&["mailbox", "list", "-u", "u1"]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["INBOX", "Keep", "Projects"]);
    // Made again, it gets what came since, and not what people have tidied up.
    commands(&bed.new, "u1", &["CREATE Work"]);
    let report = bed.copy(&pairs).remove(0);
    assert!(report.is_complete(), "{report:#?}");
    let count = bed.new.doveadm(&["mailbox", "status", "-u", "u1", "messages", "Work"]);
    assert_eq!(count.trim(), "Work messages=1");
}
