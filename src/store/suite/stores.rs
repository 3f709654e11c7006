//! Runs the suite on every store.

mod sshd;
mod wire;

use std::path::Path;
use std::sync::Arc;

use cutover_store::{Directory, Store};
use cutover_store_git::{Address, GitStore};
use cutover_store_suite::processes::{self, LeaseEnd};
use cutover_store_suite::{all, claim, line, lines, none, shared_out, story};

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
        let turns = if all() { 100 } else { 20 };
        processes::two_writers(open, &place, turns).await;
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

/// Git over ssh, with a real server. `core.sshCommand` of the user says how it is reached.
mod ssh {
    use std::process::Command;

    use cutover_base::digest::Digest;
    use cutover_store::RunId;
    use cutover_store_suite::cuts::{self, Progress};

    use super::sshd::Sshd;
    use super::wire::{Cut, Line};
    use super::*;

    /// Lines that are cut at the same time.
    const AT_ONCE: usize = 4;

    /// A server, and a directory for repositories.
    fn server() -> Option<(Sshd, tempfile::TempDir)> {
        let Some(server) = Sshd::start() else {
            eprintln!("sshd cannot run in this user namespace: nothing was tested");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        Some((server, dir))
    }

    /// A new bare repository.
    fn repository(dir: &Path, name: &str) -> std::path::PathBuf {
        let bare = dir.join(name);
        let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(&bare).status();
        assert!(made.expect("git is installed").success());
        bare
    }

    /// The store there, through this line, with a cache of its own.
    fn open(server: &Sshd, line: &Line, bare: &Path, caches: &Path) -> GitStore {
        let address = Address::parse(&server.url(line.address(), bare)).expect("an address");
        // As in a user's own configuration. A cache that is there is used as it is.
        let name = Digest::of(address.url.as_bytes()).to_string();
        let cache = repository(caches, name.trim_start_matches("sha256:"));
        let mut set = Command::new("git");
        set.arg("--git-dir").arg(cache).args(["config", "core.sshCommand", &server.command()]);
        assert!(set.status().expect("git is installed").success());
        GitStore::new(address, caches, false)
    }

    #[tokio::test]
    async fn does_what_a_store_has_to_do() {
        let Some((server, dir)) = server() else { return };
        let line = Line::to(server.address(), None);
        let bare = repository(dir.path(), "state.git");
        story(&open(&server, &line, &bare, &dir.path().join("caches"))).await;
        assert!(line.heard().len() > 20, "everything went over the line");
    }

    /// A process writes over a line that is cut, and another one goes on. What the first one knew, and
    /// how much of the server it has heard.
    async fn attempt(
        server: Arc<Sshd>,
        dir: Arc<tempfile::TempDir>,
        cut: Option<Cut>,
    ) -> (Progress, Vec<usize>) {
        let dir = tempfile::tempdir_in(dir.path()).expect("a temporary directory");
        let bare = repository(dir.path(), "state.git");
        let line = Line::to(server.address(), cut);
        let caches = dir.path().join("caches");
        let progress = cuts::write(&open(&server, &line, &bare, &caches)).await;
        let address = Address::parse(&format!("git+file://{}", bare.display()));
        let others = dir.path().join("others");
        let store = GitStore::new(address.expect("an address"), &others, false);
        cuts::check(&store, &progress, &format!("{cut:?}")).await;
        (progress, line.heard())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn loses_nothing_when_the_line_is_cut_anywhere() {
        let Some((server, dir)) = server() else { return };
        let (server, dir) = (Arc::new(server), Arc::new(dir));
        let (whole, heard) = attempt(Arc::clone(&server), Arc::clone(&dir), None).await;
        assert_eq!(whole, Progress::whole(&RunId::new(cutover_store_suite::PLAN, 1)));
        let mut attempts = tokio::task::JoinSet::new();
        let mut refused = 0;
        for (connection, all) in heard.into_iter().enumerate() {
            // At once, with the answer under way, and before its end.
            for octets in [0, all * 9 / 10, all - 1] {
                if attempts.len() >= AT_ONCE {
                    let (progress, _) = attempts.join_next().await.expect("one").expect("no panic");
                    refused += usize::from(progress != whole);
                }
                let cut = Some(Cut { connection, octets });
                attempts.spawn(attempt(Arc::clone(&server), Arc::clone(&dir), cut));
            }
        }
        for (progress, _) in attempts.join_all().await {
            refused += usize::from(progress != whole);
        }
        // Most are made good by asking again; the first question is not.
        assert!(refused > 0, "cuts are noticed");
    }
}
