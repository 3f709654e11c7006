//! `cutover zone` and `cutover providers`.

use std::path::Path;
use std::process::Command;

/// A directory with the quick start's files, and the program in it.
fn quickstart(args: &[&str]) -> (i32, String, String) {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let output = Command::new(env!("CARGO_BIN_EXE_cutover")).args(args).current_dir(plans).output();
    let output = output.expect("the program can be run");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_dumped_zone_is_the_same_zone() {
    let (code, dumped, said) = quickstart(&["zone", "dump", "quickstart.yaml", "acme.test"]);
    assert_eq!(code, 0, "{said}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (same, other) = (dir.path().join("same.zone"), dir.path().join("other.zone"));
    std::fs::write(&same, &dumped).expect("a file");
    std::fs::write(&other, dumped.replace("10 mail", "20 mail")).expect("a file");
    let diff = |file: &Path, more: &[&str]| {
        let file = file.display().to_string();
        let args = ["zone", "diff", "quickstart.yaml", "acme.test", "provider", &file];
        quickstart(&[&args[..], more].concat())
    };
    let (code, text, _) = diff(&same, &["--detailed-exitcode"]);
    assert_eq!((code, text.lines().count()), (0, 1), "{text}");
    let (code, text, _) = diff(&other, &["--detailed-exitcode"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("differ in 1 RRset"), "{text}");
    assert!(text.contains("  + acme.test. 86400 MX 20 mail.acme.test.\n"), "{text}");
    assert_eq!(diff(&other, &[]).0, 0);
    assert_eq!(diff(&dir.path().join("none.zone"), &["--detailed-exitcode"]).0, 1);
}

#[test]
fn what_zone_cannot_do_says_what_to_write() {
    for (args, expected) in [
        (&["dump", "quickstart.yaml", "acme.tset"][..], "did you mean `acme.test.`?"),
        (&["dump", "quickstart.yaml", "acme.test", "--provider", "fils"], "but files"),
        (&["diff", "quickstart.yaml", "acme.test", "live", "live"], "a provider or a file"),
        (&["diff", "quickstart.yaml", "acme.test", "provider", "live:here"], "live:192.0.2.53:53"),
    ] {
        let (code, _, said) = quickstart(&[&["zone"][..], args].concat());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn every_adapter_shows_what_the_suite_found() {
    let (code, text, _) = quickstart(&["providers"]);
    assert_eq!(code, 0);
    for adapter in cutover::cli::registry() {
        assert!(text.contains(&format!("{}: {}\n", adapter.kind, adapter.doc)), "{text}");
        let (code, full, _) = quickstart(&["providers", adapter.kind]);
        assert_eq!(code, 0);
        assert!(full.contains("\n  passed "), "{full}");
        for field in adapter.fields {
            assert!(full.contains(field.doc), "{full}");
        }
    }
    assert_eq!(text.matches("  cases of the suite").count(), cutover::cli::registry().len());
    let (code, _, said) = quickstart(&["providers", "powerdn"]);
    assert_eq!(code, 2);
    assert!(said.contains("did you mean `powerdns`?"), "{said}");
}
