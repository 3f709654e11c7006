//! Cases of lines that are printed to be pasted, and of waits.

use super::{PROVED, case};

/// A backup exchange of a third party stays, with the facts that it needs.
#[test]
fn backup_mx() {
    case("backup-mx").planned().breaks("deliverable").pasted("assume").proves();
}

/// The facts that an exchange outside needs can be stated as they are printed.
#[test]
fn records_mx_outside_pasted() {
    case("records-mx-outside").planned().breaks("deliverable").pasted("assume").proves();
}

/// The exchange's present address is unknown. It is waited out, and the assumption that nothing
/// relies on it is listed.
#[test]
fn newmx_a_changed_1d() {
    let said = case("newmx-a-changed-1d").planned();
    let steps = ["switch the A records of mx.acme.test.", "wait 1d 1m", "everything is ready for"];
    said.proves().in_order(&steps).says("the addresses that mx.acme.test. has today");
}

/// Mail goes back when the caches have dropped the switched records, which takes a day.
#[test]
fn ttl_cutover_long() {
    case("ttl-cutover-long").planned().proves().says("the last sender returns within 1h 1m");
}

/// What an earlier run replaced seconds ago is waited for after the next change too.
#[test]
fn history_for_after() {
    let case = case("history-for-after");
    let (code, text) = case.cutover(&["apply", "first.yaml", "--auto-approve", "--wait"]);
    assert_eq!(code, PROVED, "{text}");
    let said = case.file("second.yaml").planned().exits(PROVED);
    said.never_says("remove the A records of stage.acme.test.  (T+3s)");
}

/// The wildcard's addresses vanish for a name that gets any record of its own.
#[test]
fn wildcard_hides_txt() {
    let said = case("wildcard-hides-txt").planned();
    said.proves().says("nobody relies on the A records of new.acme.test.");
}
