//! Exchanges that nobody could ask for: whether they exist has to be stated.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_zone::Name;

use super::{ID, each, is_untouched};
use crate::proof::builder::{Domain, PatternBuilder, shown};
use crate::proof::invariant::both;
use crate::proof::parties::{Routes, Side};
use crate::proof::pattern::Harm;
use cutover_steps::fact::{Fact, Subject, Value};

/// Whether an exchange that nobody could ask for is none of the domain's today and none of a host
/// of the move. Somebody has to state then that it accepts the mail (`strangers`), so it exists.
pub(super) fn is_third_party(
    builder: &PatternBuilder<'_>,
    mail_domain: &Domain<'_>,
    name: &Name,
    today: &Routes,
) -> bool {
    let is_known =
        mail_domain.moves.is_none() && today.all().iter().any(|route| route.exchange == *name);
    !is_known
        && !is_of_new_host(builder, mail_domain, name)
        && !builder.parties().names(Side::From).contains(name)
}

/// The sets of atoms with which an exchange that nobody could ask for does not exist. If nothing is
/// stated about that, it exists for as long as it is stated to accept the mail.
fn absent(builder: &PatternBuilder<'_>, mail_domain: &Domain<'_>, name: &Name) -> Vec<Vec<usize>> {
    let of = Subject::Name(name.clone());
    let unpublished = builder.facts.having(Fact::Published, &of, Value::False);
    let is_stated = builder.facts.is_stated(Fact::Published, &of);
    if !is_stated && accepts_by_name(builder, mail_domain, name) {
        return both(&unpublished, &builder.facts.having(Fact::Accepts, &of, Value::False));
    }
    each(&unpublished)
}

/// These sets of atoms, each together with those with which none of the exchanges exists.
pub(super) fn all_absent(
    builder: &PatternBuilder<'_>,
    mail_domain: &Domain<'_>,
    names: &BTreeSet<Name>,
    mut sets: Vec<Vec<usize>>,
) -> Vec<Vec<usize>> {
    for name in names {
        let absent = absent(builder, mail_domain, name);
        let with = |set: &Vec<usize>| -> Vec<Vec<usize>> {
            absent.iter().map(|other| [set.as_slice(), other].concat()).collect()
        };
        sets = sets.iter().flat_map(with).collect();
    }
    sets
}

/// Whether an exchange is only the old host's.
fn is_old(builder: &PatternBuilder<'_>, name: &Name) -> bool {
    let parties = builder.parties();
    parties.names(Side::From).contains(name) && !parties.names(Side::To).contains(name)
}

/// Whether it is stated of an exchange that is not the new host's that it accepts the mail.
fn accepts_by_name(builder: &PatternBuilder<'_>, mail_domain: &Domain<'_>, name: &Name) -> bool {
    !is_of_new_host(builder, mail_domain, name)
        && builder.facts.is_stated(Fact::Accepts, &Subject::Name(name.clone()))
}

pub(super) fn is_of_new_host(
    builder: &PatternBuilder<'_>,
    mail_domain: &Domain<'_>,
    name: &Name,
) -> bool {
    mail_domain.moves.is_some() && builder.parties().names(Side::To).contains(name)
}

