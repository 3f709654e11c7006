//! Servers that mean harm: each probe ends within its time, in bounded memory.

use std::time::Duration;

use super::Plan;
use crate::lab::{Authority, Odd, now, odd};

/// Asks a command for its result, and for the most memory that it had.
const MEASURE: &str = "import resource, subprocess, sys
out = subprocess.run(sys.argv[1:], capture_output=True)
sys.stdout.buffer.write(out.stdout)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

/// What a probe may have in memory, in KiB: an idle one has some 30 MiB.
const MEMORY_KIB_MAX: u64 = 120 * 1024;

#[test]
fn every_probe_ends_within_its_bounds() {
    let floods: [(&str, Odd); 7] = [
        ("1", Odd::Drips),
        ("2", Odd::Floods(b"x")),
        ("3", Odd::Floods(b"220-more\r\n")),
        ("4", Odd::Floods(b"\r\n")),
        ("5", Odd::FloodsLater(b"250-MORE\r\n")),
        ("6", Odd::FloodsLater(b"\0\xff")),
        ("7", Odd::Floods(b"* OK more\r\n")),
    ];
    let mut gates = Vec::new();
    for (n, what) in floods {
        for port in [25, 143, 993, 587] {
            odd(&format!("127.0.67.{n}:{port}"), what);
        }
        let at = format!("\"mx.hosts.test@127.0.67.{n}\"");
        let within = "within: 1s";
        gates.push(format!("probe: smtp, exchanges: [ {at} ], {within}"));
        gates.push(format!(
            "probe: recipients, exchanges: [ {at} ], addresses: [ a@acme.test ], {within}, pause: 0s"
        ));
        gates.push(format!("probe: imap, servers: [ {at} ], tls: starttls, {within}"));
        gates.push(format!("probe: imap, servers: [ {at} ], {within}"));
        gates.push(format!("probe: submission, servers: [ {at} ], tls: starttls, {within}"));
    }
    let plan = Plan::with(&Authority::new().file(), "none", &gates);
    let mut python = plan.command(&[]);
    let program = python.get_program().to_owned();
    python = std::process::Command::new("python3");
    python.args(["-c", MEASURE]).arg(program).args(["probe", "plan.yaml", "--format", "json"]);
    python.current_dir(plan.dir.path());
    let begun = now();
    let output = python.output().expect("python can be run");
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let (json, memory) = text.trim_end().rsplit_once('\n').expect("two parts");
    let read: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let findings = read["findings"].as_array().expect("a list");
    let findings: Vec<_> = findings.iter().filter(|one| one["place"] != "").collect();
    assert_eq!(findings.len(), gates.len());
    for (gate, one) in gates.iter().zip(&findings) {
        let is_bad = one["finding"] == "fail" || one["finding"] == "unanswered";
        assert!(is_bad, "{gate}: {one}");
    }
    let memory: u64 = memory.trim().parse().expect("a number");
    assert!(memory < MEMORY_KIB_MAX, "{memory} KiB");
    // Four at once, each for at most a second and for one address.
    let bound = Duration::from_secs(1) * u32::try_from(gates.len().div_ceil(4) + 2).expect("few");
    assert!(took < bound, "{took:?}");
}
