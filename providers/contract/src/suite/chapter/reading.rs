//! What is read is what the zone holds: no more, no less, and in the order of the request.

use super::super::case::{Case, Opening, Step, case, lines, read, refuse};
use super::SMALL;

pub(super) fn cases() -> Vec<Case> {
    let signed = Case {
        opening: Opening::Signed,
        ..case(
            "read/signer",
            "Records that a server's signer makes are never shown. A plan that saw them would call \
             each new signature drift, and a change that wrote them would break the chain of \
             trust.",
            SMALL,
            vec![Step::NoSigner("@".to_owned()), Step::NoSigner("www".to_owned())],
        )
    };
    vec![
        case(
            "read/zone",
            "The whole zone is read: the adapter and an independent reader see the same.",
            SMALL,
            vec![Step::OtherReader],
        ),
        case(
            "read/order",
            "RRsets are returned in the order of the request, repeated where the request repeats \
             them, and with a gap where there is none.",
            SMALL,
            vec![
                read(&["www A", "@ MX", "www AAAA", "nobody A", "www A", "_dmarc TXT", "@ MX"]),
                read(&[]),
            ],
        ),
        case(
            "read/wildcard-is-not-applied",
            "`*` answers for names that do not exist, but those names have no records. A change \
             that relied on the answer would fail, or replace what is not there.",
            SMALL,
            vec![read(&["* TXT", "nobody TXT", "deep.nobody TXT", "www TXT", "x.www TXT"])],
        ),
        case(
            "read/alias-is-not-followed",
            "An alias answers for every type, but the name has none of these records.",
            SMALL,
            vec![read(&["mail CNAME", "mail A", "mail MX", "mail TXT"])],
        ),
        case(
            "read/below-a-delegation",
            "A server refers to the child's servers, but the glue there belongs to this zone.",
            SMALL,
            vec![read(&["child NS", "ns.child A", "ns.child AAAA", "child A", "x.child A"])],
        ),
        case(
            "read/below-dname",
            "A server makes up aliases below a DNAME, but none of them is in the zone.",
            &["tree DNAME 300 tree.elsewhere.example."],
            vec![read(&["tree DNAME", "x.tree A", "x.tree CNAME", "tree A"])],
        ),
        case(
            "read/outside",
            "Names outside the zone are not part of it, whatever else the server knows.",
            SMALL,
            vec![Step::ReadOutside(lines(&["www.elsewhere.example. A", "test. NS", ". NS"]))],
        ),
        case(
            "read/unknown-zone",
            "A zone that does not exist is reported as such, by all three calls. It is neither an \
             empty zone nor a failure that may pass.",
            SMALL,
            vec![Step::OtherZone("no-such-zone.example.".to_owned())],
        ),
        signed,
        case(
            "read/signer-is-not-written",
            "Records that a signer makes are never written.",
            SMALL,
            vec![
                refuse(&["www NSEC 300 \\# 2 0000"]),
                refuse(&["www RRSIG 300 \\# 2 0000", "www A 300 192.0.2.9"]),
            ],
        ),
    ]
}
