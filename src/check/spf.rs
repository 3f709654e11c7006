//! SPF records (RFC 7208), as every receiver reads them.

use std::collections::BTreeSet;

use cutover_mail::spf::{SpfRecord, TERMS_MAX, Target, Term, VOIDS_MAX};
use cutover_zone::{Name, RrKey, RrType};

use crate::subject::shown;
use crate::{Check, Grade, Look, Subject};

/// How many names one SPF record is followed to. Our choice: receivers give up after ten look-ups.
const NAMES_MAX: usize = 64;

pub(crate) const BROKEN_INCLUDE: Check = Check {
    code: "spf-include-broken",
    grade: Grade::Error,
    traps: &[24],
    means: "an `include` of a name without an SPF record makes the whole record an error (RFC 7208 §5.2): SPF passes for nobody",
    fix: "remove the term, or correct its name; a host that has gone takes its record with it",
    find: |subject| {
        let walk = Walk::of(subject);
        let name = |name: &Name| format!("the SPF record leads to {name}, which has none");
        walk.missing.iter().map(name).collect()
    },
};

pub(crate) const BUDGET: Check = Check {
    code: "spf-too-many-lookups",
    grade: Grade::Error,
    traps: &[26],
    means: "more than ten look-ups are an error (RFC 7208 §4.6.4): SPF passes for nobody",
    fix: "remove senders that are not used any more, or replace terms by the addresses that they stand for",
    find: |subject| {
        let walk = Walk::of(subject);
        match walk.lookups > TERMS_MAX {
            true => vec![format!("the SPF record costs {} look-ups", walk.lookups)],
            false => Vec::new(),
        }
    },
};

pub(crate) const INVALID: Check = Check {
    code: "spf-invalid",
    grade: Grade::Error,
    traps: &[25],
    means: "one bad term makes the whole record an error (RFC 7208 §4.6): SPF passes for nobody",
    fix: "correct the term",
    find: |subject| {
        let bad = subject.spf().into_iter().filter_map(|record| record.check().err());
        bad.map(|bad| format!("{} is not an SPF term", shown(&bad.term))).collect()
    },
};

pub(crate) const MOVES_ALONG: Check = Check {
    code: "spf-moves-with-mx",
    grade: Grade::Note,
    traps: &[27],
    means: "`mx` and `a` authorise whatever these records name: when they change, the old servers fail SPF at once",
    fix: "nothing, if `cutover` moves the domain: it writes the addresses out before",
    find: |subject| {
        let own = |target: &Target| match target {
            Target::Exchanges(name) | Target::Addresses(name) => name == subject.domain,
            Target::Record(_) => false,
        };
        let records = subject.spf();
        let terms = records.iter().flat_map(|record| &record.terms);
        let moving = terms.filter(|term| term.target(subject.domain).as_ref().is_some_and(own));
        moving.map(|term| format!("the SPF record has {}", shown(&term.to_string()))).collect()
    },
};

pub(crate) const NONE: Check = Check {
    code: "spf-missing",
    grade: Grade::Warning,
    traps: &[24],
    means: "large receivers refuse or reject mail from domains without SPF (Gmail and Yahoo since February 2024)",
    fix: "publish a record with all senders, such as `v=spf1 include:HOST ~all`",
    find: |subject| {
        let is_missing = match subject.own(RrType::TXT) {
            Look::Absent => true,
            Look::Records { .. } => subject.spf().is_empty(),
            Look::Unseen(_) => false,
        };
        if is_missing { vec!["there is no SPF record".to_owned()] } else { Vec::new() }
    },
};

pub(crate) const OPEN: Check = Check {
    code: "spf-open",
    grade: Grade::Warning,
    traps: &[],
    means: "the record tells receivers to accept, or not to judge, mail from everywhere",
    fix: "end the record with `~all` or `-all`",
    find: |subject| {
        let of = |record: &SpfRecord| {
            let end = record.terms.iter().find(|term| term.is_all() || term.is_redirect());
            match end.map(ToString::to_string) {
                None => Some("the SPF record has neither `all` nor `redirect`".to_owned()),
                Some(term) if term.starts_with(['-', '~']) || !term.ends_with("all") => None,
                Some(term) => Some(format!("the SPF record ends in {}", shown(&term))),
            }
        };
        subject.spf().iter().filter_map(of).collect()
    },
};

