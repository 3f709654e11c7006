//! Whether mail in flight passes SPF and DKIM, in every view.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Dns, Resolved, plain};
use super::super::language::{Sender, has_names};
use super::super::spf::{self, Reply, Resolver, Verdict};
use super::choices::Choices;
use super::ground::*;
use super::strangers::LOCALS;
use super::*;

/// The adversary's choices of views in an SPF evaluation.
struct Views<'w> {
    dns: &'w Dns<'w>,
    is_published: &'w dyn Fn(&Name) -> bool,
    /// Names whose records let this sender pass, or not, as the adversary chooses: the name that is
    /// asked, and the one to which it leads.
    is_open: &'w dyn Fn(&Name, &Name) -> bool,
    /// Says of which names it is stated that nothing there refuses this mail. Nobody knows whether an
    /// `exists` outside matches a sender that has never sent before, unless this says so.
    stated: Stated<'w>,
    is_new: bool,
    /// A name whose record lets this sender pass.
    passes_at: Option<&'w Name>,
    known: HashMap<RrKey, Vec<Resolved>>,
    choices: Choices,
    /// The answers given in this evaluation so far.
    said: HashMap<RrKey, usize>,
}

impl Views<'_> {
    fn choose(&mut self, count: usize) -> usize {
        self.choices.choose(count)
    }

    /// Makes the next choice; `None` if all were tried.
    fn advance(&mut self) -> bool {
        self.said.clear();
        self.choices.advance()
    }
}

/// Whether it is stated that what is at a name refuses nothing.
type Stated<'s> = Option<&'s dyn Fn(&Name) -> bool>;

/// Stands for what the adversary lets a record say.
fn open_key(target: &Name) -> RrKey {
    RrKey::new(target.clone(), RrType::new(0))
}

impl Resolver for Views<'_> {
    fn ask(&mut self, name: &Name, rtype: RrType) -> Reply {
        let key = RrKey::new(name.clone(), rtype);
        let dns = self.dns;
        let count =
            self.known.entry(key.clone()).or_insert_with(|| dns.resolved(name, rtype, 0)).len();
        let chosen = match self.said.get(&key) {
            Some(said) => *said,
            None => {
                let choice = if count > 1 { self.choose(count) } else { 0 };
                self.said.insert(key.clone(), choice);
                choice
            }
        };
        let known = self.known[&key].get(chosen);
        match known {
            Some(Resolved::Outside(target))
                if rtype == RrType::TXT && self.passes_at == Some(target) =>
            {
                Reply::Records(vec![Rdata::txt(b"v=spf1 +all")])
            }
            Some(Resolved::Outside(target))
                if rtype == RrType::TXT && (self.is_open)(name, target) =>
            {
                let says: &[&[u8]] = &[b"v=spf1 -all", b"v=spf1 +all"];
                let choice = match self.said.get(&open_key(target)) {
                    Some(said) => *said,
                    None => {
                        let target = open_key(target);
                        let choice = self.choose(says.len());
                        self.said.insert(target, choice);
                        choice
                    }
                };
                Reply::Records(vec![Rdata::txt(says[choice])])
            }
            // Whatever is there, it is not an address of this sender.
            Some(Resolved::Outside(target))
                if rtype != RrType::TXT
                    && ((self.is_open)(name, target) || (self.is_published)(target)) =>
            {
                Reply::Records(Vec::new())
            }
            // There is a single record, within the limits, which lets its own senders pass.
            Some(Resolved::Outside(target))
                if rtype == RrType::TXT && (self.is_published)(target) =>
            {
                Reply::Records(vec![Rdata::txt(b"v=spf1 -all")])
            }
            Some(Resolved::Records(records)) => Reply::Records(records.clone()),
            Some(Resolved::NoData | Resolved::NxDomain) => Reply::Nothing,
            Some(Resolved::Outside(_) | Resolved::Failure) | None => Reply::Unknown,
        }
    }

    fn ask_existence(&mut self, name: &Name) -> Reply {
        let views = self.dns.resolved(name, RrType::A, 0);
        if !matches!(views.as_slice(), [Resolved::Outside(_)]) {
            return self.ask(name, RrType::A);
        }
        let mut up = std::iter::successors(Some(name.clone()), Name::parent);
        let is_open =
            self.is_new && self.stated.is_some_and(|is_stated| !up.any(|up| is_stated(&up)));
        // It does not match because there is nothing, which counts (RFC 7208 §4.6.4).
        match is_open && self.choose(2) == 1 {
            true => Reply::Records(vec![Rdata::a(Ipv4Addr::LOCALHOST)]),
            false => Reply::Nothing,
        }
    }

    fn undecidable(&mut self, domain: &str) -> Option<bool> {
        // It is stated that nothing there refuses this mail.
        let is_ruled_out = self.stated.is_some_and(|is_stated| is_stated(&super::name(domain)));
        Some(!is_ruled_out && self.choose(2) == 1)
    }
}

