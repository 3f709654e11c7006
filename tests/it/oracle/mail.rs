//! What becomes of a message, a sender and a client at one instant.
//!
//! Everything starts from records and addresses. A host is known by its addresses, under whatever
//! name. What neither the plan states nor the zones show, the adversary chooses: each answer that
//! caches may hold, for each question by itself; the exchange and the address family; the selector
//! and the address that a sender uses; what is at an address that nobody knows.
//!
//! Harm is sure, or possible where the language leaves open whether it counts. Under a proof no sure
//! harm may be found; the story of a refutation has to show possible harm at least.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use super::dns::{Answer, Cache, Dns, Resolved, Zones, plain};
use super::language::{Fact, Host, Plan, Sender, has_names};
use super::schedule::{Back, Execution, NOW, Step};
use super::spf::{self, Reply, Resolver, Verdict};

/// Views of one SPF evaluation that are tried.
const VIEWS_MAX: usize = 300;
/// An address that no record of the zones names.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(233, 252, 0, 99));
/// What stands before a mail service's SRV records.
const SERVICES: [&str; 10] = [
    "_imap._tcp", "_imaps._tcp", "_pop3._tcp", "_pop3s._tcp", "_submission._tcp",
    "_submissions._tcp", "_autodiscover._tcp", "_sieve._tcp", "_jmap._tcp", "autodiscover",
];

/// An invariant, the domain that is harmed, and how.
pub(super) type Harm = BTreeMap<(&'static str, String, String), Sureness>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sureness {
    Possible,
    Sure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Moves,
    /// It names an exchange of the old host, and stays there.
    Stays,
    Other,
}

pub(super) fn name(text: &str) -> Name {
    Name::absolute(&format!("{}.", text.trim_end_matches('.'))).expect("a name")
}

/// What is known of a plan before anything is done.
pub(super) struct Ground<'a> {
    plan: &'a Plan,
    zones: &'a Zones,
    steps: &'a [Step],
    ids: HashMap<&'a str, usize>,
    old: BTreeSet<IpAddr>,
    new: BTreeSet<IpAddr>,
    /// Where clients of each host go to.
    old_servers: BTreeSet<IpAddr>,
    new_servers: BTreeSet<IpAddr>,
    domains: Vec<(Name, Kind)>,
    /// Domains that have MX records by the plan alone.
    added: BTreeSet<Name>,
    spf_owners: BTreeSet<Name>,
    /// What a domain's live SPF record lets pass.
    live: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// From where the senders of a host send, by host, place and domain.
    sources: BTreeMap<(&'static str, usize, Name), BTreeSet<IpAddr>>,
    cache: Cache,
}

fn addresses(zones: &Zones, owner: &Name) -> BTreeSet<IpAddr> {
    let both = [RrType::A, RrType::AAAA].map(|rtype| plain(zones, owner, rtype));
    both.iter().flat_map(Resolved::records).filter_map(Rdata::ip).collect()
}

fn of_domain(template: &str, domain: &Name) -> Name {
    let domain = domain.to_string();
    name(&template.replace("{domain}", domain.trim_end_matches('.')))
}

fn exchanges_of(zones: &Zones, domain: &Name) -> Vec<Name> {
    match plain(zones, domain, RrType::MX) {
        Resolved::Records(records) => {
            records.iter().filter_map(Rdata::as_mx).map(|(_, exchange)| exchange).collect()
        }
        _ => vec![domain.clone()],
    }
}

fn spf_text(records: &[Rdata]) -> Vec<String> {
    let texts = records.iter().filter_map(Rdata::txt_joined);
    texts.filter(|text| spf::is_spf(text)).filter_map(|text| String::from_utf8(text).ok()).collect()
}

/// A wildcard's owner stands for every name below: for one that exists nowhere.
fn any_below(owner: &Name) -> Name {
    let up = owner.parent().filter(|_| owner.is_wildcard());
    up.and_then(|up| up.child("any-name").ok()).unwrap_or_else(|| owner.clone())
}

