//! TTLs as master files write them, and the TTL of a record that has none.

use cutover_zone::Ttl;

/// BIND's units in seconds (`bind9` ARM, "$TTL directive": `1w2d3h4m5s`, in upper or lower case).
const UNITS_SECS: [(u8, u32); 5] =
    [(b'w', 604_800), (b'd', 86_400), (b'h', 3_600), (b'm', 60), (b's', 1)];

/// Whether a token looks like a TTL: before the type, nothing else begins with a digit.
pub(crate) fn looks_like_ttl(token: &[u8]) -> bool {
    token.first().is_some_and(u8::is_ascii_digit)
}

/// Reads a TTL: seconds, or numbers with units.
///
/// BIND takes a TTL above 2³¹ − 1 as 0, with a warning (RFC 2181 §8). Here it is refused: nobody
/// means 0 by it, and waiting times are computed from what is read.
pub(crate) fn parse(token: &[u8]) -> Option<Ttl> {
    let mut total = 0_u32;
    let mut count: Option<u32> = None;
    let mut units = false;
    for octet in token {
        if octet.is_ascii_digit() {
            let digit = u32::from(octet - b'0');
            count = Some(count.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let lower = octet.to_ascii_lowercase();
        let (_, unit_secs) = UNITS_SECS.iter().find(|(unit, _)| *unit == lower)?;
        total = total.checked_add(count.take()?.checked_mul(*unit_secs)?)?;
        units = true;
    }
    let secs = match (units, count) {
        (false, Some(secs)) => secs,
        (true, None) => total,
        // Digits after the last unit could be seconds or lack a unit; BIND refuses them too.
        (true, Some(_)) | (false, None) => return None,
    };
    Ttl::from_secs(secs).ok()
}

/// The TTL that a record without one gets at a place in a file.
///
/// As in BIND's `lib/dns/master.c`, this is the `$TTL` (RFC 2308 §4), or else the last TTL that was
/// written (RFC 1035 §5.1). For an SOA without either it is the SOA's own minimum, which then
/// becomes the default for everything that follows. An include does not end this state: what an
/// included file sets stays in effect after it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TtlState {
    default: Option<Ttl>,
    last: Option<Ttl>,
}

impl TtlState {
    /// Records a `$TTL`.
    pub(crate) fn set_default(&mut self, ttl: Ttl) {
        self.default = Some(ttl);
    }

    /// The `$TTL` in effect, or the minimum of the SOA in its place.
    pub(crate) fn default_ttl(&self) -> Option<Ttl> {
        self.default
    }

    /// The TTL of the next record if it writes none; `soa_minimum` is given if that record is the
    /// SOA.
    pub(crate) fn implicit(&self, soa_minimum: Option<Ttl>) -> Option<Ttl> {
        self.default.or(self.last).or(soa_minimum)
    }

    /// Records a record, and returns its TTL, if it has any.
    pub(crate) fn record(&mut self, written: Option<Ttl>, soa_minimum: Option<Ttl>) -> Option<Ttl> {
        if written.is_some() {
            self.last = written;
            return written;
        }
        let implicit = self.implicit(soa_minimum);
        if self.default.is_none() && self.last.is_none() {
            self.default = implicit;
        }
        implicit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_seconds_or_numbers_with_units() {
        for (text, secs) in [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("1h", Some(3600)),
            ("1H30m", Some(5400)),
            ("1w2d3h4m5s", Some(788_645)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("4294967296", None),
            ("9999w", None),
            ("1h30", None),
            ("h", None),
            ("1hh", None),
            ("1x", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(parse(text.as_bytes()).map(Ttl::secs), secs, "{text}");
        }
    }

    #[test]
    fn a_missing_ttl_comes_from_the_default_the_last_or_the_soa() {
        let [first, second, third] = [1, 2, 3].map(|secs| Ttl::from_secs(secs).expect("small"));
        let mut state = TtlState::default();
        assert_eq!(state.record(None, None), None);
        assert_eq!(state.record(None, Some(third)), Some(third), "the SOA's minimum");
        assert_eq!(state.record(Some(first), None), Some(first));
        assert_eq!(state.record(None, None), Some(third), "the minimum is now the default");
        let mut state = TtlState::default();
        assert_eq!(state.record(Some(first), Some(third)), Some(first));
        assert_eq!(state.record(None, None), Some(first), "RFC 1035 §5.1");
        state.set_default(second);
        assert_eq!(state.record(None, None), Some(second));
        assert_eq!(state.record(Some(first), None), Some(first));
        assert_eq!(state.record(None, None), Some(second));
    }
}
