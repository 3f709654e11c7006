//! Reading zones and RRsets.

use std::time::Duration;

use cutover_kit::testing::EVERY_TYPE;
use cutover_zone::{Name, RrKey, RrType};

use crate::common::{ZONE, adapter_of, bind, both, changes, contents, key, rrsets, zone};
use crate::lab::{Bind, loopback};

/// Every type, with more kinds of names than some servers accept.
pub(crate) fn every_type() -> Vec<&'static str> {
    let odd = [
        "a\\.dot 300 TXT \"a name with a dot in a label\"",
        "sp\\032ace 300 TXT \"a name with a blank\"",
    ];
    [EVERY_TYPE, &odd].concat()
}

#[tokio::test]
async fn a_zone_is_read_as_it_was_loaded() {
    for server in both(&every_type()) {
        let read = adapter_of(&server).read_zone(&zone()).await.expect("an answer");
        assert_eq!(read.origin, zone());
        let expected = rrsets(&every_type());
        for (key, rrset) in &expected {
            assert_eq!(read.get(key), Some(rrset), "{} {key}", server.program());
        }
        assert_eq!(read.rrsets.len(), expected.len(), "{}", server.program());
    }
}

#[tokio::test]
async fn rrsets_are_read_as_the_zone_has_them() {
    for server in both(&every_type()) {
        let adapter = adapter_of(&server);
        let expected = rrsets(&every_type());
        let mut keys: Vec<RrKey> = expected.keys().cloned().collect();
        // Absent: no such name, no such type, below an alias, a branch, a delegation, a wildcard.
        let absent = [
            "nobody A",
            "@ AAAA",
            "alias A",
            "alias MX",
            "below.branch A",
            "below.branch CNAME",
            "sub A",
            "other.sub A",
            "below.wild MX",
            "a.b.wild MX",
            "wild MX",
            "_tcp A",
        ];
        keys.extend(absent.map(key));
        let read = adapter.read_rrsets(&zone(), &keys).await.expect("an answer");
        for (key, read) in keys.iter().zip(read) {
            assert_eq!(read.as_ref(), expected.get(key), "{} {key}", server.program());
        }
    }
}

#[tokio::test]
async fn many_rrsets_are_read_at_once() {
    let lines: Vec<String> = (0..300).map(|n| format!("h{n} 300 A 192.0.2.1")).collect();
    let small = ["@ 300 SOA ns1 h 7 3600 600 86400 300", "@ 300 NS ns1", "ns1 300 A 127.0.0.1"];
    let lines: Vec<&str> = small.into_iter().chain(lines.iter().map(String::as_str)).collect();
    for server in both(&lines) {
        let adapter = adapter_of(&server);
        let keys: Vec<RrKey> = (0..400).map(|n| key(&format!("h{n} A"))).collect();
        for count in [0, 1, 16, 17, 128, 129, 400] {
            let read = adapter.read_rrsets(&zone(), &keys[..count]).await.expect("an answer");
            assert_eq!(read.len(), count);
            for (index, rrset) in read.iter().enumerate() {
                assert_eq!(rrset.is_some(), index < 300, "{} h{index}", server.program());
            }
        }
    }
}

