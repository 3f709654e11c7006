//! The owner names of DKIM keys (RFC 6376 §3.6.2.1).

use cutover_zone::Name;

/// Whether a name is for DKIM keys: it has `_domainkey` after a selector (RFC 6376 §3.6.2.1).
#[must_use]
pub fn is_dkim(name: &Name) -> bool {
    name.labels().skip(1).any(|label| label.eq_ignore_ascii_case(b"_domainkey"))
}

/// The domain that a DKIM key signs as: the part after `_domainkey`.
#[must_use]
pub fn signs_as(name: &Name) -> Option<Name> {
    let at = name.labels().skip(1).position(|label| label.eq_ignore_ascii_case(b"_domainkey"))?;
    std::iter::successors(Some(name.clone()), Name::parent).nth(at + 2)
}
