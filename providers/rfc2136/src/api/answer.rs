//! Reads answers without trusting them: every length is checked, and pointers only lead backwards.

use std::fmt;

use cutover_zone::{Name, RrKey, RrType, Ttl};

use super::{IN, Request};

/// The type of a transaction signature (RFC 8945 §4.2).
const TSIG: u16 = 250;

/// Octets that are not a DNS message, or not the answer to the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct MalformedMessage(pub(crate) &'static str);

/// A response code (RFC 1035 §4.1.1, RFC 2136 §2.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rcode(pub(crate) u8);

impl Rcode {
    pub(crate) const NO_ERROR: Self = Self(0);
    pub(crate) const NX_DOMAIN: Self = Self(3);
    pub(crate) const REFUSED: Self = Self(5);
    pub(crate) const YX_DOMAIN: Self = Self(6);
    pub(crate) const YX_RRSET: Self = Self(7);
    pub(crate) const NX_RRSET: Self = Self(8);
    pub(crate) const NOT_AUTH: Self = Self(9);
    pub(crate) const NOT_ZONE: Self = Self(10);
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN",
            "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
        ];
        match names.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "RCODE {}", self.0),
        }
    }
}

impl fmt::Debug for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message from a server.
pub(crate) struct Answer {
    octets: Vec<u8>,
    /// The answer section.
    records: Vec<Record>,
    /// The position of the TSIG record, if there is one.
    tsig_at: Option<usize>,
}

/// A record, by its positions in the message.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    owner_at: usize,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata_at: usize,
    rdata_end: usize,
}

impl Record {
    /// The type.
    pub(crate) fn rtype(&self) -> RrType {
        RrType::new(self.rtype)
    }

    /// The TTL.
    pub(crate) fn ttl(&self) -> Ttl {
        Ttl::from_wire(self.ttl)
    }

    /// Whether its class is that of the Internet.
    pub(crate) fn is_in(&self) -> bool {
        self.class == IN
    }
}

impl Answer {
    /// Parses a message.
    pub(crate) fn parse(octets: Vec<u8>) -> Result<Self, MalformedMessage> {
        let counts = octets.get(4..12).ok_or(MalformedMessage("the message ends in its header"))?;
        let count = |index: usize| u16_of(&counts[2 * index..]);
        let (questions, answers, authorities, additionals) =
            (count(0), count(1), count(2), count(3));
        let mut at = 12;
        for _ in 0..questions {
            at = end_of_name(&octets, at)? + 4;
        }
        let mut records = Vec::with_capacity(usize::from(answers).min(octets.len() / 11));
        for _ in 0..answers {
            let record = record_at(&octets, at)?;
            at = record.rdata_end;
            records.push(record);
        }
        let mut tsig_at = None;
        for _ in 0..u32::from(authorities) + u32::from(additionals) {
            if tsig_at.is_some() {
                return Err(MalformedMessage("a signature precedes other records"));
            }
            let record = record_at(&octets, at)?;
            if record.rtype == TSIG {
                tsig_at = Some(at);
            }
            at = record.rdata_end;
        }
        match at == octets.len() {
            true => Ok(Self { octets, records, tsig_at }),
            false => Err(MalformedMessage("there are octets after the last record")),
        }
    }

    /// The identifier.
    pub(crate) fn id(&self) -> u16 {
        u16_of(&self.octets)
    }

    /// The response code. There is no extended code, because requests have no EDNS.
    pub(crate) fn rcode(&self) -> Rcode {
        Rcode(self.octets[3] & 0x0f)
    }

    /// Whether the server is authoritative for the name.
    pub(crate) fn is_authoritative(&self) -> bool {
        self.octets[2] & 0x04 != 0
    }

    /// Whether records are missing for lack of room.
    pub(crate) fn is_truncated(&self) -> bool {
        self.octets[2] & 0x02 != 0
    }

    /// The answer section.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The whole message.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The position of its signature, if it has one.
    pub(crate) fn tsig_at(&self) -> Option<usize> {
        self.tsig_at
    }

    /// Checks that this can be the answer to the request. The question section may be missing
    /// (RFC 2136 §3.8; RFC 5936 §2.2 for all messages of a transfer but the first), but not
    /// different.
    pub(crate) fn check_answers(&self, request: &Request) -> Result<(), MalformedMessage> {
        let (kind, opcode) = (self.octets[2] >> 7, (self.octets[2] >> 3) & 0x0f);
        if kind != 1 || opcode != request.opcode() {
            return Err(MalformedMessage("the message does not answer the request"));
        }
        let (name, qtype) = request.question();
        let asked = match u16_of(&self.octets[4..]) {
            0 => return Ok(()),
            1 => name_at(&self.octets, 12)?,
            _ => return Err(MalformedMessage("the answer has several questions")),
        };
        let end = end_of_name(&self.octets, 12)?;
        match asked == *name && u16_of(&self.octets[end..]) == qtype {
            true => Ok(()),
            false => Err(MalformedMessage("the answer is to another question")),
        }
    }

