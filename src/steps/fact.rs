//! Facts about mail hosts that matter to mail but are not in DNS.
//!
//! DNS does not show whether a host accepts a recipient, or whether people have stopped sending
//! through it. Each kind of fact is a row of [`TABLE`]: its meaning, its values, and what can
//! establish it. If a plan relies on a fact that nothing establishes, the fact is *unknown*: the
//! proof assumes its worst value, which refutes the plan, and the help shows the line that would
//! state it.
//!
//! A stated fact is an assumption; every verdict lists it.

use std::fmt;
use std::net::IpAddr;

use cutover_zone::Name;

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A host of the plan.
    Host(String),
    /// A DNS name: a domain, an exchange, a key's owner, a name outside of the zones.
    Name(Name),
    /// An address of an exchange.
    Address(IpAddr),
}

impl Subject {
    /// The host, if it is one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Host(host) => Some(host),
            Self::Name(_) | Self::Address(_) => None,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Host(_) => SubjectKind::Host,
            Self::Name(_) => SubjectKind::Name,
            Self::Address(_) => SubjectKind::Address,
        }
    }
}

impl Subject {
    /// Its form in a sentence.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Host(host) => format!("`{host}`"),
            Self::Name(_) | Self::Address(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Name(name) => write!(f, "{name}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// The kinds of [`Subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// `host:`.
    Host,
    /// `name:`.
    Name,
    /// `address:`.
    Address,
}

impl SubjectKind {
    /// The key in an entry of `assume:`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Name => "name",
            Self::Address => "address",
        }
    }
}

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// Mail for every recipient is accepted.
    Accepts,
    /// What the host does with mail that arrives for the domains.
    Mail,
    /// Mail from the host's own customers stays on the host, whatever DNS says.
    RoutesLocal,
    /// People and programs send through the host.
    Sends,
    /// The host, or the name, is configured in mail clients.
    Clients,
    /// Clients that are configured for the host see the mailboxes of the other side.
    Redirects,
    /// The last copy of the host's mailboxes to the other side has been made.
    Synced,
    /// The host serves the mailboxes to clients.
    Serves,
    /// Every MTA-STS policy that senders may have cached allows the host's exchanges.
    StsAllows,
    /// The certificates of the host's exchanges match their TLSA records.
    TlsaMatches,
    /// A name outside of the zones has what the plan needs there.
    Published,
    /// Somebody signs mail with a DKIM key.
    Signs,
    /// All mail that is sent as the domain passes DMARC.
    PassesDmarc,
    /// A domain that does not move stays at the old host.
    Stays,
    /// Some senders or mail clients have only IPv4.
    Ipv4Only,
    /// Some senders or mail clients have only IPv6.
    Ipv6Only,
}

/// The value of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// The fact is true.
    True,
    /// The fact is false.
    False,
    /// For [`Fact::Mail`]: mail is stored in mailboxes here.
    Store,
    /// For [`Fact::Mail`]: mail is relayed to the exchanges of the other side, by their names.
    Relay,
    /// For [`Fact::Mail`]: mail is relayed to wherever the MX records lead.
    RelayByMx,
    /// For [`Fact::Mail`]: mail is rejected permanently.
    Reject,
    /// For [`Fact::Mail`]: the host does not answer.
    Off,
}

impl Value {
    /// The word in a plan.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Store => "store",
            Self::Relay => "relay",
            Self::RelayByMx => "relay_by_mx",
            Self::Reject => "reject",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What can establish a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A key of the plan.
    PlanKey(&'static str),
    /// The zones as they were seen.
    Snapshot(&'static str),
    /// A gate with this probe, when it has passed.
    Gate(&'static str),
    /// `assume:`.
    Assume,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlanKey(key) => write!(f, "the plan's `{key}`"),
            Self::Snapshot(what) => write!(f, "{what}"),
            Self::Gate(probe) => write!(f, "a gate `{probe}`, asked right before"),
            Self::Assume => f.write_str("`assume:`"),
        }
    }
}

/// A kind of fact.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub fact: Fact,
    /// Its word in a plan.
    pub word: &'static str,
    /// Its values, each with its meaning as a clause that follows the subject.
    pub says: &'static [(Value, &'static str)],
    /// What it can be about.
    pub subjects: &'static [SubjectKind],
    /// The default value of an entry of `assume:`.
    pub stated: Value,
    /// The default value for a host that mail leaves: what mail relies on today. `None`: unknown,
    /// as for all other hosts.
    pub of_old: Option<Value>,
    /// The value that the proof assumes if nothing establishes one: the worst.
    pub unknown: Value,
    /// What can establish it.
    pub sources: &'static [Source],
    /// The invariants whose patterns read it.
    pub read_by: &'static [&'static str],
}

