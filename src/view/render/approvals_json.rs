//! Who has approved an artifact, as JSON for programs. Its version is raised when a meaning changes;
//! readers ignore fields that they do not know.

use cutover_approval::{Checked, Standing};
use serde::Serialize;

use cutover_base::calendar::show_exact;
use cutover_run::artifact::Artifact;

#[derive(Serialize)]
struct ApprovalsV1 {
    version: u32,
    plan: String,
    artifact: String,
    /// How many people have to approve it.
    need: u32,
    /// How many do, whose keys are known.
    people: usize,
    missing: u32,
    /// Whose approvals count, of those who may approve; empty: everybody's.
    signers: Vec<String>,
    /// Who may still approve and has not.
    open: Vec<String>,
    /// Whom the plan names in vain, and why.
    barred: Vec<BarredV1>,
    /// Whether somebody has said who may approve. Without that, no signature counts.
    allowed_signers: bool,
    signatures: Vec<SignatureV1>,
}

#[derive(Serialize)]
struct BarredV1 {
    name: String,
    why: String,
}

#[derive(Serialize)]
struct SignatureV1 {
    file: String,
    /// What the signed text says; `null` if it cannot be read.
    name: Option<String>,
    signed_at: Option<String>,
    expires_at: Option<String>,
    /// The key; `null` if the signature cannot be read.
    fingerprint: Option<String>,
    /// Whose key it is, by the allowed signers.
    principals: Vec<String>,
    counts: bool,
    /// Until when it counts, or would.
    until: Option<String>,
    /// Why it does not count.
    flaw: Option<String>,
}

/// The signatures of an artifact as JSON. `is_known_who`: whether somebody has said who may approve.
#[must_use]
pub fn json(artifact: &Artifact, standing: &Standing, is_known_who: bool) -> String {
    let people = if is_known_who { standing.people().len() } else { 0 };
    let missing = if is_known_who { standing.missing() } else { standing.need };
    let approvals = ApprovalsV1 {
        version: 1,
        plan: artifact.name.clone(),
        artifact: artifact.digest().to_string(),
        need: standing.need,
        people,
        missing,
        signers: artifact.approvals.signers.clone(),
        open: standing.open.clone(),
        barred: standing
            .barred
            .iter()
            .map(|(name, why)| BarredV1 { name: name.clone(), why: why.to_string() })
            .collect(),
        allowed_signers: is_known_who,
        signatures: standing
            .checked
            .iter()
            .map(|checked| signature(checked, is_known_who))
            .collect(),
    };
    serde_json::to_string_pretty(&approvals).expect("it has string keys alone") + "\n"
}

fn signature(checked: &Checked, is_known_who: bool) -> SignatureV1 {
    let Checked { file, approval, fingerprint, outcome } = checked;
    let approval = approval.as_ref();
    let approved = outcome.as_ref().ok();
    let unknown = "nobody has said whose key it is";
    SignatureV1 {
        file: file.clone(),
        name: approval.map(|approval| approval.name().to_owned()),
        signed_at: approval.map(|approval| show_exact(approval.signed_at())),
        expires_at: approval.map(|approval| show_exact(approval.expires_at())),
        fingerprint: fingerprint.clone(),
        principals: approved.map(|approved| approved.principals.clone()).unwrap_or_default(),
        counts: approved.is_some() && is_known_who,
        until: approved.map(|approved| show_exact(approved.until)),
        flaw: match outcome {
            Err(flaw) => Some(flaw.to_string()),
            Ok(_) => (!is_known_who).then(|| unknown.to_owned()),
        },
    }
}
