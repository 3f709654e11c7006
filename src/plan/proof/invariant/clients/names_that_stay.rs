//! Server names of domains that stay at the old host. Mail clients of their users are set up with
//! them for good: the move of another domain must not lead these names to another server, neither
//! by a record of their own, nor by an alias, a DNAME or a wildcard that they depend on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::others::stays;
use super::{ID, NOW, OldNames};
use crate::observe::discovery_of;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// The labels that people expect before a domain when they set up a client by hand: where a
/// wildcard or a DNAME answers, no record shows them.
const USUAL: &[&str] = &["imap", "mail", "pop", "pop3", "smtp"];

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let Some((from, _)) = builder.sides() else { return };
    let draft = builder.draft();
    let domains = builder.domains();
    let staying: BTreeSet<&Name> = domains
        .iter()
        .filter(|domain| domain.moves.is_none() && stays(builder, &domain.name))
        .map(|domain| &domain.name)
        .collect();
    if staying.is_empty() {
        return;
    }
    let all: BTreeSet<&Name> = domains.iter().map(|domain| &domain.name).collect();
    let is_of_them = |name: &Name| {
        let mut above = std::iter::successors(Some(name.clone()), Name::parent);
        above.find(|name| all.contains(name)).filter(|domain| staying.contains(domain))
    };
    let mut old: BTreeSet<IpAddr> = BTreeSet::new();
    for (_, domain_move) in builder.moving() {
        old.extend(&OldNames::of(builder, domain_move).addresses);
    }
    let parties = builder.parties();
    let is_old = |ip: &IpAddr| old.contains(ip) || parties.has(Side::From, *ip);
    let zones = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    let written = zones
        .filter(|key| matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME))
        .map(|key| key.name.clone());
    let made = staying.iter().filter(|domain| {
        let zone = draft.snapshot.zone_of(domain).map(|zone| &zone.zone.origin);
        zone.is_some_and(|zone| draft.has_wildcards(zone) || draft.has_cuts(zone))
    });
    let made = made.flat_map(|domain| USUAL.iter().filter_map(|label| domain.child(label).ok()));
    let names: BTreeSet<Name> = written.chain(made).collect();
    for name in names {
        let is_server = |label: &[u8]| label.first() != Some(&b'_') && label != b"*";
        // What clients find by discovery is judged separately.
        let is_asked = discovery_of(&RrKey::new(name.clone(), RrType::CNAME)).is_some();
        if is_asked || !name.labels().all(is_server) {
            continue;
        }
        let keys = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
        let Some(domain) = is_of_them(&name) else { continue };
        if !builder.library.live_addresses(&name).iter().any(is_old) {
            continue;
        }
        let of = Subject::Name(name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/stays", shown(&name)),
            format!(
                "a mail client of {domain} that is set up with {name} no longer finds `{0}` there, and its mailbox stays at `{0}`: its user can neither read nor send",
                from.name
            ),
            format!(
                "give {name} records of its own that lead to `{}`, or {}",
                from.name,
                builder.statement(Fact::Clients, &of, Value::False, "")
            ),
        );
        let led_away = |view: &View<'_>| is_led_away(view, &keys, &is_old).then_some(());
        let found = builder.cases(ID, ("led-from-old", &name, 0), &led_away);
        let bad =
            |builder: &PatternBuilder<'_>| builder.facts.having(Fact::Clients, &of, Value::True);
        builder.forbid_each(ID, (&found, NOW), &bad, &harm);
    }
}

/// Whether a name that leads to the old host leads elsewhere in this view, or lacks the addresses
/// of a family: a client may have only one, and takes whichever it prefers.
fn is_led_away(view: &View<'_>, keys: &[RrKey; 2], is_old: &dyn Fn(&IpAddr) -> bool) -> bool {
    keys.iter().any(|key| {
        let live = view.live(key);
        match view.look_up(key) {
            now if now == live => false,
            Outside::Records(found) => !found.iter().filter_map(Rdata::ip).all(|ip| is_old(&ip)),
            Outside::Absent => matches!(live, Outside::Records(_)),
            Outside::Unknown(_) => true,
        }
    })
}
