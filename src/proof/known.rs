//! What is found once and holds for every model of a plan.
//!
//! A way back brings no answers that the way there does not have, and in the same order: so what
//! evaluations found for one holds for the other, and is kept while a plan is compiled.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cutover_contract::{Name, RrKey};

use super::answers::Content;
use super::draft::Draft;
use super::model::Model;
use crate::observe::Outside;

/// What models share.
#[derive(Default)]
pub struct Known {
    /// What evaluations have found, by their labels.
    found: Mutex<HashMap<Label, Found>>,
    /// The answers that never change; `None`: outside of the plan's zones.
    fixed: Mutex<HashMap<RrKey, Option<Content>>>,
    /// What a resolver would have been told before the first step.
    live: Mutex<HashMap<RrKey, Outside>>,
    weakening: Option<Arc<Weakening>>,
}

/// Names an evaluation: what it asks for, of which name, and a number.
pub(super) type Label = (&'static str, Name, usize);

type Found = Arc<dyn Any + Send + Sync>;

/// Takes something out of a model. Tests alone do that: whatever is taken has to be missed.
#[doc(hidden)]
pub type Weakening = dyn Fn(&Draft<'_>, &mut Model) + Send + Sync;

impl Known {
    /// Nothing is known, and every model is weakened.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(by: Arc<Weakening>) -> Self {
        Self { weakening: Some(by), ..Self::default() }
    }

    /// Nothing is known: for a draft with other answers.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { weakening: self.weakening.clone(), ..Self::default() }
    }

    pub(super) fn weakening(&self) -> Option<&Weakening> {
        self.weakening.as_deref()
    }

    /// What was found under a label, or is found now.
    pub(super) fn once<T: Send + Sync + 'static>(
        &self,
        label: Label,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let known = locked(&self.found).get(&label).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return known;
        }
        // Not while the lock is held: what is made may ask for something else.
        let found = Arc::new(make());
        locked(&self.found).insert(label, Arc::<T>::clone(&found));
        found
    }

    pub(super) fn fixed(&self, key: &RrKey) -> Option<Option<Content>> {
        locked(&self.fixed).get(key).cloned()
    }

    pub(super) fn keep_fixed(&self, key: &RrKey, content: Option<Content>) {
        locked(&self.fixed).insert(key.clone(), content);
    }

    /// What a resolver would have been told before the first step.
    pub(super) fn live(&self, draft: &Draft<'_>, key: &RrKey) -> Outside {
        let known = locked(&self.live).get(key).cloned();
        known.unwrap_or_else(|| {
            let found = draft.snapshot.told(key);
            locked(&self.live).insert(key.clone(), found.clone());
            found
        })
    }
}

/// Whoever panicked with it has put in a whole result or none.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
