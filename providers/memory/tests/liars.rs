//! The suite catches what it should: adapters that lie, each in its own way, and the cases that
//! notice.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cutover_contract::suite::{self, Outcome};
use cutover_contract::{
    Capabilities, Change, ChangeSet, Provider, ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_memory::Memory;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

mod bench;

use bench::{InMemory, now};

/// How an adapter lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// It compares nothing: whatever is there counts as expected.
    ComparesNothing,
    /// It compares records but not TTLs.
    IgnoresTtls,
    /// It makes the changes of a set one by one.
    OneByOne,
    /// It removes the old RRset before it creates the new one.
    DeletesFirst,
    /// It reports success, but leaves out a CNAME beside other records.
    SaysNoError,
    /// It cuts off TXT after 255 octets.
    CutsTxt,
    /// It reads only a page of 1,000 RRsets.
    OnePage,
    /// It corrects TTLs below 300.
    CorrectsTtls,
    /// It answers from a wildcard.
    AppliesWildcards,
    /// It shows an empty zone for every name.
    EmptyZones,
    /// It returns RRsets in the order of their names.
    SortsAnswers,
    /// It ignores changes to an MX other than its host.
    IgnoresPreferences,
}

struct Liar {
    memory: Memory,
    lie: Lie,
    is_away: AtomicBool,
}

/// Lets other futures have a turn.
async fn turn() {
    let was_here = AtomicBool::new(false);
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        match was_here.swap(true, Ordering::SeqCst) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

fn cut(rrset: &RrSet) -> RrSet {
    let cut = |rdata: &Rdata| match rdata.txt_joined() {
        Some(text) => {
            let end = text.len().min(255);
            let wire = [&[u8::try_from(end).expect("255 at most")], &text[..end]].concat();
            Rdata::from_wire(rdata.rtype(), &wire).expect("one string")
        }
        None => rdata.clone(),
    };
    RrSet::new(rrset.ttl(), rrset.rdata().iter().map(cut)).expect("as many as before")
}

impl Liar {
    /// The change as this liar makes it; `live` is what is there.
    fn bent(&self, change: &Change, live: Option<RrSet>) -> Change {
        let mut change = change.clone();
        let at_least = Ttl::from_secs(300).expect("a TTL");
        match self.lie {
            Lie::ComparesNothing => change.before = live,
            Lie::IgnoresTtls => {
                let is_same = match (&change.before, &live) {
                    (Some(before), Some(live)) => before.same_rdata(live),
                    (before, live) => before == live,
                };
                if is_same {
                    change.before = live;
                }
            }
            Lie::CutsTxt => change.after = change.after.as_ref().map(cut),
            Lie::CorrectsTtls => {
                change.after = change.after.map(|after| after.with_ttl(after.ttl().max(at_least)));
            }
            Lie::IgnoresPreferences => {
                let hosts = |set: &RrSet| -> Vec<Vec<u8>> {
                    set.rdata().iter().map(|rdata| rdata.wire()[2..].to_vec()).collect()
                };
                let is_mx = change.key.rtype == RrType::MX;
                if let (true, Some(before), Some(after)) = (is_mx, &change.before, &change.after)
                    && hosts(before) == hosts(after)
                {
                    change.after = Some(before.with_ttl(after.ttl()));
                }
            }
            Lie::OneByOne
            | Lie::DeletesFirst
            | Lie::SaysNoError
            | Lie::OnePage
            | Lie::AppliesWildcards
            | Lie::EmptyZones
            | Lie::SortsAnswers => {}
        }
        change
    }
}

#[async_trait]
impl Provider for Liar {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.memory.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let mut read = self.memory.read_zone(zone).await;
        match (self.lie, &mut read) {
            (Lie::OnePage, Ok(zone)) => {
                zone.rrsets = std::mem::take(&mut zone.rrsets).into_iter().take(1000).collect();
            }
            (Lie::EmptyZones, Err(_)) => {
                return Ok(Zone { origin: zone.clone(), rrsets: Default::default() });
            }
            _ => {}
        }
        read
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let mut keys = keys.to_vec();
        if matches!(self.lie, Lie::SortsAnswers) {
            keys.sort();
        }
        let mut read = self.memory.read_rrsets(zone, &keys).await?;
        if matches!(self.lie, Lie::AppliesWildcards) {
            let live = self.memory.read_zone(zone).await?;
            for (key, shown) in keys.iter().zip(&mut read) {
                let star = RrKey::new(zone.child("*").expect("a name"), key.rtype);
                if live.at(&key.name).next().is_none() {
                    *shown = live.get(&star).cloned();
                }
            }
        }
        if self.is_away.load(Ordering::SeqCst) {
            read.fill(None);
        }
        Ok(read)
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        self.memory.check(zone, sets).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let zone = changes.zone();
        let keys: Vec<RrKey> = changes.changes().iter().map(|change| change.key.clone()).collect();
        let live = self.memory.read_rrsets(zone, &keys).await?;
        let pairs = changes.changes().iter().zip(live);
        let bent: Vec<Change> = pairs
            .map(|(change, live)| self.bent(change, live))
            .filter(|change| change.before != change.after)
            .collect();
        if matches!(self.lie, Lie::OneByOne) {
            // Removals first.
            let (gone, come): (Vec<Change>, Vec<Change>) =
                bent.into_iter().partition(|change| change.after.is_none());
            for change in gone.into_iter().chain(come) {
                let set = ChangeSet::new(zone.clone(), vec![change]).expect("one change");
                self.memory.apply(&set).await?;
                turn().await;
            }
            return Ok(Receipt::default());
        }
        let Ok(set) = ChangeSet::new(zone.clone(), bent) else { return Ok(Receipt::default()) };
        if matches!(self.lie, Lie::DeletesFirst) {
            self.is_away.store(true, Ordering::SeqCst);
            turn().await;
            turn().await;
            self.is_away.store(false, Ordering::SeqCst);
        }
        match (self.lie, self.memory.apply(&set).await) {
            (Lie::SaysNoError, Err(ProviderError::Unsupported { .. })) => Ok(Receipt::default()),
            (_, result) => result,
        }
    }
}

