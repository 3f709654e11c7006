//! Gates.

use std::time::Duration;

use super::{Decoder, ONE_OF, items, text};
use crate::language::gate::{GateSpec, GatesSpec, OnFail, PaceSpec, times};
use crate::language::shape::{NOT_BUILT_YET_ANCHOR, whole};
use crate::language::v1::NOT_BUILT_PROBES;
use crate::language::yaml::Node;
use cutover_base::calendar::show_span;
use cutover_base::diag::{Code, SECRET_IN_VALUE, Spanned, did_you_mean, listed, quoted};
use cutover_steps::graph::gate::{Evidence, Pace};
use cutover_steps::probe::ProbeKeys;

/// A gate that cannot pass.
const NEVER_PASSES: Code = Code::semantic("never-passes");
/// A span that is too short.
const TOO_OFTEN: Code = Code::semantic("too-often");
/// An age at which no gate could be relied on.
const BAD_AGE: Code = Code::semantic("bad-age");
/// A key with a value that its probe cannot use.
const BAD_PROBE: Code = Code::semantic("bad-probe");

impl Decoder<'_> {
    pub(super) fn gates(&mut self, node: Option<&Node>, probes: &[ProbeKeys]) -> GatesSpec {
        let Some(node) = node else { return GatesSpec::default() };
        let on_fail = on_fail(node).unwrap_or_default();
        let mut of = |key| {
            let gates = items(node.get(key)).filter_map(|one| self.gate(one, on_fail, probes));
            gates.collect()
        };
        GatesSpec { before_switch: of("before_switch"), after_switch: of("after_switch") }
    }

    fn gate(
        &mut self,
        node: &Node,
        on_fail_of_all: OnFail,
        probes: &[ProbeKeys],
    ) -> Option<GateSpec> {
        let probe = match text(node) {
            Some(name) => name,
            None => text(node.get("probe")?)?,
        };
        let Some(keys) = probes.iter().find(|keys| keys.name == probe.value) else {
            // In `probe:`, the shape has refused it already.
            if text(node).is_some() {
                self.no_probe(probe, probes);
            }
            return None;
        };
        if text(node).is_some()
            && let Some(field) = keys.fields.iter().find(|one| one.required)
        {
            let (name, key) = (keys.name, field.name);
            let title = format!("the probe `{name}` needs the key `{key}`");
            let help = format!("write `{{ probe: {name}, {key}: ... }}`");
            self.error(BAD_PROBE, probe.span, title, &help);
        }
        let settings = self.config(keys.fields, node);
        let is_whole =
            keys.fields.iter().all(|field| !field.required || settings.contains_key(field.name));
        if is_whole && let Err(bad) = (keys.check)(&settings) {
            let place = node.get(bad.key).map_or(probe.span, |value| value.span);
            let code = if bad.is_secret { SECRET_IN_VALUE } else { BAD_PROBE };
            self.error(code, place, bad.problem, &bad.help);
        }
        let pace = self.pace(node);
        let age_max = self.age_max(node, keys);
        Some(GateSpec {
            probe: Spanned { value: probe.value.to_owned(), span: probe.span },
            settings,
            pace,
            delay: self.span(node.get("delay")),
            on_fail: on_fail(node).unwrap_or(on_fail_of_all),
            age_max,
        })
    }

    /// How old what the gate establishes may be.
    fn age_max(&mut self, node: &Node, keys: &ProbeKeys) -> Duration {
        let Some(place) = node.get("age_max") else { return Evidence::AGE_MAX };
        let age_max = self.span(Some(place)).unwrap_or(Evidence::AGE_MAX);
        if keys.establishes.is_none() {
            let title = format!("a gate `{}` establishes no fact, so nothing gets old", keys.name);
            self.error(BAD_PROBE, place.span, title, "remove `age_max`");
        } else if !(Evidence::AGE_MIN..=Evidence::AGE_LONGEST).contains(&age_max) {
            let (least, most) = (show_span(Evidence::AGE_MIN), show_span(Evidence::AGE_LONGEST));
            let title = "what a gate establishes cannot count for so long, or so short".to_owned();
            self.error(BAD_AGE, place.span, title, &format!("write {least} to {most}"));
        }
        age_max
    }

    fn no_probe(&mut self, name: Spanned<&str>, probes: &[ProbeKeys]) {
        let shown = quoted(name.value);
        if NOT_BUILT_PROBES.contains(&name.value) {
            let title = format!("the probe {shown} is not supported yet");
            let help = "remove it and check by hand, or run a command with `probe: command`";
            return self.error(NOT_BUILT_YET_ANCHOR, name.span, title, help);
        }
        let known = probes.iter().map(|keys| keys.name);
        let help = match did_you_mean(name.value, known.clone()) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => format!("write one of {}", listed(known)),
        };
        self.error(BAD_PROBE, name.span, format!("there is no probe {shown}"), &help);
    }

    fn pace(&mut self, node: &Node) -> PaceSpec {
        let number = |key| {
            let number = node.get(key).and_then(|node| whole(&node.kind));
            number.and_then(|number| u32::try_from(number).ok())
        };
        let every = self.span(node.get("every")).unwrap_or(Pace::EVERY);
        let every = match (every < Pace::EVERY_MIN, node.get("every")) {
            (true, Some(place)) => {
                let title = "a gate asks at most once a second".to_owned();
                self.error(TOO_OFTEN, place.span, title, "write `1s` or longer");
                Pace::EVERY
            }
            (_, _) => every,
        };
        let (count, long) = (number("count"), self.span(node.get("for")));
        if let (Some(_), Some(_), Some(place)) = (count, long, node.get("for")) {
            let title = "`count` and `for` both say how long the gate asks".to_owned();
            self.error(ONE_OF, place.span, title, "keep one of them");
        }
        let success_limit = number("success_limit");
        let answers = count.or(long.map(|long| times(long, every)));
        if let (Some(answers), Some(row), Some(place)) =
            (answers, success_limit, node.get("success_limit"))
            && row > answers
        {
            let title = format!("{answers} answers cannot contain {row} passes in a row");
            let help = format!("write {answers} or less, or allow more answers");
            self.error(NEVER_PASSES, place.span, title, &help);
        }
        PaceSpec {
            every,
            count: answers,
            success_limit,
            fail_limit: number("fail_limit").unwrap_or(0),
            inconclusive_limit: number("inconclusive_limit"),
            unanswered_limit: number("unanswered_limit").unwrap_or(Pace::UNANSWERED_LIMIT),
        }
    }
}

fn on_fail(node: &Node) -> Option<OnFail> {
    OnFail::of_word(text(node.get("on_fail")?)?.value)
}
