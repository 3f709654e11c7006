//! The adapter at its boundary: whole texts in, whole texts out, and files on disk.

mod checkzone;
mod edits;
mod files;
mod oracle;
mod reads;
mod support;
mod surroundings;
