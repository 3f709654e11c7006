#![doc = include_str!("README.md")]

pub mod cli;
pub mod findings;
pub mod history;
pub mod seal;
pub mod world;

// The modules of the crates below, under one name: whoever uses the library needs no other.
pub use cutover_base::{calendar, diag, digest, slug};
pub use cutover_imap as imap;
pub use cutover_mail::{dkim, recipients, resolution, spf};
pub use cutover_mailbox as mailbox;
pub use cutover_plan::{compile, intent, language, model, observe, proof, recipe};
pub use cutover_profile as profile;
pub use cutover_run::{artifact, engine, journal, sim};
pub use cutover_steps::{
    approvals, ask, authority, config, fact, graph, invariant, mailboxes, notify, probe, resolver,
};
pub use cutover_view::{document, render};
pub use {cutover_check as check, cutover_discover as discover};
