#![doc = include_str!("README.md")]

pub use cutover_digest as digest;

pub mod artifact;
pub mod calendar;
pub mod cli;
pub mod compile;
pub mod diag;
pub mod dkim;
pub mod document;
pub mod engine;
pub mod fact;
pub mod graph;
pub mod intent;
pub mod journal;
pub mod model;
pub mod observe;
pub mod probe;
pub mod proof;
pub mod recipe;
pub mod render;
pub mod resolution;
pub mod seal;
pub mod sim;
pub mod spec;
pub mod spf;
pub mod world;
