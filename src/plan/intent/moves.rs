//! The domains that move, with the hosts as they apply to each.

use std::collections::BTreeMap;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{
    BAD_TEMPLATE, DomainMove, Exchange, Host, Resolver, SAID_TWICE, Selector, Sender, TOO_MANY,
    UNFIT_HOST, UNKNOWN_REFERENCE, zone_of,
};
use crate::language::{
    DkimRecord, DomainsOf, Endpoint, ExchangeSpec, HostSpec, MigrateSpec, NameTemplate, PlanSpec,
    SenderSpec,
};
use cutover_base::diag::{Diagnostic, Span, Spanned, did_you_mean, listed, quoted};

/// The maximum number of parts of hosts, each counted once per domain. Our choice: a thousand
/// domains with five hosts of forty parts each.
const PARTS_MAX: usize = 200_000;

/// How many parts all hosts have for one domain: hosts, exchanges, addresses, and so on.
fn parts(spec: &PlanSpec) -> usize {
    let exchange = |exchange: &ExchangeSpec| 1 + exchange.addresses.len();
    let sender = |sender: &SenderSpec| 1 + sender.dkim.len();
    let host = |host: &HostSpec| {
        let HostSpec { exchanges, senders, discovery: _, tlsa, mailboxes: _ } = host;
        let exchanges: usize = exchanges.iter().map(exchange).sum();
        // The host itself, and at most five discovery records.
        6 + tlsa.len() + exchanges + senders.iter().map(sender).sum::<usize>()
    };
    spec.hosts.values().map(host).sum()
}

impl Resolver<'_> {
    pub(super) fn moves(&mut self, migrate: &MigrateSpec) -> Vec<DomainMove> {
        let spec = self.spec;
        for side in [&migrate.from, &migrate.to] {
            if !spec.hosts.contains_key(&side.value) {
                self.unknown("host", side, spec.hosts.keys());
            }
        }
        if migrate.from.value == migrate.to.value {
            let title = "`from` and `to` are the same host".to_owned();
            let help = "name the host that takes the mail after the move";
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
                Diagnostic::error(UNFIT_HOST, migrate.from.span, title, help)
                    .why("MX records are replaced only if they are what the plan expects"),
            );
        }
        let parts = parts(spec).saturating_mul(migrate.domains.len());
        if parts > PARTS_MAX
            && let Some(last) = migrate.domains.last()
        {
            let domains = migrate.domains.len();
            let title = format!(
                "{domains} domains make {parts} parts of hosts; the maximum is {PARTS_MAX}"
            );
            let help =
                "split the plan into several, one for each group of domains that moves together";
            self.report(Diagnostic::error(TOO_MANY, last.span, title, help));
            return Vec::new();
        }
        self.parts_are_of_domains(migrate);
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        let mut moves = Vec::new();
        for domain in &migrate.domains {
            if let Some(first) = seen.insert(&domain.value, domain.span) {
                let name = quoted(&domain.value.to_string());
                let title = format!("the domain {name} is listed twice");
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
                self.has_exchanges(&from, domain);
                self.has_exchanges(&to, domain);
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

    /// The domains that parts of hosts are limited to have to move.
    fn parts_are_of_domains(&mut self, migrate: &MigrateSpec) {
        let spec = self.spec;
        let all: Vec<String> = migrate.domains.iter().map(|one| one.value.to_string()).collect();
        let parts = spec.hosts.values().flat_map(|host| {
            let of_exchanges = host.exchanges.iter().map(|exchange| &exchange.domains);
            of_exchanges.chain(host.senders.iter().map(|sender| &sender.domains))
        });
        let named = parts.flat_map(DomainsOf::named);
        let moves = |name: &Name| migrate.domains.iter().any(|domain| domain.value == *name);
        for unknown in named.filter(|one| !moves(&one.value)) {
            let name = unknown.value.to_string();
            let help = match did_you_mean(&name, all.iter().map(String::as_str)) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => format!("the domains that move are {}", listed(all.iter().map(|n| &**n))),
            };
            let title = format!("{} is not a domain that moves", quoted(&name));
            self.report(Diagnostic::error(UNKNOWN_REFERENCE, unknown.span, title, help));
        }
    }

    /// A host that takes mail needs an exchange for each domain.
    fn has_exchanges(&mut self, host: &Host, domain: &Spanned<Name>) {
        // A host without any exchange, or with an invalid exchange name, was reported before.
        let is_there = |spec: &HostSpec| {
            spec.exchanges.is_empty() || spec.exchanges.iter().any(|e| e.domains.has(&domain.value))
        };
        if self.spec.hosts.get(&host.name).is_none_or(is_there) {
            return;
        }
        let (name, of) = (quoted(&host.name), quoted(&domain.value.to_string()));
        let title = format!("the host {name} has no exchange for {of}");
        let help = "add the domain to the `domains:` of an exchange, or an exchange for it";
        self.report(Diagnostic::error(UNFIT_HOST, domain.span, title, help).why(
            "each domain has its own MX records, so the plan must know the current and the new ones",
        ));
    }

    fn host(&mut self, name: &str, host: &HostSpec, domain: &Name, span: Span) -> Host {
        let exchanges = host
            .exchanges
            .iter()
            .filter(|exchange| exchange.domains.has(domain))
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
            .filter(|sender| sender.domains.has(domain))
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
                let title = format!("for {domain} this is not a name: {error}");
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
                let title = format!("{labels} before {domain} is not a name: {error}");
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

    /// The discovery records of a host: the SRV records of RFC 6186 and RFC 8314, and the two
    /// well-known aliases that mail clients look up.
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
            // For a non-standard port, TLS from the start is the safer guess.
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
}
