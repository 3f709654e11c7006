//! `http`: whether a web server answers as it should.

use cutover_contract::{ConfigField, FieldKind};

use super::{Asked, Finding, Next, Probe, ProbeKeys, Round, check_within, text, within};
use crate::ask::{Answered, AskWeb, Page, Query};
use crate::graph::gate::Settings;
use crate::probe::BadSetting;
use cutover_base::diag::quoted;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "http",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: true,
        sends: false,
        host: None,
        establishes: None,
    },
    doc: "a web server answers as it should",
    next,
};

const URL: &str = "url";
const CONTAINS: &str = "contains";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: URL,
        kind: FieldKind::Text,
        required: true,
        former: None,
        doc: "The address to GET; redirects are not followed. Status 200 to 299 passes, 429 and 503 are inconclusive, any other fails.",
    },
    ConfigField {
        name: CONTAINS,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "A text that has to be in the first 64 KiB of the answer.",
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long it may take, default 30s.",
    },
];

fn check(settings: &Settings) -> Result<(), BadSetting> {
    let url = text(settings, URL).unwrap_or_default();
    let bad = |is_secret: bool, problem: &str, help: &str| {
        let (problem, help) = (problem.to_owned(), help.to_owned());
        Err(BadSetting { key: URL, is_secret, problem, help })
    };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
        return bad(
            false,
            "this is not the address of a web server",
            "write `https://HOST/PATH` or `http://HOST/PATH`",
        );
    };
    // The password would end up in artifact and journal.
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return bad(
            true,
            "this address contains a user, so anyone who reads the plan could read the password",
            "use `probe: command` with a program that knows the secret",
        );
    }
    check_within(settings)
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let url = text(asked.settings, URL).unwrap_or_default().to_owned();
    let Some(answer) = rounds.iter().flatten().rev().find_map(Answered::http) else {
        let contains = text(asked.settings, CONTAINS).map(str::to_owned);
        let within = within(asked.settings);
        return Next::Ask(vec![Query::Http(AskWeb { url, contains, within })]);
    };
    match answer {
        Ok(Page { status: 200..=299, contains: true }) => Next::Found(Finding::Pass, String::new()),
        Ok(Page { status: 200..=299, contains: false }) => {
            let wanted = quoted(text(asked.settings, CONTAINS).unwrap_or_default());
            Next::Found(Finding::Fail, format!("{url} answers without {wanted}"))
        }
        // "Try again later" (RFC 6585 §4, RFC 9110 §15.6.4).
        Ok(Page { status: status @ (429 | 503), .. }) => {
            Next::Found(Finding::Inconclusive, format!("{url} answers with status {status}"))
        }
        Ok(Page { status, .. }) => {
            Next::Found(Finding::Fail, format!("{url} answers with status {status}"))
        }
        Err(why) => Next::Found(Finding::Unanswered, format!("{url} does not answer: {why}")),
    }
}
