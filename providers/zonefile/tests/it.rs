//! The adapter at its boundary: whole texts in, whole texts out, and files on disk.

#[path = "it/checkzone.rs"]
mod checkzone;
#[path = "it/edits.rs"]
mod edits;
#[path = "it/files.rs"]
mod files;
#[path = "it/oracle.rs"]
mod oracle;
#[path = "it/reads.rs"]
mod reads;
#[path = "it/support.rs"]
mod support;
#[path = "it/surroundings.rs"]
mod surroundings;
