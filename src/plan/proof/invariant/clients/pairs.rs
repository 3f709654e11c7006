//! Services with two records, of which clients need one: IMAP with and without TLS from the start.

use cutover_zone::{Name, RrKey, RrType};

use super::{Discovery, ID, NOW, offers_nothing};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::Harm;
use crate::proof::view::View;

/// Services for which a client asks for one of two records (RFC 8314 §5.1).
const PAIRS: &[[&str; 2]] = &[
    ["_imap._tcp", "_imaps._tcp"],
    ["_pop3._tcp", "_pop3s._tcp"],
    ["_submission._tcp", "_submissions._tcp"],
];

/// If a service has two records, clients have to find at least one of them at any time.
pub(super) fn of_pairs(builder: &mut PatternBuilder<'_>, domain: &Name, found: &Discovery) {
    for pair in PAIRS {
        let keys: Vec<RrKey> = pair
            .iter()
            .filter_map(|labels| Name::from_user(labels).and_then(|name| name.join(domain)).ok())
            .map(|name| RrKey::new(name, RrType::SRV))
            .collect();
        if !keys.iter().any(|key| found.keys.contains(key)) {
            continue;
        }
        let has_now = keys.iter().any(|key| !offers_nothing(&builder.library.live(key)));
        // A record that the new host does not offer is gone in the end.
        let ends = |key: &RrKey| {
            builder.moving().any(|(name, domain_move)| {
                name == domain && domain_move.to.discovery.contains_key(key)
            })
        };
        if !has_now || !keys.iter().any(ends) || are_new(builder, &keys) {
            continue;
        }
        let neither = |view: &View<'_>| {
            keys.iter().all(|key| offers_nothing(&view.look_up(key))).then_some(())
        };
        let harm = Harm::new(
            format!("{ID}/{}/neither/{}", shown(domain), pair[0]),
            format!(
                "a mail client finds neither {} nor {} of {domain}: it cannot be set up",
                pair[0], pair[1]
            ),
            "let the non-existence of the new record expire before the old one is removed",
        );
        for (choice, ()) in builder.cases(ID, (pair[0], domain, 1), &neither).iter() {
            builder.forbid(ID, (choice, NOW), &[], &harm);
        }
    }
}

/// Whether an earlier run has published the first of these: before that nobody could be set up either.
fn are_new(builder: &PatternBuilder<'_>, keys: &[RrKey]) -> bool {
    let before = |key: &RrKey| builder.draft().snapshot.earlier.get(key).into_iter().flatten();
    keys.iter().flat_map(before).all(|version| version.records.is_none())
        && keys
            .iter()
            .all(|key| offers_nothing(&builder.library.live(key)) || before(key).next().is_some())
}
