//! Makes the snapshot of live DNS that a plan needs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::{ChangeSet, Next, Provider, ProviderError, Unwritable};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Zone};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use super::delegation::{Delegation, DelegationError, delegation};
use super::dns::{self, DNS_PORT, Resolver, ResolverError};
use super::pause;
use crate::ask::{Outside, Served};
use crate::authority::Authority;
use crate::diag::{Code, Diagnostic, Severity, Span};
use crate::intent::Intent;
use crate::language::{ResolverSpec, ZoneSpec};
use crate::observe::{Snapshot, ZoneSeen, questions};

/// A zone cannot be read from its provider.
pub const ZONE_UNREADABLE: Code = Code::semantic("zone-unreadable");
/// The authoritative servers of a zone are not known.
pub const NO_AUTHORITIES: Code = Code::semantic("no-authorities");
/// An authoritative server does not serve what the provider holds.
pub const AUTHORITY_DISAGREES: Code = Code::semantic("authority-disagrees");
/// The adapter cannot write a change.
pub const NOT_WRITABLE: Code = Code::semantic("not-writable");
/// A zone is ambiguous: readers may understand it differently.
pub const AMBIGUOUS_ZONE: Code = Code::semantic("ambiguous-zone");
/// An exception names a server that is not in the list.
pub const UNKNOWN_EXCEPTION: Code = Code::semantic("unknown-exception");
/// The resolver cannot be used.
pub const NO_RESOLVER: Code = Code::semantic("no-resolver");

/// Maximum rounds of queries to resolvers; SPF records that include one another need one round
/// each. Our choice.
const ROUNDS_MAX: usize = 12;
/// Maximum queries to resolvers. Our choice: enough for a plan of a thousand domains.
const OUTSIDE_MAX: usize = 20_000;
/// Concurrent DNS queries. Our choice: quick, and gentle to servers.
pub(super) const CONCURRENT_QUERIES_MAX: usize = 32;
/// Zones of one provider that are read or checked at once. Our choice: each may take several
/// connections, and a provider is somebody else's server.
const CONCURRENT_ZONES_MAX: usize = 8;
/// How long after an unanswered read it is tried again. Our choice: a server that restarts or is
/// overloaded answers within these times, and a person is waiting.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// The longest retry delay that a provider may ask for; if it asks for more, the read fails and a
/// person decides. Our choice.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);
/// Maximum remarks that are shown for one zone. Our choice: more would not tell the reader anything
/// new.
const REMARKS_MAX: usize = 12;

