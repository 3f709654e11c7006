//! What a server may cost at most.

use std::time::Duration;

/// The limits of a session. The defaults are our choice.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for the connection, TLS, and the greeting.
    pub connect_max: Duration,
    /// Time until the next octets of a response, and until a server takes the next octets. RFC 3501
    /// §5.4 gives a client 30 minutes; a server that is silent for two is usually gone.
    pub silence_max: Duration,
    /// Octets of a line without its literals.
    pub line_octets_max: usize,
    /// Octets of a literal. No host that is known takes messages above 150 MB.
    pub literal_octets_max: u64,
    /// Octets of a literal above which it goes into a file.
    pub memory_octets_max: u64,
    /// Literals of a response.
    pub literals_max: usize,
    /// Untagged responses to a command that are kept, where a command keeps them.
    pub kept_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect_max: Duration::from_secs(30),
            silence_max: Duration::from_secs(120),
            line_octets_max: 1 << 20,
            literal_octets_max: 1 << 30,
            memory_octets_max: 1 << 20,
            literals_max: 64,
            kept_max: 200_000,
        }
    }
}
