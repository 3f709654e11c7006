//! What `imap` and `submission` have in common: servers for clients, with TLS and a log-in.

use cutover_contract::{ConfigField, FieldKind};

use super::session::{CERTIFICATE_FIELD, Said, logged_in, opened};
use super::target::{
    At, HOST, Located, RESOLVER_FIELD, SERVERS, SERVERS_FIELD, check_targets, locate, targets,
};
use super::{Asked, BadSetting, Finding, Next, Round, check_within, text, told, within};
use crate::ask::{AskHost, Encrypts, MailLogin, MailSeen, Query};
use crate::config::ConfigSpec;
use crate::graph::gate::Settings;

/// The key that says when the session is encrypted.
pub const TLS: &str = "tls";
/// TLS from the first octet.
pub const IMPLICIT: &str = "implicit";
/// TLS by STARTTLS.
pub const STARTTLS: &str = "starttls";

const USER: &str = "user";
const PASSWORD: &str = "password";

const TLS_FIELD: ConfigField = ConfigField {
    name: TLS,
    kind: FieldKind::Choice(&[IMPLICIT, STARTTLS]),
    required: false,
    former: None,
    doc: "`implicit` (the default): TLS from the first octet; `starttls`: with the command.",
};
const USER_FIELD: ConfigField = ConfigField {
    name: USER,
    kind: FieldKind::Text,
    required: false,
    former: None,
    doc: "The user that logs in. Default: nobody logs in.",
};
const PASSWORD_FIELD: ConfigField = ConfigField {
    name: PASSWORD,
    kind: FieldKind::Secret,
    required: false,
    former: None,
    doc: "The user's password. It is sent over TLS only, to a server whose certificate is valid.",
};

/// The keys of both probes.
pub(super) const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan whose server is asked. Default: the new one.",
    },
    SERVERS_FIELD,
    TLS_FIELD,
    CERTIFICATE_FIELD,
    USER_FIELD,
    PASSWORD_FIELD,
    RESOLVER_FIELD,
    WITHIN_FIELD,
];

const WITHIN_FIELD: ConfigField = ConfigField {
    name: "within",
    kind: FieldKind::Duration,
    required: false,
    former: None,
    doc: "How long a session may take, default 30s.",
};

/// A protocol of clients.
pub(super) struct Protocol {
    /// The port with TLS from the first octet.
    pub(super) implicit_port: u16,
    /// The port with STARTTLS.
    pub(super) starttls_port: u16,
    /// The question for a server.
    pub(super) query: fn(AskHost) -> Query,
    /// What was seen of it, if it was asked.
    pub(super) seen: for<'r> fn(&'r [Round], &Query) -> Option<&'r MailSeen>,
    /// What is wrong with what it offers, besides.
    pub(super) offers: fn(&MailSeen) -> Result<String, Said>,
}

pub(super) fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, SERVERS)?;
    let (user, password) = (settings.contains_key(USER), settings.contains_key(PASSWORD));
    if user != password {
        return Err(BadSetting {
            key: if user { USER } else { PASSWORD },
            is_secret: false,
            problem: "`user` and `password` need each other".to_owned(),
            help: "write both, or none: then only TLS and what is offered are checked".to_owned(),
        });
    }
    check_within(settings)
}

fn host(settings: &Settings, at: &At) -> AskHost {
    let login = match (text(settings, USER), settings.get(PASSWORD)) {
        (Some(user), Some(ConfigSpec::Secret(password))) => {
            Some(MailLogin { user: user.to_owned(), password: password.clone() })
        }
        (_, _) => None,
    };
    AskHost {
        server: at.server,
        name: at.host.clone(),
        encrypts: match text(settings, TLS) {
            Some(STARTTLS) => Encrypts::Upgraded,
            Some(_) | None => Encrypts::Implicit,
        },
        login,
        within: within(settings),
    }
}

pub(super) fn next(protocol: &Protocol, asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let port = match text(settings, TLS) {
        Some(STARTTLS) => protocol.starttls_port,
        Some(_) | None => protocol.implicit_port,
    };
    let targets = targets(settings, SERVERS);
    if targets.is_empty() {
        let said = "the plan names no server, neither here nor in the host's discovery records";
        return Next::Found(Finding::Inconclusive, said.to_owned());
    }
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for target in &targets {
        match locate(settings, target, port, rounds) {
            Located::Ask(queries) => open.extend(queries),
            Located::Nowhere(finding, said) => found.push((finding, said)),
            Located::At(all) => {
                for at in all {
                    let query = (protocol.query)(host(settings, &at));
                    match (protocol.seen)(rounds, &query) {
                        None => open.push(query),
                        Some(seen) => {
                            let (finding, said) = judged(protocol, settings, seen);
                            found.push((finding, format!("{at}: {said}")));
                        }
                    }
                }
            }
        }
    }
    if open.is_empty() { told(found) } else { Next::Ask(open) }
}

fn judged(protocol: &Protocol, settings: &Settings, seen: &MailSeen) -> Said {
    let judge = || -> Result<String, Said> {
        let opened = opened(settings, seen)?;
        // A session that broke says less of what is offered, and nothing of the log-in.
        if let Some(why) = seen.broken.as_ref().filter(|_| seen.login.is_none()) {
            return Err(super::session::broken(why));
        }
        let offers = (protocol.offers)(seen)?;
        Ok(format!("{opened}, {offers}{}", logged_in(seen.login.as_ref())?))
    };
    match judge() {
        Ok(said) => (Finding::Pass, said),
        Err(found) => found,
    }
}
