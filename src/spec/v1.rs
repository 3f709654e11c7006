//! Version 1 of the plan language: every key, what it takes, and one sentence for people.
//!
//! This is the only list of keys. `shape` checks plans against it and makes the JSON Schema from
//! it; keys of the target language that are not obeyed yet stand here without a shape, so that they
//! get `not-built-yet` and not `unknown-key`.

mod work;

use cutover_contract::{Adapter, ConfigField, FieldKind};
use serde_json::{Value, json};
use work::{notice, tasks};

use super::Registry;
use super::gate::{OnFail, ProbeKeys};
use super::shape::{Field, Form, Shape, list, map, not_built, optional, required};
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
            "The zones that the plan may change, by name.",
            map(Form::Any, 1, zone()),
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
            list(1, record()),
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
            "Probes that have to pass before and behind the switch.",
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
            "What has to pass behind the switch, before the old side is left.",
            list(1, gate(probes)),
        ),
        optional("on_fail", ON_FAIL_DOC, Shape::Choice(OnFail::WORDS)),
    ])
}

const ON_FAIL_DOC: &str = "What happens when a gate behind the switch fails: `halt` (unless said), `rollback` to the point before the switch along the proved way back, or `ask`: halt, and a person may let it pass. Before the switch there is nothing to go back from, and `rollback` halts.";

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
            optional("every", "From one time to the next; 1m unless said.", SPAN),
            optional("for", "How long it is asked, in place of `count`.", SPAN),
            optional(
                "count",
                "How many answers make the gate; 1 unless said, and for `seen` until it has passed once.",
                TIMES,
            ),
            optional(
                "success_limit",
                "How many passes in a row are enough; without `count` or `for` it is asked until then.",
                TIMES,
            ),
            optional("fail_limit", "How many failures are put up with; 0 unless said.", LIMIT),
            optional(
                "inconclusive_limit",
                "How many inconclusive answers are put up with; 0 unless said, and for `seen` as many as come until resolvers that keep records too long (`overrun`) have had their time.",
                LIMIT,
            ),
            optional(
                "unanswered_limit",
                "How many times in a row nobody may answer; 4 unless said.",
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

fn zone() -> Shape {
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
    Shape::Object(vec![
        required("provider", "The provider that holds the zone, one of `providers`.", SLUG),
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
    ])
}

fn host() -> Shape {
    let exchange = Shape::Object(vec![
        required(
            "preference",
            "The preference of the MX record; lower is tried first.",
            Shape::Int { min: 0, max: PORT_NUMBER_MAX },
        ),
        required("name", "The name of the exchange; `{domain}` is each domain in turn.", TEXT),
        optional(
            "addresses",
            "The addresses of the exchange, where the plan shall publish them.",
            list(1, TEXT),
        ),
    ]);
    let selector = Shape::Object(vec![
        required("selector", "The DKIM selector.", TEXT),
        optional(
            "cname",
            "The name that the selector points to; `{domain}` is each domain in turn.",
            TEXT,
        ),
        optional(
            "txt",
            "The key record itself, as the host shows it; quotes and line ends of a zone file are understood.",
            Shape::Text(Form::Lines),
        ),
    ]);
    let sender = Shape::Object(vec![
        required("name", "A name for this stream of mail.", SLUG),
        optional(
            "spf",
            "The SPF terms that authorise it, such as `include:_spf.example.com`.",
            TEXT,
        ),
        optional(
            "dkim",
            "Its DKIM selectors: a name that is published already, or what to publish.",
            list(1, Shape::AnyOf(vec![TEXT, selector])),
        ),
        not_built("envelope", "whether the envelope's domain is aligned"),
    ]);
    let discovery = Shape::Object(vec![
        optional(
            "imap",
            "HOST:PORT of IMAP (993 with TLS from the start, 143 with STARTTLS).",
            TEXT,
        ),
        optional(
            "pop3",
            "HOST:PORT of POP3 (995 with TLS from the start, 110 with STARTTLS).",
            TEXT,
        ),
        optional(
            "submission",
            "HOST:PORT of submission (465 with TLS from the start, 587 with STARTTLS).",
            TEXT,
        ),
        optional("autodiscover", "The name that `autodiscover` points to.", TEXT),
        optional("autoconfig", "The name that `autoconfig` points to.", TEXT),
    ]);
    Shape::Object(vec![
        optional("exchanges", "The mail exchangers of the host.", list(1, exchange)),
        optional(
            "senders",
            "The streams of mail that the host sends as the domains.",
            list(1, sender),
        ),
        optional("discovery", "Where mail clients find the host.", discovery),
        optional(
            "tlsa",
            "TLSA records that the certificates of the host's exchanges match, such as `3 1 1 HASH`.",
            list(1, TEXT),
        ),
        not_built("profile", "a well-known mail host whose records come with `cutover`"),
        not_built("after_switch", "what the host does with mail after the switch"),
    ])
}

fn migrate() -> Shape {
    Shape::Object(vec![
        required("domains", "The mail domains that move.", list(1, TEXT)),
        required("from", "The host that takes the mail now, one of `hosts`.", SLUG),
        required("to", "The host that takes it in the end, one of `hosts`.", SLUG),
        optional(
            "cutover_ttl",
            "The TTL to which records are lowered before they are switched; 5m unless said.",
            SPAN,
        ),
        optional(
            "keep_old",
            "How long the old host goes on taking late mail after the switch; 7d unless said.",
            SPAN,
        ),
        optional(
            "overrun",
            "A bound for resolvers that keep records longer than their TTL; 24h unless said.",
            SPAN,
        ),
        optional(
            "restore_ttls",
            "Whether TTLs go back to what they were; true unless said.",
            Shape::Bool,
        ),
        optional(
            "switch",
            "`direct`: the MX records are replaced in one change. `standby`: the new exchanges join at a worse preference first, are preferred then, and stand alone in the end.",
            Shape::Choice(&["direct", "standby"]),
        ),
        not_built("recipients", "the addresses that the new host must accept"),
        optional(
            "window",
            "When the switch may begin, such as `Sat 20:00-23:00 Europe/Berlin`: days, times of that zone's wall clock, zone; or a list of such. Left out: at any time.",
            one_or_more(),
        ),
        optional(
            "freeze",
            "Dates on which the switch does not begin even where a window is open, both included: `2026-12-20..2027-01-06 Europe/Berlin`; or a list of such.",
            one_or_more(),
        ),
    ])
}

/// A text, or a list of texts.
fn one_or_more() -> Shape {
    Shape::AnyOf(vec![TEXT, list(1, TEXT)])
}

fn record() -> Shape {
    Shape::Object(vec![
        optional(
            "id",
            "A name for this change, so that others can come after it: `after: record:ID`.",
            SLUG,
        ),
        required("zone", "The zone, one of `zones`.", TEXT),
        required("name", "The owner name, relative to the zone; `@` is the zone itself.", TEXT),
        required("type", "The record type.", TEXT),
        optional(
            "to",
            "The records that shall be there, in presentation form: names with their trailing dot, strings in double quotes.",
            list(1, TEXT),
        ),
        optional("absent", "true: no such record shall be there.", Shape::Bool),
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
            "How long to wait behind `after:`, in place of the time in which what was there before expires in caches. The order is taken as written, and judged.",
            SPAN,
        ),
    ])
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
            "The DNS name that it is true of, in the place of a host: a domain, an exchange, the owner of a key or of a discovery record, a name outside of the zones.",
            TEXT,
        ),
        optional(
            "address",
            "The address that it is true of, in the place of a host: an exchange's.",
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
            "In the place of `from`: the task that brings it about, `task/NAME`. It is true from the end of that task on, and what waits for it counts from there; what must not be so yet holds the task's begin back.",
            TEXT,
        ),
        optional(
            "settle",
            "How long the value before may go on to hold after that. Of `published` 1d where nothing is said, for as long may resolvers keep what they were told before.",
            SPAN,
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
            "Added to each time that something lives in a cache; 60s unless said.",
            SPAN,
        ),
        optional(
            "use",
            "How long an answer is used after it was looked up; 30m unless said.",
            SPAN,
        ),
        optional(
            "queue_life",
            "How long mail waits in senders' queues; 5d unless said (RFC 5321 §4.5.4.1).",
            SPAN,
        ),
        not_built("sts_refresh", "how often senders refresh MTA-STS policies"),
        not_built("max_deferral", "how long mail may be deferred"),
    ])
}

/// The JSON Schema of a plan (draft 2020-12).
#[must_use]
pub fn schema(registry: Registry<'_>) -> Value {
    let mut schema = plan(registry).schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("cutover plan, version 1");
    schema
}
