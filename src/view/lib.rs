//! What people see of plans and runs.
//!
//! [`render`] makes documents of values; the writers in [`document`] give them a form (text,
//! Markdown), each with its own escaping. Pure functions: nothing here prints.

pub mod document;
pub mod render;
