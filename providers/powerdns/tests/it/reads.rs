//! Reading zones and RRsets.

use cutover_contract::{Change, ChangeSet, ProviderError};
use cutover_kit::testing::EVERY_TYPE;
use cutover_zone::{RrKey, RrType, Zone};

use crate::common::{
    MX, SMALL, ZONE, adapter_of, changes, contents, key, pdns, rrsets, served, without_soa, zone,
};

/// Types that PowerDNS knows by name and the contract does not: HINFO, RP, AFSDB.
const NAMED: &[&str] = &[
    "host 300 TYPE13 \\# 4 01610162",
    "host 300 TYPE17 \\# 12 046d61696c04746573740000",
    "host 300 TYPE18 \\# 5 0001016100",
];

/// Everything but the serial, which PowerDNS itself gives to a new zone.
#[tokio::test]
async fn a_zone_is_read_as_it_was_loaded() {
    let named = ["host 300 HINFO \"a\" \"b\"", "host 300 RP mail.test. .", "host 300 AFSDB 1 a."];
    let server = pdns(&[EVERY_TYPE, &named].concat());
    let expected = rrsets(&[EVERY_TYPE, NAMED].concat());
    let read = adapter_of(&server).read_zone(&zone()).await.expect("an answer");
    assert_eq!(read.origin, zone());
    for (key, rrset) in &expected {
        if key.rtype != RrType::SOA {
            assert_eq!(read.get(key), Some(rrset), "{key}");
        }
    }
    assert_eq!(read.rrsets.len(), expected.len());
    let soa = read.get(&key("@ SOA")).expect("an SOA").rdata()[0].as_soa().expect("an SOA");
    assert_eq!(soa.rname.to_string(), "host\\.master.acme.test.");
    assert_eq!(Some(soa.serial), server.serial("acme.test"));

    let mut keys: Vec<RrKey> = expected.keys().cloned().collect();
    // Absent: no such name, no such type, below an alias, a branch, a delegation, a wildcard.
    let absent = [
        "nobody A",
        "@ AAAA",
        "alias A",
        "below.branch A",
        "sub A",
        "below.wild MX",
        "wild MX",
        "_tcp A",
    ];
    keys.extend(absent.map(key));
    let some = adapter_of(&server).read_rrsets(&zone(), &keys).await.expect("an answer");
    for (key, some) in keys.iter().zip(some) {
        assert_eq!(some.as_ref(), read.get(key), "{key}");
    }
}

#[tokio::test]
async fn many_rrsets_are_read_at_once() {
    let many: Vec<String> = (0..300).map(|n| format!("h{n} 300 A 192.0.2.1")).collect();
    let lines: Vec<&str> = SMALL.iter().copied().chain(many.iter().map(String::as_str)).collect();
    let server = pdns(&lines);
    let adapter = adapter_of(&server);
    let keys: Vec<RrKey> = (0..400).map(|n| key(&format!("h{n} A"))).collect();
    for count in [0, 1, 8, 9, 64, 65, 400] {
        let read = adapter.read_rrsets(&zone(), &keys[..count]).await.expect("an answer");
        assert_eq!(read.len(), count);
        for (index, rrset) in read.iter().enumerate() {
            assert_eq!(rrset.is_some(), index < 300, "h{index}");
        }
    }
    let keys = [key("www A"), key("@ SOA"), key("mail A"), key("@ MX"), key("www A")];
    let read = adapter.read_rrsets(&zone(), &keys).await.expect("an answer");
    let there: Vec<bool> = read.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, false, true, true]);
}

