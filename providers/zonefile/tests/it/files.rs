//! The provider on a disk: what it writes, what it leaves alone, and how it fails.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cutover_contract::{Config, ConfigValue, Next, Provider, ProviderError, Receipt};
use cutover_zone::{Name, RrType};
use cutover_zonefile::ADAPTER;
use tempfile::TempDir;

use crate::support::{changes, key, name, reading, rrset, zone_name};

const BEFORE: &str = "$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\na A 192.0.2.1 ; a\n";
const AFTER: &str = "$TTL 60\n@ SOA ns root 2 2 3 4 5\n@ NS ns\na A 192.0.2.2 ; a\n";
const CHANGE: &[&str] = &["a A 60 192.0.2.2"];

fn path(text: &str) -> ConfigValue {
    ConfigValue::Path(text.into())
}

fn argv(words: &[&str]) -> ConfigValue {
    ConfigValue::Argv(words.iter().map(|word| (*word).to_owned()).collect())
}

fn config(fields: &[(&str, ConfigValue)]) -> Config {
    Config(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// A directory with the file of the zone.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(file(&directory), BEFORE).expect("written");
    directory
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("example.test.zone")
}

fn contents(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a text")
}

fn provider(base: &Path, fields: &[(&str, ConfigValue)]) -> Box<dyn Provider> {
    (ADAPTER.connect)(&config(fields), base).map_err(|e| e.to_string()).expect("a provider")
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

/// Makes the changes, which expect the zone in `BEFORE`.
fn apply(provider: &dyn Provider) -> Result<Receipt, ProviderError> {
    let zone = reading(BEFORE.as_bytes(), &[]).expect("a zone").zone;
    run(provider.apply(&changes(&zone, CHANGE)))
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_configuration_names_the_field_that_is_wrong() {
    let served = |within| ConfigValue::Object(config(&[("assume_within", within)]));
    let soon = ConfigValue::Text("soon".to_owned());
    let within = ConfigValue::Duration(Duration::from_secs(5400));
    let empty = ConfigValue::Object(Config(BTreeMap::new()));
    let directory = || ("directory", path("zones"));
    for (fields, field) in [
        (vec![], "directory"),
        (vec![directory(), ("file", path("x"))], "file"),
        (vec![directory(), ("reload", argv(&[]))], "reload"),
        (vec![directory(), ("served", empty)], "served.assume_within"),
        (vec![directory(), ("served", served(soon))], "served.assume_within"),
    ] {
        let error = (ADAPTER.connect)(&config(&fields), Path::new("/")).map(drop);
        assert_eq!(error.map_err(|error| error.field), Err(field.to_owned()));
    }
    let all = [directory(), ("reload", argv(&["true"])), ("served", served(within))];
    let capabilities = provider(Path::new("/"), &all).capabilities(&zone_name());
    assert_eq!(capabilities.served_within, Some(Duration::from_secs(5400)));
    assert_eq!(capabilities.types, None);
}

#[test]
fn a_change_is_written_and_read_back() {
    let directory = directory();
    let real = directory.path().join("real");
    fs::rename(file(&directory), &real).expect("moved");
    fs::set_permissions(&real, Permissions::from_mode(0o664)).expect("set");
    symlink("real", file(&directory)).expect("linked");
    let leftover = directory.path().join(".cutover-leftover");
    fs::write(&leftover, "half a zo").expect("written");
    let provider = provider(directory.path(), &[("directory", path("."))]);
    assert_eq!(apply(&*provider).expect("applied"), Receipt { serial: Some(2), read_back: false });
    assert_eq!(contents(&real), AFTER);
    assert_eq!(contents(&leftover), "half a zo", "a leftover of a killed process is left alone");
    assert_eq!(fs::metadata(&real).expect("there").mode() & 0o7777, 0o664);
    assert!(fs::symlink_metadata(file(&directory)).expect("there").is_symlink());
    assert_eq!(names(&directory), [".cutover-leftover", "example.test.zone", "real"]);
    let keys = [key("b A"), key("a A")];
    let read = run(provider.read_rrsets(&zone_name(), &keys)).expect("read");
    assert_eq!(read, [None, Some(rrset(RrType::A, 60, &["192.0.2.2"]))]);
    let zone = run(provider.read_zone(&zone_name())).expect("read");
    assert_eq!(zone, reading(AFTER.as_bytes(), &[]).expect("a zone").zone);
}

#[test]
fn a_stale_change_leaves_the_file() {
    let directory = directory();
    let provider = provider(directory.path(), &[("file", path("example.test.zone"))]);
    let theirs = BEFORE.replace("192.0.2.1", "192.0.2.9");
    fs::write(file(&directory), &theirs).expect("written");
    let error = apply(&*provider).expect_err("stale");
    assert_eq!(error.next(), Next::Halt);
    let ProviderError::Conflict { key: stale, live, .. } = error else { panic!("{error}") };
    assert_eq!((stale, live), (key("a A"), Some(rrset(RrType::A, 60, &["192.0.2.9"]))));
    assert_eq!(contents(file(&directory)), theirs);
    assert_eq!(names(&directory), ["example.test.zone"]);
}

#[test]
fn an_unreadable_file_is_reported_with_its_place() {
    let directory = directory();
    let provider = provider(directory.path(), &[("directory", path(""))]);
    let path = |name: &str| directory.path().join(name).display().to_string();
    let read = |zone: &Name| run(provider.read_zone(zone)).expect_err("an error");
    let absent = read(&name("absent.test."));
    let ProviderError::NoSuchZone { detail, .. } = &absent else { panic!("{absent}") };
    assert_eq!(*detail, format!("there is no file {}", path("absent.test.zone")));
    fs::write(path("broken.test.zone"), "$TTL 60\n@ SOA ( x\n").expect("written");
    let broken = read(&name("broken.test."));
    let ProviderError::Malformed { detail, .. } = &broken else { panic!("{broken}") };
    assert_eq!(*detail, format!("{}:2:7: this `(` has no `)`", path("broken.test.zone")));
    for zone in ["0/25.2.0.192.in-addr.arpa.", "."] {
        assert!(matches!(read(&name(zone)), ProviderError::Refused { .. }), "{zone}");
    }
    fs::create_dir(path("dir.test.zone")).expect("made");
    let refused = read(&name("dir.test."));
    let ProviderError::Refused { detail, .. } = &refused else { panic!("{refused}") };
    let wanted = "the file cannot be read: it is not a regular file";
    assert_eq!(*detail, format!("{}: {wanted}", path("dir.test.zone")));
}

#[test]
fn an_unwritable_change_names_the_place_and_the_way_out() {
    let directory = directory();
    let before = BEFORE.replace("a A 192.0.2.1 ; a\n", "$INCLUDE hosts\n");
    fs::write(file(&directory), &before).expect("written");
    fs::write(directory.path().join("hosts"), "; hosts\na A 192.0.2.1\n").expect("written");
    let provider = provider(directory.path(), &[("directory", path(""))]);
    let error = apply(&*provider).expect_err("in an include");
    let ProviderError::Unsupported { key: refused, why, .. } = &error else { panic!("{error}") };
    assert_eq!(*refused, key("a A"));
    let place = directory.path().join("hosts").display().to_string();
    assert_eq!(
        *why,
        format!(
            "it is in an included file, at {place}:2:1; move it into the zone's own file, or \
            change it there by hand"
        )
    );
    assert_eq!(contents(file(&directory)), before);
}

#[test]
fn the_servers_are_told_of_the_new_file() {
    let directory = directory();
    let reload = argv(&["/bin/sh", "-c", "cp \"$0\" served", "example.test.zone"]);
    let provider = provider(directory.path(), &[("directory", path("")), ("reload", reload)]);
    apply(&*provider).expect("applied");
    assert_eq!(contents(directory.path().join("served")), AFTER);
}

#[test]
fn a_reload_that_fails_is_in_doubt() {
    let script = "echo no such zone >&2; exit 3";
    for (reload, word) in [
        (argv(&["/bin/sh", "-c", script]), "`/bin/sh` ended with exit status: 3: no such zone"),
        (argv(&["/no/such/program"]), "`/no/such/program` cannot be run: "),
    ] {
        let directory = directory();
        let fields = [("directory", path("")), ("reload", reload)];
        let error = apply(&*provider(directory.path(), &fields)).expect_err("a failure");
        assert_eq!(error.next(), Next::Look);
        let ProviderError::InDoubt { detail, .. } = &error else { panic!("{error}") };
        let wanted = format!("the file has the change, but the servers may not have it: {word}");
        assert!(detail.starts_with(&wanted), "{detail}");
        assert_eq!(contents(file(&directory)), AFTER);
    }
}

/// Root may do anything, so when it runs as root this test starts itself again as nobody.
#[test]
fn permissions_are_respected() {
    let this_test = "files::permissions_are_respected";
    if fs::metadata("/proc/self").expect("a process").uid() == 0 {
        let directory = tempfile::tempdir().expect("a directory");
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open).expect("set");
        let copy = directory.path().join("it");
        // Copied by another process: a child that another test starts meanwhile would inherit the
        // copy open for writing, and such a file cannot be run.
        let this = std::env::current_exe().expect("a path");
        let copied = Command::new("cp").arg(this).arg(&copy).status().expect("cp can be run");
        assert!(copied.success());
        let nobody = 65534;
        let output = Command::new(copy)
            .args(["--exact", this_test])
            .current_dir("/")
            .gid(nobody)
            .uid(nobody)
            .output()
            .expect("started");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "as nobody: {said}");
        return;
    }
    let directory = directory();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    };
    let provider = provider(directory.path(), &[("directory", path(""))]);
    let path = file(&directory).display().to_string();
    set(directory.path(), 0o555);
    let error = apply(&*provider).expect_err("refused");
    set(directory.path(), 0o755);
    let ProviderError::Refused { detail, .. } = &error else { panic!("{error}") };
    assert!(detail.starts_with(&format!("{path}: no temporary file can be made beside it: ")));
    assert!(detail.to_lowercase().contains("permission denied"), "{detail}");
    assert_eq!(contents(file(&directory)), BEFORE, "nothing was written");
    assert_eq!(names(&directory), ["example.test.zone"]);
    set(&file(&directory), 0o000);
    let error = apply(&*provider).expect_err("refused");
    let ProviderError::Refused { detail, .. } = &error else { panic!("{error}") };
    assert!(detail.starts_with(&format!("{path}: the file cannot be read: ")), "{detail}");
}
