//! Random small zones and plans over the whole language, and which of it they have in them.
//!
//! A plan is a value of the oracle's own. It is written out for the compiler, and read by the world:
//! so nothing that the compiler understands, or misses, comes back to the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::OnceLock;

use cutover_contract::Atomicity;
use serde_json::Value;

use super::Random;
use crate::registry::language;

/// The JSON Schema of the language, as it is built.
fn schema() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| {
        let schema = cutover::spec::v1::schema(language());
        serde_json::to_value(schema).expect("JSON")
    })
}

/// The facts that the language has.
pub(super) fn facts_of_language() -> Vec<&'static str> {
    let item = &schema()["properties"]["assume"]["items"]["properties"];
    let facts = item["fact"]["enum"].as_array().expect("facts");
    facts.iter().filter_map(Value::as_str).collect()
}

fn has(fact: &str) -> bool {
    facts_of_language().contains(&fact)
}

/// Whether facts may be of names and addresses; before, they were of hosts alone.
pub(super) fn has_names() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| has("published"))
}

pub(super) struct Exchange {
    pub(super) preference: u16,
    /// Absolute; `{domain}` is each domain in turn.
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
}

pub(super) struct Dkim {
    pub(super) selector: String,
    /// What the plan publishes: a key of the language and its value.
    pub(super) publish: Option<(&'static str, String)>,
}

pub(super) struct Sender {
    pub(super) name: &'static str,
    pub(super) spf: Vec<String>,
    pub(super) dkim: Vec<Dkim>,
}

#[derive(Default)]
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) senders: Vec<Sender>,
    /// A mechanism, and where it leads to: a name, with a port for some.
    pub(super) discovery: Vec<(&'static str, String)>,
    pub(super) tlsa: Vec<String>,
}

pub(super) struct Fact {
    pub(super) fact: &'static str,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) value: &'static str,
    pub(super) from: Option<&'static str>,
    pub(super) settle_secs: i64,
    /// It can be left out: a fact that no pattern of a plan reads is an error.
    pub(super) may_be_needless: bool,
}

pub(super) struct Plan {
    /// Name without the last dot, and text.
    pub(super) zones: Vec<(String, String)>,
    pub(super) hosts: Vec<Host>,
    /// The domains that move from the first host to the second; none: nothing moves.
    pub(super) domains: Vec<String>,
    pub(super) migrate: String,
    pub(super) overrun_secs: i64,
    pub(super) cutover_ttl_secs: i64,
    pub(super) records: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) margin_secs: i64,
    pub(super) use_secs: i64,
    pub(super) queue_life_secs: i64,
    pub(super) more: String,
    pub(super) atomicity: Atomicity,
}

const BASE: [(&str, &str, &str, Option<&str>); 9] = [
    ("accepts", "new", "true", None),
    ("serves", "new", "true", None),
    ("routes_local", "old", "false", None),
    ("sends", "old", "false", Some("contract")),
    ("clients", "old", "false", Some("contract")),
    ("synced", "old", "true", Some("contract")),
    ("synced", "new", "true", None),
    ("clients", "new", "false", None),
    ("routes_local", "new", "false", None),
];

/// What a fact says that is stated without a value.
fn usual(fact: &str) -> &'static str {
    match fact {
        "mail" => "relay",
        "routes_local" | "sends" | "clients" | "signs" | "ipv4_only" | "ipv6_only" => "false",
        _ => "true",
    }
}

struct Made<'r> {
    random: &'r mut Random,
    acme: String,
    host: String,
    old: Host,
    new: Host,
    third: Host,
    /// Owners and types that records of the plan's own may change.
    owners: Vec<(&'static str, &'static str)>,
    /// The records of the plan's own, as they are written.
    written: String,
}

