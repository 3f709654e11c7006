//! Facts that gates establish: a fact about a host becomes true when a gate that looks at that host has
//! passed, so nobody has to state it.
//!
//! Such a fact is a statement like those of `assume:`, which gates confirm instead of a person. Where
//! the plan states the fact itself, that statement counts.
//!
//! A gate establishes nothing if somebody who wants mail to be lost could make it pass: with servers,
//! a resolver or a list of its own, with failures that are tolerated, with a person who lets it pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_base::diag::{Span, Spanned, quoted};
use cutover_base::digest::Digest;
use cutover_mail::recipients::{Kind, Recipient};
use cutover_steps::config::ConfigSpec;
use cutover_steps::fact::{Fact, Subject};
use cutover_steps::graph::gate::Place;
use cutover_steps::graph::{Point, SAMPLE_MAX, StepId};
use cutover_steps::probe::recipients::{ADDRESSES, FILE, RECIPIENTS_MAX, is_address};
use cutover_steps::probe::target::{DOMAIN, EXCHANGES, HOST, RESOLVER, SERVERS};
use cutover_steps::probe::{self, Establishes, HostOf};
use cutover_zone::Name;

use super::{DomainMove, Host, Intent};
use crate::language::gate::{GateSpec, GatesSpec, OnFail, gate_id};
use crate::language::mailboxes::MailboxesSpec;
use crate::language::{AssumeSpec, Confirm, RecipientsSpec, ResolverSpec, ZoneSpec};

/// What a plan says that decides whether its gates establish anything.
pub(super) struct Said<'s> {
    pub(super) gates: &'s GatesSpec,
    pub(super) moves: &'s [DomainMove],
    pub(super) recipients: Option<&'s RecipientsSpec>,
    /// How the mailboxes of the old and the new host are opened.
    pub(super) opened: Option<(&'s MailboxesSpec, &'s MailboxesSpec)>,
    pub(super) zones: &'s BTreeMap<Name, ZoneSpec>,
    pub(super) resolver: &'s ResolverSpec,
    pub(super) assume: &'s [AssumeSpec],
}

/// A gate that could establish a fact, and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoEvidence {
    /// The fact.
    pub fact: Fact,
    /// What it is about.
    pub subject: Subject,
    /// Why not: a clause.
    pub why: String,
}

/// Gates that establish the same fact.
struct Found {
    span: Span,
    subject: Subject,
    leaves: &'static str,
    gates: Vec<StepId>,
    reach: BTreeSet<String>,
}

/// The addresses of a list that are at domains of the plan: mail for them has to arrive. An entry of
/// the address book receives nothing here.
pub fn listed<'r>(all: &'r [Recipient], moves: &[DomainMove]) -> Vec<&'r Recipient> {
    let domains: BTreeSet<&Name> = moves.iter().map(|one| &one.domain.value).collect();
    let moves =
        |one: &&Recipient| domain_of(&one.address).is_some_and(|domain| domains.contains(&domain));
    all.iter().filter(|one| one.kind != Kind::Contact).filter(moves).collect()
}

/// The mailbox with this address, or the first.
pub fn mailbox_of<'r>(all: &[&'r Recipient], wanted: Option<&str>) -> Option<&'r Recipient> {
    let is_it = |one: &Recipient| match wanted {
        Some(address) => one.address.eq_ignore_ascii_case(address),
        None => true,
    };
    all.iter().copied().filter(|one| one.kind.is_mailbox()).find(|one| is_it(one))
}

/// The domain of an address.
pub fn domain_of(address: &str) -> Option<Name> {
    Name::from_user(address.rsplit_once('@')?.1).ok()
}

/// Where a gate has to stand for its word to count, and from when on a plan can rely on it: the new
/// host is looked at before the switch, and the old one when it is left.
fn place_of(host: HostOf) -> (Place, Point) {
    match host {
        HostOf::New => (Place::BeforeSwitch, Point::Expand),
        HostOf::Old => (Place::AfterSwitch, Point::Contract),
    }
}

