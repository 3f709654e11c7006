//! `recipients` and `old_side`: what servers say of many addresses, without a message.

use std::fs;
use std::net::Ipv4Addr;

use super::{Plan, check};
use crate::lab::{Authority, Bind, Odd, Postfix, now, odd};

const NAME: &str = "mx.hosts.test";

#[test]
fn recipients_are_told_apart() {
    let users = ["a@acme.test", "b@acme.test", "c@other.test"].map(str::to_owned);
    let greylisting = "-o { smtpd_recipient_restrictions = defer }";
    let listeners = [
        ("2", String::new()),
        ("3", "-o virtual_mailbox_maps=static:all".to_owned()),
        ("4", greylisting.to_owned()),
        ("5", "-o { smtpd_sender_restrictions = reject } -o smtpd_delay_reject=no".to_owned()),
        ("6", "-o smtpd_relay_restrictions=reject".to_owned()),
        ("7", "-o smtpd_recipient_limit=1".to_owned()),
        ("8", "-o smtpd_discard_ehlo_keywords=pipelining".to_owned()),
        // It ends a session after two refusals.
        ("9", "-o smtpd_hard_error_limit=2 -o smtpd_error_sleep_time=0".to_owned()),
    ]
    .map(|(at, options)| (format!("127.0.63.{at}:25"), options));
    let address = Ipv4Addr::new(127, 0, 63, 1);
    let postfix = Postfix::with_listeners(address, &users, "", &listeners);
    odd("127.0.63.30:25", Odd::Deaf);
    let at = |n: u8, list: &str| {
        format!(
            "exchanges: [ \"{NAME}@127.0.63.{n}\" ], addresses: [ {list} ], within: 3s, pause: 0s"
        )
    };
    let all = "a@acme.test, b@acme.test, c@other.test";
    let one_missing = "a@acme.test, nobody@acme.test";
    let many: Vec<String> = (0..8).map(|n| format!("n{n}@acme.test")).collect();
    let many = many.join(", ");
    let two = format!(
        "exchanges: [ \"{NAME}@127.0.63.2\", \"mx2.hosts.test@127.0.63.6\" ], addresses: [ a@acme.test ]"
    );
    let second = format!(
        "exchanges: [ \"{NAME}@127.0.63.98\", \"{NAME}@127.0.63.2\" ], addresses: [ a@acme.test ]"
    );
    let gates = [
        at(2, all),
        at(2, one_missing),
        at(3, all),
        at(3, all) + ", catch_all: allowed",
        at(4, all),
        at(5, all),
        at(6, "a@acme.test"),
        at(7, all),
        at(8, one_missing),
        at(9, &many),
        at(30, all),
        at(98, all),
        two,
        second.clone(),
        second + ", silent: allowed",
        at(2, all) + ", from: probe@example.net",
    ];
    let found = [
        ("pass", "takes mail for all of 3 addresses"),
        ("fail", "refuses 1 of 2 addresses: nobody@acme.test (550 5.1.1"),
        ("inconclusive", "so what it says about addresses means nothing"),
        ("pass", "takes mail for all of 3 addresses"),
        ("inconclusive", "puts off 3 of 3 addresses: a@acme.test (45"),
        ("inconclusive", "it takes no mail from here: 554"),
        ("fail", "refuses 1 of 1 addresses: a@acme.test (554 5.7.1"),
        ("inconclusive", "puts off"),
        ("fail", "refuses 1 of 2 addresses: nobody@acme.test"),
        ("fail", "refuses 8 of 8 addresses"),
        ("unanswered", "was not over within 3 s; 5 of 5 addresses are open"),
        ("unanswered", "nobody answers"),
        ("fail", "mx2.hosts.test refuses 1 of 1"),
        ("unanswered", "mx.hosts.test [127.0.63.98:25]: nobody answers"),
        ("pass", "takes mail for all of 1 addresses"),
        ("pass", "takes mail for all of 3 addresses"),
    ];
    let cases: Vec<_> =
        gates.iter().zip(found).map(|(gate, (finding, said))| (&**gate, finding, said)).collect();
    check(&Authority::new().file(), "none", "recipients", &cases);

    let [takes, refuses] = ["accepts", "rejects"].map(|expect| format!(", expect: {expect}"));
    let gates = [
        at(2, all) + &takes,
        at(2, all) + &refuses,
        at(6, "a@acme.test, b@acme.test") + &refuses,
        at(6, "a@acme.test, b@acme.test") + &takes,
        at(2, one_missing) + &refuses,
        at(4, all) + &refuses,
        at(98, all) + &refuses,
    ];
    let found = [
        ("pass", "takes mail for all of 3 addresses"),
        ("fail", "still takes mail for 3 of 3 addresses: a@acme.test (250"),
        ("pass", "refuses all of 2 addresses"),
        ("fail", "refuses 2 of 2 addresses"),
        ("fail", "still takes mail for 1 of 2 addresses: a@acme.test"),
        ("inconclusive", "puts off 3 of 3"),
        ("unanswered", "nobody answers"),
    ];
    let cases: Vec<_> =
        gates.iter().zip(found).map(|(gate, (finding, said))| (&**gate, finding, said)).collect();
    check(&Authority::new().file(), "none", "old_side", &cases);
    assert_eq!(postfix.queued(), 0, "no message is sent");
}

