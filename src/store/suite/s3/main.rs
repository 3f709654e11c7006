//! Runs the suite on an S3-compatible server, and what only such a store has to do.

mod relay;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_store::{Store, StoreError};
use cutover_store_s3::{Address, S3Store};
use cutover_store_suite::processes::{self, LeaseEnd};
use cutover_store_suite::relay::{Fault, Relay};
use cutover_store_suite::{PLAN, all, claim, line, lines, none, shared_out, story};
use relay::serve;
use server::{ID, SECRET, Server, url};

/// Opens the store with this URL, as a child process does too.
fn open(url: &str) -> Arc<dyn Store> {
    with_keys(url, ID, SECRET)
}

fn with_keys(url: &str, id: &str, secret: &str) -> Arc<dyn Store> {
    let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    Arc::new(S3Store::new(address.with_keys(id, secret)).expect("a client"))
}

/// Not a test: the entry of the processes that the tests start.
#[tokio::test]
async fn child() {
    processes::child(open).await;
}

#[tokio::test]
async fn does_what_a_store_has_to_do() {
    let server = Server::shared();
    story(&*open(&url(server.port(), "story/of/one", ""))).await;
}

#[tokio::test]
async fn shares_out_what_is_due() {
    let server = Server::shared();
    shared_out(&*open(&url(server.port(), "shared-out", ""))).await;
}

#[tokio::test]
async fn has_one_writer_at_a_time() {
    let server = Server::shared();
    let turns = if all() { 100 } else { 20 };
    processes::two_writers(open, &url(server.port(), "two", ""), turns).await;
}

#[tokio::test]
async fn loses_nothing_when_a_process_is_killed() {
    let server = Server::shared();
    processes::killed(open, &url(server.port(), "killed", "&lease=1s"), 8).await;
}

#[tokio::test]
async fn takes_nothing_from_a_process_that_has_lost_its_lease() {
    let server = Server::shared();
    processes::stopped(open, &url(server.port(), "a", "&lease=2s"), LeaseEnd::ByItself).await;
    processes::stopped(open, &url(server.port(), "b", ""), LeaseEnd::ByUnlock).await;
}

/// What the suite says of a store, with one request or one answer lost: it has no other outcome.
/// Every ninth request of each kind in a normal run, and all of them with `CUTOVER_SWEEP=all`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_survives_a_lost_connection() {
    let server = Server::shared();
    let relay = Relay::before(server.port(), serve);
    relay.arm(None);
    story(&*open(&url(relay.port(), "whole", ""))).await;
    let requests = relay.arm(None);
    assert!(requests > 40, "{requests} requests");
    for (fault, from) in [(Fault::RequestLost, 0), (Fault::AnswerLost, 4)] {
        let (from, step) = if all() { (0, 1) } else { (from, 9) };
        for at in (from..requests).step_by(step) {
            relay.arm(Some((at, fault)));
            story(&*open(&url(relay.port(), &format!("cut-{at}-{fault:?}"), ""))).await;
            let made = relay.arm(None);
            assert!(made > at, "request {at} of {requests} was made");
        }
    }
}

/// boto3 lists and gets what the store has written: the artifact, and records without a gap that hold the
/// journal octet for octet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_reads_what_the_store_writes() {
    let server = Server::shared();
    let store = open(&url(server.port(), "read/by-others", ""));
    let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
    let run = ada.create("an artifact: \u{e4}\n").await.expect("created");
    let (mut after, mut written) = (none(), Vec::new());
    for count in 0..6 {
        let one = line(format!("{count} \u{1f4ee}"), after);
        let two = line(format!("{count} again"), one.digest());
        ada.append(&run, after, &[one.clone(), two.clone()]).await.expect("written");
        after = two.digest();
        written.extend([one.text().to_owned(), two.text().to_owned()]);
    }
    ada.give_back().await.expect("given back");
    let said = tokio::task::block_in_place(|| server.judge("contents", "read/by-others"));
    let objects: BTreeMap<String, String> = serde_json::from_str(&said).expect("JSON");
    let below = format!("read/by-others/{PLAN}");
    let (artifacts, records): (Vec<_>, Vec<_>) =
        objects.iter().partition(|(key, _)| key.starts_with(&format!("{below}/artifacts/")));
    let texts: Vec<&str> = artifacts.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["an artifact: \u{e4}\n"]);
    let numbers = (1..=records.len()).map(|number| format!("{below}/log/{number:010}"));
    assert!(records.iter().map(|(key, _)| (*key).clone()).eq(numbers), "{:?}", objects.keys());
    // The first line of a record says what it is.
    let contents = records.iter().map(|(_, text)| text.split_once('\n').expect("a record"));
    let chain: String = contents
        .filter(|(first, _)| first.contains("\"is\":\"lines\""))
        .map(|(_, contents)| contents)
        .collect();
    assert_eq!(lines(&*store, &run).await, written);
    assert_eq!(chain, written.iter().map(|line| format!("{line}\n")).collect::<String>());
}

/// The gateway is restarted between two writes, and the writer goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing() {
    let mut server = Server::start();
    let store = open(&url(server.port(), "restarted", ""));
    let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
    let run = ada.create("one").await.expect("created");
    let (mut after, mut written) = (none(), Vec::new());
    for count in 0..3 {
        let line = line(count, after);
        ada.append(&run, after, std::slice::from_ref(&line)).await.expect("written");
        after = line.digest();
        written.push(line.text().to_owned());
        tokio::task::block_in_place(|| server.restart());
    }
    assert_eq!(lines(&*store, &run).await, written);
}

/// A bucket with other contents, or with a record that somebody else has written.
#[tokio::test]
async fn foreign_records_are_refused() {
    let server = Server::shared();
    for (name, text) in [("x", "x\n"), ("y", "{\"format\":\"cutover/state/s3/2\"}\n")] {
        let place = url(server.port(), name, "");
        let store = open(&place);
        let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
        let run = ada.create("one").await.expect("created");
        // The record that Ada would write next.
        server.put(&format!("{name}/{PLAN}/log/0000000003"), text);
        let one = line(0, none());
        let refused = [
            ada.append(&run, none(), std::slice::from_ref(&one)).await,
            open(&place).runs(PLAN).await.map(drop),
            open(&place).lease(PLAN, &claim("Bob")).await.map(drop),
        ];
        for refused in refused {
            let Err(StoreError::Foreign { place, detail }) = refused else { panic!("{refused:?}") };
            assert!(place.ends_with("record 3"), "{place}");
            assert_eq!(detail, "it is not ours");
        }
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_named_with_what_to_do() {
    let server = Server::shared();
    let here = url(server.port(), "away", "");
    for (store, said) in [
        (with_keys(&here, ID, "wr0ng"), "check the access key"),
        (with_keys(&here, "nobody", SECRET), "check the access key"),
        (open(&here.replace("//state/", "//nowhere/")), "create the bucket first"),
    ] {
        let reader = store.runs(PLAN).await.expect_err("it cannot be used");
        let writer = store.lease(PLAN, &claim("Ada")).await.expect_err("it cannot be used");
        for error in [reader, writer] {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
            assert!(text.contains(said) && text.starts_with("s3://"), "{text}");
            assert!(!format!("{text} {error:?} {store:?}").contains("s3cret"), "{text}");
            assert!(!text.contains("wr0ng"), "{text}");
        }
    }
}
