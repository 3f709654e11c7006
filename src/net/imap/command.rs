//! A command that was done.

use crate::response::Untagged;
use crate::status::Reply;

/// A command that was done, and everything that came before its end.
#[derive(Debug)]
pub struct Ended {
    /// What the server said in the end: `OK`.
    pub reply: Reply,
    /// What came before, in its order.
    pub untagged: Vec<Untagged>,
}
