//! A real PowerDNS as a bench of the conformance suite, for any adapter that can write to it.

use std::fmt::Write as _;

use async_trait::async_trait;
use cutover_contract::Provider;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_kit::testing::{Hurried, closed, nobody};
use cutover_zone::{Name, RrKey, RrType, Zone};

use super::proxy::{self, Fate, http};
use crate::lab::{Pdns, PdnsZone};

/// The zone of the suite.
const ZONE: &str = "acme.test";
/// A key that the server does not know.
const OTHER_KEY: &str = "not-for-anybodys-eyes";

/// A server, and how the adapter connects to it.
pub(crate) struct RealPdns {
    /// The server.
    pub(crate) server: Pdns,
    /// What the suite runs on.
    pub(crate) title: &'static str,
    /// What the adapter cannot do.
    pub(crate) limits: &'static [Limit],
    /// Connects an adapter to this URL with this key.
    pub(crate) connect: fn(&str, &str) -> Box<dyn Provider>,
}

impl RealPdns {
    fn adapter(&self) -> Box<dyn Provider> {
        (self.connect)(&self.server.url(), self.server.api_key())
    }

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
        self.title
    }

    fn origin(&self) -> Name {
        Name::from_user(ZONE).expect("a name")
    }

    fn limits(&self) -> &'static [Limit] {
        self.limits
    }

    fn divides_texts(&self) -> bool {
        // octoDNS joins the strings.
        self.title().starts_with("octodns")
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.server.api_key().to_owned(), OTHER_KEY.to_owned()]
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.make(rrsets);
        self.adapter()
    }

    async fn signed(&mut self, rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        self.make(rrsets);
        let (status, said) = self.server.request(
            "PUT",
            "/zones/acme.test.",
            "{\"dnssec\":true,\"api_rectify\":true}",
        );
        assert_eq!(status, 204, "{said}");
        Ok(self.adapter())
    }

    async fn read(&self) -> Result<Zone, Missing> {
        // All rdata are shown as octets (RFC 3597 §5), so that `dig` and we cannot share a mistake
        // in how types are written.
        let args = [ZONE, "AXFR", "+noall", "+answer", "+onesoa", "+unknownformat"];
        let mut lines = self.server.dig(&args);
        assert!(lines.contains("TYPE6"), "no transfer: {lines}\n{}", self.server.log());
        // PowerDNS serves these types, but leaves them out of transfers.
        let (_, export) = self.server.request("GET", "/zones/acme.test./export", "");
        let text: String = serde_json::from_str::<serde_json::Value>(&export)
            .ok()
            .and_then(|json| json["zone"].as_str().map(str::to_owned))
            .unwrap_or(export);
        let unseen = |line: &&str| {
            line.split('\t').nth(3).is_some_and(|rtype| matches!(rtype, "CDS" | "CDNSKEY"))
        };
        for line in text.lines().filter(unseen) {
            lines += &format!("{line}\n");
        }
        let mut zone = suite::zone_from_lines(&self.origin(), &lines);
        zone.rrsets.retain(|key, _| key.rtype != RrType::DNSKEY);
        Ok(zone)
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
            Fault::WrongCredentials => (self.connect)(&self.server.url(), OTHER_KEY),
            Fault::Down => (self.connect)(&format!("http://{}", closed()), key),
            Fault::Silent => {
                let (address, listener) = nobody();
                let provider = (self.connect)(&format!("http://{address}"), key);
                Box::new(Hurried::new(provider, listener))
            }
            Fault::Garbage => (self.connect)(&proxy::babbler(answer("200 OK", html)), key),
            Fault::Throttled => (self.connect)(&proxy::babbler(answer("429 Slow Down", "")), key),
            Fault::CutBeforeEffect => (self.connect)(&proxy::before(api, |_| Fate::Lose), key),
            Fault::CutAfterEffect => (self.connect)(&proxy::before(api, |_| Fate::LoseAnswer), key),
            Fault::GarbageToWrite => {
                (self.connect)(&proxy::before(api, |_| Fate::Answer(b"nonsense".to_vec())), key)
            }
            Fault::ServerFailure => {
                let error = answer("500 Internal Server Error", "{\"error\": \"oh\"}");
                (self.connect)(&proxy::before(api, move |_| Fate::Answer(error.clone())), key)
            }
        })
    }
}
