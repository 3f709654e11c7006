//! What the commands about approvals share: who may approve, how many have to, and who has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cutover_approval::{AllowedSigners, Approval, Approved, Kept, Question, Standing};

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::planning::Plan;
use super::shell_quote;
use crate::approvals::Demand;
use crate::artifact::Artifact;
use crate::calendar::Timestamp;
use crate::diag::{self, Diagnostic, did_you_mean, quoted};
use crate::digest::Digest;
use crate::document::count;
use crate::engine::RunState;
use crate::journal::{Approvals, Approver};
use crate::render::approvals::OPEN_SHOWN_MAX;
use crate::world::NotJudged;
use crate::world::real::Approving;
use crate::world::real::approvals::{ApprovalFileError, allowed_signers, directory, signatures};
use crate::world::real::now;

/// Who may approve, and how many have to.
#[derive(Clone, clap::Args)]
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

/// Nobody has said who may approve.
pub(super) static NOBODY: DemandArgs =
    DemandArgs { allowed_signers: None, need: None, approvals: None };

impl DemandArgs {
    /// Whether somebody has said who may approve.
    pub(super) fn is_known_who(&self) -> bool {
        self.allowed_signers.is_some()
    }

    /// What is asked for: the plan can only tighten what the command line says.
    pub(super) fn demand(&self, artifact: &Artifact) -> Demand {
        let default = u32::from(self.allowed_signers.is_some());
        let need = self.need.unwrap_or(default).max(artifact.approvals.need);
        Demand { need, ..artifact.approvals.clone() }
    }

    /// Looks at the signatures of the artifact with this digest.
    pub(super) fn standing(
        &self,
        input: &Path,
        (artifact, digest): (&Artifact, Digest),
        not_before: Option<Timestamp>,
    ) -> Result<Standing, Failure> {
        let signers = self.signers(input)?;
        self.judge(input, (digest, &self.demand(artifact)), (signers.as_ref(), &[]), not_before)
    }

    /// Who may approve, read anew each time; `None` if nobody has said.
    fn signers(&self, input: &Path) -> Result<Option<AllowedSigners>, Failure> {
        let signers = self.allowed_signers.as_deref();
        let signers = signers.map(|path| allowed_signers(path, input)).transpose();
        signers.map_err(|error| unusable(&error))
    }

    /// Looks at the signatures beside the artifact, and at those that a journal has.
    fn judge(
        &self,
        input: &Path,
        (digest, demand): (Digest, &Demand),
        (signers, of_journal): (Option<&AllowedSigners>, &[Approver]),
        not_before: Option<Timestamp>,
    ) -> Result<Standing, Failure> {
        let dir = self.approvals.clone().unwrap_or_else(|| directory(input));
        let mut kept = signatures(&dir).map_err(|error| unusable(&error))?;
        let digest = digest.to_string();
        kept.extend(of_journal.iter().filter_map(|one| kept_in_journal(one, &digest)));
        let Demand { need, signers: named, expire } = demand;
        let question = Question {
            artifact: &digest,
            signers,
            named,
            lasts_max: *expire,
            now: now(),
            not_before,
        };
        Ok(Standing::of(&kept, &question, *need))
    }

    /// The approvals under which a run of an artifact may begin; `None` if nobody has to approve.
    /// `newest` is when the newest run of the plan was opened: what was signed before does not count.
    pub(super) fn of_new(
        &self,
        input: &Path,
        artifact: &Artifact,
        newest: Option<Timestamp>,
    ) -> Result<Option<Approvals>, Failure> {
        let demand = self.demand(artifact);
        if !demand.asks() {
            return Ok(None);
        }
        let signers = self.known_who(input)?;
        self.check_new(input, artifact)?;
        let digest = artifact.digest();
        let standing = self.judge(input, (digest, &demand), (Some(&signers), &[]), newest)?;
        self.met(input, digest, &standing).map(Some)
    }

