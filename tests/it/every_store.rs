//! The four kinds of stores, by the program itself.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tempfile::TempDir;

use crate::shared::{Machine, repository};
use crate::zonefile_fixture::{ZONE_DONE, ZonefileFixture};
use crate::{postgres, s3};

/// The kinds of stores.
pub(crate) const KINDS: [&str; 4] = ["directory", "git", "postgres", "s3"];

/// What stores need as long as they are used.
pub(crate) struct Stores {
    dir: TempDir,
    postgres: OnceLock<Arc<postgres::Server>>,
    s3: OnceLock<Arc<s3::Server>>,
}

/// The PostgreSQL server that all tests share at the same time.
fn shared_postgres() -> Arc<postgres::Server> {
    static SHARED: Mutex<Weak<postgres::Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(postgres::Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Stores {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { dir, postgres: OnceLock::new(), s3: OnceLock::new() }
    }

    /// A new store of a kind, with options of its address.
    pub(crate) fn store(&self, kind: &str, options: &str) -> String {
        // The servers are shared, and this name is nobody else's.
        let place = tempfile::Builder::new().rand_bytes(12).tempdir_in(self.dir.path());
        let place = place.expect("a directory can be made").keep();
        let name = || {
            let whole =
                place.display().to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "");
            whole.to_lowercase()
        };
        let query = if options.is_empty() { String::new() } else { format!("?{options}") };
        let and = if options.is_empty() { String::new() } else { format!("&{options}") };
        match kind {
            "directory" => place.join("state").display().to_string(),
            "git" => repository(&place) + &query,
            "postgres" => self.postgres.get_or_init(shared_postgres).database(&name(), &and),
            "s3" => s3::url(self.s3.get_or_init(s3::Server::shared).port(), &name(), &and),
            other => panic!("{other}"),
        }
    }

    /// The port of the server that keeps the stores of a kind.
    pub(crate) fn port(&self, kind: &str) -> u16 {
        match kind {
            "postgres" => self.postgres.get_or_init(shared_postgres).port(),
            "s3" => self.s3.get_or_init(s3::Server::shared).port(),
            other => panic!("{other}"),
        }
    }

    pub(crate) fn machine(&self, kind: &str, options: &str) -> Machine {
        Machine { files: ZonefileFixture::new(), store: self.store(kind, options) }
    }
}

/// One after the other as a pipeline does it: each step has nothing but the store.
#[test]
fn a_run_goes_its_whole_way_in_every_store() {
    let stores = Stores::new();
    std::thread::scope(|scope| {
        for kind in KINDS {
            let stores = &stores;
            scope.spawn(move || {
                let one = stores.machine(kind, "");
                assert_eq!(one.ends(0, &["status", "--all"]), "no run yet\n", "{kind}");
                one.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
                one.ends(4, &["apply", "plan.json", "--auto-approve"]);
                let said = one.ends(0, &["status", "plan.yaml"]);
                // A slow machine asks when it is done.
                let begun = ["[>] lower/acme.test/www/A", "[x] lower/acme.test/www/A"];
                assert!(begun.iter().any(|line| said.contains(line)), "{kind}: {said}");
                let said = one.ends(4, &["status", "--all", "--exit-code"]);
                assert!(said.contains("move  at least"), "{kind}: {said}");
                // Another machine goes on, with a name and the store.
                let other = Machine::beside(&one.files, &one.store);
                other.ends(0, &["apply", "plan.yaml", "--wait"]);
                assert_eq!(one.files.zone(), ZONE_DONE, "{kind}");
                let said = one.ends(0, &["status", "--all", "--exit-code"]);
                assert!(said.contains("move  finished"), "{kind}: {said}");
                let said = one.ends(0, &["log", "move"]);
                assert!(
                    said.contains("finished") && said.contains("run of move opened"),
                    "{kind}: {said}"
                );
                let said = one.ends(0, &["state", "list"]);
                assert!(said.contains("finished") && said.contains("free"), "{kind}: {said}");
            });
        }
    });
}
