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

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The host accepts every recipient of the domains.
    Accepts,
    /// What the host does with mail that arrives for the domains.
    Mail,
    /// Mail from the host's own customers stays there, whatever DNS says.
    RoutesLocal,
    /// People and programs send through the host.
    Sends,
    /// Mail clients are set up to use the host.
    Clients,
    /// The last copy of the host's mailboxes to the other side has been made.
    Synced,
    /// The host serves the mailboxes to clients.
    Serves,
    /// Every MTA-STS policy that senders may have cached allows the host's exchanges.
    StsAllows,
    /// The certificates of the host's exchanges match their TLSA records.
    TlsaMatches,
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
    /// What it says of the host.
    pub meaning: &'static str,
    /// The values that it can have.
    pub values: &'static [Value],
    /// The value that `assume:` states where it names none.
    pub stated: Value,
    /// The value that the proof takes where nobody states one: the worst. `None`: a plan key says it.
    pub unknown: Option<Value>,
    /// What may establish it.
    pub sources: &'static [Source],
}

const YES_NO: &[Value] = &[Value::True, Value::False];

/// Every kind of fact.
pub const TABLE: &[Row] = &[
    Row {
        fact: Fact::Accepts,
        word: "accepts",
        meaning: "accepts every recipient of the domains",
        values: YES_NO,
        stated: Value::True,
        unknown: Some(Value::False),
        sources: &[Source::Assume],
    },
    Row {
        fact: Fact::Mail,
        word: "mail",
        meaning: "does so with mail that arrives for the domains",
        values: &[Value::Store, Value::Relay, Value::RelayByMx, Value::Reject, Value::Off],
        stated: Value::Relay,
        unknown: None,
        sources: &[Source::PlanKey("migrate"), Source::Assume],
    },
    Row {
        fact: Fact::RoutesLocal,
        word: "routes_local",
        meaning: "keeps mail of its own customers for the domains, whatever the MX records say",
        values: YES_NO,
        stated: Value::False,
        unknown: Some(Value::True),
        sources: &[Source::Assume],
    },
    Row {
        fact: Fact::Sends,
        word: "sends",
        meaning: "is what people and programs send through, as the domains",
        values: YES_NO,
        stated: Value::False,
        unknown: Some(Value::True),
        sources: &[Source::PlanKey("senders"), Source::Assume],
    },
    Row {
        fact: Fact::Clients,
        word: "clients",
        meaning: "is what mail clients are set up to use",
        values: YES_NO,
        stated: Value::False,
        unknown: Some(Value::True),
        sources: &[Source::Assume],
    },
    Row {
        fact: Fact::Synced,
        word: "synced",
        meaning: "has had its mailboxes copied to the other side for the last time",
        values: YES_NO,
        stated: Value::True,
        unknown: Some(Value::False),
        sources: &[Source::Assume],
    },
    Row {
        fact: Fact::Serves,
        word: "serves",
        meaning: "serves every mailbox to its user's clients",
        values: YES_NO,
        stated: Value::True,
        unknown: Some(Value::False),
        sources: &[Source::Assume],
    },
    Row {
        fact: Fact::StsAllows,
        word: "sts_allows",
        meaning: "is allowed by every MTA-STS policy that senders may have cached",
        values: YES_NO,
        stated: Value::True,
        unknown: Some(Value::False),
        sources: &[Source::Snapshot("no `_mta-sts` record at the domain"), Source::Assume],
    },
    Row {
        fact: Fact::TlsaMatches,
        word: "tlsa_matches",
        meaning: "has certificates that match every version of its exchanges' TLSA records",
        values: YES_NO,
        stated: Value::True,
        unknown: Some(Value::False),
        sources: &[
            Source::Snapshot("no TLSA record at its exchanges"),
            Source::PlanKey("tlsa"),
            Source::Assume,
        ],
    },
];

/// The words of all facts, for the plan's schema.
pub const WORDS: &[&str] = &[
    "accepts",
    "mail",
    "routes_local",
    "sends",
    "clients",
    "synced",
    "serves",
    "sts_allows",
    "tlsa_matches",
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

    /// The value of a word, if this fact can have it.
    #[must_use]
    pub fn value(self, word: &str) -> Option<Value> {
        self.row().values.iter().copied().find(|value| value.word() == word)
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
            assert!(row.values.contains(&row.stated), "{}", row.word);
            assert!(row.unknown.is_none_or(|value| row.values.contains(&value)));
            for value in row.values {
                assert_eq!(row.fact.value(value.word()), Some(*value));
            }
            assert!(row.sources.contains(&Source::Assume), "everything can be stated");
        }
    }
}