/// Reads the plan's zones, and queries the names outside them.
///
/// `follows_delegation` says for each provider name whether resolvers that follow the delegation
/// reach what its adapter writes.
///
/// # Errors
/// All zones that cannot be read, collected.
pub async fn snapshot(
    intent: &Intent,
    providers: &BTreeMap<String, Box<dyn Provider>>,
    follows_delegation: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Snapshot, Vec<Diagnostic>> {
    let resolver = Resolver::new(&intent.resolver).map_err(|problem| {
        let title = format!("the resolver cannot be used: {problem}");
        let help = "write `resolver: [ADDRESS:PORT]`, or `resolver: none`";
        vec![Diagnostic::error(NO_RESOLVER, intent.name_span, title, help)]
    })?;
    let observed = by_provider(intent.zones.values().map(|zone| {
        let provider = &*providers[&zone.provider.value];
        let follows_delegation = follows_delegation(&zone.provider.value);
        (zone, observe_zone(zone, provider, &resolver, follows_delegation))
    }));
    let mut snapshot = Snapshot::default();
    let mut found = Vec::new();
    let mut unread: BTreeMap<(String, String), Vec<UnreadZone>> = BTreeMap::new();
    for zone in observed.await {
        match zone {
            Ok((seen, remarks)) => {
                snapshot.zones.insert(seen.zone.origin.clone(), seen);
                snapshot.remarks.extend(remarks);
            }
            Err(ObserveError::Other(diagnostic)) => found.push(*diagnostic),
            // The zones of a provider that is down make a single finding.
            Err(ObserveError::Unread(zone)) => {
                // The text of an error often contains the zone's name.
                let problem = zone.problem.replace(&zone.zone.to_string(), "");
                let cause = (zone.provider.clone(), problem);
                unread.entry(cause).or_default().push(zone);
            }
        }
    }
    found.extend(unread.into_values().map(|zones| unreadable(&zones)));
    if !found.is_empty() {
        return Err(found);
    }
    for _ in 0..ROUNDS_MAX {
        let open = questions(intent, &snapshot);
        if open.is_empty() || snapshot.outside.len() + open.len() > OUTSIDE_MAX {
            break;
        }
        let queries = stream::iter(open.iter().map(|key| resolver.outside(key)));
        let answers: Vec<Outside> = queries.buffered(CONCURRENT_QUERIES_MAX).collect().await;
        snapshot.outside.extend(open.into_iter().zip(answers));
    }
    Ok(snapshot)
}

/// The results of work on many zones, with at most [`CONCURRENT_ZONES_MAX`] of one provider at
/// once.
async fn by_provider<'s, W: Future>(
    works: impl Iterator<Item = (&'s ZoneSpec, W)>,
) -> Vec<W::Output> {
    let mut by_provider: BTreeMap<&str, Vec<W>> = BTreeMap::new();
    for (zone, work) in works {
        by_provider.entry(&zone.provider.value).or_default().push(work);
    }
    let results = by_provider.into_values().map(|works| {
        stream::iter(works).buffered(CONCURRENT_ZONES_MAX).collect::<Vec<W::Output>>()
    });
    join_all(results).await.into_iter().flatten().collect()
}

/// Reads, and retries if there was no answer. That is safe, because planning changes nothing.
async fn with_retries<T, W: Future<Output = Result<T, ProviderError>>>(
    read: impl Fn() -> W,
) -> Result<T, ProviderError> {
    for delay in RETRY_AFTER {
        let error = match read().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let span = match (&error, error.next()) {
            (ProviderError::Throttled { .. }, Next::Retry(delay)) if delay <= RETRY_DELAY_MAX => {
                delay
            }
            (ProviderError::Unreachable { .. }, Next::Retry(_)) => delay,
            (_, Next::Retry(_) | Next::Halt | Next::Fix | Next::Look) => return Err(error),
        };
        pause(span).await;
    }
    read().await
}

/// Why a zone cannot be observed.
enum ObserveError {
    /// It cannot be read from its provider.
    Unread(UnreadZone),
    /// Anything else.
    Other(Box<Diagnostic>),
}

impl From<Diagnostic> for ObserveError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Other(Box::new(diagnostic))
    }
}

/// A zone that cannot be read from its provider.
struct UnreadZone {
    zone: Name,
    span: Span,
    provider: String,
    problem: String,
    help: &'static str,
}

