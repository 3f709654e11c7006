//! The timed oracle: a second judge of plans, which shares no interval, hold or closure with the
//! prover. It runs a plan on an integer clock, lets caches hold whatever some server served within
//! the TTL, and looks at the fate of a message: is there a host to go to, can SPF be evaluated?
//!
//! Where the prover finds nothing the oracle must find no harm; where the prover refutes, some
//! execution must show harm. Plans are random: records that change, go and come, in random order.

use std::collections::BTreeMap;

use cutover::graph::{Primitive, StepGraph};
use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType};

use crate::proof::Case;

const ZONE: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
@ TXT \"v=spf1 include:_spf.acme.test -all\"
_spf 20m TXT \"v=spf1 ip4:192.0.2.10 -all\"
_spf2 TXT \"v=spf1 ip4:192.0.2.11 -all\"
mail 30m A 192.0.2.10
mx A 203.0.113.25
";

/// Absence is cached for the SOA's MINIMUM.
const NEGATIVE_TTL_SECS: u64 = 600;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let number = self.below(words.len() as u64);
        words[usize::try_from(number).expect("a small number")]
    }
}

/// A plan of one to four records, each after some of those before it.
fn plan_of(random: &mut Random) -> String {
    let mut records = String::new();
    let mut names = vec!["mail A", "mx A", "_spf TXT", "_spf2 TXT", "@ MX", "@ TXT", "new A"];
    for number in 0..1 + random.below(4) {
        let place = usize::try_from(random.below(names.len() as u64)).expect("a small number");
        let owner = names.swap_remove(place);
        let (name, rtype) = owner.split_once(' ').expect("name and type");
        let to = match rtype {
            "A" => random.of(&["to: [ 192.0.2.99 ]", "absent: true"]),
            "MX" => random.of(&[
                "to: [ 10 mx.acme.test. ]",
                "to: [ 10 new.acme.test. ]",
                "to: [ 10 mx.acme.test., 20 mail.acme.test. ]",
                "absent: true",
            ]),
            _ if name == "@" => random.of(&[
                "to: [ '\"v=spf1 include:_spf2.acme.test -all\"' ]",
                "to: [ '\"v=spf1 ip4:192.0.2.9 -all\"' ]",
            ]),
            _ => random.of(&["to: [ '\"v=spf1 ip4:192.0.2.98 -all\"' ]", "absent: true"]),
        };
        let lower = random.of(&["", "", ", lower_ttl: 5m"]);
        let after: Vec<String> = (0..number)
            .filter(|_| random.below(2) == 0)
            .map(|other| format!("\"record:r{other}\""))
            .collect();
        let after = match after.is_empty() {
            true => String::new(),
            false => format!(", after: [ {} ]", after.join(", ")),
        };
        records += &format!(
            "  - {{ id: r{number}, zone: acme.test, name: \"{name}\", type: {rtype}, {to}{lower}{after} }}\n"
        );
    }
    format!(
        "version: 1\nname: random\nproviders: {{ files: {{ type: zonefile, directory: . }} }}\n\
         resolver: none\nzones: {{ acme.test: {{ provider: files }} }}\nclocks: {{ margin: 0s }}\n\
         records:\n{records}"
    )
}

/// One execution: when each step begins and ends.
fn execution(graph: &StepGraph, delay: &mut dyn FnMut(usize) -> (u64, u64)) -> Vec<(u64, u64)> {
    let mut times: Vec<(u64, u64)> = Vec::new();
    for (place, step) in graph.steps().iter().enumerate() {
        let before = step.after.keys().filter_map(|id| graph.place(id)).map(|p| times[p].1);
        let (idle, busy) = delay(place);
        let ready = before.max().unwrap_or(0);
        times.push(match &step.primitive {
            // A wait counts from when it could begin, and is looked at a while later.
            Primitive::Wait(wait) => (ready, ready + wait.span.as_secs() + idle),
            Primitive::Change(_) => (ready + idle, ready + idle + busy),
            Primitive::Checkpoint => (ready, ready),
        });
    }
    times
}

/// A version in time: from when some server serves it until when the last one does.
struct Served {
    rrset: Option<RrSet>,
    from: u64,
    until: Option<u64>,
}

type World = BTreeMap<RrKey, Vec<Served>>;

fn world(graph: &StepGraph, times: &[(u64, u64)]) -> World {
    let mut world = World::new();
    for (step, (begin, end)) in graph.steps().iter().zip(times) {
        let Primitive::Change(changes) = &step.primitive else { continue };
        for change in changes.changes() {
            let versions = world.entry(change.key.clone()).or_insert_with(|| {
                vec![Served { rrset: change.before.clone(), from: 0, until: None }]
            });
            versions.last_mut().expect("one at least").until = Some(*end);
            versions.push(Served { rrset: change.after.clone(), from: *begin, until: None });
        }
    }
    world
}

