//! Cases from public reports about other tools, and from trials by new users and by an attacker.

use std::fs;
use std::time::Duration;

use super::{PROVED, REFUSED, REFUTED, case};
use crate::lab::now;

/// Quotes and blanks between the parts of a pasted key do not belong to it (RFC 6376 §3.6.1).
#[test]
fn dkim_text_pasted() {
    case("dkim-text-pasted").planned().proves().says("JQzkeev60j3952nc2tQtM5U").never_says("\\\"");
}

/// An empty `p=` means that the key was revoked.
#[test]
fn dkim_text_revoked() {
    case("dkim-text-revoked").exits(REFUSED).says("error[bad-dkim-key]: the DKIM key is revoked");
}

/// The alias leads to a name that does not exist in a zone of the plan.
#[test]
fn dkim_alias_to_nothing() {
    case("dkim-alias-to-nothing").exits(REFUSED).says("error[dkim-missing]");
}

/// A record in an included file cannot be written, which is found out before the first step.
#[test]
fn included_file_found_in_mid_switch() {
    let said = case("included-file-found-in-mid-switch").exits(REFUSED);
    said.says("error[not-writable]").says("it is in an included file, at ./srv.inc:1:1");
}

/// A CNAME is only removed if the plan says so.
#[test]
fn alias_removed_for_txt() {
    let clash = "error[cname-clash]: the TXT records of www.acme.test.";
    case("alias-removed-for-txt").exits(REFUSED).says(clash);
    let clash = "error[cname-clash]: the MX records of www.acme.test.";
    case("alias-removed-for-txt").file("mx.yaml").exits(REFUSED).says(clash);
    let gone = "records: [ { zone: acme.test, name: www, type: CNAME, absent: true }, ";
    case("alias-removed-for-txt").with("records: [ ", gone).planned().proves();
}

/// A name that mail clients look up and that the plan does not change is listed by name.
#[test]
fn srv_left_at_old_host() {
    let mut said = case("srv-left-at-old-host").planned().breaks("clients");
    for service in ["_autodiscover", "_imap", "_submission"] {
        said = said.says(&format!("{{ fact: clients, name: \"{service}._tcp.acme.test.\""));
    }
    said.pasted("assume").proves();
}

/// The same term in another spelling is removed too.
#[test]
fn spf_same_term_other_words() {
    let last = "+ acme.test. 3600 TXT \"v=spf1 include:_spf.host.test -all\"";
    case("spf-same-term-other-words").planned().proves().says(last);
}

/// A null MX is alone, and its preference is 0 (RFC 7505 §3).
#[test]
fn null_mx_and_another() {
    case("null-mx-and-another").exits(REFUSED).says("a null MX must be the only MX record");
    let other = case("null-mx-and-another").file("b.yaml");
    other.exits(REFUSED).says("a null MX has preference 0, not 1");
}

/// Servers give all records the TTL of the first, and so does the dump.
#[test]
fn rrset_with_two_ttls() {
    let (code, dump) =
        case("rrset-with-two-ttls").cutover(&["zone", "dump", "plan.yaml", "acme.test"]);
    assert_eq!(code, 0, "{dump}");
    for line in ["600 IN MX     10 mail", "600 IN MX     20 mail2", "this record has the TTL 700"] {
        assert!(dump.contains(line), "{line}: {dump}");
    }
}

/// The message names the erroneous term.
#[test]
fn spf_glued() {
    case("spf-glued").exits(REFUSED).says("error[spf-syntax]: `ip4:192.0.2.10~all`");
}

/// Names in `records:` may be written as people write them.
#[test]
fn idn_in_records() {
    let unknown = "error[unusable-exchange]: the exchange xn--mil-qla.host.test.";
    case("idn-in-records").exits(REFUSED).says(unknown);
    let known = case("idn-in-records").with("mäil.host", "mx1.host");
    let known = known.planned().breaks("deliverable").pasted("assume");
    known.proves().says("+ xn--bcher-kva.acme.test. 3600 MX 10 mx1.host.test.");
}

/// Record types that the plan does not handle are kept.
#[test]
fn types_of_real_zones() {
    let case = case("types-of-real-zones");
    let (code, dump) = case.cutover(&["zone", "dump", "plan.yaml", "acme.test"]);
    assert_eq!(code, 0, "{dump}");
    for kind in ["RP", "HINFO", "AFSDB", "CERT"] {
        assert!(dump.contains(&format!("IN {kind} ")), "{kind}: {dump}");
    }
    case.planned().proves();
}

