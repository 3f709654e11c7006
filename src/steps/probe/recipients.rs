//! `recipients`: whether every exchange of a host takes mail for every address of a list.
//!
//! A session says RCPT for many addresses and never DATA, so no message is sent. An address that
//! cannot exist is the control: a host that takes mail for that one takes it for all, and its word
//! means nothing.
//!
//! A server may end a session after some refusals. Then the next round goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_base::digest::Digest;
use cutover_contract::{ConfigField, FieldKind};

use super::session::{Said, broken};
use super::smtp::SMTP_PORT;
use super::target::{
    At, EXCHANGES, EXCHANGES_FIELD, HOST, Located, RESOLVER_FIELD, check_targets, locate, targets,
};
use super::{
    Asked, BadSetting, Establishes, Finding, HostOf, Next, Probe, ProbeKeys, Round, check_within,
    text, texts, told, within,
};
use crate::ask::{
    Answered, AskHost, AskLines, AskSmtp, Encrypts, MailSeen, Query, Reply, SmtpCommand,
};
use crate::config::ConfigSpec;
use crate::fact::Fact;
use crate::graph::gate::Settings;
use cutover_base::calendar::parse_span;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "recipients",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::New),
        establishes: Some(Establishes {
            fact: Fact::Accepts,
            counts,
            leaves: "that the list names everybody, and that the host delivers what it has accepted",
        }),
    },
    doc: "every exchange takes mail for every address of a list",
    next,
};

/// The key of a file with addresses.
pub const FILE: &str = "file";
/// The key of the addresses themselves.
pub const ADDRESSES: &str = "addresses";
pub(super) const FROM: &str = "from";
const PAUSE: &str = "pause";
const CATCH_ALL: &str = "catch_all";
const SILENT: &str = "silent";
const ALLOWED: &str = "allowed";
/// The key by which a plan says which exchanges are whose, if they are not the same for all domains: for
/// each domain, its exchanges.
pub const ROUTES: &str = "routes";

/// The keys that every probe with a list of recipients has.
pub(super) const FILE_FIELD: ConfigField = ConfigField {
    name: FILE,
    kind: FieldKind::Path,
    required: false,
    former: None,
    doc: "A file with an address on each line, read when the gate asks; what follows a comma or a blank, empty lines and lines that begin with `#` are ignored. Default: the addresses of `migrate.recipients` at the domains that move, as they were when the plan was made.",
};
pub(super) const ADDRESSES_FIELD: ConfigField = ConfigField {
    name: ADDRESSES,
    kind: FieldKind::Texts,
    required: false,
    former: None,
    doc: "The addresses, instead of `file`.",
};
pub(super) const FROM_FIELD: ConfigField = ConfigField {
    name: FROM,
    kind: FieldKind::Text,
    required: false,
    former: None,
    doc: "The sender's address in MAIL, for hosts that refuse the empty one, which is the default.",
};
pub(super) const PAUSE_FIELD: ConfigField = ConfigField {
    name: PAUSE,
    kind: FieldKind::Duration,
    required: false,
    former: None,
    doc: "The pause after each 50 addresses, default 1s.",
};
pub(super) const SILENT_FIELD: ConfigField = ConfigField {
    name: SILENT,
    kind: FieldKind::Choice(&["unanswered", ALLOWED]),
    required: false,
    former: None,
    doc: "What it means that an address of an exchange does not answer while another one does: `unanswered` (the default), or `allowed`, since senders try the next; for a machine without IPv6.",
};
pub(super) const WITHIN_FIELD: ConfigField = ConfigField {
    name: "within",
    kind: FieldKind::Duration,
    required: false,
    former: None,
    doc: "How long a session may take for each 50 addresses, default 30s.",
};

const FIELDS: &[ConfigField] = &[
    FILE_FIELD,
    ADDRESSES_FIELD,
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan whose exchanges are asked. Default: the new one.",
    },
    EXCHANGES_FIELD,
    FROM_FIELD,
    ConfigField {
        name: CATCH_ALL,
        kind: FieldKind::Choice(&["inconclusive", ALLOWED]),
        required: false,
        former: None,
        doc: "What it means that a host also takes mail for an address that cannot exist: `inconclusive` (the default), or `allowed` for a host that has a mailbox for all other addresses.",
    },
    PAUSE_FIELD,
    RESOLVER_FIELD,
    SILENT_FIELD,
    WITHIN_FIELD,
];

