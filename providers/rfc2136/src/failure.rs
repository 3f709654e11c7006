//! What a failed exchange means, as an error of the contract.
//!
//! Servers refuse in different ways. For a zone that it does not have, BIND answers REFUSED to a
//! query and NOTAUTH to a transfer, and it answers REFUSED to a client that may not transfer. Knot
//! answers NOTAUTH to both, and does not sign its answer about a zone that it does not have. So a
//! second question settles a code that may mean two things. An unsigned code in answer to a read is
//! believed only this far: the read has failed either way, and the code says why.

use cutover_contract::ProviderError;
use cutover_zone::{Name, RrKey, RrType};

use crate::api::Request;
use crate::api::answer::Rcode;
use crate::api::tcp::{ExchangeError, Server};
use crate::api::tsig::{ExchangeProblem, SignatureError};
use crate::limits::REFUSED_HINT;

/// The kind of request, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Query,
    Transfer,
    /// Only sent for zones that the server serves.
    Update,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Query => "a query",
            Self::Transfer => "a transfer",
            Self::Update => "an update",
        }
    }
}

/// The error for a request without an answer, or without a trustworthy one; nothing was changed.
pub(crate) async fn failed(
    server: &Server,
    zone: &Name,
    what: What,
    error: &ExchangeError,
) -> ProviderError {
    if let Some(rcode) = unsigned_no(error) {
        return denied(server, zone, what, rcode).await;
    }
    let (zone, detail) = (zone.clone(), error.to_string());
    match error {
        ExchangeError::Problem(ExchangeProblem::Signature(SignatureError::NotAccepted(_))) => {
            ProviderError::Unauthorized { zone, detail }
        }
        ExchangeError::Problem(_) | ExchangeError::TooLarge { .. } => {
            ProviderError::Malformed { zone, detail }
        }
        ExchangeError::Connect(_)
        | ExchangeError::ConnectTimeout
        | ExchangeError::Broken(_)
        | ExchangeError::Silent(_) => {
            ProviderError::Unreachable { zone, peer: server.address.to_string(), detail }
        }
    }
}

/// The error for a request that was denied; nothing was changed.
pub(crate) async fn denied(
    server: &Server,
    zone: &Name,
    what: What,
    rcode: Rcode,
) -> ProviderError {
    let (is_served, is_unknown) = match (what, rcode) {
        (What::Update, _) => (true, false),
        (_, Rcode::NOT_AUTH | Rcode::NOT_ZONE) => {
            let is_served = serves(server, zone).await;
            (is_served, !is_served)
        }
        (What::Query, Rcode::REFUSED) => (false, says_not_auth(server, zone).await),
        (What::Query | What::Transfer, _) => (false, false),
    };
    let (zone, what_word) = (zone.clone(), what.word());
    match (rcode, &server.key) {
        _ if is_unknown => ProviderError::NoSuchZone { zone, detail: rcode.to_string() },
        (Rcode::REFUSED | Rcode::NOT_AUTH, None) => ProviderError::Unauthorized {
            zone,
            detail: format!("the server answers {rcode} to {what_word}, and no key is configured"),
        },
        (Rcode::NOT_AUTH, Some(_)) if is_served => ProviderError::Unauthorized {
            zone,
            detail: format!(
                "the server has the zone but answers NOTAUTH to {what_word}: the key may not do \
                 this, or the server is not the zone's primary"
            ),
        },
        (Rcode::REFUSED, Some(_)) if what == What::Update => {
            let detail = format!("REFUSED to an update; {REFUSED_HINT}");
            ProviderError::Refused { zone, detail }
        }
        _ => ProviderError::Refused { zone, detail: format!("{rcode} to {what_word}") },
    }
}

/// The code of an unsigned answer that denies a request, where a signed answer was due. An unsigned
/// answer is never believed when it reports data or its absence.
fn unsigned_no(error: &ExchangeError) -> Option<Rcode> {
    let ExchangeError::Problem(ExchangeProblem::Signature(SignatureError::Unsigned(rcode))) = error
    else {
        return None;
    };
    Some(*rcode).filter(|rcode| !matches!(*rcode, Rcode::NO_ERROR | Rcode::NX_DOMAIN))
}

/// Whether the server reports in answer to a query that it has this zone.
async fn serves(server: &Server, zone: &Name) -> bool {
    let asked = [Request::Query(RrKey::new(zone.clone(), RrType::SOA))];
    let Ok(answers) = server.ask(&asked).await else { return false };
    let answer = &answers[0];
    answer.rcode() == Rcode::NO_ERROR
        && answer.is_authoritative()
        && answer.records().iter().any(|record| record.rtype() == RrType::SOA)
}

/// Whether the server reports in answer to a transfer that it does not have this zone.
async fn says_not_auth(server: &Server, zone: &Name) -> bool {
    let Ok(mut transfer) = server.transfer(zone, None).await else { return false };
    match transfer.next().await {
        Ok(answer) => answer.is_some_and(|(answer, _)| answer.rcode() == Rcode::NOT_AUTH),
        Err(error) => unsigned_no(&error) == Some(Rcode::NOT_AUTH),
    }
}
