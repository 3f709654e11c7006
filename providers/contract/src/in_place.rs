//! How one RRset becomes another at a provider that changes record by record.

use cutover_zone::{Rdata, RrSet, RrType};

/// Above this number of changes to one RRset, their mixtures are not listed. Our choice: 64
/// mixtures.
const STEPS_MAX: usize = 6;

/// What happens to each record when one RRset replaces another of its type, record by record.
///
/// Adapters that declare [`crate::Atomicity::Record`] write in this way, and the proof derives from
/// it what may be seen meanwhile. There is always a record: as long as there are both old and new
/// records, an old record is changed into a new one, and only the rest is added or removed. Records
/// of the same purpose are paired, such as the old and the new SPF record, so that a name never has
/// two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPlace {
    /// The records that stay.
    pub kept: Vec<Rdata>,
    /// The records that are changed, each with what it becomes.
    pub changed: Vec<(Rdata, Rdata)>,
    /// The records that are removed.
    pub removed: Vec<Rdata>,
    /// The records that are added.
    pub added: Vec<Rdata>,
}

impl InPlace {
    /// The way from one RRset to another of the same type.
    #[must_use]
    pub fn between(before: &RrSet, after: &RrSet) -> Self {
        let is_in = |rrset: &RrSet, rdata: &Rdata| rrset.rdata().binary_search(rdata).is_ok();
        let (kept, mut removed): (Vec<_>, Vec<_>) =
            before.rdata().iter().cloned().partition(|rdata| is_in(after, rdata));
        let mut added: Vec<Rdata> =
            after.rdata().iter().filter(|rdata| !is_in(before, rdata)).cloned().collect();
        let mut changed = Vec::new();
        removed.retain(|old| {
            let purpose = purpose_of(old);
            let successor = added.iter().position(|new| purpose_of(new) == purpose);
            let Some(at) = successor.filter(|_| purpose.is_some()) else { return true };
            changed.push((old.clone(), added.remove(at)));
            false
        });
        let pairs = removed.len().min(added.len());
        changed.extend(removed.drain(..pairs).zip(added.drain(..pairs)));
        Self { kept, changed, removed, added }
    }

    /// How many records change.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.changed.len() + self.removed.len() + self.added.len()
    }

    /// Every RRset that may be seen in between, each with this TTL, in no particular order; `None`
    /// if there are too many.
    #[must_use]
    pub fn mixtures(&self, ttl: cutover_zone::Ttl) -> Option<Vec<RrSet>> {
        let steps = self.steps();
        if steps > STEPS_MAX {
            return None;
        }
        let all_made = (1_usize << steps) - 1;
        let mixture = |made: usize| {
            let is_made = |step: usize| made & (1 << step) != 0;
            let changed = self.changed.iter().enumerate();
            let changed = changed.map(|(step, (old, new))| if is_made(step) { new } else { old });
            let from = self.changed.len();
            let removed = self.removed.iter().enumerate();
            let removed = removed.filter(|(step, _)| !is_made(from + step)).map(|(_, old)| old);
            let from = from + self.removed.len();
            let added = self.added.iter().enumerate();
            let added = added.filter(|(step, _)| is_made(from + step)).map(|(_, new)| new);
            let rdata = self.kept.iter().chain(changed).chain(removed).chain(added);
            RrSet::new(ttl, rdata.cloned())
                .expect("there is always a record, and never a second CNAME, DNAME or SOA")
        };
        Some((1..all_made).map(mixture).collect())
    }
}

/// What a TXT record is for: the word it begins with, such as `v=spf1`, which a name has at most
/// once. `None` for other types.
fn purpose_of(rdata: &Rdata) -> Option<Vec<u8>> {
    if rdata.rtype() != RrType::TXT {
        return None;
    }
    let text = rdata.txt_joined()?;
    let word: Vec<u8> =
        text.iter().copied().take_while(|octet| !matches!(octet, b' ' | b';')).collect();
    let is_version = word.len() > 2 && word[..2].eq_ignore_ascii_case(b"v=");
    is_version.then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cutover_zone::Ttl;

    fn rrset(rtype: RrType, lines: &[&str]) -> RrSet {
        let rdata = lines.iter().map(|line| Rdata::parse(rtype, line, None).expect("rdata"));
        RrSet::new(Ttl::ZERO, rdata).expect("an RRset")
    }

    #[test]
    fn what_is_equal_stays() {
        let before = rrset(RrType::A, &["192.0.2.1", "192.0.2.2"]);
        let after = rrset(RrType::A, &["192.0.2.2", "192.0.2.3"]);
        let replacement = InPlace::between(&before, &after);
        assert_eq!(replacement.kept, rrset(RrType::A, &["192.0.2.2"]).rdata());
        assert_eq!((replacement.changed.len(), replacement.steps()), (1, 1));
        assert_eq!(replacement.mixtures(Ttl::ZERO), Some(Vec::new()));
    }

    #[test]
    fn there_is_always_a_record() {
        let five: Vec<String> = (1..=5).map(|n| format!("{n}0 mx{n}.google.example.")).collect();
        let five: Vec<&str> = five.iter().map(String::as_str).collect();
        let (many, one) = (rrset(RrType::MX, &five), rrset(RrType::MX, &["0 mx.new.example."]));
        for (before, after) in [(&many, &one), (&one, &many)] {
            let replacement = InPlace::between(before, after);
            assert_eq!(
                (replacement.kept.len(), replacement.changed.len(), replacement.steps()),
                (0, 1, 5)
            );
            let mixtures = replacement.mixtures(Ttl::ZERO).expect("not too many");
            assert_eq!(mixtures.len(), 30);
            assert!(!mixtures.contains(before) && !mixtures.contains(after));
        }
    }

    #[test]
    fn an_spf_record_becomes_the_next_spf_record() {
        let before = rrset(RrType::TXT, &["\"a=1\"", "\"v=spf1 mx -all\"", "\"z=1\""]);
        let after = rrset(RrType::TXT, &["\"V=SPF1 ip4:192.0.2.1 -all\"", "\"zz=2\""]);
        let replacement = InPlace::between(&before, &after);
        let spf = |rdata: &Rdata| purpose_of(rdata).is_some();
        let mixtures = replacement.mixtures(Ttl::ZERO).expect("not too many");
        assert_eq!(mixtures.len(), 6);
        for mixture in mixtures {
            assert_eq!(mixture.rdata().iter().filter(|rdata| spf(rdata)).count(), 1, "{mixture:?}");
        }
    }

    #[test]
    fn too_many_mixtures_are_not_counted_up() {
        let lines: Vec<String> = (1..=8).map(|n| format!("192.0.2.{n}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let replacement =
            InPlace::between(&rrset(RrType::A, &lines[..1]), &rrset(RrType::A, &lines[1..]));
        assert_eq!((replacement.steps(), replacement.mixtures(Ttl::ZERO)), (7, None));
    }
}
