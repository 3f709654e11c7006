//! Changes that are made, and changes that are not.

use cutover_contract::{ChangeSet, Next, ProviderError};
use cutover_kit::testing::{CONFLICTS, EVERY_TYPE, REFUSED, STORY};
use cutover_zone::RrSet;

use crate::common::{
    MX, SMALL, ZONE, adapter_of, changes, contents, key, pdns, rrsets, served, without_soa, zone,
};
use crate::lab::Pdns;
use crate::reads::pdns_with_room;

/// Applies changes, and checks the server's own count: a change set is a single request.
async fn apply(server: &Pdns, changes: &ChangeSet) {
    let made = server.updates_made(ZONE);
    let receipt = adapter_of(server).apply(changes).await;
    let receipt = receipt.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
    assert_eq!(receipt.serial, server.serial(ZONE));
    assert_eq!(server.updates_made(ZONE), made + 1, "{}", server.log());
}

/// Applies changes that must fail and change nothing, and returns the error.
async fn apply_in_vain(server: &Pdns, changes: &ChangeSet) -> ProviderError {
    let (made, before) = (server.updates_made(ZONE), contents(server).await);
    let Err(error) = adapter_of(server).apply(changes).await else {
        panic!("it makes {changes:?}")
    };
    assert_eq!(contents(server).await, before);
    assert_eq!(server.updates_made(ZONE), made);
    assert!(!error.to_string().contains(server.api_key()));
    error
}

#[tokio::test]
async fn every_type_is_written_as_it_is_read() {
    let server = pdns(SMALL);
    let is_new = |line: &&str| {
        !rrsets(&[line]).values().all(RrSet::is_opaque)
            && !line.contains(" SOA ")
            && !line.starts_with("@ 3600 NS")
            && !line.starts_with("ns1 0 A")
    };
    let new: Vec<&str> = EVERY_TYPE.iter().copied().filter(is_new).collect();
    // The existing MX, TXT and A are replaced in the same request.
    let old = [MX, SMALL[4]];
    apply(&server, &changes(&old, &new)).await;
    let mut expected = without_soa(SMALL);
    expected.extend(rrsets(&new));
    assert_eq!(contents(&server).await, expected);
    // It is also served like this.
    assert_eq!(served(&server), expected);
    apply(&server, &changes(&new, &old)).await;
    assert_eq!(contents(&server).await, without_soa(SMALL));
}

#[tokio::test]
async fn a_story_of_one_name() {
    let server = pdns(SMALL);
    for step in STORY.windows(2) {
        apply(&server, &changes(step[0], step[1])).await;
        let mut expected = without_soa(SMALL);
        expected.extend(rrsets(step[1]));
        assert_eq!(contents(&server).await, expected, "{step:?}");
        assert_eq!(served(&server), expected, "{step:?}");
    }
}

#[tokio::test]
async fn a_conflict_shows_what_is_live_and_changes_nothing() {
    let server = pdns(SMALL);
    for (before, after, at, is_live) in CONFLICTS {
        let error = apply_in_vain(&server, &changes(before, after)).await;
        assert_eq!(error.next(), Next::Halt);
        let ProviderError::Conflict { zone: in_zone, key: of, live } = error else {
            panic!("{error}")
        };
        assert_eq!((in_zone, of), (zone(), key(at)));
        assert_eq!(live, is_live.then(|| rrsets(SMALL)[&key(at)].clone()));
    }
}

#[tokio::test]
async fn two_rrsets_are_changed_at_once() {
    let server = pdns(SMALL);
    let before = [MX, SMALL[4]];
    let after = ["@ 60 MX 10 mx.new.example.", "@ 60 TXT \"v=spf1 include:new.example -all\""];
    apply(&server, &changes(&before, &after)).await;
    let serial = server.serial(ZONE);
    // A change set with an invalid member is refused as a whole: a DNSKEY must be at the apex.
    let bad = ["@ 60 MX 0 .", "www2 60 DNSKEY 257 3 8 AwEAAQ=="];
    let error = apply_in_vain(&server, &changes(&after[..1], &bad)).await;
    assert_eq!(error.next(), Next::Fix);
    let ProviderError::Unsupported { why, .. } = &error else { panic!("{error}") };
    assert!(why.contains("at the apex of a zone only"), "{why}");
    assert_eq!(server.serial(ZONE), serial);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_it_is_sent() {
    let server = pdns(SMALL);
    let serial = server.serial(ZONE).expect("a serial");
    let soa = format!("@ 300 SOA ns1 hostmaster {serial} 3600 600 86400 300");
    let lower = format!("@ 300 SOA ns1 hostmaster {} 3600 600 86400 60", serial - 1);
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[&soa], &[], "@ SOA"),
        (&[&soa], &[&lower], "@ SOA"),
        (&[], &["n 60 TYPE108 \\# 6 00005e00532a"], "n TYPE108"),
        (&[], &["n 60 TYPE65401 \\# 1 00"], "n TYPE65401"),
    ];
    for (before, after, at) in REFUSED.iter().chain(cases) {
        let error = apply_in_vain(&server, &changes(before, after)).await;
        assert_eq!(error.next(), Next::Fix);
        let ProviderError::Unsupported { key: of, .. } = &error else { panic!("{at}: {error}") };
        assert_eq!(*of, key(at), "{error}");
    }
    assert!(!server.log().contains("PATCH"), "nothing was sent");
}

