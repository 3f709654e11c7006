//! Profiles of well-known mail hosts: what a plan says about such a host, ready to use.
//!
//! Each profile is a file in `profiles/`. Its key `host` is written in the plan language, as under
//! `hosts.NAME`, with parameters in braces where each customer of the host has something else. The
//! other keys are for people, and for recognising the host. Values come from the host's own pages,
//! which each profile names.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cutover_zone::Name;
use serde::{Deserialize, Serialize};

/// Every profile: its name, and its file.
const ALL: &[(&str, &str)] = &[
    ("barracuda", include_str!("profiles/barracuda.yaml")),
    ("cloudflare-email-routing", include_str!("profiles/cloudflare-email-routing.yaml")),
    ("fastmail", include_str!("profiles/fastmail.yaml")),
    ("forward-email", include_str!("profiles/forward-email.yaml")),
    ("gandi", include_str!("profiles/gandi.yaml")),
    ("godaddy", include_str!("profiles/godaddy.yaml")),
    ("google-workspace", include_str!("profiles/google-workspace.yaml")),
    ("google-workspace-legacy", include_str!("profiles/google-workspace-legacy.yaml")),
    ("hey", include_str!("profiles/hey.yaml")),
    ("hostinger", include_str!("profiles/hostinger.yaml")),
    ("icloud", include_str!("profiles/icloud.yaml")),
    ("improvmx", include_str!("profiles/improvmx.yaml")),
    ("infomaniak", include_str!("profiles/infomaniak.yaml")),
    ("ionos", include_str!("profiles/ionos.yaml")),
    ("mail-in-a-box", include_str!("profiles/mail-in-a-box.yaml")),
    ("mailbox-org", include_str!("profiles/mailbox-org.yaml")),
    ("mailcow", include_str!("profiles/mailcow.yaml")),
    ("microsoft365", include_str!("profiles/microsoft365.yaml")),
    ("microsoft365-dnssec", include_str!("profiles/microsoft365-dnssec.yaml")),
    ("migadu", include_str!("profiles/migadu.yaml")),
    ("mimecast", include_str!("profiles/mimecast.yaml")),
    ("namecheap-private-email", include_str!("profiles/namecheap-private-email.yaml")),
    ("ovh", include_str!("profiles/ovh.yaml")),
    ("proofpoint", include_str!("profiles/proofpoint.yaml")),
    ("proton", include_str!("profiles/proton.yaml")),
    ("purelymail", include_str!("profiles/purelymail.yaml")),
    ("rackspace", include_str!("profiles/rackspace.yaml")),
    ("ses-inbound", include_str!("profiles/ses-inbound.yaml")),
    ("stalwart", include_str!("profiles/stalwart.yaml")),
    ("startmail", include_str!("profiles/startmail.yaml")),
    ("titan", include_str!("profiles/titan.yaml")),
    ("tuta", include_str!("profiles/tuta.yaml")),
    ("workmail", include_str!("profiles/workmail.yaml")),
    ("yandex360", include_str!("profiles/yandex360.yaml")),
    ("zimbra", include_str!("profiles/zimbra.yaml")),
    ("zoho", include_str!("profiles/zoho.yaml")),
    ("zoho-canada", include_str!("profiles/zoho-canada.yaml")),
];

/// A profile, without the host's part, which [`text`] has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What people call the host.
    pub title: String,
    /// What the host does with mail.
    pub kind: ProfileKind,
    /// Where its values come from.
    pub sources: Vec<ProfileSource>,
    /// Which of its values no page of the host's says: public zones have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_zones: Option<String>,
    /// What each customer has to look up, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    #[serde(default, rename = "host", skip_serializing)]
    _host: IgnoredHost,
    /// Names of exchanges by which the host is recognised; `*.` stands for any labels.
    pub recognised_by: Vec<String>,
    /// Records that have to stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Kept>,
    /// What an account needs before the switch: tasks in the plan language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_switch: Vec<Preparation>,
    /// What else one should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The host's part is not read here: it is read as a part of each plan that uses the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct IgnoredHost;

