//! How a server says that something was done, or not.

use std::fmt;

/// The kind of a status response (RFC 3501 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was not done.
    No,
    /// It was not understood.
    Bad,
    /// The server closes the connection.
    Bye,
    /// The client is signed in already.
    Preauth,
}

impl Status {
    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        let table: [(&[u8], Self); 5] = [
            (b"OK", Self::Ok),
            (b"NO", Self::No),
            (b"BAD", Self::Bad),
            (b"BYE", Self::Bye),
            (b"PREAUTH", Self::Preauth),
        ];
        let row = table.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        row.map(|(_, status)| status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
            Self::Preauth => "PREAUTH",
        })
    }
}

/// A response code (RFC 3501 §7.1, RFC 5530): `[APPENDUID 38505 3955]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name, in upper case.
    pub name: String,
    /// What follows the name.
    pub arguments: String,
}

/// What a server said to a command, in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Done, refused or not understood.
    pub status: Status,
    /// The response code, if there was one.
    pub code: Option<Code>,
    /// The text for people. It is the server's: escape it before it is shown.
    pub text: String,
}

impl Reply {
    /// Whether the reply has this code.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.code.as_ref().is_some_and(|code| code.name == name)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, text } = self;
        write!(f, "{status}")?;
        match code {
            Some(Code { name, arguments }) if arguments.is_empty() => write!(f, " [{name}]")?,
            Some(Code { name, arguments }) => write!(f, " [{name} {arguments}]")?,
            None => {}
        }
        if text.is_empty() { Ok(()) } else { write!(f, " {text}") }
    }
}