/// Addresses that are sent at once, and after which there is a pause. Our choice: servers have to
/// take 100 for each message (RFC 5321 §4.5.3.1.8).
const GROUP: usize = 50;
/// The default pause. Our choice: 50 addresses a second are gentle for any host.
const PAUSE_DEFAULT: Duration = Duration::from_secs(1);
/// The maximum number of addresses. Our choice: four times what the tests measure.
pub const RECIPIENTS_MAX: usize = 40_000;
/// The maximum number of rounds with sessions. Our choice: Postfix ends a session after 20 refusals
/// (`smtpd_hard_error_limit`), so 64 rounds name more than a thousand missing addresses.
const ROUNDS_MAX: usize = 64;
/// The maximum number of domains. Our choice: one control for each.
const DOMAINS_MAX: usize = 1_000;

fn counts(settings: &Settings) -> Result<(), &'static str> {
    let allows = |key| text(settings, key) == Some(ALLOWED);
    match (allows(CATCH_ALL), allows(SILENT)) {
        (true, _) => Err("with `catch_all: allowed` a host that takes everything passes"),
        (false, true) => Err("with `silent: allowed` it does not hear every address"),
        (false, false) => Ok(()),
    }
}

fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, EXCHANGES)?;
    check_list(settings)?;
    check_within(settings)
}

/// Whether a list of recipients is named, and can be one.
pub(super) fn check_list(settings: &Settings) -> Result<(), BadSetting> {
    let bad = |key, problem: String, help: &str| {
        Err(BadSetting { key, is_secret: false, problem, help: help.to_owned() })
    };
    let help = "write `file: recipients.txt`, or `addresses: [ somebody@example.net ]`";
    if text(settings, FILE).is_some() && !texts(settings, ADDRESSES).is_empty() {
        return bad(ADDRESSES, "both `file` and `addresses` are there".to_owned(), help);
    }
    if let Some(wrong) = texts(settings, ADDRESSES).iter().find(|text| !is_address(text)) {
        let shown = cutover_base::diag::quoted(wrong);
        return bad(ADDRESSES, format!("{shown} is not an address of mail"), help);
    }
    if let Some(from) = text(settings, FROM).filter(|from| !is_address(from)) {
        let shown = cutover_base::diag::quoted(from);
        return bad(FROM, format!("{shown} is not an address of mail"), "write `you@example.net`");
    }
    Ok(())
}

/// Whether a text can stand in RCPT: what a server makes of it is the server's matter, but nothing
/// may end the command. Octets beyond ASCII would need SMTPUTF8 (RFC 6531).
#[must_use]
pub fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    // RFC 5321 §4.5.3.1.3: 256 octets with the angle brackets.
    text.len() <= 254
        && text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>'))
        && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// The recipients of a probe.
pub(super) enum List {
    /// The file was not read yet.
    Ask(Query),
    /// These, in order.
    Of(Vec<String>),
    /// There is no list that can be used, and what that shows.
    None(Finding, String),
}

/// The recipients, from the plan or from a file.
pub(super) fn list(settings: &Settings, rounds: &[Round]) -> List {
    let Some(path) = text(settings, FILE) else {
        return match texts(settings, ADDRESSES) {
            [] => List::None(Finding::Inconclusive, "it has no addresses to ask for".to_owned()),
            all => List::Of(all.to_vec()),
        };
    };
    let Some(lines) = rounds.iter().flatten().find_map(Answered::lines) else {
        return List::Ask(Query::Lines(AskLines { path: path.to_owned() }));
    };
    let lines = match lines {
        Ok(lines) => lines,
        Err(why) => return List::None(Finding::Unanswered, why.to_string()),
    };
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let address = line.split([',', ' ', '\t']).next().unwrap_or_default().trim();
        if address.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_address(address) {
            let shown = cutover_base::diag::quoted(address);
            let said = format!("line {} of {path} is not an address of mail: {shown}", number + 1);
            return List::None(Finding::Inconclusive, said);
        }
        found.push(address.to_owned());
    }
    match found.len() {
        0 => List::None(Finding::Inconclusive, format!("{path} names nobody")),
        count if count > RECIPIENTS_MAX => {
            let said =
                format!("{path} has more than {RECIPIENTS_MAX} addresses: use several files");
            List::None(Finding::Inconclusive, said)
        }
        _ => List::Of(found),
    }
}

