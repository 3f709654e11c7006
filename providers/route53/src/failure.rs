//! What a failed request means, as an error of the contract.
//!
//! Route 53 refuses with a code. Throttling and waiting for another change come with HTTP status
//! 400, like permanent errors, so the code decides.

use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use cutover_contract::ProviderError;
use cutover_web::one_line;
use cutover_zone::Name;

use crate::api::Server;
use crate::limits::{
    CODES_THROTTLED, CODES_UNAUTHORIZED, PATIENCE, PATIENCE_PRIOR, WORDS_CHARS_MAX,
};

/// A failed request of any operation.
pub(crate) type Failure<E> = SdkError<E, HttpResponse>;

/// The error for a question that failed; nothing was changed.
pub(crate) fn failed<E>(server: &Server, zone: &Name, error: &Failure<E>) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let zone = zone.clone();
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            denied(server, zone, status, answer.err())
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let detail = format!("HTTP status {status}, {}", cause_text(server, error));
            match status {
                500..=599 => ProviderError::Unreachable { zone, peer: server.peer(), detail },
                _ => ProviderError::Malformed { zone, detail },
            }
        }
        SdkError::ConstructionFailure(_) => {
            ProviderError::Unauthorized { zone, detail: cause_text(server, error) }
        }
        SdkError::DispatchFailure(failure) if is_credentials(failure) => {
            ProviderError::Unauthorized { zone, detail: cause_text(server, error) }
        }
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | _ => {
            ProviderError::Unreachable {
                zone,
                peer: server.peer(),
                detail: cause_text(server, error),
            }
        }
    }
}

/// The error for a change that failed. Unless nothing was sent or it was refused, it may have been
/// made.
pub(crate) fn failed_act<E>(server: &Server, zone: &Name, error: &Failure<E>) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let is_open = match error {
        SdkError::ServiceError(answer) => !answer.raw().status().is_client_error(),
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(failure) => !is_credentials(failure) && !is_unconnected(error),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) | _ => true,
    };
    match is_open {
        true => in_doubt(server, zone, cause_text(server, error)),
        false => failed(server, zone, error),
    }
}

/// The error for a change that may have been made.
pub(crate) fn in_doubt(server: &Server, zone: &Name, detail: String) -> ProviderError {
    ProviderError::InDoubt { zone: zone.clone(), peer: server.peer(), detail }
}

fn denied<E: ProvideErrorMetadata>(
    server: &Server,
    zone: Name,
    status: u16,
    error: &E,
) -> ProviderError {
    let code = error.code().unwrap_or_default();
    let detail = refusal_text(server, status, error);
    match code {
        "PriorRequestNotComplete" => ProviderError::Throttled { zone, retry_after: PATIENCE_PRIOR },
        _ if CODES_THROTTLED.contains(&code) || status == 429 => {
            ProviderError::Throttled { zone, retry_after: PATIENCE }
        }
        _ if CODES_UNAUTHORIZED.contains(&code) => ProviderError::Unauthorized { zone, detail },
        "NoSuchHostedZone" => ProviderError::NoSuchZone { zone, detail },
        _ if matches!(status, 401 | 403) => ProviderError::Unauthorized { zone, detail },
        // The answer is not a refusal, and cannot be read.
        _ if status < 400 => ProviderError::Malformed { zone, detail },
        _ if status >= 500 => ProviderError::Unreachable { zone, peer: server.peer(), detail },
        _ => ProviderError::Refused { zone, detail },
    }
}

/// The text of an answer, for people. After the first sentence, a refusal because of the signature
/// repeats the request, with tokens in it.
fn refusal_text<E: ProvideErrorMetadata>(server: &Server, status: u16, error: &E) -> String {
    let code = error.code().unwrap_or("no code");
    let message = error.message().unwrap_or_default();
    let message = message.split("The Canonical String").next().unwrap_or_default();
    let message = one_line(&server.without_secrets(message), WORDS_CHARS_MAX);
    match message.is_empty() {
        true => format!("HTTP status {status}, {code}"),
        false => format!("HTTP status {status}, {code}: {message}"),
    }
}

/// The innermost cause: the outer errors only say that something failed.
fn cause_text<E: std::error::Error + 'static>(server: &Server, error: &Failure<E>) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    one_line(&server.without_secrets(&cause.to_string()), WORDS_CHARS_MAX)
}

/// Whether there was no connection, so that nothing was sent.
fn is_unconnected<E: std::error::Error + 'static>(error: &Failure<E>) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}

/// Whether no credentials were found.
fn is_credentials(failure: &aws_smithy_runtime_api::client::result::DispatchFailure) -> bool {
    use aws_credential_types::provider::error::CredentialsError;

    let mut cause: Option<&dyn std::error::Error> =
        failure.as_connector_error().map(|error| error as &dyn std::error::Error);
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
