//! What is read is what the zone holds: no more, no less, and in the order that was asked for.

use super::super::case::{Case, Opening, Step, case, lines, read, refuse};
use super::SMALL;

pub(super) fn cases() -> Vec<Case> {
    let signed = Case {
        opening: Opening::Signed,
        ..case(
            "read/signer",
            "What a server's signer makes is never shown: a plan that saw it would call each new \
             signature drift, and a change that wrote it would break the chain.",
            SMALL,
            vec![Step::NoSigner("@".to_owned()), Step::NoSigner("www".to_owned())],
        )
    };
    vec![
        case(
            "read/zone",
            "The whole zone is read: the adapter and someone else see the same.",
            SMALL,
            vec![Step::OtherReader],
        ),
        case(
            "read/order",
            "RRsets are given in the order in which they were asked for, as often as they were, \
             with a gap where there is none.",
            SMALL,
            vec![
                read(&["www A", "@ MX", "www AAAA", "nobody A", "www A", "_dmarc TXT", "@ MX"]),
                read(&[]),
            ],
        ),
        case(
            "read/wildcard-is-not-applied",
            "`*` answers for names that do not exist. These names have no records all the same: a \
             change that counts on what it was answered would fail, or replace what is not there.",
            SMALL,
            vec![read(&["* TXT", "nobody TXT", "deep.nobody TXT", "www TXT", "x.www TXT"])],
        ),
        case(
            "read/alias-is-not-followed",
            "An alias answers for every type. The name has none of these records.",
            SMALL,
            vec![read(&["mail CNAME", "mail A", "mail MX", "mail TXT"])],
        ),
        case(
            "read/below-a-delegation",
            "A server refers to the child's servers. What this zone holds there, glue, is its own.",
            SMALL,
            vec![read(&["child NS", "ns.child A", "ns.child AAAA", "child A", "x.child A"])],
        ),
        case(
            "read/below-dname",
            "A server makes aliases for what lies below a DNAME. None of them is in the zone.",
            &["tree DNAME 300 tree.elsewhere.example."],
            vec![read(&["tree DNAME", "x.tree A", "x.tree CNAME", "tree A"])],
        ),
        case(
            "read/outside",
            "Names outside of the zone are not in it, whatever else the server may know.",
            SMALL,
            vec![Step::ReadOutside(lines(&["www.elsewhere.example. A", "test. NS", ". NS"]))],
        ),
        case(
            "read/unknown-zone",
            "A zone that is not there is said to be not there, by all three calls. It is no empty \
             zone, and no failure that could pass.",
            SMALL,
            vec![Step::OtherZone("no-such-zone.example.".to_owned())],
        ),
        signed,
        case(
            "read/signer-is-not-written",
            "Nor is anything that a signer makes ever written.",
            SMALL,
            vec![
                refuse(&["www NSEC 300 \\# 2 0000"]),
                refuse(&["www RRSIG 300 \\# 2 0000", "www A 300 192.0.2.9"]),
            ],
        ),
    ]
}
