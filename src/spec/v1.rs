//! Version 1 of the plan language: every key, what it takes, and one sentence for people.
//!
//! This is the only list of keys. `shape` checks plans against it and makes the JSON Schema from
//! it; keys of the target language that are not obeyed yet stand here without a shape, so that they
//! get `not-built-yet` and not `unknown-key`.

mod host;
mod work;

use cutover_contract::{Adapter, ConfigField, FieldKind};
use serde_json::{Value, json};
use work::{notice, task, tasks};

use self::host::{host, migrate};
use super::gate::{OnFail, ProbeKeys};
use super::shape::{Field, Form, Shape, list, map, not_built, optional, required};
use super::{OnDrift, Registry};
use crate::fact;

/// The number behind `version:`.
pub const VERSION: i64 = 1;

const TEXT: Shape = Shape::Text(Form::Any);
const SLUG: Shape = Shape::Text(Form::Slug);
const SPAN: Shape = Shape::Text(Form::Span);
const PORT_NUMBER_MAX: i64 = 65_535;

/// The shape of a whole plan; adapters and probes bring keys of their own.
#[must_use]
pub fn plan(registry: Registry<'_>) -> Shape {
    Shape::Object(vec![
        required(
            "version",
            "The version of the plan language: 1.",
            Shape::Int { min: VERSION, max: VERSION },
        ),
        required("name", "The name of the plan; a run is keyed by it.", SLUG),
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
            "The zones that the plan may change, by name; or a list of names, and of files that have one a line (`{ file: PATH }`), where `defaults:` say the rest.",
            Shape::AnyOf(vec![map(Form::Any, 1, Shape::Object(zone())), names()]),
        ),
        optional(
            "defaults",
            "What zones, records and tasks have where they leave the key out.",
            defaults(),
        ),
        optional(
            "include",
            "Files with more keys of a plan, in the plan's own directory or below it: `zones`, `hosts` and `providers` are put together, lists one behind the other, and any other key stands in one file alone. They count as the plan's own text: artifact and digest cover them.",
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
            "How long things live that no TTL says; the defaults come from the RFCs.",
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
        optional("notify", "Who is told of what happens, and when.", list(1, notice())),
        optional(
            "assume",
            "Facts that cannot be seen; each stands in the verdict, for the reviewer.",
            list(1, assume()),
        ),
        optional(
            "override",
            "Invariants that may be broken, by name and with a reason; the reviewer sees them.",
            list(1, overridden()),
        ),
        optional(
            "on_drift",
            "What goes on when somebody else has edited a record that the plan changes, or a provider refuses or does not answer: `isolate` (unless said), what does not hang on that zone, as with Terraform; `halt`, nothing.",
            Shape::Choice(OnDrift::WORDS),
        ),
        not_built("approvals", "who must agree to the plan"),
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
        FieldKind::Argv => list(1, TEXT),
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
    Field { name: field.name, doc: field.doc, required: field.required, shape: Some(shape) }
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
            "The command that prints the secret; it is run without a shell.",
            list(1, TEXT),
        ),
    ])
}

fn gates(probes: &[ProbeKeys]) -> Shape {
    Shape::Object(vec![
        optional(
            "before_switch",
            "What has to pass before the switch, asked within its window.",
            list(1, gate(probes)),
        ),
        optional(
            "after_switch",
            "What has to pass after the switch, before the old side is left.",
            list(1, gate(probes)),
        ),
        optional("on_fail", ON_FAIL_DOC, Shape::Choice(OnFail::WORDS)),
    ])
}

const ON_FAIL_DOC: &str = "What happens when a gate after the switch fails: `halt` (unless said), `rollback` to the point before the switch along the proved way back, or `ask`: halt, and a person may let it pass. Before the switch there is nothing to go back from, and `rollback` halts.";

