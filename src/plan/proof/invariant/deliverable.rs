//! `deliverable`: over every route a host accepts the mail, and no host that it may reach rejects a
//! valid recipient.
//!
//! A route is an exchange and an address, of either family: a sender may use any exchange, and may
//! have only one family (RFC 5321 §5.1, §5.2). Mail that a host keeps for its own customers counts
//! too. DNS alone can break this by a null MX, by a missing address, or by an address of which
//! nobody says that it accepts the mail. A host can break it if it does not know a recipient, if it
//! refuses, or if it is off while a sender knows no other exchanges. A host that relays, or that
//! people send through, has a queue: it must not be off before that is empty.

mod strangers;
mod unseen;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::draft::Draft;
use super::{Extent, both, can_reach, forbid_at_host, forbid_to_extents, host};
use crate::intent::DomainMove;
use crate::proof::answers::Content;
use crate::proof::builder::{Domain, PatternBuilder, shown};
use crate::proof::parties::{Family, Route, Routes, Side};
use crate::proof::pattern::{Harm, Start};
use crate::proof::view::Choice;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::MovePoint;

pub(super) const ID: &str = "deliverable";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    for domain in builder.domains().iter() {
        of_dns(builder, domain);
        of_family(builder, domain, Family::V4);
        of_family(builder, domain, Family::V6);
        strangers::strangers(builder, domain);
        strangers::backups(builder, domain);
        unseen::unseen(builder, domain);
        stays_at_old_host(builder, domain);
    }
    for (domain, domain_move) in builder.moving() {
        of_new_host(builder, domain, domain_move);
        of_old_host(builder, domain, domain_move);
        of_relays(builder, domain, domain_move);
    }
    let Some((from, to)) = builder.sides() else { return };
    let old = Subject::Host(from.name.clone());
    let off = builder.facts.having(Fact::Mail, &old, Value::Off);
    for in_flight in builder.facts.in_flight(&old) {
        for off in &off {
            let harm = Harm::new(
                format!("{ID}/{}/queue", from.name),
                format!(
                    "mail that people sent through `{}` waits in its queue, and is lost with it",
                    from.name
                ),
                builder.statement(Fact::Sends, &old, Value::False, "contract"),
            );
            builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[in_flight, *off], &harm);
        }
    }
    // Mail from other customers of a host stays there, whatever DNS says.
    for side in [from, to] {
        let refusals = [
            (Fact::Mail, Value::Reject, "is refused"),
            (
                Fact::Accepts,
                Value::False,
                "is refused, since the host does not know every recipient",
            ),
        ];
        for (fact, value, what) in refusals {
            let bad = builder.facts.of_host(fact, &side.name, value);
            if bad.is_empty() {
                continue;
            }
            for local in builder.facts.of_host(Fact::RoutesLocal, &side.name, Value::True) {
                for bad in &bad {
                    let harm = Harm::new(
                        format!("{ID}/{}/local/{fact}", side.name),
                        format!(
                            "mail from other customers of `{}` stays there, and {what}",
                            side.name
                        ),
                        builder.of_host(Fact::RoutesLocal, &side.name, Value::False, ""),
                    );
                    builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[local, *bad], &harm);
                }
            }
        }
    }
}

/// How much longer old MX records count than other answers: they are used for a while after the
/// look-up, and some resolvers keep them too long. What they lead to has to exist for that long.
fn lateness(
    builder: &PatternBuilder<'_>,
    mail_domain: &Domain<'_>,
    choice: &Choice,
) -> impl Fn(&RrKey) -> Duration + use<> {
    let mx = RrKey::new(mail_domain.name.clone(), RrType::MX);
    let late = builder.late();
    let old = builder.parties().names(Side::From);
    // For a domain that stays, the old records are those that it has today.
    let is_old_content = |content: &Content| match (content, mail_domain.moves) {
        (Content::Records(records), None) => {
            builder.library.live(&mx) == Outside::Records(Arc::clone(records))
        }
        (Content::Records(records), Some(_)) => {
            records.iter().filter_map(Rdata::as_mx).any(|(_, name)| old.contains(&name))
        }
        (Content::Absent, Some(_)) => old.contains(&mail_domain.name),
        (Content::Absent | Content::Alias(_) | Content::Delegated, _) => false,
    };
    let is_old = choice.get(&mx).is_some_and(|class| {
        let answers = builder.library.answers(&mx);
        answers.is_some_and(|answers| is_old_content(&answers.classes[*class].content))
    });
    move |key| if is_old && *key == mx { late } else { Duration::ZERO }
}

