//! Changes that harm nobody and were once refused, each beside a change that looks alike and does.

use crate::harms::{ACME, FACTS, HOST, MOVE, broken, case};

/// Where there is one server, priority and weight say nothing (RFC 2782).
#[test]
fn the_priority_of_the_only_server_may_change() {
    let acme = format!("{ACME}_imaps._tcp SRV 0 1 993 mail\n");
    let with = |to: &str| {
        let plan = format!(
            "records: [ {{ zone: acme.test, name: _imaps._tcp, type: SRV, to: [ {to} ] }} ]\n"
        );
        broken(&[("acme.test", &acme)], &plan)
    };
    assert_eq!(with("'10 5 993 mail.acme.test.'"), [""; 0]);
    for other in [
        "'0 1 1993 mail.acme.test.'",
        "'0 1 993 ns1.acme.test.'",
        "'5 1 993 mail.acme.test.', '0 1 993 ns1.acme.test.'",
        "'0 0 0 .'",
    ] {
        assert_ne!(with(other), [""; 0], "{other}");
    }
}

/// A target of `.` leads nobody anywhere: there is no such service (RFC 2782, RFC 6186 §3.4).
#[test]
fn a_service_that_never_was_may_be_declared_absent() {
    let acme = format!("{ACME}_imaps._tcp SRV 0 1 993 mail\n");
    let plan = |name: &str| {
        format!("records: [ {{ zone: acme.test, name: {name}, type: SRV, to: [ '0 0 0 .' ] }} ]\n")
    };
    let zones = [("acme.test", acme.as_str())];
    assert_eq!(broken(&zones, &plan("_pop3._tcp")), [""; 0]);
    let lines = case(&zones, &plan("_pop3._tcp")).expect("a plan").assumptions;
    assert!(!lines.iter().any(|line| line.contains("_pop3")), "{lines:?}");
    assert_ne!(broken(&zones, &plan("_imaps._tcp")), [""; 0]);
}

/// Notes, the order of tags and blanks mean nothing to a verifier (RFC 6376 §3.6.1); other tags do.
#[test]
fn the_same_key_may_be_written_in_another_way() {
    const KEY: &str = "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=";
    let acme = format!("{ACME}s1._domainkey TXT \"v=DKIM1; k=ed25519; p={KEY}\"\n");
    let with = |text: &str| -> bool {
        let plan = format!(
            "records: [ {{ zone: acme.test, name: s1._domainkey, type: TXT, to: [ '\"{text}\"' ] }} ]\n"
        );
        // Some are refused before the proof.
        let found = case(&[("acme.test", &acme)], &plan);
        found.is_some_and(|case| case.why_refuted.concat().is_empty())
    };
    assert!(with(&format!("v=DKIM1; k=ed25519; n=note; p={KEY}")));
    assert!(with(&format!("p={KEY};k=ed25519")));
    for other in [
        format!("v=DKIM1; k=ed25519; t=s; p={KEY}"),
        format!("v=DKIM1; k=ed25519; s=other; p={KEY}"),
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_owned(),
    ] {
        assert!(!with(&other), "{other}");
    }
}

/// Who says that the new host sends from the switch on says that it does not before.
#[test]
fn the_new_host_may_be_said_to_send_from_the_switch_on() {
    let plan = |from: &str| {
        format!("{MOVE}{FACTS}  - {{ fact: sends, host: new, value: true{from}, reason: r }}\n")
    };
    let zones = [("acme.test", ACME), ("host.test", HOST)];
    let case = case(&zones, &plan(", from: switch")).expect("a plan");
    case.proved_and_lean("from the switch on");
    let always = crate::harms::case(&zones, &plan("")).expect("a plan");
    assert_ne!(always.findings(&always.graph).present, [], "mail of the new host fails today");
}
