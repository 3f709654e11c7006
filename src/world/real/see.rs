//! Seeing: from the intent to a snapshot of what is live.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cutover_contract::{
    ChangeSet, Name, Next, Provider, ProviderError, Rdata, RrKey, RrSet, RrType, Unwritable, Zone,
};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use super::delegation::{Delegation, delegation};
use super::dns::{self, Resolver};
use super::pause;
use crate::diag::{Code, Diagnostic, Severity, Span};
use crate::intent::Intent;
use crate::observe::{Outside, Served, Snapshot, ZoneSeen, questions};
use crate::spec::{Authority, ResolverSpec, ZoneSpec};

/// A zone that cannot be read at its provider.
pub const ZONE_UNREADABLE: Code = Code::semantic("zone-unreadable");
/// A zone whose authoritative servers are not known.
pub const NO_AUTHORITIES: Code = Code::semantic("no-authorities");
/// An authoritative server that serves something else than the provider holds.
pub const AUTHORITY_DISAGREES: Code = Code::semantic("authority-disagrees");
/// A change that the adapter cannot write.
pub const NOT_WRITABLE: Code = Code::semantic("not-writable");
/// A zone that can be read in several ways.
pub const AMBIGUOUS_ZONE: Code = Code::semantic("ambiguous-zone");
/// An exception for a server that is not in the list.
pub const UNKNOWN_EXCEPTION: Code = Code::semantic("unknown-exception");
/// The resolver cannot be used.
pub const NO_RESOLVER: Code = Code::semantic("no-resolver");

/// Rounds of questions at the most: SPF records that name one another. Our choice.
const ROUNDS_MAX: usize = 12;
/// Questions to resolvers at the most. Our choice: a plan of a thousand domains.
const OUTSIDE_MAX: usize = 20_000;
/// Questions under way at once. Our choice: quick, and gentle to servers.
pub(super) const AT_ONCE_MAX: usize = 32;
/// Zones of one provider that are read at once, or asked about. Our choice: each may take several
/// connections, and a provider is somebody else's server.
const ZONES_AT_ONCE: usize = 8;
/// How long after a read without an answer it is tried again. Our choice: a server that starts anew, and
/// one that has too much to do, answer within these times, and a person waits.
const READ_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// The longest that a provider may ask us to wait before a read is tried again; where it asks for more,
/// a person decides. Our choice.
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// Remarks on one zone that are shown at the most. Our choice: whoever has read these knows what to do.
const REMARKS_MAX: usize = 12;
/// The port of authoritative servers (RFC 1035 §4.2).
pub(super) const DNS_PORT: u16 = 53;