fn gate(probes: &[ProbeKeys]) -> Shape {
    const TIMES: Shape = Shape::Int { min: 1, max: COUNT_MAX };
    const LIMIT: Shape = Shape::Int { min: 0, max: COUNT_MAX };
    let fields = |probe: &ProbeKeys| {
        let own = probe.fields.iter().map(adapter_field);
        let common = [
            optional(
                "delay",
                "How long after what comes before it the probe is asked for the first time; left out, at once before the switch; after it `served` at once, and others when what was there before has expired in caches and everybody can have come over.",
                SPAN,
            ),
            optional("every", "From one time to the next; default 1m.", SPAN),
            optional("for", "How long it is asked, instead of `count`.", SPAN),
            optional(
                "count",
                "How many answers make the gate; default 1, and for `seen` until it has passed once.",
                TIMES,
            ),
            optional(
                "success_limit",
                "How many passes in a row are enough; without `count` or `for` it is asked until then.",
                TIMES,
            ),
            optional("fail_limit", "How many failures are put up with; default 0.", LIMIT),
            optional(
                "inconclusive_limit",
                "How many inconclusive answers are put up with; default 0, and for `seen` as many as come until resolvers that keep records too long (`overrun`) have had their time.",
                LIMIT,
            ),
            optional(
                "unanswered_limit",
                "How many times in a row nobody may answer; default 4.",
                LIMIT,
            ),
            optional("on_fail", ON_FAIL_DOC, Shape::Choice(OnFail::WORDS)),
        ];
        own.chain(common).collect()
    };
    let variants = probes.iter().map(|probe| (probe.name, fields(probe))).collect();
    let whole = Shape::Tagged {
        tag: "probe",
        doc: "What is asked.",
        variants,
        not_built: NOT_BUILT_PROBES,
    };
    // A probe that needs no keys may be written as its name alone.
    Shape::AnyOf(vec![SLUG, whole])
}

/// Probes of the target language that are not built yet.
pub(super) const NOT_BUILT_PROBES: &[&str] = &[
    "certificates",
    "dkim",
    "dnsbl",
    "mta_sts",
    "recipients",
    "rejected_recipients",
    "round_trip",
    "spf",
    "starttls",
];

/// Answers of a gate at the most. Our choice: ten weeks of one a minute.
const COUNT_MAX: i64 = 100_000;

/// What a part of the plan has where it leaves the key out.
fn defaults() -> Shape {
    let of = |fields: Vec<Field>, names: &[&str]| {
        let kept = fields.into_iter().filter(|field| names.contains(&field.name));
        Shape::Object(kept.collect())
    };
    Shape::Object(vec![
        optional("zone", "Of every zone.", Shape::Object(zone())),
        optional(
            "record",
            "Of every entry of `records`.",
            of(record(), &["zone", "ttl", "lower_ttl"]),
        ),
        optional("task", "Of every task.", of(task(), &["within"])),
    ])
}

/// A list of names, some of them in files.
fn names() -> Shape {
    list(1, Shape::AnyOf(vec![TEXT, names_of_file()]))
}

/// A file of names, one a line.
fn names_of_file() -> Shape {
    Shape::Object(vec![required(
        "file",
        "A file in the plan's own directory, or below it, with a name a line; `#` begins a comment.",
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
            "ADDRESS or ADDRESS:PORT, as it stands in `authorities` or in the delegation.",
            TEXT,
        ),
        required("reason", "Why this server may be left out; reviewers see it.", TEXT),
    ]);
    vec![
        optional(
            "provider",
            "The provider that holds the zone, one of `providers`; it may stand in `defaults`.",
            SLUG,
        ),
        optional(
            "authorities",
            "The authoritative servers; left out, they are those that the zone's NS records and its parent's name, and the delegation is checked.",
            list(1, Shape::AnyOf(vec![TEXT, named])),
        ),
        optional(
            "authorities_except",
            "Authoritative servers that are not waited for.",
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
            "A name for this change, so that others can come after it: `after: record:ID`.",
            SLUG,
        ),
        optional("zone", "The zone, one of `zones`; it may stand in `defaults`.", TEXT),
        required("name", "The owner name, relative to the zone; `@` is the zone itself.", TEXT),
        required("type", "The record type.", TEXT),
        optional(
            "to",
            "The records that should be there, in presentation form: names with their trailing dot, strings in double quotes.",
            list(1, TEXT),
        ),
        optional("absent", "true: there should be no such record.", Shape::Bool),
        optional("ttl", "Their TTL; left out, the TTL stays, and new records get 1h.", SPAN),
        optional(
            "lower_ttl",
            "Lower the TTL to this first and let the old one expire, so that the change takes effect quickly.",
            SPAN,
        ),
        optional("with", "Change it together with `expand`, `switch` or `contract`.", TEXT),
        optional(
            "after",
            "Change it when the given changes have taken effect everywhere: `expand`, `switch`, `contract` or `record:ID`.",
            one_or_more(),
        ),
        optional(
            "wait",
            "How long to wait after what `after:` names, instead of the time in which what was there before expires in caches. The order is taken as written, and judged.",
            SPAN,
        ),
    ]
}

