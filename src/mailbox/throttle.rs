//! What servers mean by a refusal.
//!
//! Hosts slow clients down in words of their own. Sources: Microsoft's `Suggested Backoff Time: N
//! milliseconds` (imapsync issues 198 and 272), Gmail's `[OVERQUOTA] Account exceeded command or
//! bandwidth limits` and `[THROTTLED]` (support.google.com/a/answer/1071518), the codes of
//! RFC 5530; all read 2026-11-28.

use std::time::Duration;

use cutover_imap::{Code, ImapError, Reply, Status};

/// The first wait after a throttled request without a stated time, and the longest: those of
/// Dovecot's `imapc`.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// The first wait after a bandwidth limit, which is counted by day, and the longest. Our choice.
const FIRST_LIMIT_WAIT: Duration = Duration::from_secs(600);
const LONGEST_LIMIT_WAIT: Duration = Duration::from_secs(4 * 3600);
/// The longest wait that a server may ask for. Our choice: Microsoft's are up to an hour.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(6 * 3600);

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Come again after this time, which the server states.
    WaitFor(Duration),
    /// Come again later.
    Slower,
    /// A limit of a day or so is reached.
    Limit,
    /// The mailbox is full.
    Full,
    /// The user may not sign in, or not open this.
    Denied,
    /// There is no such folder.
    NoFolder,
    /// Anything else: the command or the message is refused.
    Refused,
}

/// What a refusal means.
#[must_use]
pub fn meaning(reply: &Reply) -> Meaning {
    let text = reply.to_string().to_ascii_lowercase();
    if let Some(wait) = asked_wait(&text) {
        return Meaning::WaitFor(wait.min(ASKED_WAIT_MAX));
    }
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["bandwidth limit", "command or bandwidth"]) {
        return Meaning::Limit;
    }
    if reply.has("THROTTLED") || says(&["is throttled", "too many simultaneous connections"]) {
        return Meaning::Slower;
    }
    if reply.has("OVERQUOTA") || says(&["quota exceeded", "over quota", "mailbox is full"]) {
        return Meaning::Full;
    }
    let is_denied = ["AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "NOPERM"];
    if is_denied.iter().any(|code| reply.has(code))
        || says(&["authenticated but not connected", "authentication failed", "login failed"])
    {
        return Meaning::Denied;
    }
    if reply.has("TRYCREATE") || reply.has("NONEXISTENT") {
        return Meaning::NoFolder;
    }
    if reply.has("UNAVAILABLE") || reply.has("INUSE") || reply.has("LIMIT") {
        return Meaning::Slower;
    }
    Meaning::Refused
}

/// Whether the answer to a refusal is to come again later.
pub(crate) fn must_wait(meaning: Meaning) -> bool {
    match meaning {
        Meaning::WaitFor(_) | Meaning::Slower | Meaning::Limit => true,
        Meaning::Full | Meaning::Denied | Meaning::NoFolder | Meaning::Refused => false,
    }
}

