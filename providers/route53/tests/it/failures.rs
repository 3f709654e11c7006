//! What goes wrong, and what the adapter reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cutover_contract::{Next, ProviderError};
use cutover_kit::testing::{HOSTED, closed, connect};

use crate::common::{KEY, SECRET, ZONE, adapter, adapter_with, changes, fake, held, zone};
use crate::lab::fault_proxy::{FaultProxy, HttpFault, Request};
use crate::route53::refusal;

fn is_batch(request: &Request) -> bool {
    request.method == "POST"
}

const EDIT: &str = "@ MX 300 0 mail.newhost.example.";

#[tokio::test]
async fn route_53_itself_compares() {
    // Between our read and the batch, somebody edits or deletes the RRset, or makes the change
    // themselves.
    for lines in [
        &["acme.test. 300 IN MX 10 elsewhere.example."][..],
        &["acme.test. 301 IN MX 10 mail.oldhost.example."],
        &["acme.test. 300 IN MX 10 mail.oldhost.example.", "acme.test. 300 IN MX 20 b.example."],
        &[],
        &["acme.test. 300 IN MX 0 mail.newhost.example."],
    ] {
        let fake = fake(HOSTED);
        let (meddler, seen) = (fake.clone(), AtomicUsize::new(0));
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let edited = lines.clone();
        let proxy = FaultProxy::with_faults(fake.clone(), move |request| {
            if is_batch(request) && seen.fetch_add(1, Ordering::SeqCst) == 0 {
                meddler.replace(ZONE, "acme.test.", "MX", &edited);
            }
            None
        });
        let error = adapter(&proxy.url()).apply(&changes(&fake, &[EDIT])).await.expect_err("stale");
        let ProviderError::Conflict { live, .. } = &error else { panic!("{lines:?}: {error}") };
        assert_eq!(live.is_some(), !lines.is_empty());
        assert_eq!(fake.writes(ZONE), 0);
    }
}

#[tokio::test]
async fn throttling_and_another_change_in_progress_change_nothing() {
    let fake = fake(HOSTED);
    let before = held(&fake);
    fake.prior(1);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    let error = provider.apply(&changes(&fake, &[EDIT])).await.expect_err("another is before us");
    assert_eq!(error.next(), Next::Retry(Duration::from_secs(5)), "{error}");
    assert_eq!((proxy.count(is_batch), held(&fake)), (1, before.clone()));
    provider.apply(&changes(&fake, &[EDIT])).await.expect("now it is our turn");

    let throttled = FaultProxy::with_faults(fake.clone(), |request| {
        is_batch(request).then(|| HttpFault::Instead(refusal(400, "Throttling", "Rate exceeded")))
    });
    let back = changes(&fake, &["@ MX 300 10 mail.oldhost.example."]);
    let error = adapter(&throttled.url()).apply(&back).await.expect_err("throttled");
    assert_eq!(error.next(), Next::Retry(Duration::from_secs(5)), "{error}");
    assert_eq!(throttled.count(is_batch), 1, "a change is sent once");
}

#[tokio::test]
async fn throttled_questions_are_asked_again() {
    let fake = fake(HOSTED);
    let seen = AtomicUsize::new(0);
    let proxy = FaultProxy::with_faults(fake.clone(), move |_| {
        let is_early = seen.fetch_add(1, Ordering::SeqCst) < 2;
        is_early.then(|| HttpFault::Instead(refusal(400, "Throttling", "Rate exceeded")))
    });
    let read = adapter(&proxy.url()).read_zone(&zone()).await.expect("the third time");
    assert!(read.rrsets.len() > 2);
}

#[tokio::test]
async fn a_change_is_waited_for_until_it_is_in_sync() {
    let fake = fake(HOSTED);
    fake.pending(2);
    let proxy = FaultProxy::open(fake.clone());
    adapter(&proxy.url()).apply(&changes(&fake, &[EDIT])).await.expect("made");
    assert_eq!(proxy.count(|request| request.path.contains("/change/")), 3);
}

#[tokio::test]
async fn a_change_that_may_not_be_in_sync_is_in_doubt() {
    let fake = fake(HOSTED);
    let proxy = FaultProxy::with_faults(fake.clone(), |request| {
        let is_sync = request.path.contains("/change/");
        is_sync.then(|| HttpFault::Instead(refusal(403, "AccessDenied", "No.")))
    });
    let error = adapter(&proxy.url()).apply(&changes(&fake, &[EDIT])).await.expect_err("no status");
    assert_eq!(error.next(), Next::Look, "{error}");
    assert!(error.to_string().contains("the change was made"), "{error}");
    assert_eq!(fake.writes(ZONE), 1);
}

#[tokio::test]
async fn the_code_decides_instead_of_the_status() {
    let fake = fake(HOSTED);
    for (status, code, next) in [
        (403, "InvalidClientTokenId", "Unauthorized"),
        (403, "SignatureDoesNotMatch", "Unauthorized"),
        (400, "ExpiredToken", "Unauthorized"),
        (403, "AccessDenied", "Unauthorized"),
        (404, "NoSuchHostedZone", "NoSuchZone"),
        (400, "InvalidInput", "Refused"),
    ] {
        let proxy = FaultProxy::with_faults(fake.clone(), move |_| {
            let message = format!(
                "No, {SECRET}.\n\nThe Canonical String for this request should have been\n\
                 x-amz-security-token:TOKEN-OF-SOMEBODY"
            );
            Some(HttpFault::Instead(refusal(status, code, &message)))
        });
        let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("no");
        let shown = format!("{error:?} {error}");
        assert!(shown.starts_with(next), "{status} {code}: {shown}");
        assert!(!shown.contains(SECRET) && !shown.contains("TOKEN-OF"), "{shown}");
    }
}

#[tokio::test]
async fn incomplete_configurations_are_refused_at_once() {
    let connect = |more: &[(&str, &str)]| connect(&cutover_route53::ADAPTER, more).err();
    assert!(connect(&[]).is_none(), "the SDK finds the credentials");
    for (more, field) in [
        (&[("access_key_id", "A")][..], "secret_access_key"),
        (&[("endpoint_url", "route53.example")], "endpoint_url"),
        (&[("endpoint_url", "http://me@route53.example")], "endpoint_url"),
        (&[("hosted_zone_id", "/hostedzone/Z1")], "hosted_zone_id"),
        (&[("anycast_margin", "soon")], "anycast_margin"),
    ] {
        assert_eq!(connect(more).expect(field).field, field);
    }
    // Nothing listens, so a change was not sent.
    let fake = fake(HOSTED);
    let nobody = adapter_with(&format!("http://{}", closed()), KEY, &[]);
    let error = nobody.apply(&changes(&fake, &[EDIT])).await.expect_err("nobody");
    assert!(matches!(error, ProviderError::Unreachable { .. }), "{error}");
}
