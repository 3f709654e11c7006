#![doc = include_str!("README.md")]

pub mod cli;
pub mod document;
pub mod history;
pub mod render;
pub mod seal;
pub mod world;

pub use cutover_base::{calendar, diag, digest, slug};

pub use cutover_mail::{dkim, resolution, spf};

pub use cutover_steps::{ask, authority, config, fact, graph, invariant, notify, probe, resolver};

pub use cutover_plan::{compile, intent, language, model, observe, proof, recipe};

pub use cutover_run::{artifact, engine, journal, sim};
