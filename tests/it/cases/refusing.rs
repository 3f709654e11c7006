//! Cases of SPF terms that refuse whom they match, or that nobody can decide, before the term by which
//! a sender passes.

use super::senders::{NEW_SPF, moves, records};

fn spf(text: &str) -> String {
    format!("@ TXT \"v=spf1 {text} -all\"\n")
}

fn txt(text: &str) -> String {
    format!("  - {{ zone: acme.test, name: \"@\", type: TXT, to: [ '\"v=spf1 {text} -all\"' ] }}\n")
}

/// That nobody can say whom a term of today matches is no defect that hides what comes later: the old
/// host's term stays until its last message has arrived.
#[test]
fn the_last_message_behind_a_term_that_nobody_can_decide() {
    for term in ["-exists:%{i}.list.example", "-exists:list.example", "-ptr", "-include:l.example"]
    {
        let acme = spf(&format!("{term} ip4:192.0.2.10"));
        let said = moves(&acme, "", "", NEW_SPF).planned().pasted("assume").proves();
        said.never_says("before the plan begins")
            .in_order(&["wait/assume/contract/sends/old ", "narrow/acme.test/@/TXT "]);
    }
}

/// A term of today that nobody can decide authorises nobody (RFC 7208 §5.7: the adversary says that
/// there is no such name), with or without macros.
#[test]
fn what_nobody_can_decide_makes_up_for_no_address() {
    for (term, broken) in [
        ("exists:%{i}.list.example", "authenticated"),
        ("exists:list.example", "authenticated"),
        ("include:l.example", "authenticated, spf-sound"),
    ] {
        let acme = spf(&format!("ip4:192.0.2.10 {term}"));
        let said = records(&acme, "", &txt(term)).planned().breaks(broken);
        said.says("mail as acme.test. from 192.0.2.10, which its SPF record lets pass today");
    }
}

/// A term that comes before another one refuses what it did not refuse when it came after it.
#[test]
fn a_term_that_refuses_is_moved_to_the_front() {
    for term in ["-ip4:198.51.100.7", "-exists:%{i}.list.example", "-include:l.example"] {
        let acme = spf(&format!("include:_spf.isp.example {term}"));
        let change = txt(&format!("{term} include:_spf.isp.example"));
        records(&acme, "", &change).planned().breaks("authenticated, spf-sound");
        // What was refused before may be refused by the same term.
        let acme = spf(&format!("{term} include:_spf.isp.example"));
        let change = txt(&format!("{term} include:_spf.isp.example include:_spf.host.test"));
        records(&acme, "", &change).planned().breaks("spf-sound").pasted("assume").proves();
    }
}

/// Nor does a negative include before what authorises a sender for the first time.
#[test]
fn a_new_sender_behind_a_negative_include() {
    let new = "spf: \"include:_spf.isp.example\"";
    for (term, host) in [
        ("-include:l.example", ""),
        ("-include:l.host.test", "l TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n"),
    ] {
        let acme = spf(&format!("{term} ip4:192.0.2.10"));
        let said = moves(&acme, host, "", new).planned().breaks("authenticated, spf-sound");
        said.says("from where `include:_spf.isp.example` leads fails SPF");
    }
    let said = moves(&spf("ip4:192.0.2.10"), "", "", new).planned();
    said.breaks("spf-sound").pasted("assume").proves();
}

/// A wildcard answers for each name that an `exists` can ask for: it matches everybody, and no
/// receiver asks for what comes after it.
#[test]
fn nobody_gets_past_a_term_that_matches_everybody() {
    let acme = |names: &str| {
        format!("{}* A 192.0.2.80\n{names}", spf("exists:%{i}.l.acme.test ip4:192.0.2.10"))
    };
    let change = txt("exists:%{i}.l.acme.test include:l.example");
    records(&acme(""), "", &change).planned().proves();
    // A name below hides the wildcard from some clients.
    records(&acme("x.l TXT y\n"), "", &change).planned().breaks("authenticated, spf-sound");
}
