//! What is written: how many requests, and what stays of a record.

use cutover_contract::ProviderError;
use cutover_kit::testing::{HOSTED, edited};
use cutover_zone::Ttl;
use serde_json::{Value, json};

use crate::common::{ZONE, adapter, adapter_with, changes, fake, held, zone};
use crate::lab::fault_proxy::{FaultProxy, Request};

fn is_batch(request: &Request) -> bool {
    request.method == "POST"
}

/// The numbers of deletes, patches, puts and posts in the last batch.
fn operations(proxy: &FaultProxy) -> [usize; 4] {
    let exchanges = proxy.exchanges();
    let batch = exchanges.iter().rfind(|exchange| is_batch(&exchange.request)).expect("a batch");
    let body: Value = serde_json::from_slice(&batch.request.body).expect("JSON");
    ["deletes", "patches", "puts", "posts"].map(|field| body[field].as_array().map_or(0, Vec::len))
}

#[tokio::test]
async fn changed_records_keep_their_comments_and_tags() {
    let fake = fake("free", &[]);
    let record = |content: &str, priority: u64| {
        json!({
            "type": "MX", "name": ZONE, "content": content, "priority": priority, "ttl": 300,
            "comment": "ask Ada", "tags": ["owner:ada"]
        })
    };
    let ids = ["a.old.example", "b.old.example"].map(|host| fake.put(ZONE, &record(host, 10)));
    let proxy = FaultProxy::open(fake.clone());
    let set = changes(&fake, &["@ MX 300 0 a.new.example. | 10 b.old.example."]);
    let receipt = adapter(&proxy.url()).apply(&set).await.expect("made");
    assert!(receipt.read_back);
    assert_eq!(operations(&proxy), [0, 1, 0, 0]);
    let records = fake.records(ZONE);
    let values = |field: &str| -> Vec<&Value> { records.iter().map(|r| &r[field]).collect() };
    assert_eq!(values("id"), [&json!(ids[0]), &json!(ids[1])]);
    assert_eq!(values("comment"), [&json!("ask Ada"), &json!("ask Ada")]);
    assert_eq!(values("tags"), [&json!(["owner:ada"]), &json!(["owner:ada"])]);
    assert_eq!(values("content"), [&json!("a.new.example"), &json!("b.old.example")]);
}

#[tokio::test]
async fn a_new_ttl_patches_each_record_with_another_ttl() {
    let fake = fake("free", HOSTED);
    fake.put_line(ZONE, "www.acme.test. 60 IN A 192.0.2.3");
    let proxy = FaultProxy::open(fake.clone());
    let before = held(&fake);
    assert_eq!(before.len(), 4, "{before:?}");
    let set = {
        let provider = adapter(&proxy.url());
        let live = provider.read_zone(&zone()).await.expect("a zone").rrsets;
        let (_, www) =
            live.iter().find(|(key, _)| key.to_string() == "www.acme.test. A").expect("it");
        // The largest counts, since they may be cached for that long.
        assert_eq!(www.ttl(), Ttl::from_secs(300).expect("a TTL"));
        edited(&live, &["www A 60 192.0.2.1 | 192.0.2.2 | 192.0.2.3"])
    };
    adapter(&proxy.url()).apply(&set).await.expect("made");
    assert_eq!(operations(&proxy), [0, 2, 0, 0]);
}

#[tokio::test]
async fn automatic_stays_automatic_while_its_ttl_does_not_change() {
    let fake = fake("free", &[]);
    fake.put(ZONE, &json!({ "type": "TXT", "name": "t", "content": "\"one\"", "ttl": 1 }));
    let proxy = FaultProxy::open(fake.clone());
    let set = changes(&fake, &["t TXT 300 \"two\""]);
    adapter(&proxy.url()).apply(&set).await.expect("made");
    assert_eq!(fake.records(ZONE)[0]["ttl"], 1);
    let set = changes(&fake, &["t TXT 60 \"two\""]);
    adapter(&proxy.url()).apply(&set).await.expect("made");
    assert_eq!(fake.records(ZONE)[0]["ttl"], 60);
}

/// As many texts as there are hosts, one for each.
fn hosts(number: usize, edit: impl Fn(usize) -> String) -> Vec<String> {
    (0..number).map(edit).collect()
}

