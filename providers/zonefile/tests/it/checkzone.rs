//! Zones as BIND reads them; this crate shares no code with it.

use std::path::Path;
use std::process::Command;

use cutover_contract::suite;
use cutover_zone::{Name, Zone};

/// The zone that BIND's `named-checkzone` reads from a file in a directory.
///
/// Where the TTLs of an RRset differ, BIND picks one by its own rules: that is not compared.
///
/// # Panics
/// If the tool is missing, or refuses the zone.
pub(crate) fn read_by_bind(directory: &Path, zone: &Name, file: &str) -> Zone {
    let ignored = ["-k", "-n", "-m", "-M", "-r", "-S", "-T"].map(|check| [check, "ignore"]);
    let output = Command::new("named-checkzone")
        .args(["-D", "-o", "-", "-s", "full", "-i", "none"])
        .args(ignored.as_flattened())
        .arg(zone.to_string())
        .arg(file)
        .current_dir(directory)
        .output()
        .expect("`named-checkzone` is needed: install the Debian package bind9-utils");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let text = std::fs::read(directory.join(file)).unwrap_or_default();
        panic!("named-checkzone refuses the zone:\n{said}\n{}", String::from_utf8_lossy(&text));
    }
    let text = String::from_utf8(output.stdout).expect("BIND writes ASCII");
    suite::zone_from_lines(zone, &text)
}
