//! Who has to approve, as the artifact carries it. It is left out if nobody has to, so that artifacts
//! of earlier versions keep their digest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;
use crate::artifact::ReadError;
use cutover_steps::approvals::Demand;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalsV1 {
    need: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_secs: Option<u64>,
}

pub(super) fn wire(demand: Demand) -> Option<ApprovalsV1> {
    let Demand { need, expire } = demand;
    demand.asks().then(|| ApprovalsV1 { need, expire_secs: expire.map(|span| span.as_secs()) })
}

pub(super) fn read(wire: Option<ApprovalsV1>) -> Result<Demand, ReadError> {
    let Some(ApprovalsV1 { need, expire_secs }) = wire else { return Ok(Demand::default()) };
    let demand = Demand { need, expire: expire_secs.map(Duration::from_secs) };
    match demand.asks() {
        true => Ok(demand),
        false => Err(value("approvals", "nobody has to approve, which is said by leaving it out")),
    }
}
