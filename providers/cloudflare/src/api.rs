//! The requests of the API as values, and the connection that carries them.
//!
//! A request is an [`EndpointSpec`] of Cloudflare's own crate, with that crate's [`Environment`]
//! and [`Credentials`]. The crate's client is not used, for three reasons: its error codes have 16
//! bits, which is too few for the codes of DNS; it does not expose the headers of an answer; and a
//! single record of a type that it does not know makes it fail for the whole page.
//!
//! This module does not interpret an answer beyond what the headers say about the rate limit.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloudflare::framework::Environment;
use cloudflare::framework::auth::Credentials;
use cloudflare::framework::endpoint::spec::EndpointSpec;
use cloudflare::framework::endpoint::{Method, RequestBody, serialize_query};
use cutover_contract::Secret;
use cutover_web::{AddressError, Answer, ClientError, ExchangeError, Kind, address, exchange};
use cutover_zone::Name;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::limits::{EXCHANGE, PAGE_RECORDS, PATIENCE, PATIENCE_MAX, REQUESTS_AT_ONCE, URL};

/// A request to the API.
#[derive(Clone, Debug)]
pub(crate) enum Request<'a> {
    /// The zones of this name, in one account or in any.
    Zones(&'a Name, Option<&'a str>),
    /// A page of a zone's records, counted from 1, at one name or all.
    Records(&'a ZoneId, Option<&'a Name>, usize),
    /// Operations on the records of a zone: all of them or none.
    Batch(&'a ZoneId, String),
}

/// The identifier of a zone: letters and digits, so that it is a single part of a path.
#[derive(Clone, Debug)]
pub(crate) struct ZoneId(String);

impl ZoneId {
    /// The identifier, if the text is one (API reference: 32 characters).
    pub(crate) fn new(text: String) -> Option<Self> {
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric());
        ((1..=32).contains(&text.len()) && is_plain).then_some(Self(text))
    }
}

/// A name as the API writes it: without the final dot.
pub(crate) fn shown(name: &Name) -> String {
    let text = name.to_string();
    match name.is_root() {
        true => text,
        false => text.trim_end_matches('.').to_owned(),
    }
}

impl EndpointSpec for Request<'_> {
    const IS_RAW_BODY: bool = true;
    type JsonResponse = ();
    type ResponseType = Vec<u8>;

    fn method(&self) -> Method {
        match self {
            Self::Zones(..) | Self::Records(..) => Method::GET,
            Self::Batch(..) => Method::POST,
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Zones(..) => "zones".to_owned(),
            Self::Records(ZoneId(id), ..) => format!("zones/{id}/dns_records"),
            Self::Batch(ZoneId(id), _) => format!("zones/{id}/dns_records/batch"),
        }
    }

    fn query(&self) -> Option<String> {
        let mut query: Vec<(&str, String)> = Vec::new();
        match self {
            Self::Zones(name, account) => {
                query.push(("name", shown(name)));
                query.extend(account.map(|account| ("account.id", account.to_owned())));
            }
            Self::Records(_, name, page) => {
                query.extend(name.map(|name| ("name.exact", shown(name))));
                // A fixed order, so that pages fit together.
                query.push(("order", "name".to_owned()));
                query.push(("page", page.to_string()));
                query.push(("per_page", PAGE_RECORDS.to_string()));
            }
            Self::Batch(..) => return None,
        }
        serialize_query(&query)
    }

    fn body(&self) -> Option<RequestBody<'_>> {
        match self {
            Self::Zones(..) | Self::Records(..) => None,
            Self::Batch(_, body) => Some(RequestBody::Json(body.clone())),
        }
    }
}

/// A request without a complete answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Cloudflare said earlier that it accepts no more requests for this long, so nothing was sent.
    #[error("no more requests are accepted for {} s", .0.as_secs())]
    Blocked(Duration),
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// Why an address and a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// It is not the address of an API.
    #[error(transparent)]
    Url(#[from] AddressError),
    /// The token has characters that cannot be in a header.
    #[error("the token is empty, or has characters that an HTTP header cannot have")]
    Token,
    /// The client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The address of the API, and our token for it.
pub(crate) struct Server {
    client: Client,
    environment: Environment,
    /// The address, for people.
    pub(crate) peer: String,
    token: Secret,
    /// The time until which nothing more is sent.
    blocked: Mutex<Option<Instant>>,
    /// One permit for each request that may be in progress.
    under_way: Semaphore,
}

impl Server {
    /// Reads an address such as `https://api.cloudflare.com/client/v4`. This opens no connection.
    pub(crate) fn new(url: &str, token: &Secret) -> Result<Self, EndpointError> {
        let address = address(url, URL)?;
        let credentials = Credentials::UserAuthToken { token: token.expose().to_owned() };
        let mut headers = HeaderMap::new();
        for (field, value) in credentials.headers() {
            let field = HeaderName::from_bytes(field.as_bytes());
            let value = HeaderValue::from_str(&value).ok().filter(|_| !token.expose().is_empty());
            let (Ok(field), Some(mut value)) = (field, value) else {
                return Err(EndpointError::Token);
            };
            value.set_sensitive(true);
            headers.insert(field, value);
        }
        let kind = Kind {
            is_https: address.scheme() == "https",
            headers,
            idle_max: REQUESTS_AT_ONCE,
            user_agent: concat!("cutover/", env!("CARGO_PKG_VERSION")),
        };
        let peer = address.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client: cutover_web::client(kind, EXCHANGE)?,
            // Without the final slash, the last part would be replaced.
            environment: Environment::Custom(format!("{peer}/")),
            peer,
            token: token.clone(),
            blocked: Mutex::new(None),
            under_way: Semaphore::new(REQUESTS_AT_ONCE),
        })
    }

    /// Sends a request once.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Answer, SendError> {
        let _permit = self.under_way.acquire().await.expect("nobody closes the semaphore");
        if let Some(left) = self.blocked_for() {
            return Err(SendError::Blocked(left));
        }
        let url = request.url(&self.environment);
        let mut sent = self.client.request(request.method(), url);
        if let (Some(RequestBody::Json(body)), Some(kind)) =
            (request.body(), request.content_type())
        {
            sent = sent.header(CONTENT_TYPE, kind.as_ref()).body(body);
        }
        let answer = exchange(sent, EXCHANGE).await?;
        if let Some(span) = patience(&answer) {
            let until = Instant::now() + span;
            *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        Ok(answer)
    }

    /// How long nothing more may be sent.
    fn blocked_for(&self) -> Option<Duration> {
        let until = *self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// A text from the other side with our token removed, in case it was sent back.
    pub(crate) fn without_token(&self, text: &str) -> String {
        text.replace(self.token.expose(), "(the token)")
    }
}

