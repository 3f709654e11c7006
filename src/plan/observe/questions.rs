//! What to ask outside of the plan's zones.
//!
//! Mail depends on names that the zones only lead to: exchanges, included SPF records, DKIM keys
//! behind aliases, servers for mail clients, MTA-STS policies. All of them are asked, for every
//! domain in the zones and for what the plan will publish, because the proof lets an adversary
//! choose what is unseen.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{Seen, Snapshot};
use crate::intent::Intent;
use cutover_mail::dkim::is_dkim;
use cutover_mail::spf::{SpfRecord, Target};

/// The labels of mail services before a domain (RFC 6186, RFC 8314, RFC 5804, RFC 8620, and
/// `_autodiscover` of Microsoft's protocol MS-OXDISCO §3.1.5.1).
pub const MAIL_SERVICES: &[&str] = &[
    "_imap._tcp",
    "_imaps._tcp",
    "_pop3._tcp",
    "_pop3s._tcp",
    "_submission._tcp",
    "_submissions._tcp",
    "_sieve._tcp",
    "_jmap._tcp",
    "_autodiscover._tcp",
];
/// The labels before a domain that mail clients look up: MS-OXDISCO, and Thunderbird's autoconfig.
pub const MAIL_ALIASES: &[&str] = &["autodiscover", "autoconfig"];

/// The domain of a discovery record; `None` if mail clients do not look up this name.
#[must_use]
pub fn discovery_of(key: &RrKey) -> Option<Name> {
    let (labels, _) = POSSIBLE.iter().find(|(labels, rtype)| {
        let mut own = key.name.labels();
        *rtype == key.rtype && labels.labels().all(|label| own.next() == Some(label))
    })?;
    labels.labels().try_fold(key.name.clone(), |name, _| name.parent())
}

/// The discovery records that a domain can have, by the labels before it.
static POSSIBLE: LazyLock<Vec<(Name, RrType)>> = LazyLock::new(|| {
    let services = MAIL_SERVICES.iter().map(|labels| (*labels, RrType::SRV));
    let aliases = MAIL_ALIASES
        .iter()
        .flat_map(|label| [RrType::CNAME, RrType::A, RrType::AAAA].map(|rtype| (*label, rtype)));
    let named = services.chain(aliases);
    named.filter_map(|(labels, rtype)| Some((Name::from_user(labels).ok()?, rtype))).collect()
});

/// Every discovery record that a domain can have.
pub fn discovery_keys(domain: &Name) -> impl Iterator<Item = RrKey> {
    POSSIBLE
        .iter()
        .filter_map(move |(labels, rtype)| Some(RrKey::new(labels.join(domain).ok()?, *rtype)))
}

struct Asking<'a> {
    snapshot: &'a Snapshot,
    open: BTreeSet<RrKey>,
    /// The SPF records that were followed already.
    reached: BTreeSet<Name>,
}

/// The questions outside of the zones that are still open.
#[must_use]
pub fn questions(intent: &Intent, snapshot: &Snapshot) -> BTreeSet<RrKey> {
    let mut asking = Asking { snapshot, open: BTreeSet::new(), reached: BTreeSet::new() };
    for zone in snapshot.zones.values() {
        for (key, rrset) in &zone.zone.rrsets {
            asking.of_rrset(key, rrset.rdata());
        }
    }
    for record in &intent.records {
        let key = record.key();
        asking.of_rrset(&key, record.to.as_deref().unwrap_or_default());
    }
    for one in &intent.moves {
        let hosts = [&one.from, &one.to].into_iter().chain(&one.others);
        for host in hosts {
            for exchange in &host.exchanges {
                asking.addresses(&exchange.name.value);
            }
            for sender in &host.senders {
                if let Some(spf) = &sender.spf {
                    asking.spf(&one.domain.value, &SpfRecord::of_terms(&spf.value));
                }
                for selector in &sender.selectors {
                    asking.ask(RrKey::new(selector.owner.value.clone(), RrType::TXT));
                    let published = selector.publish.iter().find_map(Rdata::target);
                    asking.ask_all(published, &[RrType::TXT]);
                }
            }
            for (key, rdata) in &host.discovery {
                asking.of_rrset(key, std::slice::from_ref(&rdata.value));
            }
        }
        for key in discovery_keys(&one.domain.value) {
            if let Seen::Records(found) = snapshot.look_up(&key) {
                asking.of_rrset(&key, found);
            }
            asking.ask(key);
        }
    }
    asking.open
}

impl Asking<'_> {
    fn ask(&mut self, key: RrKey) {
        if let Some(key) = self.snapshot.leaves_at(&key)
            && !self.snapshot.outside.contains_key(&key)
        {
            self.open.insert(key);
        }
    }

    fn ask_all(&mut self, names: impl IntoIterator<Item = Name>, types: &[RrType]) {
        for name in names {
            types.iter().for_each(|rtype| self.ask(RrKey::new(name.clone(), *rtype)));
        }
    }

    fn addresses(&mut self, name: &Name) {
        self.ask_all([name.clone()], &[RrType::A, RrType::AAAA]);
    }

    /// The names after an RRset that mail depends on.
    fn of_rrset(&mut self, key: &RrKey, rdata: &[Rdata]) {
        let both = [RrType::A, RrType::AAAA];
        match key.rtype {
            RrType::MX => {
                let exchanges = rdata.iter().filter_map(Rdata::as_mx).map(|(_, name)| name);
                self.ask_all(exchanges.filter(|name| !name.is_root()), &both);
            }
            RrType::TXT => {
                for record in rdata.iter().filter_map(SpfRecord::of_rdata) {
                    self.spf(&key.name, &record);
                }
            }
            RrType::SRV if discovery_of(key).is_some() => {
                self.ask_all(rdata.iter().filter_map(Rdata::srv_target), &both);
            }
            RrType::CNAME if is_dkim(&key.name) => {
                self.ask_all(rdata.iter().filter_map(Rdata::target), &[RrType::TXT]);
            }
            RrType::CNAME if key.name.labels().next().is_some_and(|label| label == b"_mta-sts") => {
                self.ask_all(rdata.iter().filter_map(Rdata::target), &[RrType::TXT]);
            }
            RrType::CNAME if discovery_of(key).is_some() => {
                self.ask_all(rdata.iter().filter_map(Rdata::target), &both);
            }
            _ => {}
        }
    }

    /// An SPF record and everything that it leads to.
    fn spf(&mut self, domain: &Name, record: &SpfRecord) {
        let mut open: Vec<(Name, SpfRecord)> = vec![(domain.clone(), record.clone())];
        while let Some((of, record)) = open.pop() {
            for target in record.targets(&of) {
                match target {
                    Target::Record(name) => {
                        if !self.reached.insert(name.clone()) {
                            continue;
                        }
                        let key = RrKey::new(name.clone(), RrType::TXT);
                        if let Seen::Records(txt) = self.snapshot.look_up(&key) {
                            let records = txt.iter().filter_map(SpfRecord::of_rdata);
                            open.extend(records.map(|record| (name.clone(), record)));
                        }
                        self.ask(key);
                    }
                    Target::Exchanges(name) => {
                        let key = RrKey::new(name, RrType::MX);
                        if let Seen::Records(mx) = self.snapshot.look_up(&key) {
                            let names: Vec<Name> =
                                mx.iter().filter_map(Rdata::as_mx).map(|(_, name)| name).collect();
                            self.ask_all(names, &[RrType::A, RrType::AAAA]);
                        }
                        self.ask(key);
                    }
                    Target::Addresses(name) => self.addresses(&name),
                }
            }
        }
    }
}
