//! Plans with something that others do not have: names that people of a domain that stays are set
//! up with, discovery records that come into being, SPF records behind aliases, and SPF terms that
//! refuse.

use super::*;

/// Plans with smaller seeds stay as they were, because the tests of the mutants refer to some of
/// them. So do those with even seeds, for the same reason.
const FIRST: u64 = 701;

const STAYS: &str = "a server of a domain that stays";
const COMES: &str = "a discovery record comes into being";
const BEHIND: &str = "an SPF record behind an alias";
const REFUSES: &str = "an SPF term that refuses";
const OUT: &str = "an alias leads out of the zones, to one record and then another";

/// What plans may have in addition.
pub(super) const FURTHER: [&str; 5] = [STAYS, COMES, BEHIND, REFUSES, OUT];

/// The servers of a domain that stays, and a record that may change: its name, its type, and what
/// it becomes.
const SERVERS: &[(&str, &str, &str, &[&str])] = &[
    (
        "imap A 192.0.2.10",
        "imap",
        "A",
        &["203.0.113.25", "192.0.2.99", "192.0.2.10, 192.0.2.99", ""],
    ),
    (
        "imap A 192.0.2.10 | imap AAAA 2001:db8::10",
        "imap",
        "AAAA",
        &["\"2001:db8:1::25\"", "\"2001:db8::99\"", ""],
    ),
    ("imap A 192.0.2.10", "imap", "AAAA", &["\"2001:db8:1::25\""]),
    (
        "imap CNAME mail.acme.test.",
        "imap",
        "CNAME",
        &["mx.acme.test.", "www.elsewhere.example.", "box.other.test."],
    ),
    ("imap CNAME box | box A 192.0.2.10", "box", "A", &["203.0.113.25", ""]),
    ("* CNAME mail.acme.test.", "imap", "TXT", &["'\"hello\"'"]),
    ("* A 192.0.2.10", "imap", "A", &["192.0.2.10", "192.0.2.99"]),
    ("*.box A 192.0.2.10 | pop CNAME x.box", "*.box", "A", &["203.0.113.25", ""]),
];

/// Discovery records: the key of `discovery:` that would declare it, its name, and its type.
const DISCOVERY: &[(&str, &str, &str)] = &[
    ("imap", "_imaps._tcp", "SRV"),
    ("pop3", "_pop3s._tcp", "SRV"),
    ("submission", "_submissions._tcp", "SRV"),
    ("autoconfig", "autoconfig", "A"),
    ("autoconfig", "autoconfig", "CNAME"),
    ("autodiscover", "autodiscover", "A"),
    ("autodiscover", "autodiscover", "CNAME"),
];

/// Terms that refuse, or say nothing.
const TERMS: &[&str] = &[
    "-ip4:192.0.2.66",
    "-ip4:203.0.113.25",
    "-ip4:192.0.2.11",
    "~ip4:203.0.113.0/24",
    "?ip4:192.0.2.10",
    "-include:_spf2.acme.test",
    "~include:_spf2.acme.test",
    "-a:mx.acme.test",
    "-a:mail.acme.test",
    "-mx",
    "-exists:%{i}.l.isp.example",
];

impl Plan {
    /// Adds something to some plans. This depends only on the seed.
    pub(in crate::oracle) fn further(&mut self, seed: u64) {
        if seed < FIRST || seed.is_multiple_of(2) || !self.is_move() {
            return;
        }
        let mut random = Random(seed.wrapping_mul(0xd134_2543_de82_ef95) | 1);
        (0..4).for_each(|_| {
            random.below(2);
        });
        let random = &mut random;
        for _ in 0..1 + random.below(2) {
            match random.below(5) {
                0 => self.stays(random),
                1 => self.comes(random),
                2 => self.is_behind_an_alias(random),
                3 => self.leads_out(random),
                _ => self.refuses(random),
            }
        }
    }

    fn has(&self, what: &'static str) -> bool {
        self.leads.contains(&what)
    }