fn assume() -> Shape {
    Shape::Object(vec![
        required(
            "fact",
            "The kind of fact; `cutover explain facts` lists what each means.",
            Shape::Choice(fact::WORDS),
        ),
        optional("host", "The host that it is true of, one of `hosts`.", SLUG),
        optional(
            "name",
            "The DNS name that it is true of, instead of a host: a domain, an exchange, the owner of a key or of a discovery record, a name outside of the zones.",
            TEXT,
        ),
        optional(
            "address",
            "The address that it is true of, instead of a host: an exchange's.",
            TEXT,
        ),
        optional(
            "value",
            "What is true; left out, what keeps mail safe.",
            Shape::AnyOf(vec![Shape::Bool, Shape::Choice(fact::VALUE_WORDS)]),
        ),
        optional(
            "from",
            "Where it begins to be true: before the switch, with it, or after it. Left out: it is so already, and stays so.",
            Shape::Choice(FROM_WORDS),
        ),
        optional(
            "by",
            "Instead of `from`: the task that brings it about, `task/NAME`. It is true from the end of that task on, and what waits for it counts from there; what must not be so yet holds the task's begin back.",
            TEXT,
        ),
        optional(
            "settle",
            "How long the value before may go on to hold after that. Of `published` 1d where nothing is said, for as long may resolvers keep what they were told before.",
            SPAN,
        ),
        optional(
            "confirm",
            "With `from:`: whether the run asks a person to say that it is so, and waits for that (`cutover confirm`). True unless said, but for what nothing relies on: that a host refuses mail, or is off.",
            Shape::Bool,
        ),
        optional(
            "check",
            "With `from:`: a command that says whether it is so, exit code 0, and 1 for not yet. It is run again and again, and no person has to confirm then.",
            list(1, TEXT),
        ),
        required("reason", "How that is known; the reviewer sees it.", TEXT),
    ])
}

/// The words behind `from:` of an assumption.
pub(super) const FROM_WORDS: &[&str] = &["expand", "switch", "contract"];

fn overridden() -> Shape {
    Shape::Object(vec![
        optional("invariant", "An invariant, wherever it is broken.", Shape::Choice(INVARIANTS)),
        optional(
            "defect",
            "In its place: what is broken before the first step, by the id that the verdict shows.",
            TEXT,
        ),
        required("reason", "Why it may be broken; the reviewer sees it.", TEXT),
    ])
}

/// The invariants of the safety model, in the order of verdicts.
pub const INVARIANTS: &[&str] = &[
    "deliverable",
    "one-mailbox",
    "no-loop",
    "authenticated",
    "spf-sound",
    "transport-policy",
    "clients",
    "reach",
    "resolves",
    "reversible",
    "minimal-touch",
];

fn clocks() -> Shape {
    Shape::Object(vec![
        optional(
            "margin",
            "Added to each time that something lives in a cache; default 60s.",
            SPAN,
        ),
        optional("use", "How long an answer is used after it was looked up; default 30m.", SPAN),
        optional(
            "queue_life",
            "How long mail waits in senders' queues; default 5d (RFC 5321 §4.5.4.1).",
            SPAN,
        ),
        not_built("sts_refresh", "how often senders refresh MTA-STS policies"),
        not_built("max_deferral", "how long mail may be deferred"),
    ])
}

/// The keys of a plan, for people, in Markdown.
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
