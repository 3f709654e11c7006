//! Compare-and-set: a single PATCH for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ serial still the same? ──▶ PATCH ──▶ 2xx ──▶ rectify ──▶ read back
//!   ▲          │               │ no                  ├──▶ no answer, 5xx: in doubt    │
//!   │          ▼               │                     ├──▶ no comments there ─┐        ├▶ as asked
//!   │       conflict           │                     └──▶ 4xx: refused       │        └▶ otherwise:
//!   └──── at most ATTEMPTS_MAX times ────────────────────────────────────────┘     refused, or in
//!                                                                                  doubt
//! ```
//!
//! The API has no conditional request (PowerDNS/pdns #6247): a change that somebody else makes
//! between the last look at the serial and the PATCH, about a millisecond, is overwritten. The
//! server makes all changes of a PATCH in one database transaction.

use cutover_contract::{Change, ChangeSet, ProviderError, Receipt, Unwritable};
use cutover_kit::check::{self, Checked};
use cutover_kit::{
    AsBefore, Written, alone, apex, compare, has_plain_labels, names_of, unsupported,
};
use cutover_zone::{Name, RrKey, RrType};

use crate::api::{Act, Server};
use crate::convert::{self, Head, Marks};
use crate::failure::{answer_text, denied_act, failed_act, in_doubt};
use crate::limits::{
    ATTEMPTS_MAX, BODY_SLACK_OCTETS, BODY_UNASKED_OCTETS_MAX, INSTRUCTION_TYPES, NO_COMMENTS,
};
use crate::read::{self, Disabled, Live};

enum Sent {
    Done,
    /// The database does not support comments; nothing was changed.
    NoComments,
}

/// Compares every `before` and makes the changes, all of them or none.
pub(crate) async fn apply(server: &Server, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
    check_each(changes)?;
    let zone = changes.zone();
    let mut names = names_of(keys(changes));
    // The SOA too: for its serial, and because a zone without an SOA is not served.
    names.insert(zone.clone());
    let mut marks = Marks::Comments;
    let mut soa = None;
    for _ in 0..ATTEMPTS_MAX {
        let live = read::live(server, zone, &names, Disabled::Seen).await?;
        check_zone(server, zone, &live.head).await?;
        compare(changes, |key| live.rrset(key))?;
        check_beside(changes, &live)?;
        let body = convert::patch(changes, &live.head, &live.held, marks);
        check_size(server, changes, body.len()).await?;
        let head = read::head(server, zone).await?;
        if head.serial != live.head.serial {
            soa = live.rrset(&RrKey::new(zone.clone(), RrType::SOA)).cloned();
            continue;
        }
        match send(server, zone, body).await? {
            Sent::Done => return finish(server, changes, &head).await,
            Sent::NoComments => marks = Marks::None,
        }
    }
    let key = RrKey::new(zone.clone(), RrType::SOA);
    Err(ProviderError::Conflict { zone: zone.clone(), key, live: soa })
}

/// Which changes of these change sets cannot be written.
pub(crate) async fn check(
    server: &Server,
    zone: &Name,
    sets: &[ChangeSet],
) -> Result<Vec<Unwritable>, ProviderError> {
    let touched = check::touched(sets);
    let mut names = names_of(&touched);
    names.insert(zone.clone());
    let mut live = read::live(server, zone, &names, Disabled::Seen).await?;
    check_zone(server, zone, &live.head).await?;
    let mut checked = Checked::default();
    for set in sets {
        let body = convert::patch(set, &live.head, &live.held, Marks::Comments);
        checked.note(check_size(server, set, body.len()).await)?;
    }
    // Disabled records stay where they are, whatever the plan changes.
    live.held.retain(|key, held| !touched.contains(key) || held.has_disabled);
    for set in sets {
        for single in check::one_by_one(set) {
            checked.note(check_each(&single))?;
            checked.note(check_beside(&single, &live))?;
        }
        checked.note(check_beside(set, &live))?;
    }
    Ok(checked.found())
}

/// Rectifies a signed zone if the server does not do so by itself.
pub(crate) async fn rectify(server: &Server, zone: &Name) -> Result<(), ProviderError> {
    let head = read::head(server, zone).await?;
    match wants_rectify(&head) && !read::is_presigned(server, zone).await? {
        true => act_rectify(server, zone).await,
        false => Ok(()),
    }
}

fn wants_rectify(head: &Head) -> bool {
    head.dnssec && !head.api_rectify
}

async fn act_rectify(server: &Server, zone: &Name) -> Result<(), ProviderError> {
    match server.act(Act::Rectify(zone)).await {
        Ok(answer) if answer.is_success() => Ok(()),
        Ok(answer) => Err(denied_act(server, zone, &answer).await),
        Err(error) => Err(failed_act(server, zone, &error)),
    }
}

fn keys(changes: &ChangeSet) -> impl Iterator<Item = &RrKey> {
    changes.changes().iter().map(|change| &change.key)
}