/// Reads the plan's zones and asks for what lies outside of them.
///
/// `asks_delegation` says of each provider's name whether the zone's delegation leads to what its
/// adapter writes.
///
/// # Errors
/// All zones that cannot be seen, in one go.
pub async fn snapshot(
    intent: &Intent,
    providers: &BTreeMap<String, Box<dyn Provider>>,
    asks_delegation: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Snapshot, Vec<Diagnostic>> {
    let resolver = Resolver::new(&intent.resolver).map_err(|problem| {
        let title = format!("the resolver cannot be used: {problem}");
        let help = "write `resolver: [ADDRESS:PORT]`, or `resolver: none`";
        vec![Diagnostic::error(NO_RESOLVER, intent.name_span, title, help)]
    })?;
    let seen = by_provider(intent.zones.values().map(|zone| {
        let provider = &*providers[&zone.provider.value];
        let delegated = asks_delegation(&zone.provider.value);
        (zone, see_zone(zone, provider, &resolver, delegated))
    }));
    let mut snapshot = Snapshot::default();
    let mut found = Vec::new();
    let mut unread: BTreeMap<(String, String), Vec<Unread>> = BTreeMap::new();
    for seen in seen.await {
        match seen {
            Ok((seen, remarks)) => {
                snapshot.zones.insert(seen.zone.origin.clone(), seen);
                snapshot.remarks.extend(remarks);
            }
            Err(Unseen::Other(diagnostic)) => found.push(*diagnostic),
            // A provider that is away holds many zones: that is one finding.
            Err(Unseen::Unread(one)) => {
                // Many errors name their zone.
                let problem = one.problem.replace(&one.zone.to_string(), "");
                let of = (one.provider.clone(), problem);
                unread.entry(of).or_default().push(one);
            }
        }
    }
    found.extend(unread.into_values().map(|same| unreadable(&same)));
    if !found.is_empty() {
        return Err(found);
    }
    for _ in 0..ROUNDS_MAX {
        let open = questions(intent, &snapshot);
        if open.is_empty() || snapshot.outside.len() + open.len() > OUTSIDE_MAX {
            break;
        }
        let asked = stream::iter(open.iter().map(|key| resolver.outside(key)));
        let answers: Vec<Outside> = asked.buffered(AT_ONCE_MAX).collect().await;
        snapshot.outside.extend(open.into_iter().zip(answers));
    }
    Ok(snapshot)
}

/// What comes of work on many zones, of which a provider has [`ZONES_AT_ONCE`] to do with at once.
async fn by_provider<'s, W: Future>(
    works: impl Iterator<Item = (&'s ZoneSpec, W)>,
) -> Vec<W::Output> {
    let mut of_each: BTreeMap<&str, Vec<W>> = BTreeMap::new();
    for (zone, work) in works {
        of_each.entry(&zone.provider.value).or_default().push(work);
    }
    let done = of_each
        .into_values()
        .map(|works| stream::iter(works).buffered(ZONES_AT_ONCE).collect::<Vec<W::Output>>());
    join_all(done).await.into_iter().flatten().collect()
}

/// Reads, and again where nobody has answered: nothing waits for it yet, and nothing was changed.
async fn patiently<T, W: Future<Output = Result<T, ProviderError>>>(
    read: impl Fn() -> W,
) -> Result<T, ProviderError> {
    for again in READ_AGAIN {
        let error = match read().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let span = match (&error, error.next()) {
            (ProviderError::Throttled { .. }, Next::Retry(asked)) if asked <= PATIENCE_MAX => asked,
            (ProviderError::Unreachable { .. }, Next::Retry(_)) => again,
            (_, Next::Retry(_) | Next::Halt | Next::Fix | Next::Look) => return Err(error),
        };
        pause(span).await;
    }
    read().await
}

/// Why a zone cannot be seen.
enum Unseen {
    /// Its provider does not say what it holds.
    Unread(Unread),
    /// Anything else.
    Other(Box<Diagnostic>),
}

impl From<Diagnostic> for Unseen {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Other(Box::new(diagnostic))
    }
}

/// A zone that its provider does not show.
struct Unread {
    zone: Name,
    span: Span,
    provider: String,
    problem: String,
    help: &'static str,
}

async fn see_zone(
    spec: &ZoneSpec,
    provider: &dyn Provider,
    resolver: &Resolver,
    asks_delegation: bool,
) -> Result<(ZoneSeen, Vec<Diagnostic>), Unseen> {
    let name = &spec.name.value;
    let zone =
        patiently(|| provider.read_zone(name)).await.map_err(|error| unread(spec, &error))?;
    let mut remarks = ambiguous(spec, provider).await?;
    let capabilities = provider.capabilities(name);
    let mut seen = ZoneSeen { zone, capabilities, authorities: Vec::new() };
    let mut remark = None;
    let mut parent = None;
    let nobody = |help: &str| {
        let title = format!("nobody says which servers serve {name}");
        Diagnostic::error(NO_AUTHORITIES, spec.name.span, title, help).why(
            "a change counts from the moment when every authoritative server serves it; where nobody can be asked, waits would be guesses",
        )
    };
    seen.authorities = match (&spec.authorities, seen.capabilities.served_within) {
        (Some(listed), _) => listed.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) if !asks_delegation => {
            return Err(Unseen::from(nobody(
                "add `authorities: [ADDRESS:PORT, ...]` to the zone, or say `served: { assume_within: 5m }` at the provider",
            )));
        }
        (None, None) => {
            parent = delegation(name, resolver).await.map_err(|lost| lost.diagnostic(spec))?;
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
        return Err(Unseen::from(nobody(
            "none of the zone's NS records leads to an address: add `authorities: [ADDRESS:PORT, ...]` to the zone",
        )));
    }
    if let Some(parent) = &parent {
        parent.keys_match(spec, &seen.authorities).await?;
    }
    bring_soa(&mut seen).await;
    for except in &spec.except {
        if !seen.authorities.iter().any(|a| a.address == except.value.address) {
            let listed: Vec<String> =
                seen.authorities.iter().map(|a| a.address.to_string()).collect();
            let title =
                format!("{} is none of the authoritative servers of {name}", except.value.address);
            let help = format!("the servers are {}", listed.join(", "));
            return Err(Diagnostic::error(UNKNOWN_EXCEPTION, except.span, title, help).into());
        }
    }
    let excepted = |a: &Authority| spec.except.iter().any(|e| e.value.address == a.address);
    if !seen.authorities.is_empty() && seen.authorities.iter().all(excepted) {
        let title = format!("no server of {name} is left to be asked");
        let span = spec.except.first().map_or(spec.name.span, |except| except.span);
        let help =
            "a change counts when a server is seen to serve it: take one of the exceptions out";
        return Err(Diagnostic::error(NO_AUTHORITIES, span, title, help).into());
    }
    remarks.extend(remark);
    Ok((seen, remarks))
}

