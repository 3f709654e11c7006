//! Texts that prove to a service that the domain is its customer's.

use cutover_profile::keeper;
use cutover_zone::{Rdata, RrType};

use crate::subject::shown;
use crate::{Check, Grade, Look};

pub(crate) const REMOVED: Check = Check {
    code: "verification-removed",
    grade: Grade::Warning,
    traps: &[47],
    means: "services look at such texts again later, and lock the account if they are gone",
    fix: "keep the text in `to:`, and remove it some months after the move",
    find: |subject| {
        // Without a plan, or where it leaves no text at all by itself, nothing is removed.
        let Some(after) = subject.own_after(RrType::TXT) else { return Vec::new() };
        if matches!(after, Look::Unseen(_)) {
            return Vec::new();
        }
        let live = subject.own(RrType::TXT);
        let gone = live
            .rdata()
            .iter()
            .filter(|rdata| !after.rdata().iter().any(|other| other.reads_as(rdata)));
        let texts = gone.filter_map(Rdata::txt_joined);
        let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        let kept = texts.filter_map(|text| Some((keeper(&text)?, text)));
        kept.map(|(title, text)| {
            format!("the plan removes {}, which belongs to {title}", shown(&text))
        })
        .collect()
    },
};
