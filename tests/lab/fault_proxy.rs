//! An HTTP/1.1 listener in front of a service of the lab. It records the requests, and injects faults if
//! the test wants them.
//!
//! A service may have any number of proxies, so that one client sees faults and another does not.
//! Connections stay open between requests, as with real providers.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use super::server::sleep;

/// Maximum octets of a request's body. Our choice: far above any batch.
const BODY_OCTETS_MAX: usize = 64 << 20;

/// How often a closing proxy checks, every 10 ms, whether its clients are gone. Our choice.
const CLOSING_POLLS: usize = 20;

/// A client's request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET`, `POST` and so on.
    pub(crate) method: String,
    /// The path and the query, as they were sent.
    pub(crate) target: String,
    /// The path without the query.
    pub(crate) path: String,
    /// The parameters after the `?`, decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    /// The header fields, with their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the path.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

/// A service's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The header fields, without the content length.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An answer with this status, content type and body.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// Adds a header field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A service that a proxy serves.
pub(crate) trait Service: Send + Sync {
    /// Carries out a request.
    fn answer(&self, request: &Request) -> Answer;
}

/// A fault that a proxy injects into a request.
#[derive(Clone, Debug)]
pub(crate) enum HttpFault {
    /// The connection is closed, and the service does not get the request.
    CutBefore,
    /// The service gets the request, and the connection is closed before the answer.
    CutAfter,
    /// The service gets the request after this delay. The client gets the answer if it still waits.
    LateEffect(Duration),
    /// The service gets the request at once, and the client its answer after this delay.
    LateAnswer(Duration),
    /// There is no answer as long as the client waits.
    Silence,
    /// The client gets this answer, and the service does not get the request.
    Instead(Answer),
    /// The client gets these octets, and the service does not get the request.
    Babble(Vec<u8>),
    /// The service gets the request, and the client its answer changed by this function.
    Changed(fn(Answer) -> Answer),
}

/// A request that a proxy got, and the status of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The request.
    pub(crate) request: Request,
    /// The status of the answer; `None` if there was none.
    pub(crate) status: Option<u16>,
}

type FaultFor = dyn Fn(&Request) -> Option<HttpFault> + Send + Sync;

struct Shared {
    service: Arc<dyn Service>,
    fault_for: Box<FaultFor>,
    exchanges: Mutex<Vec<Exchange>>,
    is_closed: AtomicBool,
}

/// A proxy that listens until it is dropped.
pub(crate) struct FaultProxy {
    shared: Arc<Shared>,
    addr: SocketAddr,
    listening: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// A proxy without faults.
    pub(crate) fn open(service: Arc<dyn Service>) -> Self {
        Self::with_faults(service, |_| None)
    }

    /// A proxy for which `fault_for` decides the fault of each request, before the service sees it.
    pub(crate) fn with_faults(
        service: Arc<dyn Service>,
        fault_for: impl Fn(&Request) -> Option<HttpFault> + Send + Sync + 'static,
    ) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), service, fault_for)
    }

    /// As [`FaultProxy::with_faults`], but at this address.
    pub(crate) fn at(
        addr: SocketAddr,
        service: Arc<dyn Service>,
        fault_for: impl Fn(&Request) -> Option<HttpFault> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
        let addr = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            service,
            fault_for: Box::new(fault_for),
            exchanges: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let for_listener = Arc::clone(&shared);
        let listening = spawn(move || {
            for client in listener.incoming().flatten() {
                if for_listener.is_closed.load(Ordering::SeqCst) {
                    break;
                }
                let for_client = Arc::clone(&for_listener);
                spawn(move || for_client.serve(client));
            }
        });
        Self { shared, addr, listening: Some(listening) }
    }

    /// Its address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All requests so far, in the order of the answers.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.shared.exchanges().clone()
    }

    /// The number of matching requests so far.
    pub(crate) fn count(&self, matches: impl Fn(&Request) -> bool) -> usize {
        self.shared.exchanges().iter().filter(|exchange| matches(&exchange.request)).count()
    }

    /// Forgets all requests so far.
    pub(crate) fn forget(&self) {
        self.shared.exchanges().clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // Connecting wakes up the listener.
        let _ = TcpStream::connect(self.addr);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        // A client that is still connected keeps the service alive. Wait a little for such clients to
        // go, so that the service and its own servers are dropped before the process ends.
        for _ in 0..CLOSING_POLLS {
            if Arc::strong_count(&self.shared) == 1 {
                break;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Shared {
    fn exchanges(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().expect("no holder of the lock panics")
    }

    fn serve(&self, client: TcpStream) {
        let _ = client.set_nodelay(true);
        let Ok(writer) = client.try_clone() else { return };
        let mut reader = BufReader::new(client);
        while let Ok(Some(request)) = read(&mut reader) {
            if self.is_closed.load(Ordering::SeqCst) {
                break;
            }
            match self.answer(&writer, &request) {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
        let _ = writer.shutdown(Shutdown::Both);
    }

    /// Answers a request. Returns whether the connection stays open.
    fn answer(&self, writer: &TcpStream, request: &Request) -> std::io::Result<bool> {
        let answer = match (self.fault_for)(request) {
            None => self.service.answer(request),
            Some(HttpFault::CutBefore) => return Ok(self.note(request, None)),
            Some(HttpFault::CutAfter) => {
                let _ = self.service.answer(request);
                return Ok(self.note(request, None));
            }
            Some(HttpFault::LateEffect(late)) => {
                sleep(late);
                self.service.answer(request)
            }
            Some(HttpFault::LateAnswer(late)) => {
                let answer = self.service.answer(request);
                sleep(late);
                answer
            }
            Some(HttpFault::Silence) => {
                self.note(request, None);
                let _ = writer.try_clone()?.read(&mut [0]);
                return Ok(false);
            }
            Some(HttpFault::Instead(answer)) => answer,
            Some(HttpFault::Changed(change)) => change(self.service.answer(request)),
            Some(HttpFault::Babble(octets)) => {
                self.note(request, None);
                return { writer }.write_all(&octets).map(|()| false);
            }
        };
        let is_last = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        self.note(request, Some(answer.status));
        write(writer, &answer)?;
        Ok(!is_last)
    }

    /// Records a request. Returns `false`: the connection closes after a request without an answer.
    fn note(&self, request: &Request, status: Option<u16>) -> bool {
        self.exchanges().push(Exchange { request: request.clone(), status });
        false
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key, true), decoded(value, true))
    };
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        path: path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    let length: usize = length.unwrap_or(0);
    if length > BODY_OCTETS_MAX || request.header("transfer-encoding").is_some() {
        return Err(ErrorKind::InvalidData.into());
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// Writes head and body at once, because a second write would be delayed (RFC 896).
fn write(mut writer: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    let Answer { status, headers, body } = answer;
    let mut octets = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        octets += &format!("{name}: {value}\r\n");
    }
    octets += "\r\n";
    writer.write_all(&[octets.as_bytes(), body].concat())
}

/// Decodes percent-encoding. In a query, `+` is a space.
pub(crate) fn decoded(text: &str, is_query: bool) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let pair = || {
            let mut ahead = rest.clone();
            let digits = [ahead.next()?, ahead.next()?];
            let digits = std::str::from_utf8(&digits).ok()?.to_owned();
            u8::from_str_radix(&digits, 16).ok()
        };
        match octet {
            b'%' => match pair() {
                Some(decoded) => {
                    octets.push(decoded);
                    rest.nth(1);
                }
                None => octets.push(b'%'),
            },
            b'+' if is_query => octets.push(b' '),
            octet => octets.push(octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}
