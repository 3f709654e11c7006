//! HTTP for adapters: one request, its whole answer, and what went wrong.
//!
//! A request is sent once and follows no redirect, since credentials would go along. TLS is that of
//! `ring`, with the system's authorities. Proxies of the environment are not used: an adapter talks
//! to whom the plan names.
//!
//! What this does not do: it gives no meaning to an answer, beyond its status, its head and its
//! octets, and tries nothing again.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Url};
use tokio::time::timeout;

/// What an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For the connection, and for TLS to be agreed on.
    pub connect_max: Duration,
    /// For the next octets of an answer.
    pub progress_max: Duration,
    /// For all of it.
    pub whole_max: Duration,
    /// Octets of the answer's body.
    pub octets_max: usize,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The fields of the head.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the server did what it was asked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long the server, or a proxy before it, asks us to wait, where it says so in seconds
    /// (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?;
        value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// A request without a whole answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection: nothing was sent.
    #[error("{}", innermost(.0))]
    Connect(reqwest::Error),
    /// The connection broke.
    #[error("{}", innermost(.0))]
    Broken(reqwest::Error),
    /// No answer, or no more of it, for this long.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// More than we read.
    #[error("the answer has more than {octets_max} octets")]
    TooLarge {
        /// How much we read.
        octets_max: usize,
    },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine has no certificates of authorities, or TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The client cannot be made.
    #[error("no HTTP client can be made: {}", innermost(.0))]
    Client(reqwest::Error),
}

/// Why a text is no address of an HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL; with one for comparison.
    #[error("this is no address such as {0}")]
    Form(&'static str),
    /// Another protocol.
    #[error("the address begins with http:// or https://")]
    Scheme,
    /// Credentials: they would be shown wherever the address is.
    #[error("a name and a password have no place in the address")]
    Credentials,
    /// More than the place of an API.
    #[error("an address has neither a `?` nor a `#` here")]
    Query,
}

/// The address of an HTTP API. `example` is one, for the error.
///
/// # Errors
/// [`AddressError`].
pub fn address(text: &str, example: &'static str) -> Result<Url, AddressError> {
    let address = Url::parse(text).map_err(|_| AddressError::Form(example))?;
    if !matches!(address.scheme(), "http" | "https") {
        return Err(AddressError::Scheme);
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Err(AddressError::Credentials);
    }
    match address.query().is_some() || address.fragment().is_some() {
        true => Err(AddressError::Query),
        false => Ok(address),
    }
}

/// The system's own word: what is around it repeats the address, which is shown elsewhere.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What a client is for.
#[derive(Debug)]
pub struct Kind {
    /// Whether TLS is asked for. Where it is not, no certificates of authorities are needed, so that
    /// a machine that has none can speak to its own server.
    pub is_https: bool,
    /// The fields that every request has, those with credentials marked as sensitive.
    pub headers: HeaderMap,
    /// Connections that are kept between requests, for a server that keeps them too.
    pub idle_max: usize,
    /// How it calls itself.
    pub user_agent: &'static str,
}

/// How TLS is spoken: with `ring` and the system's authorities, or with none where nothing is to be
/// trusted.
///
/// # Errors
/// This machine has no certificates of authorities, or TLS cannot be set up.
pub fn tls(is_wanted: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    let tls = match is_wanted {
        true => tls.with_platform_verifier()?,
        false => tls.with_root_certificates(rustls::RootCertStore::empty()),
    };
    Ok(tls.with_no_client_auth())
}

/// Makes a client. Talks to nobody.
///
/// # Errors
/// [`ClientError`].
pub fn client(kind: Kind, bounds: Bounds) -> Result<Client, ClientError> {
    Client::builder()
        .tls_backend_preconfigured(tls(kind.is_https).map_err(ClientError::Tls)?)
        .default_headers(kind.headers)
        .user_agent(kind.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(bounds.connect_max)
        .pool_max_idle_per_host(kind.idle_max)
        .build()
        .map_err(ClientError::Client)
}

/// Sends a request, once, and waits for the whole answer.
///
/// # Errors
/// [`ExchangeError`]; after any but [`ExchangeError::Connect`] the request may have been carried out.
pub async fn exchange(request: RequestBuilder, bounds: Bounds) -> Result<Answer, ExchangeError> {
    let whole = timeout(bounds.whole_max, received(request, bounds, false)).await;
    whole.unwrap_or(Err(ExchangeError::Silent(bounds.whole_max)))
}

/// The same, but of a longer answer only the beginning is read.
///
/// # Errors
/// [`ExchangeError`], [`ExchangeError::TooLarge`] never.
pub async fn beginning(request: RequestBuilder, bounds: Bounds) -> Result<Answer, ExchangeError> {
    let read = timeout(bounds.whole_max, received(request, bounds, true)).await;
    read.unwrap_or(Err(ExchangeError::Silent(bounds.whole_max)))
}

async fn received(
    request: RequestBuilder,
    bounds: Bounds,
    is_cut: bool,
) -> Result<Answer, ExchangeError> {
    let Bounds { progress_max, octets_max, .. } = bounds;
    let silent = |_| ExchangeError::Silent(progress_max);
    let failed = |error: reqwest::Error| match error.is_connect() {
        true => ExchangeError::Connect(error),
        false => ExchangeError::Broken(error),
    };
    let mut response =
        timeout(progress_max, request.send()).await.map_err(silent)?.map_err(failed)?;
    // The length that is promised is believed as far as a megabyte.
    let promised = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(promised.unwrap_or(0).min(1 << 20));
    loop {
        let chunk = timeout(progress_max, response.chunk()).await.map_err(silent)?;
        let Some(chunk) = chunk.map_err(ExchangeError::Broken)? else { break };
        if is_cut && body.len() + chunk.len() >= octets_max {
            body.extend_from_slice(&chunk[..octets_max - body.len()]);
            break;
        }
        if body.len() + chunk.len() > octets_max {
            return Err(ExchangeError::TooLarge { octets_max });
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Answer { status: response.status().as_u16(), headers, body })
}

/// Text of the other side's on one line, without control characters, cut to this many characters.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}
