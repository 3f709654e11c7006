//! Broken ways to the provider: what may be said of a change then.

use super::bench::{Edit, Fault, Rrsets};
use super::case::Opening;
use super::run::{Done, Halt, Run, fail, made, same, seen};
use crate::{Provider, ProviderError, RrKey};

/// What an error says, by what it means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
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

fn word(error: &ProviderError) -> Word {
    match error {
        ProviderError::Conflict { .. } => Word::Conflict,
        ProviderError::Unsupported { .. } => Word::Unsupported,
        ProviderError::Refused { .. } => Word::Refused,
        ProviderError::Unauthorized { .. } => Word::Unauthorized,
        ProviderError::NoSuchZone { .. } => Word::NoSuchZone,
        ProviderError::Unreachable { .. } => Word::Unreachable,
        ProviderError::Throttled { .. } => Word::Throttled,
        ProviderError::InDoubt { .. } => Word::InDoubt,
        ProviderError::Malformed { .. } => Word::Malformed,
    }
}

/// What a read may fail with; it may also succeed, with the truth, where the fault lets it.
fn words_of_reads(fault: Fault) -> &'static [Word] {
    match fault {
        Fault::WrongCredentials => &[Word::Unauthorized],
        Fault::Down | Fault::Silent => &[Word::Unreachable],
        Fault::Garbage => &[Word::Malformed, Word::Unreachable],
        Fault::Throttled => &[Word::Throttled],
        Fault::ServerFailure => &[Word::Unreachable, Word::Refused, Word::Throttled],
        Fault::CutBeforeEffect | Fault::CutAfterEffect | Fault::GarbageToWrite => {
            &[Word::Unreachable]
        }
    }
}

/// What a change that did not take effect may fail with.
fn words_of_writes(fault: Fault) -> &'static [Word] {
    match fault {
        Fault::WrongCredentials => &[Word::Unauthorized],
        Fault::Down => &[Word::Unreachable],
        Fault::Silent => &[Word::Unreachable, Word::InDoubt],
        Fault::Garbage => &[Word::Malformed, Word::Unreachable, Word::InDoubt],
        Fault::Throttled => &[Word::Throttled],
        // That a connection broke before the effect cannot be seen from the near end; an adapter
        // that looks and sees the old values may say that nothing was done.
        Fault::CutBeforeEffect => &[Word::InDoubt, Word::Unreachable],
        Fault::CutAfterEffect => &[],
        Fault::GarbageToWrite => &[Word::InDoubt],
        Fault::ServerFailure => &[Word::InDoubt, Word::Refused, Word::Unreachable],
    }
}

/// Whether reads have to fail as well: no way to the provider is left.
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
            (true, _) => return fail("the change was made, and the fault was to prevent that"),
        }
        match result {
            Ok(_) if landed => Ok(()),
            Ok(_) => fail("it says that the change is made, and it is not"),
            Err(error) if landed => one_of(&[Word::InDoubt], &error),
            Err(error) if fault == Fault::CutAfterEffect => {
                fail(format!("the bench was to let the change through; it says: {error}"))
            }
            Err(error) => one_of(words_of_writes(fault), &error),
        }
    }

    async fn reads(&mut self, fault: Fault, broken: &dyn Provider, edits: &[Edit]) -> Done {
        let keys: Vec<RrKey> = edits.iter().map(|edit| edit.key.clone()).collect();
        let zone = broken.read_zone(&self.origin).await.map(|zone| seen(zone, Opening::Plain));
        self.note(&zone);
        match zone {
            Ok(_) if breaks_reads(fault) => return fail("the zone was read all the same"),
            Ok(zone) => same("the zone, read in spite", &self.zone().truth, &zone)?,
            Err(error) => one_of(words_of_reads(fault), &error)?,
        }
        let rrsets = broken.read_rrsets(&self.origin, &keys).await;
        self.note(&rrsets);
        let truth: Vec<_> = keys.iter().map(|key| self.zone().truth.get(key).cloned()).collect();
        match rrsets {
            Ok(_) if breaks_reads(fault) => fail("RRsets were read all the same"),
            Ok(rrsets) if rrsets == truth => Ok(()),
            Ok(rrsets) => fail(format!("RRsets read in spite: {rrsets:?}")),
            Err(error) => one_of(words_of_reads(fault), &error),
        }
    }

    /// Whether the edits were made, by the adapter that nothing is broken for.
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
            (false, false) => fail(format!("a part of the change was made: {shown:?}")),
        }
    }
}

fn one_of(words: &[Word], error: &ProviderError) -> Done {
    let said = word(error);
    match words.contains(&said) {
        true => Ok(()),
        false => fail(format!("one of {words:?} was due, and it says {said:?}: {error}")),
    }
}