/// The addresses that some terms name, where DNS says what these zones say.
fn authorised(zones: &Zones, terms: &str, domain: &Name, depth: usize) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    for term in terms.split_whitespace().filter(|_| depth > 0) {
        let term = term.strip_prefix('+').unwrap_or(term);
        let end = term.find([':', '=', '/']).unwrap_or(term.len());
        let (word, value) = term.split_at(end);
        let value = value.trim_start_matches([':', '=']);
        let target = || match value.is_empty() || value.starts_with('/') {
            true => Some(domain.clone()),
            false => Name::absolute(&format!("{}.", value.split('/').next()?)).ok(),
        };
        match word.to_ascii_lowercase().as_str() {
            "ip4" | "ip6" => found.extend(value.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok())),
            "a" => found.extend(target().iter().flat_map(|one| addresses(zones, one))),
            "mx" => {
                for target in target() {
                    if let Resolved::Records(records) = plain(zones, &target, RrType::MX) {
                        let exchanges = records.iter().filter_map(Rdata::as_mx);
                        found.extend(exchanges.flat_map(|(_, one)| addresses(zones, &one)));
                    }
                }
            }
            "include" | "redirect" => {
                for target in target() {
                    let records = plain(zones, &target, RrType::TXT);
                    for text in spf_text(records.records()) {
                        found.extend(authorised(zones, &text[6..], &target, depth - 1));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

impl<'a> Ground<'a> {
    pub(super) fn of(plan: &'a Plan, zones: &'a Zones, steps: &'a [Step]) -> Self {
        let mut done = zones.clone();
        let mut changed = BTreeSet::new();
        for (zone, changes) in steps.iter().filter_map(|step| step.changes.as_ref()) {
            let records = done.get_mut(zone).expect("a zone of the plan");
            for change in changes {
                changed.insert(change.key.clone());
                match &change.after {
                    Some(after) => drop(records.insert(change.key.clone(), after.clone())),
                    None => drop(records.remove(&change.key)),
                }
            }
        }
        let ids = steps.iter().enumerate().map(|(place, step)| (step.id.as_str(), place)).collect();
        let moving: Vec<Name> = plan.domains.iter().map(|domain| name(domain)).collect();
        let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
        let (mut old_names, mut sources) = (BTreeSet::new(), BTreeMap::new());
        let (mut old_servers, mut new_servers) = (BTreeSet::new(), BTreeSet::new());
        for domain in &moving {
            for exchange in &plan.hosts[0].exchanges {
                let exchange = of_domain(&exchange.name, domain);
                old.extend(addresses(zones, &exchange));
                old_names.insert(exchange);
            }
            for exchange in &plan.hosts[1].exchanges {
                new.extend(addresses(&done, &of_domain(&exchange.name, domain)));
                new.extend(exchange.addresses.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()));
            }
            let server = |target: &str| of_domain(target.split(':').next().unwrap_or(target), domain);
            for (_, target) in &plan.hosts[0].discovery {
                old_servers.extend(addresses(zones, &server(target)));
            }
            for (_, target) in &plan.hosts[1].discovery {
                new_servers.extend(addresses(&done, &server(target)));
            }
            for host in &plan.hosts {
                let when = if host.name == "new" { &done } else { zones };
                for (place, sender) in host.senders.iter().enumerate() {
                    let ips = authorised(when, &sender.spf.join(" "), domain, 5);
                    sources.insert((host.name, place, domain.clone()), ips);
                }
            }
        }
        let is_new_too = |ip: &IpAddr| old.contains(ip);
        new.retain(|ip| !is_new_too(ip));
        let every = |rtype: RrType| {
            let keys = zones.values().flat_map(|records| records.keys()).chain(&changed);
            keys.filter(move |key| key.rtype == rtype).map(|key| key.name.clone())
        };
        let owners: BTreeSet<Name> = every(RrType::MX).chain(moving.iter().cloned()).collect();
        let owners: BTreeSet<Name> = owners.into_iter().map(|owner| any_below(&owner)).collect();
        let domains = owners.into_iter().map(|owner| {
            let is_below = moving.iter().any(|domain| owner.is_at_or_below(domain));
            let exchanges = exchanges_of(zones, &owner);
            let kind = match moving.contains(&owner) {
                true => Kind::Moves,
                false if !is_below && exchanges.iter().any(|one| old_names.contains(one)) => Kind::Stays,
                false => Kind::Other,
            };
            (owner, kind)
        });
        let domains: Vec<(Name, Kind)> = domains.collect();
        let is_added = |(owner, kind): &&(Name, Kind)| {
            *kind != Kind::Moves && plain(zones, owner, RrType::MX).records().is_empty()
        };
        let added = domains.iter().filter(is_added).map(|(owner, _)| owner.clone()).collect();
        let has_spf = |zones: &Zones, owner: &Name| {
            !spf_text(plain(zones, owner, RrType::TXT).records()).is_empty()
        };
        let spf_owners: BTreeSet<Name> =
            every(RrType::TXT).filter(|owner| has_spf(zones, owner) || has_spf(&done, owner)).collect();
        let live = spf_owners.iter().map(|owner| {
            let texts = spf_text(plain(zones, owner, RrType::TXT).records());
            let ips = texts.iter().flat_map(|text| authorised(zones, &text[6..], owner, 5));
            (owner.clone(), ips.collect())
        });
        let live = live.collect();
        Self {
            plan, zones, steps, ids, old, new, old_servers, new_servers, domains, added, spf_owners, live, sources,
            cache: Cache::default(),
        }
    }
}

/// The world at [`NOW`], in one execution.
pub(super) struct World<'a> {
    ground: &'a Ground<'a>,
    execution: &'a Execution,
    back_ids: HashMap<&'a str, usize>,
    /// What is done before the point that is gone back to, and stays.
    before_point: &'a BTreeSet<usize>,
    point: &'a str,
    dns: Dns<'a>,
    harm: RefCell<Harm>,
}

/// Over which the adversary chooses views in one SPF evaluation.
struct Views<'w> {
    dns: &'w Dns<'w>,
    is_published: &'w dyn Fn(&Name) -> bool,
    known: HashMap<RrKey, Vec<Resolved>>,
    /// What was chosen, of how many.
    chosen: Vec<(usize, usize)>,
    at: usize,
    /// What was answered in this evaluation already.
    said: HashMap<RrKey, usize>,
}

impl Views<'_> {
    fn choose(&mut self, count: usize) -> usize {
        if self.at == self.chosen.len() {
            self.chosen.push((0, count));
        }
        self.at += 1;
        self.chosen[self.at - 1].0
    }

    /// The next choice; none: all were tried.
    fn advance(&mut self) -> bool {
        self.at = 0;
        self.said.clear();
        while let Some((one, count)) = self.chosen.pop() {
            if one + 1 < count {
                self.chosen.push((one + 1, count));
                return true;
            }
        }
        false
    }
}