const HOST: &[SubjectKind] = &[SubjectKind::Host];
const NAME: &[SubjectKind] = &[SubjectKind::Name];
const HOST_OR_NAME: &[SubjectKind] = &[SubjectKind::Host, SubjectKind::Name];

/// Every kind of fact.
pub const TABLE: &[Row] = &[
    Row {
        fact: Fact::Accepts,
        word: "accepts",
        says: &[
            (
                Value::True,
                "accepts mail for every recipient and delivers it to the mailboxes that people read",
            ),
            (
                Value::False,
                "does not accept mail for every recipient, or does not deliver it to the mailboxes that people read",
            ),
        ],
        subjects: &[SubjectKind::Host, SubjectKind::Name, SubjectKind::Address],
        stated: Value::True,
        of_old: Some(Value::True),
        unknown: Value::False,
        sources: &[Source::Gate("recipients"), Source::Assume],
        read_by: &["deliverable"],
    },
    Row {
        fact: Fact::Mail,
        word: "mail",
        says: &[
            (Value::Store, "stores mail for the domains in its own mailboxes"),
            (Value::Relay, "relays mail for the domains to the exchanges of the other side"),
            (Value::RelayByMx, "relays mail for the domains to where the MX records lead"),
            (Value::Reject, "rejects mail for the domains permanently"),
            (Value::Off, "is switched off as a mail host"),
        ],
        subjects: HOST,
        stated: Value::Relay,
        of_old: Some(Value::Store),
        // A host that should take mail stores it; any other value has to be stated.
        unknown: Value::Store,
        sources: &[Source::PlanKey("migrate"), Source::Assume],
        read_by: &["deliverable", "one-mailbox", "no-loop", "clients"],
    },
    Row {
        fact: Fact::RoutesLocal,
        word: "routes_local",
        says: &[
            (
                Value::True,
                "keeps mail from its own customers to the domains, whatever the MX records say",
            ),
            (Value::False, "routes mail from its own customers to the domains by the MX records"),
        ],
        subjects: HOST,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::Assume],
        read_by: &["deliverable", "one-mailbox"],
    },
    Row {
        fact: Fact::Sends,
        word: "sends",
        says: &[
            (Value::True, "is used by people or programs to send mail"),
            (Value::False, "is not (or no longer) used by people or programs to send mail"),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::PlanKey("senders"), Source::Assume],
        read_by: &["authenticated", "deliverable"],
    },
    Row {
        fact: Fact::Clients,
        word: "clients",
        says: &[
            (Value::True, "is configured in mail clients"),
            (Value::False, "is not (or no longer) configured in mail clients"),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::Assume],
        read_by: &["clients", "one-mailbox"],
    },
    Row {
        fact: Fact::Redirects,
        word: "redirects",
        says: &[
            (
                Value::True,
                "shows the mailboxes of the other side to clients that are configured for it",
            ),
            (
                Value::False,
                "does not show the mailboxes of the other side to clients that are configured for it",
            ),
        ],
        subjects: HOST,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[Source::Snapshot("no discovery record of the old host"), Source::Assume],
        read_by: &["clients"],
    },
    Row {
        fact: Fact::Synced,
        word: "synced",
        says: &[
            (Value::True, "has had its mailboxes copied to the other side for the last time"),
            (
                Value::False,
                "has not had its mailboxes copied to the other side for the last time yet",
            ),
        ],
        subjects: HOST,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[Source::Gate("mailboxes"), Source::Assume],
        read_by: &["one-mailbox"],
    },
    Row {
        fact: Fact::Serves,
        word: "serves",
        says: &[
            (Value::True, "serves every mailbox to its user's clients"),
            (Value::False, "does not serve every mailbox to its user's clients"),
        ],
        subjects: &[SubjectKind::Host, SubjectKind::Address],
        stated: Value::True,
        of_old: Some(Value::True),
        unknown: Value::False,
        sources: &[Source::Assume],
        read_by: &["clients"],
    },
    Row {
        fact: Fact::StsAllows,
        word: "sts_allows",
        says: &[
            (Value::True, "is allowed by every MTA-STS policy that senders may have cached"),
            (Value::False, "is not allowed by every MTA-STS policy that senders may have cached"),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::True,
        of_old: Some(Value::True),
        unknown: Value::False,
        sources: &[Source::Snapshot("no `_mta-sts` record at the domain"), Source::Assume],
        read_by: &["transport-policy"],
    },
    Row {
        fact: Fact::TlsaMatches,
        word: "tlsa_matches",
        says: &[
            (
                Value::True,
                "has certificates that match every version of its exchanges' TLSA records",
            ),
            (
                Value::False,
                "has certificates that do not match every version of its exchanges' TLSA records",
            ),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[
            Source::Snapshot("no TLSA record at its exchanges"),
            Source::PlanKey("tlsa"),
            Source::Assume,
        ],
        read_by: &["transport-policy"],
    },
    Row {
        fact: Fact::Published,
        word: "published",
        says: &[
            (
                Value::True,
                "has and keeps what mail needs: addresses of each family, a valid record or key, and nothing that refuses this mail",
            ),
            (Value::False, "has nothing, or not what mail needs"),
        ],
        subjects: NAME,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[Source::Snapshot("a resolver's answer (`resolver:`)"), Source::Assume],
        read_by: &["deliverable", "authenticated", "spf-sound", "clients"],
    },
    Row {
        fact: Fact::Signs,
        word: "signs",
        says: &[
            (Value::True, "is a key that somebody signs mail with"),
            (Value::False, "is a key that nobody signs mail with any more"),
        ],
        subjects: NAME,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::PlanKey("dkim"), Source::Assume],
        read_by: &["authenticated"],
    },
    Row {
        fact: Fact::PassesDmarc,
        word: "passes_dmarc",
        says: &[
            (Value::True, "is a domain whose mail all passes DMARC"),
            (Value::False, "is a domain whose mail does not all pass DMARC"),
        ],
        subjects: NAME,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[Source::Assume],
        read_by: &["authenticated"],
    },
    Row {
        fact: Fact::Stays,
        word: "stays",
        says: &[
            (Value::True, "is a domain that stays at the old host, which keeps running for it"),
            (Value::False, "is a domain that does not stay at the old host"),
        ],
        subjects: NAME,
        stated: Value::True,
        of_old: None,
        unknown: Value::False,
        sources: &[
            Source::Snapshot("MX records that name an exchange of the old host"),
            Source::Assume,
        ],
        read_by: &["deliverable"],
    },
    Row {
        fact: Fact::Ipv4Only,
        word: "ipv4_only",
        says: &[
            (Value::True, "is reached by some senders or mail clients over IPv4 only"),
            (Value::False, "is reached by nobody over IPv4 only"),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::Assume],
        read_by: &["clients", "deliverable"],
    },
    Row {
        fact: Fact::Ipv6Only,
        word: "ipv6_only",
        says: &[
            (Value::True, "is reached by some senders or mail clients over IPv6 only"),
            (Value::False, "is reached by nobody over IPv6 only"),
        ],
        subjects: HOST_OR_NAME,
        stated: Value::False,
        of_old: None,
        unknown: Value::True,
        sources: &[Source::Snapshot("no exchange with an IPv6 address today"), Source::Assume],
        read_by: &["clients", "deliverable"],
    },
];

