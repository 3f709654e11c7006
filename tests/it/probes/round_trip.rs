//! `round_trip`: messages that are sent to Postfix and read from Dovecot, and everything that may become
//! of them on the way.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::Plan;
use crate::bind_fixture::{BindFixture, said};
use crate::lab::mailbox_host::{PASSWORD, Setup};
use crate::lab::{Authority, MailboxHost, Odd, Postfix, now, odd, sleep};

const NAME: &str = "mx.hosts.test";
const USER: &str = "anna";
/// 2020-09-13.
const TIME: i64 = 1_600_000_000;
/// A mailbox with a folder for junk that is not called so.
const JUNK: &str = "namespace inbox {\n  mailbox Unerwünscht {\n    auto = create\n    special_use = \\Junk\n  }\n}\n";

/// Dovecot, and Postfix that fills its mailboxes.
struct Lab {
    dovecot: MailboxHost,
    postfix: Postfix,
    authority: Authority,
    /// Scripts and maps of Postfix.
    _dir: tempfile::TempDir,
}

/// A service of Postfix whose mail for the user goes to another address.
fn leads_to(name: &str, other: &str) -> String {
    format!(
        "-o cleanup_service_name={name}\n{name} unix n - n - 0 cleanup \
         -o virtual_alias_maps=inline:{{{USER}@acme.test={other}@acme.test}}"
    )
}

