//! Processes that are killed at random moments, and begin anew: in the end each message is there
//! once. The test binary starts itself again as the copying process: [`child`] is its entry.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use cutover_imap::{Roots, Security, Server};
use cutover_mailbox::account::{Account, Pair};
use cutover_mailbox::backup::{Kept, Restoring, bag_of, check, make, restore};
use cutover_mailbox::clock::RealClock;
use cutover_mailbox::copy::{Limits, Pass, copy};
use cutover_mailbox::error::Side;
use cutover_mailbox::ledger::{Ledger, LedgerError};
use cutover_mailbox::report::{MailboxReport, Progress};

use crate::bed::{Bed, limits, password, run, variable};
use crate::copies::{dots, slash, small};
use crate::lab::mailbox_host::{HOST, PASSWORD, Setup};
use crate::lab::{now, sleep};

/// What the child is to copy: ports, authorities, directory, users.
const JOB: &str = "CUTOVER_MAILBOX_JOB";
/// How many processes are killed; `CUTOVER_KILLS` asks for more.
const KILLS: u32 = 8;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "this process is a child, and its code is its result"
)]
fn child() {
    let Some(job) = variable(JOB) else { return };
    let words: Vec<&str> = job.split('|').collect();
    let [kind, old, old_ca, new, new_ca, dir, users] = words[..] else { panic!("{job}") };
    let account = |name: &str, port: &str, ca: &str, user: &str| Account {
        name: format!("{name} {user}"),
        server: Server {
            host: HOST.to_owned(),
            port: port.parse().expect("a port"),
            security: Security::Tls,
            roots: Roots::in_file(ca.as_ref()).expect("certificates"),
        },
        sign_in: password(user, PASSWORD),
        renew: None,
    };
    let pairs: Vec<Pair> = users
        .split(' ')
        .map(|user| Pair {
            address: user.to_owned(),
            old: account("old", old, old_ca, user),
            new: account("new", new, new_ca, user),
        })
        .collect();
    let ledger = Ledger::open(&std::path::Path::new(dir).join("ledger.sqlite"));
    if matches!(ledger, Err(LedgerError::Locked(_))) {
        std::process::exit(3);
    }
    let ledger = ledger.expect("a ledger");
    let pass = Pass {
        ledger: &ledger,
        aside: std::path::Path::new(dir).join("aside"),
        clock: &RealClock,
        progress: &Progress::default(),
        limits: Limits { window_messages: 8, settle_max: Duration::from_millis(400), ..limits() },
    };
    let bags = std::path::Path::new(dir).join("backups");
    let is_complete = run(async {
        let mut is_complete = true;
        match kind {
            "copy" => {
                is_complete = copy(&pairs, &pass).await.iter().all(MailboxReport::is_complete)
            }
            "backup" => {
                for pair in &pairs {
                    let (of, bag) = ((Side::Old, &pair.old), bag_of(&bags, &pair.address));
                    let made = make(of, &pair.address, &bag, &RealClock, pass.progress).await;
                    is_complete &= made.is_ok_and(|made| made.unreadable.is_empty());
                }
            }
            "restore" => {
                for pair in &pairs {
                    let (address, account) = (&*pair.address, &pair.new);
                    let dir = &*bags;
                    let kept = Kept::AtLastBackup;
                    let restoring =
                        Restoring { dir, address, account, folder: None, kept, pass: &pass };
                    let restored = restore(&restoring).await;
                    is_complete &= restored.is_ok_and(|report| report.is_complete());
                }
            }
            other => panic!("{other}"),
        }
        is_complete
    });
    std::process::exit(i32::from(!is_complete));
}

/// What a child is told.
fn job_of(kind: &str, bed: &Bed, users: &str) -> String {
    let authority = |host: &crate::lab::MailboxHost| host.authority().display().to_string();
    let (old, new) = (bed.old.tls_port(), bed.new.tls_port());
    let (old_ca, new_ca) = (authority(&bed.old), authority(&bed.new));
    format!("{kind}|{old}|{old_ca}|{new}|{new_ca}|{}|{users}", bed.dir().display())
}

fn start(job: &str) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "killed::child", "--nocapture"]).env(JOB, job);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a child")
}

/// A number from 0 to 1 that differs from call to call, and is the same for a seed.
fn random(seed: &mut u64) -> f64 {
    // SplitMix64 (Steele, Lea, Flood 2014).
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((bits ^ (bits >> 31)) >> 32).expect("32 bits")) / f64::from(u32::MAX)
}