impl Resolver for Views<'_> {
    fn ask(&mut self, name: &Name, rtype: RrType) -> Reply {
        let key = RrKey::new(name.clone(), rtype);
        let dns = self.dns;
        let count = self.known.entry(key.clone()).or_insert_with(|| dns.resolved(name, rtype, 0)).len();
        let chosen = match self.said.get(&key) {
            Some(said) => *said,
            None => {
                let one = if count > 1 { self.choose(count) } else { 0 };
                self.said.insert(key.clone(), one);
                one
            }
        };
        let known = self.known[&key].get(chosen);
        match known {
            // There is one record, within the limits, which lets its own senders pass.
            Some(Resolved::Outside(target)) if rtype == RrType::TXT && (self.is_published)(target) => {
                Reply::Records(vec![Rdata::txt(b"v=spf1 -all")])
            }
            Some(Resolved::Records(records)) => Reply::Records(records.clone()),
            Some(Resolved::NoData | Resolved::NxDomain) => Reply::Nothing,
            Some(Resolved::Outside(_) | Resolved::Failure) | None => Reply::Unknown,
        }
    }

    fn undecidable(&mut self) -> Option<bool> {
        Some(self.choose(2) == 1)
    }
}

/// What hosts a message to a domain may come to.
#[derive(Default)]
struct Routes {
    to_old: bool,
    only_old: bool,
    to_new: bool,
}

impl<'a> World<'a> {
    pub(super) fn of(
        ground: &'a Ground<'a>,
        back: Option<&'a Back>,
        execution: &'a Execution,
    ) -> Self {
        static NOTHING: BTreeSet<usize> = BTreeSet::new();
        let nothing: &'static BTreeSet<usize> = &NOTHING;
        let before_point = back.map_or(nothing, |back| &back.before_point);
        let point = back.map_or("", |back| back.name.as_str());
        let back: &[Step] = back.map_or(&[], |back| &back.steps);
        let steps = (ground.steps, back);
        let plan = ground.plan;
        let dns = Dns::of(ground.zones, plan.atomicity, plan.margin_secs, steps, execution, &ground.cache);
        let back_ids = back.iter().enumerate().map(|(place, step)| (step.id.as_str(), place)).collect();
        Self { ground, execution, back_ids, before_point, point, dns, harm: RefCell::default() }
    }

    fn add(&self, invariant: &'static str, domain: &Name, what: impl Into<String>, sure: bool) {
        // What was no mail domain before the plan is not a domain whose mail can be lost by it.
        let is_mail = invariant != "deliverable" || !self.ground.added.contains(domain);
        let sure = sure && is_mail;
        let sureness = if sure { Sureness::Sure } else { Sureness::Possible };
        let mut harm = self.harm.borrow_mut();
        let known = harm.entry((invariant, domain.to_string(), what.into())).or_insert(sureness);
        *known = (*known).max(sureness);
    }

    fn there(&self, id: &str) -> Option<(i64, i64)> {
        self.execution.there[*self.ground.ids.get(id)?].filter(|(begin, _)| *begin <= NOW)
    }

    fn back(&self, id: &str) -> Option<(i64, i64)> {
        let times = self.execution.back.as_ref()?;
        times[*self.back_ids.get(id)?].filter(|(begin, _)| *begin <= NOW)
    }

    fn has_begun(&self, id: &str) -> bool {
        self.there(id).is_some()
    }

    fn has_ended(&self, id: &str) -> bool {
        self.there(id).is_some_and(|(_, end)| end <= NOW)
    }

