//! Broken paths to the provider: what an adapter may then report about a change.

use super::bench::{Edit, Fault, Rrsets};
use super::case::Opening;
use super::run::{Done, Halt, Run, fail, made, same, seen};
use crate::{Provider, ProviderError};
use cutover_zone::RrKey;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Conflict,
    Unsupported,
    Refused,
    Unauthorized,
    NoSuchZone,
    Unreachable,
    Throttled,
    InDoubt,
    Malformed,
}

fn kind(error: &ProviderError) -> Kind {
    match error {
        ProviderError::Conflict { .. } => Kind::Conflict,
        ProviderError::Unsupported { .. } => Kind::Unsupported,
        ProviderError::Refused { .. } => Kind::Refused,
        ProviderError::Unauthorized { .. } => Kind::Unauthorized,
        ProviderError::NoSuchZone { .. } => Kind::NoSuchZone,
        ProviderError::Unreachable { .. } => Kind::Unreachable,
        ProviderError::Throttled { .. } => Kind::Throttled,
        ProviderError::InDoubt { .. } => Kind::InDoubt,
        ProviderError::Malformed { .. } => Kind::Malformed,
    }
}

/// The errors that a read may report; it may also succeed with the truth, if the fault allows.
fn kinds_of_reads(fault: Fault) -> &'static [Kind] {
    match fault {
        Fault::WrongCredentials => &[Kind::Unauthorized],
        Fault::Down | Fault::Silent => &[Kind::Unreachable],
        Fault::Garbage => &[Kind::Malformed, Kind::Unreachable],
        Fault::Throttled => &[Kind::Throttled],
        Fault::ServerFailure => &[Kind::Unreachable, Kind::Refused, Kind::Throttled],
        Fault::CutBeforeEffect | Fault::CutAfterEffect | Fault::GarbageToWrite => {
            &[Kind::Unreachable]
        }
    }
}

/// The errors that a change without effect may report.
fn kinds_of_writes(fault: Fault) -> &'static [Kind] {
    match fault {
        Fault::WrongCredentials => &[Kind::Unauthorized],
        Fault::Down => &[Kind::Unreachable],
        Fault::Silent => &[Kind::Unreachable, Kind::InDoubt],
        Fault::Garbage => &[Kind::Malformed, Kind::Unreachable, Kind::InDoubt],
        Fault::Throttled => &[Kind::Throttled],
        // An adapter cannot see whether a connection broke before the effect. If it looks and
        // finds the old values, it may report that nothing was done.
        Fault::CutBeforeEffect => &[Kind::InDoubt, Kind::Unreachable],
        Fault::CutAfterEffect => &[],
        Fault::GarbageToWrite => &[Kind::InDoubt],
        Fault::ServerFailure => &[Kind::InDoubt, Kind::Refused, Kind::Unreachable],
    }
}

/// Whether reads must fail too, because no path to the provider is left.
fn breaks_reads(fault: Fault) -> bool {
    match fault {
        Fault::Down | Fault::Silent | Fault::Garbage => true,
        Fault::WrongCredentials
        | Fault::Throttled
        | Fault::ServerFailure
        | Fault::CutBeforeEffect
        | Fault::CutAfterEffect
        | Fault::GarbageToWrite => false,
    }
}

impl Run<'_> {
    pub(super) async fn broken(&mut self, fault: Fault, edits: &[Edit]) -> Done {
        let broken = self.bench.broken(fault).await?;
        self.reads(fault, &*broken, edits).await?;
        let set = self.change_set(edits, &self.zone().truth);
        let result = broken.apply(&set).await;
        self.note(&result);
        drop(broken);
        let landed = self.landed(edits).await?;
        if landed {
            self.is_now(edits);
        }
        self.look().await?;
        match (landed, fault) {
            (true, Fault::CutAfterEffect) | (false, _) => {}
            (true, _) => return fail("the change was made, although the fault should prevent it"),
        }
        match result {
            Ok(_) if landed => Ok(()),
            Ok(_) => fail("the adapter reports the change as made, but it is not"),
            Err(error) if landed => one_of(&[Kind::InDoubt], &error),
            Err(error) if fault == Fault::CutAfterEffect => {
                fail(format!("the bench should let the change through, but: {error}"))
            }
            Err(error) => one_of(kinds_of_writes(fault), &error),
        }
    }

    async fn reads(&mut self, fault: Fault, broken: &dyn Provider, edits: &[Edit]) -> Done {
        let keys: Vec<RrKey> = edits.iter().map(|edit| edit.key.clone()).collect();
        let zone = broken.read_zone(&self.origin).await.map(|zone| seen(zone, Opening::Plain));
        self.note(&zone);
        match zone {
            Ok(_) if breaks_reads(fault) => return fail("the zone was read despite the fault"),
            Ok(zone) => same("the zone, read despite the fault", &self.zone().truth, &zone)?,
            Err(error) => one_of(kinds_of_reads(fault), &error)?,
        }
        let rrsets = broken.read_rrsets(&self.origin, &keys).await;
        self.note(&rrsets);
        let truth: Vec<_> = keys.iter().map(|key| self.zone().truth.get(key).cloned()).collect();
        match rrsets {
            Ok(_) if breaks_reads(fault) => fail("RRsets were read despite the fault"),
            Ok(rrsets) if rrsets == truth => Ok(()),
            Ok(rrsets) => fail(format!("RRsets read despite the fault: {rrsets:?}")),
            Err(error) => one_of(kinds_of_reads(fault), &error),
        }
    }

    /// Whether the edits were made, as the unbroken adapter reads them.
    async fn landed(&mut self, edits: &[Edit]) -> Result<bool, Halt> {
        let keys: Vec<RrKey> = edits.iter().map(|edit| edit.key.clone()).collect();
        let shown = self.read(&keys).await?;
        let mut after: Rrsets = self.zone().truth.clone();
        made(&mut after, edits);
        let all_as = |rrsets: &Rrsets| {
            keys.iter().zip(&shown).all(|(key, shown)| rrsets.get(key) == shown.as_ref())
        };
        match (all_as(&after), all_as(&self.zone().truth)) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => fail(format!("only a part of the change was made: {shown:?}")),
        }
    }
}

fn one_of(kinds: &[Kind], error: &ProviderError) -> Done {
    let reported = kind(error);
    match kinds.contains(&reported) {
        true => Ok(()),
        false => fail(format!("expected one of {kinds:?}, but got {reported:?}: {error}")),
    }
}
