//! HTTP for adapters: a request, its whole answer, and what went wrong.
//!
//! A request is sent once and follows no redirect, because its credentials would be sent along. TLS
//! is that of `ring`, with the system's root certificates. Proxies from the environment are not
//! used: an adapter talks to the server that the plan names.
//!
//! This crate does not interpret an answer beyond its status, headers and octets, and retries
//! nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Url};
use tokio::time::timeout;

/// The limits of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for the connection and the TLS handshake.
    pub connect_max: Duration,
    /// Time until the next octets of an answer.
    pub progress_max: Duration,
    /// Time for the whole exchange.
    pub whole_max: Duration,
    /// Octets of the answer's body.
    pub octets_max: usize,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the status is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long the server, or a proxy in front of it, asks to wait, if it says so in seconds
    /// (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?;
        value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// A request without a complete answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// There was no connection, so nothing was sent.
    #[error("{}", innermost(.0))]
    Connect(reqwest::Error),
    /// The connection broke.
    #[error("{}", innermost(.0))]
    Broken(reqwest::Error),
    /// There was no answer, or no more of it, for this long.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The answer is larger than the limit.
    #[error("the answer has more than {octets_max} octets")]
    TooLarge {
        /// The limit.
        octets_max: usize,
    },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine has no root certificates, or TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The client cannot be created.
    #[error("the HTTP client cannot be created: {}", innermost(.0))]
    Client(reqwest::Error),
}

/// Why a text is not the address of an HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not a URL; the value is an example of one.
    #[error("this is not an address such as {0}")]
    Form(&'static str),
    /// It has another protocol.
    #[error("the address must start with http:// or https://")]
    Scheme,
    /// It has credentials, which would be shown wherever the address is.
    #[error("the address must not contain a user name or password")]
    Credentials,
    /// It has a query or a fragment.
    #[error("the address must not have a `?` or a `#`")]
    Query,
}

/// Reads the address of an HTTP API. The error shows `example`.
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

/// The innermost cause alone: the outer texts repeat the address, which is shown elsewhere.
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
    /// Whether TLS is needed. If not, no root certificates are needed either, so a machine without
    /// them can talk to its own server.
    pub is_https: bool,
    /// The headers of every request, with credentials marked as sensitive.
    pub headers: HeaderMap,
    /// The idle connections to keep between requests, for a server that keeps them too.
    pub idle_max: usize,
    /// The user agent.
    pub user_agent: &'static str,
}

/// The TLS configuration: `ring` with the system's root certificates, or without any if nothing
/// needs to be trusted.
///
/// # Errors
/// If this machine has no root certificates, or TLS cannot be set up.
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

/// Creates a client. This opens no connection.
///
/// # Errors
/// [`ClientError`].
pub fn client(kind: Kind, bounds: Bounds) -> Result<Client, ClientError> {
    builder(kind, bounds)?.build().map_err(ClientError::Client)
}

/// Creates a client that finds a host at these addresses, whatever the system's resolver says.
///
/// # Errors
/// [`ClientError`].
pub fn client_at(
    kind: Kind,
    bounds: Bounds,
    host: &str,
    servers: &[SocketAddr],
) -> Result<Client, ClientError> {
    builder(kind, bounds)?.resolve_to_addrs(host, servers).build().map_err(ClientError::Client)
}

fn builder(kind: Kind, bounds: Bounds) -> Result<ClientBuilder, ClientError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls(kind.is_https).map_err(ClientError::Tls)?)
        .default_headers(kind.headers)
        .user_agent(kind.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(bounds.connect_max)
        .pool_max_idle_per_host(kind.idle_max))
}

/// Sends a request once, and waits for the whole answer.
///
/// # Errors
/// [`ExchangeError`]. After any error but [`ExchangeError::Connect`], the server may have carried
/// out the request.
pub async fn exchange(request: RequestBuilder, bounds: Bounds) -> Result<Answer, ExchangeError> {
    let whole = timeout(bounds.whole_max, received(request, bounds, false)).await;
    whole.unwrap_or(Err(ExchangeError::Silent(bounds.whole_max)))
}

/// Like [`exchange`], but reads only the beginning of a longer answer.
///
/// # Errors
/// [`ExchangeError`], but never [`ExchangeError::TooLarge`].
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
    // The announced length is trusted only up to a megabyte.
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

/// Text from the other side, on one line, without control characters, and cut to this many
/// characters.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}
