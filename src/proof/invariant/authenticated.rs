//! `authenticated`: mail that may be in flight passes SPF and has a DKIM key that verifies it, as far
//! as its sender declares them.
//!
//! DMARC (RFC 9989) is content with one of the two. That is not enough to plan on: receivers refuse
//! mail on an SPF `-all` before they look at a signature, and whoever forwards mail breaks SPF and
//! leaves DKIM alone. So each has to hold for itself, for every declared sender, in every view.
//!
//! When a sender's mail can be in flight: that of the old host until `queue_life` after people have
//! stopped sending through it, that of the new host from the switch on, that of all others always.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use super::super::draft::MovePoint;
use crate::calendar::Timestamp;
use crate::intent::{DomainMove, Host, Sender};
use crate::model::spf_meaning::{Meaning, meaning};
use crate::observe::{Outside, Snapshot};
use crate::proof::model::Bench;
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::view::View;
use crate::spf::{Answer, Client, Outcome, SpfRecord, Target, Term, check_host};

const ID: &str = "authenticated";

pub(super) fn patterns(bench: &mut Bench<'_>) {
    let switch = bench.draft().point(MovePoint::BeforeSwitch);
    let always = bench.atom(
        What::InFlight { host: "every other sender".to_owned(), unknown: false },
        Start::Always,
        Vec::new(),
    );
    let Some((_, to)) = bench.sides() else { return };
    let new = bench.atom(
        What::InFlight { host: to.name.clone(), unknown: false },
        switch.map_or(Start::Always, Start::Begin),
        Vec::new(),
    );
    for one in &bench.draft().intent.moves {
        let domain = &one.domain.value;
        let mut stream = 0;
        let hosts = [&one.from, &one.to].into_iter().chain(&one.others);
        for (number, host) in hosts.enumerate() {
            for sender in host.senders.iter().filter(|sender| sender.says_anything()) {
                let before = Sources::of(sender, domain, bench.draft().snapshot);
                let after = Sources::of(sender, domain, &bench.end);
                let old = bench.facts.old_in_flight(&one.from.name);
                let streams: Vec<(Vec<usize>, Sources)> = match number {
                    0 => vec![(old, before)],
                    1 => vec![(vec![new], after)],
                    _ if before == after => vec![(vec![always], before)],
                    // A sender that stays, and whose own address changes with the plan.
                    _ => vec![(old, before), (vec![new], after)],
                };
                for (in_flight, sources) in streams {
                    stream += 1;
                    of_stream(bench, one, (host, sender, stream), &in_flight, &sources);
                }
            }
        }
    }
}

fn of_stream(
    bench: &mut Bench<'_>,
    one: &DomainMove,
    (host, sender, stream): (&Host, &Sender, usize),
    in_flight: &[usize],
    sources: &Sources,
) {
    let domain = &one.domain.value;
    if sender.spf.is_some() {
        let harm = Harm::new(
            format!(
                "mail that `{}` sent as {domain} (`{}`) fails SPF: receivers that obey `-all`, or DMARC, refuse it",
                host.name, sender.name
            ),
            format!(
                "publish the SPF terms of `{}` before it sends, and keep them until its last message has arrived",
                host.name
            ),
        );
        for (choice, ()) in bench
            .cases(ID, ("spf", domain, stream), &|view| (!sources.pass(view, domain)).then_some(()))
            .iter()
        {
            for atom in in_flight {
                bench.forbid(ID, (choice, Duration::ZERO), &[*atom], &harm);
            }
        }
    }
    if sender.selectors.is_empty() {
        return;
    }
    let harm = Harm::new(
        format!(
            "mail that `{}` sent as {domain} (`{}`) fails DKIM, and wherever it was forwarded DMARC too",
            host.name, sender.name
        ),
        format!(
            "publish the DKIM key of `{}` before it sends, and keep it until its last message has arrived",
            host.name
        ),
    );
    for (choice, ()) in bench
        .cases(ID, ("dkim", domain, stream), &|view| (!key_seen(view, sender)).then_some(()))
        .iter()
    {
        for atom in in_flight {
            bench.forbid(ID, (choice, Duration::ZERO), &[*atom], &harm);
        }
    }
}

