//! A cutover in which each request to the provider fails in turn: the connection is cut before or
//! after the request takes effect, the request or its answer arrives after the client has stopped
//! waiting, or from that request on no request or no answer arrives until the run gives up. The run
//! has to end as an undisturbed run does, or to halt with a true statement, and to end so after it
//! is resumed. Nothing may be written twice, or in part.
//!
//! The normal test run tries a third of the faults at each request, another third at the next one.
//! `CUTOVER_SWEEP=all` tries all of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::bind_fixture::{is_nowhere, records, said};
use crate::cloudflare::Cloudflare;
use crate::lab::fault_proxy::{FaultProxy, HttpFault};
use crate::lab::published_dns::PublishedDns;
use crate::lab::relay::{self, Fate, Protocol};
use crate::lab::{Bind, FastClock, Pdns, Server};
use crate::provider_matrix::{ACCESS_KEY, SECRET_KEY, TOKEN};
use crate::route53::Route53;
use crate::sweep::{side_by_side, wish};

/// Longer than any adapter waits for an answer: 10 s, or 60 s of a clock that is ten times as fast.
const LATE: Duration = Duration::from_secs(12);

/// The fault of a request.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Lost,
    AnswerLost,
    Late,
    AnswerLate,
}

impl Trouble {
    fn fate(self) -> Fate {
        match self {
            Self::Lost => Fate::Lose,
            Self::AnswerLost => Fate::LoseAnswer,
            Self::Late => Fate::LateRequest(LATE),
            Self::AnswerLate => Fate::LateAnswer(LATE),
        }
    }

    fn mishap(self) -> HttpFault {
        match self {
            Self::Lost => HttpFault::CutBefore,
            Self::AnswerLost => HttpFault::CutAfter,
            Self::Late => HttpFault::LateEffect(LATE),
            Self::AnswerLate => HttpFault::LateAnswer(LATE),
        }
    }
}

/// The fault of one request of a run.
#[derive(Clone, Copy, Debug)]
struct Fault {
    trouble: Trouble,
    /// Whether every later request has the same fault, until the run halts.
    lasts: bool,
}

const FAULTS: [Fault; 6] = [
    Fault { trouble: Trouble::Lost, lasts: false },
    Fault { trouble: Trouble::AnswerLost, lasts: false },
    Fault { trouble: Trouble::Late, lasts: false },
    Fault { trouble: Trouble::AnswerLate, lasts: false },
    Fault { trouble: Trouble::Lost, lasts: true },
    Fault { trouble: Trouble::AnswerLost, lasts: true },
];

/// Cases at a time. They mostly wait, but more of them would keep servers from answering in time.
const AT_ONCE: usize = 24;

/// A domain whose TTLs are already low.
const ZONE: &str = "\
$TTL 2
@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 1
@ NS ns1.acme.test.
@ MX 10 mail.old.test.
@ TXT \"v=spf1 ip4:192.0.2.11 -all\"
old1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
new1._domainkey TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"
www A 192.0.2.80
";

enum Behind {
    Bind(Server),
    Pdns(Pdns),
    /// A fake, and its minimum TTL: half a minute.
    Cloudflare(Arc<Cloudflare>),
    Route53(Arc<Route53>),
}

/// The server or fake at which requests fail.
enum Way {
    Relay(SocketAddr),
    FaultProxy(FaultProxy),
}

/// The zone with TTLs that Cloudflare accepts.
fn slower(text: &str) -> String {
    text.replace("$TTL 2\n", "$TTL 30\n").replace("cutover_ttl: 2s", "cutover_ttl: 30s")
}

/// The outcome of a run.
struct Ended {
    /// The number of requests.
    requests: usize,
    /// How often the zone was written.
    writes: u32,
    /// What the zone holds.
    holds: Vec<String>,
    /// The exit codes of the run, one for each start.
    exits: Vec<i32>,
}

