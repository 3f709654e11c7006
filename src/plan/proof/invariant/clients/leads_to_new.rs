//! What leads mail clients to the new host, or to nobody's, while the mailboxes are at the old one,
//! although no host declares it: discovery records that come into being by `records:`, and what has
//! led there since before the first step.
//!
//! Whoever sets up a client takes what is found first: `_imap` and `_imaps` may both be there (RFC
//! 6186 §3.2), and Thunderbird asks `autoconfig` before either.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{ID, NOW, OldNames, asked, leads_where, target};
use crate::intent::DomainMove;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// The labels before a domain under which people read their mail when they set up a client by hand.
const READ_AT: &[&str] = &["imap", "mail", "pop", "pop3"];

/// Where a record leads clients, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    /// To the old host.
    Old,
    /// To the new host.
    New,
    /// To a server of which nobody says whose it is.
    Nobodys,
}

/// How to ask a question, and where one leaves the zones.
type LookUps<'l> = (&'l dyn Fn(&RrKey) -> Outside, &'l dyn Fn(&RrKey) -> Option<Name>);

/// The names and addresses of both hosts.
struct Hosts {
    old: std::sync::Arc<OldNames>,
    names: BTreeSet<Name>,
    addresses: BTreeSet<IpAddr>,
}

impl Hosts {
    fn of(builder: &PatternBuilder<'_>, domain_move: &DomainMove) -> Self {
        let declared = domain_move.to.discovery.values().filter_map(|rdata| target(&rdata.value));
        let declared: Vec<Name> = declared.collect();
        // The addresses of exchanges are known (`Parties`).
        let addresses = declared.iter().flat_map(|name| builder.end.addresses(name));
        let is_own = |ip: &IpAddr| !builder.parties().has(Side::From, *ip);
        let addresses = addresses.filter(is_own).collect();
        let exchanges = domain_move.to.exchanges.iter().map(|e| e.name.value.clone());
        let names = declared.into_iter().chain(exchanges).collect();
        Self { old: OldNames::of(builder, domain_move), names, addresses }
    }

    fn is_new(&self, ip: &IpAddr, builder: &PatternBuilder<'_>) -> bool {
        let parties = builder.parties();
        self.addresses.contains(ip) || (parties.has(Side::To, *ip) && !parties.has(Side::From, *ip))
    }

    fn whose(&self, ip: &IpAddr, builder: &PatternBuilder<'_>) -> Leads {
        match self.is_new(ip, builder) {
            true => Leads::New,
            false if self.old.addresses.contains(ip) => Leads::Old,
            false if builder.parties().has(Side::From, *ip) => Leads::Old,
            false => Leads::Nobodys,
        }
    }

    /// By a name that nobody could ask.
    fn whose_name(&self, name: &Name) -> Leads {
        match (self.names.contains(name), self.old.names.contains(name)) {
            (true, _) => Leads::New,
            (false, true) => Leads::Old,
            (false, false) => Leads::Nobodys,
        }
    }

    /// Where a discovery record leads; `None`: to no server.
    fn leads(
        &self,
        builder: &PatternBuilder<'_>,
        (look_up, leaves_at): LookUps<'_>,
        key: &RrKey,
    ) -> Option<Leads> {
        let of_address = |key: &RrKey, name: &Name| match look_up(key) {
            Outside::Records(found) => {
                found.iter().filter_map(Rdata::ip).map(|ip| self.whose(&ip, builder)).max()
            }
            Outside::Absent => None,
            Outside::Unknown(_) => Some(match self.whose_name(name) {
                Leads::Nobodys => {
                    leaves_at(key).map_or(Leads::Nobodys, |name| self.whose_name(&name))
                }
                known @ (Leads::Old | Leads::New) => known,
            }),
        };
        if key.rtype != RrType::SRV {
            return of_address(key, &key.name);
        }
        match look_up(key) {
            Outside::Records(found) => {
                let targets = found.iter().filter_map(Rdata::srv_target);
                let both = targets.flat_map(|name| {
                    [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype))
                });
                both.filter_map(|key| of_address(&key, &key.name)).max()
            }
            Outside::Absent => None,
            Outside::Unknown(_) => {
                Some(leaves_at(key).map_or(Leads::Nobodys, |name| self.whose_name(&name)))
            }
        }
    }

    fn leads_in(
        &self,
        builder: &PatternBuilder<'_>,
        view: &View<'_>,
        key: &RrKey,
    ) -> Option<Leads> {
        self.leads(builder, (&|key| view.look_up(key), &|key| view.leaves_at(key)), key)
    }
}