impl Made<'_> {
    fn one_in(&mut self, count: u64) -> bool {
        self.random.below(count) == 0
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.random.of(words)
    }

    fn ttl(&mut self) -> &'static str {
        self.random.of(&["", "", "", "20m ", "1d ", "5m ", "2h "])
    }

    fn line(&mut self, line: &str) {
        let (owner, rest) = line.split_once(' ').expect("an owner");
        let ttl = self.ttl();
        let _ = writeln!(self.acme, "{owner} {ttl}{rest}");
    }

    /// The exchanges of the old host.
    fn old_side(&mut self) {
        let exchange = |name: &str, preference| Exchange {
            preference,
            name: format!("{name}.test."),
            addresses: Vec::new(),
        };
        match self.random.below(12) {
            0 => {
                self.line("@ A 192.0.2.10");
                self.old.exchanges.push(exchange("acme", 10));
                self.owners.push(("@", "A"));
                return;
            }
            1 => {
                self.line("@ MX 10 mail");
                self.line("@ MX 20 mail2");
                self.line("mail2 A 192.0.2.11");
                self.old.exchanges.push(exchange("mail2.acme", 20));
                self.owners.push(("mail2", "A"));
            }
            2 if self.one_in(2) => {
                self.line("@ MX 10 mail");
                self.line("@ MX 20 mx");
            }
            3 => {
                self.line("@ MX 10 mail");
                self.line("@ MX 50 backup.isp.example.");
                self.old.exchanges.push(exchange("backup.isp.example.", 50));
                let last = self.old.exchanges.last_mut().expect("one");
                last.name = "backup.isp.example.".to_owned();
            }
            _ => self.line("@ MX 10 mail"),
        }
        self.old.exchanges.insert(0, exchange("mail.acme", 10));
        match self.random.below(8) {
            0 => {
                self.line("mail A 192.0.2.10");
                self.line("mail AAAA 2001:db8::10");
                self.owners.push(("mail", "AAAA"));
            }
            1 => {
                self.line("mail CNAME srv");
                self.line("srv A 192.0.2.10");
                self.owners.push(("srv", "A"));
                return;
            }
            _ => self.line("mail A 192.0.2.10"),
        }
        self.owners.push(("mail", "A"));
    }

    fn new_side(&mut self) {
        let mut exchange =
            Exchange { preference: 10, name: "mx.acme.test.".to_owned(), addresses: Vec::new() };
        match self.random.below(16) {
            0 | 13 => {
                exchange.addresses = vec!["203.0.113.25".to_owned()];
            }
            1 if self.one_in(2) => {
                self.line("mx AAAA 2001:db8:1::25");
            }
            2 => {
                self.line("mx A 203.0.113.25");
                self.line("mx AAAA 2001:db8:1::25");
                self.owners.push(("mx", "AAAA"));
            }
            3 => {
                exchange.name = "mx.eu.acme.test.".to_owned();
                self.line("mx.eu A 203.0.113.25");
                self.owners.push(("eu", "DNAME"));
                self.owners.push(("mx.eu", "A"));
            }
            4 => {
                exchange.name = "mx.new.example.".to_owned();
            }
            5 => {
                exchange.name = "mx.del.acme.test.".to_owned();
                self.acme += "del NS ns1.del\nns1.del A 192.0.2.99\n";
            }
            6 => {
                exchange.name = "mx.w.acme.test.".to_owned();
                self.line("*.w A 203.0.113.25");
                self.owners.push(("x.w", "TXT"));
                self.owners.push(("mx.w", "TXT"));
            }
            7..=9 => {
                exchange.name = "mx1.host.test.".to_owned();
                self.host += "mx1 A 198.51.100.25\nmx2 A 198.51.100.26\n";
                if self.one_in(2) {
                    let name = "mx2.host.test.".to_owned();
                    self.new.exchanges.push(Exchange { preference: 20, name, addresses: Vec::new() });
                }
            }
            10 => {
                exchange.name = "mx.{domain}.".to_owned();
                exchange.addresses = vec!["203.0.113.25".to_owned()];
            }
            11 => {
                self.line("mx A 203.0.113.25");
                exchange.addresses = vec!["203.0.113.26".to_owned()];
            }
            _ => {
                self.line("mx A 203.0.113.25");
                self.owners.push(("mx", "A"));
            }
        }
        self.new.exchanges.insert(0, exchange);
    }

    fn spf(&mut self) {
        self.acme += "_spf 20m TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
        self.acme += "_spf2 TXT \"v=spf1 ip4:192.0.2.11 ~all\"\n";
        let record = self.of(&[
            "", "", "", "",
            "v=spf1 ip4:192.0.2.10 -all",
            "v=spf1 ip4:192.0.2.10 -all",
            "v=spf1 include:_spf.acme.test -all",
            "v=spf1 include:_spf.acme.test ip4:192.0.2.11 ~all",
            "v=spf1 a mx -all",
            "v=spf1 mx -all",
            "v=spf1 a mx ptr -all",
            "v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 -all",
            "v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 -all",
            "v=spf1 ip4:192.0.2.0/24 -all",
            "v=spf1 redirect=_spf.acme.test",
            "v=spf1 exists:%{i}.l.acme.test ip4:192.0.2.10 -all",
            "v=spf1 exists:%{l}.l.acme.test ip4:192.0.2.10 -all",
            "v=spf1 ip4:192.0.2.10/32 include:_spf2.acme.test -all",
            "v=spf1 include:_spf.isp.example ip4:192.0.2.10 -all",
            "v=spf1 ip4:192.0.2.10 ip6:2001:db8::10 -all",
        ]);
        if !record.is_empty() {
            self.line(&format!("@ TXT \"{record}\""));
            self.owners.push(("@", "TXT"));
            self.owners.push(("_spf", "TXT"));
            self.owners.push(("_spf2", "TXT"));
        }
        let old = self.of(&["", "", "ip4:192.0.2.10", "ip4:192.0.2.10", "ip4:192.0.2.10 ip4:192.0.2.11", "mx", "include:_spf.acme.test"]);
        let new = match self.random.below(5) {
            0 => "",
            1 => "include:_spf2.acme.test",
            2 => "mx",
            _ => "ip4:203.0.113.25",
        };
        let terms = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut sender = |spf: &str, dkim: Vec<Dkim>| Sender { name: "people", spf: terms(spf), dkim };
        let mut old = sender(old, Vec::new());
        let mut new = sender(new, Vec::new());
        self.keys(&mut old, &mut new);
        let is_bare = |sender: &Sender| sender.spf.is_empty() && sender.dkim.is_empty();
        // A sender that says nothing of itself fails wherever there is an SPF record.
        if is_bare(&new) && !record.is_empty() && self.random.below(8) > 0 {
            new.spf.push("ip4:203.0.113.25".to_owned());
        }
        if self.random.below(4) > 0 {
            self.old.senders.push(old);
        }
        if record.is_empty() || self.random.below(16) > 0 {
            self.new.senders.push(new);
        }
        if self.one_in(8) {
            let spf = if record.is_empty() { Vec::new() } else { vec!["include:_spf2.acme.test".to_owned()] };
            self.third = Host { name: "crm", ..Host::default() };
            self.third.senders.push(Sender { name: "invoices", spf, dkim: Vec::new() });
        }
    }

    fn keys(&mut self, old: &mut Sender, new: &mut Sender) {
        let plain = |selector: &str| Dkim { selector: selector.to_owned(), publish: None };
        if self.one_in(3) {
            self.line("o1._domainkey TXT \"v=DKIM1; p=AA\"");
            self.owners.push(("o1._domainkey", "TXT"));
            old.dkim.push(plain("o1"));
            if self.one_in(3) {
                self.line("o2._domainkey CNAME o2.keys");
                self.line("o2.keys TXT \"v=DKIM1; p=AB\"");
                self.owners.push(("o2.keys", "TXT"));
                old.dkim.push(plain("o2"));
            }
        }
        if self.one_in(3) {
            let count = 1 + self.random.below(2);
            for number in 1..=count {
                let selector = format!("s{number}");
                let publish = match self.random.below(7) {
                    0 => {
                        self.line(&format!("{selector}._domainkey TXT \"v=DKIM1; p=CC\""));
                        None
                    }
                    1 => Some(("cname", format!("{selector}.dkim.new.example."))),
                    2 => {
                        self.line(&format!("{selector}.keys TXT \"v=DKIM1; p=CC\""));
                        Some(("cname", format!("{selector}.keys.acme.test.")))
                    }
                    3 if self.one_in(4) => Some(("cname", "nothing.acme.test.".to_owned())),
                    4 if self.one_in(2) => Some(("txt", "v=DKIM1; k=rsa; p=".to_owned())),
                    _ => Some(("txt", format!("v=DKIM1; p=B{number}"))),
                };
                new.dkim.push(Dkim { selector, publish });
            }
        }
    }

    fn clients(&mut self) {
        if self.random.below(3) > 0 {
            return;
        }
        self.line("imap A 192.0.2.20");
        self.line("imap2 A 203.0.113.27");
        self.owners.push(("imap", "A"));
        self.line("_imaps._tcp SRV 0 1 993 imap");
        if self.one_in(2) {
            self.line("_submission._tcp SRV 0 1 587 mail");
        }
        if self.one_in(3) {
            self.line("autodiscover CNAME imap");
        }
        let targets = |name: &str| {
            vec![
                ("imap", format!("{name}.acme.test:993")),
                ("submission", format!("{name}.acme.test:465")),
                ("pop3", format!("{name}.acme.test:995")),
                ("autodiscover", format!("{name}.acme.test.")),
                ("autoconfig", format!("{name}.acme.test.")),
            ]
        };
        if self.random.below(3) > 0 {
            self.old.discovery = targets("imap");
            self.old.discovery.truncate(1 + self.random.place(5));
        }
        if self.random.below(3) > 0 {
            self.new.discovery = targets("imap2");
            self.new.discovery.truncate(1 + self.random.place(5));
        }
    }

    fn policies(&mut self) {
        if self.one_in(6) {
            let record = self.of(&[
                "_mta-sts TXT \"v=STSv1; id=1\"",
                "_mta-sts TXT \"v=STSv1; id=1\"",
                "_mta-sts CNAME _mta-sts.provider.example.",
            ]);
            self.line(record);
            self.line("mta-sts A 192.0.2.3");
            self.owners.push(("mta-sts", "A"));
            if record.contains("TXT") {
                self.owners.push(("_mta-sts", "TXT"));
            }
        }
        let hash = "ab".repeat(32);
        if self.one_in(10) {
            self.line(&format!("_25._tcp.mail TLSA 3 1 1 {hash}"));
            self.owners.push(("_25._tcp.mail", "TLSA"));
        }
        if self.one_in(10) && self.acme.contains("mx A ") {
            self.line(&format!("_25._tcp.mx TLSA 3 1 1 {hash}"));
        }
        if self.one_in(10) {
            self.new.tlsa.push(format!("3 1 1 {}", "cd".repeat(32)));
        }
        if self.one_in(10) {
            self.old.tlsa.push(format!("3 1 1 {hash}"));
        }
        if self.one_in(6) {
            self.line("_dmarc TXT \"v=DMARC1; p=none\"");
            self.owners.push(("_dmarc", "TXT"));
        }
    }

    fn others(&mut self) {
        match self.random.below(20) {
            0 => self.line("* A 192.0.2.80"),
            1 => self.line("* MX 10 mail"),
            2 => self.line("* TXT \"v=DKIM1; p=\""),
            _ => {}
        }
        if self.one_in(10) {
            self.line("www A 192.0.2.80");
        }
        if self.one_in(20) {
            self.line("gone DNAME www.acme.test.");
        }
        if self.one_in(9) {
            let exchange = self.of(&["mail", "oldmx"]);
            self.line(&format!("lists MX 10 {exchange}"));
            if exchange == "oldmx" {
                self.line("oldmx A 192.0.2.10");
            }
            self.owners.push(("lists", "MX"));
        }
    }

    /// A record of the plan's own.
    fn record(&mut self, number: u64, is_move: bool, used: &mut BTreeSet<(&'static str, &'static str)>) -> Option<String> {
        let more = [("note", "TXT"), ("www", "A"), ("@", "MX"), ("new", "A"), ("lists", "MX"), ("eu", "DNAME")];
        let mut owners = self.owners.clone();
        owners.extend(more);
        let place = self.random.place(owners.len());
        let (name, rtype) = owners[place];
        let is_taken = name == "@" && rtype == "MX" && is_move;
        if is_taken || !used.insert((name, rtype)) {
            return None;
        }
        let absent = "absent: true";
        let to = match rtype {
            "A" => self.of(&["to: [ 192.0.2.99 ]", "to: [ 192.0.2.99 ]", "to: [ 203.0.113.25 ]", absent]),
            "AAAA" => self.of(&["to: [ \"2001:db8::99\" ]", absent]),
            "MX" => self.of(&[
                "to: [ 10 mx.acme.test. ]",
                "to: [ 10 mail.acme.test. ]",
                "to: [ 10 mx.typo.example. ]",
                "to: [ 10 mail.acme.test., 20 mx.acme.test. ]",
                "to: [ '0 .' ]",
                "to: [ '1 .' ]",
                "to: [ '0 .', 10 mail.acme.test. ]",
                absent,
            ]),
            "DNAME" => self.of(&["to: [ eu.host.example. ]", "to: [ w.acme.test. ]"]),
            "TLSA" => absent,
            "TXT" if name == "_mta-sts" => "to: [ '\"v=STSv1; id=2\"' ]",
            "TXT" if name == "_dmarc" => self.of(&["to: [ '\"v=DMARC1; p=reject\"' ]", absent]),
            "TXT" if name == "@" => self.of(&[
                "to: [ '\"v=spf1 ip4:192.0.2.9 -all\"' ]",
                "to: [ '\"v=spf1 include:_spf2.acme.test -all\"' ]",
                "to: [ '\"v=spf1 mx -all\"', '\"v=spf1 -all\"' ]",
                "to: [ '\"v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all\"' ]",
                absent,
            ]),
            "TXT" if name.starts_with("_spf") => {
                self.of(&["to: [ '\"v=spf1 ip4:192.0.2.98 -all\"' ]", "to: [ '\"v=spf1 a:1.acme.test a:2.acme.test a:3.acme.test -all\"' ]", absent])
            }
            "TXT" if name.contains("_domainkey") || name.contains("keys") => {
                self.of(&["to: [ '\"v=DKIM1; p=\"' ]", "to: [ '\"v=DKIM1; p=ZZ\"' ]", absent])
            }
            _ => "to: [ '\"hello\"' ]",
        };
        let lower = self.of(&["", "", "", ", lower_ttl: 5m"]);
        let ttl = if to == absent { "" } else { self.of(&["", "", "", ", ttl: 10m", ", ttl: 1d"]) };
        let earlier: Vec<String> = (0..number)
            .filter(|_| self.random.below(2) == 0)
            .map(|other| format!("\"record:r{other}\""))
            .collect();
        let place = match (earlier.is_empty(), is_move) {
            (false, _) => {
                let wait = self.of(&["", "", ", wait: 0s", ", wait: 11m", ", wait: 59m", ", wait: 1h", ", wait: 2d"]);
                format!(", after: [ {} ]{wait}", earlier.join(", "))
            }
            (true, true) => self
                .of(&["", ", with: expand", ", with: expand", ", with: switch", ", with: contract", ", after: switch", ", after: contract", ", after: expand"])
                .to_owned(),
            (true, false) => String::new(),
        };
        Some(format!("{{ id: r{number}, zone: acme.test, name: \"{name}\", type: {rtype}, {to}{ttl}{lower}{place} }}"))
    }

    fn facts(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let forgetful = self.one_in(5);
        for (fact, subject, value, from) in BASE {
            if forgetful && self.one_in(6) {
                continue;
            }
            let (mut value, mut from) = (value, from);
            if self.one_in(24) && subject == "old" || self.one_in(40) {
                from = [None, Some("expand"), Some("switch"), Some("contract")][self.random.place(4)];
            }
            if self.one_in(80) {
                value = if value == "true" { "false" } else { "true" };
            }
            let settle_secs = match from {
                Some(_) if self.one_in(8) => 7_200,
                _ => 0,
            };
            facts.push(Fact { fact, kind: "host", subject: subject.to_owned(), value, from, settle_secs, may_be_needless: false });
        }
        let mut more = |fact, subject: &str, value, from| {
            let subject = subject.to_owned();
            facts.push(Fact { fact, kind: "host", subject, value, from, settle_secs: 0, may_be_needless: true });
        };
        let moments = [None, Some("expand"), Some("switch"), Some("contract")];
        if self.one_in(5) {
            let value = ["relay", "relay", "relay", "relay_by_mx", "reject", "store", "off"][self.random.place(7)];
            let from = [Some("switch"), Some("contract"), Some("contract"), Some("expand")][self.random.place(4)];
            more("mail", "old", value, from);
        }
        if self.one_in(25) {
            let value = ["relay", "relay_by_mx", "reject"][self.random.place(3)];
            more("mail", "new", value, moments[self.random.place(4)]);
        }
        if self.one_in(12) {
            more("accepts", "old", ["false", "true"][self.random.place(2)], moments[self.random.place(4)]);
        }
        if self.one_in(25) {
            more("serves", "old", ["false", "true"][self.random.place(2)], moments[self.random.place(4)]);
        }
        if self.acme.contains("_mta-sts") && self.random.below(3) > 0 || self.one_in(40) {
            more("sts_allows", "new", "true", moments[self.random.place(4)]);
        }
        if self.acme.contains("_mta-sts") && self.one_in(8) {
            more("sts_allows", "old", ["false", "true"][self.random.place(2)], moments[self.random.place(4)]);
        }
        if self.acme.contains("TLSA") && self.one_in(2) || self.one_in(200) {
            more("tlsa_matches", ["new", "old"][self.random.place(2)], "true", moments[self.random.place(4)]);
        }
        if has_names() {
            self.newer_facts(&mut facts);
        }
        facts
    }

    /// Facts of names and addresses, and those that came with them.
    fn newer_facts(&mut self, facts: &mut Vec<Fact>) {
        let moments = [None, None, Some("expand"), Some("switch"), Some("contract")];
        // What a plan needs that has such things in it, mostly; and at times what it does not.
        let mut more = Vec::new();
        let text = |host: &Host| {
            let mut text = String::new();
            host_text(host, &mut text);
            text
        };
        let (old, new) = (text(&self.old), text(&self.new));
        if !self.old.discovery.is_empty() || self.acme.contains("SRV") {
            more.push(("redirects", "host", "old".to_owned(), "true", 3));
        }
        if new.contains("mx.new.example") {
            more.push(("published", "name", "mx.new.example.".to_owned(), "true", 3));
        }
        if new.contains("s1.dkim.new.example") {
            more.push(("published", "name", "s1.dkim.new.example.".to_owned(), "true", 3));
        }
        if new.contains("s2.dkim.new.example") {
            more.push(("published", "name", "s2.dkim.new.example.".to_owned(), "true", 3));
        }
        if new.contains("mx.del.acme.test") {
            more.push(("published", "name", "mx.del.acme.test.".to_owned(), "true", 3));
        }
        if old.contains("backup.isp") {
            more.push(("accepts", "name", "backup.isp.example.".to_owned(), "true", 3));
            more.push(("published", "name", "backup.isp.example.".to_owned(), "true", 3));
        }
        if self.acme.contains("_spf.isp.example") {
            more.push(("published", "name", "_spf.isp.example.".to_owned(), "true", 3));
        }
        if self.acme.contains("_mta-sts") {
            more.push(("sts_allows", "name", "acme.test.".to_owned(), "true", 2));
        }
        if self.acme.contains("TLSA") {
            more.push(("tlsa_matches", "name", "mail.acme.test.".to_owned(), "true", 2));
        }
        if self.acme.contains("p=none") {
            more.push(("passes_dmarc", "name", "acme.test.".to_owned(), "true", 2));
        }
        if self.acme.contains("lists ") {
            more.push(("stays", "name", "lists.acme.test.".to_owned(), "true", 3));
        }
        if self.acme.contains("SRV 0 1 587") {
            more.push(("clients", "name", "_submission._tcp.acme.test.".to_owned(), "false", 3));
        }
        if self.acme.contains("2001:db8") {
            more.push(("ipv6_only", "host", "new".to_owned(), "false", 2));
            more.push(("ipv4_only", "host", "new".to_owned(), "false", 2));
            more.push(("ipv4_only", "name", "acme.test.".to_owned(), "false", 1));
            more.push(("ipv6_only", "name", "acme.test.".to_owned(), "false", 1));
        }
        if self.acme.contains("o1._domainkey") {
            more.push(("signs", "name", "o1._domainkey.acme.test.".to_owned(), "false", 2));
        }
        if self.acme.contains("@ TXT") || self.acme.contains("TXT \"v=spf1 a") {
            more.push(("sends", "name", "acme.test.".to_owned(), "false", 1));
        }
        if self.owners.contains(&("_spf", "TXT")) {
            more.push(("sends", "name", "_spf.acme.test.".to_owned(), "false", 2));
            more.push(("sends", "name", "_spf2.acme.test.".to_owned(), "false", 2));
        }
        if self.acme.contains("* MX") || self.acme.contains("MX 10 mail\n*") {
            more.push(("stays", "name", "*.acme.test.".to_owned(), "true", 3));
        }
        if self.acme.contains("autodiscover ") {
            more.push(("clients", "name", "autodiscover.acme.test.".to_owned(), "false", 3));
        }
        if old.contains("backup.isp") || new.contains("mx.new.example") || new.contains("mx.del") {
            more.push(("ipv6_only", "host", "new".to_owned(), "false", 3));
        }
        if self.written.contains("\"mail\", type: A, to: [ 192.0.2.99") || self.one_in(40) {
            more.push(("accepts", "address", "192.0.2.99".to_owned(), "true", 2));
        }
        for (fact, kind, subject, value, quarters) in more {
            let is_left_out = if quarters == 3 { self.random.below(12) == 0 } else { self.random.below(4) >= quarters };
            if is_left_out {
                continue;
            }
            let value = match self.one_in(20) {
                true if value == "true" => "false",
                true => "true",
                false => value,
            };
            let from = moments[if self.one_in(4) { self.random.place(5) } else { 0 }];
            let settle_secs = if from.is_some() && self.one_in(6) { 7_200 } else { 0 };
            facts.push(Fact { fact, kind, subject, value, from, settle_secs, may_be_needless: quarters < 3 });
        }
    }
}

