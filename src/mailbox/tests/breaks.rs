//! Connections that break at the same message, or in the same folder, each time: it is named, and
//! the others go on.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;
use std::time::Duration;

use cutover_imap::Security;
use cutover_mailbox::account::Pair;
use cutover_mailbox::backup::{bag_of, check, make};
use cutover_mailbox::clock::RealClock;
use cutover_mailbox::copy::Limits;
use cutover_mailbox::error::Side;
use cutover_mailbox::report::Progress;

use crate::bed::{Bed, limits, run};
use crate::copies::{dots, slash, small};
use crate::lab::mailbox_host::Setup;
use crate::mail::TIME;

/// The message at which connections break.
const POISON: &[u8] = b"Subject: poison\r\nMessage-ID: <poison@acme.test>\r\n\r\nx\r\n";

/// A relay that closes a connection, whichever side sends these words, until it is told to stop.
struct Trap {
    port: u16,
    is_set: Arc<AtomicBool>,
}

impl Trap {
    fn before(server: u16, words: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let is_set = Arc::new(AtomicBool::new(true));
        let set = Arc::clone(&is_set);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (from, to) in [(&client, &upstream), (&upstream, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
                    let set = Arc::clone(&set);
                    spawn(move || one_way(from, to, words, &set));
                }
            }
        });
        Self { port, is_set }
    }

    fn opens(&self) {
        self.is_set.store(false, Ordering::SeqCst);
    }
}

