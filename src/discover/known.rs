//! What is known about mail hosts: their profiles, as far as they help to recognise what is live.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cutover_zone::{Name, Rdata};
use serde::Deserialize;

/// Selectors that many programs and services use; each profile has those of its host. Our choice,
/// from the setup pages of what signs mail.
const COMMON_SELECTORS: &[&str] = &[
    "default", "dkim", "dkim1", "email", "k1", "k2", "k3", "key1", "key2", "m1", "mail", "mailjet",
    "mandrill", "mta", "mx", "pm", "postfix", "s1", "s2", "selector", "sendgrid", "sig1", "smtp",
    "smtpapi", "zendesk1", "zendesk2",
];

/// The part of a profile that a zone shows.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Known {
    #[serde(default)]
    host: Host,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Host {
    #[serde(default)]
    exchanges: Vec<Exchange>,
    #[serde(default)]
    senders: Vec<Sender>,
    #[serde(default)]
    discovery: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Exchange {
    preference: u16,
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Sender {
    #[serde(default)]
    spf: Option<String>,
    #[serde(default)]
    dkim: Vec<Selector>,
}

#[derive(Clone, Debug, Deserialize)]
struct Selector {
    selector: String,
    #[serde(default)]
    cname: Option<String>,
}

/// What is known, by profile.
static ALL: LazyLock<BTreeMap<&'static str, Known>> = LazyLock::new(|| {
    let read = |name: &'static str| {
        let known = serde_saphyr::from_str(cutover_profile::text(name)?);
        Some((name, known.expect("tests read every profile")))
    };
    cutover_profile::names().filter_map(read).collect()
});

impl Known {
    /// What a profile says; nothing if there is none of this name.
    pub(crate) fn of(profile: &str) -> Self {
        ALL.get(profile).cloned().unwrap_or_default()
    }

    /// Its SPF terms, as far as they are the host's own.
    fn terms(&self) -> impl Iterator<Item = &str> {
        let all = self.host.senders.iter().filter_map(|sender| sender.spf.as_deref());
        all.flat_map(str::split_ascii_whitespace).filter(|term| is_telling(term))
    }

    /// Its MX records for a domain, as far as they need no parameter.
    pub(crate) fn mx(&self, domain: &Name) -> Vec<Rdata> {
        let of = domain.to_string();
        let of = of.trim_end_matches('.');
        let all = self.host.exchanges.iter().map(|one| {
            let name = one.name.replace("{domain-dashed}", &of.replace('.', "-"));
            (one.preference, name.replace("{domain}", of))
        });
        let all = all.filter(|(_, name)| !name.contains('{'));
        all.filter_map(|(at, name)| Some(Rdata::mx(at, &Name::from_user(&name).ok()?))).collect()
    }

    /// Its selectors that are the same for every customer, in lower case.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = String> {
        let all = self.host.senders.iter().flat_map(|sender| &sender.dkim);
        let all = all.map(|one| one.selector.to_ascii_lowercase());
        all.filter(|name| !name.contains('{'))
    }

    /// Whether an SPF term is one of the host's.
    pub(crate) fn has_term(&self, term: &str) -> bool {
        self.terms().any(|own| fits(&own.to_ascii_lowercase(), &term.to_ascii_lowercase()))
    }

    /// Whether an alias of a key leads to the host.
    pub(crate) fn has_key(&self, selector: &str, target: &Name, domain: &Name) -> bool {
        let all = self.host.senders.iter().flat_map(|sender| &sender.dkim);
        let of = domain.to_string();
        let of = of.trim_end_matches('.');
        let mut own = all.filter(|one| fits(&one.selector.to_ascii_lowercase(), selector));
        own.any(|one| {
            one.cname.as_ref().filter(|cname| is_telling(cname)).is_some_and(|cname| {
                let cname = cname.replace("{domain-dashed}", &of.replace('.', "-"));
                let cname = cname.replace("{domain}", of).to_ascii_lowercase();
                fits(cname.trim_end_matches('.'), target.to_string().trim_end_matches('.'))
            })
        })
    }
}

/// Whether a template names a host. What is nothing but parameters fits everybody.
fn is_telling(template: &str) -> bool {
    /// Fixed characters that no two hosts have in common. Our choice.
    const CHARS_MIN: usize = 6;
    let mut fixed = String::new();
    let mut rest = template.trim_start_matches("include:").trim_start_matches("a:");
    while let Some((front, back)) = rest.split_once('{') {
        fixed.push_str(front);
        rest = back.split_once('}').map_or("", |(_, rest)| rest);
    }
    fixed.push_str(rest);
    fixed.contains('.') && fixed.len() >= CHARS_MIN
}

/// Whether a text is what a template stands for: each `{parameter}` is any text without a blank.
fn fits(template: &str, text: &str) -> bool {
    let Some((front, rest)) = template.split_once('{') else { return template == text };
    let Some((_, rest)) = rest.split_once('}') else { return template == text };
    let Some(text) = text.strip_prefix(front) else { return false };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| at > 0 && fits(rest, &text[at..]))
}