const NAMES: [&str; 4] = ["acme.test", "host.test", "other.test", "new.acme.test"];

impl Plan {
    pub(super) fn random(random: &mut Random) -> Self {
        let negative = random.of(&["10m", "10m", "10m", "1d", "2h"]);
        let soa = format!("$TTL {}\n@ SOA ns1 hostmaster 1 4h 1h 2w {negative}\n@ NS ns1\nns1 A 192.0.2.53\n", random.of(&["1h", "1h", "1h", "1d"]));
        let mut made = Made {
            random,
            acme: soa.clone(),
            host: soa.clone(),
            old: Host { name: "old", ..Host::default() },
            new: Host { name: "new", ..Host::default() },
            third: Host::default(),
            owners: Vec::new(),
            written: String::new(),
        };
        let is_move = made.random.below(6) > 0;
        made.old_side();
        made.new_side();
        made.spf();
        made.clients();
        made.policies();
        made.others();
        let mut zones = vec![NAMES[0].to_owned()];
        let has_host = made.host != soa;
        let mut domains = vec![NAMES[0].to_owned()];
        let mut texts = Vec::new();
        if has_host {
            zones.push(NAMES[1].to_owned());
        }
        let mut other = String::new();
        if made.one_in(6) {
            other = soa.clone();
            other += made.of(&["@ MX 10 mail.acme.test.\n", "@ MX 10 mail.acme.test.\n@ TXT \"v=spf1 include:_spf.acme.test -all\"\n"]);
            if made.one_in(2) {
                domains.push(NAMES[2].to_owned());
            }
        }
        let mut records = Vec::new();
        let wanted = if is_move { [0, 0, 0, 0, 1, 2][made.random.place(6)] } else { 1 + made.random.below(4) };
        let mut used = BTreeSet::new();
        for _ in 0..wanted {
            let number = u64::try_from(records.len()).expect("few");
            records.extend(made.record(number, is_move, &mut used));
        }
        made.written = records.join("\n");
        let facts = if is_move { made.facts() } else { Vec::new() };
        let overrun = ["0s", "1h", "24h"][made.random.place(3)];
        let cutover_ttl = ["5m", "5m", "5m", "40m", "1d"][made.random.place(5)];
        let keep = made.of(&["0s", "1h", "2d", "7d"]);
        let switch = made.of(&["", "", "", ", switch: standby", ", switch: direct"]);
        let restore = made.of(&["", "", ", restore_ttls: false", ", restore_ttls: true"]);
        let window = made.of(&["", "", "", "", ", window: \"Sat 20:00-23:00 Europe/Berlin\"", ", freeze: \"2026-12-20..2027-01-06 Europe/Berlin\""]);
        let migrate = format!("keep_old: {keep}, overrun: {overrun}, cutover_ttl: {cutover_ttl}{switch}{restore}{window}");
        let secs = |text: &str| match text {
            "0s" => 0,
            "1h" => 3_600,
            "24h" | "1d" => 86_400,
            "5m" => 300,
            "40m" => 2_400,
            other => panic!("{other}"),
        };
        let queue_life_secs = [3_600, 432_000][made.random.place(2)];
        let use_secs = [0, 1_800][made.random.place(2)];
        let margin_secs = [0, 60][made.random.place(2)];
        let atomicity = match made.random.below(12) {
            0..7 => Atomicity::ChangeSet,
            7 | 8 => Atomicity::RrSet,
            9 | 10 => Atomicity::Record,
            _ => Atomicity::None,
        };
        let mut more = String::new();
        if has_names() && made.one_in(100) {
            more += "override: [ { defect: authenticated/acme.test/moo, reason: random } ]\n";
        } else if made.one_in(12) {
            let invariant = made.of(&["reach", "clients", "authenticated", "minimal-touch"]);
            let _ = writeln!(more, "override: [ {{ invariant: {invariant}, reason: random }} ]");
        }
        if is_move && made.one_in(12) {
            more += "gates: { before_switch: [ { probe: served, every: 1m, count: 2 } ], after_switch: [ { probe: served, every: 1m, for: 10m } ], on_fail: halt }\n";
        }
        if is_move && made.one_in(12) {
            more += "tasks: { before_switch: [ { name: copy, manual: copy it } ], after_switch: [ { name: tell, manual: tell them } ] }\n";
        }
        let Made { acme, host, old, new, third, .. } = made;
        texts.push((NAMES[0].to_owned(), acme));
        if has_host {
            texts.push((NAMES[1].to_owned(), host));
        }
        if !other.is_empty() {
            texts.push((NAMES[2].to_owned(), other));
        }
        let mut hosts = vec![old, new];
        if !third.name.is_empty() {
            hosts.push(third);
        }
        if !is_move {
            domains.clear();
            hosts.clear();
        }
        Self {
            zones: texts,
            hosts,
            domains,
            migrate,
            overrun_secs: secs(overrun),
            cutover_ttl_secs: secs(cutover_ttl),
            records,
            facts,
            margin_secs,
            use_secs,
            queue_life_secs,
            more,
            atomicity,
        }
    }

