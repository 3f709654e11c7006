//! Runs the cases in turn: opens a zone, makes the steps, and checks everything after each step.

use std::collections::BTreeSet;

use super::bench::{Bench, Edit, Missing, Rrsets};
use super::case::{Case, Opening};
use super::report::{Outcome, Report, Verdict};
use super::text;
use crate::{
    Capabilities, Change, ChangeSet, CompareAndSet, Next, Provider, ProviderError, Receipt,
};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl, Zone};

/// The most differences that a failure shows. Our choice.
const DIFFERENCES_MAX: usize = 5;
/// The smallest TTL that the cases use, in seconds.
const TTL_OF_CASES_MIN_SECS: u32 = 60;

/// Why a case stops.
#[derive(Debug)]
pub(super) enum Halt {
    /// A limit is declared, or the bench lacks the means.
    Skip(String),
    /// What happened is not what the case says.
    Fail(String),
}

impl From<Missing> for Halt {
    fn from(Missing(why): Missing) -> Self {
        Self::Skip(why.to_owned())
    }
}

pub(super) type Done = Result<(), Halt>;

pub(super) fn fail<T>(what: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Fail(what.into()))
}

/// A zone, and what it must hold.
pub(super) struct Open {
    pub(super) provider: Box<dyn Provider>,
    /// What it must hold now, apart from the SOA.
    pub(super) truth: Rrsets,
    /// What it held when it was opened.
    base: Rrsets,
    /// The lines that it was created from.
    start: Vec<String>,
    opening: Opening,
}

pub(super) struct Run<'b> {
    pub(super) bench: &'b mut dyn Bench,
    pub(super) origin: Name,
    pub(super) capabilities: Capabilities,
    open: Option<Open>,
    /// All texts of all errors so far.
    pub(super) said: Vec<String>,
}

pub(super) async fn all(bench: &mut dyn Bench, cases: Vec<Case>) -> Report {
    let (title, origin) = (bench.title(), bench.origin());
    let provider = bench.fresh(&Rrsets::new()).await;
    let capabilities = provider.capabilities(&origin);
    drop(provider);
    let limits = bench.limits();
    let mut run = Run { bench, origin, capabilities, open: None, said: Vec::new() };
    let mut verdicts = Vec::with_capacity(cases.len());
    for case in &cases {
        let outcome = run.case(case).await;
        let (name, story) = (case.name.clone(), case.story.clone());
        verdicts.push(Verdict { name, story, outcome });
    }
    let known: BTreeSet<String> = super::cases().into_iter().map(|case| case.name).collect();
    for limit in limits.iter().filter(|limit| !known.contains(limit.case)) {
        let outcome = Outcome::Failed(format!("the suite has no case {}", limit.case));
        let story = "Every limit of a bench names a case of the suite.".to_owned();
        verdicts.push(Verdict { name: "limits".to_owned(), story, outcome });
    }
    Report { title, capabilities: run.capabilities, verdicts }
}

