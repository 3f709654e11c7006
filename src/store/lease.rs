//! Who may write the runs of a plan, since when, and until when.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Who asks for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The program and its process, for people.
    pub owner: String,
    /// The machine's name.
    pub host: String,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The program and its process, for people.
    pub owner: String,
    /// The machine's name.
    pub host: String,
    /// When it took the lease, by the store's clock if it has one.
    pub since: SystemTime,
    /// When others may take the lease if it is not renewed; `None` if it lasts as long as the
    /// process.
    pub until: Option<SystemTime>,
    /// The fencing number: each lease of a plan has a higher one than the lease before it.
    pub fence: u64,
}

impl Holder {
    /// The holder that a claim makes at this time.
    #[must_use]
    pub fn new(claim: &Claim, now: SystemTime, lasts: Option<Duration>, fence: u64) -> Self {
        let Claim { owner, host } = claim.clone();
        // To the millisecond, as it is written.
        let past = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let past = Duration::from_secs(past.as_secs())
            + Duration::from_millis(past.subsec_millis().into());
        let now = SystemTime::UNIX_EPOCH + past;
        Self { owner, host, since: now, until: lasts.map(|lasts| now + lasts), fence }
    }

    /// Whether others may take the lease at this time.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// One line of JSON, which [`Holder::read`] reads.
    ///
    /// # Panics
    /// For times after the year 9999.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { owner, host, since, until, fence } = self.clone();
        let wire = HolderV1 { owner, host, since: shown(since), until: until.map(shown), fence };
        serde_json::to_string(&wire).expect("texts and numbers can be written")
    }

    /// Reads what [`Holder::text`] writes; `None` for anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let HolderV1 { owner, host, since, until, fence } = serde_json::from_str(text).ok()?;
        let time = |text: String| humantime::parse_rfc3339(&text).ok();
        let until = match until {
            None => None,
            Some(until) => Some(time(until)?),
        };
        Some(Self { owner, host, since: time(since)?, until, fence })
    }
}

impl fmt::Display for Holder {
    /// `cutover 0.1.0 with process 77 on build-3 since 2026-11-30T04:53:28.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} since {}", self.owner, self.host, shown(self.since))?;
        match self.until {
            Some(until) => write!(f, ", until {}", shown(until)),
            None => Ok(()),
        }
    }
}

/// An instant in UTC, to the millisecond (RFC 3339).
fn shown(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HolderV1 {
    owner: String,
    host: String,
    since: String,
    until: Option<String>,
    fence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_was_written_and_nothing_else_is() {
        let claim = Claim { owner: "Ada \"x\"\n".to_owned(), host: "build-3".to_owned() };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        for lasts in [None, Some(Duration::from_secs(60))] {
            let holder = Holder::new(&claim, at, lasts, 7);
            assert_eq!(Holder::read(&holder.text()), Some(holder.clone()));
            assert_eq!(holder.is_over(at + Duration::from_secs(60)), lasts.is_some());
            assert!(!holder.is_over(at + Duration::from_millis(59_999)), "the edge");
        }
        for foreign in ["", "Ada", "{}", "{\"owner\":\"Ada\"}"] {
            assert_eq!(Holder::read(foreign), None, "{foreign}");
        }
    }
}
