//! What is read: pages, totals, and several zones of the same name.

use std::sync::atomic::{AtomicUsize, Ordering};

use cutover_contract::ProviderError;
use cutover_kit::testing::HOSTED;

use crate::cloudflare::Cloudflare;
use crate::common::{TOKEN, ZONE, adapter, adapter_with, fake, held, zone};
use crate::lab::fault_proxy::FaultProxy;

fn many(number: usize) -> Vec<String> {
    (0..number).map(|n| format!("h{n}.{ZONE}. 300 IN A 192.0.2.{}", n % 250)).collect()
}

#[tokio::test]
async fn all_pages_are_read_however_small_they_are() {
    let lines = many(1_234);
    let fake = fake("pro", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    for (page, pages) in [(5_000, 1), (1_234, 1), (100, 13), (7, 177)] {
        fake.page(page);
        let proxy = FaultProxy::open(fake.clone());
        let read = adapter(&proxy.url()).read_zone(&zone()).await.expect("a zone");
        assert_eq!(read.rrsets, held(&fake));
        assert_eq!(proxy.exchanges().len(), pages + 1);
    }
}

#[tokio::test]
async fn a_wrong_total_is_checked_again_and_then_not_believed() {
    let fake = fake("free", HOSTED);
    let proxy = FaultProxy::open(fake.clone());
    fake.lie(2);
    let read = adapter(&proxy.url()).read_zone(&zone()).await.expect("the third time it fits");
    assert_eq!(read.rrsets, held(&fake));
    fake.lie(1_000);
    let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("never");
    assert!(matches!(error, ProviderError::Malformed { .. }), "{error}");
    let words = "reports 6 records but lists 5, 3 times in a row";
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_record_that_comes_between_two_pages_is_not_missed() {
    let lines = many(250);
    let fake = fake("pro", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    fake.page(100);
    let (meddler, seen) = (fake.clone(), AtomicUsize::new(0));
    let proxy = FaultProxy::with_faults(fake.clone(), move |request| {
        if request.parameter("page") == Some("2") && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            // Before all others, so that the last record of the first page is listed again.
            meddler.put_line(ZONE, &format!("a.{ZONE}. 300 IN A 192.0.2.1"));
        }
        None
    });
    let read = adapter(&proxy.url()).read_zone(&zone()).await.expect("a zone");
    assert_eq!(read.rrsets.len(), 251);
    assert_eq!(read.rrsets, held(&fake));
}

#[tokio::test]
async fn the_account_decides_between_zones_of_the_same_name() {
    let fake = Cloudflare::new(TOKEN);
    fake.zone_of("a1", ZONE, "free", "full", &[]);
    fake.zone_of("b2", ZONE, "free", "full", &[format!("b.{ZONE}. 300 IN A 192.0.2.1")]);
    let proxy = FaultProxy::open(fake.clone());
    let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("two");
    assert!(error.to_string().contains("`account_id`"), "{error}");
    let of_account = adapter_with(&proxy.url(), TOKEN, &[("account_id", "b2")]);
    assert_eq!(of_account.read_zone(&zone()).await.expect("a zone").rrsets.len(), 1);
}

#[tokio::test]
async fn a_zone_that_was_created_again_is_found() {
    let fake = fake("free", HOSTED);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    provider.read_zone(&zone()).await.expect("a zone");
    fake.zone(ZONE, "free", &[]);
    let error = provider.read_zone(&zone()).await.expect_err("the old one is gone");
    assert!(matches!(error, ProviderError::NoSuchZone { .. }), "{error}");
    assert_eq!(provider.read_zone(&zone()).await.expect("the new one").rrsets.len(), 0);
}
