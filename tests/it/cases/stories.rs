//! Cases in which it is for an adversary to say whether something that nobody could see matches some
//! mail: a record outside, a list, the name of a client's address, the sender's local part.

use super::senders::{ISP_STATED, records};

fn spf(text: &str) -> String {
    format!("@ TXT \"v=spf1 {text}\"\n")
}

fn txt(text: &str) -> String {
    format!("  - {{ zone: acme.test, name: \"@\", type: TXT, to: [ '\"v=spf1 {text}\"' ] }}\n")
}

/// A wildcard answers for every local part but one, which a single record keeps from it (RFC 4592
/// §2.2.1): mail of that one passes by the next term, or is refused for the first time.
#[test]
fn a_local_part_for_which_the_wildcard_does_not_answer() {
    let names = "*._u A 10.0.0.1\nbob._u TXT x\n";
    for (before, after, breaks) in [
        ("exists:%{l}._u.acme.test ip4:192.0.2.10 -all", "exists:%{l}._u.acme.test -all", true),
        (
            "exists:%{l}._u.acme.test ip4:192.0.2.10 -all",
            "exists:%{l}._u.acme.test -ip4:192.0.2.10 -all",
            true,
        ),
        ("-exists:%{l}._u.%{d} ip4:192.0.2.10 -all", "-exists:%{l}._u.%{d} -all", true),
        ("?exists:%{l}._u.%{d} ip4:192.0.2.10 -all", "?exists:%{l}._u.%{d} -all", true),
        ("-exists:%{l}._u.%{d} include:_spf.isp.example -all", "-exists:%{l}._u.%{d} -all", true),
        (
            "exists:%{l}._u.acme.test ip4:192.0.2.10 -all",
            "exists:%{l}._u.acme.test ip4:192.0.2.10 ~all",
            false,
        ),
    ] {
        let case = records(&format!("{}{names}", spf(before)), "", &txt(after));
        let case = match before.contains("isp") {
            true => case.listing("assume", ISP_STATED),
            false => case,
        };
        match breaks {
            true => drop(case.planned().breaks("authenticated")),
            false => drop(case.planned().proves()),
        }
    }
    // Without the single record the wildcard answers for everybody.
    let acme = format!("{}*._u A 10.0.0.1\n", spf("exists:%{l}._u.acme.test ip4:192.0.2.10 -all"));
    records(&acme, "", &txt("exists:%{l}._u.acme.test -all")).planned().proves();
}

/// A term about which nothing is known says nothing about some mail today; without it that mail is
/// refused.
#[test]
fn a_term_that_nobody_can_decide_said_nothing_about_some_mail() {
    for term in
        ["?exists:%{i}.list.example", "?include:_spf.isp.example", "?ptr", "~ptr:isp.example"]
    {
        let acme = spf(&format!("ip4:192.0.2.10 {term} -all"));
        let change = txt("ip4:192.0.2.10 -all");
        let case = || records(&acme, "", &change);
        let case = || match term.contains("_spf.isp") {
            true => case().listing("assume", ISP_STATED),
            false => case(),
        };
        case().planned().breaks("authenticated").says(&format!("by `{term}` today"));
        let nobody = "  - { fact: sends, name: acme.test., value: false, reason: r }\n";
        case().listing("assume", nobody).planned().proves();
    }
}

/// A list that comes last is asked only as long as not too many look-ups before it are void (RFC 7208
/// §4.6.4), over either family.
#[test]
fn void_look_ups_before_a_list() {
    let hosts = "h1 A 192.0.2.21\nh2 A 192.0.2.22\nh3 A 192.0.2.23\n";
    for (before, after) in [
        ("a:h1.acme.test a:h2.acme.test", "a:h1.acme.test a:h2.acme.test a:h3.acme.test"),
        (
            "a:g1.acme.test exists:%{i}.l1.example",
            "a:g1.acme.test a:g2.acme.test exists:%{i}.l1.example",
        ),
    ] {
        let of = |terms: &str| format!("{terms} exists:%{{i}}.list.example -all");
        let acme = format!("{}{hosts}", spf(&of(before)));
        let said = records(&acme, "", &txt(&of(after))).planned().breaks("authenticated");
        said.says("list.example matches it: nobody can tell");
    }
}

