//! Zones of every kind: copies, signed here or elsewhere, with a serial that the server increases
//! or not.

use cutover_contract::{Next, ProviderError};

use crate::common::{MX, SMALL, ZONE, adapter_of, changes, contents, key, pdns, zone};
use crate::lab::{Pdns, PdnsZone};

fn of_kind(kind: &str) -> Pdns {
    Pdns::start(&[PdnsZone { origin: ZONE, kind, master_file: &SMALL.join("\n") }], "")
}

#[tokio::test]
async fn kinds() {
    for kind in ["Native", "Master"] {
        let server = of_kind(kind);
        let receipt = adapter_of(&server).apply(&changes(&[MX], &["@ 60 MX 0 ."])).await;
        assert!(receipt.is_ok(), "{kind}: {receipt:?}");
    }
    let server = of_kind("Slave");
    let error = adapter_of(&server).apply(&changes(&[MX], &["@ 60 MX 0 ."])).await;
    let Err(ProviderError::Refused { detail, .. }) = &error else { panic!("{error:?}") };
    assert!(detail.contains("copy (`Slave`)"), "{detail}");
    assert_eq!(server.updates_made(ZONE), 0);
}

#[tokio::test]
async fn serials_increase_whoever_increases_them() {
    // With "" and OFF, only we increase the serial.
    for counting in ["DEFAULT", "INCREASE", "EPOCH", "", "OFF"] {
        let server = pdns(SMALL);
        let body = format!("{{\"soa_edit_api\":\"{counting}\"}}");
        let (status, said) = server.request("PUT", "/zones/acme.test.", &body);
        if counting == "OFF" && status != 204 {
            continue;
        }
        assert_eq!(status, 204, "{counting}: {said}");
        let before = server.serial(ZONE).expect("a serial");
        let receipt = adapter_of(&server).apply(&changes(&[MX], &["@ 60 MX 0 ."])).await;
        let receipt = receipt.unwrap_or_else(|error| panic!("{counting}: {error}"));
        let after = server.serial(ZONE).expect("a serial");
        assert_eq!(receipt.serial, Some(after), "{counting}");
        match counting {
            // Seconds since 1970 are less than a date that is read as a number.
            "EPOCH" => assert!(after < before),
            _ => assert!(after > before, "{counting}: {before} {after}"),
        }
    }
}

fn signed(api_rectify: bool) -> Pdns {
    let server = pdns(SMALL);
    let body =
        format!("{{\"dnssec\":true,\"nsec3param\":\"1 0 0 -\",\"api_rectify\":{api_rectify}}}");
    let (status, said) = server.request("PUT", "/zones/acme.test.", &body);
    assert_eq!(status, 204, "{said}");
    server.request("PUT", "/zones/acme.test./rectify", "");
    server
}

#[tokio::test]
async fn what_a_signer_makes_is_left_out() {
    for api_rectify in [true, false] {
        let server = signed(api_rectify);
        assert!(server.dig(&[ZONE, "MX", "+dnssec"]).contains("RRSIG"), "the zone is signed");
        for key in contents(&server).await.keys() {
            assert!(!key.rtype.is_made_by_signer(), "{key}");
        }
        let change = changes(&[], &["new.name 60 A 192.0.2.3"]);
        let receipt = adapter_of(&server).apply(&change).await;
        assert!(receipt.is_ok(), "a signed zone is changed like any other: {receipt:?}");
        let keys = [key("new.name A"), key("@ RRSIG")];
        let read = adapter_of(&server).read_rrsets(&zone(), &keys).await.expect("an answer");
        let there: Vec<bool> = read.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false]);
        // The new name is not denied, and the name in between exists without records.
        let signed = server.dig(&["new.name.acme.test", "A", "+dnssec"]);
        assert!(signed.contains("192.0.2.3") && signed.contains("RRSIG"), "{signed}");
        let between = server.dig(&["name.acme.test", "A", "+dnssec"]);
        assert!(between.contains("NOERROR") && between.contains("NSEC3"), "{between}");
        let published = adapter_of(&server).publish(&zone()).await;
        assert!(published.is_ok(), "{published:?}");
    }
}

#[tokio::test]
async fn a_zone_that_was_signed_elsewhere() {
    let server = pdns(SMALL);
    // The API shows this setting but does not let it be changed.
    let sql = "INSERT INTO domainmetadata (domain_id, kind, content) \
               SELECT id, 'PRESIGNED', '1' FROM domains";
    let made =
        std::process::Command::new("sqlite3").arg(server.dir().join("pdns.db")).arg(sql).status();
    assert!(made.is_ok_and(|status| status.success()));
    let error = adapter_of(&server).apply(&changes(&[MX], &["@ 60 MX 0 ."])).await;
    let Err(error) = error else { panic!("it is changed") };
    assert_eq!(error.next(), Next::Fix);
    assert!(error.to_string().contains("PRESIGNED"), "{error}");
    assert_eq!(server.updates_made(ZONE), 0);
    assert!(contents(&server).await.contains_key(&key("@ MX")), "it can be read");
}
