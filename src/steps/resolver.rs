//! A resolver, and how to reach it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use cutover_zone::Name;

/// A resolver that is asked for its own answer, not as a fallback for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResolverAddress {
    /// Its address.
    pub address: SocketAddr,
    /// The protocol.
    pub transport: Transport,
}

/// The protocol that a resolver is asked over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Over UDP, and over TCP if the answer was truncated (RFC 1035 §4.2), as clients do.
    Udp,
    /// Over TCP only.
    Tcp,
    /// Over TLS (RFC 7858).
    Tls {
        /// The name that its certificate has to have.
        name: String,
    },
    /// Over HTTPS (RFC 8484).
    Https {
        /// The name that its certificate has to have.
        name: String,
        /// The path of the resource.
        path: String,
    },
}

impl Transport {
    /// Whether it uses TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Https { .. })
    }
}

/// Ports of DNS: RFC 1035 §4.2, RFC 7858 §3.1, RFC 8484 §4.1.
const PLAIN_PORT: u16 = 53;
const TLS_PORT: u16 = 853;
const HTTPS_PORT: u16 = 443;
/// The path that most resolvers use (shown in RFC 8484 §4.1.1).
const HTTPS_PATH: &str = "/dns-query";

/// Why a text is not a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolverAddressError {
    /// Not an IP address, with or without a port.
    #[error("it is not an IP address, with or without a port")]
    Address,
    /// An unknown word before `://`.
    #[error("the protocol is not `udp`, `tcp`, `tls` or `https`")]
    Transport,
    /// A missing name, or a name that is not needed.
    #[error("`tls` and `https` need the name in the certificate after `#`, the others take none")]
    Name,
}

impl FromStr for ResolverAddress {
    type Err = ResolverAddressError;

    /// Reads `192.0.2.1`, `udp://192.0.2.1:53`, `tcp://[2001:db8::1]`,
    /// `tls://192.0.2.1#dns.example`, `https://192.0.2.1:443/dns-query#dns.example`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, rest) = text.split_once("://").unwrap_or(("udp", text));
        let (rest, name) = match rest.split_once('#') {
            Some((rest, name)) => (rest, Some(name)),
            None => (rest, None),
        };
        let (place, path) = match rest.find('/') {
            Some(at) if word == "https" => (&rest[..at], &rest[at..]),
            Some(_) | None => (rest, HTTPS_PATH),
        };
        let name = name.map(|name| match Name::from_user(name) {
            Ok(_) => Ok(name.trim_end_matches('.').to_owned()),
            Err(_) => Err(ResolverAddressError::Name),
        });
        let (port, transport) = match (word, name.transpose()?) {
            ("udp", None) => (PLAIN_PORT, Transport::Udp),
            ("tcp", None) => (PLAIN_PORT, Transport::Tcp),
            ("tls", Some(name)) => (TLS_PORT, Transport::Tls { name }),
            ("https", Some(name)) => (HTTPS_PORT, Transport::Https { name, path: path.to_owned() }),
            ("udp" | "tcp" | "tls" | "https", _) => return Err(ResolverAddressError::Name),
            _ => return Err(ResolverAddressError::Transport),
        };
        let address = socket(place, port).ok_or(ResolverAddressError::Address)?;
        Ok(Self { address, transport })
    }
}

/// Reads ADDRESS or ADDRESS:PORT, with a default for the port; IPv6 needs brackets before a port.
#[must_use]
pub fn socket(text: &str, port: u16) -> Option<SocketAddr> {
    let in_brackets = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let bare = in_brackets.unwrap_or(text).parse::<IpAddr>().ok();
    let bare = bare.filter(|ip| in_brackets.is_none() || ip.is_ipv6());
    let address = text.parse().ok().or(bare.map(|ip| SocketAddr::new(ip, port)));
    address.filter(|address: &SocketAddr| address.port() > 0)
}

impl fmt::Display for ResolverAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, transport } = self;
        match transport {
            Transport::Udp => write!(f, "{address}"),
            Transport::Tcp => write!(f, "tcp://{address}"),
            Transport::Tls { name } => write!(f, "tls://{address}#{name}"),
            Transport::Https { name, path } => write!(f, "https://{address}{path}#{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("udp://192.0.2.1:5353", "192.0.2.1:5353"),
            ("tcp://[2001:db8::1]", "tcp://[2001:db8::1]:53"),
            ("tls://192.0.2.1#dns.example", "tls://192.0.2.1:853#dns.example"),
            ("https://192.0.2.1#dns.example.", "https://192.0.2.1:443/dns-query#dns.example"),
            ("https://[::1]:8443/q#dns.example", "https://[::1]:8443/q#dns.example"),
        ] {
            let read: ResolverAddress = text.parse().expect(text);
            assert_eq!(read.to_string(), shown);
            assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        use ResolverAddressError::{Address, Name, Transport};
        for (text, error) in [
            ("dns.example", Address),
            ("192.0.2.1:0", Address),
            ("192.0.2.1/dns-query", Address),
            ("quic://192.0.2.1", Transport),
            ("tls://192.0.2.1", Name),
            ("https://192.0.2.1/dns-query", Name),
            ("tls://192.0.2.1#a..b", Name),
            ("192.0.2.1#dns.example", Name),
        ] {
            assert_eq!(text.parse::<ResolverAddress>(), Err(error), "{text}");
        }
    }
}
