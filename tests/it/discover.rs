//! `cutover discover` against real name servers: a small hierarchy on port 53, with domains on many
//! hosts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cutover::ask::{Outside, Served};
use cutover::diag::Source;
use cutover::discover::{Answer, Answers, Next, Question, Request, ZoneServers, next, plan_text};
use cutover::intent::resolve;
use cutover::language::Reading;
use cutover::profile::{names, profile};
use cutover_zone::{Name, Rdata, RrSet, RrType, Ttl};
use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::{Bind, Server, now};
use crate::registry::language;

/// The address of the servers above, which is also the resolver, and that of the domains' server.
const ABOVE: u8 = 7;
const CHILD: u8 = 8;
const RESOLVER: &str = "127.0.53.7";

/// A key that a plan can publish.
const KEY: &str = "v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=";

const ROOT: &str = "\
$TTL 60
@ SOA ns.root. hostmaster.root. 1 3600 600 86400 2
@ NS ns.root.
ns.root. A 127.0.53.7
test. NS ns.test.
ns.test. A 127.0.53.7
";

/// The hosts that the domains use: the servers above have their zones.
const HOSTS: &[(&str, &str)] = &[
    ("google.com", "smtp A 203.0.113.25\n_spf TXT \"v=spf1 ip4:203.0.113.0/24 ~all\""),
    (
        "crm.test",
        "_spf TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\nk1 TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
    ),
];

/// The domains, and what stands in their zones besides SOA and NS.
const DOMAINS: &[(&str, &str)] = &[
    (
        "acme.test",
        "@ MX 10 mail
@ TXT \"v=spf1 mx ip4:192.0.2.10 include:_spf.crm.test ip4:198.18.0.7 -all\"
@ TXT \"google-site-verification=abc\"
@ TXT \"odd \\\"quotes\\\" and | a pipe\"
@ CAA 0 issue \"ca.example\"
mail A 192.0.2.10
lists MX 10 mail
www A 192.0.2.80
_dmarc TXT \"v=DMARC1; p=none; rua=mailto:dmarc@reports.example\"
mail._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
k1._domainkey CNAME k1.crm.test.
autodiscover CNAME mail
_imaps._tcp SRV 0 1 993 mail
_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:tls@acme.test\"",
    ),
    ("gws.test", "@ MX 1 smtp.google.com.\n@ TXT \"v=spf1 include:_spf.google.com ~all\""),
    ("m365.test", "@ MX 0 m365-test.mail.protection.outlook.com."),
    ("fast.test", "@ MX 10 in1-smtp.messagingengine.com.\n@ MX 20 in2-smtp.messagingengine.com."),
    ("zo.test", "@ MX 10 mx.zoho.eu.\n@ MX 20 mx2.zoho.eu."),
    ("pro.test", "@ MX 10 mail.protonmail.ch.\n@ MX 20 mailsec.protonmail.ch."),
    ("nomail.test", "www A 192.0.2.80"),
    ("parked.test", "@ MX 0 .\n@ TXT \"v=spf1 -all\"\n_dmarc TXT \"v=DMARC1; p=reject\""),
];

/// A zone with this origin, name server, and contents.
fn zone(server: &str, ttl: u32, contents: &str) -> String {
    format!(
        "$TTL {ttl}
@ SOA {server} hostmaster.{server} 1 3600 600 86400 2
@ NS {server}
{contents}
"
    )
}

struct Lab {
    _above: Server,
    child: Server,
}

/// The servers of all tests here, so that they are started once.
static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let hostile = hostile();
    let mut domains: Vec<(&str, String)> =
        DOMAINS.iter().map(|(name, text)| (*name, zone("ns.child.test.", 3_600, text))).collect();
    domains.push(("swift.test", zone("ns.child.test.", 2, SWIFT)));
    domains.push(("hostile.test", hostile));
    let names = domains.iter().map(|(name, _)| *name).chain(["broken.test"]);
    let delegations: String = names
        .map(|name| match name {
            "broken.test" => "broken NS ns.gone\nns.gone A 127.0.53.9\n".to_owned(),
            // One of two servers is away.
            "fast.test" => "fast NS ns.child\nfast NS ns.gone\n".to_owned(),
            name => format!("{}. NS ns.child.test.\n", name),
        })
        .collect();
    let test =
        format!("ns A 127.0.53.7\nns.child A 127.0.53.8\ncrm.test. NS ns.test.\n{delegations}");
    let mut above = vec![(".", ROOT.to_owned()), ("test", zone("ns.test.", 60, &test))];
    above.extend(HOSTS.iter().map(|(name, text)| (*name, zone("ns.test.", 60, text))));
    let above: Vec<(&str, &str)> =
        above.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let below: Vec<(&str, &str)> =
        domains.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let above = Bind::above(ABOVE, &above);
    // BIND refuses a thousand records of a type otherwise.
    let child = Bind::on_port_53(CHILD, &below, "max-records-per-type 0;");
    Lab { _above: above, child }
});

