//! Servers that answer in odd ways, and servers that ask to wait.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use cutover_base::calendar::Timestamp;
use cutover_imap::{Secret, SignIn};
use cutover_mailbox::account::Pair;
use cutover_mailbox::clock::{Clock, RealClock};
use cutover_mailbox::copy::{Limits, Pass, copy};
use cutover_mailbox::ledger::Ledger;
use cutover_mailbox::report::{MailboxReport, Progress};

use crate::bed::{Bed, limits, run};
use crate::copies::{slash, small};
use crate::fake::{Answer, Fake, fetched, searched};

/// A clock on which waiting takes no time, and which remembers it.
#[derive(Default)]
struct Patient(Mutex<Vec<Duration>>);

#[async_trait]
impl Clock for Patient {
    fn now(&self) -> Timestamp {
        RealClock.now()
    }

    async fn sleep(&self, span: Duration) {
        self.0.lock().expect("no test has failed").push(span);
    }
}

impl Patient {
    fn waited(&self) -> Vec<u128> {
        self.0.lock().expect("no test has failed").iter().map(Duration::as_millis).collect()
    }
}

fn copied(bed: &Bed, pair: Pair, clock: &Patient, limits: Limits) -> MailboxReport {
    let ledger = Ledger::open(&bed.ledger()).expect("a ledger");
    let progress = Progress::default();
    let pass = Pass { ledger: &ledger, aside: bed.aside(), clock, progress: &progress, limits };
    run(copy(&[pair], &pass)).remove(0)
}

fn ok() -> String {
    "OK done".to_owned()
}

/// The UIDs of a set.
fn uids(command: &str) -> BTreeSet<u32> {
    let set = command.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let set = set.expect("a set");
    cutover_imap::numbers_of_set(set, 1000).expect("a set").into_iter().collect()
}

#[test]
fn every_uid_ends_with_an_outcome_whatever_is_answered() {
    let bed = Bed::start(slash(), slash());
    let mut gone: BTreeSet<u32> = BTreeSet::new();
    let date = "INTERNALDATE \"13-Sep-2020 12:26:40 +0000\" FLAGS (\\Seen)";
    let fake = Fake::start(20, move |command| -> Option<Answer> {
        if command.starts_with("UID SEARCH UID") {
            let there: Vec<_> = uids(command).difference(&gone).map(u32::to_string).collect();
            return Some((format!("* SEARCH {}\r\n", there.join(" ")).into_bytes(), ok()));
        }
        if !command.starts_with("UID FETCH") || command.contains('*') {
            return None;
        }
        let asked = uids(command);
        let mut answer = Vec::new();
        let mut end = ok();
        for uid in &asked {
            let body = format!("Subject: {uid}\r\n\r\nx\r\n").into_bytes();
            let mut say = |octets: &[u8]| answer.extend_from_slice(octets);
            match uid {
                // Attributes in another order, doubled spaces, unknown attributes, odd flags.
                1 => {
                    say(b"* 1  FETCH (BODY[] {16}\r\nSubject: 1\r\n\r\nx\n");
                    say(b"  X-GM-LABELS (\"\\\\Inbox\" a]b) FLAGS (a]b \\Seen \\* ) UID  1 ");
                    say(b"INTERNALDATE \"13-Sep-2020 12:26:40 +0000\" EMAILID (M1)  )  \r\n");
                }
                // A quoted string is a body.
                2 => say(b"* 2 FETCH (UID 2 FLAGS () BODY[] \"Subject: 2\")\r\n"),
                // No body, and it has disappeared.
                3 => {
                    gone.insert(3);
                    say(b"* 3 FETCH (UID 3 BODY[] NIL)\r\n* OK [EXPUNGEISSUED] gone\r\n");
                }
                // No body, and it is there.
                4 => say(b"* 4 FETCH (UID 4 BODY[] NIL)\r\n"),
                // A part of the header instead of the whole.
                5 => say(b"* 5 FETCH (UID 5 BODY[HEADER.FIELDS (DATE)] {3}\r\na\r\n)\r\n"),
                // No UID, or a wrong one.
                6 => say(b"* 6 FETCH (FLAGS () BODY[] {1}\r\nx)\r\n"),
                7 => say(b"* 7 FETCH (UID 0 FLAGS () BODY[] {1}\r\nx)\r\n"),
                // Nothing at all.
                8 => {}
                // No date, or no date that there is.
                9 => say(&fetched(9, "INTERNALDATE NIL FLAGS ()", &body)),
                10 => say(&fetched(10, "INTERNALDATE \"30-Feb-2020 12:00:00 +0000\"", &body)),
                // A wrong size, and the same message twice.
                11 => {
                    say(&[fetched(11, "RFC822.SIZE -1", &body), fetched(11, date, &body)].concat())
                }
                // NUL, bare LF, 8-bit, and no octets.
                12 => say(&fetched(12, date, b"Subject: \xfc\n\n\x00\n")),
                13 => say(&fetched(13, date, b"")),
                // The command fails for this message alone.
                14 if asked.len() > 1 => end = "NO [UNAVAILABLE-ISH] some failed".to_owned(),
                14 => end = "NO this one fails".to_owned(),
                // Garbage, and somebody's flags in between.
                15 => {
                    say(b"* 15 FETCH (((((((((((((((((\r\n* 15 FETCH\r\n* JUNK {3}\r\n)\r\n(\r\n");
                    say(b"* 15 FETCH (FLAGS (\\Seen) UID 15)\r\n");
                    say(&fetched(15, date, &body));
                }
                16 => say(&fetched(16, "FLAGS (\\Recent \\Forwarded ä $Ok)", &body)),
                _ => say(&fetched(*uid, date, &body)),
            }
        }
        Some((answer, end))
    });
    let clock = Patient::default();
    let report = copied(&bed, fake.pair(&bed, "u1", true), &clock, limits());
    let total = report.total();
    assert_eq!(report.error, None, "{report:#?}");
    let ends = (total.messages, total.copied, total.vanished, total.refused, total.unreadable);
    // Refused: 13. Not handed out: 4, 5, 6, 7, 8, 14.
    assert_eq!(ends, (20, 12, 1, 1, 6), "{report:#?}");
    let noted: BTreeSet<u32> = report.folders[0].notes.iter().map(|note| note.uid).collect();
    assert_eq!(noted, BTreeSet::from([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16]));
    let new = bed.judge_new("u1");
    assert_eq!(new.len(), 12, "{new:#?}");
    assert!(!report.is_complete());
    // What was refused or not handed out is tried again, and nothing is doubled.
    let again = copied(&bed, fake.pair(&bed, "u1", true), &clock, limits()).total();
    assert_eq!((again.copied, again.already, again.unreadable), (0, 12, 6));
    assert_eq!(bed.judge_new("u1"), new);
}

