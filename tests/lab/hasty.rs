//! A clock that runs faster, for programs that wait for hours: Debian's `libfaketime`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::server::now;

/// How much faster it runs. Our choice: time-outs of ten seconds still leave one.
const SPEED: u32 = 10;

/// The library that changes what a program is told.
fn library() -> PathBuf {
    let architectures = std::fs::read_dir("/usr/lib").expect("there are libraries");
    let library = architectures
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists());
    library.expect("no libfaketimeMT.so.1: apt install libfaketime")
}

/// A wall clock that somebody sets, also while a program runs; the machine's own clock goes on.
pub(crate) struct SetClock {
    file: tempfile::NamedTempFile,
}

impl SetClock {
    /// A clock that has the real time.
    pub(crate) fn right() -> Self {
        let clock = Self { file: tempfile::NamedTempFile::new().expect("a temporary file") };
        clock.set("+0s");
        clock
    }

    /// Sets it this far from the real time: `+1h`, `-1h`.
    pub(crate) fn set(&self, offset: &str) {
        std::fs::write(self.file.path(), format!("{offset}\n")).expect("it can be written");
    }

    /// Lets a program that is about to be started see this clock.
    pub(crate) fn give_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", self.file.path());
        command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
}

/// One clock for every program that is started with it: it never goes back from one to the next.
pub(crate) struct Hasty {
    start: Instant,
    library: PathBuf,
}

impl Hasty {
    /// A clock that has the real time now.
    pub(crate) fn start() -> Self {
        Self { start: now(), library: library() }
    }

    /// Lets a program that is about to be started see this clock.
    pub(crate) fn give_to(&self, command: &mut Command) {
        let ahead = self.start.elapsed().as_secs_f64() * f64::from(SPEED - 1);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME", format!("+{ahead:.3}s x{SPEED}"));
    }
}
