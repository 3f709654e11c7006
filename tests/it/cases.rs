//! Small inputs that once had a wrong answer, one test each. A case checks the exit code and the
//! line that decides; the rest of the text may change.
//!
//! If a verdict demands facts or reasons, it prints lines to paste. A test that pastes them shows
//! that they satisfy the demand, and that nothing else is missing.

mod clients;
mod implicit;
mod other_names;
mod pasted;
mod refusing;
mod reported;
mod senders;
mod stories;
mod undeclared;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::{Bind, now};
use crate::provider_matrix;

const PROVED: i32 = 0;
const REFUSED: i32 = 2;
const REFUTED: i32 = 3;

/// A copy of a fixture, so that a test can change it.
struct Case {
    dir: TempDir,
    plan: &'static str,
}

/// The outcome of planning.
struct Said {
    case: Case,
    code: i32,
    text: String,
}

fn case(name: &str) -> Case {
    let dir = tempfile::tempdir().expect("a temporary directory");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases").join(name),
        dir.path(),
    );
    Case { dir, plan: "plan.yaml" }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the case") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir(&copied).expect("a new directory");
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("a copy");
        }
    }
}

impl Case {
    /// Uses another plan of the same folder.
    fn file(self, plan: &'static str) -> Self {
        Self { plan, ..self }
    }

    /// Replaces a text of the plan.
    fn with(self, old: &str, new: &str) -> Self {
        let path = self.dir.path().join(self.plan);
        let text = fs::read_to_string(&path).expect("the plan");
        assert!(text.contains(old), "{old} is not in the plan:\n{text}");
        fs::write(&path, text.replace(old, new)).expect("a written plan");
        self
    }

    /// Adds lines to a list of the plan.
    fn listing(self, key: &str, lines: &str) -> Self {
        let path = self.dir.path().join(self.plan);
        let text = fs::read_to_string(&path).expect("the plan");
        let head = format!("\n{key}:\n");
        let text = match text.contains(&head) {
            true => text.replacen(&head, &format!("{head}{lines}"), 1),
            false => format!("{text}{head}{lines}"),
        };
        fs::write(&path, text).expect("a written plan");
        self
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        said(&command.output().expect("the program can be run"))
    }

    fn planned(self) -> Said {
        let (code, text) = self.cutover(&["plan", "--full", self.plan]);
        Said { case: self, code, text }
    }

    fn exits(self, code: i32) -> Said {
        self.planned().exits(code)
    }
}

impl Said {
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }

    fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{words} is missing:\n{}", self.text);
        self
    }

    fn never_says(self, words: &str) -> Self {
        assert!(!self.text.contains(words), "{words} is there:\n{}", self.text);
        self
    }

    /// Exactly this invariant is broken.
    fn breaks(self, invariant: &str) -> Self {
        let line = format!("error: this plan would do harm: {invariant}\n");
        self.exits(REFUTED).says(&line)
    }

    fn proves(self) -> Self {
        self.exits(PROVED)
            .says("PROVED. These hold in every order, at every delay, and for everything that caches may still hold")
    }

    /// The plan has these steps, in this order.
    fn in_order(self, steps: &[&str]) -> Self {
        let mut rest = self.text.as_str();
        for step in steps {
            let at = rest.find(step);
            rest = &rest[at.unwrap_or_else(|| panic!("{step} comes too early:\n{}", self.text))..];
        }
        self
    }

    /// Plans again with the lines that the verdict printed for this list, each with a reason.
    fn pasted(self, key: &str) -> Self {
        let word = if key == "assume" { "- { fact: " } else { "- { defect: " };
        let mut lines: Vec<String> = Vec::new();
        for line in self.text.lines().map(str::trim).filter(|line| line.starts_with(word)) {
            let line = format!("  {}\n", line.replace("reason: \"\"", "reason: \"it is so\""));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        assert!(!lines.is_empty(), "nothing to paste:\n{}", self.text);
        self.case.listing(key, &lines.concat()).planned()
    }
}

/// No fact says that the new exchange accepts mail, or that it exists.
#[test]
fn records_mx_outside() {
    case("records-mx-outside")
        .planned()
        .breaks("deliverable")
        .says("{ fact: accepts, name: \"mx.typo.example.\"");
}

/// On the way back, a person confirms that the old host stores mail again, before mail goes there.
#[test]
fn rb_reject() {
    let case = case("rb-reject");
    let (code, artifact) = case.cutover(&["plan", "plan.yaml", "--format", "json"]);
    assert_eq!(code, PROVED, "{artifact}");
    let artifact: Value = serde_json::from_str(&artifact).expect("an artifact");
    let ways = artifact["rollback_points"].as_array().expect("the ways back");
    assert_eq!(ways.len(), 2, "{artifact}");
    for way in ways {
        let steps = way["steps"].as_array().expect("its steps");
        let step = |id: &str| steps.iter().find(|step| step["id"] == id).expect("a step");
        let answer = step("back/assume/contract/mail/old");
        assert!(answer["task"]["manual"].is_string(), "a person is asked: {answer}");
        let mx = step("back/switch/acme.test/@/MX");
        let after = mx["after"].as_array().expect("what comes before");
        assert!(after.contains(&answer["id"]), "mail goes back after the answer: {mx}");
    }
}