/// An address for each domain that nobody can have: it follows from the list, so that a run can be
/// repeated.
pub(super) fn controls(list: &[String]) -> BTreeSet<String> {
    let digest = Digest::of(list.join("\n").as_bytes()).to_string();
    let word: String = digest.trim_start_matches("sha256:").chars().take(20).collect();
    let domains = list.iter().filter_map(|one| one.rsplit_once('@'));
    let domains: BTreeSet<String> =
        domains.map(|(_, domain)| domain.to_ascii_lowercase()).take(DOMAINS_MAX).collect();
    domains.into_iter().map(|domain| format!("cutover-nobody-{word}@{domain}")).collect()
}

/// What a server says about each address.
pub(super) type Replies = BTreeMap<String, Reply>;

/// What the exchanges have said about each address.
pub(super) struct Heard {
    /// What is still to be asked.
    pub(super) open: Vec<Query>,
    /// For each server: its name, for people its address as well, and what it said, or what became of it.
    pub(super) servers: Vec<HeardOf>,
}

/// What one server has said.
pub(super) struct HeardOf {
    /// The exchange.
    pub(super) host: String,
    /// For people: with its address, if it has several.
    pub(super) label: String,
    /// What it said of each address, or what became of it.
    pub(super) said: Result<Replies, Said>,
}

/// Which replies are expected, for the ideal world.
#[derive(Clone, Copy)]
pub(super) struct Ideal {
    /// For addresses of the list.
    pub(super) listed: u16,
    /// For the controls.
    pub(super) control: u16,
}

/// Those of some addresses that a host takes mail for: all, unless the plan says which exchanges are
/// whose ([`ROUTES`]).
pub(super) fn of_host<'a>(
    settings: &Settings,
    host: &str,
    addresses: impl Iterator<Item = &'a String>,
) -> Vec<&'a String> {
    let Some(ConfigSpec::Object(routes)) = settings.get(ROUTES) else { return addresses.collect() };
    let is_its_own = |address: &&String| {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        matches!(routes.get(&domain), Some(ConfigSpec::Argv(all)) if all.iter().any(|one| one == host))
    };
    addresses.filter(is_its_own).collect()
}

/// Asks every server for every address that it has not spoken of.
pub(super) fn ask(settings: &Settings, list: &[String], ideal: Ideal, rounds: &[Round]) -> Heard {
    let controls = controls(list);
    let mut heard = Heard { open: Vec::new(), servers: Vec::new() };
    // All addresses of an exchange are one server, whether the plan or a resolver knows them.
    let mut hosts: BTreeMap<String, Result<Vec<At>, Said>> = BTreeMap::new();
    for target in targets(settings, EXCHANGES) {
        let found = match locate(settings, &target, SMTP_PORT, rounds) {
            Located::Ask(queries) => {
                heard.open.extend(queries);
                continue;
            }
            Located::Nowhere(finding, said) => Err((finding, said)),
            Located::At(all) => Ok(all),
        };
        match (hosts.get_mut(&target.host()), found) {
            (Some(Ok(all)), Ok(more)) => all.extend(more),
            (_, found) => _ = hosts.insert(target.host(), found),
        }
    }
    if !heard.open.is_empty() {
        return heard;
    }
    for (host, located) in hosts {
        let all = match located {
            Ok(all) => all,
            Err(nowhere) => {
                let label = host.clone();
                heard.servers.push(HeardOf { host, label, said: Err(nowhere) });
                continue;
            }
        };
        // The controls come first: they are few, and a server may stop listening.
        let of_control = of_host(settings, &host, controls.iter()).into_iter();
        let of_list = of_host(settings, &host, list.iter()).into_iter();
        let wanted: Vec<(&String, u16)> = of_control
            .map(|control| (control, ideal.control))
            .chain(of_list.map(|one| (one, ideal.listed)))
            .collect();
        // A sender may use any address, and another machine may answer at each.
        let mut answers = Vec::new();
        for at in &all {
            let label = match all.len() {
                1 => host.clone(),
                _ => format!("{host} [{}]", at.server.ip()),
            };
            match of_server(settings, at, &wanted, rounds) {
                Server::Ask(query) => heard.open.push(query),
                Server::Said(replies) => {
                    answers.push(HeardOf { host: host.clone(), label, said: Ok(replies) });
                }
                Server::Broken(finding, said) => {
                    // What is said of it names its address.
                    let (label, said) = (host.clone(), Err((finding, said)));
                    answers.push(HeardOf { host: host.clone(), label, said });
                }
            }
        }
        // An address that does not answer sends nobody away: senders try the next. But what it says when
        // it answers again, nobody knows.
        let is_silent = |of: &HeardOf| matches!(of.said, Err((Finding::Unanswered, _)));
        if text(settings, SILENT) == Some(ALLOWED) && answers.iter().any(|of| of.said.is_ok()) {
            answers.retain(|of| !is_silent(of));
        }
        heard.servers.extend(answers);
    }
    heard
}

