//! Windows by the wall clocks of Berlin, where clocks go forward on 2026-03-29 at 02:00 (01:00Z)
//! and back on 2026-10-25 at 03:00 (01:00Z).

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn windows(windows: &[&str], freezes: &[&str]) -> Windows {
    let windows = windows.iter().map(|text| text.parse().expect(text)).collect();
    let freezes = freezes.iter().map(|text| text.parse().expect(text)).collect();
    Windows::new(windows, freezes).expect("there are some")
}

/// From the first instant on it is open, and from the second on closed again.
#[track_caller]
fn open_between(windows: &Windows, begin: &str, end: &str) {
    let (begin, end) = (at(begin), at(end));
    let ms = chrono::TimeDelta::milliseconds(1);
    assert!(!windows.is_open(begin - ms), "one moment before {begin}");
    assert!(windows.is_open(begin), "at {begin}");
    assert!(windows.is_open(end - ms), "one moment before {end}");
    assert!(!windows.is_open(end), "at {end}");
    assert_eq!(windows.next_open(begin - ms), Some(begin));
    assert_eq!(windows.next_open(begin), Some(begin));
}

#[test]
fn a_window_is_half_open_and_follows_the_wall_clock() {
    let saturday = windows(&["Sat 20:00-23:00 Europe/Berlin"], &[]);
    open_between(&saturday, "2026-12-05T19:00:00Z", "2026-12-05T22:00:00Z");
    open_between(&saturday, "2026-07-04T18:00:00Z", "2026-07-04T21:00:00Z");
    let next = |from| saturday.next_open(at(from));
    assert_eq!(next("2026-12-01T08:00:00Z"), Some(at("2026-12-05T19:00:00Z")));
    assert_eq!(next("2026-12-05T22:00:00Z"), Some(at("2026-12-12T19:00:00Z")));
}

#[test]
fn a_window_may_go_over_midnight_and_over_the_week() {
    let night = windows(&["Sun 22:00-02:00 Europe/Berlin"], &[]);
    open_between(&night, "2026-12-06T21:00:00Z", "2026-12-07T01:00:00Z");
    let day = windows(&["Wed 00:00-00:00 UTC"], &[]);
    open_between(&day, "2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z");
    let west = windows(&["Mon 23:00-23:30 Pacific/Honolulu"], &[]);
    open_between(&west, "2026-12-01T09:00:00Z", "2026-12-01T09:30:00Z");
    let east = windows(&["Mon 00:30-01:00 Pacific/Kiritimati"], &[]);
    open_between(&east, "2026-12-06T10:30:00Z", "2026-12-06T11:00:00Z");
}

#[test]
fn several_windows_are_open_where_one_is() {
    let both = windows(&["Tue 08:00-10:00 UTC", "Tue 09:00-11:00 UTC"], &[]);
    open_between(&both, "2026-12-01T08:00:00Z", "2026-12-01T11:00:00Z");
}

