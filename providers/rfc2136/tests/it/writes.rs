//! Changes that are made, and changes that are not.

use cutover_contract::{ChangeSet, Next, ProviderError};
use cutover_kit::testing::{CONFLICTS, REFUSED, STORY};
use cutover_zone::RrType;

use crate::common::{
    MX, SMALL, ZONE, adapter, adapter_of, bind, both, changes, contents, key, rrsets, without_soa,
    zone,
};
use crate::lab::{Bind, Server};
use crate::proxy::{self, Fate};
use crate::reads::every_type;

/// Applies changes, and checks the server's own count: a change set is a single update.
async fn apply(server: &Server, changes: &ChangeSet) {
    let made = server.updates_made();
    let receipt = adapter_of(server).apply(changes).await;
    let receipt = receipt.unwrap_or_else(|error| panic!("{}: {error}", server.program()));
    assert_eq!(receipt.serial, server.serial(ZONE), "{}", server.program());
    assert_eq!(server.updates_made(), made + 1, "{}\n{}", server.program(), server.log());
}

/// Applies changes that must fail and change nothing, and returns the error.
async fn apply_in_vain(server: &Server, changes: &ChangeSet) -> ProviderError {
    let (made, before) = (server.updates_made(), contents(server).await);
    let Err(error) = adapter_of(server).apply(changes).await else {
        panic!("{} makes {changes:?}", server.program())
    };
    assert_eq!(contents(server).await, before, "{}", server.program());
    assert_eq!(server.updates_made(), made, "{}", server.program());
    assert!(!error.to_string().contains(&server.key().secret));
    error
}

#[tokio::test]
async fn every_type_is_written_as_it_is_read() {
    for server in both(SMALL) {
        let new: Vec<&str> = every_type()
            .into_iter()
            .filter(|line| !line.contains(" SOA ") && !line.starts_with("@ 3600 NS"))
            .filter(|line| !line.starts_with("ns1 0 A"))
            .collect();
        // The existing MX, TXT and A are replaced in the same message.
        let old = [MX, SMALL[4]];
        apply(&server, &changes(&old, &new)).await;
        let mut expected = without_soa(SMALL);
        expected.extend(rrsets(&new));
        assert_eq!(contents(&server).await, expected, "{}", server.program());
        apply(&server, &changes(&new, &old)).await;
        assert_eq!(contents(&server).await, without_soa(SMALL), "{}", server.program());
    }
}

#[tokio::test]
async fn a_story_of_one_name() {
    for server in both(SMALL) {
        for step in STORY.windows(2) {
            apply(&server, &changes(step[0], step[1])).await;
            let mut expected = without_soa(SMALL);
            expected.extend(rrsets(step[1]));
            assert_eq!(contents(&server).await, expected, "{} {step:?}", server.program());
        }
    }
}

#[tokio::test]
async fn a_conflict_shows_what_is_live_and_changes_nothing() {
    for server in both(SMALL) {
        for (before, after, at, is_live) in CONFLICTS {
            let error = apply_in_vain(&server, &changes(before, after)).await;
            assert_eq!(error.next(), Next::Halt);
            let ProviderError::Conflict { zone: in_zone, key: of, live } = error else {
                panic!("{}: {error}", server.program())
            };
            assert_eq!((in_zone, of), (zone(), key(at)));
            let expected = is_live.then(|| rrsets(SMALL)[&key(at)].clone());
            assert_eq!(live, expected, "{}", server.program());
        }
    }
}

/// An adapter whose updates wait for a colleague's edit.
fn meddled(
    server: &Server,
    script: &'static str,
    times: usize,
) -> Box<dyn cutover_contract::Provider> {
    let (address, key) = (server.addr(), server.key().clone());
    let file = server.dir().join("key.conf");
    let proxy = proxy::before(address, move |seen| {
        if seen < times {
            crate::common::nsupdate(address, &file, &script.replace("{}", &seen.to_string()));
        }
        Fate::Pass
    });
    adapter(proxy, Some(&key))
}

#[tokio::test]
async fn a_serial_that_moves_in_between_is_no_conflict() {
    for server in both(SMALL) {
        let script = "update add other{}.acme.test 60 A 192.0.2.9";
        let change = changes(&[MX], &["@ 60 MX 0 ."]);
        let receipt = meddled(&server, script, 4).apply(&change).await;
        assert!(receipt.is_ok(), "{}: {receipt:?}", server.program());
        assert_eq!(server.updates_made(), 5);
        let back = changes(&["@ 60 MX 0 ."], &["@ 60 MX 1 mx.example."]);
        let busy = meddled(&server, "update add again{}.acme.test 60 A 192.0.2.9", 9);
        let Err(ProviderError::Conflict { key: of, .. }) = busy.apply(&back).await else {
            panic!("five edits in between are too many")
        };
        assert_eq!(of, key("@ SOA"));
        assert_eq!(
            contents(&server).await.get(&key("@ MX")),
            rrsets(&["@ 60 MX 0 ."]).get(&key("@ MX"))
        );
    }
}