fn asked_wait(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("backoff time:")?;
    let mut words = after.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let unit = words.next()?;
    match unit {
        unit if unit.starts_with("milliseconds") => Some(Duration::from_millis(number)),
        unit if unit.starts_with("seconds") => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// The waits of an account: each is longer than the last, until something works again.
#[derive(Debug, Default)]
pub struct Waits {
    slower: u32,
    limits: u32,
}

impl Waits {
    /// How long to wait after an error; `None` if the error does not ask for it. A server may ask
    /// in its last words, too.
    pub fn after(&mut self, error: &ImapError) -> Option<Duration> {
        let meaning = if let ImapError::Closed(words) = error {
            meaning(&last_words(words))
        } else {
            meaning(error.reply()?)
        };
        self.for_meaning(meaning)
    }

    /// How long to wait for this reason; `None` if waiting does not help.
    pub fn for_meaning(&mut self, meaning: Meaning) -> Option<Duration> {
        let grown = |first: Duration, times: u32, longest: Duration| {
            first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
        };
        match meaning {
            Meaning::WaitFor(wait) => Some(wait),
            Meaning::Slower => {
                let wait = grown(FIRST_WAIT, self.slower, LONGEST_WAIT);
                self.slower += 1;
                Some(wait)
            }
            Meaning::Limit => {
                let wait = grown(FIRST_LIMIT_WAIT, self.limits, LONGEST_LIMIT_WAIT);
                self.limits += 1;
                Some(wait)
            }
            Meaning::Full | Meaning::Denied | Meaning::NoFolder | Meaning::Refused => None,
        }
    }

    /// Something has worked: the next wait is short again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The last words of a server as a reply: `BYE [UNAVAILABLE] text`.
fn last_words(words: &str) -> Reply {
    let text = words.strip_prefix("BYE ").unwrap_or(words);
    let coded = text.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let code = coded.map(|(code, _)| {
        let (name, arguments) = code.split_once(' ').unwrap_or((code, ""));
        Code { name: name.to_ascii_uppercase(), arguments: arguments.to_owned() }
    });
    let text = coded.map_or(text, |(_, text)| text.trim_start()).to_owned();
    Reply { status: Status::Bye, code, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, text: &str, expected: Meaning) {
        let code = Some(code).filter(|code| !code.is_empty());
        let code = code.map(|name| Code { name: name.to_owned(), arguments: String::new() });
        let reply = Reply { status: Status::No, code, text: text.to_owned() };
        assert_eq!(meaning(&reply), expected, "{reply}");
    }

    #[test]
    fn the_words_of_hosts_are_understood() {
        let ms = "Request is throttled. Suggested Backoff Time: 299961 milliseconds";
        check("", ms, Meaning::WaitFor(Duration::from_millis(299_961)));
        check(
            "",
            "Suggested Backoff Time: 99999999999 milliseconds",
            Meaning::WaitFor(ASKED_WAIT_MAX),
        );
        check("OVERQUOTA", "Account exceeded command or bandwidth limits.", Meaning::Limit);
        check("THROTTLED", "", Meaning::Slower);
        check("ALERT", "Too many simultaneous connections. (Failure)", Meaning::Slower);
        check("UNAVAILABLE", "UID FETCH Server error", Meaning::Slower);
        check("OVERQUOTA", "Quota exceeded (mailbox for user is full)", Meaning::Full);
        check("AUTHENTICATIONFAILED", "Authentication failed.", Meaning::Denied);
        check("", "User is authenticated but not connected.", Meaning::Denied);
        check("TRYCREATE", "Mailbox doesn't exist: x", Meaning::NoFolder);
        check("", "Message contains bare newlines", Meaning::Refused);
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut waits = Waits::default();
        let mut next = |meaning| waits.for_meaning(meaning).map(|wait| wait.as_millis());
        let slower: Vec<_> = (0..11).filter_map(|_| next(Meaning::Slower)).collect();
        assert_eq!(slower, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 16_000, 16_000]);
        assert_eq!(next(Meaning::Limit), Some(600_000));
        assert_eq!(next(Meaning::Limit), Some(1_200_000));
        assert_eq!(next(Meaning::Full), None);
        waits.reset();
        assert_eq!(waits.for_meaning(Meaning::Slower), Some(FIRST_WAIT));
        let closed = ImapError::Closed("BYE Suggested Backoff Time: 7 seconds".to_owned());
        assert_eq!(waits.after(&closed), Some(Duration::from_secs(7)));
        let closed = ImapError::Closed("BYE [UNAVAILABLE] too long".to_owned());
        assert_eq!(waits.after(&closed), Some(Duration::from_millis(100)));
        assert_eq!(waits.after(&ImapError::Closed("BYE good-bye".to_owned())), None);
        assert_eq!(waits.after(&ImapError::NotOffered("x")), None);
    }
}
