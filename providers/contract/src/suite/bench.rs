//! What the author of an adapter gives: a place where the suite can try it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::{Name, Provider, Rdata, RrKey, RrSet, RrType, Zone};

/// The RRsets of a zone, or of a part of one.
pub type Rrsets = BTreeMap<RrKey, RrSet>;

/// What an RRset is to be; `None` is absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which RRset.
    pub key: RrKey,
    /// What is there afterwards.
    pub after: Option<RrSet>,
}

impl Edit {
    /// The owner in capitals: as good a spelling as any other (RFC 4343), and one that colleagues
    /// of an adapter should use.
    #[must_use]
    pub fn owner_in_capitals(&self) -> String {
        self.key.name.to_string().to_ascii_uppercase()
    }

    /// The records of `after` as lines of a master file, `OWNER TTL IN TYPE RDATA`, with the owner,
    /// and what is nothing but a name in the data, in capitals.
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

/// A case that the provider cannot do, beyond what the capabilities say: it has to be refused.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The name of the case.
    pub case: &'static str,
    /// The reason, as a lower-case fragment for people, with a source.
    pub why: &'static str,
}

/// What can go wrong between an adapter and its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The credentials are well-formed, and the other side does not accept them.
    WrongCredentials,
    /// Nobody listens.
    Down,
    /// Requests are taken, and never answered. Pause the clock of your runtime while the provider's
    /// futures are polled, if you want to have your time-outs without waiting for them.
    Silent,
    /// Everything is answered with nonsense.
    Garbage,
    /// The connection breaks when the write is sent, and the write takes no effect.
    CutBeforeEffect,
    /// The write takes effect, and the connection breaks before the answer to it.
    CutAfterEffect,
    /// The write takes no effect, and the answer to it is nonsense.
    GarbageToWrite,
    /// Requests are answered with a demand for patience, and nothing takes effect.
    Throttled,
    /// The write is answered with a failure of the server's own (HTTP 500, SERVFAIL), and takes no
    /// effect.
    ServerFailure,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WrongCredentials => "wrong credentials",
            Self::Down => "nobody listens",
            Self::Silent => "no answer ever",
            Self::Garbage => "nonsense for an answer",
            Self::CutBeforeEffect => "connection cut before the effect",
            Self::CutAfterEffect => "connection cut after the effect",
            Self::GarbageToWrite => "nonsense for an answer to the write",
            Self::Throttled => "a demand for patience",
            Self::ServerFailure => "a failure of the server's own",
        })
    }
}

/// An adapter, with a zone of a real provider to try it on.
///
/// There is one zone at a time, with the same name always, and nobody else works on it.
#[async_trait]
pub trait Bench: Send + Sync {
    /// What is tried, as the report calls it: `rfc2136 on BIND`. The same on every machine.
    fn title(&self) -> &'static str;

    /// The name of the zone.
    fn origin(&self) -> Name;

    /// The cases that the provider cannot do.
    fn limits(&self) -> &'static [Limit] {
        &[]
    }

    /// Whether the provider divides TXT into strings by itself, after 255 octets each, so that the
    /// adapter shows no other division and writes none.
    fn divides_texts(&self) -> bool {
        false
    }

    /// The secrets that no error may show, those of [`Fault::WrongCredentials`] included.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes the zone anew with these RRsets, and connects an adapter to it. The RRsets have no SOA
    /// and no NS at the apex: the bench adds both, as its provider wants them, and nothing else.
    ///
    /// # Panics
    /// Where it cannot: without a zone there is nothing to try.
    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider>;

    /// The same, with records of a signer in the zone (RRSIG, NSEC and the like).
    ///
    /// # Errors
    /// [`Missing`], where that cannot be had.
    async fn signed(&mut self, _rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        Err(Missing("the bench cannot have the zone signed"))
    }

    /// Reads the zone with none of the adapter's code; records of a signer are left out.
    ///
    /// # Errors
    /// [`Missing`], where nothing else can read it.
    async fn read(&self) -> Result<Zone, Missing> {
        Err(Missing("the bench has no other reader"))
    }

    /// Edits the zone as a colleague would, with none of the adapter's code, all at once.
    ///
    /// # Errors
    /// [`Missing`], where nothing else can write to it.
    async fn edit(&self, _edits: &[Edit]) -> Result<(), Missing> {
        Err(Missing("the bench has no other writer"))
    }

    /// Connects another adapter to the same zone, and breaks its way there. The fault lasts as long
    /// as that adapter; others see nothing of it.
    ///
    /// # Errors
    /// [`Missing`], where this cannot happen, or cannot be made to happen.
    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing>;
}
