//! Invariants: what has to be true at every instant. One file each, and a line in [`ALL`].

mod authenticated;
mod deliverable;
mod reach;
mod spf_sound;

use super::{Judgement, Proof};

/// Something that has to be true at every instant.
pub struct Invariant {
    /// Its name, in verdicts and in the documentation.
    pub name: &'static str,
    /// Looks at every view.
    pub check: fn(&Proof<'_>) -> Judgement,
}

/// Every invariant that is checked.
pub const ALL: &[Invariant] = &[
    // Whatever MX records and addresses a sender has cached, they lead to a host that is meant.
    Invariant { name: "deliverable", check: deliverable::check },
    // Mail of every sender of the plan passes SPF or DKIM as long as it can be in flight.
    Invariant { name: "authenticated", check: authenticated::check },
    // Every SPF record that can be seen is one record of at most ten look-ups.
    Invariant { name: "spf-sound", check: spf_sound::check },
    // From the switch on, what is cached of the switched records is short-lived.
    Invariant { name: "reach", check: reach::check },
];

/// The invariants of the safety model that no file here checks yet.
pub const MISSING: &[&str] =
    &["one-mailbox", "no-loop", "transport-policy", "clients", "reversible"];