    /// Leaves out what the plan may not need; whether there was any.
    pub(super) fn leave_out(&mut self, all: bool) -> bool {
        let count = self.facts.len();
        self.facts.retain(|fact| !(fact.may_be_needless || (all && fact.kind != "host")));
        self.facts.len() < count
    }

    pub(super) fn is_move(&self) -> bool {
        !self.domains.is_empty()
    }

    /// As YAML.
    pub(super) fn text(&self) -> String {
        let zones: Vec<String> =
            self.zones.iter().map(|(name, _)| format!("{name}: {{ provider: files }}")).collect();
        let mut text = format!(
            "version: 1\nname: random\nproviders: {{ files: {{ type: zonefile, directory: . }} }}\n\
             resolver: none\nzones: {{ {} }}\nclocks: {{ margin: {}s, use: {}s, queue_life: {}s }}\n",
            zones.join(", "),
            self.margin_secs,
            self.use_secs,
            self.queue_life_secs
        );
        if self.is_move() {
            text += "hosts:\n";
            self.hosts.iter().for_each(|host| host_text(host, &mut text));
            let _ = writeln!(
                text,
                "migrate: {{ domains: [ {} ], from: old, to: new, {} }}",
                self.domains.join(", "),
                self.migrate
            );
        }
        if !self.records.is_empty() {
            text += "records:\n";
            self.records.iter().for_each(|record| text += &format!("  - {record}\n"));
        }
        if !self.facts.is_empty() {
            text += "assume:\n";
            self.facts.iter().for_each(|fact| fact_text(fact, &mut text));
        }
        text + &self.more
    }
}

