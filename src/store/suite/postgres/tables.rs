//! What the tables refuse by themselves, and tables that are not ours.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use cutover_base::digest::Digest;
use cutover_store::{RunId, Store, StoreError};
use cutover_store_suite::{PLAN, claim, line, lines, none};

use super::open;
use super::server::Server;

/// A run with three entries.
async fn three_entries(store: &dyn Store) -> (Box<dyn cutover_store::Lease>, RunId) {
    let mut ada = store.lease(PLAN, &claim("Ada")).await.expect("nobody has it");
    let run = ada.create("one").await.expect("created");
    let mut after = none();
    for count in 0..3 {
        let line = line(count, after);
        ada.append(&run, after, std::slice::from_ref(&line)).await.expect("written");
        after = line.digest();
    }
    (ada, run)
}

/// Whoever writes by other means is bound by the same rules.
#[tokio::test]
async fn the_tables_refuse_what_breaks_a_chain() {
    let server = Server::start();
    let store = open(&server.database("state", ""));
    let (mut ada, run) = three_entries(&*store).await;
    let fence = ada.holder().fence;
    let head = Digest::of(lines(&*store, &run).await[2].as_bytes());
    let entry = |fence: u64, after: Digest, columns: &str, values: &str| {
        format!(
            "INSERT INTO cutover.entry (plan, run, fence, after, text{columns})
                VALUES ('{PLAN}', '0001', {fence}, '{after}', 'by hand'{values})"
        )
    };
    let stays = [
        "UPDATE cutover.entry SET text = 'x'",
        "DELETE FROM cutover.entry WHERE number = 3",
        "TRUNCATE cutover.entry",
        "UPDATE cutover.run SET head = 'sha256:00'",
        "UPDATE cutover.run SET artifact = 'x'",
        "DELETE FROM cutover.run",
        "TRUNCATE cutover.run CASCADE",
        "UPDATE cutover.kept SET artifact = 'x'",
        "UPDATE cutover.plan SET fence = 0",
        "UPDATE cutover.plan SET name = 'x'",
        "UPDATE cutover.plan SET token = 'x'",
        "DELETE FROM cutover.plan",
    ];
    ada.keep(&run, none(), "next").await.expect("kept");
    let refused: Vec<(String, &str)> = vec![
        (entry(fence, none(), "", ""), "UC002"),
        (entry(fence, Digest::of(b"another"), "", ""), "UC002"),
        (entry(fence - 1, head, "", ""), "UC001"),
        (entry(fence + 1, head, "", ""), "UC001"),
        (entry(fence, head, "", "").replace("'0001'", "'0002'"), "UC002"),
        (entry(fence, head, "", "").replace("by hand", "two\nlines"), "23514"),
        (
            format!(
                "INSERT INTO cutover.run (plan, name, fence, artifact, token) VALUES ('{PLAN}', '0002', {}, 'x', 'x')",
                fence + 1
            ),
            "UC001",
        ),
    ];
    let refused = refused.into_iter().chain(stays.map(|said| (said.to_owned(), "UC003")));
    for (statement, code) in refused {
        assert_eq!(server.refusal("state", &statement), code, "{statement}");
    }
    assert_eq!(lines(&*store, &run).await.len(), 3);
    // An entry by hand that keeps the rules is one like every other, whatever else it says of itself.
    server.sql("state", &entry(fence, head, ", number, digest", ", 77, 'sha256:77'"));
    assert_eq!(lines(&*store, &run).await[3], "by hand");
    let by_hand = Digest::of(b"by hand");
    ada.append(&run, head, &[line(4, head)]).await.expect_err("it is not the last one any more");
    ada.append(&run, by_hand, &[line(4, by_hand)]).await.expect("written");
    // After the lease, nobody writes.
    drop(ada);
    let head = Digest::of(lines(&*store, &run).await[4].as_bytes());
    assert_eq!(server.refusal("state", &entry(fence, head, "", "")), "UC001");
}

/// Whoever may change the tables can get around their rules, and a reader notices it.
#[tokio::test]
async fn a_journal_with_a_gap_is_refused() {
    for (number, statement) in [
        ("entry 1 of 3 is missing", "DELETE FROM cutover.entry WHERE number = 1"),
        ("entry 2 of 3 is missing", "DELETE FROM cutover.entry WHERE number = 2"),
        ("entry 3 of 3 is missing", "DELETE FROM cutover.entry WHERE number = 3"),
        ("entry 1 of 3 is missing", "DELETE FROM cutover.entry"),
        ("its entry 3 is not its last one", "UPDATE cutover.entry SET text = 'x' WHERE number = 3"),
        ("its entry 3 is not its last one", "UPDATE cutover.run SET head = 'sha256:00'"),
    ] {
        let server = Server::start();
        let store = open(&server.database("state", ""));
        let (ada, run) = three_entries(&*store).await;
        let all =
            ["entry", "run"].map(|of| format!("ALTER TABLE cutover.{of} DISABLE TRIGGER USER;"));
        server.sql("state", &format!("{} {statement}", all.concat()));
        let said = store.lines(&run, &mut |_| ControlFlow::Continue(())).await;
        let Err(StoreError::Foreign { detail, .. }) = &said else { panic!("{said:?}") };
        assert_eq!(detail, number, "{statement}");
        drop(ada);
    }
}

