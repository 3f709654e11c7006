//! CAA records (RFC 8659): who may issue certificates for names of the domain.

use cutover_zone::{Name, RrType};

use crate::{Check, Grade, Look};

pub(crate) const ISSUERS: Check = Check {
    code: "caa-limits-issuers",
    grade: Grade::Note,
    traps: &[39],
    means: "only the listed authorities may issue certificates: a new host that serves `mta-sts`, `autoconfig` or `mail` of the domain may get none",
    fix: "ask the new host which authority it uses, and add it to the CAA records before the move",
    find: |subject| {
        // The closest name with CAA records counts (RFC 8659 §3).
        let above = std::iter::successors(Some(subject.domain.clone()), Name::parent);
        let zone = subject.zone.unwrap_or(subject.domain);
        for name in above.take_while(|name| name.is_at_or_below(zone)) {
            if let Look::Records { rdata, .. } = subject.at(&name, RrType::CAA) {
                return vec![format!("{name} has {} CAA records", rdata.len())];
            }
        }
        Vec::new()
    },
};
