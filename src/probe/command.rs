//! Whatever a command can find out.

use cutover_contract::{ConfigField, FieldKind};

use super::{Asked, Finding, Next, Probe, ProbeKeys, Round, check_within, texts, within};
use crate::observe::{Answer, Query, Said};

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "command",
        fields: FIELDS,
        check: check_within,
        in_dns: false,
        after_expiry: false,
    },
    doc: "a command says that all is well",
    next,
};

const RUN: &str = "run";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: RUN,
        kind: FieldKind::Argv,
        required: true,
        doc: "The program and its arguments, run without a shell in the plan's directory. Exit code 0: passed; 1: failed; 2: inconclusive; any other: not answered.",
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        doc: "How long it may take, 30s unless said; then it is killed with all that it has started, and counts as not answered.",
    },
];

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let argv = texts(asked.settings, RUN).to_vec();
    let shown = argv.first().cloned().unwrap_or_default();
    let Some(Round { answers, .. }) = rounds.last() else {
        return Next::Ask(vec![Query::Command { argv, within: within(asked.settings) }]);
    };
    let [Answer::Command(answer)] = &answers[..] else {
        unreachable!("an answer of the question's kind")
    };
    let said = |output: &str| match output.trim() {
        "" => String::new(),
        output => format!(": {output}"),
    };
    match answer {
        Ok(Said { code: Some(0), .. }) => Next::Found(Finding::Pass, String::new()),
        Ok(Said { code: Some(1), output }) => {
            Next::Found(Finding::Fail, format!("`{shown}` says no{}", said(output)))
        }
        Ok(Said { code: Some(2), output }) => {
            Next::Found(Finding::Inconclusive, format!("`{shown}` cannot tell{}", said(output)))
        }
        Ok(Said { code, output }) => {
            let how = match code {
                Some(code) => format!("ended with code {code}"),
                None => "was ended by a signal".to_owned(),
            };
            Next::Found(Finding::Unanswered, format!("`{shown}` {how}{}", said(output)))
        }
        Err(why) => Next::Found(Finding::Unanswered, format!("`{shown}` {why}")),
    }
}
