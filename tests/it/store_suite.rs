//! What every store of runs has to do, told as a story. Each implementation passes it.

use std::ops::ControlFlow;
use std::sync::Arc;

use cutover::artifact::Artifact;
use cutover::digest::Digest;
use cutover::world::real::store::{Directory, Lease, Line, Note, RunId, Runs, Store, StoreError};

use crate::storm::at_once;
use crate::zonefile_fixture::ZonefileFixture;

#[test]
fn a_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    suite(&(Arc::new(Directory::new(&dir.path().join("state"))) as Arc<dyn Store>));
}

/// A line that follows another line. Its content does not matter to a store.
fn line(seq: u64, prev: Digest) -> Line {
    Line::new(format!("line {seq} after {prev}"))
}

/// All lines of a run.
fn lines(store: &dyn Store, run: &RunId) -> Vec<String> {
    let mut lines = Vec::new();
    let mut take = |line: &[u8]| {
        lines.push(String::from_utf8(line.to_vec()).expect("text"));
        ControlFlow::Continue(())
    };
    assert_eq!(at_once(store.lines(run, &mut take)).expect("lines"), 0, "nothing is torn");
    lines
}

fn lease(store: &dyn Store, plan: &str, owner: &str) -> Box<dyn Lease> {
    at_once(store.lease(plan, owner)).expect("nobody has it")
}

fn suite(store: &Arc<dyn Store>) {
    // The store is empty, and reading creates nothing.
    assert_eq!(at_once(store.plans()).expect("no plans"), [] as [String; 0]);
    assert_eq!(at_once(store.runs("move")).expect("no runs"), []);
    // Each plan has one writer at a time, and others learn who it is.
    let mut ada = lease(&**store, "move", "Ada");
    match at_once(store.lease("move", "Bob")) {
        Err(StoreError::Locked { owner }) => assert_eq!(owner, "Ada"),
        other => panic!("{other:?}"),
    }
    let mut other = lease(&**store, "other", "Bob");
    // Runs are numbered, and each has its own artifact and journal.
    let first = at_once(ada.create("one")).expect("created");
    let second = at_once(ada.create("two")).expect("created");
    let others = at_once(other.create("three")).expect("created");
    assert_eq!([first.number(), second.number(), others.number()], [Some(1), Some(2), Some(1)]);
    assert_eq!(at_once(store.plans()).expect("plans"), ["move", "other"]);
    assert_eq!(at_once(store.runs("move")).expect("runs"), [first.clone(), second.clone()]);
    assert_eq!(at_once(store.artifact(&second)).expect("its artifact"), "two");
    assert_eq!(lines(&**store, &first), [] as [String; 0]);
    // Lines come back as they were written, singly or several at once, alternating between two
    // runs.
    let none = Digest::of(b"");
    let one = line(0, none);
    at_once(ada.append(&first, none, std::slice::from_ref(&one))).expect("written");
    at_once(ada.append(&second, none, std::slice::from_ref(&one))).expect("written");
    let two = line(1, one.digest());
    let three = line(2, two.digest());
    at_once(ada.append(&first, one.digest(), &[two.clone(), three.clone()])).expect("written");
    let whole = [one.text(), two.text(), three.text()];
    assert_eq!(lines(&**store, &first), whole);
    assert_eq!(lines(&**store, &second), [one.text()]);
    // A writer that names another last line cannot write.
    for after in [none, one.digest(), two.digest(), Digest::of(b"never written")] {
        let stale = at_once(ada.append(&first, after, &[line(3, after)]));
        assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
        assert_eq!(lines(&**store, &first), whole);
    }
    // Kept artifacts and notes can be read by everyone, and are not part of the journal.
    let next = Digest::of(b"next");
    assert_eq!(at_once(store.kept(&first, next)).expect("nothing"), None);
    at_once(ada.keep(&first, next, "the next one")).expect("kept");
    assert_eq!(at_once(store.kept(&first, next)).expect("kept").as_deref(), Some("the next one"));
    let step = "task/copy everything: \u{fc}ber/../nacht";
    for note in [Note::Done(step), Note::TurnBack] {
        assert_eq!(at_once(store.note(&first, note)).expect("nothing"), None);
        at_once(store.leave(&first, note, "because")).expect("left");
        at_once(store.leave(&first, note, "because\nit is so")).expect("left");
        let said = at_once(store.note(&first, note)).expect("a note");
        assert_eq!(said.as_deref(), Some("because\nit is so"), "{note:?}");
        assert_eq!(at_once(store.note(&second, note)).expect("nothing"), None);
    }
    assert_eq!(lines(&**store, &first), whole);
    // The lease ends with its holder. The next holder finds everything, and continues.
    drop(ada);
    let mut bob = lease(&**store, "move", "Bob");
    let stale = at_once(bob.append(&first, two.digest(), &[line(2, two.digest())]));
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    let four = line(3, three.digest());
    at_once(bob.append(&first, three.digest(), std::slice::from_ref(&four))).expect("written");
    assert_eq!(lines(&**store, &first).last().map(String::as_str), Some(four.text()));
    assert_eq!(at_once(bob.create("four")).expect("created").number(), Some(3));
    // A long line works too, because a halt may list thousands of records.
    let long = Line::new("x".repeat(1 << 20));
    at_once(bob.append(&first, four.digest(), std::slice::from_ref(&long))).expect("written");
    drop(bob);
    let mut ada = lease(&**store, "move", "Ada");
    at_once(ada.append(&first, long.digest(), &[line(5, long.digest())])).expect("written");
    assert_eq!(lines(&**store, &first).len(), 6);
}

/// Another process finds everything that was appended, and the next append cuts off an incomplete
/// line.
#[test]
fn an_incomplete_line_is_cut_off_by_the_next_append() {
    let fixture = ZonefileFixture::planned();
    let artifact = Artifact::decode(&fixture.read("plan.json")).expect("an artifact");
    let store: Arc<dyn Store> = Arc::new(Directory::new(&fixture.path("state")));
    let runs = Runs::new(Arc::clone(&store), "move");
    let mut ada = lease(&*store, "move", "Ada");
    let found = at_once(runs.create(&mut *ada, artifact)).expect("created");
    let none = Digest::of(b"");
    let (one, path) = (line(0, none), fixture.path("state/move/0001/journal.jsonl"));
    at_once(ada.append(&found.id, none, std::slice::from_ref(&one))).expect("written");
    drop(ada);
    let two = line(1, one.digest());
    let whole = format!("{}\n", one.text());
    for torn in ["{", two.text(), "\u{fc}"] {
        std::fs::write(&path, format!("{whole}{torn}")).expect("written");
        let mut bob = lease(&*store, "move", "Bob");
        at_once(bob.append(&found.id, one.digest(), std::slice::from_ref(&two))).expect("written");
        assert_eq!(lines(&*store, &found.id), [one.text(), two.text()]);
    }
}
