//! What is read: pages, escapes, and several zones of the same name.

use cutover_contract::ProviderError;
use cutover_kit::testing::HOSTED;
use cutover_zone::RrType;

use crate::common::{KEY, ZONE, adapter, adapter_with, fake, held, zone};
use crate::lab::fault_proxy::FaultProxy;
use crate::route53::Route53;

#[tokio::test]
async fn all_pages_are_read() {
    let lines: Vec<String> =
        (0..1_234).map(|n| format!("h{n}.{ZONE}. 300 IN A 192.0.2.{}", n % 250)).collect();
    let fake = Route53::new(KEY);
    fake.zone(ZONE, &lines);
    let proxy = FaultProxy::open(fake.clone());
    let mut read = adapter(&proxy.url()).read_zone(&zone()).await.expect("a zone").rrsets;
    read.retain(|key, _| key.name != zone() || ![RrType::SOA, RrType::NS].contains(&key.rtype));
    assert_eq!(read, held(&fake));
    // 1,236 RRsets in pages of 300, and a request to find the zone.
    assert_eq!(proxy.exchanges().len(), 6);
}

#[tokio::test]
async fn the_public_zone_of_several_with_the_same_name_is_used() {
    let fake = fake(HOSTED);
    let other = fake.another(ZONE, true, &[]);
    // A zone whose name begins in the same way.
    fake.another("acme.test.example", false, &[]);
    let proxy = FaultProxy::open(fake.clone());
    assert!(adapter(&proxy.url()).read_zone(&zone()).await.expect("a zone").rrsets.len() > 2);
    let named = |id: &str| adapter_with(&proxy.url(), KEY, &[("hosted_zone_id", id)]);
    let private = named(&other).read_zone(&zone()).await.expect("the named one");
    assert_eq!(private.rrsets.len(), 2);
    let third = fake.another(ZONE, false, &[]);
    let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("two public ones");
    assert!(error.to_string().contains("`hosted_zone_id`"), "{error}");
    assert_eq!(named(&third).read_zone(&zone()).await.expect("the named one").rrsets.len(), 2);
    let elsewhere = cutover_zone::Name::from_user("other.test").expect("a name");
    let error = named(&third).read_zone(&elsewhere).await.expect_err("another name");
    assert!(matches!(error, ProviderError::NoSuchZone { .. }), "{error}");
}

#[tokio::test]
async fn a_zone_that_is_only_private_is_not_found() {
    let fake = Route53::new(KEY);
    fake.another(ZONE, true, &[]);
    let proxy = FaultProxy::open(fake.clone());
    let error = adapter(&proxy.url()).read_zone(&zone()).await.expect_err("private");
    assert!(matches!(error, ProviderError::NoSuchZone { .. }), "{error}");
    assert!(error.to_string().contains("private"), "{error}");
}

#[tokio::test]
async fn a_zone_that_was_created_again_is_found() {
    let fake = fake(HOSTED);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    provider.read_zone(&zone()).await.expect("a zone");
    fake.zone(ZONE, &[]);
    let error = provider.read_zone(&zone()).await.expect_err("the old one is gone");
    assert!(matches!(error, ProviderError::NoSuchZone { .. }), "{error}");
    assert_eq!(provider.read_zone(&zone()).await.expect("the new one").rrsets.len(), 2);
}
