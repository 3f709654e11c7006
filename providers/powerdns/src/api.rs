//! The requests of the HTTP API as values, and the connection that they go over.
//!
//! Terms: a *question* is a GET and changes nothing; an *act* changes something. Each goes over a
//! connection of its own (PowerDNS closes it after each answer anyhow), is sent once, and follows no
//! redirect, since the key would go along. Proxies of the environment are not used.
//!
//! What this does not do: it gives no meaning to an answer, beyond its status and its octets.

use std::time::Duration;

use cutover_contract::{Name, Secret};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Url};
use tokio::time::timeout;

use crate::limits::{
    ANSWER_OCTETS_MAX, CONNECT_MAX, EXCHANGE_MAX, TRANSFER_MAX, TRANSFER_OCTETS_MAX,
    TRANSFER_PROGRESS_MAX,
};

/// What can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    /// The server's version.
    Server,
    /// The server's settings.
    Settings,
    /// A zone with all of its RRsets, disabled records and comments.
    Zone(&'a Name),
    /// The records of a zone that are served: a sixth of the time of the zone with its comments.
    Export(&'a Name),
    /// A zone without them.
    Head(&'a Name),
    /// A zone with its RRsets at one name.
    At(&'a Name, &'a Name),
    /// Whether a zone was signed elsewhere.
    Presigned(&'a Name),
}

/// What can be done.
#[derive(Clone, Debug)]
pub(crate) enum Act<'a> {
    /// Changes of a zone: all of them, or none.
    Patch(&'a Name, Vec<u8>),
    /// The order of a signed zone's names is made right.
    Rectify(&'a Name),
}

impl Question<'_> {
    /// The path behind the server's own, and the query.
    fn path(&self) -> String {
        match self {
            Self::Server => String::new(),
            Self::Settings => "/config".to_owned(),
            Self::Zone(zone) => format!("/zones/{}", zone_id(zone)),
            Self::Export(zone) => format!("/zones/{}/export", zone_id(zone)),
            Self::Head(zone) => format!("/zones/{}?rrsets=false", zone_id(zone)),
            // Servers before 5.0 know nothing of `include_disabled` and leave them out.
            Self::At(zone, name) => format!(
                "/zones/{}?rrset_name={}&include_disabled=true",
                zone_id(zone),
                encoded(&name.to_string(), '%')
            ),
            Self::Presigned(zone) => format!("/zones/{}/metadata/PRESIGNED", zone_id(zone)),
        }
    }
}

impl Act<'_> {
    fn path(&self) -> String {
        match self {
            Self::Patch(zone, _) => format!("/zones/{}", zone_id(zone)),
            Self::Rectify(zone) => format!("/zones/{}/rectify", zone_id(zone)),
        }
    }
}

/// How the API writes a zone's name in a path: octets that may not stand there as `=` and two
/// hexadecimal digits (`apiZoneNameToId` in `pdns/ws-api.cc`).
fn zone_id(zone: &Name) -> String {
    match zone.is_root() {
        true => "=2E".to_owned(),
        false => encoded(&zone.to_string(), '='),
    }
}

fn encoded(text: &str, escape: char) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match plain(octet) {
            true => encoded.push(char::from(octet)),
            false => encoded.push_str(&format!("{escape}{octet:02X}")),
        }
    }
    encoded
}

/// An answer, whatever it says.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long the server, or a proxy before it, asks us to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether the server did what it was asked.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A request without a whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
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

/// The system's own word: what is around it repeats the address, which is shown elsewhere.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Why an address and a key make no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// No address, or one with more in it than the place of a server.
    #[error("{0}")]
    Url(&'static str),
    /// A server's identifier with characters that have no place in a path.
    #[error("a server's identifier has letters, digits, `.`, `-` and `_` only")]
    Server,
    /// A key with characters that have no place in a header.
    #[error("the key is empty, or has characters that an HTTP header cannot have")]
    Key,
    /// This machine has no certificates of authorities, or TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The client cannot be made.
    #[error("no HTTP client can be made: {}", innermost(.0))]
    Client(reqwest::Error),
}

