//! The two messages that the lab itself sends over UDP: an SOA query and a NOTIFY.
//!
//! Starting `dig` for each would take longer than starting a server.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How long to wait for an answer. Our choice: the servers are on the same machine.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// The SOA serial of a zone as this server serves it authoritatively; `None` while it does not.
pub(crate) fn serial(server: SocketAddr, zone: &str) -> Option<u32> {
    let answer = exchange(server, &message(zone, 0x0000))?;
    let authoritative = answer[2] & 0x04 != 0;
    let no_error = answer[3] & 0x0f == 0;
    let has_answer = answer[6..8] != [0, 0];
    if !(authoritative && no_error && has_answer) {
        return None;
    }
    // After the question come owner, type, class, TTL, length, two names and the serial.
    let mut at = skip_name(&answer, 12)? + 4;
    at = skip_name(&answer, at)? + 10;
    at = skip_name(&answer, at)?;
    at = skip_name(&answer, at)?;
    let octets = answer.get(at..at + 4)?;
    Some(u32::from_be_bytes(octets.try_into().expect("four octets")))
}

/// Notifies a secondary that the zone has changed (RFC 1996 §3.7).
pub(crate) fn notify(server: SocketAddr, zone: &str) {
    let opcode_notify_and_aa = 0x2400;
    let _ = exchange(server, &message(zone, opcode_notify_and_aa));
}

fn message(zone: &str, flags: u16) -> Vec<u8> {
    let mut octets = vec![0x4c, 0x42];
    octets.extend(flags.to_be_bytes());
    octets.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in zone.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a label has 63 octets at the most"));
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 6, 0, 1]);
    octets
}

/// The answer: at least a header, with the identifier of the question.
fn exchange(server: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    // Send from the primary's address: a secondary accepts NOTIFY from nowhere else.
    let socket = UdpSocket::bind((server.ip(), 0)).ok()?;
    socket.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    socket.connect(server).ok()?;
    socket.send(message).ok()?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).ok()?;
    answer.truncate(length);
    (answer.len() >= 12 && answer[..2] == message[..2]).then_some(answer)
}

/// The position after the name that begins at `at`.
fn skip_name(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}