#[tokio::test]
async fn a_change_in_between_is_seen_even_if_only_the_ttl_changes() {
    let scripts = [
        // Knot ignores a record that already exists, even if its TTL is new.
        "update delete acme.test MX\nupdate add acme.test 77 MX 10 mail.oldhost.example.",
        "update add acme.test 300 MX 5 mx.example.",
        "update delete acme.test MX",
    ];
    for script in scripts {
        for server in both(SMALL) {
            let change = changes(&[MX], &["@ 60 MX 0 ."]);
            let result = meddled(&server, script, 1).apply(&change).await;
            let Err(ProviderError::Conflict { key: of, live, .. }) = result else {
                panic!("{} {script}: {result:?}", server.program())
            };
            assert_eq!(of, key("@ MX"));
            assert_eq!(live.as_ref(), contents(&server).await.get(&key("@ MX")));
            assert_eq!(server.updates_made(), 1, "only the colleague's");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_it_is_sent() {
    let soa = "@ 300 SOA ns1 hostmaster 7 3600 600 86400 300";
    let lower = "@ 300 SOA ns1 hostmaster 6 3600 600 86400 60";
    let cases: &[(&[&str], &[&str], &str)] = &[(&[soa], &[], "@ SOA"), (&[soa], &[lower], "@ SOA")];
    for server in both(SMALL) {
        for (before, after, at) in REFUSED.iter().chain(cases) {
            let error = apply_in_vain(&server, &changes(before, after)).await;
            assert_eq!(error.next(), Next::Fix);
            let ProviderError::Unsupported { key: of, .. } = &error else {
                panic!("{} {at}: {error}", server.program())
            };
            assert_eq!(*of, key(at), "{error}");
        }
    }
}

#[tokio::test]
async fn the_apex_changes_without_a_gap() {
    for server in both(SMALL) {
        let old = ["@ 300 NS ns1"];
        let new = ["@ 3600 NS ns1", "@ 3600 NS ns2.example."];
        let other = ["@ 60 NS ns3.example."];
        apply(&server, &changes(&old, &new)).await;
        apply(&server, &changes(&new, &other)).await;
        apply(&server, &changes(&other, &old)).await;
        assert_eq!(contents(&server).await, without_soa(SMALL));

        // Only the TTL changes, of an RRset that cannot be deleted. Knot ignores that, and the
        // adapter notices.
        let longer = adapter_of(&server).apply(&changes(&old, &["@ 900 NS ns1"])).await;
        match server.program() {
            "named" => assert!(longer.is_ok(), "{longer:?}"),
            _ => assert!(matches!(longer, Err(ProviderError::Refused { .. })), "{longer:?}"),
        }

        let read = adapter_of(&server).read_rrsets(&zone(), &[key("@ SOA")]).await.expect("an SOA");
        let soa = read[0].clone().expect("an SOA").rdata()[0].as_soa().expect("an SOA");
        let line = |serial: u32, ttl: u32, minimum: u32| {
            format!("@ {ttl} SOA ns1 hostmaster {serial} 3600 600 86400 {minimum}")
        };
        let (before, after) = (line(soa.serial, 300, 300), line(soa.serial + 10, 120, 60));
        apply(&server, &changes(&[&before], &[&after])).await;
        assert_eq!(server.serial(ZONE), Some(soa.serial + 10));
        // Together with another change, and by a single step.
        let last = line(soa.serial + 11, 300, 300);
        apply(&server, &changes(&[&after], &[&last, "n 60 A 192.0.2.1"])).await;
        assert_eq!(server.serial(ZONE), Some(soa.serial + 11), "{}", server.program());
    }
}

#[tokio::test]
async fn large_change_sets() {
    let many: Vec<String> =
        (0..1500).map(|n| format!("h{} 60 A 192.0.{}.{}", n / 10, n / 10, n % 10)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let value = "x".repeat(230);
    let too_many: Vec<String> = (0..300).map(|n| format!("t{n} 60 TXT {value}")).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    for server in both(SMALL) {
        apply(&server, &changes(&[], &many)).await;
        assert_eq!(contents(&server).await.len(), without_soa(SMALL).len() + 150);
        apply(&server, &changes(&many, &[])).await;
        let error = apply_in_vain(&server, &changes(&[], &too_many)).await;
        let ProviderError::Unsupported { why, .. } = &error else { panic!("{error}") };
        assert!(why.contains("65535"), "{why}");
    }
}

/// Many changes are read back by an incremental transfer (RFC 1995), which must agree with what the
/// zone then holds.
#[tokio::test]
async fn many_changes_are_read_back_by_incremental_transfer() {
    let line = |n: usize, ttl: u32, host: usize| format!("h{n} {ttl} A 192.0.2.{}", host % 250);
    let before: Vec<String> = (0..900).flat_map(|n| [line(n, 60, n), line(n, 60, n + 1)]).collect();
    let after: Vec<String> = (0..900)
        .flat_map(|n| match n {
            // Another TTL, another address, another RRset, one address fewer, none, and the same.
            0..50 => vec![line(n, 90, n), line(n, 90, n + 1)],
            50..100 => vec![line(n, 60, n), line(n, 60, n + 2)],
            100..150 => vec![format!("h{n} 60 AAAA 2001:db8::{n:x}")],
            150..200 => vec![line(n, 60, n)],
            200..250 => vec![],
            _ => vec![line(n, 60, n), line(n, 60, n + 1)],
        })
        .collect();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let after: Vec<&str> = after.iter().map(String::as_str).collect();
    for server in both(SMALL) {
        for half in before.chunks(900) {
            apply(&server, &changes(&[], half)).await;
        }
        let incremental = || server.log().matches("IXFR").count();
        let asked = incremental();
        apply(&server, &changes(&before, &after)).await;
        assert!(incremental() > asked, "{}: {}", server.program(), server.log());
        let mut expected = without_soa(SMALL);
        expected.extend(rrsets(&after));
        assert_eq!(contents(&server).await, expected, "{}", server.program());
    }
}

/// Many new names are created without reading the zone first. If the zone has anything at one of
/// them, it is read, and compared as ever.
#[tokio::test]
async fn the_server_compares_when_many_names_are_new() {
    let lines: Vec<String> =
        (0..300).map(|n| format!("new{n:03} 60 A 192.0.2.{}", n % 250)).collect();
    let new: Vec<&str> = lines.iter().map(String::as_str).collect();
    for server in both(SMALL) {
        let transfers = || server.log().matches(": AXFR started").count();
        let before = transfers();
        apply(&server, &changes(&[], &new)).await;
        if server.program() == "named" {
            assert_eq!(transfers(), before, "{}", server.log());
        }
        let mut expected = without_soa(SMALL);
        expected.extend(rrsets(&new));
        assert_eq!(contents(&server).await, expected, "{}", server.program());
    }
    for server in both(SMALL) {
        // Something else at a name is no obstacle.
        let text = ["new007 60 TXT \"beside\""];
        apply(&server, &changes(&[], &text)).await;
        apply(&server, &changes(&[], &new)).await;
        let mut expected = without_soa(SMALL);
        expected.extend(rrsets(&new));
        expected.extend(rrsets(&text));
        assert_eq!(contents(&server).await, expected, "{}", server.program());
    }
    for (there, is_conflict) in [("new007 60 A 192.0.2.99", true), ("new007 60 CNAME x", false)] {
        for server in both(SMALL) {
            apply(&server, &changes(&[], &[there])).await;
            let error = apply_in_vain(&server, &changes(&[], &new)).await;
            let conflict = matches!(error, ProviderError::Conflict { .. });
            assert_eq!(conflict, is_conflict, "{}: {error}", server.program());
        }
    }
}

#[tokio::test]
async fn bind_says_no_to_an_exchange_without_an_address() {
    let server = bind(SMALL);
    let error = apply_in_vain(&server, &changes(&[MX], &["@ 300 MX 10 mx"])).await;
    assert_eq!(error.next(), Next::Fix);
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("REFUSED"), "{error}");
    // With the address in the same change set it is accepted.
    apply(&server, &changes(&[MX], &["@ 300 MX 10 mx", "mx 300 A 192.0.2.25"])).await;
}

#[tokio::test]
async fn bind_says_servfail_to_an_rrset_that_is_too_large_for_it() {
    // `max-records-per-type` is 100 (BIND 9.18.28 and later).
    let server = bind(SMALL);
    let many: Vec<String> = (0..101).map(|n| format!("many 60 A 192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = apply_in_vain(&server, &changes(&[], &many)).await;
    assert_eq!(error.next(), Next::Fix);
    assert!(error.to_string().contains("SERVFAIL"), "{error}");
    apply(&server, &changes(&[], &many[1..])).await;
}

#[tokio::test]
async fn a_server_that_compares_with_another_soa_is_no_conflict() {
    let clause = "dnssec-policy default; inline-signing yes;";
    let server = Bind::primary_with(&[(ZONE, &SMALL.join("\n"))], clause);
    let error = adapter_of(&server).apply(&changes(&[], &["n 60 A 192.0.2.1"])).await;
    let Err(ProviderError::Refused { detail, .. }) = error else { panic!("{error:?}") };
    assert!(detail.contains("inline-signing"), "{detail}");
    assert_eq!(server.updates_made(), 0);
}

#[tokio::test]
async fn delegations_are_changed_like_anything_else() {
    let old = [
        "sub 86400 NS ns.sub",
        "ns.sub 86400 A 192.0.2.53",
        "sub 86400 DS 60485 8 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
    ];
    let new = ["sub 300 NS ns.sub", "ns.sub 300 A 192.0.2.54", "a.b.sub 300 A 192.0.2.55"];
    for server in both(SMALL) {
        apply(&server, &changes(&[], &old)).await;
        apply(&server, &changes(&old, &new)).await;
        let read = contents(&server).await;
        for (key, rrset) in rrsets(&new) {
            assert_eq!(read.get(&key), Some(&rrset), "{}", server.program());
        }
        assert!(!read.keys().any(|key| key.rtype == RrType::DS));
    }
}
