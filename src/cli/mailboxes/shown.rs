//! What was done, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanBytes;
use serde::Serialize;

use crate::mailbox::backup::{Checked, Counts, Made};
use crate::mailbox::inventory::{MailboxInventory, Quota};
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

pub(super) fn surveyed(found: &[MailboxInventory]) -> String {
    let mut text = String::new();
    for mailbox in found {
        let (all, octets) = (messages(mailbox.messages()), HumanBytes(mailbox.octets()));
        let folders = mailbox.folders.len();
        let _ = writeln!(text, "{}: {all}, {octets}, in {folders} folders", mailbox.address);
        for (side, quota) in [("old", &mailbox.quota_at_old), ("new", &mailbox.quota_at_new)] {
            if let Some(Quota { used, limit }) = quota {
                let (used, limit) = (HumanBytes(*used), HumanBytes(*limit));
                let _ = writeln!(text, "  quota at the {side} side: {used} of {limit}");
            }
        }
        if mailbox.excess() > 0 {
            let excess = HumanBytes(mailbox.excess());
            let _ = writeln!(text, "  REFUSED: {excess} more than is free at the new side");
        }
        for folder in &mailbox.folders {
            let day = |seconds: Option<i64>| {
                let date = chrono::DateTime::from_timestamp(seconds.unwrap_or_default(), 0);
                date.map(|date| date.format("%Y-%m-%d").to_string()).unwrap_or_default()
            };
            let _ = write!(
                text,
                "  {}: {}, {}",
                folder.old,
                messages(folder.messages),
                HumanBytes(folder.octets)
            );
            if folder.oldest.is_some() {
                let largest = HumanBytes(folder.largest);
                let (oldest, newest) = (day(folder.oldest), day(folder.newest));
                let _ = write!(text, ", the largest {largest}, from {oldest} to {newest}");
            }
            if folder.new != folder.old {
                let _ = write!(text, "; at the new side {}", folder.new);
            }
            text.push('\n');
            if folder.too_large > 0 {
                let limit = HumanBytes(mailbox.limit_at_new.unwrap_or_default());
                let what = messages(folder.too_large);
                let _ = writeln!(text, "    REFUSED: {what} above the limit of {limit}");
            }
            if folder.unknown > 0 {
                let what = messages(folder.unknown);
                let _ = writeln!(text, "    {what} of which the server tells no size or date");
            }
        }
    }
    text
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
            unconfirmed,
            lost,
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
            (refused, "not taken by the new side, and put aside"),
            (unreadable, "not handed out by the old side"),
            (lost, "stored as the new side says, and not there"),
            (unconfirmed, "stored as the new side says, and not recognized there"),
            (
                report.left_out,
                "left out, gone at the last backup; `--with-deleted` brings them too",
            ),
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

pub(super) fn backed_up(done: &[Made]) -> String {
    let mut text = String::new();
    for Made { address, counts, gone, .. } in done {
        let Counts { messages: all, done, octets, already } = counts;
        let _ = writeln!(
            text,
            "{address}: {} at the server, {done} new in the backup ({}), {already} there before",
            messages(*all),
            HumanBytes(*octets)
        );
        if *gone > 0 {
            let what = messages(*gone);
            let _ = writeln!(text, "  {what} in the backup that are not at the server any more");
        }
    }
    text
}

pub(super) fn checked(found: &[(&Path, Checked)]) -> String {
    let mut text = String::new();
    for (bag, Checked { files, octets, messages: count, problems, left_out: _ }) in found {
        let state = if problems.is_empty() { "as it was made" } else { "DAMAGED" };
        let (bag, count, octets) = (bag.display(), messages(*count), HumanBytes(*octets));
        let _ = writeln!(text, "{bag}: {state}, {count}, {files} files, {octets}");
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
                (&folder.refused, "refused by the new side"),
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