/// What an adapter remarks of a zone, as warnings.
async fn ambiguous(spec: &ZoneSpec, provider: &dyn Provider) -> Result<Vec<Diagnostic>, Unseen> {
    let remarks = patiently(|| provider.remarks(&spec.name.value)).await;
    let remarks = remarks.map_err(|error| unread(spec, &error))?;
    let warning = |remark: &String| {
        let help = "write one TTL for all records of a name and type";
        Diagnostic::warning(AMBIGUOUS_ZONE, spec.name.span, remark, help)
    };
    Ok(remarks.iter().take(REMARKS_MAX).map(warning).collect())
}

/// Asks the adapters what they could not write of the changes that a plan and its ways back consist of.
///
/// # Errors
/// Everything that cannot be written, and zones whose adapter could not find out.
pub async fn writable(
    intent: &Intent,
    providers: &BTreeMap<String, Box<dyn Provider>>,
    changes: &BTreeMap<Name, Vec<ChangeSet>>,
) -> Result<(), Vec<Diagnostic>> {
    let asked = by_provider(changes.iter().map(|(zone, sets)| {
        let spec = &intent.zones[zone];
        let provider = &*providers[&spec.provider.value];
        (spec, async move { (spec, patiently(|| provider.check(zone, sets)).await) })
    }));
    let mut found = Vec::new();
    for (spec, checked) in asked.await {
        let (zone, span) = (&spec.name.value, spec.name.span);
        let label = format!("held by `{}`", spec.provider.value);
        let why = "a run that finds this out stops in the middle, with the mail in between";
        match checked {
            Ok(unwritable) => {
                found.extend(unwritable.into_iter().map(|Unwritable { key, why: limit }| {
                    let title = format!("{key} cannot be written to the zone {zone}: {limit}");
                    let help = "do what the message says, or leave the record out of the plan";
                    Diagnostic::error(NOT_WRITABLE, span, title, help).label(&label).why(why)
                }))
            }
            Err(error @ (ProviderError::Refused { .. } | ProviderError::Unsupported { .. })) => {
                let title = format!("nothing can be written to the zone {zone}: {error}");
                let help = "do what the message says, or leave the zone out of the plan";
                found.push(
                    Diagnostic::error(NOT_WRITABLE, span, title, help).label(&label).why(why),
                );
            }
            Err(error) => found.push(unreadable(&[unread_zone(spec, &error)])),
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A provider that shows no SOA leaves open for how long absence is cached (RFC 2308 §5); its servers
/// know.
async fn bring_soa(seen: &mut ZoneSeen) {
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

fn unread(spec: &ZoneSpec, error: &ProviderError) -> Unseen {
    Unseen::Unread(unread_zone(spec, error))
}

fn unread_zone(spec: &ZoneSpec, error: &ProviderError) -> Unread {
    let help = match error {
        ProviderError::Unauthorized { .. } => {
            "check the provider's credentials, and that they may read the zone"
        }
        ProviderError::NoSuchZone { .. } => "check the zone's name, and which provider holds it",
        ProviderError::Unreachable { .. } | ProviderError::InDoubt { .. } => {
            "check the provider's address, and that it can be reached from here"
        }
        ProviderError::Throttled { .. } => "try again later",
        ProviderError::Malformed { .. } => "correct the zone at the place that is named",
        ProviderError::Refused { .. }
        | ProviderError::Conflict { .. }
        | ProviderError::Unsupported { .. } => "the provider's own log says more",
    };
    Unread {
        zone: spec.name.value.clone(),
        span: spec.name.span,
        provider: spec.provider.value.clone(),
        problem: error.to_string(),
        help,
    }
}

/// Zones that a provider does not show, all for the same reason; at least one.
fn unreadable(same: &[Unread]) -> Diagnostic {
    let Unread { zone, span, provider, problem, help } = &same[0];
    let more = match same.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = if same.len() == 1 { "zone" } else { "zones" };
    let title = format!("the {what} {zone}{more} cannot be read: {problem}");
    Diagnostic::error(ZONE_UNREADABLE, *span, title, *help).label(format!("held by `{provider}`"))
}

/// Every address of every server that the zone's NS records name, or its parent's, on port 53.
async fn delegated(
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
        let mut at = addresses(&name, Some(zone), resolver).await;
        at.extend(glue.and_then(|glue| glue.get(&name)).into_iter().flatten());
        authorities.extend(at.into_iter().map(|ip| Authority {
            name: Some(name.to_string()),
            address: SocketAddr::new(ip, DNS_PORT),
        }));
    }
    authorities.into_iter().collect()
}

/// The servers in a zone's own NS records.
fn servers_of(zone: &Zone) -> BTreeSet<Name> {
    let ns = zone.get(&RrKey::new(zone.origin.clone(), RrType::NS));
    ns.iter().flat_map(|rrset| rrset.rdata()).filter_map(Rdata::target).collect()
}

/// The addresses of a server, as the zone has them, or else a resolver.
pub(super) async fn addresses(
    server: &Name,
    zone: Option<&Zone>,
    resolver: &Resolver,
) -> BTreeSet<IpAddr> {
    let mut addresses = BTreeSet::new();
    for rtype in [RrType::A, RrType::AAAA] {
        let key = RrKey::new(server.clone(), rtype);
        let records = match zone.and_then(|zone| zone.get(&key)) {
            Some(held) => held.shared_rdata(),
            None => match resolver.outside(&key).await {
                Outside::Records(records) => records,
                Outside::Absent | Outside::Unknown(_) => [].into(),
            },
        };
        addresses.extend(records.iter().filter_map(Rdata::ip));
    }
    addresses
}

/// The authoritative servers that a zone's own NS records lead to, and its parent's.
///
/// # Errors
/// Why the resolver cannot be used, or the delegation is not known.
pub async fn authorities(zone: &Zone, resolver: &ResolverSpec) -> Result<Vec<Authority>, String> {
    let resolver = Resolver::new(resolver)?;
    let parent = delegation(&zone.origin, &resolver).await.map_err(|lost| lost.to_string())?;
    Ok(delegated(zone, parent.as_ref(), &resolver).await)
}

/// What one server said to many questions.
pub struct Asked {
    /// The RRsets that it serves.
    pub rrsets: BTreeMap<RrKey, RrSet>,
    /// The questions without an answer, and why.
    pub failed: Vec<(RrKey, String)>,
}

/// Asks one server for these RRsets.
pub async fn served_of(server: SocketAddr, keys: &[RrKey]) -> Asked {
    let asked = stream::iter(keys.iter().map(|key| dns::served(server, key)));
    let answers: Vec<Served> = asked.buffered(AT_ONCE_MAX).collect().await;
    let mut asked = Asked { rrsets: BTreeMap::new(), failed: Vec::new() };
    for (key, served) in keys.iter().zip(answers) {
        match served {
            Served::Answer(Some(rrset)) | Served::Wildcard(rrset) => {
                drop(asked.rrsets.insert(key.clone(), rrset));
            }
            Served::Answer(None) => {}
            Served::Unanswered(why) => asked.failed.push((key.clone(), why)),
        }
    }
    asked
}

fn reads_as(served: Option<&RrSet>, held: Option<&RrSet>) -> bool {
    match (served, held) {
        (Some(served), Some(held)) => served.reads_as(held),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Checks that every authoritative server serves what the provider holds, for the RRsets that a
/// plan is going to change: a plan that is made from a server's stale view waits for the wrong TTL.
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
    let asked = stream::iter(questions.iter().map(|(_, server, key)| dns::served(*server, key)));
    let answers: Vec<Served> = asked.buffered(AT_ONCE_MAX).collect().await;
    let why = "what this server serves is in caches, and the plan's waits are counted from what is in caches";
    let mut found = Vec::new();
    // A server that is away does not answer any question: that is one finding.
    let mut silent: BTreeMap<SocketAddr, Silent> = BTreeMap::new();
    for ((spec, server, key), served) in questions.iter().zip(answers) {
        let zone = &snapshot.zones[&spec.name.value];
        let held = zone.served(key);
        let span: Span = spec.name.span;
        match served {
            // Not every provider shows how a TXT is divided into strings.
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
                let help = "wait until the server has caught up, or correct `authorities:` and `provider:` of the zone";
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
            more => format!(" (and for {more} more)"),
        };
        let title = format!("{server} does not answer for {first}{more}: {problem}");
        Diagnostic::error(AUTHORITY_DISAGREES, span, title, help).why(why)
    }));
    found
}

/// A server without an answer.
struct Silent {
    span: Span,
    /// The first question, and why there was none.
    first: RrKey,
    why: String,
    /// How many other questions it did not answer.
    more: usize,
}