#[tokio::test]
async fn the_apex_changes_and_so_does_its_soa() {
    let server = pdns(SMALL);
    let old = ["@ 300 NS ns1"];
    let new = ["@ 3600 NS ns1", "@ 3600 NS ns2.example."];
    apply(&server, &changes(&old, &new)).await;
    apply(&server, &changes(&new, &["@ 900 NS ns1"])).await;
    apply(&server, &changes(&["@ 900 NS ns1"], &old)).await;
    assert_eq!(contents(&server).await, without_soa(SMALL));

    let serial = server.serial(ZONE).expect("a serial");
    let line = |serial: u32, ttl: u32, minimum: u32| {
        format!("@ {ttl} SOA ns1 hostmaster {serial} 3600 600 86400 {minimum}")
    };
    let (before, after) = (line(serial, 300, 300), line(serial + 10, 120, 60));
    let change = changes(&[&before], &[&after, "n 60 A 192.0.2.1"]);
    let receipt = adapter_of(&server).apply(&change).await.expect("a change");
    assert_eq!(receipt.serial, server.serial(ZONE));
    let read = adapter_of(&server).read_rrsets(&zone(), &[key("@ SOA")]).await.expect("an SOA");
    let soa = read[0].clone().expect("an SOA");
    let fields = soa.rdata()[0].as_soa().expect("an SOA");
    assert_eq!((soa.ttl().secs(), fields.minimum), (120, 60));
    assert!(fields.serial >= serial + 10, "{}", fields.serial);
}

#[tokio::test]
async fn large_change_sets() {
    let many: Vec<String> =
        (0..1500).map(|n| format!("h{} 60 A 192.0.{}.{}", n / 10, n / 10, n % 10)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let one_rrset: Vec<String> =
        (0..1500).map(|n| format!("one 60 A 192.0.{}.{}", n / 250, n % 250)).collect();
    let one_rrset: Vec<&str> = one_rrset.iter().map(String::as_str).collect();
    let value = "x".repeat(230);
    let too_many: Vec<String> = (0..9000).map(|n| format!("t{n} 60 TXT {value}")).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    let server = pdns(SMALL);
    apply(&server, &changes(&[], &many)).await;
    assert_eq!(contents(&server).await.len(), without_soa(SMALL).len() + 150);
    apply(&server, &changes(&many, &one_rrset)).await;
    assert_eq!(contents(&server).await[&key("one A")].rdata().len(), 1500);
    let error = apply_in_vain(&server, &changes(&[], &too_many)).await;
    let ProviderError::Unsupported { why, .. } = &error else { panic!("{error}") };
    assert!(why.contains("webserver-max-bodysize=2"), "{why}");
    // With a larger limit it is a single request.
    let roomy = pdns_with_room(SMALL);
    apply(&roomy, &changes(&[], &too_many)).await;
    assert_eq!(contents(&roomy).await.len(), without_soa(SMALL).len() + 9000);
}

#[tokio::test]
async fn other_peoples_comments_survive() {
    let server = pdns(SMALL);
    let comments = |server: &Pdns| {
        let (_, body) = server.request("GET", "/zones/acme.test.", "");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let rrsets = body["rrsets"].as_array().expect("RRsets").clone();
        let mx = rrsets.into_iter().find(|rrset| rrset["type"] == "MX").expect("the MX");
        let comments = mx["comments"].as_array().expect("comments").clone();
        let mut comments: Vec<(String, String)> = comments
            .iter()
            .map(|c| (c["account"].as_str().unwrap_or("").to_owned(), c["content"].to_string()))
            .collect();
        comments.sort();
        comments
    };
    server.patch(
        ZONE,
        "{\"name\":\"acme.test.\",\"type\":\"MX\",\"changetype\":\"REPLACE\",\"comments\":[\
         {\"account\":\"bob\",\"content\":\"ask \\\"me\\\" first\",\"modified_at\":17},\
         {\"account\":\"\",\"content\":\"nobody\",\"modified_at\":18}]}",
    );
    apply(&server, &changes(&[MX], &["@ 60 MX 0 ."])).await;
    let shown = |account: &str, content: &str| (account.to_owned(), content.to_owned());
    let expected = [
        shown("", "\"nobody\""),
        shown("bob", "\"ask \\\"me\\\" first\""),
        shown("cutover", "\"written by cutover\""),
    ];
    assert_eq!(comments(&server), expected);
    let (_, body) = server.request("GET", "/zones/acme.test.", "");
    assert!(body.contains("\"modified_at\": 17"), "{body}");
    // The mark is added only once.
    apply(&server, &changes(&["@ 60 MX 0 ."], &[MX])).await;
    assert_eq!(comments(&server), expected);
    assert_eq!(contents(&server).await, without_soa(SMALL));
}

#[tokio::test]
async fn two_changes_of_one_rrset_at_once() {
    let server = pdns(SMALL);
    let (first_adapter, second_adapter) = (adapter_of(&server), adapter_of(&server));
    let first = changes(&[MX], &["@ 60 MX 1 a.example."]);
    apply(&server, &first).await;
    // The second adapter expects another zone.
    let error = second_adapter.apply(&changes(&[MX], &["@ 60 MX 1 b.example."])).await.err();
    assert!(matches!(error, Some(ProviderError::Conflict { .. })), "{error:?}");
    let error = first_adapter.apply(&first).await.err();
    assert!(matches!(error, Some(ProviderError::Conflict { .. })), "{error:?}");
}
