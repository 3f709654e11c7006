//! The world at one instant: what caches may hold, what hosts may do, and what becomes of messages
//! and users.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover::fact::{Fact, Value};
use cutover::graph::{Primitive, StepId};
use cutover::model::Stage;
use cutover::spec::Point;
use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType};

use super::NOW;
use crate::proof::Case;

/// When each step that is made begins and ends.
pub(super) type Times = BTreeMap<StepId, (i64, i64)>;

/// Absence is cached for the SOA's MINIMUM.
const NEGATIVE_TTL_SECS: i64 = 600;

/// One answer to each question.
type View = BTreeMap<RrKey, Vec<Rdata>>;
/// Looks at a view.
type Look<'l> = &'l mut dyn FnMut(&View);

/// Something that may be so at the instant, and for how much longer it might go on being so: how long
/// ago it could have ended at the latest, negative while it has not ended.
struct May<T> {
    what: T,
    /// It is over when this many seconds have passed since the instant; `None`: never.
    left: Option<i64>,
}

pub(super) struct World<'c> {
    case: &'c Case,
    times: &'c Times,
}

fn name(text: &str) -> Name {
    Name::absolute(&format!("{text}.")).expect("a name")
}

impl<'c> World<'c> {
    pub(super) fn of(case: &'c Case, times: &'c Times) -> Self {
        Self { case, times }
    }

    fn time(&self, id: &str) -> Option<(i64, i64)> {
        self.times.get(&StepId::new(id)).copied()
    }

    fn begun(&self, id: &str) -> bool {
        self.time(id).is_some_and(|(begin, _)| begin <= NOW)
    }

    fn ended(&self, id: &str) -> bool {
        self.time(id).is_some_and(|(_, end)| end <= NOW)
    }

    /// The answers that some cache may hold, where old ones are used for so much longer.
    fn held(&self, key: &RrKey, longer: i64) -> Vec<Option<RrSet>> {
        let mut versions: Vec<May<Option<RrSet>>> = Vec::new();
        for step in self.case.graph.steps() {
            let Primitive::Change(changes) = &step.primitive else { continue };
            let Some(change) = changes.changes().iter().find(|change| change.key == *key) else {
                continue;
            };
            if versions.is_empty() {
                versions.push(May { what: change.before.clone(), left: None });
            }
            let Some((begin, end)) = self.times.get(&step.id) else { break };
            if *begin > NOW {
                break;
            }
            let last = versions.last_mut().expect("one at least");
            let ttl =
                last.what.as_ref().map_or(NEGATIVE_TTL_SECS, |one| i64::from(one.ttl().secs()));
            last.left = Some(end + ttl - NOW);
            versions.push(May { what: change.after.clone(), left: None });
        }
        if versions.is_empty() {
            let zone = &self.case.snapshot.zones[&name("acme.test")];
            return vec![zone.get(key).cloned()];
        }
        let may = versions.into_iter().filter(|one| one.left.is_none_or(|left| left + longer > 0));
        may.map(|one| one.what).collect()
    }

    /// The values that a fact may have.
    fn values(&self, fact: Fact, host: &str) -> BTreeSet<Value> {
        let stated = self.case.intent.assume.iter();
        let mut stated: Vec<_> =
            stated.filter(|one| one.fact.value == fact && one.host.value == host).collect();
        stated.sort_by_key(|one| one.from);
        let step = |point: Point| format!("assume/{}/{fact}/{host}", point.word());
        let in_plan = |point: Point| self.case.graph.get(&StepId::new(step(point))).is_some();
        let worst = fact.row().unknown.unwrap_or(Value::Store);
        let already = stated.iter().rev().find(|one| one.from.is_none_or(|from| !in_plan(from)));
        let mut values: Vec<May<Value>> =
            vec![May { what: already.map_or(worst, |one| one.value), left: None }];
        let mut begin = |value: Value, id: &str, settle: i64| {
            let Some((begin, end)) = self.time(id) else { return };
            let last = values.last_mut().expect("one at least");
            if begin > NOW || last.what == value {
                return;
            }
            last.left = Some(end + settle - NOW);
            values.push(May { what: value, left: None });
        };
        for one in stated {
            let Some(from) = one.from.filter(|from| in_plan(*from)) else { continue };
            begin(one.value, &step(from), i64::try_from(one.settle.as_secs()).expect("small"));
        }
        if fact == Fact::Mail && host == "old" {
            begin(Value::Off, "checkpoint/release-old", 0);
        }
        values
            .into_iter()
            .filter(|one| one.left.is_none_or(|left| left > 0))
            .map(|one| one.what)
            .collect()
    }

    fn may(&self, fact: Fact, host: &str, value: Value) -> bool {
        self.values(fact, host).contains(&value)
    }