#[test]
fn a_time_in_the_gap_is_its_end() {
    let begin = windows(&["Sun 02:30-04:00 Europe/Berlin"], &[]);
    open_between(&begin, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z");
    let end = windows(&["Sun 01:00-02:30 Europe/Berlin"], &[]);
    open_between(&end, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z");
    // Nothing of it is left on that day, and the next one is a week later.
    let inside = windows(&["Sun 02:15-02:45 Europe/Berlin"], &[]);
    let next = inside.next_open(at("2026-03-28T12:00:00Z"));
    assert_eq!(next, Some(at("2026-04-05T00:15:00Z")));
}

#[test]
fn of_a_time_that_comes_twice_the_begin_is_earlier_and_the_end_later() {
    let begin = windows(&["Sun 02:30-04:00 Europe/Berlin"], &[]);
    open_between(&begin, "2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z");
    let end = windows(&["Sun 01:00-02:30 Europe/Berlin"], &[]);
    open_between(&end, "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z");
    let inside = windows(&["Sun 02:15-02:45 Europe/Berlin"], &[]);
    open_between(&inside, "2026-10-25T00:15:00Z", "2026-10-25T01:45:00Z");
}

#[test]
fn freezes_close_whole_dates_of_their_zone() {
    let berlin = windows(&[], &["2026-12-20..2027-01-06 Europe/Berlin"]);
    assert!(berlin.is_open(at("2026-12-19T22:59:59Z")));
    assert!(!berlin.is_open(at("2026-12-19T23:00:00Z")));
    assert!(!berlin.is_open(at("2027-01-06T22:59:59Z")));
    assert!(berlin.is_open(at("2027-01-06T23:00:00Z")));
    assert_eq!(berlin.next_open(at("2026-12-24T12:00:00Z")), Some(at("2027-01-06T23:00:00Z")));
    let saturday = windows(
        &["Sat 20:00-23:00 Europe/Berlin"],
        &["2026-12-20..2027-01-06 Europe/Berlin", "2027-01-02..2027-01-09 Europe/Berlin"],
    );
    let next = saturday.next_open(at("2026-12-19T22:00:00Z"));
    assert_eq!(next, Some(at("2027-01-16T19:00:00Z")));
}

#[test]
fn a_freeze_may_end_within_a_window() {
    let night = windows(&["Sat 22:00-02:00 UTC"], &["2026-12-05..2026-12-05 UTC"]);
    open_between(&night, "2026-12-06T00:00:00Z", "2026-12-06T02:00:00Z");
}

#[test]
fn the_search_is_bounded() {
    let ever = windows(&["Sat 20:00-23:00 UTC"], &["2026-01-01..2028-12-31 UTC"]);
    assert_eq!(ever.next_open(at("2026-06-01T00:00:00Z")), None);
    assert_eq!(ever.next_open(at("2028-03-01T00:00:00Z")), Some(at("2029-01-06T20:00:00Z")));
    assert_eq!(ever.next_open(Timestamp::MAX_UTC), None);
    assert!(!ever.is_open(Timestamp::MIN_UTC));
}

#[test]
fn texts_have_one_form() {
    for (text, shown) in [
        ("Sat 20:00-23:00 Europe/Berlin", "Sat 20:00-23:00 Europe/Berlin"),
        ("Sun,Sat  20:00-23:00 UTC", "Sat,Sun 20:00-23:00 UTC"),
        ("Sat-Sun 20:00-23:00 UTC", "Sat,Sun 20:00-23:00 UTC"),
        ("Mon-Fri 00:00-00:00 UTC", "Mon-Fri 00:00-00:00 UTC"),
        ("Mon,Tue,Wed,Fri 00:00-23:59 UTC", "Mon-Wed,Fri 00:00-23:59 UTC"),
        ("Fri-Mon 22:00-04:00 UTC", "Mon,Fri-Sun 22:00-04:00 UTC"),
        ("Mon-Sun 22:00-04:00 UTC", "Mon-Sun 22:00-04:00 UTC"),
    ] {
        let window: Window = text.parse().expect(text);
        assert_eq!(window.to_string(), shown, "{text}");
        assert_eq!(shown.parse(), Ok(window), "{text}");
    }
    for (text, shown) in [
        ("2026-12-20..2027-01-06 UTC", "2026-12-20..2027-01-06 UTC"),
        ("2026-12-24 UTC", "2026-12-24..2026-12-24 UTC"),
    ] {
        let freeze: Freeze = text.parse().expect(text);
        assert_eq!(freeze.to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_no_window_is_refused() {
    let word = |text: &str| text.to_owned();
    for (text, error) in [
        ("", WindowError::Form),
        ("Sat", WindowError::Form),
        ("Sat 20:00 UTC", WindowError::Form),
        ("Sat 20:00-23:00", WindowError::NoZone),
        ("Sat 20:00-23:00 UTC more", WindowError::Form),
        ("Sat 20:00-23:00 Europe/Berln", WindowError::Zone(word("Europe/Berln"))),
        ("Sat 20:00-23:00 europe/berlin", WindowError::Zone(word("europe/berlin"))),
        ("sat 20:00-23:00 UTC", WindowError::Day(word("sat"))),
        ("Sat, 20:00-23:00 UTC", WindowError::Day(word(""))),
        ("Sat-Sun-Mon 20:00-23:00 UTC", WindowError::Day(word("Sun-Mon"))),
        ("Sat 25:00-23:00 UTC", WindowError::Time(word("25:00"))),
        ("Sat 20:00-24:00 UTC", WindowError::Time(word("24:00"))),
        ("Sat 8:00-23:00 UTC", WindowError::Time(word("8:00"))),
        ("Sat 20:00-23:60 UTC", WindowError::Time(word("23:60"))),
        ("Sat 20:00--23:00 UTC", WindowError::Time(word("-23:00"))),
    ] {
        assert_eq!(text.parse::<Window>(), Err(error), "{text}");
    }
    for (text, error) in [
        ("", WindowError::Form),
        ("2026-12-20..2027-01-06", WindowError::NoZone),
        ("2026-12-20..2026-12-19 UTC", WindowError::Backwards),
        ("2026-02-30..2026-03-01 UTC", WindowError::Date(word("2026-02-30"))),
        ("2026-2-03 UTC", WindowError::Date(word("2026-2-03"))),
        ("+12026-02-03 UTC", WindowError::Date(word("+12026-02-03"))),
        ("2026-12-20..2027-01-06 UTC UTC", WindowError::Form),
        ("2026-12-20 .. 2027-01-06 UTC", WindowError::Form),
        ("2026-12-20..2027-01-06 Mars", WindowError::Zone(word("Mars"))),
    ] {
        assert_eq!(text.parse::<Freeze>(), Err(error), "{text}");
    }
}
