//! What is asked, of whom, and that it ends.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use cutover_steps::ask::{Outside, Served};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

use crate::looking::QUESTIONS_OF_DOMAIN_MAX;
use crate::{Answer, Answers, DomainFacts, Next, Question, Request, ZoneServers, next, plan_text};

fn name(text: &str) -> Name {
    Name::from_user(text).expect("a name")
}

fn rrset(rdata: Vec<Rdata>) -> RrSet {
    RrSet::new(Ttl::from_wire(60), rdata).expect("records of one type")
}

fn request(to: Option<&'static str>) -> Request {
    Request { domains: vec![name("acme.test")], to, ..Request::default() }
}

/// The zone acme.test with these servers.
fn zone(servers: Vec<SocketAddr>) -> Answer {
    Answer::Zone(Ok(ZoneServers {
        origin: name("acme.test"),
        servers,
        names: vec![name("ns1.acme.test")],
        is_signed: Some(false),
        problem: None,
        odd: Vec::new(),
    }))
}

fn server() -> SocketAddr {
    "192.0.2.53:53".parse().expect("an address")
}

/// Asks until everything was seen. Returns all questions, and what was found.
fn asked(
    request: &Request,
    answer: impl Fn(&Question) -> Answer,
) -> (BTreeSet<Question>, Vec<DomainFacts>) {
    let mut answers = Answers::new();
    loop {
        match next(request, &answers) {
            Next::Found(found) => return (answers.into_keys().collect(), found),
            Next::Ask(questions) => {
                assert!(!questions.is_empty(), "each round asks something");
                for question in questions {
                    let answer = answer(&question);
                    assert!(answers.insert(question, answer).is_none(), "nothing is asked twice");
                }
            }
        }
    }
}

/// The names that the resolver is asked for.
fn public(questions: &BTreeSet<Question>) -> BTreeSet<Name> {
    let names = questions.iter().filter_map(|question| match question {
        Question::Public(key) => Some(key.name.clone()),
        Question::Zone(_) | Question::Served { .. } | Question::Policy(_) => None,
    });
    names.collect()
}

fn nothing(question: &Question) -> Answer {
    match question {
        Question::Zone(_) => zone(vec![server()]),
        Question::Served { .. } => Answer::Served(Served::Answer(None)),
        Question::Public(_) => Answer::Public(Outside::Absent),
        Question::Policy(_) => Answer::Policy(Err("nobody answers".to_owned())),
    }
}

#[test]
fn no_resolver_is_asked_for_a_name_of_the_zone_while_its_servers_answer() {
    for to in [None, Some("google-workspace"), Some("fastmail")] {
        let (questions, _) = asked(&request(to), nothing);
        let own: Vec<Name> = public(&questions)
            .into_iter()
            .filter(|asked| asked.is_at_or_below(&name("acme.test")))
            .collect();
        assert_eq!(own, [], "{to:?}");
    }
}

#[test]
fn without_servers_no_resolver_is_asked_for_a_name_that_the_plan_publishes() {
    let away = |question: &Question| match question {
        Question::Zone(_) => zone(Vec::new()),
        Question::Served { .. } | Question::Public(_) | Question::Policy(_) => nothing(question),
    };
    let is_planned = |name: &Name| {
        let text = name.to_string();
        [
            "fm1._domainkey.",
            "fm2._domainkey.",
            "fm3._domainkey.",
            "_imaps._tcp.",
            "_submissions._tcp.",
        ]
        .iter()
        .any(|start| text.starts_with(start))
    };
    let (questions, found) = asked(&request(Some("fastmail")), away);
    let names = public(&questions);
    assert!(!names.iter().any(is_planned), "{names:?}");
    assert!(names.contains(&name("google._domainkey.acme.test")), "others are asked: {names:?}");
    let unseen = found[0].unseen.join("; ");
    assert!(
        unseen.contains("3 DKIM selectors") && unseen.contains("servers cannot be asked"),
        "{unseen}"
    );
    // Whatever the plan will publish, it is not known yet: nothing is guessed.
    let (questions, _) = asked(&request(None), away);
    let names = public(&questions);
    assert!(!names.iter().any(|name| name.to_string().contains("_domainkey")), "{names:?}");
    assert!(names.contains(&name("_dmarc.acme.test")), "{names:?}");
}

/// Answers that never end: each SPF record includes two new ones, each alias leads to a new name, and
/// there are more exchanges than anybody needs.
fn endless(question: &Question) -> Answer {
    let rdata = |key: &RrKey| -> Vec<Rdata> {
        let deeper = |label: &str| key.name.child(label).unwrap_or_else(|_| name("x.test"));
        match key.rtype {
            RrType::TXT => {
                let text = format!("v=spf1 include:{} include:{} -all", deeper("a"), deeper("b"));
                vec![Rdata::txt(text.as_bytes())]
            }
            RrType::MX => {
                (0..2_000).map(|n| Rdata::mx(n, &name(&format!("mx{n}.host{n}.test")))).collect()
            }
            RrType::CNAME => vec![Rdata::cname(&deeper("c"))],
            _ => Vec::new(),
        }
    };
    match question {
        Question::Zone(_) => zone(vec![server()]),
        Question::Served { key, .. } => {
            let rdata = rdata(key);
            let answer = (!rdata.is_empty()).then(|| rrset(rdata));
            Answer::Served(Served::Answer(answer))
        }
        Question::Public(key) => Answer::Public(Outside::Records(rdata(key).into())),
        Question::Policy(_) => Answer::Policy(Ok("mx: *.test\n".repeat(5_000))),
    }
}

#[test]
fn answers_that_never_end_are_followed_within_bounds() {
    let request = request(Some("fastmail"));
    let (questions, found) = asked(&request, endless);
    assert!(questions.len() <= QUESTIONS_OF_DOMAIN_MAX, "{} questions", questions.len());
    let plan = plan_text(&request, &found).expect("a plan");
    assert!(plan.len() < 100_000, "{} octets", plan.len());
}

#[test]
fn nothing_is_asked_before_the_zone_is_known() {
    let answers = Answers::new();
    match next(&request(None), &answers) {
        Next::Ask(questions) => assert_eq!(questions, [Question::Zone(name("acme.test"))]),
        Next::Found(found) => panic!("{found:?}"),
    }
    let refused = |_: &Question| Answer::Zone(Err("refused".to_owned()));
    let (questions, found) = asked(&request(None), refused);
    assert_eq!(questions.len(), 1);
    assert_eq!(found[0].problem.as_deref(), Some("refused"));
}
