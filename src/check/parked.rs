//! Domains that neither take nor send mail.

use cutover_zone::RrType;

use crate::{Check, Grade, Look, Subject};

pub(crate) const NOT_CLOSED: Check = Check {
    code: "parked-not-closed",
    grade: Grade::Note,
    traps: &[16],
    means: "the domain takes no mail but does not say that it sends none either: anybody can send as it",
    fix: "publish `MX 0 .`, `v=spf1 -all` and `v=DMARC1; p=reject` (RFC 7505, M3AAWG Parked Domains 2022)",
    find: |subject| {
        let exchanges = subject.exchanges();
        let is_null = exchanges.len() == 1 && exchanges[0].1.is_root();
        let none = [RrType::MX, RrType::A, RrType::AAAA].map(|rtype| subject.own(rtype));
        let is_parked = is_null || none.iter().all(Look::is_absent);
        if !is_parked {
            return Vec::new();
        }
        let mut open = Vec::new();
        if !is_null {
            open.push("a null MX record");
        }
        if subject.own(RrType::TXT).rdata().is_empty() || !sends_nothing(subject) {
            open.push("`v=spf1 -all`");
        }
        let rejects = subject.texts("_dmarc", "v=DMARC1").iter().any(|text| {
            crate::subject::tag(text, "p").is_some_and(|value| value.eq_ignore_ascii_case("reject"))
        });
        if !rejects {
            open.push("DMARC `p=reject`");
        }
        match open.is_empty() {
            true => Vec::new(),
            false => vec![format!("the domain takes no mail, and lacks {}", open.join(", "))],
        }
    },
};

/// Whether SPF says that nobody sends as the domain.
fn sends_nothing(subject: &Subject<'_>) -> bool {
    let records = subject.spf();
    records.len() == 1 && records[0].to_string().eq_ignore_ascii_case("v=spf1 -all")
}