#[test]
fn a_server_that_names_fewer_uids_than_messages_is_refused() {
    let bed = Bed::start(slash(), slash());
    let fake = Fake::start(3, |command| {
        command.starts_with("UID SEARCH").then(|| (b"* SEARCH 1 2\r\n".to_vec(), ok()))
    });
    let clock = Patient::default();
    let report = copied(&bed, fake.pair(&bed, "u1", true), &clock, limits());
    let error = report.folders[0].error.as_deref();
    assert_eq!(
        error.expect("an error"),
        "old side: not an answer of IMAP: UID SEARCH names fewer UIDs than there are messages (3)"
    );
}

#[test]
fn a_session_that_is_signed_in_already_is_refused() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 2);
    for is_old in [true, false] {
        let fake = Fake::greeting("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] somebody\r\n");
        let clock = Patient::default();
        let report = copied(&bed, fake.pair(&bed, "u1", is_old), &clock, limits());
        let side = if is_old { "old" } else { "new" };
        let words = "a session that is signed in already: nobody knows as whom";
        let expected = format!("{side} side: not an answer of IMAP: {words}");
        assert_eq!(report.error.as_deref(), Some(&*expected));
        // Nothing was asked for in somebody's name.
        assert_eq!(fake.commands.lock().expect("no test has failed").len(), 0);
    }
}

/// A server that refuses what `is_refused` says until it has done so `times`.
fn refusing(words: &'static str, times: usize, is_refused: fn(&str) -> bool) -> Fake {
    let mut left = times;
    let mut uid = 0;
    Fake::start(0, move |command| {
        if is_refused(command) && left > 0 {
            left -= 1;
            return Some((Vec::new(), words.to_owned()));
        }
        if !command.starts_with("APPEND") {
            return searched(command, uid);
        }
        uid += 1;
        Some((Vec::new(), format!("OK [APPENDUID 7 {uid}] done")))
    })
}