#[tokio::test]
async fn a_thousand_changes_are_one_batch_and_two_listings() {
    let lines = hosts(1_000, |n| format!("h{n}.{ZONE}. 300 IN A 192.0.2.{}", n % 250));
    let fake = fake("pro", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let proxy = FaultProxy::open(fake.clone());
    let edits = hosts(1_000, |n| format!("h{n} A 300 203.0.113.{}", n % 250));
    let edits: Vec<&str> = edits.iter().map(String::as_str).collect();
    let set = changes(&fake, &edits);
    let provider = adapter_with(&proxy.url(), crate::common::TOKEN, &[("plan", "pro")]);
    provider.apply(&set).await.expect("made");
    assert_eq!(proxy.count(is_batch), 1);
    assert_eq!(operations(&proxy), [0, 1_000, 0, 0]);
    // The zone is found, and listed before and after the batch.
    assert_eq!(proxy.exchanges().len(), 4);
}

#[tokio::test]
async fn a_batch_has_at_most_the_operations_that_the_plan_allows() {
    for (plan, number) in [("free", 200), ("pro", 3_500)] {
        let fake = fake(plan, &[]);
        let proxy = FaultProxy::open(fake.clone());
        let made = |number: usize| {
            let edits = hosts(number, |n| format!("h{n} A 300 192.0.2.1"));
            changes(&fake, &edits.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let error = adapter(&proxy.url()).apply(&made(number + 1)).await.expect_err("too many");
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(&format!("at most {number}")), "{error}");
        assert_eq!(proxy.count(is_batch), 0, "nothing is sent");
        adapter(&proxy.url()).apply(&made(number)).await.expect("made");
        assert_eq!((proxy.count(is_batch), held(&fake).len()), (1, number));
    }
}

#[tokio::test]
async fn records_that_others_hold_are_read_but_not_written() {
    let fake = fake("free", HOSTED);
    fake.lock(ZONE, ZONE, "MX");
    fake.put(
        ZONE,
        &json!({
            "type": "A", "name": "shop", "content": "192.0.2.7", "ttl": 1, "proxied": true
        }),
    );
    fake.put(
        ZONE,
        &json!({
            "type": "CNAME", "name": "flat", "content": "x.example", "ttl": 300,
            "settings": { "flatten_cname": true }
        }),
    );
    // Even at a proxied apex, mail records are as usual.
    fake.put(
        ZONE,
        &json!({
            "type": "A", "name": "@", "content": "192.0.2.8", "ttl": 1, "proxied": true
        }),
    );
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    let shown: Vec<String> = provider
        .read_zone(&zone())
        .await
        .expect("a zone")
        .rrsets
        .keys()
        .map(|k| k.to_string())
        .collect();
    assert_eq!(
        shown,
        ["acme.test. MX", "acme.test. TXT", "mail.acme.test. CNAME", "www.acme.test. A"]
    );
    for (edit, words) in [
        ("@ MX 300 0 new.example.", "Email Routing holds its records"),
        ("shop A 300 192.0.2.8", "is proxied"),
        ("shop AAAA 300 2001:db8::1", "is proxied"),
        ("@ A 300 192.0.2.9", "is proxied"),
        ("flat CNAME 300 y.example.", "flattens"),
        ("@ NS 300 ns.example.", "NS records of the apex"),
    ] {
        let error = provider.apply(&changes(&fake, &[edit])).await.expect_err(edit);
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{edit}: {error}");
        assert!(error.to_string().contains(words), "{edit}: {error}");
    }
    assert_eq!(proxy.count(is_batch), 0);
    let beside = changes(&fake, &["shop TXT 300 \"x\"", "@ TXT 300 \"v=spf1 -all\""]);
    provider.apply(&beside).await.expect("made");
}

#[tokio::test]
async fn a_wrong_plan_is_noticed_when_the_zone_is_read() {
    let fake = fake("free", HOSTED);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter_with(&proxy.url(), crate::common::TOKEN, &[("plan", "enterprise")]);
    let error = provider.read_zone(&zone()).await.expect_err("it is free");
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("`plan: enterprise`"), "{error}");
}

#[tokio::test]
async fn a_secondary_zone_is_not_written() {
    let fake = crate::cloudflare::Cloudflare::new(crate::common::TOKEN);
    fake.zone_of("a1", ZONE, "enterprise", "secondary", &[]);
    let proxy = FaultProxy::open(fake.clone());
    let error = adapter(&proxy.url()).apply(&changes(&fake, &["a A 300 192.0.2.1"])).await;
    let error = error.expect_err("a secondary");
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
}