/// Whether a receiver finds the key that the sender signs with: what the plan publishes for it, or
/// what was there when the plan was made. Where an alias leads to a name that never changes, the key
/// behind it is the host's own business.
fn key_seen(view: &View<'_>, sender: &Sender) -> bool {
    sender.selectors.iter().any(|selector| {
        let owner = &selector.owner.value;
        let txt = RrKey::new(owner.clone(), RrType::TXT);
        let alias = RrKey::new(owner.clone(), RrType::CNAME);
        let meant = match &selector.publish {
            Some(rdata) => Outside::Records([rdata.clone()].into()),
            None => match view.published(&alias) {
                Outside::Records(alias) => Outside::Records(alias),
                Outside::Absent | Outside::Unknown(_) => view.live(&txt),
            },
        };
        match (&meant, view.answer(&alias)) {
            (Outside::Records(meant), Outside::Records(found)) => {
                // The name that the alias leads to.
                let target = found.iter().find_map(Rdata::target);
                let behind = target.map(|name| RrKey::new(name, RrType::TXT));
                let gone = behind.is_some_and(|key| {
                    !view.is_constant(&key) && view.look_up(&key) == Outside::Absent
                });
                *meant == found && !gone
            }
            (Outside::Records(_), Outside::Absent | Outside::Unknown(_)) => {
                view.look_up(&txt) == meant
            }
            // The plan's own records publish it, or nobody does.
            (Outside::Absent, Outside::Records(_)) => true,
            (Outside::Absent, _) => view.look_up(&txt) != Outside::Absent,
            (Outside::Unknown(_), _) => true,
        }
    })
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
            Outside::Records(records) => Answer::Records(
                records.iter().cloned().map(|one| seen_only(one, view, key)).collect(),
            ),
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

/// An SPF record without the terms that lead to what nobody could see: whether those would let a
/// sender pass does not matter where its own terms do.
fn seen_only(rdata: Rdata, view: &View<'_>, key: &RrKey) -> Rdata {
    let Some(mut record) = SpfRecord::of_rdata(&rdata) else { return rdata };
    let types = |target: &Target| match target {
        Target::Record(name) => (name.clone(), vec![RrType::TXT]),
        Target::Exchanges(name) => (name.clone(), vec![RrType::MX]),
        Target::Addresses(name) => (name.clone(), vec![RrType::A, RrType::AAAA]),
    };
    let is_unseen = |term: &Term| {
        term.target(&key.name).is_some_and(|target| {
            let (name, types) = types(&target);
            types.into_iter().any(|rtype| {
                matches!(view.look_up(&RrKey::new(name.clone(), rtype)), Outside::Unknown(_))
            })
        })
    };
    let all = record.terms.len();
    record.terms.retain(|term| !is_unseen(term));
    if record.terms.len() == all { rdata } else { record.rdata() }
}

/// The address of an `ip4` or `ip6` term; of a network, its first.
fn address_of(term: &Term) -> Option<IpAddr> {
    let text = term.to_string();
    let (mechanism, value) = text.split_once(':')?;
    let is_ip = mechanism.eq_ignore_ascii_case("ip4") || mechanism.eq_ignore_ascii_case("ip6");
    if is_ip { value.split('/').next()?.parse().ok() } else { None }
}

/// The addresses that an included record names, in it or in what it includes.
fn addresses_of(name: &Name, meant: &Snapshot) -> BTreeSet<IpAddr> {
    /// Records that are looked at, so that a circle of includes ends. Our choice.
    const RECORDS_MAX: usize = 16;
    /// Addresses of each that are looked at. Our choice: the records of large hosts name whole
    /// networks, of each of which one address stands for the rest.
    const ADDRESSES_MAX: usize = 32;
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([name.clone()]);
    let mut open = vec![name.clone()];
    while let Some(name) = open.pop() {
        let Outside::Records(txt) = meant.told(&RrKey::new(name.clone(), RrType::TXT)) else {
            continue;
        };
        for record in txt.iter().filter_map(SpfRecord::of_rdata) {
            found.extend(record.terms.iter().filter_map(address_of).take(ADDRESSES_MAX));
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
