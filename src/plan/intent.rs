//! What the plan wants, with all references within the plan resolved.
//!
//! [`resolve`] takes a decoded plan and answers what only the whole plan can: which zone a name is
//! in, which host is meant, what `{domain}` stands for. After that, every reference is valid. It
//! needs no network, so `check` can run it.
//!
//! What it does not do: look at live DNS (`observe`), or decide what has to change (`recipe`).

mod anchors;
pub mod evidence;
mod moves;
mod stated;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, Ttl};

use crate::language::gate::{GateSpec, GatesSpec};
use crate::language::mailboxes::MailboxesSpec;
use crate::language::task::TasksSpec;
use crate::language::{
    ApprovalsSpec, AssumeSpec, Clocks, IgnoreSpec, OVERRUN, OverrideSpec, PlanSpec, RecipientsSpec,
    RecordSpec, ResolverSpec, SwitchKind, UNDECIDED, ZoneSpec,
};
use cutover_base::calendar::window::Windows;
use cutover_base::diag::{
    Code, Diagnostic, FINDINGS_MAX, Severity, Span, Spanned, did_you_mean, listed, quoted,
};
use cutover_mail::recipients::{Kind, Recipient};
use cutover_steps::config::{ConfigSpec, ProviderSpec};
use cutover_steps::graph::OnDrift;
use cutover_steps::notify::Notice;
use cutover_steps::probe;
use cutover_steps::probe::recipients::{ADDRESSES, FILE, is_address};
use cutover_steps::probe::round_trip::ADDRESS;
use cutover_steps::probe::target::HOST;
pub use evidence::NoEvidence;

/// A provider, host or zone that the plan does not have.
pub const UNKNOWN_REFERENCE: Code = Code::semantic("unknown-reference");
/// A name that is in none of the plan's zones.
pub const OUTSIDE_ZONES: Code = Code::semantic("outside-zones");
/// The same RRset asked for twice, or the same thing stated twice.
pub const SAID_TWICE: Code = Code::semantic("said-twice");
/// A host that cannot fill its role in `migrate`.
pub const UNFIT_HOST: Code = Code::semantic("unfit-host");
/// A reference to a point that the plan does not have, or that comes after itself.
pub const UNKNOWN_ANCHOR: Code = Code::semantic("unknown-anchor");
/// A plan without anything to do.
pub const NOTHING_TO_DO: Code = Code::semantic("nothing-to-do");
/// A name that became too long, or data that became invalid, once `{domain}` was filled in.
pub const BAD_TEMPLATE: Code = Code::semantic("bad-template");

/// A probe that needs a list of addresses and has none.
pub const NO_LIST: Code = Code::semantic("no-list");

/// A plan with too many domains times hosts.
pub const TOO_MANY: Code = Code::semantic("too-many");

/// What the plan wants.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The plan's name.
    pub name: String,
    /// The place of the name.
    pub name_span: Span,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Who answers for names outside of the zones.
    pub resolver: ResolverSpec,
    /// The zones by name.
    pub zones: BTreeMap<Name, ZoneSpec>,
    /// The domains that move, in the order of the plan.
    pub moves: Vec<DomainMove>,
    /// The mailboxes that move with them; `None` if no mail moves.
    pub mailboxes: Option<Mailboxes>,
    /// How they move.
    pub terms: Terms,
    /// When the switch may begin; `None`: at any time.
    pub windows: Option<Windows>,
    /// What has to pass before and after the switch.
    pub gates: GatesSpec,
    /// Work outside of DNS.
    pub tasks: TasksSpec,
    /// Who is told, and when.
    pub notify: Vec<Notice>,
    /// Other records.
    pub records: Vec<RecordSpec>,
    /// Facts that cannot be seen, and those that gates establish.
    pub assume: Vec<AssumeSpec>,
    /// Gates that could establish a fact, and do not.
    pub no_evidence: Vec<NoEvidence>,
    /// Invariants that may be broken.
    pub overrides: Vec<OverrideSpec>,
    /// Checks whose findings do not count.
    pub ignored: Vec<IgnoreSpec>,
    /// What continues when a part of the plan cannot.
    pub on_drift: OnDrift,
    /// Who has to approve the plan before it is applied.
    pub approvals: ApprovalsSpec,
    /// The values that nobody has decided yet.
    pub undecided: Vec<Spanned<String>>,
}

