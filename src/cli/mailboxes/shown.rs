//! What was done, as text and as JSON.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use serde::Serialize;

use crate::mailbox::report::{FolderReport, MailboxReport};
use crate::mailbox::verify::{FolderComparison, List, MailboxComparison};

/// How many messages of a kind are shown in text; JSON has more.
const SHOWN_MAX: usize = 20;

/// An object with the name of its format.
pub(super) fn json<T: Serialize>(format: &str, mailboxes: &[T]) -> String {
    let value = serde_json::json!({ "format": format, "mailboxes": mailboxes });
    format!("{value}\n")
}

/// `1 message`, `2 messages`.
fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

pub(super) fn copied(reports: &[MailboxReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let FolderReport {
            messages: all,
            copied,
            octets,
            already,
            vanished,
            refused,
            unreadable,
            flags_changed,
            gone_at_old,
            ..
        } = report.total();
        let state = if report.is_complete() { "complete" } else { "not complete" };
        let _ = writeln!(text, "{}: {state}, {} at the old side", report.address, messages(all));
        let _ = writeln!(
            text,
            "  {} copied ({}), {already} there before",
            messages(copied),
            HumanBytes(octets)
        );
        for (count, what) in [
            (flags_changed, "with other flags than before"),
            (vanished, "deleted at the old side before they could be copied"),
            (
                gone_at_old,
                "copied before, and gone at the old side since; they stay at the new side",
            ),
            (refused, "refused by the new side, and put aside"),
            (unreadable, "not handed out by the old side"),
        ] {
            if count > 0 {
                let _ = writeln!(text, "  {} {what}", messages(count));
            }
        }
        for folder in &report.folders {
            if folder.old != folder.new && folder.error.is_none() {
                let _ = writeln!(text, "  folder {} is {} at the new side", folder.old, folder.new);
            }
            for note in folder.notes.iter().take(SHOWN_MAX) {
                let of = if note.uid == 0 { String::new() } else { format!(" UID {}", note.uid) };
                let _ = writeln!(text, "  {}{of}: {}", folder.old, note.text);
            }
            let more = folder.notes.len().saturating_sub(SHOWN_MAX) as u64 + folder.notes_left_out;
            if more > 0 {
                let _ =
                    writeln!(text, "  {}: {more} more remarks, see `--format json`", folder.old);
            }
        }
    }
    text
}

pub(super) fn compared(results: &[MailboxComparison]) -> String {
    let mut text = String::new();
    for result in results {
        let sum =
            |count: fn(&FolderComparison) -> u64| result.folders.iter().map(count).sum::<u64>();
        let (all, equal) = (sum(|folder| folder.messages), sum(|folder| folder.equal));
        let canonical = sum(|folder| folder.canonically_equal);
        let time = |instant: &crate::calendar::Timestamp| instant.format("%Y-%m-%dT%H:%M:%SZ");
        let _ = writeln!(
            text,
            "{}: of {} at the old side at {}, {} were found at the new side at {}:",
            result.address,
            messages(all),
            time(&result.began),
            equal + canonical,
            time(&result.ended)
        );
        let _ =
            writeln!(text, "  {equal} with equal octets, {canonical} with an equal canonical form");
        for folder in &result.folders {
            if let Some(error) = &folder.error {
                let _ = writeln!(text, "  {}: {error}", folder.old);
            }
            for (list, what) in [
                (&folder.missing, "missing at the new side"),
                (&folder.altered, "altered"),
                (&folder.unreadable, "not compared"),
                (&folder.extra, "only at the new side"),
                (&folder.other_flags, "with other flags"),
                (&folder.other_date, "with another internal date"),
            ] {
                listed(&mut text, &folder.old, list, what);
            }
        }
    }
    text
}

fn listed(text: &mut String, folder: &str, list: &List, what: &str) {
    if list.count == 0 {
        return;
    }
    let _ = writeln!(text, "  {folder}: {} {what}", messages(list.count));
    for one in list.listed.iter().take(SHOWN_MAX) {
        let _ = write!(text, "    UID {}", one.uid);
        for part in [&one.message_id, &one.subject, &one.text].into_iter().flatten() {
            let _ = write!(text, "  {part}");
        }
        text.push('\n');
    }
    if list.count > SHOWN_MAX as u64 {
        let _ =
            writeln!(text, "    and {} more, see `--format json`", list.count - SHOWN_MAX as u64);
    }
}
