//! What the plan wants, with everything looked up within the plan itself.
//!
//! [`resolve`] takes a decoded plan and answers what only the whole plan can: which zone a name lies
//! in, which host is meant, what `{domain}` stands for. From here on a name is a name and every
//! reference holds. It asks nobody, so `check` can run it without a network.
//!
//! What it does not do: look at live DNS (`observe`), or decide what has to change (`recipe`).

mod anchors;
mod stated;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrType, Ttl};

use crate::calendar::window::Windows;
use crate::diag::{Code, Diagnostic, FINDINGS_MAX, Span, Spanned, did_you_mean, listed, quoted};
use crate::spec::gate::GatesSpec;
use crate::spec::notify::Notice;
use crate::spec::task::TasksSpec;
use crate::spec::{
    AssumeSpec, Clocks, DkimRecord, Endpoint, ExchangeSpec, HostSpec, MigrateSpec, NameTemplate,
    OverrideSpec, PlanSpec, ProviderSpec, RecordSpec, ResolverSpec, SenderSpec, SwitchKind,
    ZoneSpec,
};

/// A provider, host or zone that the plan does not have.
pub const UNKNOWN_REFERENCE: Code = Code::semantic("unknown-reference");
/// A name that lies in none of the plan's zones.
pub const OUTSIDE_ZONES: Code = Code::semantic("outside-zones");
/// Two things that ask for the same RRset, or the same thing said twice.
pub const SAID_TWICE: Code = Code::semantic("said-twice");
/// A host that cannot play the part that `migrate` gives it.
pub const UNFIT_HOST: Code = Code::semantic("unfit-host");
/// A reference to a point that the plan does not have, or that comes after itself.
pub const UNKNOWN_ANCHOR: Code = Code::semantic("unknown-anchor");
/// A plan that asks for nothing.
pub const NOTHING_TO_DO: Code = Code::semantic("nothing-to-do");
/// A name that became too long, or data that is no data of its type, once `{domain}` was filled in.
pub const BAD_TEMPLATE: Code = Code::semantic("bad-template");

/// A plan whose domains and hosts, multiplied, are too many.
pub const TOO_MANY: Code = Code::semantic("too-many");

/// Parts of hosts, each counted once for each domain, at the most. Our choice: a thousand domains
/// with five hosts of forty parts each.
const PARTS_MAX: usize = 200_000;

/// What the plan wants.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The plan's name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Who answers for names outside of the zones.
    pub resolver: ResolverSpec,
    /// The zones by name.
    pub zones: BTreeMap<Name, ZoneSpec>,
    /// The domains that move, in the order of the plan.
    pub moves: Vec<DomainMove>,
    /// How they move.
    pub terms: Terms,
    /// When the switch may begin; `None`: at any time.
    pub windows: Option<Windows>,
    /// What has to pass before and behind the switch.
    pub gates: GatesSpec,
    /// Work outside of DNS.
    pub tasks: TasksSpec,
    /// Who is told, and when.
    pub notify: Vec<Notice>,
    /// Other records.
    pub records: Vec<RecordSpec>,
    /// Facts that cannot be seen.
    pub assume: Vec<AssumeSpec>,
    /// Invariants that may be broken.
    pub overrides: Vec<OverrideSpec>,
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
    /// How long things live that no TTL says.
    pub clocks: Clocks,
}

/// One domain that moves, with the hosts as they look for this domain.
#[derive(Clone, Debug)]
pub struct DomainMove {
    /// The domain, and where it stands in the plan.
    pub domain: Spanned<Name>,
    /// The zone it lies in.
    pub zone: Name,
    /// The host that takes its mail now.
    pub from: Host,
    /// The host that takes it in the end.
    pub to: Host,
    /// Hosts that send as the domain before, during and after.
    pub others: Vec<Host>,
}

/// A host as it looks for one domain.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the plan.
    pub name: String,
    /// Where `migrate` names it; for other hosts, where the domain stands.
    pub span: Span,
    /// Its exchanges.
    pub exchanges: Vec<Exchange>,
    /// Its senders.
    pub senders: Vec<Sender>,
    /// Its discovery records: what shall stand at each name.
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
    /// Addresses that the plan shall publish for it.
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
    /// What the plan shall publish there.
    pub publish: Option<Rdata>,
}

