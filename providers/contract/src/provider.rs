//! The contract itself: what an adapter can do, what it says of itself, and how it fails.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Change, ChangeSet, Name, RrKey, RrSet, RrType, Ttl, Zone};

/// The unit in which a provider stores and writes (DNSControl's taxonomy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// Single records, each with an identity of its own.
    Record,
    /// Whole RRsets.
    RrSet,
    /// All RRsets of a name.
    Label,
    /// The whole zone.
    Zone,
}

/// How much becomes visible at one moment at the provider itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// A whole change set.
    ChangeSet,
    /// Each RRset for itself; between two RRsets of a set anyone may look.
    RrSet,
    /// Each record for itself: while an RRset is replaced, some of the changes that
    /// [`crate::InPlace`] has may be seen made and others not, in any combination. It is never
    /// absent, unless another type takes its place at the name.
    Record,
    /// Nothing: an RRset may be seen absent or mixed while it is replaced.
    None,
}

/// Who compares before setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareAndSet {
    /// The provider, in the same transaction: a stale change is refused.
    Native,
    /// The adapter, by reading first: someone may write between the two.
    ReadCompareWrite,
}

/// How much comes into one change set that may be made of any number of changes.
#[derive(Clone, Copy, Debug)]
pub enum Gathered {
    /// One RRset.
    One,
    /// Any number of RRsets.
    All,
    /// What one request of the provider's takes.
    Request {
        /// The most that a request takes, in the unit.
        size_max: usize,
        /// The unit, for people: `octets of a DNS UPDATE`.
        unit: &'static str,
        /// What a change of this zone takes of it; rather too much than too little.
        size_of: fn(&Name, &Change) -> usize,
    },
}

impl PartialEq for Gathered {
    /// Functions of one code may be taken to be others; never the other way round.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One, Self::One) | (Self::All, Self::All) => true,
            (
                Self::Request { size_max, unit, size_of },
                Self::Request { size_max: other_max, unit: other_unit, size_of: other_of },
            ) => {
                size_max == other_max
                    && unit == other_unit
                    && std::ptr::fn_addr_eq(*size_of, *other_of)
            }
            (_, _) => false,
        }
    }
}

impl Eq for Gathered {}

/// What an adapter says of itself for one zone. The compiler and the proof read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The unit of storage.
    pub granularity: Granularity,
    /// What becomes visible at once.
    pub atomicity: Atomicity,
    /// Who compares.
    pub compare_and_set: CompareAndSet,
    /// The smallest TTL that is taken as written.
    pub ttl_min: Ttl,
    /// The largest TTL that is taken as written.
    pub ttl_max: Ttl,
    /// The types that can be written; `None`: every type.
    pub types: Option<&'static [RrType]>,
    /// How much comes into one change set where a plan leaves open what comes together. What a plan
    /// asks to change together has no bound here.
    pub gathered: Gathered,
    /// After how long an effect whose outcome is unknown can no longer land.
    pub settle_max: Duration,
    /// What is added after the last listed authoritative address was seen to serve a change, for
    /// nodes that cannot be asked (anycast). Zero where there are none.
    pub unseen_nodes: Duration,
    /// Where nobody can be asked what is served: how long after the write it is taken to be served
    /// everywhere, as the user states it. `None`: the authoritative servers are asked.
    pub served_within: Option<Duration>,
}

/// What the provider said of a change that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The SOA serial after the change, where the provider has one.
    pub serial: Option<u32>,
    /// Whether the adapter has read back what it wrote, and found it as asked.
    pub read_back: bool,
}

/// A change that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// Which RRset.
    pub key: RrKey,
    /// The limit, as a lower-case fragment that says what to do instead where something can be done:
    /// what [`ProviderError::Unsupported`] would say.
    pub why: String,
}

/// What to do next about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The zone is not what the plan was made for: halt and show the difference.
    Halt,
    /// A person must correct the plan, the credentials or the provider: trying again changes nothing.
    Fix,
    /// Nothing was done; try again after this time.
    Retry(Duration),
    /// It may have been done: look before anything else is sent.
    Look,
}

