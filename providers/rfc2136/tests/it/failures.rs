//! Servers that refuse, lie, send nonsense, or are not there.

use cutover_contract::Next;
use cutover_kit::testing::{closed, failures, kinds, nobody};

use crate::common::{SMALL, adapter, adapter_of, both, connect, contents, key, zone};
use crate::lab::TsigKey;
use crate::proxy::{self, Fate, babbler};

#[tokio::test]
async fn credentials() {
    for server in both(SMALL) {
        let right = server.key().clone();
        let other = TsigKey::generate("hmac-sha256");
        let no = ["unauthorized"; 3];
        let cases = [
            (TsigKey { secret: other.secret, ..right.clone() }, "BADSIG", "another secret"),
            (TsigKey { name: "nobody.test".to_owned(), ..right.clone() }, "BADKEY", "nobody.test."),
            (TsigKey { algorithm: "hmac-sha512", ..right.clone() }, "BADKEY", "algorithm"),
        ];
        for (wrong, code, word) in cases {
            let failed = failures(&*adapter(server.addr(), Some(&wrong)), &wrong.secret).await;
            assert_eq!(kinds(&failed), no, "{} {code}: {failed:?}", server.program());
            for error in failed.iter().flatten() {
                let text = error.to_string();
                assert!(text.contains(code) && text.contains(word), "{}: {text}", server.program());
                assert_eq!(error.next(), Next::Fix);
            }
        }
        let failed = failures(&*adapter(server.addr(), None), &right.secret).await;
        let no_key = ["unauthorized", "done", "unauthorized"];
        assert_eq!(kinds(&failed), no_key, "{}: {failed:?}", server.program());
        assert_eq!(server.updates_made(), 0);
        assert_eq!(kinds(&failures(&*adapter_of(&server), &right.secret).await), ["done"; 3]);
    }
}

