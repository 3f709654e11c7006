//! Mail that no part of the plan names. It passes, or is not refused, before the plan begins; whatever
//! nobody could see matches it or not, as the adversary chooses, and does so as before at the instant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Resolved, plain};
use super::super::spf::{self, Reply, Resolver, Verdict};
use super::choices::Choices;
use super::ground::{From, spf_text};
use super::*;

/// The local parts of senders: for the second one a name may exist that the plan's zones have.
pub(super) const LOCALS: [&str; 2] = ["postmaster", "bob"];

/// The adversary's choices for one message, before the plan and at the instant.
struct Twice<'w> {
    world: &'w World<'w>,
    ip: IpAddr,
    /// A name whose record lets this sender pass.
    passes_at: Option<&'w Name>,
    /// Whether it is the instant.
    is_now: bool,
    choices: Choices,
    /// What was chosen for views of the instant.
    views: HashMap<RrKey, usize>,
    /// What was chosen for names outside.
    outside: BTreeMap<RrKey, usize>,
    /// Whether the sender's address has a name wherever a `ptr` asks.
    has_names: Option<usize>,
    /// Something that the plan states may rule this out.
    is_stated: bool,
}

impl<'w> Twice<'w> {
    fn of(world: &'w World<'w>, from: &'w From) -> Self {
        let (ip, passes_at) = match from {
            From::Address(ip) => (*ip, None),
            From::Behind(name) => (NOBODY, Some(name)),
        };
        Self {
            world,
            ip,
            passes_at,
            is_now: false,
            choices: Choices::default(),
            views: HashMap::new(),
            outside: BTreeMap::new(),
            has_names: None,
            is_stated: false,
        }
    }

    fn choose(&mut self, count: usize) -> usize {
        self.choices.choose(count)
    }

    /// Makes the next choice; `false` if all were tried.
    fn advance(&mut self) -> bool {
        self.views.clear();
        self.outside.clear();
        self.has_names = None;
        self.is_stated = false;
        self.choices.advance()
    }

    fn seen(&mut self, name: &Name, rtype: RrType) -> Resolved {
        if !self.is_now {
            return plain(self.world.ground.zones, name, rtype);
        }
        let all = self.world.dns.resolved(name, rtype, 0);
        let key = RrKey::new(name.clone(), rtype);
        let known = self.views.get(&key).copied();
        let view = match known {
            Some(view) => view,
            None => {
                let view = if all.len() > 1 { self.choose(all.len()) } else { 0 };
                self.views.insert(key, view);
                view
            }
        };
        all.get(view).cloned().unwrap_or(Resolved::Failure)
    }

    /// Whether what is outside matches the message.
    fn matches(&mut self, asked: &Name, target: &Name, rtype: RrType) -> bool {
        let mut up = std::iter::successors(Some(target.clone()), Name::parent);
        self.is_stated |=
            self.world.is_published(asked) || up.any(|up| self.world.is_published(&up));
        let key = RrKey::new(target.clone(), rtype);
        let known = self.outside.get(&key).copied();
        let choice = match known {
            Some(choice) => choice,
            None => {
                let choice = self.choose(2);
                self.outside.insert(key, choice);
                choice
            }
        };
        choice == 1
    }
}

