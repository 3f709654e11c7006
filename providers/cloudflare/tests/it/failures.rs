//! What goes wrong between reading and writing, and what the adapter reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cutover_contract::{Next, ProviderError};
use cutover_kit::testing::HOSTED;
use serde_json::json;

use crate::common::{TOKEN, ZONE, adapter, changes, fake, held, zone};
use crate::lab::fault_proxy::{Answer, FaultProxy, HttpFault, Request};

fn is_batch(request: &Request) -> bool {
    request.method == "POST"
}

/// A proxy at which this happens right before the first batch.
fn meddled(
    fake: &std::sync::Arc<crate::cloudflare::Cloudflare>,
    meddle: impl Fn(&crate::cloudflare::Cloudflare) + Send + Sync + 'static,
) -> FaultProxy {
    let (meddler, seen) = (fake.clone(), AtomicUsize::new(0));
    FaultProxy::with_faults(fake.clone(), move |request| {
        if is_batch(request) && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            meddle(&meddler);
        }
        None
    })
}

#[tokio::test]
async fn what_a_colleague_deletes_or_adds_in_between_is_a_conflict() {
    let edit = "@ MX 300 0 mail.newhost.example.";
    let fake_of = || fake("free", HOSTED);
    let gone = fake_of();
    let proxy = meddled(&gone, |fake| fake.remove(ZONE, ZONE, "MX"));
    let error = adapter(&proxy.url()).apply(&changes(&gone, &[edit])).await.expect_err("gone");
    assert!(matches!(&error, ProviderError::Conflict { live: None, .. }), "{error}");
    // The same record has been added.
    let added = fake_of();
    let line = "acme.test. 300 IN MX 0 mail.newhost.example.";
    let proxy = meddled(&added, move |fake| drop(fake.put_line(ZONE, line)));
    let error = adapter(&proxy.url()).apply(&changes(&added, &[edit])).await.expect_err("added");
    assert!(matches!(&error, ProviderError::Conflict { live: Some(_), .. }), "{error}");
    // A record of the RRset that the change does not touch.
    let another = fake_of();
    let line = "acme.test. 300 IN MX 5 elsewhere.example.";
    let proxy = meddled(&another, move |fake| drop(fake.put_line(ZONE, line)));
    let error =
        adapter(&proxy.url()).apply(&changes(&another, &[edit])).await.expect_err("another");
    assert_eq!(error.next(), Next::Look, "{error}");
}

#[tokio::test]
async fn nothing_more_is_sent_while_cloudflare_blocks() {
    let fake = fake("free", HOSTED);
    let seen = AtomicUsize::new(0);
    let proxy = FaultProxy::with_faults(fake.clone(), move |_| {
        let body =
            json!({ "success": false, "errors": [{ "code": 971, "message": "Slow down." }] });
        let answer = Answer::new(429, "application/json", body.to_string());
        let is_first = seen.fetch_add(1, Ordering::SeqCst) == 1;
        is_first.then(|| HttpFault::Instead(answer.with("retry-after", "300")))
    });
    let provider = adapter(&proxy.url());
    let read = async || provider.read_zone(&zone()).await;
    let throttled = |error: &ProviderError| match error.next() {
        Next::Retry(span) => span,
        Next::Halt | Next::Fix | Next::Look => panic!("{error}"),
    };
    let error = read().await.expect_err("one too many");
    assert_eq!(throttled(&error), Duration::from_secs(300));
    assert_eq!(proxy.exchanges().len(), 2);
    let error = read().await.expect_err("not before the time");
    assert!(throttled(&error) > Duration::from_secs(290), "{error}");
    assert_eq!(proxy.exchanges().len(), 2, "nothing is sent");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
    assert_eq!(read().await.expect("a zone").rrsets, held(&fake));
}

#[tokio::test]
async fn a_used_up_limit_is_respected_before_it_is_exceeded() {
    let fake = fake("free", HOSTED);
    let proxy = FaultProxy::with_faults(fake.clone(), |request| {
        is_batch(request).then_some(HttpFault::Changed(|answer| {
            answer.with("ratelimit", "\"default\";r=0;t=40")
        }))
    });
    let provider = adapter(&proxy.url());
    let error = provider.apply(&changes(&fake, &["new A 300 192.0.2.1"])).await;
    // The change was made, but for forty seconds the adapter cannot ask whether it was.
    let error = error.expect_err("reading back has to wait");
    assert_eq!(error.next(), Next::Look, "{error}");
    assert!(held(&fake).keys().any(|key| key.to_string() == "new.acme.test. A"));
}

#[tokio::test]
async fn throttling_in_the_middle_changes_nothing_and_says_how_long() {
    let fake = fake("free", HOSTED);
    let before = held(&fake);
    let proxy = FaultProxy::with_faults(fake.clone(), |request| {
        let answer = Answer::new(429, "application/json", "{}").with("retry-after", "30");
        is_batch(request).then_some(HttpFault::Instead(answer))
    });
    let set = changes(&fake, &["@ MX 300 0 mail.newhost.example."]);
    let error = adapter(&proxy.url()).apply(&set).await.expect_err("throttled");
    assert_eq!(error.next(), Next::Retry(Duration::from_secs(30)), "{error}");
    assert_eq!(held(&fake), before);
}

#[tokio::test]
async fn the_code_decides_instead_of_the_status() {
    let fake = fake("free", HOSTED);
    for (status, code, next) in [
        (400, 9106, "Unauthorized"),
        (400, 6003, "Unauthorized"),
        (403, 9109, "Unauthorized"),
        (403, 0, "Unauthorized"),
        (404, 7003, "NoSuchZone"),
        (400, 1004, "Refused"),
        (400, 971, "Throttled"),
        (503, 0, "Unreachable"),
        (200, 10, "Malformed"),
    ] {
        let proxy = FaultProxy::with_faults(fake.clone(), move |_| {
            let errors = json!([{ "code": code, "message": format!("no, {TOKEN}") }]);
            let body = json!({ "success": false, "errors": errors, "result": null });
            Some(HttpFault::Instead(Answer::new(status, "application/json", body.to_string())))
        });
        let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("no");
        let shown = format!("{error:?}");
        assert!(shown.starts_with(next), "{status} {code}: {shown}");
        assert!(!shown.contains(TOKEN) && !error.to_string().contains(TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn a_whole_batch_is_refused_if_one_part_is() {
    let fake = fake("free", HOSTED);
    let before = held(&fake);
    let proxy = FaultProxy::open(fake.clone());
    // 17 strings of 255 octets are more than a TXT may have (code 9015).
    let long = format!("\"{}\"", "x".repeat(255));
    let long = format!("t TXT 300 {}", vec![long; 17].join(" "));
    let set = changes(&fake, &["new A 300 192.0.2.1", &long]);
    let error = adapter(&proxy.url()).apply(&set).await.expect_err("too long");
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("code 9015"), "{error}");
    assert_eq!(held(&fake), before);
}
