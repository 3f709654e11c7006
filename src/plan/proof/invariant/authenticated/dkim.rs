//! DKIM keys: those that declared senders sign with, and those that somebody may sign with.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{ID, NOW, Role};
use crate::intent::{Host, Selector, Sender};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::draft::Draft;
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_mail::dkim::{KeyRecord, is_dkim};
use cutover_mail::resolution::moved;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// Mail of a sender that declares selectors: it may sign with any of them.
pub(super) fn of_dkim(
    builder: &mut PatternBuilder<'_>,
    (domain, role): (&Name, Role),
    (host, sender): (&Host, &Sender),
    stream: &mut usize,
    in_flight: &dyn Fn(&PatternBuilder<'_>) -> Vec<usize>,
) {
    for selector in &sender.selectors {
        *stream += 1;
        let owner = &selector.owner.value;
        let id = format!("{ID}/{}/{}/{}/dkim", shown(domain), host.name, sender.name);
        let missing = Harm::new(
            format!("{id}/{}", shown(owner)),
            format!(
                "mail that `{}` sent as {domain} (`{}`) and signed with {owner} fails DKIM, and DMARC too wherever it was forwarded",
                host.name, sender.name
            ),
            format!(
                "publish the DKIM key of `{}` before it sends, and keep it until its last message has arrived",
                host.name
            ),
        );
        let txt = RrKey::new(owner.clone(), RrType::TXT);
        // Whoever sends today signs with the key of today; whoever begins to, with that of the end.
        let snapshot = builder.draft().snapshot;
        let end = std::sync::Arc::clone(&builder.end);
        let is_there_today = snapshot.told(&txt) != Outside::Absent;
        let (at, from) = match role != Role::New && is_there_today {
            true => (snapshot, txt.clone()),
            // What the plan publishes for a sender is not part of the zones in the end.
            false => (&*end, key_of(selector.publish.as_ref(), &txt)),
        };
        let (signs_with, is_known) = match at.told(&from) {
            Outside::Unknown(_) => (at.leaves_at(&from).map(|key| key.name), false),
            Outside::Records(records) => (None, usable(&records)),
            Outside::Absent => (None, false),
        };
        // At another name there is another key, as far as anybody knows.
        let key = |view: &View<'_>| match key(view, selector) {
            Key::Unseen(name) => match is_known || signs_with.as_ref() != Some(&name) {
                true => Key::Missing,
                false => Key::Unseen(name),
            },
            Key::There if signs_with.is_some() => Key::Missing,
            key @ (Key::There | Key::Missing) => key,
        };
        let today = snapshot.leaves_at(&txt).map(|key| key.name);
        let fails = |view: &View<'_>| (key(view) == Key::Missing).then_some(());
        let found = builder.cases(ID, ("dkim", domain, *stream), &fails);
        builder.forbid_each(ID, (&found, NOW), in_flight, &missing);
        let unseen =
            builder.met(ID, ("dkim-unseen", domain, *stream << 16), &|view| match key(view) {
                Key::Unseen(name) => vec![name],
                Key::There | Key::Missing => Vec::new(),
            });
        for (number, name) in unseen.iter().enumerate() {
            // A key that is in use today exists, where it is today.
            let is_there = today.as_ref() == Some(name);
            if selector.publish.is_none() && role != Role::New && is_there {
                continue;
            }
            let of = Subject::Name(name.clone());
            let harm = Harm::new(
                format!("{id}/{}", shown(name)),
                format!(
                    "`{}` signs mail as {domain} with {owner}, which leads to {name}, and nobody could ask whether there is a key",
                    host.name
                ),
                format!(
                    "configure a `resolver:`, or {}",
                    builder.statement(Fact::Published, &of, Value::True, "")
                ),
            );
            let is_stated = builder.facts.is_stated(Fact::Published, &of);
            // While nobody says anything about it, the verdict asks for it, however the plan could
            // be ordered. What is stated may become true later than the alias leads there.
            let leads = |view: &View<'_>| {
                let is_there = || matches!(key(view), Key::Unseen(at) if at == *name);
                (!is_stated || is_there()).then_some(())
            };
            let label = ("dkim-unseen", domain, (*stream << 16) + number + 1);
            let found = builder.cases(ID, label, &leads);
            let missing = builder.facts.having(Fact::Published, &of, Value::False);
            for atom in in_flight(builder) {
                for bad in &missing {
                    for (choice, ()) in found.iter() {
                        builder.forbid(ID, (choice, NOW), &[*bad, atom], &harm);
                    }
                }
            }
        }
    }
}

/// What a receiver finds when it looks up a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    There,
    Missing,
    /// The key is at this name, which nobody could ask.
    Unseen(Name),
}

/// Whether a receiver finds the key that the sender signs with: the key that the plan publishes for
/// it, or the key that existed when the plan was made.
fn key(view: &View<'_>, selector: &Selector) -> Key {
    let owner = &selector.owner.value;
    let txt = RrKey::new(owner.clone(), RrType::TXT);
    let alias = RrKey::new(owner.clone(), RrType::CNAME);
    if let Some(published) = &selector.publish {
        let same = match (published.rtype(), view.answer(&alias), view.look_up(&txt)) {
            (RrType::CNAME, found, _) => found == Outside::Records([published.clone()].into()),
            // An existing key that is written differently is the same key.
            (_, _, Outside::Records(found)) => {
                let key = |rdata: &Rdata| KeyRecord::of_rdata(rdata).and_then(Result::ok);
                let wanted = key(published);
                found
                    .iter()
                    .any(|found| found == published || (wanted.is_some() && key(found) == wanted))
            }
            (_, _, Outside::Absent | Outside::Unknown(_)) => false,
        };
        if !same {
            return Key::Missing;
        }
    }
    match view.look_up(&txt) {
        Outside::Records(records) if usable(&records) => match &selector.publish {
            Some(published) if published.target().is_none() => Key::There,
            // A different key than before does not verify what was signed with the earlier key.
            target => match view.live(&key_of(target.as_ref(), &txt)) {
                Outside::Records(live) if usable(&live) && !same(&live, &records) => Key::Missing,
                // A key that the plan's own records publish.
                Outside::Records(_) | Outside::Absent | Outside::Unknown(_) => Key::There,
            },
        },
        Outside::Records(_) | Outside::Absent => Key::Missing,
        Outside::Unknown(_) => Key::Unseen(view.leaves_at(&txt).unwrap_or(txt.name)),
    }
}