impl Lab {
    /// Postfix listens at `127.0.NET.N:25` for each N of a listener, with its options.
    fn start(net: u8, setup: &Setup, listeners: &[(u8, String)]) -> Self {
        let dovecot = MailboxHost::start(setup);
        let dir = tempfile::Builder::new().prefix("cutover-lab-").tempdir().expect("a directory");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).expect("our own");
        let inbox = dovecot.maildir(USER);
        // It makes the Maildir, with the right owner.
        dovecot.deliver(USER, "", "older", &mail("older"), TIME);
        dovecot.deliver("other", "", "older", &mail("older"), TIME);
        let script = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("a script");
            path
        };
        let store = format!(
            "cat > {0}/tmp/$$ && echo \"$1\" >> {0}/tmp/$$ && mv {0}/tmp/$$ {0}/new/$$",
            inbox.display()
        );
        let footer = script("footer", &format!("set -- 'a footer'; {store}\n"));
        let late = store
            .replace("&& echo \"$1\" >> ", "; : ")
            .replace("/tmp/$$ && mv", "/tmp/$$; sleep 4; mv");
        let late = script("late", &format!("{late}\n"));
        let results = script(
            "results",
            "127.0.0.0/8 PREPEND Authentication-Results: mx.hosts.test; spf=none smtp.mailfrom=nobody\n",
        );
        let inbox = inbox.display();
        let other = dovecot.maildir("other");
        let more = format!(
            "virtual_mailbox_base = /
virtual_mailbox_limit = 0
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_maps = inline:{{ {{ {USER}@acme.test = {inbox}/ }}, {{ reports@acme.test = {inbox}/ }}, {{ junk@acme.test = {inbox}/.Unerw&APw-nscht/ }}, {{ other@acme.test = {}/ }}, {{ footer@acme.test = x }}, {{ late@acme.test = x }}, {{ full@acme.test = x }} }}
transport_maps = inline:{{ {{ footer@acme.test = footer: }}, {{ late@acme.test = late: }}, {{ full@acme.test = error:5.2.2 the mailbox is full }} }}
smtpd_client_restrictions = check_client_access cidr:{}
",
            other.display(),
            results.display(),
        );
        let pipe = |name: &str, script: &Path| {
            format!(
                "\n{name} unix - n n - - pipe flags=R user=nobody argv=/bin/sh {}",
                script.display()
            )
        };
        let mut listeners: Vec<(String, String)> = listeners
            .iter()
            .map(|(at, options)| (format!("127.0.{net}.{at}:25"), options.clone()))
            .collect();
        listeners[0].1 += &(pipe("footer", &footer) + &pipe("late", &late));
        let users = [format!("{USER}@acme.test")];
        let address = Ipv4Addr::new(127, 0, net, 1);
        let postfix = Postfix::with_listeners(address, &users, &more, &listeners);
        Self { dovecot, postfix, authority: Authority::new(), _dir: dir }
    }

    /// A plan whose new host has this mailbox, with these gates.
    fn plan(&self, gates: &[String]) -> Plan {
        let gates: Vec<String> =
            gates.iter().map(|gate| format!("probe: round_trip, {gate}")).collect();
        let plan = Plan::with(&self.authority.file(), "none", &gates);
        let path = plan.dir.path().join("plan.yaml");
        let text = fs::read_to_string(&path).expect("a plan");
        let (port, authority) = (self.dovecot.tls_port(), self.dovecot.authority());
        let mailboxes = format!(
            ", mailboxes: {{ imap: \"localhost:{port}\", authority: \"{}\" }} }}\nmigrate:",
            authority.display()
        );
        let text = text.replace(" }\nmigrate:", &mailboxes);
        let text = text.replace("to: host }", "to: host, recipients: { file: list.csv } }");
        fs::write(&path, text).expect("a plan");
        let list = "address,kind,target,new_user,new_secret\n\
            anna@acme.test,,,anna,file:secret\n\
            info@acme.test,alias,anna@acme.test,,\n\
            wrong@acme.test,,,wrong,file:wrong\n";
        fs::write(plan.dir.path().join("list.csv"), list).expect("a list");
        fs::write(plan.dir.path().join("secret"), format!("{PASSWORD}\n")).expect("a secret");
        plan
    }

    /// How many messages a user has in a folder of the Maildir.
    fn count(&self, user: &str, folder: &str) -> usize {
        let dir = self.dovecot.maildir(user).join(folder);
        let count = |part: &str| fs::read_dir(dir.join(part)).map_or(0, Iterator::count);
        count("new") + count("cur")
    }

    /// Checks a table: each gate with its finding and parts of what was seen.
    fn check(&self, cases: &[(String, &str, &[&str])]) {
        let gates: Vec<String> = cases.iter().map(|(gate, ..)| gate.clone()).collect();
        let found = self.plan(&gates).findings();
        assert_eq!(found.len(), cases.len(), "{found:#?}");
        let wrong = cases.iter().zip(&found).filter(|((_, finding, parts), (is, said))| {
            finding != is || !parts.iter().all(|part| said.contains(part))
        });
        let wrong: Vec<String> = wrong
            .map(|((gate, finding, parts), found)| {
                format!("{gate}\n  {finding}: {parts:?}\n  {found:?}")
            })
            .collect();
        assert!(wrong.is_empty(), "{}\n{}", self.postfix.log(), wrong.join("\n"));
    }
}

fn mail(number: &str) -> Vec<u8> {
    format!("Subject: {number}\r\nMessage-ID: <{number}@acme.test>\r\n\r\nx\r\n").into_bytes()
}

fn tls(pem: &Path) -> String {
    format!("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files={}", pem.display())
}

