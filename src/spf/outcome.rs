//! What an evaluation says: the outcome, how it came about, and why there is none.

use std::fmt;

use cutover_contract::{Name, RrKey};

use super::Term;

/// Terms of one evaluation that may ask (RFC 7208 §4.6.4).
pub const TERMS_MAX: usize = 10;
/// Look-ups of one evaluation that may find nothing (RFC 7208 §4.6.4).
pub const VOIDS_MAX: usize = 2;
/// MX records of one `mx`; more are an error (RFC 7208 §4.6.4).
pub const EXCHANGES_MAX: usize = 10;
/// PTR records that are looked at; more are passed over (RFC 7208 §4.6.4).
pub const POINTERS_MAX: usize = 10;

/// The result of an evaluation (RFC 7208 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// There is no domain, or no record.
    None,
    /// The domain says nothing of this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// Some answer is missing; asking later may help.
    TempError,
    /// The records cannot be understood, or ask too much.
    PermError,
}

/// Why there is no other outcome than an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A term that the grammar does not allow, or allows once (RFC 7208 §4.6, §6).
    #[error("`{term}` may not stand in the SPF record of {domain}")]
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
    /// `include` or `redirect` of a name without a record, or of no name (RFC 7208 §5.2, §6.1).
    #[error("`{term}` in the SPF record of {domain} leads to no SPF record")]
    NoRecord {
        /// Whose record has the term.
        domain: Name,
        /// The term.
        term: Term,
    },
    /// More than [`TERMS_MAX`] terms that ask.
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

/// One term on the way to the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// In whose record it stands.
    pub domain: Name,
    /// The term.
    pub term: Term,
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The result.
    pub outcome: Outcome,
    /// Terms that asked (RFC 7208 §4.6.4); one more than [`TERMS_MAX`] where that is the problem.
    pub terms: usize,
    /// Look-ups that found nothing; one more than [`VOIDS_MAX`] where that is the problem.
    pub voids: usize,
    /// The includes and redirects that led to the outcome, and last the mechanism that matched, or
    /// at which the problem arose. Without a mechanism where none matched, and for problems of a
    /// whole record.
    pub path: Vec<Reached>,
    /// Why the outcome is an error.
    pub problem: Option<Problem>,
    /// The domain's own words for a fail (`exp=`, RFC 7208 §6.2).
    pub explanation: Option<String>,
    /// Every question that had no answer, also those that RFC 7208 passes over (PTR, explanations).
    pub unanswered: Vec<RrKey>,
}

impl Problem {
    /// The outcome that it makes.
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