/// A receiver need not count void look-ups (RFC 7208 §4.6.4 says SHOULD): mail that a strict receiver
/// refuses today passes at others.
#[test]
fn receivers_that_do_not_count_void_look_ups() {
    for terms in [
        "a:g1.acme.test a:g2.acme.test a:g3.acme.test",
        "exists:%{i}.x.acme.test exists:%{i}.y.acme.test exists:%{i}.z.acme.test",
        "-exists:%{i}.x.acme.test -exists:%{i}.y.acme.test -exists:%{i}.z.acme.test",
    ] {
        let acme = spf(&format!("{terms} ip4:192.0.2.10 -all"));
        let said = records(&acme, "", &txt(&format!("{terms} -all"))).planned();
        said.breaks("authenticated").says("does not count void look-ups");
    }
}

/// What refuses within a negative include keeps mail from matching it.
#[test]
fn a_shield_within_a_negative_include() {
    for shield in ["-exists:%{i}.x.example", "-include:_spf.isp.example"] {
        let acme = format!(
            "{}_b TXT \"v=spf1 {shield} ip4:192.0.2.0/24 -all\"\n",
            spf("-include:_b.acme.test ip4:192.0.2.10 -all")
        );
        let change = |text: &str| {
            format!(
                "  - {{ zone: acme.test, name: _b, type: TXT, to: [ '\"v=spf1 {text} -all\"' ] }}\n"
            )
        };
        let case = |text: &str| {
            let case = records(&acme, "", &change(text));
            if shield.contains("isp") { case.listing("assume", ISP_STATED) } else { case }
        };
        case("ip4:192.0.2.0/24").planned().breaks("authenticated");
        let more = "-include:_b.acme.test ip4:192.0.2.10 ip4:198.51.100.9 -all";
        let case = records(&acme, "", &txt(more));
        let stated = shield.contains("isp");
        let case = if stated { case.listing("assume", ISP_STATED) } else { case };
        case.planned().proves();
    }
}

/// Whom `+all` passes may be refused by a term before it.
#[test]
fn an_address_that_only_all_passed() {
    for (term, breaks) in
        [("-ip4:192.0.2.66", true), ("-a:bad.acme.test", true), ("-ip4:198.51.100.1", false)]
    {
        let acme = format!("{}bad A 192.0.2.66\n", spf("-ip4:198.51.100.1 +all"));
        let case = records(&acme, "", &txt(&format!("{term} ip4:192.0.2.10 +all"))).planned();
        match breaks {
            true => drop(case.breaks("authenticated")),
            false => drop(case.proves()),
        }
    }
}

/// An `exists` asks whether there is a record, not which. A refusing one may match fewer.
#[test]
fn what_an_exists_finds_changes_only_its_value() {
    let of = |qualifier: &str| spf(&format!("{qualifier}exists:%{{l}}._u.acme.test mx ~all"));
    let change = |what: &str| format!("  - {{ zone: acme.test, name: bob._u, type: A, {what} }}\n");
    let acme = |qualifier: &str| format!("{}bob._u A 127.0.0.2\n", of(qualifier));
    for (qualifier, what, breaks) in [
        ("", "to: [ 127.0.0.3 ]", false),
        ("-", "to: [ 127.0.0.3 ]", false),
        ("-", "absent: true", false),
        ("", "absent: true", true),
    ] {
        let case = records(&acme(qualifier), "", &change(what)).planned();
        match breaks {
            true => drop(case.breaks("authenticated")),
            false => drop(case.proves()),
        }
    }
}

/// Over IPv6 the hosts of `mx` and `a` are void look-ups, so that over IPv6 nothing passes by the
/// include. Over IPv4 it does.
#[test]
fn an_include_outside_that_only_one_family_reaches() {
    let hosts = "h1 A 192.0.2.21\nh2 A 192.0.2.22\nh3 A 192.0.2.23\n";
    let terms = "a:h1.acme.test a:h2.acme.test a:h3.acme.test";
    let acme = format!("{}{hosts}", spf(&format!("{terms} include:_spf.isp.example -all")));
    for after in [
        format!("{terms} -all"),
        format!("-ip4:198.51.100.0/24 {terms} include:_spf.isp.example -all"),
    ] {
        let case = records(&acme, "", &txt(&after)).listing("assume", ISP_STATED);
        case.planned().breaks("authenticated");
    }
    let more = format!("{terms} ip4:198.51.100.9 include:_spf.isp.example -all");
    records(&acme, "", &txt(&more)).listing("assume", ISP_STATED).planned().proves();
}

