//! Random zones, hosts and the plan's own records.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;

impl Made<'_> {
    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.random.below(count) == 0
    }

    pub(super) fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.random.of(words)
    }

    pub(super) fn ttl(&mut self) -> &'static str {
        self.random.of(&["", "", "", "20m ", "1d ", "5m ", "2h "])
    }

    pub(super) fn line(&mut self, line: &str) {
        let (owner, rest) = line.split_once(' ').expect("an owner");
        let ttl = self.ttl();
        let _ = writeln!(self.acme, "{owner} {ttl}{rest}");
    }

    /// The exchanges of the old host.
    pub(super) fn old_side(&mut self) {
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

    pub(super) fn new_side(&mut self) {
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
                    self.new.exchanges.push(Exchange {
                        preference: 20,
                        name,
                        addresses: Vec::new(),
                    });
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

    pub(super) fn spf(&mut self) {
        self.acme += "_spf 20m TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
        self.acme += "_spf2 TXT \"v=spf1 ip4:192.0.2.11 ~all\"\n";
        let record = self.of(&[
            "",
            "",
            "",
            "",
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
        let old = self.of(&[
            "",
            "",
            "ip4:192.0.2.10",
            "ip4:192.0.2.10",
            "ip4:192.0.2.10 ip4:192.0.2.11",
            "mx",
            "include:_spf.acme.test",
        ]);
        let new = match self.random.below(5) {
            0 => "",
            1 => "include:_spf2.acme.test",
            2 => "mx",
            _ => "ip4:203.0.113.25",
        };
        let terms = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let sender = |spf: &str, dkim: Vec<Dkim>| Sender { name: "people", spf: terms(spf), dkim };
        let mut old = sender(old, Vec::new());
        let mut new = sender(new, Vec::new());
        self.keys(&mut old, &mut new);
        let is_bare = |sender: &Sender| sender.spf.is_empty() && sender.dkim.is_empty();
        // A sender that declares nothing fails wherever there is an SPF record.
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
            let spf = if record.is_empty() {
                Vec::new()
            } else {
                vec!["include:_spf2.acme.test".to_owned()]
            };
            self.third = Host { name: "crm", ..Host::default() };
            self.third.senders.push(Sender { name: "invoices", spf, dkim: Vec::new() });
        }
    }

    pub(super) fn keys(&mut self, old: &mut Sender, new: &mut Sender) {
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

    pub(super) fn clients(&mut self) {
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

    pub(super) fn policies(&mut self) {
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

    pub(super) fn others(&mut self) {
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

    /// One of the plan's own records.
    pub(super) fn record(
        &mut self,
        number: u64,
        is_move: bool,
        used: &mut BTreeSet<(&'static str, &'static str)>,
    ) -> Option<String> {
        let more = [
            ("note", "TXT"),
            ("www", "A"),
            ("@", "MX"),
            ("new", "A"),
            ("lists", "MX"),
            ("eu", "DNAME"),
        ];
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
            "A" => self.of(&[
                "to: [ 192.0.2.99 ]",
                "to: [ 192.0.2.99 ]",
                "to: [ 203.0.113.25 ]",
                absent,
            ]),
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
            "TXT" if name.starts_with("_spf") => self.of(&[
                "to: [ '\"v=spf1 ip4:192.0.2.98 -all\"' ]",
                "to: [ '\"v=spf1 a:1.acme.test a:2.acme.test a:3.acme.test -all\"' ]",
                absent,
            ]),
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
                let wait = self.of(&[
                    "",
                    "",
                    ", wait: 0s",
                    ", wait: 11m",
                    ", wait: 59m",
                    ", wait: 1h",
                    ", wait: 2d",
                ]);
                format!(", after: [ {} ]{wait}", earlier.join(", "))
            }
            (true, true) => self
                .of(&[
                    "",
                    ", with: expand",
                    ", with: expand",
                    ", with: switch",
                    ", with: contract",
                    ", after: switch",
                    ", after: contract",
                    ", after: expand",
                ])
                .to_owned(),
            (true, false) => String::new(),
        };
        Some(format!(
            "{{ id: r{number}, zone: acme.test, name: \"{name}\", type: {rtype}, {to}{ttl}{lower}{place} }}"
        ))
    }
}