    /// Whether mail that people sent through the old host may be in flight.
    fn old_in_flight(&self) -> bool {
        let clocks = self.case.intent.terms.clocks;
        let life = i64::try_from(clocks.queue_life.as_secs()).expect("small");
        let stated = self.case.intent.assume.iter().find(|one| one.fact.value == Fact::Sends);
        let Some(stated) = stated else { return true };
        let Some(from) = stated.from else { return false };
        let id = format!("assume/{}/sends/old", from.word());
        if self.case.graph.get(&StepId::new(id.as_str())).is_none() {
            return false;
        }
        let settle = i64::try_from(stated.settle.as_secs()).expect("small");
        self.time(&id).is_none_or(|(begin, end)| begin > NOW || end + settle + life > NOW)
    }

    /// Calls `look` with each combination of answers to these questions, all used for so much longer.
    fn each(&self, keys: &[RrKey], longer: i64, look: Look<'_>) {
        let choices: Vec<Vec<Option<RrSet>>> =
            keys.iter().map(|key| self.held(key, longer)).collect();
        Self::combine(keys, &choices, look);
    }

    fn combine(keys: &[RrKey], choices: &[Vec<Option<RrSet>>], look: Look<'_>) {
        let count: usize = choices.iter().map(Vec::len).product();
        for mut number in 0..count {
            let mut view = BTreeMap::new();
            for (key, held) in keys.iter().zip(choices) {
                let one = &held[number % held.len()];
                number /= held.len();
                let rdata = one.as_ref().map(|one| one.rdata().to_vec()).unwrap_or_default();
                view.insert(key.clone(), rdata);
            }
            look(&view);
        }
    }

    fn secs(&self, span: std::time::Duration) -> i64 {
        i64::try_from(span.as_secs()).expect("small")
    }