/// The key that a selector leads to.
fn key_of(published: Option<&Rdata>, own: &RrKey) -> RrKey {
    let target = published.and_then(Rdata::target);
    target.map_or_else(|| own.clone(), |target| RrKey::new(target, RrType::TXT))
}

/// Whether these texts are a key that can verify a signature (RFC 6376 §3.6.1, §6.1.2).
fn usable(records: &[Rdata]) -> bool {
    let mut keys = records.iter().filter_map(KeyRecord::of_rdata);
    // If there are several, a verifier may use any (RFC 6376 §3.6.2.2).
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => !key.is_revoked(),
        (_, _) => false,
    }
}

/// Whether these texts are the same key for a verifier, however they are written.
fn same(one: &[Rdata], other: &[Rdata]) -> bool {
    let key = |rdata: &[Rdata]| rdata.iter().find_map(KeyRecord::of_rdata).and_then(Result::ok);
    one == other || (usable(one) && usable(other) && key(one) == key(other))
}

/// Keys that the plan changes or removes and that no sender of the move declares: nobody has said
/// who signs with them.
pub(super) fn keys_in_use(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let declared: BTreeSet<&Name> = draft
        .intent
        .moves
        .iter()
        .flat_map(|domain_move| {
            [&domain_move.from, &domain_move.to].into_iter().chain(&domain_move.others)
        })
        .flat_map(|host| &host.senders)
        .flat_map(|sender| &sender.selectors)
        .map(|selector| &selector.owner.value)
        .collect();
    let found = builder.always(("keys-in-use", &Name::root(), 0), &|| possible_keys(draft));
    // A wildcard may have answered for a name that gets its first record.
    let has_own = |name: &Name| {
        let zone = draft.snapshot.zone_of(name);
        [RrType::TXT, RrType::CNAME].into_iter().any(|rtype| {
            let key = RrKey::new(name.clone(), rtype);
            zone.is_some_and(|zone| zone.get(&key).is_some())
        })
    };
    let is_asked = |name: &&Name| !declared.contains(name) || !has_own(name);
    let names: Vec<&Name> = found.iter().filter(is_asked).collect();
    for name in names {
        let key = RrKey::new(name.clone(), RrType::TXT);
        let is_key = |answer: &Outside| match answer {
            Outside::Records(records) => usable(records),
            Outside::Unknown(_) => true,
            Outside::Absent => false,
        };
        let other = |view: &View<'_>| {
            let live = view.live(&key);
            let is_same = |now: &Outside| match (&live, now) {
                (Outside::Records(live), Outside::Records(now)) => same(live, now),
                (live, now) => live == now,
            };
            (is_key(&live) && !is_same(&view.look_up(&key))).then_some(())
        };
        let found = builder.cases(ID, ("key", name, 0), &other);
        if found.iter().all(|(choice, ())| choice.is_empty()) {
            continue;
        }
        let of = Subject::Name(name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/dkim", shown(name)),
            format!(
                "mail that somebody signs with {name} fails DKIM: nobody says that it is not used"
            ),
            format!(
                "leave the key, or declare its sender at a host; if nobody signs with it, {}",
                builder.statement(Fact::Signs, &of, Value::False, "")
            ),
        );
        let signed = |builder: &PatternBuilder<'_>| builder.facts.in_flight_by(Fact::Signs, &of);
        builder.forbid_each(ID, (&found, NOW), &signed, &harm);
    }
}

/// The names at which verifiers may look for keys: names with a record of their own, now or over
/// the course of the plan, and names for which a DNAME leads to such a record (RFC 6672 §2.2).
/// Below a DNAME that leads out of the zones any name may be used: one name stands for all.
fn possible_keys(draft: &Draft<'_>) -> BTreeSet<Name> {
    let zones = || draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    // A new key may replace the answer of a wildcard.
    let owners: BTreeSet<&Name> = zones()
        .map(|(key, _)| key)
        .chain(draft.owned())
        .filter(|key| matches!(key.rtype, RrType::TXT | RrType::CNAME))
        .map(|key| &key.name)
        .collect();
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let comes = changes.filter_map(|change| Some((&change.key, change.after.as_ref()?)));
    let redirections = zones().chain(comes).filter(|(key, _)| key.rtype == RrType::DNAME);
    let mut names: BTreeSet<Name> = owners.iter().copied().cloned().collect();
    for (key, rrset) in redirections {
        let Some(target) = rrset.rdata().first().and_then(Rdata::target) else { continue };
        let below = owners.iter().filter(|name| name.is_at_or_below(&target) && ***name != target);
        names.extend(below.filter_map(|name| moved(name, &target, &key.name)));
        if draft.snapshot.zone_of(&target).is_none() {
            names.extend(key.name.child("any"));
        }
    }
    names.retain(is_dkim);
    names
}
