//! The contract itself: what an adapter can do, what it declares, and how it fails.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Change, ChangeSet};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl, Zone};

/// The unit in which a provider stores and writes records, in DNSControl's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// Single records, each with its own identity.
    Record,
    /// Whole RRsets.
    RrSet,
    /// All RRsets of a name.
    Label,
    /// The whole zone.
    Zone,
}

/// How much of a change becomes visible at once at the provider itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// A whole change set.
    ChangeSet,
    /// Each RRset on its own: a reader may see one RRset of a change set changed and another not.
    RrSet,
    /// Each record on its own: while an RRset is replaced, a reader may see any combination of the
    /// changes in [`crate::InPlace`]. The RRset is never absent, unless another type takes its
    /// place at the name.
    Record,
    /// Nothing: while an RRset is replaced, a reader may see it absent or mixed.
    None,
}

/// Who compares before setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareAndSet {
    /// The provider, in the same transaction: a stale change is refused.
    Native,
    /// The adapter, by reading first: somebody may write between its read and its write.
    ReadCompareWrite,
}

/// How many changes a plan may gather into one change set if their order is free.
#[derive(Clone, Copy, Debug)]
pub enum Gathered {
    /// One RRset.
    One,
    /// Any number of RRsets.
    All,
    /// What the provider takes in one request.
    Request {
        /// The largest request, in this unit.
        size_max: usize,
        /// The unit, for people: `octets of a DNS UPDATE`.
        unit: &'static str,
        /// How much of the request a change of this zone needs; never too little.
        size_of: fn(&Name, &Change) -> usize,
    },
}

impl PartialEq for Gathered {
    /// May report the same function as different, but never different functions as equal.
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

/// What an adapter declares for one zone. The compiler and the proof rely on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The unit of storage.
    pub granularity: Granularity,
    /// How much becomes visible at once.
    pub atomicity: Atomicity,
    /// Who compares before writing.
    pub compare_and_set: CompareAndSet,
    /// The smallest TTL that the provider keeps as written.
    pub ttl_min: Ttl,
    /// The largest TTL that the provider keeps as written.
    pub ttl_max: Ttl,
    /// The types that can be written; `None` means every type.
    pub types: Option<&'static [RrType]>,
    /// How much a plan gathers into one change set if it is free to choose. Changes that a plan
    /// requires to happen together are not bounded by this.
    pub gathered: Gathered,
    /// How long after a write of unknown outcome its effect can still appear.
    pub settle_max: Duration,
    /// The time to wait after every listed authoritative address serves a change, for nodes of an
    /// anycast network that cannot be queried. Zero if there are none.
    pub anycast_margin: Duration,
    /// For zones whose servers cannot be queried: how long after a write the user assumes that it is
    /// served everywhere. `None`: the authoritative servers are queried.
    pub served_within: Option<Duration>,
}

/// What the provider answered to a change that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The SOA serial after the change, if the provider has one.
    pub serial: Option<u32>,
    /// Whether the adapter read back what it wrote, and found it as requested.
    pub read_back: bool,
}

/// A change that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// Which RRset.
    pub key: RrKey,
    /// The limit, as a lower-case fragment that also says what to do instead, if anything can be
    /// done: the text that [`ProviderError::Unsupported`] would have.
    pub why: String,
}

/// What to do next about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The zone is not as the plan expects: halt and show the difference.
    Halt,
    /// A person must correct the plan, the credentials or the provider; trying again does not help.
    Fix,
    /// Nothing was done; try again after this time.
    Retry(Duration),
    /// The change may have been made: look before you send anything else.
    Look,
}

/// Why a provider did not do what it was asked.
///
/// `detail` is the text of the provider or of the system; it never contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The comparison failed; nothing was changed.
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
    /// The provider understood the request and refused it; nothing was changed.
    #[error("the provider refuses the request for zone {zone}: {detail}")]
    Refused {
        /// The zone.
        zone: Name,
        /// The provider's text.
        detail: String,
    },
    /// The provider does not accept the credentials; nothing was changed.
    #[error("the provider does not accept the credentials for zone {zone}: {detail}")]
    Unauthorized {
        /// The zone.
        zone: Name,
        /// The provider's text.
        detail: String,
    },
    /// The provider does not have this zone.
    #[error("the provider has no zone {zone}: {detail}")]
    NoSuchZone {
        /// The zone.
        zone: Name,
        /// The provider's text.
        detail: String,
    },
    /// Nothing could be sent, or a read got no answer; nothing was changed.
    #[error("{peer} cannot be reached for zone {zone}: {detail}")]
    Unreachable {
        /// The zone.
        zone: Name,
        /// Who was asked.
        peer: String,
        /// The system's text.
        detail: String,
    },
    /// The provider asks to wait; nothing was changed.
    #[error("the provider limits the rate of requests for zone {zone}")]
    Throttled {
        /// The zone.
        zone: Name,
        /// How long it asks to wait.
        retry_after: Duration,
    },
    /// A write was sent, and its outcome is unknown.
    #[error("it is not known whether {peer} made the change in zone {zone}: {detail}")]
    InDoubt {
        /// The zone.
        zone: Name,
        /// Who was asked.
        peer: String,
        /// The system's text.
        detail: String,
    },
    /// The answer to a read makes no sense; nothing was changed.
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

/// How long to wait before asking an unreachable server again: our choice.
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
/// An adapter retries only what is idempotent, waits only for bounded time-outs, and changes
/// nothing that the change set does not name, except the SOA serial.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What the adapter declares for this zone. Does no IO.
    fn capabilities(&self, zone: &Name) -> Capabilities;

    /// Reads the whole zone as the provider holds it.
    ///
    /// # Errors
    /// [`ProviderError`]. It never returns part of a zone.
    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError>;

    /// Reads these RRsets as the provider holds them, in the order of `keys`.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>>;

    /// Which changes of these sets cannot be written to the zone, and why. The sets are those of a
    /// plan and of its ways back. Whether the zone is as each set expects is not checked. Reads
    /// what it needs, and changes nothing.
    ///
    /// Whatever this accepts, [`Provider::apply`] can write as long as nobody else changes the
    /// zone. Whatever `apply` would refuse as unsupported is reported here, all of it.
    ///
    /// # Errors
    /// [`ProviderError`] if this could not be found out, or if nothing can be written to
    /// this zone at all.
    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>>;

    /// What is ambiguous in the zone as the provider holds it: each item is a sentence for people
    /// that says where, and how it was read.
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

    /// Makes the zone's servers load what the provider holds. This matters if publishing is a
    /// step of its own: [`Provider::apply`] does it after the write, and may have failed before
    /// that. It changes nothing, and may be called any number of times.
    ///
    /// # Errors
    /// [`ProviderError`] if the servers may not have what the provider holds.
    async fn publish(&self, _zone: &Name) -> Result<(), ProviderError> {
        Ok(())
    }
}
