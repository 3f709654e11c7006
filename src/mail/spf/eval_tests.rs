//! Tests of the evaluator beyond the published suite (`tests/it/rfc7208.rs`): what it reports, and
//! its bounds.

use std::cell::Cell;
use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::*;

/// Questions of one evaluation at the most: ten terms of one question and ten more, the PTR records
/// and their ten names, the first record and an explanation.
const QUESTIONS_MAX: usize = 10 * 11 + 11 + 2;

fn client<'c>(ip: &str, mail_from: &'c str) -> Client<'c> {
    Client {
        ip: ip.parse().expect("an address"),
        mail_from,
        helo: "mx.b.test",
        receiver: "here.test",
        now: chrono::DateTime::UNIX_EPOCH,
        voids_max: VOIDS_MAX,
    }
}

fn name(text: &str) -> Name {
    Name::from_user(text).expect("a name")
}

fn rdata(rtype: RrType, text: &str) -> Rdata {
    match rtype {
        RrType::TXT => Rdata::txt(text.as_bytes()),
        _ => Rdata::parse(rtype, text, Some(&Name::root())).expect("a record"),
    }
}

/// Evaluates `jo@a.test` from 192.0.2.1 where the DNS has these records, each `NAME TYPE VALUE`; a
/// value of `?` is no answer.
fn evaluate(zone: &[&str]) -> Evaluation {
    let answer = |key: &RrKey| {
        let mut records = Vec::new();
        for line in zone {
            let mut words = line.splitn(3, ' ');
            let (Some(owner), Some(rtype), Some(value)) =
                (words.next(), words.next(), words.next())
            else {
                panic!("{line} is no record");
            };
            let rtype = rtype.parse().expect("a type");
            if *key == RrKey::new(name(owner), rtype) {
                if value == "?" {
                    return Answer::Unknown;
                }
                records.push(rdata(rtype, value));
            }
        }
        if records.is_empty() { Answer::Absent } else { Answer::Records(records.into()) }
    };
    check_mail(&client("192.0.2.1", "jo@a.test"), &answer)
}

/// Evaluates where every name has these records, and checks that few questions are asked.
fn evaluate_anywhere(client: &Client<'_>, answer: &dyn Fn(&RrKey) -> Answer) -> Evaluation {
    let questions = Cell::new(0);
    let found = check_mail(client, &|key| {
        questions.set(questions.get() + 1);
        answer(key)
    });
    assert!(questions.get() <= QUESTIONS_MAX, "{} questions", questions.get());
    assert!(found.terms <= TERMS_MAX + 1 && found.voids <= VOIDS_MAX + 1, "{found:?}");
    found
}

fn path(found: &Evaluation) -> Vec<String> {
    found.path.iter().map(|one| format!("{} {}", one.domain, one.term)).collect()
}

#[test]
fn the_way_to_the_outcome_is_told() {
    let found = evaluate(&[
        "a.test TXT v=spf1 mx include:b.test include:c.test -all",
        "a.test MX 10 mx.a.test.",
        "mx.a.test A 192.0.2.9",
        "b.test TXT v=spf1 ip4:192.0.2.2 -all",
        "c.test TXT v=spf1 redirect=d.test",
        "d.test TXT v=spf1 a/24 -all",
        "d.test A 192.0.2.77",
    ]);
    assert_eq!(found.outcome, Outcome::Pass);
    assert_eq!((found.terms, found.voids), (5, 0));
    assert_eq!(path(&found), ["a.test. include:c.test", "c.test. redirect=d.test", "d.test. a/24"]);
    assert_eq!(evaluate(&["a.test TXT v=spf1 ip4:192.0.2.2"]).path, []);
}

#[test]
fn problems_are_named_with_their_place() {
    let (a, term) = (name("a.test"), Term::new);
    let check = |zone: &[&str], expected: Problem| {
        let found = evaluate(zone);
        assert_eq!(found.outcome, expected.outcome());
        assert_eq!(found.problem, Some(expected), "{zone:?}");
    };
    check(
        &["a.test TXT v=spf1 ip4:192.0.2.1 moo"],
        Problem::Syntax { domain: a.clone(), term: term("moo") },
    );
    check(
        &["a.test TXT v=spf1 include:b.test -all"],
        Problem::NoRecord { domain: a.clone(), term: term("include:b.test") },
    );
    check(
        &["a.test TXT v=spf1 redirect=b..test"],
        Problem::NoRecord { domain: a.clone(), term: term("redirect=b..test") },
    );
    check(
        &["a.test TXT v=spf1", "a.test TXT v=spf1 -all"],
        Problem::ManyRecords { domain: a.clone() },
    );
    check(
        &["a.test TXT v=spf1 mx -all", "a.test MX ?"],
        Problem::Unanswered(RrKey::new(a.clone(), RrType::MX)),
    );
    let mut exchanges = vec!["a.test TXT v=spf1 mx -all", "mx0.a.test A 192.0.2.1"];
    let more: Vec<String> = (0..11).map(|n| format!("a.test MX 10 mx{n}.a.test.")).collect();
    exchanges.extend(more.iter().map(String::as_str));
    check(&exchanges, Problem::ManyExchanges { domain: a });
    assert_eq!(evaluate(&exchanges[..12]).outcome, Outcome::Pass, "ten are allowed");
}

