//! Megabytes of garbage have to give a clear error, no panic, and bounded memory.
//!
//! Each kind runs in its own process, so that its peak memory can be measured: the parent starts
//! this test binary again, with the name of the kind in the environment. The memory is read from
//! the kernel in Linux's format.

#![cfg(target_os = "linux")]

use std::process::Command;

use cutover::diag::{Source, render_all};
use cutover::language::yaml::TEXT_OCTETS_MAX;

use crate::agreement::Dice;
use crate::language::{assert_well_formed, findings};

/// Octets of the largest garbage.
const LARGE: usize = 10 * 1024 * 1024;
/// How far the peak of resident memory may rise. Our choice: seventy times the largest plan.
const GROWTH_KIB_MAX: u64 = 300 * 1024;
/// This program, even if a build has replaced its file meanwhile (proc(5)).
const PROGRAM: &str = "/proc/self/exe";
/// The environment variable that names the kind for the child.
const KIND: &str = "CUTOVER_TEST_GARBAGE";

const HEAD: &str = "version: 1\nname: n\nproviders: { dns: { type: zonefile, directory: d } }\n\
                    zones: { acme.test: { provider: dns } }\n";

/// The kinds that repeat one text.
const REPEATED: &[(&str, &str)] = &[
    ("lists", "["),
    ("lists-apart", "[ "),
    ("mappings", "{"),
    ("keys", "{ a: "),
    ("dashes", "- "),
    ("questions", "? "),
    ("colons", ": "),
    ("quotes", "\""),
    ("one-line", "x"),
    ("blanks", " "),
    ("tabs", "\t"),
    ("lines", "\n"),
    ("comments", "# x\n"),
    ("documents", "---\n"),
    ("items", "- x\n"),
    ("aliases", "- *a\n"),
    ("tags", "- !a b\n"),
    ("ampersands", "&"),
    ("octets", "\0"),
    ("marks", "\u{feff}"),
    ("wide", "𝒳: é\n"),
];

/// The kinds that are generated otherwise.
const MADE: &[&str] = &[
    "random",
    "anchors",
    "bomb",
    "bomb-of-keys",
    "steps",
    "long-key",
    "plan",
    "wrong-records",
    "unknown-keys",
    "records",
    "ids",
    "circle",
    "domains-and-hosts",
    "long-words",
];

fn repeated(unit: &str, octets: usize) -> String {
    unit.repeat(octets / unit.len())
}

