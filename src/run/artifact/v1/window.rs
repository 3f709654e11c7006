//! Windows and freezes on the wire.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::value;
use crate::artifact::ReadError;
use cutover_base::calendar::window::{WindowError, Windows};
use cutover_steps::graph::StepId;

/// Windows and freezes, each in its canonical text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowV1 {
    open: Vec<String>,
    closed: Vec<String>,
}

pub(super) fn wire(windows: &Windows) -> WindowV1 {
    WindowV1 {
        open: windows.windows().iter().map(ToString::to_string).collect(),
        closed: windows.freezes().iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn read(id: &StepId, wire: &WindowV1) -> Result<Option<Windows>, ReadError> {
    fn all<T: FromStr<Err = WindowError>>(
        id: &StepId,
        texts: &[String],
    ) -> Result<Vec<T>, ReadError> {
        let read = |text: &String| text.parse().map_err(|error| value(id, error));
        texts.iter().map(read).collect()
    }
    let WindowV1 { open, closed } = wire;
    Ok(Windows::new(all(id, open)?, all(id, closed)?))
}