#[tokio::test]
async fn every_algorithm() {
    for algorithm in ["hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let server = crate::lab::Bind::primary_with_key(
            &[(crate::common::ZONE, &SMALL.join("\n"))],
            "",
            TsigKey::generate(algorithm),
        );
        let failed = failures(&*adapter_of(&server), &server.key().secret).await;
        assert_eq!(kinds(&failed), ["done"; 3], "{algorithm}: {failed:?}");
    }
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_have() {
    let other = "@ 300 SOA ns1 h 7 3600 600 86400 300\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n";
    for name in ["other.test", "test"] {
        let zones = [(name, other)];
        for server in [crate::lab::Bind::primary(&zones), crate::lab::Knot::primary(&zones)] {
            for key in [Some(server.key()), None] {
                let failed = failures(&*adapter(server.addr(), key), &server.key().secret).await;
                assert_eq!(kinds(&failed), ["no zone"; 3], "{}: {failed:?}", server.program());
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_down() {
    let address = closed();
    let key = TsigKey::generate("hmac-sha256");
    let failed = failures(&*adapter(address, Some(&key)), &key.secret).await;
    assert_eq!(kinds(&failed), ["unreachable"; 3], "{failed:?}");
    for error in failed.iter().flatten() {
        assert!(matches!(error.next(), Next::Retry(_)));
        assert!(error.to_string().contains(&address.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers() {
    let (address, _listener) = nobody();
    let key = TsigKey::generate("hmac-sha256");
    let failed = failures(&*adapter(address, Some(&key)), &key.secret).await;
    assert_eq!(kinds(&failed), ["unreachable"; 3], "{failed:?}");
    let texts = failed.map(|error| error.map(|error| error.to_string()).unwrap_or_default());
    assert!(texts[0].contains("30 s") && texts[1].contains("10 s"), "{texts:?}");
}

#[tokio::test]
async fn an_update_without_a_trustworthy_answer_is_in_doubt() {
    let no_error = [0, 0, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let mut refused = no_error.clone();
    refused[3] = 5;
    /// The fate of the update, the answer if any, the updates made, and a word of the error.
    type Case = (fn(Vec<u8>) -> Fate, Vec<u8>, usize, &'static str);
    let fates: [Case; 5] = [
        (|_| Fate::Lose, Vec::new(), 0, "the connection broke"),
        (|_| Fate::LoseAnswer, Vec::new(), 1, "the connection broke"),
        (Fate::Answer, no_error, 0, "NOERROR) is not signed"),
        (Fate::Answer, refused, 0, "REFUSED) is not signed"),
        (Fate::Answer, vec![7; 40], 0, "the message ends"),
    ];
    for (fate, answer, made, word) in fates {
        for server in both(SMALL) {
            let answer = answer.clone();
            let proxy = proxy::before(server.addr(), move |_| fate(answer.clone()));
            let proxied = adapter(proxy, Some(server.key()));
            let failed = failures(&*proxied, &server.key().secret).await;
            assert_eq!(kinds(&failed), ["done", "done", "in doubt"], "{failed:?}");
            let error = failed.into_iter().flatten().next().expect("one failure");
            assert_eq!(error.next(), Next::Look);
            assert!(error.to_string().contains(word), "{error}");
            assert_eq!(server.updates_made(), made, "{} {word}", server.program());
        }
    }
}

#[tokio::test]
async fn a_server_that_says_noerror_and_does_nothing() {
    // Without a key, answers are believed; only reading back shows the truth.
    let no_error = [0, 0, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    for server in both(SMALL) {
        let answer = no_error.clone();
        let proxy = proxy::before(server.addr(), move |_| Fate::Answer(answer.clone()));
        let failed = failures(&*adapter(proxy, None), &server.key().secret).await;
        assert_eq!(kinds(&failed), ["unauthorized", "done", "refused"], "{failed:?}");
        let text = failed[2].as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(text.contains("acme.test. MX"), "{text}");
        assert!(contents(&server).await.contains_key(&key("@ MX")));
    }
}

#[tokio::test]
async fn nonsense() {
    let mut other_id_and_more = vec![0xff; 600];
    other_id_and_more[4..12].fill(0);
    let nonsense: [(Vec<Vec<u8>>, &str); 6] = [
        (vec![], "unreachable"),
        (vec![vec![]], "malformed"),
        (vec![vec![0; 12]], "malformed"),
        (vec![vec![0xff; 500]], "malformed"),
        (vec![other_id_and_more], "malformed"),
        (vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], "malformed"),
    ];
    for (answers, expected) in nonsense {
        let address = babbler(answers.clone());
        for key in [Some(TsigKey::generate("hmac-sha256")), None] {
            let failed = failures(&*adapter(address, key.as_ref()), "a secret").await;
            assert_eq!(kinds(&failed), [expected; 3], "{answers:?}: {failed:?}");
        }
    }
}

/// An uncompressed record at `acme.test` or below.
fn record(label: &str, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    if !label.is_empty() {
        octets.push(u8::try_from(label.len()).expect("a label"));
        octets.extend(label.as_bytes());
    }
    octets.extend(b"\x04acme\x04test\x00");
    octets.extend([rtype.to_be_bytes(), class.to_be_bytes()].concat());
    octets.extend(ttl.to_be_bytes());
    octets.extend(u16::try_from(rdata.len()).expect("rdata").to_be_bytes());
    octets.extend(rdata);
    octets
}

/// A message of a transfer.
fn message(records: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = vec![0, 0, 0x84, 0, 0, 0];
    octets.extend(u16::try_from(records.len()).expect("a count").to_be_bytes());
    octets.extend([0; 4]);
    octets.extend(records.concat());
    octets
}

#[tokio::test]
async fn transfers_that_are_not_a_zone() {
    let soa = |serial: u8| {
        let mut rdata = vec![0, 0];
        rdata.extend([0, 0, 0, serial, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        record("", 6, 1, 60, &rdata)
    };
    let a = |label: &str, ttl: u32, last: u8| record(label, 1, 1, ttl, &[192, 0, 2, last]);
    let cases: [(Vec<Vec<Vec<u8>>>, &str); 15] = [
        (vec![vec![soa(1), a("www", 60, 1), soa(1)]], ""),
        (vec![vec![soa(1)], vec![a("www", 60, 1)], vec![soa(1)]], ""),
        (vec![vec![soa(1), a("www", 60, 1)]], "the connection broke"),
        (vec![vec![a("www", 60, 1), soa(1)]], "begins without an SOA"),
        (vec![vec![soa(1), a("www", 60, 1), soa(2)]], "another SOA"),
        (vec![vec![soa(1), soa(1), a("www", 60, 1)]], "after the end"),
        (vec![vec![]], "is empty"),
        (vec![vec![soa(1), a("www", 60, 1), a("www", 61, 2), soa(1)]], ""),
        (vec![vec![soa(1), record("odd", 1, 1, 60, &[1, 2, 3]), soa(1)]], "odd.acme.test. A"),
        (vec![vec![soa(1), record("odd", 15, 1, 60, &[0]), soa(1)]], "odd.acme.test. MX"),
        (vec![vec![soa(1), record("odd", 1, 3, 60, &[1, 2, 3, 4]), soa(1)]], "not of class IN"),
        // An address for a name of another zone is ignored.
        (
            vec![vec![
                soa(1),
                a("www", 60, 1),
                [&[1, b'x'][..], &a("", 60, 1)[5..]].concat(),
                soa(1),
            ]],
            "",
        ),
        // What cannot be understood is kept.
        (vec![vec![soa(1), record("odd", 29, 1, 60, &[1, 2, 3]), soa(1)]], ""),
        (vec![vec![soa(1), record("odd", 64, 1, 60, &[0]), soa(1)]], ""),
        (vec![vec![soa(1), record("odd", 42, 1, 60, &[]), soa(1)]], ""),
    ];
    for (messages, word) in cases {
        let address = babbler(messages.iter().map(|records| message(records)).collect());
        match adapter(address, None).read_zone(&zone()).await {
            Ok(read) => {
                assert_eq!(word, "");
                assert_eq!(read.rrsets.len(), 2);
            }
            Err(error) => {
                assert!(!word.is_empty() && error.to_string().contains(word), "{word}: {error}");
            }
        }
    }
}

#[test]
fn configurations_that_cannot_be_used() {
    let right = TsigKey::generate("hmac-sha256");
    let connect = |address: &str, key: &TsigKey| connect(address, Some(key)).err();
    assert!(connect("127.0.0.1:53", &right).is_none());
    let secret = "not*base64*at*all";
    let cases = [
        (TsigKey { secret: secret.to_owned(), ..right.clone() }, "tsig.secret"),
        (TsigKey { secret: String::new(), ..right.clone() }, "tsig.secret"),
        (TsigKey { name: "a..b".to_owned(), ..right.clone() }, "tsig.key"),
        (TsigKey { algorithm: "hmac-md5", ..right.clone() }, "tsig.algorithm"),
    ];
    for (key, field) in cases {
        let error = connect("127.0.0.1:53", &key).expect(field);
        assert_eq!(error.field, field);
        assert!(!format!("{error} {error:?}").contains(secret));
    }
    assert_eq!(connect("nowhere", &right).expect("no address").field, "server");
}
