//! How the mailboxes of two hosts are opened, for gates that compare them. In an artifact, these are
//! keys of the gate's probe, with secrets as references.

use std::collections::BTreeMap;

use crate::config::{ConfigSpec, SecretRef};

/// How the mailboxes of a host are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxHost {
    /// The name of the IMAP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How connections are protected.
    pub security: Security,
    /// The file of the authorities that may sign the server's certificate, instead of the system's.
    pub authority: Option<String>,
    /// Who signs in.
    pub sign_in: SignInSpec,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the start.
    Tls,
    /// TLS by `STARTTLS`.
    StartTls,
    /// No protection, for a server on the same machine.
    None,
}

impl Security {
    /// The words of the plan language.
    pub const WORDS: &[&str] = &["tls", "starttls", "none"];

    /// The protection that a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "tls" => Some(Self::Tls),
            "starttls" => Some(Self::StartTls),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }
}

/// Who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInSpec {
    /// Each user, with the secret that the list of recipients names.
    Listed,
    /// Each user, with a password. `{user}` in the reference stands for the user.
    Password(SecretRef),
    /// Each user, with an OAuth 2 access token. `{user}` in the reference stands for the user.
    Token(SecretRef),
    /// One user who may open the mailboxes of others.
    Master {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretRef,
    },
}

/// The placeholder for the user in a reference to a secret.
const USER: &str = "{user}";

/// A reference to the secret of one user.
#[must_use]
pub fn of_user(reference: &SecretRef, user: &str) -> SecretRef {
    let fill = |text: &String| text.replace(USER, user);
    match reference {
        SecretRef::Env(name) => SecretRef::Env(fill(name)),
        SecretRef::File(path) => SecretRef::File(fill(path)),
        SecretRef::Command(argv) => SecretRef::Command(argv.iter().map(fill).collect()),
    }
}

/// A mailbox that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxAccount {
    /// Its address.
    pub address: String,
    /// Who signs in at the old host.
    pub old: MailboxLogin,
    /// Who signs in at the new host.
    pub new: MailboxLogin,
}

/// Who signs in to a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxLogin {
    /// The user.
    pub user: String,
    /// Where the user's own password is, if the list of recipients says so.
    pub secret: Option<SecretRef>,
}

type Object = BTreeMap<String, ConfigSpec>;

