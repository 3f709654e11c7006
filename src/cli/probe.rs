//! `cutover probe`

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message};
use super::planning::{Plan, Planning};
use super::{CommandArgs, StateArgs, home, planning, print_err, print_out, print_raw, styling};
use crate::compile::servers;
use crate::config::{ConfigSpec, SecretRef};
use crate::diag::{Spanned, did_you_mean};
use crate::graph::gate::Settings;
use crate::intent::Intent;
use crate::language::gate::{GateSpec, OnFail, PaceSpec};
use crate::probe::recipients::ADDRESSES;
use crate::probe::target::HOST;
use crate::probe::{self, Asked, Finding, HostOf, Next, Probe};
use crate::render::probe::{Row, findings};
use crate::world::real::answers;
use crate::world::real::connect::Commands;

/// Ask now what the gates of a plan ask: whether mail is taken, for whom, with which certificate
///
/// Asks the probes of `gates:` once, wherever they stand, and `smtp` for both hosts if the plan has
/// no such gate. Exits with 0 if all have passed, and with 5 if any has not.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Ask only this kind of probe; may be repeated
    #[arg(long, value_name = "KIND")]
    only: Vec<String>,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: `cutover/probes/1`.
    Json,
}

/// Probes that are asked at once. Our choice: each asks several servers at once.
const CONCURRENT_MAX: usize = 4;
/// The maximum number of rounds of a probe: more than any probe needs by itself.
const ROUNDS_MAX: usize = 256;

/// A probe to ask.
struct Wanted {
    probe: &'static Probe,
    /// Where it stands in the plan.
    place: &'static str,
    settings: Settings,
}

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let Args { plan: path, only, format, state, commands } = args;
    for name in &only {
        known(name)?;
    }
    let plan = planning::read_plan(&path)?;
    let snapshot = match servers::needs_zones(&plan.intent) {
        true => {
            let how = Planning { state: &state, commands: commands.allowed(), errors };
            Some(planning::seen(&path, &plan, &how).await?)
        }
        false => None,
    };
    let Plan { intent, .. } = &plan;
    // As a gate asks: at the address that the plan publishes.
    let later = snapshot.as_ref().map(|snapshot| servers::published_later(intent, snapshot));
    let published = |name: &_| -> Vec<IpAddr> {
        later.as_ref().map_or(Vec::new(), |published| published(name))
    };
    let all = wanted(intent, &published, &only);
    let (asked, skipped): (Vec<Wanted>, Vec<Wanted>) = all
        .into_iter()
        .filter(|one| only.is_empty() || only.iter().any(|name| name == one.probe.keys.name))
        .partition(|one| !one.probe.keys.in_dns);
    if commands.allowed() == Commands::Refuse {
        check_no_programs(&asked)?;
    }
    if let Some(first) = skipped.first() {
        let text = format!(
            "`{}` looks for what a run has changed, so it is asked only there",
            first.probe.keys.name
        );
        print_err(&text);
    }
    let bar = progress(asked.len());
    let home = home(&path);
    let found = asked.iter().map(|one| async {
        let (finding, said) = ask(one, &home).await;
        bar.iter().for_each(|bar| bar.inc(1));
        let (probe, place) = (one.probe.keys.name, one.place);
        Row { probe, place, of: of(&one.settings), finding, said }
    });
    let rows: Vec<Row> = stream::iter(found).buffered(CONCURRENT_MAX).collect().await;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    match format {
        Format::Text => print_out(&findings(&rows).text(styling(&std::io::stdout())))?,
        Format::Json => print_raw(&document(intent, &rows))?,
    }
    let all_pass = rows.iter().all(|row| row.finding == Finding::Pass);
    Ok(if all_pass { Exit::Done } else { Exit::Halted })
}

/// Refuses a kind that there is not.
fn known(name: &str) -> Result<(), Failure> {
    if probe::of_name(name).is_some() {
        return Ok(());
    }
    let names = || probe::ALL.iter().map(|probe| probe.keys.name);
    let help = match did_you_mean(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Message::new(Code::NoSuchProbe, format!("there is no probe `{name}`")).help(help).usage())
}

