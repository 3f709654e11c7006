//! `one-mailbox`: what is stored or written at one host reaches the mailbox at the other.
//!
//! After the switch people read their mail at the new host. The old host may still put mail into a
//! mailbox of its own: because a sender has the old MX records, because the sender is a customer of
//! the old host, or because a mail client still writes there. Such mail reaches the new host only
//! by a copy that begins later. So the last copy may begin only when none of that can happen any
//! more, and the old host may go only after it.

use std::time::Duration;

use super::{both, deliverable, forbid_at_host, is_known_to_stay};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::{Harm, Start};
use crate::proof::view::Choice;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::MovePoint;

const ID: &str = "one-mailbox";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let Some((from, to)) = builder.sides() else { return };
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let at_new = mailboxes.new;
    to_the_old_host(builder);
    let (from, to) = (&from.name, &to.name);
    let late = builder.late();
    let stores = builder.facts.of_host(Fact::Mail, from, Value::Store);
    let begun = last_copy(builder, from);
    let copy = builder.of_host(Fact::Synced, from, Value::True, "contract");
    for (domain, _) in builder.moving() {
        let harm = Harm::new(
            format!("{ID}/{}/stored-late", shown(domain)),
            format!(
                "a message for {domain} is put into a mailbox at `{from}` after the last copy to `{to}`, where its reader is: nobody sees it"
            ),
            copy.clone(),
        );
        let sets: Vec<Vec<usize>> =
            pairs(&stores, &begun).map(|(store, begun)| vec![store, at_new, begun]).collect();
        forbid_at_host(builder, (ID, domain, Side::From), (late, &sets), &harm);
    }
    let read_there: Vec<Vec<usize>> =
        pairs(&stores, &begun).map(|(store, begun)| vec![store, at_new, begun]).collect();
    others_stored_late(builder, &read_there);
    let local = builder.facts.of_host(Fact::RoutesLocal, from, Value::True);
    for ((store, begun), local) in
        pairs(&stores, &begun).flat_map(|pair| local.iter().map(move |local| (pair, *local)))
    {
        let harm = Harm::new(
            format!("{ID}/{from}/local"),
            format!(
                "mail from other customers of `{from}` never leaves it, and is put into a mailbox that nobody reads any more"
            ),
            format!(
                "{}; or let `{from}` relay",
                builder.of_host(Fact::RoutesLocal, from, Value::False, "contract")
            ),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[store, local, at_new, begun], &harm);
    }
    let clients = builder.facts.of_host(Fact::Clients, from, Value::True);
    for (client, begun) in pairs(&clients, &begun) {
        let harm = Harm::new(
            format!("{ID}/{from}/written-late"),
            format!(
                "a mail client that is still set up for `{from}` writes there after the last copy: what it writes is lost"
            ),
            builder.of_host(Fact::Clients, from, Value::False, "contract"),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[client, at_new, begun], &harm);
    }
    let off = builder.facts.of_host(Fact::Mail, from, Value::Off);
    let open = builder.facts.of_host(Fact::Synced, from, Value::False);
    for (open, off) in pairs(&open, &off) {
        let harm = Harm::new(
            format!("{ID}/{from}/not-copied"),
            format!(
                "`{from}` is switched off before the last copy of its mailboxes: what only it has is lost"
            ),
            copy.clone(),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[open, off], &harm);
    }
}

/// The atoms that say that the last copy from a host has begun. For steps without any such copy,
/// all atoms, since mail is then never copied.
fn last_copy(builder: &PatternBuilder<'_>, host: &str) -> Vec<usize> {
    let copies = builder.facts.values(Fact::Synced, &Subject::Host(host.to_owned()));
    let counts = |atom| builder.library.counts(atom);
    let never = |of| {
        let mut copies = copies.iter().filter(|(_, atom)| counts(*atom) == of);
        copies.all(|(value, _)| *value == Value::False)
    };
    let begun = copies.iter().filter(|(value, atom)| *value == Value::True || never(counts(*atom)));
    begun.map(|(_, atom)| *atom).collect()
}