/// A provider that did not do what it was asked.
///
/// `detail` is the other side's own word or the system's, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The compare of the compare-and-set failed; nothing was changed.
    #[error("{key} in zone {zone} is not what was expected")]
    Conflict {
        /// The zone.
        zone: Name,
        /// The first RRset that differs.
        key: RrKey,
        /// What is there instead.
        live: Option<RrSet>,
    },
    /// The change cannot be represented at this provider; nothing was sent.
    #[error("{key} cannot be written to zone {zone}: {why}")]
    Unsupported {
        /// The zone.
        zone: Name,
        /// The RRset.
        key: RrKey,
        /// The limit, as a lower-case fragment.
        why: String,
    },
    /// The provider understood and said no; nothing was changed.
    #[error("the provider refuses for zone {zone}: {detail}")]
    Refused {
        /// The zone.
        zone: Name,
        /// The provider's word.
        detail: String,
    },
    /// The credentials are not accepted; nothing was changed.
    #[error("the credentials are not accepted for zone {zone}: {detail}")]
    Unauthorized {
        /// The zone.
        zone: Name,
        /// The provider's word.
        detail: String,
    },
    /// The provider does not have this zone.
    #[error("there is no zone {zone} at the provider: {detail}")]
    NoSuchZone {
        /// The zone.
        zone: Name,
        /// The provider's word.
        detail: String,
    },
    /// Nothing could be sent, or a read got no answer; nothing was changed.
    #[error("{peer} cannot be reached for zone {zone}: {detail}")]
    Unreachable {
        /// The zone.
        zone: Name,
        /// Who was asked.
        peer: String,
        /// The system's word.
        detail: String,
    },
    /// The provider asks for patience; nothing was changed.
    #[error("the provider limits the rate for zone {zone}")]
    Throttled {
        /// The zone.
        zone: Name,
        /// How long it asks us to wait.
        retry_after: Duration,
    },
    /// A write was sent and its outcome is unknown.
    #[error("whether {peer} made the change in zone {zone} is not known: {detail}")]
    InDoubt {
        /// The zone.
        zone: Name,
        /// Who was asked.
        peer: String,
        /// The system's word.
        detail: String,
    },
    /// An answer to a read that makes no sense; nothing was changed.
    #[error("the answer for zone {zone} cannot be understood: {detail}")]
    Malformed {
        /// The zone.
        zone: Name,
        /// What is wrong with it.
        detail: String,
    },
}

/// What a provider answers, or how it failed.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// How long to wait before a server that could not be reached is tried again: our choice.
const RETRY_UNREACHABLE: Duration = Duration::from_secs(10);

impl ProviderError {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Conflict { .. } => Next::Halt,
            Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::Unauthorized { .. }
            | Self::NoSuchZone { .. }
            | Self::Malformed { .. } => Next::Fix,
            Self::Unreachable { .. } => Next::Retry(RETRY_UNREACHABLE),
            Self::Throttled { retry_after, .. } => Next::Retry(*retry_after),
            Self::InDoubt { .. } => Next::Look,
        }
    }
}

/// A DNS provider, through its adapter.
///
/// Adapters retry nothing that is not idempotent, sleep for nothing but a bounded time-out, and
/// change nothing that the change set does not name (the SOA serial excepted).
#[async_trait]
pub trait Provider: Send + Sync {
    /// What the adapter says of itself for this zone. No IO.
    fn capabilities(&self, zone: &Name) -> Capabilities;

    /// Reads the whole zone as the provider holds it.
    ///
    /// # Errors
    /// [`ProviderError`]; never a part of a zone.
    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError>;

    /// Reads some RRsets as the provider holds them, in the order of `keys`.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>>;

    /// Which of these change sets of the zone cannot be written, and why. The sets are those of a
    /// plan and of its ways back, and whether the zone is as each of them expects is not asked. Reads
    /// what it needs, and changes nothing.
    ///
    /// What this lets pass, [`Provider::apply`] can write while nobody else changes the zone; what
    /// that refuses as unsupported, this finds, all of it.
    ///
    /// # Errors
    /// [`ProviderError`]: what cannot be written was not found out, or nothing can be written to this
    /// zone at all.
    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>>;

    /// What is odd about the zone as the provider holds it, and was read in one of several possible
    /// ways: each a sentence for people, with its place.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn remarks(&self, _zone: &Name) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }

    /// Compares every `before` and makes the changes.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::next`] says whether anything can have changed.
    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError>;

    /// Has the zone's servers told of what the provider holds, where that is an act of its own that
    /// [`Provider::apply`] makes after the write and may not have come to. It changes nothing, and
    /// may be called any number of times.
    ///
    /// # Errors
    /// [`ProviderError`]: the servers may not have what the provider holds.
    async fn publish(&self, _zone: &Name) -> Result<(), ProviderError> {
        Ok(())
    }
}
