//! Version 1 of the plan language: every key, what it takes, and one sentence for people.
//!
//! This is the only list of keys. `shape` checks plans against it and makes the JSON Schema from
//! it. Keys of the target language that are not supported yet have no shape, so that they are
//! reported as `not-built-yet` and not as `unknown-key`.

mod host;
mod mailboxes;
mod work;

use cutover_contract::{Adapter, ConfigField, FieldKind};
use serde_json::{Value, json};
use work::{notice, task, tasks};

use self::host::{host, migrate};
use super::Registry;
use super::gate::OnFail;
use super::shape::{Field, Form, Shape, list, map, not_built, optional, required};
use cutover_steps::graph::OnDrift;
use cutover_steps::probe::ProbeKeys;
use cutover_steps::{fact, invariant};

/// The value of `version:`.
pub const VERSION: i64 = 1;

const TEXT: Shape = Shape::Text(Form::Any);
const SLUG: Shape = Shape::Text(Form::Slug);
const SPAN: Shape = Shape::Text(Form::Span);
const PORT_NUMBER_MAX: i64 = 65_535;

/// The shape of a whole plan; adapters and probes add their own keys.
#[must_use]
pub fn plan(registry: Registry<'_>) -> Shape {
    Shape::Object(vec![
        required(
            "version",
            "The version of the plan language: 1.",
            Shape::Int { min: VERSION, max: VERSION },
        ),
        required("name", "The name of the plan; the state of its runs is stored under it.", SLUG),
        required(
            "providers",
            "The DNS providers that hold the zones, by names of your choice.",
            map(Form::Slug, 1, provider(registry.adapters)),
        ),
        optional(
            "resolver",
            "Who answers for names outside of the plan's zones: `system`, `none`, or a list of ADDRESS:PORT.",
            Shape::AnyOf(vec![Shape::Choice(&["system", "none"]), list(1, TEXT)]),
        ),
        required(
            "zones",
            "The zones that the plan may change, by name. Or a list of names, and of files with one name per line (`{ file: PATH }`), if `defaults:` has the rest.",
            Shape::AnyOf(vec![map(Form::Any, 1, Shape::Object(zone())), names()]),
        ),
        optional(
            "defaults",
            "Values for keys that zones, records and tasks leave out.",
            defaults(),
        ),
        optional(
            "include",
            "Files with more keys of the plan, in the plan's directory or below it. `zones`, `hosts` and `providers` are merged, lists are concatenated, and any other key may be in one file only. Artifact and digest cover these files too.",
            list(1, TEXT),
        ),
        optional(
            "hosts",
            "Who takes mail for the domains and who sends mail as them, by names of your choice.",
            map(Form::Slug, 1, host()),
        ),
        optional("migrate", "The move of mail domains from one host to another.", migrate()),
        optional(
            "records",
            "Other records that have to change with the move, or on their own.",
            list(1, Shape::Object(record())),
        ),
        optional(
            "clocks",
            "Lifetimes that no TTL states; the defaults come from the RFCs.",
            clocks(),
        ),
        not_built("waves", "groups of mailboxes that move one after another"),
        not_built("dual_delivery", "copies of new mail to the old host, for a while"),
        optional(
            "gates",
            "Probes that have to pass before and after the switch.",
            gates(registry.probes),
        ),
        optional("tasks", "Work outside of DNS, at the points of the plan.", tasks()),
        optional("notify", "Notifications: who gets them, and when.", list(1, notice())),
        optional(
            "assume",
            "Facts that DNS does not show; the verdict lists them for the reviewer.",
            list(1, assume()),
        ),
        optional(
            "override",
            "Invariants that may be broken, by name and with a reason; the reviewer sees them.",
            list(1, overridden()),
        ),
        optional(
            "checks",
            "Checks of what is live that do not count, each with a reason; the reviewer sees them.",
            list(1, ignored()),
        ),
        optional(
            "on_drift",
            "What continues when somebody else has edited a record that the plan changes, or a provider refuses or does not answer: `isolate` (the default), everything that does not depend on that zone, as in Terraform; `halt`, nothing.",
            Shape::Choice(OnDrift::WORDS),
        ),
        optional(
            "approvals",
            "People have to approve exactly this artifact before it is applied. Who may approve is said where it is applied (`--allowed-signers`), and so is how many must (`--need`); the plan can only ask for more people, or for some of those.",
            approvals(),
        ),
    ])
}