enum Server {
    Ask(Query),
    Said(BTreeMap<String, Reply>),
    Broken(Finding, String),
}

/// What one address of a server says.
fn of_server(settings: &Settings, at: &At, wanted: &[(&String, u16)], rounds: &[Round]) -> Server {
    let mut said: BTreeMap<String, Reply> = BTreeMap::new();
    let (mut sessions, mut is_over, mut last) = (0, false, None);
    for (question, seen) in rounds.iter().flatten().filter_map(Answered::smtp) {
        if at.server != question.host.server || at.host != question.host.name {
            continue;
        }
        sessions += 1;
        let before = said.len();
        take(question, seen, &mut said);
        last = Some(seen);
        // A session that brings nothing is the last.
        is_over |= said.len() == before;
    }
    let open: Vec<(&String, u16)> =
        wanted.iter().filter(|(address, _)| !said.contains_key(*address)).copied().collect();
    if open.is_empty() {
        return Server::Said(said);
    }
    match last {
        Some(seen) if is_over || sessions >= ROUNDS_MAX => {
            let (finding, why) = ended(seen);
            let rest = format!("{} of {} addresses are open", open.len(), wanted.len());
            Server::Broken(finding, format!("[{}]: {why}; {rest}", at.server))
        }
        Some(_) | None => Server::Ask(Query::Smtp(question(settings, at, &open))),
    }
}

/// Why a session has brought nothing.
fn ended(seen: &MailSeen) -> (Finding, String) {
    let mail = seen.replies.first();
    let refusal = seen.greeting.iter().chain(&seen.refused).chain(mail);
    match refusal.into_iter().find(|reply| reply.class() != 2) {
        // It refuses this machine, and says nothing about recipients.
        Some(reply) => (Finding::Inconclusive, format!("it takes no mail from here: {reply}")),
        None => match &seen.broken {
            Some(why) => broken(why),
            None => (Finding::Unanswered, "it ended the session".to_owned()),
        },
    }
}

/// Takes what a session says about addresses: the replies to RCPT after an accepted MAIL.
fn take(question: &AskSmtp, seen: &MailSeen, said: &mut BTreeMap<String, Reply>) {
    let mut takes_mail = false;
    for (command, reply) in question.commands.iter().zip(&seen.replies) {
        match command.line.strip_prefix("RCPT TO:<").and_then(|rest| rest.strip_suffix('>')) {
            None if command.line.starts_with("MAIL ") => takes_mail = reply.class() == 2,
            None => {}
            // 421 is about the session, not about the address (RFC 5321 §3.8).
            Some(address) if takes_mail && reply.code != 421 => {
                said.insert(address.to_owned(), reply.clone());
            }
            Some(_) => {}
        }
    }
}

