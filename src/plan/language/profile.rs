//! `hosts.NAME.profile`: fills in what the profile of a well-known host says.
//!
//! The host's part of the profile is merged into the plan's tree before anything is decoded, so
//! that it is checked like everything else, and a finding shows the profile's own text. Whatever
//! the plan itself says counts instead. The text of the profile is a part of the plan: if a later
//! version of this program has other values, the plan has changed.

use std::collections::BTreeMap;

use super::todo::is_undecided;
use super::yaml::{self, Kind, Node};
use cutover_base::diag::{Code, Diagnostic, Source, Span, Spanned, did_you_mean, quoted};
use cutover_profile::{self as profile, Parameter, Profile};

/// A profile that does not exist.
const UNKNOWN_PROFILE: Code = Code::semantic("unknown-profile");
/// A parameter that a profile does not take, lacks, or takes in another form.
const PROFILE_PARAMETER: Code = Code::semantic("profile-parameter");

/// The key of a host that names its profile.
const PROFILE: &str = "profile";
/// The key of a host with what its profile needs to know.
const PARAMETERS: &str = "parameters";

/// Characters of an example that are shown. Our choice: half a line.
const EXAMPLE_CHARS_MAX: usize = 50;

/// The parameters that a host gives, by name.
type Given = BTreeMap<String, Spanned<String>>;

/// Fills in the profile of every host that has one, and returns what is wrong. `source` has the
/// plan's files, to which the texts of the profiles are added.
pub(super) fn fill_in(source: &mut Source, root: &mut Node) -> Vec<Diagnostic> {
    let mut reading = Reading { source, found: Vec::new() };
    let Some(Node { kind: Kind::Map(hosts), .. }) = root.get_mut("hosts") else {
        return Vec::new();
    };
    for (_, host) in hosts {
        match host.get(PROFILE).and_then(Node::text) {
            Some(named) => of_host(&mut reading, host, &named),
            None => without_profile(&mut reading, host),
        }
    }
    reading.found
}

/// The plan's files, and what is wrong with its profiles.
struct Reading<'s> {
    source: &'s mut Source,
    found: Vec<Diagnostic>,
}

/// Parameters without a profile have no effect.
fn without_profile(reading: &mut Reading<'_>, host: &Node) {
    let Kind::Map(entries) = &host.kind else { return };
    let is_there = |(key, _): &&(Node, Node)| key.is_text(PARAMETERS);
    if let (Some((key, _)), None) = (entries.iter().find(is_there), host.get(PROFILE)) {
        let title = "`parameters` belong to a profile, and this host has none".to_owned();
        let help = "add `profile: NAME`, or remove them; `cutover profiles` lists all profiles";
        reading.found.push(Diagnostic::error(PROFILE_PARAMETER, key.span, title, help));
    }
}

fn of_host(reading: &mut Reading<'_>, host: &mut Node, named: &Spanned<String>) {
    let name = &named.value;
    let (Some(profile), Some(file)) = (profile::profile(name), profile::text(name)) else {
        let title = format!("there is no profile {}", quoted(name));
        let help = match did_you_mean(name, profile::names()) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "`cutover profiles` lists all profiles".to_owned(),
        };
        reading.found.push(Diagnostic::error(UNKNOWN_PROFILE, named.span, title, help));
        return;
    };
    let given = given(reading, host, (name, &profile));
    let mut root = yaml::parse(file).expect("tests read every profile");
    root.shift(reading.source.add(format!("profile {name}"), file.to_owned()));
    let Some(Node { kind: Kind::Map(entries), .. }) = root.get_mut("host") else { return };
    let mut entries = std::mem::take(entries);
    if let Some(own) = host.get_mut("senders") {
        fill_senders(own, &entries);
    }
    let Kind::Map(own) = &mut host.kind else { return };
    entries.retain(|(key, _)| !own.iter().any(|(known, _)| known.kind == key.kind));
    own.extend(entries);
    let mut filling = Filling { given, missing: BTreeMap::new(), profile: &profile };
    own.iter_mut().for_each(|(_, value)| filling.node(value));
    for (parameter, Parameter { form, meaning, example }) in filling.missing {
        let title = format!("profile `{name}` needs `{parameter}`: {meaning}");
        let help = format!("add `parameters: {{ {parameter}: {} }}` to the host", brief(&example));
        let why = format!("it takes {}", form.shown());
        reading.found.push(Diagnostic::error(PROFILE_PARAMETER, named.span, title, help).why(why));
    }
}