#[test]
fn a_server_that_asks_to_wait_is_obeyed_and_that_is_no_error() {
    let append = |command: &str| command.starts_with("APPEND");
    let login = |command: &str| command.starts_with("LOGIN");
    let ms = "NO Request is throttled. Suggested Backoff Time: 89117 milliseconds";
    // Three messages are sent at once, so each try costs three refusals.
    for (words, times, is_refused, waits) in [
        (ms, 4, append as fn(&str) -> bool, vec![89_117, 89_117]),
        ("BYE Suggested Backoff Time: 1000 milliseconds", 1, append, vec![1000]),
        ("NO [THROTTLED] slow down", 9, append, vec![50, 100, 200]),
        ("NO [OVERQUOTA] Account exceeded command or bandwidth limits.", 1, append, vec![600_000]),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", 2, login, vec![50, 100]),
    ] {
        let bed = Bed::start(slash(), slash());
        small(&bed, "u1", "", 2);
        let fake = refusing(words, times, is_refused);
        let clock = Patient::default();
        let report = copied(&bed, fake.pair(&bed, "u1", false), &clock, limits());
        assert!(report.is_complete(), "{words}: {report:#?}");
        let settling = u128::try_from(250).expect("small");
        let waited: Vec<_> = clock.waited().into_iter().filter(|ms| *ms != settling).collect();
        assert_eq!(waited, waits, "{words}");
        let sum: u128 = waits.iter().sum();
        assert_eq!((u128::from(report.waited_ms), report.restarts), (sum, 0), "{words}");
    }
}

/// A clock that stands still but for waits, and that looks at the forecast after each.
#[derive(Default)]
struct Forecasts {
    progress: Progress,
    waited: Mutex<Duration>,
    /// How long had been waited, and how long the rest was said to take.
    seen: Mutex<Vec<(Duration, Duration)>>,
}

#[async_trait]
impl Clock for Forecasts {
    fn now(&self) -> Timestamp {
        let waited = *self.waited.lock().expect("no test has failed");
        Timestamp::UNIX_EPOCH + chrono::TimeDelta::from_std(waited).expect("it is small")
    }

    async fn sleep(&self, span: Duration) {
        let mut waited = self.waited.lock().expect("no test has failed");
        *waited += span;
        if let Some(left) = self.progress.left(*waited) {
            self.seen.lock().expect("no test has failed").push((*waited, left));
        }
    }
}

/// Servers that ask to wait after so many messages are obeyed to the millisecond, and the time that is
/// left is known within a fifth from a quarter of the way on.
#[test]
fn hosts_that_throttle_are_obeyed_to_the_millisecond_and_the_forecast_is_right() {
    for (words, each) in [
        ("NO Request is throttled. Suggested Backoff Time: 89117 milliseconds", 89_117),
        ("BAD Request is throttled. Suggested Backoff Time: 1001 milliseconds", 1001),
        ("NO [THROTTLED] slow down", 50),
        ("NO [OVERQUOTA] Account exceeded command or bandwidth limits.", 600_000),
    ] {
        let bed = Bed::start(slash(), slash());
        small(&bed, "u1", "", 79);
        let mut uid = 0;
        let mut refused = false;
        let fake = Fake::start(0, move |command| {
            if !command.starts_with("APPEND") {
                return searched(command, uid);
            }
            // After each eighth message of a window, the rest of the window is refused.
            if uid > 0 && uid % 8 == 0 && !refused {
                refused = true;
                return Some((Vec::new(), words.to_owned()));
            }
            refused = false;
            uid += 1;
            Some((Vec::new(), format!("OK [APPENDUID 7 {uid}] done")))
        });
        let clock = Forecasts::default();
        let ledger = Ledger::open(&bed.ledger()).expect("a ledger");
        let limits = Limits { window_messages: 1, settle_max: Duration::ZERO, ..limits() };
        let (aside, progress) = (bed.aside(), &clock.progress);
        let pass = Pass { ledger: &ledger, aside, clock: &clock, progress, limits };
        let report = run(copy(&[fake.pair(&bed, "u1", false)], &pass)).remove(0);
        assert!(report.is_complete(), "{words}: {report:#?}");
        assert_eq!((report.waited_ms, report.restarts), (9 * each, 0), "{words}");
        let whole = *clock.waited.lock().expect("no test has failed");
        assert_eq!(whole, Duration::from_millis(9 * each), "{words}");
        let seen = clock.seen.lock().expect("no test has failed");
        for (waited, left) in seen.iter().filter(|(waited, _)| *waited * 4 >= whole) {
            let (told, truth) = ((*waited + *left).as_secs_f64(), whole.as_secs_f64());
            assert!((told / truth - 1.0).abs() < 0.2, "{words}: {told} s instead of {truth} s");
        }
        assert_eq!(seen.len(), 9);
    }
}

