//! A proxy before a real server that meddles with PATCH requests and nothing else, and a listener
//! that answers whatever it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What becomes of a PATCH request.
pub(crate) enum Fate {
    /// The server gets it, and its answer is passed on.
    Pass,
    /// Nobody gets it, and the connection is closed.
    Lose,
    /// The server gets it, and the connection is closed in place of an answer.
    LoseAnswer,
    /// Nobody gets it, and this is the answer.
    Answer(String),
}

/// Listens as long as the process lives; `fate` sees each PATCH, counted from 0, before the server
/// does. The address is as a plan has it.
pub(crate) fn before(
    server: SocketAddr,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> String {
    between(server, |request| request.starts_with(b"PATCH "), fate)
}

/// Calls `meddle` before each look at the zone without its RRsets, counted from 0.
pub(crate) fn before_looks(
    server: SocketAddr,
    meddle: impl Fn(usize) + Send + Sync + 'static,
) -> String {
    let is_look = |request: &[u8]| {
        let line = request.split(|octet| *octet == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).contains("?rrsets=false")
    };
    between(server, is_look, move |seen| {
        meddle(seen);
        Fate::Pass
    })
}

fn between(
    server: SocketAddr,
    is_meant: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> String {
    let seen = Arc::new(AtomicUsize::new(0));
    listen(move |mut client| {
        let Some(request) = read_message(&mut client) else { return };
        let fate = match is_meant(&request) {
            true => fate(seen.fetch_add(1, Ordering::SeqCst)),
            false => Fate::Pass,
        };
        let answered = || {
            let mut upstream = TcpStream::connect(server).expect("the server is up");
            upstream.write_all(&request).expect("the server reads");
            let mut answer = Vec::new();
            let _ = upstream.read_to_end(&mut answer);
            answer
        };
        match fate {
            Fate::Pass => drop(client.write_all(&answered())),
            Fate::Lose => {}
            Fate::LoseAnswer => drop(answered()),
            Fate::Answer(answer) => drop(client.write_all(answer.as_bytes())),
        }
        let _ = client.shutdown(Shutdown::Both);
    })
}

/// Listens as long as the process lives, and answers everything with this.
pub(crate) fn babbler(answer: String) -> String {
    listen(move |mut client| {
        if read_message(&mut client).is_some() {
            let _ = client.write_all(answer.as_bytes());
        }
        let _ = client.shutdown(Shutdown::Both);
    })
}

/// An HTTP answer.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(client));
        }
    });
    format!("http://{address}")
}

/// A whole request: its head, and as much behind it as it says.
fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut octet = [0];
    while !message.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).ok()?;
        message.push(octet[0]);
    }
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    message.extend(body);
    Some(message)
}