impl Behind {
    fn cloudflare(zones: &[(&str, &str)]) -> Self {
        let slow: Vec<(&str, String)> =
            zones.iter().map(|(zone, text)| (*zone, slower(text))).collect();
        let slow: Vec<(&str, &str)> = slow.iter().map(|(zone, text)| (*zone, &**text)).collect();
        let fake = Cloudflare::with_published_dns(
            TOKEN,
            PublishedDns::start(&slow, Duration::from_millis(200)),
        );
        let published = fake.published().expect("a server");
        for (zone, _) in zones {
            let mut lines = records(&published.server().transfer(zone));
            lines.retain(|line| !line.contains(" IN SOA ") && !line.contains(" IN NS "));
            fake.zone(zone, "enterprise", &lines);
        }
        Self::Cloudflare(fake)
    }

    fn route53(zones: &[(&str, &str)]) -> Self {
        let fake = Route53::with_published_dns(
            ACCESS_KEY,
            PublishedDns::start(zones, Duration::from_millis(200)),
        );
        let published = fake.published().expect("a server");
        for (zone, _) in zones {
            let soa = published.server().dig(&[zone, "SOA", "+noall", "+answer"]);
            let soa = soa.split_whitespace().collect::<Vec<_>>().join(" ");
            fake.zone(zone, &[records(&published.server().transfer(zone)), vec![soa]].concat());
        }
        Self::Route53(fake)
    }

    /// The server of a fake's zones.
    fn published(&self) -> Option<&Server> {
        let published = match self {
            Self::Bind(_) | Self::Pdns(_) => None,
            Self::Cloudflare(fake) => fake.published(),
            Self::Route53(fake) => fake.published(),
        };
        published.map(PublishedDns::server)
    }

    fn addr(&self) -> SocketAddr {
        match self {
            Self::Bind(server) => server.addr(),
            Self::Pdns(pdns) => pdns.addr(),
            Self::Cloudflare(_) | Self::Route53(_) => self.published().expect("a server").addr(),
        }
    }

    /// A proxy or relay for which this decides the fate of each request.
    fn way(&self, trouble: impl Fn() -> Option<Trouble> + Send + Sync + 'static) -> Way {
        let fate = |trouble: Option<Trouble>| trouble.map_or(Fate::Pass, Trouble::fate);
        match self {
            Self::Bind(server) => {
                let addr = server.addr();
                Way::Relay(relay::before(addr, Protocol::Dns, move |_| fate(trouble())))
            }
            Self::Pdns(pdns) => {
                let addr = pdns.api();
                Way::Relay(relay::before(addr, Protocol::Http, move |_| fate(trouble())))
            }
            Self::Cloudflare(fake) => {
                Way::FaultProxy(FaultProxy::with_faults(fake.clone(), move |_| {
                    trouble().map(Trouble::mishap)
                }))
            }
            Self::Route53(fake) => {
                Way::FaultProxy(FaultProxy::with_faults(fake.clone(), move |_| {
                    trouble().map(Trouble::mishap)
                }))
            }
        }
    }

    fn secret(&self) -> &str {
        match self {
            Self::Bind(server) => &server.key().secret,
            Self::Pdns(pdns) => pdns.api_key(),
            Self::Cloudflare(_) => TOKEN,
            Self::Route53(_) => SECRET_KEY,
        }
    }

    fn provider(&self, way: &Way) -> String {
        let through = match way {
            Way::Relay(address) => address.to_string(),
            Way::FaultProxy(proxy) => proxy.addr().to_string(),
        };
        match self {
            Self::Bind(server) => {
                let (name, algorithm) = (&server.key().name, server.key().algorithm);
                format!(
                    "{{ type: rfc2136, server: \"{through}\", tsig: {{ key: {name}, \
                     algorithm: {algorithm}, secret: {{ env: FAULTS_SECRET }} }} }}"
                )
            }
            Self::Pdns(_) => format!(
                "{{ type: powerdns, url: \"http://{through}\", \
                 api_key: {{ env: FAULTS_SECRET }} }}"
            ),
            Self::Cloudflare(_) => format!(
                "{{ type: cloudflare, url: \"http://{through}/client/v4\", plan: enterprise, \
                 anycast_margin: 0s, api_token: {{ env: FAULTS_SECRET }} }}"
            ),
            Self::Route53(_) => format!(
                "{{ type: route53, endpoint_url: \"http://{through}\", anycast_margin: 0s, \
                 access_key_id: {ACCESS_KEY}, secret_access_key: {{ env: FAULTS_SECRET }} }}"
            ),
        }
    }

