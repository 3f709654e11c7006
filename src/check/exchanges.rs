//! The MX records and the exchanges that they name.

use std::collections::BTreeSet;

use cutover_profile::recognised;
use cutover_zone::{Name, Rdata, RrType};

use crate::{Check, Grade, Look, Subject};

pub(crate) const ALIAS: Check = Check {
    code: "mx-alias",
    grade: Grade::Warning,
    traps: &[9],
    means: "an MX record must name the host itself, not an alias (RFC 2181 §10.3, RFC 5321 §5.1): some senders refuse to deliver",
    fix: "name the alias's target in the MX record",
    find: |subject| {
        let all = subject.mail_exchanges().into_iter().filter_map(|name| {
            let target = subject.at(&name, RrType::CNAME).rdata().first()?.target()?;
            Some(format!("the exchange {name} is an alias of {target}"))
        });
        all.collect()
    },
};

pub(crate) const HOSTS_MIXED: Check = Check {
    code: "mx-of-several-hosts",
    grade: Grade::Warning,
    traps: &[4, 6],
    means: "exchanges of several mail hosts stand side by side: part of the mail goes to a host where perhaps nobody reads it",
    fix: "remove the exchanges of the host that does not have the mailboxes",
    find: |subject| {
        let exchanges = subject.mail_exchanges();
        let hosts = hosts_of(&exchanges);
        let unknown = exchanges.iter().any(|name| recognised(name).is_none());
        match hosts.len() + usize::from(unknown && !hosts.is_empty()) {
            0 | 1 => Vec::new(),
            _ => {
                let others = if unknown { " and others" } else { "" };
                let hosts: Vec<&str> = hosts.into_iter().collect();
                vec![format!("the exchanges belong to {}{others}", hosts.join(", "))]
            }
        }
    },
};

/// The profiles whose exchanges these are.
#[must_use]
pub fn hosts_of(exchanges: &[Name]) -> BTreeSet<&'static str> {
    exchanges.iter().filter_map(recognised).collect()
}

pub(crate) const IMPLICIT: Check = Check {
    code: "mx-implicit",
    grade: Grade::Warning,
    traps: &[7],
    means: "without MX records mail goes to the server at the domain's address (RFC 5321 §5.1), often a web server, which refuses it or never answers",
    fix: "publish MX records, or a null MX (`0 .`) if the domain takes no mail",
    find: |subject| {
        let at = [RrType::A, RrType::AAAA].map(|rtype| subject.own(rtype));
        let has_address = at.iter().any(|look| matches!(look, Look::Records { .. }));
        match subject.own(RrType::MX).is_absent() && has_address {
            true => vec!["there is no MX record, but an address".to_owned()],
            false => Vec::new(),
        }
    },
};

pub(crate) const NO_ADDRESS: Check = Check {
    code: "mx-without-address",
    grade: Grade::Error,
    traps: &[9],
    means: "senders that choose this exchange cannot connect, and if all are like this, mail bounces",
    fix: "give the exchange an address, or remove it from the MX records",
    find: |subject| {
        let both = |name: &Name| [RrType::A, RrType::AAAA].map(|rtype| subject.at(name, rtype));
        let exchanges = subject.mail_exchanges().into_iter();
        let bare = exchanges.filter(|name| both(name).iter().all(Look::is_absent));
        bare.map(|name| format!("the exchange {name} has no address")).collect()
    },
};

pub(crate) const NO_IPV6: Check = Check {
    code: "mx-without-ipv6",
    grade: Grade::Note,
    traps: &[],
    means: "senders that have only IPv6 cannot deliver; internet.nl counts it as a fault",
    fix: "give at least one exchange an IPv6 address",
    find: |subject| {
        let exchanges = subject.mail_exchanges();
        let none = |name: &Name| subject.at(name, RrType::AAAA).is_absent();
        match !exchanges.is_empty() && exchanges.iter().all(none) {
            true => vec!["no exchange has an IPv6 address".to_owned()],
            false => Vec::new(),
        }
    },
};

pub(crate) const NOT_A_NAME: Check = Check {
    code: "mx-address-as-name",
    grade: Grade::Error,
    traps: &[9],
    means: "an MX record takes a name (RFC 5321 §5.1): an address in it is looked up as a name, which does not exist",
    fix: "give the server a name with that address, and name it in the MX record",
    find: |subject| {
        let is_address = |name: &Name| {
            name.to_string().trim_end_matches('.').parse::<std::net::Ipv4Addr>().is_ok()
        };
        let all = subject.mail_exchanges().into_iter().filter(is_address);
        all.map(|name| format!("the MX records name the address {name}")).collect()
    },
};

pub(crate) const NULL_AND_OTHERS: Check = Check {
    code: "mx-null-and-others",
    grade: Grade::Error,
    traps: &[16],
    means: "the null MX says that the domain takes no mail, and must stand alone (RFC 7505 §3): some senders bounce everything",
    fix: "remove the null MX, or all other MX records",
    find: |subject| {
        let exchanges = subject.exchanges();
        let is_mixed = exchanges.len() > 1 && exchanges.iter().any(|(_, name)| name.is_root());
        if is_mixed { vec!["a null MX stands beside others".to_owned()] } else { Vec::new() }
    },
};

pub(crate) const SAME_HOST: Check = Check {
    code: "same-host",
    grade: Grade::Warning,
    traps: &[18],
    means: "most hosts let a domain belong to one account at a time: it has to be taken out of the old account before the new one takes it, and no mail arrives in between",
    fix: "lead mail to a host that keeps it for a while first, and move the domain between the accounts then",
    find: |subject| {
        let after = subject.own_after(RrType::MX);
        let new = after.iter().flat_map(Look::rdata).filter_map(Rdata::as_mx);
        let new: Vec<Name> = new.map(|(_, name)| name).collect();
        let old = subject.mail_exchanges();
        let both: Vec<&str> = hosts_of(&old).intersection(&hosts_of(&new)).copied().collect();
        match both.is_empty() {
            true => Vec::new(),
            false => vec![format!("old and new exchanges belong to {}", both.join(", "))],
        }
    },
};

pub(crate) const WILDCARD: Check = Check {
    code: "mx-wildcard",
    grade: Grade::Note,
    traps: &[15],
    means: "names below the domain take mail too (addresses such as user@sub.domain): a move of the domain's own MX records leaves them where they are",
    fix: "list the wildcard under `records:` with `with: switch`, or remove it",
    find: |subject| match subject.below("*", RrType::MX) {
        Look::Records { rdata, .. } => {
            vec![format!("`*.{}` has MX records ({})", subject.domain, rdata.len())]
        }
        Look::Absent | Look::Unseen(_) => Vec::new(),
    },
};

/// For other files: whether an exchange lies in the domain's own zone, or below the domain.
pub(crate) fn is_own(subject: &Subject<'_>, exchange: &Name) -> bool {
    exchange.is_at_or_below(subject.zone.unwrap_or(subject.domain))
}