#[test]
fn rfc7208_section_4_6_4_two_voids_are_allowed() {
    let voids = |terms: &str| {
        let found = evaluate(&[&format!("a.test TXT v=spf1 {terms} ?all exp=x.a.test")]);
        (found.outcome, found.voids)
    };
    assert_eq!(voids("a exists:b.test"), (Outcome::Neutral, 2));
    assert_eq!(voids("a exists:b.test mx"), (Outcome::PermError, 3));
    assert_eq!(voids("a ptr ip4:192.0.2.1 mx"), (Outcome::Pass, 2));
}

#[test]
fn rfc7208_section_5_5_failures_of_reverse_look_ups_are_passed_over_but_told() {
    let found = evaluate(&["a.test TXT v=spf1 ptr -all", "1.2.0.192.in-addr.arpa PTR ?"]);
    assert_eq!((found.outcome, found.unanswered.len()), (Outcome::Fail, 1));
    let found = evaluate(&[
        "a.test TXT v=spf1 ptr exp=%{p}.x.test -all",
        "1.2.0.192.in-addr.arpa PTR b.test.",
        "1.2.0.192.in-addr.arpa PTR m.a.test.",
        "b.test A ?",
        "m.a.test A 192.0.2.1",
    ]);
    assert_eq!((found.outcome, found.unanswered.len()), (Outcome::Pass, 1));
}

#[test]
fn rfc7208_section_4_6_4_the_eleventh_pointer_is_passed_over() {
    for (others, outcome) in [(9, Outcome::Pass), (10, Outcome::Fail)] {
        let mut zone = vec!["a.test TXT v=spf1 ptr -all".to_owned()];
        zone.extend((0..others).map(|n| format!("1.2.0.192.in-addr.arpa PTR m{n}.b.test.")));
        zone.push("1.2.0.192.in-addr.arpa PTR m.a.test.".to_owned());
        zone.push("m.a.test A 192.0.2.1".to_owned());
        let zone: Vec<&str> = zone.iter().map(String::as_str).collect();
        assert_eq!(evaluate(&zone).outcome, outcome, "behind {others} others");
    }
}

#[test]
fn rfc7208_section_6_2_explanations() {
    let explained = |text: &str| {
        let zone = ["a.test TXT v=spf1 -all exp=x.a.test", &format!("x.a.test TXT {text}")];
        evaluate(&zone).explanation
    };
    let told = explained("%{s} from %{c} to %{r} at %{t}: see https://a.test/?%{S}");
    let expected = "jo@a.test from 192.0.2.1 to here.test at 0: see https://a.test/?jo%40a.test";
    assert_eq!(told.as_deref(), Some(expected));
    assert_eq!(explained("%{x}"), None);
    assert_eq!(explained("caf\u{e9}"), None);
    assert_eq!(explained(&"x".repeat(EXPLANATION_OCTETS_MAX)).map(|text| text.len()), Some(4096));
    assert_eq!(explained(&"x".repeat(EXPLANATION_OCTETS_MAX + 1)), None);
    assert_eq!(explained(&"%{s}".repeat(10_000)), None);
}

#[test]
fn rfc7208_section_4_3_what_is_no_domain_has_no_policy() {
    let everything = |_: &RrKey| Answer::Records([rdata(RrType::TXT, "v=spf1 +all")].into());
    for mail_from in ["jo@test", "jo@a..test", "jo@", "jo@.", "jo@.test", "@"] {
        let found = evaluate_anywhere(&client("192.0.2.1", mail_from), &everything);
        assert_eq!(found.outcome, Outcome::None, "{mail_from}");
    }
    for domain in [Name::root(), name("test")] {
        let found = check_host(&client("192.0.2.1", "jo@a.test"), &domain, &everything);
        assert_eq!(found.outcome, Outcome::None, "{domain}");
    }
    let found = evaluate_anywhere(&client("192.0.2.1", "jo@a.test."), &everything);
    assert_eq!(found.outcome, Outcome::Pass);
}