#[test]
fn a_token_that_expires_is_asked_for_again() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 30);
    let mut appends = 0;
    let mut uid = 0;
    let fake = Fake::start(0, move |command| {
        if command.starts_with("CAPABILITY") {
            let line = b"* CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS SASL-IR AUTH=OAUTHBEARER\r\n";
            return Some((line.to_vec(), ok()));
        }
        if let Some(first) = command.strip_prefix("AUTHENTICATE OAUTHBEARER ") {
            let first = base64::engine::general_purpose::STANDARD.decode(first).expect("base64");
            let text = String::from_utf8(first).expect("text");
            // The second token is good for the rest.
            let is_good = match appends {
                0 => text.contains("auth=Bearer token 1\x01"),
                _ => text.contains("auth=Bearer token 2\x01"),
            };
            assert!(text.starts_with("n,a=u1,\x01host=localhost\x01port="), "{text:?}");
            let end = if is_good { ok() } else { "NO [AUTHENTICATIONFAILED] expired".to_owned() };
            return Some((Vec::new(), end));
        }
        if !command.starts_with("APPEND") {
            return searched(command, uid);
        }
        appends += 1;
        if appends == 10 {
            return Some((Vec::new(), "BYE the token has expired".to_owned()));
        }
        uid += 1;
        Some((Vec::new(), format!("OK [APPENDUID 7 {uid}] done")))
    });
    let mut pair = fake.pair(&bed, "u1", false);
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    pair.new.renew = Some(Arc::new(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        let token = Secret::new(format!("token {number}"));
        Ok(SignIn::Token { user: "u1".to_owned(), token })
    }));
    let clock = Patient::default();
    let report = copied(&bed, pair, &clock, limits());
    assert_eq!((report.error.as_deref(), report.restarts), (None, 1), "{report:#?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_server_that_asks_to_wait_for_ever_is_given_up() {
    let bed = Bed::start(slash(), slash());
    small(&bed, "u1", "", 2);
    let words = "NO Suggested Backoff Time: 3600000 milliseconds";
    let fake = refusing(words, usize::MAX, |command| command.starts_with("APPEND"));
    let clock = Patient::default();
    let limits = Limits { settle_max: Duration::ZERO, ..limits() };
    let report = copied(&bed, fake.pair(&bed, "u1", false), &clock, limits);
    let error = report.error.expect("an error");
    assert_eq!(error, "new side: it still asks to wait after 86400 s of waiting");
}

#[test]
fn a_refused_message_is_tried_with_less_and_then_put_aside_whole() {
    let bed = Bed::start(slash(), slash());
    let keywords = ["$Odd".to_owned()];
    let old = "01-Jan-1970 00:00:00 +0000";
    for (number, flags, date) in [(1, &keywords[..], "13-Sep-2020 12:26:40 +0000"), (2, &[], old)] {
        crate::mail::append(&bed.old, "u1", "INBOX", &[(&crate::mail::plain(number), flags, date)]);
    }
    bed.old.deliver("u1", "", "virus", &crate::mail::plain(3), crate::mail::TIME);
    let third = crate::mail::plain(3);
    let length = format!("{{{}+}}", third.len());
    let mut uid = 0;
    let fake = Fake::start(0, move |command| {
        if !command.starts_with("APPEND") {
            return searched(command, uid);
        }
        let refused = command.contains("$Odd") || command.contains("01-Jan-1970");
        if refused || command.ends_with(&length) {
            return Some((Vec::new(), "NO not like this".to_owned()));
        }
        uid += 1;
        Some((Vec::new(), format!("OK [APPENDUID 7 {uid}] done")))
    });
    let clock = Patient::default();
    let report = copied(&bed, fake.pair(&bed, "u1", false), &clock, limits());
    let total = report.total();
    let notes: Vec<&str> = report.folders[0].notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!((total.copied, total.refused), (2, 1), "{notes:?} {:?}", fake.commands);
    assert!(notes.iter().any(|note| note.contains("refuses it with $Odd")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("02-Jan-1970 00:00:00 +0000 instead")));
    assert!(notes.iter().any(|note| note.contains("NO not like this. It is put aside as")));
    let aside = std::fs::read_dir(bed.aside()).expect("a directory").flatten();
    let aside: Vec<_> = aside.map(|entry| std::fs::read(entry.path()).expect("a file")).collect();
    assert_eq!(aside, [third]);
    assert_eq!(fake.count("APPEND"), 5);
}
