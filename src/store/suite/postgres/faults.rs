//! The connection is cut off, and the server restarted, at every point.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cutover_base::digest::Digest;
use cutover_store::Store;
use cutover_store_suite::{PLAN, all, claim, line, lines, none, shared_out, story};
use nix::sys::signal::Signal;

use super::open;
use cutover_store_suite::relay::{Fault, Relay};

use super::relay::serve;
use super::server::{ADMIN, Server};

/// What the whole suite says of a store, with one request or one answer lost: it has no other
/// outcome. Every third request of each kind in a normal run, and all of them with
/// `CUTOVER_SWEEP=all`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_survives_a_lost_connection() {
    let server = Server::start();
    let relay = Relay::before(server.port(), serve);
    let again = |name: &str| {
        server.database(name, "");
        let port = relay.port();
        open(&format!("postgres://{ADMIN}@127.0.0.1:{port}/{name}?sslmode=disable"))
    };
    for part in [Part::Story, Part::SharedOut] {
        let store = again("whole");
        relay.arm(None);
        part.check(&*store).await;
        let requests = relay.arm(None);
        assert!(requests > 40, "{requests} requests");
        drop(store);
        server.sql("postgres", "DROP DATABASE whole WITH (FORCE)");
        for (fault, from) in [(Fault::RequestLost, 0), (Fault::AnswerLost, 1)] {
            let (from, step) = if all() { (0, 1) } else { (from, 3) };
            for at in (from..requests).step_by(step) {
                let store = again("cut");
                relay.arm(Some((at, fault)));
                if let (0 | 1, Err(error)) = (at, store.plans().await) {
                    // What was never there is not waited for.
                    assert!(error.to_string().contains("run the same command again"), "{error}");
                }
                part.check(&*store).await;
                let made = relay.arm(None);
                assert!(made > at, "request {at} of {requests} was made");
                drop(store);
                server.sql("postgres", "DROP DATABASE cut WITH (FORCE)");
            }
        }
    }
}

/// A part of the suite.
#[derive(Clone, Copy)]
enum Part {
    Story,
    SharedOut,
}

impl Part {
    async fn check(self, store: &dyn Store) {
        match self {
            Self::Story => story(store).await,
            Self::SharedOut => shared_out(store).await,
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