/// A domain that the plan neither moves nor touches stays as it is, so the plan is not responsible
/// for it.
fn is_untouched(mail_domain: &Domain<'_>, choice: &Choice) -> bool {
    mail_domain.moves.is_none() && choice.is_empty()
}

/// A null MX, or no address at all.
fn of_dns(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let domain = &mail_domain.name;
    let today = builder.routes_today(domain);
    let accepts_mail = *today != Routes::Nowhere;
    // A domain without mail today loses none.
    let had_mail = mail_domain.moves.is_some() || *today != Routes::To(Vec::new());
    let harm = |routes: &Routes| match routes {
        Routes::Nowhere => accepts_mail.then(|| {
            Harm::new(
                format!("{ID}/{}/null-mx", shown(domain)),
                format!("a sender finds a null MX for {domain} (RFC 7505): the message bounces"),
                "a null MX says that a domain accepts no mail: remove it from the plan",
            )
        }),
        Routes::To(routes) if routes.is_empty() && had_mail => Some(Harm::new(
            format!("{ID}/{}/no-address", shown(domain)),
            format!(
                "a sender finds no address for any exchange of {domain}: the message waits, and bounces in the end"
            ),
            "publish the addresses, and let their non-existence expire, before the MX records name them; remove old ones only when no cache can hold an MX record that names them",
        )),
        Routes::To(_) | Routes::Unknown(_) => None,
    };
    for (choice, harm) in builder.routed(ID, ("dns", domain, 0), &harm).iter() {
        if !is_untouched(mail_domain, choice) {
            let extra = lateness(builder, mail_domain, choice);
            builder.forbid_with(ID, choice, &extra, &[], harm);
        }
    }
}

/// A peer that has only one family, and finds only addresses of the other.
fn of_family(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>, family: Family) {
    let domain = &mail_domain.name;
    let of_family = |routes: &Routes| -> Vec<Route> {
        routes.all().iter().filter(|route| route.family == family).cloned().collect()
    };
    let (fact, words, number) = match family {
        Family::V4 => (Fact::Ipv4Only, "IPv4", 4),
        Family::V6 => (Fact::Ipv6Only, "IPv6", 6),
    };
    // A peer with only IPv6 does not reach the domain today either if it has no such address.
    let today = builder.routes_today(domain);
    let now = of_family(&today);
    if family == Family::V6 && now.is_empty() {
        return;
    }
    let is_known = now.iter().any(|route| route.ip.is_some());
    // The exchanges that may have such an address, as far as is known, if no other exchange has
    // one.
    let cut_off = |routes: &Routes| {
        let Routes::To(all) = routes else { return None };
        let found = of_family(routes);
        let names: BTreeSet<Name> = found.iter().map(|route| route.exchange.clone()).collect();
        let none = found.iter().all(|route| route.ip.is_none());
        (!all.is_empty() && none && (is_known || names.is_empty())).then_some(names)
    };
    let routes = builder.routes(ID, domain);
    let kinds: BTreeSet<BTreeSet<Name>> = routes.found().filter_map(cut_off).collect();
    for (place, unknown) in kinds.iter().enumerate() {
        let is_cut_off =
            |routes: &Routes| cut_off(routes).filter(|names| names == unknown).map(drop);
        let label = ("family", domain, (place << 8) + number);
        let found = builder.routed(ID, label, &is_cut_off);
        let choices: Vec<&Choice> = found
            .iter()
            .map(|(choice, ())| choice)
            .filter(|choice| !is_untouched(mail_domain, choice))
            // A peer with only IPv6 did not reach what an earlier run has moved it away from,
            // either.
            .filter(|choice| family == Family::V4 || !builder.library.is_left_over(choice))
            .collect();
        // The exchanges of the new host have to be stated anyway.
        let is_there = |name: &Name| {
            unseen::is_of_new_host(builder, mail_domain, name)
                || unseen::is_third_party(builder, mail_domain, name, &today)
        };
        if choices.is_empty() || unknown.iter().any(is_there) {
            continue;
        }
        let host = mail_domain.moves.map(|moves| Subject::Host(moves.to.name.clone()));
        let subjects: Vec<Subject> =
            host.into_iter().chain([Subject::Name(domain.clone())]).collect();
        let statement = builder.statement(fact, &subjects[0], Value::False, "");
        let harm = Harm::new(
            format!("{ID}/{}/{}", shown(domain), fact),
            format!(
                "a sender with only {words} finds no exchange of {domain} with such an address: the message waits, and bounces in the end"
            ),
            format!(
                "publish an {words} address for an exchange before the last one is removed; or {statement}"
            ),
        );
        let sets = each(&builder.facts.of_any(fact, &subjects, Value::True));
        let sets = unseen::all_absent(builder, mail_domain, unknown, sets);
        for choice in choices {
            let extra = lateness(builder, mail_domain, choice);
            for atoms in &sets {
                builder.forbid_with(ID, choice, &extra, atoms, &harm);
            }
        }
    }
}