/// The times that hold for the whole plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The TTL during the move.
    pub cutover_ttl: Ttl,
    /// How long the old host goes on after the switch.
    pub keep_old: Duration,
    /// A bound for resolvers that keep records longer than their TTL.
    pub overrun: Duration,
    /// Whether TTLs go back to what they were.
    pub restore_ttls: bool,
    /// How the MX records change.
    pub switch: SwitchKind,
    /// Lifetimes that no TTL states.
    pub clocks: Clocks,
}

/// A domain that moves, with the hosts as they apply to it.
#[derive(Clone, Debug)]
pub struct DomainMove {
    /// The domain, and its place in the plan.
    pub domain: Spanned<Name>,
    /// The zone that it is in.
    pub zone: Name,
    /// The host that takes its mail now.
    pub from: Host,
    /// The host that takes it after the move.
    pub to: Host,
    /// Hosts that send as the domain before, during and after.
    pub others: Vec<Host>,
}

/// The mailboxes that move, as far as the plan speaks of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailboxes {
    /// The host that has them now: its name, and how they are opened.
    pub old: (String, Option<MailboxesSpec>),
    /// The host that gets them.
    pub new: (String, Option<MailboxesSpec>),
    /// Who uses them, and the other addresses that move.
    pub recipients: Option<RecipientsSpec>,
}

impl Mailboxes {
    fn of(spec: &PlanSpec) -> Option<Self> {
        let migrate = spec.migrate.as_ref()?;
        let side = |name: &Spanned<String>| {
            let host = spec.hosts.get(&name.value);
            (name.value.clone(), host.and_then(|host| host.mailboxes.clone()))
        };
        let recipients = migrate.recipients.clone();
        Some(Self { old: side(&migrate.from), new: side(&migrate.to), recipients })
    }
}

/// A host as it applies to one domain.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the plan.
    pub name: String,
    /// Where `migrate` names it; for other hosts, the place of the domain.
    pub span: Span,
    /// Its exchanges.
    pub exchanges: Vec<Exchange>,
    /// Its senders.
    pub senders: Vec<Sender>,
    /// Its discovery records: the data for each name.
    pub discovery: BTreeMap<RrKey, Spanned<Rdata>>,
    /// TLSA records that the certificates of its exchanges match.
    pub tlsa: Vec<Rdata>,
}

/// A mail exchanger.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The MX record's preference.
    pub preference: u16,
    /// The exchange's name.
    pub name: Spanned<Name>,
    /// Addresses that the plan publishes for it.
    pub addresses: Vec<IpAddr>,
}

/// A stream of mail.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Its name.
    pub name: String,
    /// The SPF terms that authorise it.
    pub spf: Option<Spanned<String>>,
    /// Its DKIM selectors.
    pub selectors: Vec<Selector>,
}

impl Sender {
    /// Whether the plan says how its mail is authenticated.
    #[must_use]
    pub fn says_anything(&self) -> bool {
        self.spf.is_some() || !self.selectors.is_empty()
    }
}

impl Host {
    /// Whether it has an exchange of this name.
    #[must_use]
    pub fn has_exchange(&self, name: &Name) -> bool {
        self.exchanges.iter().any(|exchange| exchange.name.value == *name)
    }
}

/// A DKIM selector.
#[derive(Clone, Debug)]
pub struct Selector {
    /// `SELECTOR._domainkey.DOMAIN`.
    pub owner: Spanned<Name>,
    /// What the plan publishes there.
    pub publish: Option<Rdata>,
}

