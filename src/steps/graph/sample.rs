//! Which of the changes that are made together every server is asked for.

/// The maximum number of RRsets of one change that every server is asked for. Our choice; see
/// [`sample`].
pub const SAMPLE_MAX: usize = 32;

/// A sample of changes that are made together: the first, the last, and others evenly in between,
/// at most [`SAMPLE_MAX`].
///
/// Nothing depends on the changes of a larger change set (`compile::gather`), and servers transfer
/// versions of a zone as a whole (RFC 5936 §3, RFC 1995 §4): a server that has the sample has
/// everything.
pub fn sample<T>(changes: &[T]) -> impl Iterator<Item = &T> {
    let (many, asked) = (changes.len(), changes.len().min(SAMPLE_MAX));
    (0..asked).map(move |n| &changes[n * (many - 1) / (asked - 1).max(1)])
}
