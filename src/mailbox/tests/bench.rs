//! How long a copy takes, through a proxy that adds 20 ms of round trip and without it, beside mbsync
//! (Debian's `isync`) on the same servers.
//!
//! `cargo bench -p cutover-mailbox --bench copy`; `CUTOVER_MESSAGES` says how many, 1,000 otherwise.

#[path = "../../../tests/lab/mod.rs"]
mod lab;

#[expect(dead_code, reason = "a benchmark uses a part of what tests use")]
mod bed;
#[expect(dead_code, reason = "a benchmark uses a part of what tests use")]
mod mail;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::{Duration, Instant};

use cutover_mailbox::copy::Limits;

use bed::{Bed, variable};
use lab::mailbox_host::{HOST, PASSWORD, Setup};
use lab::{MailboxHost, now, sleep};

/// The delay in each direction.
const DELAY: Duration = Duration::from_millis(10);

/// A proxy that delays everything; its port.
fn delaying(server: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { return };
            for stream in [&client, &upstream] {
                let _ = stream.set_nodelay(true);
            }
            let ways = [(&client, &upstream), (&upstream, &client)];
            for (from, to) in ways.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                if let (Ok(from), Ok(to)) = (from, to) {
                    one_way(from, to);
                }
            }
        }
    });
    port
}

fn one_way(mut from: TcpStream, mut to: TcpStream) {
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        for (due, octets) in receiver {
            sleep(due.saturating_duration_since(now()));
            if to.write_all(&octets).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if sender.send((now() + DELAY, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// Copies with mbsync, and says how long it took.
fn mbsync(bed: &Bed, ports: [u16; 2], user: &str) -> Option<Duration> {
    let dir = bed.dir().join(format!("mbsync-{user}"));
    std::fs::create_dir_all(&dir).expect("a directory");
    let side = |name: &str, host: &MailboxHost, port: u16| {
        format!(
            "IMAPAccount {name}\nHost {HOST}\nPort {port}\nUser {user}\nPass {PASSWORD}\nSSLType IMAPS\n\
             CertificateFile {}\n\nIMAPStore {name}\nAccount {name}\n\n",
            host.authority().display()
        )
    };
    let config = [
        side("old", &bed.old, ports[0]),
        side("new", &bed.new, ports[1]),
        format!(
            "Channel all\nFar :old:\nNear :new:\nPatterns *\nCreate Near\nSync Pull\nSyncState {}/\n",
            dir.display()
        ),
    ];
    std::fs::write(dir.join("config"), config.concat()).expect("a file");
    let begun = now();
    let mut command = Command::new("mbsync");
    let output = command.arg("-c").arg(dir.join("config")).arg("all").output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(begun.elapsed())
}

fn main() {
    let count = variable("CUTOVER_MESSAGES").and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let bed = Bed::start(Setup::default(), Setup::default());
    for (name, is_delayed) in [("without delay", false), ("with 20 ms", true)] {
        let ports = [&bed.old, &bed.new].map(|host| match is_delayed {
            true => delaying(host.tls_port()),
            false => host.tls_port(),
        });
        for round in 0..3 {
            let user = |who: &str| format!("{who}{round}{is_delayed}");
            for user in [user("a"), user("b")] {
                for number in 0..count {
                    let folder = [".A", ".B", ".C", ""][number % 4];
                    let name = format!("m{number}");
                    bed.old.deliver(&user, folder, &name, &mail::plain(number), mail::TIME);
                }
            }
            let mut pair = bed.pair(&user("a"));
            pair.old.server.port = ports[0];
            pair.new.server.port = ports[1];
            let pairs = [pair];
            let begun = now();
            let report = bed.copy_within(&pairs, Limits::default()).remove(0);
            let ours = begun.elapsed();
            assert_eq!(report.total().copied, count as u64, "{report:#?}");
            let begun = now();
            assert_eq!(bed.copy_within(&pairs, Limits::default())[0].total().copied, 0);
            let again = begun.elapsed();
            let theirs = mbsync(&bed, ports, &user("b"));
            println!(
                "{count} messages {name}: cutover {ours:.2?}, again {again:.2?}; mbsync {}",
                theirs.map_or("is not installed".to_owned(), |time| format!("{time:.2?}"))
            );
        }
    }
}