impl<'de> Deserialize<'de> for IgnoredHost {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// What a host does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileKind {
    /// It has mailboxes.
    Host,
    /// It passes mail on to other addresses.
    Forwarder,
    /// It filters mail and passes it on to the real host.
    Gateway,
    /// Software that the user runs.
    Software,
}

impl ProfileKind {
    /// The word in profiles and in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Forwarder => "forwarder",
            Self::Gateway => "gateway",
            Self::Software => "software",
        }
    }
}

/// Where the values of a profile come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSource {
    /// The page.
    pub url: String,
    /// The day on which it said so, as `YYYY-MM-DD`.
    pub seen: String,
}

/// Something that each customer of a host has to look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it takes.
    pub form: ParameterForm,
    /// What it is, and where to find it.
    pub meaning: String,
    /// A value of this form.
    pub example: String,
}

/// What a parameter takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterForm {
    /// A form with a name.
    Named(NamedForm),
    /// One of these words.
    Choice(Vec<String>),
}

/// The forms that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedForm {
    /// One label of a domain name.
    Label,
    /// A domain name.
    Name,
    /// Any text.
    Text,
}

impl ParameterForm {
    /// Whether a value has this form. Names are read as the plan language reads them.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        match self {
            Self::Named(NamedForm::Label) => {
                !value.contains('.') && Name::from_user(value).is_ok_and(|name| !name.is_root())
            }
            Self::Named(NamedForm::Name) => Name::from_user(value).is_ok(),
            Self::Named(NamedForm::Text) => !value.is_empty(),
            Self::Choice(words) => words.iter().any(|word| word == value),
        }
    }

    /// The form for people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Named(NamedForm::Label) => "one label of a domain name".to_owned(),
            Self::Named(NamedForm::Name) => "a domain name".to_owned(),
            Self::Named(NamedForm::Text) => "text".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// A record that has to stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Its owner, relative to the domain.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// How its text starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// Its whole text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it is for.
    pub why: String,
}

/// What an account needs before the switch: a task of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// The name of the task.
    pub name: String,
    /// What to do.
    pub manual: String,
}

/// The names of all profiles, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The file of a profile; `None` if there is no such profile.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A profile; `None` if there is none of this name.
///
/// # Panics
/// Never: tests read every profile.
#[must_use]
pub fn profile(name: &str) -> Option<Profile> {
    Some(serde_saphyr::from_str(text(name)?).expect("tests read every profile"))
}

/// The profile of the host that has this exchange; `None` if no profile has.
///
/// A pattern that begins with `*` stands for all names that end like the rest of it.
#[must_use]
pub fn recognised(exchange: &Name) -> Option<&'static str> {
    let exchange = exchange.to_string();
    let fits = |pattern: &String| match pattern.strip_prefix('*') {
        Some(end) => exchange.len() > end.len() && exchange.ends_with(end),
        None => exchange == *pattern,
    };
    let found = PATTERNS.iter().find(|(_, patterns)| patterns.iter().any(fits));
    found.map(|(name, _)| *name)
}

/// By which exchanges each host is recognised; read once, since each profile is a text.
static PATTERNS: LazyLock<Vec<(&str, Vec<String>)>> = LazyLock::new(|| {
    names().filter_map(|name| Some((name, profile(name)?.recognised_by))).collect()
});

/// The title of the host whose customers have to keep a TXT record with this text; `None` if no
/// profile knows it.
#[must_use]
pub fn keeper(text: &str) -> Option<&'static str> {
    let found = KEPT.iter().find(|(start, _)| text.starts_with(start.as_str()));
    found.map(|(_, title)| title.as_str())
}

/// How texts begin that have to be kept, and the title of the host; read once.
static KEPT: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let all = names().filter_map(profile).flat_map(|profile| {
        let starts = profile.keep.into_iter().filter_map(|kept| kept.starts_with);
        starts.map(move |start| (start, profile.title.clone())).collect::<Vec<_>>()
    });
    all.collect()
});
