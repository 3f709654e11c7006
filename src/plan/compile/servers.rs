//! The servers that a gate's probe asks, filled in from what the plan says of its hosts.
//!
//! The artifact names them, so that a run chooses nothing. An exchange in one of the plan's zones
//! comes with its addresses: a question to a resolver for a name that is not published yet would
//! leave a negative answer there (RFC 2308).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_steps::ask::Outside;
use cutover_steps::config::ConfigSpec;
use cutover_steps::graph::gate::Settings;
use cutover_steps::graph::sample;
use cutover_steps::mailboxes::MailboxAccount;
use cutover_steps::probe::login::{IMPLICIT, STARTTLS, TLS};
use cutover_steps::probe::recipients::{ADDRESSES, FILE, ROUTES};
use cutover_steps::probe::round_trip::{ADDRESS, LOGIN, MAILBOX};
use cutover_steps::probe::target::{
    DOMAIN, EXCHANGES, HOST, NO_RESOLVER, RESOLVER, SERVERS, Target,
};
use cutover_steps::probe::{self, HostOf, mailboxes};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use crate::intent::evidence::{domain_of, listed, mailbox_of};
use crate::intent::{DomainMove, Exchange, Host, Intent, Mailboxes};
use crate::language::ResolverSpec;
use crate::language::gate::GateSpec;
use crate::language::mailboxes::account;
use crate::model::end::in_the_end;
use crate::observe::Snapshot;

/// The addresses that the plan's zones have for a name.
#[must_use]
pub fn published(snapshot: &Snapshot, name: &Name) -> Vec<IpAddr> {
    let zones = snapshot.zones.iter().filter(|(zone, _)| name.is_at_or_below(zone));
    let Some((_, zone)) = zones.max_by_key(|(zone, _)| zone.wire().len()) else {
        return Vec::new();
    };
    let of = |rtype| zone.served(&RrKey::new(name.clone(), rtype));
    let rrsets = [RrType::A, RrType::AAAA].into_iter().filter_map(of);
    rrsets.flat_map(|rrset| rrset.rdata().iter().filter_map(Rdata::ip)).collect()
}

/// The same as it will be in the end; for a name that the plan removes, as it is.
pub fn published_later(intent: &Intent, snapshot: &Snapshot) -> impl Fn(&Name) -> Vec<IpAddr> {
    let end = in_the_end(intent, snapshot);
    move |name| match published(&end, name) {
        none if none.is_empty() => published(snapshot, name),
        found => found,
    }
}

/// Why a gate may ask a server at other addresses than others reach while the plan is made; `None` if it
/// does not. Where a server is reached by an alias or a wildcard, nobody has worked that out.
#[must_use]
pub fn moves(name: &Name, now: &Snapshot, end: &Snapshot) -> Option<String> {
    let changes = || Some(format!("the plan changes the addresses of {name} meanwhile"));
    let addresses =
        |at: &Snapshot| -> BTreeSet<IpAddr> { published(at, name).into_iter().collect() };
    let (before, after) = (addresses(now), addresses(end));
    if now.zones.keys().any(|zone| name.is_at_or_below(zone)) {
        let owns = |at: &Snapshot| {
            let zone = at.zone_of(name);
            let has = |rtype| {
                zone.is_some_and(|zone| zone.get(&RrKey::new(name.clone(), rtype)).is_some())
            };
            has(RrType::A) || has(RrType::AAAA)
        };
        return match () {
            () if !owns(end) => {
                Some(format!("{name} has no addresses of its own in the plan's zones"))
            }
            () if !before.is_empty() && before != after => changes(),
            () => None,
        };
    }
    // Outside of the zones: an alias there may lead back to a name that the plan changes.
    let mut seen = BTreeSet::new();
    for rtype in [RrType::A, RrType::AAAA] {
        match now.outside.get(&RrKey::new(name.clone(), rtype)) {
            Some(Outside::Records(records)) => seen.extend(records.iter().filter_map(Rdata::ip)),
            Some(Outside::Absent) => {}
            Some(Outside::Unknown(_)) | None => {
                return Some(format!("nobody has seen where {name} is"));
            }
        }
    }
    let changed = now.zones.iter().any(|(origin, zone)| {
        let later = &end.zones[origin].zone;
        let is_address = |key: &&RrKey| matches!(key.rtype, RrType::A | RrType::AAAA);
        let keys = zone.zone.rrsets.keys().filter(is_address);
        keys.into_iter().any(|key| {
            let (old, new) = (zone.get(key), later.get(key));
            let rdata = |rrset: Option<&RrSet>| rrset.map(|rrset| rrset.rdata().to_vec());
            let holds = |rrset: &RrSet| {
                rrset.rdata().iter().filter_map(Rdata::ip).any(|ip| seen.contains(&ip))
            };
            rdata(old) != rdata(new) && old.is_some_and(holds)
        })
    });
    if changed { changes() } else { None }
}

