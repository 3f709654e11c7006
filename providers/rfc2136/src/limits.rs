//! Bounds of this adapter, and facts about servers; each with its source. Checked 2026-11-23
//! against BIND 9.18.49 and Knot 3.2.6.

use std::time::Duration;

use cutover_contract::RrType;

/// For a TCP connection to be made. Our choice: two lost SYNs are repeated within it.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// For an update and its answer, or some queries that are on their way at once and their answers.
/// Our choice: BIND took 0.1 s for 900 RRsets in one update.
pub(crate) const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// For the next message of a transfer. Our choice: a server may have to collect a large zone first.
pub(crate) const TRANSFER_PROGRESS_MAX: Duration = Duration::from_secs(30);

/// For a whole transfer. Our choice: a million records take seconds, ten minutes are a fault.
pub(crate) const TRANSFER_MAX: Duration = Duration::from_secs(600);

/// Octets of a whole transfer. Our choice: about ten million records.
pub(crate) const TRANSFER_OCTETS_MAX: usize = 512 << 20;

/// Octets of one message over TCP (RFC 1035 §4.2.2: a length of two octets).
pub(crate) const MESSAGE_OCTETS_MAX: usize = u16::MAX as usize;

/// Of one UPDATE for changes that a plan need not have in one: what the SOA as a prerequisite, the
/// header and the signature leave of a message.
pub(crate) const GATHERED_OCTETS: usize = 64_000;

/// Queries that are on their way at once on one connection. Our choice: BIND works on 23 at most
/// (`TCP_CLIENTS_PER_CONN`) and reads no further until it has answered some.
pub(crate) const PIPELINE_MAX: usize = 16;

/// RRsets that are asked for one by one; for more of them the zone is transferred. Our choice:
/// that many queries cost about as much as the transfer of ten thousand records.
pub(crate) const QUERIED_RRSETS_MAX: usize = 128;

/// Sends of one change set, while nothing but the SOA serial moves in between. Our choice: a zone
/// that moves faster than this is being worked on by someone else.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// How far the two clocks may be apart (RFC 8945 §10 recommends 300 s).
pub(crate) const FUDGE_SECS: u16 = 300;

/// Messages of a transfer that may go unsigned between two signed ones (RFC 8945 §5.3.1).
pub(crate) const UNSIGNED_MAX: usize = 99;

/// How long an update of unknown outcome can still land.
///
/// Our choice, from this: the connection is reset when we give up on it, so that nothing that is
/// still in our own buffers is sent later; a server that has the message works on it at once (Knot
/// and BIND answer within milliseconds); and an update that lands after anyone else's does nothing,
/// since its prerequisites hold the SOA. What is left is the network's own delay.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(2);

/// The leftmost label of names that are asked for to prove that the name above them exists: such a
/// name is not there, so "no such name" says that no wildcard covers it (RFC 4592 §3.3.1). Were it
/// there, the zone would be transferred for nothing, and the result would be the same.
pub(crate) const PROBE_LABEL: &str = "_cutover-probe";

/// The type in which BIND notes at the apex how far its signer is; it does so in unsigned zones as
/// well, once a DNSKEY is added anywhere (BIND 9.18 ARM, `sig-signing-type`, default 65534).
pub(crate) const SIGNING_STATE: RrType = RrType::new(65534);

/// Why a server may say REFUSED to a well-signed update, for people.
pub(crate) const REFUSED_HINT: &str = "the server's own log says why; BIND refuses for example an \
     MX whose exchange lies in the zone and has no address, an address at a name that is no host's, \
     or a name that the key may not change";
