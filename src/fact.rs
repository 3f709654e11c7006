//! Facts: what is true of a mail host, is not in DNS, and matters to mail.
//!
//! DNS can be looked at; whether a host accepts a recipient, or people have stopped sending through
//! it, cannot be read from a zone. Each kind of fact is a row of [`TABLE`]: what it means, which
//! values it has, and what may establish it. A fact that a plan relies on and that nothing
//! establishes is *unknown*: the proof takes the worst value for it, which refutes the plan, and the
//! help names the line that would state it.
//!
//! What is stated is an assumption, and every verdict lists it.

use std::fmt;
use std::net::IpAddr;

use cutover_contract::Name;

/// What a fact is stated of.
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

    /// Its key in a line of `assume:`.
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
    /// It in a sentence.
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
    /// The key in a line of `assume:`.
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
    /// The mail of every recipient is taken.
    Accepts,
    /// What the host does with mail that arrives for the domains.
    Mail,
    /// Mail from the host's own customers stays there, whatever DNS says.
    RoutesLocal,
    /// People and programs send through the host.
    Sends,
    /// Mail clients are set up to use the host, or the name.
    Clients,
    /// Clients that are set up for the host see the mailboxes of the other side.
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
    /// All mail that is sent as a domain passes DMARC.
    PassesDmarc,
    /// A domain that does not move stays at the old host.
    Stays,
    /// Some senders or mail clients have IPv4 alone.
    Ipv4Only,
    /// Some senders or mail clients have IPv6 alone.
    Ipv6Only,
}

/// The value of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Of [`Fact::Mail`]: it is put into mailboxes here.
    Store,
    /// Of [`Fact::Mail`]: it is passed on to the exchanges of the other side, by their names.
    Relay,
    /// Of [`Fact::Mail`]: it is passed on to wherever the MX records lead.
    RelayByMx,
    /// Of [`Fact::Mail`]: it is refused for good.
    Reject,
    /// Of [`Fact::Mail`]: nobody answers.
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

/// What may establish a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A key of the plan.
    PlanKey(&'static str),
    /// The zones as they were seen.
    Snapshot(&'static str),
    /// `assume:`.
    Assume,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlanKey(key) => write!(f, "the plan's `{key}`"),
            Self::Snapshot(what) => write!(f, "{what}"),
            Self::Assume => f.write_str("`assume:`"),
        }
    }
}

/// All about one kind of fact.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub fact: Fact,
    /// Its word in a plan.
    pub word: &'static str,
    /// The values that it can have, each with what it says of its subject, as a clause behind it.
    pub says: &'static [(Value, &'static str)],
    /// What it can be stated of.
    pub subjects: &'static [SubjectKind],
    /// The value that `assume:` states where it names none.
    pub stated: Value,
    /// The value of a host that mail leaves, before anybody states another: what mail relies on
    /// today. `None`: nobody knows, as of all others.
    pub of_old: Option<Value>,
    /// The value that the proof takes where nobody states one: the worst.
    pub unknown: Value,
    /// What may establish it.
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
                "takes the mail of every recipient, and brings it to the mailboxes that people read",
            ),
            (
                Value::False,
                "does not take the mail of every recipient, or does not bring it to the mailboxes that people read",
            ),
        ],
        subjects: &[SubjectKind::Host, SubjectKind::Name, SubjectKind::Address],
        stated: Value::True,
        of_old: Some(Value::True),
        unknown: Value::False,
        sources: &[Source::Assume],
        read_by: &["deliverable"],
    },
    Row {
        fact: Fact::Mail,
        word: "mail",
        says: &[
            (Value::Store, "puts mail for the domains into mailboxes of its own"),
            (Value::Relay, "passes mail for the domains on to the exchanges of the other side"),
            (Value::RelayByMx, "passes mail for the domains on to where the MX records lead"),
            (Value::Reject, "refuses mail for the domains for good"),
            (Value::Off, "is switched off"),
        ],
        subjects: HOST,
        stated: Value::Relay,
        of_old: Some(Value::Store),
        // What shall take mail puts it into mailboxes: the rest is stated.
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
                "keeps mail that its own customers send to the domains, whatever the MX records say",
            ),
            (
                Value::False,
                "sends mail that its own customers write to the domains where the MX records lead",
            ),
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
            (Value::True, "is what people and programs send mail through"),
            (Value::False, "is not, or no longer, what people and programs send mail through"),
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
            (Value::True, "is what mail clients are set up to use"),
            (Value::False, "is not, or no longer, what mail clients are set up to use"),
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
                "shows the mailboxes of the other side to the clients that are set up for it",
            ),
            (
                Value::False,
                "does not show the mailboxes of the other side to the clients that are set up for it",
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
        sources: &[Source::Assume],
        read_by: &["one-mailbox"],
    },
    Row {
        fact: Fact::Serves,
        word: "serves",
        says: &[
            (Value::True, "serves every mailbox to its user's clients"),
            (Value::False, "does not serve every mailbox to its user's clients"),
        ],
        subjects: HOST,
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
                "has what mail needs there, and keeps it: addresses of each family, a record or a key that is sound, and nothing that refuses this mail",
            ),
            (Value::False, "has nothing there, or not what mail needs"),
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
            (Value::True, "is a domain of which all mail passes DMARC"),
            (Value::False, "is a domain of which not all mail passes DMARC"),
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
            (Value::True, "is a domain that stays at the old host, which stays on for it"),
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
            (Value::True, "is reached by some senders or mail clients over IPv4 alone"),
            (Value::False, "is reached by nobody over IPv4 alone"),
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
            (Value::True, "is reached by some senders or mail clients over IPv6 alone"),
            (Value::False, "is reached by nobody over IPv6 alone"),
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

    /// What a value says of a subject, as a clause behind it.
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

    const INVARIANTS: &[&str] = &[
        "deliverable",
        "one-mailbox",
        "no-loop",
        "authenticated",
        "spf-sound",
        "transport-policy",
        "clients",
    ];

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
                assert!(INVARIANTS.contains(reader), "{reader}");
            }
            for value in row.fact.values() {
                assert_eq!(row.fact.value(value.word()), Some(value));
            }
            assert!(row.sources.contains(&Source::Assume), "everything can be stated");
        }
    }
}
