//! The delegation: which servers the parent zone names for a zone, and with which key it is signed.
//!
//! A provider holds any zone that it is given, whether the parent delegates to it or not, and a
//! change in a copy to which nothing is delegated has no effect. So the parent's own servers are
//! queried, without recursion, and every server that they name counts as authoritative for the
//! zone. RFC 1034 §4.2.2 wants parent and zone to agree; RFC 9199 §3.6: some resolvers follow the
//! parent, some the zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use cutover_zone::{Name, Rdata, RrKey, RrType};
use futures_util::future::join_all;

use super::dns::{self, AskError, DNS_PORT, Referral, Resolver};
use crate::ask::{Outside, Served};
use crate::authority::Authority;
use crate::diag::{Code, Diagnostic};
use crate::language::ZoneSpec;

/// The parent zone does not delegate to the provider that holds the zone.
pub const NOT_DELEGATED: Code = Code::semantic("not-delegated");
/// Parent and zone name different servers, but have some in common.
pub const DELEGATION_DIFFERS: Code = Code::semantic("delegation-differs");
/// The parent's servers do not answer, or disagree.
pub const DELEGATION_UNKNOWN: Code = Code::semantic("delegation-unknown");
/// The parent has a DS record for a key that the zone's servers do not have.
pub const DS_MISMATCH: Code = Code::semantic("ds-mismatch");

/// What a parent zone says about a zone below it.
#[derive(Debug)]
pub(crate) struct Delegation {
    /// The parent zone.
    parent: Name,
    /// The servers of the zone, with the addresses that the parent gives.
    referral: Referral,
    /// The DS records (RFC 4034 §5).
    ds: BTreeSet<Rdata>,
}

/// Why the servers of a zone are not known.
#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    /// Nobody says who serves the zone, or those who do disagree.
    #[error("the delegation of {zone} is not known: {problem}")]
    Unknown {
        /// The zone.
        zone: Name,
        /// Why it is not known.
        problem: String,
    },
    /// The parent has no such zone.
    #[error("{zone} is not delegated: {server}, a server of {parent}, knows no such zone")]
    Absent {
        /// The zone.
        zone: Name,
        /// The zone above it.
        parent: Name,
        /// The server that says so.
        server: IpAddr,
    },
}

impl DelegationError {
    /// As a finding about the plan.
    pub(crate) fn diagnostic(&self, spec: &ZoneSpec) -> Diagnostic {
        let (code, help) = match self {
            Self::Unknown { .. } => (
                DELEGATION_UNKNOWN,
                "make sure that the resolver and the parent's servers can be reached from here, or \
                 list the zone's servers under `authorities:`, so that the parent is not queried",
            ),
            Self::Absent { .. } => (
                NOT_DELEGATED,
                "check the zone's name, and that the domain is registered and has name servers",
            ),
        };
        Diagnostic::error(code, spec.name.span, self.to_string(), help)
    }
}

/// Queries the parent zone. `None` if there is no resolver with which to find the parent.
///
/// # Errors
/// Why the delegation is not known, or that there is none.
pub(crate) async fn delegation(
    zone: &Name,
    resolver: &Resolver,
) -> Result<Option<Delegation>, DelegationError> {
    if resolver.is_none() {
        return Ok(None);
    }
    let unknown = |problem: String| DelegationError::Unknown { zone: zone.clone(), problem };
    let parent = parent_of(zone, resolver).await?;
    let key = RrKey::new(parent.clone(), RrType::NS);
    let servers = match resolver.outside(&key).await {
        Outside::Records(records) => records,
        Outside::Absent => return Err(unknown(format!("{parent} has no name servers"))),
        Outside::Unknown(why) => return Err(unknown(format!("{key}: {why}"))),
    };
    let names: BTreeSet<Name> = servers.iter().filter_map(Rdata::target).collect();
    let found = join_all(names.iter().map(|name| resolver.addresses(name, None)));
    let servers: BTreeSet<IpAddr> = found.await.into_iter().flatten().collect();
    let queries = servers.iter().map(|ip| ask(SocketAddr::new(*ip, DNS_PORT), zone));
    let mut answers = Vec::new();
    let mut silent = Vec::new();
    for (ip, answer) in servers.iter().zip(join_all(queries).await) {
        match answer {
            Ok(answer) => answers.push((ip, answer)),
            Err(why) => silent.push(format!("{ip}: {why}")),
        }
    }
    let Some((first, answer)) = answers.first() else {
        let why = format!("no server of {parent} answers ({})", silent.join("; "));
        return Err(unknown(why));
    };
    if let Some((other, _)) = answers.iter().find(|(_, other)| !answer.agrees(other)) {
        return Err(unknown(format!(
            "{first} and {other}, two servers of {parent}, disagree: wait until they agree"
        )));
    }
    let (server, answer) = answers.swap_remove(0);
    match answer {
        ParentAnswer { referral: Some(referral), ds } => {
            Ok(Some(Delegation { parent, referral, ds }))
        }
        ParentAnswer { referral: None, .. } => {
            Err(DelegationError::Absent { zone: zone.clone(), parent, server: *server })
        }
    }
}

/// The answer of one of the parent's servers.
#[derive(Debug)]
struct ParentAnswer {
    referral: Option<Referral>,
    ds: BTreeSet<Rdata>,
}

