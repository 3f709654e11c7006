//! What is in mailboxes: copied from an old host to a new one, and compared.
//!
//! Terms: an *account* is a mailbox of a user at a server, with the way to sign in. A *folder* is
//! what IMAP calls a mailbox. The *old side* is read and never changed. The *new side* gets
//! messages and flags; nothing is ever deleted there.
//!
//! * [`inventory`] counts and measures, and says what the new side will refuse.
//! * [`copy`] brings each message of the old side to the new side once, also if the connection breaks
//!   or the process dies: the [`ledger`] has an intent before each window of messages and the outcome after it,
//!   and what a lost answer left open is looked for at the new side by its digest, or by what a host
//!   that rewrites messages leaves alone ([`likeness`]).
//! * [`backup`] keeps mailboxes as files that a stranger can check, and restores them.
//! * [`verify`] reads both sides and compares them message by message. It does not believe the ledger, which
//!   only tells it the names of folders, and what was refused. Its [`verify::Verdict`] is for gates.
//!
//! Every UID that the old side names ends with an outcome ([`report::Outcome`]); what could not be
//! read or was refused is named in the report with its reason, and a refused message is put aside
//! as a file. A message or folder at which connections break each time stops nothing else.
//!
//! This crate knows nothing about plans, hosts of a plan, or DNS.

pub mod account;
pub mod backup;
mod care;
pub mod clock;
pub mod content;
pub mod copy;
pub mod error;
mod flags;
pub mod folders;
pub mod inventory;
pub mod ledger;
pub mod likeness;
mod read;
pub mod report;
pub mod throttle;
pub mod verify;
