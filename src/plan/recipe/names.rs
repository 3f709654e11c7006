//! Checks names, whichever recipe uses them: nothing exists beside a CNAME, at or below a
//! delegation, or below a DNAME, and no new name ends the wildcard of a mail domain.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_contract::Change;
use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{CNAME_CLASH, Found, RecipeContext};
use crate::intent::Exchange;
use crate::model::Track;
use crate::observe::ZoneSeen;
use cutover_base::diag::{Code, Diagnostic, Span};

/// A record at or below a delegation.
pub(super) const DELEGATED: Code = Code::semantic("delegated");
/// A record below a DNAME, or a DNAME above records.
pub(super) const DNAME_OCCLUDES: Code = Code::semantic("dname-occludes");
/// The address of a name server.
pub(super) const SERVER_ADDRESS: Code = Code::semantic("server-address");
/// A mail domain whose records come from a wildcard.
pub(super) const WILDCARD_DOMAIN: Code = Code::semantic("wildcard-domain");

/// A zone that its parent does not delegate.
pub(super) const NOT_DELEGATED: Code = Code::semantic("not-delegated");
/// Both hosts of a move at the same address.
pub(super) const SAME_SERVER: Code = Code::semantic("same-server");

pub(super) fn check(context: &RecipeContext<'_>, found: &mut Found) {
    let mut problems = domains(context);
    problems.extend(one_server(context));
    problems.extend(not_delegated(context));
    let refused: BTreeSet<&Name> = problems.iter().map(|(name, _)| *name).collect();
    let aliases: BTreeSet<&Name> =
        found.tracks.iter().filter_map(|(track, _)| alias(track)).collect();
    let servers = servers(context);
    for (track, span) in found.tracks.iter().filter(|(t, _)| !refused.contains(&t.key.name)) {
        let zone = &context.snapshot.zones[&track.zone];
        let problem = at_name(context, zone, track, *span, &aliases)
            .or_else(|| of_server(&servers, track, *span))
            .or_else(|| swept_away(context, track, *span));
        problems.extend(problem.map(|problem| (&track.key.name, problem)));
    }
    let problems: Vec<Diagnostic> = problems.into_iter().map(|(_, problem)| problem).collect();
    found.diagnostics.extend(problems);
}

/// Mail domains that are aliases, or that only exist through a wildcard.
fn domains<'k>(context: &RecipeContext<'k>) -> Vec<(&'k Name, Diagnostic)> {
    let mut problems = Vec::new();
    for one in &context.intent.moves {
        let (domain, zone) = (&one.domain.value, context.zone(one));
        let span = one.domain.span;
        let key = |rtype| RrKey::new(domain.clone(), rtype);
        if zone.get(&key(RrType::CNAME)).is_some() {
            let title =
                format!("{domain} is an alias (CNAME), so its mail is that of another name");
            let help = "replace the alias by the records of the domain first, or move the name that it leads to";
            let problem = Diagnostic::error(CNAME_CLASH, span, title, help)
                .why("a CNAME must be alone at its name (RFC 1034 §3.6.2): nothing can be published beside it");
            problems.push((domain, problem));
        } else if zone
            .wildcard_of(&key(RrType::MX))
            .or(zone.wildcard_of(&key(RrType::TXT)))
            .is_some()
        {
            let title = format!("the records of {domain} come from a wildcard");
            let help = "publish the records at the domain's own name first, then plan again";
            let problem = Diagnostic::error(WILDCARD_DOMAIN, span, title, help)
                .why("once a name at or below the domain is published, the wildcard covers nothing of it (RFC 4592 §3.3.1), not even its MX records");
            problems.push((domain, problem));
        }
    }
    problems
}

/// Addresses that both hosts of a move have: whatever name leads there, the same server answers.
fn one_server<'k>(context: &RecipeContext<'k>) -> Vec<(&'k Name, Diagnostic)> {
    let mut problems = Vec::new();
    for one in &context.intent.moves {
        let both = |name: &Name| one.from.has_exchange(name) && one.to.has_exchange(name);
        let own = |exchange: &&Exchange| !both(&exchange.name.value);
        let old: Vec<(&Name, IpAddr)> = one
            .from
            .exchanges
            .iter()
            .filter(own)
            .map(|exchange| &exchange.name.value)
            .flat_map(|name| context.snapshot.addresses(name).into_iter().map(move |ip| (name, ip)))
            .collect();
        for exchange in one.to.exchanges.iter().filter(own) {
            let new = &exchange.name;
            let of_new = context.end.addresses(&new.value);
            let Some((name, ip)) = old.iter().find(|(_, ip)| of_new.contains(ip)) else { continue };
            let title = format!(
                "{} of `{}` and {name} of `{}` are the same server: both have the address {ip}",
                new.value, one.to.name, one.from.name
            );
            let help = "give the new host's exchange only addresses of the new host. If the old server just gets a new name, use `records:` instead of a move";
            let problem = Diagnostic::error(SAME_SERVER, new.span, title, help)
                .why("mail that comes to this address is taken by whichever server answers there");
            problems.push((&one.domain.value, problem));
        }
    }
    problems
}