/// The probes of the plan's gates, each once; and those that need no keys, for both hosts.
fn wanted(
    intent: &Intent,
    published: &dyn Fn(&cutover_zone::Name) -> Vec<IpAddr>,
    only: &[String],
) -> Vec<Wanted> {
    let gates = &intent.gates;
    let before = gates.before_switch.iter().map(|gate| ("before_switch", gate.clone()));
    let after = gates.after_switch.iter().map(|gate| ("after_switch", gate.clone()));
    let gates: Vec<(&'static str, GateSpec)> = before.chain(after).collect();
    let has = |probe: &Probe| gates.iter().any(|(_, gate)| gate.probe.value == probe.keys.name);
    let is_listed = intent.mailboxes.as_ref().is_some_and(|all| all.recipients.is_some());
    let needs_list = |probe: &Probe| probe.keys.fields.iter().any(|key| key.name == ADDRESSES);
    let by_themselves = probe::ALL.iter().filter(|probe| {
        probe.keys.host.is_some()
            && !has(probe)
            && (is_listed || !needs_list(probe))
            && (!probe.keys.sends || only.iter().any(|name| name == probe.keys.name))
            && (probe.keys.check)(&Settings::new()).is_ok()
    });
    let hosts = intent.moves.first().map(|one| [&one.to.name, &one.from.name]);
    let by_themselves = by_themselves.flat_map(|probe| {
        // What only the old side is asked is asked of no other.
        let hosts = hosts.into_iter().flatten().filter(|_| probe.keys.host == Some(HostOf::New));
        // A message is sent to the new host, and to the old one if a gate says so.
        let hosts = hosts.take(if probe.keys.sends { 1 } else { usize::MAX });
        hosts.map(|host| ("", of_host(probe, host)))
    });
    let by_themselves: Vec<(&'static str, GateSpec)> = by_themselves.collect();
    let mut all: Vec<Wanted> = Vec::new();
    for (place, gate) in gates.into_iter().chain(by_themselves) {
        let Some(probe) = probe::of_name(&gate.probe.value) else { continue };
        let settings = servers::settings(intent, published, &gate);
        let is_there =
            |one: &Wanted| one.probe.keys.name == probe.keys.name && one.settings == settings;
        if !all.iter().any(is_there) {
            all.push(Wanted { probe, place, settings });
        }
    }
    all
}

/// A gate that the plan does not have.
fn of_host(probe: &Probe, host: &str) -> GateSpec {
    GateSpec {
        probe: Spanned { value: probe.keys.name.to_owned(), span: Default::default() },
        settings: [(HOST.to_owned(), ConfigSpec::Text(host.to_owned()))].into(),
        pace: PaceSpec {
            every: Duration::ZERO,
            count: None,
            success_limit: None,
            fail_limit: 0,
            inconclusive_limit: None,
            unanswered_limit: 0,
        },
        delay: None,
        on_fail: OnFail::Halt,
        age_max: Duration::ZERO,
    }
}

/// Asks a probe once, in as many rounds as it needs.
async fn ask(one: &Wanted, home: &Path) -> (Finding, String) {
    let servers = |_: &_| Vec::new();
    let asked =
        Asked { settings: &one.settings, expect: &[], servers: &servers, since: Duration::ZERO };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS_MAX {
        match (one.probe.next)(&asked, &rounds) {
            Next::Found(finding, said) => return (finding, said),
            Next::Ask(queries) => rounds.push(answers(queries, home, &[]).await),
        }
    }
    (Finding::Unanswered, format!("it was not done after {ROUNDS_MAX} rounds of questions"))
}

/// Of what a probe asks, for people.
fn of(settings: &Settings) -> String {
    let texts = settings.iter().filter_map(|(key, value)| match value {
        ConfigSpec::Text(text) => Some(format!("{key}: {text}")),
        ConfigSpec::Argv(_)
        | ConfigSpec::Secret(_)
        | ConfigSpec::Object(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => None,
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Refuses to run programs for probes and their secrets.
fn check_no_programs(asked: &[Wanted]) -> Result<(), Failure> {
    let mut programs = Vec::new();
    for one in asked {
        for (key, value) in &one.settings {
            let name = one.probe.keys.name;
            let all = programs_of(value, name == "command");
            let all = all.iter().map(|argv| format!("`{name}`, `{key}`: `{}`", argv.join(" ")));
            programs.extend(all);
        }
    }
    if programs.is_empty() {
        return Ok(());
    }
    let text = "these probes run programs, and `--no-commands` forbids that";
    let help = "review them, and leave out `--no-commands` if you trust them";
    Err(Message::new(Code::ProgramsForbidden, text).details(programs).help(help).usage())
}

/// The programs in a value, also in one that the plan has filled in.
fn programs_of(value: &ConfigSpec, is_command: bool) -> Vec<&[String]> {
    match value {
        ConfigSpec::Secret(SecretRef::Command(argv)) => vec![argv],
        ConfigSpec::Argv(argv) if is_command => vec![argv],
        ConfigSpec::Object(all) => {
            all.values().flat_map(|value| programs_of(value, false)).collect()
        }
        ConfigSpec::Argv(_)
        | ConfigSpec::Secret(_)
        | ConfigSpec::Text(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => Vec::new(),
    }
}

/// How many probes are done, on a terminal.
fn progress(count: usize) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len} probes  {elapsed}");
        bar.set_style(style.expect("a fixed template"));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    })
}

/// The findings for programs.
fn document(intent: &Intent, rows: &[Row]) -> String {
    let findings: Vec<serde_json::Value> = rows
        .iter()
        .map(|Row { probe, place, of: _, finding, said }| {
            json!({ "probe": probe, "place": place, "finding": finding, "said": said })
        })
        .collect();
    let whole = json!({ "format": "cutover/probes/1", "plan": intent.name, "findings": findings });
    format!("{whole:#}\n")
}