impl<'a> World<'a> {
    /// Keys that exist today, and with which somebody may sign.
    pub(super) fn of_keys(&self) {
        let keys = self.ground.zones.values().flat_map(|records| records.keys());
        let keys = keys.filter(|key| matches!(key.rtype, RrType::TXT | RrType::CNAME));
        for key in keys.filter(|key| key.name.to_string().contains("._domainkey.")) {
            let live = plain(self.ground.zones, &key.name, RrType::TXT);
            let own = key.name.to_string();
            let selector = own.split('.').next().unwrap_or_default();
            let senders = self.ground.plan.hosts.iter().flat_map(|host| &host.senders);
            let is_declared =
                senders.flat_map(|sender| &sender.dkim).any(|dkim| dkim.selector == selector);
            let is_unsigned = !self.may("signs", &own, "true", "true");
            let is_in_flight = self.is_signed_in_flight(&own);
            if !Self::has_key(&live) || (is_unsigned && !is_in_flight) {
                continue;
            }
            if self.dns.resolved(&key.name, RrType::TXT, 0).iter().any(|view| *view != live) {
                let sure = !is_declared && !is_unsigned && has_names();
                self.add("authenticated", &key.name, "a key that somebody may sign with", sure);
            }
        }
    }

    /// The SPF results of an address, in every view.
    pub(super) fn outcomes(&self, domain: &Name, ip: IpAddr) -> BTreeSet<Verdict> {
        let from = From::Address(ip);
        let is_published = |name: &Name| self.is_published(name);
        let of = |local| {
            self.outcomes_where(domain, (&from, local, false, None), &is_published, &|_, _| false)
        };
        LOCALS.into_iter().flat_map(of).collect()
    }