fn host_text(host: &Host, text: &mut String) {
    let mut parts = Vec::new();
    let quoted = |words: &[String]| {
        words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    };
    let exchanges: Vec<String> = host
        .exchanges
        .iter()
        .map(|one| {
            let addresses = match one.addresses.is_empty() {
                true => String::new(),
                false => format!(", addresses: [ {} ]", quoted(&one.addresses)),
            };
            format!("{{ preference: {}, name: \"{}\"{addresses} }}", one.preference, one.name)
        })
        .collect();
    if !exchanges.is_empty() {
        parts.push(format!("exchanges: [ {} ]", exchanges.join(", ")));
    }
    let senders: Vec<String> = host.senders.iter().map(sender_text).collect();
    if !senders.is_empty() {
        parts.push(format!("senders: [ {} ]", senders.join(", ")));
    }
    let discovery: Vec<String> =
        host.discovery.iter().map(|(word, target)| format!("{word}: \"{target}\"")).collect();
    if !discovery.is_empty() {
        parts.push(format!("discovery: {{ {} }}", discovery.join(", ")));
    }
    if !host.tlsa.is_empty() {
        parts.push(format!("tlsa: [ {} ]", quoted(&host.tlsa)));
    }
    let _ = writeln!(text, "  {}: {{ {} }}", host.name, parts.join(", "));
}