/// Zones of the plan whose parent, also in the plan, does not delegate them and has other servers.
fn not_delegated<'k>(context: &RecipeContext<'k>) -> Vec<(&'k Name, Diagnostic)> {
    let mut problems = Vec::new();
    for (origin, spec) in &context.intent.zones {
        let Some(parent) = origin.parent() else { continue };
        let ns = |name: &Name, zone: &ZoneSeen| {
            zone.get(&RrKey::new(name.clone(), RrType::NS)).map(|rrset| rrset.shared_rdata())
        };
        let (Some(above), Some(zone)) =
            (context.snapshot.zone_of(&parent), context.snapshot.zones.get(origin))
        else {
            continue;
        };
        let own = ns(origin, zone);
        if let (Some(named), Some(own)) = (ns(origin, above), &own) {
            if !named.iter().any(|server| own.contains(server)) {
                problems.push((origin, delegated_elsewhere(origin, spec.name.span, above)));
            }
            continue;
        }
        // Servers of both zones answer from the lower zone, even without a delegation.
        if ns(origin, above).is_some() || own == ns(&above.zone.origin, above) {
            continue;
        }
        let title = format!("{} does not delegate {origin}", above.zone.origin);
        let help = format!(
            "publish the NS records of {origin} in {}, or remove the zone from the plan",
            above.zone.origin
        );
        let problem = Diagnostic::error(NOT_DELEGATED, spec.name.span, title, help).why(
            "resolvers do not find a zone that its parent does not delegate (RFC 1034 §4.2.1)",
        );
        problems.push((origin, problem));
    }
    problems
}

/// The parent names other servers than the zone does: resolvers ask those, and nobody has seen what
/// they answer.
fn delegated_elsewhere(origin: &Name, span: Span, above: &ZoneSeen) -> Diagnostic {
    let parent = &above.zone.origin;
    let title = format!("{parent} delegates {origin} to other servers than those of this zone");
    let help = format!(
        "let {parent} name a server of the zone, set `provider:` of {origin} to the provider to which {parent} delegates, or remove the zone from the plan"
    );
    Diagnostic::error(NOT_DELEGATED, span, title, help)
        .why("resolvers ask the servers that the parent names (RFC 1034 §4.2.1)")
}

/// The name at which a track publishes an alias.
fn alias(track: &Track) -> Option<&Name> {
    let is_alias = track.key.rtype == RrType::CNAME;
    put(track).next().filter(|_| is_alias).map(|change| &change.key.name)
}

fn put(track: &Track) -> impl Iterator<Item = &Change> {
    let changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    changes.filter(|change| change.after.is_some())
}

fn at_name(
    context: &RecipeContext<'_>,
    zone: &ZoneSeen,
    track: &Track,
    span: Span,
    aliases: &BTreeSet<&Name>,
) -> Option<Diagnostic> {
    let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    let name = &changes.next()?.key.name;
    if let Some(cut) = zone.delegation_of(name) {
        let title = format!("{name} is not in the zone {}: {cut} is delegated", track.zone);
        let help = format!("add the zone `{cut}` to `zones:`, if it can be changed");
        let problem = Diagnostic::error(DELEGATED, span, title, help);
        return Some(
            problem.why("records at or below a delegation are not served (RFC 1034 §4.2.1)"),
        );
    }
    below_dname(context, zone, track, span).or_else(|| clash(zone, track, span, aliases))
}

/// Records below a DNAME are not served and must not exist (RFC 6672 §2.4).
fn below_dname(
    context: &RecipeContext<'_>,
    zone: &ZoneSeen,
    track: &Track,
    span: Span,
) -> Option<Diagnostic> {
    let name = &put(track).next()?.key.name;
    let in_the_end = context.end.zones.get(&track.zone);
    let dname = |at: &Name| {
        let key = RrKey::new(at.clone(), RrType::DNAME);
        [Some(zone), in_the_end].into_iter().flatten().any(|zone| zone.get(&key).is_some())
    };
    let above = std::iter::successors(name.parent(), Name::parent)
        .take_while(|at| at.is_at_or_below(&zone.zone.origin))
        .find(dname);
    if let Some(above) = above {
        let title = format!("{name} is below {above}, which is a DNAME");
        let help =
            "publish it where the DNAME leads, or remove the DNAME and plan again when it is gone";
        let problem = Diagnostic::error(DNAME_OCCLUDES, span, title, help);
        return Some(problem.why("records below a DNAME are not served (RFC 6672 §2.4)"));
    }
    if track.key.rtype != RrType::DNAME {
        return None;
    }
    let mut keys =
        [Some(zone), in_the_end].into_iter().flatten().flat_map(|z| z.zone.rrsets.keys());
    let below = keys.find(|key| key.name != *name && key.name.is_at_or_below(name))?;
    let title = format!("{name} cannot become a DNAME: {below} is below it");
    let help = "remove everything below the name from the zone first, then plan again";
    let problem = Diagnostic::error(DNAME_OCCLUDES, span, title, help);
    Some(problem.why(
        "a DNAME redirects every name below its own, and no records may exist there (RFC 6672 §2.4)",
    ))
}

