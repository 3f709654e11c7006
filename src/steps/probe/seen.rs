//! `seen`: whether resolvers return the changed records.
//!
//! They are only asked for names that are published: resolvers cache negative answers too, so a
//! question that comes too early would plant one.

use std::time::Duration;

use cutover_contract::{ConfigField, FieldKind};
use cutover_zone::{Rdata, RrSet};

use super::{Asked, Finding, Next, Probe, ProbeKeys, Round, gravest, texts};
use crate::ask::{Answered, AskResolver, Outside, Query};
use crate::graph::gate::{Expected, Settings};
use crate::probe::BadSetting;
use crate::resolver::ResolverAddress;
use cutover_base::calendar::show_span;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "seen",
        fields: FIELDS,
        check,
        in_dns: true,
        after_expiry: true,
        sends: false,
        host: None,
        establishes: None,
    },
    doc: "resolvers return the changed records",
    next,
};

const RESOLVERS: &str = "resolvers";

const FIELDS: &[ConfigField] = &[ConfigField {
    name: RESOLVERS,
    kind: FieldKind::Texts,
    required: true,
    former: None,
    doc: "The resolvers: ADDRESS or ADDRESS:PORT (over UDP), `tcp://ADDRESS`, `tls://ADDRESS#NAME`, `https://ADDRESS/dns-query#NAME`; NAME is the name in the certificate.",
}];

/// The maximum number of resolvers of a gate. Our choice: the large public resolvers and an
/// office's own.
const RESOLVERS_MAX: usize = 64;

fn check(settings: &Settings) -> Result<(), BadSetting> {
    let listed = texts(settings, RESOLVERS);
    let help = "write `192.0.2.53`, `tcp://192.0.2.53`, `tls://192.0.2.53#dns.example` or `https://192.0.2.53/dns-query#dns.example`";
    let bad = |problem: String, help: &str| {
        Err(BadSetting { key: RESOLVERS, is_secret: false, problem, help: help.to_owned() })
    };
    if listed.len() > RESOLVERS_MAX {
        let problem = format!("more than {RESOLVERS_MAX} resolvers are listed");
        return bad(problem, "list resolvers that many people use, and your own");
    }
    for text in listed {
        if let Err(error) = text.parse::<ResolverAddress>() {
            let shown = cutover_base::diag::quoted(text);
            return bad(format!("{shown} is not a resolver: {error}"), help);
        }
    }
    Ok(())
}

/// The names that are published whatever else the run does meanwhile.
fn published<'a>(asked: &Asked<'a>) -> impl Iterator<Item = &'a Expected> {
    asked.expect.iter().filter(|expected| expected.versions.iter().all(Option::is_some))
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let Some(round) = rounds.last() else {
        let resolvers = texts(asked.settings, RESOLVERS).iter();
        let resolvers = resolvers.filter_map(|text| text.parse::<ResolverAddress>().ok());
        let queries = resolvers.flat_map(|resolver| {
            published(asked).map(move |expected| {
                let (resolver, key) = (resolver.clone(), expected.key.clone());
                Query::Resolved(AskResolver { resolver, key })
            })
        });
        let queries: Vec<Query> = queries.collect();
        return match queries.is_empty() {
            true => {
                Next::Found(Finding::Pass, "nothing was published that could be checked".to_owned())
            }
            false => Next::Ask(queries),
        };
    };
    let expected: Vec<&Expected> = published(asked).collect();
    let answers = round.iter().filter_map(Answered::resolved);
    let found = answers.zip(expected.iter().cycle());
    let found = found.map(|((AskResolver { resolver, key }, answer), expected)| {
        let (finding, said) = of_one(expected, answer, asked.since);
        (finding, format!("{resolver} {said} {key}"))
    });
    let (finding, said) = gravest(found.collect());
    Next::Found(finding, said)
}

/// What a resolver's answer shows. Caches may be late for as long as the TTL allows.
fn of_one(expected: &Expected, answer: &Outside, since: Duration) -> (Finding, String) {
    let is = |version: &Option<RrSet>| match (version, answer) {
        (Some(version), Outside::Records(records)) => same(version.rdata(), records),
        (None, Outside::Absent) => true,
        (_, Outside::Records(_) | Outside::Absent | Outside::Unknown(_)) => false,
    };
    if expected.versions.iter().any(is) {
        return (Finding::Pass, "returns the new".to_owned());
    }
    match answer {
        Outside::Unknown(why) => (Finding::Unanswered, format!("does not answer ({why}) for")),
        Outside::Records(_) | Outside::Absent if is(&expected.replaced) => {
            let left = |span: Duration| span.checked_sub(since).filter(|left| !left.is_zero());
            let kept = expected.expires + expected.overrun;
            match (left(expected.expires), left(kept)) {
                (Some(left), _) => (
                    Finding::Inconclusive,
                    format!(
                        "has the old records, and may have them for another {}:",
                        show_span(left)
                    ),
                ),
                (None, Some(left)) => (
                    Finding::Inconclusive,
                    format!(
                        "has the old records longer than their TTL, which the plan allows for another {} (`overrun`):",
                        show_span(left)
                    ),
                ),
                (None, None) => (
                    Finding::Fail,
                    format!(
                        "still has the old records, {} after the last server served them:",
                        show_span(Duration::from_secs(since.as_secs()))
                    ),
                ),
            }
        }
        Outside::Records(_) => (Finding::Fail, "returns an unexpected".to_owned()),
        Outside::Absent => (Finding::Fail, "says that there is no".to_owned()),
    }
}

/// Whether the records are the same: a resolver counts TTLs down and returns records in any order.
fn same(one: &[Rdata], other: &[Rdata]) -> bool {
    one.len() == other.len() && one.iter().all(|rdata| other.contains(rdata))
}