/// A wildcard affects only the names that it covers, and costs little.
#[test]
fn wildcard_blow_up() {
    for plan in ["plan.yaml", "nine-txt.yaml"] {
        let begin = now();
        case("wildcard-blow-up").file(plan).planned().breaks("clients").pasted("assume").proves();
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}

/// Unrelated names do not hide a harm.
#[test]
fn wildcard_and_removed_exchange() {
    for plan in ["plan.yaml", "nine-more.yaml"] {
        let said = case("wildcard-and-removed-exchange").file(plan).planned();
        said.breaks("deliverable, clients").says("a sender finds no address for any exchange");
    }
}

/// An invariant that is broken at the start is reported with its domains, and needs a reason.
#[test]
fn broken_invariant_hidden() {
    let said = case("broken-invariant-hidden").exits(REFUTED).pasted("assume").exits(REFUTED);
    let verdict = "PROVED EXCEPT `authenticated` (acme.example, acme.test).";
    said.says(verdict).pasted("override").exits(PROVED).says(verdict);
}

/// The same for a key of the old host that is missing because of a typo.
#[test]
fn broken_invariant_by_a_typo() {
    let said = case("clocks-at-zero").with("dkim: [ s2019 ]", "dkim: [ s2091 ]").exits(REFUTED);
    let broken = "authenticated/acme.test/own/people/dkim/s2091._domainkey.acme.test";
    let said = said.says(broken).pasted("assume").exits(REFUTED).pasted("override").exits(PROVED);
    said.says("PROVED EXCEPT `authenticated` (acme.test).");
}

/// A name that a term looks up must not change either, just like an included name.
#[test]
fn spf_a_address_changes() {
    for plan in ["move-relay.yaml", "remove-relay.yaml"] {
        let said = case("spf-a-address-changes").file(plan).exits(REFUTED);
        said.says("authenticated is broken").says("{ fact: sends, name: \"acme.test.\"");
    }
    let changed = case("spf-a-address-changes").file("change-include.yaml").exits(REFUTED);
    changed.says("{ defect: \"authenticated/acme.test/crm/invoices/spf/203.0.113.99\"");
    let removed = case("spf-a-address-changes").file("remove-include.yaml");
    removed.exits(REFUSED).says("error[spf-include]");
}

/// A key that receivers would not accept is refused.
#[test]
fn dkim_contents() {
    for (plan, why) in [
        ("hello.yaml", "error[bad-dkim-key]: `hello` is not a part of a DKIM key"),
        ("revoked.yaml", "error[bad-dkim-key]: the DKIM key is revoked"),
        ("cname-target-missing.yaml", "error[dkim-missing]"),
    ] {
        case("dkim-contents").file(plan).exits(REFUSED).says(why);
    }
}

/// A wildcard elsewhere in the zone does not refute the removal of a record.
#[test]
fn srv_with_switch() {
    case("srv-with-switch").planned().breaks("clients").pasted("assume").proves();
}

/// At any time there is a name by which clients find the submission server.
#[test]
fn submission_gap() {
    let after = "remove/firm.test/_submission._tcp/SRV\n       why: `google` does not offer this\n       \
                 after: checkpoint/before-contract, wait/publish/firm.test/_submissions._tcp/SRV";
    let said = case("submission-gap").planned().says(after);
    let later = said.case.with("absent: true, with: contract", "absent: true, after: contract");
    later.exits(REFUTED).pasted("assume").proves().says(after);
}

/// Clocks of zero are listed like those that are too low.
#[test]
fn clocks_at_zero() {
    let mut said = case("clocks-at-zero").planned().breaks("clients").pasted("assume").proves();
    for clock in ["margin", "use", "queue_life", "overrun", "keep_old"] {
        said = said.says(&format!("* `{clock}` is 0s, less than the usual"));
    }
}

/// Dots are not a reason. The block to paste has the facts for the way back, and says what they
/// enable.
#[test]
fn reason_dots() {
    case("reason-dots").exits(REFUSED).says("error[no-reason]: `...` is not a reason");
    let stated = "\"every account was counted\"";
    let bare = case("reason-dots").with("\"...\"", stated);
    let path = bare.dir.path().join(bare.plan);
    let text = fs::read_to_string(&path).expect("the plan");
    let lines = text.lines().filter(|line| !line.starts_with("  - { fact: "));
    let lines: Vec<&str> = lines.filter(|line| *line != "assume:").collect();
    fs::write(&path, lines.join("\n") + "\n").expect("a written plan");
    let said = bare.exits(REFUTED).in_order(&[
        "{ fact: accepts, host: host,",
        "# and for the way back; without these, the switch is a point of no return:",
        "{ fact: synced, host: host,",
        "{ fact: clients, host: host,",
    ]);
    said.pasted("assume").proves().says("to `before-switch`:");
}
