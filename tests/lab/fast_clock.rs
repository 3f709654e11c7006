//! Clocks that run fast or are set, for programs that wait for hours: Debian's `libfaketime`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::server::now;

/// How much faster the clock runs. Our choice: a time-out of ten seconds still leaves one second.
const SPEED: u32 = 10;

/// The library that changes the time that a program sees.
fn library() -> PathBuf {
    let architectures = std::fs::read_dir("/usr/lib").expect("there are libraries");
    let library = architectures
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists());
    library.expect("no libfaketimeMT.so.1: apt install libfaketime")
}

/// A wall clock that can be set while a program runs. The monotonic clock is not affected.
pub(crate) struct SetClock {
    file: tempfile::NamedTempFile,
}

impl SetClock {
    /// A clock with the real time.
    pub(crate) fn right() -> Self {
        let clock = Self { file: tempfile::NamedTempFile::new().expect("a temporary file") };
        clock.set("+0s");
        clock
    }

    /// Sets it by an offset from the real time, such as `+1h` or `-1h`.
    pub(crate) fn set(&self, offset: &str) {
        std::fs::write(self.file.path(), format!("{offset}\n")).expect("it can be written");
    }

    /// Makes a program that is about to be started see this clock.
    pub(crate) fn give_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", self.file.path());
        command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
}

/// A clock that runs [`SPEED`] times as fast, shared by all programs that are started with it, so that a
/// later program never sees an earlier time.
pub(crate) struct FastClock {
    start: Instant,
    library: PathBuf,
}

impl FastClock {
    /// A clock that starts at the real time.
    pub(crate) fn start() -> Self {
        Self { start: now(), library: library() }
    }

    /// Makes a program that is about to be started see this clock.
    pub(crate) fn give_to(&self, command: &mut Command) {
        let ahead = self.start.elapsed().as_secs_f64() * f64::from(SPEED - 1);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME", format!("+{ahead:.3}s x{SPEED}"));
    }
}
