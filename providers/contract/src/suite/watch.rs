//! Reads while the adapter writes, without a runtime: a single task polls the futures in turn.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::bench::{Edit, Rrsets};
use super::run::{Done, Halt, Run, fail, made};
use crate::{Atomicity, ChangeSet, Provider, ProviderError};
use cutover_zone::{Name, RrKey, RrSet};

/// The most readings of a watch. Our choice: a bound far above what occurs.
const READINGS_MAX: usize = 1_000_000;

/// What a reader saw of one RRset.
type Reading = (RrKey, Option<RrSet>);

impl Run<'_> {
    pub(super) async fn watch(&mut self, unit: Atomicity, edits: &[Vec<Edit>]) -> Done {
        let is_claimed = match (unit, self.capabilities.atomicity) {
            (Atomicity::None, _)
            | (_, Atomicity::ChangeSet)
            | (Atomicity::RrSet, Atomicity::RrSet)
            | (Atomicity::Record, Atomicity::RrSet | Atomicity::Record) => true,
            (Atomicity::ChangeSet, Atomicity::RrSet)
            | (Atomicity::ChangeSet | Atomicity::RrSet, Atomicity::Record)
            | (_, Atomicity::None) => false,
        };
        if !is_claimed {
            let claimed = self.capabilities.atomicity;
            return Err(Halt::Skip(format!("declared: the atomicity is {claimed:?}")));
        }
        let mut states: Vec<Rrsets> = vec![self.zone().truth.clone()];
        let mut sets = Vec::with_capacity(edits.len());
        for edits in edits {
            let before = states.last().expect("there is a first state");
            sets.push(self.change_set(edits, before));
            let mut after = before.clone();
            made(&mut after, edits);
            states.push(after);
        }
        let keys: BTreeSet<&RrKey> = edits.iter().flatten().map(|edit| &edit.key).collect();
        let keys: Vec<RrKey> = keys.into_iter().cloned().collect();
        let provider = &*self.zone().provider;
        let mut readings = Vec::new();
        let writing = write(provider, &sets);
        let reading = look(provider, &self.origin, &keys, &mut readings);
        let (written, read) = while_doing(writing, reading).await;
        self.note(&written);
        self.note(&read);
        if let Err(error) = written {
            return fail(format!("a change: {error}"));
        }
        if let Err(error) = read {
            return fail(format!("a reading between the changes: {error}"));
        }
        for edits in edits {
            self.is_now(edits);
        }
        self.look().await?;
        if readings.is_empty() {
            return fail("nothing was read between the changes");
        }
        match unit {
            Atomicity::ChangeSet => explained(&states, &readings),
            Atomicity::RrSet | Atomicity::Record | Atomicity::None => {
                keys.iter().try_for_each(|key| {
                    let of_key: Vec<Reading> =
                        readings.iter().filter(|(other, _)| other == key).cloned().collect();
                    explained(&states, &of_key)
                })
            }
        }
    }
}

async fn write(provider: &dyn Provider, sets: &[ChangeSet]) -> Result<(), ProviderError> {
    for set in sets {
        provider.apply(set).await?;
        // An adapter that never waits would otherwise leave the reader no turn.
        turn().await;
    }
    Ok(())
}

/// Reads the RRsets in turn, forwards and backwards, so that a change set made in pieces is noticed
/// in whichever order the pieces are made. The writer gets a turn after each round, not after each
/// reading: a reader in step with the writer would see all pieces made.
async fn look(
    provider: &dyn Provider,
    zone: &Name,
    keys: &[RrKey],
    readings: &mut Vec<Reading>,
) -> Result<(), ProviderError> {
    while readings.len() < READINGS_MAX {
        for key in keys.iter().chain(keys.iter().rev()) {
            let shown = provider.read_rrsets(zone, std::slice::from_ref(key)).await?;
            readings.extend(shown.into_iter().map(|shown| (key.clone(), shown)));
        }
        turn().await;
    }
    Ok(())
}

/// Whether the readings are explained by a zone that goes through the states and never back.
///
/// Each reading is matched with the first state that fits and is not before the state of the
/// previous reading. If any sequence of states explains the readings, this sequence does.
fn explained(states: &[Rrsets], readings: &[Reading]) -> Done {
    let mut at = 0;
    for (key, shown) in readings {
        let mut ahead = states.iter().enumerate().skip(at);
        match ahead.find(|(_, state)| state.get(key) == shown.as_ref()) {
            Some((fits, _)) => at = fits,
            None => {
                return fail(format!(
                    "{key} was read as {shown:?}, after a reading that shows change {at} of {} made",
                    states.len() - 1
                ));
            }
        }
    }
    Ok(())
}

/// Polls both futures until both are ready.
pub(super) async fn at_once<A, B>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut done_a, mut done_b) = (None, None);
    poll_fn(move |context| {
        if done_a.is_none() {
            done_a = ready(a.as_mut().poll(context));
        }
        if done_b.is_none() {
            done_b = ready(b.as_mut().poll(context));
        }
        match (done_a.take(), done_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (done_a, done_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Polls both futures until the first is ready. The result of the other counts only if it ended
/// with an error before that.
async fn while_doing<T, E>(
    doing: impl Future<Output = Result<T, E>>,
    meanwhile: impl Future<Output = Result<(), E>>,
) -> (Result<T, E>, Result<(), E>) {
    let (mut doing, mut meanwhile) = (pin!(doing), pin!(meanwhile));
    let mut ended = None;
    poll_fn(move |context| {
        if ended.is_none() {
            ended = ready(meanwhile.as_mut().poll(context));
        }
        doing.as_mut().poll(context).map(|done| (done, ended.take().unwrap_or(Ok(()))))
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Lets the other future have a turn.
async fn turn() {
    let mut was_here = false;
    poll_fn(move |context| {
        if was_here {
            return Poll::Ready(());
        }
        was_here = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::text;

    fn zone_of(lines: &[&str]) -> Rrsets {
        let origin = Name::absolute("a.test.").expect("a name");
        text::rrsets(&origin, &super::super::case::lines(lines))
    }

    #[test]
    fn readings_are_explained_by_a_zone_that_only_moves_forward() {
        let origin = Name::absolute("a.test.").expect("a name");
        let (a, b) = ("@ MX 60 1 old", "@ MX 60 1 new");
        let states = [zone_of(&[a, "@ TXT 60 x"]), zone_of(&[b, "@ TXT 60 y"])];
        let read = |lines: &[&str]| -> Vec<Reading> {
            let edits = text::edits(&origin, &super::super::case::lines(lines));
            edits.into_iter().map(|edit| (edit.key, edit.after)).collect()
        };
        for (lines, is_explained) in [
            (&[a, a, b, b][..], true),
            (&[][..], true),
            (&[b, a][..], false),
            (&[a, "@ MX -", b][..], false),
            (&[a, "@ TXT 60 y", b][..], true),
            (&["@ TXT 60 y", a][..], false),
            (&["@ MX 60 1 old | 1 new"][..], false),
        ] {
            assert_eq!(explained(&states, &read(lines)).is_ok(), is_explained, "{lines:?}");
        }
    }
}
