//! Zones read by BIND, which this crate shares no code with.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

/// What BIND's `named-checkzone` makes of a file in a directory.
///
/// Where the TTLs of an RRset differ, BIND has one of its own choice: nothing to compare.
///
/// # Panics
/// Where the tool is missing, or refuses the zone.
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
        panic!("named-checkzone refuses:\n{said}\n{}", String::from_utf8_lossy(&text));
    }
    let text = String::from_utf8(output.stdout).expect("BIND writes ASCII");
    let mut records: BTreeMap<RrKey, (Ttl, Vec<Rdata>)> = BTreeMap::new();
    for line in text.lines() {
        let mut rest = line;
        let [owner, ttl, _class, rtype] = [(); 4].map(|()| {
            let (word, behind) = rest.split_once([' ', '\t']).expect("a column");
            rest = behind.trim_start();
            word
        });
        let rtype: RrType = rtype.parse().expect(rtype);
        if rtype.is_made_by_signer() {
            continue;
        }
        let key = RrKey::new(Name::absolute(owner).expect(owner), rtype);
        let ttl = Ttl::from_secs(ttl.parse().expect(ttl)).expect("a TTL");
        let rdata = Rdata::parse(rtype, rest, None).expect(line);
        let (_, all) = records.entry(key).or_insert((ttl, Vec::new()));
        all.push(rdata);
    }
    let rrsets = records
        .into_iter()
        .map(|(key, (ttl, rdata))| (key, RrSet::new(ttl, rdata).expect("an RRset")))
        .collect();
    Zone { origin: zone.clone(), rrsets }
}
