//! Constructors and readers for the types that mail uses.
//!
//! A reader returns `None` only for rdata of another type, since rdata is well-formed.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::show;
use super::{Form, Rdata};
use crate::{Name, RrType};

/// The longest string of a TXT, in octets (RFC 1035 §3.3: one length octet).
const STRING_OCTETS_MAX: usize = 255;
/// The longest joined value of a TXT, in octets: what fits into 65535 octets of rdata besides one
/// length octet for each string (255 strings of 255 octets, and one of 254).
const TXT_OCTETS_MAX: usize = 255 * STRING_OCTETS_MAX + 254;

/// The fields of an SOA (RFC 1035 §3.3.13); times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary server.
    pub mname: Name,
    /// The mailbox of the person responsible, with a dot in place of its `@`.
    pub rname: Name,
    /// The version of the zone, compared by RFC 1982.
    pub serial: u32,
    /// Seconds between two queries of a secondary.
    pub refresh: u32,
    /// Seconds between a failed query of a secondary and its next try.
    pub retry: u32,
    /// Seconds without an answer after which a secondary stops serving.
    pub expire: u32,
    /// The longest time, in seconds, for which a negative answer is cached (RFC 2308 §4).
    pub minimum: u32,
}

/// The serial after this one (RFC 1982 §3.1). 0 is skipped: PowerDNS reads it as "count by
/// yourself", and RFC 2136 §3.6 skips it where serials are incremented automatically.
#[must_use]
pub fn next_serial(serial: u32) -> u32 {
    match serial.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

impl Rdata {
    /// The A record of an address.
    #[must_use]
    pub fn a(address: Ipv4Addr) -> Self {
        Self::of(RrType::A, &[&address.octets()])
    }

    /// The AAAA record of an address.
    #[must_use]
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self::of(RrType::AAAA, &[&address.octets()])
    }

    /// The CNAME record to a target.
    #[must_use]
    pub fn cname(target: &Name) -> Self {
        Self::of(RrType::CNAME, &[target.wire()])
    }

    /// The PTR record to a target.
    #[must_use]
    pub fn ptr(target: &Name) -> Self {
        Self::of(RrType::PTR, &[target.wire()])
    }

    /// The MX record of an exchange; the null MX is preference 0 and the root (RFC 7505 §3).
    #[must_use]
    pub fn mx(preference: u16, exchange: &Name) -> Self {
        Self::of(RrType::MX, &[&preference.to_be_bytes(), exchange.wire()])
    }

    /// The SRV record of a target.
    #[must_use]
    pub fn srv(priority: u16, weight: u16, port: u16, target: &Name) -> Self {
        let numbers = [priority, weight, port].map(u16::to_be_bytes);
        Self::of(RrType::SRV, &[numbers.as_flattened(), target.wire()])
    }

    /// The SOA record of these fields.
    #[must_use]
    pub fn soa(soa: &Soa) -> Self {
        let Soa { mname, rname, serial, refresh, retry, expire, minimum } = soa;
        let numbers = [*serial, *refresh, *retry, *expire, *minimum].map(u32::to_be_bytes);
        Self::of(RrType::SOA, &[mname.wire(), rname.wire(), numbers.as_flattened()])
    }

    /// The TXT record of one value, split into strings of 255 octets; an empty value becomes one
    /// empty string.
    ///
    /// # Panics
    /// If the value has more than 65279 octets, the most that a TXT can hold.
    #[must_use]
    pub fn txt(value: &[u8]) -> Self {
        assert!(value.len() <= TXT_OCTETS_MAX, "a TXT holds at most 65279 octets");
        if value.is_empty() {
            return Self::of(RrType::TXT, &[&[0]]);
        }
        let mut wire = Vec::with_capacity(value.len() + value.len() / STRING_OCTETS_MAX + 1);
        for string in value.chunks(STRING_OCTETS_MAX) {
            wire.push(u8::try_from(string.len()).expect("a chunk has at most 255 octets"));
            wire.extend_from_slice(string);
        }
        Self::of(RrType::TXT, &[&wire])
    }

    /// The value of a TXT or SPF record: its strings joined with nothing in between
    /// (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    #[must_use]
    pub fn txt_joined(&self) -> Option<Cow<'_, [u8]>> {
        if !matches!(self.rtype, RrType::TXT | RrType::SPF) {
            return None;
        }
        let mut strings = show::strings(&self.wire);
        let first = strings.next().unwrap_or_default();
        Some(match first.len() + 1 == self.wire.len() {
            true => Cow::Borrowed(first),
            false => Cow::Owned(strings.fold(first.to_vec(), |mut joined, string| {
                joined.extend_from_slice(string);
                joined
            })),
        })
    }

    /// The preference and exchange of an MX.
    #[must_use]
    pub fn as_mx(&self) -> Option<(u16, Name)> {
        match (self.rtype, &*self.wire) {
            (RrType::MX, [high, low, exchange @ ..]) => {
                Some((u16::from_be_bytes([*high, *low]), show::name(exchange)))
            }
            _ => None,
        }
    }

    /// The fields of an SOA.
    #[must_use]
    pub fn as_soa(&self) -> Option<Soa> {
        if self.rtype != RrType::SOA {
            return None;
        }
        let (mname, octets) = Name::from_wire(&self.wire)?;
        let after_mname = &self.wire[octets..];
        let (rname, octets) = Name::from_wire(after_mname)?;
        let numbers = &after_mname[octets..];
        let number = |index: usize| show::number(&numbers[4 * index..4 * index + 4]);
        Some(Soa {
            mname,
            rname,
            serial: number(0),
            refresh: number(1),
            retry: number(2),
            expire: number(3),
            minimum: number(4),
        })
    }

    /// The address of an A or AAAA.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.rtype {
            RrType::A => <[u8; 4]>::try_from(&*self.wire).ok().map(IpAddr::from),
            RrType::AAAA => <[u8; 16]>::try_from(&*self.wire).ok().map(IpAddr::from),
            _ => None,
        }
    }

    /// The name that a CNAME, DNAME, NS or PTR points to.
    #[must_use]
    pub fn target(&self) -> Option<Name> {
        match self.rtype {
            RrType::CNAME | RrType::DNAME | RrType::NS | RrType::PTR => {
                Some(show::name(&self.wire))
            }
            _ => None,
        }
    }

    /// The target of an SRV; `None` for the root, which says that there is no such service (RFC
    /// 2782).
    #[must_use]
    pub fn srv_target(&self) -> Option<Name> {
        self.srv_server().map(|(target, _)| target)
    }

    /// The target and the port of an SRV; `None` if there is no such service.
    #[must_use]
    pub fn srv_server(&self) -> Option<(Name, u16)> {
        match (self.rtype, &*self.wire) {
            (RrType::SRV, [_, _, _, _, high, low, target @ ..]) if target != [0] => {
                Some((show::name(target), u16::from_be_bytes([*high, *low])))
            }
            _ => None,
        }
    }

    /// Whether this is an SRV that says that there is no such service (RFC 2782, RFC 6186 §3.4).
    #[must_use]
    pub fn is_null_srv(&self) -> bool {
        self.rtype == RrType::SRV && self.srv_server().is_none()
    }

    /// The name that an MX, SRV, CNAME, DNAME, NS or PTR record leads to.
    #[must_use]
    pub fn leads_to(&self) -> Option<Name> {
        let exchange = || self.as_mx().map(|(_, exchange)| exchange);
        self.target().or_else(|| self.srv_target()).or_else(exchange)
    }

    /// Rdata of fields in wire form, which their types guarantee to be well-formed and short
    /// enough.
    fn of(rtype: RrType, fields: &[&[u8]]) -> Self {
        Self { rtype, wire: fields.concat().into_boxed_slice(), form: Form::Fields }
    }
}
