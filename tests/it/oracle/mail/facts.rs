//! What the plan states, and when it holds: facts over time, on the way there and on the way back.

use std::collections::BTreeSet;

use cutover_zone::Name;

use super::super::language::{Fact, Host, has_names};
use super::super::schedule::NOW;
use super::*;

impl<'a> World<'a> {
    pub(super) fn there(&self, id: &str) -> Option<(i64, i64)> {
        self.execution.there[*self.ground.ids.get(id)?].filter(|(begin, _)| *begin <= NOW)
    }

    pub(super) fn back(&self, id: &str) -> Option<(i64, i64)> {
        let times = self.execution.back.as_ref()?;
        times[*self.back_ids.get(id)?].filter(|(begin, _)| *begin <= NOW)
    }

    pub(super) fn has_begun(&self, id: &str) -> bool {
        self.there(id).is_some()
    }

    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.there(id).is_some_and(|(_, end)| end <= NOW)
    }

    pub(super) fn host(&self, of_new: bool) -> &'a Host {
        &self.ground.plan.hosts[usize::from(of_new)]
    }

    pub(super) fn stated(&self, fact: &str, subject: &str) -> Vec<&'a Fact> {
        let order = [None, Some("expand"), Some("switch"), Some("contract")];
        let facts = self.ground.plan.facts.iter();
        let mut facts: Vec<&Fact> =
            facts.filter(|stated| stated.fact == fact && stated.subject == subject).collect();
        facts.sort_by_key(|stated| order.iter().position(|from| *from == stated.from));
        facts
    }

    /// The possible values of a fact.
    pub(super) fn values(
        &self,
        fact: &str,
        subject: &str,
        unsaid: &'static str,
    ) -> BTreeSet<&'static str> {
        let stated = self.stated(fact, subject);
        let id = |from: &str| format!("assume/{from}/{fact}/{subject}");
        let in_run = |stated: &&&Fact| {
            stated.from.is_none_or(|from| !self.ground.ids.contains_key(id(from).as_str()))
        };
        let mut last = stated.iter().rfind(in_run).map_or(unsaid, |stated| stated.value);
        // Each value, with the time from which it no longer holds.
        let mut values: Vec<(&'static str, Option<i64>)> = vec![(last, None)];
        for stated in stated {
            let Some(from) = stated.from else { continue };
            let Some((_, end)) = self.there(&id(from)) else { continue };
            if stated.value == last {
                continue;
            }
            let before = last;
            values.last_mut().expect("one").1 = Some(end + stated.settle_secs);
            values.push((stated.value, None));
            last = stated.value;
            if self.execution.back.is_some() {
                match self.back(&format!("back/{}", id(from))) {
                    Some((_, end)) => {
                        values.last_mut().expect("one").1 = Some(end + stated.settle_secs);
                        values.push((before, None));
                        last = before;
                    }
                    None if self.back_ids.contains_key(format!("back/{}", id(from)).as_str()) => {}
                    // It already held before the point to which the run goes back.
                    None if self.is_before_point(&id(from), from) => {}
                    // The plan does not say whether it was undone.
                    None => values.push((before, None)),
                }
            }
        }
        if fact == "mail" && subject == "old" && self.has_begun("checkpoint/release-old") {
            values.push(("off", None));
        }
        let may = values.into_iter().filter(|(_, until)| until.is_none_or(|until| until > NOW));
        may.map(|(value, _)| value).collect()
    }

    /// Whether a fact belongs to a part of the move that is not undone.
    pub(super) fn is_before_point(&self, id: &str, from: &str) -> bool {
        let is_kept = match self.point {
            "before-contract" => matches!(from, "expand" | "switch"),
            "before-switch" => from == "expand",
            _ => false,
        };
        is_kept || self.ground.ids.get(id).is_some_and(|place| self.before_point.contains(place))
    }

    pub(super) fn may(
        &self,
        fact: &str,
        subject: &str,
        value: &'static str,
        unsaid: &'static str,
    ) -> bool {
        self.values(fact, subject, unsaid).contains(value)
    }

    /// A fact that only counts on the way back: it holds once a person has confirmed it there.
    pub(super) fn is_taken_back(&self, fact: &str, value: &'static str) -> BTreeSet<bool> {
        let stated = self.stated(fact, "new").iter().any(|stated| stated.value == value);
        let id = format!("back/assume/{fact}/new");
        match (stated, self.back(&id)) {
            (false, _) => BTreeSet::from([false]),
            (true, None) if self.back_ids.contains_key(id.as_str()) => BTreeSet::from([false]),
            (true, None) => BTreeSet::from([true, false]),
            (true, Some((_, end))) if end > NOW => BTreeSet::from([true, false]),
            (true, Some(_)) => BTreeSet::from([true]),
        }
    }

    /// Whether people may read their mail at the old host, and at the new one.
    pub(super) fn people(&self) -> (bool, bool) {
        let switch = "checkpoint/before-switch";
        if !self.ground.ids.contains_key(switch) {
            return (false, true);
        }
        let back = self.back("back/checkpoint/before-switch");
        let at_old = !self.has_ended(switch) || back.is_some();
        let at_new = self.has_begun(switch) && back.is_none_or(|(_, end)| end > NOW);
        (at_old, at_new)
    }

    pub(super) fn late_secs(&self) -> i64 {
        self.ground.plan.use_secs + self.ground.plan.overrun_secs
    }

    /// Whether mail that was sent through a host may be in flight.
    pub(super) fn is_in_flight(&self, host: &str) -> bool {
        let life = self.ground.plan.queue_life_secs;
        match host {
            "old" => {
                let stated = self.stated("sends", "old");
                if self.may("sends", "old", "true", "true") {
                    return true;
                }
                let ends =
                    stated.iter().filter(|stated| stated.value == "false").filter_map(|stated| {
                        let (_, end) = self.there(&format!("assume/{}/sends/old", stated.from?))?;
                        Some(end + stated.settle_secs + life > NOW)
                    });
                ends.into_iter().any(|is| is)
            }
            "new" => {
                let switch = "checkpoint/before-switch";
                let back = self.back("back/checkpoint/before-switch");
                let by_switch = !self.ground.ids.contains_key(switch) || self.has_begun(switch);
                let by_old = self.may("sends", "old", "false", "true");
                (by_switch || by_old) && back.is_none_or(|(_, end)| end + life > NOW)
            }
            _ => true,
        }
    }

    /// Whether mail may be in flight that was signed with a key which is no longer used.
    pub(super) fn is_signed_in_flight(&self, key: &str) -> bool {
        let life = self.ground.plan.queue_life_secs + self.ground.plan.margin_secs;
        self.stated("signs", key).iter().filter(|stated| stated.value == "false").any(|stated| {
            let begun =
                stated.from.and_then(|from| self.there(&format!("assume/{from}/signs/{key}")));
            begun.is_some_and(|(_, end)| end + stated.settle_secs + life > NOW)
        })
    }

    pub(super) fn is_known_to_accept(&self, kind: &str, subject: &str) -> bool {
        has_names()
            && self.stated("accepts", subject).iter().any(|stated| stated.kind == kind)
            && !self.may("accepts", subject, "false", "false")
    }

    pub(super) fn is_published(&self, owner: &Name) -> bool {
        let owner = owner.to_string();
        !self.stated("published", &owner).is_empty()
            && !self.may("published", &owner, "false", "false")
    }

    /// Whether the last copy from the new host to the old one may have begun, or is never made.
    pub(super) fn is_copied_back(&self) -> bool {
        let stated = self.stated("synced", "new").iter().any(|stated| stated.value == "true");
        !stated || self.is_taken_back("synced", "true").contains(&true)
    }
}