impl Run<'_> {
    async fn case(&mut self, case: &Case) -> Outcome {
        let done = self.steps(case).await;
        // A zone that a case left as it found it is used for the next case.
        let is_as_found = |open: &Open| open.truth == open.base && open.opening == Opening::Plain;
        let keep =
            !matches!(done, Err(Halt::Fail(_))) && self.open.as_ref().is_some_and(is_as_found);
        if !keep {
            self.open = None;
        }
        match (done, self.limit_of(case)) {
            (Ok(()), None) => Outcome::Passed,
            (Ok(()), Some(why)) => {
                Outcome::Failed(format!("passed, although the bench has a limit: {why}"))
            }
            (Err(Halt::Skip(why)), _) => Outcome::Skipped(why),
            (Err(Halt::Fail(what)), _) => Outcome::Failed(what),
        }
    }

    async fn steps(&mut self, case: &Case) -> Done {
        self.open(case).await?;
        for (index, step) in case.steps.iter().enumerate() {
            let done = self.step(case, step).await;
            done.map_err(|halt| match halt {
                Halt::Skip(_) => halt,
                Halt::Fail(what) => Halt::Fail(format!("step {}, {step:?}:\n  {what}", index + 1)),
            })?;
        }
        Ok(())
    }

    async fn open(&mut self, case: &Case) -> Done {
        let is_open = |open: &Open| open.start == case.start && open.opening == case.opening;
        if self.open.as_ref().is_some_and(is_open) {
            return Ok(());
        }
        self.open = None;
        let edits = self.edits(&case.start);
        let undeclared = self.declared(&edits);
        let start: Rrsets =
            edits.into_iter().filter_map(|edit| Some((edit.key, edit.after?))).collect();
        let provider = match case.opening {
            Opening::Plain => self.bench.fresh(&start).await,
            Opening::Signed => self.bench.signed(&start).await?,
        };
        let read = provider.read_zone(&self.origin).await;
        self.note(&read);
        let shown = match read {
            Ok(zone) => seen(zone, case.opening),
            Err(error) => return fail(format!("the new zone cannot be read: {error}")),
        };
        // The NS records of the apex are those of the bench.
        let mut truth = start;
        let apex = RrKey::new(self.origin.clone(), RrType::NS);
        truth.extend(shown.get_key_value(&apex).map(|(key, ns)| (key.clone(), ns.clone())));
        let base = truth.clone();
        // Records of undeclared types are not shown; all others must be.
        let is_declared =
            |key: &RrKey| self.capabilities.types.is_none_or(|types| types.contains(&key.rtype));
        if let Some(why) = undeclared.filter(|_| !truth.keys().all(is_declared)) {
            let known = truth.iter().filter(|(key, _)| is_declared(key));
            let known = known.map(|(key, rrset)| (key.clone(), rrset.clone())).collect();
            same("the declared types of the new zone", &known, &shown)?;
            return Err(Halt::Skip(why));
        }
        same("the new zone, as the adapter reads it", &truth, &shown)?;
        let (start, opening) = (case.start.clone(), case.opening);
        self.open = Some(Open { provider, truth, base, start, opening });
        self.look().await
    }

    /// The zone that is open.
    pub(super) fn zone(&self) -> &Open {
        self.open.as_ref().expect("a case begins by opening its zone")
    }

    /// The edits in these lines, with TTLs that the adapter accepts: if its smallest TTL is larger
    /// than that of the cases, all TTLs are multiplied.
    pub(super) fn edits(&self, lines: &[String]) -> Vec<Edit> {
        let factor = self.capabilities.ttl_min.secs().div_ceil(TTL_OF_CASES_MIN_SECS).max(1);
        let mut edits = text::edits(&self.origin, lines);
        for after in edits.iter_mut().filter_map(|edit| edit.after.as_mut()) {
            let secs = after.ttl().secs().saturating_mul(factor);
            *after = after.with_ttl(Ttl::from_secs(secs).unwrap_or(Ttl::MAX));
            if self.bench.divides_texts() {
                *after = after.divided_by_255();
            }
        }
        edits
    }

    /// The change set that makes these edits in a zone believed to hold these RRsets.
    pub(super) fn change_set(&self, edits: &[Edit], believed: &Rrsets) -> ChangeSet {
        let change = |Edit { key, after }: &Edit| Change {
            key: key.clone(),
            before: believed.get(key).cloned(),
            after: after.clone(),
        };
        let changes = edits.iter().map(change).collect();
        ChangeSet::new(self.origin.clone(), changes).expect("the cases are change sets")
    }

    /// Keeps every text of an error.
    pub(super) fn note<T>(&mut self, result: &Result<T, ProviderError>) {
        let Err(error) = result else { return };
        let mut source = Some(error as &dyn std::error::Error);
        while let Some(error) = source {
            self.said.push(format!("{error} {error:?}"));
            source = error.source();
        }
    }

    pub(super) async fn apply(&mut self, set: &ChangeSet) -> Result<Receipt, ProviderError> {
        let result = self.zone().provider.apply(set).await;
        self.note(&result);
        result
    }

    pub(super) async fn read(&mut self, keys: &[RrKey]) -> Result<Vec<Option<RrSet>>, Halt> {
        let result = self.zone().provider.read_rrsets(&self.origin, keys).await;
        self.note(&result);
        match result {
            Ok(rrsets) if rrsets.len() == keys.len() => Ok(rrsets),
            Ok(rrsets) => fail(format!("{} RRsets returned for {} keys", rrsets.len(), keys.len())),
            Err(error) => fail(format!("reading {keys:?}: {error}")),
        }
    }

    /// The SOA, if the provider shows one.
    pub(super) async fn soa(&mut self) -> Result<Option<RrSet>, Halt> {
        let key = RrKey::new(self.origin.clone(), RrType::SOA);
        Ok(self.read(&[key]).await?.remove(0))
    }

    /// The zone holds the truth, as the adapter reads it and as an independent reader does.
    pub(super) async fn look(&mut self) -> Done {
        let read = self.zone().provider.read_zone(&self.origin).await;
        self.note(&read);
        let zone = read.or_else(|error| fail(format!("the zone cannot be read: {error}")))?;
        let Open { truth, opening, .. } = self.zone();
        same("the zone, as the adapter reads it", truth, &seen(zone, *opening))?;
        match self.bench.read().await {
            Ok(zone) => {
                let mut shown = seen(zone, *opening);
                if self.bench.divides_texts() {
                    shown.values_mut().for_each(|rrset| *rrset = rrset.divided_by_255());
                }
                same("the zone, read independently", truth, &shown)
            }
            Err(Missing(_)) => Ok(()),
        }
    }

    /// These RRsets are as the truth has them, when requested by key.
    pub(super) async fn look_at(&mut self, keys: &[RrKey]) -> Done {
        let read = self.read(keys).await?;
        for (key, shown) in keys.iter().zip(read) {
            let wanted = self.zone().truth.get(key);
            if wanted != shown.as_ref() {
                return fail(format!("{key} by key: wanted {wanted:?}, shown {shown:?}"));
            }
        }
        Ok(())
    }

    /// From now on the zone must hold these edits.
    pub(super) fn is_now(&mut self, edits: &[Edit]) {
        let open = self.open.as_mut().expect("a case begins by opening its zone");
        made(&mut open.truth, edits);
    }

    /// The limit in the capabilities that one of these edits exceeds.
    pub(super) fn declared(&self, edits: &[Edit]) -> Option<String> {
        let Capabilities { ttl_min, ttl_max, types, .. } = &self.capabilities;
        edits.iter().find_map(|Edit { key, after }| {
            let ttl = after.as_ref()?.ttl();
            let (min, max) = (ttl_min.secs(), ttl_max.secs());
            match types {
                Some(types) if !types.contains(&key.rtype) => {
                    Some(format!("declared: {} is not among the writable types", key.rtype))
                }
                Some(_) | None if ttl < *ttl_min || ttl > *ttl_max => {
                    Some(format!("declared: TTLs must be from {min} to {max} s"))
                }
                Some(_) | None => None,
            }
        })
    }

    /// The limit that the bench declares for this case.
    pub(super) fn limit_of(&self, case: &Case) -> Option<String> {
        let limit = self.bench.limits().iter().find(|limit| limit.case == case.name)?;
        Some(limit.why.to_owned())
    }

    /// Whether somebody may write between the adapter's read and its write.
    pub(super) fn has_window(&self) -> bool {
        match self.capabilities.compare_and_set {
            CompareAndSet::Native => false,
            CompareAndSet::ReadCompareWrite => true,
        }
    }
}

