//! Records of forms that are easy to get wrong: written, checked and reverted at every kind of
//! provider that supports them, and refused at plan time at the others.

use crate::ground::{Ground, KINDS, Kind};

/// Writes a record over another, there and back, if the provider supports it.
fn check(before: &str, line: &str, after: &str, cannot: &[Kind], because: &str) {
    for kind in KINDS {
        let ground = Ground::new(kind, before);
        ground.plan(&format!("  - {{ zone: acme.test, {line} }}\n"));
        let held = ground.held();
        if cannot.contains(&kind) {
            let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
            assert!(code == 2 && text.contains(because), "{kind:?}, {code}: {text}");
            continue;
        }
        let text = ground.applies();
        assert!(ground.held().iter().any(|line| line == after), "{kind:?}: {text}");
        let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == 0 && text.contains("nothing to change"), "{kind:?}, {code}: {text}");
        let text = ground.goes_back();
        assert_eq!(ground.held(), held, "{kind:?}: {text}");
    }
}

/// Line 43: the division of a TXT into strings matters (RFC 6763 §6).
#[test]
fn the_strings_of_a_text_matter() {
    check(
        "_ipp._tcp TXT \"txtvers=1qtotal=1\"\n",
        "name: _ipp._tcp, type: TXT, to: [ '\"txtvers=1\" \"qtotal=1\"' ]",
        "_ipp._tcp 30 IN TXT \"txtvers=1\" \"qtotal=1\"",
        &[Kind::Cloudflare],
        "divides a TXT into strings of 255 octets",
    );
}

/// Line 50: a TTL has up to 2147483647 seconds (RFC 2181 §8).
#[test]
fn the_longest_ttl_is_written() {
    check(
        "",
        "name: www, type: A, to: [ 192.0.2.1 ], ttl: 2147483647s",
        "www 2147483647 IN A 192.0.2.1",
        &[Kind::Cloudflare],
        "largest TTL is 86400 s",
    );
}

/// Line 35: two records are an error of the plan if a name can have only one of the type, whatever
/// the provider.
#[test]
fn two_aliases_are_an_error() {
    for (rtype, to) in [("CNAME", "b.example., e.example."), ("DNAME", "x.example., y.example.")] {
        let ground = Ground::new(Kind::Files, &format!("c {rtype} old.example.\n"));
        let held = {
            ground.plan("  - { zone: acme.test, name: c2, type: A, to: [ 192.0.2.1 ] }\n");
            ground.held()
        };
        ground.plan(&format!("  - {{ zone: acme.test, name: c, type: {rtype}, to: [ {to} ] }}\n"));
        let (code, text) = ground.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        let title = format!("a name has at most one {rtype} record");
        assert!(code == 2 && text.contains(&title), "{code}: {text}");
        ground.plan("  - { zone: acme.test, name: c2, type: A, to: [ 192.0.2.1 ] }\n");
        assert_eq!(ground.held(), held);
    }
}

/// Line 40: records of unknown types are kept octet for octet.
#[test]
fn records_of_rare_types_are_kept() {
    const RARE: [&str; 11] = [
        "af AFSDB 1 afs.h.test.",
        "apl APL 1:192.168.32.0/21 !1:192.168.38.0/28",
        "ce CERT PGP 0 0 AQID",
        "csync CSYNC 66 3 A NS AAAA",
        "dh DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        "e48 EUI48 00-00-5e-00-53-2a",
        "hi HINFO \"a\" \"b\"",
        "kx KX 10 kx.h.test.",
        "l32 L32 10 10.1.2.0",
        "nid NID 10 0014:4fff:ff20:ee64",
        "rp RP admin.h.test. txt.h.test.",
    ];
    for kind in [Kind::Bind, Kind::Knot, Kind::PowerDns, Kind::Files] {
        // PowerDNS accepts only these types in a master file.
        let taken = ["af", "e48", "hi", "kx", "rp"];
        let is_taken = |line: &&&str| {
            kind != Kind::PowerDns || taken.iter().any(|name| line.split(' ').next() == Some(*name))
        };
        let rare: Vec<&str> = RARE.iter().filter(is_taken).copied().collect();
        let ground = Ground::new(kind, &(rare.join("\n") + "\n"));
        ground.plan("  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.1 ] }\n");
        let held = ground.held();
        assert_eq!(held.len(), rare.len(), "{kind:?}: {held:?}");
        ground.applies();
        let mut now = ground.held();
        now.retain(|line| !line.starts_with("www "));
        assert_eq!(now, held, "{kind:?}");
        // And they cannot be written.
        ground.plan("  - { zone: acme.test, name: rp, type: RP, absent: true }\n");
        let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == 2 && text.contains("never written"), "{kind:?}, {code}: {text}");
    }
}

/// Lines 45 and 12: records that an adapter cannot write are refused at plan time, before any step.
#[test]
fn what_cannot_be_written_is_refused_at_plan_time() {
    let refused = |ground: &Ground, records: &str, word: &str| {
        ground.plan(records);
        let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(
            code == 2 && text.contains("not-writable") && text.contains(word),
            "{code}: {text}"
        );
    };
    let cert = "  - { zone: acme.test, name: new, type: CERT, to: [ \"3 0 0 AAAA\" ] }\n";
    refused(&Ground::new(Kind::PowerDns, ""), cert, "never written");
    // More than fits into a DNS message.
    let text = "x".repeat(200);
    let many: Vec<String> = (0..450).map(|number| format!("'\"{number}{text}\"'")).collect();
    let large =
        format!("  - {{ zone: acme.test, name: new, type: TXT, to: [ {} ] }}\n", many.join(", "));
    refused(&Ground::new(Kind::Bind, ""), &large, "octets, but a message has 65535");
    // A record in an included file is not written.
    let ground = Ground::new(Kind::Files, "$INCLUDE more.zone\n");
    let more = ground.path().with_file_name("zones/more.zone");
    std::fs::write(more, "www 30 A 192.0.2.1\n").expect("a file");
    let www = "  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }\n";
    refused(&ground, www, "more.zone");
}
