//! Storing a window of messages at the new side.
//!
//! A message that is refused is tried again with less, and each change is noted: without its
//! keywords, with a date that every server takes, and at last in its canonical form. If that is
//! refused too, it is put aside as a file, whole. No message is ever cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use cutover_base::calendar::Timestamp;
use cutover_base::digest::{Digest, Hashing};
use cutover_imap::{Appending, ImapError, Octets, Outcome as Appended, Reply, Session};

use super::Pass;
use super::source::Mail;
use super::target::Target;
use crate::care::Care;
use crate::content::{Digests, repaired};
use crate::error::MailboxError;
use crate::flags::{joined, kept};
use crate::folders::shown as folder_name;
use crate::ledger::{Begun, Settled, There};
use crate::read::shown;
use crate::report::{FolderReport, Outcome};
use crate::throttle::{Meaning, meaning, must_wait};

/// The first instant that every server stores as it is: Cyrus 3.6 takes 1970-01-01 for no date.
const DATE_MIN_SECS: i64 = 86_400;

/// A folder into which windows are stored.
pub(crate) struct Window<'a> {
    pub(crate) pass: &'a Pass<'a>,
    pub(crate) target: &'a Target<'a>,
    pub(crate) report: &'a mut FolderReport,
    pub(crate) care: &'a mut Care,
    /// The last UID that the new side has named for what was sent.
    pub(crate) last: u32,
}

/// A form in which a message is sent.
struct Form {
    flags: Vec<String>,
    date: Option<String>,
    body: Option<Octets>,
    /// What is different from the message of the old side.
    changes: Vec<String>,
}

