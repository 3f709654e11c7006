//! The delegation: what the parent zone says of who serves a zone, and of the key that signs it.
//!
//! A provider holds any zone that it is given, whether anybody is sent there or not: what is changed
//! in a copy that nobody is sent to changes nothing. So the parent's own servers are asked, without
//! recursion, and every server that they name counts as authoritative for the zone (RFC 1034 §4.2.2
//! wants parent and zone to say the same; RFC 9199 §3.6: some resolvers follow the one, some the
//! other).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use cutover_contract::{Name, Rdata, RrKey, RrType};
use futures_util::future::join_all;

use super::dns::{self, Referral, Resolver};
use super::see::{DNS_PORT, addresses};
use crate::diag::{Code, Diagnostic};
use crate::observe::{Outside, Served};
use crate::spec::{Authority, ZoneSpec};

/// A zone at a provider that the parent zone does not lead to.
pub const NOT_DELEGATED: Code = Code::semantic("not-delegated");
/// Parent and zone name other servers, some of them in common.
pub const DELEGATION_DIFFERS: Code = Code::semantic("delegation-differs");
/// The parent's servers cannot be asked, or do not say the same.
pub const DELEGATION_UNKNOWN: Code = Code::semantic("delegation-unknown");
/// The parent vouches for a key that the zone's servers do not have.
pub const DS_MISMATCH: Code = Code::semantic("ds-mismatch");

/// What a parent zone says of a zone below it.
#[derive(Debug)]
pub(crate) struct Delegation {
    /// The parent zone.
    parent: Name,
    /// Who serves the zone, and where, as far as the parent says so.
    referral: Referral,
    /// The DS records (RFC 4034 §5).
    ds: BTreeSet<Rdata>,
}

/// Why nobody knows where a zone is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("what {zone} is delegated to is not known: {problem}")]
    Unknown { zone: Name, problem: String },
    #[error("{zone} is not delegated: {server}, a server of {parent}, knows no such zone")]
    Absent { zone: Name, parent: Name, server: IpAddr },
}

impl Lost {
    /// As a finding about the plan.
    pub(crate) fn diagnostic(&self, spec: &ZoneSpec) -> Diagnostic {
        let (code, help) = match self {
            Self::Unknown { .. } => (
                DELEGATION_UNKNOWN,
                "see that the resolver and the parent's servers can be reached from here, or list \
                 the zone's servers under `authorities:`: then nobody asks the parent",
            ),
            Self::Absent { .. } => (
                NOT_DELEGATED,
                "check the zone's name, and that the domain is registered and has name servers",
            ),
        };
        Diagnostic::error(code, spec.name.span, self.to_string(), help)
    }
}

/// Asks the parent zone. Nothing where there is no resolver, and nobody to find the parent by.
///
/// # Errors
/// Why the delegation is not known, or that there is none.
pub(crate) async fn delegation(
    zone: &Name,
    resolver: &Resolver,
) -> Result<Option<Delegation>, Lost> {
    if resolver.is_none() {
        return Ok(None);
    }
    let unknown = |problem: String| Lost::Unknown { zone: zone.clone(), problem };
    let parent = parent_of(zone, resolver).await.map_err(unknown)?;
    let key = RrKey::new(parent.clone(), RrType::NS);
    let servers = match resolver.outside(&key).await {
        Outside::Records(records) => records,
        Outside::Absent => return Err(unknown(format!("{parent} has no name servers"))),
        Outside::Unknown(why) => return Err(unknown(format!("{key}: {why}"))),
    };
    let names: BTreeSet<Name> = servers.iter().filter_map(Rdata::target).collect();
    let found = join_all(names.iter().map(|name| addresses(name, None, resolver)));
    let servers: BTreeSet<IpAddr> = found.await.into_iter().flatten().collect();
    let asked = servers.iter().map(|ip| ask(SocketAddr::new(*ip, DNS_PORT), zone));
    let mut answers = Vec::new();
    let mut silent = Vec::new();
    for (ip, answer) in servers.iter().zip(join_all(asked).await) {
        match answer {
            Ok(answer) => answers.push((ip, answer)),
            Err(why) => silent.push(format!("{ip}: {why}")),
        }
    }
    let Some((first, said)) = answers.first() else {
        let why = format!("no server of {parent} answers ({})", silent.join("; "));
        return Err(unknown(why));
    };
    if let Some((other, _)) = answers.iter().find(|(_, other)| !said.agrees(other)) {
        return Err(unknown(format!(
            "{first} and {other}, which both serve {parent}, say other things: wait until they agree"
        )));
    }
    let (server, said) = answers.swap_remove(0);
    match said {
        Answer { referral: Some(referral), ds } => Ok(Some(Delegation { parent, referral, ds })),
        Answer { referral: None, .. } => {
            Err(Lost::Absent { zone: zone.clone(), parent, server: *server })
        }
    }
}

/// What one of the parent's servers says.
#[derive(Debug)]
struct Answer {
    referral: Option<Referral>,
    ds: BTreeSet<Rdata>,
}

