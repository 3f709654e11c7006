//! How often things are asked, how often they are tried, and for how long: the bounds that keep a run
//! from trying for ever.

use std::time::Duration;

/// How often servers are asked whether they serve a change. Our choice: a server that has to be
/// notified takes about this long.
pub const SEE_EVERY: Duration = Duration::from_millis(500);
/// The number of questions after which the pace slows down to [`SEE_SLOWLY_EVERY`]: half a minute's
/// worth.
pub const SEE_QUICKLY_COUNT: u32 = 60;
/// The number of questions after which a run that goes back no longer waits for servers that do not
/// serve what it has written: ten seconds' worth. Our choice: servers that are notified have a change
/// within this time, and mail is routed back after it.
pub const LEAVE_AFTER_COUNT: u32 = 20;
/// The slower pace. Our choice: gentle to servers, and quick enough for waits of minutes.
pub const SEE_SLOWLY_EVERY: Duration = Duration::from_secs(10);
/// How long a change may take to reach every server before the run halts. Our choice: secondaries
/// that are not notified refresh within an hour in most zones (RFC 1912 §2.2: 20 min to 2 h).
pub const SEE_MAX: Duration = Duration::from_secs(2 * 3_600);
/// How often a provider or server that does not answer is asked, a change that is not made is sent, and
/// a wait that lapses starts over, before the run halts. Our choice.
pub const TRIES_MAX: u32 = 5;
/// How often a command is asked whether it has ended, and a person whether a task is done. Our choice.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest pause between two tries, whatever the other side asks for. Our choice: a person has to
/// look at a provider that wants more than an hour.
pub const PAUSE_MAX: Duration = Duration::from_secs(3_600);
