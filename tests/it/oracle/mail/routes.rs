//! Where messages go, and what the hosts do with them.

use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrType};

use super::super::dns::{Resolved, plain};
use super::super::language::{Host, has_names};
use super::ground::{exchanges_of, of_domain};
use super::*;

/// The hosts that a message to a domain may reach.
#[derive(Default)]
pub(super) struct Routes {
    to_old: bool,
    only_old: bool,
    /// The same, if an exchange outside that the old host names is switched off with it.
    only_named_old: bool,
    to_new: bool,
}
impl<'a> World<'a> {
    /// The exchanges of each view of a domain; `None` if the message bounces at once.
    pub(super) fn exchanges(&self, domain: &Name, longer: i64) -> Vec<Vec<Name>> {
        let mut views = Vec::new();
        for view in self.dns.resolved(domain, RrType::MX, longer) {
            match view {
                Resolved::NoData => views.push(vec![domain.clone()]),
                Resolved::Records(records) => {
                    let exchanges =
                        records.iter().filter_map(Rdata::as_mx).map(|(_, exchange)| exchange);
                    views.push(exchanges.collect());
                }
                Resolved::NxDomain | Resolved::Outside(_) | Resolved::Failure => {}
            }
        }
        views
    }

    /// Whether some sender may find an exchange of the new host.
    pub(super) fn may_come_to_new(&self, domain: &Name) -> bool {
        let own = &self.host(true).exchanges;
        let named = |name: &Name| own.iter().any(|own| of_domain(&own.name, domain) == *name);
        let leads = |name: &Name| {
            let views = [RrType::A, RrType::AAAA].map(|family| self.dns.resolved(name, family, 0));
            views.iter().flatten().any(|view| {
                let mut ips = view.records().iter().filter_map(Rdata::ip);
                ips.any(|ip| self.ground.new.contains(&ip))
                    || (matches!(view, Resolved::Outside(_)) && named(name))
            })
        };
        self.exchanges(domain, 0).iter().flatten().any(leads)
    }

