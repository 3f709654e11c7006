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
        // Nobody knows who else is in a network.
        if term.network().is_some_and(|network| is_wide(&network) && has_exchange(facts, &network))
        {
            senders.others.entry("network".to_owned()).or_default().terms.push(text.clone());
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

fn is_wide(network: &Network) -> bool {
    network.first != network.last
}

fn with_keys(facts: &DomainFacts, to: Option<&str>, mut senders: Senders) -> Senders {
    // A key that stands in the zone itself may be anybody's who sends.
    let is_own = |found: &KeyFound| match found {
        KeyFound::Alias(target) => is_of_host(facts, target),
        KeyFound::Text => true,
    };
    let is_alone = senders.others.is_empty() && facts.keys.iter().all(|key| is_own(&key.found));
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
            KeyFound::Text if facts.hosts.is_empty() && is_alone => None,
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

#[cfg(test)]
mod tests {
    use cutover_mail::spf::SpfRecord;
    use cutover_zone::Rdata;

    use super::*;
    use crate::domain::{Exchange, Key};

    fn seen(spf: &str) -> DomainFacts {
        let name = |text: &str| Name::from_user(text).expect("a name");
        let mut facts = DomainFacts::nothing(&name("acme.test"));
        let addresses = vec!["192.0.2.10".parse().expect("an address")];
        facts.exchanges =
            vec![Exchange { preference: 10, name: name("mail.acme.test"), addresses }];
        let record = SpfRecord::of_rdata(&Rdata::txt(spf.as_bytes())).expect("a record");
        facts.spf = vec![(name("acme.test"), record)];
        facts.keys = vec![Key { selector: "s1".to_owned(), found: KeyFound::Text }];
        facts
    }

    /// What is removed too early loses mail: whatever may be somebody else's goes on.
    #[test]
    fn keys_and_networks_that_may_be_others_stay() {
        let senders = of(&seen("v=spf1 ip4:192.0.2.0/24 include:_spf.crm.test -all"), None);
        assert_eq!(senders.old.terms, ["ip4:192.0.2.0/24"]);
        assert_eq!(senders.old.selectors, [""; 0]);
        assert_eq!(senders.others["network"].terms, ["ip4:192.0.2.0/24"]);
        assert_eq!(senders.others["other-keys"].selectors, ["s1"]);
        let senders = of(&seen("v=spf1 ip4:192.0.2.10 -all"), None);
        assert_eq!((senders.old.terms.len(), senders.old.selectors.len()), (1, 1));
        assert!(senders.others.is_empty());
    }
}