/// Where the API is, and the key that it knows us by.
pub(crate) struct Server {
    client: Client,
    /// Up to the server's identifier, without a slash at its end.
    base: String,
    /// The address as people know it.
    pub(crate) peer: String,
    /// The server's identifier.
    pub(crate) id: String,
    key: Secret,
}

impl Server {
    /// Takes an address such as `http://127.0.0.1:8081`. Talks to nobody.
    pub(crate) fn new(url: &str, id: &str, key: &Secret) -> Result<Self, EndpointError> {
        let address = Url::parse(url)
            .map_err(|_| EndpointError::Url("this is no address such as http://127.0.0.1:8081"))?;
        let is_https = match address.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(EndpointError::Url("the address begins with http:// or https://")),
        };
        if !address.username().is_empty() || address.password().is_some() {
            return Err(EndpointError::Url("a name and a password have no place in the address"));
        }
        if address.query().is_some() || address.fragment().is_some() {
            return Err(EndpointError::Url("an address has neither a `?` nor a `#` here"));
        }
        let root = address.as_str().trim_end_matches('/');
        if address.path().contains("/api") {
            return Err(EndpointError::Url("leave out `/api/v1` and what follows: it is added"));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if id.is_empty() || !id.chars().all(is_plain) || id.starts_with('.') {
            return Err(EndpointError::Server);
        }
        let mut header = HeaderValue::from_str(key.expose())
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or(EndpointError::Key)?;
        header.set_sensitive(true);
        Ok(Self {
            client: client(header, is_https)?,
            base: format!("{root}/api/v1/servers/{id}"),
            peer: root.to_owned(),
            id: id.to_owned(),
            key: key.clone(),
        })
    }

    /// Asks.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, ExchangeError> {
        // Without it an export is text, and nothing says where that ends.
        let request = self.client.get(format!("{}{}", self.base, question.path()));
        let request = request.header(ACCEPT, "application/json");
        match question {
            Question::Zone(_) | Question::Export(_) => {
                within(TRANSFER_MAX, transferred(request)).await
            }
            Question::Server
            | Question::Settings
            | Question::Head(_)
            | Question::At(..)
            | Question::Presigned(_) => within(EXCHANGE_MAX, exchanged(request)).await,
        }
    }

    /// Acts, once.
    pub(crate) async fn act(&self, act: Act<'_>) -> Result<Answer, ExchangeError> {
        let url = format!("{}{}", self.base, act.path());
        let request = match act {
            Act::Patch(_, body) => self
                .client
                .request(Method::PATCH, url)
                .header(CONTENT_TYPE, "application/json")
                .body(body),
            Act::Rectify(_) => self.client.request(Method::PUT, url),
        };
        within(EXCHANGE_MAX, exchanged(request)).await
    }

    /// A text of the other side's without our key, should it have come back to us.
    pub(crate) fn without_key(&self, text: &str) -> String {
        text.replace(self.key.expose(), "(the key)")
    }
}