    /// The approvals with which an open run goes on; `None`: those that its journal has, if any. They
    /// may have expired: the run itself looks at them before its next checkpoint.
    ///
    /// Whoever may not approve any more counts until now, so that the run halts there as well.
    pub(super) fn of_open(
        &self,
        input: &Path,
        artifact: &Artifact,
        state: &RunState,
    ) -> Result<Option<Approvals>, Failure> {
        let mut demand = self.demand(artifact);
        if artifact.is_way_back() || state.only_settles() || !demand.asks() {
            return Ok(None);
        }
        let known = state.approvals.as_ref();
        let enough = known.filter(|known| known.need >= demand.need);
        if enough.is_some() && self.allowed_signers.is_none() {
            return Ok(None);
        }
        let signers = self.known_who(input)?;
        // Whoever continues a run cannot ask for fewer people than whoever began it.
        demand.need = demand.need.max(known.map_or(0, |known| known.need));
        check_possible(&demand)?;
        let (digest, of_journal) = (state.artifact(), known.map_or(&[][..], |known| &known.by));
        let standing = self.judge(input, (digest, &demand), (Some(&signers), of_journal), None)?;
        match (self.met(input, digest, &standing), enough) {
            (Ok(met), _) => Ok(Some(met)),
            (Err(_), Some(known)) => Ok(withdrawn(known, &standing)),
            (Err(failure), None) => Err(failure),
        }
    }

    /// Judges the approvals of a run anew whenever it is asked; `None` if nobody has said who may
    /// approve.
    pub(super) fn approving(&self, input: &Path, artifact: &Arc<Artifact>) -> Option<Approving> {
        self.allowed_signers.as_ref()?;
        let (demand, input, artifact) = (self.clone(), input.to_owned(), Arc::clone(artifact));
        Some(Box::new(move |state| {
            let approvals = demand.of_open(&input, &artifact, state);
            approvals.map_err(|failure| NotJudged(failure.messages().join("; ")))
        }))
    }

    /// Refuses a plan that names a signer whom nobody outside of it has allowed, at its place.
    pub(super) fn check_plan(&self, input: &Path, plan: &Plan) -> Result<(), Failure> {
        match &self.allowed_signers {
            Some(path) => check_plan(path, input, plan),
            None => Ok(()),
        }
    }

    /// Refuses an artifact that no run can begin with, whoever signs it.
    pub(super) fn check_new(&self, input: &Path, artifact: &Artifact) -> Result<(), Failure> {
        let demand = self.demand(artifact);
        if let Some(signers) = self.signers(input)? {
            self.check_names(&artifact.name, &demand.signers, &signers)?;
            check_possible(&demand)?;
        }
        Ok(())
    }

    /// The same for an artifact, whose plan may not be here.
    fn check_names(
        &self,
        plan: &str,
        named: &[String],
        signers: &AllowedSigners,
    ) -> Result<(), Failure> {
        let list = self.allowed_signers.as_deref().unwrap_or(Path::new("")).display();
        let unknown = named.iter().filter(|name| !signers.names().any(|known| known == *name));
        let lines: Vec<String> = unknown
            .map(|name| format!("`{name}`, whom {list} does not have{}", near(name, signers)))
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        let text = format!("`approvals.signers` of plan {plan} names a signer who may not approve");
        let message = Message::new(Code::UnknownSigner, text).details(lines);
        Err(message.help(UNKNOWN_SIGNER_HELP).usage())
    }

    /// Who may approve. Refuses a plan that has to be approved while nobody has said by whom.
    fn known_who(&self, input: &Path) -> Result<AllowedSigners, Failure> {
        if let Some(signers) = self.signers(input)? {
            return Ok(signers);
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
            let message = message.details(still_open(standing));
            let help = format!("approve it: `cutover approve {} --key FILE`", shell_quote(input));
            return Err(message.help(help).ends(Exit::ApprovalNeeded));
        }
        let by = people.into_iter().map(approver).collect();
        Ok(Approvals { need: standing.need, by })
    }
}

