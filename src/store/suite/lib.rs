//! What every store has to do. `stores.rs` runs it on each of them.
//!
//! [`story`] and [`shared_out`] tell what one process sees. [`processes`] has several: two that want
//! to write, one that is killed, and one that sleeps past its lease. [`cuts`] is for stores at the
//! other end of a line, which is cut.

pub mod cuts;
pub mod processes;
pub mod relay;

use std::ops::ControlFlow;

use cutover_base::digest::Digest;
use cutover_store::{Claim, Lease, Line, Note, RunId, Store, StoreError, Summary};

/// The plan that most of the suite writes.
pub const PLAN: &str = "move";

/// A claim in this name.
#[must_use]
pub fn claim(owner: &str) -> Claim {
    Claim { owner: owner.to_owned(), host: "a-host".to_owned() }
}

/// A line that follows another line. Its content does not matter to a store.
#[must_use]
pub fn line(text: impl std::fmt::Display, prev: Digest) -> Line {
    Line::new(format!("{text} after {prev}"))
}

/// The digest that the first line follows.
#[must_use]
pub fn none() -> Digest {
    Digest::of(b"")
}

/// All lines of a run. Panics if the last one is incomplete.
pub async fn lines(store: &dyn Store, run: &RunId) -> Vec<String> {
    let mut lines = Vec::new();
    let mut take = |line: &[u8]| {
        lines.push(String::from_utf8(line.to_vec()).expect("text"));
        ControlFlow::Continue(())
    };
    assert_eq!(store.lines(run, &mut take).await.expect("lines"), 0, "nothing is torn");
    lines
}

/// The digest of the last line of a run.
pub async fn head(store: &dyn Store, run: &RunId) -> Digest {
    lines(store, run).await.last().map_or(none(), |line| Digest::of(line.as_bytes()))
}

async fn lease(store: &dyn Store, plan: &str, owner: &str) -> Box<dyn Lease> {
    store.lease(plan, &claim(owner)).await.expect("nobody has it")
}

async fn owner(store: &dyn Store, plan: &str) -> Option<String> {
    store.holder(plan).await.expect("an answer").map(|holder| holder.owner)
}

