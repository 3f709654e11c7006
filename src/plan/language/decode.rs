//! From a tree of nodes to a [`PlanSpec`]: each value is read on its own.
//!
//! `shape` has already reported values of the wrong form. They are skipped here and the rest is
//! read, so that one run shows everything that is wrong.

mod approvals;
mod assume;
mod gate;
mod mailboxes;
mod notify;
mod record;
mod sender;
mod target;
mod task;
mod window;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::{Adapter, ConfigField, FieldKind};
use cutover_zone::{Name, Rdata, RrType, Ttl};

use super::shape::{self, Form, whole};
use super::yaml::{Kind, Node};
use super::{
    Clocks, DiscoverySpec, DomainsOf, Endpoint, ExchangeSpec, HostSpec, KEEP_OLD, MigrateSpec,
    NameTemplate, OVERRUN, PlanSpec, Registry, ResolverSpec, SwitchKind, ZoneSpec, filled,
};
use cutover_base::calendar;
use cutover_base::diag::{Code, Diagnostic, FINDINGS_MAX, Span, Spanned, did_you_mean, quoted};
use cutover_steps::authority::{Authority, Exception};
use cutover_steps::config::{ConfigSpec, ProviderSpec, SecretRef};
use cutover_steps::graph::OnDrift;
use cutover_steps::resolver;

/// A text that is not a domain name.
pub(super) const BAD_NAME: Code = Code::semantic("bad-name");
/// A text that is not an address, or no address with a port.
pub(super) const BAD_ADDRESS: Code = Code::semantic("bad-address");
/// A text that is not a record type, or a type that a plan may not change.
pub(super) const BAD_RECORD_TYPE: Code = Code::semantic("bad-record-type");
/// A text that is not valid rdata of its type.
pub(super) const BAD_RDATA: Code = Code::semantic("bad-rdata");
/// A time span that is too long for its purpose.
pub(super) const SPAN_TOO_LONG: Code = Code::semantic("span-too-long");
/// Two keys of which exactly one is needed.
pub(super) const ONE_OF: Code = Code::semantic("one-of");
/// A text that does not name a point of the plan.
pub(super) const BAD_ANCHOR: Code = Code::semantic("bad-anchor");
/// A reason without words.
pub(super) const NO_REASON: Code = Code::semantic("no-reason");
/// A key that is missing both here and in `defaults:`.
pub(super) const MISSING_HERE_AND_THERE: Code = Code::semantic("missing-key");
/// A value that a fact cannot have.
pub(super) const BAD_FACT: Code = Code::semantic("bad-fact");

/// 5 min. Our choice: a way back then takes minutes, and no widely used provider refuses such a
/// TTL.
const CUTOVER_TTL: u32 = 300;
/// The port of DNS (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// The domain that stands in while a template is checked.
const SAMPLE_DOMAIN: &str = "example.com";

struct Decoder<'d> {
    found: &'d mut Vec<Diagnostic>,
}