    /// The invariants whose harm is done at the instant.
    pub(super) fn harm(&self) -> BTreeSet<&'static str> {
        let mut harm = BTreeSet::new();
        self.of_dns(&mut harm);
        if !self.case.intent.moves.is_empty() {
            self.of_routes(&mut harm);
            self.of_mailboxes(&mut harm);
            self.of_senders(&mut harm);
            self.of_speed(&mut harm);
        }
        harm
    }

    fn routing(&self) -> Vec<RrKey> {
        let names = ["mail.acme.test", "mx.acme.test", "new.acme.test"];
        let addresses = names.map(|text| RrKey::new(name(text), RrType::A));
        std::iter::once(RrKey::new(name("acme.test"), RrType::MX)).chain(addresses).collect()
    }

    /// What DNS alone does to a message.
    fn of_dns(&self, harm: &mut BTreeSet<&'static str>) {
        let moves = self.case.intent.moves.first();
        let zone = &self.case.snapshot.zones[&name("acme.test")];
        let old = name("mail.acme.test");
        let old_address = zone.get(&RrKey::new(old.clone(), RrType::A)).map(RrSet::rdata);
        let mut lost_in = |view: &View, only_old: bool| {
            let exchanges = exchanges(view);
            if only_old && !exchanges.contains(&old) {
                return;
            }
            let address = |exchange: &Name| &view[&RrKey::new(exchange.clone(), RrType::A)];
            // What stands behind another address of the old host, nobody says.
            let led_away = moves.is_some()
                && exchanges.contains(&old)
                && address(&old)
                    .iter()
                    .any(|one| !old_address.is_some_and(|all| all.contains(one)));
            let mut lost =
                led_away || !exchanges.iter().any(|exchange| !address(exchange).is_empty());
            let meant = moves.iter().flat_map(|one| &one.to.exchanges);
            for exchange in meant.filter(|one| !one.addresses.is_empty()) {
                let name = &exchange.name.value;
                let wrong =
                    |rdata: &Rdata| rdata.ip().is_some_and(|ip| !exchange.addresses.contains(&ip));
                lost |= exchanges.contains(name) && address(name).iter().any(wrong);
            }
            if lost {
                harm.insert("deliverable");
            }
        };
        self.each(&self.routing(), 0, &mut |view| lost_in(view, false));
        if moves.is_some() {
            // Old MX records are used for a while, and what they lead to has to be there.
            let keys = self.routing();
            let terms = &self.case.intent.terms;
            let late = self.secs(terms.clocks.use_ + terms.overrun);
            let longer = |key: &RrKey| if key.rtype == RrType::MX { late } else { 0 };
            let choices: Vec<_> = keys.iter().map(|key| self.held(key, longer(key))).collect();
            Self::combine(&keys, &choices, &mut |view| lost_in(view, true));
        }
        let spf = ["acme.test", "_spf.acme.test", "_spf2.acme.test"]
            .map(|text| RrKey::new(name(text), RrType::TXT));
        self.each(&spf, 0, &mut |view| {
            let includes = records(&view[&spf[0]]).into_iter().flat_map(|record| {
                let words = record.split(' ').filter_map(|word| word.strip_prefix("include:"));
                words.map(str::to_owned).collect::<Vec<_>>()
            });
            for include in includes {
                if records(&view[&RrKey::new(name(&include), RrType::TXT)]).len() != 1 {
                    harm.insert("spf-sound");
                }
            }
        });
    }

    /// What becomes of a message at the hosts that it comes to.
    fn of_routes(&self, harm: &mut BTreeSet<&'static str>) {
        let terms = &self.case.intent.terms;
        let late = self.secs(terms.clocks.use_ + terms.overrun);
        let queue = self.secs(terms.clocks.queue_life);
        let leads = |longer: i64| {
            let (mut to_old, mut only_old, mut to_new) = (false, false, false);
            self.each(&self.routing(), longer, &mut |view| {
                let exchanges = exchanges(view);
                let old = exchanges.iter().filter(|one| **one == name("mail.acme.test")).count();
                to_old |= old > 0;
                only_old |= old > 0 && old == exchanges.len();
                to_new |= old < exchanges.len();
            });
            (to_old, only_old, to_new)
        };
        let (to_old, _, to_new) = leads(0);
        let (late_old, late_only_old, _) = leads(late);
        let (queued_old, ..) = leads(late + queue);
        let mail = self.values(Fact::Mail, "old");
        let relays = |values: &BTreeSet<Value>| {
            values.contains(&Value::Relay) || values.contains(&Value::RelayByMx)
        };
        let off = mail.contains(&Value::Off);
        let ever_relays = self.case.intent.assume.iter().any(|one| {
            one.host.value == "old" && matches!(one.value, Value::Relay | Value::RelayByMx)
        });
        if (to_new && self.may(Fact::Accepts, "new", Value::False))
            || (late_old && mail.contains(&Value::Reject))
            || (late_only_old && off)
            || (ever_relays && queued_old && off)
            || (self.old_in_flight() && off)
            || (self.may(Fact::RoutesLocal, "old", Value::True) && mail.contains(&Value::Reject))
        {
            harm.insert("deliverable");
        }
        let new_mail = self.values(Fact::Mail, "new");
        let new_refuses = self.may(Fact::Accepts, "new", Value::False);
        let old_refuses = mail.contains(&Value::Reject) || off;
        if (to_old && relays(&mail) && new_refuses) || (to_new && relays(&new_mail) && old_refuses)
        {
            harm.insert("deliverable");
        }
        if (relays(&mail) && relays(&new_mail))
            || (mail.contains(&Value::RelayByMx) && to_old)
            || (new_mail.contains(&Value::RelayByMx) && to_new)
        {
            harm.insert("no-loop");
        }
    }

    fn of_mailboxes(&self, harm: &mut BTreeSet<&'static str>) {
        let terms = &self.case.intent.terms;
        let late = self.secs(terms.clocks.use_ + terms.overrun);
        let switches = self.case.graph.get(&StepId::new("checkpoint/before-switch")).is_some();
        let at_new = !switches || self.begun("checkpoint/before-switch");
        let at_old = !self.ended("checkpoint/before-switch");
        let values = self.values(Fact::Synced, "old");
        let stated = self.case.intent.assume.iter().any(|one| one.fact.value == Fact::Synced);
        // The last copy has begun, or there is none.
        let begun = values.contains(&Value::True) || !stated;
        let stores = self.may(Fact::Mail, "old", Value::Store);
        let off = self.may(Fact::Mail, "old", Value::Off);
        let mut late_old = false;
        let mut late_new = false;
        self.each(&self.routing(), late, &mut |view| {
            let exchanges = exchanges(view);
            late_old |= exchanges.contains(&name("mail.acme.test"));
            late_new |= exchanges.iter().any(|one| *one != name("mail.acme.test"));
        });
        let relays = self.may(Fact::Mail, "old", Value::Relay)
            || self.may(Fact::Mail, "old", Value::RelayByMx);
        let local = self.may(Fact::RoutesLocal, "old", Value::True);
        let clients = self.may(Fact::Clients, "old", Value::True);
        let put_away = stores && (late_old || local);
        if (at_new && begun && (put_away || clients))
            || (off && values.contains(&Value::False))
            || (switches && late_new && at_old)
            || (switches && relays && at_old)
        {
            harm.insert("one-mailbox");
        }
        let idle = self.may(Fact::Serves, "new", Value::False);
        if (at_new && idle) || (clients && off) {
            harm.insert("clients");
        }
    }

    /// Whether mail in flight passes SPF and DKIM.
    fn of_senders(&self, harm: &mut BTreeSet<&'static str>) {
        let one = &self.case.intent.moves[0];
        let switches = self.case.graph.get(&StepId::new("checkpoint/before-switch")).is_some();
        let new_sends = !switches || self.begun("checkpoint/before-switch");
        let streams = [(&one.from, self.old_in_flight()), (&one.to, new_sends)];
        let keys = ["acme.test", "_spf.acme.test", "_spf2.acme.test"]
            .map(|text| RrKey::new(name(text), RrType::TXT));
        for sender in streams.iter().filter(|(_, sends)| *sends).flat_map(|(host, _)| &host.senders)
        {
            if let Some(spf) = &sender.spf {
                let ips = self.sources(&spf.value, sender_is_new(one, sender));
                self.each(&keys, 0, &mut |view| {
                    if !ips.iter().all(|ip| passes(*ip, "acme.test", view)) {
                        harm.insert("authenticated");
                    }
                });
            }
            for selector in &sender.selectors {
                let key = RrKey::new(selector.owner.value.clone(), RrType::TXT);
                if self.held(&key, 0).contains(&None) {
                    harm.insert("authenticated");
                }
            }
        }
    }

    /// From where a sender sends: what its term says before the plan, or when the plan is done.
    fn sources(&self, spf: &str, when_done: bool) -> Vec<IpAddr> {
        if let Some(ip) = spf.strip_prefix("ip4:") {
            return vec![ip.parse().expect("an address")];
        }
        let key = RrKey::new(name("_spf.acme.test"), RrType::TXT);
        let zone = &self.case.snapshot.zones[&name("acme.test")];
        let mut record = zone.get(&key).cloned();
        if when_done {
            for step in self.case.graph.steps() {
                let Primitive::Change(changes) = &step.primitive else { continue };
                let change = changes.changes().iter().find(|change| change.key == key);
                record = change.map_or(record, |change| change.after.clone());
            }
        }
        let text = record.iter().flat_map(RrSet::rdata).map(text_of).next().unwrap_or_default();
        let ips = text.split(' ').filter_map(|word| word.strip_prefix("ip4:")?.parse().ok());
        ips.collect()
    }

    /// Whether the switch, or a way back, may take longer than it is to.
    fn of_speed(&self, harm: &mut BTreeSet<&'static str>) {
        let cutover_ttl = self.case.intent.terms.cutover_ttl;
        if self.ended("checkpoint/before-contract") {
            return;
        }
        let transitions = self.case.tracks.iter().flat_map(|track| &track.transitions);
        let switches: Vec<_> = transitions.filter(|one| one.stage == Stage::Switch).collect();
        for step in self.case.graph.steps() {
            let Primitive::Change(changes) = &step.primitive else { continue };
            let is_switch = switches
                .iter()
                .any(|one| one.changes.iter().all(|change| changes.changes().contains(change)));
            if !is_switch || !self.begun(step.id.as_str()) {
                continue;
            }
            for change in changes.changes() {
                let held = self.held(&change.key, 0);
                if held.iter().flatten().any(|rrset| rrset.ttl() > cutover_ttl) {
                    harm.insert("reach");
                }
            }
        }
    }
}