/// The facts that the plan's gates establish and that it does not state itself, and the gates that
/// could and do not.
pub(super) fn of_gates(said: &Said<'_>) -> (Vec<AssumeSpec>, Vec<NoEvidence>) {
    let mut found: BTreeMap<Fact, (Point, Found)> = BTreeMap::new();
    let mut none = Vec::new();
    let Some(first) = said.moves.first() else { return (Vec::new(), none) };
    let GatesSpec { before_switch, after_switch } = said.gates;
    for (place, gates) in [(Place::BeforeSwitch, before_switch), (Place::AfterSwitch, after_switch)]
    {
        for (number, gate) in gates.iter().enumerate() {
            let keys = probe::of_name(&gate.probe.value).map(|probe| probe.keys);
            let Some((host_of, establishes)) = keys.and_then(|k| k.host.zip(k.establishes)) else {
                continue;
            };
            let host = match host_of {
                HostOf::New => &first.to,
                HostOf::Old => &first.from,
            };
            let subject = Subject::Host(host.name.clone());
            let fact = establishes.fact;
            let is_it = |one: &AssumeSpec| one.fact.value == fact && one.subject.value == subject;
            if said.assume.iter().any(is_it) {
                continue;
            }
            let (wanted, from) = place_of(host_of);
            let reach = match (place == wanted, place) {
                (true, _) => reach_of(said, gate, (host, &establishes)),
                (false, Place::AfterSwitch) => Err("it is asked after the switch".to_owned()),
                (false, Place::BeforeSwitch) => {
                    Err("it is asked before the old side is left".to_owned())
                }
            };
            match reach {
                Ok(reach) => {
                    let span = gate.probe.span;
                    let leaves = establishes.leaves;
                    let empty = || Found {
                        span,
                        subject: subject.clone(),
                        leaves,
                        gates: Vec::new(),
                        reach: BTreeSet::new(),
                    };
                    let (_, found) = found.entry(fact).or_insert_with(|| (from, empty()));
                    found.gates.push(gate_id(place, gates, number));
                    found.reach.insert(reach);
                }
                Err(why) => none.push(NoEvidence { fact, subject, why }),
            }
        }
    }
    let all = found.into_iter().map(|(fact, (from, found))| {
        let Found { span, subject, leaves, gates, reach } = found;
        AssumeSpec {
            fact: Spanned { value: fact, span },
            subject: Spanned { value: subject, span },
            value: fact.row().stated,
            from: Some(from),
            by: None,
            settle: Duration::ZERO,
            confirm: Confirm::Gates { gates, leaves },
            reason: reach.into_iter().collect::<Vec<_>>().join(", and "),
        }
    });
    (all.collect(), none)
}

/// The plan without facts that gates would establish about other servers than senders reach: those for
/// which `moves` has a reason. `None` if there are none.
pub(crate) fn without_moving_targets(
    intent: &Intent,
    moves: &dyn Fn(&Name) -> Option<String>,
) -> Option<Intent> {
    let exchanges = intent.moves.iter().flat_map(|one| &one.to.exchanges);
    let exchanges = exchanges.map(|exchange| exchange.name.value.clone());
    // Of names outside of the zones the verdict says that they are taken to lead to the hosts.
    let is_inside = |name: &Name| intent.zones.keys().any(|zone| name.is_at_or_below(zone));
    let sides = intent.mailboxes.iter().flat_map(|all| [&all.old.1, &all.new.1]).flatten();
    let servers = sides.filter_map(|spec| Name::from_user(&spec.host.value).ok());
    let asked: [(Fact, Vec<Name>); 2] =
        [(Fact::Accepts, exchanges.collect()), (Fact::Synced, servers.filter(is_inside).collect())];
    let is_lost = |stated: &AssumeSpec| {
        let is_by_gates = matches!(stated.confirm, Confirm::Gates { .. });
        let names = asked.iter().filter(|(fact, _)| is_by_gates && *fact == stated.fact.value);
        names.flat_map(|(_, names)| names).find_map(moves)
    };
    let mut no_evidence = intent.no_evidence.clone();
    let mut kept = Vec::new();
    for stated in &intent.assume {
        let (fact, subject) = (stated.fact.value, stated.subject.value.clone());
        match is_lost(stated) {
            Some(why) => no_evidence.push(NoEvidence { fact, subject, why }),
            None => kept.push(stated.clone()),
        }
    }
    let is_changed = kept.len() < intent.assume.len();
    is_changed.then(|| Intent { assume: kept, no_evidence, ..intent.clone() })
}