    /// Where messages go, by DNS alone.
    pub(super) fn routes(&self, domain: &Name, kind: Kind, longer: i64) -> Routes {
        let mut routes = Routes::default();
        let ground = self.ground;
        let of_new_by_name = |exchange: &Name| {
            let host = ground.plan.hosts.get(1);
            host.is_some_and(|host| {
                host.exchanges.iter().any(|own| of_domain(&own.name, domain) == *exchange)
            })
        };
        let of_old_by_name = |exchange: &Name| {
            let mut own = ground.plan.hosts.iter().take(1).flat_map(|host| &host.exchanges);
            kind == Kind::Moves && own.any(|own| of_domain(&own.name, domain) == *exchange)
        };
        for exchanges in self.exchanges(domain, longer) {
            if exchanges.iter().any(Name::is_root) {
                self.add("deliverable", domain, "a null MX", exchanges.len() == 1);
            }
            let mut is_gone = true;
            for family in [RrType::A, RrType::AAAA] {
                let (mut nowhere, mut all_old, mut any, mut any_old) = (true, true, false, false);
                let mut all_named_old = true;
                for exchange in exchanges.iter().filter(|exchange| !exchange.is_root()) {
                    let mut may_have_none = false;
                    let mut may_be_old = false;
                    for view in self.dns.resolved(exchange, family, longer) {
                        if let Resolved::Outside(target) = &view {
                            // The servers that receive mail exist.
                            let is_there = self.is_published(target)
                                || self.is_known_to_accept("name", &exchange.to_string());
                            may_have_none |= !is_there;
                            if may_have_none {
                                self.add(
                                    "deliverable",
                                    domain,
                                    format!("{target} may not exist"),
                                    false,
                                );
                            }
                            routes.to_new |= of_new_by_name(exchange) && kind == Kind::Moves;
                            if !of_new_by_name(exchange)
                                && !self.is_known_to_accept("name", &exchange.to_string())
                            {
                                self.add(
                                    "deliverable",
                                    domain,
                                    format!("nobody knows {exchange}"),
                                    true,
                                );
                            }
                            continue;
                        }
                        let ips: Vec<IpAddr> =
                            view.records().iter().filter_map(Rdata::ip).collect();
                        may_have_none |= ips.is_empty();
                        for ip in ips {
                            any = true;
                            let is_old = ground.old.contains(&ip);
                            let is_new = ground.new.contains(&ip);
                            may_be_old |= is_old;
                            routes.to_old |= is_old;
                            routes.to_new |= is_new && kind == Kind::Moves;
                            let is_known = is_old || (is_new && kind == Kind::Moves);
                            let stated = self.is_known_to_accept("address", &ip.to_string())
                                || self.is_known_to_accept("name", &exchange.to_string());
                            // The servers that receive the mail of a domain that stays continue to
                            // do so.
                            let is_today = kind != Kind::Moves
                                && exchanges_of(ground.zones, domain).iter().any(|exchange| {
                                    let live = plain(ground.zones, exchange, family);
                                    live.records().iter().filter_map(Rdata::ip).any(|l| l == ip)
                                });
                            // The old host's other addresses may not know a domain that stays.
                            let is_of_others = is_old && kind == Kind::Other;
                            if (!is_known || is_of_others) && !stated && !is_today {
                                self.add(
                                    "deliverable",
                                    domain,
                                    format!("nobody knows {ip}"),
                                    longer == 0 && !is_known,
                                );
                            }
                        }
                    }
                    nowhere &= may_have_none;
                    all_old &= may_be_old || may_have_none;
                    all_named_old &= may_be_old || may_have_none || of_old_by_name(exchange);
                    any_old |= may_be_old;
                }
                // Exchanges without an address are a separate harm.
                routes.only_old |= any && all_old && any_old;
                routes.only_named_old |= any && all_named_old && any_old;
                is_gone &= nowhere;
                if nowhere && !exchanges.iter().all(Name::is_root) {
                    self.of_family(domain, family, longer == 0);
                }
            }
            if is_gone && !exchanges.iter().all(Name::is_root) {
                self.add("deliverable", domain, "no address of any exchange", longer == 0);
            }
        }
        routes
    }

    /// No exchange of a view has an address of this family.
    pub(super) fn of_family(&self, domain: &Name, family: RrType, is_now: bool) {
        let fact = if family == RrType::A { "ipv4_only" } else { "ipv6_only" };
        let exchanges = exchanges_of(self.ground.zones, domain);
        let counts = family == RrType::A
            || exchanges
                .iter()
                .any(|exchange| !plain(self.ground.zones, exchange, family).records().is_empty());
        let may_count = exchanges.iter().any(|exchange| {
            matches!(plain(self.ground.zones, exchange, family), Resolved::Outside(_))
        });
        let own = domain.to_string().replace("any-name.", "*.");
        let is_moving =
            self.ground.domains.iter().any(|(name, kind)| name == domain && *kind == Kind::Moves);
        let hosts = ["old", "new"].into_iter().filter(|_| is_moving);
        let all: Vec<&str> = hosts.chain([own.as_str()]).collect();
        let said = || all.iter().filter(|subject| !self.stated(fact, subject).is_empty());
        // If two facts contradict each other, neither counts.
        let is_stated = said().next().is_some()
            && said().all(|subject| !self.may(fact, subject, "true", "true"));
        if (counts || may_count) && !is_stated {
            let sure = is_now && counts && (family == RrType::A || has_names());
            self.add("deliverable", domain, format!("{family} of no exchange"), sure);
        }
    }