#[test]
fn circles_end() {
    for text in [
        "v=spf1 include:%{d} -all",
        "v=spf1 redirect=%{d}",
        "v=spf1 include:a.test include:b.test redirect=c.test",
        "v=spf1 exists:%{p}.%{d} ptr mx include:%{p}.%{d} redirect=%{s}.%{d}",
    ] {
        for ip in ["192.0.2.1", "2001:db8::1"] {
            let answer = |key: &RrKey| match key.rtype {
                RrType::TXT => Answer::Records([rdata(RrType::TXT, text)].into()),
                RrType::MX => Answer::Records(
                    (0..10).map(|n| Rdata::mx(n, &name(&format!("m{n}.test")))).collect(),
                ),
                RrType::PTR => Answer::Records(
                    (0..50).map(|n| rdata(RrType::PTR, &format!("p{n}.test."))).collect(),
                ),
                RrType::AAAA => Answer::Records([rdata(RrType::AAAA, "2001:db8::9")].into()),
                _ if key.name.to_string().contains("unknown") => Answer::Absent,
                _ => Answer::Records([rdata(RrType::A, "192.0.2.9")].into()),
            };
            let found = evaluate_anywhere(&client(ip, "jo@a.test"), &answer);
            assert_eq!(found.outcome, Outcome::PermError, "{text}: {found:?}");
        }
    }
    let found = evaluate_anywhere(&client("192.0.2.1", "jo@a.test"), &|_| Answer::Unknown);
    assert_eq!((found.outcome, found.unanswered.len()), (Outcome::TempError, 1));
}

#[test]
fn long_records_and_long_senders_cost_no_more_than_their_length() {
    let sender = format!("{}@a.test", "-".repeat(1_000_000));
    for term in ["%{l1r-}", "%{l-}", "%{S}", "%{dr}", "%{p}", "%%%_", "."] {
        let text = format!("v=spf1 exists:{}.b.test -all", term.repeat(50_000 / term.len()));
        let answer = |_: &RrKey| Answer::Records([rdata(RrType::TXT, &text)].into());
        let found = evaluate_anywhere(&client("192.0.2.1", &sender), &answer);
        assert_eq!(found.outcome, Outcome::Fail, "{term}");
    }
    let text = format!("v=spf1{} -all", " ip4:192.0.2.9".repeat(4_000));
    let answer = |_: &RrKey| Answer::Records([rdata(RrType::TXT, &text)].into());
    assert_eq!(
        evaluate_anywhere(&client("192.0.2.1", "jo@a.test"), &answer).outcome,
        Outcome::Fail
    );
}

#[test]
fn no_octets_make_it_panic() {
    let words: &[&str] = &[
        "v=spf1",
        " ",
        "a",
        "mx",
        "ptr",
        "include:",
        "exists:",
        "redirect=",
        "exp=",
        "%{d}",
        "%{p2r}",
        "%{ir}",
        "%{l-}",
        "%",
        "{",
        "}",
        "/24",
        "//64",
        "//",
        ":",
        "=",
        ".test",
        ".",
        "-",
        "\u{e9}",
        "\0",
        "ip4:192.0.2.1",
        "ip6:::",
        "+all",
        " -all",
        "x.y=",
        "999999999999999999999",
        "%{d0}",
    ];
    // Always the same seed, so that a failure repeats itself.
    let mut seed = 0x7208_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).expect("fits")).expect("fits")
    };
    let mut seen = BTreeSet::new();
    for _ in 0..20_000 {
        let length = next(12);
        let mut text = "v=spf1 ".to_owned();
        text.extend((0..length).map(|_| words[next(words.len())]));
        let answer = |key: &RrKey| match key.rtype {
            RrType::TXT => Answer::Records([rdata(RrType::TXT, &text)].into()),
            RrType::A => Answer::Absent,
            _ => Answer::Unknown,
        };
        let ip = ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"][next(3)];
        seen.insert(evaluate_anywhere(&client(ip, "jo@a.test"), &answer).outcome);
    }
    let reached =
        [Outcome::Neutral, Outcome::Pass, Outcome::Fail, Outcome::TempError, Outcome::PermError];
    assert_eq!(seen, BTreeSet::from(reached));
}
