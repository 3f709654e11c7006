//! Files of a bounded size.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::{StoreError, StoreResult};

/// Adds the file to an error of the operating system.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let place = path.display().to_string();
    move |source| StoreError::Io { place, source }
}

/// Reads a text file of a bounded size.
///
/// # Errors
/// [`StoreError::Io`] and [`StoreError::TooLarge`].
pub fn read_text(path: &Path, octets_max: u64) -> StoreResult<String> {
    let mut octets = Vec::new();
    let file = File::open(path).map_err(io(path))?;
    file.take(octets_max + 1).read_to_end(&mut octets).map_err(io(path))?;
    if octets.len() as u64 > octets_max {
        return Err(StoreError::TooLarge { place: path.display().to_string(), octets_max });
    }
    String::from_utf8(octets).map_err(|error| {
        io(path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
    })
}