/// Whether some server lies in a zone of the plan, which does not say where it is.
#[must_use]
pub fn needs_zones(intent: &Intent) -> bool {
    let is_inside = |name: &Name| intent.zones.keys().any(|zone| name.is_at_or_below(zone));
    intent.moves.iter().flat_map(|one| [&one.from, &one.to]).any(|host| {
        let mut exchanges = host.exchanges.iter().filter(|one| one.addresses.is_empty());
        let mut servers = host.discovery.values().filter_map(|rdata| rdata.value.srv_target());
        exchanges.any(|exchange| is_inside(&exchange.name.value))
            || servers.any(|name| is_inside(&name))
    })
}

/// The keys of a gate's probe, with the servers and resolvers that the plan knows.
#[must_use]
pub fn settings(
    intent: &Intent,
    published: &dyn Fn(&Name) -> Vec<IpAddr>,
    spec: &GateSpec,
) -> Settings {
    let mut settings = spec.settings.clone();
    let Some(keys) = probe::of_name(&spec.probe.value).map(|probe| probe.keys) else {
        return settings;
    };
    let takes = |key| keys.fields.iter().any(|field| field.name == key);
    if let Some(host_of) = keys.host {
        let named = match settings.get(HOST) {
            Some(ConfigSpec::Text(name)) => Some(name.clone()),
            Some(_) | None => None,
        };
        if spec.probe.value == ROUND_TRIP {
            settings.extend(of_mailbox(intent, &settings, named.as_deref()));
        }
        let domain = match (settings.get(DOMAIN), settings.get(ADDRESS)) {
            (Some(ConfigSpec::Text(text)), _) => Name::from_user(text).ok(),
            (_, Some(ConfigSpec::Text(text))) => domain_of(text),
            (_, _) => None,
        };
        let moves = intent.moves.iter();
        let moves: Vec<&DomainMove> = moves
            .filter(|one| domain.as_ref().is_none_or(|domain| *domain == one.domain.value))
            .collect();
        if takes(ADDRESSES) && !settings.contains_key(EXCHANGES) {
            settings.extend(routes(&moves, named.as_deref(), host_of));
        }
        if takes(EXCHANGES) && !settings.contains_key(EXCHANGES) {
            let hosts = moves.iter().filter_map(|one| host(one, named.as_deref(), host_of));
            let all: BTreeSet<Target> = hosts
                .flat_map(|host| &host.exchanges)
                .flat_map(|exchange| targets(exchange, published))
                .collect();
            let all: Vec<String> = all.iter().map(Target::to_string).collect();
            // Many domains may have exchanges of their own on the same machines.
            let all = match takes(ADDRESS) {
                true => all,
                false => sample(&all).cloned().collect(),
            };
            settings.insert(EXCHANGES.to_owned(), ConfigSpec::Argv(all));
        }
        let has_list = settings.contains_key(FILE) || settings.contains_key(ADDRESSES);
        if takes(ADDRESSES) && !has_list {
            let recipients = intent.mailboxes.as_ref().and_then(|all| all.recipients.as_ref());
            let all = recipients.map(|list| listed(&list.all, &intent.moves)).unwrap_or_default();
            let all: Vec<String> = all.iter().map(|one| one.address.clone()).collect();
            if !all.is_empty() {
                settings.insert(ADDRESSES.to_owned(), ConfigSpec::Argv(all));
            }
        }
        if spec.probe.value == MAILBOXES {
            settings.extend(of_mailboxes(intent));
        }
        if takes(SERVERS) && !settings.contains_key(SERVERS) {
            let hosts = moves.iter().filter_map(|one| host(one, named.as_deref(), host_of));
            for_clients(hosts, &spec.probe.value, published, &mut settings);
        }
        if let (true, false, [one]) =
            (takes(DOMAIN), settings.contains_key(DOMAIN), moves.as_slice())
        {
            let domain = one.domain.value.to_string();
            settings.insert(DOMAIN.to_owned(), ConfigSpec::Text(domain));
        }
    }
    if takes(RESOLVER) && !settings.contains_key(RESOLVER) {
        let resolvers = match &intent.resolver {
            ResolverSpec::System => None,
            ResolverSpec::None => Some(vec![NO_RESOLVER.to_owned()]),
            ResolverSpec::Servers(servers) => {
                Some(servers.iter().map(ToString::to_string).collect())
            }
        };
        settings.extend(resolvers.map(|all| (RESOLVER.to_owned(), ConfigSpec::Argv(all))));
    }
    settings
}

