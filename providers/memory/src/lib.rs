//! The `memory` adapter: zones in this process, for tests and for the simulator.
//!
//! It is as good a provider as possible. A change set is compared and made under a single lock, and
//! the futures are ready at once, so any executor will do. Clones share their zones. Plans cannot
//! name this adapter.
//!
//! As with any provider, each change set increases the SOA serial (by 1, RFC 1982; 0 is skipped),
//! unless the change set itself increases it. A zone without an SOA, which tests may have, has no
//! serial.
//!
//! A zone may hold records of a signer (RRSIG and so on). As with any provider, reads do not show
//! them and change sets do not write them.
//!
//! It publishes nothing, fails only where it must, and does not interpret records, except that no
//! CNAME may be beside other records (RFC 1034 §3.6.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::{
    Atomicity, Capabilities, Change, ChangeSet, CompareAndSet, Gathered, Granularity, Provider,
    ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_kit::check::{self, Checked};
use cutover_kit::{alone, conflict, serial, unsupported};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

/// Zones in memory, as a provider.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    zones: BTreeMap<Name, Zone>,
    applied: usize,
}

impl Memory {
    /// A provider with these zones; of several with the same origin, the last counts.
    #[must_use]
    pub fn new(zones: impl IntoIterator<Item = Zone>) -> Self {
        let zones = zones.into_iter().map(|zone| (zone.origin.clone(), zone)).collect();
        Self { state: Arc::new(Mutex::new(State { zones, applied: 0 })) }
    }

    /// The zone as it is now.
    #[must_use]
    pub fn zone(&self, origin: &Name) -> Option<Zone> {
        self.lock().zones.get(origin).cloned()
    }

    /// All zones as they are now, in the order of their names.
    #[must_use]
    pub fn zones(&self) -> Vec<Zone> {
        self.lock().zones.values().cloned().collect()
    }

    /// How many change sets were made. [`Memory::edit`] does not count.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.lock().applied
    }

    /// Changes a zone as somebody else would, unknown to the planner: nothing is compared, and the
    /// serial stays. `None` if there is no such zone.
    pub fn edit<T>(&self, origin: &Name, edit: impl FnOnce(&mut Zone) -> T) -> Option<T> {
        self.lock().zones.get_mut(origin).map(edit)
    }

    /// If a panic happened elsewhere while the lock was held, the state is still consistent, since
    /// changes are made on a copy.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_such_zone(zone: &Name) -> ProviderError {
    let detail = "it is not among the zones in memory".to_owned();
    ProviderError::NoSuchZone { zone: zone.clone(), detail }
}