    fn holds(&self, zone: &str) -> Vec<String> {
        match self {
            Self::Bind(server) => records(&server.transfer(zone)),
            Self::Pdns(pdns) => records(&pdns.transfer(zone)),
            Self::Cloudflare(_) | Self::Route53(_) => {
                records(&self.published().expect("a server").transfer(zone))
            }
        }
    }

    /// A number that increases with every change.
    fn serial(&self, zone: &str) -> u32 {
        let serial = || match self {
            Self::Bind(server) => server.serial(zone),
            Self::Pdns(pdns) => pdns.serial(zone),
            Self::Cloudflare(fake) => Some(fake.writes(zone)),
            Self::Route53(fake) => Some(fake.writes(zone)),
        };
        // More patience, because a hundred runs use the server at once.
        (0..20).find_map(|_| serial()).expect("the server serves the zone")
    }

    /// A whole cutover of this zone, in which one request has this fault.
    fn run(&self, zone: &str, meddle: Option<(usize, Fault)>) -> Ended {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let first = Arc::new(AtomicBool::new(true));
        let is_first = Arc::clone(&first);
        let way = self.way(move || {
            let this = counter.fetch_add(1, Ordering::SeqCst);
            let (which, fault) = meddle?;
            let goes_on = fault.lasts && which < this && is_first.load(Ordering::SeqCst);
            (which == this || goes_on).then_some(fault.trouble)
        });
        let clock = self.published().map(|_| FastClock::start());
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut text = plan_text(zone, &self.provider(&way), self.addr());
        if let Self::Cloudflare(_) = self {
            text = slower(&text);
        }
        fs::write(dir.path().join("plan.yaml"), text).expect("a plan's file");
        let begin = self.serial(zone);
        let mut exits = Vec::new();
        while exits.last() != Some(&0) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
            command.args(["apply", "plan.yaml", "--wait", "--auto-approve"]);
            command.current_dir(dir.path()).stdin(Stdio::null());
            command.env("FAULTS_SECRET", self.secret());
            if let Some(clock) = &clock {
                clock.give_to(&mut command);
            }
            let (code, said) = said(&command.output().expect("the program can be run"));
            exits.push(code);
            first.store(false, Ordering::SeqCst);
            assert!(exits.len() <= 2, "{exits:?}: {said}");
            assert!(!said.contains(self.secret()), "{said}");
            if code != 0 {
                self.tells_the_truth(dir.path(), zone, begin, (code, &said));
            }
        }
        is_nowhere(self.secret(), dir.path());
        let writes = self.serial(zone) - begin;
        let requests = seen.load(Ordering::SeqCst);
        Ended { requests, writes, holds: self.holds(zone), exits }
    }

    /// Without a run nothing is written. The journal of a halted run is true: there were as many
    /// writes as it says, and perhaps one more if it is unsure of one.
    fn tells_the_truth(&self, dir: &Path, zone: &str, begin: u32, (code, said): (i32, &str)) {
        let path = dir.join(".cutover/faults/0001/journal.jsonl");
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut last = String::new();
        let mut steps: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).expect("an entry");
            let (kind, body) =
                entry["event"].as_object().and_then(|event| event.iter().next()).expect("an event");
            let step = body["step"].as_str().unwrap_or_default().to_owned();
            last.clone_from(kind);
            if ["begun", "written", "unsure", "not_made"].contains(&kind.as_str()) {
                steps.insert(step, kind.clone());
            }
        }
        // No run was opened, or it has halted and recorded that.
        assert!([(1, ""), (5, "halted")].contains(&(code, &last)), "{code}, {last}: {said}");
        let count = |kinds: &[&str]| {
            let found = steps.values().filter(|kind| kinds.contains(&kind.as_str())).count();
            u32::try_from(found).expect("few steps")
        };
        let (sure, unsure) = (count(&["written"]), count(&["begun", "unsure"]));
        let made = self.serial(zone) - begin;
        assert!((sure..=sure + unsure).contains(&made), "{made} writes, {steps:?}: {said}");
    }
}

