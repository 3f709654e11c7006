//! Random facts: mostly those that a plan needs, sometimes others, and sometimes the contrary.

use super::*;

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

impl Made<'_> {
    pub(super) fn facts(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let forgetful = self.one_in(5);
        for (fact, subject, value, from) in BASE {
            if forgetful && self.one_in(6) {
                continue;
            }
            let (mut value, mut from) = (value, from);
            if self.one_in(24) && subject == "old" || self.one_in(40) {
                from =
                    [None, Some("expand"), Some("switch"), Some("contract")][self.random.place(4)];
            }
            if self.one_in(80) {
                value = if value == "true" { "false" } else { "true" };
            }
            let settle_secs = match from {
                Some(_) if self.one_in(8) => 7_200,
                _ => 0,
            };
            facts.push(Fact {
                fact,
                kind: "host",
                subject: subject.to_owned(),
                value,
                from,
                settle_secs,
                may_be_needless: false,
            });
        }
        let mut more = |fact, subject: &str, value, from| {
            let subject = subject.to_owned();
            facts.push(Fact {
                fact,
                kind: "host",
                subject,
                value,
                from,
                settle_secs: 0,
                may_be_needless: true,
            });
        };
        let moments = [None, Some("expand"), Some("switch"), Some("contract")];
        if self.one_in(5) {
            let value = ["relay", "relay", "relay", "relay_by_mx", "reject", "store", "off"]
                [self.random.place(7)];
            let from = [Some("switch"), Some("contract"), Some("contract"), Some("expand")]
                [self.random.place(4)];
            more("mail", "old", value, from);
        }
        if self.one_in(25) {
            let value = ["relay", "relay_by_mx", "reject"][self.random.place(3)];
            more("mail", "new", value, moments[self.random.place(4)]);
        }
        if self.one_in(12) {
            more(
                "accepts",
                "old",
                ["false", "true"][self.random.place(2)],
                moments[self.random.place(4)],
            );
        }
        if self.one_in(25) {
            more(
                "serves",
                "old",
                ["false", "true"][self.random.place(2)],
                moments[self.random.place(4)],
            );
        }
        if self.acme.contains("_mta-sts") && self.random.below(3) > 0 || self.one_in(40) {
            more("sts_allows", "new", "true", moments[self.random.place(4)]);
        }
        if self.acme.contains("_mta-sts") && self.one_in(8) {
            more(
                "sts_allows",
                "old",
                ["false", "true"][self.random.place(2)],
                moments[self.random.place(4)],
            );
        }
        if self.acme.contains("TLSA") && self.one_in(2) || self.one_in(200) {
            more(
                "tlsa_matches",
                ["new", "old"][self.random.place(2)],
                "true",
                moments[self.random.place(4)],
            );
        }
        if has_names() {
            self.newer_facts(&mut facts);
        }
        facts
    }

    /// Facts about names and addresses, and the facts that were added with them.
    pub(super) fn newer_facts(&mut self, facts: &mut Vec<Fact>) {
        let moments = [None, None, Some("expand"), Some("switch"), Some("contract")];
        // Mostly what a plan with these parts needs, and sometimes what it does not need.
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
            let is_left_out = if quarters == 3 {
                self.random.below(12) == 0
            } else {
                self.random.below(4) >= quarters
            };
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
            facts.push(Fact {
                fact,
                kind,
                subject,
                value,
                from,
                settle_secs,
                may_be_needless: quarters < 3,
            });
        }
    }
}