fn sender_text(sender: &Sender) -> String {
    let mut text = format!("{{ name: {}", sender.name);
    if !sender.spf.is_empty() {
        let _ = write!(text, ", spf: \"{}\"", sender.spf.join(" "));
    }
    let keys = sender.dkim.iter().map(|dkim| match &dkim.publish {
        None => dkim.selector.clone(),
        Some((word, value)) => {
            format!("{{ selector: {}, {word}: \"{value}\" }}", dkim.selector)
        }
    });
    let keys: Vec<String> = keys.collect();
    if !keys.is_empty() {
        let _ = write!(text, ", dkim: [ {} ]", keys.join(", "));
    }
    text + " }"
}

fn fact_text(fact: &Fact, text: &mut String) {
    let value = match fact.value == usual(fact.fact) {
        true => String::new(),
        false => format!(", value: {}", fact.value),
    };
    let from = fact.from.map(|from| format!(", from: {from}")).unwrap_or_default();
    let settle = match fact.settle_secs {
        0 => String::new(),
        secs => format!(", settle: {secs}s"),
    };
    let Fact { fact, kind, subject, .. } = fact;
    let _ = writeln!(
        text,
        "  - {{ fact: {fact}, {kind}: \"{subject}\"{value}{from}{settle}, reason: random }}"
    );
}

