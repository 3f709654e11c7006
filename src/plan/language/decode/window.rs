//! Windows and freezes of the switch.

use std::str::FromStr;

use super::{Decoder, items, text};
use crate::language::yaml::Node;
use cutover_base::calendar::window::{WindowError, Windows, days, zones};
use cutover_base::diag::{Code, Diagnostic, Spanned, did_you_mean, listed, quoted};

/// A text that is not a window, or not a freeze.
const BAD_WINDOW: Code = Code::semantic("bad-window");

/// The maximum number of windows, and of freezes, in a plan. Our choice: a year of single dates.
const COUNT_MAX: usize = 400;

/// What one of the two keys takes.
struct Wanted {
    /// What messages call it.
    what: &'static str,
    /// A valid example.
    example: &'static str,
}

const WINDOW: Wanted = Wanted { what: "window", example: "Sat 20:00-23:00 Europe/Berlin" };
const FREEZE: Wanted = Wanted { what: "freeze", example: "2026-12-20..2027-01-06 Europe/Berlin" };

impl Decoder<'_> {
    pub(super) fn windows(&mut self, node: &Node) -> Option<Windows> {
        let windows = self.one_or_more(node.get("window"), &WINDOW);
        let freezes = self.one_or_more(node.get("freeze"), &FREEZE);
        Windows::new(windows, freezes)
    }

    fn one_or_more<T: FromStr<Err = WindowError>>(
        &mut self,
        node: Option<&Node>,
        wanted: &Wanted,
    ) -> Vec<T> {
        let single = node.and_then(text);
        let listed = items(node).filter_map(text);
        let texts: Vec<Spanned<&str>> = single.into_iter().chain(listed).collect();
        if let Some(one) = texts.get(COUNT_MAX) {
            let title = format!("`{}:` has more than {COUNT_MAX} entries", wanted.what);
            let help = "write ranges: days of the week for windows, dates for freezes";
            self.error(BAD_WINDOW, one.span, title, help);
            return Vec::new();
        }
        texts.into_iter().filter_map(|text| self.parsed(text, wanted)).collect()
    }

    fn parsed<T: FromStr<Err = WindowError>>(
        &mut self,
        text: Spanned<&str>,
        wanted: &Wanted,
    ) -> Option<T> {
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let (title, help) = explained(text.value, &error, wanted);
                self.report(Diagnostic::error(BAD_WINDOW, text.span, title, help));
                None
            }
        }
    }
}

/// What is wrong with a text, and what to write.
fn explained(text: &str, error: &WindowError, wanted: &Wanted) -> (String, String) {
    let Wanted { what, example } = wanted;
    match error {
        WindowError::Form => (
            format!("{} is not a {what}", quoted(text)),
            format!("write it as `{example}`"),
        ),
        WindowError::NoZone => (
            format!("{} has no time zone", quoted(text)),
            format!("add the time zone, as in `{example}`"),
        ),
        WindowError::Zone(zone) => (format!("there is no time zone {}", quoted(zone)), zone_help(zone)),
        WindowError::Day(day) => (
            format!("there is no day {}", quoted(day)),
            format!("write {}, a list `Sat,Sun` or a range `Mon-Fri`", listed(days())),
        ),
        WindowError::Time(time) => (
            format!("there is no time {}", quoted(time)),
            "write HH:MM from `00:00` to `23:59`; an end that is not after the start is on the next day, so midnight is `00:00`".to_owned(),
        ),
        WindowError::Date(date) => (
            format!("there is no date {}", quoted(date)),
            format!("write dates as YYYY-MM-DD, and a freeze as `{example}`"),
        ),
        WindowError::Backwards => (
            format!("the freeze {} ends before it begins", quoted(text)),
            "write the first date before `..` and the last date after it; both are included".to_owned(),
        ),
    }
}

/// Suggests a zone with a similar spelling, or whose city this is.
fn zone_help(written: &str) -> String {
    let is_city = |zone: &&str| {
        zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(written))
            || zone.eq_ignore_ascii_case(written)
    };
    match zones().find(is_city).or_else(|| did_you_mean(written, zones())) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => "write a name of the IANA time zone database, such as `Europe/Berlin` or `UTC`"
            .to_owned(),
    }
}
