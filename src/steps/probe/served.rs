//! `served`: whether every authoritative server serves the changed records.

use cutover_zone::RrSet;

use super::{Asked, Finding, Next, Probe, ProbeKeys, Round, gravest};
use crate::ask::{Answered, AskServer, Query, Served};
use crate::graph::gate::Expected;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "served",
        fields: &[],
        check: |_| Ok(()),
        in_dns: true,
        after_expiry: false,
        sends: false,
        host: None,
        establishes: None,
    },
    doc: "every authoritative server serves the changed records",
    next,
};

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let of = |expected: &Expected| (asked.servers)(&expected.zone);
    let Some(round) = rounds.last() else {
        let queries = asked.expect.iter().flat_map(|expected| {
            let or_absent =
                expected.replaced.is_none() || expected.versions.iter().any(Option::is_none);
            let (zone, key) = (&expected.zone, &expected.key);
            of(expected).into_iter().map(move |server| {
                let (zone, key) = (zone.clone(), key.clone());
                Query::Served(AskServer { zone, server, key, or_absent })
            })
        });
        let queries: Vec<Query> = queries.collect();
        return match queries.is_empty() {
            true => Next::Found(Finding::Pass, "there is no server to ask".to_owned()),
            false => Next::Ask(queries),
        };
    };
    let expected = asked.expect.iter().flat_map(|one| of(one).into_iter().map(move |_| one));
    let answers = round.iter().filter_map(Answered::served);
    let found = expected.zip(answers).map(|(expected, (AskServer { server, key, .. }, served))| {
        let is_new = |is: Option<&RrSet>| expected.versions.iter().any(|one| one.as_ref() == is);
        match served {
            Served::Unanswered(why) => {
                (Finding::Unanswered, format!("{server} does not answer for {key}: {why}"))
            }
            Served::Answer(_) | Served::Wildcard(_) if served.may_be(is_new) => {
                (Finding::Pass, String::new())
            }
            Served::Answer(_) | Served::Wildcard(_)
                if served.may_be(|is| is == expected.replaced.as_ref()) =>
            {
                (Finding::Fail, format!("{server} serves the old {key}"))
            }
            Served::Answer(_) | Served::Wildcard(_) => {
                (Finding::Fail, format!("{server} serves an unexpected {key}"))
            }
        }
    });
    let (finding, said) = gravest(found.collect());
    Next::Found(finding, said)
}
