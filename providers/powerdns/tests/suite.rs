//! The conformance suite, on a real PowerDNS.

#[path = "it/common.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod common;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/proxy.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod proxy;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;

use async_trait::async_trait;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_contract::{
    Capabilities, ChangeSet, Name, Provider, ProviderError, Receipt, RrKey, RrSet, Zone,
};

use common::{ZONE, adapter, adapter_of, rrsets, transferred, zone};
use lab::{Pdns, PdnsZone};
use proxy::{Fate, http};

/// A key that the server does not have.
const OTHER_KEY: &str = "not-for-anybodys-eyes";

struct RealPdns {
    server: Pdns,
}

impl RealPdns {
    fn make(&self, rrsets: &Rrsets) {
        self.server.request("DELETE", "/zones/acme.test.", "");
        let mut text =
            "@ 300 IN SOA ns1 hostmaster 7 3600 600 86400 300\n@ 300 IN NS ns.host.test.\n"
                .to_owned();
        for (RrKey { name, rtype }, rrset) in rrsets {
            for rdata in rrset.rdata() {
                let _ = writeln!(text, "{name} {} IN {rtype} {rdata}", rrset.ttl());
            }
        }
        self.server.make(&PdnsZone { origin: ZONE, kind: "Native", master_file: &text });
    }
}

#[async_trait]
impl Bench for RealPdns {
    fn title(&self) -> &'static str {
        "powerdns on PowerDNS"
    }

    fn origin(&self) -> Name {
        zone()
    }

    fn limits(&self) -> &'static [Limit] {
        LIMITS
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.server.api_key().to_owned(), OTHER_KEY.to_owned()]
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.make(rrsets);
        adapter_of(&self.server)
    }

    async fn signed(&mut self, rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        self.make(rrsets);
        let (status, said) = self.server.request(
            "PUT",
            "/zones/acme.test.",
            "{\"dnssec\":true,\"api_rectify\":true}",
        );
        assert_eq!(status, 204, "{said}");
        Ok(adapter_of(&self.server))
    }

    async fn read(&self) -> Result<Zone, Missing> {
        let mut lines = transferred(&self.server);
        // PowerDNS serves these, and leaves them out of transfers.
        let (_, export) = self.server.request("GET", "/zones/acme.test./export", "");
        let text: String = serde_json::from_str::<serde_json::Value>(&export)
            .ok()
            .and_then(|json| json["zone"].as_str().map(str::to_owned))
            .unwrap_or(export);
        for words in text.lines().map(|line| line.split('\t').collect::<Vec<_>>()) {
            if let [owner, ttl, _, rtype @ ("CDS" | "CDNSKEY"), rdata] = words[..] {
                lines.push(format!("{owner} {ttl} {rtype} {rdata}"));
            }
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Ok(Zone { origin: zone(), rrsets: rrsets(&lines) })
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut deletions = Vec::new();
        let mut replacements = Vec::new();
        for edit in edits {
            let key = format!(
                "{{\"name\":{},\"type\":\"{}\"",
                quoted(&edit.owner_in_capitals()),
                edit.key.rtype
            );
            let Some(after) = &edit.after else {
                deletions.push(format!("{key},\"changetype\":\"DELETE\"}}"));
                continue;
            };
            let lines = edit.records_in_capitals();
            let record = |line: &String| {
                let content = line.splitn(5, ' ').nth(4).expect("a record has five words");
                format!("{{\"content\":{}}}", quoted(content))
            };
            let records: Vec<String> = lines.iter().map(record).collect();
            replacements.push(format!(
                "{key},\"ttl\":{},\"changetype\":\"REPLACE\",\"records\":[{}]}}",
                after.ttl(),
                records.join(",")
            ));
        }
        self.server.patch(ZONE, &[deletions, replacements].concat().join(","));
        Ok(())
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        let (api, key) = (self.server.api(), self.server.api_key());
        let answer = |status: &str, body: &str| http(status, "", body);
        let html = "<html><title>Welcome</title>";
        Ok(match fault {
            Fault::WrongCredentials => adapter(&self.server.url(), OTHER_KEY),
            Fault::Down => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
                let address = listener.local_addr().expect("an address");
                drop(listener);
                adapter(&format!("http://{address}"), key)
            }
            Fault::Silent => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
                let address = listener.local_addr().expect("an address");
                let provider = adapter(&format!("http://{address}"), key);
                Box::new(Hurried { provider, _nobody: listener })
            }
            Fault::Garbage => adapter(&proxy::babbler(answer("200 OK", html)), key),
            Fault::Throttled => adapter(&proxy::babbler(answer("429 Slow Down", "")), key),
            Fault::CutBeforeEffect => adapter(&proxy::before(api, |_| Fate::Lose), key),
            Fault::CutAfterEffect => adapter(&proxy::before(api, |_| Fate::LoseAnswer), key),
            Fault::GarbageToWrite => {
                adapter(&proxy::before(api, |_| Fate::Answer("babble".to_owned())), key)
            }
            Fault::ServerFailure => {
                let error = answer("500 Internal Server Error", "{\"error\": \"oh\"}");
                adapter(&proxy::before(api, move |_| Fate::Answer(error.clone())), key)
            }
        })
    }
}

/// A provider for which time flies while it waits.
struct Hurried {
    provider: Box<dyn Provider>,
    _nobody: TcpListener,
}

async fn hurried<T>(future: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let output = future.await;
    tokio::time::resume();
    output
}

#[async_trait]
impl Provider for Hurried {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.provider.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        hurried(self.provider.read_zone(zone)).await
    }

    async fn read_rrsets(
        &self,
        zone: &Name,
        keys: &[RrKey],
    ) -> Result<Vec<Option<RrSet>>, ProviderError> {
        hurried(self.provider.read_rrsets(zone, keys)).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        hurried(self.provider.apply(changes)).await
    }
}

/// What PowerDNS 4.7.3 refuses.
const LIMITS: &[Limit] = &[
    Limit { case: "type/dnskey", why: "PowerDNS takes a DNSKEY at the apex only (4.7.3)" },
    Limit { case: "owner/star-inside", why: NAMES },
    Limit { case: "owner/not-a-host", why: NAMES },
    Limit { case: "owner/escaped-dot", why: NAMES },
    Limit { case: "owner/escapes", why: NAMES },
    Limit { case: "owner/octets", why: NAMES },
];

const NAMES: &str =
    "the API takes names of letters, digits, `-`, `_`, `/` and whole `*` only (4.7.3)";

#[tokio::test]
async fn the_suite() {
    let report =
        suite::run(&mut RealPdns { server: Pdns::start(&[], "webserver-max-bodysize=64") }).await;
    print!("{report}");
    report.assert_passed();
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), "cutover-powerdns", &[report]);
}
