//! What can stand at a name, whichever recipe puts it there: nothing beside a CNAME, nothing that
//! the zone hands on to others, and no name that takes a domain out of its wildcard.

use std::collections::BTreeSet;

use cutover_contract::{Change, Name, RrKey, RrType};

use super::{CNAME_CLASH, Found, Kitchen};
use crate::diag::{Code, Diagnostic, Span};
use crate::model::Track;
use crate::observe::ZoneSeen;

/// A record at or below a delegation.
pub(super) const DELEGATED: Code = Code::semantic("delegated");
/// A mail domain whose records come from a wildcard.
pub(super) const WILDCARD_DOMAIN: Code = Code::semantic("wildcard-domain");

pub(super) fn check(kitchen: &Kitchen<'_>, found: &mut Found) {
    let mut problems = domains(kitchen);
    let refused: BTreeSet<&Name> = problems.iter().map(|(name, _)| *name).collect();
    let aliases: BTreeSet<&Name> =
        found.tracks.iter().filter_map(|(track, _)| alias(track)).collect();
    for (track, span) in found.tracks.iter().filter(|(t, _)| !refused.contains(&t.key.name)) {
        let zone = &kitchen.snapshot.zones[&track.zone];
        problems.extend(
            at_name(zone, track, *span, &aliases).map(|problem| (&track.key.name, problem)),
        );
    }
    let problems: Vec<Diagnostic> = problems.into_iter().map(|(_, problem)| problem).collect();
    found.diagnostics.extend(problems);
}

/// Mail domains that are aliases, or do not exist but for a wildcard.
fn domains<'k>(kitchen: &Kitchen<'k>) -> Vec<(&'k Name, Diagnostic)> {
    let mut problems = Vec::new();
    for one in &kitchen.intent.moves {
        let (domain, zone) = (&one.domain.value, kitchen.zone(one));
        let span = one.domain.span;
        let key = |rtype| RrKey::new(domain.clone(), rtype);
        if zone.get(&key(RrType::CNAME)).is_some() {
            let title =
                format!("{domain} is an alias (CNAME), and its mail is that of another name");
            let help = "write the records of the domain out in the place of the alias first, or move the name that it leads to";
            let problem = Diagnostic::error(CNAME_CLASH, span, title, help)
                .why("a CNAME stands alone (RFC 1034 §3.6.2): nothing can be published beside it");
            problems.push((domain, problem));
        } else if zone
            .wildcard_of(&key(RrType::MX))
            .or(zone.wildcard_of(&key(RrType::TXT)))
            .is_some()
        {
            let title = format!("the records of {domain} come from a wildcard");
            let help = "write the records of the domain out at its own name first, then plan again";
            let problem = Diagnostic::error(WILDCARD_DOMAIN, span, title, help)
                .why("the first name that is published at or below the domain takes all of it out of the wildcard (RFC 4592 §3.3.1), its MX records too");
            problems.push((domain, problem));
        }
    }
    problems
}

/// The name at which a track puts an alias.
fn alias(track: &Track) -> Option<&Name> {
    let is_alias = track.key.rtype == RrType::CNAME;
    put(track).next().filter(|_| is_alias).map(|change| &change.key.name)
}

fn put(track: &Track) -> impl Iterator<Item = &Change> {
    let changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    changes.filter(|change| change.after.is_some())
}

fn at_name(
    zone: &ZoneSeen,
    track: &Track,
    span: Span,
    aliases: &BTreeSet<&Name>,
) -> Option<Diagnostic> {
    let name = &put(track).next()?.key.name;
    if let Some(cut) = zone.delegation_of(name) {
        let title = format!("{name} does not lie in the zone {}: {cut} is delegated", track.zone);
        let help = format!("add the zone `{cut}` to `zones:`, if it can be changed");
        let problem = Diagnostic::error(DELEGATED, span, title, help);
        return Some(
            problem
                .why("what a zone says at or below a delegation is not served (RFC 1034 §4.2.1)"),
        );
    }
    let alias = RrKey::new(name.clone(), RrType::CNAME);
    let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    let goes = changes.any(|change| change.key == alias && change.after.is_none());
    let beside_live = zone.get(&alias).is_some() && !goes;
    if track.key.rtype == RrType::CNAME || !(beside_live || aliases.contains(name)) {
        return None;
    }
    let title =
        format!("the {} records of {name} cannot stand beside an alias (CNAME)", track.key.rtype);
    let help = "take the alias or these records out, or give one of them another name";
    let problem = Diagnostic::error(CNAME_CLASH, span, title, help);
    Some(problem.why("a CNAME stands alone (RFC 1034 §3.6.2)"))
}