/// Names are looked up at the plan's resolver, of either family; a name that is not there is an
/// answer, and a resolver that is not there is none.
#[test]
fn names_are_looked_up() {
    let zone = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 1\n@ NS ns1\nns1 A 127.0.53.1\n\
                mx A 127.0.64.2\nboth A 127.0.64.2\nboth AAAA ::1\nnone TXT nothing\n";
    let bind = Bind::primary(&[("hosts.test", zone)]);
    let users = ["a@acme.test".to_owned()];
    let listeners = [("127.0.64.2:25".to_owned(), String::new())];
    let address = Ipv4Addr::new(127, 0, 64, 1);
    let _postfix = Postfix::with_listeners(address, &users, "", &listeners);
    let list = "addresses: [ a@acme.test ], within: 3s";
    let gate = |name: &str| format!("exchanges: [ {name}.hosts.test ], {list}");
    let (mx, both, none, gone) = (gate("mx"), gate("both"), gate("none"), gate("gone"));
    let either = format!("{both}, silent: allowed");
    let nobody = format!("{mx}, resolver: [ \"127.0.64.9\" ]");
    let nowhere = format!("{mx}, resolver: [ none ]");
    let cases = [
        (&*mx, "pass", "takes mail for all of 1"),
        (&both, "unanswered", "both.hosts.test [[::1]:25]: nobody answers"),
        (&either, "pass", "takes mail for all of 1"),
        (&none, "fail", "none.hosts.test has no address"),
        (&gone, "fail", "gone.hosts.test has no address"),
        (&nobody, "unanswered", "cannot be looked up"),
        (&nowhere, "unanswered", "the plan says `resolver: none`"),
    ];
    let resolver = format!("[ \"{}\" ]", bind.addr());
    check(&Authority::new().file(), &resolver, "recipients", &cases);
}

/// A list in a file: comments, columns, and what is no address.
#[test]
fn lists_are_read_from_files() {
    let users = ["a@acme.test".to_owned()];
    let listeners = [("127.0.65.2:25".to_owned(), String::new())];
    let address = Ipv4Addr::new(127, 0, 65, 1);
    let _postfix = Postfix::with_listeners(address, &users, "", &listeners);
    let gate = |file: &str| {
        format!("probe: recipients, exchanges: [ \"{NAME}@127.0.65.2\" ], file: {file}")
    };
    let files = [
        ("good.csv", "# address, class\n\na@acme.test,people\na@acme.test mail\n"),
        ("empty.csv", "# nobody\n"),
        ("wrong.csv", "a@acme.test\nb@acme.test>\\r\\nDATA\n"),
        ("umlaut.csv", "jürgen@acme.test\n"),
    ];
    let names = files.map(|(name, _)| name).into_iter().chain(["missing.csv"]);
    let gates: Vec<String> = names.map(gate).collect();
    let plan = Plan::with(&Authority::new().file(), "none", &gates);
    for (name, text) in files {
        fs::write(plan.dir.path().join(name), text).expect("a file");
    }
    let found = plan.findings();
    for ((finding, said), (is, part)) in found.iter().zip([
        ("pass", "takes mail for all of 2"),
        ("inconclusive", "names nobody"),
        ("inconclusive", "line 2 of wrong.csv is not an address"),
        ("inconclusive", "line 1 of umlaut.csv is not an address"),
        ("unanswered", "missing.csv"),
    ]) {
        assert!(finding == is && said.contains(part), "{is} {part}: {finding} {said}");
    }
    assert_eq!(found.len(), 5);
}

/// Ten thousand addresses, of which some are missing, at a server that ends a session after twenty
/// refusals. All are found, none is misjudged, and no message is sent.
#[test]
fn ten_thousand_recipients() {
    let there: Vec<String> = (0..10_000).map(|n| format!("user{n}@acme.test")).collect();
    let listeners = [("127.0.66.2:25".to_owned(), "-o smtpd_error_sleep_time=0".to_owned())];
    let address = Ipv4Addr::new(127, 0, 66, 1);
    let postfix = Postfix::with_listeners(address, &there, "", &listeners);
    let gate = |file: &str| {
        format!("probe: recipients, exchanges: [ \"{NAME}@127.0.66.2\" ], file: {file}, pause: 0s")
    };
    let plan =
        Plan::with(&Authority::new().file(), "none", &[gate("all.csv"), gate("missing.csv")]);
    let list = there.join("\n");
    fs::write(plan.dir.path().join("all.csv"), &list).expect("a file");
    // Every 200th is not there.
    let missing = (0..50).map(|n| n * 200).fold(list, |list, n| {
        list.replace(&format!("user{n}@acme.test\n"), &format!("gone{n}@acme.test\n"))
    });
    fs::write(plan.dir.path().join("missing.csv"), missing).expect("a file");
    let begun = now();
    let found = plan.findings();
    eprintln!("twenty thousand addresses in {:?}", begun.elapsed());
    assert_eq!(found[0].0, "pass", "{found:?}");
    assert!(found[0].1.contains("all of 10000"), "{found:?}");
    assert!(found[1].1.contains("refuses 50 of 10000"), "{found:?}");
    assert_eq!(postfix.queued(), 0);
    assert!(!postfix.log().contains("DATA"), "no message is begun");
}
