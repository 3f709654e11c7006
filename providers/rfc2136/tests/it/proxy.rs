//! A proxy before a real server that meddles with UPDATE messages and nothing else; and a server
//! that babbles.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What becomes of an UPDATE message.
pub(crate) enum Fate {
    /// The server gets it, and its answer is passed on.
    Pass,
    /// Nobody gets it, and the connection is closed.
    Lose,
    /// The server gets it, and the connection is closed in place of an answer.
    LoseAnswer,
    /// Nobody gets it, and this is the answer; the identifier is put in.
    Answer(Vec<u8>),
}

/// Listens as long as the process lives; `fate` sees each update, counted from 0.
pub(crate) fn before(
    server: SocketAddr,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((server.ip(), 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let fate = Arc::new(fate);
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (fate, seen) = (Arc::clone(&fate), Arc::clone(&seen));
            let next = move || seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::spawn(move || serve(client, server, &*fate, &next));
        }
    });
    address
}

fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    fate: &dyn Fn(usize) -> Fate,
    next: &dyn Fn() -> usize,
) {
    let mut upstream = TcpStream::connect(server).expect("the server is up");
    let (mut from, mut to) =
        (upstream.try_clone().expect("a clone"), client.try_clone().expect("a clone"));
    let mut copying = Some(std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
    }));
    while let Some(message) = read_message(&mut client) {
        let is_update = (message[2] >> 3) & 0x0f == 5;
        let fate = if is_update { fate(next()) } else { Fate::Pass };
        match fate {
            Fate::Pass => write_message(&mut upstream, &message),
            Fate::Lose => break,
            Fate::LoseAnswer => {
                let mut other = TcpStream::connect(server).expect("the server is up");
                write_message(&mut other, &message);
                read_message(&mut other).expect("the server answers");
                break;
            }
            Fate::Answer(mut answer) => {
                answer[..2].copy_from_slice(&message[..2]);
                write_message(&mut client, &answer);
            }
        }
    }
    let _ = upstream.shutdown(Shutdown::Both);
    if let Some(copying) = copying.take() {
        let _ = copying.join();
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).expect("a message");
    let _ = stream.write_all(&[&length.to_be_bytes(), message].concat());
}

/// Listens as long as the process lives, and answers each connection's first message with this;
/// the identifier is put in where there is room for one.
pub(crate) fn babbler(answers: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4];
            if client.read_exact(&mut request).is_err() {
                continue;
            }
            for mut answer in answers.clone() {
                if let Some(id) = answer.get_mut(..2) {
                    id.copy_from_slice(&request[2..]);
                }
                let length = u16::try_from(answer.len()).expect("a message");
                let _ = client.write_all(&[&length.to_be_bytes(), &*answer].concat());
            }
            let mut rest = Vec::new();
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read_to_end(&mut rest);
        }
    });
    address
}
