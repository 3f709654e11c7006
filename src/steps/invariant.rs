//! The names of the invariants, and what they say. What keeps them is in the proof.

/// Something that has to be true at every instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// Its name, in plans, in verdicts and in the documentation.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
}

/// The invariant of the way back.
pub const REVERSIBLE: &str = "reversible";

/// Every invariant, in the order of verdicts.
pub const TABLE: &[Invariant] = &[
    Invariant {
        name: "deliverable",
        says: "over every route a host accepts the mail, and none that it may reach rejects a valid recipient",
    },
    Invariant {
        name: "one-mailbox",
        says: "what is stored or written at one host reaches the mailbox at the other",
    },
    Invariant {
        name: "no-loop",
        says: "no two hosts pass mail to each other, and no host passes mail to itself by the MX records that it follows",
    },
    Invariant {
        name: "authenticated",
        says: "mail that may be in flight passes SPF and DKIM, as far as its sender declares them",
    },
    Invariant {
        name: "spf-sound",
        says: "every SPF record that can be seen is a single record with at most ten look-ups, of which at most two are void",
    },
    Invariant {
        name: "transport-policy",
        says: "a sender that obeys MTA-STS and DANE can deliver",
    },
    Invariant {
        name: "clients",
        says: "every user finds and reaches a server that serves the mailbox",
    },
    Invariant {
        name: "reach",
        says: "from the switch on, whatever caches hold of the switched records expires within the cutover TTL",
    },
    Invariant {
        name: "resolves",
        says: "a name that resolves before and after the plan resolves all the time",
    },
    Invariant {
        name: REVERSIBLE,
        says: "from every state before a point of no return, there is a way back that keeps all other invariants",
    },
    Invariant {
        name: "minimal-touch",
        says: "only records that the plan owns change, and no other name gets another answer",
    },
];

/// The names of all invariants, for the plan language.
pub const NAMES: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut place = 0;
    while place < TABLE.len() {
        names[place] = TABLE[place].name;
        place += 1;
    }
    names
};
