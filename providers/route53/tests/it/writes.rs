//! What is written: how many requests and records, and what is left alone.

use cutover_contract::ProviderError;
use cutover_kit::testing::HOSTED;

use crate::common::{ZONE, adapter, changes, fake, held};
use crate::lab::fault_proxy::{FaultProxy, Request};

fn is_batch(request: &Request) -> bool {
    request.method == "POST"
}

fn hosts(number: usize, address: &str) -> Vec<String> {
    (0..number).map(|n| format!("h{n} A 300 {address}")).collect()
}

fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_replacement_is_one_batch_that_deletes_and_creates() {
    let fake = fake(HOSTED);
    let proxy = FaultProxy::open(fake.clone());
    let set = changes(&fake, &["@ MX 60 0 mail.newhost.example.", "mail CNAME -"]);
    let receipt = adapter(&proxy.url()).apply(&set).await.expect("made");
    assert!(receipt.read_back);
    assert_eq!(proxy.count(is_batch), 1);
    let exchanges = proxy.exchanges();
    let batch = exchanges.iter().find(|exchange| is_batch(&exchange.request)).expect("a batch");
    let body = String::from_utf8(batch.request.body.clone()).expect("UTF-8");
    let actions: Vec<&str> = body.split("<Action>").skip(1).map(|rest| &rest[..6]).collect();
    assert_eq!(actions, ["DELETE", "DELETE", "CREATE"]);
    assert!(body.contains("written by cutover"), "{body}");
}

#[tokio::test]
async fn a_batch_has_at_most_a_thousand_records() {
    let fake = fake(&[]);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    let too_many = hosts(1_001, "192.0.2.1");
    let error = provider.apply(&changes(&fake, &texts(&too_many))).await.expect_err("too many");
    assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("takes 1001 records"), "{error}");
    assert_eq!(proxy.count(is_batch), 0, "nothing is sent");
    provider.apply(&changes(&fake, &texts(&hosts(1_000, "192.0.2.1")))).await.expect("made");
    assert_eq!((proxy.count(is_batch), held(&fake).len()), (1, 1_000));
    // A replaced record counts as deleted and as created.
    provider.apply(&changes(&fake, &texts(&hosts(500, "192.0.2.2")))).await.expect("made");
    let error = provider.apply(&changes(&fake, &texts(&hosts(501, "192.0.2.3")))).await;
    assert!(error.expect_err("too many").to_string().contains("takes 1002 records"));
    assert_eq!(proxy.count(is_batch), 2);
}

#[tokio::test]
async fn a_batch_has_at_most_32000_characters() {
    let fake = fake(&[]);
    let proxy = FaultProxy::open(fake.clone());
    // 124 texts of 256 characters with their quotes, and a last text that fills the rest.
    let of = |last: usize| {
        let text = |n: usize, length: usize| format!("t{n} TXT 300 \"{}\"", "x".repeat(length - 2));
        let mut lines: Vec<String> = (0..124).map(|n| text(n, 256)).collect();
        lines.push(text(124, last));
        lines
    };
    let error = adapter(&proxy.url()).apply(&changes(&fake, &texts(&of(257)))).await;
    assert!(error.expect_err("too long").to_string().contains("32001 characters"));
    assert_eq!(proxy.count(is_batch), 0, "nothing is sent");
    adapter(&proxy.url()).apply(&changes(&fake, &texts(&of(256)))).await.expect("made");
}

#[tokio::test]
async fn aliases_and_rrsets_with_identifiers_are_left_alone() {
    let fake = fake(HOSTED);
    let weighted = |id: &str, address: &str| {
        format!(
            "<ResourceRecordSet><Name>shop.{ZONE}.</Name><Type>A</Type>\
             <SetIdentifier>{id}</SetIdentifier><Weight>1</Weight><TTL>60</TTL><ResourceRecords>\
             <ResourceRecord><Value>{address}</Value></ResourceRecord></ResourceRecords>\
             </ResourceRecordSet>"
        )
    };
    fake.put_xml(ZONE, &weighted("one", "192.0.2.1"));
    fake.put_xml(ZONE, &weighted("two", "192.0.2.2"));
    fake.put_xml(
        ZONE,
        &format!(
            "<ResourceRecordSet><Name>{ZONE}.</Name><Type>A</Type><AliasTarget>\
             <HostedZoneId>Z35SXDOTRQ7X7K</HostedZoneId><DNSName>lb.elb.test.</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>"
        ),
    );
    let before = fake.count(ZONE);
    let proxy = FaultProxy::open(fake.clone());
    let provider = adapter(&proxy.url());
    let shown = provider.read_zone(&crate::common::zone()).await.expect("a zone");
    assert!(
        shown
            .rrsets
            .keys()
            .all(|key| !["shop.acme.test. A", "acme.test. A"].contains(&key.to_string().as_str()))
    );
    for (edit, words) in [
        ("shop A 60 192.0.2.9", "with identifiers"),
        ("@ A 60 192.0.2.9", "an alias of another resource"),
        ("shop CNAME 60 x.example.", "a CNAME must be alone"),
    ] {
        let error = provider.apply(&changes(&fake, &[edit])).await.expect_err(edit);
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{edit}: {error}");
        assert!(error.to_string().contains(words), "{edit}: {error}");
    }
    assert_eq!((proxy.count(is_batch), fake.count(ZONE)), (0, before));
    // Other types at these names are written as usual.
    provider
        .apply(&changes(&fake, &["@ MX 60 0 new.example.", "shop TXT 60 \"x\""]))
        .await
        .expect("made");
    assert_eq!(fake.count(ZONE), before + 1);
}

#[tokio::test]
async fn records_of_others_are_deleted_by_their_own_spelling() {
    let fake = fake(&[]);
    let lines = [
        "acme.test. 300 IN MX 10 Mail.OldHost.Example".to_owned(),
        "acme.test. 300 IN MX 20 mail2.oldhost.example.".to_owned(),
    ];
    fake.replace(ZONE, "acme.test.", "MX", &lines);
    fake.replace(ZONE, "t.acme.test.", "TXT", &["t.acme.test. 300 IN TXT \"a\" \"b\"".to_owned()]);
    fake.replace(ZONE, "*.acme.test.", "A", &["*.acme.test. 300 IN A 192.0.2.1".to_owned()]);
    let proxy = FaultProxy::open(fake.clone());
    let edits = ["@ MX 300 0 new.example.", "t TXT 300 \"c\"", "* A 300 192.0.2.2"];
    let set = changes(&fake, &edits);
    adapter(&proxy.url()).apply(&set).await.expect("made");
    assert_eq!(held(&fake).len(), 3);
}
