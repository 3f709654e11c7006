#![doc = include_str!("README.md")]

pub mod artifact;
pub mod ask;
pub mod authority;
pub mod cli;
pub mod compile;
pub mod config;
pub mod dkim;
pub mod document;
pub mod engine;
pub mod fact;
pub mod graph;
pub mod history;
pub mod intent;
pub mod invariant;
pub mod journal;
pub mod model;
pub mod notify;
pub mod observe;
pub mod probe;
pub mod proof;
pub mod recipe;
pub mod render;
pub mod resolution;
pub mod resolver;
pub mod seal;
pub mod sim;
pub mod spec;
pub mod spf;
pub mod world;

pub use cutover_base::{calendar, diag, digest, slug};
