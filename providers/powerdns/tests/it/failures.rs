//! Servers that refuse, lie, send nonsense, or are not there.

use std::time::Duration;

use cutover_contract::{Next, ProviderError};
use cutover_kit::testing::{self, closed, connect, failures, kinds, nobody};

use crate::common::{MX, SMALL, ZONE, adapter, adapter_of, changes, contents, key, pdns, rrsets};
use crate::lab::Pdns;
use crate::proxy::{self, Fate, http};

/// A key that no text may contain.
const KEY: &str = "not-for-anybodys-eyes";

#[tokio::test]
async fn unknown_credentials_zones_and_servers() {
    let server = pdns(SMALL);
    let failed = failures(&*adapter(&server.url(), KEY), KEY).await;
    assert_eq!(kinds(&failed), ["unauthorized"; 3], "{failed:?}");
    assert!(failed[0].as_ref().is_some_and(|error| error.to_string().contains("401")));

    let other = Pdns::primary(&[("other.test", &SMALL.join("\n"))]);
    let failed = failures(&*adapter_of(&other), other.api_key()).await;
    assert_eq!(kinds(&failed), ["no zone"; 3], "{failed:?}");

    let texts = [("url", &*server.url()), ("api_key", server.api_key()), ("server", "elsewhere")];
    let elsewhere = connect(&cutover_powerdns::ADAPTER, &texts);
    let failed = failures(&*elsewhere.unwrap_or_else(|error| panic!("{error}")), KEY).await;
    assert_eq!(kinds(&failed), ["refused"; 3], "{failed:?}");
    assert!(failed[0].as_ref().is_some_and(|error| error.to_string().contains("`elsewhere`")));

    assert_eq!(server.updates_made(ZONE), 0);
    assert_eq!(kinds(&failures(&*adapter_of(&server), server.api_key()).await), ["done"; 3]);
    assert!(!server.log().contains(KEY));
}