/// Waits until something is so.
#[track_caller]
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_becomes_of_messages_is_told() {
    const NET: u8 = 71;
    let authority = Authority::new();
    let good = tls(&authority.signs("good", &[NAME, "mx2.hosts.test"]));
    let expired = tls(&authority.signed_long_ago("expired", &[NAME]));
    let old_tls = format!("{good} -o smtpd_tls_protocols=TLSv1 -o tls_preempt_cipherlist=no");
    let twice = "-o cleanup_service_name=twice\ntwice unix n - n - 0 cleanup \
                 -o recipient_bcc_maps=static:reports@acme.test";
    let mut lab = Lab::start(
        NET,
        &Setup { more: JUNK, ..Setup::default() },
        &[
            (2, good),
            (3, expired),
            (4, old_tls),
            (5, leads_to("wrong", "other")),
            (6, leads_to("junk", "junk")),
            (
                7,
                "-o { smtpd_recipient_restrictions = check_recipient_access static:DISCARD }"
                    .to_owned(),
            ),
            (8, leads_to("changed", "footer")),
            (9, leads_to("late1", "late")),
            (10, "-o smtpd_recipient_restrictions=defer".to_owned()),
            (11, "-o smtpd_recipient_restrictions=reject".to_owned()),
            (12, "-o smtpd_end_of_data_restrictions=reject".to_owned()),
            (13, "-o message_size_limit=100".to_owned()),
            (14, leads_to("bouncing", "full")),
            (15, twice.to_owned()),
            (16, "-o smtpd_sender_restrictions=reject -o smtpd_delay_reject=no".to_owned()),
        ],
    );
    lab.authority = authority;
    odd(&format!("127.0.{NET}.30:25"), Odd::HalfTls);
    let address = "address: anna@acme.test, within: 3s";
    let at = |n: u8| format!("exchanges: [ \"{NAME}@127.0.{NET}.{n}\" ], {address}");
    let two = |one: u8, other: u8| {
        format!(
            "exchanges: [ \"{NAME}@127.0.{NET}.{one}\", \"mx2.hosts.test@127.0.{NET}.{other}\" ], {address}"
        )
    };
    let same = |one: u8, other: u8| {
        format!(
            "exchanges: [ \"{NAME}@127.0.{NET}.{one}\", \"{NAME}@127.0.{NET}.{other}\" ], {address}"
        )
    };
    let results = "Authentication-Results: mx.hosts.test; spf=none smtp.mailfrom=nobody";
    let lost = "neither in INBOX nor in the folder for junk of anna@acme.test after 3s";
    let cases: &[(String, &str, &[&str])] = &[
        (at(2), "pass", &["arrived in INBOX after 0.", "as it was sent; ", results]),
        (at(1), "pass", &["as it was sent, sent without TLS, which it does not offer"]),
        (
            two(1, 2),
            "pass",
            &["mx.hosts.test [127.0.71.1:25]: arrived", "mx2.hosts.test [127.0.71.2:25]"],
        ),
        (at(3), "fail", &["expired"]),
        (format!("{}, certificate: any", at(3)), "pass", &["arrived in INBOX"]),
        (at(4), "fail", &["TLS fails"]),
        (at(30), "fail", &["TLS fails"]),
        (at(5), "fail", &["it has taken the message (250 2.0.0 Ok: queued as ", lost]),
        (at(6), "inconclusive", &["but as junk in Unerwünscht; ", results]),
        (at(7), "fail", &[lost]),
        (two(1, 7), "fail", &["mx2.hosts.test [127.0.71.7:25]: it has taken", lost]),
        (at(8), "fail", &["its body was changed on the way: sha256:", results]),
        (format!("{}, body: any", at(8)), "pass", &["with another body"]),
        (at(9), "fail", &[lost]),
        (at(9).replace("3s", "20s"), "pass", &["arrived in INBOX after ", "as it was sent"]),
        (at(10), "inconclusive", &["it puts the recipient off: 450 4."]),
        (at(11), "fail", &["it refuses the recipient: 554 5.7.1"]),
        (at(12), "fail", &["it refuses the message: 554 5.7.1"]),
        (at(13), "fail", &["it refuses the message: 552 5.3.4"]),
        (at(16), "fail", &["it refuses the sender: 554 5.7.1"]),
        (
            format!("{}, from: reports@acme.test", at(14)),
            "fail",
            &["it has taken the message, and a report says: X-Postfix; the mailbox is full"],
        ),
        (at(14), "fail", &[lost]),
        (at(15), "fail", &["the message arrived 2 times: in INBOX, INBOX"]),
        (at(98), "unanswered", &["nobody answers"]),
        (two(1, 98), "unanswered", &["mx2.hosts.test [127.0.71.98:25]: nobody answers"]),
        (same(1, 98), "unanswered", &["nobody answers"]),
        (format!("{}, silent: allowed", same(1, 98)), "pass", &["arrived"]),
        (format!("{}, silent: allowed", two(1, 98)), "unanswered", &["nobody answers"]),
        (
            at(1).replace("anna@", "wrong@"),
            "inconclusive",
            &[
                "the mailbox cannot be opened, so no mail was sent: the sign-in is refused: NO [AUTHENTICATIONFAILED]",
            ],
        ),
        (format!("{}, host: own", at(1)), "inconclusive", &["the plan does not say which mailbox"]),
    ];
    // The last is an error of the plan, which only the check finds.
    let (last, cases) = cases.split_last().expect("cases");
    lab.check(cases);
    let plan = lab.plan(std::slice::from_ref(&last.0));
    let output = plan.command(&["probe", "plan.yaml"]).output().expect("it can be run");
    let (code, text) = said(&output);
    assert!(code == 2 && text.contains("does not say how this gate opens a mailbox"), "{text}");
    // What came after the bound has come by now. Everything that was found is gone, and nothing else: two
    // messages were late once, and one lies in the wrong mailbox.
    wait("the late message", || lab.count(USER, "") == 2);
    assert_eq!(lab.count(USER, ".Unerw&APw-nscht"), 0);
    assert_eq!(lab.count("other", ""), 2);
    assert_eq!(lab.postfix.queued(), 0, "{}", lab.postfix.log());
}

