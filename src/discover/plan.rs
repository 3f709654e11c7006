//! The plan to start from: YAML with comments.
//!
//! It says what was seen, and leaves to tasks what a person has to do at a point of the move, so that
//! the run asks when that point has come. Only what has to be decided before is a `TODO`, which no
//! plan is proved with.

mod facts;
mod hosts;

use std::collections::{BTreeMap, BTreeSet};

use cutover_profile::profile;
use cutover_zone::Name;

use crate::Request;
use crate::domain::DomainFacts;
use crate::known::organisation;
use crate::senders::slug;
use crate::yaml::{self, comment, quoted};

/// The most characters of a plan's name; the language allows 63.
const NAME_CHARS_MAX: usize = 60;

/// The plan that moves all domains that have exchanges; `None` if there is none.
#[must_use]
pub fn plan_text(request: &Request, found: &[DomainFacts]) -> Option<String> {
    let moving: Vec<&DomainFacts> = found.iter().filter(|facts| facts.moves()).collect();
    let first = *moving.first()?;
    let new = request.to.and_then(profile);
    let parts = [
        head(request, first),
        zones(request, &moving, first),
        hosts::text(request, &moving, new.as_ref()),
        migrate(&moving, found),
        facts::tasks(&moving, new.as_ref()),
        facts::assume(&moving, new.as_ref()),
    ];
    Some(parts.concat())
}

fn head(request: &Request, first: &DomainFacts) -> String {
    let to = request.to.unwrap_or("new-host");
    let name: String = format!("{}-to-{to}", slug(&first.domain));
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    format!(
        "\
# Written by `cutover discover` from what is live. Read it, replace each TODO (`cutover plan`
# refuses a plan that has one left), and go on with `cutover plan`.
version: 1
name: {}
",
        name.trim_end_matches('-')
    )
}

fn zones(request: &Request, moving: &[&DomainFacts], first: &DomainFacts) -> String {
    let provider = request.provider.clone().unwrap_or_else(|| provider_of(first).to_owned());
    let resolver = match request.resolvers.as_slice() {
        [] => "system".to_owned(),
        some => {
            let some: Vec<String> = some.iter().map(|one| quoted(one)).collect();
            format!("[ {} ]", some.join(", "))
        }
    };
    let zones = moving.iter().filter_map(|facts| facts.zone.as_ref());
    let zones: BTreeMap<&Name, bool> =
        zones.map(|zone| (&zone.origin, zone.servers.is_empty())).collect();
    let line = |(zone, is_unseen): (&&Name, &bool)| {
        let zone = yaml::name(zone);
        match is_unseen {
            false => format!("  {zone}: {{ provider: dns }}\n"),
            true => format!(
                "  # Its name servers were not seen: where the delegation cannot be followed, add \
                 `authorities: [ ADDRESS:PORT ]`.\n  {zone}: {{ provider: dns }}\n"
            ),
        }
    };
    let zones: String = zones.iter().map(line).collect();
    format!(
        "
# Who holds the zones; `cutover providers` lists the types, and `cutover providers TYPE` its keys.
providers:
  dns: {provider}

resolver: {resolver}    # who is asked for names outside of the zones

zones:
{zones}"
    )
}

/// The provider that the zone's name servers suggest, ready to use where nothing is missing but a
/// secret. Hosts and the ends of their servers' names: their own documentation, seen 2026-11-30.
fn provider_of(facts: &DomainFacts) -> &'static str {
    const CLOUDFLARE: &str =
        "{ type: cloudflare, api_token: { env: CLOUDFLARE_API_TOKEN } }    # guessed from NS";
    const ROUTE53: &str = "{ type: route53 }    # guessed from NS; credentials as for the AWS CLI";
    const UNKNOWN: &str = "{ type: zonefile, directory: \"TODO: the type of your DNS provider, \
                           and its keys\", served: { assume_within: 5m } }";
    let names = facts.zone.iter().flat_map(|zone| &zone.names);
    let of: BTreeSet<String> = names.map(|name| organisation(name).to_string()).collect();
    if of.contains("cloudflare.com.") {
        return CLOUDFLARE;
    }
    if of.iter().any(|name| name.starts_with("awsdns-")) {
        return ROUTE53;
    }
    UNKNOWN
}

fn migrate(moving: &[&DomainFacts], found: &[DomainFacts]) -> String {
    let names: Vec<String> = moving.iter().map(|facts| yaml::name(&facts.domain)).collect();
    let mut text = format!(
        "
migrate:
  domains: [ {} ]
  from: old
  to: new
  # window: \"Sat 20:00-23:00 Europe/Berlin\"    # when the switch may begin; without it, at any time
",
        names.join(", ")
    );
    for facts in found.iter().filter(|facts| !facts.moves()) {
        let why = crate::report::mail(facts);
        text.push_str(&format!("  # not moved: {}: {}\n", facts.domain, comment(&why)));
    }
    for (name, _) in moving.iter().flat_map(|facts| &facts.siblings) {
        let name = comment(&name.to_string());
        text.push_str(&format!(
            "  # {name} has MX records too: add it to `domains`, or leave it\n"
        ));
    }
    text
}

/// For an entry that belongs to some of the domains: the key that says so.
fn limited(moving: &[&DomainFacts], of: &BTreeSet<Name>) -> String {
    if moving.iter().all(|facts| of.contains(&facts.domain)) {
        return String::new();
    }
    let names: Vec<String> = of.iter().map(yaml::name).collect();
    format!(", domains: [ {} ]", names.join(", "))
}
