//! The conformance suite on zones in this process.

use std::path::Path;

use cutover_contract::suite;

mod bench;

use bench::{InMemory, now};

#[test]
fn the_suite() {
    let report = now(suite::run(&mut InMemory::new(Box::new(|memory| Box::new(memory)))));
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
}
