//! Plans are shared out by when they are due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_store::{Lease, Listed, Note, RunId, Standing, Store, StoreError};
use cutover_store_suite::{claim, line, lines, none};

use tokio::sync::Barrier;

use super::open;
use super::server::Server;

/// A long time.
const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

async fn take(store: &dyn Store) -> Option<(String, Box<dyn Lease>)> {
    store.lease_due(&BTreeSet::new(), &claim("a loop")).await.expect("an answer")
}

/// The plan that is due, as nobody else holds it. It does not rest.
async fn due(store: &dyn Store) -> Option<String> {
    take(store).await.map(|(plan, _)| plan)
}

#[tokio::test]
async fn a_plan_is_due_when_its_time_has_come_or_something_happens() {
    let server = Server::start();
    let store = open(&server.database("state", ""));
    let past = |plan: &str| {
        let due = "clock_timestamp() - interval '1 s'";
        server.sql("state", &format!("UPDATE cutover.plan SET due = {due} WHERE name = '{plan}'"));
    };
    // A plan without a run is never due, and a new run makes it due.
    let mut ada = store.lease("a", &claim("Ada")).await.expect("nobody has it");
    ada.rest(Some(Duration::ZERO), None).await.expect("Ada has it");
    drop(ada);
    server.sql("state", "UPDATE cutover.plan SET due = NULL");
    assert_eq!(due(&*store).await, None);
    let mut ada = store.lease("a", &claim("Ada")).await.expect("nobody has it");
    let run = ada.create("one").await.expect("created");
    assert_eq!(due(&*store).await, None, "Ada has it");
    drop(ada);
    assert_eq!(due(&*store).await.as_deref(), Some("a"));
    // It rests for its time, and for ever.
    for span in [HOUR, None] {
        let (_, mut lease) = take(&*store).await.expect("it is due");
        lease.rest(span, None).await.expect("it is held");
        drop(lease);
        assert_eq!(due(&*store).await, None, "{span:?}");
        past("a");
        assert_eq!(due(&*store).await.as_deref(), Some("a"), "{span:?}");
    }
    // A holder that has just created the run need not look at it again.
    let mut ada = store.lease("a", &claim("Ada")).await.expect("nobody has it");
    ada.rest(HOUR, None).await.expect("Ada has it");
    ada.create("two").await.expect("created");
    ada.rest(HOUR, None).await.expect("Ada has it");
    drop(ada);
    assert_eq!(due(&*store).await, None);
    // A note makes it due, also if it is left after the holder has looked for notes.
    for leaves_late in [false, true] {
        past("a");
        let (_, mut lease) = take(&*store).await.expect("it is due");
        if leaves_late {
            store.leave(&run, Note::TurnBack, "because").await.expect("left");
        }
        lease.rest(HOUR, None).await.expect("it is held");
        drop(lease);
        if !leaves_late {
            assert_eq!(due(&*store).await, None);
            store.leave(&run, Note::Done("step"), "because").await.expect("left");
        }
        assert_eq!(due(&*store).await.as_deref(), Some("a"), "{leaves_late}");
    }
    // What has been due for the longest time comes first.
    for plan in ["b", "c", "d"] {
        let mut lease = store.lease(plan, &claim("Ada")).await.expect("nobody has it");
        lease.create("one").await.expect("created");
    }
    past("c");
    let (first, _c) = take(&*store).await.expect("a plan");
    let (second, _a) = take(&*store).await.expect("a plan");
    assert_eq!([&*first, &*second], ["c", "a"]);
    // Whoever dies leaves it due, and others get it when the lease is over.
    let (plan, dead) = take(&*store).await.expect("a plan");
    assert_eq!(plan, "b");
    let over = "UPDATE cutover.plan SET until = clock_timestamp() WHERE name = 'b'";
    server.sql("state", over);
    let (plan, alive) = take(&*store).await.expect("it is over");
    assert_eq!((&*plan, alive.holder().fence), ("b", dead.holder().fence + 1));
}

