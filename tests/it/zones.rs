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

/// Every type that octoDNS has a form for, and what its YAML 1.1 takes for something else.
const TRICKY: &str = "\
@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 300
@ 300 IN NS ns1.elsewhere.example.
@ 300 IN MX 10 mx1
@ 300 IN MX 20 mx2
@ 300 IN CAA 0 issue \"ca.example; account=1\"
no 300 IN TXT \"yes\" \"off\"
on 300 IN TXT \"1:30\"
12 300 IN TXT \"2026-11-26\"
0x1f 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
null 300 IN TXT \"~\"
1e3 300 IN TXT \"# no comment\" \" : a: b\"
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
    let (read, _) = run(&crate::places::python(), &[&shown, ".", "acme.test."]);
    let soa = TRICKY.lines().next().expect("an SOA");
    std::fs::write(dir.path().join("read.zone"), format!("{soa}\n{read}")).expect("a file");
    let diff = ["zone", "diff", "plan.yaml", "acme.test", "provider", "read.zone"];
    let (difference, _) = run(cutover, &diff);
    assert_eq!(difference, "provider `files` and read.zone have the same acme.test.\n", "{yaml}");
}

/// What others serve is not asked for: the rest of the zone is compared as it is served.
#[test]
fn servers_are_asked_for_what_is_theirs() {
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
        (text.to_owned(), 0, "have the same acme.test."),
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