/// The cases among these that fail for a liar.
fn caught(lie: Lie, names: &[&str]) -> Vec<String> {
    let connect = move |memory: Memory| -> Box<dyn Provider> {
        Box::new(Liar { memory, lie, is_away: AtomicBool::new(false) })
    };
    let mut cases = suite::cases();
    cases.retain(|case| names.contains(&case.name.as_str()));
    let report = now(suite::run_cases(&mut InMemory::new(Box::new(connect)), cases));
    let failed = report.verdicts.into_iter();
    failed.filter(|v| matches!(v.outcome, Outcome::Failed(_))).map(|v| v.name).collect()
}

#[test]
fn each_lie_is_caught_by_the_cases_about_it() {
    for (lie, cases) in [
        (Lie::ComparesNothing, &["compare/value", "compare/ttl", "compare/repeat"][..]),
        (Lie::IgnoresTtls, &["compare/ttl"]),
        (Lie::OneByOne, &["compare/one-stale-member", "together/several"]),
        (Lie::DeletesFirst, &["together/mx-swap", "together/null-mx", "together/ttl"]),
        (Lie::SaysNoError, &["change/cname-beside-others", "change/others-beside-cname"]),
        (Lie::CutsTxt, &["txt/256-octets", "txt/dkim-4096"]),
        (Lie::OnePage, &["bounds/1500-read"]),
        (Lie::CorrectsTtls, &["bounds/ttl", "change/ttl-alone"]),
        (Lie::AppliesWildcards, &["read/wildcard-is-not-applied"]),
        (Lie::EmptyZones, &["read/unknown-zone"]),
        (Lie::SortsAnswers, &["read/order"]),
        (Lie::IgnoresPreferences, &["change/preference"]),
    ] {
        let mut caught = caught(lie, cases);
        let mut cases = cases.to_vec();
        caught.sort();
        cases.sort_unstable();
        assert_eq!(caught, cases, "{lie:?}");
    }
}
