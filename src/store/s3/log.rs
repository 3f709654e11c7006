//! The log of a plan: numbered records, and the state that they lead to.
//!
//! A record is an object whose first line says what it is, as JSON, and whose other lines are its
//! contents. Whoever writes one has read all before it, so a record that breaks a rule was not
//! written by us, and the log is refused.

use std::collections::BTreeMap;
use std::time::SystemTime;

use cutover_base::digest::Digest;
use cutover_store::{Holder, Line};
use serde::{Deserialize, Serialize};

/// What the first line of each record begins with.
const FORMAT: &str = "cutover/state/s3/1";

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Made up by the writer, to find out whether a record is its own after an answer was lost.
    pub(crate) token: String,
    /// The lease under which it was written; for a lease, its own number; for a note, 0.
    pub(crate) fence: u64,
    pub(crate) what: What,
    /// The lines of a journal, or the text of a note.
    pub(crate) contents: String,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum What {
    /// A lease is taken, or renewed: the holder, as [`Holder::text`] writes it.
    Lease { holder: String },
    /// The lease is given back, or taken away.
    Over,
    /// A run is created.
    Run { run: String, artifact: String },
    /// Lines of a run's journal.
    Lines { run: String, after: Digest },
    /// An artifact is kept as a run's successor.
    Kept { run: String, digest: Digest, artifact: String },
    /// A note.
    Note { run: String, note: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLineV1 {
    format: String,
    token: String,
    fence: u64,
    what: What,
}

impl Record {
    pub(crate) fn text(&self) -> String {
        let Self { token, fence, what, contents } = self.clone();
        let first = FirstLineV1 { format: FORMAT.to_owned(), token, fence, what };
        let first = serde_json::to_string(&first).expect("texts and numbers can be written");
        format!("{first}\n{contents}")
    }

    /// Reads what [`Record::text`] writes; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (first, contents) = text.split_once('\n')?;
        let first: FirstLineV1 = serde_json::from_str(first).ok()?;
        let FirstLineV1 { format, token, fence, what } = first;
        let contents = contents.to_owned();
        (format == FORMAT).then_some(Self { token, fence, what, contents })
    }
}

/// A run, as its records have made it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The key of its artifact.
    pub(crate) artifact: String,
    pub(crate) lines: Vec<Line>,
    /// The keys of kept artifacts.
    pub(crate) kept: BTreeMap<Digest, String>,
    pub(crate) notes: BTreeMap<String, String>,
}

impl Run {
    pub(crate) fn head(&self) -> Digest {
        self.lines.last().map_or(Digest::of(b""), Line::digest)
    }
}

/// The state of a plan after its first records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// How many records were read: the number of the next one.
    pub(crate) next: u64,
    /// The newest lease's number.
    pub(crate) fence: u64,
    /// Its holder, unless it was given back or taken away.
    pub(crate) holder: Option<Holder>,
    pub(crate) runs: BTreeMap<String, Run>,
}

/// Why a record cannot follow the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Its lease is not the newest, or is over.
    NotHolder,
    /// It names another last line.
    NotLast,
    /// There is such a run already.
    IsThere,
    /// There is no such run.
    NoRun,
    /// It cannot be read.
    Unreadable,
}