/// An example, which may be a key of hundreds of characters.
fn brief(example: &str) -> String {
    match example.char_indices().nth(EXAMPLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &example[..end]),
        None => example.to_owned(),
    }
}

/// The parameters that the host gives and the profile takes.
fn given(reading: &mut Reading<'_>, host: &Node, (name, profile): (&str, &Profile)) -> Given {
    let mut given = Given::new();
    let Some(Kind::Map(entries)) = host.get(PARAMETERS).map(|node| &node.kind) else {
        return given;
    };
    for (key, value) in entries {
        // Other kinds of keys and values are refused by the shape.
        let (Some(key), Some(value)) = (key.text(), value.text()) else { continue };
        match profile.parameters.get(&key.value) {
            // The rest of the plan is checked with the example; nothing is proved with it.
            Some(parameter) if is_undecided(&value.value) => {
                let value = Spanned { value: parameter.example.clone(), span: value.span };
                given.insert(key.value, value);
            }
            Some(parameter) if parameter.form.fits(&value.value) => {
                given.insert(key.value, value);
            }
            Some(parameter @ Parameter { form, meaning, example }) => {
                let title = format!("{} is not {}", quoted(&value.value), form.shown());
                let example = brief(example);
                let help = format!("`{}` is {meaning}; for example `{example}`", key.value);
                reading.found.push(Diagnostic::error(PROFILE_PARAMETER, value.span, title, help));
                // So that it does not count as missing too.
                let value = Spanned { value: parameter.example.clone(), span: value.span };
                given.insert(key.value, value);
            }
            None => {
                let title = format!("profile `{name}` has no parameter {}", quoted(&key.value));
                let all: Vec<&str> = profile.parameters.keys().map(String::as_str).collect();
                let help = match did_you_mean(&key.value, all.iter().copied()) {
                    Some(guess) => format!("did you mean `{guess}`?"),
                    None if all.is_empty() => "it takes none: remove it".to_owned(),
                    None => format!("it takes {}", all.join(", ")),
                };
                reading.found.push(Diagnostic::error(PROFILE_PARAMETER, key.span, title, help));
            }
        }
    }
    given
}

/// A sender of the plan that says neither where it sends from nor how it signs does as the
/// profile's does.
fn fill_senders(own: &mut Node, profile: &[(Node, Node)]) {
    let senders = profile.iter().find(|(key, _)| key.is_text("senders"));
    let Some((_, Node { kind: Kind::List(senders), .. })) = senders else { return };
    let Kind::List(own) = &mut own.kind else { return };
    let [Node { kind: Kind::Map(sender), .. }] = senders.as_slice() else { return };
    for one in own {
        if one.get("spf").is_some() || one.get("dkim").is_some() {
            continue;
        }
        let Kind::Map(entries) = &mut one.kind else { continue };
        let is_known = |key: &Node| entries.iter().any(|(known, _)| known.kind == key.kind);
        // A sender without a name is refused, as everywhere.
        let missing = sender.iter().filter(|(key, _)| !key.is_text("name") && !is_known(key));
        let missing: Vec<(Node, Node)> = missing.cloned().collect();
        entries.extend(missing);
    }
}

/// Puts the parameters into texts.
struct Filling<'p> {
    given: Given,
    /// The parameters that are used but not given.
    missing: BTreeMap<String, Parameter>,
    profile: &'p Profile,
}

impl Filling<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.kind {
            Kind::Text(text) => {
                if let Some(span) = self.text(text) {
                    node.span = span;
                }
            }
            Kind::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.node(value)),
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {}
        }
    }

    /// The place of the parameter that was put in, if any was.
    fn text(&mut self, text: &mut String) -> Option<Span> {
        let mut place = None;
        for (name, parameter) in &self.profile.parameters {
            let braced = format!("{{{name}}}");
            if !text.contains(&braced) {
                continue;
            }
            match self.given.get(name) {
                Some(value) => {
                    *text = text.replace(&braced, &value.value);
                    place = Some(value.span);
                }
                None => {
                    *text = text.replace(&braced, &parameter.example);
                    self.missing.insert(name.clone(), parameter.clone());
                }
            }
        }
        place
    }
}
