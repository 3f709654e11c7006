//! Bounds of this adapter, and facts about Cloudflare; each with its source. Pages of
//! developers.cloudflare.com as of 2026-11.

use std::time::Duration;

use cutover_contract::{RrType, Ttl};
use cutover_kit::rr_types;
use cutover_web::Bounds;

/// Where the API is (API reference).
pub(crate) const URL: &str = "https://api.cloudflare.com/client/v4";

/// Of any request. Our choice: a page of 5,000 records has about 3 MB, and a batch of 3,500
/// operations is one transaction.
pub(crate) const EXCHANGE: Bounds = Bounds {
    connect_max: Duration::from_secs(5),
    progress_max: Duration::from_secs(30),
    whole_max: Duration::from_secs(60),
    octets_max: 64 << 20,
};

/// Requests that are on their way at once, whatever zones they are about, and connections that are kept.
/// Our choice: requests are limited for five minutes, and not for a moment.
pub(crate) const REQUESTS_AT_ONCE: usize = 4;

/// Records of one page. The reference says 5,000,000, other documents 5,000 and 100; the answer says
/// what was taken.
pub(crate) const PAGE_RECORDS: usize = 5_000;

/// Pages of one listing. Our choice: a bound, a hundred million records away.
pub(crate) const PAGES_MAX: usize = 20_000;

/// Listings of one reading, while the total moves under it. Our choice: a zone that moves faster
/// than this is being worked on by someone else.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Names that are asked for one by one; for more of them the whole zone is listed. Our choice: up to
/// 5,000 records are one request, and requests are what is limited (1,200 in five minutes).
pub(crate) const QUESTIONS_MAX: usize = 4;

/// How long a change of unknown outcome can still land. HTTP 524 is given up after 120 s
/// ("Error 524").
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(120);

/// What is added for the nodes of the anycast network that cannot be asked. Our choice: Cloudflare
/// speaks of five seconds.
pub(crate) const UNSEEN_NODES: Duration = Duration::from_secs(60);

/// How long to wait where we are asked for patience and not told for how long: a limit that was
/// exceeded blocks for five minutes ("Rate limits").
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How long we let ourselves be told to wait. Our choice: a longer time is a typing error.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// Characters of Cloudflare's own words that are shown. Our choice.
pub(crate) const WORDS_CHARS_MAX: usize = 300;

/// What a record with `ttl: 1`, "automatic", is served with ("Time to Live (TTL)").
pub(crate) const AUTOMATIC: Ttl = secs(300);

/// The smallest TTL for zones of the Enterprise plan, and for others ("Time to Live (TTL)").
pub(crate) const TTL_MIN_ENTERPRISE: Ttl = secs(30);
/// See above.
pub(crate) const TTL_MIN: Ttl = secs(60);
/// The largest TTL (API reference, `ttl`).
pub(crate) const TTL_MAX: Ttl = secs(86_400);

/// Operations of one batch for zones of the Free plan, and for others ("Batch record changes").
pub(crate) const BATCH_FREE: usize = 200;
/// See above.
pub(crate) const BATCH_PAID: usize = 3_500;

/// What our comments say; a comment has up to 100 characters on the Free plan ("Record attributes").
pub(crate) const MARK: &str = "written by cutover";

/// The types that can be written, of those that Cloudflare has (API reference). CERT is unknown here.
pub(crate) const TYPES: &[RrType] = rr_types![
    A AAAA CAA CNAME DNSKEY DS HTTPS LOC MX NAPTR NS OPENPGPKEY PTR SMIMEA SRV SSHFP SVCB TLSA TXT
    URI
];

/// Codes of errors that mean: these credentials are not accepted. Some come with HTTP status 400
/// (6003 and what is in its chain, 9103, 9106, 9107, 9109, 10000, 10001).
pub(crate) const CODES_UNAUTHORIZED: &[u64] =
    &[6003, 6100, 6101, 6102, 6103, 6111, 9103, 9106, 9107, 9109, 10000, 10001];

/// Codes that mean: there is no such zone (1001, 7000, 7003).
pub(crate) const CODES_NO_ZONE: &[u64] = &[1001, 7000, 7003];

/// Codes that mean: wait (971, 10429).
pub(crate) const CODES_THROTTLED: &[u64] = &[971, 10429];

const fn secs(secs: u32) -> Ttl {
    match Ttl::from_secs(secs) {
        Ok(ttl) => ttl,
        Err(_) => Ttl::MAX,
    }
}
