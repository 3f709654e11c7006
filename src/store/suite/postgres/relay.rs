//! A relay in front of the server that cuts a connection off at a request.
//!
//! It reads the messages of PostgreSQL's protocol (PostgreSQL 15 §55.7). A request ends with the
//! message that the server answers: the first one of a connection, `Query`, or `Sync`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).ok()?;
        for side in [&client, &server] {
            side.set_nodelay(true).ok()?;
        }
        let is_lost = Arc::new(AtomicBool::new(false));
        {
            let (from, to) = (server.try_clone().ok()?, client.try_clone().ok()?);
            let is_lost = Arc::clone(&is_lost);
            spawn(move || {
                let client = to.try_clone();
                answers(from, to, &is_lost);
                client.map(|client| client.shutdown(Shutdown::Both))
            });
        }
        let mut first = true;
        while let Some((request, ends)) = request(&mut client, first) {
            if ends {
                match self.fate() {
                    None => {}
                    Some(Fault::RequestLost) => break,
                    Some(Fault::AnswerLost) => is_lost.store(true, Ordering::SeqCst),
                }
            }
            first = false;
            server.write_all(&request).ok()?;
        }
        let _ = server.shutdown(Shutdown::Both);
        None
    }
}

/// Passes answers on until one is to be lost, and reads that one to its end.
fn answers(mut server: TcpStream, mut client: TcpStream, is_lost: &AtomicBool) -> Option<()> {
    loop {
        let (kind, message) = message(&mut server)?;
        match (is_lost.load(Ordering::SeqCst), kind) {
            // ReadyForQuery.
            (true, b'Z') => return None,
            (true, _) => {}
            (false, _) => client.write_all(&message).ok()?,
        }
    }
}

/// A message of the client, and whether a request ends with it.
fn request(client: &mut TcpStream, first: bool) -> Option<(Vec<u8>, bool)> {
    if !first {
        let (kind, message) = message(client)?;
        return Some((message, matches!(kind, b'Q' | b'S')));
    }
    // The first one has no kind.
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    message[..4].copy_from_slice(&length);
    client.read_exact(&mut message[4..]).ok()?;
    Some((message, true))
}

fn message(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut message = vec![0; 1 + usize::try_from(length).ok()?];
    message[..5].copy_from_slice(&head);
    stream.read_exact(&mut message[5..]).ok()?;
    Some((head[0], message))
}