#[tokio::test]
async fn wildcards_are_read_as_such_and_never_applied() {
    let lines = [
        "@ 300 SOA ns1 h 7 3600 600 86400 300",
        "@ 300 NS ns1",
        "ns1 300 A 127.0.0.1",
        "* 300 MX 10 ns1",
        "* 300 TXT \"v=spf1 -all\"",
        "real 300 MX 10 ns1",
        "deep.below 300 A 192.0.2.1",
        "*.real 300 A 192.0.2.7",
        "*.alias 300 CNAME elsewhere.example.",
    ];
    for server in both(&lines) {
        let adapter = adapter_of(&server);
        let all = rrsets(&lines);
        for (text, is_there) in [
            ("* MX", true),
            ("* TXT", true),
            ("real MX", true),
            ("real TXT", false),
            ("nobody MX", false),
            ("_dmarc TXT", false),
            ("a.b.c MX", false),
            ("below MX", false),
            ("other.real A", false),
            ("*.real A", true),
            ("x.alias CNAME", false),
            ("*.alias CNAME", true),
            ("_cutover-probe MX", false),
        ] {
            let read = adapter.read_rrsets(&zone(), &[key(text)]).await.expect("an answer");
            let expected = is_there.then(|| all[&key(text)].clone());
            assert_eq!(read, [expected], "{} {text}", server.program());
        }
        // Therefore a name under a wildcard can be created with `before` absent.
        let receipt = adapter.apply(&changes(&[], &["nobody 60 MX 20 ns1"])).await;
        assert!(receipt.is_ok(), "{}: {receipt:?}", server.program());
    }
}

#[tokio::test]
async fn what_a_signer_makes_is_left_out() {
    let server = Bind::primary_with(
        &[(ZONE, &crate::common::SMALL.join("\n"))],
        "dnssec-policy default; inline-signing no;",
    );
    let before = contents(&server).await;
    assert!(server.dig(&[ZONE, "MX", "+dnssec"]).contains("RRSIG"), "the zone is signed");
    for key in before.keys() {
        assert!(!key.rtype.is_made_by_signer(), "{key}");
    }
    let receipt = adapter_of(&server).apply(&changes(&[], &["new 60 A 192.0.2.3"])).await;
    assert!(receipt.is_ok(), "a signed zone is changed like any other: {receipt:?}");
    let read = adapter_of(&server).read_rrsets(&zone(), &[key("new A"), key("@ RRSIG")]).await;
    let there: Vec<bool> = read.expect("an answer").iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false]);
}

#[tokio::test]
async fn a_large_zone_comes_in_many_messages() {
    let mut lines = vec![
        "@ 300 SOA ns1 h 7 3600 600 86400 300".to_owned(),
        "@ 300 NS ns1".to_owned(),
        "ns1 300 A 127.0.0.1".to_owned(),
    ];
    lines.extend((0..20_000).map(|n| format!("h{n} 300 A 192.0.{}.{}", n / 250, n % 250)));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for server in both(&lines) {
        assert_eq!(contents(&server).await.len(), 20_002, "{}", server.program());
    }
}

#[tokio::test]
async fn a_secondary_of_the_lab_lags() {
    let primary = bind(crate::common::SMALL);
    let lag = Duration::from_secs(1);
    let secondary = Bind::secondary_of(&primary, loopback(2), lag);
    let old = secondary.serial(ZONE);
    assert_eq!(old, primary.serial(ZONE));
    let receipt = adapter_of(&primary).apply(&changes(&[], &["new 60 A 192.0.2.3"])).await;
    let serial = receipt.expect("a change").serial.expect("a serial");
    assert_eq!(primary.serial(ZONE), Some(serial));
    assert_eq!(secondary.serial(ZONE), old, "the secondary has not loaded the change");
    secondary.wait_serial(ZONE, serial, lag * 5);
    assert!(secondary.dig(&["new.acme.test", "A", "+short"]).contains("192.0.2.3"));
}

#[tokio::test]
async fn rrsets_are_returned_as_requested() {
    let server = bind(crate::common::SMALL);
    let keys = [key("www A"), key("@ SOA"), key("mail CNAME"), key("mail A"), key("www A")];
    let read = adapter_of(&server).read_rrsets(&zone(), &keys).await.expect("an answer");
    let there: Vec<bool> = read.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, true, false, true]);
    assert_eq!(read[1].as_ref().map(|soa| soa.rtype()), Some(RrType::SOA));
    let upper = RrKey::new(Name::from_user("WWW.ACME.TEST").expect("a name"), RrType::A);
    let read = adapter_of(&server).read_rrsets(&zone(), &[upper]).await.expect("an answer");
    assert_eq!(read[0].as_ref().map(|rrset| rrset.rdata().len()), Some(2));
}