/// As many lines as fit.
fn lines(front: &str, octets: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = front.to_owned();
    for line in (0..).map(line) {
        if text.len() + line.len() > octets {
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Less garbage where a limit on the text or on the number of values would come first, so that the
/// other limits are tested too.
fn made(kind: &str, octets: usize) -> String {
    let record = |extra: &str, number: usize| {
        format!("- {{ zone: acme.test, name: a{number}, type: A, to: [ 192.0.2.1 ]{extra} }}\n")
    };
    let records = format!("{HEAD}records:\n");
    match kind {
        "random" => {
            let mut dice = Dice(1);
            let octets: Vec<u8> =
                (0..octets / 16).flat_map(|_| dice.next().to_le_bytes()).collect();
            String::from_utf8_lossy(&octets).into_owned()
        }
        "anchors" => lines("", octets, |n| format!("k{n}: &a{n} [ x, x ]\n")),
        "bomb" => lines("a0: &a0 [ x, x ]\n", octets.min(4_096), |n| {
            let (m, n) = (n, n + 1);
            format!("a{n}: &a{n} [ *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m}, *a{m} ]\n")
        }),
        "bomb-of-keys" => lines("a0: &a0 { x: y }\n", octets.min(4_096), |n| {
            let (m, n) = (n, n + 1);
            format!("a{n}: &a{n} {{ a: *a{m}, b: *a{m}, c: *a{m}, d: *a{m} }}\n")
        }),
        "steps" => lines("", octets.min(400_000), |n| format!("{}a:\n", " ".repeat(n))),
        "long-key" => format!("{}: 1\n", repeated("x", octets)),
        // A shorter text would be a valid plan.
        "plan" => lines(&records, octets.max(3_000_000), |n| record("", n)),
        "wrong-records" => lines(&records, octets.min(750_000), |_| "- x\n".to_owned()),
        "unknown-keys" => lines(HEAD, octets.min(1_100_000), |n| format!("key{n}: 1\n")),
        "records" => lines(&records, octets.min(900_000), |n| record(", with: no-such-point", n)),
        "ids" => lines(&records, octets.min(300_000), |n| {
            record(&format!(", id: r{n}, after: record:s{n}"), n)
        }),
        "circle" => lines(&records, octets.min(900_000), |n| {
            record(&format!(", id: r{n}, after: record:r{}", (n + 1) % 8_000), n)
        }),
        "domains-and-hosts" => {
            let text = lines(&format!("{HEAD}hosts:\n"), octets.min(800_000) / 2, |n| {
                format!("  h{n}: {{ exchanges: [ {{ preference: 1, name: 'mx.{{domain}}' }} ] }}\n")
            });
            let text = format!("{text}migrate:\n  from: h1\n  to: h2\n  domains:\n");
            lines(&text, octets.min(800_000), |n| format!("  - d{n}.acme.test\n"))
        }
        "long-words" => {
            let word = repeated("x.", octets / 4);
            let record =
                format!("[ {{ zone: {word}, name: {word}, type: {word}, absent: true }} ]");
            format!("version: 1\nname: n\nproviders: {{}}\nzones: {{}}\nrecords: {record}\n")
        }
        other => unreachable!("no such kind: {other}"),
    }
}

/// Starts itself for each kind; a process that gets a kind runs only that.
#[test]
fn is_refused_in_bounded_memory() {
    #[expect(clippy::disallowed_methods, reason = "the parent says what to make")]
    if let Ok(order) = std::env::var(KIND) {
        return one_kind(&order);
    }
    let sizes = [200_000, TEXT_OCTETS_MAX - 16, LARGE];
    let kinds = REPEATED.iter().map(|(kind, _)| *kind).chain(MADE.iter().copied());
    for kind in kinds {
        let output = Command::new(PROGRAM)
            .args(["--exact", "garbage::is_refused_in_bounded_memory"])
            .args(["--nocapture", "--test-threads=1"])
            .env(KIND, format!("{kind} {}", sizes.map(|size| size.to_string()).join(" ")))
            .output()
            .expect("this program starts again");
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind}: {said}{error}");
        let growth =
            said.split("growth-kib=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let growth: u64 = growth.and_then(|digits| digits.parse().ok()).expect("the child says it");
        assert!(growth < GROWTH_KIB_MAX, "{kind}: the peak rose by {growth} KiB");
    }
}

/// A line of /proc/self/status, in KiB (proc(5)).
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// The child: generates each size of a kind, reads it, and prints how far its memory rose.
fn one_kind(order: &str) {
    let mut words = order.split(' ');
    let kind = words.next().expect("the kind");
    let (mut growth, mut length) = (0, 0);
    for octets in words.map(|size| size.parse().expect("a size")) {
        let unit = REPEATED.iter().find(|(name, _)| *name == kind).map(|(_, unit)| *unit);
        let text = unit.map_or_else(|| made(kind, octets), |unit| repeated(unit, octets));
        // A kind with its own bound has no larger text.
        if std::mem::replace(&mut length, text.len()) == text.len() {
            continue;
        }
        let source = Source::new("garbage.yaml", text);
        let before = status_kib("VmRSS:");
        let found = findings(&source);
        let shown = render_all(&found, &source, false);
        growth = growth.max(status_kib("VmHWM:").saturating_sub(before));
        assert!(!found.is_empty(), "{kind} of {octets} octets is accepted");
        assert!(shown.len() < 1_000_000, "{} octets are shown", shown.len());
        for diagnostic in &found {
            assert_well_formed(diagnostic, &source);
        }
        let first = shown.lines().next().unwrap_or_default();
        println!("{kind} {octets}: {} findings, {first}", found.len());
    }
    println!("growth-kib={growth} kind={kind}");
}