pub(super) fn plan(
    root: &Node,
    registry: Registry<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<PlanSpec> {
    let mut decoder = Decoder { found };
    let name = root.get("name").and_then(text);
    // Read everything before the name is required, so that everything is reported.
    let spec = PlanSpec {
        name: name.map(|t| Spanned { value: t.value.to_owned(), span: t.span }).unwrap_or(NAMELESS),
        providers: decoder.providers(root, registry.adapters),
        resolver: decoder.resolver(root.get("resolver")),
        zones: entries(root.get("zones")).filter_map(|(k, v)| decoder.zone(k, v)).collect(),
        hosts: entries(root.get("hosts"))
            .filter_map(|(k, v)| Some((text(k)?.value.to_owned(), decoder.host(v))))
            .collect(),
        migrate: root.get("migrate").and_then(|node| decoder.migrate(node)),
        records: items(root.get("records")).filter_map(|node| decoder.record(node)).collect(),
        clocks: decoder.clocks(root.get("clocks")),
        gates: decoder.gates(root.get("gates"), registry.probes),
        tasks: decoder.tasks(root.get("tasks")),
        notify: items(root.get("notify")).filter_map(|node| decoder.notice(node)).collect(),
        assume: items(root.get("assume")).filter_map(|node| decoder.assume(node)).collect(),
        overrides: items(root.get("override"))
            .filter_map(|node| decoder.overridden(node))
            .collect(),
        ignored: items(root.get("checks")).filter_map(|node| decoder.ignored(node)).collect(),
        on_drift: root
            .get("on_drift")
            .and_then(text)
            .and_then(|word| OnDrift::of_word(word.value))
            .unwrap_or_default(),
        approvals: decoder.approvals(root.get("approvals")),
        undecided: Vec::new(),
    };
    name.map(|_| spec)
}

/// Stands in for a missing name; such a plan is refused.
const NAMELESS: Spanned<String> = Spanned { value: String::new(), span: Span { start: 0, end: 0 } };

/// The text of a node, unless the shape has refused it.
fn text(node: &Node) -> Option<Spanned<&str>> {
    match &node.kind {
        Kind::Text(text) if Form::Any.accepts(text) => {
            Some(Spanned { value: text, span: node.span })
        }
        Kind::Text(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    }
}

pub(super) fn items(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    match node.map(|node| &node.kind) {
        Some(Kind::List(items)) => items.iter(),
        _ => [].iter(),
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&Node, &Node)> {
    match node.map(|node| &node.kind) {
        Some(Kind::Map(entries)) => entries.iter(),
        _ => [].iter(),
    }
    .map(|(key, value)| (key, value))
}

fn bool_of(node: Option<&Node>) -> Option<bool> {
    match node?.kind {
        Kind::Bool(value) => Some(value),
        Kind::Null
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    }
}

impl Decoder<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(diagnostic);
        }
    }

    /// Reports a key that is missing both here and in `defaults:`; a misspelt key was reported
    /// before.
    fn missing(&mut self, key: &str, node: &Node, span: Span, what: &str) {
        let is_near = |(word, _): &(Node, Node)| {
            text(word).is_some_and(|word| did_you_mean(word.value, [key]).is_some())
        };
        match &node.kind {
            Kind::Map(entries) if !entries.iter().any(is_near) => {}
            Kind::Map(_)
            | Kind::List(_)
            | Kind::Text(_)
            | Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_) => return,
        }
        let title = format!("missing key `{key}`");
        let help = format!("add `{key}:` here, or once for all under `defaults:`: {what}");
        self.error(MISSING_HERE_AND_THERE, span, title, &help);
    }

    fn error(&mut self, code: Code, span: Span, title: String, help: &str) {
        self.report(Diagnostic::error(code, span, title, help));
    }

    fn name(&mut self, node: &Node) -> Option<Spanned<Name>> {
        let text = text(node)?;
        self.no_braces(text, text.value, "nothing is filled in here: write the full name")?;
        match Name::from_user(text.value) {
            Ok(value) => Some(Spanned { value, span: text.span }),
            Err(error) => {
                let title = format!("{} is not a domain name: {error}", quoted(text.value));
                self.error(BAD_NAME, text.span, title, "write a name such as `mail.example.com.`");
                None
            }
        }
    }

    fn template(&mut self, text: Spanned<&str>) -> Option<Spanned<NameTemplate>> {
        let filled = filled(text.value, SAMPLE_DOMAIN);
        let known = "only `{domain}` and `{domain-dashed}` are filled in";
        self.no_braces(text, &filled, known)?;
        if target::is_address(&filled) {
            self.address_as_target(text);
            return None;
        }
        if filled == "." {
            let title = "`.` is not the name of a server: it means that there is none".to_owned();
            let help =
                "write the name of the server, such as `mx1.example.com.`, or remove the entry";
            let why = "an MX record with `.` says that the domain accepts no mail (RFC 7505 §3)";
            self.report(Diagnostic::error(BAD_NAME, text.span, title, help).why(why));
            return None;
        }
        match Name::from_user(&filled) {
            Ok(_) => Some(Spanned { value: NameTemplate(text.value.to_owned()), span: text.span }),
            Err(error) => {
                let title = format!("{} is not a domain name: {error}", quoted(text.value));
                let help = "write a name such as `mx1.example.com.`, or with `{domain}` in it";
                self.error(BAD_NAME, text.span, title, help);
                None
            }
        }
    }

    /// DNS allows braces in names, but nobody means them.
    fn no_braces(&mut self, text: Spanned<&str>, filled: &str, help: &str) -> Option<()> {
        if !filled.contains(['{', '}']) {
            return Some(());
        }
        let title = format!("{} contains a brace that is not filled in", quoted(text.value));
        self.error(BAD_NAME, text.span, title, help);
        None
    }

    fn socket(&mut self, text: Spanned<&str>) -> Option<SocketAddr> {
        let address = resolver::socket(text.value, DNS_PORT);
        if address.is_none() {
            let title = format!("{} is not an address", quoted(text.value));
            let help =
                "write ADDRESS or ADDRESS:PORT, such as `192.0.2.53:53` or `[2001:db8::53]:53`";
            self.error(BAD_ADDRESS, text.span, title, help);
        }
        address
    }

    fn span(&mut self, node: Option<&Node>) -> Option<Duration> {
        let text = text(node?)?;
        match calendar::parse_span(text.value) {
            Ok(span) => Some(span),
            // Reported by the shape.
            Err(calendar::SpanError::Form) => None,
            Err(calendar::SpanError::TooLong) => {
                let title = format!("{} is longer than ten years", quoted(text.value));
                self.error(SPAN_TOO_LONG, text.span, title, "write a shorter span, such as `7d`");
                None
            }
        }
    }

    fn ttl(&mut self, node: Option<&Node>) -> Option<Ttl> {
        let text = text(node?)?;
        match calendar::parse_span_to(text.value, Ttl::MAX.duration()) {
            Ok(span) => {
                let secs = u32::try_from(span.as_secs()).expect("the longest TTL has 31 bits");
                Some(Ttl::from_secs(secs).expect("it is no longer than the longest TTL"))
            }
            // Reported by the shape.
            Err(calendar::SpanError::Form) => None,
            Err(calendar::SpanError::TooLong) => {
                let title = format!("{} is longer than the longest TTL", quoted(text.value));
                let help = "a TTL is at most 2147483647 seconds (RFC 2181 §8)";
                self.error(SPAN_TOO_LONG, text.span, title, help);
                None
            }
        }
    }

    fn providers(&mut self, root: &Node, adapters: &[Adapter]) -> BTreeMap<String, ProviderSpec> {
        let mut providers = BTreeMap::new();
        for (key, value) in entries(root.get("providers")) {
            let (Some(name), Some(kind)) = (text(key), value.get("type").and_then(text)) else {
                continue;
            };
            let Some(adapter) = adapters.iter().find(|adapter| adapter.kind == kind.value) else {
                continue;
            };
            let config = self.config(adapter.fields, value);
            let spec = ProviderSpec { kind: kind.value.to_owned(), config };
            providers.insert(name.value.to_owned(), spec);
        }
        providers
    }

    fn config(&mut self, fields: &[ConfigField], node: &Node) -> BTreeMap<String, ConfigSpec> {
        let mut config = BTreeMap::new();
        for field in fields {
            let Some(value) = node.get(field.name) else { continue };
            let read = match field.kind {
                FieldKind::SocketAddr => text(value)
                    .and_then(|t| self.socket(t))
                    .map(|a| ConfigSpec::Text(a.to_string())),
                FieldKind::Name => {
                    self.name(value).map(|name| ConfigSpec::Text(name.value.to_string()))
                }
                FieldKind::Text | FieldKind::Path | FieldKind::Choice(_) => {
                    text(value).map(|text| ConfigSpec::Text(text.value.to_owned()))
                }
                FieldKind::Duration => self
                    .span(Some(value))
                    .and_then(|_| text(value))
                    .map(|text| ConfigSpec::Text(text.value.to_owned())),
                FieldKind::Argv | FieldKind::Texts => Some(ConfigSpec::Argv(argv(value))),
                FieldKind::Secret => self.secret(value).map(ConfigSpec::Secret),
                FieldKind::Object(fields) => Some(ConfigSpec::Object(self.config(fields, value))),
                FieldKind::Settings => Some(ConfigSpec::Object(self.settings(value))),
                FieldKind::Either(_, fields) => Some(match text(value) {
                    Some(word) => ConfigSpec::Text(word.value.to_owned()),
                    None => ConfigSpec::Object(self.config(fields, value)),
                }),
                FieldKind::Codes => {
                    let codes = items(Some(value)).filter_map(|one| whole(&one.kind));
                    Some(ConfigSpec::Argv(codes.map(|code| code.to_string()).collect()))
                }
            };
            if let Some(read) = read {
                config.insert(field.name.to_owned(), read);
            }
        }
        config
    }

    fn settings(&mut self, node: &Node) -> BTreeMap<String, ConfigSpec> {
        let mut settings = BTreeMap::new();
        for (key, value) in entries(Some(node)) {
            let read = match &value.kind {
                Kind::Text(text) => Some(ConfigSpec::Text(text.clone())),
                Kind::Bool(flag) => Some(ConfigSpec::Bool(*flag)),
                Kind::Map(_) => self.secret(value).map(ConfigSpec::Secret),
                // Anything but a whole number has been refused by the shape.
                Kind::Int(_) | Kind::Float(_) | Kind::Null | Kind::List(_) => {
                    whole(&value.kind).map(ConfigSpec::Number)
                }
            };
            if let (Some(key), Some(read)) = (text(key), read) {
                settings.insert(key.value.to_owned(), read);
            }
        }
        settings
    }

    fn secret(&mut self, node: &Node) -> Option<SecretRef> {
        let env = node.get("env").and_then(text).map(|t| SecretRef::Env(t.value.to_owned()));
        let file = node.get("file").and_then(text).map(|t| SecretRef::File(t.value.to_owned()));
        let command = node.get("command").map(|node| SecretRef::Command(argv(node)));
        let given: Vec<SecretRef> = [env, file, command].into_iter().flatten().collect();
        let last = entries(Some(node)).map(|(key, _)| key.span).last();
        let place = match (&node.kind, given.len(), last) {
            (Kind::Map(_), 2.., Some(last)) => last,
            (Kind::Map(_), 0, None) => node.span,
            // Exactly one, or the shape has refused the value.
            _ => return given.into_iter().next(),
        };
        let title = "a secret needs exactly one source".to_owned();
        let help =
            "write one of `{ env: NAME }`, `{ file: PATH }` and `{ command: [PROGRAM, ARGUMENT] }`";
        self.error(ONE_OF, place, title, help);
        None
    }

    fn resolver(&mut self, node: Option<&Node>) -> ResolverSpec {
        match node.map(|node| &node.kind) {
            Some(Kind::Text(word)) if word == "none" => ResolverSpec::None,
            Some(Kind::List(list)) => ResolverSpec::Servers(
                list.iter().filter_map(text).filter_map(|t| self.socket(t)).collect(),
            ),
            _ => ResolverSpec::System,
        }
    }

    fn zone(&mut self, key: &Node, node: &Node) -> Option<ZoneSpec> {
        let authorities = node
            .get("authorities")
            .map(|list| items(Some(list)).filter_map(|item| self.authority(item)).collect());
        let except = items(node.get("authorities_except"))
            .filter_map(|item| {
                let written = text(item.get("address")?)?;
                let address = self.socket(written)?;
                let reason = self.reason(item)?;
                Some(Spanned { value: Exception { address, reason }, span: written.span })
            })
            .collect();
        let name = self.name(key);
        self.missing("provider", node, key.span, "the provider that holds the zone");
        let provider = text(node.get("provider")?)?;
        let provider = Spanned { value: provider.value.to_owned(), span: provider.span };
        Some(ZoneSpec { name: name?, provider, authorities, except })
    }

    fn authority(&mut self, node: &Node) -> Option<Authority> {
        match text(node) {
            Some(address) => Some(Authority { name: None, address: self.socket(address)? }),
            None => Some(Authority {
                name: Some(text(node.get("name")?)?.value.to_owned()),
                address: self.socket(text(node.get("address")?)?)?,
            }),
        }
    }

    fn host(&mut self, node: &Node) -> HostSpec {
        HostSpec {
            exchanges: items(node.get("exchanges")).filter_map(|n| self.exchange(n)).collect(),
            senders: items(node.get("senders")).filter_map(|n| self.sender(n)).collect(),
            discovery: node.get("discovery").map(|n| self.discovery(n)).unwrap_or_default(),
            tlsa: items(node.get("tlsa")).filter_map(|n| self.tlsa(n)).collect(),
            mailboxes: node.get("mailboxes").and_then(|n| self.mailboxes(n)),
        }
    }

    fn exchange(&mut self, node: &Node) -> Option<ExchangeSpec> {
        let addresses = items(node.get("addresses"))
            .filter_map(text)
            .filter_map(|text| {
                let address = text.value.parse().ok();
                if address.is_none() {
                    let title = format!("{} is not an IP address", quoted(text.value));
                    self.error(
                        BAD_ADDRESS,
                        text.span,
                        title,
                        "write an IPv4 or IPv6 address without a port",
                    );
                }
                address
            })
            .collect();
        let name = node.get("name").and_then(text).and_then(|text| self.template(text));
        let domains = self.domains_of(node);
        let preference = shape::whole(&node.get("preference")?.kind)?;
        let preference = u16::try_from(preference).ok()?;
        Some(ExchangeSpec { preference, name: name?, addresses, domains })
    }

    /// Which domains a part of a host is for.
    fn domains_of(&mut self, node: &Node) -> DomainsOf {
        let named = node.get("domains");
        DomainsOf(named.map(|list| items(Some(list)).filter_map(|n| self.name(n)).collect()))
    }

    fn discovery(&mut self, node: &Node) -> DiscoverySpec {
        DiscoverySpec {
            imap: self.endpoint(node.get("imap")),
            pop3: self.endpoint(node.get("pop3")),
            submission: self.endpoint(node.get("submission")),
            autodiscover: node.get("autodiscover").and_then(text).and_then(|t| self.template(t)),
            autoconfig: node.get("autoconfig").and_then(text).and_then(|t| self.template(t)),
        }
    }

    fn endpoint(&mut self, node: Option<&Node>) -> Option<Spanned<Endpoint>> {
        let text = text(node?)?;
        let parts = text.value.rsplit_once(':');
        let digits = |port: &&str| port.bytes().all(|octet| octet.is_ascii_digit());
        let parts = parts.filter(|(_, port)| digits(port));
        let parts = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let Some((host, port)) = parts.filter(|(_, port)| *port > 0) else {
            let title = format!("{} is not HOST:PORT", quoted(text.value));
            let help = "write the name and the port: `imap.example.com:993`";
            self.error(BAD_ADDRESS, text.span, title, help);
            return None;
        };
        let host = self.template(Spanned { value: host, span: text.span })?;
        Some(Spanned { value: Endpoint { host: host.value, port }, span: text.span })
    }

    fn migrate(&mut self, node: &Node) -> Option<MigrateSpec> {
        let cutover_ttl = self.ttl(node.get("cutover_ttl"));
        let keep_old = self.span(node.get("keep_old"));
        let overrun = self.span(node.get("overrun"));
        let windows = self.windows(node);
        let recipients = node.get("recipients").and_then(Self::recipients);
        let domains = items(node.get("domains")).filter_map(|n| self.name(n)).collect();
        let host =
            |key| text(node.get(key)?).map(|t| Spanned { value: t.value.to_owned(), span: t.span });
        Some(MigrateSpec {
            domains,
            from: host("from")?,
            to: host("to")?,
            cutover_ttl: cutover_ttl.unwrap_or(Ttl::from_wire(CUTOVER_TTL)),
            keep_old: keep_old.unwrap_or(KEEP_OLD),
            overrun: overrun.unwrap_or(OVERRUN),
            restore_ttls: bool_of(node.get("restore_ttls")).unwrap_or(true),
            switch: match node.get("switch").and_then(text).map(|text| text.value) {
                Some("standby") => SwitchKind::Standby,
                Some(_) | None => SwitchKind::Direct,
            },
            windows,
            recipients,
        })
    }

    fn tlsa(&mut self, node: &Node) -> Option<Rdata> {
        let text = text(node)?;
        match Rdata::parse(RrType::TLSA, text.value, None) {
            Ok(rdata) => Some(rdata),
            Err(error) => {
                let title = format!("{} is not a TLSA record: {error}", quoted(text.value));
                let help =
                    "write usage, selector, matching type and data: `3 1 1 HASH` (RFC 6698 §2.2)";
                self.error(BAD_RDATA, text.span, title, help);
                None
            }
        }
    }

    /// The reviewer relies on reasons, so a pasted `reason: "..."` that was never filled in is
    /// refused.
    fn reason(&mut self, node: &Node) -> Option<String> {
        let reason = text(node.get("reason")?)?;
        if reason.value.contains(char::is_alphanumeric) {
            return Some(reason.value.to_owned());
        }
        let title = format!("{} is not a reason", quoted(reason.value));
        let help = "write how this is known, or who decided it";
        self.report(
            Diagnostic::error(NO_REASON, reason.span, title, help)
                .why("these words are all that the reviewer of the plan can judge by"),
        );
        None
    }

    fn clocks(&mut self, node: Option<&Node>) -> Clocks {
        let default = Clocks::default();
        let Some(node) = node else { return default };
        Clocks {
            margin: self.span(node.get("margin")).unwrap_or(default.margin),
            use_: self.span(node.get("use")).unwrap_or(default.use_),
            queue_life: self.span(node.get("queue_life")).unwrap_or(default.queue_life),
        }
    }
}

fn argv(node: &Node) -> Vec<String> {
    items(Some(node)).filter_map(text).map(|text| text.value.to_owned()).collect()
}