#[async_trait]
impl Provider for Memory {
    fn capabilities(&self, _zone: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::Zone,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::Native,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            types: None,
            gathered: Gathered::All,
            settle_max: Duration::ZERO,
            anycast_margin: Duration::ZERO,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let mut zone = self.zone(zone).ok_or_else(|| no_such_zone(zone))?;
        zone.rrsets.retain(|key, _| !key.rtype.is_made_by_signer());
        Ok(zone)
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let state = self.lock();
        let zone = state.zones.get(zone).ok_or_else(|| no_such_zone(zone))?;
        let shown = |key: &RrKey| zone.get(key).filter(|_| !key.rtype.is_made_by_signer()).cloned();
        Ok(keys.iter().map(shown).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        let live = self.zone(zone).ok_or_else(|| no_such_zone(zone))?;
        let touched = check::touched(sets);
        let mut checked = Checked::default();
        for set in sets {
            for single in check::one_by_one(set) {
                checked.note(check_each(&single))?;
            }
            let types = |name: &Name| live.at(name).map(|(rtype, _)| rtype).collect();
            for Unwritable { key, why } in check::beside_cname(set, &touched, types) {
                checked.add(key, why);
            }
        }
        Ok(checked.found())
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let mut state = self.lock();
        let State { zones, applied } = &mut *state;
        let live = zones.get_mut(changes.zone()).ok_or_else(|| no_such_zone(changes.zone()))?;
        let (after, serial) = changed(live, changes)?;
        *live = after;
        *applied += 1;
        Ok(Receipt { serial, read_back: false })
    }
}

/// Refuses changes that cannot be written whatever the zone holds.
fn check_each(changes: &ChangeSet) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    let refused = |key: &RrKey, why: &str| Err(unsupported(changes.zone(), key, why));
    for Change { key, before, after } in changes.changes() {
        if key.rtype.is_made_by_signer() {
            return refused(key, "a signer makes records of this type");
        }
        match (key.rtype, before, after) {
            (RrType::SOA, _, None) => {
                return refused(key, "no server loads a zone without an SOA");
            }
            (RrType::SOA, Some(before), Some(after)) if raised(before, after).is_none() => {
                return refused(key, "the serial would go back (RFC 1982)");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The zone after the changes, and its serial.
fn changed(zone: &Zone, changes: &ChangeSet) -> Result<(Zone, Option<u32>), ProviderError> {
    let refused = |key: &RrKey, why: &str| Err(unsupported(&zone.origin, key, why));
    check_each(changes)?;
    let mut after = zone.clone();
    for Change { key, before, after: wanted } in changes.changes() {
        let live = zone.get(key);
        if live != before.as_ref() {
            return Err(conflict(&zone.origin, key, live));
        }
        match wanted {
            Some(wanted) => after.rrsets.insert(key.clone(), wanted.clone()),
            None => after.rrsets.remove(key),
        };
    }
    alone(changes, zone.rrsets.keys(), &[RrType::CNAME])?;
    let key = RrKey::new(zone.origin.clone(), RrType::SOA);
    let Some(before) = zone.get(&key) else { return Ok((after, None)) };
    let Some(wanted) = after.get(&key) else {
        return refused(&key, "no server loads a zone without an SOA");
    };
    let Some(raised) = raised(before, wanted) else {
        return refused(&key, "the serial would go back (RFC 1982)");
    };
    let serial = serial::of(&raised);
    after.rrsets.insert(key, raised);
    Ok((after, serial))
}

/// The SOA with a serial that is later than before (RFC 1982 §3.2); `None` if it would go back.
fn raised(before: &RrSet, wanted: &RrSet) -> Option<RrSet> {
    let mut soa = wanted.rdata()[0].as_soa()?;
    if !serial::goes_on(before, wanted) {
        if serial::of(before)? != soa.serial {
            return None;
        }
        soa.serial = cutover_zone::next_serial(soa.serial);
    }
    RrSet::new(wanted.ttl(), [Rdata::soa(&soa)]).ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// The result of a future of this crate, which is ready at once.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("a future of this crate is ready at once"),
        }
    }

    fn name(text: &str) -> Name {
        Name::absolute(text).expect(text)
    }

    fn set(rtype: RrType, ttl: u32, texts: &[&str]) -> RrSet {
        let rdata = texts.iter().map(|text| Rdata::parse(rtype, text, None).expect(text));
        RrSet::new(Ttl::from_secs(ttl).expect("small"), rdata).expect("an RRset")
    }

    fn soa(serial: u32) -> RrSet {
        set(RrType::SOA, 60, &[&format!("ns.acme.test. root.acme.test. {serial} 2 3 4 5")])
    }

    fn key(text: &str, rtype: RrType) -> RrKey {
        RrKey::new(name(text), rtype)
    }

    fn memory(serial: u32) -> Memory {
        let rrsets = BTreeMap::from([
            (key("acme.test.", RrType::SOA), soa(serial)),
            (key("acme.test.", RrType::MX), set(RrType::MX, 60, &["10 old.acme.test."])),
            (key("www.acme.test.", RrType::A), set(RrType::A, 60, &["192.0.2.1"])),
        ]);
        Memory::new([Zone { origin: name("acme.test."), rrsets }])
    }

    fn changes(changes: Vec<(RrKey, Option<RrSet>, Option<RrSet>)>) -> ChangeSet {
        let changes =
            changes.into_iter().map(|(key, before, after)| Change { key, before, after }).collect();
        ChangeSet::new(name("acme.test."), changes).expect("a change set")
    }

    fn swap() -> ChangeSet {
        let [old, new] = ["10 old.acme.test.", "10 new.acme.test."];
        changes(vec![(
            key("acme.test.", RrType::MX),
            Some(set(RrType::MX, 60, &[old])),
            Some(set(RrType::MX, 300, &[new])),
        )])
    }

    #[test]
    fn a_change_set_is_compared_and_made_and_raises_the_serial() {
        for (before, after) in [(1, 2), (u32::MAX, 1), (2_026_112_399, 2_026_112_400)] {
            let memory = memory(before);
            let receipt = now(memory.clone().apply(&swap())).expect("applied");
            assert_eq!(receipt, Receipt { serial: Some(after), read_back: false });
            let zone = memory.zone(&name("acme.test.")).expect("there");
            let mx = zone.get(&key("acme.test.", RrType::MX));
            assert_eq!(mx, Some(&set(RrType::MX, 300, &["10 new.acme.test."])));
            assert_eq!(zone.get(&key("acme.test.", RrType::SOA)), Some(&soa(after)));
            assert_eq!(zone.rrsets.len(), 3);
            assert_eq!(memory.applied(), 1, "clones share what they hold");
        }
    }

    #[test]
    fn a_stale_change_set_changes_nothing() {
        let memory = memory(1);
        let mx = key("acme.test.", RrType::MX);
        let theirs = set(RrType::MX, 61, &["10 old.acme.test."]);
        memory.edit(&name("acme.test."), |zone| zone.rrsets.insert(mx.clone(), theirs.clone()));
        let before = memory.zones();
        let error = now(memory.apply(&swap())).expect_err("stale");
        let ProviderError::Conflict { key, live, .. } = error else { panic!("{error}") };
        assert_eq!((key, live), (mx, Some(theirs)));
        assert_eq!((memory.zones(), memory.applied()), (before, 0));
    }

    #[test]
    fn a_conflict_stops_the_whole_set() {
        let memory = memory(1);
        let www = key("www.acme.test.", RrType::A);
        let mut all = swap().changes().to_vec();
        all.push(Change { key: www.clone(), before: None, after: Some(another_a()) });
        let set = ChangeSet::new(name("acme.test."), all).expect("a change set");
        let before = memory.zones();
        let error = now(memory.apply(&set)).expect_err("stale");
        assert!(matches!(error, ProviderError::Conflict { key, .. } if key == www));
        assert_eq!(memory.zones(), before);
    }

    fn another_a() -> RrSet {
        set(RrType::A, 60, &["192.0.2.2"])
    }

    #[test]
    fn an_soa_in_the_set_has_its_own_serial_unless_that_goes_back() {
        let key = key("acme.test.", RrType::SOA);
        let change = |after| changes(vec![(key.clone(), Some(soa(7)), Some(after))]);
        let serial = |after: RrSet| now(memory(7).apply(&change(after))).map(|r| r.serial);
        assert_eq!(serial(soa(9)).expect("ahead"), Some(9));
        assert_eq!(serial(soa(7).with_ttl(Ttl::ZERO)).expect("the same"), Some(8));
        assert_eq!(serial(soa(7 + (1 << 31) - 1)).expect("the farthest"), Some((1 << 31) + 6));
        for back in [6, 7 + (1 << 31)] {
            assert!(matches!(serial(soa(back)), Err(ProviderError::Unsupported { .. })), "{back}");
        }
        let gone = changes(vec![(key.clone(), Some(soa(7)), None)]);
        let error = now(memory(7).apply(&gone)).expect_err("no SOA");
        assert!(matches!(error, ProviderError::Unsupported { .. }));
    }

    #[test]
    fn rfc1034_section_3_6_2_a_cname_is_alone() {
        let memory = memory(1);
        let cname = set(RrType::CNAME, 60, &["acme.test."]);
        let www = set(RrType::A, 60, &["192.0.2.1"]);
        let add = (key("www.acme.test.", RrType::CNAME), None, Some(cname));
        let remove = (key("www.acme.test.", RrType::A), Some(www), None);
        let error = now(memory.apply(&changes(vec![add.clone()]))).expect_err("beside an A");
        assert!(matches!(error, ProviderError::Unsupported { .. }));
        now(memory.apply(&changes(vec![remove, add]))).expect("in its place");
    }

    #[test]
    fn reads_are_in_the_order_of_the_keys() {
        let memory = memory(1);
        let keys = [key("www.acme.test.", RrType::A), key("x.acme.test.", RrType::A)];
        let read = now(memory.read_rrsets(&name("acme.test."), &keys)).expect("read");
        assert_eq!(read, [Some(set(RrType::A, 60, &["192.0.2.1"])), None]);
        let absent = name("other.test.");
        for error in [
            now(memory.read_zone(&absent)).map(drop),
            now(memory.read_rrsets(&absent, &keys)).map(drop),
        ] {
            assert!(matches!(error, Err(ProviderError::NoSuchZone { .. })));
        }
        assert_eq!(memory.edit(&absent, |_| ()), None);
    }
}
