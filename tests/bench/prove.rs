//! How long compiling and proving takes: one domain, a hundred, a thousand, and one domain with
//! many records of many versions.
//!
//! Everything is in memory. The measured function is `compile`, which derives the order, proves it,
//! and does the same for every way back. Figures are medians. `cargo bench --bench prove` runs all;
//! a number on the command line runs only that many domains.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use cutover::cli::language;
use cutover::compile::{Compiled, compile};
use cutover::diag::Source;
use cutover::intent::{Intent, resolve};
use cutover::language::parse;
use cutover::observe::{Snapshot, ZoneSeen};
use cutover_contract::{Atomicity, Capabilities, CompareAndSet, Gathered, Granularity};
use cutover_zone::Ttl;

// The same allocator as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STATED: &str = "\
assume:
  - { fact: accepts, host: new, reason: every address was created }
  - { fact: serves, host: new, reason: mailboxes have been copied }
  - { fact: routes_local, host: old, reason: it hosts nobody else }
  - { fact: sends, host: old, from: contract, reason: people were told }
  - { fact: clients, host: old, from: contract, reason: devices are set up anew }
  - { fact: synced, host: old, from: contract, reason: a last copy is made }
  - { fact: synced, host: new, reason: mailboxes would be copied back }
  - { fact: clients, host: new, reason: devices would be set back }
  - { fact: routes_local, host: new, reason: the domain would be taken out }
  - { fact: redirects, host: old, from: switch, reason: it passes log-ins on }
";

/// A plan that moves this many domains, each in its own zone, and the text of such a zone.
fn moves(domains: usize) -> (String, String) {
    let mut plan = "version: 1\nname: bench\nproviders: { files: { type: zonefile, directory: . } }\nresolver: none\nzones:\n".to_owned();
    let names: Vec<String> = (0..domains).map(|number| format!("d{number}.test")).collect();
    for name in &names {
        let _ = writeln!(plan, "  {name}: {{ provider: files }}");
    }
    let _ = write!(
        plan,
        "hosts:\n  old:\n    exchanges: [ {{ preference: 10, name: 'mail.{{domain}}' }} ]\n    \
         senders: [ {{ name: people, spf: \"mx ip4:192.0.2.10\", dkim: [ s1 ] }} ]\n    \
         discovery: {{ imap: \"mail.{{domain}}:993\", autodiscover: 'mail.{{domain}}' }}\n  new:\n    \
         exchanges: [ {{ preference: 10, name: 'mx.{{domain}}', addresses: [ 203.0.113.25 ] }} ]\n    \
         senders: [ {{ name: people, spf: ip4:203.0.113.25, dkim: [ {{ selector: s2, txt: \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\" }} ] }} ]\n    \
         discovery: {{ imap: \"mx.{{domain}}:993\", autodiscover: 'mx.{{domain}}' }}\n\
         migrate: {{ domains: [ {} ], from: old, to: new }}\n{STATED}",
        names.join(", ")
    );
    let zone = "$TTL 1d\n@ SOA ns1 hostmaster 1 3600 600 86400 3600\n@ NS ns1\nns1 A 192.0.2.53\n\
        @ MX 10 mail\n@ TXT \"v=spf1 mx ip4:192.0.2.10 -all\"\nmail A 192.0.2.10\n\
        s1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n_imaps._tcp SRV 0 1 993 mail\nautodiscover CNAME mail\n";
    (plan, zone.to_owned())
}

/// One domain with mail and twenty records of five versions each.
fn versions() -> (String, String) {
    let (mut plan, mut zone) = moves(1);
    plan += "records:\n";
    for number in 0..20 {
        let _ = writeln!(zone, "r{number} 1d A 192.0.2.{number}");
        // Live, lowered, switched, restored; and absent if it is seen from a name below.
        let _ = writeln!(
            plan,
            "  - {{ id: r{number}, zone: d0.test, name: r{number}, type: A, to: [ 203.0.113.{number} ], lower_ttl: 5m }}"
        );
    }
    // Each of them is an address of the SPF record, so that the number of views multiplies.
    (plan, zone)
}

