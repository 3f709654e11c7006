//! Zones full of record forms that others have collected. What BIND loads of them is read, dumped
//! and compared without loss, from a zone file, over AXFR, and from PowerDNS's database.
//!
//! `target/forms` holds the files, each named after its zone. `tests/run` puts there the file
//! `example` of dnspython's sources, and the output of BIND's `genzone.sh`; any other file there is
//! tested too. Lines that BIND does not load are left out first, and so are those that `dig` does
//! not show because of host names (check-names). The reference is `dig +unknownformat`, which shows
//! every record in octets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover_contract::{Change, ChangeSet, Config, ConfigValue, Provider, Secret};
use cutover_zone::{Name, Rdata, RrKey, RrType, Zone};

use crate::lab::{Bind, Pdns, PdnsZone, Server};

/// Maximum lines of a file that BIND may refuse.
const REFUSED_MAX: usize = 200;

/// A record in octets, with letters in lower case, because case does not count for names in rdata.
/// That other octets keep their case is checked by the texts.
type Octets = (String, String, Vec<u8>);

fn forms() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/forms");
    let files = std::fs::read_dir(&directory).expect("tests/run fetches the record forms");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

/// The text without the lines that BIND refuses, and the number of those.
fn loadable(zone: &str, text: &str) -> (String, usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("zone");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for refused in 0..REFUSED_MAX {
        std::fs::write(&file, lines.join("\n") + "\n").expect("written");
        let checked = Command::new("named-checkzone")
            .args(["-k", "fail", "-n", "ignore", "-i", "none", zone])
            .arg(&file)
            .output()
            .expect("this test needs the Debian package bind9-utils");
        if checked.status.success() {
            return (lines.join("\n") + "\n", refused);
        }
        let said = String::from_utf8_lossy(&checked.stdout).into_owned()
            + &String::from_utf8_lossy(&checked.stderr);
        let at = said.lines().find_map(|line| {
            let rest = line.split_once(&format!("{}:", file.display()))?.1;
            rest.split(':').next()?.trim().parse::<usize>().ok()
        });
        let at = at.unwrap_or_else(|| panic!("BIND names no line: {said}"));
        lines[at - 1] = "; BIND refuses it".to_owned();
    }
    panic!("BIND refuses more than {REFUSED_MAX} lines of {zone}");
}

/// What a server holds, in octets, without what a signer makes.
fn octets(server: &Server, zone: &str) -> BTreeSet<Octets> {
    let args = [zone, "AXFR", "+noall", "+answer", "+onesoa", "+unknownformat"];
    let key = server.key();
    let secret = format!("{}:{}:{}", key.algorithm, key.name, key.secret);
    let shown = server.dig(&[&["-y", &secret], &args[..]].concat());
    let mut all = BTreeSet::new();
    // The statistics that follow do not matter.
    let is_record = |line: &&str| line.split_whitespace().nth(2) == Some("CLASS1");
    for line in shown.lines().filter(is_record) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [owner, _, _, rtype, "\\#", _, hex @ ..] = &words[..] else { panic!("{line}") };
        let parsed: RrType = rtype.parse().expect("a type");
        if parsed.is_made_by_signer() {
            continue;
        }
        let hex = hex.concat();
        let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let octets: Vec<u8> = (0..hex.len()).step_by(2).map(octet).collect();
        all.insert((owner.to_lowercase(), (*rtype).to_owned(), octets.to_ascii_lowercase()));
    }
    assert!(all.len() > 100, "{} records: {shown}", all.len());
    all
}

/// What was read, in octets. Records of which only words are known are left out.
fn octets_of(zone: &Zone) -> BTreeSet<Octets> {
    let all =
        zone.rrsets.iter().flat_map(|(key, rrset)| rrset.rdata().iter().map(move |r| (key, r)));
    let in_octets = |(key, rdata): (&RrKey, &Rdata)| {
        let rtype = format!("TYPE{}", key.rtype.number());
        (key.name.to_string(), rtype, rdata.wire().to_ascii_lowercase())
    };
    all.map(in_octets).collect()
}

fn connected(kind: &str, config: Vec<(&str, ConfigValue)>) -> Box<dyn Provider> {
    let config = config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let adapter = cutover::cli::registry().iter().find(|adapter| adapter.kind == kind);
    (adapter.expect("an adapter").connect)(&Config(config), Path::new("/")).expect("connected")
}