/// Which keys, facts, types and moments some plans have in them, and how often.
#[derive(Default)]
pub(super) struct Coverage(pub(super) BTreeMap<String, u64>);

impl Coverage {
    pub(super) fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn take(&mut self, plan: &Plan) {
        let value: Value = serde_saphyr::from_str(&plan.text()).expect("YAML");
        let mut seen = BTreeSet::new();
        keys("", &value, &mut seen);
        for fact in &plan.facts {
            let from = fact.from.unwrap_or("already");
            seen.insert(format!("fact {} {from}", fact.fact));
            seen.insert(format!("fact {} of {}", fact.fact, fact.kind));
            seen.insert(format!("value {} {}", fact.fact, fact.value));
        }
        for (_, zone) in &plan.zones {
            for line in zone.lines() {
                let rtype = line.split(' ').find(|word| {
                    ["A", "AAAA", "CNAME", "DNAME", "MX", "NS", "SOA", "SRV", "TLSA", "TXT"].contains(word)
                });
                seen.extend(rtype.map(|rtype| format!("zone {rtype}")));
                if line.starts_with('*') {
                    seen.insert("zone wildcard".to_owned());
                }
                let terms = line.split_once("v=spf1").map_or("", |(_, terms)| terms);
                for term in terms.trim_end_matches('"').split_whitespace() {
                    let word = term.trim_start_matches(['-', '~', '?', '+']);
                    let end = word.find([':', '=', '/']).unwrap_or(word.len());
                    seen.insert(format!("spf {}", &word[..end]));
                }
            }
        }
        seen.insert(format!("adapter {:?}", plan.atomicity));
        seen.into_iter().for_each(|what| self.add(what));
    }
}

