//! The suite itself: its cases are well-formed, cover every type, and catch what they should.

use std::collections::BTreeSet;

use super::*;
use cutover_zone::{Name, RrType};

fn origin() -> Name {
    Name::absolute("suite.test.").expect("a name")
}

#[test]
fn no_two_cases_share_a_name_and_each_has_a_story() {
    let mut names = BTreeSet::new();
    for case in cases() {
        assert!(case.story.ends_with('.'), "{}", case.name);
        assert!(!case.steps.is_empty(), "{}", case.name);
        assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
    }
}

#[test]
fn every_type_that_can_be_written_is_written() {
    let mut made = BTreeSet::new();
    for step in cases().into_iter().flat_map(|case| case.steps) {
        if let Step::Make(lines) = step {
            made.extend(edits(&origin(), &lines).into_iter().map(|edit| edit.key.rtype));
        }
    }
    for (rtype, word) in RrType::KNOWN {
        // Most providers do not let anybody write the SOA.
        let is_left_out = rtype.is_made_by_signer() || *rtype == RrType::SOA;
        assert!(is_left_out || made.contains(rtype), "no case writes {word}");
    }
}

#[test]
fn tables_go_to_their_place() {
    let text = "# A\n<!-- suite: begin; made by the conformance suite, not by hand -->\nold\n\
                <!-- suite: end -->\nend\n";
    let made = readme::with_table(text, "new\n").expect("there is a place");
    assert_eq!(made, text.replace("old\n", "new\n"));
    assert_eq!(readme::with_table("# A\n", "new\n"), None);
}