fn text(text: impl Into<String>) -> ConfigValue {
    ConfigValue::Text(text.into())
}

/// dig and `cutover` name the owner in the same way, except for escapes.
fn plain(all: &BTreeSet<Octets>) -> BTreeSet<Octets> {
    let name = |owner: &str| Name::absolute(owner).map_or(owner.to_owned(), |n| n.to_string());
    all.iter().map(|(owner, rtype, octets)| (name(owner), rtype.clone(), octets.clone())).collect()
}

fn differences(theirs: &BTreeSet<Octets>, ours: &BTreeSet<Octets>) -> String {
    let mut text = String::new();
    for (mark, own, other) in [("theirs", theirs, ours), ("ours", ours, theirs)] {
        for (owner, rtype, octets) in own.difference(other).take(12) {
            let _ = writeln!(text, "{mark} only: {owner} {rtype} {octets:02x?}");
        }
    }
    text
}

/// Runs the program in a directory.
fn cutover(directory: &Path, args: &[&str], secret: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
        .args(args)
        .current_dir(directory)
        .env("FORMS_TSIG", secret)
        .output()
        .expect("the program can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().unwrap_or(-1), if shown.is_empty() { said } else { shown })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_forms_of_others_are_read_dumped_and_diffed_without_loss() {
    let mut total = 0;
    let mut opaque: BTreeMap<RrType, usize> = BTreeMap::new();
    for file in forms() {
        let label = file.file_name().expect("a name").to_string_lossy().into_owned();
        let original = std::fs::read_to_string(&file).expect("a text");
        let (loaded, refused) = loadable(&label, &original);
        let server = Bind::primary_with(&[(&label, &loaded)], "");
        let theirs = plain(&octets(&server, &label));
        let zone = Name::from_user(&label).expect("a name");
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at(&format!("{label}.zone")), &loaded).expect("written");

        // From the file.
        let path = ConfigValue::Path(directory.path().to_owned());
        let files = connected("zonefile", vec![("directory", path)]);
        let held = files.read_zone(&zone).await.expect("the file is readable");
        let ours = octets_of(&held);
        assert!(ours == theirs, "{label}, the file:\n{}", differences(&theirs, &ours));

        // Over AXFR.
        let key = server.key();
        let tsig = Config(BTreeMap::from([
            ("key".to_owned(), ConfigValue::Name(Name::from_user(&key.name).expect("a name"))),
            ("algorithm".to_owned(), text(key.algorithm)),
            ("secret".to_owned(), ConfigValue::Secret(Secret::new(&*key.secret))),
        ]));
        let config = vec![
            ("server", ConfigValue::SocketAddr(server.addr())),
            ("tsig", ConfigValue::Object(tsig)),
        ];
        let moved = connected("rfc2136", config).read_zone(&zone).await.expect("readable");
        let ours = octets_of(&moved);
        assert!(ours == theirs, "{label}, AXFR:\n{}", differences(&theirs, &ours));
        assert_eq!(held.rrsets, moved.rrsets, "{label}: TTLs and all");

        // Dumped, loaded by BIND again, and compared by the program.
        let plan = format!(
            "version: 1\nname: forms\nproviders:\n  files: {{ type: zonefile, directory: ., served: \
             {{ assume_within: 1s }} }}\n  dns: {{ type: rfc2136, server: \"{}\", tsig: {{ key: {}, \
             algorithm: {}, secret: {{ env: FORMS_TSIG }} }} }}\nresolver: none\nzones: {{ {label}: \
             {{ provider: files }} }}\nrecords: [ {{ zone: {label}, name: new, type: A, to: [ \
             192.0.2.2 ] }} ]\n",
            server.addr(),
            key.name,
            key.algorithm
        );
        std::fs::write(at("plan.yaml"), plan).expect("written");
        let run = |args: &[&str]| cutover(directory.path(), args, &key.secret);
        for provider in ["files", "dns"] {
            let dump = ["zone", "dump", "plan.yaml", &label, "--provider", provider];
            let (code, dumped) = run(&dump);
            assert_eq!(code, 0, "{dumped}");
            std::fs::write(at("dumped"), &dumped).expect("written");
            let again = Bind::primary_with(&[(&label, &dumped)], "");
            let reloaded = plain(&octets(&again, &label));
            assert!(reloaded == theirs, "{label}, dump:\n{}", differences(&theirs, &reloaded));
            for (a, b) in [("provider:files", "provider:dns"), ("provider:dns", "dumped")] {
                let args = ["zone", "diff", "plan.yaml", &label, a, b, "--detailed-exitcode"];
                let (code, said) = run(&args);
                assert_eq!(code, 0, "{a} {b}: {said}");
            }
        }

        let (accepted, left) = in_powerdns(&server, &label, &moved).await;
        for (key, rrset) in &moved.rrsets {
            if rrset.is_opaque() {
                *opaque.entry(key.rtype).or_default() += rrset.rdata().len();
            }
        }
        total += theirs.len();
        println!(
            "{label}: {} records that BIND loads, {refused} lines that it does not; the same from the \
             file, over AXFR, dumped and loaded again; {accepted} RRsets that PowerDNS takes, the same \
             there; {} that it does not take: {}",
            theirs.len(),
            left.len(),
            left.join(", "),
        );
    }
    let shown: Vec<String> =
        opaque.iter().map(|(rtype, number)| format!("{rtype} ({number})")).collect();
    println!("{total} records; opaque: {}", shown.join(", "));
    assert!(total >= 330, "{total} records");
}