/// The old host is the only exchange until the switch, and knows no recipient from the start.
#[test]
fn old_accepts_false_expand() {
    case("old-accepts-false-expand")
        .planned()
        .breaks("deliverable")
        .says("550 5.1.1 for a recipient that it no longer knows");
}

/// A policy that names only the new host makes strict senders defer everything to the old host.
#[test]
fn sts_old_narrow() {
    let said = case("sts-old-narrow").planned().breaks("transport-policy");
    said.says("may not deliver to `old`").says("{ fact: sts_allows,").pasted("assume").proves();
}

/// Either key may sign, so both are published and propagated before the switch.
#[test]
fn wild_dkim2() {
    case("wild-dkim2").planned().proves().in_order(&[
        "publish the DKIM key s1._domainkey.acme.test.",
        "publish the DKIM key s2._domainkey.acme.test.",
        "wait/publish/acme.test/s1._domainkey/TXT",
        "wait/publish/acme.test/s2._domainkey/TXT",
        "everything is ready for the switch",
    ]);
}

/// Mail from the new host does not pass an SPF record of only the old host.
#[test]
fn new_no_senders() {
    let said = case("new-no-senders").planned().breaks("authenticated");
    let said = said.says("mail that `new` sends as acme.test. comes from unknown addresses");
    let silent = "  - { fact: sends, host: new, value: false, reason: \"it only receives\" }\n";
    said.case.listing("assume", silent).planned().proves();
}

/// Without a resolver the name's existence needs a fact. With one the name is queried, and does not
/// exist.
#[test]
fn outside_nx() {
    let unasked = case("outside-nx").with("[ \"127.0.0.1:15353\" ]", "none").planned();
    let demanded = "{ fact: published, name: \"mx.typo.example.\"";
    unasked.breaks("deliverable").says(demanded).pasted("assume").proves();
    let zone = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n";
    let server = Bind::primary(&[("example", zone)]);
    let queried = case("outside-nx").with("127.0.0.1:15353", &server.addr().to_string());
    queried.exits(REFUSED).says("error[unusable-exchange]: the exchange mx.typo.example.");
}

/// An undecidable mechanism matches nothing, so the wait of a day remains necessary.
#[test]
fn spf_ptr() {
    waits_for_spf("spf-ptr");
}

#[test]
fn spf_noptr() {
    waits_for_spf("spf-noptr");
}

fn waits_for_spf(name: &str) {
    case(name).planned().proves().in_order(&[
        "widen the SPF record of acme.test. to both sides  (T+0s)",
        "wait/widen/acme.test/@/TXT",
        "everything is ready for the switch  (T+1d 6m)",
    ]);
}

/// One of two addresses passes today, and passes until its last mail has arrived.
#[test]
fn spf_present_masks() {
    let said = case("spf-present-masks").exits(REFUTED);
    let said = said.says("PROVED EXCEPT `authenticated` (acme.test).");
    let said = said.says("{ defect: \"authenticated/acme.test/old/people/spf/192.0.2.11\"");
    said.pasted("override").exits(PROVED).in_order(&[
        "make sure that `old` is not (or no longer) used by people or programs to send mail (`sends`)",
        "wait 5d 1m",
        "narrow the SPF record of acme.test.",
    ]);
}

/// A provider that deletes first makes the name vanish, and a wildcard below it does not help.
#[test]
fn octo_wild() {
    let zone = "$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
                @ MX 10 mail\nmail A 192.0.2.10\nmx A 203.0.113.25\n*.w A 192.0.2.80\n";
    let server = Bind::primary(&[("acme.test", zone)]);
    let case = case("octo-wild").with("127.0.0.1:15354", &server.addr().to_string());
    let python = provider_matrix::python();
    let case = case.with("python: python3", &format!("python: {}", python.display()));
    case.planned().breaks("deliverable");
}

/// The policy's record is an alias to a name outside the zone, so its content needs a fact (RFC
/// 8461 §8.2).
#[test]
fn sts_cname_out() {
    let said = case("sts-cname-out").planned().breaks("transport-policy");
    said.says("{ fact: sts_allows, host: new,").pasted("assume").proves();
}