fn one_way(mut from: TcpStream, mut to: TcpStream, words: &[u8], is_set: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    let mut tail: Vec<u8> = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        tail.extend_from_slice(&buffer[..read]);
        let found = tail.windows(words.len()).any(|window| window == words);
        if found && is_set.load(Ordering::SeqCst) {
            break;
        }
        tail.drain(..tail.len().saturating_sub(words.len()));
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    for stream in [&from, &to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Two folders, and the poison in the middle of one.
fn filled(bed: &Bed) {
    small(bed, "u1", "", 30);
    small(bed, "u1", ".Work", 10);
    bed.old.deliver("u1", "", "p", POISON, TIME);
    for number in 40..70 {
        bed.old.deliver("u1", "", &format!("q{number}"), &crate::mail::plain(number), TIME);
    }
}

fn behind(bed: &Bed, trap: &Trap, is_old: bool) -> Pair {
    let mut pair = bed.pair("u1");
    let account = if is_old { &mut pair.old } else { &mut pair.new };
    account.server.port = trap.port;
    account.server.security = Security::Plain;
    pair
}

fn few() -> Limits {
    Limits {
        window_messages: 8,
        settle_max: Duration::from_millis(300),
        restarts_max: 3,
        ..limits()
    }
}

#[test]
fn a_message_at_which_the_old_side_hangs_up_each_time_is_named_and_the_others_go_on() {
    let bed = Bed::start(slash(), slash());
    filled(&bed);
    let trap = Trap::before(bed.old.port(), b"Subject: poison");
    let pair = [behind(&bed, &trap, true)];
    let report = bed.copy_within(&pair, few()).remove(0);
    let total = report.total();
    assert_eq!(report.error, None, "{report:#?}");
    let ends = (total.messages, total.copied, total.unreadable);
    assert_eq!(ends, (73, 72, 1), "{report:#?}");
    assert!(report.restarts <= 4, "{report:#?}");
    let notes: Vec<&str> = report.folders[0].notes.iter().map(|note| &*note.text).collect();
    assert_eq!(notes, ["the old side does not hand it out: the connection breaks each time"]);
    assert!(!report.is_complete());
    let compared = bed.verify(&pair).remove(0);
    let verdict = compared.verdict();
    assert_eq!((verdict.present, verdict.unread), (72, 1), "{compared:#?}");
    assert!(!compared.has_all() && compared.is_whole(), "{compared:#?}");
    // The backup names it too, and keeps the others.
    let bag = bag_of(&bed.dir().join("backups"), "u1");
    let progress = Progress::default();
    let made = run(make((Side::Old, &pair[0].old), "u1", &bag, &RealClock, &progress));
    let made = made.expect("a backup");
    assert_eq!((made.counts.messages, made.counts.done), (73, 72), "{made:?}");
    assert_eq!(made.unreadable.len(), 1, "{made:?}");
    assert_eq!(check(&bag).expect("a bag").problems, Vec::<String>::new());
    // The next pass tries it again.
    trap.opens();
    let report = bed.copy_within(&pair, few()).remove(0);
    assert!(report.is_complete() && report.total().copied == 1, "{report:#?}");
    assert_eq!(bed.same("u1"), 73);
}

fn refused_by_hanging_up(setup: Setup) {
    let bed = Bed::start(slash(), setup);
    filled(&bed);
    let trap = Trap::before(bed.new.port(), b"Subject: poison");
    let pair = [behind(&bed, &trap, false)];
    let report = bed.copy_within(&pair, few()).remove(0);
    let total = report.total();
    assert_eq!(report.error, None, "{report:#?}");
    // Twice together, twice alone, and once more if a part was stored before it.
    assert!(report.restarts <= 5, "{report:#?}");
    let stored = total.copied + total.already;
    assert_eq!((total.messages, stored, total.refused), (73, 72, 1), "{report:#?}");
    let note = &report.folders[0].notes[0].text;
    assert!(note.contains("the connection breaks each time it is sent. It is put aside"), "{note}");
    let aside = std::fs::read_dir(bed.aside()).expect("a directory").flatten();
    let aside: Vec<_> = aside.map(|entry| std::fs::read(entry.path()).expect("a file")).collect();
    assert_eq!(aside, [POISON]);
    assert_eq!(bed.verify(&[bed.pair("u1")])[0].verdict().refused, 1);
    trap.opens();
    let report = bed.copy_within(&pair, few()).remove(0);
    assert!(report.is_complete() && report.total().copied == 1, "{report:#?}");
    assert_eq!(bed.same("u1"), 73);
}

#[test]
fn a_message_at_which_the_new_side_hangs_up_each_time_is_put_aside_and_the_others_go_on() {
    refused_by_hanging_up(slash());
}

#[test]
fn the_same_in_a_pipeline() {
    let capabilities = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE";
    refused_by_hanging_up(Setup { capabilities: Some(capabilities), ..slash() });
}

#[test]
fn a_folder_in_which_the_connection_breaks_each_time_is_named_and_the_others_go_on() {
    let bed = Bed::start(dots(), slash());
    for folder in ["", ".Bad", ".Work"] {
        small(&bed, "u1", folder, 5);
    }
    let trap = Trap::before(bed.old.port(), b"EXAMINE \"INBOX.Bad\"");
    let pair = [behind(&bed, &trap, true)];
    let report = bed.copy_within(&pair, few()).remove(0);
    assert_eq!((report.error.as_deref(), report.total().copied), (None, 12), "{report:#?}");
    let errors = report
        .folders
        .iter()
        .filter_map(|folder| folder.error.as_ref().map(|error| format!("{}: {error}", folder.old)));
    let expected = "INBOX.Bad: old side: the server closed the connection";
    assert_eq!(errors.collect::<Vec<_>>(), [expected]);
    assert!(!report.is_complete());
    let compared = bed.verify(&pair).remove(0);
    assert_eq!(compared.verdict().present, 12, "{compared:#?}");
    assert!(!compared.is_whole() && compared.error.is_none(), "{compared:#?}");
    trap.opens();
    let report = bed.copy_within(&pair, few()).remove(0);
    assert!(report.is_complete() && report.total().copied == 6, "{report:#?}");
    assert_eq!(bed.same("u1"), 18);
}

#[test]
fn a_folder_that_cannot_be_opened_is_named_and_the_others_go_on() {
    let bed = Bed::start(slash(), slash());
    for folder in ["", ".Closed", ".Work"] {
        small(&bed, "u1", folder, 5);
    }
    // Dovecot does not run as root.
    let closed = bed.old.maildir("u1").join(".Closed");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&closed, mode(0o000)).expect("our own");
    let pairs = [bed.pair("u1")];
    let report = bed.copy(&pairs).remove(0);
    assert_eq!((report.error.as_deref(), report.total().copied), (None, 12), "{report:#?}");
    let error = report.folders.iter().find_map(|folder| folder.error.as_deref());
    assert!(error.is_some_and(|error| error.contains("EXAMINE is refused: NO [")), "{error:?}");
    assert!(!report.is_complete());
    std::fs::set_permissions(&closed, mode(0o755)).expect("our own");
    assert!(bed.copy(&pairs).remove(0).is_complete());
    assert_eq!(bed.same("u1"), 18);
}
