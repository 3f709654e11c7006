//! `cutover zone` and `cutover providers`.

use std::path::Path;
use std::process::Command;

/// A directory with the quick start's files, and the program.
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
fn errors_of_zone_say_what_to_write() {
    for (args, expected) in [
        (&["dump", "quickstart.yaml", "acme.tset"][..], "did you mean `acme.test.`?"),
        (&["dump", "quickstart.yaml", "acme.test", "--provider", "fils"], "it has files"),
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

/// Every type that octoDNS supports, and values that YAML 1.1 would misread.
const TRICKY: &str = "\
@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 300
@ 300 IN NS ns1.elsewhere.example.
@ 300 IN MX 10 mx1
@ 300 IN MX 20 mx2
@ 300 IN CAA 0 issue \"ca.example; account=1\"
no 300 IN TXT \"yes\"
no 300 IN TXT \"off\"
on 300 IN TXT \"1:30\"
12 300 IN TXT \"2026-11-26\"
0x1f 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
null 300 IN TXT \"~\"
1e3 300 IN TXT \"# no comment\"
1e3 300 IN TXT \" : a: b\"
* 300 IN A 192.0.2.1
_dmarc 300 IN CNAME _dmarc.elsewhere.example.
six 300 IN AAAA 2001:db8::1
sub 300 IN NS ns.elsewhere.example.
sub 300 IN DS 60485 13 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a
_imaps._tcp 300 IN SRV 0 1 993 mx1
host 300 IN SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
_25._tcp.mx1 300 IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_http._tcp 300 IN URI 10 1 \"https://www.elsewhere.example/\"
enum 300 IN NAPTR 100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp.elsewhere.example.
pole 300 IN LOC 51 30 12.748 N 0 7 39.612 W 10.00m 1.00m 10000.00m 10.00m
svc 300 IN HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1
tree 300 IN DNAME tree.elsewhere.example.
";

#[test]
fn octodns_reads_a_dump_as_it_was_meant() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plan = "version: 1\nname: tricky\nproviders: { files: { type: zonefile, directory: ., \
                served: { assume_within: 1s } } }\nresolver: none\n\
                zones: { acme.test: { provider: files } }\n\
                records: [ { zone: acme.test, name: new, type: A, to: [ 192.0.2.2 ] } ]\n";
    std::fs::write(dir.path().join("plan.yaml"), plan).expect("a plan's file");
    std::fs::write(dir.path().join("acme.test.zone"), TRICKY).expect("a zone's file");
    let run = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(dir.path()).output();
        let output = output.expect("a program can be run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (String::from_utf8(output.stdout).expect("UTF-8"), said)
    };
    let cutover = Path::new(env!("CARGO_BIN_EXE_cutover"));
    let dump = ["zone", "dump", "plan.yaml", "acme.test", "--format"];
    let (yaml, said) = run(cutover, &[&dump[..], &["octodns"]].concat());
    assert_eq!(said, "", "nothing is left out");
    std::fs::write(dir.path().join("acme.test.yaml"), &yaml).expect("a file");
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/octodns/shown.py");
    let shown = shown.display().to_string();
    let (read, _) = run(&crate::provider_matrix::python(), &[&shown, ".", "acme.test."]);
    let soa = TRICKY.lines().next().expect("an SOA");
    std::fs::write(dir.path().join("read.zone"), format!("{soa}\n{read}")).expect("a file");
    let diff = ["zone", "diff", "plan.yaml", "acme.test", "provider", "read.zone"];
    let (difference, _) = run(cutover, &diff);
    assert_eq!(difference, "acme.test. is the same at provider `files` and read.zone\n", "{yaml}");
}

/// The servers are not queried for what others serve. The rest of the zone is compared with what is
/// served.
#[test]
fn servers_are_queried_for_what_they_serve() {
    let text = "$TTL 300\n@ SOA ns1 h 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53\n\
                www A 192.0.2.80\nsub NS ns.sub\nns.sub A 192.0.2.54\ntree DNAME t.example.\n";
    let server = crate::lab::Bind::primary(&[("acme.test", text)]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plan = format!(
        "version: 1\nname: theirs\nproviders: {{ files: {{ type: zonefile, directory: . }} }}\n\
         resolver: none\nzones: {{ acme.test: {{ provider: files, authorities: [ \"{}\" ] }} }}\n\
         records: [ {{ zone: acme.test, name: new, type: A, to: [ 192.0.2.2 ] }} ]\n",
        server.addr()
    );
    std::fs::write(dir.path().join("plan.yaml"), plan).expect("a plan's file");
    for (text, code, expected) in [
        (text.to_owned(), 0, "acme.test. is the same at"),
        (text.replace("192.0.2.80", "192.0.2.81"), 2, "differ in 1 RRset"),
    ] {
        std::fs::write(dir.path().join("acme.test.zone"), text).expect("a zone's file");
        let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
            .args(["zone", "diff", "plan.yaml", "acme.test", "live", "provider"])
            .arg("--detailed-exitcode")
            .current_dir(dir.path())
            .output()
            .expect("the program can be run");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected) && said.contains("2 RRsets at or below"), "{said}");
    }
}