#[tokio::test]
async fn a_server_that_is_down() {
    let url = format!("http://{}", closed());
    let failed = failures(&*adapter(&url, KEY), KEY).await;
    assert_eq!(kinds(&failed), ["unreachable"; 3], "{failed:?}");
    for error in failed.iter().flatten() {
        assert!(matches!(error.next(), Next::Retry(_)));
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("refused"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers() {
    let (address, _listener) = nobody();
    let url = format!("http://{address}");
    let failed = failures(&*adapter(&url, KEY), KEY).await;
    assert_eq!(kinds(&failed), ["unreachable"; 3], "{failed:?}");
    let texts = failed.map(|error| error.map(|error| error.to_string()).unwrap_or_default());
    assert!(texts[0].contains("30 s") && texts[1].contains("10 s"), "{texts:?}");
}

#[tokio::test]
async fn a_change_without_a_trustworthy_answer_is_in_doubt() {
    let error = "{\"error\": \"Internal Server Error\"}";
    /// The fate of the change, the changes made, how it fails, and a word of the error.
    type Case = (fn() -> Fate, u32, &'static str, &'static str);
    let cases: &[Case] = &[
        (|| Fate::Lose, 0, "in doubt", "connection"),
        (|| Fate::LoseAnswer, 1, "in doubt", "connection"),
        (|| Fate::Answer(b"nonsense".to_vec()), 0, "in doubt", "HTTP"),
        (|| Fate::Answer(Vec::new()), 0, "in doubt", "connection"),
        (|| Fate::Answer(http("502 Bad Gateway", "", "<html>")), 0, "in doubt", "502"),
        (|| Fate::Answer(http("503 Unavailable", "", "")), 0, "in doubt", "503"),
        (|| Fate::Answer(http("413 Too Large", "", "")), 0, "refused", "one change"),
        (|| Fate::Answer(http("429 Slow Down", "Retry-After: 7\r\n", "")), 0, "throttled", "rate"),
        (|| Fate::Answer(http("400 Bad Request", "", "Bad Request")), 0, "refused", "400"),
        // A server that reports success and does nothing.
        (|| Fate::Answer(http("204 No Content", "", "")), 0, "refused", "left acme.test. MX"),
    ];
    for (fate, made, how, word) in cases {
        let server = pdns(SMALL);
        let proxy = proxy::before(server.api(), move |_| fate());
        let failed = failures(&*adapter(&proxy, server.api_key()), server.api_key()).await;
        assert_eq!(kinds(&failed), ["done", "done", how], "{word}: {failed:?}");
        let failure = failed.into_iter().flatten().next().expect("one failure");
        assert!(failure.to_string().contains(word), "{word}: {failure}");
        assert_eq!(server.updates_made(ZONE), *made, "{word}");
        match *how {
            "in doubt" => assert_eq!(failure.next(), Next::Look),
            "throttled" => assert_eq!(failure.next(), Next::Retry(Duration::from_secs(7))),
            _ => assert_eq!(failure.next(), Next::Fix),
        }
    }
    let server = pdns(SMALL);
    let proxy = proxy::before(server.api(), move |_| {
        Fate::Answer(http("500 Internal Server Error", "", error))
    });
    let failed = failures(&*adapter(&proxy, server.api_key()), server.api_key()).await;
    assert_eq!(kinds(&failed), ["done", "done", "in doubt"], "{failed:?}");
}

#[tokio::test]
async fn a_database_without_comments_is_written_without_a_mark() {
    let server = pdns(SMALL);
    let error = "{\"error\": \"Hosting backend does not support editing comments.\"}";
    let proxy = proxy::before(server.api(), move |seen| match seen {
        0 => Fate::Answer(http("422 Unprocessable Entity", "", error)),
        _ => Fate::Pass,
    });
    let failed = failures(&*adapter(&proxy, server.api_key()), server.api_key()).await;
    assert_eq!(kinds(&failed), ["done"; 3], "{failed:?}");
    assert_eq!(
        contents(&server).await.get(&key("@ MX")),
        rrsets(&["@ 60 MX 0 ."]).get(&key("@ MX"))
    );
    let (_, body) = server.request("GET", "/zones/acme.test.", "");
    assert!(!body.contains("written by"), "{body}");
}

#[tokio::test]
async fn nonsense() {
    let zone_of = |kind: &str, rrsets: &str| {
        let body = format!("{{\"kind\":\"{kind}\",\"serial\":1,\"rrsets\":[{rrsets}]}}");
        http("200 OK", "", &body)
    };
    let rrset = |name: &str, rtype: &str, ttl: &str, content: &str| {
        format!(
            "{{\"name\":\"{name}\",\"type\":\"{rtype}\",\"ttl\":{ttl},\"comments\":[],\
             \"records\":[{{\"content\":\"{content}\",\"disabled\":false}}]}}"
        )
    };
    let twice = [rrset("acme.test.", "A", "1", "192.0.2.1"), rrset("Acme.test.", "A", "1", "::")];
    let echo = format!("{{\"error\": \"you sent {KEY}\"}}");
    let hidden = "Location: http://127.0.0.1:9/\r\n";
    let cases: [(Vec<u8>, &str); 15] = [
        (Vec::new(), "unreachable"),
        (b"nonsense\r\n\r\n".to_vec(), "unreachable"),
        (http("200 OK", "", ""), "malformed"),
        (http("200 OK", "", "<html>"), "malformed"),
        (http("200 OK", "", "{}"), "malformed"),
        (http("200 OK", "", "[1, 2]"), "malformed"),
        (http("200 OK", "", "{\"kind\":\"Native\",\"serial\":1,\"rrsets\":{}}"), "malformed"),
        (zone_of("Native", &rrset("acme.test", "A", "1", "192.0.2.1")), "malformed"),
        (zone_of("Native", &rrset("acme.test.", "MX", "1", "x")), "malformed"),
        (zone_of("Native", &rrset("acme.test.", "A", "1", "no address")), "malformed"),
        (zone_of("Native", &rrset("acme.test.", "A", "-1", "192.0.2.1")), "malformed"),
        (zone_of("Native", &twice.join(",")), "malformed"),
        (http("500 Internal Server Error", "", &echo), "unreachable"),
        (http("422 Unprocessable Entity", "", &echo), "refused"),
        (http("301 Moved Permanently", hidden, ""), "refused"),
    ];
    for (answer, expected) in cases {
        let url = proxy::babbler(answer.clone());
        let failed = failures(&*adapter(&url, KEY), KEY).await;
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(kinds(&failed), [expected; 3], "{answer}: {failed:?}");
    }
    // A truncated answer is not a zone.
    let whole = String::from_utf8(zone_of("Native", "")).expect("text");
    let cut = whole.replace("Content-Length: ", "Content-Length: 1");
    let failed = failures(&*adapter(&proxy::babbler(cut.into_bytes()), KEY), KEY).await;
    assert_eq!(kinds(&failed), ["unreachable"; 3], "{failed:?}");
}

/// A colleague's edits, each right before a request of ours: the check of the serial notices them.
#[tokio::test]
async fn a_change_before_the_write_is_seen() {
    let server = std::sync::Arc::new(pdns(SMALL));
    // The last check reads the zone without its RRsets; everything that moves before it is seen.
    let meddler = std::sync::Arc::clone(&server);
    let edit = |name: &str, ttl: u32, rtype: &str, content: &str| {
        format!(
            "{{\"name\":\"{name}\",\"type\":\"{rtype}\",\"ttl\":{ttl},\"changetype\":\"REPLACE\",\
             \"records\":[{{\"content\":\"{content}\"}}]}}"
        )
    };
    let others: Vec<String> =
        (0..9).map(|n| edit(&format!("o{n}.acme.test."), 60, "A", "192.0.2.9")).collect();
    let proxy = proxy::before_looks(server.api(), move |seen| {
        if seen < 4 {
            meddler.patch(ZONE, &others[seen]);
        }
    });
    let change = changes(&[MX], &["@ 60 MX 0 ."]);
    let receipt = adapter(&proxy, server.api_key()).apply(&change).await;
    assert!(receipt.is_ok(), "four edits elsewhere do not conflict: {receipt:?}");
    assert_eq!(server.updates_made(ZONE), 5);

    let meddler = std::sync::Arc::clone(&server);
    let ttl_only = edit("acme.test.", 61, "MX", "0 .");
    let proxy = proxy::before_looks(server.api(), move |seen| {
        if seen == 0 {
            meddler.patch(ZONE, &ttl_only);
        }
    });
    let back = changes(&["@ 60 MX 0 ."], &[MX]);
    let error = adapter(&proxy, server.api_key()).apply(&back).await.err();
    let Some(ProviderError::Conflict { key: of, live, .. }) = error else { panic!("{error:?}") };
    assert_eq!((of, live.map(|live| live.ttl().secs())), (key("@ MX"), Some(61)));

    let meddler = std::sync::Arc::clone(&server);
    let busy: Vec<String> =
        (0..9).map(|n| edit(&format!("p{n}.acme.test."), 60, "A", "192.0.2.9")).collect();
    let proxy = proxy::before_looks(server.api(), move |seen| meddler.patch(ZONE, &busy[seen]));
    let back = changes(&["@ 61 MX 0 ."], &[MX]);
    let error = adapter(&proxy, server.api_key()).apply(&back).await.err();
    let Some(ProviderError::Conflict { key: of, .. }) = error else {
        panic!("five edits in between are too many: {error:?}")
    };
    assert_eq!(of, key("@ SOA"));
}

#[test]
fn configurations_that_cannot_be_used() {
    let connect = |url: &str, key: &str, server: Option<&str>| {
        let mut texts = vec![("url", url), ("api_key", key)];
        texts.extend(server.map(|server| ("server", server)));
        connect(&cutover_powerdns::ADAPTER, &texts).err()
    };
    let url = "http://127.0.0.1:8081";
    assert!(connect(url, KEY, None).is_none());
    assert!(connect(url, KEY, Some("localhost")).is_none());
    let broken = format!("{KEY}\n");
    for (url, secret, server, field) in [
        ("nowhere", KEY, None, "url"),
        ("ftp://127.0.0.1", KEY, None, "url"),
        ("http://127.0.0.1:8081/api/v1/servers/localhost", KEY, None, "url"),
        (url, "", None, "api_key"),
        (url, &*broken, None, "api_key"),
        (url, KEY, Some("a/b"), "server"),
    ] {
        let error = connect(url, secret, server).expect(field);
        assert_eq!(error.field, field);
        assert!(!format!("{error} {error:?}").contains(KEY));
    }
    let without = testing::connect(&cutover_powerdns::ADAPTER, &[("url", url)]).err();
    assert_eq!(without.expect("no key").field, "api_key");
}
