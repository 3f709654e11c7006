#![doc = include_str!("README.md")]

pub mod artifact;
pub mod cli;
pub mod compile;
pub mod document;
pub mod engine;
pub mod history;
pub mod intent;
pub mod journal;
pub mod model;
pub mod observe;
pub mod proof;
pub mod recipe;
pub mod render;
pub mod seal;
pub mod sim;
pub mod spec;
pub mod world;

pub use cutover_base::{calendar, diag, digest, slug};

pub use cutover_mail::{dkim, resolution, spf};

pub use cutover_steps::{ask, authority, config, fact, graph, invariant, notify, probe, resolver};
