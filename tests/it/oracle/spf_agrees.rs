//! The oracle's SPF compared with the project's own evaluator, which passes the published suite.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::Random;
use super::spf::{Reply, Resolver, Sender, check, name};

/// A small world of names for the test below.
struct Names(BTreeMap<RrKey, Vec<Rdata>>);

impl Names {
    fn random(random: &mut Random) -> Self {
        let mut names = BTreeMap::new();
        let mut add = |owner: &str, rdata: Rdata| {
            let owner = name(owner).expect("a name");
            let key = RrKey::new(owner, rdata.rtype());
            names.entry(key).or_insert_with(Vec::new).push(rdata);
        };
        for owner in ["a.test", "b.test", "c.test", "d.a.test"] {
            for _ in 0..[1, 1, 1, 1, 1, 0, 2][random.place(7)] {
                add(owner, Rdata::txt(random_record(random).as_bytes()));
            }
            if random.below(2) == 0 {
                add(owner, Rdata::a([192, 0, 2, 1 + u8::from(random.below(2) == 0)].into()));
            }
            for exchange in 0..random.below(3) {
                let exchange =
                    ["a.test", "b.test", "e.test"][usize::try_from(exchange).expect("small")];
                add(owner, Rdata::mx(10, &name(exchange).expect("a name")));
            }
        }
        add("1.2.0.192.in-addr.arpa", pointer("d.a.test"));
        add("192.0.2.1.a.test", Rdata::a([127, 0, 0, 2].into()));
        add("test.a.jo", Rdata::a([127, 0, 0, 2].into()));
        Self(names)
    }
}

fn pointer(target: &str) -> Rdata {
    Rdata::from_wire(RrType::PTR, name(target).expect("a name").wire()).expect("a pointer")
}

fn random_record(random: &mut Random) -> String {
    let mut text =
        random.of(&["v=spf1", "v=spf1", "v=spf1", "v=spf1", "V=SPF1", "v=spf10"]).to_owned();
    for _ in 0..random.below(5) {
        text += [" ", " ", " ", "  "][random.place(4)];
        text += random.of(&["", "", "", "-", "~", "?", "+"]);
        text += random.of(&[
            "ip4:192.0.2.1",
            "ip4:192.0.2.0/24",
            "ip4:192.0.2.9",
            "ip4:192.0.2.0/33",
            "ip4:1.2.3",
            "ip6:2001:db8::/32",
            "ip6:::1",
            "IP4:192.0.2.2",
            "a",
            "a/24",
            "a//64",
            "a/24//64",
            "a:b.test",
            "a:c.test/30",
            "mx",
            "mx/31",
            "mx:b.test",
            "ptr",
            "ptr:a.test",
            "exists:%{i}.a.test",
            "exists:%{ir}.a.test",
            "exists:%{dr}.%{l}",
            "exists:nothing.test",
            "include:b.test",
            "include:c.test",
            "include:d.a.test",
            "include:none.test",
            "include",
            "include:%{d}",
            "all",
            "all:x",
            "all",
            "redirect=b.test",
            "redirect=c.test",
            "exp=e.test",
            "x=y",
            "x=%{z}",
            "moo",
            "a:%{d1r}.test",
            "a:%{o2}",
            "a:b",
            "a:b.1",
            "exists:%{h}",
            "a:%%.test",
            "a:b.test.",
            "mx:",
        ]);
    }
    text
}

/// The answers of the world, without an adversary.
struct Plain<'n>(&'n Names);

impl Resolver for Plain<'_> {
    fn ask(&mut self, name: &Name, rtype: RrType) -> Reply {
        let found = self.0.0.get(&RrKey::new(name.clone(), rtype));
        found.map_or(Reply::Nothing, |records| Reply::Records(records.clone()))
    }

    fn undecidable(&mut self, _: &str) -> Option<bool> {
        None
    }
}

/// The reference is the evaluator of `cutover`, which passes the published suite of RFC 7208 and
/// shares no line with the oracle's.
#[test]
fn spf_is_evaluated_as_by_the_evaluator_that_passes_the_suite() {
    let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..20_000_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        let names = Names::random(&mut random);
        let ip: IpAddr = random
            .of(&["192.0.2.1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.1"])
            .parse()
            .expect("an address");
        let sender = Sender {
            ip,
            local: "jo".to_owned(),
            domain: "a.test".to_owned(),
            helo: "b.test".to_owned(),
        };
        let found = format!("{:?}", check(&mut Plain(&names), &sender)).to_ascii_lowercase();
        let client = cutover::spf::Client {
            ip,
            mail_from: "jo@a.test",
            helo: "b.test",
            receiver: "unknown",
            now: chrono::DateTime::UNIX_EPOCH,
            voids_max: cutover::spf::VOIDS_MAX,
        };
        let answer = |key: &RrKey| match names.0.get(key) {
            Some(records) => cutover::spf::Answer::Records(records.clone().into()),
            None => cutover::spf::Answer::Absent,
        };
        let meant = cutover::spf::check_mail(&client, &answer).outcome.to_string();
        assert_eq!(found, meant, "seed {seed}, {ip}: {:#?}", names.0);
        *verdicts.entry(meant).or_default() += 1;
    }
    println!("{verdicts:?}");
    assert!(verdicts.len() >= 6, "every verdict but a temporary error: {verdicts:?}");
}
