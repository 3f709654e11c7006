//! Servers that do what no real one can be made to do: they drip, flood, lie or fall silent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::server::sleep;

/// What such a server does with each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Odd {
    /// It says nothing.
    Silent,
    /// It closes the connection at once.
    Closes,
    /// It says this, and reads what comes.
    Says(&'static str),
    /// It sends an octet of a greeting that never ends every 100 ms.
    Drips,
    /// It repeats a text for ever, as fast as it can.
    Floods(&'static [u8]),
    /// It greets, and floods after the first command.
    FloodsLater(&'static [u8]),
    /// It answers EHLO and STARTTLS, and then sends what is no TLS.
    HalfTls,
    /// It takes everything, and falls silent at RCPT.
    Deaf,
}

/// Lets an odd server listen for as long as the process lives.
pub(crate) fn odd(at: &str, what: Odd) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, what));
        }
    });
    address
}

/// Serves until the other side has had enough.
fn serve(mut stream: TcpStream, what: Odd) {
    // Every write fails once the client is gone, which ends the thread.
    let mut send = |octets: &[u8]| stream.write_all(octets).is_ok();
    let flood = |text: &[u8]| text.repeat(64 * 1024 / text.len() + 1);
    match what {
        Odd::Closes => return,
        Odd::Silent => {}
        Odd::Says(text) => _ = send(text.as_bytes()),
        Odd::Drips => {
            while send(b"2") {
                sleep(Duration::from_millis(100));
            }
        }
        Odd::Floods(text) => {
            let much = flood(text);
            while send(&much) {}
        }
        Odd::FloodsLater(_) | Odd::HalfTls | Odd::Deaf => _ = send(b"220 odd.test ESMTP\r\n"),
    }
    let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok().filter(|octets| *octets > 0).is_none() {
            return;
        }
        let word = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match (what, word.as_str()) {
            (Odd::FloodsLater(text), _) => {
                let much = flood(text);
                while stream.write_all(&much).is_ok() {}
                return;
            }
            (Odd::HalfTls, "STARTTLS") => b"220 go on\r\nthis is no handshake\r\n",
            (Odd::HalfTls, _) => b"250-odd.test\r\n250 STARTTLS\r\n",
            (Odd::Deaf, "RCPT") => continue,
            (Odd::Deaf, "EHLO") => b"250-odd.test\r\n250 SIZE\r\n",
            (Odd::Deaf, _) => b"250 ok\r\n",
            (Odd::Silent | Odd::Says(_) | Odd::Drips | Odd::Closes | Odd::Floods(_), _) => continue,
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}
