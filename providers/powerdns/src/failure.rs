//! What a failed exchange means, as an error of the contract.
//!
//! PowerDNS refuses with 400, 401 and 404 in plain text, and with 422 and 500 in JSON with an
//! `error`. A 404 may mean an unknown zone or an unknown server identifier, so a second question
//! settles which. A proxy in front of the server may answer anything else.

use cutover_contract::ProviderError;
use cutover_web::{Answer, ExchangeError, one_line};
use cutover_zone::Name;
use serde::Deserialize;

use crate::api::{Question, Server};
use crate::limits::{HUNG_UP_HINT, PATIENCE, PATIENCE_MAX, WORDS_CHARS_MAX};

/// The error for a question without a complete answer; nothing was changed.
pub(crate) fn failed(server: &Server, zone: &Name, error: &ExchangeError) -> ProviderError {
    let (zone, peer) = (zone.clone(), server.peer.clone());
    match error {
        ExchangeError::Broken(_) => {
            let detail = format!("{error}; {HUNG_UP_HINT}");
            ProviderError::Unreachable { zone, peer, detail }
        }
        ExchangeError::Connect(_) | ExchangeError::Silent(_) => {
            ProviderError::Unreachable { zone, peer, detail: error.to_string() }
        }
        ExchangeError::TooLarge { .. } => {
            ProviderError::Malformed { zone, detail: error.to_string() }
        }
    }
}

/// The error for a change without a complete answer. Unless there was no connection, it may have
/// been made.
pub(crate) fn failed_act(server: &Server, zone: &Name, error: &ExchangeError) -> ProviderError {
    match error {
        ExchangeError::Connect(_) => failed(server, zone, error),
        ExchangeError::Broken(_) | ExchangeError::Silent(_) | ExchangeError::TooLarge { .. } => {
            in_doubt(server, zone, error.to_string())
        }
    }
}

/// The error for a question that was refused; nothing was changed.
pub(crate) async fn denied(server: &Server, zone: &Name, answer: &Answer) -> ProviderError {
    let detail = answer_text(server, answer);
    let zone = zone.clone();
    match answer.status {
        401 | 403 => ProviderError::Unauthorized { zone, detail },
        404 => not_found(server, zone, detail).await,
        429 => throttled(zone, answer),
        500..=599 => ProviderError::Unreachable { zone, peer: server.peer.clone(), detail },
        200..=299 => ProviderError::Malformed { zone, detail },
        300..=399 => {
            let detail = format!("{detail}; use the address that it redirects to in the plan");
            ProviderError::Refused { zone, detail }
        }
        _ => ProviderError::Refused { zone, detail },
    }
}

/// The error for a change that was refused. A failure inside the server or a proxy does not say how
/// far the change got.
pub(crate) async fn denied_act(server: &Server, zone: &Name, answer: &Answer) -> ProviderError {
    match answer.status {
        500..=599 => in_doubt(server, zone, answer_text(server, answer)),
        413 => {
            let detail = format!(
                "{}: the change set is too large, and two requests would not be one change",
                answer_text(server, answer)
            );
            ProviderError::Refused { zone: zone.clone(), detail }
        }
        _ => denied(server, zone, answer).await,
    }
}

/// The error for a change that may have been made.
pub(crate) fn in_doubt(server: &Server, zone: &Name, detail: String) -> ProviderError {
    ProviderError::InDoubt { zone: zone.clone(), peer: server.peer.clone(), detail }
}

async fn not_found(server: &Server, zone: Name, detail: String) -> ProviderError {
    match server.ask(Question::Server).await {
        Ok(answer) if answer.is_success() => ProviderError::NoSuchZone { zone, detail },
        Ok(_) | Err(_) => {
            let detail = format!(
                "{detail}: {} has no server `{}`, or its API is off (`api=yes` turns it on)",
                server.peer, server.id
            );
            ProviderError::Refused { zone, detail }
        }
    }
}

fn throttled(zone: Name, answer: &Answer) -> ProviderError {
    let retry_after = answer.retry_after().unwrap_or(PATIENCE).min(PATIENCE_MAX);
    ProviderError::Throttled { zone, retry_after }
}

/// The status of an answer and its `error` or text, on one line for people.
pub(crate) fn answer_text(server: &Server, answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Complaint {
        error: String,
    }
    let text = match serde_json::from_slice(&answer.body) {
        Ok(Complaint { error }) => error,
        Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    let short = one_line(&server.without_key(&text), WORDS_CHARS_MAX);
    match short.is_empty() {
        true => format!("HTTP status {}", answer.status),
        false => format!("HTTP status {}, {short}", answer.status),
    }
}