/// Refuses changes that make no sense whatever the zone holds. The server would accept most of
/// them.
fn check_each(changes: &ChangeSet) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for change in changes.changes() {
        let Change { key, before: _, after } = change;
        let is_apex = key.name == *changes.zone();
        if let Some(why) = apex(changes.zone(), change) {
            return Err(unsupported(changes.zone(), key, why));
        }
        let why = match (key.rtype, after) {
            (rtype, _) if rtype.is_made_by_signer() => "the server's signer makes these records",
            (rtype, _) if INSTRUCTION_TYPES.contains(&rtype.number()) => {
                "ALIAS and LUA records are instructions to PowerDNS, not data"
            }
            // `atApexTypes` and `nonApexTypes` in `pdns/ws-auth.cc`.
            (RrType::DNSKEY, Some(_)) if !is_apex => {
                "PowerDNS accepts a DNSKEY at the apex of a zone only"
            }
            (RrType::DS, Some(_)) if is_apex => {
                "PowerDNS accepts a DS below the apex of a zone only"
            }
            // `apiCheckQNameAllowedCharacters` in `pdns/ws-api.cc`.
            _ if !has_plain_labels(&key.name, b"-_/") => {
                "PowerDNS accepts only letters, digits, `-`, `_`, `/` and a leading `*` in names"
            }
            _ => continue,
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

/// Refuses zones that this adapter does not write.
async fn check_zone(server: &Server, zone: &Name, head: &Head) -> Result<(), ProviderError> {
    let refused = |detail: String| Err(ProviderError::Refused { zone: zone.clone(), detail });
    match head.kind.to_ascii_lowercase().as_str() {
        "native" | "master" | "primary" | "producer" => {}
        "slave" | "secondary" | "consumer" => {
            return refused(format!(
                "the zone is a copy (`{}`) whose records come from its primary; name that server \
                 in the plan",
                head.kind
            ));
        }
        _ => return refused(format!("zones of the kind `{}` cannot be written here", head.kind)),
    }
    match head.dnssec && read::is_presigned(server, zone).await? {
        false => Ok(()),
        true => refused(
            "the zone was signed elsewhere (PRESIGNED), and a change would break its signatures; \
            change it where it is signed"
                .to_owned(),
        ),
    }
}

/// Refuses changes that would delete records nobody has seen, that clash with what the server makes
/// up, or that put other data beside a CNAME.
fn check_beside(changes: &ChangeSet, live: &Live) -> Result<(), ProviderError> {
    let zone = changes.zone();
    for Change { key, .. } in changes.changes() {
        if live.held.get(key).is_some_and(|held| held.has_disabled) {
            let why = "it has disabled records, which are not served and would be deleted; enable \
                or delete them first";
            return Err(unsupported(zone, key, why));
        }
        let made_up = live.made_up.get(&key.name);
        if made_up.is_some_and(|types| types.contains(&key.rtype) || key.rtype == RrType::CNAME) {
            let why = "the name has ALIAS or LUA records, from which PowerDNS makes up its \
                answers for this type; delete them first";
            return Err(unsupported(zone, key, why));
        }
    }
    let held = live.held.iter().filter(|(_, held)| held.rrset.is_some());
    alone(changes, held.map(|(key, _)| key), &[RrType::CNAME])
}

/// Refuses a change set that the server would refuse as too large. Two requests would be two
/// changes.
async fn check_size(
    server: &Server,
    changes: &ChangeSet,
    octets: usize,
) -> Result<(), ProviderError> {
    if octets <= BODY_UNASKED_OCTETS_MAX {
        return Ok(());
    }
    // If the server does not report its limit, sending will show.
    let octets_max = read::body_octets_max(server, changes.zone()).await.ok().flatten();
    match octets_max {
        Some(octets_max) if octets + BODY_SLACK_OCTETS > octets_max => {
            let why = format!(
                "the change set needs {octets} octets, but the server accepts {octets_max} \
                 (`webserver-max-bodysize={}`); increase that setting",
                octets_max >> 20
            );
            Err(unsupported(changes.zone(), &changes.changes()[0].key, why))
        }
        Some(_) | None => Ok(()),
    }
}

async fn send(server: &Server, zone: &Name, body: Vec<u8>) -> Result<Sent, ProviderError> {
    match server.act(Act::Patch(zone, body)).await {
        Ok(answer) if answer.is_success() => Ok(Sent::Done),
        Ok(answer)
            if answer.status == 422 && answer_text(server, &answer).contains(NO_COMMENTS) =>
        {
            Ok(Sent::NoComments)
        }
        Ok(answer) => Err(denied_act(server, zone, &answer).await),
        Err(error) => Err(failed_act(server, zone, &error)),
    }
}

async fn finish(
    server: &Server,
    changes: &ChangeSet,
    head: &Head,
) -> Result<Receipt, ProviderError> {
    if wants_rectify(head)
        && let Err(error) = act_rectify(server, changes.zone()).await
    {
        let detail = format!("the change was made, but rectifying the zone failed: {error}");
        return Err(in_doubt(server, changes.zone(), detail));
    }
    read_back(server, changes).await
}

/// Reads back what the server made of the change.
async fn read_back(server: &Server, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
    let peer = server.peer.clone();
    let written = Written {
        changes,
        peer,
        claim: "the server reported success",
        as_before: AsBefore::Ignored,
    };
    let names = names_of(keys(changes));
    let live = read::live(server, changes.zone(), &names, Disabled::AsItComes).await;
    let live = live.map_err(|error| written.unread(&error))?;
    written.judge(|key| live.rrset(key))?;
    Ok(Receipt { serial: Some(live.head.served_serial()), read_back: true })
}
