#![doc = include_str!("README.md")]

mod caa;
mod delegation;
mod dkim;
mod dmarc;
mod exchanges;
mod parked;
mod size;
mod spf;
mod subject;
mod times;
mod tls_reports;
mod transport;
mod verification;

pub use exchanges::hosts_of;
pub use subject::{EXCHANGES_MAX, Look, Subject};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Worth knowing.
    Note,
    /// Some mail is at risk, or will be during a move.
    Warning,
    /// Mail is lost or refused today.
    Error,
}

impl Grade {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its stable name: lower case with hyphens.
    pub code: &'static str,
    /// How bad what it finds is.
    pub grade: Grade,
    /// The traps of moving mail that it sees, by number; empty if it sees another defect.
    pub traps: &'static [u8],
    /// What it means for mail.
    pub means: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What it finds: a sentence each, without a final stop.
    pub find: fn(&Subject<'_>) -> Vec<String>,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check's code.
    pub code: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What was seen.
    pub seen: String,
    /// What it means for mail.
    pub means: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Every check, one line each, sorted by code within each file.
pub const ALL: &[Check] = &[
    caa::ISSUERS,
    delegation::NOT_SIGNED,
    delegation::ONE_SERVER,
    dkim::BROKEN,
    dkim::NONE,
    dkim::REVOKED,
    dkim::SHORT,
    dkim::TESTED,
    dmarc::INVALID,
    dmarc::NONE,
    dmarc::REPORTS_INSIDE,
    dmarc::REPORTS_UNCLAIMED,
    dmarc::STRICT,
    dmarc::TWO,
    dmarc::UNPROTECTED,
    exchanges::ALIAS,
    exchanges::HOSTS_MIXED,
    exchanges::IMPLICIT,
    exchanges::NO_ADDRESS,
    exchanges::NO_IPV6,
    exchanges::NOT_A_NAME,
    exchanges::NULL_AND_OTHERS,
    exchanges::SAME_HOST,
    exchanges::WILDCARD,
    parked::NOT_CLOSED,
    size::TXT,
    spf::BROKEN_INCLUDE,
    spf::BUDGET,
    spf::INVALID,
    spf::MOVES_ALONG,
    spf::NONE,
    spf::OPEN,
    spf::PTR,
    spf::TWO,
    spf::VOIDS,
    times::NEGATIVE,
    times::TTL,
    tls_reports::NONE,
    tls_reports::INSIDE,
    transport::POLICY_LEAVES_OUT,
    transport::POLICY_UNREADABLE,
    transport::RECORD,
    transport::TLSA,
    verification::REMOVED,
];

/// The codes of all checks, in the order of [`ALL`].
pub const CODES: [&str; ALL.len()] = {
    let mut codes = [ALL[0].code; ALL.len()];
    let mut place = 0;
    while place < ALL.len() {
        codes[place] = ALL[place].code;
        place += 1;
    }
    codes
};

/// The most findings of one check about one domain. Our choice: more would say nothing new.
const FINDINGS_OF_ONE_MAX: usize = 8;

/// The check with this code.
#[must_use]
pub fn of_code(code: &str) -> Option<&'static Check> {
    ALL.iter().find(|check| check.code == code)
}

/// What all checks find, the worst first.
#[must_use]
pub fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = ALL
        .iter()
        .flat_map(|check| {
            let seen = (check.find)(subject).into_iter().take(FINDINGS_OF_ONE_MAX);
            let Check { code, grade, traps: _, means, fix, find: _ } = *check;
            seen.map(move |seen| Finding { code, grade, seen, means, fix })
        })
        .collect();
    found.sort_by_key(|finding| (std::cmp::Reverse(finding.grade), finding.code));
    found
}
