//! A relay in front of a real server that injects faults into requests, and a listener that answers
//! with fixed messages. Both live as long as the process.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::spawn;
use std::time::Duration;

use super::server::sleep;

/// What the relay does with a request.
pub(crate) enum Fate {
    /// The server gets it, and the client its answer.
    Pass,
    /// The connection is closed, and the server does not get it.
    Lose,
    /// The server gets it, and the connection is closed before the answer.
    LoseAnswer,
    /// The server gets it after this delay, even if the client has stopped waiting.
    LateRequest(Duration),
    /// The server gets it at once, and the client its answer after this delay.
    LateAnswer(Duration),
    /// The client gets this answer, with the request's DNS identifier inserted. The server does not
    /// get the request.
    Answer(Vec<u8>),
}

/// The protocol of a TCP connection.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    /// DNS (RFC 1035 §4.2.2): any number of requests per connection, and of answers per request.
    Dns,
    /// HTTP/1: one request per connection.
    Http,
}

/// A relay in front of this server. `fate` decides about each request before the server sees it.
pub(crate) fn before(
    server: SocketAddr,
    protocol: Protocol,
    fate: impl Fn(&[u8]) -> Fate + Send + Sync + 'static,
) -> SocketAddr {
    listen(move |client| {
        let _ = serve(client, server, protocol, &fate);
    })
}

/// Answers each connection's first request with these messages.
pub(crate) fn babbler(protocol: Protocol, answers: Vec<Vec<u8>>) -> SocketAddr {
    listen(move |mut client| {
        let Some(request) = protocol.read(&mut client) else { return };
        for answer in &answers {
            let _ = protocol.answer(&mut client, &request, answer.clone());
        }
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
    })
}

/// An HTTP answer.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let serve = Arc::new(serve);
    spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            spawn(move || serve(client));
        }
    });
    address
}

/// Serves a connection until one side closes it. Requests that pass unchanged share one connection
/// to the server. Each of the others has its own, on which the answer is awaited whatever the
/// client does.
fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    protocol: Protocol,
    fate: &dyn Fn(&[u8]) -> Fate,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server)?;
    let (mut from, mut to) = (upstream.try_clone()?, client.try_clone()?);
    let copying = spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        // An HTTP server ends its answer by closing the connection.
        let _ = to.shutdown(Shutdown::Write);
    });
    while let Some(request) = protocol.read(&mut client) {
        match fate(&request) {
            Fate::Pass => protocol.write(&mut upstream, &request)?,
            Fate::Lose => break,
            Fate::LoseAnswer => {
                protocol.exchange(server, &request)?;
                break;
            }
            Fate::LateRequest(late) => {
                sleep(late);
                let answer = protocol.exchange(server, &request)?;
                protocol.write(&mut client, &answer)?;
            }
            Fate::LateAnswer(late) => {
                let answer = protocol.exchange(server, &request)?;
                sleep(late);
                protocol.write(&mut client, &answer)?;
            }
            Fate::Answer(answer) => protocol.answer(&mut client, &request, answer)?,
        }
        if matches!(protocol, Protocol::Http) {
            let _ = copying.join();
            return client.shutdown(Shutdown::Both);
        }
    }
    let _ = upstream.shutdown(Shutdown::Both);
    let _ = copying.join();
    client.shutdown(Shutdown::Both)
}

impl Protocol {
    /// Reads a whole message, without its length prefix; `None` at the end.
    fn read(self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        match self {
            Self::Dns => {
                let mut length = [0; 2];
                stream.read_exact(&mut length).ok()?;
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut message).ok()?;
                Some(message)
            }
            Self::Http => {
                let mut message = Vec::new();
                let mut octet = [0];
                while !message.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut octet).ok()?;
                    message.push(octet[0]);
                }
                let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
                let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
                let mut body = vec![0; head.lines().find_map(length).unwrap_or(0)];
                stream.read_exact(&mut body).ok()?;
                message.extend(body);
                Some(message)
            }
        }
    }

    fn write(self, stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Dns => {
                let length = u16::try_from(message.len()).expect("a message has less than 64 KiB");
                stream.write_all(&[&length.to_be_bytes(), message].concat())
            }
            Self::Http => stream.write_all(message),
        }
    }

    /// Writes an answer to this request.
    fn answer(
        self,
        stream: &mut TcpStream,
        request: &[u8],
        mut answer: Vec<u8>,
    ) -> std::io::Result<()> {
        if let (Self::Dns, Some(id)) = (self, answer.get_mut(..2)) {
            id.copy_from_slice(&request[..2]);
        }
        self.write(stream, &answer)
    }

    /// The server's answer: its first message, or everything until it closes the connection.
    fn exchange(self, server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(server)?;
        self.write(&mut upstream, request)?;
        match self {
            Self::Dns => Ok(self.read(&mut upstream).unwrap_or_default()),
            Self::Http => {
                let mut answer = Vec::new();
                upstream.read_to_end(&mut answer)?;
                Ok(answer)
            }
        }
    }
}
