//! DMARC policies (RFC 9989, RFC 7489).

use cutover_zone::{Name, RrType};

use crate::subject::{mailto_domains, shown, tag};
use crate::{Check, Grade, Look, Subject};

/// The policy records of the domain itself. A policy that it has from a domain above is not looked
/// for.
fn policies(subject: &Subject<'_>) -> Vec<String> {
    subject.texts("_dmarc", "v=DMARC1")
}

/// The only policy; none if there are several, since then no policy counts.
fn policy(subject: &Subject<'_>) -> Option<String> {
    let mut all = policies(subject);
    if all.len() == 1 { all.pop() } else { None }
}

pub(crate) const INVALID: Check = Check {
    code: "dmarc-invalid",
    grade: Grade::Warning,
    traps: &[],
    means: "receivers ignore a policy that they cannot read, as if there were none",
    fix: "write `v=DMARC1; p=none|quarantine|reject; rua=mailto:ADDRESS`",
    find: |subject| {
        let Some(text) = policy(subject) else { return Vec::new() };
        let known = ["none", "quarantine", "reject"];
        match tag(&text, "p") {
            // RFC 9989: a policy without `p` counts as `none`.
            None => Vec::new(),
            Some(value) if known.iter().any(|word| value.eq_ignore_ascii_case(word)) => Vec::new(),
            Some(value) => vec![format!("the DMARC policy is {}", shown(value))],
        }
    },
};

pub(crate) const NONE: Check = Check {
    code: "dmarc-missing",
    grade: Grade::Note,
    traps: &[32],
    means: "nobody reports who sends as the domain, and large receivers refuse mass mail without a policy",
    fix: "publish `v=DMARC1; p=none; rua=mailto:ADDRESS` some weeks before the move: the reports name the senders that you have forgotten",
    find: |subject| match subject.below("_dmarc", RrType::TXT) {
        Look::Absent if subject.takes_mail() && !may_have_policy_above(subject) => {
            vec!["there is no DMARC policy".to_owned()]
        }
        Look::Absent | Look::Records { .. } | Look::Unseen(_) => Vec::new(),
    },
};

/// Whether a policy of a domain above may count for this one (RFC 9989 §4.10, RFC 7489 §6.6.3).
fn may_have_policy_above(subject: &Subject<'_>) -> bool {
    let above = std::iter::successors(subject.domain.parent(), Name::parent);
    let mut above = above.take_while(|name| name.labels().nth(1).is_some());
    above.any(|name| match name.child("_dmarc") {
        Ok(name) => match subject.at(&name, RrType::TXT) {
            Look::Absent => false,
            Look::Records { .. } | Look::Unseen(_) => true,
        },
        Err(_) => false,
    })
}

pub(crate) const REPORTS_INSIDE: Check = Check {
    code: "dmarc-reports-inside",
    grade: Grade::Warning,
    traps: &[34],
    means: "the reports go to a mailbox that moves with the domain: if the move breaks something, the evidence is lost with it",
    fix: "let reports go to an address of another domain during the move",
    find: |subject| {
        let inside = |name: &Name| name.is_at_or_below(subject.domain);
        let text = policy(subject).unwrap_or_default();
        let found = mailto_domains(&text).find(inside);
        found.map(|name| format!("DMARC reports go to an address of {name}")).into_iter().collect()
    },
};

pub(crate) const REPORTS_UNCLAIMED: Check = Check {
    code: "dmarc-reports-not-accepted",
    grade: Grade::Warning,
    traps: &[],
    means: "the other domain does not say that it takes these reports (RFC 9990): receivers send none",
    fix: "let the owner of the other domain publish that record, or use another address",
    find: |subject| {
        let text = policy(subject).unwrap_or_default();
        let outside = |name: &Name| {
            let (own, other) = (subject.domain, name);
            !other.is_at_or_below(own) && !own.is_at_or_below(other)
        };
        let claims = |name: &Name| {
            let labels = subject.domain.to_string();
            let owner = format!("{}._report._dmarc.{name}", labels.trim_end_matches('.'));
            let owner = Name::from_user(&owner).ok()?;
            // A sibling below the same owner needs no record, but who owns what is not in DNS.
            subject.at(&owner, RrType::TXT).is_absent().then_some(owner)
        };
        let missing = mailto_domains(&text).filter(outside).filter_map(|name| claims(&name));
        missing.map(|owner| format!("there is no record {owner}")).collect()
    },
};

pub(crate) const STRICT: Check = Check {
    code: "dmarc-strict",
    grade: Grade::Note,
    traps: &[31],
    means: "receivers refuse or hide mail that passes neither SPF nor DKIM: a sender that is forgotten in the move is noticed by its recipients first",
    fix: "before the move, see in the reports that every sender passes DKIM; or set `p=none` while both hosts send",
    find: |subject| {
        let text = policy(subject).unwrap_or_default();
        let strict = tag(&text, "p").filter(|value| !value.eq_ignore_ascii_case("none"));
        strict.map(|value| format!("the DMARC policy is {}", shown(value))).into_iter().collect()
    },
};

pub(crate) const TWO: Check = Check {
    code: "dmarc-several",
    grade: Grade::Warning,
    traps: &[],
    means: "with more than one DMARC record none counts (RFC 9989, RFC 7489 §6.6.3)",
    fix: "keep one of them",
    find: |subject| match policies(subject).len() {
        0 | 1 => Vec::new(),
        count => vec![format!("there are {count} DMARC records")],
    },
};

pub(crate) const UNPROTECTED: Check = Check {
    code: "dmarc-no-policy",
    grade: Grade::Note,
    traps: &[],
    means: "`p=none` only asks for reports: mail that others forge is delivered; internet.nl counts it as a fault",
    fix: "raise the policy after the move, when the reports show that every sender passes",
    find: |subject| {
        let text = policy(subject).unwrap_or_default();
        let is_none = !text.is_empty()
            && tag(&text, "p").is_none_or(|value| value.eq_ignore_ascii_case("none"));
        if is_none { vec!["the DMARC policy is `none`".to_owned()] } else { Vec::new() }
    },
};
