//! What evaluating an SPF record costs: DNS look-ups (RFC 7208 §4.6.4).

use std::collections::BTreeSet;

use cutover_zone::{Name, RrKey, RrType};

use cutover_mail::spf::{SpfRecord, Target};
use cutover_steps::ask::Outside;

/// The maximum number of records that are followed, so that a cycle of includes ends. Our choice.
const RECORDS_MAX: usize = 64;

/// What an evaluation costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// DNS look-ups, as far as they are known.
    pub lookups: usize,
    /// Records that could not be seen: their cost is not counted.
    pub unseen: BTreeSet<Name>,
}

/// The cost of evaluating the SPF record of `domain` if no term matches before the last: the worst
/// case.
///
/// `look_up` gives the answer of a resolver, from a snapshot or from a view of the proof.
#[must_use]
pub fn cost(record: &SpfRecord, domain: &Name, look_up: &dyn Fn(&RrKey) -> Outside) -> Cost {
    let mut cost = Cost::default();
    let mut open = vec![(record.clone(), domain.clone())];
    let mut visited = 0;
    while let Some((record, domain)) = open.pop() {
        visited += 1;
        if visited > RECORDS_MAX {
            break;
        }
        cost.lookups += record.terms.iter().filter(|term| term.costs_lookup()).count();
        for target in record.targets(&domain) {
            let Target::Record(name) = target else { continue };
            match look_up(&RrKey::new(name.clone(), RrType::TXT)) {
                Outside::Records(txt) => {
                    open.extend(
                        txt.iter().filter_map(SpfRecord::of_rdata).map(|r| (r, name.clone())),
                    );
                }
                Outside::Absent => {}
                Outside::Unknown(_) => {
                    cost.unseen.insert(name);
                }
            }
        }
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7208_section_4_6_4_look_ups_are_counted_and_what_is_unseen_is_named() {
        let domain = Name::from_user("acme.test").expect("a name");
        let record = SpfRecord::of_terms(
            "mx a ptr exists:x.test include:b.test ip4:192.0.2.1 redirect=c.test",
        );
        let cost = cost(&record, &domain, &|_| Outside::Unknown(String::new()));
        assert_eq!(cost.lookups, 6);
        assert_eq!(cost.unseen.len(), 2);
    }
}
