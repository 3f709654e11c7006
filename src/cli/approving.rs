//! What the commands about approvals share: who may approve, how many have to, and who has.

use std::path::{Path, PathBuf};

use cutover_approval::{Approved, Question, Standing};

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::shell_quote;
use crate::approvals::Demand;
use crate::artifact::Artifact;
use crate::calendar::Timestamp;
use crate::digest::Digest;
use crate::document::count;
use crate::engine::RunState;
use crate::journal::{Approvals, Approver};
use crate::world::real::approvals::{ApprovalFileError, allowed_signers, directory, signatures};
use crate::world::real::now;

/// Who may approve, and how many have to.
#[derive(Clone, Default, clap::Args)]
pub(super) struct DemandArgs {
    /// The people who may approve, in OpenSSH's `allowed_signers` format. The file must not be part of
    /// what is reviewed: take it from the base branch, or from the machine that applies
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// How many of them have to approve, unless the plan asks for more [default: 1]
    #[arg(long, value_name = "N", requires = "allowed_signers")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    need: Option<u32>,
    /// The directory of the signatures [default: the file's name with `.sig.d`]
    #[arg(long, value_name = "DIR")]
    approvals: Option<PathBuf>,
}

impl DemandArgs {
    /// Whether somebody has said who may approve.
    pub(super) fn is_known_who(&self) -> bool {
        self.allowed_signers.is_some()
    }

    /// What is asked for: the plan can only tighten what the command line says.
    pub(super) fn demand(&self, artifact: &Artifact) -> Demand {
        let default = u32::from(self.allowed_signers.is_some());
        let need = self.need.unwrap_or(default).max(artifact.approvals.need);
        Demand { need, ..artifact.approvals }
    }

    /// Looks at the signatures of the artifact with this digest.
    pub(super) fn standing(
        &self,
        input: &Path,
        (artifact, digest): (&Artifact, Digest),
        not_before: Option<Timestamp>,
    ) -> Result<Standing, Failure> {
        let signers = self.allowed_signers.as_deref();
        let signers = signers.map(|path| allowed_signers(path, input)).transpose();
        let signers = signers.map_err(|error| unusable(&error))?;
        let dir = self.approvals.clone().unwrap_or_else(|| directory(input));
        let kept = signatures(&dir).map_err(|error| unusable(&error))?;
        let Demand { need, expire } = self.demand(artifact);
        let digest = digest.to_string();
        let question = Question {
            artifact: &digest,
            signers: signers.as_ref(),
            lasts_max: expire,
            now: now(),
            not_before,
        };
        Ok(Standing::of(&kept, &question, need))
    }

    /// The approvals under which a run of an artifact may begin; `None` if nobody has to approve.
    /// `newest` is when the newest run of the plan was opened: what was signed before does not count.
    pub(super) fn of_new(
        &self,
        input: &Path,
        artifact: &Artifact,
        newest: Option<Timestamp>,
    ) -> Result<Option<Approvals>, Failure> {
        if !self.demand(artifact).asks() {
            return Ok(None);
        }
        self.check_known_who()?;
        let digest = artifact.digest();
        let standing = self.standing(input, (artifact, digest), newest)?;
        self.met(input, digest, &standing).map(Some)
    }

    /// The approvals with which an open run goes on; `None`: those that its journal has, if any. They
    /// may have expired: the run itself looks at them before its next checkpoint.
    pub(super) fn of_open(
        &self,
        input: &Path,
        artifact: &Artifact,
        state: &RunState,
    ) -> Result<Option<Approvals>, Failure> {
        let demand = self.demand(artifact);
        if artifact.is_way_back() || state.only_settles() || !demand.asks() {
            return Ok(None);
        }
        let known = state.approvals.as_ref().filter(|known| known.need >= demand.need);
        if known.is_some() && self.allowed_signers.is_none() {
            return Ok(None);
        }
        self.check_known_who()?;
        let standing = self.standing(input, (artifact, state.artifact()), None)?;
        match self.met(input, state.artifact(), &standing) {
            Err(_) if known.is_some() => Ok(None),
            met => met.map(Some),
        }
    }

    /// Refuses a plan that has to be approved while nobody has said by whom.
    fn check_known_who(&self) -> Result<(), Failure> {
        if self.is_known_who() {
            return Ok(());
        }
        let text = "this plan has to be approved (`approvals:`), but nobody has said by whom";
        let help = "name those who may approve: `--allowed-signers FILE`";
        Err(Message::new(Code::ApprovalMissing, text).help(help).usage())
    }

    /// What the journal keeps of the approvals, if there are enough.
    fn met(&self, input: &Path, digest: Digest, standing: &Standing) -> Result<Approvals, Failure> {
        let people = standing.people();
        if standing.missing() > 0 {
            let (needed, are) = (standing.need as usize, people.len());
            let text = format!(
                "{} has to be approved by {}, and is by {are}",
                digest.short(),
                number_of_people(needed)
            );
            let message = Message::new(Code::ApprovalMissing, text).details(flaws(standing));
            let help = format!("approve it: `cutover approve {} --key FILE`", shell_quote(input));
            return Err(message.help(help).ends(Exit::ApprovalNeeded));
        }
        let by = people.into_iter().map(approver).collect();
        Ok(Approvals { need: standing.need, by })
    }
}

/// `1 person`, `2 people`.
fn number_of_people(number: usize) -> String {
    match number {
        1 => count(1, "person"),
        number => format!("{number} people"),
    }
}

/// Why each of the signatures that do not count does not.
fn flaws(standing: &Standing) -> Vec<String> {
    let flaws = standing.checked.iter().filter_map(|checked| {
        let flaw = checked.outcome.as_ref().err()?;
        Some(format!("{}: {flaw}", checked.file))
    });
    flaws.collect()
}

fn approver(approved: &Approved) -> Approver {
    let Approved { approval, until, fingerprint, principals, signature } = approved;
    Approver {
        principals: principals.clone(),
        fingerprint: fingerprint.clone(),
        name: approval.name().to_owned(),
        signed_at: approval.signed_at(),
        expires_at: approval.expires_at(),
        until: *until,
        signature: signature.clone(),
    }
}

/// The allowed signers or the signatures cannot be used.
fn unusable(error: &ApprovalFileError) -> Failure {
    let message = Message::new(Code::SignersUnusable, error.to_string());
    let message = match error {
        ApprovalFileError::Reviewed { .. } => message
            .detail("whoever writes the plan could add themselves to it")
            .help("take it from the base branch: `git show main:FILE > /run/allowed_signers`"),
        ApprovalFileError::Unreadable(_)
        | ApprovalFileError::TooMany(_)
        | ApprovalFileError::Signers { .. } => message,
    };
    message.usage()
}
