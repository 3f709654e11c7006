//! Runs the suite on every store.

use std::path::Path;
use std::sync::Arc;

use cutover_store::{Directory, Store};
use cutover_store_git::{Address, GitStore};
use cutover_store_suite::processes::{self, LeaseEnd};
use cutover_store_suite::{claim, line, lines, none, shared_out, story};

/// Opens the store at this place, as a child process does too.
fn open(place: &str) -> Arc<dyn Store> {
    let Some((url, caches)) = place.split_once(' ') else {
        return Arc::new(Directory::new(Path::new(place)));
    };
    let address = Address::parse(url).expect("an address");
    Arc::new(GitStore::new(address, Path::new(caches), false))
}

/// A place for a store, below a new directory.
fn place() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = dir.path().join("state").display().to_string();
    (dir, place)
}

/// Not a test: the entry of the processes that the tests start.
#[tokio::test]
async fn child() {
    processes::child(open).await;
}

mod directory {
    use super::*;

    #[tokio::test]
    async fn does_what_a_store_has_to_do() {
        let (_dir, place) = place();
        story(&*open(&place)).await;
    }

    #[tokio::test]
    async fn shares_out_what_is_due() {
        let (_dir, place) = place();
        shared_out(&*open(&place)).await;
    }

    #[tokio::test]
    async fn has_one_writer_at_a_time() {
        let (_dir, place) = place();
        processes::two_writers(open, &place, 100).await;
    }

    #[tokio::test]
    async fn loses_nothing_when_a_process_is_killed() {
        let (_dir, place) = place();
        processes::killed(open, &place, 20).await;
    }

    #[tokio::test]
    async fn takes_nothing_from_a_process_that_has_lost_its_lease() {
        let (_dir, place) = place();
        processes::stopped(open, &place, LeaseEnd::ByUnlock).await;
    }

    /// The next append cuts off an incomplete line, which a crash of the machine can leave.
    #[tokio::test]
    async fn cuts_off_an_incomplete_line() {
        let (_dir, place) = place();
        let store = open(&place);
        let mut ada = store.lease("move", &claim("Ada")).await.expect("a lease");
        let run = ada.create("one").await.expect("created");
        let one = line(0, none());
        ada.append(&run, none(), std::slice::from_ref(&one)).await.expect("written");
        drop(ada);
        let path = Path::new(&place).join("move/0001/journal.jsonl");
        let two = line(1, one.digest());
        for torn in ["{", two.text(), "\u{fc}"] {
            std::fs::write(&path, format!("{}\n{torn}", one.text())).expect("written");
            let mut bob = store.lease("move", &claim("Bob")).await.expect("a lease");
            bob.append(&run, one.digest(), std::slice::from_ref(&two)).await.expect("written");
            assert_eq!(lines(&*store, &run).await, [one.text(), two.text()]);
        }
    }
}

mod git {
    use std::process::Command;

    use super::*;

    /// A new bare repository, and the place of a store in it with these options.
    fn repository(options: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (bare, caches) = (dir.path().join("state.git"), dir.path().join("caches"));
        let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(&bare).status();
        assert!(made.expect("git is installed").success());
        let place = format!("git+file://{}{options} {}", bare.display(), caches.display());
        (dir, place)
    }

    #[tokio::test]
    async fn does_what_a_store_has_to_do() {
        let (_dir, place) = repository("");
        story(&*open(&place)).await;
    }

    #[tokio::test]
    async fn shares_out_what_is_due() {
        let (_dir, place) = repository("");
        shared_out(&*open(&place)).await;
    }

    #[tokio::test]
    async fn has_one_writer_at_a_time() {
        let (_dir, place) = repository("");
        processes::two_writers(open, &place, 20).await;
    }

    #[tokio::test]
    async fn loses_nothing_when_a_process_is_killed() {
        let (_dir, place) = repository("?lease=1s");
        processes::killed(open, &place, 8).await;
    }

    #[tokio::test]
    async fn takes_nothing_from_a_process_that_has_lost_its_lease() {
        let (_dir, place) = repository("?lease=2s");
        processes::stopped(open, &place, LeaseEnd::ByItself).await;
        let (_dir, place) = repository("");
        processes::stopped(open, &place, LeaseEnd::ByUnlock).await;
    }
}