/// Which exchanges are whose, if they are not the same for all domains.
fn routes(
    moves: &[&DomainMove],
    named: Option<&str>,
    host_of: HostOf,
) -> Option<(String, ConfigSpec)> {
    let of = |one: &&DomainMove| {
        let exchanges = host(one, named, host_of).into_iter().flat_map(|host| &host.exchanges);
        let of = |exchange: &Exchange| Target {
            name: exchange.name.value.clone(),
            address: None,
            port: None,
        };
        exchanges.map(|exchange| of(exchange).host()).collect()
    };
    let all: Vec<BTreeSet<String>> = moves.iter().map(of).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let routes = moves.iter().zip(all).map(|(one, hosts)| {
        let domain = one.domain.value.to_string().trim_end_matches('.').to_ascii_lowercase();
        (domain, ConfigSpec::Argv(hosts.into_iter().collect()))
    });
    Some((ROUTES.to_owned(), ConfigSpec::Object(routes.collect())))
}

/// The name of the probe that compares mailboxes.
const MAILBOXES: &str = "mailboxes";

/// How both sides are opened, and which mailboxes move; nothing that the plan does not say.
fn of_mailboxes(intent: &Intent) -> Settings {
    let Some(Mailboxes { old, new, recipients }) = &intent.mailboxes else {
        return Settings::new();
    };
    let sides = [(mailboxes::OLD, &old.1), (mailboxes::NEW, &new.1)];
    let sides = sides
        .into_iter()
        .filter_map(|(key, spec)| Some((key.to_owned(), spec.as_ref()?.unplaced().to_config())));
    let accounts = recipients.as_ref().map(|list| {
        let all = listed(&list.all, &intent.moves).into_iter();
        let all: Vec<_> = all.filter(|one| one.kind.is_mailbox()).map(account).collect();
        (mailboxes::ACCOUNTS.to_owned(), MailboxAccount::to_config(&all))
    });
    let ledger = (mailboxes::LEDGER.to_owned(), ConfigSpec::Text(intent.name.clone()));
    sides.chain(accounts).chain([ledger]).collect()
}

/// The name of the probe that sends a message to a mailbox.
const ROUND_TRIP: &str = "round_trip";