/// A domain that moves within seconds.
const SWIFT: &str = "\
@ MX 10 mail
@ TXT \"v=spf1 mx -all\"
mail A 192.0.2.10
mail._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
autodiscover CNAME mail
";

/// A zone that wants to be asked for ever: a thousand exchanges, an SPF record that branches into
/// more and more others, aliases in a circle, large texts with every kind of character, and a
/// wildcard that answers for everything.
fn hostile() -> String {
    let mut text = String::new();
    for n in 0..1_000 {
        text += &format!("@ MX {n} mx{n}\nmx{n} A 192.0.2.1\n");
    }
    let includes = |n: usize| {
        (0..10).map(|m| format!("include:s{}.hostile.test", n * 10 + m)).collect::<Vec<_>>()
    };
    // Each string of a TXT record has at most 255 octets.
    let record = |n: usize| {
        let words: Vec<String> = includes(n).iter().map(|word| format!("\" {word}\"")).collect();
        format!("\"v=spf1\" {} \" -all\"", words.join(" "))
    };
    text += &format!("@ TXT {}\n", record(0));
    for n in 0..300 {
        text += &format!("s{n} TXT {}\n", record(n));
    }
    text += "_dmarc CNAME a\na CNAME b\nb CNAME a\n";
    for n in 0..10 {
        text += &format!("@ TXT \"{n}{}\"\n", "x".repeat(250));
    }
    text += "@ TXT \"\\010- evil: {{ }} \\\"\\\\ `rm` <script> \\226\\128\\174 @team | #\"\n";
    text += "* TXT \"v=DKIM1; p=AA\"\n";
    zone("ns.child.test.", 60, &text)
}

struct Here(TempDir);

impl Here {
    fn new() -> Self {
        LazyLock::force(&LAB);
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir()).stdin(Stdio::null());
        command.env("SECRET", &LAB.child.key().secret).env_remove("CUTOVER_STATE");
        said(&command.output().expect("the program can be run"))
    }

    fn discover(&self, args: &[&str]) -> (i32, String) {
        self.cutover(&[&["discover", "--resolver", RESOLVER], args].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, text) = self.discover(&[args, &["--format", "json"]].concat());
        assert_eq!(code, 0, "{text}");
        let start = text.find('{').unwrap_or_else(|| panic!("{text}"));
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
        values.next().expect("a report").expect("JSON")
    }

    /// Edits the plan as a person does.
    fn edit(&self, edits: &[(&str, &str)]) {
        let path = self.dir().join("plan.yaml");
        let mut text = fs::read_to_string(&path).expect("a plan");
        for (begin, value) in edits {
            let at = text.find(begin).unwrap_or_else(|| panic!("{begin} in {text}"));
            let end = at + text[at + 1..].find('"').expect("a quoted text") + 2;
            text.replace_range(at..end, value);
        }
        fs::write(path, text).expect("a plan");
    }
}

/// The provider, as on the command line.
fn provider() -> String {
    let key = LAB.child.key();
    format!(
        "type: rfc2136, server: \"{}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SECRET }} }}",
        LAB.child.addr(),
        key.name,
        key.algorithm
    )
}

