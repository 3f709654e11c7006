//! Cases of SPF terms that refuse whom they match, or that nobody can decide, before the term by which
//! a sender passes.

use super::senders::{ISP_STATED, NEW_SPF, moves, records};

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

/// Of the addresses of a network, those count that an `a` or `mx` names, anywhere: a term that stands
/// before the network's treats them otherwise.
#[test]
fn a_name_within_a_network() {
    for (term, names) in [
        ("?a", "@ A 203.0.113.80\n"),
        ("~a:www.acme.test", "www A 203.0.113.80\n"),
        ("-a:mx1.host.test", ""),
        ("-mx:host.test", ""),
        ("?a:out.acme.test/28", "out A 203.0.113.80\n"),
    ] {
        let acme = format!("{}{names}", spf(&format!("ip4:192.0.2.10 {term}")));
        let host = "@ MX 10 mx1\n";
        moves(&acme, host, "", NEW_SPF).planned().breaks("authenticated");
        // Nobody minds addresses that the new host does not have.
        let elsewhere = names.replace("203.0.113.80", "198.51.100.80");
        if !names.is_empty() {
            let acme = format!("{}{elsewhere}", spf(&format!("ip4:192.0.2.10 {term}")));
            moves(&acme, host, "", NEW_SPF).planned().proves();
        }
    }
}

/// A network that gives way to the names of two of its addresses.
#[test]
fn names_instead_of_a_network() {
    let names = "mx1 A 203.0.113.8\nmx2 A 203.0.113.15\n";
    let acme = format!("{}{names}", spf("ip4:203.0.113.8/29"));
    let said = records(&acme, "", &txt("a:mx1.acme.test a:mx2.acme.test")).planned();
    said.breaks("authenticated").says("mail as acme.test. from 203.0.113.9");
}

/// A name that a refusing term has gets an address that passes today.
#[test]
fn an_address_comes_to_a_name_that_is_refused() {
    for term in ["?a", "-a"] {
        let acme = format!("{}@ A 10.0.0.1\n", spf(&format!("{term} ip4:198.51.100.0/24")));
        let change = "  - { zone: acme.test, name: \"@\", type: A, to: [ 198.51.100.6 ] }\n";
        let said = records(&acme, "", change).planned().breaks("authenticated");
        said.says("198.51.100.6");
    }
}

/// What was neutral is refused.
#[test]
fn a_term_that_said_nothing_is_dropped() {
    let acme = spf("ip4:192.0.2.10 ?ip4:198.51.100.0/24");
    records(&acme, "", &txt("ip4:192.0.2.10")).planned().breaks("authenticated");
}

/// An include whose name depends on the sender is a permanent error if there is no record (RFC 7208
/// §5.2).
#[test]
fn an_include_with_macros_that_nobody_can_ask_for() {
    let term = "include:%{i}._ip.%{h}._ehlo.%{d}._spf.vali.example";
    let change = txt(&format!("{term} ip4:192.0.2.10"));
    let said = records(&spf("ip4:192.0.2.10"), "", &change).planned().breaks("spf-sound");
    said.says("{ fact: published, name: \"_spf.vali.example.\"").pasted("assume").proves();
}

/// The limit of void look-ups depends on the client's family (RFC 7208 §4.6.4), and counts before a
/// record outside as well.
#[test]
fn void_look_ups_over_ipv6_before_a_record_outside() {
    let acme = |count: usize| {
        let names = ["h1 A 192.0.2.21\n", "h2 A 192.0.2.22\n", "h3 A 192.0.2.23\n"];
        let terms = ["a:h1.acme.test", "a:h2.acme.test", "a:h3.acme.test"];
        let terms = terms[..count].join(" ");
        format!("{}{}", spf(&format!("{terms} ip4:192.0.2.10")), names.concat())
    };
    let new = "spf: \"include:_spf.isp.example\"";
    let case = |count| moves(&acme(count), "", "", new).listing("assume", ISP_STATED).planned();
    case(2).proves();
    case(3).breaks("authenticated").says("from where `include:_spf.isp.example` leads fails SPF");
}

/// What an `exists` refuses changes with the names below it.
#[test]
fn names_below_a_term_that_refuses() {
    let acme = spf("-exists:%{i}.l.acme.test ip4:192.0.2.0/24");
    for change in [
        "  - { zone: acme.test, name: l, type: DNAME, to: [ list.example. ] }\n",
        "  - { zone: acme.test, name: 192.0.2.11.l, type: A, to: [ 127.0.0.1 ] }\n",
        "  - { zone: acme.test, name: \"*.l\", type: A, to: [ 127.0.0.1 ] }\n",
        "  - { zone: acme.test, name: \"*.l\", type: CNAME, to: [ list.example. ] }\n",
    ] {
        records(&acme, "", change).planned().breaks("authenticated");
    }
    let acme = spf("-exists:%{i}.l.acme.test include:_spf.isp.example");
    let change = "  - { zone: acme.test, name: \"*.l\", type: A, to: [ 127.0.0.1 ] }\n";
    records(&acme, "", change).listing("assume", ISP_STATED).planned().breaks("authenticated");
    // Other names change nothing.
    let change = "  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.80 ] }\n";
    records(&acme, "", change).listing("assume", ISP_STATED).planned().proves();
}

/// A wildcard of another kind, or an alias to nothing, does not answer for everybody.
#[test]
fn a_wildcard_that_does_not_match_everybody() {
    for (term, names) in [
        ("?exists:%{l}._u.%{d}", "*.m TXT x\n"),
        ("?exists:%{l}._u.%{d}", "* MX 10 mail\n"),
        ("-exists:%{i}.l.acme.test", "*.l CNAME nothing\n"),
    ] {
        let acme = format!("{}{names}", spf(&format!("{term} include:_spf.isp.example")));
        let case = records(&acme, "", &txt(term)).listing("assume", ISP_STATED);
        case.planned().breaks("authenticated");
    }
}