    pub(super) fn of_routes(&self, domain: &Name, kind: Kind) {
        for view in self.dns.resolved(domain, RrType::MX, 0) {
            match view {
                Resolved::NxDomain => {
                    // A domain without mail today loses none.
                    let exchanges = exchanges_of(self.ground.zones, domain);
                    let had_mail = exchanges.iter().any(|exchange| {
                        [RrType::A, RrType::AAAA].into_iter().any(|family| {
                            !plain(self.ground.zones, exchange, family).records().is_empty()
                        })
                    });
                    self.add("deliverable", domain, "no such domain", had_mail);
                }
                Resolved::Outside(_) => {
                    self.add("deliverable", domain, "MX records elsewhere", false)
                }
                Resolved::Failure => {
                    self.add("deliverable", domain, "an alias without an end", false)
                }
                Resolved::NoData | Resolved::Records(_) => {}
            }
        }
        if kind != Kind::Moves {
            let keys = exchanges_of(self.ground.zones, domain)
                .into_iter()
                .flat_map(|name| [(name.clone(), RrType::A), (name, RrType::AAAA)])
                .chain([(domain.clone(), RrType::MX)]);
            let is_other = |(name, rtype): (Name, RrType)| {
                let live = plain(self.ground.zones, &name, rtype);
                self.dns.resolved(&name, rtype, 0).iter().any(|view| *view != live)
            };
            if keys.into_iter().any(is_other) {
                self.add(
                    "deliverable",
                    domain,
                    "an exchange that only keeps mail for others",
                    false,
                );
            }
        }
        let now = self.routes(domain, kind, 0);
        let late = self.routes(domain, kind, self.late_secs());
        if !self.ground.plan.is_move() {
            return;
        }
        let mail = self.values("mail", "old", "store");
        let off = mail.contains("off");
        if kind != Kind::Moves {
            let own = domain.to_string().replace("any-name.", "*.");
            let stays = !self.stated("stays", &own).is_empty()
                && !self.may("stays", &own, "false", "false");
            // A host stays for a domain that stays there.
            let stays_on = has_names() && (kind == Kind::Stays || stays);
            if off && late.only_old && !stays_on {
                self.add("deliverable", domain, "the old host is off", kind == Kind::Other);
            }
            if late.to_old && (mail.contains("reject") || mail.len() > 1) {
                self.add("deliverable", domain, "the old host no longer takes it", false);
            }
            if late.to_old && mail.contains("store") && !stays && self.people().1 {
                self.add(
                    "one-mailbox",
                    domain,
                    "stored at the old host after its last copy",
                    false,
                );
            }
            return;
        }
        let queued = self.routes(domain, kind, self.late_secs() + self.ground.plan.queue_life_secs);
        self.of_hosts(domain, &now, &late, &queued);
        self.of_mailboxes(domain, &now, &late);
    }

    pub(super) fn of_hosts(&self, domain: &Name, now: &Routes, late: &Routes, queued: &Routes) {
        let lost = |what: &str, sure: bool| self.add("deliverable", domain, what, sure);
        let mail = self.values("mail", "old", "store");
        let new_mail = self.values("mail", "new", "store");
        let (off, rejects) = (mail.contains("off"), mail.contains("reject"));
        let relays = mail.contains("relay") || mail.contains("relay_by_mx");
        let local = self.may("routes_local", "old", "true", "true");
        let new_refuses = self.may("accepts", "new", "false", "false")
            || new_mail.contains("reject")
            || new_mail.contains("off");
        if late.to_old && rejects {
            lost("the old host rejects it", true);
        }
        if late.to_old && self.may("accepts", "old", "false", "true") {
            lost("the old host does not know a recipient", now.to_old);
        }
        if late.only_named_old && off {
            lost("the old host is off", late.only_old);
        }
        let ever_relays =
            self.stated("mail", "old").iter().any(|stated| stated.value.starts_with("relay"));
        if off && ever_relays && queued.to_old {
            lost("the old host's queue is off", true);
        }
        if off && self.is_in_flight("old") {
            lost("mail in the old host's queue", true);
        }
        if local && rejects {
            lost("the old host rejects it from its own", true);
        }
        if local && self.may("accepts", "old", "false", "true") {
            lost("the old host does not know a recipient of its own", false);
        }
        if local && off {
            lost("the old host's own have nowhere to go", false);
        }
        if now.to_new && new_refuses {
            lost("the new host refuses it", true);
        }
        if late.to_new && new_refuses {
            lost("the new host refuses it late", false);
        }
        if self.may("routes_local", "new", "true", "true") && new_refuses {
            let stated = !self.stated("routes_local", "new").is_empty();
            lost("the new host refuses it from its own", stated || has_names());
        }
        if now.to_old && relays && new_refuses {
            lost("the new host refuses what is passed on", true);
        }
        let new_relays = new_mail.contains("relay") || new_mail.contains("relay_by_mx");
        if now.to_new && new_relays && (rejects || off) {
            lost("the old host refuses what is passed on", true);
        }
        let looped = |what: &str, sure: bool| self.add("no-loop", domain, what, sure);
        if relays && new_relays {
            looped("both pass it on", now.to_old || now.to_new);
        }
        let names = |host: &Host| {
            let views = self.exchanges(domain, 0);
            let is_own = |exchange: &Name| {
                host.exchanges.iter().any(|e| of_domain(&e.name, domain) == *exchange)
            };
            views.iter().flatten().any(is_own)
        };
        if mail.contains("relay_by_mx") && (now.to_old || names(self.host(false))) {
            looped("the old host passes it to itself", now.to_old);
        }
        if new_mail.contains("relay_by_mx") && (now.to_new || names(self.host(true))) {
            looped("the new host passes it to itself", now.to_new);
        }
    }