/// TLS by `ring` and with the system's authorities; without them where no TLS is asked for, so that
/// a machine that has none can speak to its own server.
fn client(key: HeaderValue, is_https: bool) -> Result<Client, EndpointError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EndpointError::Tls)?;
    let tls = match is_https {
        true => tls.with_platform_verifier().map_err(EndpointError::Tls)?,
        false => tls.with_root_certificates(rustls::RootCertStore::empty()),
    };
    Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .default_headers(HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static("x-api-key"),
            key,
        )]))
        .user_agent(concat!("cutover/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT_MAX)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(EndpointError::Client)
}

async fn within(
    span: Duration,
    exchange: impl Future<Output = Result<Answer, ExchangeError>>,
) -> Result<Answer, ExchangeError> {
    timeout(span, exchange).await.unwrap_or(Err(ExchangeError::Silent(span)))
}

async fn exchanged(request: reqwest::RequestBuilder) -> Result<Answer, ExchangeError> {
    received(request, ANSWER_OCTETS_MAX, EXCHANGE_MAX).await
}

async fn transferred(request: reqwest::RequestBuilder) -> Result<Answer, ExchangeError> {
    received(request, TRANSFER_OCTETS_MAX, TRANSFER_PROGRESS_MAX).await
}

async fn received(
    request: reqwest::RequestBuilder,
    octets_max: usize,
    progress_max: Duration,
) -> Result<Answer, ExchangeError> {
    let silent = |_| ExchangeError::Silent(progress_max);
    let failed = |error: reqwest::Error| match error.is_connect() {
        true => ExchangeError::Connect(error),
        false => ExchangeError::Broken(error),
    };
    let mut response =
        timeout(progress_max, request.send()).await.map_err(silent)?.map_err(failed)?;
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|secs| secs.to_str().ok()?.parse().ok());
    // The length that is promised is believed as far as a megabyte.
    let promised = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(promised.unwrap_or(0).min(1 << 20));
    loop {
        let chunk = timeout(progress_max, response.chunk()).await.map_err(silent)?;
        let Some(chunk) = chunk.map_err(ExchangeError::Broken)? else { break };
        if body.len() + chunk.len() > octets_max {
            return Err(ExchangeError::TooLarge { octets_max });
        }
        body.extend_from_slice(&chunk);
    }
    let status = response.status().as_u16();
    Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::absolute(text).expect("a name")
    }

    #[test]
    fn paths() {
        let zone = name("acme.test.");
        let odd = name("0/25.2.0.192.in-addr.arpa.");
        for (question, path) in [
            (Question::Server, ""),
            (Question::Settings, "/config"),
            (Question::Zone(&zone), "/zones/acme.test."),
            (Question::Zone(&odd), "/zones/0=2F25.2.0.192.in-addr.arpa."),
            (Question::Zone(&Name::root()), "/zones/=2E"),
            (Question::Export(&zone), "/zones/acme.test./export"),
            (Question::Head(&zone), "/zones/acme.test.?rrsets=false"),
            (Question::Presigned(&zone), "/zones/acme.test./metadata/PRESIGNED"),
            (
                Question::At(&zone, &name("*.a\\.b.acme.test.")),
                "/zones/acme.test.?rrset_name=%2A.a%5C.b.acme.test.&include_disabled=true",
            ),
        ] {
            assert_eq!(question.path(), path);
        }
        assert_eq!(Act::Rectify(&zone).path(), "/zones/acme.test./rectify");
    }

    #[test]
    fn addresses() {
        let connect = |url: &str, id: &str| Server::new(url, id, &Secret::new("a key"));
        for (url, base) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081/api/v1/servers/localhost"),
            ("http://[::1]:8081/", "http://[::1]:8081/api/v1/servers/localhost"),
            ("https://dns.example/pdns/", "https://dns.example/pdns/api/v1/servers/localhost"),
        ] {
            match connect(url, "localhost") {
                Ok(server) => assert_eq!(server.base, base),
                // Not every machine that builds this has certificates.
                Err(EndpointError::Tls(_)) => assert!(url.starts_with("https")),
                Err(error) => panic!("{url}: {error}"),
            }
        }
        for (url, id) in [
            ("127.0.0.1:8081", "localhost"),
            ("ftp://127.0.0.1", "localhost"),
            ("http://me:word@127.0.0.1", "localhost"),
            ("http://127.0.0.1/?a=b", "localhost"),
            ("http://127.0.0.1:8081/api/v1", "localhost"),
            ("http://127.0.0.1:8081", "local/host"),
            ("http://127.0.0.1:8081", ""),
        ] {
            assert!(connect(url, id).is_err(), "{url} {id}");
        }
    }
}
