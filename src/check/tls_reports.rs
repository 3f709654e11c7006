//! Reports about TLS (RFC 8460).

use crate::subject::mailto_domains;
use crate::{Check, Grade};

pub(crate) const INSIDE: Check = Check {
    code: "tls-reports-inside",
    grade: Grade::Note,
    traps: &[34],
    means: "reports about failed deliveries go to a mailbox that moves with the domain",
    fix: "let the reports go to an address of another domain, or to a web address, during the move",
    find: |subject| {
        let texts = subject.texts("_smtp._tls", "v=TLSRPTv1");
        let mut domains = texts.iter().flat_map(|text| mailto_domains(text));
        let found = domains.find(|name| name.is_at_or_below(subject.domain));
        found.map(|name| format!("TLS reports go to an address of {name}")).into_iter().collect()
    },
};

pub(crate) const NONE: Check = Check {
    code: "tls-reports-missing",
    grade: Grade::Note,
    traps: &[35],
    means: "the domain has an MTA-STS policy, and nobody tells you when senders cannot deliver because of it",
    fix: "publish `_smtp._tls` with `v=TLSRPTv1; rua=mailto:ADDRESS` before the move",
    find: |subject| {
        let has_policy = !subject.texts("_mta-sts", "v=STSv1").is_empty();
        let reports = subject.below("_smtp._tls", cutover_zone::RrType::TXT);
        match has_policy && reports.is_absent() {
            true => vec!["there is no TLS-RPT record".to_owned()],
            false => Vec::new(),
        }
    },
};
