//! The columns of a record's line: owner, TTL, class and type, and where its rdata start.

use cutover_contract::{Name, NameError, RrType, Ttl};

use crate::error::{Flaw, Problem};
use crate::lex::{Line, Span, push_escaped};
use crate::ttl;

/// What stands in front of a record's rdata (RFC 1035 §5.1: TTL and class in either order).
#[derive(Debug)]
pub(crate) struct Head {
    /// The owner; `None` where the line begins with a blank, and inherits it.
    pub(crate) owner: Option<Span>,
    /// The TTL, where it is written.
    pub(crate) ttl: Option<(Span, Ttl)>,
    /// The class, where it is written.
    pub(crate) class: Option<Span>,
    /// The type's place.
    pub(crate) rtype_at: Span,
    /// The type.
    pub(crate) rtype: RrType,
    /// Which token is the first of the rdata.
    pub(crate) rdata: usize,
}

/// Reads the columns of a line that has tokens and is no directive.
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

/// Reads the TTL at a place.
///
/// # Errors
/// [`Flaw`].
pub(crate) fn read_ttl(text: &[u8], at: Span) -> Result<Ttl, Flaw> {
    let token = at.of(text);
    ttl::parse(token).ok_or_else(|| Flaw::new(at.start(), Problem::BadTtl { text: shown(token) }))
}

/// Reads the name at a place, below `origin` where it is relative.
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
        // A name has no quotes; within them a dot or a blank would mean something else.
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

/// The rdata's tokens as one line of text for `Rdata::parse`; what touches, still touches.
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

/// A token for people.
pub(crate) fn shown(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}

/// The classes of the IANA registry, and the unknown ones of RFC 3597 §5. `ANY` and `NONE` are
/// classes of messages, not of master files.
fn is_class(token: &[u8]) -> bool {
    let upper = token.to_ascii_uppercase();
    let numbered = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
    matches!(upper.as_slice(), b"IN" | b"CH" | b"CHAOS" | b"HS" | b"HESIOD" | b"CS")
        || upper.strip_prefix(b"CLASS").is_some_and(numbered)
}