/// What a plan with a signer whom the list does not have needs.
const UNKNOWN_SIGNER_HELP: &str = "name somebody whom the list has, word for word, or have them added to it where it is kept: a plan cannot allow anybody";

/// A signer whom the list of those who may approve does not have.
const UNKNOWN_SIGNER: diag::Code = diag::Code::semantic("signer-not-allowed");

/// Refuses a plan that names a signer whom this list does not have, at its place.
pub(super) fn check_plan(list: &Path, input: &Path, plan: &Plan) -> Result<(), Failure> {
    let signers = allowed_signers(list, input).map_err(|error| unusable(&error))?;
    let found = plan.intent.approvals.signers().filter_map(|named| {
        if signers.names().any(|known| known == named.value) {
            return None;
        }
        let title = format!("{} has no {}", list.display(), quoted(named.value));
        let help = format!("{UNKNOWN_SIGNER_HELP}{}", near(named.value, &signers));
        Some(Diagnostic::error(UNKNOWN_SIGNER, named.span, title, &help))
    });
    let found: Vec<Diagnostic> = found.collect();
    match found.is_empty() {
        true => Ok(()),
        false => Err(Failure::plan(&found, &plan.source)),
    }
}

/// The name that was probably meant.
fn near(name: &str, signers: &AllowedSigners) -> String {
    let same = signers.names().find(|known| known.eq_ignore_ascii_case(name));
    // What follows the `@` is often the same for all, and says nothing about who is meant.
    let (local, domain) = name.split_once('@').unwrap_or((name, ""));
    let of_domain =
        || signers.names().filter(|known| known.split_once('@').unwrap_or((known, "")).1 == domain);
    let locals = of_domain().map(|known| known.split('@').next().unwrap_or(known));
    let near = did_you_mean(local, locals);
    let near = same.or_else(|| of_domain().find(|known| known.split('@').next() == near));
    near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"))
}

/// Refuses to wait for more people than the plan names, which the command line can ask for.
fn check_possible(demand: &Demand) -> Result<(), Failure> {
    if demand.is_possible() {
        return Ok(());
    }
    let Demand { need, signers, expire: _ } = demand;
    let text = format!(
        "{need} people have to approve, but `approvals.signers` of the plan names {}: {}",
        signers.len(),
        signers.join(", ")
    );
    let help = "ask for fewer with `--need`, or name more signers in the plan and plan again";
    Err(Message::new(Code::ApprovalMissing, text).help(help).usage())
}

/// What a journal has of an approval, as a signature that can be judged again.
fn kept_in_journal(of: &Approver, digest: &str) -> Option<Kept> {
    let Approver { fingerprint, name, signed_at, expires_at, signature, principals: _, until: _ } =
        of;
    let text = Approval::new(digest, name, *signed_at, *expires_at).ok()?.encode();
    let file = format!("{fingerprint} of the journal");
    Some(Kept { file, text: Some(text), signature: signature.clone() })
}

/// The approvals of a journal, of which some do not count any more: until now. `None` if all of them do
/// that have not expired.
fn withdrawn(known: &Approvals, standing: &Standing) -> Option<Approvals> {
    let now = now();
    let people = standing.people();
    let counts = |one: &Approver| people.iter().any(|of| of.fingerprint == one.fingerprint);
    let mut approvals = known.clone();
    for one in approvals.by.iter_mut().filter(|one| !counts(one)) {
        one.until = one.until.min(now);
    }
    (approvals != *known).then_some(approvals)
}

/// Who may still approve, and whose approval cannot count, if the plan names them.
fn still_open(standing: &Standing) -> Vec<String> {
    let Standing { checked: _, need: _, open, barred } = standing;
    let barred = barred.iter().map(|(name, why)| format!("{name} cannot approve: {why}"));
    let open = Some(open).filter(|open| !open.is_empty() && open.len() <= OPEN_SHOWN_MAX);
    let open = open.map(|open| format!("still to approve: {}", open.join(", ")));
    open.into_iter().chain(barred).collect()
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