fn provider(adapters: &[Adapter]) -> Shape {
    let fields = |adapter: &Adapter| adapter.fields.iter().map(adapter_field).collect();
    let variants = adapters.iter().map(|adapter| (adapter.kind, fields(adapter))).collect();
    Shape::Tagged {
        tag: "type",
        doc: "The adapter that talks to the provider.",
        variants,
        not_built: &[],
    }
}

fn adapter_field(field: &ConfigField) -> Field {
    let shape = match field.kind {
        FieldKind::Text | FieldKind::SocketAddr | FieldKind::Path | FieldKind::Name => TEXT,
        FieldKind::Duration => SPAN,
        FieldKind::Secret => secret(),
        FieldKind::Argv | FieldKind::Texts => list(1, TEXT),
        FieldKind::Choice(words) => Shape::Choice(words),
        FieldKind::Object(fields) => Shape::Object(fields.iter().map(adapter_field).collect()),
        FieldKind::Either(words, fields) => Shape::AnyOf(vec![
            Shape::Choice(words),
            Shape::Object(fields.iter().map(adapter_field).collect()),
        ]),
        FieldKind::Codes => list(1, Shape::Int { min: 1, max: 125 }),
        FieldKind::Settings => map(
            Form::Any,
            1,
            Shape::AnyOf(vec![
                TEXT,
                Shape::Int { min: i64::MIN, max: i64::MAX },
                Shape::Bool,
                secret(),
            ]),
        ),
    };
    let ConfigField { name, doc, required, former, kind: _ } = *field;
    Field { name, doc, required, shape: Some(shape), former }
}

/// A secret is a reference, never the secret itself.
fn secret() -> Shape {
    Shape::Secret(vec![
        optional("env", "The environment variable that holds the secret.", TEXT),
        optional(
            "file",
            "The file that holds the secret; a relative path starts at the plan's directory.",
            TEXT,
        ),
        optional(
            "command",
            "The command that prints the secret; it runs without a shell.",
            list(1, TEXT),
        ),
    ])
}

fn gates(probes: &[ProbeKeys]) -> Shape {
    Shape::Object(vec![
        optional(
            "before_switch",
            "Gates that have to pass before the switch, within its window.",
            list(1, gate(probes)),
        ),
        optional(
            "after_switch",
            "Gates that have to pass after the switch, before the old side is left.",
            list(1, gate(probes)),
        ),
        optional("on_fail", ON_FAIL_DOC, Shape::Choice(OnFail::WORDS)),
    ])
}

fn approvals() -> Shape {
    Shape::Object(vec![
        required(
            "need",
            "How many different people have to approve, if `--need` asks for fewer.",
            Shape::Int { min: 1, max: NEED_MAX },
        ),
        optional(
            "expire",
            "How long an approval counts at most, from its signing. Default: as long as it says.",
            SPAN,
        ),
        optional(
            "signers",
            "Whose approvals count, by their names in the list of `--allowed-signers`. Default: everybody's whom that list allows. Nobody is allowed by being named here.",
            list(1, Shape::Text(Form::Any)),
        ),
    ])
}

/// The maximum number of people who have to approve. Our choice: more than any team asks for.
const NEED_MAX: i64 = 20;

const ON_FAIL_DOC: &str = "What happens when a gate fails: `halt` (the default); `rollback` to the point before the switch, along the proved way back; or `ask`: halt, and a person may let it pass. Before the switch there is nothing to roll back, so `rollback` halts.";

