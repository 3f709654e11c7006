//! Telling people: JSON, by POST, to an address that is a secret.

use std::time::Duration;

use cutover_contract::Secret;
use cutover_web::{Answer, Bounds, client, exchange};
use serde_json::json;

use super::gate::asks;
use crate::calendar::show_exact;
use crate::engine::tell::{Message, Untold};
use crate::graph::StepId;

/// How long it may take: our choice. A run waits for it, and nobody who is told is worth more.
const WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried. Our choice.
const TRIES: usize = 2;
/// Octets of an answer at the most; nobody reads them.
const OCTETS_MAX: usize = 64 * 1024;

/// Tells somebody.
///
/// # Errors
/// Why it could not be done; never the address.
pub(super) async fn webhook(address: &Secret, message: &Message) -> Result<(), String> {
    let Message { text, plan, untold: Untold { seq, occasion, at, step, why, .. } } = message;
    let step = step.as_ref().map(StepId::as_str);
    let body = json!({
        "text": text,
        "plan": plan,
        "occasion": occasion,
        "entry": seq,
        "at": show_exact(*at),
        "step": step,
        "why": why,
    })
    .to_string();
    let url = address.expose();
    let bounds = Bounds {
        connect_max: WITHIN,
        progress_max: WITHIN,
        whole_max: WITHIN,
        octets_max: OCTETS_MAX,
    };
    let client = client(asks(url), bounds).map_err(|error| error.to_string())?;
    let mut problem = String::new();
    for _ in 0..TRIES {
        let request = client.post(url).header("content-type", "application/json");
        match exchange(request.body(body.clone()), bounds).await {
            Ok(answer) if answer.is_success() => return Ok(()),
            Ok(Answer { status, .. }) => problem = format!("the answer has status {status}"),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem.replace(url, "[secret]"))
}