/// What is said of a plan holds until its newest run goes on, or there is another one.
#[tokio::test]
async fn what_is_said_of_a_run_holds_as_long_as_its_journal_stays_as_it_is() {
    let server = Server::start();
    let store = open(&server.database("state", ""));
    assert!(store.shares_out());
    assert_eq!(store.listed().await.expect("a list"), []);
    let mut ada = store.lease("a", &claim("Ada")).await.expect("nobody has it");
    // A plan without a run is not listed, and one whose run has no entry has to be read.
    assert_eq!(store.listed().await.expect("a list"), []);
    let said = async || {
        let listed = store.listed().await.expect("a list");
        let [Listed { plan, standing }] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!(plan, "a");
        standing.clone()
    };
    let of =
        |run: &RunId, head, text: &str| Standing { run: run.clone(), head, text: text.to_owned() };
    let first = ada.create("one").await.expect("created");
    let one = line(1, none());
    ada.append(&first, none(), std::slice::from_ref(&one)).await.expect("written");
    assert_eq!(said().await, None);
    ada.rest(HOUR, Some(&of(&first, one.digest(), "it waits"))).await.expect("Ada has it");
    assert_eq!(said().await.as_deref(), Some("it waits"));
    // A run that was never opened changes nothing, and neither does a note.
    let second = ada.create("two").await.expect("created");
    store.leave(&first, Note::TurnBack, "because").await.expect("left");
    assert_eq!(said().await.as_deref(), Some("it waits"));
    let two = line(2, one.digest());
    ada.append(&first, one.digest(), std::slice::from_ref(&two)).await.expect("written");
    assert_eq!(said().await, None, "the journal goes on");
    ada.rest(HOUR, Some(&of(&first, one.digest(), "stale"))).await.expect("Ada has it");
    assert_eq!(said().await, None, "of an earlier entry");
    ada.rest(HOUR, Some(&of(&first, two.digest(), "it goes on"))).await.expect("Ada has it");
    assert_eq!(said().await.as_deref(), Some("it goes on"));
    ada.append(&second, none(), std::slice::from_ref(&one)).await.expect("written");
    assert_eq!(said().await, None, "another run is the newest");
    // Runs are in the order of their numbers, and abandoned ones do not count.
    for name in ["9999", "10000", "10000.given-up"] {
        let run = RunId { plan: "a".to_owned(), name: name.to_owned() };
        ada.create_named(&run, "x").await.expect("created");
        ada.append(&run, none(), std::slice::from_ref(&one)).await.expect("written");
    }
    let newest = RunId::new("a", 10_000);
    ada.rest(HOUR, Some(&of(&newest, one.digest(), "the newest"))).await.expect("Ada has it");
    assert_eq!(said().await.as_deref(), Some("the newest"));
    // Nobody says anything without the lease.
    drop(store.lease("b", &claim("Bob")).await.expect("nobody has it"));
    assert!(store.unlock("a", ada.holder().fence).await.expect("taken away"));
    let late = ada.rest(HOUR, Some(&of(&newest, one.digest(), "late"))).await;
    assert!(matches!(late, Err(StoreError::Lost { .. })), "{late:?}");
    assert_eq!(said().await.as_deref(), Some("the newest"));
}

/// Several processes ask all the time. Each plan is taken once, and nobody waits for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_plan_twice() {
    const PLANS: usize = 100;
    let server = Server::start();
    let url = server.database("state", "");
    let store = open(&url);
    for count in 0..PLANS {
        let plan = format!("plan-{count:03}");
        let mut lease = store.lease(&plan, &claim("Ada")).await.expect("nobody has it");
        lease.create("one").await.expect("created");
    }
    let all_have_one = Arc::new(Barrier::new(4));
    let loops = (0..4).map(|number| {
        let (store, all_have_one) = (open(&url), Arc::clone(&all_have_one));
        tokio::spawn(async move {
            let mut taken = 0;
            while let Some((plan, mut lease)) = take(&*store).await {
                let line = line(format!("loop {number}"), none());
                let run = RunId::new(&plan, 1);
                lease.append(&run, none(), &[line]).await.expect("the only line");
                lease.rest(None, None).await.expect("it is held");
                lease.give_back().await.expect("given back");
                taken += 1;
                if taken == 1 {
                    all_have_one.wait().await;
                }
            }
            (number, taken)
        })
    });
    let mut taken = BTreeMap::new();
    for each in loops.collect::<Vec<_>>() {
        let (number, count): (i32, usize) = each.await.expect("no panic");
        taken.insert(number, count);
    }
    assert_eq!(taken.values().sum::<usize>(), PLANS, "{taken:?}");
    for summary in store.summaries().await.expect("a list") {
        assert_eq!(lines(&*store, &summary.run).await.len(), 1);
        assert_eq!(summary.holder, None);
    }
}