impl Answer {
    /// Whether two servers lead to the same place; glue may be left out of an answer (RFC 9471 §3
    /// wants all of it, not every server does so).
    fn agrees(&self, other: &Self) -> bool {
        let names = |answer: &Self| {
            answer.referral.as_ref().map(|referral| referral.servers.keys().cloned().collect())
        };
        let (mine, theirs): (Option<BTreeSet<Name>>, _) = (names(self), names(other));
        mine == theirs && self.ds == other.ds
    }
}

async fn ask(server: SocketAddr, zone: &Name) -> Result<Answer, String> {
    let referral = dns::referral(server, zone).await?;
    let ds = match (&referral, dns::served(server, &RrKey::new(zone.clone(), RrType::DS)).await) {
        (None, _) => BTreeSet::new(),
        (Some(_), Served::Unanswered(why)) => return Err(format!("DS: {why}")),
        (Some(_), served @ (Served::Answer(_) | Served::Wildcard(_))) => {
            served.records().iter().flat_map(|rrset| rrset.rdata()).cloned().collect()
        }
    };
    Ok(Answer { referral, ds })
}

/// The nearest zone above: the first name with an SOA.
async fn parent_of(zone: &Name, resolver: &Resolver) -> Result<Name, String> {
    for above in std::iter::successors(zone.parent(), Name::parent) {
        let key = RrKey::new(above.clone(), RrType::SOA);
        match resolver.outside(&key).await {
            Outside::Records(_) => return Ok(above),
            Outside::Absent => {}
            Outside::Unknown(why) => return Err(format!("{key}: {why}")),
        }
    }
    Err("no zone is above it".to_owned())
}

impl Delegation {
    /// Compares the parent's servers with those that the zone at the provider names: an error where
    /// they have none in common, for that zone is a copy of somebody's; a warning where some differ.
    pub(crate) fn compare(&self, spec: &ZoneSpec, own: &BTreeSet<Name>) -> Option<Diagnostic> {
        let (zone, parent) = (&spec.name.value, &self.parent);
        let theirs: BTreeSet<Name> = self.referral.servers.keys().cloned().collect();
        // A provider that shows no NS records leaves nothing to compare.
        if own.is_empty() || own == &theirs {
            return None;
        }
        let list = |names: &BTreeSet<Name>| {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let found = if own.is_disjoint(&theirs) {
            let provider = &spec.provider.value;
            let title =
                format!("{zone} at `{provider}` is not the zone that {parent} delegates to");
            let help = "let `provider:` of the zone be the one that holds it, or have the parent \
                        delegate to this one first";
            Diagnostic::error(NOT_DELEGATED, spec.name.span, title, help)
                .why("what is changed in a zone that nobody is sent to changes nothing")
        } else {
            let title = format!("{parent} and {zone} name different servers for {zone}");
            let help = "have the parent name the servers that the zone names; until then all of \
                        both are asked";
            Diagnostic::warning(DELEGATION_DIFFERS, spec.name.span, title, help)
        };
        Some(found.label(format!("{parent} says {}; the zone says {}", list(&theirs), list(own))))
    }

    /// Every server that the parent names, and where.
    pub(crate) fn servers(&self) -> &BTreeMap<Name, BTreeSet<IpAddr>> {
        &self.referral.servers
    }

    /// Checks that every server has a key that the parent vouches for (RFC 4035 §5.2): validating
    /// resolvers answer nothing at all about a zone without one.
    ///
    /// # Errors
    /// The first server that has none.
    pub(crate) async fn keys_match(
        &self,
        spec: &ZoneSpec,
        authorities: &[Authority],
    ) -> Result<(), Diagnostic> {
        let zone = &spec.name.value;
        let known: Vec<&Rdata> = self.ds.iter().filter(|ds| dns::is_known_digest(ds)).collect();
        // All unknown: RFC 4035 §5.2, the zone counts as unsigned.
        if known.is_empty() {
            return Ok(());
        }
        let key = RrKey::new(zone.clone(), RrType::DNSKEY);
        let excepted = |a: &&Authority| !spec.except.iter().any(|e| e.value.address == a.address);
        for authority in authorities.iter().filter(excepted) {
            let server = authority.address;
            let problem = match dns::served(server, &key).await {
                Served::Answer(None) => "serves no DNSKEY at all".to_owned(),
                Served::Answer(Some(keys)) | Served::Wildcard(keys) => {
                    let vouched =
                        |ds: &&Rdata| keys.rdata().iter().any(|key| dns::vouches(zone, ds, key));
                    if known.iter().any(vouched) {
                        continue;
                    }
                    "serves none of the keys that they are made from".to_owned()
                }
                Served::Unanswered(why) => format!("does not answer for {key}: {why}"),
            };
            let parent = &self.parent;
            let title = format!("{parent} has DS records for {zone}, and {server} {problem}");
            let help =
                "have the parent's DS corrected or taken out, wait for its TTL, and plan again";
            return Err(Diagnostic::error(DS_MISMATCH, spec.name.span, title, help)
                .label(format!("DS: {}", self.shown_ds()))
                .why("resolvers that validate answer SERVFAIL for the whole zone: its mail does not arrive"));
        }
        Ok(())
    }

    fn shown_ds(&self) -> String {
        self.ds.iter().map(|ds| format!("{ds}")).collect::<Vec<_>>().join("; ")
    }
}
