//! SOA serials, in the arithmetic of RFC 1982.

use cutover_zone::{Rdata, RrKey, RrSet, RrType};

/// The serial of an SOA RRset; `None` for an RRset of another type.
#[must_use]
pub fn of(soa: &RrSet) -> Option<u32> {
    soa.rdata().first().and_then(Rdata::as_soa).map(|soa| soa.serial)
}

/// Whether `serial` is later than `other` (RFC 1982 §3.2): ahead by less than half of all numbers.
#[must_use]
pub fn is_later(serial: u32, other: u32) -> bool {
    let ahead = serial.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 31
}

/// Whether the serial of the SOA `after` is later than that of the SOA `before`.
#[must_use]
pub fn goes_on(before: &RrSet, after: &RrSet) -> bool {
    match (of(before), of(after)) {
        (Some(before), Some(after)) => is_later(after, before),
        (None, _) | (_, None) => false,
    }
}

/// Whether `live` is what was requested; a server may increase the serial of an SOA by itself.
#[must_use]
pub fn is_as_asked(key: &RrKey, live: Option<&RrSet>, asked: Option<&RrSet>) -> bool {
    let (Some(live), Some(asked), RrType::SOA) = (live, asked, key.rtype) else {
        return live == asked;
    };
    let fields = |rrset: &RrSet| rrset.rdata().first().and_then(Rdata::as_soa);
    let (Some(mut shown), Some(wanted)) = (fields(live), fields(asked)) else { return false };
    let went_on = shown.serial == wanted.serial || is_later(shown.serial, wanted.serial);
    shown.serial = wanted.serial;
    live.ttl() == asked.ttl() && shown == wanted && went_on
}

#[cfg(test)]
mod tests {
    use cutover_zone::{Name, Ttl};

    use super::*;

    #[test]
    fn rfc1982_section_3_2_comparison() {
        for (serial, other, later) in [
            (2, 1, true),
            (1, 1, false),
            (1, 2, false),
            (0, u32::MAX, true),
            (i32::MAX as u32, 0, true),
            (1 << 31, 0, false),
        ] {
            assert_eq!(is_later(serial, other), later, "{serial} {other}");
        }
    }

    #[test]
    fn a_server_may_increase_the_serial() {
        let soa = |serial: u32, minimum: u32| {
            let text = format!("ns.acme.test. h.acme.test. {serial} 1 1 1 {minimum}");
            let rdata = Rdata::parse(RrType::SOA, &text, None).expect("an SOA");
            RrSet::new(Ttl::ZERO, [rdata]).expect("an RRset")
        };
        let key = RrKey::new(Name::absolute("acme.test.").expect("a name"), RrType::SOA);
        let asked = soa(7, 60);
        for (live, is_asked) in
            [(soa(7, 60), true), (soa(8, 60), true), (soa(6, 60), false), (soa(7, 61), false)]
        {
            assert_eq!(is_as_asked(&key, Some(&live), Some(&asked)), is_asked, "{live:?}");
        }
        assert!(!is_as_asked(&key, None, Some(&asked)));
        assert!(goes_on(&soa(6, 60), &asked) && !goes_on(&asked, &asked));
    }
}
