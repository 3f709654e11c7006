//! Targets of records, and records that have to fit together: a target is a name and never an
//! address, names beyond ASCII become A-labels (RFC 5890 §2.3.2.1), and the records of a set do not
//! contradict each other.

use std::borrow::Cow;
use std::net::IpAddr;

use cutover_zone::{Name, NameError, Rdata, RrSet, RrSetError, RrType, Ttl};

use super::sender::BAD_DKIM_KEY;
use super::{BAD_NAME, Decoder};
use cutover_base::diag::{Code, Diagnostic, Span, Spanned, quoted};
use cutover_mail::dkim::KeyRecord;

/// Records that cannot exist together, or that contradict each other.
pub(super) const BAD_RECORDS: Code = Code::semantic("bad-records");

impl Decoder<'_> {
    /// Refuses an address where a name is needed.
    pub(super) fn address_as_target(&mut self, text: Spanned<&str>) {
        let title = format!("{} is an address, but a name is needed", quoted(text.value));
        let help = "write the name that has this address";
        let why = "MX, SRV and CNAME records point to names (RFC 1035 §3.3.9); senders do not look up an address as a name";
        self.report(Diagnostic::error(BAD_NAME, text.span, title, help).why(why));
    }

    /// Refuses records that are valid alone but wrong together. `rdata` and `spans` have the same
    /// length.
    pub(super) fn records_together(
        &mut self,
        name: &Name,
        rtype: RrType,
        rdata: &[Rdata],
        spans: &[Span],
    ) -> Option<()> {
        let whole = spans.first().copied().unwrap_or_default();
        let last = spans.last().copied().unwrap_or(whole);
        if let Err(error) = RrSet::new(Ttl::ZERO, rdata.to_vec()) {
            let why = match error {
                RrSetError::Singleton(_) => {
                    "servers refuse a zone with two, or answer with either of them (RFC 2181 §10.1, RFC 6672 §2.4)"
                }
                RrSetError::Empty | RrSetError::MixedTypes => {
                    "they do not form an RRset (RFC 2181 §5)"
                }
            };
            let found = Diagnostic::error(BAD_RECORDS, last, error.to_string(), "keep one of them");
            self.report(found.why(why));
            return None;
        }
        if rtype == RrType::MX {
            self.null_mx(rdata, spans)?;
        }
        if rtype == RrType::TXT && is_key_name(name) {
            self.keys(name, rdata, spans)?;
        }
        Some(())
    }

    /// A null MX must be alone and have preference 0 (RFC 7505 §3).
    fn null_mx(&mut self, rdata: &[Rdata], spans: &[Span]) -> Option<()> {
        let is_null = |rdata: &Rdata| rdata.as_mx().is_some_and(|(_, name)| name.is_root());
        let null = rdata.iter().zip(spans).find(|(rdata, _)| is_null(rdata));
        let Some((null, span)) = null else { return Some(()) };
        let preference = null.as_mx().map_or(0, |(preference, _)| preference);
        let (title, help) = if rdata.iter().any(|other| !is_null(other)) {
            let title = "a null MX must be the only MX record".to_owned();
            (title, "remove `0 .`, or all the others")
        } else if preference != 0 {
            let title = format!("a null MX has preference 0, not {preference}");
            (title, "write `0 .`, or the name of an exchange")
        } else {
            return Some(());
        };
        let why = "a null MX says that the domain accepts no mail; senders disagree about any other form of it (RFC 7505 §3)";
        self.report(Diagnostic::error(BAD_RECORDS, *span, title, help).why(why));
        None
    }

    /// A selector has a single key, which must be readable; a revoked key is fine.
    fn keys(&mut self, name: &Name, rdata: &[Rdata], spans: &[Span]) -> Option<()> {
        let mut good = Some(());
        for (rdata, span) in rdata.iter().zip(spans) {
            if let Some(Err(problem)) = KeyRecord::of_rdata(rdata) {
                self.bad_key(&problem, *span);
                good = None;
            }
        }
        if let (Some((first, others)), Some(span)) = (rdata.split_first(), spans.last())
            && others.iter().any(|other| other != first)
        {
            let title = format!("there are two TXT records at the DKIM selector {name}");
            let help = "keep one: a second key needs its own selector";
            self.report(
                Diagnostic::error(BAD_DKIM_KEY, *span, title, help)
                    .why("it is undefined which of them a verifier uses (RFC 6376 §3.6.2.2)"),
            );
            good = None;
        }
        good
    }
}

/// Whether this name is for keys: below `_domainkey`, except the names of policies (RFC 5617 §4,
/// RFC 6651 §3.2).
fn is_key_name(name: &Name) -> bool {
    let mut labels = name.labels();
    let first = labels.next();
    let is_policy = first.is_some_and(|first| [&b"_adsp"[..], b"_report"].contains(&first));
    !is_policy && labels.any(|label| label == b"_domainkey")
}

/// Whether this is an IP address: with or without a final dot, and with or without the brackets of
/// a mail address (RFC 5321 §4.1.3).
pub(super) fn is_address(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let text = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => &text[5..],
        _ => text,
    };
    text.parse::<IpAddr>().is_ok()
}

/// The word of the data that names the target of a record of this type.
pub(super) fn target(rtype: RrType, text: &str) -> Option<&str> {
    let index = match rtype {
        RrType::CNAME | RrType::DNAME | RrType::NS | RrType::PTR => 0,
        RrType::MX | RrType::SVCB | RrType::HTTPS => 1,
        RrType::SRV => 3,
        _ => return None,
    };
    text.split_whitespace().nth(index)
}

/// A name with its labels in ASCII; an ASCII name stays as it is.
///
/// # Errors
/// [`NameError`] if IDNA refuses the name.
pub(super) fn a_labels(text: &str) -> Result<Cow<'_, str>, NameError> {
    if text.is_ascii() {
        return Ok(Cow::Borrowed(text));
    }
    let mut name = Name::from_user(text)?.to_string();
    if !text.ends_with('.') {
        name.truncate(name.len() - 1);
    }
    Ok(Cow::Owned(name))
}

/// Data with its target name in ASCII.
///
/// # Errors
/// As [`a_labels`].
pub(super) fn with_a_labels(rtype: RrType, text: &str) -> Result<Cow<'_, str>, NameError> {
    let Some(written) = target(rtype, text).filter(|target| !target.is_ascii()) else {
        return Ok(Cow::Borrowed(text));
    };
    // The first match is the target: the words before it are numbers.
    let start = text.find(written).unwrap_or_default();
    let (front, rest) = (&text[..start], &text[start + written.len()..]);
    Ok(Cow::Owned(format!("{front}{}{rest}", a_labels(written)?)))
}

/// The A-label form of the first non-ASCII name in the data of another type, for a help.
pub(super) fn a_label_of_word(text: &str) -> Option<String> {
    let word = text.split_whitespace().find(|word| !word.is_ascii())?;
    a_labels(word).ok().map(Cow::into_owned)
}

/// The message for a name that IDNA refuses.
pub(super) fn no_name(text: &str, error: &NameError) -> String {
    format!("{} is not a domain name: {error}", quoted(text))
}
