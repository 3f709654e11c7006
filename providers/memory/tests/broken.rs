//! The suite's checks for broken paths, on paths that are broken by hand: an adapter that reports
//! the truth passes, and each wrong report is caught.

use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::suite::{self, Bench, Edit, Fault, Missing, Outcome, Rrsets};
use cutover_contract::{
    Capabilities, ChangeSet, Provider, ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_memory::Memory;
use cutover_zone::{Name, RrKey, RrSet, Zone};

mod bench;

use bench::{InMemory, now};

const SECRET: &str = "correct horse battery staple";

/// What an adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Nothing.
    None,
    /// It reports that nothing was done, although the change was made.
    FailedThoughLanded,
    /// It reports the change as made, although it was not.
    DoneThoughLost,
    /// It makes only a part.
    Half,
    /// It takes nonsense for an empty zone.
    EmptyForGarbage,
    /// It takes a request to wait for a refusal.
    RefusedForThrottled,
    /// It takes rejected credentials for a missing zone.
    NoZoneForCredentials,
    /// It shows the key.
    ShowsSecret,
}

struct Broken {
    memory: Memory,
    fault: Fault,
    lie: Lie,
}

impl Broken {
    /// The error of a read.
    fn unread(&self, zone: &Name) -> ProviderError {
        match (self.fault, self.unwritten(zone)) {
            (Fault::Garbage, ProviderError::InDoubt { zone, peer: _, detail }) => {
                ProviderError::Malformed { zone, detail }
            }
            (_, error) => error,
        }
    }

    /// The error of a write that had no effect.
    fn unwritten(&self, zone: &Name) -> ProviderError {
        let (zone, peer) = (zone.clone(), "memory".to_owned());
        let detail = match self.lie == Lie::ShowsSecret {
            true => format!("tried {SECRET}"),
            false => self.fault.to_string(),
        };
        match self.fault {
            Fault::WrongCredentials if self.lie == Lie::NoZoneForCredentials => {
                ProviderError::NoSuchZone { zone, detail }
            }
            Fault::WrongCredentials => ProviderError::Unauthorized { zone, detail },
            Fault::Throttled if self.lie == Lie::RefusedForThrottled => {
                ProviderError::Refused { zone, detail }
            }
            Fault::Throttled => {
                ProviderError::Throttled { zone, retry_after: Duration::from_secs(7) }
            }
            Fault::Down | Fault::Silent => ProviderError::Unreachable { zone, peer, detail },
            Fault::Garbage
            | Fault::CutBeforeEffect
            | Fault::CutAfterEffect
            | Fault::GarbageToWrite
            | Fault::ServerFailure => ProviderError::InDoubt { zone, peer, detail },
        }
    }

    fn is_read_well(&self) -> bool {
        use Fault as F;
        let of_writes = [F::CutBeforeEffect, F::CutAfterEffect, F::GarbageToWrite];
        of_writes.contains(&self.fault) || self.fault == F::ServerFailure
    }
}

#[async_trait]
impl Provider for Broken {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.memory.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        if self.fault == Fault::Garbage && self.lie == Lie::EmptyForGarbage {
            return Ok(Zone { origin: zone.clone(), rrsets: Rrsets::new() });
        }
        match self.is_read_well() {
            true => self.memory.read_zone(zone).await,
            false => Err(self.unread(zone)),
        }
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        match self.is_read_well() {
            true => self.memory.read_rrsets(zone, keys).await,
            false => Err(self.unread(zone)),
        }
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        self.memory.check(zone, sets).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let zone = changes.zone();
        match (self.fault, self.lie) {
            (Fault::CutBeforeEffect, Lie::DoneThoughLost) => return Ok(Receipt::default()),
            (Fault::CutBeforeEffect, Lie::Half) => {
                let half = changes.changes()[..1].to_vec();
                let half = ChangeSet::new(zone.clone(), half).expect("one change");
                self.memory.apply(&half).await?;
            }
            (Fault::CutAfterEffect, lie) => {
                self.memory.apply(changes).await?;
                if lie == Lie::FailedThoughLanded {
                    let (zone, detail) = (zone.clone(), "cut".to_owned());
                    return Err(ProviderError::Refused { zone, detail });
                }
            }
            _ => {}
        }
        Err(self.unwritten(zone))
    }
}

/// The bench of zones in memory, with paths that break.
struct Breaking {
    memory: InMemory,
    lie: Lie,
}

#[async_trait]
impl Bench for Breaking {
    fn title(&self) -> &'static str {
        "memory, broken"
    }

    fn origin(&self) -> Name {
        self.memory.origin()
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.memory.fresh(rrsets).await
    }

    async fn read(&self) -> Result<Zone, Missing> {
        self.memory.read().await
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        self.memory.edit(edits).await
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        Ok(Box::new(Broken { memory: self.memory.memory.clone(), fault, lie: self.lie }))
    }
}

#[test]
fn honest_reports_pass_and_each_lie_is_caught() {
    for (lie, case) in [
        (Lie::None, None),
        (Lie::FailedThoughLanded, Some("fault/cut-after-effect")),
        (Lie::DoneThoughLost, Some("fault/cut-before-effect")),
        (Lie::Half, Some("fault/cut-before-effect")),
        (Lie::EmptyForGarbage, Some("fault/garbage")),
        (Lie::RefusedForThrottled, Some("fault/throttled")),
        (Lie::NoZoneForCredentials, Some("fault/wrong-credentials")),
        (Lie::ShowsSecret, Some("fault/secrets")),
    ] {
        let memory = InMemory::new(Box::new(|memory| Box::new(memory)));
        let mut cases = suite::cases();
        cases.retain(|case| case.name.starts_with("fault/"));
        let report = now(suite::run_cases(&mut Breaking { memory, lie }, cases));
        let failed: Vec<&str> = report
            .verdicts
            .iter()
            .filter(|verdict| matches!(verdict.outcome, Outcome::Failed(_)))
            .map(|verdict| verdict.name.as_str())
            .collect();
        assert_eq!(failed, case.into_iter().collect::<Vec<_>>(), "{lie:?}");
    }
}
