//! Bounds of this adapter, and facts about PowerDNS, each with its source. Checked 2026-11-23 with
//! PowerDNS Authoritative 4.7.3, and with the sources of 4.7 and 5.1.

use std::time::Duration;

use cutover_web::Bounds;
use cutover_zone::RrType;

/// The longest time for a connection. Our choice: it allows for two lost SYNs.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The limits of any request but for a whole zone. Our choice: PowerDNS took 3.2 s to replace
/// 100,000 RRsets in one request. Older servers ignore what a question is limited to, and answer
/// with the whole zone.
pub(crate) const EXCHANGE: Bounds = Bounds {
    connect_max: CONNECT_MAX,
    progress_max: Duration::from_secs(10),
    whole_max: Duration::from_secs(10),
    octets_max: 256 << 20,
};

/// The limits of a request for a whole zone. Our choice: a database may have to collect it first;
/// 100,000 records take a second, so ten minutes are a fault; and an answer of this size has about
/// five million records.
pub(crate) const TRANSFER: Bounds = Bounds {
    connect_max: CONNECT_MAX,
    progress_max: Duration::from_secs(30),
    whole_max: Duration::from_secs(600),
    octets_max: 1 << 30,
};

/// The most requests in progress at a time, for all zones. Our choice: each costs the server a
/// thread and a database connection.
pub(crate) const REQUESTS_AT_ONCE: usize = 8;

/// The most names that are asked for separately; above that the whole zone is read. Our choice:
/// this many questions cost about as much as listing ten thousand records.
pub(crate) const QUESTIONS_MAX: usize = 64;

/// How often a change set is compared while only the SOA serial moves between comparing and
/// writing. Our choice: somebody else is working on a zone that moves faster than this.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// How long after a change of unknown outcome its effect can still appear.
///
/// Our choice, for these reasons: PowerDNS does not notice that we closed the connection, and
/// carries out what it has read. It then waits for database locks, with MySQL's defaults for at
/// most 50 s (`innodb_lock_wait_timeout`) and with SQLite for less. The rest is work and network.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(60);

/// The first major version that shows disabled records when asked about one name
/// (`include_disabled`, PowerDNS/pdns #11473 and #15299, in 5.0). Before that, only the whole zone
/// has them.
pub(crate) const SHOWS_DISABLED_FROM: u32 = 5;

/// The size of a request, in octets, above which the server is asked for its limit. Our choice: the
/// smallest `webserver-max-bodysize` is 1 (MiB), and the default is 2.
pub(crate) const BODY_UNASKED_OCTETS_MAX: usize = (1 << 20) - 4096;

/// The most octets for changes that a plan gathers into one PATCH: what the default limit leaves
/// besides an SOA. A server with a lower limit reports it before anything is sent.
pub(crate) const GATHERED_OCTETS: usize = (2 << 20) - (8 << 10);

/// The most octets that the server counts in addition to the body of a request. Our choice: in
/// 4.7.3 it is less than 100 octets.
pub(crate) const BODY_SLACK_OCTETS: usize = 1024;

/// How long to wait if a server, or a proxy in front of it, asks to wait without saying how long.
/// Our choice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The longest wait that we accept. Our choice: a longer time is a typing error.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// The most characters of a server's text that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// The account of our comments.
pub(crate) const MARK_ACCOUNT: &str = "cutover";

/// The text of our comments.
pub(crate) const MARK_TEXT: &str = "written by cutover";

/// What a server reports if its backend has no comments, such as LMDB before 4.9; nothing is
/// changed then (`patchZone` in `pdns/ws-auth.cc`).
pub(crate) const NO_COMMENTS: &str = "does not support editing comments";

/// Why a server may close the connection without an answer, for people.
pub(crate) const HUNG_UP_HINT: &str = "PowerDNS closes connections from addresses that are not in \
    its `webserver-allow-from`";

/// Records that are instructions instead of data: the server makes up answers from them
/// (doc.powerdns.com, "Supported record types", and `qtype.hh`). Each is listed with the types that
/// it answers; a LUA record names its own type.
pub(crate) const INSTRUCTIONS: &[(&str, &[RrType])] =
    &[("ALIAS", &[RrType::A, RrType::AAAA]), ("LUA", &[])];

/// The numbers of ALIAS and LUA, which are in the private range.
pub(crate) const INSTRUCTION_TYPES: &[u16] = &[65401, 65402];

/// The SVCB parameters that 4.7.3 knows by name, by number (`pdns/svc-records.cc`).
pub(crate) const PARAMETERS: &[&str] =
    &["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"];
