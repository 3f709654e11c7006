//! A door: an HTTP/1.1 listener before a service of the lab, that counts what goes through it, and
//! where mishaps happen if the test wants them.
//!
//! Any number of doors lead to the same service, so that one client has trouble and another has
//! none. Connections stay open between requests, as those of real providers do.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use super::server::sleep;

/// Octets of a request's body at the most. Our choice: a bound, far above any batch.
const BODY_OCTETS_MAX: usize = 64 << 20;

/// How often a closed door looks whether its clients are gone, every 10 ms. Our choice.
const CLOSING_POLLS: usize = 20;

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET`, `POST` and so on.
    pub(crate) method: String,
    /// The path and the query, as they were sent.
    pub(crate) target: String,
    /// The path alone.
    pub(crate) path: String,
    /// What stands behind the `?`, decoded, in its order.
    pub(crate) query: Vec<(String, String)>,
    /// The fields of the head, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A field of the head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A value of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the path.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

/// What a service answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The fields of the head, beside the length.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An answer of this status, type of content and body.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// With one more field of the head.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What stands behind a door.
pub(crate) trait Service: Send + Sync {
    /// Does what it is asked, and says what came of it.
    fn answer(&self, request: &Request) -> Answer;
}

/// What becomes of a request where not everything goes well.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// The service does not get it, and the connection is closed.
    CutBefore,
    /// The service gets it, and the connection is closed in place of an answer.
    CutAfter,
    /// The service gets it this much later, and the answer goes to whoever still waits.
    LateEffect(Duration),
    /// The service gets it, and its answer is passed on this much later.
    LateAnswer(Duration),
    /// Nobody answers for as long as the client waits.
    Silence,
    /// The service does not get it, and this is the answer.
    Instead(Answer),
    /// The service does not get it, and these octets are the answer.
    Babble(Vec<u8>),
    /// The service gets it, and its answer is turned into another one.
    Turned(fn(Answer) -> Answer),
}

/// A request that came through a door, and the status of its answer; none where there was none.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    /// What was asked.
    pub(crate) request: Request,
    /// The status of the answer.
    pub(crate) status: Option<u16>,
}

type Fate = dyn Fn(&Request) -> Option<Mishap> + Send + Sync;

struct Inside {
    service: Arc<dyn Service>,
    fate: Box<Fate>,
    passages: Mutex<Vec<Passage>>,
    is_shut: AtomicBool,
}

/// A door that is open until it is dropped.
pub(crate) struct Door {
    inside: Arc<Inside>,
    addr: SocketAddr,
    listening: Option<JoinHandle<()>>,
}

impl Door {
    /// A door where all goes well.
    pub(crate) fn open(service: Arc<dyn Service>) -> Self {
        Self::with_mishaps(service, |_| None)
    }

    /// A door where `fate` decides of each request, before the service sees it.
    pub(crate) fn with_mishaps(
        service: Arc<dyn Service>,
        fate: impl Fn(&Request) -> Option<Mishap> + Send + Sync + 'static,
    ) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), service, fate)
    }

    /// The same at this address.
    pub(crate) fn at(
        addr: SocketAddr,
        service: Arc<dyn Service>,
        fate: impl Fn(&Request) -> Option<Mishap> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
        let addr = listener.local_addr().expect("a listener has an address");
        let inside = Arc::new(Inside {
            service,
            fate: Box::new(fate),
            passages: Mutex::default(),
            is_shut: AtomicBool::new(false),
        });
        let behind = Arc::clone(&inside);
        let listening = spawn(move || {
            for client in listener.incoming().flatten() {
                if behind.is_shut.load(Ordering::SeqCst) {
                    break;
                }
                let behind = Arc::clone(&behind);
                spawn(move || behind.serve(client));
            }
        });
        Self { inside, addr, listening: Some(listening) }
    }

    /// Where it is.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it is, as the beginning of an address on the web.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything that came through, in the order of the answers.
    pub(crate) fn passages(&self) -> Vec<Passage> {
        self.inside.passages().clone()
    }

    /// How many requests of this kind came through.
    pub(crate) fn count(&self, is_meant: impl Fn(&Request) -> bool) -> usize {
        self.inside.passages().iter().filter(|passage| is_meant(&passage.request)).count()
    }

    /// Forgets what came through so far.
    pub(crate) fn forget(&self) {
        self.inside.passages().clear();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.inside.is_shut.store(true, Ordering::SeqCst);
        // The listener waits for somebody.
        let _ = TcpStream::connect(self.addr);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        // A client that is still connected has the service as well; most are gone by now, and what
        // the service has, such as servers of its own, goes with it before the process ends.
        for _ in 0..CLOSING_POLLS {
            if Arc::strong_count(&self.inside) == 1 {
                break;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Inside {
    fn passages(&self) -> MutexGuard<'_, Vec<Passage>> {
        self.passages.lock().expect("no holder of the lock panics")
    }

    fn serve(&self, client: TcpStream) {
        let _ = client.set_nodelay(true);
        let Ok(writer) = client.try_clone() else { return };
        let mut reader = BufReader::new(client);
        while let Ok(Some(request)) = read(&mut reader) {
            if self.is_shut.load(Ordering::SeqCst) {
                break;
            }
            match self.answered(&writer, &request) {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
        let _ = writer.shutdown(Shutdown::Both);
    }

    /// Whether the connection goes on.
    fn answered(&self, writer: &TcpStream, request: &Request) -> std::io::Result<bool> {
        let answer = match (self.fate)(request) {
            None => self.service.answer(request),
            Some(Mishap::CutBefore) => return Ok(self.note(request, None)),
            Some(Mishap::CutAfter) => {
                let _ = self.service.answer(request);
                return Ok(self.note(request, None));
            }
            Some(Mishap::LateEffect(late)) => {
                sleep(late);
                self.service.answer(request)
            }
            Some(Mishap::LateAnswer(late)) => {
                let answer = self.service.answer(request);
                sleep(late);
                answer
            }
            Some(Mishap::Silence) => {
                self.note(request, None);
                let _ = writer.try_clone()?.read(&mut [0]);
                return Ok(false);
            }
            Some(Mishap::Instead(answer)) => answer,
            Some(Mishap::Turned(turn)) => turn(self.service.answer(request)),
            Some(Mishap::Babble(octets)) => {
                self.note(request, None);
                return { writer }.write_all(&octets).map(|()| false);
            }
        };
        let is_last = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        self.note(request, Some(answer.status));
        write(writer, &answer)?;
        Ok(!is_last)
    }

    /// Keeps what came through; what has no answer is the last on its connection.
    fn note(&self, request: &Request, status: Option<u16>) -> bool {
        self.passages().push(Passage { request: request.clone(), status });
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

/// Head and body in one write: two would wait for each other (RFC 896).
fn write(mut writer: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    let Answer { status, headers, body } = answer;
    let mut octets = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        octets += &format!("{name}: {value}\r\n");
    }
    octets += "\r\n";
    writer.write_all(&[octets.as_bytes(), body].concat())
}

/// Octets behind a `%` as what they are; `+` is a space in a query.
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
