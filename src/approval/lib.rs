//! Approvals: who agrees to exactly this artifact, and until when.
//!
//! An approval is a short text ([`Approval`]) and an OpenSSH signature of it ([`Signature`]). People
//! sign with the keys that they have already: here, or with `ssh-keygen -Y sign`, which also reaches
//! agents and hardware keys. `ssh-keygen -Y verify` accepts what this crate signs.
//!
//! ```text
//! ARTIFACT.sig.d/FINGERPRINT        the text
//! ARTIFACT.sig.d/FINGERPRINT.sig    its signature, in the namespace `cutover-approval@v1`
//! ```
//!
//! Who may approve stands in a file in OpenSSH's `allowed_signers` format ([`AllowedSigners`]).
//! [`check`] judges one signature and gives the reason why it does not count; [`people`] says how many
//! people have signed.
//!
//! Pure: no file, no clock, no environment. The digest of an artifact is a text here, so that this
//! crate does not know what an artifact is.

mod check;
mod signature;
mod signers;
mod text;

pub use check::{Approved, Checked, Flaw, Kept, Question, SKEW_MAX, Standing, check, people};
pub use signature::{NAMESPACE, NoSignature, Signature, SignatureError, SigningKey, sign};
pub use signers::{AllowedSigners, NotAllowed, SignersError};
pub use text::{Approval, FORMAT, NAME_OCTETS_MAX, TextError};

/// An instant, in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
