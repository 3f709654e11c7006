//! The frame of IMAP: lines, and literals within them (RFC 3501 §4.3). It is the same for every
//! response, so a response whose grammar is unknown cannot hide where the next one begins.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::time::timeout;

use crate::bounds::Bounds;
use crate::error::ImapError;

/// Octets that are read or copied at once.
const CHUNK: usize = 64 * 1024;

/// The octets of a literal: in memory, or in a file without a name if there are many.
#[derive(Debug)]
pub enum Octets {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file that disappears with this value.
    Spooled {
        /// The file.
        file: File,
        /// How many.
        len: u64,
    },
}

impl Octets {
    /// How many octets there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Spooled { len, .. } => *len,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many octets of memory they take.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Spooled { .. } => 0,
        }
    }

    /// Calls `each` with all octets, piece by piece and in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pieces(&self, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
        let mut reader = self.reader()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let octets = reader.read(&mut buffer)?;
            match octets {
                0 => return Ok(()),
                octets => each(&buffer[..octets]),
            }
        }
    }

    /// A reader of the octets, from the beginning. Only one may be in use at a time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reader(&self) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
        match self {
            Self::Memory(octets) => Ok(Box::new(octets.as_slice())),
            Self::Spooled { file, len } => {
                let mut file = file;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(std::io::Read::take(file, *len)))
            }
        }
    }
}

/// A part of a response.
#[derive(Debug)]
pub(crate) enum Part {
    /// Text, without line end and without the announcement of a literal.
    Text(Vec<u8>),
    /// A literal.
    Literal(Octets),
}

/// Reads responses.
pub(crate) struct Reader<R> {
    stream: BufReader<R>,
    bounds: Bounds,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(stream: R, bounds: Bounds) -> Self {
        Self { stream: BufReader::with_capacity(CHUNK, stream), bounds }
    }

    /// The stream, for TLS to take over. What was read ahead would be the server's, or an
    /// attacker's, so it is an error (RFC 3501 §6.2.1).
    pub(crate) fn into_inner(self) -> Result<R, ImapError> {
        if !self.stream.buffer().is_empty() {
            let words = "text after the answer to STARTTLS, before TLS".to_owned();
            return Err(ImapError::Protocol(words));
        }
        Ok(self.stream.into_inner())
    }

    /// The next response: a line, with its literals.
    pub(crate) async fn response(&mut self) -> Result<Vec<Part>, ImapError> {
        let mut parts = Vec::new();
        let mut room = self.bounds.line_octets_max;
        let mut in_memory = 0;
        loop {
            let mut line = self.line(room).await?;
            room -= line.len();
            let literal = match parts.is_empty() && is_free_text(&line) {
                true => None,
                false => announced(&line),
            };
            let Some((at, octets)) = literal else {
                parts.push(Part::Text(line));
                return Ok(parts);
            };
            line.truncate(at);
            parts.push(Part::Text(line));
            if octets > self.bounds.literal_octets_max {
                let bound = self.bounds.literal_octets_max;
                return Err(ImapError::TooLarge { what: "a literal", bound });
            }
            if parts.len() / 2 >= self.bounds.literals_max {
                let bound = self.bounds.literals_max as u64;
                return Err(ImapError::TooLarge { what: "many literals", bound });
            }
            let spool = in_memory + octets > self.bounds.memory_octets_max;
            let literal =
                if spool { self.spooled(octets).await? } else { self.kept(octets).await? };
            in_memory += literal.in_memory();
            parts.push(Part::Literal(literal));
        }
    }

    /// A line without its end; a bare LF ends it too.
    async fn line(&mut self, room: usize) -> Result<Vec<u8>, ImapError> {
        let mut line = Vec::new();
        loop {
            let silence = self.bounds.silence_max;
            let filled = timeout(silence, self.stream.fill_buf()).await;
            let read = filled.map_err(|_| ImapError::Silent(silence))??;
            if read.is_empty() {
                return Err(ImapError::Closed(String::new()));
            }
            let end = memchr::memchr(b'\n', read);
            let taken = end.unwrap_or(read.len());
            line.extend_from_slice(&read[..taken]);
            self.stream.consume(end.map_or(taken, |end| end + 1));
            if line.len() > room {
                let bound = self.bounds.line_octets_max as u64;
                return Err(ImapError::TooLarge { what: "a long line", bound });
            }
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
        }
    }

