//! `cutover run --all` on a store that shares out plans ([`Store::shares_out`]).
//!
//! A plan that is due comes together with its lease, so no two processes look at the same one, and
//! plans that wait cost nothing. When a turn is over, the process says when the plan is due again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::apply::{Applied, go_on};
use super::super::due::{Due, LOOK_EVERY, Looked, look};
use super::super::exit::Exit;
use super::super::failure::{Code, ErrorFormat, Failure};
use super::super::running::claim;
use super::super::speaking_of;
use super::super::standing::{Standing, leave_as};
use super::driven::Driven;
use super::{Args, ask, away, is_full, run_args, say_end};
use crate::world::real::store::{Lease, Listed, Runs, Store, StoreError};

/// How often the store is asked for a plan that is due. Our choice: it is one question about an index.
const DUE_EVERY: Duration = Duration::from_secs(1);
/// When to ask a store again that cannot be used. Our choice.
const AWAY_FOR: Duration = Duration::from_secs(10);
/// How long a plan is left to other machines if this one drives as many runs at its provider as it may,
/// and how long this one then takes no further plan unless a turn ends. Our choice.
const FULL_FOR: Duration = Duration::from_secs(1);

/// What a process does with the plans that it gets.
pub(super) struct SharedTurns<'a> {
    args: &'a Args,
    errors: ErrorFormat,
    store: Arc<dyn Store>,
    driven: Driven<'a>,
    /// The providers of each run that is driven.
    at_provider: BTreeMap<String, Vec<String>>,
    /// With `--once`, plans that had their turn.
    but: BTreeSet<String>,
    /// How those turns ended.
    exits: BTreeMap<String, Exit>,
    /// With `--once`, halted runs that are to be tried, though they are not due yet. `None` as long as
    /// there are others.
    halted: Option<Vec<String>>,
    /// Why runs could not be continued, to say it once, and how that ends.
    trouble: BTreeMap<String, (Vec<String>, Exit)>,
    /// Plans of which a person was asked for something, to ask once.
    asked: BTreeSet<String>,
}

/// Whether there is room for another plan.
enum Room {
    Some,
    /// Not at the provider of the plan that was due.
    None,
}

/// A plan that is due, with its lease.
struct TakenPlan {
    plan: String,
    runs: Runs,
    looked: Result<Option<Looked>, Failure>,
    lease: Box<dyn Lease>,
}

/// Takes a plan that is due, and looks at its newest run.
async fn due(
    store: &Arc<dyn Store>,
    args: &Args,
    but: &BTreeSet<String>,
) -> Result<Option<TakenPlan>, Failure> {
    let Some((plan, lease)) = store.lease_due(but, &claim()).await? else { return Ok(None) };
    let runs = args.state.runs(Path::new(&plan), &plan)?;
    let looked = look(&runs).await;
    Ok(Some(TakenPlan { plan, runs, looked, lease }))
}

