//! The connection is cut off, and the server restarted, at every point.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cutover_base::digest::Digest;
use cutover_store_suite::{PLAN, claim, line, lines, none, story};
use nix::sys::signal::Signal;

use super::open;
use super::relay::{Fault, Relay};
use super::server::{ADMIN, Server};

/// The whole story of a store, with one request or one answer lost: it has no other outcome. Every
/// third request of each kind in a normal run, and all of them with `CUTOVER_SWEEP=all`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the environment says how much is tested")]
async fn every_call_survives_a_lost_connection() {
    let server = Server::start();
    let relay = Relay::before(server.port());
    let again = |name: String| {
        server.database(&name, "");
        let port = relay.port();
        open(&format!("postgres://{ADMIN}@127.0.0.1:{port}/{name}?sslmode=disable"))
    };
    let store = again("whole".to_owned());
    relay.arm(None);
    story(&*store).await;
    let requests = relay.arm(None);
    assert!(requests > 100, "{requests} requests");
    let all = std::env::var("CUTOVER_SWEEP").is_ok_and(|sweep| sweep == "all");
    for (fault, from) in [(Fault::RequestLost, 0), (Fault::AnswerLost, 1)] {
        let (from, step) = if all { (0, 1) } else { (from, 3) };
        for at in (from..requests).step_by(step) {
            let name = format!("cut{at}{}", usize::from(fault == Fault::AnswerLost));
            let store = again(name.clone());
            relay.arm(Some((at, fault)));
            if let (0 | 1, Err(error)) = (at, store.plans().await) {
                // What was never there is not waited for.
                assert!(error.to_string().contains("run the same command again"), "{error}");
            }
            story(&*store).await;
            let made = relay.arm(None);
            assert!(made > at, "request {at} was made");
            drop(store);
            server.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// A server that is stopped in whatever way while it is written to, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing() {
    let mut server = Server::start();
    let store = open(&server.database("state", ""));
    let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
    let run = ada.create("one").await.expect("created");
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (run, is_over) = (run.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut written = Vec::new();
            let mut after = none();
            while !is_over.load(Ordering::SeqCst) {
                let line = line(written.len(), after);
                ada.append(&run, after, std::slice::from_ref(&line)).await.expect("written");
                after = line.digest();
                written.push(line.text().to_owned());
            }
            // A crash of the server does not end a lease.
            ada.renew().await.expect("Ada still has it");
            written
        })
    };
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGINT, Signal::SIGQUIT] {
        let before = store.lines(&run, &mut |_| std::ops::ControlFlow::Continue(())).await;
        before.expect("it is there");
        tokio::task::block_in_place(|| {
            server.stop(signal);
            server.go_on();
        });
    }
    let before = lines(&*store, &run).await.len();
    while lines(&*store, &run).await.len() < before + 10 {}
    is_over.store(true, Ordering::SeqCst);
    let written = writer.await.expect("no panic");
    assert_eq!(lines(&*store, &run).await, written);
    let head = server.sql("state", "SELECT head FROM cutover.run");
    let last = written.last().expect("something was written");
    assert_eq!(head, Digest::of(last.as_bytes()).to_string());
}