/// One set for each atom.
fn each(atoms: &[usize]) -> Vec<Vec<usize>> {
    atoms.iter().map(|atom| vec![*atom]).collect()
}

/// The answers with which mail of a domain goes to the old host, to any of its addresses.
pub(super) fn reaches_old(builder: &PatternBuilder<'_>, domain: &Name) -> Arc<Vec<(Choice, ())>> {
    let parties = builder.parties();
    let reaches = |routes: &Routes| {
        let is_old = |route: &Route| {
            parties.whose(route) == Some(Side::From)
                || route.ip.is_some_and(|ip| parties.is_at_old(ip))
        };
        routes.all().iter().any(is_old).then_some(())
    };
    builder.routed(ID, ("stays", domain, 0), &reaches)
}

/// A domain that does not move, but whose mail goes to the host that the others leave.
fn stays_at_old_host(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let (None, Some((from, _))) = (mail_domain.moves, builder.sides()) else { return };
    let domain = &mail_domain.name;
    let cases = reaches_old(builder, domain);
    if cases.is_empty() {
        return;
    }
    let of = Subject::Name(domain.clone());
    let release = builder.draft().point(MovePoint::Release).map(Start::Begin);
    let old = Subject::Host(from.name.clone());
    let off = builder.facts.having(Fact::Mail, &old, Value::Off);
    let (released, switched_off): (Vec<usize>, Vec<usize>) = off
        .into_iter()
        .partition(|atom| Some(builder.library.atoms.borrow()[*atom].start) == release);
    let stays = match is_known_to_stay(builder.draft(), domain) {
        true => Vec::new(),
        false => builder.facts.having(Fact::Stays, &of, Value::False),
    };
    let late = builder.late();
    for (choice, ()) in cases.iter() {
        let harm = Harm::new(
            format!("{ID}/{}/left-behind", shown(domain)),
            format!(
                "mail for {domain}, which does not move, goes to `{}`, which no longer accepts it",
                from.name
            ),
            format!(
                "add {domain} to `domains:`, or give it MX records of another host; or {}",
                builder.statement(Fact::Stays, &of, Value::True, "")
            ),
        );
        for stays in &stays {
            for gone in &released {
                builder.forbid(ID, (choice, late), &[*gone, *stays], &harm);
            }
        }
        for gone in &switched_off {
            builder.forbid(ID, (choice, late), &[*gone], &harm);
        }
    }
}

/// Whether a domain obviously stays at the old host: its MX records name an exchange of that host,
/// and it is not below a domain that moves, which is easily forgotten.
#[must_use]
pub fn is_known_to_stay(draft: &Draft<'_>, domain: &Name) -> bool {
    let old = draft.parties.names(Side::From);
    let key = RrKey::new(domain.clone(), RrType::MX);
    let live = draft.snapshot.zone_of(domain).and_then(|zone| zone.get(&key));
    let named = live.is_some_and(|mx| {
        mx.rdata().iter().filter_map(Rdata::as_mx).any(|(_, name)| old.contains(&name))
    });
    named && !draft.intent.moves.iter().any(|moving| domain.is_at_or_below(&moving.domain.value))
}

fn of_new_host(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    let to = &domain_move.to.name;
    let refusals = [
        (
            Fact::Accepts,
            Value::False,
            "does not know every recipient: 550 5.1.1, the message bounces",
        ),
        (Fact::Mail, Value::Reject, "refuses mail for the domain: 550 5.7.1, the message bounces"),
    ];
    if !can_reach(builder, domain, Side::To) {
        return;
    }
    for (fact, value, what) in refusals {
        for bad in builder.facts.of_host(fact, to, value) {
            let fix = match fact == Fact::Accepts {
                true => builder.of_host(Fact::Accepts, to, Value::True, ""),
                false => format!("let `{to}` accept mail for the domain before senders reach it"),
            };
            let harm = Harm::new(
                format!("{ID}/{}/{to}/{fact}", shown(domain)),
                format!("a sender of mail for {domain} connects to `{to}`, which {what}"),
                fix,
            );
            let bad = (Duration::ZERO, &[vec![bad]][..]);
            forbid_at_host(builder, (ID, domain, Side::To), bad, &harm);
        }
    }
    for off in builder.facts.of_host(Fact::Mail, to, Value::Off) {
        let harm = Harm::new(
            format!("{ID}/{}/{to}/off", shown(domain)),
            format!(
                "a sender of mail for {domain} cannot reach `{to}`: the message waits, and bounces in the end"
            ),
            format!("switch `{to}` on before senders use it"),
        );
        let off = (Duration::ZERO, &[vec![off]][..]);
        forbid_to_extents(builder, (ID, domain, Side::To), &Extent::ALONE, off, &harm);
    }
}

