//! A database that is not there, or does not let us in: what is said, and what is not.

use std::net::{Ipv4Addr, TcpListener};

use cutover_store::{Store as _, StoreError};
use cutover_store_postgres::{Address, PostgresStore};
use cutover_store_suite::{PLAN, claim};
use nix::sys::signal::Signal;

use super::open;
use super::server::{ADMIN, Server};

/// The password that must not be shown.
const PASSWORD: &str = "s3cret/word";

/// What is said of a store that cannot be used, by a reader and a writer. No password is in it.
async fn said(url: &str) -> StoreError {
    let store = open(url);
    let reader = store.plans().await.expect_err("it cannot be used");
    let writer = store.lease(PLAN, &claim("Ada")).await.expect_err("it cannot be used");
    assert_eq!(reader.to_string(), writer.to_string());
    for shown in [format!("{store:?} {writer:?} {reader}"), writer.to_string()] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    writer
}

#[track_caller]
fn is_away(error: &StoreError, place: &str, parts: &[&str]) {
    assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{place} cannot be reached: ")), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_named_with_what_to_do() {
    let mut server = Server::with(
        "host all all 127.0.0.1/32 scram-sha-256\n",
        &["password_encryption=scram-sha-256"],
    );
    server.sql("postgres", &format!("CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}'"));
    server.sql("postgres", "CREATE DATABASE state OWNER ada");
    let at = format!("127.0.0.1:{}", server.port());
    let escaped = PASSWORD.replace('/', "%2F");
    // The right password, in the URL or beside it.
    let url = format!("postgres://ada:{escaped}@{at}/state");
    let mut ada = open(&url).lease(PLAN, &claim("Ada")).await.expect("it is let in");
    ada.create("one").await.expect("created");
    let address = Address::parse(&format!("postgres://ada@{at}/state")).expect("an address");
    let beside = PostgresStore::new(address.or_password(PASSWORD));
    assert_eq!(beside.plans().await.expect("it is let in"), [PLAN]);
    assert!(!format!("{beside:?} {ada:?}").contains("s3cret"), "{beside:?} {ada:?}");
    drop(ada);
    let error = said(&format!("postgres://ada:{escaped}x@{at}/state")).await;
    is_away(&error, &format!("postgres://ada@{at}/state"), &["28P01", "check the user"]);
    let error = said(&format!("postgres://ada:{escaped}@{at}/other")).await;
    is_away(&error, &format!("postgres://ada@{at}/other"), &["3D000", "create the database first"]);
    server.stop(Signal::SIGINT);
    let error = said(&url).await;
    let again = "run the same command again when it answers";
    is_away(&error, &format!("postgres://ada@{at}/state"), &["refused", again]);
    // Who listens there does not speak our protocol, or says nothing at all.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let silent = listener.local_addr().expect("an address").to_string();
    let error = said(&format!("postgres://ada:{escaped}@{silent}/state?connect_timeout=1")).await;
    is_away(
        &error,
        &format!("postgres://ada@{silent}/state"),
        &["no connection within 1 s", again],
    );
}

#[tokio::test]
async fn what_a_role_may_not_do_is_named() {
    let server = Server::start();
    let admin = server.database("state", "");
    server.sql("state", "CREATE ROLE reader LOGIN");
    let reader = admin.replace(&format!("//{ADMIN}@"), "//reader@");
    let text = "needs the right to use the tables, or to create them";
    let refused = open(&reader).lease(PLAN, &claim("Ada")).await.expect_err("it makes no tables");
    assert!(refused.to_string().contains(text), "{refused}");
    let mut ada = open(&admin).lease(PLAN, &claim("Ada")).await.expect("made");
    let run = ada.create("one").await.expect("created");
    let refused = open(&reader).plans().await.expect_err("it cannot read yet");
    assert!(matches!(&refused, StoreError::Io { .. }), "{refused:?}");
    assert!(refused.to_string().contains(text), "{refused}");
    server.sql(
        "state",
        "GRANT USAGE ON SCHEMA cutover TO reader;
         GRANT SELECT ON ALL TABLES IN SCHEMA cutover TO reader",
    );
    let store = open(&reader);
    assert_eq!(store.artifact(&run).await.expect("it can read"), "one");
    assert_eq!(store.holder(PLAN).await.expect("it can read").as_ref(), Some(ada.holder()));
    store.lease("other", &claim("Bob")).await.expect_err("it cannot write");
    store.unlock(PLAN, ada.holder().fence).await.expect_err("it cannot write");
    ada.renew().await.expect("Ada still has it");
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE old TEMPLATE template0 ENCODING LATIN1");
    let url = format!("postgres://{ADMIN}@127.0.0.1:{}/old", server.port());
    let store = open(&url);
    let refused = store.lease(PLAN, &claim("Ada")).await.expect_err("it cannot hold every text");
    assert!(refused.to_string().contains("ENCODING UTF8"), "{refused}");
    assert_eq!(server.sql("old", "SELECT to_regnamespace('cutover') IS NULL"), "t");
}

/// What a role or a database has as its own settings changes nothing.
#[tokio::test]
async fn settings_of_others_change_nothing() {
    let server = Server::start();
    let url = server.database("state", "");
    for setting in [
        "default_transaction_isolation = serializable",
        "synchronous_commit = off",
        "search_path = elsewhere",
        "statement_timeout = 1",
        "bytea_output = escape",
        "standard_conforming_strings = off",
        "TimeZone = 'Asia/Kathmandu'",
    ] {
        server.sql("postgres", &format!("ALTER DATABASE state SET {setting}"));
    }
    cutover_store_suite::story(&*open(&url)).await;
}