/// Two probes at once, and one after another was killed, each find their own messages. What others have
/// marked to be deleted stays.
#[test]
fn probes_do_not_confuse_each_other() {
    let setup = Setup { more: JUNK, ..Setup::default() };
    let lab = Lab::start(72, &setup, &[(2, leads_to("late1", "late"))]);
    // A message that somebody has marked.
    lab.dovecot.doveadm(&["flags", "add", "-u", USER, "\\Deleted", "mailbox", "INBOX", "all"]);
    let gate = |n: u8| {
        format!(
            "exchanges: [ \"{NAME}@127.0.72.{n}\", \"mx2.hosts.test@127.0.72.{n}\" ], address: ANNA@acme.test, within: 40s"
        )
    };
    let start = |plan: &Plan| -> Child {
        let mut command = plan.command(&["probe", "plan.yaml", "--format", "json"]);
        command.stdout(Stdio::piped()).spawn().expect("it can be run")
    };
    let plan = lab.plan(&[gate(2)]);
    let both = [start(&plan), start(&plan)];
    for one in both {
        let (code, text) = said(&one.wait_with_output().expect("it ends"));
        assert!(text.matches("arrived in INBOX").count() == 2, "{code} {text}");
    }
    assert_eq!(lab.count(USER, ""), 1, "what was marked before is still there");
    let sent = |count| {
        wait("messages are sent", || {
            lab.postfix.log().matches("status=sent (delivered via late").count() == count
        });
    };
    sent(4);
    // Killed when the messages are taken, and before they are there.
    let mut killed = start(&plan);
    let taken = || lab.postfix.log().matches(": removed").count() + lab.postfix.queued();
    wait("messages are taken", || taken() >= 6);
    killed.kill().expect("it runs");
    killed.wait().expect("it has ended");
    sent(6);
    assert_eq!(lab.count(USER, ""), 3, "nobody removes them");
    for _ in 0..2 {
        let found = lab.plan(&[gate(1)]).findings();
        assert_eq!(found[0].0, "pass", "{found:?}");
    }
    assert_eq!(lab.count(USER, ""), 3, "they are left alone, as is what was marked");
}

/// Without UIDPLUS nothing is removed, since a plain EXPUNGE removes what others have marked.
#[test]
fn without_uidplus_the_message_is_left_and_said() {
    let setup = Setup { capabilities: Some("IMAP4rev1 LITERAL+"), ..Setup::default() };
    let lab = Lab::start(73, &setup, &[(2, String::new())]);
    let gate = format!("exchanges: [ \"{NAME}@127.0.73.2\" ], within: 5s");
    lab.dovecot.doveadm(&["flags", "add", "-u", USER, "\\Deleted", "mailbox", "INBOX", "all"]);
    // The address is the first mailbox of the list.
    let left = "; the message is still there: the server does not offer UIDPLUS";
    lab.check(&[(gate, "pass", &["arrived in INBOX", left])]);
    assert_eq!(lab.count(USER, ""), 2);
}