/// A few names are read separately, many from an export, and a whole zone from an export too.
#[tokio::test]
async fn a_zone_and_its_names_read_the_same() {
    let more = ["several 300 A 192.0.2.1", "several 300 A 192.0.2.2"];
    let server = pdns(&[EVERY_TYPE, &more].concat());
    // The API has one TTL for an RRset, but the database has one for each record.
    let sql = "UPDATE records SET ttl = 60 WHERE content = '192.0.2.2'";
    let made =
        std::process::Command::new("sqlite3").arg(server.dir().join("pdns.db")).arg(sql).status();
    assert!(made.is_ok_and(|status| status.success()));
    let adapter = adapter_of(&server);
    let read = adapter.read_zone(&zone()).await.expect("a zone").rrsets;
    assert_eq!(read.get(&key("several A")).map(|rrset| rrset.ttl().secs()), Some(60));
    let mut keys: Vec<RrKey> = read.keys().cloned().collect();
    let few = adapter.read_rrsets(&zone(), &keys).await.expect("an answer");
    keys.extend((0..100).map(|n| key(&format!("none{n} A"))));
    let many = adapter.read_rrsets(&zone(), &keys).await.expect("an answer");
    let whole: Vec<_> = read.into_values().map(Some).collect();
    assert_eq!(few, whole);
    assert_eq!(many[..whole.len()], whole);
    assert!(many[whole.len()..].iter().all(Option::is_none));
}

