//! Address families: a client may have only one of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{ID, NOW};
use crate::intent::DomainMove;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// A discovery record that comes to lead to servers of only one family, although it led to servers
/// of the other too: a client may have only that one.
pub(super) fn loses_a_family(
    builder: &mut PatternBuilder<'_>,
    (domain, domain_move): (&Name, &DomainMove),
    key: &RrKey,
) {
    // Whoever removes a record wants nobody to find anything by it.
    if Servers::of(&|key| builder.end.told(key), key).is_none() {
        return;
    }
    let subjects = [Subject::Host(domain_move.to.name.clone()), Subject::Name(domain.clone())];
    let families = [(Fact::Ipv4Only, "IPv4"), (Fact::Ipv6Only, "IPv6")];
    let live = Servers::of(&|key| builder.library.live(key), key);
    let lost = |view: &View<'_>| {
        let now = Servers::of(&|key| view.look_up(key), key);
        let is_known = now.unseen.is_empty();
        let has = |servers: &Servers, is_ipv4| servers.ips.iter().any(|ip| ip.is_ipv4() == is_ipv4);
        [true, false]
            .map(|is_ipv4| has(&live, is_ipv4) && !now.is_none() && is_known && !has(&now, is_ipv4))
    };
    let rtype = usize::from(key.rtype.number());
    let views = builder.views(ID, ("families-lost", &key.name, rtype), &lost);
    for (place, (fact, words)) in families.into_iter().enumerate() {
        let found = views.smallest(&|lost| lost[place].then_some(()));
        if found.is_empty() {
            continue;
        }
        let harm = Harm::new(
            format!("{ID}/{}/family/{words}/{} {}", shown(domain), shown(&key.name), key.rtype),
            format!(
                "a mail client with only {words} looks up {key}, and no longer finds a server with such an address"
            ),
            format!(
                "give the server an {words} address; or {}",
                builder.statement(fact, &subjects[0], Value::False, "")
            ),
        );
        let bad = |builder: &PatternBuilder<'_>| builder.facts.of_any(fact, &subjects, Value::True);
        builder.forbid_each(ID, (&found, NOW), &bad, &harm);
    }
}

/// The servers that a discovery record leads to.
#[derive(PartialEq, Eq)]
pub(super) struct Servers {
    ips: BTreeSet<IpAddr>,
    /// There may be others, which nobody could ask for: why.
    unseen: BTreeSet<String>,
}

impl Servers {
    pub(super) fn of(look_up: &dyn Fn(&RrKey) -> Outside, key: &RrKey) -> Self {
        let mut found = Self { ips: BTreeSet::new(), unseen: BTreeSet::new() };
        let both = [RrType::A, RrType::AAAA];
        if key.rtype != RrType::SRV {
            both.into_iter().for_each(|rtype| found.add(look_up, &key.name, rtype));
            return found;
        }
        match look_up(key) {
            Outside::Records(records) => {
                for name in records.iter().filter_map(Rdata::srv_target) {
                    both.iter().for_each(|rtype| found.add(look_up, &name, *rtype));
                }
            }
            Outside::Absent => {}
            Outside::Unknown(why) => drop(found.unseen.insert(why)),
        }
        found
    }

    /// Whether it is known that there are no servers.
    pub(super) fn is_none(&self) -> bool {
        self.ips.is_empty() && self.unseen.is_empty()
    }

    fn add(&mut self, look_up: &dyn Fn(&RrKey) -> Outside, name: &Name, rtype: RrType) {
        match look_up(&RrKey::new(name.clone(), rtype)) {
            Outside::Records(records) => self.ips.extend(records.iter().filter_map(Rdata::ip)),
            Outside::Absent => {}
            Outside::Unknown(why) => drop(self.unseen.insert(why)),
        }
    }
}