/// Nothing may exist beside a CNAME.
fn clash(
    zone: &ZoneSeen,
    track: &Track,
    span: Span,
    aliases: &BTreeSet<&Name>,
) -> Option<Diagnostic> {
    let name = &put(track).next()?.key.name;
    let alias = RrKey::new(name.clone(), RrType::CNAME);
    let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    let goes = changes.any(|change| change.key == alias && change.after.is_none());
    let beside_live = zone.get(&alias).is_some() && !goes;
    if track.key.rtype == RrType::CNAME || !(beside_live || aliases.contains(name)) {
        return None;
    }
    let title =
        format!("the {} records of {name} cannot exist beside an alias (CNAME)", track.key.rtype);
    let help = "remove the alias or these records, or use another name for one of them";
    let problem = Diagnostic::error(CNAME_CLASH, span, title, help);
    Some(problem.why("a CNAME must be alone at its name (RFC 1034 §3.6.2)"))
}

/// Refuses to remove records implicitly because something else takes their name. The exception:
/// addresses and aliases may replace each other.
fn swept_away(context: &RecipeContext<'_>, track: &Track, span: Span) -> Option<Diagnostic> {
    let leads = |rtype| matches!(rtype, RrType::A | RrType::AAAA | RrType::CNAME);
    let said = |key: &RrKey| {
        context.intent.records.iter().any(|record| {
            record.to.is_none() && record.name.value == key.name && record.rtype.value == key.rtype
        })
    };
    for transition in &track.transitions {
        let (put, gone): (Vec<&Change>, Vec<&Change>) =
            transition.changes.iter().partition(|change| change.after.is_some());
        let Some(first) = put.first() else { continue };
        for gone in gone {
            let implied = leads(gone.key.rtype) && put.iter().any(|change| leads(change.key.rtype));
            if implied || said(&gone.key) {
                continue;
            }
            let (name, of) = (&gone.key.name, gone.key.rtype);
            let title = format!(
                "the {} records of {name} cannot exist beside its {of} records, which would be removed",
                first.key.rtype
            );
            let help = format!(
                "to remove them, add `- {{ zone: {}, name: {}, type: {of}, absent: true }}`; otherwise use another name",
                track.zone,
                name.shown_in(&track.zone)
            );
            let problem = Diagnostic::error(CNAME_CLASH, span, title, help);
            return Some(problem.why("a CNAME must be alone at its name (RFC 1034 §3.6.2)"));
        }
    }
    None
}

/// The names of the servers of the plan's zones and of zones delegated from these.
fn servers(context: &RecipeContext<'_>) -> BTreeMap<Name, Name> {
    let zones = context.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let ns = zones.filter(|(key, _)| key.rtype == RrType::NS);
    ns.flat_map(|(key, rrset)| {
        rrset.rdata().iter().filter_map(Rdata::target).map(|server| (server, key.name.clone()))
    })
    .collect()
}

/// Refuses to change the addresses of name servers: that would make two copies of a zone, and the
/// proof would have to cover every mixture of their answers.
fn of_server(servers: &BTreeMap<Name, Name>, track: &Track, span: Span) -> Option<Diagnostic> {
    let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    let (change, zone) = changes.find_map(|change| {
        let leads = matches!(change.key.rtype, RrType::A | RrType::AAAA | RrType::CNAME);
        let only_ttl = match (&change.before, &change.after) {
            (Some(before), Some(after)) => before.same_rdata(after),
            (_, _) => false,
        };
        let zone = servers.get(&change.key.name).filter(|_| leads && !only_ttl)?;
        Some((change, zone))
    })?;
    let title = format!("{} is a name server of {zone}, which a plan cannot move", change.key.name);
    let help = "change the addresses of name servers separately, together with the parent's glue, and plan again when the old ones have expired";
    let problem = Diagnostic::error(SERVER_ADDRESS, span, title, help);
    Some(problem.why("while some resolvers ask the old address and others the new one, there are two copies of the zone, and no wait covers both"))
}