    /// A record of the plan, somewhere in the order.
    fn also(&mut self, random: &mut Random, zone: &str, (owner, rtype, to): (&str, &str, &str)) {
        let number = self.records.len();
        let place = random.of(&[
            "",
            "",
            ", with: expand",
            ", with: switch",
            ", with: contract",
            ", after: switch",
            ", after: contract",
        ]);
        let to = match to {
            "" => "absent: true".to_owned(),
            to => format!("to: [ {to} ]"),
        };
        let ttl = match to == "absent: true" {
            true => "",
            false => random.of(&["", "", ", ttl: 10m", ", ttl: 1d"]),
        };
        self.records.push(format!(
            "{{ id: f{number}, zone: {zone}, name: \"{owner}\", type: {rtype}, {to}{ttl}{place} }}"
        ));
    }

    /// A fact about a name that clients use.
    fn clients_of(&mut self, random: &mut Random, owner: &str) {
        let from = [None, None, Some("expand"), Some("switch"), Some("contract")][random.place(5)];
        self.facts.push(Fact {
            fact: "clients",
            kind: "name",
            subject: format!("{owner}."),
            value: "false",
            from,
            settle_secs: if from.is_some() && random.below(4) == 0 { 7_200 } else { 0 },
            may_be_needless: true,
        });
    }

    /// A domain whose mailboxes stay at the old host, and the servers that its people typed in.
    fn stays(&mut self, random: &mut Random) {
        let is_there = self.hosts[0].exchanges.iter().any(|own| own.name == "mail.acme.test.");
        if self.has(STAYS) || !is_there {
            return;
        }
        let mut zone: String = self.zones[0].1.lines().take(4).map(|l| format!("{l}\n")).collect();
        let (servers, owner, rtype, to) = SERVERS[random.place(SERVERS.len())];
        let ttl = random.of(&["", "", "1d ", "5m "]);
        zone += "@ MX 10 mail.acme.test.\n";
        for (name, rest) in servers.split(" | ").filter_map(|line| line.split_once(' ')) {
            zone += &format!("{name} {ttl}{rest}\n");
        }
        if to.contains(&"box.other.test.") {
            zone += "box A 192.0.2.10\n";
        }
        self.zones.retain(|(name, _)| name != NAMES[2]);
        self.domains.retain(|name| name != NAMES[2]);
        self.zones.push((NAMES[2].to_owned(), zone));
        if random.below(4) > 0 {
            let to = to[random.place(to.len())];
            self.also(random, NAMES[2], (owner, rtype, to));
        }
        let is_changed =
            self.records.iter().any(|record| record.contains("name: \"mail\", type: A,"));
        if !is_changed && self.zones[0].1.contains("\nmail A ") && random.below(4) == 0 {
            let to = random.of(&["192.0.2.99", "203.0.113.25"]);
            self.also(random, NAMES[0], ("mail", "A", to));
        }
        if random.below(3) == 0 {
            let of = random.of(&["imap", "box", "pop", "x.box"]);
            self.clients_of(random, &format!("{of}.{}", NAMES[2]));
        }
        self.leads.push(STAYS);
    }

    /// A discovery record that does not exist before the plan.
    fn comes(&mut self, random: &mut Random) {
        let (word, owner, rtype) = DISCOVERY[random.place(DISCOVERY.len())];
        let mut declared = self.hosts.iter().flat_map(|host| &host.discovery);
        let is_declared = declared.any(|(key, _)| *key == word);
        let is_there = self.zones[0].1.contains(&format!("\n{owner} "));
        if self.has(COMES) || is_declared || is_there {
            return;
        }
        let ip = random.of(&["203.0.113.25", "203.0.113.25", "192.0.2.10", "198.51.100.77"]);
        let ttl = random.of(&["", "1d "]);
        self.zones[0].1 += &format!("server {ttl}A {ip}\n");
        let to = match rtype {
            "SRV" => "\"0 1 993 server.acme.test.\"",
            "CNAME" => "server.acme.test.",
            _ => ip,
        };
        self.also(random, NAMES[0], (owner, rtype, to));
        if random.below(4) == 0 {
            let ip = random.of(&["203.0.113.25", "192.0.2.10", "198.51.100.77"]);
            self.also(random, NAMES[0], ("server", "A", ip));
        }
        if random.below(2) == 0 {
            self.clients_of(random, &format!("{owner}.{}", NAMES[0]));
        }
        self.leads.push(COMES);
    }