/// Nothing is made in a database that has other contents under our name.
#[tokio::test]
async fn foreign_tables_are_refused_and_left_alone() {
    let server = Server::start();
    let newer = "its tables have version 9999, and this program knows";
    let version = "CREATE TABLE cutover.version (version integer, program text)";
    for (count, (made, said)) in [
        ("CREATE TABLE cutover.plan (x integer)".to_owned(), "has other tables"),
        ("CREATE VIEW cutover.version AS SELECT 1".to_owned(), "version"),
        (version.to_owned(), "is not ours"),
        (format!("{version}; INSERT INTO cutover.version VALUES (0, '')"), "is not ours"),
        (format!("{version}; INSERT INTO cutover.version VALUES (9999, '')"), newer),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("foreign{count}");
        let url = server.database(&name, "");
        server.sql(&name, &format!("CREATE SCHEMA cutover; {made}"));
        let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'cutover'::regnamespace";
        let before = server.sql(&name, count);
        let store = open(&url);
        let refused = [
            store.plans().await.map(drop),
            store.holder(PLAN).await.map(drop),
            store.unlock(PLAN, 1).await.map(drop),
            store.lease(PLAN, &claim("Ada")).await.map(drop),
        ];
        for refused in refused {
            let Err(StoreError::Foreign { place, detail }) = refused else { panic!("{refused:?}") };
            assert!(detail.contains(said), "{made}: {detail}");
            assert!(place.ends_with(&name), "{place}");
        }
        assert_eq!(server.sql(&name, count), before, "nothing was made");
    }
}

/// Reading makes nothing. Everybody who comes first makes the tables, and they are made once.
#[tokio::test]
async fn the_tables_are_made_once() {
    let server = Server::start();
    let url = server.database("state", "");
    let is_there = "SELECT to_regnamespace('cutover') IS NOT NULL";
    let store = open(&url);
    assert_eq!(store.plans().await.expect("an empty store"), [] as [String; 0]);
    assert!(!store.unlock(PLAN, 1).await.expect("an empty store"));
    assert_eq!(server.sql("state", is_there), "f");
    let comers = (0..8).map(|count| {
        let store = open(&url);
        let plan = format!("plan-{count}");
        tokio::spawn(async move {
            let mut lease = store.lease(&plan, &claim("somebody")).await?;
            lease.create("one").await
        })
    });
    for comer in comers.collect::<Vec<_>>() {
        comer.await.expect("no panic").expect("created");
    }
    assert_eq!(store.plans().await.expect("plans").len(), 8);
    let versions = "SELECT count(*) = max(version) FROM cutover.version";
    assert_eq!(server.sql("state", versions), "t");
}

/// The tables of an earlier version are brought up to date, with what is in them.
#[tokio::test]
async fn earlier_tables_are_migrated() {
    let server = Server::start();
    let url = server.database("state", "");
    let first = include_str!("../../postgres/migrations/0001_runs.sql");
    server.sql(
        "state",
        &format!(
            "CREATE SCHEMA cutover;
             {first}
             INSERT INTO cutover.version (version, program) VALUES (1, 'an earlier one');
             INSERT INTO cutover.plan VALUES ('{PLAN}', 1, 'Ada', 'a-host', now(), now(), 'x');
             INSERT INTO cutover.run (plan, name, fence, artifact, token)
                 VALUES ('{PLAN}', '0001', 1, 'one', 'x');
             INSERT INTO cutover.entry (plan, run, fence, after, text)
                 SELECT plan, name, 1, head, 'by an earlier one' FROM cutover.run"
        ),
    );
    let store = open(&url);
    let (run, text) = (RunId::new(PLAN, 1), "by an earlier one");
    assert_eq!(lines(&*store, &run).await, [text]);
    let taken = store.lease_due(&BTreeSet::new(), &claim("Bob")).await.expect("an answer");
    let (plan, mut bob) = taken.expect("it is due");
    assert_eq!((&*plan, bob.holder().fence), (PLAN, 2));
    let after = Digest::of(text.as_bytes());
    bob.append(&run, after, &[line("by this one", after)]).await.expect("written");
    let versions = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM cutover.version";
    assert_eq!(server.sql("state", versions), "1 2 3");
}
