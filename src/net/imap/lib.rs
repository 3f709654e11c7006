//! An IMAP client (RFC 3501, RFC 9051) for mail that must arrive whole.
//!
//! [`Session`] signs in and sends commands; [`Response`] is what comes back. Terms are those of the
//! RFCs: a *mailbox name* is the name of a folder.
//!
//! Whatever a server sends is untrusted, and has a bound: lines, literals, the depth of lists, and
//! the time between two octets ([`Bounds`]). A response whose grammar this client does not know is
//! kept as octets ([`Untagged::Other`], [`Fetched::others`]) and never skipped, so that the caller
//! can account for each message that a server has named. A large literal goes into an unnamed file
//! ([`Octets`]), so that a message of 150 MB costs no memory.
//!
//! This crate gives no meaning to messages, repeats no command, and knows nothing about the hosts of
//! a plan. It has its own session, because the copy of a mailbox needs what the published clients
//! do not have together: pipelined commands, literals as streams in both directions, and responses
//! that are malformed but harmless.

mod append;
mod bounds;
mod command;
mod error;
mod frame;
mod names;
mod response;
mod scan;
mod session;
mod sign_in;
mod status;
mod tls;

pub use append::{Appending, Outcome};
pub use bounds::Bounds;
pub use command::Ended;
pub use error::ImapError;
pub use frame::Octets;
pub use names::{decoded, encoded, quoted};
pub use response::{
    Capabilities, Fetched, Listed, Namespace, Response, StatusOf, Untagged, internal_date,
    numbers_of_set,
};
pub use session::{Mode, Security, Selected, Server, Session};
pub use sign_in::{Secret, SignIn};
pub use status::{Code, Reply, Status};
pub use tls::{Roots, RootsError};