/// A directory with a zone file of `acme.test` and other files, and a plan with these records.
fn bench(zone: &str, others: &[(&str, &str)], records: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plan = format!(
        "version: 1\nname: bench\nproviders: {{ files: {{ type: zonefile, directory: ., served: \
         {{ assume_within: 1s }} }} }}\nresolver: none\nzones: {{ acme.test: {{ provider: files }} }}\n\
         records:\n{records}"
    );
    let soa = "$TTL 60\n@ SOA ns1 h 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53\n";
    std::fs::write(dir.path().join("plan.yaml"), plan).expect("written");
    std::fs::write(dir.path().join("acme.test.zone"), soa.to_owned() + zone).expect("written");
    for (name, text) in others {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

/// The exit code, and both outputs.
fn run_in(dir: &tempfile::TempDir, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    let output = command.args(args).current_dir(dir.path()).output();
    let output = output.expect("the program can be run");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn included_file_found_in_mid_switch() {
    let dir = bench(
        "www A 192.0.2.1\n$INCLUDE srv.inc\n$GENERATE 1-2 g$ A 192.0.2.$\n",
        &[("srv.inc", "_imaps._tcp SRV 0 1 993 ns1\n")],
        "  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }\n\
         \x20 - { zone: acme.test, name: _imaps._tcp, type: SRV, to: [ \"0 1 993 mx.example.\" ] }\n\
         \x20 - { zone: acme.test, name: g2, type: A, to: [ 192.0.2.9 ] }\n",
    );
    let before = std::fs::read(dir.path().join("acme.test.zone")).expect("read");
    let (code, _, said) = run_in(&dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 2, "{said}");
    for expected in [
        "error[not-writable]: _imaps._tcp.acme.test. SRV cannot be written",
        "srv.inc:1:1",
        "error[not-writable]: g2.acme.test. A cannot be written",
        "made by the $GENERATE at ",
        "acme.test.zone:7:1",
        "2 problems",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(std::fs::read(dir.path().join("acme.test.zone")).expect("read"), before);
}

#[test]
fn files_from_elsewhere_are_not_included_and_not_quoted() {
    let outside = tempfile::tempdir().expect("a temporary directory");
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "hunter2 is the password\n").expect("written");
    let records = "  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }\n";
    let dir = bench(&format!("$INCLUDE {}\n", secret.display()), &[], records);
    for args in [&["plan", "plan.yaml"][..], &["zone", "dump", "plan.yaml", "acme.test"]] {
        let (code, _, said) = run_in(&dir, args);
        assert_ne!(code, 0);
        assert!(said.contains("acme.test.zone:5:10"), "{said}");
        assert!(said.contains("outside the provider's directory"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn rrset_with_two_ttls() {
    let records =
        "  - { zone: acme.test, name: b, type: A, ttl: 2147483647s, to: [ 192.0.2.2 ] }\n";
    let dir = bench("a 600 MX 10 x\na 700 MX 20 y\n", &[], records);
    let (code, dumped, said) = run_in(&dir, &["zone", "dump", "plan.yaml", "acme.test"]);
    assert_eq!((code, dumped.matches("    600 IN MX").count()), (0, 2), "{dumped}");
    assert!(said.contains("warning: ") && said.contains("acme.test.zone:6:1"), "{said}");
    let (code, shown, said) = run_in(&dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning[ambiguous-zone]"), "{said}");
    // The longest possible TTL (RFC 2181 §8).
    assert!(shown.contains("+ b.acme.test. 2147483647 A 192.0.2.2"), "{shown}");
}

#[test]
fn types_of_real_zones() {
    let zone = "r RP el.x.test. txt\nh HINFO \"PC\" \"Linux\"\ndb AFSDB 1 db\nc CERT 3 0 0 AAAA\n\
                l LOC 49 17 60.000 N 8 30 0 E 1m\ns HTTPS 1 . ipv4hint=auto\n$ORIGIN sub\n\
                w SVCB 1 relative ohttp\n";
    let records = "  - { zone: acme.test, name: r, type: RP, absent: true }\n\
                   \x20 - { zone: acme.test, name: new, type: TYPE37, to: [ \"3 0 0 AAAA\" ] }\n\
                   \x20 - { zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }\n";
    let dir = bench(zone, &[], records);
    let (code, dumped, said) = run_in(&dir, &["zone", "dump", "plan.yaml", "acme.test"]);
    assert_eq!(code, 0, "{said}");
    for line in [
        "IN RP     el.x.test. txt.acme.test.",
        "IN LOC    49 17 60.000 N 8 30 0 E 1m",
        "$ORIGIN sub.acme.test.\nw.sub.acme.test.     60 IN SVCB   1 relative ohttp\n$ORIGIN acme.test.",
    ] {
        assert!(dumped.contains(line), "{line}: {dumped}");
    }
    std::fs::write(dir.path().join("dumped"), &dumped).expect("written");
    let diff =
        ["zone", "diff", "plan.yaml", "acme.test", "provider", "dumped", "--detailed-exitcode"];
    let (code, same, _) = run_in(&dir, &diff);
    assert_eq!(code, 0, "{same}");
    let (code, _, said) = run_in(&dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 2, "{said}");
    for expected in
        ["r.acme.test. RP cannot be written", "new.acme.test. CERT cannot be", "2 problems"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// DNS-SD reads each string separately (RFC 6763 §6).
#[test]
fn a_different_division_into_strings_is_a_change() {
    let records = "  - { zone: acme.test, name: t, type: TXT, to: [ '\"a=1\" \"b=2\"' ] }\n";
    let dir = bench("t TXT \"a=1b=2\"\n", &[], records);
    let (code, shown, said) = run_in(&dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(shown.contains("+ t.acme.test. 60 TXT \"a=1\" \"b=2\""), "{shown}");
}