/// What one process sees of an empty store.
///
/// # Panics
/// If the store does anything else.
pub async fn story(store: &dyn Store) {
    // The store is empty, and reading creates nothing.
    assert_eq!(store.plans().await.expect("no plans"), [] as [String; 0]);
    assert_eq!(store.runs(PLAN).await.expect("no runs"), []);
    assert_eq!(owner(store, PLAN).await, None);
    assert!(!store.unlock(PLAN, 1).await.expect("nobody has it"));
    // Each plan has one writer at a time, and others learn who it is.
    let mut ada = lease(store, PLAN, "Ada").await;
    match store.lease(PLAN, &claim("Bob")).await {
        Err(StoreError::Locked { holder }) => assert_eq!(*holder, *ada.holder()),
        other => panic!("{other:?}"),
    }
    assert_eq!(owner(store, PLAN).await.as_deref(), Some("Ada"));
    let mut other = lease(store, "other", "Bob").await;
    // Runs are numbered, and each has its own artifact and journal.
    let first = ada.create("one").await.expect("created");
    let second = ada.create("two").await.expect("created");
    let others = other.create("three").await.expect("created");
    assert_eq!([first.number(), second.number(), others.number()], [Some(1), Some(2), Some(1)]);
    assert_eq!(store.plans().await.expect("plans"), [PLAN, "other"]);
    assert_eq!(store.runs(PLAN).await.expect("runs"), [first.clone(), second.clone()]);
    assert_eq!(store.artifact(&second).await.expect("its artifact"), "two");
    assert_eq!(lines(store, &first).await, [] as [String; 0]);
    // Lines come back as they were written, singly or several at once, alternating between two
    // runs.
    let one = line(0, none());
    ada.append(&first, none(), std::slice::from_ref(&one)).await.expect("written");
    ada.append(&second, none(), std::slice::from_ref(&one)).await.expect("written");
    let two = line(1, one.digest());
    let three = line(2, two.digest());
    ada.append(&first, one.digest(), &[two.clone(), three.clone()]).await.expect("written");
    let whole = [one.text(), two.text(), three.text()];
    assert_eq!(lines(store, &first).await, whole);
    assert_eq!(lines(store, &second).await, [one.text()]);
    // A writer that names another last line cannot write.
    for after in [none(), one.digest(), two.digest(), Digest::of(b"never written")] {
        let stale = ada.append(&first, after, &[line(3, after)]).await;
        assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
        assert_eq!(lines(store, &first).await, whole);
    }
    // Kept artifacts and notes can be read by everyone, and are not part of the journal.
    let next = Digest::of(b"next");
    assert_eq!(store.kept(&first, next).await.expect("nothing"), None);
    ada.keep(&first, next, "the next one").await.expect("kept");
    assert_eq!(store.kept(&first, next).await.expect("kept").as_deref(), Some("the next one"));
    let step = "copy everything: \u{fc}ber/../nacht";
    for note in [Note::Done(step), Note::TurnBack] {
        assert_eq!(store.note(&first, note).await.expect("nothing"), None);
        store.leave(&first, note, "because").await.expect("left");
        store.leave(&first, note, "because\nit is so").await.expect("left");
        let said = store.note(&first, note).await.expect("a note");
        assert_eq!(said.as_deref(), Some("because\nit is so"), "{note:?}");
        assert_eq!(store.note(&second, note).await.expect("nothing"), None);
    }
    ada.renew().await.expect("Ada still has it");
    assert_eq!(lines(store, &first).await, whole);
    // The lease ends with its holder. The next holder finds everything, and continues.
    let fence = ada.holder().fence;
    drop(ada);
    assert_eq!(owner(store, PLAN).await, None);
    let mut bob = lease(store, PLAN, "Bob").await;
    assert!(bob.holder().fence > fence, "{:?}", bob.holder());
    let stale = bob.append(&first, two.digest(), &[line(2, two.digest())]).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    let four = line(3, three.digest());
    bob.append(&first, three.digest(), std::slice::from_ref(&four)).await.expect("written");
    assert_eq!(lines(store, &first).await.last().map(String::as_str), Some(four.text()));
    assert_eq!(bob.create("four").await.expect("created").number(), Some(3));
    // A long line works too, because a halt may list thousands of records.
    let long = Line::new("x".repeat(1 << 20));
    bob.append(&first, four.digest(), std::slice::from_ref(&long)).await.expect("written");
    drop(bob);
    named(store).await;
    let mut ada = lease(store, PLAN, "Ada").await;
    let last = line(5, long.digest());
    ada.append(&first, long.digest(), std::slice::from_ref(&last)).await.expect("written");
    assert_eq!(lines(store, &first).await.len(), 6);
    taken_away(store, ada, &first, &last).await;
}

/// A run that comes from another store keeps its name, and no other run loses its own.
async fn named(store: &dyn Store) {
    let run = |name: &str| RunId { plan: "moved".to_owned(), name: name.to_owned() };
    let mut ada = lease(store, "moved", "Ada").await;
    for name in ["0002", "0002.given-up", "0007"] {
        ada.create_named(&run(name), name).await.expect("created");
        let again = ada.create_named(&run(name), "other").await;
        assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
        assert_eq!(store.artifact(&run(name)).await.expect("its artifact"), name);
    }
    let one = line(0, none());
    ada.append(&run("0002.given-up"), none(), std::slice::from_ref(&one)).await.expect("written");
    assert_eq!(lines(store, &run("0002.given-up")).await, [one.text()]);
    assert_eq!(ada.create("next").await.expect("created").number(), Some(8));
    for name in ["", ".x", "a/b", "..", "a\nb"] {
        let refused = ada.create_named(&run(name), "x").await;
        assert!(matches!(refused, Err(StoreError::Foreign { .. })), "{name}: {refused:?}");
    }
    let other = ada.create_named(&RunId::new(PLAN, 99), "x").await;
    assert!(matches!(other, Err(StoreError::Foreign { .. })), "another plan's: {other:?}");
    let names = ["0002", "0002.given-up", "0007", "0008"].map(run);
    assert_eq!(store.runs("moved").await.expect("runs"), names);
}