/// Only the probe that was asked for sends a message; and nobody is written to without being able to look.
#[test]
fn no_message_is_sent_unasked() {
    let mut lab = Lab::start(74, &Setup::default(), &[(2, String::new())]);
    let plan = lab.plan(&["exchanges: [ \"mx.hosts.test@127.0.74.2\" ]".to_owned()]);
    let path = plan.dir.path().join("plan.yaml");
    let text = fs::read_to_string(&path).expect("a plan");
    let (head, _) = text.split_once("gates:").expect("gates");
    let host = "{ preference: 10, name: mx.hosts.test., addresses: [ 127.0.74.2 ] }";
    let head = head.replace("{ preference: 10, name: mx.hosts.test. }", host);
    fs::write(&path, &head).expect("a plan");
    let run = |args: &[&str]| said(&plan.command(args).output().expect("it can be run"));
    let (_, text) = run(&["probe", "plan.yaml"]);
    assert!(text.contains("smtp") && !text.contains("round_trip"), "{text}");
    assert!(!lab.postfix.log().contains("message-id="), "{}", lab.postfix.log());
    let (code, text) = run(&["probe", "plan.yaml", "--only", "round_trip"]);
    assert!(code == 0 && text.contains("arrived in INBOX"), "{code} {text}");
    assert_eq!(lab.count(USER, ""), 1);
    // A password that a program gives out.
    let list = plan.dir.path().join("list.csv");
    let named = fs::read_to_string(&list).expect("a list");
    fs::write(&list, named.replace("anna,file:secret", "anna,")).expect("a list");
    let sign_in = ", sign_in: { password: { command: [ cat, secret ] } } } }\nmigrate:";
    fs::write(&path, head.replace("\" } }\nmigrate:", &format!("\"{sign_in}"))).expect("a plan");
    let (code, text) = run(&["probe", "plan.yaml", "--only", "round_trip", "--no-commands"]);
    assert!(code == 2 && text.contains("`round_trip`, `mailbox`: `cat secret`"), "{code} {text}");
    let (code, text) = run(&["probe", "plan.yaml", "--only", "round_trip"]);
    assert!(code == 0, "{text}");
    // The mailbox is away: no message is sent.
    let taken = lab.postfix.log().matches("message-id=").count();
    lab.dovecot = MailboxHost::start(&Setup::default());
    let (code, text) = run(&["probe", "plan.yaml", "--only", "round_trip"]);
    assert!(code == 5 && text.contains("so no mail was sent"), "{code} {text}");
    assert_eq!(lab.postfix.log().matches("message-id=").count(), taken);
}