    async fn kept(&mut self, octets: u64) -> Result<Octets, ImapError> {
        let len = usize::try_from(octets).expect("a literal that is kept is small");
        // Grown as octets arrive: an announcement alone costs nothing.
        let mut kept = Vec::with_capacity(len.min(CHUNK));
        while kept.len() < len {
            let piece = self.piece((len - kept.len()) as u64).await?;
            kept.extend_from_slice(&piece);
        }
        Ok(Octets::Memory(kept))
    }

    async fn spooled(&mut self, octets: u64) -> Result<Octets, ImapError> {
        let mut file = tempfile::tempfile()?;
        let mut rest = octets;
        while rest > 0 {
            let piece = self.piece(rest).await?;
            file.write_all(&piece)?;
            rest -= piece.len() as u64;
        }
        Ok(Octets::Spooled { file, len: octets })
    }

    async fn piece(&mut self, rest: u64) -> Result<Vec<u8>, ImapError> {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(CHUNK);
        let mut piece = vec![0; len];
        let silence = self.bounds.silence_max;
        let read = timeout(silence, self.stream.read(&mut piece)).await;
        let read = read.map_err(|_| ImapError::Silent(silence))??;
        if read == 0 {
            return Err(ImapError::Closed("in the middle of a literal".to_owned()));
        }
        piece.truncate(read);
        Ok(piece)
    }
}

/// Whether a line ends in text for people, in which braces mean nothing: a status response, or a
/// request to continue (RFC 3501 §7.1, §7.5).
fn is_free_text(line: &[u8]) -> bool {
    let mut words = line.split(|octet| *octet == b' ');
    let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let words: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
    tag == b"+" || words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The literal that a line announces at its end (`{5}`, `{5+}`, `~{5}`): where the announcement
/// begins, and the number of octets.
fn announced(line: &[u8]) -> Option<(usize, u64)> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let digits = &inner[open + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    let is_number = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    let binary = open > 0 && line[open - 1] == b'~';
    Some((open - usize::from(binary), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responses(input: &[u8], bounds: Bounds) -> (Vec<String>, ImapError) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut reader = Reader::new(input, bounds);
            let mut found = Vec::new();
            loop {
                match reader.response().await {
                    Ok(parts) => found.push(parts.iter().map(shown).collect::<String>()),
                    Err(error) => return (found, error),
                }
            }
        })
    }

    fn shown(part: &Part) -> String {
        match part {
            Part::Text(text) => format!("<{}>", text.escape_ascii()),
            Part::Literal(octets) => {
                let mut all = Vec::new();
                octets.pieces(|piece| all.extend_from_slice(piece)).expect("it can be read");
                let place = if octets.in_memory() == octets.len() { "" } else { "file " };
                format!("[{place}{}]", all.escape_ascii())
            }
        }
    }

    #[test]
    fn lines_and_literals_are_cut_where_the_frame_says() {
        let input = b"* 1 FETCH (BODY[] {5}\r\na\r\n}b UID 7)\r\n* OK this is {no} literal {3}\n\
            A1 NO {2}\r\n* LIST () \"/\" ~{3}\r\n\x00{\xff\r\n* 2 FETCH (X {0+}\r\n)\r\n+ go {1}\r\n";
        let (found, error) = responses(input, Bounds::default());
        assert_eq!(
            found,
            [
                "<* 1 FETCH (BODY[] >[a\\r\\n}b]< UID 7)>",
                "<* OK this is {no} literal {3}>",
                "<A1 NO {2}>",
                "<* LIST () \\\"/\\\" >[\\x00{\\xff]<>",
                "<* 2 FETCH (X >[]<)>",
                "<+ go {1}>",
            ]
        );
        assert!(matches!(error, ImapError::Closed(_)), "{error}");
    }

    #[test]
    fn every_bound_is_kept() {
        let small = Bounds {
            line_octets_max: 20,
            literal_octets_max: 10,
            memory_octets_max: 4,
            literals_max: 2,
            ..Bounds::default()
        };
        let (found, _) = responses(b"* X {4}\r\nabcd {5}\r\nabcde\r\n", small);
        assert_eq!(found, ["<* X >[abcd]< >[file abcde]<>"]);
        for (input, what) in [
            (&b"* 12345678901234567890"[..], "a long line"),
            (b"* X {11}\r\n", "a literal"),
            (b"* X {99999999999}\r\n", "a literal"),
            (b"* {1}\r\na {1}\r\na {1}\r\na\r\n", "many literals"),
        ] {
            let (_, error) = responses(input, small);
            let ImapError::TooLarge { what: found, .. } = error else { panic!("{error}") };
            assert_eq!(found, what);
        }
        let (_, error) = responses(b"* X {4}\r\nab", small);
        assert!(error.to_string().contains("in the middle of a literal"), "{error}");
    }
}