/// The profile that has this SPF term.
pub(crate) fn profile_of_term(term: &str) -> Option<&'static str> {
    ALL.iter().find(|(_, known)| known.has_term(term)).map(|(name, _)| *name)
}

/// The profile to which an alias of a key leads.
pub(crate) fn profile_of_key(selector: &str, target: &Name, domain: &Name) -> Option<&'static str> {
    let found = ALL.iter().find(|(_, known)| known.has_key(selector, target, domain));
    found.map(|(name, _)| *name)
}

/// The selectors that are tried for any domain, without duplicates.
pub(crate) fn selectors() -> impl Iterator<Item = String> {
    let of_hosts = ALL.values().flat_map(Known::selectors);
    let common = COMMON_SELECTORS.iter().map(|name| (*name).to_owned());
    let all = of_hosts.chain(common);
    all.collect::<std::collections::BTreeSet<String>>().into_iter()
}

/// The labels before a domain of discovery records, by the keys of `discovery:`.
const DISCOVERY: &[(&str, &[&str])] = &[
    ("imap", &["_imap._tcp", "_imaps._tcp"]),
    ("pop3", &["_pop3._tcp", "_pop3s._tcp"]),
    ("submission", &["_submission._tcp", "_submissions._tcp"]),
    ("autodiscover", &["autodiscover"]),
    ("autoconfig", &["autoconfig"]),
];

/// The names that a plan with this profile publishes for a domain.
pub(crate) fn published(profile: &str, domain: &Name) -> Vec<Name> {
    let known = Known::of(profile);
    let keys = known.selectors().map(|selector| format!("{selector}._domainkey"));
    let discovery = DISCOVERY.iter().filter(|(key, _)| known.host.discovery.contains_key(*key));
    let discovery =
        discovery.flat_map(|(_, labels)| labels.iter().map(|label| (*label).to_owned()));
    let all = keys.chain(discovery);
    all.filter_map(|labels| Name::from_user(&labels).ok()?.join(domain).ok()).collect()
}

/// The domain that somebody has registered, as far as its labels show: the last two, or three below
/// `co.uk` and the like. Only used to guess what belongs together.
pub(crate) fn organisation(name: &Name) -> Name {
    /// Second labels below which countries register names. Our choice: the most common ones.
    const PUBLIC: &[&[u8]] = &[b"ac", b"co", b"com", b"edu", b"gov", b"net", b"ne", b"or", b"org"];
    let labels: Vec<_> = name.labels().collect();
    let count = labels.len();
    let is_public = count > 2
        && labels[count - 1].len() == 2
        && PUBLIC.iter().any(|public| *labels[count - 2] == **public);
    let wanted = if is_public { 3 } else { 2 };
    let above = std::iter::successors(Some(name.clone()), Name::parent);
    above.into_iter().nth(count.saturating_sub(wanted)).unwrap_or_else(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_user(text).expect("a name")
    }

    #[test]
    fn templates_stand_for_texts_that_fit() {
        for (template, text, wanted) in [
            ("include:zohomail.{region}", "include:zohomail.eu", true),
            ("include:zohomail.{region}", "include:zohomail.", false),
            ("spf-{cluster}.x.test", "spf-0001.x.test", true),
            ("spf-{cluster}.x.test", "spf-0001.y.test", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(template, text), wanted, "{template} and {text}");
        }
    }

    #[test]
    fn parameters_alone_tell_nothing() {
        for (template, wanted) in [
            ("{spf}", false),
            ("a:{server}", false),
            ("{dkim_target_1}", false),
            ("include:zohomail.{region}", true),
            ("include:{region}._netblocks.mimecast.com", true),
            ("include:mx.ovh.com", true),
        ] {
            assert_eq!(is_telling(template), wanted, "{template}");
        }
    }

    #[test]
    fn hosts_are_known_by_terms_and_keys() {
        assert_eq!(profile_of_term("include:_spf.google.com"), Some("google-workspace"));
        assert_eq!(profile_of_term("include:zohomail.eu"), Some("zoho"));
        assert_eq!(profile_of_term("include:_spf.crm.test"), None);
        let target = name("fm1.acme.test.dkim.fmhosted.com.");
        assert_eq!(profile_of_key("fm1", &target, &name("acme.test")), Some("fastmail"));
        assert_eq!(profile_of_key("fm1", &name("x.test"), &name("acme.test")), None);
    }

    #[test]
    fn organisations_are_the_last_labels() {
        for (of, wanted) in [
            ("mx1.host.test.", "host.test."),
            ("mx.host.co.uk.", "host.co.uk."),
            ("host.test.", "host.test."),
            ("test.", "test."),
        ] {
            assert_eq!(organisation(&name(of)), name(wanted), "{of}");
        }
    }
}