impl Plan {
    /// Who holds the lease at this time.
    pub(crate) fn holder_at(&self, now: SystemTime) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| !holder.is_over(now))
    }

    /// Applies the next record. Time has no part in it: a lease that is over counts until another
    /// one is taken.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Broken> {
        let Record { token: _, fence, what, contents } = record;
        let holds = self.holder.is_some() && self.fence == *fence;
        match what {
            What::Lease { holder } => {
                let holder = Holder::read(holder).ok_or(Broken::Unreadable)?;
                let is_next = holder.fence == *fence && *fence == self.fence + 1;
                let is_same = holds && holder.fence == *fence;
                if !is_same && !is_next {
                    return Err(Broken::NotHolder);
                }
                self.fence = *fence;
                self.holder = Some(holder);
            }
            What::Note { run, note } => {
                let run = self.runs.get_mut(run).ok_or(Broken::NoRun)?;
                run.notes.insert(note.clone(), contents.clone());
            }
            _ if !holds => return Err(Broken::NotHolder),
            What::Over => self.holder = None,
            What::Run { run, artifact } => {
                if self.runs.contains_key(run) {
                    return Err(Broken::IsThere);
                }
                let (artifact, lines) = (artifact.clone(), Vec::new());
                let (kept, notes) = (BTreeMap::new(), BTreeMap::new());
                self.runs.insert(run.clone(), Run { artifact, lines, kept, notes });
            }
            What::Lines { run, after } => {
                let run = self.runs.get_mut(run).ok_or(Broken::NoRun)?;
                if run.head() != *after {
                    return Err(Broken::NotLast);
                }
                let whole = contents.strip_suffix('\n').ok_or(Broken::Unreadable)?;
                run.lines.extend(whole.split('\n').map(Line::new));
            }
            What::Kept { run, digest, artifact } => {
                let run = self.runs.get_mut(run).ok_or(Broken::NoRun)?;
                run.kept.insert(*digest, artifact.clone());
            }
        }
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cutover_store::Claim;

    use super::*;

    fn record(fence: u64, what: What, contents: &str) -> Record {
        let (token, contents) = ("token".to_owned(), contents.to_owned());
        Record { token, fence, what, contents }
    }

    fn lease(fence: u64) -> Record {
        let claim = Claim { owner: "Ada".to_owned(), host: "a-host".to_owned() };
        let lasts = Some(Duration::from_secs(60));
        let holder = Holder::new(&claim, SystemTime::UNIX_EPOCH, lasts, fence).text();
        record(fence, What::Lease { holder }, "")
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
        let what = What::Note { run: "0001".to_owned(), note: "turn-back".to_owned() };
        let note = record(0, what, "two\nlines");
        assert_eq!(Record::read(&note.text()), Some(note.clone()));
        let foreign = ["", "{}", "{}\n", "x\n", &note.text().replace("s3/1", "s3/2")];
        for foreign in foreign {
            assert_eq!(Record::read(foreign), None, "{foreign}");
        }
        assert_eq!(Record::read(&note.text().replacen('{', "{\"x\":1,", 1)), None);
    }

    #[test]
    fn a_record_that_breaks_a_rule_is_refused() {
        let (run, artifact) = ("0001".to_owned(), "key".to_owned());
        let create = What::Run { run: run.clone(), artifact };
        let lines = |after| What::Lines { run: run.clone(), after };
        let none = Digest::of(b"");
        let mut plan = Plan::default();
        for (what, said) in [
            (record(0, create.clone(), ""), Err(Broken::NotHolder)),
            (lease(2), Err(Broken::NotHolder)),
            (lease(1), Ok(())),
            (record(2, create.clone(), ""), Err(Broken::NotHolder)),
            (record(1, lines(none), "one\n"), Err(Broken::NoRun)),
            (record(1, create.clone(), ""), Ok(())),
            (record(1, create.clone(), ""), Err(Broken::IsThere)),
            (record(1, lines(Digest::of(b"x")), "one\n"), Err(Broken::NotLast)),
            (record(1, lines(none), "torn"), Err(Broken::Unreadable)),
            (record(1, lines(none), "one\ntwo\n"), Ok(())),
            (record(1, lines(none), "one\n"), Err(Broken::NotLast)),
            (record(1, lines(Digest::of(b"two")), "three\n"), Ok(())),
            // It is renewed, taken by another, and cannot be used any more.
            (lease(1), Ok(())),
            (lease(2), Ok(())),
            (lease(1), Err(Broken::NotHolder)),
            (record(1, What::Over, ""), Err(Broken::NotHolder)),
            (record(2, What::Over, ""), Ok(())),
            (record(2, lines(Digest::of(b"three")), "four\n"), Err(Broken::NotHolder)),
            (lease(2), Err(Broken::NotHolder)),
            (lease(3), Ok(())),
        ] {
            let before = plan.next;
            assert_eq!(plan.apply(&what), said, "{what:?}");
            assert_eq!(plan.next, before + u64::from(said.is_ok()));
        }
        assert_eq!(plan.runs[&run].lines.len(), 3);
    }
}