fn text(object: &Object, key: &str) -> Option<String> {
    match object.get(key)? {
        ConfigSpec::Text(text) => Some(text.clone()),
        ConfigSpec::Argv(_)
        | ConfigSpec::Secret(_)
        | ConfigSpec::Object(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => None,
    }
}

fn secret(object: &Object, key: &str) -> Option<SecretRef> {
    match object.get(key)? {
        ConfigSpec::Secret(secret) => Some(secret.clone()),
        ConfigSpec::Text(_)
        | ConfigSpec::Argv(_)
        | ConfigSpec::Object(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => None,
    }
}

fn object<'o>(object: &'o Object, key: &str) -> Option<&'o Object> {
    match object.get(key)? {
        ConfigSpec::Object(inner) => Some(inner),
        ConfigSpec::Text(_)
        | ConfigSpec::Argv(_)
        | ConfigSpec::Secret(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => None,
    }
}

impl MailboxHost {
    /// As a key of a probe.
    #[must_use]
    pub fn to_config(&self) -> ConfigSpec {
        let Self { host, port, security, authority, sign_in } = self;
        let mut all = Object::from([
            ("host".to_owned(), ConfigSpec::Text(host.clone())),
            ("port".to_owned(), ConfigSpec::Number(i64::from(*port))),
            ("security".to_owned(), ConfigSpec::Text(security.word().to_owned())),
        ]);
        all.extend(authority.clone().map(|path| ("authority".to_owned(), ConfigSpec::Text(path))));
        let mut add = |key: &str, value| _ = all.insert(key.to_owned(), value);
        match sign_in {
            SignInSpec::Listed => {}
            SignInSpec::Password(secret) => add("password", ConfigSpec::Secret(secret.clone())),
            SignInSpec::Token(secret) => add("token", ConfigSpec::Secret(secret.clone())),
            SignInSpec::Master { user, password } => {
                add("master", ConfigSpec::Text(user.clone()));
                add("master_password", ConfigSpec::Secret(password.clone()));
            }
        }
        ConfigSpec::Object(all)
    }

    /// From the key of a probe; `None` if it is no such value.
    #[must_use]
    pub fn of_config(settings: &Object, key: &str) -> Option<Self> {
        let all = object(settings, key)?;
        let ConfigSpec::Number(port) = all.get("port")? else { return None };
        let sign_in = match (secret(all, "password"), secret(all, "token"), text(all, "master")) {
            (Some(password), None, None) => SignInSpec::Password(password),
            (None, Some(token), None) => SignInSpec::Token(token),
            (None, None, Some(user)) => {
                SignInSpec::Master { user, password: secret(all, "master_password")? }
            }
            (None, None, None) => SignInSpec::Listed,
            (_, _, _) => return None,
        };
        Some(Self {
            host: text(all, "host")?,
            port: u16::try_from(*port).ok()?,
            security: Security::of_word(&text(all, "security")?)?,
            authority: text(all, "authority"),
            sign_in,
        })
    }
}

impl MailboxLogin {
    /// As a key of a probe.
    #[must_use]
    pub fn to_config(&self) -> ConfigSpec {
        let Self { user, secret } = self;
        let user = ("user".to_owned(), ConfigSpec::Text(user.clone()));
        let secret = secret.clone().map(|secret| ("secret".to_owned(), ConfigSpec::Secret(secret)));
        ConfigSpec::Object([user].into_iter().chain(secret).collect())
    }

    /// From the key of a probe; `None` if it is no such value.
    #[must_use]
    pub fn of_config(settings: &Object, key: &str) -> Option<Self> {
        let keys = object(settings, key)?;
        Some(Self { user: text(keys, "user")?, secret: secret(keys, "secret") })
    }
}

impl MailboxAccount {
    /// Accounts as a key of a probe.
    #[must_use]
    pub fn to_config(all: &[Self]) -> ConfigSpec {
        let of = |one: &Self| {
            let mut keys = Object::new();
            for (side, MailboxLogin { user, secret }) in [("old", &one.old), ("new", &one.new)] {
                keys.insert(format!("{side}_user"), ConfigSpec::Text(user.clone()));
                let secret = secret.clone().map(ConfigSpec::Secret);
                keys.extend(secret.map(|secret| (format!("{side}_secret"), secret)));
            }
            (one.address.clone(), ConfigSpec::Object(keys))
        };
        ConfigSpec::Object(all.iter().map(of).collect())
    }

    /// From the key of a probe; `None` if it is no such value.
    #[must_use]
    pub fn of_config(settings: &Object, key: &str) -> Option<Vec<Self>> {
        let all = object(settings, key)?;
        let of = |address: &String| {
            let keys = object(all, address)?;
            let login = |side: &str| {
                let user = text(keys, &format!("{side}_user"))?;
                Some(MailboxLogin { user, secret: secret(keys, &format!("{side}_secret")) })
            };
            let (old, new) = (login("old")?, login("new")?);
            Some(Self { address: address.clone(), old, new })
        };
        all.keys().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_probe_is_given_is_what_it_reads() {
        let file = || SecretRef::File("a/b".to_owned());
        let sign_ins = [
            SignInSpec::Listed,
            SignInSpec::Password(file()),
            SignInSpec::Token(SecretRef::Command(vec!["token".to_owned()])),
            SignInSpec::Master { user: "root".to_owned(), password: file() },
        ];
        let login = |user: &str, secret| MailboxLogin { user: user.to_owned(), secret };
        let accounts = vec![MailboxAccount {
            address: "a@acme.test".to_owned(),
            old: login("a", Some(SecretRef::Env("A".to_owned()))),
            new: login("a@acme.test", None),
        }];
        for (sign_in, authority) in
            sign_ins.into_iter().zip([None, Some("ca.pem".to_owned())].into_iter().cycle())
        {
            let (host, port, security) = ("imap.acme.test".to_owned(), 993, Security::Tls);
            let host = MailboxHost { host, port, security, authority, sign_in };
            let settings = Object::from([
                ("old".to_owned(), host.to_config()),
                ("accounts".to_owned(), MailboxAccount::to_config(&accounts)),
                ("login".to_owned(), accounts[0].old.to_config()),
            ]);
            assert_eq!(MailboxHost::of_config(&settings, "old"), Some(host));
            assert_eq!(MailboxAccount::of_config(&settings, "accounts"), Some(accounts.clone()));
            let login = MailboxLogin::of_config(&settings, "login");
            assert_eq!(login, Some(accounts[0].old.clone()));
            assert_eq!(MailboxHost::of_config(&settings, "new"), None);
            assert_eq!(MailboxHost::of_config(&settings, "accounts"), None);
        }
    }
}
