//! Bounds of this adapter, and facts about PowerDNS; each with its source. Checked 2026-11-23
//! against PowerDNS Authoritative 4.7.3, and against the sources of 4.7 and 5.1.

use std::time::Duration;

use cutover_contract::RrType;
use cutover_web::Bounds;

/// For a connection to be made. Our choice: two lost SYNs are repeated within it.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Of any request but that of a whole zone. Our choice: PowerDNS took 3.2 s to replace 100,000
/// RRsets in one request, and older servers ignore what a question is about, and answer with the
/// whole zone.
pub(crate) const EXCHANGE: Bounds = Bounds {
    connect_max: CONNECT_MAX,
    progress_max: Duration::from_secs(10),
    whole_max: Duration::from_secs(10),
    octets_max: 256 << 20,
};

/// Of a whole zone. Our choice: a database may have to collect it first, 100,000 records take a
/// second, ten minutes are a fault, and an answer of this size has about five million records.
pub(crate) const TRANSFER: Bounds = Bounds {
    connect_max: CONNECT_MAX,
    progress_max: Duration::from_secs(30),
    whole_max: Duration::from_secs(600),
    octets_max: 1 << 30,
};

/// Requests that are on their way at once, whatever zones they are about. Our choice: each costs the
/// server a thread and a connection to its database.
pub(crate) const REQUESTS_AT_ONCE: usize = 8;

/// Names that are asked for one by one; for more of them the whole zone is read. Our choice: that
/// many questions cost about as much as the listing of ten thousand records.
pub(crate) const QUESTIONS_MAX: usize = 64;

/// Comparisons of one change set, while nothing but the SOA serial moves between comparing and
/// writing. Our choice: a zone that moves faster than this is being worked on by someone else.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// How long a change of unknown outcome can still land.
///
/// Our choice, from this: PowerDNS does not notice that we have hung up and carries out what it has
/// read. It then waits for locks of its database, for 50 s at the most with MySQL's defaults
/// (`innodb_lock_wait_timeout`) and for less with SQLite; the rest is work and network.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(60);

/// The first major version whose answers about one name have its disabled records
/// (`include_disabled`, PowerDNS/pdns #11473 and #15299, in 5.0). Before, only the whole zone has.
pub(crate) const SHOWS_DISABLED_FROM: u32 = 5;

/// Octets of a request above which the server is asked for its limit. Our choice: the smallest
/// `webserver-max-bodysize` is 1 (MiB), and the default is 2.
pub(crate) const BODY_UNASKED_OCTETS_MAX: usize = (1 << 20) - 4096;

/// Of one PATCH for changes that a plan need not have in one: what the default limit leaves beside an
/// SOA. A server with a lower limit says so before anything is sent.
pub(crate) const GATHERED_OCTETS: usize = (2 << 20) - (8 << 10);

/// What the server counts to a request's body beside the body itself, at the most. Our choice: at
/// 4.7.3 it is less than 100 octets.
pub(crate) const BODY_SLACK_OCTETS: usize = 1024;

/// How long to wait where a server, or a proxy before it, asks for patience and does not say how
/// long. Our choice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long we let ourselves be told to wait. Our choice: a longer time is a typing error.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// Characters of a server's own words that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// Whose comments are ours.
pub(crate) const MARK_ACCOUNT: &str = "cutover";

/// What our comments say.
pub(crate) const MARK_TEXT: &str = "written by cutover";

/// What a server says of the comments of a backend that has none, such as LMDB before 4.9; nothing
/// is changed then (`patchZone` in `pdns/ws-auth.cc`).
pub(crate) const NO_COMMENTS: &str = "does not support editing comments";

/// Why a server may hang up without a word, for people.
pub(crate) const HUNG_UP_HINT: &str = "PowerDNS hangs up on addresses that are not in its \
     `webserver-allow-from`";

/// Records that are no data but instructions: the server makes up answers from them when it is
/// asked (doc.powerdns.com, "Supported record types", and `qtype.hh`).
/// Each with the types that are answered; a LUA record says itself which one.
pub(crate) const INSTRUCTIONS: &[(&str, &[RrType])] =
    &[("ALIAS", &[RrType::A, RrType::AAAA]), ("LUA", &[])];

/// The numbers of ALIAS and LUA, from the private range.
pub(crate) const INSTRUCTION_TYPES: &[u16] = &[65401, 65402];

/// The SVCB parameters that 4.7.3 knows by name, by number (`pdns/svc-records.cc`).
pub(crate) const PARAMETERS: &[&str] =
    &["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"];