    fn host(&self, of_new: bool) -> &'a Host {
        &self.ground.plan.hosts[usize::from(of_new)]
    }

    fn stated(&self, fact: &str, subject: &str) -> Vec<&'a Fact> {
        let order = [None, Some("expand"), Some("switch"), Some("contract")];
        let facts = self.ground.plan.facts.iter();
        let mut facts: Vec<&Fact> =
            facts.filter(|one| one.fact == fact && one.subject == subject).collect();
        facts.sort_by_key(|one| order.iter().position(|from| *from == one.from));
        facts
    }

    /// The values that a fact may have.
    fn values(&self, fact: &str, subject: &str, unsaid: &'static str) -> BTreeSet<&'static str> {
        let stated = self.stated(fact, subject);
        let id = |from: &str| format!("assume/{from}/{fact}/{subject}");
        let in_run = |one: &&&Fact| one.from.is_none_or(|from| !self.ground.ids.contains_key(id(from).as_str()));
        let mut last = stated.iter().rfind(in_run).map_or(unsaid, |one| one.value);
        // Each value with the time from which on it is none any more.
        let mut values: Vec<(&'static str, Option<i64>)> = vec![(last, None)];
        for one in stated {
            let Some(from) = one.from else { continue };
            let Some((_, end)) = self.there(&id(from)) else { continue };
            if one.value == last {
                continue;
            }
            let before = last;
            values.last_mut().expect("one").1 = Some(end + one.settle_secs);
            values.push((one.value, None));
            last = one.value;
            if self.execution.back.is_some() {
                match self.back(&format!("back/{}", id(from))) {
                    Some((_, end)) => {
                        values.last_mut().expect("one").1 = Some(end + one.settle_secs);
                        values.push((before, None));
                        last = before;
                    }
                    None if self.back_ids.contains_key(format!("back/{}", id(from)).as_str()) => {}
                    // It was so before the point that is gone back to.
                    None if self.is_before_point(&id(from), from) => {}
                    // Nobody says that it was taken back, and nobody that it was not.
                    None => values.push((before, None)),
                }
            }
        }
        if fact == "mail" && subject == "old" && self.has_begun("checkpoint/release-old") {
            values.push(("off", None));
        }
        let may = values.into_iter().filter(|(_, until)| until.is_none_or(|until| until > NOW));
        may.map(|(value, _)| value).collect()
    }

    /// Whether a fact is of a part of the move that is not gone back over.
    fn is_before_point(&self, id: &str, from: &str) -> bool {
        let is_kept = match self.point {
            "before-contract" => matches!(from, "expand" | "switch"),
            "before-switch" => from == "expand",
            _ => false,
        };
        is_kept || self.ground.ids.get(id).is_some_and(|place| self.before_point.contains(place))
    }

    fn may(&self, fact: &str, subject: &str, value: &'static str, unsaid: &'static str) -> bool {
        self.values(fact, subject, unsaid).contains(value)
    }

    /// A fact that counts on the way back alone: so when a person has said so there.
    fn is_taken_back(&self, fact: &str, value: &'static str) -> BTreeSet<bool> {
        let stated = self.stated(fact, "new").iter().any(|one| one.value == value);
        let id = format!("back/assume/{fact}/new");
        match (stated, self.back(&id)) {
            (false, _) => BTreeSet::from([false]),
            (true, None) if self.back_ids.contains_key(id.as_str()) => BTreeSet::from([false]),
            (true, None) => BTreeSet::from([true, false]),
            (true, Some((_, end))) if end > NOW => BTreeSet::from([true, false]),
            (true, Some(_)) => BTreeSet::from([true]),
        }
    }

    /// Whether people may read their mail at the old host, and at the new one.
    fn people(&self) -> (bool, bool) {
        let switch = "checkpoint/before-switch";
        if !self.ground.ids.contains_key(switch) {
            return (false, true);
        }
        let back = self.back("back/checkpoint/before-switch");
        let at_old = !self.has_ended(switch) || back.is_some();
        let at_new = self.has_begun(switch) && back.is_none_or(|(_, end)| end > NOW);
        (at_old, at_new)
    }

    fn late_secs(&self) -> i64 {
        self.ground.plan.use_secs + self.ground.plan.overrun_secs
    }

    /// Whether mail that was sent through a host may be on its way.
    fn is_in_flight(&self, host: &str) -> bool {
        let life = self.ground.plan.queue_life_secs;
        match host {
            "old" => {
                let stated = self.stated("sends", "old");
                if self.may("sends", "old", "true", "true") {
                    return true;
                }
                let ends = stated.iter().filter(|one| one.value == "false").filter_map(|one| {
                    let (_, end) = self.there(&format!("assume/{}/sends/old", one.from?))?;
                    Some(end + one.settle_secs + life > NOW)
                });
                ends.into_iter().any(|is| is)
            }
            "new" => {
                let switch = "checkpoint/before-switch";
                let back = self.back("back/checkpoint/before-switch");
                let by_switch = !self.ground.ids.contains_key(switch) || self.has_begun(switch);
                let by_old = self.may("sends", "old", "false", "true");
                (by_switch || by_old) && back.is_none_or(|(_, end)| end + life > NOW)
            }
            _ => true,
        }
    }

    /// Everything that is harmed.
    pub(super) fn harm(self) -> Harm {
        for (domain, kind) in &self.ground.domains {
            self.of_routes(domain, *kind);
            self.of_live_senders(domain, Some(*kind));
            self.of_foreign_exchanges(domain);
            self.of_other_policies(domain);
            if *kind == Kind::Moves {
                self.of_policies(domain);
                self.of_clients(domain);
                self.of_senders(domain);
            }
        }
        for owner in &self.ground.spf_owners {
            self.of_records(owner);
            if !self.ground.domains.iter().any(|(domain, _)| domain == owner) {
                self.of_live_senders(owner, None);
            }
        }
        let zones = self.ground.zones.values().flat_map(|records| records.keys());
        let policies = zones.filter(|key| key.name.to_string().starts_with("_dmarc."));
        policies.filter_map(|key| key.name.parent()).for_each(|domain| self.of_dmarc(&domain));
        self.of_keys();
        self.of_names();
        if self.ground.plan.is_move() {
            self.of_speed();
        }
        self.harm.into_inner()
    }

    /// The exchanges of each view of a domain; `None`: the message bounces at once.
    fn exchanges(&self, domain: &Name, longer: i64) -> Vec<Vec<Name>> {
        let mut views = Vec::new();
        for view in self.dns.resolved(domain, RrType::MX, longer) {
            match view {
                Resolved::NoData => views.push(vec![domain.clone()]),
                Resolved::Records(records) => {
                    let exchanges = records.iter().filter_map(Rdata::as_mx).map(|(_, one)| one);
                    views.push(exchanges.collect());
                }
                Resolved::NxDomain | Resolved::Outside(_) | Resolved::Failure => {}
            }
        }
        views
    }

    fn is_known_to_accept(&self, kind: &str, subject: &str) -> bool {
        has_names()
            && self.stated("accepts", subject).iter().any(|one| one.kind == kind)
            && !self.may("accepts", subject, "false", "false")
    }

    fn is_published(&self, owner: &Name) -> bool {
        let owner = owner.to_string();
        !self.stated("published", &owner).is_empty() && !self.may("published", &owner, "false", "false")
    }

    /// Where messages go, by DNS alone.
    fn routes(&self, domain: &Name, kind: Kind, longer: i64) -> Routes {
        let mut routes = Routes::default();
        let ground = self.ground;
        let of_new_by_name = |exchange: &Name| {
            let host = ground.plan.hosts.get(1);
            host.is_some_and(|host| host.exchanges.iter().any(|one| of_domain(&one.name, domain) == *exchange))
        };
        for exchanges in self.exchanges(domain, longer) {
            if exchanges.iter().any(Name::is_root) {
                self.add("deliverable", domain, "a null MX", exchanges.len() == 1);
            }
            let mut is_gone = true;
            for family in [RrType::A, RrType::AAAA] {
                let (mut nowhere, mut all_old, mut any) = (true, true, false);
                for exchange in exchanges.iter().filter(|one| !one.is_root()) {
                    let mut may_have_none = false;
                    let mut may_be_old = false;
                    for view in self.dns.resolved(exchange, family, longer) {
                        if let Resolved::Outside(target) = &view {
                            may_have_none |= !self.is_published(target);
                            if may_have_none {
                                self.add("deliverable", domain, format!("{target} may not exist"), false);
                            }
                            routes.to_new |= of_new_by_name(exchange) && kind == Kind::Moves;
                            if !of_new_by_name(exchange) && !self.is_known_to_accept("name", &exchange.to_string()) {
                                self.add("deliverable", domain, format!("nobody knows {exchange}"), true);
                            }
                            continue;
                        }
                        let ips: Vec<IpAddr> = view.records().iter().filter_map(Rdata::ip).collect();
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
                            if !is_known && !stated {
                                self.add("deliverable", domain, format!("nobody knows {ip}"), longer == 0);
                            }
                        }
                    }
                    nowhere &= may_have_none;
                    all_old &= may_be_old || may_have_none;
                }
                routes.only_old |= any && all_old;
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
    fn of_family(&self, domain: &Name, family: RrType, is_now: bool) {
        let fact = if family == RrType::A { "ipv4_only" } else { "ipv6_only" };
        let exchanges = exchanges_of(self.ground.zones, domain);
        let counts = family == RrType::A
            || exchanges.iter().any(|exchange| !plain(self.ground.zones, exchange, family).records().is_empty());
        let may_count = exchanges.iter().any(|exchange| {
            matches!(plain(self.ground.zones, exchange, family), Resolved::Outside(_))
        });
        let own = domain.to_string();
        let is_stated = ["old", "new", own.as_str()].iter().any(|subject| {
            !self.stated(fact, subject).is_empty() && !self.may(fact, subject, "true", "true")
        });
        if (counts || may_count) && !is_stated {
            let sure = is_now && counts && (family == RrType::A || has_names());
            self.add("deliverable", domain, format!("{family} of no exchange"), sure);
        }
    }

    fn of_routes(&self, domain: &Name, kind: Kind) {
        for view in self.dns.resolved(domain, RrType::MX, 0) {
            match view {
                Resolved::NxDomain => self.add("deliverable", domain, "no such domain", true),
                Resolved::Outside(_) => self.add("deliverable", domain, "MX records elsewhere", false),
                Resolved::Failure => self.add("deliverable", domain, "an alias without an end", false),
                Resolved::NoData | Resolved::Records(_) => {}
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
            let stays = !self.stated("stays", &own).is_empty() && !self.may("stays", &own, "false", "false");
            // A host stays on for a domain that stays there.
            let stays_on = has_names() && (kind == Kind::Stays || stays);
            if off && late.only_old && !stays_on {
                self.add("deliverable", domain, "the old host is off", kind == Kind::Other);
            }
            if late.to_old && (mail.contains("reject") || mail.len() > 1) {
                self.add("deliverable", domain, "the old host no longer takes it", false);
            }
            return;
        }
        let queued = self.routes(domain, kind, self.late_secs() + self.ground.plan.queue_life_secs);
        self.of_hosts(domain, &now, &late, &queued);
        self.of_mailboxes(domain, &now, &late);
    }

    fn of_hosts(&self, domain: &Name, now: &Routes, late: &Routes, queued: &Routes) {
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
        if late.only_old && off {
            lost("the old host is off", true);
        }
        let ever_relays = self.stated("mail", "old").iter().any(|one| one.value.starts_with("relay"));
        if off && ever_relays && queued.to_old {
            lost("the old host's queue is off", true);
        }
        if off && self.is_in_flight("old") {
            lost("mail in the old host's queue", true);
        }
        if local && rejects {
            lost("the old host rejects it from its own", true);
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
            let is_own = |one: &Name| host.exchanges.iter().any(|e| of_domain(&e.name, domain) == *one);
            views.iter().flatten().any(is_own)
        };
        if mail.contains("relay_by_mx") && (now.to_old || names(self.host(false))) {
            looped("the old host passes it to itself", now.to_old);
        }
        if new_mail.contains("relay_by_mx") && (now.to_new || names(self.host(true))) {
            looped("the new host passes it to itself", now.to_new);
        }
    }

    /// Whether the last copy from the new host to the old one may have begun, or is never made.
    fn is_copied_back(&self) -> bool {
        let stated = self.stated("synced", "new").iter().any(|one| one.value == "true");
        !stated || self.is_taken_back("synced", "true").contains(&true)
    }

    fn of_mailboxes(&self, domain: &Name, now: &Routes, late: &Routes) {
        let lost = |what: &str, sure: bool| self.add("one-mailbox", domain, what, sure);
        let (at_old, at_new) = self.people();
        let mail = self.values("mail", "old", "store");
        let relays = mail.contains("relay") || mail.contains("relay_by_mx");
        let new_mail = self.values("mail", "new", "store");
        let new_relays = new_mail.contains("relay") || new_mail.contains("relay_by_mx");
        let synced = self.values("synced", "old", "false");
        let is_ever = self.stated("synced", "old").iter().any(|one| one.value == "true");
        let is_copied = synced.contains("true") || !is_ever;
        let local = self.may("routes_local", "old", "true", "true");
        let is_stored = mail.contains("store") && (late.to_old || local || (new_relays && now.to_new));
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
        let copies = self.stated("synced", "new").iter().any(|one| one.value == "true" && one.from.is_some());
        let is_later = self.execution.back.is_some() && !self.is_copied_back();
        if at_old && relays && now.to_old && !is_later {
            lost("passed on to where nobody reads yet", !copies);
        }
        if at_old && relays {
            lost("passed on to where nobody reads yet, from its own", false);
        }
        match self.execution.back {
            None => {
                if at_old && now.to_new && !new_relays {
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
                    lost("stored at the new host after its last copy back", now.to_new);
                }
                if at_old && begun && is_copied && self.is_taken_back("clients", "false").contains(&false) {
                    lost("clients write at the new host after its last copy back", true);
                }
                if at_old && begun && is_copied && self.may("routes_local", "new", "true", "true") {
                    lost("stored at the new host by its own, after the last copy back", true);
                }
            }
        }
    }

    /// MTA-STS and DANE.
    fn of_policies(&self, domain: &Name) {
        let owner = domain.child("_mta-sts").expect("a name");
        let is_policy = |view: &Resolved| match view {
            Resolved::Outside(_) => true,
            other => other.records().iter().filter_map(Rdata::txt_joined).any(|t| t.starts_with(b"v=STSv1")),
        };
        let was = is_policy(&plain(self.ground.zones, &owner, RrType::TXT));
        let is = self.dns.resolved(&owner, RrType::TXT, 0).iter().any(is_policy);
        let own = domain.to_string();
        let by_name = !self.stated("sts_allows", &own).is_empty() && !self.may("sts_allows", &own, "false", "false");
        let may_not = |host: &str| {
            let is_said = !self.stated("sts_allows", host).is_empty();
            let is_changed = host == "old" && !is_said && self.is_policy_changed(domain);
            let unsaid = if host == "old" && !is_changed { "true" } else { "false" };
            self.may("sts_allows", host, "false", unsaid)
        };
        for exchanges in self.exchanges(domain, 0) {
            let hosts = |exchange: &Name| self.hosts_of(exchange, domain);
            if (was || is) && !by_name {
                let is_shut = |exchange: &Name| hosts(exchange).iter().any(|host| may_not(host));
                if exchanges.iter().any(is_shut) {
                    self.add("transport-policy", domain, "an exchange is not allowed by MTA-STS", false);
                }
                if exchanges.iter().all(is_shut) {
                    let is_known = exchanges.iter().all(|one| hosts(one).iter().any(|h| *h != "" && may_not(h)));
                    self.add("transport-policy", domain, "no exchange is allowed by MTA-STS", is_known);
                }
            }
            if exchanges.iter().any(|exchange| self.fails_dane(exchange, &hosts(exchange))) {
                self.add("transport-policy", domain, "a certificate does not match TLSA", false);
            }
            if exchanges.iter().all(|exchange| self.fails_dane(exchange, &hosts(exchange))) {
                self.add("transport-policy", domain, "no certificate matches TLSA", exchanges.iter().all(|one| !hosts(one).contains("")));
            }
        }
    }

    /// A policy, or the exchanges that it has to allow, of a domain that may stay where it is.
    fn of_other_policies(&self, domain: &Name) {
        let owner = domain.child("_mta-sts").expect("a name");
        let policy = plain(self.ground.zones, &owner, RrType::TXT);
        let is_there = !policy.records().is_empty() || matches!(policy, Resolved::Outside(_));
        let live = plain(self.ground.zones, domain, RrType::MX);
        let is_moved = self.dns.resolved(domain, RrType::MX, 0).iter().any(|view| *view != live);
        if is_there && (is_moved || self.is_policy_changed(domain)) {
            self.add("transport-policy", domain, "a policy that may not allow the exchanges", false);
        }
    }

    fn is_policy_changed(&self, domain: &Name) -> bool {
        let names = ["_mta-sts", "mta-sts"].map(|label| domain.child(label).expect("a name"));
        let changes = self.ground.steps.iter().zip(&self.execution.there).filter_map(|(step, time)| {
            time.filter(|(begin, _)| *begin <= NOW).and(step.changes.as_ref())
        });
        changes.flat_map(|(_, changes)| changes).any(|change| {
            let is_new = match (&change.before, &change.after) {
                (Some(before), Some(after)) => !before.same_rdata(after),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            names.contains(&change.key.name) && is_new
        })
    }

    /// The hosts that an exchange may be, by its addresses; `""`: nobody knows.
    fn hosts_of(&self, exchange: &Name, domain: &Name) -> BTreeSet<&'static str> {
        let mut hosts = BTreeSet::new();
        for family in [RrType::A, RrType::AAAA] {
            for view in self.dns.resolved(exchange, family, 0) {
                if matches!(view, Resolved::Outside(_)) {
                    let of = |host: &Host| host.exchanges.iter().any(|one| of_domain(&one.name, domain) == *exchange);
                    hosts.insert(if of(self.host(true)) { "new" } else { "" });
                }
                for ip in view.records().iter().filter_map(Rdata::ip) {
                    hosts.insert(match (self.ground.old.contains(&ip), self.ground.new.contains(&ip)) {
                        (true, _) => "old",
                        (false, true) => "new",
                        (false, false) => "",
                    });
                }
            }
        }
        hosts
    }

    fn fails_dane(&self, exchange: &Name, hosts: &BTreeSet<&'static str>) -> bool {
        let Some(owner) = exchange.child("_tcp").ok().and_then(|one| one.child("_25").ok()) else { return false };
        let live = plain(self.ground.zones, &owner, RrType::TLSA);
        let views = self.dns.resolved(&owner, RrType::TLSA, 0);
        views.iter().filter(|view| !view.records().is_empty()).any(|view| {
            hosts.iter().any(|host| {
                let declared: Vec<String> = match *host {
                    "old" => self.host(false).tlsa.clone(),
                    "new" => self.host(true).tlsa.clone(),
                    _ => Vec::new(),
                };
                let declared: Vec<Rdata> = declared
                    .iter()
                    .filter_map(|text| Rdata::parse(RrType::TLSA, text, None).ok())
                    .collect();
                let is_declared = view.records().iter().any(|one| declared.contains(one));
                let is_live = *host == "old" && *view == live;
                let unsaid = if is_declared || is_live { "true" } else { "false" };
                self.may("tlsa_matches", host, "false", unsaid)
            })
        })
    }

    fn of_clients(&self, domain: &Name) {
        let harm = |what: String, sure: bool| self.add("clients", domain, what, sure);
        let (at_old, at_new) = self.people();
        let off = self.may("mail", "old", "off", "store");
        let uses_old = self.may("clients", "old", "true", "true");
        let idle = self.may("serves", "new", "false", "false");
        if at_new && idle {
            harm("the new host does not serve".to_owned(), true);
        }
        if at_old && self.may("serves", "old", "false", "true") {
            harm("the old host does not serve".to_owned(), !at_new || self.execution.back.is_none());
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
                    let is_old = |ip: &IpAddr| meant.records().iter().filter_map(Rdata::ip).any(|one| one == *ip);
                    let is_new = |ip: &IpAddr| self.ground.new_servers.contains(ip) || self.ground.new.contains(ip);
                    !ips.is_empty() && ips.iter().all(|ip| is_old(ip) || (is_moved && is_new(ip)))
                };
                if uses_old && !self.dns.resolved(&owner, family, 0).iter().all(leads) {
                    harm(format!("clients of the old host look for {owner} {family}"), family == RrType::A);
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
        let servers = |ip: &IpAddr| self.ground.old_servers.contains(ip) || self.ground.old.contains(ip);
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
                if ips.iter().any(servers) && self.may("clients", &owner.to_string(), "true", "true") {
                    harm(format!("{owner} leads to the old host, which is off"), true);
                }
            }
        }
        if has_names() && at_new && uses_old && self.may("redirects", "old", "false", "false") {
            let is_asked = !self.host(false).discovery.is_empty();
            harm("clients of the old host see no new mail".to_owned(), is_asked);
        }
    }

    /// Whether a policy may be stricter than today's, for mail that nobody looked at.
    fn of_dmarc(&self, domain: &Name) {
        let owner = domain.child("_dmarc").expect("a name");
        let rank = |view: &Resolved| {
            let texts = view.records().iter().filter_map(Rdata::txt_joined);
            let texts = texts.filter_map(|text| String::from_utf8(text).ok());
            let ranks = texts.filter(|text| text.starts_with("v=DMARC1")).map(|text| {
                ["p=none", "p=quarantine", "p=reject"].iter().rposition(|p| text.contains(p)).unwrap_or(0)
            });
            ranks.max().unwrap_or(0)
        };
        let own = domain.to_string();
        let passes = !self.stated("passes_dmarc", &own).is_empty()
            && !self.may("passes_dmarc", &own, "false", "false");
        let today = rank(&plain(self.ground.zones, &owner, RrType::TXT));
        let views = self.dns.resolved(&owner, RrType::TXT, 0);
        if !passes && views.iter().any(|view| rank(view) > today) {
            self.add("authenticated", domain, "a stricter DMARC policy", has_names());
        }
    }

    /// Exchanges elsewhere may have TLSA records that nobody asked for.
    fn of_foreign_exchanges(&self, domain: &Name) {
        for exchange in self.exchanges(domain, 0).iter().flatten() {
            let views = self.dns.resolved(exchange, RrType::A, 0);
            let live = plain(self.ground.zones, exchange, RrType::A);
            let six = self.dns.resolved(exchange, RrType::AAAA, 0);
            let live_six = plain(self.ground.zones, exchange, RrType::AAAA);
            let is_moved = views.iter().any(|view| *view != live) || six.iter().any(|view| *view != live_six);
            let owner = exchange.child("_tcp").ok().and_then(|one| one.child("_25").ok());
            let is_changed = owner.is_some_and(|owner| {
                let live = plain(self.ground.zones, &owner, RrType::TLSA);
                let views = self.dns.resolved(&owner, RrType::TLSA, 0);
                views.iter().any(|view| *view != live || (is_moved && !view.records().is_empty()))
            });
            if is_changed || views.iter().any(|view| matches!(view, Resolved::Outside(_))) {
                self.add("transport-policy", domain, format!("{exchange} may have TLSA records"), false);
            }
        }
    }

    /// Keys that are there today, and that somebody may sign with.
    fn of_keys(&self) {
        let keys = self.ground.zones.values().flat_map(|records| records.keys());
        let keys = keys.filter(|key| matches!(key.rtype, RrType::TXT | RrType::CNAME));
        for key in keys.filter(|key| key.name.to_string().contains("._domainkey.")) {
            let live = plain(self.ground.zones, &key.name, RrType::TXT);
            let own = key.name.to_string();
            let selector = own.split('.').next().unwrap_or_default();
            let senders = self.ground.plan.hosts.iter().flat_map(|host| &host.senders);
            let is_declared = senders.flat_map(|sender| &sender.dkim).any(|dkim| dkim.selector == selector);
            let is_unsigned = !self.may("signs", &own, "true", "true");
            if !Self::has_key(&live) || is_unsigned {
                continue;
            }
            if self.dns.resolved(&key.name, RrType::TXT, 0).iter().any(|view| *view != live) {
                let sure = !is_declared && has_names();
                self.add("authenticated", &key.name, "a key that somebody may sign with", sure);
            }
        }
    }

    /// Names that clients may use, and that lead elsewhere.
    fn of_names(&self) {
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

    /// SPF of one address, in every view.
    fn outcomes(&self, domain: &Name, ip: IpAddr) -> BTreeSet<Verdict> {
        let is_published = |name: &Name| self.is_published(name);
        let mut views = Views { dns: &self.dns, is_published: &is_published, known: HashMap::new(), chosen: Vec::new(), at: 0, said: HashMap::new() };
        let mut found = BTreeSet::new();
        let sender = spf::Sender::of(ip, &domain.to_string());
        for _ in 0..VIEWS_MAX {
            found.insert(spf::check(&mut views, &sender));
            if !views.advance() {
                break;
            }
        }
        found
    }

    fn fails(&self, domain: &Name, ip: IpAddr) -> bool {
        self.outcomes(domain, ip).iter().any(|one| *one != Verdict::Pass)
    }

    fn has_key(view: &Resolved) -> bool {
        let texts = view.records().iter().filter_map(Rdata::txt_joined);
        texts.filter_map(|text| String::from_utf8(text).ok()).any(|text| {
            let mut tags = text.split(';').filter_map(|tag| tag.trim().split_once('='));
            tags.any(|(tag, value)| tag.trim() == "p" && !value.trim().is_empty())
        })
    }

    fn of_senders(&self, domain: &Name) {
        for host in &self.ground.plan.hosts {
            if !self.is_in_flight(host.name) {
                continue;
            }
            if host.senders.is_empty() && host.name == "new" {
                let views = self.dns.resolved(domain, RrType::TXT, 0);
                let has_spf = views.iter().any(|view| !spf_text(view.records()).is_empty());
                if has_spf && self.fails(domain, NOBODY) {
                    self.add("authenticated", domain, "the new host's unknown address", true);
                }
            }
            let is_bare = |sender: &Sender| sender.spf.is_empty() && sender.dkim.is_empty();
            if host.senders.iter().any(is_bare) {
                let views = self.dns.resolved(domain, RrType::TXT, 0);
                if views.iter().any(|view| !spf_text(view.records()).is_empty()) {
                    let what = format!("a sender of {} that declares nothing", host.name);
                    self.add("authenticated", domain, what, false);
                }
            }
            for (place, sender) in host.senders.iter().enumerate() {
                for ip in &self.ground.sources[&(host.name, place, domain.clone())] {
                    if self.fails(domain, *ip) {
                        self.add("authenticated", domain, format!("SPF of {}'s {ip}", host.name), true);
                    }
                }
                for dkim in &sender.dkim {
                    let owner = format!("{}._domainkey.{domain}", dkim.selector);
                    for view in self.dns.resolved(&name(&owner), RrType::TXT, 0) {
                        let is_sure = match &view {
                            Resolved::Outside(target) if self.is_published(target) => continue,
                            Resolved::Outside(_) => has_names(),
                            _ => true,
                        };
                        let live = plain(self.ground.zones, &name(&owner), RrType::TXT);
                        let is_other = host.name == "old" && Self::has_key(&live) && view != live;
                        if !Self::has_key(&view) || is_other {
                            self.add("authenticated", domain, format!("DKIM of {}'s {}", host.name, dkim.selector), is_sure);
                        }
                    }
                }
            }
        }
    }

    /// Whoever passes SPF today, and is named by nobody.
    fn of_live_senders(&self, domain: &Name, kind: Option<Kind>) {
        let Some(live) = self.ground.live.get(domain) else { return };
        let own = domain.to_string();
        let is_silent = !self.may("sends", &own, "true", "true");
        if is_silent && kind != Some(Kind::Moves) {
            return;
        }
        let texts = spf_text(plain(self.ground.zones, domain, RrType::TXT).records());
        let is_open = |text: &String| ["exists:", "ptr", "include:", "%{"].iter().any(|one| text.contains(one));
        let views = self.dns.resolved(domain, RrType::TXT, 0);
        if texts.iter().any(is_open) && views.iter().any(|view| spf_text(view.records()) != texts) {
            self.add("authenticated", domain, "whoever passed by what nobody can decide", false);
        }
        let is_sure = match kind {
            None => false,
            Some(Kind::Moves) => {
                if !self.is_in_flight("old") {
                    return;
                }
                self.host(false).senders.is_empty() && !is_silent
            }
            Some(Kind::Stays | Kind::Other) => true,
        };
        for ip in live {
            let is_new = self.ground.new.contains(ip);
            if self.fails(domain, *ip) {
                self.add("authenticated", domain, format!("SPF of {ip}, which passes today"), is_sure && !is_new);
            }
        }
    }

    /// Whether an SPF record is sound in every view.
    fn of_records(&self, owner: &Name) {
        let is_domain = self.ground.domains.iter().any(|(domain, _)| domain == owner);
        let outcomes = self.outcomes(owner, NOBODY);
        if outcomes.contains(&Verdict::PermError) {
            self.add("spf-sound", owner, "an error for everybody", is_domain);
        }
        if outcomes.contains(&Verdict::TempError) {
            self.add("spf-sound", owner, "a name that nobody asked", false);
        }
    }

    /// Whether the switch, or the way back, may take longer than it is to.
    fn of_speed(&self) {
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
                for held in self.dns.held(&change.key).iter().filter(|one| one.for_longer(0)) {
                    let is_there = !matches!(held.answer, Answer::NoData | Answer::NxDomain);
                    if held.ttl_secs > plan.cutover_ttl_secs {
                        let owner = &change.key.name;
                        let is_of_move = change.key.rtype == RrType::MX
                            && self.ground.domains.contains(&(owner.clone(), Kind::Moves));
                        self.add("reach", owner, step.id.clone(), is_switch && is_there && is_of_move);
                    }
                }
            }
        }
    }

}