/// Whether nothing was changed, and nothing will be until a person corrects something.
pub(super) fn is_refusal(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Unsupported { .. } | ProviderError::Refused { .. })
        && error.next() == Next::Fix
}

pub(super) fn made(rrsets: &mut Rrsets, edits: &[Edit]) {
    for Edit { key, after } in edits {
        match after {
            Some(rrset) => rrsets.insert(key.clone(), rrset.clone()),
            None => rrsets.remove(key),
        };
    }
}

/// The part of a zone that is compared. The SOA moves with each change, and in a signed zone the
/// signer's own keys and BIND's progress records (TYPE65534) come and go at any time.
pub(super) fn seen(zone: Zone, opening: Opening) -> Rrsets {
    let Zone { origin, mut rrsets } = zone;
    let of_signer = [RrType::DNSKEY, RrType::CDS, RrType::CDNSKEY, RrType::new(65534)];
    rrsets.retain(|key, _| {
        let moves = key.rtype == RrType::SOA
            || (opening == Opening::Signed && of_signer.contains(&key.rtype));
        key.name != origin || !moves
    });
    rrsets
}

/// Fails with the first differences, if there are any.
pub(super) fn same(what: &str, wanted: &Rrsets, shown: &Rrsets) -> Done {
    let keys = wanted.keys().chain(shown.keys().filter(|key| !wanted.contains_key(key)));
    let other: Vec<&RrKey> = keys.filter(|key| wanted.get(key) != shown.get(key)).collect();
    if other.is_empty() {
        return Ok(());
    }
    let shown = other.iter().take(DIFFERENCES_MAX).map(|key| {
        format!("\n    {key}: wanted {:?}, shown {:?}", wanted.get(key), shown.get(key))
    });
    let differences: String = shown.collect();
    fail(format!("{what}, differs in {} RRsets:{differences}", other.len()))
}
