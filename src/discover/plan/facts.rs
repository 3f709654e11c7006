//! The plan's `tasks:` and `assume:`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cutover_profile::Profile;
use cutover_zone::Name;

use crate::domain::DomainFacts;
use crate::yaml::{self, quoted};

/// A task of a person: its name, and what to do.
type Task = (&'static str, &'static str);

const BEFORE_SWITCH: &[Task] = &[
    (
        "accounts",
        "Create every mailbox, alias, group and shared mailbox of the old host at the new one, postmaster and abuse too, and see that each address is accepted.",
    ),
    ("mailboxes", "Copy all mail to the new host, and give people their passwords."),
    (
        "devices",
        "Set up every phone, program, printer and website for the new host as well. From the switch on, people read and send there.",
    ),
];
const BEFORE_CONTRACT: &[Task] = &[
    (
        "old-not-used",
        "Make sure that nobody sends through the old host any more: its log shows who still does.",
    ),
    (
        "old-routing",
        "Take the domain out of the old host's list of local domains (in cPanel: Email Routing, Remote), so that its other customers and its websites send to the new host.",
    ),
];
const BEFORE_RELEASE: &[Task] =
    &[("last-copy", "Copy what has arrived at the old host since the last copy to the new host.")];
const WAY_BACK: &[Task] = &[
    ("copy-back", "Copy what has arrived at the new host back to the old one."),
    ("devices-back", "Set up every device for the old host again."),
];

/// The task for an MTA-STS policy.
const POLICY: Task = (
    "policy",
    "Add the exchanges of the new host to the MTA-STS policy, beside the old ones. Change the id of the record after that, and wait for max_age of the old policy or until its senders have asked again.",
);

fn has_policy(moving: &[&DomainFacts]) -> bool {
    moving.iter().any(|facts| facts.policies.iter().any(|(labels, _)| *labels == "_mta-sts"))
}

fn task(text: &mut String, (name, manual): (&str, &str)) {
    let _ = writeln!(text, "    - name: {name}\n      manual: {}", quoted(manual));
}

pub(super) fn tasks(moving: &[&DomainFacts], new: Option<&Profile>) -> String {
    let mut text = "
# What a person does. The run asks at each point, and goes on after `cutover confirm`.
tasks:
  before_switch:
"
    .to_owned();
    for one in new.iter().flat_map(|profile| &profile.before_switch) {
        task(&mut text, (&one.name, &one.manual));
    }
    BEFORE_SWITCH.iter().for_each(|one| task(&mut text, *one));
    if has_policy(moving) {
        task(&mut text, POLICY);
    }
    for (place, tasks) in [
        ("before_contract", BEFORE_CONTRACT),
        ("before_release", BEFORE_RELEASE),
        ("way_back", WAY_BACK),
    ] {
        let _ = writeln!(text, "  {place}:");
        tasks.iter().for_each(|one| task(&mut text, *one));
    }
    text
}

pub(super) fn assume(moving: &[&DomainFacts], new: Option<&Profile>) -> String {
    let title = new.map_or("the new host", |profile| profile.title.as_str());
    let mut facts = vec![
        ("accepts", "new", "", "accounts", "every address was tried"),
        ("serves", "new", "", "mailboxes", "the copies were compared"),
        (
            "clients",
            "old",
            ", value: false",
            "devices",
            "every device has the new account too, and nobody needs the old one alone",
        ),
        ("sends", "old", ", value: false", "old-not-used", "the old host's log was read"),
        ("routes_local", "old", ", value: false", "old-routing", "the domain was taken out there"),
        ("synced", "old", "", "last-copy", "nothing arrives there any more"),
        ("synced", "new", "", "copy-back", "only on the way back"),
        ("clients", "new", ", value: false", "devices-back", "only on the way back"),
    ];
    if has_policy(moving) {
        facts.push(("sts_allows", "new", "", "policy", "the policy lists both hosts"));
    }
    let mut text = "
# What DNS does not show, and the proof relies on: each becomes true with a task above.
assume:
"
    .to_owned();
    for (fact, host, value, by, reason) in facts {
        let _ = writeln!(
            text,
            "  - {{ fact: {fact}, host: {host}{value}, by: task/{by}, reason: {} }}",
            quoted(reason)
        );
    }
    let todo = format!(
        "TODO: how you know that mail from other customers of {title} goes by the MX records, and not to the new mailboxes before the switch"
    );
    let _ = writeln!(
        text,
        "  - {{ fact: routes_local, host: new, value: false, reason: {} }}",
        quoted(&todo)
    );
    for name in siblings_at_old(moving) {
        let todo = "TODO: how you know that the old host goes on for it; or add it to `domains`";
        let _ = writeln!(
            text,
            "  - {{ fact: stays, name: {}, reason: {} }}",
            yaml::name(name),
            quoted(todo)
        );
    }
    text
}

/// Other mail domains in the zones whose mail goes to the old host, which is to be switched off.
fn siblings_at_old<'f>(moving: &[&'f DomainFacts]) -> BTreeSet<&'f Name> {
    let old: BTreeSet<&Name> =
        moving.iter().flat_map(|facts| &facts.exchanges).map(|one| &one.name).collect();
    let siblings = moving.iter().flat_map(|facts| &facts.siblings);
    let at_old = siblings.filter(|(_, exchanges)| exchanges.iter().any(|name| old.contains(name)));
    at_old.map(|(name, _)| name).filter(|name| !name.is_wildcard()).collect()
}