fn gate(probes: &[ProbeKeys]) -> Shape {
    const TIMES: Shape = Shape::Int { min: 1, max: COUNT_MAX };
    const LIMIT: Shape = Shape::Int { min: 0, max: COUNT_MAX };
    let fields = |probe: &ProbeKeys| {
        let own = probe.fields.iter().map(adapter_field);
        let common = [
            optional(
                "delay",
                "How long after the steps before it the gate first asks. Default: before the switch, at once. After the switch, `served` asks at once, and others when the old records have expired in caches and all senders and clients can have moved.",
                SPAN,
            ),
            optional("every", "The time between two questions; default 1m.", SPAN),
            optional("for", "How long the gate asks, instead of `count`.", SPAN),
            optional(
                "count",
                "After how many answers the gate decides; default 1. `seen` asks until it has passed once.",
                TIMES,
            ),
            optional(
                "success_limit",
                "How many passes in a row are enough; without `count` or `for`, the gate asks until then.",
                TIMES,
            ),
            optional("fail_limit", "How many failures are tolerated; default 0.", LIMIT),
            optional(
                "inconclusive_limit",
                "How many inconclusive answers are tolerated; default 0. `seen` tolerates them until resolvers that keep records too long (`overrun`) must have dropped them.",
                LIMIT,
            ),
            optional(
                "unanswered_limit",
                "How many unanswered questions in a row are tolerated; default 4.",
                LIMIT,
            ),
            optional("on_fail", ON_FAIL_DOC, Shape::Choice(OnFail::WORDS)),
        ];
        let age_max = optional(
            "age_max",
            "How old what the gate establishes may be when a step begins that relies on it; then it is asked again. Default 1h.",
            SPAN,
        );
        let age_max = probe.establishes.is_some().then_some(age_max);
        own.chain(common).chain(age_max).collect()
    };
    let variants = probes.iter().map(|probe| (probe.name, fields(probe))).collect();
    let whole = Shape::Tagged {
        tag: "probe",
        doc: "The probe to ask.",
        variants,
        not_built: NOT_BUILT_PROBES,
    };
    // A probe without required keys may be written as just its name.
    Shape::AnyOf(vec![SLUG, whole])
}

/// Probes of the target language that are not built yet.
pub(super) const NOT_BUILT_PROBES: &[&str] =
    &["certificates", "dkim", "dnsbl", "mta_sts", "rejected_recipients", "spf", "starttls"];

/// The maximum number of answers of a gate. Our choice: ten weeks with one per minute.
const COUNT_MAX: i64 = 100_000;

/// Values for keys that a part of the plan leaves out.
fn defaults() -> Shape {
    let of = |fields: Vec<Field>, names: &[&str]| {
        let kept = fields.into_iter().filter(|field| names.contains(&field.name));
        Shape::Object(kept.collect())
    };
    Shape::Object(vec![
        optional("zone", "Defaults for every zone.", Shape::Object(zone())),
        optional(
            "record",
            "Defaults for every entry of `records`.",
            of(record(), &["zone", "ttl", "lower_ttl"]),
        ),
        optional("task", "Defaults for every task.", of(task(), &["within"])),
    ])
}

/// A list of names, and of files with names.
fn names() -> Shape {
    list(1, Shape::AnyOf(vec![TEXT, names_of_file()]))
}

/// A file of names, one per line.
fn names_of_file() -> Shape {
    Shape::Object(vec![required(
        "file",
        "A file in the plan's directory or below it, with one name per line; `#` starts a comment.",
        TEXT,
    )])
}

fn zone() -> Vec<Field> {
    let named = Shape::Object(vec![
        required("name", "The server's name, for people.", TEXT),
        required("address", "ADDRESS or ADDRESS:PORT.", TEXT),
    ]);
    let except = Shape::Object(vec![
        required(
            "address",
            "ADDRESS or ADDRESS:PORT, as in `authorities` or in the delegation.",
            TEXT,
        ),
        required("reason", "Why this server may be left out; the reviewer sees it.", TEXT),
    ]);
    vec![
        optional(
            "provider",
            "The provider that holds the zone, one of `providers`; may be set in `defaults`.",
            SLUG,
        ),
        optional(
            "authorities",
            "The authoritative servers. Default: those in the NS records of the zone and its parent; the delegation is then checked.",
            list(1, Shape::AnyOf(vec![TEXT, named])),
        ),
        optional(
            "authorities_except",
            "Authoritative servers that the run does not wait for.",
            list(1, except),
        ),
    ]
}

/// A text, or a list of texts.
fn one_or_more() -> Shape {
    Shape::AnyOf(vec![TEXT, list(1, TEXT)])
}