async fn observe_zone(
    spec: &ZoneSpec,
    provider: &dyn Provider,
    resolver: &Resolver,
    follows_delegation: bool,
) -> Result<(ZoneSeen, Vec<Diagnostic>), ObserveError> {
    let name = &spec.name.value;
    let zone =
        with_retries(|| provider.read_zone(name)).await.map_err(|error| unread(spec, &error))?;
    let mut remarks = ambiguities(spec, provider).await?;
    let capabilities = provider.capabilities(name);
    let mut seen = ZoneSeen { zone, capabilities, authorities: Vec::new() };
    let mut remark = None;
    let mut parent = None;
    let no_authorities = |help: &str| {
        let title = format!("the authoritative servers of {name} are not known");
        Diagnostic::error(NO_AUTHORITIES, spec.name.span, title, help).why(
            "a wait starts when every authoritative server serves the change; without servers to query, it would start at a guess",
        )
    };
    seen.authorities = match (&spec.authorities, seen.capabilities.served_within) {
        (Some(listed), _) => listed.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) if !follows_delegation => {
            return Err(ObserveError::from(no_authorities(
                "add `authorities: [ADDRESS:PORT, ...]` to the zone, or say `served: { assume_within: 5m }` at the provider",
            )));
        }
        (None, None) => {
            parent = delegation(name, resolver).await.map_err(|error| error.diagnostic(spec))?;
            remark =
                parent.as_ref().and_then(|parent| parent.compare(spec, &servers_of(&seen.zone)));
            if let Some(found) = remark.take_if(|found| found.severity == Severity::Error) {
                return Err(found.into());
            }
            delegated(&seen.zone, parent.as_ref(), resolver).await
        }
    };
    if spec.authorities.is_some() {
        seen.capabilities.served_within = None;
    }
    if seen.authorities.is_empty() && seen.capabilities.served_within.is_none() {
        return Err(ObserveError::from(no_authorities(
            "no server in the zone's NS records has an address: add `authorities: [ADDRESS:PORT, ...]` to the zone",
        )));
    }
    if let Some(parent) = &parent {
        parent.keys_match(spec, &seen.authorities).await?;
    }
    add_soa(&mut seen).await;
    for except in &spec.except {
        if !seen.authorities.iter().any(|a| a.address == except.value.address) {
            let listed: Vec<String> =
                seen.authorities.iter().map(|a| a.address.to_string()).collect();
            let title =
                format!("{} is not an authoritative server of {name}", except.value.address);
            let help = format!("the servers are {}", listed.join(", "));
            return Err(Diagnostic::error(UNKNOWN_EXCEPTION, except.span, title, help).into());
        }
    }
    let excepted = |a: &Authority| spec.except.iter().any(|e| e.value.address == a.address);
    if !seen.authorities.is_empty() && seen.authorities.iter().all(excepted) {
        let title = format!("`authorities_except` leaves no server of {name} to query");
        let span = spec.except.first().map_or(spec.name.span, |except| except.span);
        let help = "remove an exception: at least one server has to be seen to serve a change";
        return Err(Diagnostic::error(NO_AUTHORITIES, span, title, help).into());
    }
    remarks.extend(remark);
    Ok((seen, remarks))
}

/// An adapter's remarks about a zone, as warnings.
async fn ambiguities(
    spec: &ZoneSpec,
    provider: &dyn Provider,
) -> Result<Vec<Diagnostic>, ObserveError> {
    let remarks = with_retries(|| provider.remarks(&spec.name.value)).await;
    let remarks = remarks.map_err(|error| unread(spec, &error))?;
    let warning = |remark: &String| {
        let help = "write one TTL for all records of a name and type";
        Diagnostic::warning(AMBIGUOUS_ZONE, spec.name.span, remark, help)
    };
    Ok(remarks.iter().take(REMARKS_MAX).map(warning).collect())
}

