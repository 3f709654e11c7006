//! Which signatures count, for whom, and why the others do not.

use std::time::Duration;

use chrono::TimeDelta;
use petgraph::unionfind::UnionFind;

use crate::signers::may_be_same;
use crate::{
    AllowedSigners, Approval, NotAllowed, Signature, SignatureError, TextError, Timestamp,
};

/// How far in the future an approval may have been signed: two clocks never agree completely. Our
/// choice: more than machines that ask a time server differ by.
pub const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// A signature and the text beside it, as they were found.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The name of the signature's file, for people.
    pub file: String,
    /// The text; `None` if there is none beside it.
    pub text: Option<String>,
    /// The signature.
    pub signature: String,
}

/// What is asked of signatures.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The digest of the artifact that is to be applied.
    pub artifact: &'a str,
    /// Who may approve; `None` if nobody has said: then nothing is asked about the signer.
    pub signers: Option<&'a AllowedSigners>,
    /// Whose approvals count, of those who may approve; empty: everybody's.
    pub named: &'a [String],
    /// How long an approval may count at most, from its signing; `None`: as long as it says.
    pub lasts_max: Option<Duration>,
    /// The present time.
    pub now: Timestamp,
    /// Approvals that were signed before this do not count: the newest run began then.
    pub not_before: Option<Timestamp>,
}

/// A signature that was looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The name of its file.
    pub file: String,
    /// What its text says, if it can be read.
    pub approval: Option<Approval>,
    /// The fingerprint of its key, if it can be read.
    pub fingerprint: Option<String>,
    /// The approval, or why it does not count.
    pub outcome: Result<Approved, Flaw>,
}

/// An approval that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// What was signed.
    pub approval: Approval,
    /// When it stops counting: when it says so, or earlier if it may not count that long.
    pub until: Timestamp,
    /// The fingerprint of the key: `SHA256:…`.
    pub fingerprint: String,
    /// Whom the key belongs to, as the allowed signers say; empty if nobody has said.
    pub principals: Vec<String>,
    /// The signature, as `ssh-keygen -Y verify` reads it.
    pub signature: String,
}

/// Why an approval does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is no text.
    #[error("the text that it signs is missing")]
    NoText,
    /// The text is not an approval.
    #[error("the text that it signs is not an approval: {0}")]
    Text(#[from] TextError),
    /// The signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is for another artifact.
    #[error("it approves another artifact, {0}")]
    OtherArtifact(String),
    /// The signer may not approve.
    #[error(transparent)]
    Signer(#[from] NotAllowed),
    /// The artifact asks for approvals of other people.
    #[error("its key belongs to {0}, and the plan asks for approvals of others")]
    NotNamed(String),
    /// It was signed in the future.
    #[error("it was signed in the future, at {0}: one of the clocks is wrong")]
    Future(Timestamp),
    /// It has expired.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It was signed before the newest run of the plan.
    #[error("it was signed at {signed}, before the newest run of the plan began at {run}")]
    Used {
        /// When it was signed.
        signed: Timestamp,
        /// When the run began.
        run: Timestamp,
    },
}

/// Looks at one signature.
#[must_use]
pub fn check(kept: &Kept, question: &Question<'_>) -> Checked {
    let Kept { file, text, signature } = kept;
    let signature = Signature::decode(signature);
    let approval = text.as_deref().map(Approval::decode);
    let (said, fingerprint) = (
        approval.as_ref().and_then(|approval| approval.as_ref().ok()).cloned(),
        signature.as_ref().ok().map(Signature::fingerprint),
    );
    let judge = || {
        let signature = signature?;
        let text = text.as_deref().ok_or(Flaw::NoText)?;
        // The signature first: what nobody signed is not worth reading.
        signature.verify(text)?;
        let approval = approval.ok_or(Flaw::NoText)??;
        judge(&signature, approval, question)
    };
    Checked { file: file.clone(), approval: said, fingerprint, outcome: judge() }
}

/// Whether a text that was signed by this key counts.
fn judge(
    signature: &Signature,
    approval: Approval,
    question: &Question<'_>,
) -> Result<Approved, Flaw> {
    let Question { artifact, signers, named, lasts_max, now, not_before } = *question;
    if approval.artifact() != artifact {
        return Err(Flaw::OtherArtifact(approval.artifact().to_owned()));
    }
    let principals = match signers {
        Some(signers) => {
            let principals = signers.principals(signature.key(), now)?;
            // Word for word: a pattern, and a name in another case, may be somebody else.
            if !named.is_empty() && !principals.iter().any(|name| named.contains(name)) {
                return Err(Flaw::NotNamed(principals.join(", ")));
            }
            principals
        }
        None => Vec::new(),
    };
    let signed = approval.signed_at();
    let longest = lasts_max.and_then(|span| TimeDelta::from_std(span).ok());
    let longest = longest.and_then(|span| signed.checked_add_signed(span));
    let until = longest.map_or(approval.expires_at(), |end| end.min(approval.expires_at()));
    if signed > now + SKEW_MAX {
        return Err(Flaw::Future(signed));
    }
    if until <= now {
        return Err(Flaw::Expired(until));
    }
    if let Some(run) = not_before.filter(|run| signed < *run) {
        return Err(Flaw::Used { signed, run });
    }
    let (fingerprint, signature) = (signature.fingerprint(), signature.encode().to_owned());
    Ok(Approved { approval, until, fingerprint, principals, signature })
}

/// Every signature of an artifact, and how many people have to approve it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What was found, in the order in which it was given.
    pub checked: Vec<Checked>,
    /// How many people have to approve.
    pub need: u32,
    /// Who may still approve and has not: of those whom the artifact names, or else of all who may. A
    /// pattern stands for those whom it matches. Nobody if it is not known who may.
    pub open: Vec<String>,
    /// The people whom the artifact names and whose approval cannot count now, and why.
    pub barred: Vec<(String, NotAllowed)>,
}