    pub(super) fn of_mailboxes(&self, domain: &Name, now: &Routes, late: &Routes) {
        let lost = |what: &str, sure: bool| self.add("one-mailbox", domain, what, sure);
        let (at_old, at_new) = self.people();
        let mail = self.values("mail", "old", "store");
        let relays = mail.contains("relay") || mail.contains("relay_by_mx");
        let new_mail = self.values("mail", "new", "store");
        let new_relays = new_mail.contains("relay") || new_mail.contains("relay_by_mx");
        let synced = self.values("synced", "old", "false");
        let is_ever = self.stated("synced", "old").iter().any(|stated| stated.value == "true");
        let is_copied = synced.contains("true") || !is_ever;
        let local = self.may("routes_local", "old", "true", "true");
        let is_stored =
            mail.contains("store") && (late.to_old || local || (new_relays && now.to_new));
        if at_new && is_copied && is_stored {
            let of_late = mail.contains("store") && (now.to_old || local);
            lost("stored at the old host after its last copy", of_late || late.to_old);
        }
        if at_new && is_copied && self.may("clients", "old", "true", "true") {
            lost("clients write at the old host after its last copy", true);
        }
        if mail.contains("off") && synced.contains("false") {
            lost("the old host goes without a last copy", true);
        }
        let copies = self
            .stated("synced", "new")
            .iter()
            .any(|stated| stated.value == "true" && stated.from.is_some());
        let is_later = self.execution.back.is_some() && !self.is_copied_back();
        if at_old && relays && now.to_old && !is_later {
            lost("passed on to where nobody reads yet", !copies);
        }
        if at_old && relays {
            lost("passed on to where nobody reads yet, from its own", false);
        }
        match self.execution.back {
            None => {
                if at_old && now.to_new && !new_relays && new_mail.contains("store") {
                    lost("stored where nobody reads yet", !copies);
                }
                if at_old && self.may("routes_local", "new", "true", "true") {
                    lost("stored where nobody reads yet, by its own", false);
                }
            }
            Some(_) => {
                let is_copied = self.is_copied_back();
                let begun = self.has_begun("checkpoint/before-switch");
                if at_old && begun && is_copied && late.to_new {
                    lost("stored at the new host after its last copy back", now.to_new && !copies);
                }
                if at_old
                    && begun
                    && is_copied
                    && self.is_taken_back("clients", "false").contains(&false)
                {
                    // A plan that states that clients leave the host on the way there states it for
                    // the way back too.
                    let is_of_back = self.stated("clients", "new").iter().all(|o| o.from.is_none());
                    let sure = !copies && is_of_back;
                    lost("clients write at the new host after its last copy back", sure);
                }
                if at_old && begun && is_copied && self.may("routes_local", "new", "true", "true") {
                    lost("stored at the new host by its own, after the last copy back", !copies);
                }
            }
        }
    }
}