/// Resolves all references.
///
/// # Errors
/// All inconsistencies at once.
pub fn resolve(spec: PlanSpec) -> Result<Intent, Vec<Diagnostic>> {
    let mut resolver = Resolver { found: Vec::new(), spec: &spec };
    resolver.references();
    resolver.anchors();
    let moves = spec.migrate.as_ref().map(|m| resolver.moves(m)).unwrap_or_default();
    resolver.records();
    resolver.assumptions();
    if spec.migrate.is_none() && spec.records.is_empty() {
        let title = "the plan has nothing to do";
        let help = "add `migrate:` to move mail domains, or `records:` to change records";
        resolver.report(Diagnostic::error(NOTHING_TO_DO, spec.name.span, title, help));
    }
    let placed = [
        spec.gates.all().next().map(|gate| (gate.probe.span, "gate", "gates")),
        spec.tasks.all().next().map(|(_, task)| (task.name.span, "task", "tasks")),
    ];
    for (span, what, key) in placed.into_iter().flatten().filter(|_| spec.migrate.is_none()) {
        let title = format!("this {what} needs a switch, but the plan moves no mail");
        let help = format!("add `migrate:`, or remove `{key}:`");
        resolver.report(Diagnostic::error(UNKNOWN_ANCHOR, span, title, help));
    }
    resolver.asked();
    resolver.recipients();
    let found = resolver.found;
    if !found.is_empty() {
        return Err(found);
    }
    let terms = spec.migrate.as_ref().map_or(
        Terms {
            cutover_ttl: Ttl::MAX,
            keep_old: Duration::ZERO,
            overrun: OVERRUN,
            restore_ttls: true,
            switch: SwitchKind::Direct,
            clocks: spec.clocks,
        },
        |m| Terms {
            cutover_ttl: m.cutover_ttl,
            keep_old: m.keep_old,
            overrun: m.overrun,
            restore_ttls: m.restore_ttls,
            switch: m.switch,
            clocks: spec.clocks,
        },
    );
    let mailboxes = Mailboxes::of(&spec);
    let mut assume = stated::placed(&spec.tasks, spec.assume);
    let zones: BTreeMap<Name, ZoneSpec> =
        spec.zones.into_iter().map(|zone| (zone.name.value.clone(), zone)).collect();
    let (by_gates, no_evidence) = evidence::of_gates(&evidence::Said {
        gates: &spec.gates,
        moves: &moves,
        recipients: mailboxes.as_ref().and_then(|all| all.recipients.as_ref()),
        opened: mailboxes.as_ref().and_then(|all| all.old.1.as_ref().zip(all.new.1.as_ref())),
        zones: &zones,
        resolver: &spec.resolver,
        assume: &assume,
    });
    assume.extend(by_gates);
    Ok(Intent {
        name: spec.name.value,
        name_span: spec.name.span,
        providers: spec.providers,
        resolver: spec.resolver,
        zones,
        moves,
        mailboxes,
        terms,
        windows: spec.migrate.and_then(|migrate| migrate.windows),
        gates: spec.gates,
        tasks: spec.tasks,
        notify: spec.notify,
        records: spec.records,
        assume,
        no_evidence,
        overrides: spec.overrides,
        ignored: spec.ignored,
        on_drift: spec.on_drift,
        approvals: spec.approvals,
        undecided: spec.undecided,
    })
}

impl Intent {
    /// What has to be decided before the plan can be proved: errors, each at its place.
    ///
    /// # Errors
    /// If anything is undecided.
    pub fn check_decided(&self) -> Result<(), Vec<Diagnostic>> {
        let error = |todo: &Spanned<String>| {
            let help = "replace the text by the value; `cutover check` lists all that are left";
            Diagnostic::error(UNDECIDED, todo.span, "this is not decided yet", help)
                .why("the proof would be about a plan that nobody has decided on")
        };
        match self.undecided.is_empty() {
            true => Ok(()),
            false => Err(self.undecided.iter().map(error).collect()),
        }
    }

    /// The same as warnings, for whoever only reads the plan.
    #[must_use]
    pub fn undecided_remarks(&self) -> Vec<Diagnostic> {
        let found = self.check_decided().err().unwrap_or_default();
        found.into_iter().map(|one| Diagnostic { severity: Severity::Warning, ..one }).collect()
    }

    /// The plan's zone that a name is in: the longest match.
    #[must_use]
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        let above = std::iter::successors(Some(name.clone()), Name::parent);
        let mut zones = above.filter_map(|name| self.zones.get_key_value(&name));
        zones.next().map(|(zone, _)| zone)
    }
}

fn zone_of<'z>(zones: impl Iterator<Item = &'z Name>, name: &Name) -> Option<&'z Name> {
    zones.filter(|zone| name.is_at_or_below(zone)).max_by_key(|zone| zone.wire().len())
}

