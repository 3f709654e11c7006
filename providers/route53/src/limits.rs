//! Bounds of this adapter, and facts about Route 53, each with its source. Pages of
//! docs.aws.amazon.com/Route53 as of 2026-11.

use std::time::Duration;

use cutover_kit::rr_types;
use cutover_zone::RrType;

/// The longest time for a connection. Our choice.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest time for an attempt at a request. Our choice: a change of 1,000 records takes about
/// two seconds.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(20);

/// How often a question is tried; Amazon's SDK chooses the waits in between. A change is sent only
/// once: if the answer is lost, a second attempt would find the change already made.
pub(crate) const QUESTION_ATTEMPTS: u32 = 4;

/// The RRsets in a page (API reference, ListResourceRecordSets).
pub(crate) const PAGE_RRSETS: i32 = 300;
/// The zones in a page (API reference, ListHostedZonesByName).
pub(crate) const PAGE_ZONES: i32 = 100;
/// The most pages in a listing. Our choice: a bound at six million RRsets.
pub(crate) const PAGES_MAX: usize = 20_000;

/// The most names that are asked for separately; above that the whole zone is listed. Our choice:
/// this many questions cost as much as listing 2,400 RRsets.
pub(crate) const QUESTIONS_MAX: usize = 8;
/// The most questions in progress at a time. Our choice: ten per second are allowed permanently,
/// fifty in a burst ("Throttling").
pub(crate) const QUESTIONS_AT_ONCE: usize = 4;

/// The most records in a batch, counting deleted and created ones ("Quotas",
/// ChangeResourceRecordSets).
pub(crate) const BATCH_RECORDS: usize = 1_000;
/// The most characters in all values of a batch (same source).
pub(crate) const BATCH_CHARS: usize = 32_000;
/// The most characters in a value (API reference, ResourceRecord).
pub(crate) const VALUE_CHARS: usize = 4_000;

/// How long after a change of unknown outcome its effect can still appear. Our choice: a request is
/// carried out within seconds, or refused while another is in progress.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(60);

/// The time to add for nodes of the anycast network that cannot be asked. Our choice: a change is
/// usually in sync within 60 s (API reference, GetChange), and the adapter waits for that
/// separately.
pub(crate) const ANYCAST_MARGIN: Duration = Duration::from_secs(60);

/// The first pause between two questions whether a change is in sync. Each pause is twice as long
/// as the one before. Our choice.
pub(crate) const SYNC_PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest of these pauses. Our choice.
pub(crate) const SYNC_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long to ask. Our choice: ten times as long as it usually takes.
pub(crate) const SYNC_MAX: Duration = Duration::from_secs(600);

/// How long to wait after throttling. Our choice: ten more requests are allowed each second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait while another change of the zone is in progress (PriorRequestNotComplete). Our
/// choice.
pub(crate) const PATIENCE_PRIOR: Duration = Duration::from_secs(5);

/// The most characters of Amazon's text that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// The comment of our changes (API reference, `Comment`: up to 256 characters).
pub(crate) const MARK: &str = "written by cutover";

/// The types of Route 53 (API reference, `Type`), without the SOA, which is not written.
pub(crate) const TYPES: &[RrType] = rr_types![
    A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT
];

/// Error codes that mean that the credentials are not accepted.
pub(crate) const CODES_UNAUTHORIZED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorizedException",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes that ask to wait. They come with HTTP status 400.
pub(crate) const CODES_THROTTLED: &[&str] =
    &["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"];