    fn outcomes_where(
        &self,
        domain: &Name,
        (from, local, is_new, stated): (&From, &str, bool, Stated<'_>),
        is_published: &dyn Fn(&Name) -> bool,
        is_open: &dyn Fn(&Name, &Name) -> bool,
    ) -> BTreeSet<Verdict> {
        let (ip, passes_at) = match from {
            From::Address(ip) => (*ip, None),
            From::Behind(name) => (NOBODY, Some(name)),
        };
        let mut views = Views {
            dns: &self.dns,
            is_published,
            is_open,
            stated,
            is_new,
            passes_at,
            known: HashMap::new(),
            choices: Choices::default(),
            said: HashMap::new(),
        };
        let mut found = BTreeSet::new();
        let mut sender = spf::Sender::of(ip, &domain.to_string());
        sender.local = local.to_owned();
        for _ in 0..VIEWS_MAX {
            found.insert(spf::check(&mut views, &sender));
            if !views.advance() {
                break;
            }
        }
        found
    }

    pub(super) fn fails(&self, domain: &Name, from: &From, is_new: bool) -> bool {
        // An unknown record is reported for the record, and not for its senders.
        let is_open = |asked: &Name, at: &Name| !self.is_published(asked) && !self.is_published(at);
        let stated = |name: &Name| self.is_published(name);
        let stated: Stated<'_> = Some(&stated);
        // What was refused before the plan began is none of its concern.
        let passed = |local: &str| {
            is_new
                || local == LOCALS[0]
                || self.verdict_before(domain, from, local) == Verdict::Pass
        };
        LOCALS.into_iter().filter(|local| passed(local)).any(|local| {
            let outcomes =
                self.outcomes_where(domain, (from, local, is_new, stated), &|_| true, &is_open);
            outcomes.iter().any(|verdict| !matches!(verdict, Verdict::Pass | Verdict::TempError))
        })
    }

    pub(super) fn has_key(view: &Resolved) -> bool {
        let texts = view.records().iter().filter_map(Rdata::txt_joined);
        texts.filter_map(|text| String::from_utf8(text.into_owned()).ok()).any(|text| {
            let mut tags = text.split(';').filter_map(|tag| tag.trim().split_once('='));
            tags.any(|(tag, value)| tag.trim() == "p" && !value.trim().is_empty())
        })
    }

    pub(super) fn of_senders(&self, domain: &Name) {
        for host in &self.ground.plan.hosts {
            if !self.is_in_flight(host.name) {
                continue;
            }
            if host.senders.is_empty() && host.name == "new" {
                let views = self.dns.resolved(domain, RrType::TXT, 0);
                let has_spf = views.iter().any(|view| !spf_text(view.records()).is_empty());
                if has_spf && self.fails(domain, &From::Address(NOBODY), true) {
                    self.add("authenticated", domain, "the new host's unknown address", true);
                }
                if self.is_strict(domain) {
                    self.add("authenticated", domain, "the new host's mail without SPF", false);
                }
            }
            let is_bare = |sender: &Sender| sender.spf.is_empty() && sender.dkim.is_empty();
            if host.senders.iter().any(is_bare) {
                let views = self.dns.resolved(domain, RrType::TXT, 0);
                let has_spf = views.iter().any(|view| !spf_text(view.records()).is_empty());
                if has_spf || self.is_strict(domain) {
                    let what = format!("a sender of {} that declares nothing", host.name);
                    self.add("authenticated", domain, what, false);
                }
            }
            for (place, sender) in host.senders.iter().enumerate() {
                // What the terms of a third host no longer lead to is not the plan's concern.
                let own = domain.to_string();
                let is_silent = !self.may("sends", &own, "true", "true");
                let is_sure = matches!(host.name, "old" | "new") || !is_silent;
                for from in &self.ground.sources[&(host.name, place, domain.clone())] {
                    // Nobody knows whether what is outside has addresses that a term refuses.
                    let views = self.dns.resolved(domain, RrType::TXT, 0);
                    let refuses = |view: &Resolved| {
                        let texts = spf_text(view.records());
                        let mut words = texts.iter().flat_map(|text| text.split(' '));
                        words.any(|w| w.starts_with(['-', '~', '?']) && !w.ends_with("all"))
                    };
                    if matches!(from, From::Behind(_)) && views.iter().any(refuses) {
                        let what =
                            format!("SPF of {}'s {from}, which a term may refuse", host.name);
                        self.add("authenticated", domain, what, false);
                    }
                    if self.fails(domain, from, host.name == "new") {
                        self.add(
                            "authenticated",
                            domain,
                            format!("SPF of {}'s {from}", host.name),
                            is_sure,
                        );
                    }
                }
                for dkim in &sender.dkim {
                    let owner = format!("{}._domainkey.{domain}", dkim.selector);
                    for view in self.dns.resolved(&name(&owner), RrType::TXT, 0) {
                        let is_sure = match &view {
                            Resolved::Outside(target) if self.is_published(target) => continue,
                            Resolved::Outside(_) => has_names(),
                            Resolved::Records(_)
                            | Resolved::NoData
                            | Resolved::NxDomain
                            | Resolved::Failure => true,
                        };
                        let live = plain(self.ground.zones, &name(&owner), RrType::TXT);
                        let is_other = host.name == "old" && Self::has_key(&live) && view != live;
                        if !Self::has_key(&view) || is_other {
                            let beyond = match &view {
                                Resolved::Outside(target) => format!(" at {target}"),
                                Resolved::Records(_)
                                | Resolved::NoData
                                | Resolved::NxDomain
                                | Resolved::Failure => String::new(),
                            };
                            self.add(
                                "authenticated",
                                domain,
                                format!("DKIM of {}'s {}{beyond}", host.name, dkim.selector),
                                is_sure,
                            );
                        }
                    }
                }
            }
        }
    }

    /// Senders that pass SPF today, and that nothing names.
    pub(super) fn of_live_senders(&self, domain: &Name, kind: Option<Kind>) {
        let Some(live) = self.ground.live.get(domain) else { return };
        let own = domain.to_string();
        let is_silent = !self.may("sends", &own, "true", "true");
        if is_silent && kind != Some(Kind::Moves) {
            return;
        }
        let texts = spf_text(plain(self.ground.zones, domain, RrType::TXT).records());
        let is_open = |text: &String| {
            ["exists:", "ptr", "include:", "%{", " mx", " a:"]
                .iter()
                .any(|term| text.contains(term))
        };
        let views = self.dns.resolved(domain, RrType::TXT, 0);
        let exchanges = plain(self.ground.zones, domain, RrType::MX);
        let other_exchanges = || {
            let views = self.dns.resolved(domain, RrType::MX, 0);
            texts.iter().any(|text| text.contains(" mx")) && views.iter().any(|v| *v != exchanges)
        };
        let other_text = || views.iter().any(|view| spf_text(view.records()) != texts);
        if texts.iter().any(is_open) && (other_text() || other_exchanges()) {
            self.add("authenticated", domain, "whoever passed by what nobody can decide", false);
        }
        self.of_the_client(domain, kind, &texts);
        let is_sure = match kind {
            None => false,
            Some(Kind::Moves) => {
                let is_in_flight = self.is_in_flight("old");
                if !is_in_flight && is_silent {
                    return;
                }
                is_in_flight && self.host(false).senders.is_empty() && !is_silent
            }
            Some(Kind::Stays | Kind::Other) => true,
        };
        for from in live {
            let is_new = matches!(from, From::Address(ip) if self.ground.new.contains(ip));
            if self.fails(domain, from, false) {
                self.add(
                    "authenticated",
                    domain,
                    format!("SPF of {from}, which passes today"),
                    is_sure && !is_new,
                );
            }
        }
    }

    /// Senders that pass because of an address of a name below the domain, to which `ptr` or
    /// `exists` leads: the adversary's own address may be that address.
    fn of_the_client(&self, domain: &Name, kind: Option<Kind>, texts: &[String]) {
        let open = |text: &String| ["exists:", "ptr", "%{"].iter().any(|term| text.contains(term));
        let records = self.ground.zones.values().flat_map(|records| records.iter());
        let txt = records.filter(|(key, _)| key.rtype == RrType::TXT);
        let mut all = txt.flat_map(|(_, rrset)| spf_text(rrset.rdata()));
        if !all.any(|text| open(&text)) {
            return;
        }
        let own_pointers = texts.iter().any(|text| text.split(' ').any(|term| term == "ptr"));
        let changes = self.ground.steps.iter().filter_map(|step| step.changes.as_ref());
        let changed = changes.flat_map(|(_, changes)| changes).map(|change| &change.key.name);
        let types = [RrType::A, RrType::AAAA, RrType::MX, RrType::TXT];
        let names: BTreeSet<&Name> = changed.collect();
        for key in names.iter().flat_map(|n| types.map(|rtype| RrKey::new((*n).clone(), rtype))) {
            let live = plain(self.ground.zones, &key.name, key.rtype);
            let views = self.dns.resolved(&key.name, key.rtype, 0);
            if live.records().is_empty() || views.iter().all(|view| *view == live) {
                continue;
            }
            let is_silent = !self.may("sends", &key.name.to_string(), "true", "true");
            let is_address = matches!(key.rtype, RrType::A | RrType::AAAA);
            let stays = matches!(kind, Some(Kind::Stays | Kind::Other));
            let gone = |view: &Resolved| matches!(view, Resolved::NoData | Resolved::NxDomain);
            let is_gone = views.iter().any(gone);
            // Names of hosts have neither asterisks nor underscores.
            let below =
                key.name.is_at_or_below(domain) && !key.name.to_string().contains(['*', '_']);
            let is_sure = own_pointers && is_address && is_gone && stays && below && !is_silent;
            let what = format!("whoever passes by the addresses of {}", key.name);
            self.add("authenticated", domain, what, is_sure);
        }
    }

    /// Mail from addresses that no record names is refused, although it is not refused today.
    fn of_others(&self, owner: &Name) {
        let live = plain(self.ground.zones, owner, RrType::TXT);
        let texts = spf_text(live.records());
        let refuses = texts.iter().any(|text| text.ends_with("-all"));
        let is_refused =
            self.outcomes(owner, NOBODY).iter().any(|verdict| *verdict != Verdict::Pass);
        let views = self.dns.resolved(owner, RrType::TXT, 0);
        if !refuses && is_refused && views.iter().any(|view| *view != live) {
            self.add("authenticated", owner, "whoever else sends", false);
        }
    }

    /// Whether an SPF record is valid in every view.
    pub(super) fn of_records(&self, owner: &Name) {
        self.of_others(owner);
        let is_domain = self.ground.domains.iter().any(|(domain, _)| domain == owner);
        let outcomes = self.outcomes(owner, NOBODY);
        if outcomes.contains(&Verdict::PermError) {
            let nobody = From::Address(NOBODY);
            // It is no error before the plan begins, whoever sends.
            let was_error =
                |local: &str| self.verdict_before(owner, &nobody, local) == Verdict::PermError;
            let sure = is_domain && !LOCALS.into_iter().any(was_error);
            self.add("spf-sound", owner, "an error for everybody", sure);
        }
        if outcomes.contains(&Verdict::TempError) {
            self.add("spf-sound", owner, "a name that nobody asked", false);
        }
    }
}
