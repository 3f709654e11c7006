//! Options for making the models of a plan: complete by default, weakened by tests.

use std::sync::Arc;

use super::draft::Draft;
use super::model::Model;

/// How the models of a plan are made.
#[derive(Default)]
pub struct ModelOptions {
    weakening: Option<Arc<Weakening>>,
}

/// Removes something from a model. Only tests do this: the checks have to notice whatever is
/// removed.
#[doc(hidden)]
pub type Weakening = dyn Fn(&Draft<'_>, &mut Model) + Send + Sync;

impl ModelOptions {
    /// Weakens every model.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(by: Arc<Weakening>) -> Self {
        Self { weakening: Some(by) }
    }

    pub(super) fn weakening(&self) -> Option<&Weakening> {
        self.weakening.as_deref()
    }
}
