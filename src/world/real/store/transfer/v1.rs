//! The form of an export, version 1: a line of JSON for each record.
//!
//! ```text
//! {"format":"cutover/export/1"}
//! {"run":{"plan":"move","name":"0001","artifact":"…"}}
//! {"entry":"…"}                            a line of the journal of that run, as it is
//! {"next":{"digest":"sha256:…","artifact":"…"}}
//! {"note":{"step":"copy","text":"…"}}      without a step: the rollback point to go back to
//! {"end":{"runs":1,"digest":"sha256:…"}}   the digest of all lines before
//! ```

use std::collections::BTreeSet;
use std::io::{BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use super::Whole;
use crate::artifact::{self, Artifact};
use crate::digest::{Digest, Hashing};
use crate::graph::StepId;
use crate::world::real::store::RunId;
use crate::world::{LineError, Run};

/// What the first line names.
pub const FORMAT: &str = "cutover/export/1";

/// Maximum octets of an export. Our choice: it is held in memory while it is imported.
pub const EXPORT_OCTETS_MAX: u64 = 2 * 1024 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordV1 {
    Format(String),
    Run(RunV1),
    Entry(String),
    Next(NextV1),
    Note(NoteV1),
    End(EndV1),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunV1 {
    plan: String,
    name: String,
    artifact: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextV1 {
    digest: Digest,
    artifact: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteV1 {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    step: Option<String>,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndV1 {
    runs: u64,
    digest: Digest,
}

/// Why a line is not part of an export.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    /// It is not a record.
    #[error("it is not a line of an export: {0}")]
    NotOurs(#[source] serde_json::Error),
    /// The export is of another version, or something else.
    #[error("it has the format `{0}`, and not `{FORMAT}`")]
    Format(String),
    /// A record of this kind cannot be here.
    #[error("a record of this kind cannot be here")]
    Order,
    /// No store may hold a run of this name.
    #[error("`{0}` cannot be the name of a run, or is there twice")]
    Name(RunId),
    /// An artifact cannot be used.
    #[error("its artifact cannot be used: {0}")]
    Artifact(#[source] artifact::ReadError),
    /// An artifact has another digest, or belongs to another plan.
    #[error("its artifact is not the one that is named")]
    OtherArtifact,
    /// An entry cannot follow those before it.
    #[error("the entry cannot follow those before it: {0}")]
    Entry(#[source] LineError),
    /// It is not the last line of these lines.
    #[error("the lines before it are not those that were exported")]
    Altered,
    /// The export ends before its last line.
    #[error("the export ends here, and its last line is missing")]
    Cut,
    /// The export is too large.
    #[error("the export is larger than {EXPORT_OCTETS_MAX} octets")]
    TooLarge,
}

/// Writes an export.
pub(super) struct Writer<'w> {
    to: &'w mut (dyn Write + Send),
    digest: Hashing,
}

impl<'w> Writer<'w> {
    pub(super) fn new(to: &'w mut (dyn Write + Send)) -> std::io::Result<Self> {
        let mut writer = Self { to, digest: Hashing::default() };
        writer.record(&RecordV1::Format(FORMAT.to_owned()))?;
        Ok(writer)
    }

    fn record(&mut self, record: &RecordV1) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record).expect("texts and numbers can be written");
        line.push(b'\n');
        self.digest.add(&line);
        self.to.write_all(&line)
    }

    pub(super) fn run(&mut self, whole: &Whole) -> std::io::Result<()> {
        let Whole { id: RunId { plan, name }, artifact, lines, next, notes } = whole.clone();
        self.record(&RecordV1::Run(RunV1 { plan, name, artifact }))?;
        for line in lines {
            self.record(&RecordV1::Entry(line))?;
        }
        if let Some((digest, artifact)) = next {
            self.record(&RecordV1::Next(NextV1 { digest, artifact }))?;
        }
        for (step, text) in notes {
            let step = step.map(|step| step.to_string());
            self.record(&RecordV1::Note(NoteV1 { step, text }))?;
        }
        Ok(())
    }

    pub(super) fn end(mut self, runs: u64) -> std::io::Result<()> {
        let digest = self.digest.digest();
        self.record(&RecordV1::End(EndV1 { runs, digest }))?;
        self.to.flush()
    }
}

/// What was read of an export so far.
#[derive(Default)]
struct Reader {
    runs: Vec<Whole>,
    names: BTreeSet<RunId>,
    /// The last run, to check its entries.
    last: Option<Run>,
    begun: bool,
    ended: bool,
}

impl Reader {
    /// Takes the next record. `before` is the digest of the lines before it.
    fn take(&mut self, record: RecordV1, before: Digest) -> Result<(), LineProblem> {
        match (record, self.begun, self.ended) {
            (RecordV1::Format(format), false, false) if format == FORMAT => {
                self.begun = true;
                Ok(())
            }
            (RecordV1::Format(format), false, false) => Err(LineProblem::Format(format)),
            (_, false, _) | (_, _, true) | (RecordV1::Format(_), ..) => Err(LineProblem::Order),
            (RecordV1::Run(run), true, false) => self.run(run),
            (RecordV1::Entry(line), true, false) => self.entry(line),
            (RecordV1::Next(NextV1 { digest, artifact }), true, false) => {
                let next = Artifact::decode(&artifact).map_err(LineProblem::Artifact)?;
                let (run, whole) = self.present()?;
                if run.state.replaced != Some(digest) || next.digest() != digest {
                    return Err(LineProblem::OtherArtifact);
                }
                whole.next = Some((digest, artifact));
                Ok(())
            }
            (RecordV1::Note(NoteV1 { step, text }), true, false) => {
                let (_, whole) = self.present()?;
                whole.notes.push((step.map(StepId::new), text));
                Ok(())
            }
            (RecordV1::End(EndV1 { runs, digest }), true, false) => {
                self.ended = true;
                match runs == self.runs.len() as u64 && digest == before {
                    true => Ok(()),
                    false => Err(LineProblem::Altered),
                }
            }
        }
    }

    /// The run to which the next records belong.
    fn present(&mut self) -> Result<(&mut Run, &mut Whole), LineProblem> {
        let present = self.last.as_mut().zip(self.runs.last_mut());
        present.ok_or(LineProblem::Order)
    }

    fn run(&mut self, RunV1 { plan, name, artifact: text }: RunV1) -> Result<(), LineProblem> {
        let id = RunId { plan, name };
        if !id.is_portable() || !self.names.insert(id.clone()) {
            return Err(LineProblem::Name(id));
        }
        let artifact = Artifact::decode(&text).map_err(LineProblem::Artifact)?;
        if artifact.name != id.plan {
            return Err(LineProblem::OtherArtifact);
        }
        let digest = artifact.digest();
        self.last = Some(Run::new(artifact, digest));
        let (lines, next, notes) = (Vec::new(), None, Vec::new());
        self.runs.push(Whole { id, artifact: text, lines, next, notes });
        Ok(())
    }

    fn entry(&mut self, line: String) -> Result<(), LineProblem> {
        let (run, whole) = self.present()?;
        run.read_line(line.as_bytes()).map_err(LineProblem::Entry)?;
        whole.lines.push(line);
        Ok(())
    }
}

/// Reads an export to its end, and checks all of it.
///
/// # Errors
/// The number of the line, from 1, and what is wrong with it; or an error of reading.
pub(super) fn read(
    from: &mut dyn BufRead,
) -> Result<Result<Vec<Whole>, (u64, LineProblem)>, std::io::Error> {
    let mut from = from.take(EXPORT_OCTETS_MAX + 1);
    let (mut reader, mut digest) = (Reader::default(), Hashing::default());
    let (mut line, mut number, mut octets) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        number += 1;
        octets += from.read_until(b'\n', &mut line)? as u64;
        if octets > EXPORT_OCTETS_MAX {
            return Ok(Err((number, LineProblem::TooLarge)));
        }
        if line.last() != Some(&b'\n') {
            // Nothing may follow the last line, not even a part of one.
            return Ok(match reader.ended && line.is_empty() {
                true => Ok(reader.runs),
                false => Err((number, LineProblem::Cut)),
            });
        }
        let before = digest.digest();
        let record = serde_json::from_slice(&line).map_err(LineProblem::NotOurs);
        if let Err(problem) = record.and_then(|record| reader.take(record, before)) {
            return Ok(Err((number, problem)));
        }
        digest.add(&line);
    }
}
