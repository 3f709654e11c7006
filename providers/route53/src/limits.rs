//! Bounds of this adapter, and facts about Route 53; each with its source. Pages of
//! docs.aws.amazon.com/Route53 as of 2026-11.

use std::time::Duration;

use cutover_contract::RrType;
use cutover_kit::rr_types;

/// For a connection. Our choice.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// For one attempt at a request. Our choice: a change of 1,000 records takes about two seconds.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(20);

/// Attempts at a question, the waits between them by Amazon's SDK. A change is sent once: after a
/// lost answer a second one would say that it is there already.
pub(crate) const QUESTION_ATTEMPTS: u32 = 4;

/// RRsets of a page (API reference, ListResourceRecordSets).
pub(crate) const PAGE_RRSETS: i32 = 300;
/// Zones of a page (API reference, ListHostedZonesByName).
pub(crate) const PAGE_ZONES: i32 = 100;
/// Pages of one listing. Our choice: a bound, six million RRsets away.
pub(crate) const PAGES_MAX: usize = 20_000;

/// Names that are asked for one by one; for more of them the whole zone is listed. Our choice: that
/// many questions cost as much as the listing of 2,400 RRsets.
pub(crate) const QUESTIONS_MAX: usize = 8;
/// Questions that are on their way at once. Our choice: ten a second are allowed for long, fifty at
/// once ("Throttling").
pub(crate) const QUESTIONS_AT_ONCE: usize = 4;

/// Records of one batch, those that go and those that come ("Quotas", ChangeResourceRecordSets).
pub(crate) const BATCH_RECORDS: usize = 1_000;
/// Characters of all values of one batch (the same).
pub(crate) const BATCH_CHARS: usize = 32_000;
/// Characters of a value (API reference, ResourceRecord).
pub(crate) const VALUE_CHARS: usize = 4_000;

/// How long a change of unknown outcome can still land. Our choice: a request is carried out within
/// seconds, or refused while another one is.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What is added for the nodes of the anycast network that cannot be asked. Our choice: a change is
/// in sync within 60 s as a rule (API reference, GetChange), and that is waited for beside.
pub(crate) const UNSEEN_NODES: Duration = Duration::from_secs(60);

/// How long Route 53 is left alone before it is asked again whether a change is in sync: at first, and at
/// the most. The pause doubles in between. Our choice.
pub(crate) const SYNC_PAUSE_MIN: Duration = Duration::from_millis(250);
/// See [`SYNC_PAUSE_MIN`].
pub(crate) const SYNC_PAUSE_MAX: Duration = Duration::from_secs(2);
/// For how long. Our choice: ten times what it takes as a rule.
pub(crate) const SYNC_MAX: Duration = Duration::from_secs(600);

/// How long to wait after a refusal for the rate. Our choice: ten requests a second come back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait while another change of the zone is carried out (PriorRequestNotComplete). Our
/// choice.
pub(crate) const PATIENCE_PRIOR: Duration = Duration::from_secs(5);

/// Characters of Amazon's own words that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// What a change says of itself (API reference, `Comment`: up to 256 characters).
pub(crate) const MARK: &str = "written by cutover";

/// The types that Route 53 has (API reference, `Type`), the SOA apart, which cannot be replaced.
pub(crate) const TYPES: &[RrType] = rr_types![
    A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT
];

/// Codes of errors that mean: these credentials are not accepted.
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

/// Codes that mean: wait. They come with HTTP status 400.
pub(crate) const CODES_THROTTLED: &[&str] =
    &["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"];