/// How long an answer asks to wait before the next request, because this request came too early or
/// was the last one allowed.
pub(crate) fn patience(answer: &Answer) -> Option<Duration> {
    let span = match answer.status {
        429 => answer.retry_after().or_else(|| exhausted(answer)).unwrap_or(PATIENCE),
        _ => exhausted(answer)?,
    };
    Some(span.min(PATIENCE_MAX))
}

/// The rest of a span whose requests are used up, from the header `Ratelimit`. It has items such as
/// `"default";r=50;t=30`, where `r` requests are left for `t` seconds
/// (draft-ietf-httpapi-ratelimit-headers; Cloudflare since 2025-09-03).
fn exhausted(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get("ratelimit")?.to_str().ok()?;
    let seconds = value.split(',').filter_map(|item| {
        let number = |name: &str| {
            let mut parameters = item.split(';').skip(1);
            let value = parameters.find_map(|part| part.trim().strip_prefix(name))?;
            value.strip_prefix('=')?.parse::<u64>().ok()
        };
        number("t").filter(|_| number("r") == Some(0))
    });
    seconds.max().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, fields: &[(&'static str, &str)]) -> Answer {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        Answer { status, headers: fields.iter().map(field).collect(), body: Vec::new() }
    }

    #[test]
    fn requests() {
        let environment = Environment::Custom("http://127.0.0.1/client/v4/".to_owned());
        let zone = Name::absolute("acme.test.").expect("a name");
        let id = ZoneId::new("abc".to_owned()).expect("an identifier");
        let url = |request: Request<'_>| request.url(&environment).to_string();
        assert_eq!(
            url(Request::Zones(&zone, Some("f00"))),
            "http://127.0.0.1/client/v4/zones?name=acme.test&account.id=f00"
        );
        let star = Name::absolute("*.acme.test.").expect("a name");
        assert_eq!(
            url(Request::Records(&id, Some(&star), 2)),
            "http://127.0.0.1/client/v4/zones/abc/dns_records?name.exact=*.acme.test&order=name\
             &page=2&per_page=5000"
        );
        assert_eq!(
            url(Request::Batch(&id, String::new())),
            "http://127.0.0.1/client/v4/zones/abc/dns_records/batch"
        );
        for bad in ["", "a/b", "..", "0123456789012345678901234567890123"] {
            assert!(ZoneId::new(bad.to_owned()).is_none(), "{bad}");
        }
    }

    #[test]
    fn waiting_times_are_read_from_the_headers() {
        for (status, fields, secs) in [
            (200, &[][..], None),
            (200, &[("ratelimit", "\"default\";r=50;t=30")], None),
            (200, &[("ratelimit", "\"default\";r=0;t=30")], Some(30)),
            (200, &[("ratelimit", "\"burst\";r=3;t=9, \"default\"; r=0; t=40")], Some(40)),
            (200, &[("ratelimit", "nonsense")], None),
            (429, &[], Some(300)),
            (429, &[("retry-after", "12")], Some(12)),
            (429, &[("retry-after", "99999999")], Some(3600)),
            (429, &[("ratelimit", "\"default\";r=0;t=7")], Some(7)),
        ] {
            let waited = patience(&answer(status, fields));
            assert_eq!(waited, secs.map(Duration::from_secs), "{status} {fields:?}");
        }
    }

    #[test]
    fn addresses() {
        let connect = |url: &str, token: &str| Server::new(url, &Secret::new(token));
        assert!(connect("http://127.0.0.1:1/client/v4/", "a").is_ok());
        for (url, token) in [
            ("127.0.0.1", "a"),
            ("ftp://127.0.0.1", "a"),
            ("http://me@127.0.0.1", "a"),
            ("http://127.0.0.1/?a", "a"),
            ("http://127.0.0.1", ""),
            ("http://127.0.0.1", "a\nb"),
        ] {
            assert!(connect(url, token).is_err(), "{url} {token:?}");
        }
    }
}
