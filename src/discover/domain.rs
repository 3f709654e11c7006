//! What can be seen of one domain, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_check::Finding;
use cutover_mail::spf::SpfRecord;
use cutover_zone::{Name, Rdata, RrKey, Ttl};

use crate::ZoneServers;

/// How a domain takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailed {
    /// Its MX records name exchanges.
    ByMx,
    /// It has no MX records, but an address, which then takes mail (RFC 5321 §5.1).
    ByAddress,
    /// It says that it takes none (RFC 7505).
    Refused,
    /// It has neither MX records nor an address.
    Not,
    /// Nobody knows.
    Unseen,
}

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its preference.
    pub preference: u16,
    /// Its name.
    pub name: Name,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A published DKIM key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The selector.
    pub selector: String,
    /// What is there.
    pub found: KeyFound,
}

/// What is at a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFound {
    /// An alias, behind which its host keeps the key.
    Alias(Name),
    /// The key itself.
    Text,
}

/// What was seen of one domain.
#[derive(Clone, Debug)]
pub struct DomainFacts {
    /// The domain.
    pub domain: Name,
    /// The zone that it is in.
    pub zone: Option<ZoneServers>,
    /// Why nothing can be seen; then all else is empty.
    pub problem: Option<String>,
    /// How it takes mail.
    pub mailed: Mailed,
    /// Its exchanges, the preferred ones first; at most [`cutover_check::EXCHANGES_MAX`].
    pub exchanges: Vec<Exchange>,
    /// The TTL of the MX records.
    pub mx_ttl: Option<Ttl>,
    /// How long resolvers may remember that a name of the zone does not exist (RFC 2308 §5).
    pub negative_ttl: Option<Ttl>,
    /// TLSA records of its exchanges, and the CAA records of the domain.
    pub certificates: Vec<(RrKey, Vec<Rdata>)>,
    /// The profiles whose exchanges it has.
    pub hosts: BTreeSet<&'static str>,
    /// The SPF record, and those that it leads to: a name and the text for each.
    pub spf: Vec<(Name, SpfRecord)>,
    /// Who sends as the domain.
    pub senders: Senders,
    /// The DKIM keys that were found.
    pub keys: Vec<Key>,
    /// Discovery records.
    pub discovery: Vec<(RrKey, Vec<Rdata>)>,
    /// Policies: the name before the domain, and the text.
    pub policies: Vec<(&'static str, String)>,
    /// The text of the MTA-STS policy, or why it cannot be had.
    pub policy: Option<Result<String, String>>,
    /// Other texts at the domain.
    pub texts: Vec<String>,
    /// Other names in the same zone that have MX records.
    pub siblings: Vec<(Name, Vec<Name>)>,
    /// What is dangerous.
    pub findings: Vec<Finding>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
    /// How many DKIM selectors were tried.
    pub tried: usize,
}

impl DomainFacts {
    pub(crate) fn nothing(domain: &Name) -> Self {
        Self {
            domain: domain.clone(),
            zone: None,
            problem: None,
            mailed: Mailed::Unseen,
            exchanges: Vec::new(),
            mx_ttl: None,
            negative_ttl: None,
            certificates: Vec::new(),
            hosts: BTreeSet::new(),
            spf: Vec::new(),
            senders: Senders::default(),
            keys: Vec::new(),
            discovery: Vec::new(),
            policies: Vec::new(),
            policy: None,
            texts: Vec::new(),
            siblings: Vec::new(),
            findings: Vec::new(),
            unseen: Vec::new(),
            tried: 0,
        }
    }

    /// Whether its mail can be moved by a plan.
    #[must_use]
    pub fn moves(&self) -> bool {
        !self.exchanges.is_empty()
    }
}

/// The senders of one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    /// The host that takes the mail now.
    pub old: Sender,
    /// Everybody else, by a name for the plan.
    pub others: BTreeMap<String, Sender>,
    /// Terms that no plan can keep as they are, because they refuse instead of allow.
    pub odd: Vec<String>,
}

/// One sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its SPF terms.
    pub terms: Vec<String>,
    /// Its DKIM selectors.
    pub selectors: Vec<String>,
}
