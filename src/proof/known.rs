//! How the models of a plan are made: whole, but where tests weaken them.

use std::sync::Arc;

use super::draft::Draft;
use super::model::Model;

/// What is done to every model of a plan.
#[derive(Default)]
pub struct Known {
    weakening: Option<Arc<Weakening>>,
}

/// Takes something out of a model. Tests alone do that: whatever is taken has to be missed.
#[doc(hidden)]
pub type Weakening = dyn Fn(&Draft<'_>, &mut Model) + Send + Sync;

impl Known {
    /// Every model is weakened.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(by: Arc<Weakening>) -> Self {
        Self { weakening: Some(by) }
    }

    pub(super) fn weakening(&self) -> Option<&Weakening> {
        self.weakening.as_deref()
    }
}
