//! What a failed exchange means, as an error of the contract.
//!
//! Cloudflare refuses with a code in the body. Rejected credentials come with HTTP status 400 as
//! well as 401 and 403, so the code decides, and the status only if there is no code.

use cutover_contract::ProviderError;
use cutover_web::{Answer, ExchangeError, one_line};
use cutover_zone::Name;
use serde::Deserialize;

use crate::api::{SendError, Server, patience};
use crate::limits::{
    CODES_NO_ZONE, CODES_THROTTLED, CODES_UNAUTHORIZED, PATIENCE, WORDS_CHARS_MAX,
};

/// An error of the API, with the errors that caused it.
#[derive(Clone, Debug, Deserialize)]
struct Complaint {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error_chain: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaints {
    #[serde(default)]
    errors: Vec<Complaint>,
}

impl Complaint {
    /// Adds the codes and texts of the whole chain.
    fn collect(&self, codes: &mut Vec<u64>, texts: &mut Vec<String>) {
        codes.push(self.code);
        texts.push(format!("{} (code {})", self.message.trim(), self.code));
        self.error_chain.iter().for_each(|inner| inner.collect(codes, texts));
    }
}

/// The codes of an answer, and its text for people.
#[derive(Debug)]
struct Reported {
    codes: Vec<u64>,
    text: String,
}

impl Reported {
    fn any_of(&self, codes: &[u64]) -> bool {
        self.codes.iter().any(|code| codes.contains(code))
    }
}

/// Reads the errors in an answer.
fn reported(server: &Server, answer: &Answer) -> Reported {
    let (mut codes, mut texts) = (Vec::new(), Vec::new());
    match serde_json::from_slice(&answer.body) {
        Ok(Complaints { errors }) if !errors.is_empty() => {
            errors.iter().for_each(|complaint| complaint.collect(&mut codes, &mut texts));
        }
        // The answer may be a proxy's.
        Ok(_) | Err(_) => texts.push(String::from_utf8_lossy(&answer.body).into_owned()),
    }
    let line = one_line(&server.without_token(&texts.join("; ")), WORDS_CHARS_MAX);
    let text = match line.is_empty() {
        true => format!("HTTP status {}", answer.status),
        false => format!("HTTP status {}, {line}", answer.status),
    };
    Reported { codes, text }
}

/// The error for a question without a complete answer; nothing was changed.
pub(crate) fn failed(server: &Server, zone: &Name, error: &SendError) -> ProviderError {
    let (zone, peer) = (zone.clone(), server.peer.clone());
    match error {
        SendError::Blocked(left) => ProviderError::Throttled { zone, retry_after: *left },
        SendError::Exchange(
            ExchangeError::Connect(_) | ExchangeError::Broken(_) | ExchangeError::Silent(_),
        ) => ProviderError::Unreachable { zone, peer, detail: error.to_string() },
        SendError::Exchange(ExchangeError::TooLarge { .. }) => {
            ProviderError::Malformed { zone, detail: error.to_string() }
        }
    }
}

/// The error for a change without a complete answer. Unless nothing was sent, it may have been
/// made.
pub(crate) fn failed_act(server: &Server, zone: &Name, error: &SendError) -> ProviderError {
    match error {
        SendError::Blocked(_) | SendError::Exchange(ExchangeError::Connect(_)) => {
            failed(server, zone, error)
        }
        SendError::Exchange(
            ExchangeError::Broken(_) | ExchangeError::Silent(_) | ExchangeError::TooLarge { .. },
        ) => in_doubt(server, zone, error.to_string()),
    }
}

/// The error for a question that was refused; nothing was changed.
pub(crate) fn denied(server: &Server, zone: &Name, answer: &Answer) -> ProviderError {
    let reported = reported(server, answer);
    let zone = zone.clone();
    let detail = reported.text.clone();
    match answer.status {
        429 => throttled(zone, answer),
        _ if reported.any_of(CODES_THROTTLED) => throttled(zone, answer),
        _ if reported.any_of(CODES_UNAUTHORIZED) => ProviderError::Unauthorized { zone, detail },
        _ if reported.any_of(CODES_NO_ZONE) => ProviderError::NoSuchZone { zone, detail },
        401 | 403 => ProviderError::Unauthorized { zone, detail },
        500..=599 => ProviderError::Unreachable { zone, peer: server.peer.clone(), detail },
        200..=299 => ProviderError::Malformed { zone, detail },
        _ => ProviderError::Refused { zone, detail },
    }
}

/// The error for a change that was refused. A failure inside the server or a proxy does not say how
/// far the change got.
pub(crate) fn denied_act(server: &Server, zone: &Name, answer: &Answer) -> ProviderError {
    match answer.status {
        500..=599 | 200..=299 => in_doubt(server, zone, reported(server, answer).text),
        _ => denied(server, zone, answer),
    }
}

/// The error for a change that may have been made.
pub(crate) fn in_doubt(server: &Server, zone: &Name, detail: String) -> ProviderError {
    ProviderError::InDoubt { zone: zone.clone(), peer: server.peer.clone(), detail }
}

fn throttled(zone: Name, answer: &Answer) -> ProviderError {
    ProviderError::Throttled { zone, retry_after: patience(answer).unwrap_or(PATIENCE) }
}
