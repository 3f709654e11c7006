//! The columns of a record's line: owner, TTL, class and type, and the start of its rdata.

use cutover_zone::{Name, NameError, RrType, Ttl};

use crate::error::{Flaw, Problem};
use crate::lex::{Line, Span, push_escaped};
use crate::ttl;

/// The columns before the rdata of a record (RFC 1035 §5.1: TTL and class in either order).
#[derive(Debug)]
pub(crate) struct Head {
    /// The owner; `None` if the line begins with a blank and inherits it.
    pub(crate) owner: Option<Span>,
    /// The TTL, if it is written.
    pub(crate) ttl: Option<(Span, Ttl)>,
    /// The class, if it is written.
    pub(crate) class: Option<Span>,
    /// The position of the type.
    pub(crate) rtype_at: Span,
    /// The type.
    pub(crate) rtype: RrType,
    /// The index of the first token of the rdata.
    pub(crate) rdata: usize,
}

/// Reads the columns of a line that has tokens and is not a directive.
///
/// # Errors
/// [`Flaw`].
pub(crate) fn head(text: &[u8], line: &Line, tokens: &[Span]) -> Result<Head, Flaw> {
    let inherits = line.lead > 0;
    let mut next = 0;
    let mut owner = None;
    if !inherits {
        owner = tokens.first().copied();
        next = 1;
    }
    let (mut ttl, mut class) = (None, None);
    loop {
        let Some(at) = tokens.get(next).copied() else {
            return Err(Flaw::new(line.end, Problem::Missing { what: "the type" }));
        };
        let token = at.of(text);
        if class.is_none() && is_class(token) {
            if !matches!(token.to_ascii_uppercase().as_slice(), b"IN" | b"CLASS1") {
                return Err(Flaw::new(at.start(), Problem::OtherClass { text: shown(token) }));
            }
            class = Some(at);
        } else if ttl.is_none() && ttl::looks_like_ttl(token) {
            ttl = Some((at, read_ttl(text, at)?));
        } else {
            let rtype = shown(token)
                .parse()
                .map_err(|error| Flaw::new(at.start(), Problem::BadType(error)))?;
            return Ok(Head { owner, ttl, class, rtype_at: at, rtype, rdata: next + 1 });
        }
        next += 1;
    }
}

/// Reads the TTL at this position.
///
/// # Errors
/// [`Flaw`].
pub(crate) fn read_ttl(text: &[u8], at: Span) -> Result<Ttl, Flaw> {
    let token = at.of(text);
    ttl::parse(token).ok_or_else(|| Flaw::new(at.start(), Problem::BadTtl { text: shown(token) }))
}

/// Reads the name at this position, relative to `origin` unless it is absolute.
///
/// # Errors
/// [`Flaw`].
pub(crate) fn read_name(text: &[u8], at: Span, origin: &Name) -> Result<Name, Flaw> {
    parse_name(at.of(text), origin).map_err(|error| {
        Flaw::new(at.start(), Problem::BadName { text: shown(at.of(text)), error })
    })
}

fn parse_name(token: &[u8], origin: &Name) -> Result<Name, NameError> {
    if token.starts_with(b"\"") {
        // A name has no quotes; inside quotes a dot or a blank would mean something else.
        return Err(NameError::BadCharacter('"'));
    }
    match std::str::from_utf8(token) {
        Ok(plain) if plain.is_ascii() => Name::relative_to(plain, origin),
        _ => {
            let mut escaped = String::with_capacity(token.len() * 2);
            push_escaped(token, &mut escaped);
            Name::relative_to(&escaped, origin)
        }
    }
}

/// The tokens of the rdata as one line for `Rdata::parse`; tokens that touch still touch.
pub(crate) fn rdata_text(text: &[u8], tokens: &[Span], into: &mut String) {
    into.clear();
    let mut end = tokens.first().map_or(0, |first| first.start());
    for token in tokens {
        if token.start() != end {
            into.push(' ');
        }
        push_escaped(token.of(text), into);
        end = token.end();
    }
}

/// A token as text for people.
pub(crate) fn shown(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}

/// The classes of the IANA registry, and unknown classes (RFC 3597 §5). `ANY` and `NONE` are
/// classes of messages, not of master files.
fn is_class(token: &[u8]) -> bool {
    let upper = token.to_ascii_uppercase();
    let numbered = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
    matches!(upper.as_slice(), b"IN" | b"CH" | b"CHAOS" | b"HS" | b"HESIOD" | b"CS")
        || upper.strip_prefix(b"CLASS").is_some_and(numbered)
}