/// Exchanges of the new host, and of domains that the plan touches, that nobody could ask for.
pub(super) fn unseen(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let domain = &mail_domain.name;
    let routes = builder.routes(ID, domain);
    let names: BTreeSet<(&Name, bool)> = routes
        .found()
        .flat_map(|routes| {
            let exchanges = routes.all().iter().filter(|route| route.ip.is_none());
            let exchanges = exchanges.map(|route| (&route.exchange, true));
            let domain = match routes {
                Routes::Unknown(name) => Some((name, false)),
                Routes::To(_) | Routes::Nowhere => None,
            };
            exchanges.chain(domain)
        })
        .collect();
    let today = builder.routes_today(domain);
    // If it is not known whether any exchange exists today, mail arrives by one of them.
    let all_unknown = today.all().iter().all(|route| route.ip.is_none());
    for (number, (name, is_exchange)) in names.into_iter().enumerate() {
        // An exchange that accepts the mail today evidently exists, unless it is one of several.
        let is_old = is_old(builder, name);
        if is_old && all_unknown {
            continue;
        }
        let is_led_there = |routes: &Routes| match routes {
            Routes::To(routes) => routes
                .iter()
                .any(|route| route.ip.is_none() && route.exchange == *name)
                .then_some(()),
            Routes::Unknown(other) => (other == name).then_some(()),
            Routes::Nowhere => None,
        };
        let of = Subject::Name(name.clone());
        let is_stated = builder.facts.is_stated(Fact::Published, &of);
        if is_exchange && !is_stated && is_third_party(builder, mail_domain, name, &today) {
            continue;
        }
        let harm = Harm::new(
            format!("{ID}/{}/unseen/{}", shown(domain), shown(name)),
            format!(
                "a sender of mail for {domain} looks up {name}, and nobody could ask what that is: it may not exist"
            ),
            format!(
                "configure a `resolver:`, or {}",
                builder.statement(Fact::Published, &of, Value::True, "")
            ),
        );
        let missing = match is_exchange {
            true => absent(builder, mail_domain, name),
            false => each(&builder.facts.having(Fact::Published, &of, Value::False)),
        };
        // That it accepts the mail is asked for wherever mail is led to it, and that it exists only
        // if the plan says something about it.
        let is_said = is_exchange && !is_stated && accepts_by_name(builder, mail_domain, name);
        let led = builder.routed(ID, ("unseen-name", domain, number), &is_led_there);
        for (choice, ()) in led.iter().filter(|_| !is_old && !is_said) {
            // A domain that stays as it is may still depend on a host that goes.
            if is_untouched(mail_domain, choice) && builder.sides().is_none() {
                continue;
            }
            for missing in &missing {
                builder.forbid(ID, (choice, Duration::ZERO), missing, &harm);
            }
        }
    }
    all_unseen(builder, mail_domain, &today, all_unknown);
}

/// Exchanges that nobody could ask for are all that is left: it is enough if one of them exists.
fn all_unseen(
    builder: &mut PatternBuilder<'_>,
    mail_domain: &Domain<'_>,
    today: &Routes,
    all_unknown: bool,
) {
    let domain = &mail_domain.name;
    let names_of = |routes: &Routes| -> Option<BTreeSet<Name>> {
        let routes = routes.all();
        let unseen = !routes.is_empty() && routes.iter().all(|route| route.ip.is_none());
        unseen.then(|| routes.iter().map(|route| route.exchange.clone()).collect())
    };
    let routes = builder.routes(ID, domain);
    let kinds: BTreeSet<BTreeSet<Name>> = routes.found().filter_map(names_of).collect();
    for (number, names) in kinds.iter().enumerate() {
        let is_there = |name: &Name| {
            let is_stated = builder.facts.is_stated(Fact::Published, &Subject::Name(name.clone()));
            (all_unknown && is_old(builder, name))
                || (!is_stated && is_third_party(builder, mail_domain, name, today))
        };
        if names.iter().any(is_there) {
            continue;
        }
        let sets = all_absent(builder, mail_domain, names, vec![Vec::new()]);
        let all: Vec<String> = names.iter().map(shown).collect();
        let missing = names.iter().map(|name| {
            builder.statement(Fact::Published, &Subject::Name(name.clone()), Value::True, "")
        });
        let harm = Harm::new(
            format!("{ID}/{}/unseen/{}", shown(domain), all.join("+")),
            format!(
                "a sender of mail for {domain} looks up {}, and nobody could ask what that is: it may not exist",
                all.join(", ")
            ),
            format!("configure a `resolver:`, or {}", missing.collect::<Vec<_>>().join("; or ")),
        );
        let is_it = |routes: &Routes| (names_of(routes).as_ref() == Some(names)).then_some(());
        for (choice, ()) in builder.routed(ID, ("unseen-alone", domain, number), &is_it).iter() {
            if is_untouched(mail_domain, choice) {
                continue;
            }
            for set in &sets {
                builder.forbid(ID, (choice, Duration::ZERO), set, &harm);
            }
        }
    }
}
