//! Names whose SPF record is that of another name: receivers look up the TXT records of the
//! sender's domain (RFC 7208 §4.4), and follow an alias there (RFC 1034 §3.6.2).
//!
//! Nothing in DNS says whether anybody sends mail as an alias: `www` is one too. So a change of a
//! name that only has an alias is listed (`compile::assumptions`). It is judged like that of a
//! domain with a record of its own if something shows that the name has mail, or if the plan changes
//! the alias itself and it leads to MX records. Servers have SPF records for their own names (RFC
//! 7208 §2.3), and clients find them by aliases.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{ID, NOW, today};
use crate::intent::DomainMove;
use crate::observe::{ALIASES_MAX, Snapshot};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::draft::Draft;
use crate::proof::pattern::Harm;
use crate::proof::spf_view::Edges;
use crate::proof::view::View;
use cutover_mail::resolution::{Reply, moved, reply};
use cutover_mail::spf::SpfRecord;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// Judges aliases as domains; `known` are the names that are judged already.
pub(super) fn led_elsewhere(
    builder: &mut PatternBuilder<'_>,
    known: &dyn Fn(&Name) -> bool,
    edges: &Edges,
) {
    let draft = builder.draft();
    if draft.tracks.is_empty() {
        return;
    }
    let all = sender_aliases(draft);
    if all.is_empty() {
        return;
    }
    let domains = builder.domains();
    let domains: BTreeSet<&Name> = domains.iter().map(|domain| &domain.name).collect();
    let owned: BTreeSet<&Name> = draft.owned().map(|key| &key.name).collect();
    for name in &all {
        let has_mail = domains.contains(name);
        let is_own = owned.contains(name) && is_changed_with_mail(draft, name);
        if known(name) || (!is_own && !has_mail) {
            continue;
        }
        let found = builder.met(ID, ("alias", name, 0), &|view| vec![record(view, name)]);
        if found.iter().any(|found| matches!(found, Found::Spf { .. }))
            && (found.len() > 1 || found.iter().any(Found::leads))
        {
            let along = if is_own { None } else { moves_along(draft, name) };
            today::still_passes(builder, name, along, edges);
        }
        let unseen = found.iter().filter_map(|found| match found {
            Found::Unseen(of) => Some(of),
            Found::Spf { .. } | Found::Nothing => None,
        });
        for (number, of) in unseen.enumerate().filter(|_| is_own && has_mail) {
            leads_outside(builder, name, (number, of));
        }
    }
}

/// Whether the plan changes a name itself, and it leads to MX records before or after.
#[must_use]
pub fn is_changed_with_mail(draft: &Draft<'_>, name: &Name) -> bool {
    let mx = RrKey::new(name.clone(), RrType::MX);
    let has_mx = |at: &Snapshot| matches!(at.told(&mx), Outside::Records(_));
    draft.owned().any(|key| key.name == *name) && (has_mx(draft.snapshot) || has_mx(&draft.end))
}

/// The SPF record that a receiver finds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Nothing,
    /// A record, or several, and whether its meaning depends on other names.
    Spf {
        text: String,
        leads: bool,
    },
    /// It is at a name that nobody could ask.
    Unseen(Name),
}

impl Found {
    fn leads(&self) -> bool {
        matches!(self, Self::Spf { leads: true, .. })
    }
}

fn record(view: &View<'_>, name: &Name) -> Found {
    let key = RrKey::new(name.clone(), RrType::TXT);
    match view.look_up(&key) {
        Outside::Absent => Found::Nothing,
        Outside::Unknown(_) => Found::Unseen(view.leaves_at(&key).unwrap_or(key.name)),
        Outside::Records(txt) => {
            let records: Vec<SpfRecord> = txt.iter().filter_map(SpfRecord::of_rdata).collect();
            if records.is_empty() {
                return Found::Nothing;
            }
            let leads = records.iter().flat_map(|record| &record.terms).any(|t| t.costs_lookup());
            let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
            Found::Spf { text: texts.join("\n"), leads }
        }
    }
}

