//! As much DER (X.690) as it takes to tell keys apart: an RSA public key, alone (RFC 8017 §A.1.1)
//! or in a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), an Ed25519 public key (RFC 8410 §4), and
//! private keys.
//!
//! Total, and bounded by the given octets, which may be anything.

/// The tag of a SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// 1.2.840.113549.1.1.1, rsaEncryption (RFC 8017 §A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.3.101.112, id-Ed25519 (RFC 8410 §3).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The length of a value, and where it begins.
fn header(octets: &[u8]) -> Option<(usize, usize)> {
    match *octets.get(1)? {
        short @ 0..=0x7f => Some((usize::from(short), 2)),
        // Four octets of length are more than any key needs.
        long @ 0x81..=0x84 => {
            let count = usize::from(long & 0x7f);
            let length = octets.get(2..2 + count)?;
            Some((length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), 2 + count))
        }
        _ => None,
    }
}

/// The length of the first element as it states it, including its header, in octets.
pub(super) fn length(octets: &[u8]) -> Option<usize> {
    let (length, start) = header(octets)?;
    length.checked_add(start)
}

/// The contents of the first element, if it has this tag, and what follows; they may be cut off.
fn partial(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if octets.first() != Some(&tag) {
        return None;
    }
    let (length, start) = header(octets)?;
    let end = start.checked_add(length)?.min(octets.len());
    Some((&octets[start..end], &octets[end..]))
}

/// As [`partial`], but only if the element is complete.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let whole = length(octets)? <= octets.len();
    partial(octets, tag).filter(|_| whole)
}

/// Whether this begins like a private key: with a version, where a public key has an algorithm or a
/// modulus (RFC 8017 §A.1.2, RFC 5958 §2). The rest may be missing.
pub(super) fn is_private(octets: &[u8]) -> bool {
    let version = partial(octets, SEQUENCE).and_then(|(contents, _)| element(contents, INTEGER));
    matches!(version, Some(([0 | 1], rest)) if !rest.is_empty())
}

/// The bits of the modulus of an RSA public key.
pub(super) fn rsa_bits(octets: &[u8]) -> Option<usize> {
    let (contents, _) = element(octets, SEQUENCE)?;
    let (numbers, _) = match element(contents, SEQUENCE) {
        None => (contents, &[][..]),
        Some((algorithm, rest)) => {
            let (algorithm, _) = element(algorithm, OBJECT_IDENTIFIER)?;
            let (bits, _) = element(rest, BIT_STRING).filter(|_| algorithm == RSA)?;
            element(bits.strip_prefix(&[0])?, SEQUENCE)?
        }
    };
    let (modulus, rest) = element(numbers, INTEGER)?;
    let (_exponent, _) = element(rest, INTEGER)?;
    let leading = modulus.iter().take_while(|octet| **octet == 0).count();
    let modulus = &modulus[leading..];
    let zeros = modulus.first()?.leading_zeros();
    Some(modulus.len() * 8 - usize::try_from(zeros).ok()?)
}

/// The 32 octets of an Ed25519 public key in a SubjectPublicKeyInfo.
pub(super) fn ed25519(octets: &[u8]) -> Option<&[u8]> {
    let (contents, _) = element(octets, SEQUENCE)?;
    let (algorithm, rest) = element(contents, SEQUENCE)?;
    let (algorithm, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    let (bits, _) = element(rest, BIT_STRING).filter(|_| algorithm == ED25519)?;
    bits.strip_prefix(&[0]).filter(|key| key.len() == super::ED25519_OCTETS)
}
