//! Who has approved what a run does, as its journal keeps it.

use cutover_base::calendar::Timestamp;

/// The approvals under which a run goes on. Each person is there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// How many people have to approve; at least one.
    pub need: u32,
    /// Who has.
    pub by: Vec<Approver>,
}

/// A person who has approved.
///
/// What they signed can be checked again: the text has the artifact's digest, `name`, `signed_at` and
/// `expires_at`, and `signature` is what `ssh-keygen -Y verify` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Whom the key belonged to, as the allowed signers said.
    pub principals: Vec<String>,
    /// The fingerprint of the key: `SHA256:…`.
    pub fingerprint: String,
    /// What the signer called themselves.
    pub name: String,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// When the signed text says that it expires.
    pub expires_at: Timestamp,
    /// When it stops counting: then, or earlier if the plan says so.
    pub until: Timestamp,
    /// The signature.
    pub signature: String,
}

impl Approvals {
    /// Until when enough people approve; `None` if there are not enough at all.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let mut until: Vec<Timestamp> = self.by.iter().map(|one| one.until).collect();
        until.sort_unstable_by(|one, other| other.cmp(one));
        let last = usize::try_from(self.need).ok()?.checked_sub(1)?;
        until.get(last).copied()
    }

    /// The people, as the allowed signers name them.
    #[must_use]
    pub fn people(&self) -> String {
        let people: Vec<String> = self.by.iter().map(|one| one.principals.join(", ")).collect();
        people.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_people_approve_until_one_too_many_has_expired() {
        let at = |secs| Timestamp::from_timestamp(secs, 0).expect("an instant");
        let by = |until: &[i64]| {
            let approver = |until: &i64| Approver {
                principals: vec![until.to_string()],
                fingerprint: String::new(),
                name: String::new(),
                signed_at: at(0),
                expires_at: at(*until),
                until: at(*until),
                signature: String::new(),
            };
            until.iter().map(approver).collect::<Vec<_>>()
        };
        for (need, until, expected) in [
            (1, &[5][..], Some(5)),
            (1, &[5, 9, 7], Some(9)),
            (2, &[5, 9, 7], Some(7)),
            (3, &[5, 9, 7], Some(5)),
            (4, &[5, 9, 7], None),
            (0, &[5], None),
        ] {
            let found = Approvals { need, by: by(until) }.until();
            assert_eq!(found, expected.map(at), "{need} of {until:?}");
        }
    }
}