/// Looks everything up.
///
/// # Errors
/// All that does not hang together, in one go.
pub fn resolve(spec: PlanSpec) -> Result<Intent, Vec<Diagnostic>> {
    let mut resolver = Resolver { found: Vec::new(), spec: &spec };
    resolver.references();
    resolver.anchors();
    let moves = spec.migrate.as_ref().map(|m| resolver.moves(m)).unwrap_or_default();
    resolver.records();
    resolver.assumptions();
    if spec.migrate.is_none() && spec.records.is_empty() {
        let title = "the plan asks for nothing";
        let help = "add `migrate:` to move mail domains, or `records:` to change records";
        resolver.report(Diagnostic::error(NOTHING_TO_DO, spec.name.span, title, help));
    }
    let placed = [
        spec.gates.all().next().map(|gate| (gate.probe.span, "gate", "gates")),
        spec.tasks.all().next().map(|(_, task)| (task.name.span, "task", "tasks")),
    ];
    for (span, what, key) in placed.into_iter().flatten().filter(|_| spec.migrate.is_none()) {
        let title = format!("there is no switch that this {what} could stand before or behind");
        let help = format!("add `migrate:`, or take `{key}:` out");
        resolver.report(Diagnostic::error(UNKNOWN_ANCHOR, span, title, help));
    }
    let found = resolver.found;
    if !found.is_empty() {
        return Err(found);
    }
    let terms = spec.migrate.as_ref().map_or(
        Terms {
            cutover_ttl: Ttl::MAX,
            keep_old: Duration::ZERO,
            overrun: Duration::ZERO,
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
    let assume = stated::placed(&spec.tasks, spec.assume);
    Ok(Intent {
        name: spec.name.value,
        name_span: spec.name.span,
        providers: spec.providers,
        resolver: spec.resolver,
        zones: spec.zones.into_iter().map(|zone| (zone.name.value.clone(), zone)).collect(),
        moves,
        terms,
        windows: spec.migrate.and_then(|migrate| migrate.windows),
        gates: spec.gates,
        tasks: spec.tasks,
        notify: spec.notify,
        records: spec.records,
        assume,
        overrides: spec.overrides,
    })
}

impl Intent {
    /// The plan's zone that a name lies in: the longest one above it.
    #[must_use]
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        zone_of(self.zones.keys(), name)
    }
}

fn zone_of<'z>(zones: impl Iterator<Item = &'z Name>, name: &Name) -> Option<&'z Name> {
    zones.filter(|zone| name.is_at_or_below(zone)).max_by_key(|zone| zone.wire().len())
}