impl Resolver for Twice<'_> {
    fn ask(&mut self, name: &Name, rtype: RrType) -> Reply {
        let target = match self.seen(name, rtype) {
            Resolved::Records(records) => return Reply::Records(records),
            Resolved::NoData | Resolved::NxDomain => return Reply::Nothing,
            Resolved::Failure => return Reply::Unknown,
            Resolved::Outside(target) => target,
        };
        let matches = match rtype == RrType::TXT && self.passes_at == Some(&target) {
            true => true,
            false => self.matches(name, &target, rtype),
        };
        Reply::Records(match (rtype, self.ip, matches) {
            (RrType::TXT, _, true) => vec![Rdata::txt(b"v=spf1 +all")],
            (RrType::TXT, _, false) => vec![Rdata::txt(b"v=spf1 -all")],
            (RrType::A, IpAddr::V4(ip), true) => vec![Rdata::a(ip)],
            (RrType::AAAA, IpAddr::V6(ip), true) => vec![Rdata::aaaa(ip)],
            (_, _, _) => Vec::new(),
        })
    }

    fn ask_existence(&mut self, name: &Name) -> Reply {
        match self.seen(name, RrType::A) {
            Resolved::Outside(target) => match self.matches(name, &target, RrType::A) {
                true => Reply::Records(vec![Rdata::a(Ipv4Addr::LOCALHOST)]),
                false => Reply::Nothing,
            },
            Resolved::Records(records) => Reply::Records(records),
            Resolved::NoData | Resolved::NxDomain => Reply::Nothing,
            Resolved::Failure => Reply::Unknown,
        }
    }

    fn undecidable(&mut self, domain: &str) -> Option<bool> {
        self.is_stated |= self.world.is_published(&name(domain));
        let choice = match self.has_names {
            Some(choice) => choice,
            None => self.choose(2),
        };
        self.has_names = Some(choice);
        Some(choice == 1)
    }
}

impl World<'_> {
    /// Mail of a domain from addresses that nothing names.
    pub(super) fn of_strangers(&self, domain: &Name, kind: Option<Kind>) {
        let own = domain.to_string();
        let live = plain(self.ground.zones, domain, RrType::TXT);
        let views = self.dns.resolved(domain, RrType::TXT, 0);
        let is_silent = match kind {
            Some(Kind::Moves) if self.old_says_nothing() => !self.is_in_flight("old"),
            _ => !self.may("sends", &own, "true", "true"),
        };
        if is_silent || spf_text(live.records()).is_empty() {
            return;
        }
        let sources = self.ground.sources.iter().filter(|((_, _, of), _)| of == domain);
        let declared: BTreeSet<&From> = sources.flat_map(|(_, sources)| sources).collect();
        let all = [&live].into_iter().chain(&views);
        let texts = all.flat_map(|view| spf_text(view.records())).collect::<String>();
        for local in LOCALS.iter().take(if texts.contains("%{l}") { 2 } else { 1 }) {
            let mut sender = spf::Sender::of(NOBODY, &own);
            sender.local = (*local).to_owned();
            let nobody = From::Address(NOBODY);
            let mut twice = Twice::of(self, &nobody);
            for _ in 0..VIEWS_MAX {
                twice.is_now = false;
                let before = spf::check(&mut twice, &sender);
                twice.is_now = true;
                let now = spf::check(&mut twice, &sender);
                let is_worse = match before {
                    Verdict::Pass => !matches!(now, Verdict::Pass | Verdict::TempError),
                    Verdict::Neutral | Verdict::SoftFail => now == Verdict::Fail,
                    Verdict::None | Verdict::Fail | Verdict::TempError | Verdict::PermError => {
                        false
                    }
                };
                if is_worse {
                    // Whoever passes by what a host declares is that host's.
                    let is_declared = twice.outside.iter().any(|(key, choice)| {
                        *choice == 1 && declared.contains(&From::Behind(key.name.clone()))
                    });
                    let sure = !twice.is_stated && kind.is_some() && !is_declared;
                    self.add("authenticated", domain, "mail that nothing names", sure);
                }
                if !twice.advance() {
                    break;
                }
            }
        }
    }

    /// The result before the plan begins, if nothing outside matches apart from where it is from.
    pub(super) fn verdict_before(&self, domain: &Name, from: &From, local: &str) -> Verdict {
        let mut twice = Twice::of(self, from);
        let mut sender = spf::Sender::of(twice.ip, &domain.to_string());
        sender.local = local.to_owned();
        spf::check(&mut twice, &sender)
    }

    /// Whether no sender of the old host declares anything.
    fn old_says_nothing(&self) -> bool {
        let senders = &self.host(false).senders;
        senders.iter().all(|sender| sender.spf.is_empty() && sender.dkim.is_empty())
    }
}
