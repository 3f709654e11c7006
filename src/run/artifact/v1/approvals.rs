//! Who has to approve, as the artifact carries it. It is left out if nobody has to, so that artifacts
//! of earlier versions keep their digest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;
use crate::artifact::ReadError;
use cutover_steps::approvals::{Demand, is_signer};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalsV1 {
    need: u32,
    /// Whose approvals count. Left out if the plan names nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_secs: Option<u64>,
}

pub(super) fn wire(demand: &Demand) -> Option<ApprovalsV1> {
    let Demand { need, signers, expire } = demand;
    demand.asks().then(|| ApprovalsV1 {
        need: *need,
        signers: signers.clone(),
        expire_secs: expire.map(|span| span.as_secs()),
    })
}

pub(super) fn read(wire: Option<ApprovalsV1>) -> Result<Demand, ReadError> {
    let Some(ApprovalsV1 { need, signers, expire_secs }) = wire else {
        return Ok(Demand::default());
    };
    let demand = Demand { need, signers, expire: expire_secs.map(Duration::from_secs) };
    let flawed = |problem: &str| Err(value("approvals", problem));
    if !demand.asks() {
        return flawed("nobody has to approve, which is said by leaving it out");
    }
    if !demand.signers.iter().all(|name| is_signer(name)) || demand.named_twice().is_some() {
        return flawed("its signers are not different people, each with a name");
    }
    if !demand.is_possible() {
        return flawed("more people have to approve than it names");
    }
    Ok(demand)
}
