//! DMARC policies (RFC 7489, RFC 9989): what receivers do with mail that passes neither SPF nor
//! DKIM.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{ID, NOW};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_mail::dkim::signs_as;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// DMARC policies that the plan makes stricter: mail that passed before may be refused.
pub(super) fn stricter_policies(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let of_policy = |key: &RrKey| {
        let label = key.name.labels().next()?;
        let is_text = matches!(key.rtype, RrType::TXT | RrType::CNAME);
        (is_text && label.eq_ignore_ascii_case(b"_dmarc")).then(|| key.name.parent()).flatten()
    };
    let owned: BTreeSet<Name> = draft.owned().filter_map(of_policy).collect();
    let live = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let aliases: BTreeSet<Name> = live
        .filter(|(key, _)| key.rtype == RrType::CNAME)
        .filter_map(|(key, _)| of_policy(key))
        .collect();
    if draft.tracks.is_empty() {
        return;
    }
    // The answers of wildcards and DNAMEs may be anywhere.
    let is_made = |name: &&Name| {
        let zone = draft.snapshot.zone_of(name).map(|zone| &zone.zone.origin);
        zone.is_some_and(|zone| draft.has_wildcards(zone) || draft.has_cuts(zone))
    };
    // A domain without a policy of its own has that of a domain above it (RFC 9989: the tree walk).
    let below = |name: &&Name| {
        let mut above = std::iter::successors(name.parent(), Name::parent);
        above.any(|above| owned.contains(&above) || aliases.contains(&above))
    };
    // A domain that signs mail sends it, even without any other record than the key.
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    let signing = live.filter_map(|key| signs_as(&key.name));
    let domains = builder.domains();
    let inherits: Vec<Name> = domains
        .iter()
        .map(|domain| domain.name.clone())
        .chain(signing)
        .filter(|name| below(&name) || is_made(&name))
        .collect();
    for domain in owned.into_iter().chain(aliases).chain(inherits).collect::<BTreeSet<_>>() {
        let stricter = |view: &View<'_>| {
            let live = strictness(&domain, &|key| view.live(key));
            let found = strictness(&domain, &|key| view.look_up(key));
            let more = found.iter().zip(&live).any(|(found, live)| found > live);
            (more || is_another_outside(view, &domain)).then_some(())
        };
        let of = Subject::Name(domain.clone());
        let harm = Harm::new(
            format!("{ID}/{}/dmarc", shown(&domain)),
            format!(
                "receivers obey a stricter DMARC policy of {domain}, and nobody says that all of its mail passes"
            ),
            builder.statement(Fact::PassesDmarc, &of, Value::True, ""),
        );
        let found = builder.cases(ID, ("dmarc", &domain, 0), &stricter);
        let bad = |builder: &PatternBuilder<'_>| {
            builder.facts.having(Fact::PassesDmarc, &of, Value::False)
        };
        builder.forbid_each(ID, (&found, NOW), &bad, &harm);
    }
}

/// Whether a domain's policy is that of a name outside, and of another name than before.
fn is_another_outside(view: &View<'_>, domain: &Name) -> bool {
    let owner = Name::from_user("_dmarc").and_then(|label| label.join(domain));
    owner.is_ok_and(|owner| {
        let key = RrKey::new(owner, RrType::TXT);
        let found = view.look_up(&key);
        matches!(found, Outside::Unknown(_)) && found != view.live(&key)
    })
}

/// How strict the DMARC policy is that receivers find for a domain (RFC 7489 §6.3, RFC 9989): for
/// the domain, for existing and for non-existing names below it (none, quarantine, reject), in the
/// alignment of DKIM and of SPF, and for how much mail.
///
/// The policy of a domain above counts if the domain has none of its own.
pub(super) fn strictness(domain: &Name, look_up: &dyn Fn(&RrKey) -> Outside) -> [u8; 6] {
    let mut at = Some(domain.clone());
    while let Some(name) = at {
        let owner = Name::from_user("_dmarc").and_then(|label| label.join(&name));
        let Ok(owner) = owner else { break };
        match look_up(&RrKey::new(owner, RrType::TXT)) {
            Outside::Records(records) => {
                if let Some([p, sp, np, adkim, aspf, share]) = strictness_of(&records) {
                    return match name == *domain {
                        true => [p, sp, np, adkim, aspf, share],
                        false => [sp, sp, np, adkim, aspf, share],
                    };
                }
            }
            Outside::Absent => {}
            // The adversary chooses the content of a domain's own record that nobody has seen.
            Outside::Unknown(_) if name == *domain => return [u8::MAX; 6],
            Outside::Unknown(_) => break,
        }
        at = name.parent().filter(|above| above.labels().nth(1).is_some());
    }
    [0; 6]
}

/// Whether a DMARC policy of a domain makes receivers refuse mail that does not pass, and if so,
/// whether SPF has to be aligned strictly (`aspf=s`). What nobody could ask for is the strictest.
#[must_use]
pub fn dmarc_requires_a_pass(domain: &Name, look_up: &dyn Fn(&RrKey) -> Outside) -> Option<bool> {
    let [p, _, _, _, aspf, _] = strictness(domain, look_up);
    (p > 0).then_some(aspf > 0)
}

fn strictness_of(records: &[Rdata]) -> Option<[u8; 6]> {
    let texts = records.iter().filter_map(Rdata::txt_joined);
    let texts = texts.map(|text| String::from_utf8_lossy(&text).to_ascii_lowercase());
    let mut policies = texts.filter(|text| text.trim_start().starts_with("v=dmarc1"));
    let (Some(policy), None) = (policies.next(), policies.next()) else { return None };
    let tag = |name: &str| {
        let mut tags = policy.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(tag, _)| tag.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    // With `t=y` receivers apply the level below.
    let test = u8::from(tag("t").as_deref() == Some("y"));
    let rank = |value: Option<String>| match value.as_deref() {
        Some("reject") => 2 - test,
        Some("quarantine") => 1 - test,
        Some(_) | None => 0,
    };
    let strict = |name: &str| u8::from(tag(name).as_deref() == Some("s"));
    let p = rank(tag("p"));
    let below = tag("sp").map_or(p, |value| rank(Some(value)));
    let absent = tag("np").map_or(below, |value| rank(Some(value)));
    let share = tag("pct").and_then(|pct| pct.parse::<u8>().ok()).unwrap_or(100).min(100);
    Some([p, below, absent, strict("adkim"), strict("aspf"), if p > 0 { share } else { 0 }])
}
