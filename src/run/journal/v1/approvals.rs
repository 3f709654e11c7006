//! Approvals as a journal has them.

use serde::{Deserialize, Serialize};

use super::instant;
use crate::journal::{Approvals, Approver, EntryError};
use cutover_base::calendar::show_exact;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApproverV1 {
    principals: Vec<String>,
    fingerprint: String,
    name: String,
    signed_at: String,
    expires_at: String,
    until: String,
    signature: String,
}

pub(super) fn wire(approver: &Approver) -> ApproverV1 {
    let Approver { principals, fingerprint, name, signed_at, expires_at, until, signature } =
        approver;
    ApproverV1 {
        principals: principals.clone(),
        fingerprint: fingerprint.clone(),
        name: name.clone(),
        signed_at: show_exact(*signed_at),
        expires_at: show_exact(*expires_at),
        until: show_exact(*until),
        signature: signature.clone(),
    }
}

pub(super) fn read(need: u32, by: Vec<ApproverV1>) -> Result<Approvals, EntryError> {
    let read = |wire: ApproverV1| {
        Ok(Approver {
            principals: wire.principals,
            fingerprint: wire.fingerprint,
            name: wire.name,
            signed_at: instant(&wire.signed_at)?,
            expires_at: instant(&wire.expires_at)?,
            until: instant(&wire.until)?,
            signature: wire.signature,
        })
    };
    let by = by.into_iter().map(read).collect::<Result<_, EntryError>>()?;
    Ok(Approvals { need, by })
}
