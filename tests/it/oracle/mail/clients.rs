//! Whether people find their mailboxes, and how quickly a switch takes effect.

use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrType};

use super::super::dns::{Answer, Resolved, plain};
use super::super::language::has_names;
use super::super::schedule::NOW;
use super::ground::*;
use super::*;

impl<'a> World<'a> {
    pub(super) fn of_clients(&self, domain: &Name) {
        let harm = |what: String, sure: bool| self.add("clients", domain, what, sure);
        let (at_old, at_new) = self.people();
        let off = self.may("mail", "old", "off", "store");
        let uses_old = self.may("clients", "old", "true", "true");
        let idle = self.may("serves", "new", "false", "false");
        if at_new && idle {
            harm("the new host does not serve".to_owned(), true);
        }
        if at_old && self.may("serves", "old", "false", "true") {
            harm(
                "the old host does not serve".to_owned(),
                !at_new || self.execution.back.is_none(),
            );
        }
        if uses_old && self.may("serves", "old", "false", "true") {
            harm("clients of the old host, which does not serve".to_owned(), false);
        }
        if uses_old && off {
            harm("clients of the old host, which is off".to_owned(), true);
        }
        let is_moved = at_new && !at_old && !idle;
        let server = |target: &str| of_domain(target.split(':').next().unwrap_or(target), domain);
        for (_, target) in &self.host(false).discovery {
            let owner = server(target);
            for family in [RrType::A, RrType::AAAA] {
                let meant = plain(self.ground.zones, &owner, family);
                if meant.records().is_empty() {
                    continue;
                }
                let leads = |view: &Resolved| {
                    let ips: Vec<IpAddr> = view.records().iter().filter_map(Rdata::ip).collect();
                    let is_old = |ip: &IpAddr| {
                        meant.records().iter().filter_map(Rdata::ip).any(|other| other == *ip)
                    };
                    let is_new = |ip: &IpAddr| {
                        self.ground.new_servers.contains(ip) || self.ground.new.contains(ip)
                    };
                    !ips.is_empty() && ips.iter().all(|ip| is_old(ip) || (is_moved && is_new(ip)))
                };
                if uses_old && !self.dns.resolved(&owner, family, 0).iter().all(leads) {
                    harm(
                        format!("clients of the old host look for {owner} {family}"),
                        family == RrType::A,
                    );
                }
            }
        }
        for (_, target) in self.host(true).discovery.iter().filter(|_| at_new) {
            let owner = server(target);
            let views = self.dns.resolved(&owner, RrType::A, 0);
            if views.iter().any(|view| view.records().is_empty()) {
                let is_outside = views.iter().any(|view| matches!(view, Resolved::Outside(_)));
                harm(format!("clients of the new host look for {owner}"), !is_outside && !at_old);
            }
        }
        for label in SERVICES {
            let Ok(owner) = Name::relative_to(label, domain) else { continue };
            let rtype = if label.starts_with('_') { RrType::SRV } else { RrType::A };
            let meant = plain(self.ground.zones, &owner, rtype);
            let views = self.dns.resolved(&owner, rtype, 0);
            let leads = |view: &Resolved| {
                let mut targets = view.records().iter().filter_map(Rdata::srv_target);
                !view.records().is_empty()
                    && targets.all(|target| {
                        let views = self.dns.resolved(&target, RrType::A, 0);
                        views.iter().all(|view| !view.records().is_empty())
                    })
            };
            if !meant.records().is_empty() && !views.iter().all(leads) {
                harm(format!("{owner} leads nowhere"), false);
            }
        }
        let servers =
            |ip: &IpAddr| self.ground.old_servers.contains(ip) || self.ground.old.contains(ip);
        for label in SERVICES.iter().filter(|_| off) {
            let Ok(owner) = Name::relative_to(label, domain) else { continue };
            let rtype = if label.starts_with('_') { RrType::SRV } else { RrType::A };
            for view in self.dns.resolved(&owner, rtype, 0) {
                let targets = view.records().iter().filter_map(Rdata::srv_target);
                let mut ips: Vec<IpAddr> = view.records().iter().filter_map(Rdata::ip).collect();
                for target in targets {
                    let views = self.dns.resolved(&target, RrType::A, 0);
                    ips.extend(views.iter().flat_map(Resolved::records).filter_map(Rdata::ip));
                }
                if ips.iter().any(servers)
                    && self.may("clients", &owner.to_string(), "true", "true")
                {
                    harm(format!("{owner} leads to the old host, which is off"), true);
                }
            }
        }
        // Clients of the old host see the mail that comes to it.
        let comes = self.may_come_to_new(domain);
        if has_names() && comes && uses_old && self.may("redirects", "old", "false", "false") {
            let is_asked = !self.host(false).discovery.is_empty();
            harm("clients of the old host see no new mail".to_owned(), is_asked);
        }
    }

    /// Names that clients may use, and that lead elsewhere.
    pub(super) fn of_names(&self) {
        let changes = self.ground.steps.iter().filter_map(|step| step.changes.as_ref());
        for change in changes.flat_map(|(_, changes)| changes) {
            if !matches!(change.key.rtype, RrType::A | RrType::AAAA | RrType::CNAME | RrType::SRV) {
                continue;
            }
            let rtype = if change.key.rtype == RrType::SRV { RrType::SRV } else { RrType::A };
            let owner = &change.key.name;
            for rtype in [rtype, if rtype == RrType::A { RrType::AAAA } else { rtype }] {
                let live = plain(self.ground.zones, owner, rtype);
                let is_there = !live.records().is_empty();
                let views = self.dns.resolved(owner, rtype, 0);
                if is_there && views.iter().any(|view| *view != live) {
                    self.add("clients", owner, "a name that clients may use", false);
                }
            }
        }
    }

    /// Whether the switch, or the way back, may take longer than allowed.
    pub(super) fn of_speed(&self) {
        let plan = self.ground.plan;
        if self.has_ended("checkpoint/before-contract") || self.execution.back.is_some() {
            return;
        }
        let after_switch = self.has_begun("checkpoint/before-switch");
        for (step, time) in self.ground.steps.iter().zip(&self.execution.there) {
            let Some((_, changes)) = &step.changes else { continue };
            if time.is_none_or(|(begin, _)| begin > NOW) {
                continue;
            }
            let word = step.id.split('/').next().unwrap_or_default();
            let is_switch = matches!(word, "switch" | "join" | "prefer");
            if !is_switch && !after_switch {
                continue;
            }
            for change in changes {
                for held in self.dns.held(&change.key).iter().filter(|held| held.for_longer(0)) {
                    let is_there = !matches!(held.answer, Answer::NoData | Answer::NxDomain);
                    if held.ttl_secs > plan.cutover_ttl_secs {
                        let owner = &change.key.name;
                        let is_of_move = change.key.rtype == RrType::MX
                            && self.ground.domains.contains(&(owner.clone(), Kind::Moves));
                        self.add(
                            "reach",
                            owner,
                            step.id.clone(),
                            is_switch && is_there && is_of_move,
                        );
                    }
                }
            }
        }
    }
}
