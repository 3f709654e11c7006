//! A relay in front of the server that cuts a connection off at an HTTP request.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server does not get it.
    RequestLost,
    /// The server gets it, and the client no answer.
    AnswerLost,
}

/// A relay, which lives as long as the process.
pub(crate) struct Relay {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    server: u16,
    requests: AtomicUsize,
    fault: Mutex<Option<(usize, Fault)>>,
}

impl Relay {
    /// A relay in front of the server at this port.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let (requests, fault) = (AtomicUsize::new(0), Mutex::new(None));
        let inner = Arc::new(Inner { server, requests, fault });
        let serving = Arc::clone(&inner);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let inner = Arc::clone(&serving);
                spawn(move || inner.serve(client));
            }
        });
        Self { port, inner }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Counts from 0 again, and cuts off the request with this number. Returns how many requests
    /// there were.
    pub(crate) fn arm(&self, fault: Option<(usize, Fault)>) -> usize {
        *self.inner.fault.lock().expect("nobody panics") = fault;
        self.inner.requests.swap(0, Ordering::SeqCst)
    }
}

impl Inner {
    /// What becomes of the next request.
    fn fate(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().expect("nobody panics");
        fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault)
    }

    /// Passes requests on, one after the other, and each answer back.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).ok()?;
        for side in [&client, &server] {
            side.set_nodelay(true).ok()?;
        }
        loop {
            let request = message(&mut client)?;
            let fate = self.fate();
            if fate != Some(Fault::RequestLost) {
                server.write_all(&request).ok()?;
                let answer = message(&mut server)?;
                if fate.is_none() {
                    client.write_all(&answer).ok()?;
                    continue;
                }
            }
            return client.shutdown(Shutdown::Both).ok();
        }
    }
}

/// A message of HTTP/1.1 (RFC 9112 §6). An answer to HEAD, which has no body, is not asked for.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = until(stream, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    if field("transfer-encoding") == Some("chunked") {
        loop {
            let size = until(stream, b"\r\n")?;
            let hex = String::from_utf8_lossy(&size).trim().to_owned();
            let octets = usize::from_str_radix(&hex, 16).ok()?;
            message.extend(size);
            message.extend(exactly(stream, octets + 2)?);
            if octets == 0 {
                return Some(message);
            }
        }
    }
    let octets = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    message.extend(exactly(stream, octets)?);
    Some(message)
}

fn until(stream: &mut TcpStream, end: &[u8]) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.extend(exactly(stream, 1)?);
    }
    Some(read)
}

fn exactly(stream: &mut TcpStream, octets: usize) -> Option<Vec<u8>> {
    let mut read = vec![0; octets];
    stream.read_exact(&mut read).ok()?;
    Some(read)
}