impl Standing {
    /// Looks at all signatures.
    #[must_use]
    pub fn of(kept: &[Kept], question: &Question<'_>, need: u32) -> Self {
        let Question { signers, named, now, .. } = *question;
        let checked = kept.iter().map(|kept| check(kept, question)).collect();
        let mut standing = Self { checked, need, open: Vec::new(), barred: Vec::new() };
        let Some(signers) = signers else { return standing };
        let may = match named {
            [] => signers.people(now),
            named => named.to_vec(),
        };
        let people = standing.people().into_iter().flat_map(|one| one.principals.clone());
        let people: Vec<String> = people.collect();
        for name in may {
            match signers.allows(&name, now) {
                Err(why) => standing.barred.push((name, why)),
                Ok(()) if people.iter().any(|known| may_be_same(known, &name)) => {}
                Ok(()) => standing.open.push(name),
            }
        }
        standing
    }

    /// The people who approve ([`people`]).
    #[must_use]
    pub fn people(&self) -> Vec<&Approved> {
        people(self.checked.iter().filter_map(|checked| checked.outcome.as_ref().ok()))
    }

    /// How many people are still missing.
    #[must_use]
    pub fn missing(&self) -> u32 {
        let people = u32::try_from(self.people().len()).unwrap_or(u32::MAX);
        self.need.saturating_sub(people)
    }
}

/// The people who approve: of each, the approval that lasts longest, in the order of their names.
///
/// Two signatures are of the same person if they have the same key, or if their principals may be the
/// same person. In doubt there are fewer people.
#[must_use]
pub fn people<'a>(approved: impl IntoIterator<Item = &'a Approved>) -> Vec<&'a Approved> {
    let all: Vec<&Approved> = approved.into_iter().collect();
    let mut same = UnionFind::new(all.len());
    for (here, one) in all.iter().enumerate() {
        for (there, other) in all.iter().enumerate().skip(here + 1) {
            let of_one = |name: &String| other.principals.iter().any(|of| may_be_same(name, of));
            if one.fingerprint == other.fingerprint || one.principals.iter().any(of_one) {
                same.union(here, there);
            }
        }
    }
    let mut longest: Vec<(usize, &Approved)> = Vec::new();
    for (here, one) in all.iter().enumerate() {
        let person = same.find(here);
        match longest.iter_mut().find(|(known, _)| *known == person) {
            Some((_, known)) if known.until < one.until => *known = one,
            Some(_) => {}
            None => longest.push((person, one)),
        }
    }
    let mut people: Vec<&Approved> = longest.into_iter().map(|(_, one)| one).collect();
    people.sort_by(|one, other| {
        (&one.principals, &one.fingerprint).cmp(&(&other.principals, &other.fingerprint))
    });
    people
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approved(key: &str, principals: &[&str], lasts_secs: i64) -> Approved {
        let at = |secs| Timestamp::from_timestamp(secs, 0).expect("an instant");
        let digest = format!("sha256:{}", "00".repeat(32));
        Approved {
            approval: Approval::new(&digest, key, at(0), at(lasts_secs)).expect("an approval"),
            until: at(lasts_secs),
            fingerprint: key.to_owned(),
            principals: principals.iter().map(|name| (*name).to_owned()).collect(),
            signature: String::new(),
        }
    }

    #[test]
    fn a_person_counts_once() {
        for (signed, expected) in [
            (vec![approved("1", &["a"], 9), approved("2", &["b"], 9)], "1 2"),
            // Two keys of a person: the approval that lasts longest.
            (vec![approved("1", &["a"], 8), approved("2", &["a"], 9)], "2"),
            (vec![approved("1", &["a"], 9), approved("2", &["a"], 8)], "1"),
            // One key that two names share.
            (vec![approved("1", &["a"], 9), approved("1", &["b"], 8)], "1"),
            // A key of two names joins the others of both.
            (
                vec![
                    approved("1", &["a"], 9),
                    approved("3", &["b"], 8),
                    approved("2", &["a", "b"], 7),
                ],
                "1",
            ),
            // A pattern may be anybody whom it matches.
            (vec![approved("1", &["*@x"], 9), approved("2", &["a@x"], 8)], "1"),
            (vec![approved("1", &["*@x"], 9), approved("2", &["a@y"], 8)], "1 2"),
            // Names in another case.
            (vec![approved("1", &["a@x"], 9), approved("2", &["A@X"], 8)], "1"),
            (vec![approved("1", &["*@x"], 9), approved("2", &["A@X"], 8)], "1"),
            (vec![], ""),
        ] {
            let found = people(&signed);
            let found: Vec<&str> = found.iter().map(|one| &*one.fingerprint).collect();
            assert_eq!(found.join(" "), expected);
        }
    }
}
