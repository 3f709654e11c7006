//! Bounds of this adapter, and facts about servers, each with its source. Checked 2026-11-23
//! against BIND 9.18.49 and Knot 3.2.6.

use std::time::Duration;

use cutover_zone::RrType;

/// The longest time for a TCP connection. Our choice: it allows for two lost SYNs.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest time for an update and its answer, or for a group of concurrent queries and their
/// answers. Our choice: BIND took 0.1 s for 900 RRsets in one update.
pub(crate) const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// The longest time for the next message of a transfer. Our choice: a server may have to collect a
/// large zone first.
pub(crate) const TRANSFER_PROGRESS_MAX: Duration = Duration::from_secs(30);

/// The longest time for a whole transfer. Our choice: a million records take seconds, so ten
/// minutes are a fault.
pub(crate) const TRANSFER_MAX: Duration = Duration::from_secs(600);

/// The most octets of a whole transfer. Our choice: about ten million records.
pub(crate) const TRANSFER_OCTETS_MAX: usize = 512 << 20;

/// The most octets of a message over TCP (RFC 1035 §4.2.2: a length of two octets).
pub(crate) const MESSAGE_OCTETS_MAX: usize = u16::MAX as usize;

/// The most octets for changes that a plan gathers into one UPDATE: what the SOA prerequisite, the
/// header and the signature leave of a message.
pub(crate) const GATHERED_OCTETS: usize = 64_000;

/// The most concurrent queries on a connection. Our choice: BIND works on at most 23
/// (`TCP_CLIENTS_PER_CONN`), and reads no further until it has answered some.
pub(crate) const PIPELINE_MAX: usize = 16;

/// The most RRsets that are queried; above that the zone is transferred. Our choice: this many
/// queries cost about as much as transferring ten thousand records.
pub(crate) const QUERIED_RRSETS_MAX: usize = 128;

/// How often a change set is sent while only the SOA serial moves in between. Our choice: somebody
/// else is working on a zone that moves faster than this.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// The largest allowed difference of the two clocks (RFC 8945 §10 recommends 300 s).
pub(crate) const FUDGE_SECS: u16 = 300;

/// The most unsigned messages between two signed messages of a transfer (RFC 8945 §5.3.1).
pub(crate) const UNSIGNED_MAX: usize = 99;

/// How long after an update of unknown outcome its effect can still appear.
///
/// Our choice, for these reasons: we reset the connection when we give up, so nothing in our own
/// buffers is sent later. A server that has the message works on it at once (Knot and BIND answer
/// within milliseconds). An update that arrives after somebody else's change has no effect, since
/// its prerequisites include the SOA. What remains is the delay of the network.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(2);

/// The leftmost label of names that are queried to prove that the name above them exists. Such a
/// name does not exist, and "no such name" proves that no wildcard covers it (RFC 4592 §3.3.1). If
/// it existed, the zone would be transferred needlessly, with the same result.
pub(crate) const PROBE_LABEL: &str = "_cutover-probe";

/// The type in which BIND keeps the progress of its signer at the apex. It does so in unsigned
/// zones too once a DNSKEY is added anywhere (BIND 9.18 ARM, `sig-signing-type`, default 65534).
pub(crate) const SIGNING_STATE: RrType = RrType::new(65534);

/// Why a server may answer REFUSED to a correctly signed update, for people.
pub(crate) const REFUSED_HINT: &str = "the server's own log says why; for example, BIND refuses an \
    MX whose exchange is in the zone and has no address, an address at a name that is not a host \
    name, or a name that the key may not change";
