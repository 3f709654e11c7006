//! `authenticated`: mail of every sender that the plan names passes SPF or an aligned DKIM key, in
//! every view and as long as it can be in flight: one of the two is what DMARC needs (RFC 9989).
//!
//! When a sender's mail can be in flight: that of the old host until `queue_life` after the
//! contraction began (that nobody sends through it any more then is an assumption), that of the new
//! host from the switch on, that of all others always.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_contract::{Name, RrKey, RrType};

use crate::calendar::Timestamp;
use crate::intent::{DomainMove, Host, Sender};
use crate::model::spf_meaning::{Meaning, meaning};
use crate::observe::{Outside, Snapshot};
use crate::proof::view::{Harm, View, judge};
use crate::proof::{Event, Interval, Judgement, Proof, Start, expiry};
use crate::recipe::BEFORE_CONTRACT;
use crate::spf::{Answer, Client, Outcome, SpfRecord, Target, Term, check_host};

pub(super) fn check(proof: &Proof<'_>) -> Judgement {
    let mut judgements = Vec::new();
    for one in &proof.intent.moves {
        let hosts = [&one.from, &one.to].into_iter().chain(&one.others);
        for (number, host) in hosts.enumerate() {
            for sender in host.senders.iter().filter(|sender| says_anything(sender)) {
                for (in_flight, sources) in streams(proof, one, number, sender) {
                    let harm = |view: &View<'_>| harm(view, one, host, sender, &sources);
                    judgements.push(judge(proof, &[in_flight], &harm));
                }
            }
        }
    }
    Judgement::worst(judgements)
}

/// When mail of a sender can be in flight, and from where. Where a side sends from is what its terms
/// mean while it is the side that takes the mail: number 0 is the old host, 1 the new one.
fn streams(
    proof: &Proof<'_>,
    one: &DomainMove,
    number: usize,
    sender: &Sender,
) -> Vec<(Interval, Sources)> {
    let domain = &one.domain.value;
    let before = Sources::of(sender, domain, proof.snapshot);
    let after = Sources::of(sender, domain, &proof.end);
    match number {
        0 => vec![(old_in_flight(proof), before)],
        1 => vec![(new_in_flight(proof, one), after)],
        _ if before == after => {
            vec![(Interval { start: Start::Always, ends: Vec::new() }, before)]
        }
        // A sender that stays, and whose own address changes with the plan.
        _ => vec![(old_in_flight(proof), before), (new_in_flight(proof, one), after)],
    }
}

fn says_anything(sender: &Sender) -> bool {
    sender.spf.is_some() || !sender.selectors.is_empty()
}

fn old_in_flight(proof: &Proof<'_>) -> Interval {
    let clocks = proof.intent.terms.clocks;
    let ends = proof.place(BEFORE_CONTRACT).map_or_else(Vec::new, |stopped| {
        expiry(proof.graph, stopped, clocks.queue_life + clocks.margin)
    });
    Interval { start: Start::Always, ends }
}

fn new_in_flight(proof: &Proof<'_>, one: &DomainMove) -> Interval {
    let mx = RrKey::new(one.domain.value.clone(), RrType::MX);
    let versions = proof.timelines.get(&mx);
    // The switch publishes the first version with other data.
    let switch = versions.and_then(|versions| {
        let first = versions.first()?.rrset.as_ref();
        let differs = versions.iter().find(|version| match (&version.rrset, first) {
            (Some(new), Some(old)) => !new.same_rdata(old),
            (new, old) => new.as_ref() != old,
        });
        differs?.published_by
    });
    let start = switch.map_or(Start::Always, |place| Start::At(Event::Begin(place)));
    Interval { start, ends: Vec::new() }
}

fn harm(
    view: &View<'_>,
    one: &DomainMove,
    host: &Host,
    sender: &Sender,
    sources: &Sources,
) -> Option<Harm> {
    let key_seen = sender.selectors.iter().any(|selector| {
        [RrType::TXT, RrType::CNAME]
            .into_iter()
            .any(|rtype| view.rrset(&RrKey::new(selector.owner.value.clone(), rtype)).is_some())
    });
    if key_seen || (sender.spf.is_some() && sources.pass(view, &one.domain.value)) {
        return None;
    }
    let domain = &one.domain.value;
    Some(Harm::new(
        format!(
            "mail that `{}` sent as {domain} (`{}`) passes neither SPF nor DKIM: under a DMARC policy it is rejected",
            host.name, sender.name
        ),
        format!(
            "publish the SPF terms or the DKIM key of `{}` before it sends, and keep them until its last message has arrived",
            host.name
        ),
    ))
}