/// Names that are aliases, now or over the course of the plan: by a CNAME, or below a DNAME that
/// leads to a name with an SPF record.
#[must_use]
pub fn sender_aliases(draft: &Draft<'_>) -> BTreeSet<Name> {
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let changes = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let comes = changes.filter_map(|change| Some((&change.key, change.after.as_ref()?)));
    let all: Vec<(&RrKey, &RrSet)> = live.chain(comes).collect();
    let has = |rrset: &RrSet| rrset.rdata().iter().any(|r| SpfRecord::of_rdata(r).is_some());
    let mut names = BTreeSet::new();
    for (key, rrset) in &all {
        match key.rtype {
            RrType::CNAME => drop(names.insert(key.name.clone())),
            RrType::DNAME => {
                let Some(target) = rrset.rdata().first().and_then(Rdata::target) else { continue };
                let with_spf =
                    all.iter().filter(|(key, rrset)| key.rtype == RrType::TXT && has(rrset));
                let below = with_spf.map(|(key, _)| &key.name);
                let below = below.filter(|name| name.is_at_or_below(&target) && **name != target);
                names.extend(below.filter_map(|name| moved(name, &target, &key.name)));
            }
            _ => {}
        }
    }
    // Nobody sends as a name that is not a host's (RFC 5321 §2.3.5).
    names.retain(|name| !name.labels().any(|label| label.first() == Some(&b'_')));
    names
}

/// The move of the domain that an alias leads to: the same hosts send its mail.
fn moves_along<'d>(draft: &Draft<'d>, name: &Name) -> Option<&'d DomainMove> {
    let end = end_of(draft.snapshot, name)?;
    draft.intent.moves.iter().find(|domain_move| domain_move.domain.value == end)
}

/// The name where an alias ends, before the first step; `None` outside of the plan's zones.
#[must_use]
pub fn end_of(at: &Snapshot, name: &Name) -> Option<Name> {
    let mut key = RrKey::new(name.clone(), RrType::TXT);
    for _ in 0..=ALIASES_MAX {
        match reply(&&at.zone_of(&key.name)?.zone, &key) {
            Reply::Alias { target, .. } => key.name = target,
            Reply::Records(_) | Reply::Absent => return Some(key.name),
            Reply::Delegated(_) => return None,
        }
    }
    None
}

/// A mail domain that the plan leads to a name outside of the zones, whose SPF record nobody could
/// ask for: it may refuse everything.
fn leads_outside(builder: &mut PatternBuilder<'_>, name: &Name, (number, of): (usize, &Name)) {
    let found = builder.cases(ID, ("alias-unseen", name, number), &|view| {
        let key = RrKey::new(name.clone(), RrType::TXT);
        let is_other = view.look_up(&key) != view.live(&key);
        (is_other && record(view, name) == Found::Unseen(of.clone())).then_some(())
    });
    if found.is_empty() {
        return;
    }
    let (target, sender) = (Subject::Name(of.clone()), Subject::Name(name.clone()));
    let harm = Harm::new(
        format!("{ID}/{}/today/alias/{}", shown(name), shown(of)),
        format!(
            "mail as {name} is judged by the SPF record of {of}, to which the alias leads and which nobody could ask for: it may refuse all of it"
        ),
        format!(
            "configure a `resolver:`, or {}; if nothing is sent as {name}, {}",
            builder.statement(Fact::Published, &target, Value::True, ""),
            builder.statement(Fact::Sends, &sender, Value::False, "")
        ),
    );
    let bad = builder.facts.having(Fact::Published, &target, Value::False);
    for sends in builder.facts.in_flight(&sender) {
        for (choice, ()) in found.iter() {
            for bad in &bad {
                builder.forbid(ID, (choice, NOW), &[*bad, sends], &harm);
            }
        }
    }
}
