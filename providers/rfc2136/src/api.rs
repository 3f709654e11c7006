//! Requests as values, in the wire form of RFC 1035 and RFC 2136. The submodules send them.
//!
//! Requests are written and answers are read here, octet by octet, and not by hickory. What a
//! server holds must be seen and sent back exactly as it is, and an exotic record in a message must
//! not cost the whole transfer. Also, hickory-net 0.26.3 silently drops messages of a transfer when
//! its reader is slow (`DnsMultiplexer` ignores a full channel). Only TSIG is hickory-proto's.

pub(crate) mod answer;
pub(crate) mod sequence;
pub(crate) mod tcp;
pub(crate) mod tsig;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use cutover_zone::{Name, RrKey, RrType, Ttl};

/// The class of the Internet (RFC 1035 §3.2.4).
pub(crate) const IN: u16 = 1;
/// The class for "absent" in prerequisites and for "this record" in deletions
/// (RFC 2136 §2.4, §2.5).
const NONE: u16 = 254;
/// The class for "the RRset" in deletions (RFC 2136 §2.5).
pub(crate) const ANY: u16 = 255;
/// The type that stands for all types in prerequisites about a name (RFC 2136 §2.4.5).
const ANY_TYPE: RrType = RrType::new(255);
/// QTYPE of an incremental transfer (RFC 1995 §3).
const IXFR: u16 = 251;
/// QTYPE of a full transfer (RFC 5936 §2.1).
const AXFR: u16 = 252;

/// What can be requested from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A query for an RRset, without recursion.
    Query(RrKey),
    /// A transfer of the whole zone (RFC 5936).
    Transfer(Name),
    /// A transfer of what has changed since the zone had the SOA with this rdata (RFC 1995).
    Changes(Name, Vec<u8>),
    /// A comparison and a change (RFC 2136).
    Update(Update),
}

/// A DNS UPDATE: if all prerequisites hold, all edits are made in order; otherwise none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The zone.
    pub(crate) zone: Name,
    /// What must hold.
    pub(crate) prerequisites: Vec<Prerequisite>,
    /// What to change.
    pub(crate) edits: Vec<Edit>,
}

/// A prerequisite (RFC 2136 §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prerequisite {
    /// There is no such RRset (§2.4.3).
    Absent(RrKey),
    /// The zone has nothing at this name (§2.4.5).
    Unused(Name),
    /// The RRset has these values; the TTL is not compared (§2.4.2). The rdata is as the server
    /// sent it.
    Exactly(RrKey, Vec<Vec<u8>>),
}

/// An edit (RFC 2136 §2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Deletes an RRset (§2.5.2).
    DeleteRrSet(RrKey),
    /// Deletes one record (§2.5.4).
    DeleteRecord(RrKey, Vec<u8>),
    /// Adds one record (§2.5.1).
    Add(RrKey, Ttl, Vec<u8>),
}

impl Request {
    /// The opcode, four bits (RFC 1035 §4.1.1, RFC 2136 §1.3).
    pub(crate) fn opcode(&self) -> u8 {
        match self {
            Self::Query(_) | Self::Transfer(_) | Self::Changes(..) => 0,
            Self::Update(_) => 5,
        }
    }

    /// The name and type of the only entry in its first section.
    pub(crate) fn question(&self) -> (&Name, u16) {
        match self {
            Self::Query(key) => (&key.name, key.rtype.number()),
            Self::Transfer(zone) => (zone, AXFR),
            Self::Changes(zone, _) => (zone, IXFR),
            Self::Update(update) => (&update.zone, RrType::SOA.number()),
        }
    }

    /// The unsigned message, which may be too long to send.
    pub(crate) fn encode(&self, id: u16) -> Vec<u8> {
        let (prerequisites, edits) = match self {
            Self::Query(_) | Self::Transfer(_) | Self::Changes(..) => (&[][..], &[][..]),
            Self::Update(update) => (&*update.prerequisites, &*update.edits),
        };
        let mut writer = Writer::default();
        writer.u16(id);
        writer.u16(u16::from(self.opcode()) << 11);
        // The record counts are filled in below. A count that overflows belongs to a message that
        // is too long to send.
        [1, 0, 0, 0].into_iter().for_each(|count| writer.u16(count));
        let (name, qtype) = self.question();
        writer.name(name);
        writer.u16(qtype);
        writer.u16(IN);
        let required: usize =
            prerequisites.iter().map(|required| writer.prerequisite(required)).sum();
        edits.iter().for_each(|edit| writer.edit(edit));
        writer.count(6, required);
        writer.count(8, edits.len());
        if let Self::Changes(zone, soa) = self {
            writer.record(&RrKey::new(zone.clone(), RrType::SOA), IN, Ttl::ZERO, soa);
            writer.count(8, 1);
        }
        writer.octets
    }
}

/// Writes a message; owner names are compressed (RFC 1035 §4.1.4).
#[derive(Default)]
struct Writer {
    octets: Vec<u8>,
    /// The position of each name, or end of a name, that is already in the message.
    names: HashMap<Vec<u8>, u16>,
}

impl Writer {
    fn u16(&mut self, number: u16) {
        self.octets.extend(number.to_be_bytes());
    }

    fn count(&mut self, at: usize, count: usize) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.octets[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    fn name(&mut self, name: &Name) {
        let mut rest = name.wire();
        while rest[0] > 0 {
            if let Some(at) = self.names.get(rest) {
                return self.u16(0xc000 | at);
            }
            // A pointer has only fourteen bits.
            if let Some(at) = u16::try_from(self.octets.len()).ok().filter(|at| *at < 0x4000) {
                self.names.insert(rest.to_vec(), at);
            }
            let (label, tail) = rest.split_at(usize::from(rest[0]) + 1);
            self.octets.extend(label);
            rest = tail;
        }
        self.octets.push(0);
    }

    fn record(&mut self, key: &RrKey, class: u16, ttl: Ttl, rdata: &[u8]) {
        self.name(&key.name);
        self.u16(key.rtype.number());
        self.u16(class);
        self.octets.extend(ttl.secs().to_be_bytes());
        self.u16(u16::try_from(rdata.len()).expect("rdata has a length of two octets"));
        self.octets.extend(rdata);
    }

    /// Writes a prerequisite, and returns how many records it needs.
    fn prerequisite(&mut self, prerequisite: &Prerequisite) -> usize {
        match prerequisite {
            Prerequisite::Absent(key) => {
                self.record(key, NONE, Ttl::ZERO, &[]);
                1
            }
            Prerequisite::Unused(name) => {
                self.record(&RrKey::new(name.clone(), ANY_TYPE), NONE, Ttl::ZERO, &[]);
                1
            }
            Prerequisite::Exactly(key, rdata) => {
                rdata.iter().for_each(|rdata| self.record(key, IN, Ttl::ZERO, rdata));
                rdata.len()
            }
        }
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::DeleteRrSet(key) => self.record(key, ANY, Ttl::ZERO, &[]),
            Edit::DeleteRecord(key, rdata) => self.record(key, NONE, Ttl::ZERO, rdata),
            Edit::Add(key, ttl, rdata) => self.record(key, IN, *ttl, rdata),
        }
    }
}
