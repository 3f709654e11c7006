//! What you provide as the author of an adapter: a provider on which the suite can try it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::Provider;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Zone};

/// The RRsets of a zone or of a part of it.
pub type Rrsets = BTreeMap<RrKey, RrSet>;

/// What becomes of an RRset; `None` means that it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The RRset.
    pub key: RrKey,
    /// The RRset afterwards.
    pub after: Option<RrSet>,
}

impl Edit {
    /// The owner name in capitals. Edits of a colleague should use it, since it is as good a
    /// spelling as any other (RFC 4343).
    #[must_use]
    pub fn owner_in_capitals(&self) -> String {
        self.key.name.to_string().to_ascii_uppercase()
    }

    /// The records of `after` as lines of a master file, `OWNER TTL IN TYPE RDATA`. The owner name
    /// is in capitals, and so are the data of types that hold only names.
    #[must_use]
    pub fn records_in_capitals(&self) -> Vec<String> {
        let Some(after) = &self.after else { return Vec::new() };
        let (owner, ttl, rtype) = (self.owner_in_capitals(), after.ttl(), self.key.rtype);
        let has_only_names = [RrType::CNAME, RrType::MX, RrType::NS].contains(&rtype);
        let shown = |rdata: &Rdata| match has_only_names {
            true => rdata.to_string().to_ascii_uppercase(),
            false => rdata.to_string(),
        };
        let line = |rdata| format!("{owner} {ttl} IN {rtype} {}", shown(rdata));
        after.rdata().iter().map(line).collect()
    }
}

/// Why a bench cannot do something, as a lower-case fragment for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub &'static str);

/// A case that the provider cannot do, beyond what the capabilities declare. The adapter must
/// refuse it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The name of the case.
    pub case: &'static str,
    /// The reason, as a lower-case fragment for people that names its source.
    pub why: &'static str,
}

/// What can go wrong between an adapter and its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The credentials are well-formed, but the provider does not accept them.
    WrongCredentials,
    /// Nothing listens at the provider's address.
    Down,
    /// Requests are accepted but never answered. To get time-outs without waiting for them, pause
    /// the clock of your runtime while the provider's futures are polled.
    Silent,
    /// Every answer is nonsense.
    Garbage,
    /// The connection breaks while the write is sent, and the write has no effect.
    CutBeforeEffect,
    /// The write takes effect, and the connection breaks before its answer.
    CutAfterEffect,
    /// The write has no effect, and its answer is nonsense.
    GarbageToWrite,
    /// Every request is answered with a request to wait, and nothing takes effect.
    Throttled,
    /// The server fails at the write (HTTP 500, SERVFAIL), and the write has no effect.
    ServerFailure,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WrongCredentials => "wrong credentials",
            Self::Down => "nobody listens",
            Self::Silent => "no answer ever",
            Self::Garbage => "nonsense answers",
            Self::CutBeforeEffect => "connection cut before the effect",
            Self::CutAfterEffect => "connection cut after the effect",
            Self::GarbageToWrite => "a nonsense answer to the write",
            Self::Throttled => "a request to wait",
            Self::ServerFailure => "a failure inside the server",
        })
    }
}

/// An adapter, connected to a zone of a real provider.
///
/// There is one zone at a time, always with the same name, and nobody else changes it.
#[async_trait]
pub trait Bench: Send + Sync {
    /// What the suite runs on, as the report calls it: `rfc2136 on BIND`. The same on every
    /// machine.
    fn title(&self) -> &'static str;

    /// The name of the zone.
    fn origin(&self) -> Name;

    /// The cases that the provider cannot do.
    fn limits(&self) -> &'static [Limit] {
        &[]
    }

    /// Whether the provider itself divides TXT into strings of 255 octets, so that the adapter
    /// neither shows nor writes any other division.
    fn divides_texts(&self) -> bool {
        false
    }

    /// The secrets that no error may show, including those of [`Fault::WrongCredentials`].
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Creates the zone anew with these RRsets, and connects an adapter to it. The RRsets have no
    /// SOA and no NS at the apex: the bench adds both as its provider needs them, and nothing else.
    ///
    /// # Panics
    /// If this fails, since there is nothing to test without a zone.
    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider>;

    /// The same with a signed zone, which has the records of a signer (RRSIG, NSEC and so on).
    ///
    /// # Errors
    /// [`Missing`] if the bench cannot sign.
    async fn signed(&mut self, _rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        Err(Missing("the bench cannot sign the zone"))
    }

    /// Reads the zone without the adapter's code; records of a signer are left out.
    ///
    /// # Errors
    /// [`Missing`] if nothing else can read the zone.
    async fn read(&self) -> Result<Zone, Missing> {
        Err(Missing("the bench has no other reader"))
    }

    /// Edits the zone in one go as a colleague would, without the adapter's code.
    ///
    /// # Errors
    /// [`Missing`] if nothing else can write to the zone.
    async fn edit(&self, _edits: &[Edit]) -> Result<(), Missing> {
        Err(Missing("the bench has no other writer"))
    }

    /// Connects another adapter to the same zone over a broken path. Only that adapter is affected,
    /// for as long as it lives.
    ///
    /// # Errors
    /// [`Missing`] if this fault cannot happen or cannot be produced.
    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing>;
}