/// The words of all facts, for the plan's schema.
pub const WORDS: &[&str] = &[
    "accepts",
    "mail",
    "routes_local",
    "sends",
    "clients",
    "redirects",
    "synced",
    "serves",
    "sts_allows",
    "tlsa_matches",
    "published",
    "signs",
    "passes_dmarc",
    "stays",
    "ipv4_only",
    "ipv6_only",
];

/// The words of all values, for the plan's schema.
pub const VALUE_WORDS: &[&str] = &["store", "relay", "relay_by_mx", "reject", "off"];

impl Fact {
    /// Its row.
    ///
    /// # Panics
    /// Never: every fact has a row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.fact == self).expect("every fact has a row")
    }

    /// The fact of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.word == word).map(|row| row.fact)
    }

    /// The values that it can have.
    pub fn values(self) -> impl Iterator<Item = Value> {
        self.row().says.iter().map(|(value, _)| *value)
    }

    /// The value of a word, if this fact can have it.
    #[must_use]
    pub fn value(self, word: &str) -> Option<Value> {
        self.values().find(|value| value.word() == word)
    }

    /// The meaning of a value, as a clause that follows the subject.
    ///
    /// # Panics
    /// For a value that this fact cannot have.
    #[must_use]
    pub fn says(self, value: Value) -> &'static str {
        let says = self.row().says.iter().find(|(other, _)| *other == value);
        says.map(|(_, says)| *says).expect("only values that it can have are stated")
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_one_row_and_its_words_stand_in_the_lists() {
        let words: Vec<&str> = TABLE.iter().map(|row| row.word).collect();
        assert_eq!(words, WORDS);
        for row in TABLE {
            assert_eq!(Fact::of_word(row.word), Some(row.fact));
            let has = |value: Value| row.fact.values().any(|other| other == value);
            assert!(has(row.stated) && has(row.unknown), "{}", row.word);
            assert!(row.of_old.is_none_or(has));
            for reader in row.read_by {
                assert!(crate::invariant::NAMES.contains(reader), "{reader}");
            }
            for value in row.fact.values() {
                assert_eq!(row.fact.value(value.word()), Some(value));
            }
            assert!(row.sources.contains(&Source::Assume), "everything can be stated");
        }
    }
}