fn killed_often(kind: &str, new: Setup, seed: u64) {
    let number = |name: &str| variable(name)?.parse().ok();
    let kills = number("CUTOVER_KILLS").unwrap_or(KILLS.into());
    let first = number("CUTOVER_SEED").unwrap_or(seed);
    let bed = Bed::start(dots(), new);
    let mut seed = first;
    let mut killed = 0;
    let mut round = 0;
    while killed < kills {
        round += 1;
        let users = [format!("a{round}"), format!("b{round}")];
        for user in &users {
            small(&bed, user, "", 400);
            small(&bed, user, ".Work", 100);
        }
        if kind == "restore" {
            let backup = start(&job_of("backup", &bed, &users.join(" "))).wait();
            assert!(backup.expect("a child").success());
        }
        let job = job_of(kind, &bed, &users.join(" "));
        loop {
            let mut child = start(&job);
            let begun = now();
            let life = Duration::from_secs_f64(0.02 + 0.25 * random(&mut seed));
            let status = loop {
                if let Some(status) = child.try_wait().expect("a child") {
                    break Some(status);
                }
                if begun.elapsed() > life && killed < kills {
                    break None;
                }
                sleep(Duration::from_millis(2));
            };
            if let Some(status) = status {
                assert!(status.success(), "seed {first}: {status}");
                break;
            }
            let id = i32::try_from(child.id()).expect("a process id");
            kill(Pid::from_raw(id), Signal::SIGKILL).expect("it is there");
            child.wait().expect("a child");
            killed += 1;
        }
        for user in &users {
            if kind == "backup" {
                let checked = check(&bag_of(&bed.dir().join("backups"), user)).expect("a bag");
                assert_eq!((checked.messages, &*checked.problems), (502, &[][..]), "seed {first}");
            } else {
                assert_eq!(bed.same(user), 502, "seed {first}, {user}");
            }
        }
    }
    eprintln!("seed {first}: {killed} killed in {round} rounds");
}

#[test]
fn a_process_that_is_killed_often_loses_and_doubles_nothing() {
    killed_often("copy", slash(), 23);
}

#[test]
fn a_killed_pipeline_loses_and_doubles_nothing() {
    let capabilities = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE";
    killed_often("copy", Setup { capabilities: Some(capabilities), ..slash() }, 24);
}

#[test]
fn a_backup_that_is_killed_often_is_whole_in_the_end() {
    killed_often("backup", slash(), 25);
}

#[test]
fn a_restore_that_is_killed_often_loses_and_doubles_nothing() {
    killed_often("restore", slash(), 26);
}

#[test]
fn two_runs_at_once_are_one() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 5);
    let ledger = Ledger::open(&bed.ledger()).expect("a ledger");
    let job = job_of("copy", &bed, "u1");
    let refused = start(&job).wait().expect("a child");
    assert_eq!(refused.code(), Some(3), "another process holds the ledger");
    drop(ledger);
    assert!(start(&job).wait().expect("a child").success());
    assert_eq!(bed.same("u1"), 6);
}

/// Copies a mailbox in a process of its own: how long it took, and the most memory that it had.
fn measured(bed: &Bed, user: &str) -> (Duration, u64) {
    let mut child = start(&job_of("copy", bed, user));
    let begun = now();
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let line = status.iter().flat_map(|text| text.lines()).find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()
        });
        peak = peak.max(line.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    (begun.elapsed(), peak * 1024)
}

#[test]
fn large_messages_and_large_folders_cost_little_memory() {
    let is_large = variable("CUTOVER_LARGE").is_some();
    let (octets, count) = if is_large { (150_000_000, 10_000) } else { (30_000_000, 1_000) };
    let bed = Bed::start(slash(), slash());
    let large = [&b"Subject: large\r\n\r\n"[..], &vec![b'x'; octets], b"\r\n"].concat();
    bed.old.deliver("large", "", "large", &large, crate::mail::TIME);
    let (time, peak) = measured(&bed, "large");
    eprintln!("a message of {octets} octets: {time:?}, {peak} octets of memory");
    assert!(peak < 100_000_000, "{peak}");
    small(&bed, "many", "", count);
    let (time, peak) = measured(&bed, "many");
    eprintln!("{count} messages: {time:?}, {peak} octets of memory");
    assert!(peak < 100_000_000, "{peak}");
    let (time, _) = measured(&bed, "many");
    eprintln!("{count} messages that have not changed: {time:?}");
    assert!(time < Duration::from_secs(2), "{time:?}");
}