/// Clients of the old host use the name, so its address changes only after the last of them is
/// gone.
#[test]
fn clients_mail_repoint_start() {
    let said = case("clients-mail-repoint-start").planned().breaks("clients").pasted("assume");
    said.proves().in_order(&[
        "make sure that `old` is not (or no longer) configured in mail clients (`clients`)",
        "switch the A records of mail.acme.test.",
    ]);
}

/// Senders with only IPv4 need the address as long as MX records lead to it (RFC 5321 §5.2).
#[test]
fn old_a_removed_start() {
    let said = case("old-a-removed-start").planned().breaks("deliverable").pasted("assume");
    said.proves().in_order(&[
        "switch the MX records of acme.test.",
        "wait 7d",
        "remove the A records of mail.acme.test.",
    ]);
}

/// The certificate of the second exchange counts as much as that of the first.
#[test]
fn second_exchange_tlsa() {
    let said = case("second-exchange-tlsa").planned().breaks("transport-policy");
    said.says("finds TLSA records of mx2.acme.test.");
}

/// Senders with only IPv4 do not reach an exchange with only IPv6.
#[test]
fn v6_only() {
    let said = case("v6-only").planned().breaks("deliverable");
    said.says("{ fact: ipv4_only, host: new, value: false,").pasted("assume").proves();
}

/// When the old host sends nothing more, the new host does, so the wider SPF record has to be
/// everywhere by then.
#[test]
fn sends_old_expand() {
    case("sends-old-expand").planned().proves().in_order(&[
        "widen the SPF record of acme.test.",
        "wait 1d 1m",
        "used by people or programs to send mail (`sends`)  (T+1d 6m)",
    ]);
}

/// The absence of MX records is cached for a day, and leads to the old host during that time.
#[test]
fn implicit_mx_k0() {
    case("implicit-mx-k0").planned().proves().in_order(&[
        "publish the MX records of acme.test.",
        "resolvers may cache the non-existence of acme.test. MX for 1d",
        "copied to the other side for the last time (`synced`)  (T+1d 36m)",
    ]);
}

/// Nothing may exist below a DNAME (RFC 6672 §2.4).
#[test]
fn dname_mx() {
    case("dname-mx").exits(REFUSED).says("error[dname-occludes]");
}

/// A server with two addresses may serve two copies of the zone.
#[test]
fn ns_glue() {
    case("ns-glue").exits(REFUSED).says("error[server-address]");
}

/// A host that serves a domain refuses the mail of its own customers to it until it knows the
/// recipients.
#[test]
fn local_new_no_recipients() {
    let said = case("local-new-no-recipients").exits(REFUTED);
    let said = said.says("{ defect: \"deliverable/new/local/accepts\"").pasted("override");
    said.exits(PROVED).says("PROVED EXCEPT `deliverable` (new)");
}

/// Another domain leads to the old host through its own address.
#[test]
fn sub_mx_alias_name() {
    let said = case("sub-mx-alias-name").planned().breaks("deliverable");
    said.says("{ fact: stays, name: \"lists.acme.test.\"").pasted("assume").proves();
}

/// The verdict states the assumption that a key was published long enough ago.
#[test]
fn by_hand() {
    let listed = "* caches hold nothing older than what was live when the plan was made";
    case("by-hand").planned().proves().says(listed);
}

/// Each clock that is weaker than usual is listed.
#[test]
fn clocks_low() {
    let mut said = case("clocks-low").planned().proves();
    for clock in
        ["margin` is 0s", "use` is 0s", "queue_life` is 1s", "overrun` is 0s", "keep_old` is 0s"]
    {
        said = said.says(&format!("* `{clock}, less than the usual"));
    }
}

/// A wildcard and a dozen added names cost little. This once took 13 s, and a few more names all of
/// the memory.
#[test]
fn wild_12() {
    let begin = now();
    case("wild-12").planned().proves();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// The old host stays for the domain that does not move.
#[test]
fn one_of_two() {
    case("one-of-two").planned().proves().says("`old` keeps running for other.test.");
}

/// Other servers answer below a delegation. They are queried if there is a resolver.
#[test]
fn delegated_exchange() {
    let unasked = case("delegated-exchange").with("[ \"127.0.0.1:15353\" ]", "none").planned();
    let demanded = "{ fact: published, name: \"mx.eu.acme.test.\"";
    unasked.breaks("deliverable").says(demanded).pasted("assume").proves();
    let zone = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.99\n\
                mx A 203.0.113.25\n";
    let server = Bind::primary(&[("eu.acme.test", zone)]);
    let queried = case("delegated-exchange").with("127.0.0.1:15353", &server.addr().to_string());
    queried.planned().proves();
}

/// Mail may come to the new host before the switch, if the plan says so.
#[test]
fn standby_by_hand() {
    let named = "* the MX records of acme.test. already lead to `new`";
    case("standby-by-hand").planned().proves().says(named);
}