/// Discovery records of a domain that do not exist before the first step, and that the plan makes,
/// also by a wildcard, an alias or a DNAME. Those that a host declares are judged by it.
pub(super) fn newly_published(
    builder: &mut PatternBuilder<'_>,
    (domain, domain_move): (&Name, &DomainMove),
    owned: &BTreeSet<RrKey>,
    (idle, off): (&[usize], &[usize]),
) {
    let draft = builder.draft();
    let gives = domain_move.to.exchanges.iter().any(|exchange| !exchange.addresses.is_empty());
    if draft.intent.records.is_empty() && !gives {
        return;
    }
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let hosts = Hosts::of(builder, domain_move);
    let (from, to) = (&domain_move.from.name, &domain_move.to.name);
    let declared = domain_move.from.discovery.keys().chain(domain_move.to.discovery.keys());
    let declared: BTreeSet<&Name> = declared.map(|key| &key.name).collect();
    for key in asked(builder, domain).iter() {
        // An alias is looked up for its target's addresses.
        if key.rtype == RrType::CNAME
            || declared.contains(&key.name)
            || builder.library.live(key) != Outside::Absent
        {
            continue;
        }
        let at = usize::from(key.rtype.number());
        let id = |what: &str| {
            format!("{ID}/{}/{what}/{} {}", shown(domain), shown(&key.name), key.rtype)
        };
        let label = ("newly-published", &key.name, at);
        let views = builder.views(ID, label, &|view| hosts.leads_in(builder, view, key));
        // Nothing changes what it leads to.
        if views.found().count() <= 1 {
            continue;
        }
        let cases = |whose| views.smallest(&|leads| (*leads == Some(whose)).then_some(()));
        let (new, nobodys, old) = (cases(Leads::New), cases(Leads::Nobodys), cases(Leads::Old));
        let is_owned = owned.contains(key);
        let early = || {
            Harm::new(
                id("published-early"),
                format!(
                    "a mail client that looks up {key} of {domain} finds it for the first time and is set up for `{to}`, while the mailboxes are at `{from}`, or not served at `{to}` yet"
                ),
                format!("publish {key} when the mailboxes have moved (`with: switch`)"),
            )
        };
        for (choice, ()) in new.iter() {
            let harm = early();
            for bad in mailboxes.at_old().chain(idle.iter().copied()) {
                builder.forbid(ID, (choice, NOW), &[bad], &harm);
            }
        }
        let to_off = || {
            Harm::new(
                id("published-to-off"),
                format!("a mail client that looks up {key} is sent to `{from}`, which is off"),
                format!("leave `{from}` on until no cache can hold {key}"),
            )
        };
        let late = builder.late();
        for (choice, ()) in old.iter().filter(|_| !is_owned) {
            let harm = to_off();
            for off in off {
                builder.forbid(ID, (choice, late), &[*off], &harm);
            }
        }
        if !nobodys.is_empty() {
            let of = Subject::Name(key.name.clone());
            let harm = Harm::new(
                id("published"),
                format!(
                    "a mail client that looks up {key} of {domain} finds it for the first time and is set up for a server that is neither `{from}` nor `{to}`: nobody says that it has the mailbox"
                ),
                format!(
                    "declare the record under `discovery:` of the host that it leads to, or {}",
                    builder.statement(Fact::Clients, &of, Value::False, "")
                ),
            );
            let bad = |builder: &PatternBuilder<'_>| {
                builder.facts.having(Fact::Clients, &of, Value::True)
            };
            builder.forbid_each(ID, (&nobodys, NOW), &bad, &harm);
        }
        if !is_owned {
            leads_where(builder, key);
        }
    }
}

/// What leads clients to the new host before the first step, while mail still goes to the old one:
/// somebody has begun the move by hand. Discovery records, declared or not, and names that people
/// type in.
pub(super) fn already_new(
    builder: &mut PatternBuilder<'_>,
    (domain, domain_move): (&Name, &DomainMove),
) {
    let Some(at_old) = builder.mailboxes().and_then(|mailboxes| mailboxes.old) else { return };
    let (from, to) = (&domain_move.from, &domain_move.to);
    let routes = builder.routes_today(domain);
    if !routes.all().iter().any(|route| builder.parties().whose(route) == Some(Side::From)) {
        return;
    }
    let hosts = Hosts::of(builder, domain_move);
    let mut found: BTreeSet<RrKey> = BTreeSet::new();
    let nowhere = |_: &RrKey| None;
    for key in asked(builder, domain).iter() {
        // What the old host declares names it, wherever it leads: its target is judged below.
        let is_own = |own: &RrKey| {
            let rdata = &from.discovery[own].value;
            own.name == key.name
                && matches!(builder.library.live(own), Outside::Records(live) if live.contains(rdata))
        };
        if key.rtype == RrType::CNAME || from.discovery.keys().any(is_own) {
            continue;
        }
        let live = hosts.leads(builder, (&|key| builder.library.live(key), &nowhere), key);
        if live == Some(Leads::New) {
            found.insert(key.clone());
        }
    }
    let declared: BTreeSet<Name> =
        from.discovery.values().filter_map(|rdata| target(&rdata.value)).collect();
    let usual = READ_AT.iter().filter_map(|label| domain.child(label).ok());
    let usual = usual.filter(|name| !hosts.names.contains(name));
    let typed: BTreeSet<Name> = declared.iter().cloned().chain(usual).collect();
    let typed = typed.into_iter().filter(|name| !from.has_exchange(name) && !to.has_exchange(name));
    for name in typed {
        let both = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
        found.extend(both.into_iter().filter(|key| match builder.library.live(key) {
            Outside::Records(found) => {
                found.iter().filter_map(Rdata::ip).any(|ip| hosts.is_new(&ip, builder))
            }
            Outside::Absent | Outside::Unknown(_) => false,
        }));
    }
    let of = Subject::Host(from.name.clone());
    // A host that passes log-ins on does so by where the mailbox is.
    if found.is_empty()
        || (builder.facts.is_stated(Fact::Redirects, &of)
            && builder.facts.is_always(Fact::Redirects, &of, Value::True))
    {
        return;
    }
    for key in found {
        let at = usize::from(key.rtype.number());
        let harm = Harm::new(
            format!("{ID}/{}/already-new/{}", shown(domain), shown(&key.name)),
            format!(
                "a mail client of {domain} that finds its server by {} reaches `{}`, while mail still goes to `{}`",
                key.name, to.name, from.name
            ),
            format!("let {} lead to `{}` again until the switch", key.name, from.name),
        );
        let leads = |view: &View<'_>| {
            (hosts.leads_in(builder, view, &key) == Some(Leads::New)).then_some(())
        };
        let cases = builder.cases(ID, ("already-new", &key.name, at), &leads);
        for (choice, ()) in cases.iter() {
            builder.forbid(ID, (choice, NOW), &[at_old], &harm);
        }
    }
}
