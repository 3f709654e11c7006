//! Runs the suite on a PostgreSQL server, and what only such a store has to do.

mod due;
mod faults;
mod refusals;
mod relay;
mod server;
mod tables;
mod tls;

use std::sync::Arc;

use cutover_store::Store;
use cutover_store_postgres::{Address, PostgresStore};
use cutover_store_suite::processes::{self, LeaseEnd};
use cutover_store_suite::{PLAN, claim, shared_out, story};
use server::Server;

/// Opens the store with this URL, as a child process does too.
fn open(url: &str) -> Arc<dyn Store> {
    let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    Arc::new(PostgresStore::new(address))
}

/// Not a test: the entry of the processes that the tests start.
#[tokio::test]
async fn child() {
    processes::child(open).await;
}

#[tokio::test]
async fn does_what_a_store_has_to_do() {
    let server = Server::start();
    let url = server.database("state", "");
    story(&*open(&url)).await;
    // A socket is enough, and the program makes it with the rights that the role has.
    let url = format!("postgres:///other?host={}&port={}", server.dir().display(), server.port());
    server.database("other", "");
    story(&*open(&format!("{url}&user={}", server::ADMIN))).await;
}

#[tokio::test]
async fn shares_out_what_is_due() {
    let server = Server::start();
    shared_out(&*open(&server.database("state", ""))).await;
}

#[tokio::test]
async fn has_one_writer_at_a_time() {
    let server = Server::start();
    processes::two_writers(open, &server.database("state", ""), 100).await;
}

#[tokio::test]
async fn loses_nothing_when_a_process_is_killed() {
    let server = Server::start();
    processes::killed(open, &server.database("state", "&lease=1s"), 10).await;
}

#[tokio::test]
async fn takes_nothing_from_a_process_that_has_lost_its_lease() {
    let server = Server::start();
    processes::stopped(open, &server.database("a", "&lease=2s"), LeaseEnd::ByItself).await;
    processes::stopped(open, &server.database("b", ""), LeaseEnd::ByUnlock).await;
}

/// A lease that was not renewed can be taken, and one that was renewed cannot.
#[tokio::test]
async fn a_lease_ends_by_the_clock_of_the_database() {
    let server = Server::start();
    let store = open(&server.database("state", "&lease=1h"));
    let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
    ada.create("one").await.expect("created");
    let until = ada.holder().until;
    ada.renew().await.expect("it is not due");
    assert_eq!(ada.holder().until, until, "nobody was asked");
    assert!(store.lease(PLAN, &claim("Bob")).await.is_err(), "it lasts");
    server.sql("state", "UPDATE cutover.plan SET until = clock_timestamp() - interval '1 ms'");
    assert_eq!(store.holder(PLAN).await.expect("an answer"), None);
    // A lease that is over and that nobody took can still be used, and nobody else is harmed.
    ada.create("two").await.expect("created");
    let bob = store.lease(PLAN, &claim("Bob")).await.expect("it is over");
    assert_eq!(bob.holder().fence, ada.holder().fence + 1);
    assert!(ada.create("three").await.is_err(), "Bob has it");
}