pub(crate) const PTR: Check = Check {
    code: "spf-ptr",
    grade: Grade::Warning,
    traps: &[],
    means: "`ptr` is slow and not reliable, and must not be used (RFC 7208 §5.5); some receivers ignore it",
    fix: "name the servers by address instead",
    find: |subject| {
        let records = subject.spf();
        let mut terms = records.iter().flat_map(|record| &record.terms);
        let found = terms.find(|term| term.is_of_host_names());
        let text = |term: &Term| format!("the SPF record has {}", shown(&term.to_string()));
        found.map(text).into_iter().collect()
    },
};

pub(crate) const TWO: Check = Check {
    code: "spf-several",
    grade: Grade::Error,
    traps: &[25],
    means: "more than one SPF record is an error (RFC 7208 §4.5): SPF passes for nobody",
    fix: "merge them into one record",
    find: |subject| match subject.spf().len() {
        0 | 1 => Vec::new(),
        count => vec![format!("there are {count} SPF records")],
    },
};

pub(crate) const VOIDS: Check = Check {
    code: "spf-void-lookups",
    grade: Grade::Warning,
    traps: &[26],
    means: "receivers may take more than two look-ups without a result for an error (RFC 7208 §4.6.4): SPF then passes for nobody",
    fix: "remove the terms whose names have no records",
    find: |subject| {
        let walk = Walk::of(subject);
        match walk.voids.len() > VOIDS_MAX {
            true => {
                let names: Vec<String> = walk.voids.iter().map(ToString::to_string).collect();
                vec![format!("the SPF record looks up names without records: {}", names.join(", "))]
            }
            false => Vec::new(),
        }
    },
};

/// Everything that an SPF record leads to. A name with macros is not followed.
#[derive(Default)]
struct Walk {
    /// Terms that cost a look-up.
    lookups: usize,
    /// Names that should have an SPF record and have none.
    missing: BTreeSet<Name>,
    /// Names that are looked up and have no records.
    voids: BTreeSet<Name>,
}

impl Walk {
    fn of(subject: &Subject<'_>) -> Self {
        let mut walk = Self::default();
        let mut records = subject.spf();
        // Two records are an error of their own.
        if records.len() != 1 {
            return walk;
        }
        let mut open = vec![(subject.domain.clone(), records.remove(0))];
        let mut followed = 0;
        while let Some((of, record)) = open.pop() {
            walk.lookups += record.terms.iter().filter(|term| term.costs_lookup()).count();
            for target in record.targets(&of) {
                followed += 1;
                if followed > NAMES_MAX {
                    return walk;
                }
                let (name, types): (Name, &[RrType]) = match target {
                    Target::Record(name) => (name, &[RrType::TXT]),
                    Target::Exchanges(name) => (name, &[RrType::MX]),
                    Target::Addresses(name) => (name, &[RrType::A, RrType::AAAA]),
                };
                let found = types
                    .iter()
                    .map(|rtype| (subject.look)(&RrKey::new(name.clone(), *rtype)))
                    .collect::<Vec<Look>>();
                if found.iter().all(Look::is_absent) {
                    walk.voids.insert(name.clone());
                }
                if types != [RrType::TXT] {
                    continue;
                }
                let texts = found[0].rdata();
                let next: Vec<SpfRecord> = texts.iter().filter_map(SpfRecord::of_rdata).collect();
                let is_seen = !matches!(found[0], Look::Unseen(_));
                if next.is_empty() && is_seen {
                    walk.missing.insert(name.clone());
                }
                open.extend(next.into_iter().map(|record| (name.clone(), record)));
            }
        }
        walk
    }
}
