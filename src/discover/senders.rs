//! Who sends as a domain: which SPF terms and DKIM keys belong to the host that takes its mail now,
//! and which to somebody else.
//!
//! What is not clearly the old host's is somebody else's, and stays: a sender that stays too long
//! does little harm, and one that is removed too early loses mail.

use cutover_mail::spf::{Network, Target, Term};
use cutover_zone::Name;

use crate::domain::{DomainFacts, KeyFound, Senders};
use crate::known::{self, Known, organisation};

/// Whose something is.
enum Whose {
    Old,
    /// Published for the new host already.
    New,
    Other(String),
}

pub(crate) fn of(facts: &DomainFacts, to: Option<&str>) -> Senders {
    let mut senders = Senders::default();
    let Some((_, record)) = facts.spf.first() else { return with_keys(facts, to, senders) };
    let is_sender = |term: &&Term| {
        let text = term.to_string().to_ascii_lowercase();
        !term.is_all() && !text.starts_with("exp=")
    };
    for term in record.terms.iter().filter(is_sender) {
        let text = term.to_string();
        let single = cutover_mail::spf::SpfRecord { terms: vec![term.clone()] };
        // A modifier that nobody knows is ignored (RFC 7208 §6).
        let is_unknown = text.contains('=') && !term.is_redirect();
        if text.starts_with(['-', '~', '?']) || single.check().is_err() || is_unknown {
            senders.odd.push(text);
            continue;
        }
        match whose(facts, to, term) {
            Whose::New => {}
            Whose::Old => senders.old.terms.push(text),
            Whose::Other(name) => senders.others.entry(name).or_default().terms.push(text),
        }
    }
    with_keys(facts, to, senders)
}

fn whose(facts: &DomainFacts, to: Option<&str>, term: &Term) -> Whose {
    let text = term.to_string();
    let bare = text.trim_start_matches('+');
    if facts.hosts.iter().any(|host| Known::of(host).has_term(bare)) {
        return Whose::Old;
    }
    if to.is_some_and(|to| Known::of(to).has_term(bare)) {
        return Whose::New;
    }
    if let Some(profile) = known::profile_of_term(bare) {
        return Whose::Other(profile.to_owned());
    }
    match term.target(&facts.domain) {
        Some(Target::Exchanges(name)) if name == facts.domain => Whose::Old,
        Some(Target::Addresses(name)) if is_of_host(facts, &name) => Whose::Old,
        Some(Target::Addresses(name)) if name.is_at_or_below(&facts.domain) => {
            Whose::Other("web".to_owned())
        }
        Some(Target::Record(name)) if is_of_host(facts, &name) => Whose::Old,
        Some(Target::Record(name)) if name.is_at_or_below(&facts.domain) => {
            Whose::Other("listed".to_owned())
        }
        Some(Target::Record(name) | Target::Exchanges(name) | Target::Addresses(name)) => {
            Whose::Other(slug(&organisation(&name)))
        }
        None => match term.network() {
            Some(network) if has_exchange(facts, &network) => Whose::Old,
            Some(_) | None => Whose::Other("servers".to_owned()),
        },
    }
}

/// Whether a name is an exchange, or belongs to whoever has the exchanges. The domain's own names
/// belong to nobody else.
fn is_of_host(facts: &DomainFacts, name: &Name) -> bool {
    let own = organisation(&facts.domain);
    let is_host = |exchange: &Name| {
        exchange == name
            || (organisation(exchange) == organisation(name) && organisation(exchange) != own)
    };
    facts.exchanges.iter().any(|exchange| is_host(&exchange.name))
}

fn has_exchange(facts: &DomainFacts, network: &Network) -> bool {
    let addresses = facts.exchanges.iter().flat_map(|exchange| &exchange.addresses);
    addresses.into_iter().any(|address| network.has(*address))
}

fn with_keys(facts: &DomainFacts, to: Option<&str>, mut senders: Senders) -> Senders {
    let has = |profile: &str, selector: &str, found: &KeyFound| match found {
        KeyFound::Alias(target) => Known::of(profile).has_key(selector, target, &facts.domain),
        KeyFound::Text => Known::of(profile).selectors().any(|own| own == selector),
    };
    for key in &facts.keys {
        let (selector, found) = (key.selector.as_str(), &key.found);
        if facts.hosts.iter().any(|host| has(host, selector, found)) {
            senders.old.selectors.push(selector.to_owned());
            continue;
        }
        if to.is_some_and(|to| has(to, selector, found)) {
            continue;
        }
        let name = match found {
            KeyFound::Alias(target) => {
                match known::profile_of_key(selector, target, &facts.domain) {
                    Some(profile) => Some(profile.to_owned()),
                    None if is_of_host(facts, target) => None,
                    None => Some(slug(&organisation(target))),
                }
            }
            // The keys of a host without a profile can have any name.
            KeyFound::Text if facts.hosts.is_empty() => None,
            KeyFound::Text => Some("other-keys".to_owned()),
        };
        match name {
            None => senders.old.selectors.push(selector.to_owned()),
            Some(name) => {
                senders.others.entry(name).or_default().selectors.push(selector.to_owned());
            }
        }
    }
    senders
}

/// A name for the plan, from a domain name: `crm.test.` becomes `crm-test`.
pub(crate) fn slug(name: &Name) -> String {
    /// Octets of a name in the plan. Our choice: short enough to read.
    const OCTETS_MAX: usize = 40;
    let text = name.to_string();
    let octets = text.trim_end_matches('.').bytes().map(|octet| match octet {
        b'a'..=b'z' | b'0'..=b'9' => char::from(octet),
        _ => '-',
    });
    let slug: String = octets.take(OCTETS_MAX).collect();
    let slug = slug.trim_matches('-').to_owned();
    if slug.is_empty() { "other".to_owned() } else { slug }
}