struct Resolver<'s> {
    spec: &'s PlanSpec,
    found: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(diagnostic);
        }
    }

    fn unknown<'k>(
        &mut self,
        what: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'k String> + Clone,
    ) {
        let help = match did_you_mean(&name.value, known.clone().map(String::as_str)) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None if known.clone().next().is_none() => {
                format!("add {} to `{what}s:`, which has none", quoted(&name.value))
            }
            None => {
                let all = listed(known.map(String::as_str));
                format!("add {} to `{what}s:`, which has {all}", quoted(&name.value))
            }
        };
        let title = format!("the plan has no {what} {}", quoted(&name.value));
        self.report(Diagnostic::error(UNKNOWN_REFERENCE, name.span, title, help));
    }

    /// The hosts and domains that gates ask about are the plan's.
    fn asked(&mut self) {
        let spec = self.spec;
        let text = |gate: &GateSpec, key| match gate.settings.get(key) {
            Some(ConfigSpec::Text(text)) => {
                Some(Spanned { value: text.clone(), span: gate.probe.span })
            }
            Some(_) | None => None,
        };
        for gate in spec.gates.all() {
            let keys = probe::of_name(&gate.probe.value).and_then(|probe| probe.keys.host);
            if keys.is_none() {
                continue;
            }
            if let Some(host) = text(gate, HOST)
                && !spec.hosts.contains_key(&host.value)
            {
                self.unknown("host", &host, spec.hosts.keys());
            }
            match gate.probe.value.as_str() {
                "mailboxes" => self.opened(gate),
                "round_trip" => self.written_to(gate, text(gate, HOST), text(gate, ADDRESS)),
                _ => {}
            }
            let keys = probe::of_name(&gate.probe.value).map(|probe| probe.keys.fields);
            let mut keys = keys.unwrap_or_default().iter().map(|field| field.name);
            let takes_list = keys.any(|key| key == ADDRESSES);
            let has_list = [FILE, ADDRESSES].iter().any(|key| gate.settings.contains_key(*key));
            let is_listed = spec.migrate.as_ref().is_some_and(|one| one.recipients.is_some());
            if takes_list && !has_list && !is_listed {
                let name = &gate.probe.value;
                let title = format!("nothing says for which addresses the probe `{name}` asks");
                let help = "add `recipients: { file: recipients.csv }` to `migrate:`, or `file:` or `addresses:` to the gate";
                self.report(Diagnostic::error(NO_LIST, gate.probe.span, title, help));
            }
            let all = spec.migrate.as_ref().and_then(|migrate| migrate.recipients.as_ref());
            let mut all =
                all.iter().flat_map(|list| list.all.iter()).filter(|_| takes_list && !has_list);
            if let Some(odd) = all.find(|one| !is_address(&one.address)) {
                let (name, odd) = (&gate.probe.value, quoted(&odd.address));
                let title =
                    format!("the probe `{name}` cannot ask for {odd} of the list of recipients");
                let help = "give the gate a list of its own, with `file:` or `addresses:`: servers are asked in ASCII";
                self.report(Diagnostic::error(NO_LIST, gate.probe.span, title, help));
            }
        }
    }

    /// Checks that the list of recipients is about the domains that move: whoever is left out by mistake
    /// is asked for by nobody.
    fn recipients(&mut self) {
        let Some(migrate) = &self.spec.migrate else { return };
        let Some(RecipientsSpec { file, all }) = &migrate.recipients else { return };
        let domains: BTreeSet<&Name> = migrate.domains.iter().map(|one| &one.value).collect();
        for one in all.iter() {
            let domain = evidence::domain_of(&one.address);
            let moves = domain.is_some_and(|domain| domains.contains(&domain));
            let address = quoted(&one.address);
            let (title, help) = match (moves, one.kind) {
                (true, Kind::Contact) => (
                    format!("{address} is a contact, but its domain moves"),
                    "a contact is an address elsewhere; write what it is here, such as `forward`",
                ),
                (false, Kind::Contact) | (true, _) => continue,
                (false, _) => (
                    format!("{address} is at no domain that moves"),
                    "add the domain to `migrate.domains`, write `contact` as its kind, or remove the line",
                ),
            };
            let title = format!("line {} of the list of recipients: {title}", one.line);
            self.report(Diagnostic::error(NO_LIST, file.span, title, help));
        }
    }

    /// Checks that the plan says which mailboxes a gate compares, and how they are opened.
    fn opened(&mut self, gate: &GateSpec) {
        let Some(Mailboxes { old, new, recipients }) = Mailboxes::of(self.spec) else { return };
        let mut missing = Vec::new();
        for (name, _) in [old, new].into_iter().filter(|(_, spec)| spec.is_none()) {
            missing.push(format!("`mailboxes: {{ imap: \"imap.example.com:993\" }}` to `{name}`"));
        }
        if recipients.is_none() {
            missing.push("`recipients: { file: recipients.csv }` to `migrate:`".to_owned());
        }
        if !missing.is_empty() {
            let title =
                "the plan does not say which mailboxes this gate compares, or how they are opened";
            let help = format!("add {}", missing.join(", "));
            self.report(Diagnostic::error(NO_LIST, gate.probe.span, title, help));
        }
    }

    /// Checks that the plan says to which mailbox a gate sends its messages, and how it is opened.
    fn written_to(
        &mut self,
        gate: &GateSpec,
        host: Option<Spanned<String>>,
        address: Option<Spanned<String>>,
    ) {
        let Some(Mailboxes { old, new, recipients }) = Mailboxes::of(self.spec) else { return };
        let name = host.map_or(new.0.clone(), |host| host.value);
        let side = [old, new].into_iter().find(|side| side.0 == name);
        let all: Vec<&Recipient> = recipients.iter().flat_map(|list| list.all.iter()).collect();
        let wanted = address.map(|address| address.value);
        let found = evidence::mailbox_of(&all, wanted.as_deref());
        let mailboxes =
            format!("add `mailboxes: {{ imap: \"imap.example.com:993\" }}` to `{name}`");
        let list = "add `recipients: { file: recipients.csv }` to `migrate:`, with a mailbox";
        let (title, help) = match (side, found, &wanted) {
            (None, _, _) => (
                format!(
                    "nobody can look into a mailbox of `{name}`, which mail does not move to or from"
                ),
                "name the old or the new host, or leave `host` out".to_owned(),
            ),
            (Some((_, None)), _, _) => {
                ("the plan does not say how this gate opens a mailbox".to_owned(), mailboxes)
            }
            (_, None, None) => (
                "nothing says to which mailbox this gate sends a message".to_owned(),
                list.to_owned(),
            ),
            (_, None, Some(address)) => (
                format!("the list of recipients has no mailbox {}", quoted(address)),
                "add it to the file of `migrate.recipients`, with the kind `mailbox`".to_owned(),
            ),
            (_, Some(one), _) if !is_address(&one.address) => (
                format!(
                    "servers are asked in ASCII, and cannot be asked for {}",
                    quoted(&one.address)
                ),
                "write another mailbox of the list as `address:`".to_owned(),
            ),
            (_, Some(_), _) => return,
        };
        self.report(Diagnostic::error(NO_LIST, gate.probe.span, title, help));
    }

    fn references(&mut self) {
        let spec = self.spec;
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        for zone in &spec.zones {
            if !spec.providers.contains_key(&zone.provider.value) {
                self.unknown("provider", &zone.provider, spec.providers.keys());
            }
            if let Some(first) = seen.insert(&zone.name.value, zone.name.span) {
                let name = quoted(&zone.name.value.to_string());
                let title = format!("the zone {name} is listed twice");
                let help = "keep one of them: names are compared without case and trailing dot";
                self.report(
                    Diagnostic::error(SAID_TWICE, zone.name.span, title, help)
                        .also(first, "first here"),
                );
            }
        }
    }

    fn outside(&mut self, name: &Name, span: Span) {
        let zones: Vec<String> =
            self.spec.zones.iter().map(|zone| zone.name.value.to_string()).collect();
        let name = quoted(&name.to_string());
        let zones = listed(zones.iter().map(String::as_str));
        self.report(Diagnostic::error(
            OUTSIDE_ZONES,
            span,
            format!("{name} is in none of the plan's zones"),
            format!("add its zone to `zones:`, which has {zones}"),
        ));
    }

    fn records(&mut self) {
        let spec = self.spec;
        let mut seen: BTreeMap<RrKey, Span> = BTreeMap::new();
        for record in &spec.records {
            let zones = spec.zones.iter().map(|zone| &zone.name.value);
            let (zone, name) = (&record.zone.value, &record.name.value);
            if !spec.zones.iter().any(|known| known.name.value == *zone) {
                self.outside(zone, record.zone.span);
                continue;
            }
            let nearest = zone_of(zones, name);
            if nearest != Some(zone) {
                let (name, zone) = (quoted(&name.to_string()), quoted(&zone.to_string()));
                let title = format!("{name} is not in the zone {zone}");
                let help = match nearest {
                    Some(nearest) => format!("write `zone: {nearest}`, which it is in"),
                    None => "write the name relative to the zone, or add its own zone".to_owned(),
                };
                self.report(Diagnostic::error(OUTSIDE_ZONES, record.name.span, title, help));
                continue;
            }
            let key = record.key();
            if let Some(first) = seen.insert(key.clone(), record.name.span) {
                let title = format!("{} is set twice", quoted(&key.to_string()));
                let help = "put all records of an RRset in one `to:` list";
                self.report(
                    Diagnostic::error(SAID_TWICE, record.name.span, title, help)
                        .also(first, "first here"),
                );
            }
        }
    }
}
