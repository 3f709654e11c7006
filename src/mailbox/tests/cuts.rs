//! Connections that are cut at each command in turn, before the server gets it and after, at both
//! sides: in the end each message is there once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;
use std::time::Duration;

use cutover_imap::Security;
use cutover_mailbox::copy::Limits;

use crate::bed::{Bed, limits, variable};
use crate::copies::{dots, slash, small};
use crate::lab::mailbox_host::Setup;
use crate::lab::sleep;

/// Which part of an exchange is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The server does not get the command.
    Command,
    /// The server gets a part of it: half of what came with it.
    Half,
    /// The server gets it, and the client gets no answer.
    Answer,
}

/// A relay that cuts one connection once, at the command with this number.
struct Cutter {
    port: u16,
    /// Commands so far, in all connections.
    commands: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(server: u16, at: usize, lost: Lost) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let commands = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&commands);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                spawn(move || relay(client, server, &counted, at, lost));
            }
        });
        Self { port, commands }
    }
}

fn relay(mut client: TcpStream, server: u16, commands: &AtomicUsize, at: usize, lost: Lost) {
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (Ok(mut from), Ok(mut to)) = (upstream.try_clone(), client.try_clone()) else { return };
    spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut tags = 0;
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let chunk = &buffer[..read];
        // The tags of the client count from 1 in each connection.
        let mut from = 0;
        while let Some(found) = find(&chunk[from..], format!("c{} ", tags + 1).as_bytes()) {
            tags += 1;
            from += found;
            if commands.fetch_add(1, Ordering::SeqCst) + 1 == at {
                let taken = match lost {
                    Lost::Command => from,
                    Lost::Half => from + (chunk.len() - from) / 2,
                    Lost::Answer => chunk.len(),
                };
                if lost == Lost::Answer {
                    let _ = client.shutdown(Shutdown::Write);
                }
                let _ = upstream.write_all(&chunk[..taken]);
                // The server works on what it got, while nobody hears it.
                sleep(Duration::from_millis(20));
                let _ = client.shutdown(Shutdown::Both);
                let _ = upstream.shutdown(Shutdown::Both);
                return;
            }
        }
        if upstream.write_all(chunk).is_err() {
            break;
        }
    }
    let _ = upstream.shutdown(Shutdown::Both);
}

fn find(octets: &[u8], words: &[u8]) -> Option<usize> {
    octets.windows(words.len()).position(|window| window == words)
}

fn cut_everywhere(setup: Setup, connections: usize) {
    let bed = Bed::start(dots(), setup);
    let settle_max = Duration::from_millis(300);
    let limits = Limits { window_messages: 8, settle_max, connections, ..limits() };
    // With several connections there are more commands.
    let some = if connections > 1 { 19 } else { 9 };
    let every = if variable("CUTOVER_SWEEP").is_some() { 1 } else { some };
    let copy = |at: usize, lost: Lost, is_old: bool| {
        let side = if is_old { "old" } else { "new" };
        let user = format!("{side}{at}{lost:?}").to_lowercase();
        small(&bed, &user, "", 20);
        small(&bed, &user, ".Work", 3);
        let mut pair = bed.pair(&user);
        let host = if is_old { &bed.old } else { &bed.new };
        let cutter = Cutter::before(host.port(), at, lost);
        let account = if is_old { &mut pair.old } else { &mut pair.new };
        account.server.port = cutter.port;
        account.server.security = Security::Plain;
        let report = bed.copy_within(&[pair], limits).remove(0);
        assert!(report.is_complete(), "{user}: {report:#?}");
        assert_eq!(bed.same(&user), 25, "{user}");
        // A connection beside the first may be missing, or be cut when it has nothing to do any more.
        let expected = u32::from(at > 0);
        let is_expected = report.restarts == expected || connections > 1 && report.restarts == 0;
        assert!(is_expected, "{user}: {report:#?}");
        cutter.commands.load(Ordering::SeqCst)
    };
    for (runs, is_old) in [true, false].into_iter().enumerate() {
        let commands = copy(0, Lost::Command, is_old);
        assert!(commands > 10, "{commands}");
        // LOGOUT is the last: nobody waits for its end.
        for at in (1..commands).filter(|at| (at + runs) % every == 0) {
            for lost in [Lost::Command, Lost::Half, Lost::Answer] {
                copy(at, lost, is_old);
            }
        }
    }
}

#[test]
fn a_cut_at_any_command_loses_and_doubles_nothing() {
    cut_everywhere(slash(), 1);
}

#[test]
fn a_cut_at_any_command_of_a_pipeline_loses_and_doubles_nothing() {
    let capabilities = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE LIST-EXTENDED SPECIAL-USE";
    cut_everywhere(Setup { capabilities: Some(capabilities), ..slash() }, 3);
}