/// Where a sender's mail comes from, as far as its declared terms tell.
#[derive(PartialEq, Eq)]
struct Sources {
    addresses: BTreeSet<IpAddr>,
    /// Included records that name no address that could be seen: the record has to name them.
    includes: BTreeSet<Name>,
}

impl Sources {
    fn of(sender: &Sender, domain: &Name, meant: &Snapshot) -> Self {
        let mut sources = Self { addresses: BTreeSet::new(), includes: BTreeSet::new() };
        let declared = sender.spf.iter().flat_map(|spf| SpfRecord::of_terms(&spf.value).terms);
        for term in declared {
            match term.target(domain) {
                None => sources.addresses.extend(address_of(&term)),
                Some(Target::Record(name)) => {
                    let found = addresses_of(&name, meant);
                    if found.is_empty() {
                        sources.includes.insert(name);
                    }
                    sources.addresses.extend(found);
                }
                Some(target @ (Target::Exchanges(_) | Target::Addresses(_))) => {
                    let meanings = meaning(&target, meant).unwrap_or_default();
                    sources.addresses.extend(meanings.iter().filter_map(|meaning| match meaning {
                        Meaning::Address(address) => Some(*address),
                        Meaning::Unseen(..) => None,
                    }));
                }
            }
        }
        sources
    }

    /// Whether a receiver with this view lets all of them pass. What nobody could see is not held
    /// against the plan: it stands among the assumptions.
    fn pass(&self, view: &View<'_>, domain: &Name) -> bool {
        let world = |key: &RrKey| match view.look_up(key) {
            Outside::Records(records) => Answer::Records(records),
            Outside::Absent => Answer::Absent,
            Outside::Unknown(_) => Answer::Unknown,
        };
        let passes = |ip: &IpAddr| {
            let mail_from = format!("postmaster@{}", domain.to_string().trim_end_matches('.'));
            let client = Client {
                ip: *ip,
                mail_from: &mail_from,
                helo: "unknown",
                receiver: "unknown",
                now: Timestamp::UNIX_EPOCH,
            };
            let evaluation = check_host(&client, domain, &world);
            evaluation.outcome == Outcome::Pass || !evaluation.unanswered.is_empty()
        };
        let named = |name: &Name| match view.look_up(&RrKey::new(domain.clone(), RrType::TXT)) {
            Outside::Records(txt) => {
                let records = txt.iter().filter_map(SpfRecord::of_rdata);
                records
                    .flat_map(|r| r.targets(domain).collect::<Vec<_>>())
                    .any(|target| target == Target::Record(name.clone()))
            }
            Outside::Absent => false,
            Outside::Unknown(_) => true,
        };
        self.addresses.iter().all(passes) && self.includes.iter().all(named)
    }
}

/// The address of an `ip4` or `ip6` term; of a network, its first.
fn address_of(term: &Term) -> Option<IpAddr> {
    let text = term.to_string();
    let (mechanism, value) = text.split_once(':')?;
    let is_ip = mechanism.eq_ignore_ascii_case("ip4") || mechanism.eq_ignore_ascii_case("ip6");
    if is_ip { value.split('/').next()?.parse().ok() } else { None }
}

/// Some addresses that an included record names, in it or in what it includes: the first of each
/// record stand for the rest.
fn addresses_of(name: &Name, meant: &Snapshot) -> BTreeSet<IpAddr> {
    /// Records that are looked at, so that a circle of includes ends. Our choice.
    const RECORDS_MAX: usize = 16;
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([name.clone()]);
    let mut open = vec![name.clone()];
    while let Some(name) = open.pop() {
        let Outside::Records(txt) = meant.told(&RrKey::new(name.clone(), RrType::TXT)) else {
            continue;
        };
        for record in txt.iter().filter_map(SpfRecord::of_rdata) {
            found.extend(record.terms.iter().find_map(address_of));
            for target in record.targets(&name) {
                if let Target::Record(next) = target
                    && seen.len() < RECORDS_MAX
                    && seen.insert(next.clone())
                {
                    open.push(next);
                }
            }
        }
    }
    found
}
