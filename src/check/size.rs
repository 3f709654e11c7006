//! The size of the records at the domain.

use cutover_zone::{Rdata, RrType};

use crate::{Check, Grade};

/// What fits into an answer over UDP with the headers and the question (DNS Flag Day 2020: 1,232
/// octets). Our choice: 200 octets for the rest.
const TXT_OCTETS_MAX: usize = 1_032;
/// The octets of a TXT record besides its text: a pointer to the name, type, class, TTL and length
/// (RFC 1035 §4.1.3, §4.1.4).
const RECORD_OCTETS: usize = 12;

pub(crate) const TXT: Check = Check {
    code: "txt-too-large",
    grade: Grade::Warning,
    traps: &[53],
    means: "the answer with the SPF record does not fit into a datagram: resolvers that cannot ask over TCP get none, and SPF fails there",
    fix: "remove verification texts that nobody needs any more, or shorten the SPF record",
    find: |subject| {
        let found = subject.own(RrType::TXT);
        let octets: usize =
            found.rdata().iter().map(|rdata: &Rdata| rdata.wire().len() + RECORD_OCTETS).sum();
        match octets > TXT_OCTETS_MAX {
            true => vec![format!("the TXT records take {octets} octets")],
            false => Vec::new(),
        }
    },
};
