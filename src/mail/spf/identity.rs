//! Who a message says it is from (RFC 7208 §2.4, §4.3), in the form that macros need.

use std::borrow::Cow;
use std::net::IpAddr;

use cutover_zone::Name;

use cutover_base::calendar::Timestamp;

/// The default local part of a sender (RFC 7208 §4.3).
const LOCAL_PART_DEFAULT: &str = "postmaster";

/// What a receiver knows about a message before it looks anything up.
#[derive(Clone, Copy, Debug)]
pub struct Client<'c> {
    /// The address of the SMTP client; an IPv4-mapped address counts as IPv4 (RFC 7208 §5).
    pub ip: IpAddr,
    /// The address in MAIL FROM, without angle brackets; empty for a bounce.
    pub mail_from: &'c str,
    /// What the client said in HELO or EHLO.
    pub helo: &'c str,
    /// The name of the evaluating host, for `%{r}`; `unknown` if it has none.
    pub receiver: &'c str,
    /// The time of the evaluation, for `%{t}`.
    pub now: Timestamp,
    /// How many look-ups may find nothing: [`super::VOIDS_MAX`], or more at a receiver that does not
    /// follow that advice (RFC 7208 §4.6.4 says SHOULD).
    pub voids_max: usize,
}

/// The parts of a sender's address.
pub(super) struct Sender<'c> {
    /// Local part, `@`, domain.
    pub(super) whole: Cow<'c, str>,
    /// The part before the last `@`.
    pub(super) local_part: &'c str,
    /// The part after it, in ASCII if IDNA allows (RFC 8616 §4); may not be a domain name.
    pub(super) domain: Cow<'c, str>,
}

impl<'c> Sender<'c> {
    /// The address of MAIL FROM, or postmaster at HELO if it is empty (RFC 7208 §2.4).
    pub(super) fn of(client: &Client<'c>) -> Self {
        let (local_part, domain) = match client.mail_from {
            "" => ("", client.helo),
            address => address.rsplit_once('@').unwrap_or(("", address)),
        };
        if domain.is_ascii() && !local_part.is_empty() {
            let (whole, domain) = (client.mail_from.into(), domain.into());
            return Self { whole, local_part, domain };
        }
        let local_part = if local_part.is_empty() { LOCAL_PART_DEFAULT } else { local_part };
        let domain = match domain.is_ascii() {
            true => Cow::Borrowed(domain),
            false => {
                Name::from_user(domain).map_or(Cow::Borrowed(domain), |n| domain_text(&n).into())
            }
        };
        Self { whole: format!("{local_part}@{domain}").into(), local_part, domain }
    }
}

/// A name as macros use it: without a trailing dot, and without escapes.
pub(super) fn domain_text(name: &Name) -> String {
    let labels: Vec<_> = name.labels().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7208_section_4_3_who_the_sender_is() {
        for (mail_from, local_part, domain) in [
            ("jo@a.test", "jo", "a.test"),
            ("\"a@b\"@a.test", "\"a@b\"", "a.test"),
            ("@a.test", "postmaster", "a.test"),
            ("a.test", "postmaster", "a.test"),
            ("", "postmaster", "mx.a.test"),
            ("jo@b\u{fc}cher.test", "jo", "xn--bcher-kva.test"),
            ("jo@", "jo", ""),
        ] {
            let sender = Sender::of(&Client {
                ip: "192.0.2.1".parse().expect("an address"),
                mail_from,
                helo: "mx.a.test",
                receiver: "unknown",
                now: chrono::DateTime::UNIX_EPOCH,
                voids_max: super::super::VOIDS_MAX,
            });
            assert_eq!((sender.local_part, &*sender.domain), (local_part, domain));
            assert_eq!(sender.whole, format!("{local_part}@{domain}"));
        }
    }
}
