//! PostgreSQL's protocol at a relay (PostgreSQL 15 §55.7). A request ends with the message that the
//! server answers: the first one of a connection, `Query`, or `Sync`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

use cutover_store_suite::relay::{Fault, Requests};

/// Passes requests and answers on.
pub(crate) fn serve(
    requests: &Requests,
    mut client: TcpStream,
    mut server: TcpStream,
) -> Option<()> {
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
            match requests.fate() {
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
