//! HTTP at a relay.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use cutover_store_suite::relay::{Fault, Requests};

/// Passes requests on, one after the other, and each answer back.
pub(crate) fn serve(
    requests: &Requests,
    mut client: TcpStream,
    mut server: TcpStream,
) -> Option<()> {
    loop {
        let request = message(&mut client)?;
        let fate = requests.fate();
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
