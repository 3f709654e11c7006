//! The reader compared with BIND's.

use std::fs;
use std::path::{Path, PathBuf};

use cutover_zonefile::{Reading, read};

use crate::checkzone::read_by_bind;
use crate::support::{key, name, zone_name};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read_fixture(file: &str) -> Reading {
    let path = fixtures().join(file);
    let text = fs::read(&path).expect("a fixture");
    read(&zone_name(), &path, text, &|path: &Path| fs::read(path)).expect("a zone")
}

#[test]
fn every_fixture_is_read_as_bind_reads_it() {
    let files = fs::read_dir(fixtures()).expect("a directory");
    let mut count = 0;
    for entry in files {
        let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        // Here an included file is looked up from the including file, by BIND from the working
        // directory.
        if file.ends_with(".zone") {
            let bind = read_by_bind(&fixtures(), &zone_name(), &file);
            assert_eq!(read_fixture(&file).zone, bind, "{file}");
            count += 1;
        }
    }
    assert_eq!(count, 4, "all fixtures were seen");
}

#[test]
fn the_fixtures_hold_what_they_should() {
    let zone = read_fixture("messy.zone").zone;
    for (owner, ttl) in [("@ SOA", 5400), ("end A", 45), ("last TXT", 600), ("0015.gen CNAME", 77)]
    {
        assert_eq!(zone.get(&key(owner)).map(|set| set.ttl().secs()), Some(ttl), "{owner}");
    }
    assert_eq!(zone.at(&name("dup.sub.example.test.")).count(), 1);
}