/// Mail of a domain whose records the plan moves away from the old host: mail that still arrives
/// there after the last copy is not copied.
fn others_stored_late(builder: &mut PatternBuilder<'_>, read_there: &[Vec<usize>]) {
    let Some((from, _)) = builder.sides() else { return };
    let late = builder.late();
    for domain in builder.domains().iter().filter(|domain| domain.moves.is_none()) {
        let domain = &domain.name;
        if is_known_to_stay(builder.draft(), domain) {
            continue;
        }
        let of = Subject::Name(domain.clone());
        let harm = Harm::new(
            format!("{ID}/{}/stored-late", shown(domain)),
            format!(
                "a message for {domain} is put into a mailbox at `{}` after the last copy: nobody copies it any more",
                from.name
            ),
            format!(
                "move {domain} to another host before the last copy, and let its old records expire; or {}",
                builder.statement(Fact::Stays, &of, Value::True, "")
            ),
        );
        for (choice, ()) in deliverable::reaches_old(builder, domain).iter() {
            if choice.is_empty() {
                continue;
            }
            for goes in builder.facts.having(Fact::Stays, &of, Value::False) {
                for atoms in read_there {
                    let atoms = [atoms.as_slice(), &[goes]].concat();
                    builder.forbid(ID, (choice, late), &atoms, &harm);
                }
            }
        }
    }
}

/// The other direction: what is at the new host while the mailboxes are at the old host, still or
/// again on the way back.
fn to_the_old_host(builder: &mut PatternBuilder<'_>) {
    let Some((from, to)) = builder.sides() else { return };
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let (from, to) = (&from.name, &to.name);
    let late = builder.late();
    let begun = last_copy(builder, to);
    let copy = builder.of_host(Fact::Synced, to, Value::True, "");
    let at_old: Vec<usize> = mailboxes.at_old().collect();
    for (domain, _) in builder.moving() {
        let harm = Harm::new(
            format!("{ID}/{}/stored-early", shown(domain)),
            format!(
                "a message for {domain} is put into a mailbox at `{to}` while its reader is at `{from}`, and no copy follows: nobody sees it"
            ),
            format!(
                "let the mailboxes move before senders reach the new host; for the way back, {copy}"
            ),
        )
        .or_steady(format!(
            "the MX records of {domain} already lead to `{to}`: what arrives there before the switch is in the mailboxes that people read from the switch on"
        ));
        // Mail that the host passes on or refuses does not stay there.
        let stores = builder.facts.of_host(Fact::Mail, to, Value::Store);
        let read_there = both(&at_old, &begun);
        let sets: Vec<Vec<usize>> = read_there
            .iter()
            .flat_map(|set| stores.iter().map(move |store| [set.as_slice(), &[*store]].concat()))
            .collect();
        forbid_at_host(builder, (ID, domain, Side::To), (late, &sets), &harm);
    }
    relayed_early(builder, &at_old, &begun);
    if let Some(at_old) = mailboxes.old {
        early_at_new(builder, at_old);
    }
    let Some(again) = mailboxes.again else { return };
    // A copy that was made before the switch has nothing of what arrived since.
    let copied_back = builder.draft().begins_again(Fact::Synced, &Subject::Host(to.clone()));
    if copied_back.is_none() {
        let harm = Harm::new(
            format!("{ID}/{to}/left-there"),
            format!(
                "mail that arrived at `{to}` since the switch stays there, while people read at `{from}` again"
            ),
            copy,
        );
        for (_, copied) in builder.facts.values(Fact::Synced, &Subject::Host(to.clone())) {
            builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[again, copied], &harm);
        }
        return;
    }
    let local = builder.facts.of_host_again(Fact::RoutesLocal, to, Value::True);
    for (local, begun) in pairs(&local, &begun) {
        let harm = Harm::new(
            format!("{ID}/{to}/local-again"),
            format!(
                "mail from other customers of `{to}` never leaves it, while people read at `{from}` again"
            ),
            builder.of_host(Fact::RoutesLocal, to, Value::False, ""),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[again, local, begun], &harm);
    }
    for (client, begun) in
        pairs(&builder.facts.of_host_again(Fact::Clients, to, Value::True), &begun)
    {
        let harm = Harm::new(
            format!("{ID}/{to}/written-late"),
            format!(
                "a mail client that is set up for `{to}` writes there after the last copy back: what it writes is lost"
            ),
            builder.of_host(Fact::Clients, to, Value::False, ""),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[client, again, begun], &harm);
    }
}