/// A zone with a wildcard, and this many names that are added to it.
fn wildcard(names: usize) -> (String, String) {
    let mut plan =
        "version: 1\nname: bench\nproviders: { files: { type: zonefile, directory: . } }\n\
        resolver: none\nzones: { d0.test: { provider: files } }\nrecords:\n"
            .to_owned();
    for number in 0..names {
        let _ = writeln!(
            plan,
            "  - {{ zone: d0.test, name: n{number}, type: A, to: [ 203.0.113.7 ] }}"
        );
    }
    let zone = moves(1).1 + "* A 192.0.2.80\n* TXT \"wild\"\n";
    (plan, zone)
}

/// Prints how long it took. Returns whether that is within the limit.
fn within(what: &str, time: Duration, bound: Duration, over: &mut bool) {
    let word = if time <= bound { "within" } else { "OVER" };
    *over |= time > bound;
    println!("{what}: {time:?}, {word} {bound:?}");
}

fn parts((plan, zone): &(String, String)) -> (Intent, Snapshot) {
    let source = Source::new("plan.yaml", plan.clone());
    let intent = resolve(parse(&source, language()).expect("a plan")).expect("a plan");
    let mut snapshot = Snapshot::default();
    for name in intent.zones.keys() {
        let nothing = |_: &Path| Err(std::io::Error::other("no include"));
        let read = cutover_zonefile::read(name, Path::new("zone"), zone.clone().into(), &nothing);
        let capabilities = Capabilities {
            granularity: Granularity::RrSet,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::Native,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            types: None,
            gathered: Gathered::All,
            settle_max: Duration::ZERO,
            anycast_margin: Duration::ZERO,
            served_within: None,
        };
        let zone = read.expect("a zone").zone;
        snapshot
            .zones
            .insert(name.clone(), ZoneSeen { zone, capabilities, authorities: Vec::new() });
    }
    (intent, snapshot)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn median(rounds: usize, (intent, snapshot): &(Intent, Snapshot)) -> (Duration, Compiled) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..rounds {
        let begin = Instant::now();
        let compiled = compile(intent, snapshot).expect("a plan that can be compiled");
        times.push(begin.elapsed());
        last = Some(compiled);
    }
    times.sort_unstable();
    (times[times.len() / 2], last.expect("one round at least"))
}

fn main() -> std::process::ExitCode {
    let mut per_domain = Vec::new();
    let mut over = false;
    let only = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    let bounds = |domains| match domains {
        1 => Some(Duration::from_millis(1)),
        1_000 => Some(Duration::from_millis(500)),
        10_000 => Some(Duration::from_secs(6)),
        _ => None,
    };
    let all = vec![(1, 51), (10, 21), (100, 7), (1_000, 3), (10_000, 1)];
    let rounds = |domains| all.iter().find(|(most, _)| domains <= *most).map_or(1, |(_, n)| *n);
    let wanted = only.map_or(all.clone(), |domains| vec![(domains, rounds(domains))]);
    for (domains, rounds) in wanted {
        let parts = parts(&moves(domains));
        let (time, compiled) = median(rounds, &parts);
        assert_eq!(compiled.findings.refuted, [], "the plan is proved");
        let each = time / u32::try_from(domains).expect("a small number");
        println!(
            "{domains} domains: {time:?}, {each:?} each; {} steps, {} patterns, {} on the ways back",
            compiled.graph.steps().len(),
            compiled.findings.patterns,
            compiled.ways_back.iter().map(|way| way.patterns).sum::<usize>(),
        );
        if let Some(bound) = bounds(domains) {
            within(&format!("{domains} domains"), time, bound, &mut over);
        }
        per_domain.push(each);
    }
    if only.is_some() {
        return std::process::ExitCode::from(u8::from(over));
    }
    if let [single, .., most] = per_domain.as_slice() {
        let ratio = most.as_secs_f64() / single.as_secs_f64();
        println!("ten thousand domains cost {ratio:.2} times as much each as one alone");
    }
    let (time, compiled) = median(11, &parts(&versions()));
    println!(
        "20 records of 5 versions beside one domain: {time:?}; {} steps",
        compiled.graph.steps().len()
    );
    let (time, _) = median(11, &parts(&wildcard(200)));
    within("a wildcard and 200 added names", time, Duration::from_millis(50), &mut over);
    std::process::ExitCode::from(u8::from(over))
}