    /// A sender whose SPF record has another name, to which an alias leads.
    fn is_behind_an_alias(&mut self, random: &mut Random) {
        if self.has(BEHIND) {
            return;
        }
        let ttls = ["", "", "1d ", "5m "];
        let [one, two, three] = [(); 3].map(|()| random.of(&ttls));
        self.zones[0].1 += &format!(
            "_spf3 {one}CNAME _spf4\n_spf4 {two}TXT \"v=spf1 ip4:203.0.113.25 -all\"\n\
             _spf5 {three}TXT \"v=spf1 ip4:203.0.113.25 ip4:203.0.113.26 -all\"\n"
        );
        let host = &mut self.hosts[1];
        host.senders.truncate(1);
        if host.senders.is_empty() {
            host.senders.push(Sender { name: "people", spf: Vec::new(), dkim: Vec::new() });
        }
        host.senders[0].spf = vec!["include:_spf3.acme.test".to_owned()];
        if random.below(3) > 0 {
            let to = random.of(&["_spf5.acme.test.", "_spf5.acme.test.", "_spf.isp.example."]);
            self.also(random, NAMES[0], ("_spf3", "CNAME", to));
        }
        if random.below(3) > 0 {
            let (owner, to) = [
                ("_spf4", ""),
                ("_spf4", "'\"v=spf1 ip4:203.0.113.26 -all\"'"),
                ("_spf5", "'\"v=spf1 ip4:203.0.113.25 -all\"'"),
                ("_spf5", ""),
            ][random.place(4)];
            self.also(random, NAMES[0], (owner, "TXT", to));
        }
        self.leads.push(BEHIND);
    }

    /// The SPF record or the key of the old host is outside of the zones, behind an alias.
    fn leads_out(&mut self, random: &mut Random) {
        if self.has(OUT) {
            return;
        }
        let own =
            self.zones[0].1.find("\n@ TXT \"v=spf1 ").map(|at| at + "\n@ TXT \"v=spf1 ".len());
        let to = random.of(&["_spf.other.example.", "_spf.other.example.", "_spf4.acme.test.", ""]);
        if let Some(at) = own.filter(|_| random.below(3) > 0) {
            let term = random.of(&["include:", "include:", "-include:"]);
            self.zones[0].1.insert_str(at, &format!("{term}_spf6.acme.test "));
            self.zones[0].1 += "_spf6 CNAME _spf.isp.example.\n";
            if random.below(2) == 0
                && let Some(sender) = self.hosts[0].senders.first_mut()
            {
                sender.spf.insert(0, "include:_spf6.acme.test".to_owned());
            }
            self.also(random, NAMES[0], ("_spf6", "CNAME", to));
        } else if let Some(sender) = self.hosts[0].senders.first_mut() {
            self.zones[0].1 += "o3._domainkey CNAME o3.keys\no3.keys CNAME o3.isp.example.\n";
            sender.dkim.push(Dkim { selector: "o3".to_owned(), publish: None });
            let to = random.of(&["o3.other.example.", ""]);
            self.also(random, NAMES[0], ("o3.keys", "CNAME", to));
        } else {
            return;
        }
        self.leads.push(OUT);
    }

    /// An SPF record has a term that refuses whoever matches it.
    fn refuses(&mut self, random: &mut Random) {
        const SPF: &str = "v=spf1 ";
        let zone = &mut self.zones[0].1;
        let places: Vec<usize> = zone.match_indices(SPF).map(|(at, _)| at + SPF.len()).collect();
        if self.leads.contains(&REFUSES) || places.is_empty() {
            return;
        }
        // The domain's own record, if there is one, is the first that has its name.
        let own = zone.find("\n@ TXT \"v=spf1 ").map(|at| at + "\n@ TXT \"v=spf1 ".len());
        let at = match own {
            Some(own) if random.below(3) > 0 => own,
            _ => places[random.place(places.len())],
        };
        zone.insert_str(at, &format!("{} ", random.of(TERMS)));
        self.leads.push(REFUSES);
    }
}