#[tokio::test]
async fn records_that_are_not_served_are_neither_read_nor_written() {
    let server = pdns(SMALL);
    let rrset = |name: &str, rtype: &str, records: &str| {
        format!(
            "{{\"name\":\"{name}acme.test.\",\"type\":\"{rtype}\",\"ttl\":60,\
             \"changetype\":\"REPLACE\",\"records\":[{records}],\
             \"comments\":[{{\"account\":\"bob\",\"content\":\"why\"}}]}}"
        )
    };
    let record = |content: &str, disabled: bool| {
        format!("{{\"content\":\"{content}\",\"disabled\":{disabled}}}")
    };
    let some = format!("{},{}", record("192.0.2.1", true), record("192.0.2.2", false));
    server.patch("acme.test", &rrset("some.", "A", &some));
    server.patch("acme.test", &rrset("none.", "A", &record("192.0.2.1", true)));
    server.patch("acme.test", &rrset("", "ALIAS", &record("elsewhere.example.", false)));
    let mut expected = without_soa(SMALL);
    expected.extend(rrsets(&["some 60 A 192.0.2.2"]));
    assert_eq!(contents(&server).await, expected);
    assert!(server.dig(&["none.acme.test", "A"]).contains("ANSWER: 0"));
    let keys =
        [key("some A"), key("none A"), key("@ ALIAS".replace("ALIAS", "TYPE65401").as_str())];
    let read = adapter_of(&server).read_rrsets(&zone(), &keys).await.expect("an answer");
    assert_eq!(read, [expected.get(&keys[0]).cloned(), None, None]);

    // Replacing these would delete records that nobody has seen.
    let cases: &[(&[&str], &[&str], &str, &str)] = &[
        (&["some 60 A 192.0.2.2"], &["some 60 A 192.0.2.3"], "some A", "disabled"),
        (&["some 60 A 192.0.2.2"], &[], "some A", "disabled"),
        (&[], &["none 60 A 192.0.2.3"], "none A", "disabled"),
        (&[], &["@ 60 A 192.0.2.3"], "@ A", "ALIAS"),
    ];
    let updates = server.updates_made(ZONE);
    for (before, after, at, word) in cases {
        let error = adapter_of(&server).apply(&changes(before, after)).await;
        let Err(ProviderError::Unsupported { key: of, why, .. }) = error else {
            panic!("{at}: {error:?}")
        };
        assert_eq!(of, key(at));
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(server.updates_made(ZONE), updates);
    // Everything else at these names can be written.
    let beside = changes(&[], &["none 60 TXT \"x\""]);
    let receipt = adapter_of(&server).apply(&beside).await;
    assert!(receipt.is_ok(), "{receipt:?}");
    let (_, body) = server.request("GET", "/zones/acme.test.", "");
    assert_eq!(body.matches("\"disabled\": true").count(), 2, "{body}");
}

#[tokio::test]
async fn types_of_real_zones() {
    let odd = [
        "eui 60 EUI48 00-00-5e-00-53-2a",
        "cert 60 CERT 3 0 0 AAAA",
        "apl 60 APL 1:192.0.2.0/24",
        "csync 60 CSYNC 66 3 A NS",
        "gw 60 IPSECKEY 10 1 2 192.0.2.38 AQNR",
        "l32 60 L32 10 10.1.2.0",
        "nid 60 NID 10 0014:4fff:ff20:ee64",
        "rp 60 RP el.x.test. .",
        "hinfo 60 HINFO \"PC\" \"Linux\"",
        "loc 60 LOC 49 17 60.000 N 8 30 0.000 E 1.00m 1.00m 10000.00m 10.00m",
        "auto 60 HTTPS 1 . ipv4hint=auto",
        "ech 60 HTTPS 1 . ech=\"\"",
    ];
    let server = pdns(SMALL);
    // As a database holds them when somebody else writes to it.
    server.insert(ZONE, &odd);
    let read = adapter_of(&server).read_zone(&zone()).await.expect("it is readable");
    for line in odd {
        let mut words = line.splitn(4, ' ');
        let (owner, _, rtype) = (words.next(), words.next(), words.next());
        let at = key(&format!("{} {}", owner.expect("an owner"), rtype.expect("a type")));
        let rrset = read.get(&at).unwrap_or_else(|| panic!("{at} is missing"));
        assert!(rrset.is_opaque(), "{at}");
        let gone = Change { key: at.clone(), before: Some(rrset.clone()), after: None };
        let set = ChangeSet::new(zone(), vec![gone]).expect("a change");
        let found = adapter_of(&server).check(&zone(), std::slice::from_ref(&set)).await;
        assert_eq!(found.expect("it can be checked").len(), 1, "{at}");
        let error = adapter_of(&server).apply(&set).await.expect_err("it is kept");
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
    }
    // Everything else can be changed, even beside these records, and they stay.
    let beside = changes(&[], &["cert 60 TXT \"x\""]);
    let found = adapter_of(&server).check(&zone(), std::slice::from_ref(&beside)).await;
    assert_eq!(found.expect("it can be checked"), []);
    adapter_of(&server).apply(&beside).await.expect("made");
    let mut after = adapter_of(&server).read_zone(&zone()).await.expect("it is readable");
    after.rrsets.remove(&key("cert TXT")).expect("it is there");
    let soa = key("@ SOA");
    let same = |zone: &Zone| zone.rrsets.iter().filter(|(key, _)| **key != soa).count();
    assert_eq!(same(&after), same(&read));
    assert!(after.rrsets.iter().all(|(key, rrset)| *key == soa || read.get(key) == Some(rrset)));
}

/// Beside an ALIAS at the apex an MX can be written, but no address. Beside a LUA record, the type
/// that it answers cannot be written.
#[tokio::test]
async fn beside_instructions() {
    let server = pdns(SMALL);
    server.insert(ZONE, &["@ 60 ALIAS elsewhere.example.", "lua 60 LUA TXT \"'a'\""]);
    let adapter = adapter_of(&server);
    let sets = [
        changes(&[MX], &["@ 60 MX 0 ."]),
        changes(&[], &["@ 60 CAA 0 issue \"x\"", "lua 60 A 192.0.2.1"]),
        changes(&[], &["@ 60 A 192.0.2.1"]),
        changes(&[], &["@ 60 AAAA 2001:db8::1", "lua 60 TXT \"b\""]),
    ];
    let found = adapter.check(&zone(), &sets).await.expect("it can be checked");
    let keys: Vec<String> = found.iter().map(|unwritable| unwritable.key.to_string()).collect();
    assert_eq!(keys, ["acme.test. A", "acme.test. AAAA", "lua.acme.test. TXT"]);
    for (set, is_written) in sets.iter().zip([true, true, false, false]) {
        assert_eq!(adapter.apply(set).await.is_ok(), is_written, "{set:?}");
    }
}

#[tokio::test]
async fn a_large_zone() {
    let many: Vec<String> =
        (0..20_000).map(|n| format!("h{n} 300 A 192.0.{}.{}", n / 250, n % 250)).collect();
    let lines: Vec<&str> = SMALL.iter().copied().chain(many.iter().map(String::as_str)).collect();
    let server = pdns_with_room(&lines);
    let read = contents(&server).await;
    assert_eq!(read.len(), 20_006);
    assert_eq!(read, served(&server));
}

/// A server that accepts large requests.
pub(crate) fn pdns_with_room(lines: &[&str]) -> crate::lab::Pdns {
    let zone = crate::lab::PdnsZone {
        origin: crate::common::ZONE,
        kind: "Native",
        master_file: &lines.join("\n"),
    };
    crate::lab::Pdns::start(&[zone], "webserver-max-bodysize=64")
}