/// Makes PowerDNS store every RRset that it accepts, and compares them. Returns their number, and
/// the RRsets that it does not accept.
async fn in_powerdns(server: &Server, label: &str, zone: &Zone) -> (usize, Vec<String>) {
    let soa = RrKey::new(zone.origin.clone(), RrType::SOA);
    let start = format!("@ 300 SOA ns1.{label}. h.{label}. 1 2 3 4 5\n@ 300 NS ns1.{label}.\n");
    let made = PdnsZone { origin: label, kind: "Native", master_file: &start };
    let pdns = Pdns::start(&[made], "");
    let secret =
        format!("{}:{}:{}", server.key().algorithm, server.key().name, server.key().secret);
    let shown =
        server.dig(&["-y", &secret, label, "AXFR", "+noall", "+answer", "+onesoa", "+nosplit"]);
    let mut by_key: BTreeMap<(String, String), (String, Vec<String>)> = BTreeMap::new();
    for line in shown.lines().filter(|line| !line.starts_with(';')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [owner, ttl, _, rtype, ..] = &words[..] else { continue };
        let parsed: RrType = rtype.parse().expect("a type");
        let is_left_out = parsed.is_made_by_signer() || parsed == RrType::SOA;
        let Some((_, content)) = line.split_once(&format!("\t{rtype}\t")) else { continue };
        if !is_left_out {
            let key = ((*owner).to_owned(), (*rtype).to_owned());
            let entry = by_key.entry(key).or_insert_with(|| ((*ttl).to_owned(), Vec::new()));
            entry.1.push(content.to_owned());
        }
    }
    let config = vec![
        ("url", text(pdns.url())),
        ("api_key", ConfigValue::Secret(Secret::new(pdns.api_key()))),
    ];
    let adapter = connected("powerdns", config);
    let mut accepted = BTreeSet::new();
    let mut left = Vec::new();
    for ((owner, rtype), (ttl, contents)) in &by_key {
        let records: Vec<serde_json::Value> = contents
            .iter()
            .map(|content| serde_json::json!({ "content": content, "disabled": false }))
            .collect();
        let patch = serde_json::json!({ "rrsets": [ {
            "name": owner, "type": rtype, "ttl": ttl.parse::<u32>().expect("a TTL"),
            "changetype": "REPLACE", "records": records,
        } ] });
        let (status, _) = pdns.request("PATCH", &format!("/zones/{label}."), &patch.to_string());
        let name = Name::absolute(owner).expect("a name");
        let key = RrKey::new(name, rtype.parse().expect("a type"));
        // The adapter converts what PowerDNS wants in its own spelling.
        let is_written = status == 204 || {
            let after = zone.get(&key).cloned();
            let change = Change { key: key.clone(), before: None, after };
            match ChangeSet::new(zone.origin.clone(), vec![change]) {
                Ok(set) => adapter.apply(&set).await.is_ok(),
                Err(_) => false,
            }
        };
        if is_written {
            accepted.insert(key);
            continue;
        }
        left.push(key.to_string());
    }
    let read = adapter.read_zone(&zone.origin).await;
    let read = read.expect("readable");
    for key in accepted.iter().filter(|key| **key != soa) {
        let (ours, theirs) = (read.get(key), zone.get(key));
        assert_eq!(ours, theirs, "{label}, PowerDNS: {key}");
    }
    (accepted.len(), left)
}