fn record() -> Vec<Field> {
    vec![
        optional(
            "id",
            "An id for this change, so that others can refer to it: `after: record:ID`.",
            SLUG,
        ),
        optional("zone", "The zone, one of `zones`; may be set in `defaults`.", TEXT),
        required("name", "The owner name, relative to the zone; `@` is the zone itself.", TEXT),
        required("type", "The record type.", TEXT),
        optional(
            "to",
            "The records of the RRset, in presentation form: names with a trailing dot, strings in double quotes.",
            list(1, TEXT),
        ),
        optional("absent", "`true` removes the records.", Shape::Bool),
        optional("ttl", "Their TTL. Default: the current TTL, or 1h for new records.", SPAN),
        optional(
            "lower_ttl",
            "Lower the TTL to this first and wait until the old one has expired, so that the change takes effect quickly.",
            SPAN,
        ),
        optional("with", "Change it together with `expand`, `switch` or `contract`.", TEXT),
        optional(
            "after",
            "Change it after these changes have taken effect everywhere: `expand`, `switch`, `contract` or `record:ID`.",
            one_or_more(),
        ),
        optional(
            "wait",
            "How long to wait after the changes in `after:`, instead of until the old records have expired in caches. The order is taken as written, and the proof judges it.",
            SPAN,
        ),
    ]
}

fn assume() -> Shape {
    Shape::Object(vec![
        required(
            "fact",
            "The kind of fact; `cutover explain facts` explains each.",
            Shape::Choice(fact::WORDS),
        ),
        optional("host", "The host that the fact is about, one of `hosts`.", SLUG),
        optional(
            "name",
            "Instead of a host, the DNS name that the fact is about: a domain, an exchange, the owner of a key or a discovery record, or a name outside of the zones.",
            TEXT,
        ),
        optional(
            "address",
            "Instead of a host, the address of an exchange that the fact is about.",
            TEXT,
        ),
        optional(
            "value",
            "The value of the fact. Default: the value that keeps mail safe.",
            Shape::AnyOf(vec![Shape::Bool, Shape::Choice(fact::VALUE_WORDS)]),
        ),
        optional(
            "from",
            "When the fact becomes true: before the switch, with it, or after it. Default: it already is, and stays so.",
            Shape::Choice(FROM_WORDS),
        ),
        optional(
            "by",
            "Instead of `from`: the task that brings it about, `task/NAME`. The fact is true from the end of that task on, and waits count from there. If it must not be true yet, the task is held back.",
            TEXT,
        ),
        optional(
            "settle",
            "How long the old value may still hold after that. Default: 0, but 1d for `published`, since resolvers may keep the old answer that long.",
            SPAN,
        ),
        optional(
            "confirm",
            "With `from:`: whether the run waits for a person to confirm the fact (`cutover confirm`). Default: `true`, except for facts that nothing relies on, such as that a host refuses mail or is off.",
            Shape::Bool,
        ),
        optional(
            "check",
            "With `from:`: a command that checks the fact: exit code 0 means true, 1 means not yet. It runs repeatedly, and no person has to confirm.",
            list(1, TEXT),
        ),
        required("reason", "How you know; the reviewer sees it.", TEXT),
    ])
}

/// The values of `from:` in an assumption.
pub(super) const FROM_WORDS: &[&str] = &["expand", "switch", "contract"];

fn overridden() -> Shape {
    Shape::Object(vec![
        optional(
            "invariant",
            "An invariant that may be broken anywhere.",
            Shape::Choice(&invariant::NAMES),
        ),
        optional(
            "defect",
            "Instead of `invariant`: a defect that exists before the first step, by its id in the verdict.",
            TEXT,
        ),
        required("reason", "Why it may be broken; the reviewer sees it.", TEXT),
    ])
}

fn ignored() -> Shape {
    Shape::Object(vec![
        required(
            "ignore",
            "The code of the check; `cutover explain CODE` explains it.",
            Shape::Choice(&cutover_check::CODES),
        ),
        required("reason", "Why its findings do not count; the reviewer sees it.", TEXT),
    ])
}

fn clocks() -> Shape {
    Shape::Object(vec![
        optional("margin", "Added to every cache lifetime; default 60s.", SPAN),
        optional("use", "How long an answer stays in use after its look-up; default 30m.", SPAN),
        optional(
            "queue_life",
            "How long mail waits in senders' queues; default 5d (RFC 5321 §4.5.4.1).",
            SPAN,
        ),
        not_built("sts_refresh", "how often senders refresh MTA-STS policies"),
        not_built("max_deferral", "how long mail may be deferred"),
    ])
}

/// The reference of all keys of a plan, in Markdown.
#[must_use]
pub fn reference(registry: Registry<'_>) -> String {
    super::reference::reference(&plan(registry))
}

/// The JSON Schema of a plan (draft 2020-12).
#[must_use]
pub fn schema(registry: Registry<'_>) -> Value {
    let mut schema = plan(registry).schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("cutover plan, version 1");
    schema
}
