//! The result of an evaluation: the outcome, how it came about, or what went wrong.

use std::fmt;

use cutover_zone::{Name, RrKey};

use super::Term;

/// The maximum number of terms with look-ups in an evaluation (RFC 7208 §4.6.4).
pub const TERMS_MAX: usize = 10;
/// The maximum number of look-ups that find nothing in an evaluation (RFC 7208 §4.6.4).
pub const VOIDS_MAX: usize = 2;
/// The maximum number of MX records for an `mx`; more are an error (RFC 7208 §4.6.4).
pub const EXCHANGES_MAX: usize = 10;
/// The maximum number of PTR records used; more are ignored (RFC 7208 §4.6.4).
pub const POINTERS_MAX: usize = 10;

/// The result of an evaluation (RFC 7208 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// There is no domain, or no record.
    None,
    /// The domain says nothing about this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// An answer is missing; trying later may help.
    TempError,
    /// The records are invalid, or need too many look-ups.
    PermError,
}

/// Why the outcome is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A term that the grammar does not allow, or does not allow twice (RFC 7208 §4.6, §6).
    #[error("`{term}` is not allowed in the SPF record of {domain}")]
    Syntax {
        /// Whose record.
        domain: Name,
        /// The term.
        term: Term,
    },
    /// More than one SPF record (RFC 7208 §4.5).
    #[error("{domain} has more than one SPF record")]
    ManyRecords {
        /// Whose.
        domain: Name,
    },
    /// `include` or `redirect` of a name without a record, or of an invalid name (RFC 7208 §5.2,
    /// §6.1).
    #[error("`{term}` in the SPF record of {domain} leads to no SPF record")]
    NoRecord {
        /// Whose record has the term.
        domain: Name,
        /// The term.
        term: Term,
    },
    /// More than [`TERMS_MAX`] terms with look-ups.
    #[error("more than {TERMS_MAX} terms cause DNS look-ups")]
    ManyTerms,
    /// More than [`VOIDS_MAX`] look-ups without an answer.
    #[error("more than {VOIDS_MAX} DNS look-ups find nothing")]
    ManyVoids,
    /// More than [`EXCHANGES_MAX`] MX records.
    #[error("{domain} has more than {EXCHANGES_MAX} MX records")]
    ManyExchanges {
        /// Whose.
        domain: Name,
    },
    /// A question without an answer.
    #[error("no answer for {0}")]
    Unanswered(RrKey),
}

/// A term on the way to the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The domain whose record has it.
    pub domain: Name,
    /// The term.
    pub term: Term,
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The result.
    pub outcome: Outcome,
    /// Terms with look-ups (RFC 7208 §4.6.4); one more than [`TERMS_MAX`] if that is the problem.
    pub terms: usize,
    /// Look-ups that found nothing; one more than [`VOIDS_MAX`] if that is the problem.
    pub voids: usize,
    /// The includes and redirects that led to the outcome, and last the mechanism that matched or
    /// caused the problem. There is no mechanism if none matched, or if the problem is a whole
    /// record.
    pub path: Vec<Reached>,
    /// Why the outcome is an error.
    pub problem: Option<Problem>,
    /// The domain's own words for a fail (`exp=`, RFC 7208 §6.2).
    pub explanation: Option<String>,
    /// Every question without an answer, including those that RFC 7208 ignores (PTR, explanations).
    pub unanswered: Vec<RrKey>,
}

impl Problem {
    /// The outcome that it leads to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unanswered(_) => Outcome::TempError,
            Self::Syntax { .. }
            | Self::ManyRecords { .. }
            | Self::NoRecord { .. }
            | Self::ManyTerms
            | Self::ManyVoids
            | Self::ManyExchanges { .. } => Outcome::PermError,
        }
    }
}

impl fmt::Display for Outcome {
    /// As RFC 7208 §2.6 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}