/// The mailbox that is written to, and how it is opened; nothing that the plan does not say.
fn of_mailbox(intent: &Intent, settings: &Settings, named: Option<&str>) -> Settings {
    let Some(Mailboxes { old, new, recipients: Some(list) }) = &intent.mailboxes else {
        return Settings::new();
    };
    let side = match named {
        Some(name) if *name == old.0 => old,
        Some(name) if *name != new.0 => return Settings::new(),
        Some(_) | None => new,
    };
    let wanted = match settings.get(ADDRESS) {
        Some(ConfigSpec::Text(address)) => Some(address),
        Some(_) | None => None,
    };
    let Some(one) = mailbox_of(&listed(&list.all, &intent.moves), wanted.map(String::as_str))
    else {
        return Settings::new();
    };
    let MailboxAccount { address, old: at_old, new: at_new } = account(one);
    let login = if side.0 == old.0 { at_old } else { at_new };
    let mailbox = side.1.as_ref().map(|spec| (MAILBOX.to_owned(), spec.unplaced().to_config()));
    let address = (ADDRESS.to_owned(), ConfigSpec::Text(address));
    mailbox.into_iter().chain([address, (LOGIN.to_owned(), login.to_config())]).collect()
}

/// The host that is meant.
fn host<'m>(one: &'m DomainMove, named: Option<&str>, host_of: HostOf) -> Option<&'m Host> {
    match named {
        Some(named) => {
            let others = one.others.iter();
            [&one.to, &one.from].into_iter().chain(others).find(|host| host.name == named)
        }
        None => Some(match host_of {
            HostOf::New => &one.to,
            HostOf::Old => &one.from,
        }),
    }
}

/// The servers that discovery records name for a protocol, and when sessions with them are
/// encrypted: `_imaps` and `_submissions` from the first octet (RFC 6186 §3.4, RFC 8314 §5.1).
fn for_clients<'m>(
    hosts: impl Iterator<Item = &'m Host>,
    protocol: &str,
    published: &dyn Fn(&Name) -> Vec<IpAddr>,
    settings: &mut Settings,
) {
    let (implicit, starttls) = (format!("_{protocol}s"), format!("_{protocol}"));
    let wanted = match settings.get(TLS) {
        Some(ConfigSpec::Text(word)) => Some(word.clone()),
        Some(_) | None => None,
    };
    let mut found: BTreeMap<&str, BTreeSet<Target>> = BTreeMap::new();
    for (key, rdata) in hosts.flat_map(|host| &host.discovery) {
        let word = match key.name.labels().next() {
            Some(label) if label == implicit.as_bytes() => IMPLICIT,
            Some(label) if label == starttls.as_bytes() => STARTTLS,
            Some(_) | None => continue,
        };
        // A target `.` says that there is no such service (RFC 6186 §3.4).
        let target = rdata.value.srv_target().filter(|name| !name.is_root());
        let (Some(name), Some(port)) = (target, srv_port(&rdata.value)) else { continue };
        let of = |address| Target { name: name.clone(), address, port: Some(port) };
        let all = published(&name);
        let servers = found.entry(word).or_default();
        match all.is_empty() {
            true => _ = servers.insert(of(None)),
            false => servers.extend(all.into_iter().map(|address| of(Some(address)))),
        }
    }
    let word =
        wanted.as_deref().or([IMPLICIT, STARTTLS].into_iter().find(|w| found.contains_key(w)));
    let Some((word, all)) = word.and_then(|word| found.get_key_value(word)) else { return };
    let all = all.iter().map(Target::to_string).collect();
    settings.insert(SERVERS.to_owned(), ConfigSpec::Argv(all));
    settings.insert(TLS.to_owned(), ConfigSpec::Text((*word).to_owned()));
}

/// The port of an SRV record (RFC 2782).
fn srv_port(rdata: &Rdata) -> Option<u16> {
    Some(u16::from_be_bytes(rdata.wire().get(4..6)?.try_into().ok()?))
}

/// An exchange, at each address that the plan knows.
fn targets(exchange: &Exchange, published: &dyn Fn(&Name) -> Vec<IpAddr>) -> Vec<Target> {
    let name = exchange.name.value.clone();
    let addresses = match exchange.addresses.is_empty() {
        true => published(&name),
        false => exchange.addresses.clone(),
    };
    let of = |address| Target { name: name.clone(), address, port: None };
    match addresses.is_empty() {
        true => vec![of(None)],
        false => addresses.into_iter().map(|address| of(Some(address))).collect(),
    }
}
