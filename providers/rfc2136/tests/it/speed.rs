//! Measurements, by hand: `cargo test --release -p cutover-rfc2136 -- --ignored --nocapture speed`.

use std::fmt::Write as _;
use std::time::Instant;

use crate::common::{ZONE, adapter_of, zone};
use crate::lab::{Bind, Knot, Server};

const RECORDS: usize = 100_000;

#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn speed_of_reading_a_zone() {
    let mut text =
        "@ 300 SOA ns1 h 7 3600 600 86400 300\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n".to_owned();
    for n in 0..RECORDS {
        let _ = writeln!(text, "h{n:06} 300 A 192.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
    }
    let zones = [(ZONE, &*text)];
    for server in [Bind::primary(&zones), Knot::primary(&zones)] {
        println!("{}", server.program());
        (0..6).for_each(|_| dig(&server));
        for _ in 0..6 {
            let started = Instant::now();
            let (cpu, its) = (cpu_ticks("self"), cpu_ticks(&server.pid().to_string()));
            let read = adapter_of(&server).read_zone(&zone()).await.expect("a zone");
            let (took, cpu) = (started.elapsed(), 10 * (cpu_ticks("self") - cpu));
            let its = 10 * (cpu_ticks(&server.pid().to_string()) - its);
            println!(
                "read_zone: {took:?} for {} RRsets; processor: {cpu} ms ours, {its} ms the server's",
                read.rrsets.len()
            );
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = status.lines().find(|line| line.starts_with("VmHWM"));
            println!("{}", peak.unwrap_or_default());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn dig(server: &Server) {
    let started = Instant::now();
    let file = std::fs::File::create(server.dir().join("dig.out")).expect("a file");
    let (ip, port) = (server.addr().ip().to_string(), server.addr().port().to_string());
    let dig = std::process::Command::new("dig")
        .args([&format!("@{ip}"), "-p", &port, ZONE, "AXFR", "-k"])
        .arg(server.dir().join("key.conf"))
        .stdout(file)
        .status();
    assert!(dig.is_ok_and(|status| status.success()));
    println!("dig AXFR > file: {:?}", started.elapsed());
}

/// The processor time of a process so far, in hundredths of a second (proc(5)).
fn cpu_ticks(process: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split(' ').skip(12).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