#[test]
fn the_written_plan_proves_once_its_todos_are_replaced() {
    let here = Here::new();
    let to = ["acme.test", "--to", "google-workspace", "-o", "plan.yaml"];
    let (code, report) = here.discover(&to);
    assert_eq!(code, 0, "{report}");
    for part in [
        "10 mail.acme.test. (192.0.2.10)",
        "the present host: mx, ip4:192.0.2.10\n",
        "other-keys: key mail",
        "crm-test: include:_spf.crm.test, key k1",
        "servers: ip4:198.18.0.7",
        "_spf.crm.test. v=spf1 ip4:198.51.100.0/24 -all",
        "of Google Workspace",
        "caa-limits-issuers",
        "acme.test. CAA 0 issue \"ca.example\"",
        "2 s",
        "tls-reports-inside",
        "cutover plan plan.yaml",
    ] {
        assert!(report.contains(part), "{part} in {report}");
    }
    let text = fs::read_to_string(here.dir().join("plan.yaml")).expect("a plan");
    assert_eq!(text.matches("TODO: ").count(), 3, "{text}");
    let (code, said) = here.cutover(&["check", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 TODO left") && said.contains("warning[undecided]"), "{said}");
    for command in ["plan", "apply"] {
        let (code, said) = here.cutover(&[command, "plan.yaml"]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("error[undecided]: this is not decided yet"), "{said}");
        assert!(said.contains("dkim_key: \"TODO"), "{said}");
    }
    // It does not overwrite what somebody may have edited.
    let (code, again) = here.discover(&to);
    assert_eq!(code, 2, "{again}");
    assert!(again.contains("plan.yaml exists already"), "{again}");

    fs::remove_file(here.dir().join("plan.yaml")).expect("a plan");
    let with_dns = ["--dns", &provider()];
    let (code, report) = here.discover(&[&to[..], &with_dns].concat());
    assert_eq!(code, 0, "{report}");
    // Only the whole zone shows the other mail domain in it.
    assert!(report.contains("lists.acme.test. MX mail.acme.test."), "{report}");
    here.edit(&[
        ("\"TODO: the DKIM key", &format!("\"{KEY}\"")),
        ("\"TODO: how you know that mail", "\"their support says so\""),
        ("\"TODO: how you know that the old host", "\"the list server stays\""),
    ]);
    let (code, said) = here.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("PROVED: no mail is lost"), "{said}");
}

#[test]
fn the_written_plan_is_applied_to_the_end() {
    let here = Here::new();
    let (code, report) = here.discover(&[
        "swift.test",
        "--to",
        "google-workspace",
        "-o",
        "plan.yaml",
        "--dns",
        &provider(),
    ]);
    assert_eq!(code, 0, "{report}");
    here.edit(&[
        ("\"TODO: the DKIM key", &format!("\"{KEY}\"")),
        ("\"TODO: how you know", "\"their support says so\""),
        ("# window: \"", "cutover_ttl: 1s\n  keep_old: 2s\n  overrun: 1s #"),
    ]);
    let path = here.dir().join("plan.yaml");
    let text = fs::read_to_string(&path).expect("a plan");
    // Nobody is there to confirm.
    let lines = text.lines().map(|line| match line.split_once("manual: ") {
        Some((front, _)) => format!("{front}run: [ \"true\" ]\n"),
        None => format!("{line}\n"),
    });
    let text: String = lines.collect();
    fs::write(&path, text + "clocks: { margin: 1s, use: 0s, queue_life: 1s }\n").expect("a plan");
    let (code, said) = here.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    let zone = LAB.child.transfer("swift.test");
    for line in ["MX\t1 smtp.google.com.", "google._domainkey", "include:_spf.google.com"] {
        assert!(zone.contains(line), "{line} in {zone}");
    }
    for gone in ["MX\t10", "mail._domainkey", "autodiscover"] {
        assert!(!zone.contains(gone), "{gone} in {zone}");
    }
}

/// Whatever host is wanted, the written plan is one that the language takes, with a `TODO` for each of
/// the profile's parameters, for the provider, and for what only a person can know about the host.
#[test]
fn a_plan_can_be_written_for_every_profile() {
    let domain = Name::from_user("acme.test").expect("a name");
    let answer = |question: &Question| match question {
        Question::Zone(_) => Answer::Zone(Ok(ZoneServers {
            origin: domain.clone(),
            servers: vec!["192.0.2.53:53".parse().expect("an address")],
            names: Vec::new(),
            is_signed: None,
            problem: None,
            odd: Vec::new(),
        })),
        Question::Served { key, .. } => Answer::Served(Served::Answer(match key.rtype {
            RrType::MX => {
                let exchange = Name::from_user("mail.acme.test").expect("a name");
                RrSet::new(Ttl::from_wire(60), [Rdata::mx(10, &exchange)]).ok()
            }
            _ => None,
        })),
        Question::Public(_) => Answer::Public(Outside::Absent),
        Question::Policy(_) => Answer::Policy(Err("nobody asks".to_owned())),
    };
    for to in names() {
        let request = Request { domains: vec![domain.clone()], to: Some(to), ..Request::default() };
        let mut answers = Answers::new();
        let found = loop {
            match next(&request, &answers) {
                Next::Found(found) => break found,
                Next::Ask(all) => {
                    answers.extend(all.into_iter().map(|one| (one.clone(), answer(&one))))
                }
            }
        };
        let text = plan_text(&request, &found).expect("a plan");
        let (_, spec) = Reading::of(Source::new("plan.yaml", text.clone())).finish(language());
        let intent =
            spec.and_then(resolve).unwrap_or_else(|found| panic!("{to}: {found:#?}\n{text}"));
        let parameters = profile(to).expect("it is listed").parameters.len();
        assert_eq!(intent.undecided.len(), parameters + 2, "{to}: {text}");
        assert!(intent.check_decided().is_err(), "{to}");
    }
}

#[test]
fn hosts_are_recognised_by_their_profiles() {
    let here = Here::new();
    let all = ["gws.test", "m365.test", "fast.test", "zo.test", "pro.test"];
    let found = here.json(&all);
    // To move to where the mail is already is to move between accounts.
    let (_, said) = here.discover(&["gws.test", "--to", "google-workspace"]);
    assert!(said.contains("same-host"), "{said}");
    let hosts: Vec<&str> = found["domains"]
        .as_array()
        .expect("domains")
        .iter()
        .map(|domain| domain["hosts"][0].as_str().unwrap_or_else(|| panic!("{domain}")))
        .collect();
    assert_eq!(hosts, ["google-workspace", "microsoft365", "fastmail", "zoho", "proton"]);
}

#[test]
fn domains_without_mail_are_said_to_have_none() {
    let here = Here::new();
    let found = here.json(&["nomail.test", "parked.test"]);
    assert_eq!(found["plan"], Value::Null);
    let codes = |place: usize| -> Vec<&str> {
        let all = found["domains"][place]["dangerous"].as_array().expect("a list").iter();
        all.map(|danger| danger["code"].as_str().expect("a code")).collect()
    };
    assert!(found["domains"][0]["mail"].as_str().expect("text").starts_with("it takes no mail"));
    assert!(codes(0).contains(&"parked-not-closed"), "{found}");
    assert!(found["domains"][1]["mail"].as_str().expect("text").contains("null MX"), "{found}");
    assert!(!codes(1).contains(&"parked-not-closed"), "{found}");
    let (code, said) = here.discover(&["nomail.test"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("No plan was written"), "{said}");
}

#[test]
fn what_cannot_be_seen_is_said_with_the_reason() {
    let here = Here::new();
    let (code, said) = here.discover(&["broken.test"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error: none of the domains could be looked at"), "{said}");
    let (code, said) = here.discover(&["no-such.test"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no-such.test. is not delegated"), "{said}");
    // One that refuses: the domains' own server is no resolver.
    let (code, said) = here.cutover(&["discover", "acme.example", "--resolver", "127.0.53.8"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("acme.example. SOA"), "{said}");
    // A server that is away does not hide what the others serve.
    let found = here.json(&["fast.test"]);
    assert_eq!(found["domains"][0]["hosts"][0], "fastmail", "{found}");
    let unseen = found["domains"][0]["unseen"].to_string();
    assert!(unseen.contains("127.0.53.9:53, a name server of fast.test."), "{unseen}");
    // The rest is looked at.
    let found = here.json(&["broken.test", "gws.test"]);
    assert_eq!(found["domains"][0]["mail"], "nothing could be seen");
    assert_eq!(found["domains"][1]["hosts"][0], "google-workspace");
    assert!(found["plan"].as_str().expect("a plan").contains("not moved: broken.test"), "{found}");
}

#[test]
fn a_hostile_zone_ends_within_bounds_and_is_escaped() {
    /// How long it may take. Our choice: it takes under a second on an idle machine.
    const WITHIN: Duration = Duration::from_secs(20);
    let here = Here::new();
    let start: Instant = now();
    let found = here.json(&["hostile.test", "--to", "google-workspace"]);
    assert!(now().duration_since(start) < WITHIN);
    let unseen = found["domains"][0]["unseen"].to_string();
    for part in ["968 more exchanges", "more than 64 others", "_dmarc.hostile.test.", "a wildcard"]
    {
        assert!(unseen.contains(part), "{part} in {unseen}");
    }
    let plan = found["plan"].as_str().expect("a plan");
    fs::write(here.dir().join("plan.yaml"), plan).expect("a plan");
    let (code, said) = here.cutover(&["check", "plan.yaml"]);
    assert_eq!(code, 0, "{said}\n{plan}");
    for format in ["text", "markdown"] {
        let (code, text) = here.discover(&["hostile.test", "--format", format]);
        assert_eq!(code, 0, "{text}");
        let line =
            text.lines().find(|line| line.contains("evil")).unwrap_or_else(|| panic!("{text}"));
        assert!(!text.lines().any(|line| line.starts_with("- evil")), "a line of its own: {text}");
        assert!(!text.contains('\u{202e}'), "{text}");
        // It stays in its cell: the writers have their own tests of what is in it.
        let begins = if format == "markdown" { "| verification | `" } else { "    verification" };
        assert!(line.starts_with(begins), "{line}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let here = Here::new();
    for (args, wanted) in [
        (&["a..b"][..], "`a..b` is not a domain name"),
        (&["acme.test", "--to", "fastmial"], "did you mean `fastmail`?"),
        (&["acme.test", "--dns", "type: cloudfare"], "cloudfare"),
        (&["acme.test", "--dns", "rfc2136"], "missing key `server`"),
    ] {
        let (code, said) = here.discover(args);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}
