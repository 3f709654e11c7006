//! What checks look at: one domain, and a function that answers for every name.

use std::net::IpAddr;
use std::sync::Arc;

use cutover_base::diag::{escape_control, quoted};
use cutover_mail::spf::SpfRecord;
use cutover_zone::{Name, Rdata, RrKey, RrType, Ttl};

/// The most exchanges of a domain that are looked at. Our choice: senders try far fewer (Postfix: five
/// addresses).
pub const EXCHANGES_MAX: usize = 32;

/// The answer for a name and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// These records, with aliases followed.
    Records {
        /// The data of the records.
        rdata: Arc<[Rdata]>,
        /// Their TTL as the authoritative servers serve it; `None` if only a resolver was asked.
        ttl: Option<Ttl>,
        /// Whether a wildcard answers.
        is_wildcard: bool,
    },
    /// There are none.
    Absent,
    /// Nobody knows, and why.
    Unseen(String),
}

impl Look {
    /// The records; empty if there are none, or if they were not seen.
    #[must_use]
    pub fn rdata(&self) -> &[Rdata] {
        match self {
            Self::Records { rdata, .. } => rdata,
            Self::Absent | Self::Unseen(_) => &[],
        }
    }

    /// Whether there are certainly none.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Their TTL, if the authoritative servers were asked.
    #[must_use]
    pub fn ttl(&self) -> Option<Ttl> {
        match self {
            Self::Records { ttl, .. } => *ttl,
            Self::Absent | Self::Unseen(_) => None,
        }
    }
}

/// One domain.
pub struct Subject<'l> {
    /// The domain.
    pub domain: &'l Name,
    /// The zone that it is in, if that is known.
    pub zone: Option<&'l Name>,
    /// Answers for any name. Aliases are followed, except when an alias is asked for.
    pub look: &'l dyn Fn(&RrKey) -> Look,
    /// The same for what a plan leaves in the end; `None` without a plan.
    pub after: Option<&'l dyn Fn(&RrKey) -> Look>,
    /// The names of known DKIM keys.
    pub keys: &'l [Name],
    /// The text of the MTA-STS policy, or why it cannot be had; `None` if nobody asked for it.
    pub policy: Option<&'l Result<String, String>>,
    /// Whether the parent has a DS record for the zone; `None` if nobody knows.
    pub is_signed: Option<bool>,
}

impl Subject<'_> {
    /// What is at the domain itself.
    #[must_use]
    pub fn own(&self, rtype: RrType) -> Look {
        (self.look)(&RrKey::new(self.domain.clone(), rtype))
    }

    /// What a plan leaves at the domain itself.
    #[must_use]
    pub fn own_after(&self, rtype: RrType) -> Option<Look> {
        self.after.map(|after| after(&RrKey::new(self.domain.clone(), rtype)))
    }

    /// What is at a name.
    #[must_use]
    pub fn at(&self, name: &Name, rtype: RrType) -> Look {
        (self.look)(&RrKey::new(name.clone(), rtype))
    }

    /// What is at these labels before the domain.
    #[must_use]
    pub fn below(&self, labels: &str, rtype: RrType) -> Look {
        match Name::from_user(labels).and_then(|labels| labels.join(self.domain)) {
            Ok(name) => self.at(&name, rtype),
            Err(_) => Look::Absent,
        }
    }

    /// The exchanges with their preferences. The root, which stands for "no mail" (RFC 7505), is
    /// among them.
    #[must_use]
    pub fn exchanges(&self) -> Vec<(u16, Name)> {
        self.own(RrType::MX).rdata().iter().filter_map(Rdata::as_mx).collect()
    }

    /// The exchanges that take mail, the preferred ones first, at most [`EXCHANGES_MAX`].
    #[must_use]
    pub fn mail_exchanges(&self) -> Vec<Name> {
        let mut all = self.exchanges();
        all.sort();
        let names = all.into_iter().map(|(_, name)| name).filter(|name| !name.is_root());
        names.take(EXCHANGES_MAX).collect()
    }

    /// Whether the domain certainly takes mail: it has an exchange.
    #[must_use]
    pub fn takes_mail(&self) -> bool {
        !self.mail_exchanges().is_empty()
    }

    /// Its SPF records.
    #[must_use]
    pub fn spf(&self) -> Vec<SpfRecord> {
        self.own(RrType::TXT).rdata().iter().filter_map(SpfRecord::of_rdata).collect()
    }

    /// The addresses of a name in one family.
    #[must_use]
    pub fn addresses(&self, name: &Name, rtype: RrType) -> Vec<IpAddr> {
        self.at(name, rtype).rdata().iter().filter_map(Rdata::ip).collect()
    }

    /// The texts at these labels that begin like this, without regard to case.
    #[must_use]
    pub fn texts(&self, labels: &str, begin: &str) -> Vec<String> {
        let found = self.below(labels, RrType::TXT);
        let all = found.rdata().iter().filter_map(Rdata::txt_joined);
        let all = all.map(|text| String::from_utf8_lossy(&text).into_owned());
        let is_one = |text: &String| {
            text.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin))
        };
        all.filter(is_one).collect()
    }
}

/// The value of a tag in a list of `tag=value` separated by semicolons, as DMARC, MTA-STS and
/// TLS-RPT have it. Of equal tags the first counts.
#[must_use]
pub(crate) fn tag<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(';').find_map(|part| {
        let (tag, value) = part.split_once('=')?;
        tag.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The domains of the `mailto:` addresses in a `rua=`.
pub(crate) fn mailto_domains(text: &str) -> impl Iterator<Item = Name> {
    let addresses = tag(text, "rua").unwrap_or_default().split(',');
    addresses.filter_map(|address| {
        let address = address.trim().strip_prefix("mailto:")?;
        let (_, domain) = address.rsplit_once('@')?;
        // `!10m`, a size limit of RFC 7489, is not part of the address.
        Name::from_user(domain.split('!').next()?).ok()
    })
}

/// Text from outside for a sentence: one short line, in backticks.
pub(crate) fn shown(text: &str) -> String {
    quoted(&escape_control(&text.replace(['\n', '\r', '`'], " ")))
}