/// What a host does with mail that is passed on to it: it accepts it, or the sender's message
/// bounces.
fn of_relays(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    for (side, other) in [(Side::From, &domain_move.to), (Side::To, &domain_move.from)] {
        let relays = passing_on(builder, &host(domain_move, side).name);
        if relays.is_empty() {
            continue;
        }
        let refusals =
            [(Fact::Mail, Value::Reject), (Fact::Mail, Value::Off), (Fact::Accepts, Value::False)];
        let bad: Vec<usize> = refusals
            .into_iter()
            .flat_map(|(fact, value)| builder.facts.of_host(fact, &other.name, value))
            .collect();
        let harm = Harm::new(
            format!("{ID}/{}/{}/passed-on", shown(domain), host(domain_move, side).name),
            format!(
                "mail for {domain} goes to `{}`, which passes it on to `{}`, which does not accept it: the message bounces",
                host(domain_move, side).name,
                other.name
            ),
            format!(
                "let `{}` pass mail on only while `{}` accepts it",
                host(domain_move, side).name,
                other.name
            ),
        );
        let sets = (Duration::ZERO, &both(&relays, &bad)[..]);
        forbid_at_host(builder, (ID, domain, side), sets, &harm);
    }
}

/// The atoms of a host that passes mail on.
pub(super) fn passing_on(builder: &PatternBuilder<'_>, host: &str) -> Vec<usize> {
    let all = builder.facts.values(Fact::Mail, &Subject::Host(host.to_owned())).into_iter();
    let passes = all.filter(|(value, _)| matches!(value, Value::Relay | Value::RelayByMx));
    passes.map(|(_, atom)| atom).collect()
}

fn of_old_host(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    let from = &domain_move.from.name;
    let late = builder.late();
    let relays = !passing_on(builder, from).is_empty();
    let queue = builder.draft().intent.terms.clocks.queue_life;
    if !can_reach(builder, domain, Side::From) {
        return;
    }
    let refusals = [
        (Fact::Mail, Value::Reject, "550, the message bounces"),
        (
            Fact::Accepts,
            Value::False,
            "550 5.1.1 for a recipient that it no longer knows, the message bounces",
        ),
    ];
    for (fact, value, what) in refusals {
        for reject in builder.facts.of_host(fact, from, value) {
            let harm = Harm::new(
                format!("{ID}/{}/{from}/{fact}", shown(domain)),
                format!(
                    "a sender of mail for {domain} that has the old MX records connects to `{from}`: {what}"
                ),
                format!(
                    "let `{from}` refuse mail only when no cache can hold the old MX records, or relay it until then"
                ),
            );
            let reject = (late, &[vec![reject]][..]);
            forbid_at_host(builder, (ID, domain, Side::From), reject, &harm);
        }
    }
    for off in builder.facts.of_host(Fact::Mail, from, Value::Off) {
        let harm = Harm::new(
            format!("{ID}/{}/{from}/off", shown(domain)),
            format!(
                "a sender of mail for {domain} that still has the old MX records cannot reach `{from}`: the message waits, and bounces in the end"
            ),
            format!("leave `{from}` on until no cache can hold the old MX records"),
        );
        let of = (ID, domain, Side::From);
        forbid_to_extents(builder, of, &Extent::ALONE, (late, &[vec![off]]), &harm);
        if !relays {
            continue;
        }
        let harm = Harm::new(
            format!("{ID}/{}/{from}/queue", shown(domain)),
            format!(
                "mail for {domain} that `{from}` accepted and has not passed on yet is lost with it"
            ),
            format!("leave `{from}` on until its queue is empty"),
        );
        let off = (late + queue, &[vec![off]][..]);
        forbid_at_host(builder, (ID, domain, Side::From), off, &harm);
    }
}