impl Served {
    /// Whether a cache may give this at an instant: it was served, not longer ago than it lives.
    fn may_be_held(&self, at: u64) -> bool {
        let lives =
            self.rrset.as_ref().map_or(NEGATIVE_TTL_SECS, |rrset| u64::from(rrset.ttl().secs()));
        self.from <= at && self.until.is_none_or(|until| at < until + lives || at <= until)
    }
}

/// What a sender and a receiver meet, with one held version of each RRset: `true` is harm.
fn harm(case: &Case, held: &BTreeMap<&RrKey, &Option<RrSet>>) -> bool {
    let acme = Name::absolute("acme.test.").expect("a name");
    let get = |name: &Name, rtype| -> Vec<Rdata> {
        let key = RrKey::new(name.clone(), rtype);
        let rrset = match held.get(&key) {
            Some(rrset) => (*rrset).clone(),
            None => case.snapshot.zones[&acme].get(&key).cloned(),
        };
        rrset.map(|rrset| rrset.rdata().to_vec()).unwrap_or_default()
    };
    let exchanges = get(&acme, RrType::MX);
    let lost = !exchanges
        .iter()
        .filter_map(Rdata::as_mx)
        .any(|(_, exchange)| !get(&exchange, RrType::A).is_empty());
    let text = |rdata: &Rdata| String::from_utf8(rdata.txt_joined().expect("TXT")).expect("ASCII");
    let spf = |name: &Name| -> Vec<String> {
        get(name, RrType::TXT).iter().map(text).filter(|text| text.starts_with("v=spf1")).collect()
    };
    let includes = spf(&acme).into_iter().flat_map(|record| {
        let words = record.split(' ').filter_map(|word| word.strip_prefix("include:"));
        words.map(str::to_owned).collect::<Vec<_>>()
    });
    let broken =
        includes.into_iter().any(|name| spf(&Name::from_user(&name).expect("a name")).len() != 1);
    lost || broken
}

/// Whether any combination of what may be held at some instant does harm.
fn harmful(case: &Case, world: &World) -> bool {
    let mut instants: Vec<u64> = vec![0];
    for served in world.values().flatten() {
        let lives = served.rrset.as_ref().map_or(NEGATIVE_TTL_SECS, |r| u64::from(r.ttl().secs()));
        instants.push(served.from);
        instants.extend(served.until);
        instants.extend(served.until.map(|until| until + lives.saturating_sub(1)));
    }
    instants.sort_unstable();
    instants.dedup();
    instants.into_iter().any(|at| {
        let choices: Vec<(&RrKey, Vec<&Option<RrSet>>)> = world
            .iter()
            .map(|(key, all)| {
                (key, all.iter().filter(|v| v.may_be_held(at)).map(|v| &v.rrset).collect())
            })
            .collect();
        let combinations = choices.iter().map(|(_, held)| held.len()).product::<usize>();
        (0..combinations).any(|mut number| {
            let held = choices.iter().map(|(key, held)| {
                let one = held[number % held.len()];
                number /= held.len();
                (*key, one)
            });
            harm(case, &held.collect())
        })
    })
}

/// Plans that are judged. `tests/run` takes the default; more with `CUTOVER_ORACLE_PLANS`.
pub(crate) fn plans() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how thorough a test is")]
    let asked = std::env::var("CUTOVER_ORACLE_PLANS").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(3_000)
}

#[test]
fn prover_and_oracle_agree_on_random_plans() {
    let (mut held, mut refuted) = (0, 0);
    let mut seed = 0_u64;
    while held + refuted < plans() {
        seed += 1;
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        let plan = plan_of(&mut random);
        let Some(case) = Case::try_of(&plan, &|_| ZONE.to_owned()) else { continue };
        if case.graph.steps().is_empty() {
            continue;
        }
        let findings = case.findings(&case.graph);
        let steps = case.graph.steps().len();
        // Each step in turn is the late one, all others are as early as they can be; and some at random.
        let late = (0..=steps).map(|late| {
            execution(&case.graph, &mut |place| if place == late { (1_000_000, 5) } else { (0, 5) })
        });
        let mut delays = Random(seed);
        let chance = (0..6)
            .map(|_| execution(&case.graph, &mut |_| (delays.below(3) * 1_700, delays.below(9))));
        let harm = late.chain(chance).any(|times| harmful(&case, &world(&case.graph, &times)));
        assert_eq!(harm, !findings.refuted.is_empty(), "seed {seed}: {findings:?}\n{plan}");
        if harm { refuted += 1 } else { held += 1 }
    }
    println!("{held} held, {refuted} refuted");
    assert!(refuted * 5 >= held + refuted, "a fifth of the plans at least are refuted");
}