impl ParentAnswer {
    /// Whether two servers name the same servers and DS records. Glue is not compared, because an
    /// answer may lack some (RFC 9471 §3 requires all of it, but not every server complies).
    fn agrees(&self, other: &Self) -> bool {
        let names = |answer: &Self| {
            answer.referral.as_ref().map(|referral| referral.servers.keys().cloned().collect())
        };
        let (mine, theirs): (Option<BTreeSet<Name>>, _) = (names(self), names(other));
        mine == theirs && self.ds == other.ds
    }
}

/// Why a server of the parent does not say who serves a zone.
#[derive(Debug, thiserror::Error)]
enum NoReferral {
    #[error(transparent)]
    Servers(#[from] AskError),
    #[error("DS: {0}")]
    Keys(String),
}

async fn ask(server: SocketAddr, zone: &Name) -> Result<ParentAnswer, NoReferral> {
    let referral = dns::referral(server, zone).await?;
    let ds = match (&referral, dns::served(server, &RrKey::new(zone.clone(), RrType::DS)).await) {
        (None, _) => BTreeSet::new(),
        (Some(_), Served::Unanswered(why)) => return Err(NoReferral::Keys(why)),
        (Some(_), served @ (Served::Answer(_) | Served::Wildcard(_))) => {
            served.records().iter().flat_map(|rrset| rrset.rdata()).cloned().collect()
        }
    };
    Ok(ParentAnswer { referral, ds })
}

/// The nearest zone above: the first name above with an SOA record.
async fn parent_of(zone: &Name, resolver: &Resolver) -> Result<Name, DelegationError> {
    let unknown = |problem: String| DelegationError::Unknown { zone: zone.clone(), problem };
    for above in std::iter::successors(zone.parent(), Name::parent) {
        let key = RrKey::new(above.clone(), RrType::SOA);
        match resolver.outside(&key).await {
            Outside::Records(_) => return Ok(above),
            Outside::Absent => {}
            Outside::Unknown(why) => return Err(unknown(format!("{key}: {why}"))),
        }
    }
    Err(unknown("it has no parent zone".to_owned()))
}

impl Delegation {
    /// Compares the servers that the parent names with those that the zone at the provider names.
    /// It is an error if they have none in common, because then the provider only holds a copy of
    /// the zone, and a warning if some differ.
    pub(crate) fn compare(&self, spec: &ZoneSpec, own: &BTreeSet<Name>) -> Option<Diagnostic> {
        let (zone, parent) = (&spec.name.value, &self.parent);
        let theirs: BTreeSet<Name> = self.referral.servers.keys().cloned().collect();
        // There is nothing to compare if the provider shows no NS records.
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
            let help = "set `provider:` of the zone to the provider to which the parent delegates, \
                        or delegate the zone to this provider first";
            Diagnostic::error(NOT_DELEGATED, spec.name.span, title, help)
                .why("resolvers do not query this copy of the zone, so changing it has no effect")
        } else {
            let title = format!("{parent} and {zone} name different servers for {zone}");
            let help = "correct the delegation so that both name the same servers; until then \
                        `cutover` queries the servers of both";
            Diagnostic::warning(DELEGATION_DIFFERS, spec.name.span, title, help)
        };
        let (theirs, own) = (list(&theirs), list(own));
        Some(found.label(format!("{parent} names {theirs}; the zone names {own}")))
    }

    /// Whether the parent has a DS record for the zone.
    pub(crate) fn is_signed(&self) -> bool {
        !self.ds.is_empty()
    }

    /// Every server that the parent names, with its addresses.
    pub(crate) fn servers(&self) -> &BTreeMap<Name, BTreeSet<IpAddr>> {
        &self.referral.servers
    }

    /// Checks that every server has a key that matches a DS record of the parent (RFC 4035 §5.2).
    /// Without such a key, validating resolvers answer no question about the zone.
    ///
    /// # Errors
    /// The first server without such a key.
    pub(crate) async fn keys_match(
        &self,
        spec: &ZoneSpec,
        authorities: &[Authority],
    ) -> Result<(), Diagnostic> {
        let zone = &spec.name.value;
        let known: Vec<&Rdata> = self.ds.iter().filter(|ds| dns::is_known_digest(ds)).collect();
        // If all digest types are unknown, the zone counts as unsigned (RFC 4035 §5.2).
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
                    let has_key =
                        |ds: &&Rdata| keys.rdata().iter().any(|key| dns::matches(zone, ds, key));
                    if known.iter().any(has_key) {
                        continue;
                    }
                    "serves no DNSKEY that matches them".to_owned()
                }
                Served::Unanswered(why) => format!("does not answer for {key}: {why}"),
            };
            let parent = &self.parent;
            let title = format!("{parent} has DS records for {zone}, and {server} {problem}");
            let help =
                "have the DS records corrected or removed, wait for their TTL, and plan again";
            return Err(Diagnostic::error(DS_MISMATCH, spec.name.span, title, help)
                .label(format!("DS: {}", self.shown_ds()))
                .why(
                    "validating resolvers answer SERVFAIL for the whole zone, so its mail is lost",
                ));
        }
        Ok(())
    }

    fn shown_ds(&self) -> String {
        self.ds.iter().map(|ds| format!("{ds}")).collect::<Vec<_>>().join("; ")
    }
}