/// How far a gate's word reaches; or why it establishes nothing.
fn reach_of(
    said: &Said<'_>,
    gate: &GateSpec,
    (host, establishes): (&Host, &Establishes),
) -> Result<String, String> {
    let settings = &gate.settings;
    if gate.on_fail == OnFail::Ask {
        return Err("a person may let it pass (`on_fail: ask`)".to_owned());
    }
    if gate.pace.fail_limit > 0 || gate.pace.inconclusive_limit.is_some_and(|limit| limit > 0) {
        return Err("it tolerates answers that are no pass".to_owned());
    }
    let own = [EXCHANGES, SERVERS, RESOLVER].into_iter().find(|key| settings.contains_key(*key));
    if let Some(key) = own {
        return Err(format!("with `{key}` it may look elsewhere than senders do"));
    }
    if let Some(ConfigSpec::Text(name)) = settings.get(HOST)
        && *name != host.name
    {
        return Err(format!("it asks the host `{name}`"));
    }
    if settings.contains_key(DOMAIN) && said.moves.len() > 1 {
        return Err("it looks at one domain of several".to_owned());
    }
    (establishes.counts)(settings)?;
    if establishes.fact == Fact::Synced {
        return of_mailboxes(said);
    }
    if establishes.fact == Fact::Accepts {
        of_exchanges(said)?;
        return of_recipients(said, gate);
    }
    Err("nobody has settled what makes that sound".to_owned())
}

/// All exchanges have to be asked, so it has to be known where they are.
fn of_exchanges(said: &Said<'_>) -> Result<(), String> {
    let exchanges = said.moves.iter().flat_map(|one| &one.to.exchanges);
    let names: BTreeSet<&Name> = exchanges.clone().map(|exchange| &exchange.name.value).collect();
    if names.len() > SAMPLE_MAX {
        return Err(format!("of more than {SAMPLE_MAX} exchanges it asks a sample"));
    }
    let is_outside = |name: &Name| !said.zones.keys().any(|zone| name.is_at_or_below(zone));
    let mut unknown = exchanges.filter(|one| one.addresses.is_empty());
    match unknown.find(|one| *said.resolver == ResolverSpec::None && is_outside(&one.name.value)) {
        Some(one) => {
            Err(format!("nobody can be asked where {} is (`resolver: none`)", one.name.value))
        }
        None => Ok(()),
    }
}

/// The mailboxes that are compared are those of the list, which has to name one at each domain.
fn of_mailboxes(said: &Said<'_>) -> Result<String, String> {
    let recipients = said.recipients.ok_or("the plan has no `migrate.recipients`")?;
    let all = listed(&recipients.all, said.moves).into_iter();
    let all: Vec<&Recipient> = all.filter(|one| one.kind.is_mailbox()).collect();
    named_everywhere(said, &all)?;
    if let Some((old, new)) = said.opened
        && server_of(old) == server_of(new)
    {
        return Err("both sides are opened at the same server".to_owned());
    }
    Ok(shown("mailbox", &all, recipients))
}

fn server_of(spec: &MailboxesSpec) -> (String, u16) {
    (spec.host.value.trim_end_matches('.').to_ascii_lowercase(), spec.port)
}

/// Refuses a list that names nobody at some domain.
fn named_everywhere(said: &Said<'_>, all: &[&Recipient]) -> Result<(), String> {
    let named: BTreeSet<Name> = all.iter().filter_map(|one| domain_of(&one.address)).collect();
    let mut domains = said.moves.iter().map(|one| &one.domain.value);
    match domains.find(|domain| !named.contains(domain)) {
        Some(domain) => Err(format!("its list has nobody at {domain}")),
        None => Ok(()),
    }
}

/// Which part of the list is meant. A list that was edited since is another one, even if it is as long.
fn shown(what: &str, all: &[&Recipient], recipients: &RecipientsSpec) -> String {
    let text: String = all.iter().map(|one| format!("{}\n", one.address)).collect();
    let digest = Digest::of(text.as_bytes()).short();
    let plural = if all.len() == 1 { "" } else { "es" };
    format!("for the {} {what}{plural} of {} ({digest})", all.len(), recipients.file.value)
}

/// The list has to be the plan's, which its digest covers and its reviewers see, and it has to name
/// somebody at each domain.
fn of_recipients(said: &Said<'_>, gate: &GateSpec) -> Result<String, String> {
    if let Some(key) = [FILE, ADDRESSES].into_iter().find(|key| gate.settings.contains_key(*key)) {
        return Err(format!(
            "it has a list of its own (`{key}`): remove that, so that it takes `migrate.recipients`"
        ));
    }
    let recipients = said.recipients.ok_or("the plan has no `migrate.recipients`")?;
    let all = listed(&recipients.all, said.moves);
    if all.len() > RECIPIENTS_MAX {
        return Err(format!("it asks for at most {RECIPIENTS_MAX} addresses"));
    }
    if let Some(odd) = all.iter().find(|one| !is_address(&one.address)) {
        return Err(format!("it cannot ask for {}", quoted(&odd.address)));
    }
    named_everywhere(said, &all)?;
    Ok(shown("address", &all, recipients))
}