fn question(settings: &Settings, at: &At, open: &[(&String, u16)]) -> AskSmtp {
    let of = |line: String, ideal| SmtpCommand { line, ideal };
    let from = text(settings, FROM).unwrap_or_default();
    // MAIL, the addresses and RSET are one group. In most sessions all are taken, so that there
    // would be too many for one message without RSET.
    let commands = open.chunks(GROUP - 2).flat_map(|chunk| {
        let mail = of(format!("MAIL FROM:<{from}>"), 250);
        let rcpt = chunk.iter().map(move |(to, ideal)| of(format!("RCPT TO:<{to}>"), *ideal));
        std::iter::once(mail).chain(rcpt).chain([of("RSET".to_owned(), 250)])
    });
    let groups = u32::try_from(open.len().div_ceil(GROUP - 2)).unwrap_or(u32::MAX);
    let pause = text(settings, PAUSE).and_then(|text| parse_span(text).ok());
    let pause = pause.unwrap_or(PAUSE_DEFAULT);
    AskSmtp {
        host: AskHost {
            server: at.server,
            name: at.host.clone(),
            encrypts: Encrypts::Upgraded,
            login: None,
            within: (within(settings) + pause).saturating_mul(groups.max(1)),
        },
        tlsa: Vec::new(),
        commands: commands.collect(),
        group: GROUP,
        pause,
    }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let list = match list(settings, rounds) {
        List::Ask(query) => return Next::Ask(vec![query]),
        List::None(finding, said) => return Next::Found(finding, said),
        List::Of(list) => list,
    };
    let ideal = Ideal { listed: 250, control: 550 };
    let Heard { open, servers } = ask(settings, &list, ideal, rounds);
    if !open.is_empty() {
        return Next::Ask(open);
    }
    if servers.is_empty() {
        let said = "the host has no exchange that could be asked".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    }
    let controls = controls(&list);
    let judged = servers.into_iter().flat_map(|HeardOf { host, label, said }| match said {
        Ok(replies) => {
            let list = of_host(settings, &host, list.iter());
            let controls = of_host(settings, &host, controls.iter());
            judged(settings, &label, &list, &controls, &replies)
        }
        Err((finding, said)) => vec![(finding, format!("{label} {said}"))],
    });
    told(judged.collect())
}

/// What one server has said.
fn judged(
    settings: &Settings,
    host: &str,
    list: &[&String],
    controls: &[&String],
    replies: &BTreeMap<String, Reply>,
) -> Vec<(Finding, String)> {
    let class = |address: &String| replies.get(address).map_or(0, Reply::class);
    let of = |wanted: &dyn Fn(u16) -> bool| -> Vec<&String> {
        list.iter().copied().filter(|address| wanted(class(address))).collect()
    };
    let (refused, later) = (of(&|class| class == 5), of(&|class| class != 2 && class != 5));
    let mut found = Vec::new();
    let shown = |addresses: &[&String]| some(addresses, replies);
    if !refused.is_empty() {
        let said = format!(
            "{host} refuses {} of {} addresses: {}",
            refused.len(),
            list.len(),
            shown(&refused)
        );
        found.push((Finding::Fail, said));
    }
    if !later.is_empty() {
        let said = format!(
            "{host} puts off {} of {} addresses: {}",
            later.len(),
            list.len(),
            shown(&later)
        );
        found.push((Finding::Inconclusive, said));
    }
    let takes_all = controls.iter().find(|control| class(control) == 2);
    if let Some(control) = takes_all
        && text(settings, CATCH_ALL) != Some(ALLOWED)
    {
        let said = format!(
            "{host} takes mail for {control} too, so what it says about addresses means nothing"
        );
        found.push((Finding::Inconclusive, said));
    }
    if found.is_empty() {
        let said = format!("{host} takes mail for all of {} addresses", list.len());
        found.push((Finding::Pass, said));
    }
    found
}

/// Some addresses with their replies.
pub(super) fn some(addresses: &[&String], replies: &BTreeMap<String, Reply>) -> String {
    /// How many are shown. Our choice: the first few show the problem.
    const SHOWN_MAX: usize = 5;
    let shown = addresses.iter().take(SHOWN_MAX).map(|address| match replies.get(*address) {
        Some(reply) => format!("{address} ({reply})"),
        None => (*address).clone(),
    });
    let shown: Vec<String> = shown.collect();
    match addresses.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        Some(more) => format!("{}, and {more} more", shown.join(", ")),
        None => shown.join(", "),
    }
}
