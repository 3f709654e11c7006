//! The requests of the HTTP API as values, and the connection that carries them.
//!
//! Terms: a *question* is a GET and changes nothing; an *act* changes something. Each has its own
//! connection, since PowerDNS closes it after each answer anyway.
//!
//! This module does not interpret an answer beyond its status and octets.

use cutover_contract::Secret;
use cutover_web::{
    AddressError, Answer, Bounds, ClientError, ExchangeError, Kind, address, exchange,
};
use cutover_zone::Name;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::Semaphore;

use crate::limits::{EXCHANGE, REQUESTS_AT_ONCE, TRANSFER};

/// The questions that can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    /// The server's version.
    Server,
    /// The server's settings.
    Settings,
    /// A zone with all of its RRsets, disabled records and comments.
    Zone(&'a Name),
    /// The served records of a zone, in a sixth of the time that the zone with its comments takes.
    Export(&'a Name),
    /// A zone without its RRsets.
    Head(&'a Name),
    /// A zone with the RRsets at one name.
    At(&'a Name, &'a Name),
    /// Whether a zone was signed elsewhere.
    Presigned(&'a Name),
}

/// The acts that can be done.
#[derive(Clone, Debug)]
pub(crate) enum Act<'a> {
    /// The changes of a zone: all of them or none.
    Patch(&'a Name, Vec<u8>),
    /// Rectifies a signed zone: puts its names in order.
    Rectify(&'a Name),
}

impl Question<'_> {
    /// The path after the server's own path, with the query.
    fn path(&self) -> String {
        match self {
            Self::Server => String::new(),
            Self::Settings => "/config".to_owned(),
            Self::Zone(zone) => format!("/zones/{}", zone_id(zone)),
            Self::Export(zone) => format!("/zones/{}/export", zone_id(zone)),
            Self::Head(zone) => format!("/zones/{}?rrsets=false", zone_id(zone)),
            // Servers before 5.0 do not know `include_disabled`, and leave disabled records out.
            Self::At(zone, name) => format!(
                "/zones/{}?rrset_name={}&include_disabled=true",
                zone_id(zone),
                encoded(name)
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

/// The name of a zone in a path: an octet that may not be in a path becomes `=` and two hexadecimal
/// digits (`apiZoneNameToId` in `pdns/ws-api.cc`).
fn zone_id(zone: &Name) -> String {
    match zone.is_root() {
        true => "=2E".to_owned(),
        false => encoded(zone).replace('%', "="),
    }
}

/// The octets that stay as they are in a path: letters, digits and these.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

fn encoded(name: &Name) -> String {
    utf8_percent_encode(&name.to_string(), PLAIN).to_string()
}

/// Why an address and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// It is not the address of an API.
    #[error(transparent)]
    Url(#[from] AddressError),
    /// The address has more than a server's own part.
    #[error("leave out `/api/v1` and everything after it; it is added automatically")]
    Path,
    /// The server's identifier has characters that cannot be in a path.
    #[error("a server's identifier may only have letters, digits, `.`, `-` and `_`")]
    Server,
    /// The key has characters that cannot be in a header.
    #[error("the key is empty, or has characters that an HTTP header cannot have")]
    Key,
    /// The client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The address of the API, and our key for it.
pub(crate) struct Server {
    client: Client,
    /// The URL up to the server's identifier, without a final slash.
    base: String,
    /// The address, for people.
    pub(crate) peer: String,
    /// The server's identifier.
    pub(crate) id: String,
    key: Secret,
    /// One permit for each request that may be in progress.
    under_way: Semaphore,
}

impl Server {
    /// Reads an address such as `http://127.0.0.1:8081`. This opens no connection.
    pub(crate) fn new(url: &str, id: &str, key: &Secret) -> Result<Self, EndpointError> {
        let address = address(url, "http://127.0.0.1:8081")?;
        let root = address.as_str().trim_end_matches('/');
        if address.path().contains("/api") {
            return Err(EndpointError::Path);
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
        let kind = Kind {
            is_https: address.scheme() == "https",
            headers: HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), header)]),
            // PowerDNS closes a connection after each answer.
            idle_max: 0,
            user_agent: concat!("cutover/", env!("CARGO_PKG_VERSION")),
        };
        Ok(Self {
            client: cutover_web::client(kind, EXCHANGE)?,
            base: format!("{root}/api/v1/servers/{id}"),
            peer: root.to_owned(),
            id: id.to_owned(),
            key: key.clone(),
            under_way: Semaphore::new(REQUESTS_AT_ONCE),
        })
    }

    /// Asks a question.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, ExchangeError> {
        // Without this header an export is plain text, whose end is not marked.
        let request = self.client.get(format!("{}{}", self.base, question.path()));
        let request = request.header(ACCEPT, "application/json");
        let bounds = match question {
            Question::Zone(_) | Question::Export(_) => TRANSFER,
            Question::Server
            | Question::Settings
            | Question::Head(_)
            | Question::At(..)
            | Question::Presigned(_) => EXCHANGE,
        };
        self.exchange(request, bounds).await
    }

    /// Does an act, once.
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
        self.exchange(request, EXCHANGE).await
    }

    /// Sends a request as soon as there is a permit; its time limits start then.
    async fn exchange(
        &self,
        request: RequestBuilder,
        bounds: Bounds,
    ) -> Result<Answer, ExchangeError> {
        let _permit = self.under_way.acquire().await.expect("nobody closes the semaphore");
        exchange(request, bounds).await
    }

    /// A text from the other side with our key removed, in case it was sent back.
    pub(crate) fn without_key(&self, text: &str) -> String {
        text.replace(self.key.expose(), "(the key)")
    }
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
                // Not every machine that builds this has root certificates.
                Err(EndpointError::Client(_)) => assert!(url.starts_with("https")),
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
