//! Server names that mail clients are set up with, and no longer look up by discovery.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{ID, NOW, OldNames, target};
use crate::observe::discovery_of;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// The names that clients are set up with: targets of the old host's discovery records, and every
/// name that leads to its addresses and that the plan changes.
pub(super) fn patterns(builder: &mut PatternBuilder<'_>, idle: &[usize]) {
    let Some((from, to)) = builder.sides() else { return };
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let (draft, parties) = (builder.draft(), builder.parties());
    let mut names: BTreeSet<Name> = BTreeSet::new();
    let mut old: BTreeSet<IpAddr> = BTreeSet::new();
    let mut new: BTreeSet<IpAddr> = BTreeSet::new();
    for (_, domain_move) in builder.moving() {
        let of_old = OldNames::of(builder, domain_move);
        let exchanges: Vec<&Name> =
            domain_move.from.exchanges.iter().map(|e| &e.name.value).collect();
        let discovered = of_old.names.iter().filter(|name| {
            let declared =
                domain_move.from.discovery.values().filter_map(|rdata| target(&rdata.value));
            !exchanges.contains(name) || declared.into_iter().any(|target| target == **name)
        });
        names.extend(discovered.cloned());
        old.extend(&of_old.addresses);
        for target in domain_move.to.discovery.values().filter_map(|rdata| target(&rdata.value)) {
            new.extend(builder.end.addresses(&target));
        }
    }
    let is_old = |ip: &IpAddr| old.contains(ip) || parties.has(Side::From, *ip);
    for key in draft.owned() {
        let leads = matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME);
        if leads && builder.library.live_addresses(&key.name).iter().any(is_old) {
            names.insert(key.name.clone());
        }
    }
    let is_new = |ip: &IpAddr| new.contains(ip) || parties.has(Side::To, *ip);
    for name in names {
        // What clients find by discovery, and what they ask for, is judged separately.
        let is_record = |rtype| discovery_of(&RrKey::new(name.clone(), rtype)).is_some();
        let keys = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
        if is_record(RrType::CNAME)
            || !keys.iter().any(|key| builder.library.answers(key).is_some())
        {
            continue;
        }
        let where_to = |view: &View<'_>, target: Target| {
            (target_of(view, &keys, &is_new) == Some(target)).then_some(())
        };
        let set_up = [Subject::Name(name.clone()), Subject::Host(from.name.clone())];
        let away = Harm::new(
            format!("{ID}/{}/away", shown(&name)),
            format!(
                "a mail client that is set up with {name} no longer finds `{}` there: its user can neither read nor send",
                from.name
            ),
            format!("leave {name} where it is as long as clients of `{}` use it", from.name),
        );
        let clients = match builder.facts.is_stated(Fact::Clients, &set_up[0]) {
            true => builder.facts.having(Fact::Clients, &set_up[0], Value::True),
            false => builder.facts.having(Fact::Clients, &set_up[1], Value::True),
        };
        for (choice, ()) in
            builder.cases(ID, ("led-away", &name, 0), &|view| where_to(view, Target::Away)).iter()
        {
            for client in &clients {
                builder.forbid(ID, (choice, NOW), &[*client], &away);
            }
        }
        let to_new = Harm::new(
            format!("{ID}/{}/to-new", shown(&name)),
            format!(
                "a mail client that is set up with {name} is sent to `{}` while the mailboxes are at `{}`, or not served there yet",
                to.name, from.name
            ),
            format!("let {name} lead to `{}` when the mailboxes have moved", to.name),
        );
        for (choice, ()) in builder
            .cases(ID, ("led-to-new", &name, 0), &|view| where_to(view, Target::ToNew))
            .iter()
        {
            for client in &clients {
                for bad in mailboxes.at_old().chain(idle.iter().copied()) {
                    builder.forbid(ID, (choice, NOW), &[*client, bad], &to_new);
                }
            }
        }
    }
}

/// The target of a name that led to the old host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Away,
    ToNew,
}

/// The target of a name in this view, if it has changed: a client may have only one address family.
fn target_of(
    view: &View<'_>,
    keys: &[RrKey; 2],
    is_new: &dyn Fn(&IpAddr) -> bool,
) -> Option<Target> {
    let ips = |answer: &Outside| -> Vec<IpAddr> {
        match answer {
            Outside::Records(records) => records.iter().filter_map(Rdata::ip).collect(),
            Outside::Absent | Outside::Unknown(_) => Vec::new(),
        }
    };
    let found = keys.each_ref().map(|key| view.look_up(key));
    if found.iter().any(|found| matches!(found, Outside::Unknown(_))) {
        return Some(Target::Away);
    }
    let now = found.each_ref().map(ips);
    let live = keys.each_ref().map(|key| ips(&view.live(key)));
    let other: Vec<&IpAddr> =
        now.iter().flatten().filter(|ip| !live.iter().flatten().any(|l| l == *ip)).collect();
    if !other.is_empty() {
        return Some(match other.into_iter().all(is_new) {
            true => Target::ToNew,
            false => Target::Away,
        });
    }
    // There is nothing new, and a family that had addresses has none left.
    let lost = live.iter().zip(&now).any(|(live, now)| !live.is_empty() && now.is_empty());
    lost.then_some(Target::Away)
}
