//! After a change, the zone holds what was requested: values, TTLs, types, and nothing else.

use super::super::case::{Case, Step, case, lines, make, refuse};
use super::SMALL;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "change/values",
            "Records are added and removed in turn, and all at once.",
            SMALL,
            vec![
                make(&["www A 300 192.0.2.1 | 192.0.2.2 | 192.0.2.3"]),
                make(&["www A 300 192.0.2.3"]),
                make(&["www A 300 192.0.2.4 | 192.0.2.5"]),
                make(&["www A -"]),
                make(&["www A 300 192.0.2.1 | 192.0.2.2"]),
            ],
        ),
        case(
            "change/preference",
            "Only the preference changes. Some providers take the host for the record's identity.",
            SMALL,
            vec![
                make(&["@ MX 300 20 mail.oldhost.example."]),
                make(&["@ MX 300 0 mail.oldhost.example."]),
                make(&["@ MX 300 10 mail.oldhost.example."]),
            ],
        ),
        case(
            "change/case-of-a-text",
            "Only upper and lower case of a value change.",
            SMALL,
            vec![make(&["_dmarc TXT 300 \"v=DMARC1; p=NONE\""])],
        ),
        case(
            "change/ttl-alone",
            "The first step of every cutover: the TTL goes down, the records stay. Then it goes up \
             again.",
            SMALL,
            vec![
                make(&["@ MX 60 10 mail.oldhost.example."]),
                make(&["www A 60 192.0.2.1 | 192.0.2.2"]),
                make(&["@ MX 3600 10 mail.oldhost.example.", "www A 3600 192.0.2.1 | 192.0.2.2"]),
                make(&["@ MX 300 10 mail.oldhost.example.", "www A 300 192.0.2.1 | 192.0.2.2"]),
            ],
        ),
        case(
            "change/ttl-with-values",
            "A record is added with another TTL: all records of an RRset have the same (RFC 2181 \
             §5.2).",
            SMALL,
            vec![
                make(&["www A 60 192.0.2.1 | 192.0.2.2 | 192.0.2.3"]),
                make(&["www A 3600 192.0.2.1"]),
                make(&["www A 300 192.0.2.1 | 192.0.2.2"]),
            ],
        ),
        case(
            "change/ttl-per-rrset",
            "RRsets at the same name have different TTLs.",
            SMALL,
            vec![
                make(&["@ MX 60 10 mail.oldhost.example."]),
                make(&["@ CAA 3600 0 issue \"ca.example\""]),
                make(&["@ CAA -", "@ MX 300 10 mail.oldhost.example."]),
            ],
        ),
        case(
            "change/mx-swap",
            "The core of a cutover: the new host's MX replace the old host's in one change.",
            SMALL,
            vec![
                make(&["@ MX 300 1 a.newhost.example. | 5 b.newhost.example."]),
                make(&["@ MX 300 10 mail.oldhost.example."]),
            ],
        ),
        case(
            "change/null-mx",
            "A domain stops accepting mail, and then accepts it again. The null MX is never beside \
             other MX records (RFC 7505 §3).",
            SMALL,
            vec![make(&["@ MX 300 0 ."]), make(&["@ MX 300 10 mail.oldhost.example."])],
        ),
        case(
            "change/a-to-cname",
            "A name with addresses becomes an alias in one change set. The addresses must go \
             first, or the server ignores the alias (RFC 2136 §3.4.2.2) or refuses it.",
            SMALL,
            vec![
                make(&["www A -", "www CNAME 300 web.newhost.example."]),
                make(&["www CNAME -", "www A 300 192.0.2.1 | 192.0.2.2"]),
            ],
        ),
        case(
            "change/mx-and-txt-to-cname",
            "A name with mail records becomes an alias, and back.",
            &["team MX 300 10 mail.oldhost.example.", "team TXT 300 \"v=spf1 -all\""],
            vec![
                make(&["team MX -", "team TXT -", "team CNAME 60 team.newhost.example."]),
                make(&[
                    "team CNAME -",
                    "team MX 300 10 mail.oldhost.example.",
                    "team TXT 300 \"v=spf1 -all\"",
                ]),
            ],
        ),
        case(
            "change/txt-to-cname",
            "A DKIM key becomes an alias of the new host's key, and back.",
            &["s1._domainkey TXT 300 \"v=DKIM1; p=AAAA\""],
            vec![
                make(&["s1._domainkey TXT -", "s1._domainkey CNAME 300 s1.dkim.newhost.example."]),
                make(&["s1._domainkey CNAME -", "s1._domainkey TXT 300 \"v=DKIM1; p=AAAA\""]),
            ],
        ),
        case(
            "change/cname-target",
            "The only target of an alias changes.",
            SMALL,
            vec![
                make(&["mail CNAME 300 mail.newhost.example."]),
                make(&["mail CNAME 300 mail.oldhost.example."]),
            ],
        ),
        case(
            "change/cname-beside-others",
            "An alias must be alone at its name (RFC 1034 §3.6.2). Servers report success and \
             ignore it.",
            SMALL,
            vec![
                refuse(&["www CNAME 300 web.newhost.example."]),
                refuse(&["new CNAME 300 web.newhost.example.", "new TXT 300 \"x\""]),
            ],
        ),
        case(
            "change/others-beside-cname",
            "Other records must not be added beside an alias.",
            SMALL,
            vec![
                refuse(&["mail A 300 192.0.2.9"]),
                refuse(&["mail TXT 300 \"v=spf1 -all\"", "new A 300 192.0.2.1"]),
            ],
        ),
        case(
            "change/cname-at-the-apex",
            "The apex has an SOA, so it cannot be an alias.",
            SMALL,
            vec![refuse(&["@ MX -", "@ TXT -", "@ CNAME 300 web.newhost.example."])],
        ),
        case(
            "change/several-names",
            "Records of one host are added, removed and changed at five names in one change set.",
            SMALL,
            vec![make(&[
                "@ MX 60 10 mail.newhost.example.",
                "@ TXT 60 \"v=spf1 include:newhost.example -all\" | \"site-verification=4711\"",
                "_dmarc TXT -",
                "mail CNAME -",
                "mail A 60 192.0.2.25",
                "autoconfig CNAME 60 autoconfig.newhost.example.",
            ])],
        ),
        case(
            "change/delegation",
            "The name servers of a child zone change, and the glue of the removed server is \
             removed too.",
            SMALL,
            vec![make(&["child NS 300 ns.elsewhere.example.", "ns.child A -"])],
        ),
        case(
            "change/last-record-of-a-name",
            "A name disappears with its last record, and comes back.",
            SMALL,
            vec![make(&["_dmarc TXT -"]), make(&["_dmarc TXT 300 \"v=DMARC1; p=none\""])],
        ),
        case(
            "change/publish",
            "After a crash it is unknown whether the servers loaded the last change, so the \
             adapter publishes again. That changes nothing.",
            SMALL,
            vec![make(&["new A 300 192.0.2.1"]), Step::Publish, make(&["new A -"])],
        ),
        case(
            "change/ns-of-the-apex",
            "A zone needs NS records. Removing them may be refused or really done; BIND reports \
             success and ignores it.",
            SMALL,
            vec![Step::Either(lines(&["@ NS -"]))],
        ),
    ]
}
