//! DKIM keys (RFC 6376).

use cutover_mail::dkim::{KeyRecord, Problem};
use cutover_zone::{Name, Rdata, RrType};

use crate::{Check, Grade, Look, Subject};

/// The size below which an RSA key should be replaced, in bits (RFC 8301 §3.2: "SHOULD").
const RSA_BITS_GOOD: usize = 2_048;

/// Each known key that is published, with its text.
fn texts<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = (&'s Name, Look, String)> {
    subject.keys.iter().filter_map(|name| {
        let found = subject.at(name, RrType::TXT);
        let text = found.rdata().first().and_then(Rdata::txt_joined)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Some((name, found, text))
    })
}

pub(crate) const BROKEN: Check = Check {
    code: "dkim-key-unusable",
    grade: Grade::Warning,
    traps: &[54],
    means: "signatures with this key fail, as if there were none",
    fix: "publish the key again, exactly as the host shows it, or remove the record",
    find: |subject| {
        let bad = texts(subject).filter_map(|(name, _, text)| {
            let problem = KeyRecord::parse(&text).err()?;
            Some(format!("{name}: {problem}"))
        });
        bad.collect()
    },
};

pub(crate) const NONE: Check = Check {
    code: "dkim-not-found",
    grade: Grade::Note,
    traps: &[29],
    means: "no DKIM key was found under the selectors that were tried: either mail is not signed, or the selector has another name",
    fix: "look at the `s=` of the DKIM-Signature in a message of the domain, and name it with `--selector`",
    find: |subject| {
        let is_none = subject.keys.is_empty() && subject.takes_mail();
        if is_none { vec!["no DKIM key is known".to_owned()] } else { Vec::new() }
    },
};

pub(crate) const SHORT: Check = Check {
    code: "dkim-key-short",
    grade: Grade::Note,
    traps: &[],
    means: "RSA keys should have 2,048 bits (RFC 8301 §3.2); shorter ones can be broken with effort",
    fix: "let the sender make a new key, under a new selector",
    find: |subject| {
        let short = texts(subject).filter_map(|(name, _, text)| {
            let bits = KeyRecord::parse(&text).ok()?.rsa_bits()?;
            (bits < RSA_BITS_GOOD).then(|| format!("{name} has an RSA key of {bits} bits"))
        });
        short.collect()
    },
};

pub(crate) const REVOKED: Check = Check {
    code: "dkim-key-revoked",
    grade: Grade::Note,
    traps: &[28],
    means: "the key is empty: mail signed with it fails. That is meant for keys that are not used any more",
    fix: "nothing, if nobody signs with it",
    find: |subject| {
        let revoked = texts(subject)
            .filter(|(_, _, text)| matches!(KeyRecord::usable(text), Err(Problem::Revoked)));
        revoked.map(|(name, ..)| format!("{name} is revoked")).collect()
    },
};

pub(crate) const TESTED: Check = Check {
    code: "dkim-key-testing",
    grade: Grade::Note,
    traps: &[],
    means: "with `t=y` receivers treat signed mail as if it were not signed (RFC 6376 §3.6.1)",
    fix: "remove `t=y` from the key record when tests are over",
    find: |subject| {
        let tested = texts(subject)
            .filter(|(_, _, text)| KeyRecord::usable(text).is_ok_and(|record| record.is_testing()));
        tested.map(|(name, ..)| format!("{name} says that it is only tested")).collect()
    },
};
