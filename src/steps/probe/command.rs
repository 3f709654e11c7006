//! `command`: anything that a program can check.
//!
//! A program that breaks down says nothing about what it should check, whatever its exit code. That
//! counts as not answered, never as a failure.

use cutover_contract::{ConfigField, FieldKind};

use super::{Asked, Finding, Next, Probe, ProbeKeys, Round, check_within, texts, within};
use crate::ask::{Answered, AskCommand, Query, Said};
use crate::config::ConfigSpec;
use crate::graph::gate::Settings;
use crate::probe::BadSetting;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "command",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: true,
        sends: false,
        host: None,
        establishes: None,
    },
    doc: "a command succeeds",
    next,
};

const RUN: &str = "run";
const EXITS: &str = "exits";
const PASS: &str = "pass";
const FAIL: &str = "fail";
const INCONCLUSIVE: &str = "inconclusive";

/// The codes of monitoring plugins: 1 is a warning, 2 is critical, 3 unknown (Monitoring Plugins
/// Development Guidelines, §2.4, as of 2026-11).
const NAGIOS: &str = "nagios";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: RUN,
        kind: FieldKind::Argv,
        required: true,
        former: None,
        doc: "The program and its arguments, run without a shell in the plan's directory. Exit code 0: passed; 1: failed; 2: inconclusive; any other code, or a program that breaks down (a traceback, a signal): not answered.",
    },
    ConfigField {
        name: EXITS,
        kind: FieldKind::Either(&[NAGIOS], CODES),
        required: false,
        former: None,
        doc: "The meaning of exit codes, instead of 1 and 2: `nagios` for monitoring plugins (1: inconclusive, 2: failed, any other: not answered), or a mapping. 0 always passes; codes that are not listed are not answered.",
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long it may take, default 30s; then it is killed with all processes that it has started, and counts as not answered.",
    },
];

const CODES: &[ConfigField] = &[
    ConfigField {
        name: PASS,
        kind: FieldKind::Codes,
        required: false,
        former: None,
        doc: "Exit codes besides 0 that pass.",
    },
    ConfigField {
        name: FAIL,
        kind: FieldKind::Codes,
        required: false,
        former: None,
        doc: "Exit codes that fail.",
    },
    ConfigField {
        name: INCONCLUSIVE,
        kind: FieldKind::Codes,
        required: false,
        former: None,
        doc: "Exit codes that are inconclusive.",
    },
];

/// Every exit code has one meaning.
fn check(settings: &Settings) -> Result<(), BadSetting> {
    if let Some(ConfigSpec::Object(codes)) = settings.get(EXITS) {
        let mut all: Vec<&String> = CODES.iter().flat_map(|of| texts(codes, of.name)).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        if all.len() < count {
            return Err(BadSetting {
                key: EXITS,
                is_secret: false,
                problem: "an exit code has two meanings".to_owned(),
                help: "name each code once".to_owned(),
            });
        }
    }
    check_within(settings)
}

/// What an exit code means.
fn meaning(settings: &Settings, code: i32) -> Finding {
    let has = |codes: &Settings, key| texts(codes, key).iter().any(|one| *one == code.to_string());
    match (settings.get(EXITS), code) {
        (_, 0) => Finding::Pass,
        (Some(ConfigSpec::Object(codes)), _) if has(codes, PASS) => Finding::Pass,
        (Some(ConfigSpec::Object(codes)), _) if has(codes, FAIL) => Finding::Fail,
        (Some(ConfigSpec::Object(codes)), _) if has(codes, INCONCLUSIVE) => Finding::Inconclusive,
        (Some(ConfigSpec::Text(word)), 1) if word == NAGIOS => Finding::Inconclusive,
        (Some(ConfigSpec::Text(word)), 2) if word == NAGIOS => Finding::Fail,
        (None, 1) => Finding::Fail,
        (None, 2) => Finding::Inconclusive,
        (_, _) => Finding::Unanswered,
    }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let argv = texts(asked.settings, RUN).to_vec();
    let shown = argv.first().cloned().unwrap_or_default();
    let Some(answer) = rounds.iter().flatten().rev().find_map(Answered::command) else {
        let within = within(asked.settings);
        return Next::Ask(vec![Query::Command(AskCommand { argv, within })]);
    };
    let said = |output: &str| match output.trim() {
        "" => String::new(),
        output => format!(": {output}"),
    };
    let (finding, how, output) = match answer {
        Ok(Said { code: None, output, .. }) => {
            (Finding::Unanswered, "was killed by a signal".to_owned(), output)
        }
        Ok(Said { code: Some(code), output, broke_down: true }) if *code != 0 => {
            (Finding::Unanswered, format!("broke down with code {code}"), output)
        }
        Ok(Said { code: Some(code), output, .. }) => {
            let finding = meaning(asked.settings, *code);
            let how = match finding {
                Finding::Pass => return Next::Found(finding, String::new()),
                Finding::Fail => "says no".to_owned(),
                Finding::Inconclusive => "cannot tell".to_owned(),
                Finding::Unanswered => format!("ended with code {code}"),
            };
            (finding, how, output)
        }
        Err(why) => return Next::Found(Finding::Unanswered, format!("`{shown}` {why}")),
    };
    Next::Found(finding, format!("`{shown}` {how}{}", said(output)))
}