fn sender_is_new(one: &cutover::intent::DomainMove, sender: &cutover::intent::Sender) -> bool {
    one.to.senders.iter().any(|other| std::ptr::eq(other, sender))
}

fn exchanges(view: &View) -> Vec<Name> {
    let mx = &view[&RrKey::new(name("acme.test"), RrType::MX)];
    mx.iter().filter_map(Rdata::as_mx).map(|(_, exchange)| exchange).collect()
}

fn text_of(rdata: &Rdata) -> String {
    String::from_utf8(rdata.txt_joined().expect("TXT")).expect("ASCII")
}

/// The SPF records among some TXT records.
fn records(txt: &[Rdata]) -> Vec<String> {
    txt.iter().map(text_of).filter(|text| text.starts_with("v=spf1")).collect()
}

/// Whether a host may send as a domain; nothing that these zones do not use is understood.
fn passes(ip: IpAddr, domain: &str, view: &View) -> bool {
    let found = view.get(&RrKey::new(name(domain), RrType::TXT)).map(|txt| records(txt));
    let Some([record]) = found.as_deref() else { return false };
    for word in record.split(' ').skip(1) {
        if let Some(address) = word.strip_prefix("ip4:") {
            if address.parse::<IpAddr>().ok() == Some(ip) {
                return true;
            }
        } else if let Some(include) = word.strip_prefix("include:") {
            let there = view.get(&RrKey::new(name(include), RrType::TXT));
            if there.is_none_or(|txt| records(txt).len() != 1) {
                return false;
            }
            if passes(ip, include, view) {
                return true;
            }
        }
    }
    false
}