impl Window<'_> {
    /// Stores messages, and notes what became of each.
    pub(crate) async fn store(
        &mut self,
        new: &mut Session,
        mut mails: Vec<Mail>,
    ) -> Result<(), MailboxError> {
        let ledger = self.pass.ledger;
        let folder = self.target.folder;
        let texts: Vec<String> = mails.iter().map(|mail| joined(&mail.flags)).collect();
        let begun: Vec<Begun<'_>> = mails
            .iter()
            .zip(&texts)
            .map(|(mail, flags)| {
                let Mail { uid, digests, likeness, .. } = mail;
                let (digests, likeness) = (*digests, *likeness);
                Begun { uid: *uid, digests, likeness, date: mail.seconds(), flags }
            })
            .collect();
        let there = ledger.begin(folder, &begun)?;
        self.add_flags(new, &mails, &there).await?;
        self.report.already += there.len() as u64;
        self.pass.progress.unexpect(there.len() as u64);
        for (uid, there) in &there {
            self.care.settle(*uid);
            if let There::Alike(copy) = there {
                self.report.note(*uid, alike(*copy));
            }
        }
        mails.retain(|mail| !there.contains_key(&mail.uid));
        let (sent, empty): (Vec<Mail>, Vec<Mail>) =
            mails.into_iter().partition(|mail| !mail.body.is_empty());
        let mut settled = Vec::new();
        for mail in &empty {
            settled.push(self.put_aside(mail, "no server takes a message without octets")?);
        }
        let outcomes = self.send(new, &sent).await?;
        let mut stopped = None;
        let mut refused = Vec::new();
        for (mail, outcome) in sent.iter().zip(outcomes) {
            match outcome {
                Appended::Stored(copy) => settled.extend(self.stored(mail, None, copy)),
                Appended::Refused(reply) => match self.stops(reply) {
                    Ok(error) => stopped = Some(error),
                    Err(reply) => refused.push((mail, reply)),
                },
            }
        }
        ledger.settle(folder, &settled)?;
        if let Some(error) = stopped {
            return Err(error);
        }
        for (mail, reply) in refused {
            let settled = self.insist(new, mail, reply).await?;
            ledger.settle(folder, settled.as_slice())?;
        }
        Ok(())
    }

    /// Sends messages: all in one command if the server can, and one by one if it refuses that.
    async fn send(&self, new: &mut Session, mails: &[Mail]) -> Result<Vec<Appended>, MailboxError> {
        let forms: Vec<Form> = mails.iter().map(|mail| self.as_it_is(mail)).collect();
        let messages: Vec<Appending<'_>> =
            mails.iter().zip(&forms).map(|(mail, form)| form.appending(mail)).collect();
        let name = self.target.name;
        if new.appends_together() && mails.len() > 1 {
            let outcomes = new.append_together(name, &messages).await.map_err(MailboxError::new)?;
            match outcomes.first() {
                Some(Appended::Refused(reply)) if must_wait(meaning(reply)) => {
                    return Err(asks_to_wait(reply.clone()));
                }
                Some(Appended::Refused(_)) => {}
                Some(Appended::Stored(_)) | None => return Ok(outcomes),
            }
        }
        new.append_each(name, &messages).await.map_err(MailboxError::new)
    }

    /// Why a refusal stops the folder or the mailbox; the refusal itself if it concerns the message only.
    fn stops(&self, reply: Reply) -> Result<MailboxError, Reply> {
        match meaning(&reply) {
            Meaning::Full => Ok(MailboxError::Full(reply)),
            Meaning::NoFolder => {
                Ok(MailboxError::NoFolder { folder: folder_name(self.target.name), reply })
            }
            meaning if must_wait(meaning) => Ok(asks_to_wait(reply)),
            Meaning::WaitFor(_)
            | Meaning::Slower
            | Meaning::Limit
            | Meaning::Denied
            | Meaning::Refused => Err(reply),
        }
    }

    /// Tries a refused message in other forms, and puts it aside if none is taken.
    async fn insist(
        &mut self,
        new: &mut Session,
        mail: &Mail,
        first: Reply,
    ) -> Result<Option<Settled>, MailboxError> {
        let mut form = self.as_it_is(mail);
        let mut reply = first;
        for less in [without_keywords, with_safe_date, in_canonical_form] {
            if !less(&mut form, mail, self.pass.clock.now())? {
                continue;
            }
            let message = [form.appending(mail)];
            let outcomes = new.append_each(self.target.name, &message).await;
            match outcomes.map_err(MailboxError::new)?.pop() {
                Some(Appended::Stored(copy)) => return Ok(self.stored(mail, Some(&form), copy)),
                Some(Appended::Refused(other)) => match self.stops(other) {
                    Ok(error) => return Err(error),
                    Err(other) => reply = other,
                },
                None => {}
            }
        }
        self.put_aside(mail, &reply.to_string()).map(Some)
    }

    fn as_it_is(&self, mail: &Mail) -> Form {
        let flags = kept(&mail.flags, self.target.selected.permanent_flags.as_ref());
        let lost = &mail.flags - &flags;
        let mut changes = mail.notes.clone();
        if !lost.is_empty() {
            changes.push(format!("flags that the new side cannot keep: {}", joined(&lost)));
        }
        Form { flags: flags.into_iter().collect(), date: mail.date.clone(), body: None, changes }
    }

    /// Counts a stored message. If the server does not say which UID it has, it stays begun in the
    /// ledger, and is looked for at the end of the folder.
    fn stored(
        &mut self,
        mail: &Mail,
        form: Option<&Form>,
        copy: Option<(u32, u32)>,
    ) -> Option<Settled> {
        self.care.settle(mail.uid);
        self.report.copied += 1;
        self.report.octets += mail.digests.octets;
        self.pass.progress.done(1, mail.digests.octets);
        let as_it_is = self.as_it_is(mail);
        let changes = &form.unwrap_or(&as_it_is).changes;
        let note = (!changes.is_empty()).then(|| changes.join("; "));
        if let Some(note) = &note {
            self.report.note(mail.uid, note.clone());
        }
        let (validity, uid) = copy?;
        // Messages get UIDs in the order in which they are stored (RFC 3501 §2.3.1.1). A UID that was there
        // before, or is not above the last one, belongs to another message, whatever the server says.
        let is_new = uid >= self.target.floor && uid > self.last;
        (validity == self.target.validity && is_new).then(|| {
            self.last = uid;
            Settled {
                uid: mail.uid,
                outcome: Outcome::Copied,
                copy: Some((uid, mail.digests.canonical)),
                note,
            }
        })
    }

    /// Writes a message that is not taken to a file, whole.
    pub(crate) fn put_aside(&mut self, mail: &Mail, why: &str) -> Result<Settled, MailboxError> {
        let mut path = PathBuf::new();
        let mut write = || {
            std::fs::create_dir_all(&self.pass.aside)?;
            let Some(mut file) = self.file_aside(mail, &mut path)? else { return Ok(()) };
            let mut result = Ok(());
            mail.body.pieces(|piece| {
                if result.is_ok() {
                    result = file.write_all(piece);
                }
            })?;
            result?;
            file.sync_all()
        };
        write().map_err(|error| MailboxError::File { path: path.clone(), error })?;
        self.care.end(mail.uid);
        self.report.refused += 1;
        self.pass.progress.unexpect(1);
        let note =
            format!("not taken by the new side: {why}. It is put aside as {}", path.display());
        self.report.note(mail.uid, note.clone());
        Ok(Settled { uid: mail.uid, outcome: Outcome::Refused, copy: None, note: Some(note) })
    }

    /// A new file for a message, at the path that is returned too; `None` if the message is there
    /// from an earlier pass. Files and links of others are never written to.
    fn file_aside(&self, mail: &Mail, path: &mut PathBuf) -> std::io::Result<Option<File>> {
        for number in 1_u32.. {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let name = format!("{}-{}{more}.eml", self.target.folder, mail.uid);
            *path = self.pass.aside.join(name);
            let new = File::options().write(true).create_new(true).open(&*path);
            match new {
                Ok(file) => return Ok(Some(file)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    let there = std::fs::symlink_metadata(&*path)?;
                    if there.is_file() && digest_of(path)? == mail.digests.raw {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Gives messages that were at the new side already the flags of the old side. Flags that they
    /// have there stay.
    async fn add_flags(
        &mut self,
        new: &mut Session,
        mails: &[Mail],
        there: &BTreeMap<u32, There>,
    ) -> Result<(), MailboxError> {
        let mut by_flags: BTreeMap<BTreeSet<String>, Vec<u32>> = BTreeMap::new();
        for mail in mails {
            let flags = kept(&mail.flags, self.target.selected.permanent_flags.as_ref());
            if let Some(There::Copy(copy) | There::Alike(copy)) = there.get(&mail.uid)
                && !flags.is_empty()
            {
                by_flags.entry(flags).or_default().push(*copy);
            }
        }
        for (flags, mut copies) in by_flags {
            copies.sort_unstable();
            let command =
                format!("UID STORE {} +FLAGS.SILENT ({})", shown(&copies), joined(&flags));
            match new.run(command.as_bytes()).await {
                Ok(_) => {}
                Err(ImapError::Refused { reply, .. }) => {
                    self.report.note(0, format!("the new side refuses flags: {reply}"));
                }
                Err(error) => return Err(MailboxError::new(error)),
            }
        }
        Ok(())
    }
}

/// What is said about a message that is recognized at the new side in another form.
pub(crate) fn alike(copy: u32) -> String {
    format!(
        "the new side has it as UID {copy}, with other octets: it has the same Message-ID, or date, author \
         and subject, so it is not sent again"
    )
}

/// The digest of a file's octets.
fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hashing = Hashing::default();
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(hashing.digest());
        }
        hashing.add(piece);
        let length = piece.len();
        file.consume(length);
    }
}

impl Form {
    fn appending<'a>(&'a self, mail: &'a Mail) -> Appending<'a> {
        let Self { flags, date, body, changes: _ } = self;
        let body = body.as_ref().unwrap_or(&mail.body);
        Appending { flags, date: date.as_deref(), body }
    }
}

/// Leaves out the keywords; whether there were any.
fn without_keywords(form: &mut Form, _: &Mail, _: Timestamp) -> Result<bool, MailboxError> {
    let (system, keywords): (Vec<String>, Vec<String>) =
        std::mem::take(&mut form.flags).into_iter().partition(|flag| flag.starts_with('\\'));
    form.flags = system;
    if !keywords.is_empty() {
        form.changes.push(format!("the new side refuses it with {}", keywords.join(" ")));
    }
    Ok(!keywords.is_empty())
}

/// Takes the nearest date that every server stores; whether the date was another.
fn with_safe_date(form: &mut Form, _: &Mail, now: Timestamp) -> Result<bool, MailboxError> {
    let date = form.date.as_deref().and_then(cutover_imap::internal_date);
    let Some(date) = date else { return Ok(false) };
    let seconds = date.timestamp().clamp(DATE_MIN_SECS, now.timestamp().max(DATE_MIN_SECS));
    if seconds == date.timestamp() {
        return Ok(false);
    }
    let safe = Timestamp::from_timestamp(seconds, 0).unwrap_or(now);
    let safe = safe.format("%d-%b-%Y %H:%M:%S +0000").to_string();
    form.changes.push(format!("the new side refuses its internal date: {safe} instead"));
    form.date = Some(safe);
    Ok(true)
}

/// Takes the canonical form of the message; whether it is another.
fn in_canonical_form(form: &mut Form, mail: &Mail, _: Timestamp) -> Result<bool, MailboxError> {
    let failed = |error: std::io::Error| MailboxError::old(error.into());
    let body = repaired(&mail.body).map_err(failed)?;
    if Digests::of(&body).map_err(failed)?.raw == mail.digests.raw {
        return Ok(false);
    }
    form.changes.push("the new side refuses it as it is: it was stored in canonical form".into());
    form.body = Some(body);
    Ok(true)
}

fn asks_to_wait(reply: Reply) -> MailboxError {
    MailboxError::new(ImapError::Refused { command: "APPEND".to_owned(), reply })
}
