//! Terms that refuse some clients (`-ip4:`, `-mx`): mail that the current record neither passes nor
//! refuses may begin to match one (RFC 7208 §4.6.2), because the term is new or because of what it
//! leads to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, RrType};

use super::{is_worse, records_at, sends_from, sends_today};
use crate::intent::DomainMove;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::invariant::authenticated::{ID, NOW};
use crate::proof::pattern::Harm;
use crate::proof::spf_view::{Edges, evaluated, evaluated_today, matched};
use crate::proof::view::View;
use cutover_mail::spf::{Outcome, SpfRecord};
use cutover_steps::fact::{Fact, Value};

/// Mail from addresses that a record of the domain names, now or later. What passes today and what
/// happens to addresses that no record names is judged separately.
pub(super) fn newly_refused(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    domain_move: Option<&DomainMove>,
    edges: &Edges,
) {
    let all = builder.always(("named", domain, 0), &|| named(builder, domain, edges));
    let worse = |view: &View<'_>, ip: IpAddr| -> Option<Outcome> {
        let today = evaluated_today(view, domain, ip);
        let now = evaluated(view, domain, ip).outcome;
        // Whom a term names that passes is judged separately, but not whom `all` passes.
        let passes_by_all = || today.path.last().is_some_and(|at| at.term.is_all());
        let is_judged_here = today.outcome != Outcome::Pass || passes_by_all();
        (is_judged_here && is_worse(today.outcome, now)).then_some(today.outcome)
    };
    let begins = |view: &View<'_>, ip: IpAddr| {
        let anybody = view.nobody().into_iter().any(|nobody| worse(view, nobody).is_some());
        if anybody { None } else { worse(view, ip) }
    };
    let met = builder.met(ID, ("refused", domain, 0), &|view| {
        all.iter().copied().filter(|ip| begins(view, *ip).is_some()).collect()
    });
    let others = sends_today(domain, domain_move);
    for (place, ip) in met.iter().enumerate() {
        let of = sends_from(builder, *ip, domain_move, &others);
        let cases = builder.cases(ID, ("refused", domain, place + 1), &|view| begins(view, *ip));
        for (choice, today) in cases.iter().filter(|(choice, _)| !choice.is_empty()) {
            let harm = Harm::new(
                format!("{ID}/{}/today/spf/refused/{ip}", shown(domain)),
                format!(
                    "mail as {domain} from {ip} matches a term that refuses it and fails SPF, and does not today ({today}): nobody says that nothing is sent from there"
                ),
                format!(
                    "leave out the term that begins to refuse it; if nothing is sent from there, {}",
                    builder.statement(Fact::Sends, &of, Value::False, "")
                ),
            );
            for atom in builder.facts.in_flight(&of) {
                builder.forbid(ID, (choice, NOW), &[atom], &harm);
            }
        }
    }
}

/// Addresses that stand for all that the domain's record may name, directly or by what it leads to:
/// today, in the end and in between.
pub(super) fn named(
    builder: &PatternBuilder<'_>,
    domain: &Name,
    edges: &Edges,
) -> BTreeSet<IpAddr> {
    let draft = builder.draft();
    let ends = [draft.snapshot, &*builder.end];
    // The zones in the end lack the records that a move makes.
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let changes = changes.filter(|change| change.key.rtype == RrType::TXT);
    let made = changes.flat_map(|change| {
        let all = change.after.iter().flat_map(|rrset| rrset.rdata());
        let all = all.filter_map(SpfRecord::of_rdata);
        all.map(|record| (change.key.name.clone(), record))
    });
    let own = ends.into_iter().flat_map(|at| records_at(at, domain));
    let records: Vec<(Name, SpfRecord)> =
        own.map(|record| (domain.clone(), record)).chain(made).collect();
    let of = |(name, record): &(Name, SpfRecord)| {
        ends.map(|at| matched(&record.terms, name, at, edges)).into_iter().flatten()
    };
    let nobody = builder.library.nobody();
    records.iter().flat_map(of).filter(|ip| !nobody.contains(ip)).collect()
}
