//! `clients`: every user finds and reaches a server that serves the mailbox.
//!
//! Clients that look for their server ask discovery records; clients that are set up never look
//! again, and stay with their server until somebody changes them. Both must find a host that serves.

use std::time::Duration;

use cutover_contract::{RrKey, RrType};

use super::{Side, host, moving};
use crate::fact::{Fact, Value};
use crate::intent::DomainMove;
use crate::observe::Outside;
use crate::proof::model::Bench;
use crate::proof::pattern::Harm;
use crate::proof::view::{Choice, View};

const ID: &str = "clients";

pub(super) fn patterns(bench: &mut Bench<'_>) {
    let Some((from, to)) = bench.sides() else { return };
    let Some(mailboxes) = bench.mailboxes().copied() else { return };
    let at_new = mailboxes.new;
    let (from, to) = (&from.name, &to.name);
    let idle = bench.facts.having(Fact::Serves, to, Value::False);
    let off = bench.facts.having(Fact::Mail, from, Value::Off);
    let serve = bench.statement(Fact::Serves, to, Value::True, "");
    for idle in &idle {
        let harm = Harm::new(
            format!(
                "people are to read their mail at `{to}`, which does not serve every mailbox yet: they cannot log in, or find nothing"
            ),
            serve.clone(),
        );
        bench.forbid(ID, (&Choice::new(), Duration::ZERO), &[at_new, *idle], &harm);
    }
    for client in bench.facts.having(Fact::Clients, from, Value::True) {
        for off in &off {
            let harm = Harm::new(
                format!(
                    "a mail client that is set up for `{from}` finds nobody there: its user can neither read nor send"
                ),
                bench.statement(Fact::Clients, from, Value::False, "contract"),
            );
            bench.forbid(ID, (&Choice::new(), Duration::ZERO), &[client, *off], &harm);
        }
    }
    let late = bench.late();
    for (domain, one) in moving(bench) {
        let keys: Vec<RrKey> =
            one.from.discovery.keys().chain(one.to.discovery.keys()).cloned().collect();
        for key in keys {
            let at = usize::from(key.rtype.number());
            for (choice, _) in bench
                .cases(ID, ("names-new", &key.name, at), &|view| names(view, one, &key, Side::To))
                .iter()
            {
                for idle in &idle {
                    let harm = Harm::new(
                        format!(
                            "a mail client that asks for {key} of {domain} is led to `{to}`, which does not serve every mailbox yet"
                        ),
                        serve.clone(),
                    );
                    bench.forbid(ID, (choice, Duration::ZERO), &[*idle], &harm);
                }
            }
            let harm = Harm::new(
                format!(
                    "a mail client that asks for {key} of {domain} finds nothing, while the mailboxes are still at `{from}`"
                ),
                format!("take {key} away when the mailboxes have moved"),
            );
            for (choice, _) in
                bench.cases(ID, ("gone", &key.name, at), &|view| gone(view, one, &key)).iter()
            {
                for at_old in mailboxes.at_old() {
                    bench.forbid(ID, (choice, Duration::ZERO), &[at_old], &harm);
                }
            }
            for (choice, harm) in bench
                .cases(ID, ("nowhere", &key.name, at), &|view| leads_nowhere(view, &key))
                .iter()
            {
                bench.forbid(ID, (choice, Duration::ZERO), &[], harm);
            }
            for (choice, _) in bench
                .cases(ID, ("names-old", &key.name, at), &|view| names(view, one, &key, Side::From))
                .iter()
            {
                for off in &off {
                    let harm = Harm::new(
                        format!(
                            "a mail client that asks for {key} is led to `{from}`, where nobody answers any more"
                        ),
                        format!("leave `{from}` on until nobody can have the old {key}"),
                    );
                    bench.forbid(ID, (choice, late), &[*off], &harm);
                }
            }
        }
    }
}

/// Whether a discovery record leads to a name whose addresses the plan takes away, or publishes late.
/// A name that never has any is the host's own business.
fn leads_nowhere(view: &View<'_>, key: &RrKey) -> Option<Harm> {
    let Outside::Records(found) = view.answer(key) else { return None };
    let target = found.iter().find_map(|rdata| rdata.target().or(rdata.srv_target()))?;
    let addresses = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(target.clone(), rtype));
    let changes = addresses.iter().any(|key| !view.is_constant(key));
    let absent = addresses.iter().all(|key| view.look_up(key) == Outside::Absent);
    (changes && absent).then(|| {
        Harm::new(
            format!("a mail client that asks for {key} is led to {target}, which has no address"),
            format!("let {target} have an address as long as {key} can lead there"),
        )
    })
}

/// Whether what the old host has for clients is not found in this view.
fn gone(view: &View<'_>, one: &DomainMove, key: &RrKey) -> Option<()> {
    one.from.discovery.get(key)?;
    (view.look_up(key) == Outside::Absent).then_some(())
}

/// Whether a discovery record names a host in this view.
fn names(view: &View<'_>, one: &DomainMove, key: &RrKey, side: Side) -> Option<()> {
    let other = match side {
        Side::From => host(one, Side::To),
        Side::To => host(one, Side::From),
    };
    let wanted = &host(one, side).discovery.get(key)?.value;
    // What both hosts say names neither.
    if other.discovery.get(key).is_some_and(|rdata| rdata.value == *wanted) {
        return None;
    }
    match view.answer(key) {
        Outside::Records(found) => found.contains(wanted).then_some(()),
        Outside::Absent | Outside::Unknown(_) => None,
    }
}
