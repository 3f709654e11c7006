//! `hosts:` and `migrate:`.

use super::mailboxes::{mailboxes, recipients};
use super::{PORT_NUMBER_MAX, SLUG, SPAN, TEXT, names, names_of_file, one_or_more};
use crate::language::shape::{Form, Shape, list, map, not_built, optional, required};

pub(super) fn host() -> Shape {
    let exchange = Shape::Object(vec![
        required(
            "preference",
            "The preference of the MX record; lower is tried first.",
            Shape::Int { min: 0, max: PORT_NUMBER_MAX },
        ),
        required(
            "name",
            "The name of the exchange. `{domain}` stands for each domain, and `{domain-dashed}` for the same with dashes instead of dots, as Microsoft 365 uses it.",
            TEXT,
        ),
        optional("domains", "The moving domains whose mail it takes. Default: all.", list(1, TEXT)),
        optional(
            "addresses",
            "The addresses of the exchange, if the plan should publish them.",
            list(1, TEXT),
        ),
    ]);
    let selector = Shape::Object(vec![
        required("selector", "The DKIM selector.", TEXT),
        optional(
            "cname",
            "The name that the selector points to, with `{domain}` or `{domain-dashed}` in it.",
            TEXT,
        ),
        optional(
            "txt",
            "The key record itself, as the host shows it; the quotes and line breaks of a zone file are understood.",
            Shape::Text(Form::Lines),
        ),
    ]);
    let sender = Shape::Object(vec![
        required("name", "A name for this stream of mail.", SLUG),
        optional("domains", "The moving domains that it sends as. Default: all.", list(1, TEXT)),
        optional(
            "spf",
            "The SPF terms that authorise it, such as `include:_spf.example.com`.",
            TEXT,
        ),
        optional(
            "dkim",
            "Its DKIM selectors: the name of a published selector, or what to publish.",
            list(1, Shape::AnyOf(vec![TEXT, selector])),
        ),
        not_built("envelope", "whether the envelope's domain is aligned"),
    ]);
    let discovery = Shape::Object(vec![
        optional(
            "imap",
            "HOST:PORT of IMAP (993 with TLS from the start, 143 with STARTTLS).",
            TEXT,
        ),
        optional(
            "pop3",
            "HOST:PORT of POP3 (995 with TLS from the start, 110 with STARTTLS).",
            TEXT,
        ),
        optional(
            "submission",
            "HOST:PORT of submission (465 with TLS from the start, 587 with STARTTLS).",
            TEXT,
        ),
        optional("autodiscover", "The name that `autodiscover` points to.", TEXT),
        optional("autoconfig", "The name that `autoconfig` points to.", TEXT),
    ]);
    Shape::Object(vec![
        optional("exchanges", "The mail exchangers of the host.", list(1, exchange)),
        optional(
            "senders",
            "The streams of mail that the host sends as the domains.",
            list(1, sender),
        ),
        optional("discovery", "Where mail clients find the host.", discovery),
        optional(
            "tlsa",
            "TLSA records that the certificates of the host's exchanges match, such as `3 1 1 HASH`.",
            list(1, TEXT),
        ),
        optional(
            "profile",
            "A well-known mail host whose exchanges, senders and discovery records come with `cutover`; what is written here counts instead. `cutover profiles` lists them.",
            SLUG,
        ),
        optional(
            "parameters",
            "What the profile needs to know, by name: `cutover profiles NAME` says what, and where to find it.",
            map(Form::Slug, 1, Shape::Text(Form::Lines)),
        ),
        optional(
            "mailboxes",
            "How the mailboxes of the host are opened, for `cutover mailboxes`.",
            mailboxes(),
        ),
        not_built("after_switch", "what the host does with mail after the switch"),
    ])
}

pub(super) fn migrate() -> Shape {
    Shape::Object(vec![
        required(
            "domains",
            "The mail domains that move; some or all may be in files with one name per line (`{ file: PATH }`).",
            Shape::AnyOf(vec![names(), names_of_file()]),
        ),
        required("from", "The host that takes the mail now, one of `hosts`.", SLUG),
        required("to", "The host that takes it after the move, one of `hosts`.", SLUG),
        optional(
            "cutover_ttl",
            "The TTL that records are lowered to before the switch; default 5m.",
            SPAN,
        ),
        optional(
            "keep_old",
            "How long the old host keeps taking late mail after the switch; default 7d.",
            SPAN,
        ),
        optional(
            "overrun",
            "A bound for resolvers that keep records longer than their TTL; default 24h.",
            SPAN,
        ),
        optional(
            "restore_ttls",
            "Whether TTLs are restored after the move; default true.",
            Shape::Bool,
        ),
        optional(
            "switch",
            "`direct` (the default): the MX records are replaced in one change. `standby`: the new exchanges first join with a worse preference, are then preferred, and finally remain alone.",
            Shape::Choice(&["direct", "standby"]),
        ),
        optional("recipients", "The addresses that move.", recipients()),
        optional(
            "window",
            "When the switch may begin, such as `Sat 20:00-23:00 Europe/Berlin`: days, local times, time zone; or a list of these. Default: any time.",
            one_or_more(),
        ),
        optional(
            "freeze",
            "Dates on which the switch does not begin even if a window is open, both included: `2026-12-20..2027-01-06 Europe/Berlin`; or a list of these.",
            one_or_more(),
        ),
    ])
}
