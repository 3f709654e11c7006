//! The conformance suite on a file, with `named-checkzone` as the independent reader.

#[path = "it/checkzone.rs"]
mod checkzone;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use cutover_contract::suite::{self, Bench, Edit, Fault, Missing, Rrsets};
use cutover_contract::{Config, ConfigValue, Provider};
use cutover_zone::{Name, Zone};
use tempfile::TempDir;

const FILE: &str = "suite.test.zone";

struct OneFile {
    directory: TempDir,
}

fn origin() -> Name {
    Name::absolute("suite.test.").expect("a name")
}

impl OneFile {
    fn write(&self, text: &str) {
        std::fs::write(self.directory.path().join(FILE), text).expect("the file can be written");
    }

    /// An adapter for the files of a directory, with this reload command.
    fn adapter(&self, directory: &str, reload: &str) -> Box<dyn Provider> {
        let config = Config(BTreeMap::from([
            ("directory".to_owned(), ConfigValue::Path(directory.into())),
            ("reload".to_owned(), ConfigValue::Argv(vec![reload.to_owned()])),
        ]));
        let connected = (cutover_zonefile::ADAPTER.connect)(&config, self.directory.path());
        connected.unwrap_or_else(|error| panic!("{error}"))
    }

    fn with(&self, rrsets: &Rrsets, more: &str) -> Box<dyn Provider> {
        self.write(&format!("{APEX}{}{more}", suite::master_lines(rrsets)));
        self.adapter(".", "true")
    }
}

const APEX: &str = "$TTL 300\n\
    @ IN SOA ns.elsewhere.example. h 1 7200 900 600 300 ; the old SOA\n\
    @ IN NS ns.elsewhere.example.\n\n; mail and the rest\n";
const SIGNED: &str = "@ NSEC www NS SOA NSEC RRSIG\n\
    www RRSIG A 13 3 300 20300101000000 20200101000000 1 suite.test. AAAA\n";

#[async_trait]
impl Bench for OneFile {
    fn title(&self) -> &'static str {
        "zonefile"
    }

    fn origin(&self) -> Name {
        origin()
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.with(rrsets, "")
    }

    async fn signed(&mut self, rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        Ok(self.with(rrsets, SIGNED))
    }

    async fn read(&self) -> Result<Zone, Missing> {
        Ok(checkzone::read_by_bind(self.directory.path(), &origin(), FILE))
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        let mut zone = checkzone::read_by_bind(self.directory.path(), &origin(), FILE);
        let mut added = Vec::new();
        for edit in edits {
            zone.rrsets.remove(&edit.key);
            added.extend(edit.records_in_capitals());
        }
        let text = format!("{}{}\n", suite::master_lines(&zone.rrsets), added.join("\n"));
        self.write(&text);
        Ok(())
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        match fault {
            Fault::Garbage => {
                let garbage = self.directory.path().join("garbage");
                std::fs::create_dir_all(&garbage).expect("a directory can be made");
                std::fs::write(garbage.join(FILE), "<html>404 Not Found ( \"</html>\n")
                    .expect("a file can be written");
                Ok(self.adapter("garbage", "true"))
            }
            // The servers load the file by a command, and only that command can fail in between.
            Fault::CutAfterEffect => Ok(self.adapter(".", "false")),
            Fault::CutBeforeEffect | Fault::GarbageToWrite | Fault::ServerFailure => {
                Err(Missing("a file is either replaced or not, with nothing in between"))
            }
            Fault::WrongCredentials | Fault::Down | Fault::Silent | Fault::Throttled => {
                Err(Missing("a file has no server and no credentials"))
            }
        }
    }
}

#[tokio::test]
async fn the_suite() {
    let directory = tempfile::tempdir().expect("a directory");
    let report = suite::run(&mut OneFile { directory }).await;
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
}
