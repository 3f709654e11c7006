//! Bounds of this adapter, and facts about Cloudflare, each with its source. Pages of
//! developers.cloudflare.com as of 2026-11.

use std::time::Duration;

use cutover_kit::rr_types;
use cutover_web::Bounds;
use cutover_zone::{RrType, Ttl};

/// The address of the API (API reference).
pub(crate) const URL: &str = "https://api.cloudflare.com/client/v4";

/// The limits of any request. Our choice: a page of 5,000 records has about 3 MB, and a batch of
/// 3,500 operations is a single transaction.
pub(crate) const EXCHANGE: Bounds = Bounds {
    connect_max: Duration::from_secs(5),
    progress_max: Duration::from_secs(30),
    whole_max: Duration::from_secs(60),
    octets_max: 64 << 20,
};

/// The most requests in progress at a time, for all zones, and the connections to keep. Our choice:
/// the rate limit is counted over five minutes, not at one moment.
pub(crate) const REQUESTS_AT_ONCE: usize = 4;

/// The records of a page. The reference says 5,000,000, other documents 5,000 and 100; the answer
/// reports what was used.
pub(crate) const PAGE_RECORDS: usize = 5_000;

/// The most pages of a listing. Our choice: a bound at a hundred million records.
pub(crate) const PAGES_MAX: usize = 20_000;

/// How often a zone is listed for one reading while its total changes. Our choice: somebody else is
/// working on a zone that changes faster than this.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// The most names that are asked for separately; above that the whole zone is listed. Our choice:
/// up to 5,000 records take a single request, and it is requests that are limited (1,200 in five
/// minutes).
pub(crate) const QUESTIONS_MAX: usize = 4;

/// How long after a change of unknown outcome its effect can still appear. Cloudflare gives up with
/// HTTP 524 after 120 s ("Error 524").
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(120);

/// The time to add for nodes of the anycast network that cannot be asked. Our choice: Cloudflare
/// speaks of five seconds.
pub(crate) const ANYCAST_MARGIN: Duration = Duration::from_secs(60);

/// How long to wait if we are asked to wait without being told how long: exceeding a limit blocks
/// for five minutes ("Rate limits").
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The longest wait that we accept. Our choice: a longer time is a typing error.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// The most characters of Cloudflare's text that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// The TTL with which a record with `ttl: 1`, "automatic", is served ("Time to Live (TTL)").
pub(crate) const AUTOMATIC: Ttl = secs(300);

/// The smallest TTL of zones on the Enterprise plan ("Time to Live (TTL)").
pub(crate) const TTL_MIN_ENTERPRISE: Ttl = secs(30);
/// The smallest TTL on other plans ("Time to Live (TTL)").
pub(crate) const TTL_MIN: Ttl = secs(60);
/// The largest TTL (API reference, `ttl`).
pub(crate) const TTL_MAX: Ttl = secs(86_400);

/// The most operations in a batch on the Free plan ("Batch record changes").
pub(crate) const BATCH_FREE: usize = 200;
/// The most operations in a batch on other plans ("Batch record changes").
pub(crate) const BATCH_PAID: usize = 3_500;

/// The text of our comments; on the Free plan a comment has up to 100 characters ("Record
/// attributes").
pub(crate) const MARK: &str = "written by cutover";

/// The types of Cloudflare that can be written (API reference). CERT is only kept here.
pub(crate) const TYPES: &[RrType] = rr_types![
    A AAAA CAA CNAME DNSKEY DS HTTPS LOC MX NAPTR NS OPENPGPKEY PTR SMIMEA SRV SSHFP SVCB TLSA TXT
    URI
];

/// Error codes that mean that the credentials are not accepted. Some come with HTTP status 400
/// (6003 and the codes in its chain, 9103, 9106, 9107, 9109, 10000, 10001).
pub(crate) const CODES_UNAUTHORIZED: &[u64] =
    &[6003, 6100, 6101, 6102, 6103, 6111, 9103, 9106, 9107, 9109, 10000, 10001];

/// Codes that mean that there is no such zone (1001, 7000, 7003).
pub(crate) const CODES_NO_ZONE: &[u64] = &[1001, 7000, 7003];

/// Codes that ask to wait (971, 10429).
pub(crate) const CODES_THROTTLED: &[u64] = &[971, 10429];

const fn secs(secs: u32) -> Ttl {
    match Ttl::from_secs(secs) {
        Ok(ttl) => ttl,
        Err(_) => Ttl::MAX,
    }
}