/// Whether everything is tried (`CUTOVER_SWEEP=all`), and not a sample of it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the environment says how much is tested")]
pub fn all() -> bool {
    std::env::var("CUTOVER_SWEEP").is_ok_and(|sweep| sweep == "all")
}

/// Plans are shared out, and all runs are listed. The store is empty.
///
/// # Panics
/// If the store does anything else.
pub async fn shared_out(store: &dyn Store) {
    let due = async |but: &[&str], owner: &str| {
        let but = but.iter().map(|plan| (*plan).to_owned()).collect();
        store.lease_due(&but, &claim(owner)).await.expect("an answer")
    };
    assert_eq!(store.summaries().await.expect("a list"), []);
    assert!(due(&[], "Ada").await.is_none());
    let mut expected = Vec::new();
    for (plan, count) in [("a", 0), ("b", 1), ("c", 3)] {
        let mut ada = lease(store, plan, "Ada").await;
        let run = ada.create("one").await.expect("created");
        let mut last = None;
        for count in 0..count {
            let after = last.as_ref().map_or(none(), Line::digest);
            let line = line(count, after);
            ada.append(&run, after, std::slice::from_ref(&line)).await.expect("written");
            last = Some(line);
        }
        expected.push(Summary { run, last, holder: None });
    }
    assert_eq!(store.summaries().await.expect("a list"), expected);
    // A plan that is held is nobody else's, and a list says whose it is.
    let bob = lease(store, "b", "Bob").await;
    expected[1].holder = Some(bob.holder().clone());
    assert_eq!(store.summaries().await.expect("a list"), expected);
    let (first, _one) = due(&[], "Cleo").await.expect("a plan");
    let (second, _two) = due(&[], "Dan").await.expect("another plan");
    // If an answer is lost, what it was about is given back, and comes second.
    let mut both = [&*first, &*second];
    both.sort_unstable();
    assert_eq!(both, ["a", "c"]);
    assert!(due(&[], "Eve").await.is_none());
    // A plan that is free again, and one that is left out.
    drop(bob);
    assert!(due(&["b"], "Eve").await.is_none());
    let (third, mut eve) = due(&["x"], "Eve").await.expect("it is free");
    assert_eq!(third, "b");
    let run = &expected[1].run;
    let after = expected[1].last.as_ref().map_or(none(), Line::digest);
    eve.append(run, after, &[line("Eve", after)]).await.expect("written");
    eve.rest(None, None).await.expect("Eve still has it");
    eve.give_back().await.expect("given back");
    assert_eq!(owner(store, "b").await, None);
}

/// A holder whose lease was taken away cannot write anything, before and after somebody else has.
async fn taken_away(store: &dyn Store, mut ada: Box<dyn Lease>, run: &RunId, last: &Line) {
    let fence = ada.holder().fence;
    assert!(!store.unlock(PLAN, fence + 1).await.expect("an answer"), "nobody's number");
    ada.renew().await.expect("Ada still has it");
    assert!(store.unlock(PLAN, fence).await.expect("taken away"));
    assert!(!store.unlock(PLAN, fence).await.expect("only once"));
    assert_eq!(owner(store, PLAN).await, None);
    let before = lines(store, run).await;
    let mut bob = None;
    for taken in [false, true] {
        if taken {
            bob = Some(lease(store, PLAN, "Bob").await);
        }
        let next = line("stale", last.digest());
        let said = [
            ada.append(run, last.digest(), &[next]).await,
            ada.create("stale").await.map(drop),
            ada.create_named(&RunId::new(PLAN, 9), "stale").await,
            ada.keep(run, none(), "stale").await,
        ];
        for said in said {
            assert!(matches!(said, Err(StoreError::Lost { .. })), "{taken}: {said:?}");
        }
        assert_eq!(lines(store, run).await, before);
        assert_eq!(store.runs(PLAN).await.expect("runs").len(), 3);
        assert_eq!(store.kept(run, none()).await.expect("nothing"), None);
    }
    // What a holder that has lost its lease does at its end does not concern the next one.
    drop(ada);
    let mut bob = bob.expect("Bob has it");
    bob.append(run, last.digest(), &[line(6, last.digest())]).await.expect("written");
    assert_eq!(owner(store, PLAN).await.as_deref(), Some("Bob"));
}