/// What the old host passes on while people read there: it is at the new host, and no copy brings
/// it back.
fn relayed_early(builder: &mut PatternBuilder<'_>, at_old: &[usize], begun: &[usize]) {
    let Some((from, to)) = builder.sides() else { return };
    let (from, to) = (&from.name, &to.name);
    for value in [Value::Relay, Value::RelayByMx] {
        for relays in builder.facts.of_host(Fact::Mail, from, value) {
            let harm = Harm::new(
                format!("{ID}/{from}/passed-on-early"),
                format!(
                    "`{from}` passes mail on to `{to}` while people read at `{from}`, and no copy follows: nobody sees it"
                ),
                format!(
                    "let `{from}` pass mail on only when the mailboxes have moved, and no longer when people have gone back"
                ),
            );
            for (at_old, begun) in pairs(at_old, begun) {
                builder.forbid(
                    ID,
                    (&Choice::new(), Duration::ZERO),
                    &[at_old, relays, begun],
                    &harm,
                );
            }
        }
    }
}

/// Mail that reaches the new host before people read there, whatever DNS says: from its own
/// customers, or from clients that, as stated, are already set up for it.
fn early_at_new(builder: &mut PatternBuilder<'_>, at_old: usize) {
    let Some((from, to)) = builder.sides() else { return };
    let (from, to) = (&from.name, &to.name);
    let stores = builder.facts.of_host(Fact::Mail, to, Value::Store);
    let local = builder.facts.of_host(Fact::RoutesLocal, to, Value::True);
    // Both are so unless somebody says otherwise, which can be said once before the switch. So if
    // both are so at any time before it, they are so from the first step on.
    let switches = builder.draft().point(MovePoint::BeforeSwitch).is_some();
    let begins = |atom: usize| builder.library.atoms.borrow()[atom].start != Start::Always;
    let early: Vec<(usize, usize)> = pairs(&stores, &local)
        .filter(|(store, local)| !switches || !(begins(*store) || begins(*local)))
        .collect();
    for (store, local) in early {
        let harm = Harm::new(
            format!("{ID}/{to}/local-early"),
            format!(
                "mail from other customers of `{to}` stays there while people read at `{from}`: they do not see it"
            ),
            format!(
                "claim the domain at `{to}` no earlier than the switch, or let `{to}` relay until then; {}",
                builder.of_host(Fact::RoutesLocal, to, Value::False, "")
            ),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[store, local, at_old], &harm);
    }
    let new = Subject::Host(to.clone());
    let says = |fact| {
        builder.draft().intent.assume.iter().any(|stated| {
            stated.fact.value == fact && stated.subject.value == new && stated.value == Value::True
        })
    };
    if !says(Fact::Clients) {
        return;
    }
    for client in builder.facts.of_host(Fact::Clients, to, Value::True) {
        let harm = Harm::new(
            format!("{ID}/{to}/written-early"),
            format!(
                "a mail client that is set up for `{to}` writes there while the mailbox is at `{from}`"
            ),
            format!("let clients of `{to}` begin with the switch (`from: switch`)"),
        );
        builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[client, at_old], &harm);
    }
}

fn pairs<'a>(left: &'a [usize], right: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    left.iter().flat_map(move |a| right.iter().map(move |b| (*a, *b)))
}