/// Moves the domain from one host to the other.
fn plan_text(zone: &str, provider: &str, authority: SocketAddr) -> String {
    format!(
        "version: 1
name: faults
providers: {{ dns: {provider} }}
resolver: none
zones:
  {zone}: {{ provider: dns, authorities: [ \"{authority}\" ] }}
hosts:
  old:
    exchanges: [ {{ preference: 10, name: mail.old.test. }} ]
    senders:
      - name: people
        spf: ip4:192.0.2.11
        dkim: [ {{ selector: old1, txt: \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\" }} ]
  new:
    exchanges: [ {{ preference: 10, name: mx.new.test. }} ]
    senders:
      - name: people
        spf: ip4:203.0.113.25
        dkim: [ {{ selector: new1, txt: \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\" }} ]
migrate:
  domains: [ {zone} ]
  from: old
  to: new
  cutover_ttl: 2s
  keep_old: 1s
  overrun: 1s
clocks: {{ margin: 1s, use: 0s, queue_life: 1s }}
{}  - {{ fact: published, name: mx.new.test., reason: the host runs it }}
",
        crate::recipes::STATED
    )
}

/// Runs all cases. Returns their number.
fn sweep(start: impl Fn(&[(&str, &str)]) -> Behind) {
    // Each case has its own zone. The first shows how many requests a run makes.
    let trial = start(&[("c0.test", ZONE)]);
    let undisturbed = trial.run("c0.test", None);
    assert_eq!(undisturbed.exits, [0]);
    let whole = wish().as_deref() == Some("all");
    let of_request = |request: usize| {
        let faults = FAULTS.iter().enumerate();
        faults
            .filter(move |(place, _)| whole || (request + place).is_multiple_of(3))
            .map(move |(_, fault)| (request, *fault))
    };
    let cases: Vec<(usize, Fault)> = (0..undisturbed.requests).flat_map(of_request).collect();
    let names: Vec<String> = (0..cases.len()).map(|n| format!("c{n}.test")).collect();
    let zones: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), ZONE)).collect();
    let fixture = start(&zones);
    let (stopped, spared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let check = |name: &str, request: usize, fault: Fault| {
        let ended = fixture.run(name, Some((request, fault)));
        let holds: Vec<String> =
            ended.holds.iter().map(|line| line.replace(name, "c0.test")).collect();
        let which = format!("request {request}, {fault:?}");
        // A run polls Route 53 until a change is in sync, so the number of requests depends on the
        // machine.
        if ended.requests <= request {
            spared.fetch_add(1, Ordering::SeqCst);
        }
        assert_eq!(holds, undisturbed.holds, "{which}");
        assert_eq!(ended.writes, undisturbed.writes, "{which}");
        stopped.fetch_add(ended.exits.len() - 1, Ordering::SeqCst);
    };
    side_by_side(AT_ONCE, cases.iter().zip(&names), |((request, fault), name)| {
        check(name, *request, *fault);
    });
    let spared = spared.into_inner();
    assert!(spared * 10 < cases.len(), "nothing failed in {spared} of {} cases", cases.len());
    println!(
        "{} requests, {} cases, {} of them stopped and were started again; {} writes in each",
        undisturbed.requests,
        cases.len(),
        stopped.load(Ordering::SeqCst),
        undisturbed.writes
    );
}

#[test]
fn bind_every_request_fails_in_turn() {
    sweep(|zones| Behind::Bind(Bind::primary(zones)));
}

#[test]
fn cloudflare_every_request_fails_in_turn() {
    sweep(Behind::cloudflare);
}

#[test]
fn route53_every_request_fails_in_turn() {
    sweep(Behind::route53);
}

#[test]
fn powerdns_every_request_fails_in_turn() {
    sweep(|zones| Behind::Pdns(Pdns::primary(zones)));
}