/// Whatever networks a record names, some address is in none of them.
#[test]
fn an_address_that_no_record_names() {
    for (before, after) in [
        ("-ip4:0.0.0.0/8 include:_spf.isp.example -all", "-ip4:0.0.0.0/8 -all"),
        ("-ip6:::/1 include:_spf.isp.example -all", "-ip6:::/1 -all"),
        ("-ip4:0.0.0.0/8 ~all", "-ip4:0.0.0.0/8 -all"),
        ("-ip4:0.0.0.0/8 +all", "-ip4:0.0.0.0/8 -all"),
        ("-ip4:0.0.0.0/0 ~all", "-ip4:0.0.0.0/0 -all"),
    ] {
        let case = records(&spf(before), "", &txt(after));
        let stated = before.contains("isp");
        let case = if stated { case.listing("assume", ISP_STATED) } else { case };
        case.planned().breaks("authenticated");
    }
}

/// A name keeps a wildcard from whatever is below it, of its own type too, and so do the names above it
/// that exist because of it (RFC 4592 §2.2.1, §2.2.2).
#[test]
fn a_name_that_keeps_a_wildcard_from_others() {
    let change = |name: &str, what: &str| {
        format!("  - {{ zone: acme.test, name: \"{name}\", type: {what} }}\n")
    };
    for (record, names, name, what) in [
        ("exists:%{i}.l.acme.test -all", "*.l A 10.0.0.1\n", "10.l", "A, to: [ 10.0.0.1 ]"),
        ("exists:%{h}.l.acme.test -all", "*.l A 10.0.0.1\n", "example.l", "A, to: [ 10.0.0.1 ]"),
        ("exists:%{l}.l.acme.test -all", "*.l A 10.0.0.1\n", "bob.l", "A, to: [ 10.0.0.1 ]"),
        ("exists:%{l}.l.acme.test -all", "*.l A 10.0.0.1\n", "x.bob.l", "A, to: [ 10.0.0.1 ]"),
        (
            "-exists:%{l}.l.acme.test ip4:192.0.2.10 -all",
            "*.l A 10.0.0.1\nx.bob.l A 10.0.0.1\n",
            "x.bob.l",
            "A, absent: true",
        ),
        (
            "-exists:%{l}.l.acme.test ip4:192.0.2.10 -all",
            "*.l A 10.0.0.1\n*.bob.l TXT x\n",
            "*.bob.l",
            "TXT, absent: true",
        ),
        (
            "-exists:%{i}.l.acme.test ip4:192.0.2.0/24 -all",
            "*.l A 10.0.0.1\n10.l A 10.0.0.1\n",
            "10.l",
            "A, absent: true",
        ),
    ] {
        let acme = format!("{}{names}", spf(record));
        records(&acme, "", &change(name, what)).planned().breaks("authenticated");
    }
}

/// A name of a client's address counts only if it leads back to the address (RFC 7208 §5.5, §7.3).
#[test]
fn a_host_name_in_a_macro_no_longer_leads_back() {
    let acme = format!(
        "{}mail2 A 192.0.2.77\nmail2.acme.test.l A 10.0.0.1\n",
        spf("exists:%{p}.l.acme.test -all")
    );
    let change = "  - { zone: acme.test, name: mail2, type: A, to: [ 192.0.2.78 ] }\n";
    records(&acme, "", change).planned().breaks("authenticated");
}

/// That nobody sends as a name with a record of its own says nothing of a domain that includes it for
/// some senders.
#[test]
fn nobody_sends_as_a_name_that_others_include() {
    let acme = format!(
        "{}bob.s TXT \"v=spf1 ip4:192.0.2.10 -all\"\n",
        spf("include:%{l}.s.acme.test -all")
    );
    let change = "  - { zone: acme.test, name: bob.s, type: TXT, to: [ '\"v=spf1 -all\"' ] }\n";
    let stated = "  - { fact: sends, name: bob.s.acme.test., value: false, reason: r }
  - { fact: published, name: s.acme.test., reason: r }\n";
    records(&acme, "", change).listing("assume", stated).planned().breaks("authenticated");
}
