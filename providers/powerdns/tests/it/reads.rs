//! Reading zones and RRsets.

use cutover_contract::{Change, ChangeSet, ProviderError, RrKey, RrType, Zone};

use crate::common::{
    MX, SMALL, ZONE, adapter_of, changes, contents, key, pdns, rrsets, served, without_soa, zone,
};

/// Every type that the contract names and a person writes, with values that are easily spoilt.
pub(crate) const EVERY_TYPE: &[&str] = &[
    "@ 300 SOA ns1 Host\\.Master 7 3600 600 86400 300",
    "@ 3600 NS ns1",
    "@ 3600 NS ns.Other.example.",
    "ns1 0 A 127.0.0.1",
    "ns1 2147483647 AAAA 2001:db8::1",
    "@ 300 MX 10 Mail.OldHost.example.",
    "@ 300 MX 20 ns1",
    "@ 300 TXT \"v=spf1 -all\"",
    "tricky 300 TXT \"a\\\"b\\\\c;d\" \"e  f\" \"\"",
    "tricky 300 TXT \"\\000\\127\\255@$()\"",
    "sel._domainkey 60 TXT \"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\" \"MIIBCgKCAQEA\"",
    "old 300 SPF \"v=spf1 -all\"",
    "alias 300 CNAME Target.Example.",
    "_submission._tcp 300 SRV 0 1 587 Mail.Example.",
    "ptr 300 PTR some.Name.example.",
    "branch 300 DNAME elsewhere.example.",
    "here 300 LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "naptr 300 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .",
    "naptr 300 NAPTR 100 50 \"s\" \"z3950+I2L+I2C\" \"\" _z3950._tcp.Gatech.edu.",
    "host 300 SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
    "_25._tcp.mail 300 TLSA 3 1 1 8cb0fc6c527506a053f4f14c8464bebbd6dede2738d11468dd953d7d6a3021f1",
    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert 300 SMIMEA 3 0 0 30820122",
    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey 300 OPENPGPKEY mQINBFit",
    "@ 300 CAA 0 issue \"ca.example.net; account=230123\"",
    "@ 300 CAA 128 iodef \"mailto:security@example.com\"",
    "svc 300 SVCB 1 Svc4.example.net. alpn=\"bar\" port=8004",
    "web 300 HTTPS 0 Pool.svc.example.",
    "www 300 HTTPS 1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1 key65333=ex1",
    "sub 86400 NS ns.sub",
    "ns.sub 86400 A 192.0.2.53",
    "sub 86400 DS 60485 8 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
    "private 300 TYPE65280 \\# 4 0a000001",
    "*.wild 300 MX 10 ns1",
    // PowerDNS has names for these, and the contract has not: HINFO, RP, AFSDB.
    "host 300 TYPE13 \\# 4 01610162",
    "host 300 TYPE17 \\# 12 046d61696c04746573740000",
    "host 300 TYPE18 \\# 5 0001016100",
];

/// Everything but the serial, which PowerDNS gives a new zone by itself.
#[tokio::test]
async fn a_zone_is_read_as_it_was_loaded() {
    let lines: Vec<&str> =
        EVERY_TYPE.iter().copied().filter(|line| !line.starts_with("host 300 TYPE")).collect();
    let named = ["host 300 HINFO \"a\" \"b\"", "host 300 RP mail.test. .", "host 300 AFSDB 1 a."];
    let server = pdns(&[&lines[..], &named[..]].concat());
    let expected = rrsets(EVERY_TYPE);
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

/// Few names are read one by one, many by an export, and a zone by one as well.
#[tokio::test]
async fn a_zone_and_its_names_read_the_same() {
    // The server reads these three by their names only.
    let named = |line: &&str| line.starts_with("host 300 TYPE");
    let lines = EVERY_TYPE.iter().copied().filter(|line| !named(line));
    let more = ["several 300 A 192.0.2.1", "several 300 A 192.0.2.2"];
    let server = pdns(&lines.chain(more).collect::<Vec<&str>>());
    // The API takes one TTL for an RRset; a database has one for each record.
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
async fn what_is_not_served_is_not_read_and_not_written() {
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

    // Whoever replaced these would delete what nobody has seen.
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
    // Beside them, everything can be written.
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
    // As a database holds them that somebody else writes.
    server.insert(ZONE, &odd);
    let read = adapter_of(&server).read_zone(&zone()).await.expect("it is readable");
    for line in odd {
        let mut words = line.splitn(4, ' ');
        let (owner, _, rtype) = (words.next(), words.next(), words.next());
        let at = key(&format!("{} {}", owner.expect("one"), rtype.expect("one")));
        let rrset = read.get(&at).unwrap_or_else(|| panic!("{at} is missing"));
        assert!(rrset.is_opaque(), "{at}");
        let gone = Change { key: at.clone(), before: Some(rrset.clone()), after: None };
        let set = ChangeSet::new(zone(), vec![gone]).expect("a change");
        let found = adapter_of(&server).check(&zone(), std::slice::from_ref(&set)).await;
        assert_eq!(found.expect("it can be asked").len(), 1, "{at}");
        let error = adapter_of(&server).apply(&set).await.expect_err("it is kept");
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
    }
    // Everything else changes, also beside them, and they do not.
    let beside = changes(&[], &["cert 60 TXT \"x\""]);
    let found = adapter_of(&server).check(&zone(), std::slice::from_ref(&beside)).await;
    assert_eq!(found.expect("it can be asked"), []);
    adapter_of(&server).apply(&beside).await.expect("made");
    let mut after = adapter_of(&server).read_zone(&zone()).await.expect("it is readable");
    after.rrsets.remove(&key("cert TXT")).expect("it is there");
    let soa = key("@ SOA");
    let same = |zone: &Zone| zone.rrsets.iter().filter(|(key, _)| **key != soa).count();
    assert_eq!(same(&after), same(&read));
    assert!(after.rrsets.iter().all(|(key, rrset)| *key == soa || read.get(key) == Some(rrset)));
}

/// An MX beside an ALIAS at the apex can be written, an address cannot; of a LUA record the type that
/// it answers.
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
    let found = adapter.check(&zone(), &sets).await.expect("it can be asked");
    let keys: Vec<String> = found.iter().map(|one| one.key.to_string()).collect();
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

/// A server that takes large requests.
pub(crate) fn pdns_with_room(lines: &[&str]) -> crate::lab::Pdns {
    let zone = crate::lab::PdnsZone {
        origin: crate::common::ZONE,
        kind: "Native",
        master_file: &lines.join("\n"),
    };
    crate::lab::Pdns::start(&[zone], "webserver-max-bodysize=64")
}
