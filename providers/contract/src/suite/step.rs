//! What each step does, and what must hold afterwards.

use std::collections::BTreeSet;

use super::bench::Edit;
use super::case::{Case, Step};
use super::run::{Done, Halt, Run, fail, is_refusal, made};
use super::text;
use super::watch::at_once;
use crate::{Change, ChangeSet, Next, ProviderError, Receipt, Unwritable};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl};

/// The check and the change must agree: a refusal must be announced by the check, and what the
/// check reports must be refused.
fn agree(checked: &[Unwritable], applied: &Result<Receipt, ProviderError>) -> Done {
    match applied {
        Ok(_) if !checked.is_empty() => {
            fail(format!("the change was made, although the check refuses it: {checked:?}"))
        }
        // A refusal by the provider itself may be impossible to predict.
        Err(error @ ProviderError::Unsupported { .. }) if checked.is_empty() => {
            fail(format!("the check accepts the change, but then: {error}"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Run<'_> {
    pub(super) async fn step(&mut self, case: &Case, step: &Step) -> Done {
        match step {
            Step::Make(lines) => self.make(case, &self.edits(lines)).await,
            Step::Colleague(lines) => self.colleague(&self.edits(lines)).await,
            Step::Stale { believed, edits } => {
                self.stale(&self.edits(believed), &self.edits(edits)).await
            }
            Step::Refuse(lines) => self.refuse(&self.edits(lines)).await,
            Step::Check { sets, refused } => {
                let sets: Vec<Vec<Edit>> = sets.iter().map(|lines| self.edits(lines)).collect();
                self.check(&sets, refused).await
            }
            Step::Either(lines) => self.either(&self.edits(lines)).await,
            Step::Repeat(lines) => self.repeat(case, &self.edits(lines)).await,
            Step::Race(left, right) => self.race(&self.edits(left), &self.edits(right)).await,
            Step::Watch(unit, states) => {
                let states: Vec<Vec<Edit>> = states.iter().map(|lines| self.edits(lines)).collect();
                self.watch(*unit, &states).await
            }
            Step::Read(texts) => {
                let keys: Vec<RrKey> = texts.iter().map(|t| text::key(&self.origin, t)).collect();
                self.look_at(&keys).await
            }
            Step::ReadOutside(texts) => self.read_outside(texts).await,
            Step::NoSigner(owner) => self.no_signer(owner).await,
            Step::OtherZone(name) => self.other_zone(name).await,
            Step::TtlEdges(line) => self.ttl_edges(case, line).await,
            Step::TtlBeyond(line) => self.ttl_beyond(line).await,
            Step::Publish => self.publish().await,
            Step::Break(fault, lines) => self.broken(*fault, &self.edits(lines)).await,
            Step::OtherReader => {
                self.bench.read().await?;
                Ok(())
            }
            Step::Secrets => self.secrets(),
        }
    }

    async fn make(&mut self, case: &Case, edits: &[Edit]) -> Done {
        let set = self.change_set(edits, &self.zone().truth);
        let declared = self.declared(edits);
        let soa = self.soa().await?;
        let checked = self.checked(std::slice::from_ref(&set)).await?;
        let applied = self.apply(&set).await;
        agree(&checked, &applied)?;
        match applied {
            Ok(_) if declared.is_some() => fail(format!("made, despite {declared:?}")),
            Ok(receipt) => self.was_made(edits, &receipt).await,
            Err(error) if is_refusal(&error) => match declared.or_else(|| self.limit_of(case)) {
                Some(why) => {
                    self.nothing_changed(soa).await?;
                    Err(Halt::Skip(why))
                }
                None => fail(format!("{error}")),
            },
            Err(error) => fail(format!("{error}")),
        }
    }

    async fn was_made(&mut self, edits: &[Edit], receipt: &Receipt) -> Done {
        self.is_now(edits);
        self.look().await?;
        let keys: Vec<RrKey> = edits.iter().map(|edit| edit.key.clone()).collect();
        self.look_at(&keys).await?;
        let shown = self.soa().await?.and_then(|soa| soa.rdata()[0].as_soa());
        match (receipt.serial, shown.map(|soa| soa.serial)) {
            (Some(reported), Some(shown)) if reported != shown => {
                fail(format!("the receipt has the serial {reported}, but the zone has {shown}"))
            }
            _ => Ok(()),
        }
    }

    /// The zone is as it was, including its serial.
    async fn nothing_changed(&mut self, soa: Option<RrSet>) -> Done {
        self.look().await?;
        match self.soa().await? {
            now if now == soa => Ok(()),
            now => fail(format!("nothing should change, but the SOA {soa:?} became {now:?}")),
        }
    }

    async fn colleague(&mut self, edits: &[Edit]) -> Done {
        self.bench.edit(edits).await?;
        self.is_now(edits);
        self.look().await
    }

    async fn stale(&mut self, believed: &[Edit], edits: &[Edit]) -> Done {
        let mut belief = self.zone().truth.clone();
        made(&mut belief, believed);
        let set = self.change_set(edits, &belief);
        let soa = self.soa().await?;
        match self.apply(&set).await {
            Ok(_) => return fail("made, although the zone is not as expected"),
            Err(error) => self.is_conflict(&error, &belief)?,
        }
        self.nothing_changed(soa).await
    }

    /// The error names an RRset that differs from the belief, and shows what is there.
    fn is_conflict(&self, error: &ProviderError, belief: &super::Rrsets) -> Done {
        let ProviderError::Conflict { zone, key, live } = error else {
            return fail(format!("expected a conflict, but got: {error}"));
        };
        let truth = &self.zone().truth;
        if *zone != self.origin || belief.get(key) == truth.get(key) {
            return fail(format!("the conflict is not at {key} in {zone}"));
        }
        if live.as_ref() != truth.get(key) {
            return fail(format!("{key} is {:?}, but the conflict has {live:?}", truth.get(key)));
        }
        match error.next() {
            Next::Halt => Ok(()),
            next @ (Next::Fix | Next::Retry(_) | Next::Look) => fail(format!("next is {next:?}")),
        }
    }

    /// The SOA before a change is tried, and how it ended: as `unwritable` said, or not at all.
    async fn tried(
        &mut self,
        edits: &[Edit],
    ) -> Result<(Option<RrSet>, Result<Receipt, ProviderError>), Halt> {
        let set = self.change_set(edits, &self.zone().truth);
        let soa = self.soa().await?;
        let checked = self.checked(std::slice::from_ref(&set)).await?;
        let applied = self.apply(&set).await;
        agree(&checked, &applied)?;
        Ok((soa, applied))
    }

    async fn refuse(&mut self, edits: &[Edit]) -> Done {
        let (soa, applied) = self.tried(edits).await?;
        match applied {
            Ok(_) => return fail("made, although it must be refused"),
            Err(error) if is_refusal(&error) => {}
            Err(error) => return fail(format!("expected a refusal, but got: {error}")),
        }
        self.nothing_changed(soa).await
    }

    /// What the adapter reports as unwritable in these sets. An error that refuses the whole zone
    /// counts as a report.
    async fn checked(&mut self, sets: &[ChangeSet]) -> Result<Vec<Unwritable>, Halt> {
        let result = self.zone().provider.check(&self.origin, sets).await;
        self.note(&result);
        match result {
            Ok(found) => Ok(found),
            Err(error) if is_refusal(&error) => {
                let key = sets[0].changes()[0].key.clone();
                Ok(vec![Unwritable { key, why: error.to_string() }])
            }
            Err(error) => fail(format!("check: {error}")),
        }
    }

    /// All sets are checked together: the reports are at exactly these owners, and the zone is as
    /// it was.
    async fn check(&mut self, sets: &[Vec<Edit>], refused: &[String]) -> Done {
        let mut belief = self.zone().truth.clone();
        let mut all = Vec::with_capacity(sets.len());
        for edits in sets {
            all.push(self.change_set(edits, &belief));
            made(&mut belief, edits);
        }
        let declared = sets.iter().find_map(|edits| self.declared(edits));
        if let Some(why) = declared {
            return Err(Halt::Skip(why));
        }
        let soa = self.soa().await?;
        let found = self.checked(&all).await?;
        let owner = |text: &String| text::key(&self.origin, &format!("{text} A")).name;
        let expected: BTreeSet<Name> = refused.iter().map(owner).collect();
        let reported: BTreeSet<Name> = found.iter().map(|found| found.key.name.clone()).collect();
        if expected != reported {
            return fail(format!("expected refusals at {expected:?}, but got {found:?}"));
        }
        self.nothing_changed(soa).await
    }

    async fn either(&mut self, edits: &[Edit]) -> Done {
        let is_so = |edit: &Edit| self.zone().truth.get(&edit.key) == edit.after.as_ref();
        if edits.iter().all(is_so) {
            let why = "the provider does not show the records to be changed";
            return Err(Halt::Skip(why.to_owned()));
        }
        let (soa, applied) = self.tried(edits).await?;
        match applied {
            Ok(receipt) => self.was_made(edits, &receipt).await,
            Err(error) if is_refusal(&error) => self.nothing_changed(soa).await,
            Err(error) => fail(format!("{error}")),
        }
    }

    async fn repeat(&mut self, case: &Case, edits: &[Edit]) -> Done {
        let set = self.change_set(edits, &self.zone().truth);
        let belief = self.zone().truth.clone();
        self.make(case, edits).await?;
        let soa = self.soa().await?;
        match self.apply(&set).await {
            Ok(_) => return fail("made a second time"),
            Err(error) => self.is_conflict(&error, &belief)?,
        }
        self.nothing_changed(soa).await
    }

    async fn race(&mut self, left: &[Edit], right: &[Edit]) -> Done {
        if self.has_window() {
            let why = "declared: the adapter compares, and somebody may write in between";
            return Err(Halt::Skip(why.to_owned()));
        }
        let sets = [left, right].map(|edits| self.change_set(edits, &self.zone().truth));
        let provider = &self.zone().provider;
        let results = at_once(provider.apply(&sets[0]), provider.apply(&sets[1])).await;
        self.note(&results.0);
        self.note(&results.1);
        let (won, lost) = match results {
            (Ok(_), Err(error)) => (left, error),
            (Err(error), Ok(_)) => (right, error),
            results => return fail(format!("exactly one should win: {results:?}")),
        };
        let belief = self.zone().truth.clone();
        self.is_now(won);
        self.is_conflict(&lost, &belief)?;
        self.look().await
    }

    async fn read_outside(&mut self, texts: &[String]) -> Done {
        let keys: Vec<RrKey> = texts.iter().map(|text| text::key(&self.origin, text)).collect();
        let read = self.zone().provider.read_rrsets(&self.origin, &keys).await;
        self.note(&read);
        match read {
            Ok(shown) if shown.iter().all(Option::is_none) && shown.len() == keys.len() => Ok(()),
            Ok(shown) => fail(format!("shown from outside the zone: {shown:?}")),
            Err(error) if is_refusal(&error) => Ok(()),
            Err(error) => fail(format!("{error}")),
        }
    }

    async fn no_signer(&mut self, owner: &str) -> Done {
        // Opening the zone already checked that it has nothing beyond the truth.
        let types = RrType::KNOWN.iter().filter(|(rtype, _)| rtype.is_made_by_signer());
        let keys: Vec<RrKey> =
            types.map(|(_, word)| text::key(&self.origin, &format!("{owner} {word}"))).collect();
        let shown = self.read(&keys).await?;
        match keys.iter().zip(&shown).find(|(_, shown)| shown.is_some()) {
            None => Ok(()),
            Some((key, _)) => fail(format!("{key} is shown")),
        }
    }

    async fn publish(&mut self) -> Done {
        let soa = self.soa().await?;
        for _ in 0..2 {
            let result = self.zone().provider.publish(&self.origin).await;
            self.note(&result);
            result.or_else(|error| fail(format!("{error}")))?;
        }
        self.nothing_changed(soa).await
    }

    async fn other_zone(&mut self, name: &str) -> Done {
        let zone = Name::absolute(name).expect("the cases have names");
        let key = RrKey::new(zone.clone(), RrType::MX);
        let edits = text::edits(&zone, &["@ MX 300 10 mail".to_owned()]);
        let changes =
            edits.into_iter().map(|Edit { key, after }| Change { key, before: None, after });
        let set = ChangeSet::new(zone.clone(), changes.collect()).expect("a change set");
        let provider = &self.zone().provider;
        let results = [
            ("read_zone", provider.read_zone(&zone).await.map(drop)),
            ("read_rrsets", provider.read_rrsets(&zone, &[key]).await.map(drop)),
            ("apply", provider.apply(&set).await.map(drop)),
        ];
        for (call, result) in &results {
            self.note(result);
            match result {
                Err(ProviderError::NoSuchZone { .. }) => {}
                other => return fail(format!("{call} of {zone}: {other:?}")),
            }
        }
        self.look().await
    }

    async fn ttl_edges(&mut self, case: &Case, line: &str) -> Done {
        let (min, max) = (self.capabilities.ttl_min, self.capabilities.ttl_max);
        for ttl in [min, max] {
            self.make(case, &[self.with_ttl(line, ttl)]).await?;
        }
        let Edit { key, .. } = self.with_ttl(line, min);
        self.make(case, &[Edit { key, after: None }]).await
    }

    async fn ttl_beyond(&mut self, line: &str) -> Done {
        let (min, max) = (self.capabilities.ttl_min.secs(), self.capabilities.ttl_max.secs());
        let beyond = [min.checked_sub(1), max.checked_add(1)];
        let beyond = beyond.into_iter().flatten().filter_map(|secs| Ttl::from_secs(secs).ok());
        let beyond: Vec<Ttl> = beyond.collect();
        if beyond.is_empty() {
            return Err(Halt::Skip("declared: every TTL can be written".to_owned()));
        }
        for ttl in beyond {
            self.refuse(&[self.with_ttl(line, ttl)]).await?;
        }
        Ok(())
    }

    fn with_ttl(&self, line: &str, ttl: Ttl) -> Edit {
        let mut edit = self.edits(&[line.to_owned()]).remove(0);
        edit.after = edit.after.map(|rrset| rrset.with_ttl(ttl));
        edit
    }

    fn secrets(&self) -> Done {
        let secrets = self.bench.secrets();
        if secrets.is_empty() {
            return Err(Halt::Skip("there is no secret".to_owned()));
        }
        // An error that shows a secret is not itself printed here.
        let shows = |text: &&String| secrets.iter().any(|secret| text.contains(secret));
        let showing = self.said.iter().filter(shows).count();
        match (showing, self.said.len()) {
            (_, 0) => fail("there were no errors: the cases before this one should cause some"),
            (0, _) => Ok(()),
            (_, all) => fail(format!("{showing} of {all} errors show a secret")),
        }
    }
}