/// What the plan has to say is asked for when it is read.
#[test]
fn a_gate_without_a_mailbox_is_an_error_of_the_plan() {
    let lab = |gate: &str, list: &str, edit: &dyn Fn(String) -> String| {
        let plan =
            Plan::with(&Authority::new().file(), "none", &[format!("probe: round_trip{gate}")]);
        let path = plan.dir.path().join("plan.yaml");
        let text = fs::read_to_string(&path).expect("a plan");
        let text =
            text.replace(" }\nmigrate:", ", mailboxes: { imap: \"localhost:993\" } }\nmigrate:");
        let text = text.replace("to: host }", "to: host, recipients: { file: list.csv } }");
        fs::write(&path, edit(text)).expect("a plan");
        fs::write(plan.dir.path().join("list.csv"), list).expect("a list");
        said(&plan.command(&["check", "plan.yaml"]).output().expect("it can be run"))
    };
    let list = "address,kind,target\nanna@acme.test,,\ninfo@acme.test,alias,anna@acme.test\n";
    let as_is = |text: String| text;
    let without = |part: &'static str| move |text: String| text.replace(part, "");
    for (gate, list, edit, words) in [
        (
            ", address: info@acme.test",
            list,
            &as_is as &dyn Fn(String) -> String,
            "has no mailbox `info@acme.test`",
        ),
        (
            "",
            "address,kind,target\ninfo@acme.test,alias,anna@acme.test\n",
            &as_is,
            "nothing says to which mailbox",
        ),
        ("", "address\nj\u{fc}rgen@acme.test\n", &as_is, "servers are asked in ASCII"),
        (
            "",
            list,
            &without(", mailboxes: { imap: \"localhost:993\" }"),
            "does not say how this gate opens a mailbox",
        ),
        ("", list, &without(", recipients: { file: list.csv }"), "nothing says to which mailbox"),
        (", host: own", list, &as_is, "does not say how this gate opens a mailbox"),
        (", within: 31m", list, &as_is, "at most half an hour"),
        (", within: 500ms", list, &as_is, "is not a time span"),
        (", from: nobody", list, &as_is, "is not an address of mail"),
        (", age_max: 1h", list, &as_is, "unknown key `age_max`"),
    ] {
        let (code, said) = lab(gate, list, edit);
        assert!(code == 2 && said.contains(words), "{gate}: {code} {said}");
    }
}

/// A run at real servers: while the new host loses mail, the switch does not happen.
#[test]
fn a_gate_of_a_run_keeps_mail_from_a_host_that_loses_it() {
    let fixture = BindFixture::bind();
    let setup = Setup { more: JUNK, ..Setup::default() };
    let discard = "-o { smtpd_recipient_restrictions = check_recipient_access static:DISCARD }";
    let lab = Lab::start(75, &setup, &[(2, discard.to_owned()), (3, String::new())]);
    let text = fs::read_to_string(fixture.plan()).expect("the plan");
    let (port, authority) = (lab.dovecot.tls_port(), lab.dovecot.authority());
    let authority = authority.display();
    let opened =
        format!("\n    mailboxes: {{ imap: \"localhost:{port}\", authority: \"{authority}\" }}\n");
    let text = text.replace("\n  new:\n", &format!("\n  new:{opened}"));
    let text = text.replace("  to: new\n", "  to: new\n  recipients: { file: list.csv }\n");
    let write = |at: &str| {
        let gate = format!(
            "{{ probe: round_trip, address: anna@acme.test, exchanges: [ \"mx.acme.test@{at}\" ], within: 3s }}"
        );
        fs::write(fixture.plan(), format!("{text}\ngates: {{ before_switch: [ {gate} ] }}\n"))
            .expect("a plan");
    };
    write("127.0.75.2");
    let list = "address,new_user,new_secret\nanna@acme.test,anna,env:MAILBOX\n";
    fs::write(fixture.dir().join("list.csv"), list).expect("a list");
    let apply = |more: &[&str]| {
        let args = [&["apply", "plan.yaml", "--wait", "--auto-approve"], more].concat();
        let mut command = fixture.command(&args);
        said(&command.env("MAILBOX", PASSWORD).output().expect("it can be run"))
    };
    let mx = |served: &[Vec<String>]| -> Vec<String> {
        let all = served.iter().flatten().filter(|record| record.contains(" IN MX "));
        all.filter_map(|record| Some(record.split(" MX ").nth(1)?.to_owned())).collect()
    };
    let before = mx(&fixture.served());
    let (code, said) = apply(&[]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/before-switch/round_trip"), "{said}");
    assert!(
        said.contains("neither in INBOX nor in the folder for junk of anna@acme.test"),
        "{said}"
    );
    assert_eq!(mx(&fixture.served()), before, "mail still goes to the old host");
    write("127.0.75.3");
    let (code, said) = apply(&["--replan"]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(mx(&fixture.served()), before);
    assert_eq!(lab.count(USER, ""), 1, "only what was there before");
}