/// How many parts the hosts have for one domain: the hosts, exchanges, addresses, and so on.
fn parts(spec: &PlanSpec) -> usize {
    let exchange = |exchange: &ExchangeSpec| 1 + exchange.addresses.len();
    let sender = |sender: &SenderSpec| 1 + sender.dkim.len();
    let host = |host: &HostSpec| {
        let HostSpec { exchanges, senders, discovery: _, tlsa } = host;
        let exchanges: usize = exchanges.iter().map(exchange).sum();
        // Discovery has five records at the most.
        6 + tlsa.len() + exchanges + senders.iter().map(sender).sum::<usize>()
    };
    spec.hosts.values().map(host).sum()
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

    fn references(&mut self) {
        let spec = self.spec;
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        for zone in &spec.zones {
            if !spec.providers.contains_key(&zone.provider.value) {
                self.unknown("provider", &zone.provider, spec.providers.keys());
            }
            if let Some(first) = seen.insert(&zone.name.value, zone.name.span) {
                let name = quoted(&zone.name.value.to_string());
                let title = format!("the zone {name} stands here twice");
                let help = "keep one of the two: names are compared without case and trailing dot";
                self.report(
                    Diagnostic::error(SAID_TWICE, zone.name.span, title, help)
                        .also(first, "first here"),
                );
            }
        }
    }

    fn moves(&mut self, migrate: &MigrateSpec) -> Vec<DomainMove> {
        let spec = self.spec;
        for side in [&migrate.from, &migrate.to] {
            if !spec.hosts.contains_key(&side.value) {
                self.unknown("host", side, spec.hosts.keys());
            }
        }
        if migrate.from.value == migrate.to.value {
            let title = "mail cannot move from a host to itself".to_owned();
            let help = "name the host that takes the mail in the end";
            self.report(Diagnostic::error(UNFIT_HOST, migrate.to.span, title, help));
            return Vec::new();
        }
        if let Some(to) = spec.hosts.get(&migrate.to.value)
            && to.exchanges.is_empty()
        {
            let title = format!("the host {} has no exchanges", quoted(&migrate.to.value));
            let help = "list its `exchanges:`, so that the MX records are known";
            self.report(
                Diagnostic::error(UNFIT_HOST, migrate.to.span, title, help).why(
                    "without an MX record mail goes to the domain's own address (RFC 5321 §5.1)",
                ),
            );
        }
        if let Some(from) = spec.hosts.get(&migrate.from.value)
            && from.exchanges.is_empty()
        {
            let title = format!("the host {} has no exchanges", quoted(&migrate.from.value));
            let help = "list its `exchanges:` as they are live";
            self.report(
                Diagnostic::error(UNFIT_HOST, migrate.from.span, title, help).why(
                    "MX records are replaced only where they are the ones that the plan expects",
                ),
            );
        }
        let parts = parts(spec).saturating_mul(migrate.domains.len());
        if parts > PARTS_MAX
            && let Some(last) = migrate.domains.last()
        {
            let domains = migrate.domains.len();
            let title =
                format!("{domains} domains make {parts} parts of hosts; {PARTS_MAX} is the most");
            let help =
                "split the plan into several, one for each group of domains that moves together";
            self.report(Diagnostic::error(TOO_MANY, last.span, title, help));
            return Vec::new();
        }
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        let mut moves = Vec::new();
        for domain in &migrate.domains {
            if let Some(first) = seen.insert(&domain.value, domain.span) {
                let name = quoted(&domain.value.to_string());
                let title = format!("the domain {name} stands here twice");
                self.report(
                    Diagnostic::error(SAID_TWICE, domain.span, title, "keep one of the two")
                        .also(first, "first here"),
                );
                continue;
            }
            let Some(zone) = zone_of(spec.zones.iter().map(|zone| &zone.name.value), &domain.value)
            else {
                self.outside(&domain.value, domain.span);
                continue;
            };
            let mut host = |name: &str, span| {
                spec.hosts.get(name).map(|host| self.host(name, host, &domain.value, span))
            };
            let (from, to) = (
                host(&migrate.from.value, migrate.from.span),
                host(&migrate.to.value, migrate.to.span),
            );
            let sides = [&migrate.from.value, &migrate.to.value];
            let others = spec.hosts.keys().filter(|name| !sides.contains(name));
            let others = others.filter_map(|name| host(name, domain.span)).collect();
            if let (Some(from), Some(to)) = (from, to) {
                moves.push(DomainMove {
                    domain: domain.clone(),
                    zone: zone.clone(),
                    from,
                    to,
                    others,
                });
            }
        }
        moves
    }

    fn outside(&mut self, name: &Name, span: Span) {
        let zones: Vec<String> =
            self.spec.zones.iter().map(|zone| zone.name.value.to_string()).collect();
        let name = quoted(&name.to_string());
        let zones = listed(zones.iter().map(String::as_str));
        self.report(Diagnostic::error(
            OUTSIDE_ZONES,
            span,
            format!("{name} lies in none of the plan's zones"),
            format!("add its zone to `zones:`, which has {zones}"),
        ));
    }

    fn host(&mut self, name: &str, host: &HostSpec, domain: &Name, span: Span) -> Host {
        let exchanges = host
            .exchanges
            .iter()
            .filter_map(|exchange| {
                let name = self.fill(&exchange.name.value, domain, exchange.name.span)?;
                Some(Exchange {
                    preference: exchange.preference,
                    name: Spanned { value: name, span: exchange.name.span },
                    addresses: exchange.addresses.clone(),
                })
            })
            .collect();
        let senders = host
            .senders
            .iter()
            .map(|sender| Sender {
                name: sender.name.clone(),
                spf: sender.spf.clone(),
                selectors: sender
                    .dkim
                    .iter()
                    .filter_map(|dkim| self.selector(&dkim.selector, dkim.publish.as_ref(), domain))
                    .collect(),
            })
            .collect();
        let discovery = self.discovery(host, domain);
        Host { name: name.to_owned(), span, exchanges, senders, discovery, tlsa: host.tlsa.clone() }
    }

    fn fill(&mut self, template: &NameTemplate, domain: &Name, span: Span) -> Option<Name> {
        match template.for_domain(domain) {
            Ok(name) => Some(name),
            Err(error) => {
                let domain = quoted(&domain.to_string());
                let title = format!("for {domain} this is no name: {error}");
                self.report(Diagnostic::error(BAD_TEMPLATE, span, title, "write a shorter name"));
                None
            }
        }
    }

    fn below(&mut self, labels: &str, domain: &Name, span: Span) -> Option<Name> {
        match Name::from_user(labels).and_then(|name| name.join(domain)) {
            Ok(name) => Some(name),
            Err(error) => {
                let (labels, domain) = (quoted(labels), quoted(&domain.to_string()));
                let title = format!("{labels} in front of {domain} is no name: {error}");
                self.report(Diagnostic::error(BAD_TEMPLATE, span, title, "write a shorter name"));
                None
            }
        }
    }

    fn selector(
        &mut self,
        selector: &Spanned<String>,
        publish: Option<&DkimRecord>,
        domain: &Name,
    ) -> Option<Selector> {
        let owner = self.below(&format!("{}._domainkey", selector.value), domain, selector.span)?;
        let publish = match publish {
            None => None,
            Some(DkimRecord::Cname(template)) => {
                Some(Rdata::cname(&self.fill(template, domain, selector.span)?))
            }
            Some(DkimRecord::Txt(key)) => Some(Rdata::txt(key.as_bytes())),
        };
        Some(Selector { owner: Spanned { value: owner, span: selector.span }, publish })
    }

    /// The discovery records of a host: RFC 6186 and RFC 8314 SRV records, and the two well-known
    /// aliases that mail clients ask for.
    fn discovery(&mut self, host: &HostSpec, domain: &Name) -> BTreeMap<RrKey, Spanned<Rdata>> {
        let spec = &host.discovery;
        type Service<'s> = (Option<&'s Spanned<Endpoint>>, [(u16, &'static str); 2]);
        let services: [Service<'_>; 3] = [
            (spec.imap.as_ref(), [(143, "_imap._tcp"), (993, "_imaps._tcp")]),
            (spec.pop3.as_ref(), [(110, "_pop3._tcp"), (995, "_pop3s._tcp")]),
            (spec.submission.as_ref(), [(587, "_submission._tcp"), (465, "_submissions._tcp")]),
        ];
        let mut records = BTreeMap::new();
        for (endpoint, ports) in services {
            let Some(endpoint) = endpoint else { continue };
            // A port of the host's own: the one with TLS from the start is the safer guess.
            let known = ports.iter().find(|(port, _)| *port == endpoint.value.port);
            let labels = known.map_or(ports[1].1, |(_, labels)| labels);
            let Some(owner) = self.below(labels, domain, endpoint.span) else { continue };
            let Some(target) = self.fill(&endpoint.value.host, domain, endpoint.span) else {
                continue;
            };
            // Priority 0 and weight 1: one server, nothing to choose (RFC 2782).
            let rdata = Rdata::srv(0, 1, endpoint.value.port, &target);
            records.insert(
                RrKey::new(owner, RrType::SRV),
                Spanned { value: rdata, span: endpoint.span },
            );
        }
        for (alias, label) in
            [(&spec.autodiscover, "autodiscover"), (&spec.autoconfig, "autoconfig")]
        {
            let Some(alias) = alias else { continue };
            let Some(owner) = self.below(label, domain, alias.span) else { continue };
            let Some(target) = self.fill(&alias.value, domain, alias.span) else { continue };
            let rdata = Spanned { value: Rdata::cname(&target), span: alias.span };
            records.insert(RrKey::new(owner, RrType::CNAME), rdata);
        }
        records
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
                let title = format!("{name} does not lie in the zone {zone}");
                let help = match nearest {
                    Some(nearest) => format!("write `zone: {nearest}`, which it lies in"),
                    None => "write the name relative to the zone, or add its own zone".to_owned(),
                };
                self.report(Diagnostic::error(OUTSIDE_ZONES, record.name.span, title, help));
                continue;
            }
            let key = RrKey::new(record.name.value.clone(), record.rtype.value);
            if let Some(first) = seen.insert(key.clone(), record.name.span) {
                let title = format!("{} is set twice", quoted(&key.to_string()));
                let help = "an RRset has one set of records: put them all into one `to:` list";
                self.report(
                    Diagnostic::error(SAID_TWICE, record.name.span, title, help)
                        .also(first, "first here"),
                );
            }
        }
    }
}