    /// The owner name of a record.
    pub(crate) fn owner(&self, record: &Record) -> Result<Name, MalformedMessage> {
        name_at(&self.octets, record.owner_at)
    }

    /// The owner name and type of a record.
    pub(crate) fn key(&self, record: &Record) -> Result<RrKey, MalformedMessage> {
        Ok(RrKey::new(self.owner(record)?, record.rtype()))
    }

    /// Writes the rdata of a record to `into`, with its names uncompressed but in their original
    /// case.
    pub(crate) fn rdata(
        &self,
        record: &Record,
        into: &mut Vec<u8>,
    ) -> Result<(), MalformedMessage> {
        into.clear();
        let rdata = &self.octets[..record.rdata_end];
        let mut at = record.rdata_at;
        for part in parts_of(record.rtype) {
            let end = match part {
                Part::Octets(count) => at + count,
                Part::CharString => at + 1 + usize::from(*rdata.get(at).ok_or(SHORT)?),
                Part::Name => {
                    push_name(&self.octets, at, into)?;
                    at = end_of_name(rdata, at)?;
                    continue;
                }
            };
            into.extend(rdata.get(at..end).ok_or(SHORT)?);
            at = end;
        }
        into.extend(rdata.get(at..).ok_or(SHORT)?);
        Ok(())
    }
}

const SHORT: MalformedMessage = MalformedMessage("the rdata ends early");

/// A part at the front of rdata; everything after the listed parts is taken as it is.
enum Part {
    Octets(usize),
    CharString,
    Name,
}

/// Where rdata may have compressed names: in the types of RFC 1035, and in those for which
/// RFC 3597 §4 lets a receiver expect them. Other types have no compressed names.
fn parts_of(rtype: u16) -> &'static [Part] {
    use Part::{CharString, Name, Octets};
    match rtype {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        // SOA, MINFO, RP
        6 | 14 | 17 => &[Name, Name],
        // MX, AFSDB, RT
        15 | 18 | 21 => &[Octets(2), Name],
        // PX
        26 => &[Octets(2), Name, Name],
        // SRV
        33 => &[Octets(6), Name],
        // NAPTR
        35 => &[Octets(4), CharString, CharString, CharString, Name],
        _ => &[],
    }
}

fn u16_of(octets: &[u8]) -> u16 {
    u16::from_be_bytes([octets[0], octets[1]])
}

fn record_at(octets: &[u8], at: usize) -> Result<Record, MalformedMessage> {
    let fixed_at = end_of_name(octets, at)?;
    let fixed = octets.get(fixed_at..fixed_at + 10);
    let fixed = fixed.ok_or(MalformedMessage("the message ends in a record"))?;
    let rdata_at = fixed_at + 10;
    let rdata_end = rdata_at + usize::from(u16_of(&fixed[8..]));
    if rdata_end > octets.len() {
        return Err(MalformedMessage("the message ends in a record's rdata"));
    }
    Ok(Record {
        owner_at: at,
        rtype: u16_of(fixed),
        class: u16_of(&fixed[2..]),
        ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        rdata_at,
        rdata_end,
    })
}

/// The position after a name, whether it ends in a pointer or not.
fn end_of_name(octets: &[u8], mut at: usize) -> Result<usize, MalformedMessage> {
    loop {
        match *octets.get(at).ok_or(MalformedMessage("the message ends in a name"))? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            0xc0.. if at + 2 <= octets.len() => return Ok(at + 2),
            _ => return Err(MalformedMessage("a label has an unknown form")),
        }
    }
}

fn name_at(octets: &[u8], at: usize) -> Result<Name, MalformedMessage> {
    let mut wire = Vec::with_capacity(64);
    push_name(octets, at, &mut wire)?;
    let (name, _) = Name::from_wire(&wire).ok_or(MalformedMessage("a name is too long"))?;
    Ok(name)
}

/// Appends an uncompressed name. Each pointer must lead to before the part of the name that it
/// ends, so that the chain of pointers ends (RFC 1035 §4.1.4: "a prior occurrence").
fn push_name(octets: &[u8], at: usize, into: &mut Vec<u8>) -> Result<(), MalformedMessage> {
    let (mut at, mut part_at) = (at, at);
    let from = into.len();
    loop {
        let length = *octets.get(at).ok_or(MalformedMessage("the message ends in a name"))?;
        if length >= 0xc0 {
            let low = *octets.get(at + 1).ok_or(MalformedMessage("the message ends in a name"))?;
            let target = usize::from(length & 0x3f) << 8 | usize::from(low);
            if target >= part_at {
                return Err(MalformedMessage("a name's pointer does not lead backwards"));
            }
            (at, part_at) = (target, target);
            continue;
        }
        if length > 63 {
            return Err(MalformedMessage("a label has an unknown form"));
        }
        let end = at + usize::from(length) + 1;
        into.extend(octets.get(at..end).ok_or(MalformedMessage("the message ends in a name"))?);
        if into.len() - from > 255 {
            return Err(MalformedMessage("a name is too long"));
        }
        if length == 0 {
            return Ok(());
        }
        at = end;
    }
}