/// Checks with the adapters that they can write every change of a plan and its ways back.
///
/// # Errors
/// Every change that cannot be written, and every zone that the adapter could not check.
pub async fn check_writable(
    intent: &Intent,
    providers: &BTreeMap<String, Box<dyn Provider>>,
    changes: &BTreeMap<Name, Vec<ChangeSet>>,
) -> Result<(), Vec<Diagnostic>> {
    let checks = by_provider(changes.iter().map(|(zone, sets)| {
        let spec = &intent.zones[zone];
        let provider = &*providers[&spec.provider.value];
        (spec, async move { (spec, with_retries(|| provider.check(zone, sets)).await) })
    }));
    let mut found = Vec::new();
    for (spec, checked) in checks.await {
        let (zone, span) = (&spec.name.value, spec.name.span);
        let label = format!("held by `{}`", spec.provider.value);
        let why = "otherwise the run would fail in the middle of the move";
        match checked {
            Ok(unwritable) => {
                found.extend(unwritable.into_iter().map(|Unwritable { key, why: limit }| {
                    let title = format!("{key} cannot be written to the zone {zone}: {limit}");
                    let help = "correct the record, or leave it out of the plan";
                    Diagnostic::error(NOT_WRITABLE, span, title, help).label(&label).why(why)
                }))
            }
            Err(error @ (ProviderError::Refused { .. } | ProviderError::Unsupported { .. })) => {
                let title = format!("nothing can be written to the zone {zone}: {error}");
                let help = "correct the problem, or leave the zone out of the plan";
                found.push(
                    Diagnostic::error(NOT_WRITABLE, span, title, help).label(&label).why(why),
                );
            }
            Err(error) => found.push(unreadable(&[unread_zone(spec, &error)])),
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Adds the SOA record, which determines the negative TTL (RFC 2308 §5), from the authoritative
/// servers if the provider does not show it.
async fn add_soa(seen: &mut ZoneSeen) {
    let key = RrKey::new(seen.zone.origin.clone(), RrType::SOA);
    if seen.get(&key).is_some() {
        return;
    }
    for authority in &seen.authorities {
        if let Served::Answer(Some(soa)) = dns::served(authority.address, &key).await {
            seen.zone.rrsets.insert(key, soa);
            return;
        }
    }
}

fn unread(spec: &ZoneSpec, error: &ProviderError) -> ObserveError {
    ObserveError::Unread(unread_zone(spec, error))
}

fn unread_zone(spec: &ZoneSpec, error: &ProviderError) -> UnreadZone {
    let help = match error {
        ProviderError::Unauthorized { .. } => {
            "check the provider's credentials, and that they may read the zone"
        }
        ProviderError::NoSuchZone { .. } => "check the zone's name, and which provider holds it",
        ProviderError::Unreachable { .. } | ProviderError::InDoubt { .. } => {
            "check the provider's address, and that it can be reached from here"
        }
        ProviderError::Throttled { .. } => "try again later",
        ProviderError::Malformed { .. } => "correct the zone at that place",
        ProviderError::Refused { .. }
        | ProviderError::Conflict { .. }
        | ProviderError::Unsupported { .. } => "the provider's own log says more",
    };
    UnreadZone {
        zone: spec.name.value.clone(),
        span: spec.name.span,
        provider: spec.provider.value.clone(),
        problem: error.to_string(),
        help,
    }
}

/// The finding about zones that cannot be read from a provider, all for the same reason; at least
/// one.
fn unreadable(zones: &[UnreadZone]) -> Diagnostic {
    let UnreadZone { zone, span, provider, problem, help } = &zones[0];
    let more = match zones.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = if zones.len() == 1 { "zone" } else { "zones" };
    let title = format!("the {what} {zone}{more} cannot be read: {problem}");
    Diagnostic::error(ZONE_UNREADABLE, *span, title, *help).label(format!("held by `{provider}`"))
}

/// Every address, on port 53, of every server that the NS records of the zone or its parent name.
pub(super) async fn delegated(
    zone: &Zone,
    parent: Option<&Delegation>,
    resolver: &Resolver,
) -> Vec<Authority> {
    let glue = parent.map(Delegation::servers);
    let names: BTreeSet<Name> = servers_of(zone)
        .into_iter()
        .chain(glue.iter().flat_map(|glue| glue.keys().cloned()))
        .collect();
    let mut authorities = BTreeSet::new();
    for name in names {
        let mut at = resolver.addresses(&name, Some(zone)).await;
        at.extend(glue.and_then(|glue| glue.get(&name)).into_iter().flatten());
        authorities.extend(at.into_iter().map(|ip| Authority {
            name: Some(name.to_string()),
            address: SocketAddr::new(ip, DNS_PORT),
        }));
    }
    authorities.into_iter().collect()
}

/// The servers that a zone's own NS records name.
fn servers_of(zone: &Zone) -> BTreeSet<Name> {
    let ns = zone.get(&RrKey::new(zone.origin.clone(), RrType::NS));
    ns.iter().flat_map(|rrset| rrset.rdata()).filter_map(Rdata::target).collect()
}

/// Why the servers of a zone cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The resolver cannot be used.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The parent does not say who serves the zone.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
}

/// The authoritative servers that the NS records of a zone and its parent name.
///
/// # Errors
/// [`AuthoritiesError`].
pub async fn authorities(
    zone: &Zone,
    resolver: &ResolverSpec,
) -> Result<Vec<Authority>, AuthoritiesError> {
    let resolver = Resolver::new(resolver)?;
    let parent = delegation(&zone.origin, &resolver).await?;
    Ok(delegated(zone, parent.as_ref(), &resolver).await)
}

/// The answers of one server to many queries.
pub struct ServerAnswers {
    /// The RRsets that it serves.
    pub rrsets: BTreeMap<RrKey, RrSet>,
    /// The queries without an answer, and why.
    pub failed: Vec<(RrKey, String)>,
}

/// Queries one server for these RRsets.
pub async fn query_server(server: SocketAddr, keys: &[RrKey]) -> ServerAnswers {
    let queries = stream::iter(keys.iter().map(|key| dns::served(server, key)));
    let served: Vec<Served> = queries.buffered(CONCURRENT_QUERIES_MAX).collect().await;
    let mut answers = ServerAnswers { rrsets: BTreeMap::new(), failed: Vec::new() };
    for (key, served) in keys.iter().zip(served) {
        match served {
            Served::Answer(Some(rrset)) | Served::Wildcard(rrset) => {
                drop(answers.rrsets.insert(key.clone(), rrset));
            }
            Served::Answer(None) => {}
            Served::Unanswered(why) => answers.failed.push((key.clone(), why)),
        }
    }
    answers
}

fn reads_as(served: Option<&RrSet>, held: Option<&RrSet>) -> bool {
    match (served, held) {
        (Some(served), Some(held)) => served.reads_as(held),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Checks that every authoritative server serves what the provider holds of the RRsets that a plan
/// changes. Otherwise the plan would wait for the wrong TTL.
pub async fn authorities_agree(
    intent: &Intent,
    snapshot: &Snapshot,
    touched: &[(Name, RrKey)],
) -> Vec<Diagnostic> {
    let mut questions = Vec::new();
    for (zone, key) in touched {
        let spec = &intent.zones[zone];
        for authority in &snapshot.zones[zone].authorities {
            if !spec.except.iter().any(|except| except.value.address == authority.address) {
                questions.push((spec, authority.address, key));
            }
        }
    }
    let queries = stream::iter(questions.iter().map(|(_, server, key)| dns::served(*server, key)));
    let answers: Vec<Served> = queries.buffered(CONCURRENT_QUERIES_MAX).collect().await;
    let why =
        "resolvers cache what this server serves, and the plan's waits depend on what is cached";
    let mut found = Vec::new();
    // The unanswered queries to a server that is down make a single finding.
    let mut silent: BTreeMap<SocketAddr, Silent> = BTreeMap::new();
    for ((spec, server, key), served) in questions.iter().zip(answers) {
        let zone = &snapshot.zones[&spec.name.value];
        let held = zone.served(key);
        let span: Span = spec.name.span;
        match served {
            // Compare as read: not every provider shows how a TXT record is split into strings.
            Served::Answer(answer) if reads_as(answer.as_ref(), held) => {}
            Served::Answer(_) | Served::Wildcard(_) => {
                let answer = served.records();
                let show = |rrset: Option<&RrSet>| {
                    rrset.map_or_else(|| "nothing".to_owned(), |rrset| format!("{rrset:?}"))
                };
                let title = format!(
                    "{server} does not serve the {key} that `{}` holds",
                    spec.provider.value
                );
                let help = "wait until the server is up to date, or correct `authorities:` and `provider:` of the zone";
                let label = format!("served: {}; held: {}", show(answer), show(held));
                let error = Diagnostic::error(AUTHORITY_DISAGREES, span, title, help);
                found.push(error.label(label).why(why));
            }
            Served::Unanswered(ref why) => {
                let first = || Silent { span, first: (*key).clone(), why: why.clone(), more: 0 };
                let is_known = silent.contains_key(server);
                let silent = silent.entry(*server).or_insert_with(first);
                silent.more += usize::from(is_known);
            }
        }
    }
    let help = "bring the server back, or list it under `authorities_except:` with a reason";
    found.extend(silent.into_iter().map(|(server, Silent { span, first, why: problem, more })| {
        let more = match more {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let title = format!("{server} does not answer for {first}{more}: {problem}");
        Diagnostic::error(AUTHORITY_DISAGREES, span, title, help).why(why)
    }));
    found
}

/// A server that does not answer.
struct Silent {
    span: Span,
    /// The first unanswered query.
    first: RrKey,
    /// Why it was not answered.
    why: String,
    /// How many other queries it did not answer.
    more: usize,
}
