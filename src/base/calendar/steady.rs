//! The clock that nobody can set: how long the machine has been up.
//!
//! A wall clock can be set, by a person or by a time server after a boot, so a wait that relied on
//! it alone could end too early. Time has passed only if both clocks agree. The machine's clock
//! also runs while it is suspended. It starts over after a boot; then only the wall clock is left.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Timestamp;

/// The tolerated difference between the two clocks: they are read one after the other, and the
/// kernel's text has hundredths of a second. Our choice.
const TOLERANCE: Duration = Duration::from_secs(1);

/// An instant by the clock of one boot of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady {
    /// Which boot: the first digits of its id.
    pub boot: u32,
    /// Milliseconds since then.
    pub millis: u64,
}

/// An instant by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock.
    pub at: Timestamp,
    /// By the machine's clock; `None` if there is none that can be read.
    pub steady: Option<Steady>,
}

impl Steady {
    /// How long ago another instant was; `None` if unknown.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        let millis = self.millis.checked_sub(earlier.millis);
        millis.filter(|_| self.boot == earlier.boot).map(Duration::from_millis)
    }
}

impl Moment {
    /// How much of a span that began at `from` is left by the machine's clock; zero if that clock
    /// cannot tell.
    #[must_use]
    pub fn remaining(self, from: Option<Steady>, span: Duration) -> Duration {
        let passed = self.steady.zip(from).and_then(|(now, from)| now.since(from));
        let left = passed.map_or(Duration::ZERO, |passed| span.saturating_sub(passed));
        if left > TOLERANCE { left } else { Duration::ZERO }
    }

    /// How long ago an instant was: by the machine's clock or, if that cannot tell, by the wall clock.
    /// `None` if that one has been set back since.
    #[must_use]
    pub fn age_of(self, at: Timestamp, steady: Option<Steady>) -> Option<Duration> {
        let passed = self.steady.zip(steady).and_then(|(now, then)| now.since(then));
        passed.or_else(|| (self.at - at).to_std().ok())
    }
}

impl From<Timestamp> for Moment {
    /// By the wall clock only.
    fn from(at: Timestamp) -> Self {
        Self { at, steady: None }
    }
}

impl fmt::Display for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}+{}", self.boot, self.millis)
    }
}

impl FromStr for Steady {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (boot, millis) = text.split_once('+').ok_or(())?;
        let boot = u32::from_str_radix(boot, 16).map_err(|_| ())?;
        Ok(Self { boot, millis: millis.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_boot_knows_what_has_passed() {
        let steady = |boot, secs: u64| Steady { boot, millis: secs * 1_000 };
        let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let at = Timestamp::UNIX_EPOCH;
        let left = |from, now| Moment { at, steady: now }.remaining(from, hour);
        assert_eq!(left(Some(steady(1, 10)), Some(steady(1, 70))), hour - minute);
        assert_eq!(left(Some(steady(1, 10)), Some(steady(1, 3_610))), Duration::ZERO);
        assert_eq!(left(Some(steady(1, 10)), Some(steady(1, 3_609))), Duration::ZERO);
        // Another boot, an earlier instant, and no clock at all say nothing.
        for (from, now) in [
            (Some(steady(1, 10)), Some(steady(2, 70))),
            (Some(steady(1, 70)), Some(steady(1, 10))),
            (None, Some(steady(1, 70))),
            (Some(steady(1, 10)), None),
        ] {
            assert_eq!(left(from, now), Duration::ZERO);
        }
        assert_eq!(steady(10, 5).to_string().parse(), Ok(steady(10, 5)));
    }
}