/// Takes this plan; `None` if another machine has it.
async fn taken(args: &Args, plan: String) -> Result<Option<TakenPlan>, Failure> {
    let runs = args.state.runs(Path::new(&plan), &plan)?;
    let lease = match runs.lease(&claim()).await {
        Ok(lease) => lease,
        Err(StoreError::Locked { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let looked = look(&runs).await;
    Ok(Some(TakenPlan { plan, runs, looked, lease }))
}

/// Leaves a plan as it is. Where the store fails, it is due as before.
async fn given_back(
    runs: &Runs,
    mut lease: Box<dyn Lease>,
    looked: Option<&Looked>,
    rest: Duration,
) {
    let _ = match looked {
        Some(looked) => leave_as(runs, &mut *lease, looked, rest).await,
        // It cannot be read, or has no run that was opened.
        None => lease.rest(Some(LOOK_EVERY), None).await,
    };
    let _ = lease.give_back().await;
}

impl<'a> SharedTurns<'a> {
    /// `None` if the store does not share out plans, or not all of them are meant.
    pub(super) fn new(args: &'a Args, errors: ErrorFormat) -> Result<Option<Self>, Failure> {
        if !args.all {
            return Ok(None);
        }
        let store = args.state.store(Path::new(""))?;
        let new = |store| Self {
            args,
            errors,
            store,
            driven: Driven::default(),
            at_provider: BTreeMap::new(),
            but: BTreeSet::new(),
            exits: BTreeMap::new(),
            halted: None,
            trouble: BTreeMap::new(),
            asked: BTreeSet::new(),
        };
        Ok(store.shares_out().then(|| new(store)))
    }

    /// Continues what is due, until nothing is; with `--loop`, for ever.
    pub(super) async fn take(&mut self) -> Result<Exit, Failure> {
        loop {
            let mut pause = DUE_EVERY;
            while self.driven.len() < self.args.jobs.get() {
                let due = self.driven.beside(due(&self.store, self.args, &self.but)).await;
                match due {
                    Ok(Some(due)) => match self.begin(due).await {
                        Room::Some => {}
                        Room::None => {
                            pause = FULL_FOR;
                            break;
                        }
                    },
                    Ok(None) if self.stays() => break,
                    Ok(None) => match self.next_halted().await? {
                        Some(due) => {
                            let plan = due.plan.clone();
                            if let Room::None = self.begin(due).await {
                                self.halted.get_or_insert_default().push(plan);
                                pause = FULL_FOR;
                                break;
                            }
                        }
                        None if self.driven.is_empty() => return self.ended().await,
                        None => break,
                    },
                    Err(failure) if self.stays() => {
                        away(self.errors, &failure);
                        pause = AWAY_FOR;
                        break;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            tokio::select! {
                () = wait(pause) => {}
                Some((plan, ended)) = self.driven.next() => self.note(plan, ended),
            }
        }
    }

    fn stays(&self) -> bool {
        self.args.how_long.stay
    }

    /// The next halted run that was not tried yet. Each call of `run --once` tries all of them, because
    /// somebody may have mended what was wrong.
    async fn next_halted(&mut self) -> Result<Option<TakenPlan>, Failure> {
        if self.halted.is_none() {
            let listed = self.driven.beside(self.store.listed()).await?;
            let halted = listed.into_iter().filter_map(|Listed { plan, standing }| {
                let is_halted = Standing::read(&standing?)?.due == Due::Halted;
                (is_halted && !self.but.contains(&plan)).then_some(plan)
            });
            self.halted = Some(halted.collect());
        }
        while let Some(plan) = self.halted.as_mut().and_then(Vec::pop) {
            let taken = self.driven.beside(taken(self.args, plan)).await?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }

    /// Starts the turn of a plan, if there is something to do.
    async fn begin(&mut self, TakenPlan { plan, runs, looked, lease }: TakenPlan) -> Room {
        let looked = match looked {
            Err(failure) => {
                self.fail(&plan, failure);
                None
            }
            Ok(looked) => looked,
        };
        let is_due = |looked: &Looked| matches!(looked.due, Due::Now | Due::Halted);
        let room = match looked.as_ref().filter(|looked| is_due(looked)) {
            Some(looked) if is_full(&self.at_provider, &looked.providers) => Room::None,
            Some(_) => {
                let looked = looked.expect("it is due");
                self.drive(plan, (looked, runs), lease);
                return Room::Some;
            }
            None => Room::Some,
        };
        if let Some(looked) = &looked {
            self.trouble.remove(&plan);
            if looked.due != Due::Person {
                self.asked.remove(&plan);
            } else if self.asked.insert(plan.clone()) {
                ask(Path::new(&plan), looked, &self.args.state);
            }
        }
        let rest = match room {
            Room::Some => Duration::ZERO,
            // With `--once` it stays due, since this process comes back to it.
            Room::None if self.stays() => FULL_FOR,
            Room::None => Duration::ZERO,
        };
        self.driven.beside(given_back(&runs, lease, looked.as_ref(), rest)).await;
        if !self.stays() && matches!(room, Room::Some) {
            self.but.insert(plan);
        }
        room
    }

    fn drive(&mut self, plan: String, (looked, runs): (Looked, Runs), lease: Box<dyn Lease>) {
        let Looked { found, due: _, providers } = looked;
        self.at_provider.insert(plan.clone(), providers);
        let run = run_args(self.args, PathBuf::from(&plan), self.errors);
        let demand = &self.args.demand;
        self.driven.push(Box::pin(async move {
            let ended = speaking_of(&plan, go_on(&runs, &found, &run, demand, Some(lease))).await;
            (plan, ended)
        }));
    }

    /// Takes note of how a turn ended.
    fn note(&mut self, plan: String, ended: Result<Applied, Failure>) {
        self.at_provider.remove(&plan);
        match ended {
            Ok(Applied { exit, until: _ }) => {
                self.trouble.remove(&plan);
                if !self.stays() {
                    self.exits.insert(plan.clone(), exit);
                }
            }
            // Another machine has moved it on.
            Err(failure) if failure.is(Code::RunMovedOn) => {}
            Err(failure) => self.fail(&plan, failure),
        }
        if !self.stays() {
            self.but.insert(plan);
        }
    }

    /// Says why a run cannot be continued, once.
    fn fail(&mut self, plan: &str, failure: Failure) {
        let trouble = (failure.messages(), failure.exit);
        if self.trouble.get(plan) != Some(&trouble) {
            self.errors.fail(&failure.of_plan(plan));
        }
        self.trouble.insert(plan.to_owned(), trouble);
    }

    /// How all of it ended, and when something continues.
    async fn ended(&mut self) -> Result<Exit, Failure> {
        let (mut worst, mut next) = (Exit::Done, None);
        // Nothing is driven any more.
        for Listed { plan, standing } in self.store.listed().await? {
            if let Some((_, exit)) = self.trouble.get(&plan) {
                worst = worst.or_worse(*exit);
                continue;
            }
            let standing = match standing.and_then(|said| Standing::read(&said)) {
                // What a person has to do is said each time.
                Some(standing) if standing.due != Due::Person => standing,
                // Or another machine drives it, or has died.
                Some(_) | None => match look(&self.args.state.runs(Path::new(&plan), &plan)?).await
                {
                    Ok(None) => continue,
                    Ok(Some(looked)) => {
                        let is_told = self.exits.contains_key(&plan);
                        if looked.due == Due::Person && !is_told && self.asked.insert(plan.clone())
                        {
                            ask(Path::new(&plan), &looked, &self.args.state);
                        }
                        Standing::of(&looked, false)
                    }
                    Err(failure) => {
                        worst = worst.or_worse(failure.exit);
                        self.fail(&plan, failure);
                        continue;
                    }
                },
            };
            let exit = match (self.exits.get(&plan), standing.due) {
                (Some(exit), _) => *exit,
                (None, Due::Never) => Exit::Done,
                (None, Due::Now | Due::At(_)) => Exit::Waiting,
                (None, Due::Person) => Exit::ApprovalNeeded,
                (None, Due::Halted) => standing.exit,
            };
            worst = worst.or_worse(exit);
            if let Due::At(until) = standing.due {
                next = [next, Some((until, plan))].into_iter().flatten().min();
            }
        }
        say_end(worst, next)
    }

    /// Lets the runs that are driven end.
    pub(super) async fn end(&mut self) {
        while self.driven.next().await.is_some() {}
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is due until then")]
async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}