/// What of the language the plans of the oracle never have in them, and why.
const NOT_JUDGED: [(&str, &str); 8] = [
    ("key notify", "it tells people, and changes nothing"),
    ("key providers", "an adapter's own keys; what it can do is chosen by the oracle"),
    ("key zones.*.authorities", "who is asked; the world knows servers without addresses"),
    ("key gates.before_switch.", "what is probed and how often changes no step's place"),
    ("key gates.after_switch.", "as before the switch"),
    ("key tasks.before_switch.", "a task's command is not run by the world"),
    ("key tasks.after_switch.", "as before the switch"),
    ("key gates.on_fail", "which way is gone back: all of them are tried"),
];

/// Everything that the plans have to have in them: each key and fact of the language, each moment,
/// each value, and what zones and SPF records are made of.
pub(super) fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    schema_keys("", schema(), &mut wanted);
    wanted.retain(|key| !NOT_JUDGED.iter().any(|(start, _)| key.starts_with(start)));
    for fact in facts_of_language() {
        for from in ["already", "expand", "switch", "contract"] {
            wanted.insert(format!("fact {fact} {from}"));
        }
        wanted.insert(format!("value {fact} {}", usual(fact)));
    }
    for value in ["store", "relay", "relay_by_mx", "reject", "off"] {
        wanted.insert(format!("value mail {value}"));
    }
    let others = [
        "adapter ChangeSet", "adapter RrSet", "adapter Record", "adapter None", "zone wildcard",
        "zone A", "zone AAAA", "zone CNAME", "zone DNAME", "zone MX", "zone NS", "zone SRV", "zone TLSA",
        "zone TXT", "spf a", "spf mx", "spf ip4", "spf ip6", "spf include", "spf redirect",
        "spf exists", "spf ptr", "spf all",
    ];
    wanted.extend(others.map(str::to_owned));
    wanted
}

fn schema_keys(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    let start = if path.is_empty() { "key ".to_owned() } else { format!("{path}.") };
    for (key, below) in value["properties"].as_object().into_iter().flatten() {
        let path = format!("{start}{key}");
        schema_keys(&path, below, seen);
        seen.insert(path);
    }
    if value["additionalProperties"].is_object() {
        let path = format!("{start}*");
        schema_keys(&path, &value["additionalProperties"], seen);
        seen.insert(path);
    }
    if value["items"].is_object() {
        schema_keys(path, &value["items"], seen);
    }
    for word in ["anyOf", "oneOf"] {
        value[word].as_array().into_iter().flatten().for_each(|one| schema_keys(path, one, seen));
    }
}

/// The paths of a plan's keys, names of the user's choice left out.
pub(super) fn keys(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let is_named = matches!(path, "key hosts" | "key zones" | "key providers");
                let key = if is_named { "*" } else { key };
                let start = if path.is_empty() { "key ".to_owned() } else { format!("{path}.") };
                let path = format!("{start}{key}");
                keys(&path, value, seen);
                seen.insert(path);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(path, value, seen)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
