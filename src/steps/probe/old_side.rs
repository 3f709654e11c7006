//! `old_side`: whether the old host still takes mail for the recipients, or refuses it.
//!
//! RCPT shows whether a host refuses an address. It does not show what becomes of mail that is
//! taken: a host that stores it and one that relays it to the new host answer alike.

use cutover_contract::{ConfigField, FieldKind};

use super::recipients::{
    ADDRESSES_FIELD, FILE_FIELD, FROM_FIELD, Heard, HeardOf, Ideal, List, PAUSE_FIELD,
    SILENT_FIELD, WITHIN_FIELD, ask, check_list, list, of_host, some,
};
use super::target::{EXCHANGES, EXCHANGES_FIELD, HOST, RESOLVER_FIELD, check_targets};
use super::{
    Asked, BadSetting, Finding, HostOf, Next, Probe, ProbeKeys, Round, check_within, text, told,
};
use crate::graph::gate::Settings;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "old_side",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::Old),
        establishes: None,
    },
    doc: "the old host takes mail for the recipients, or refuses it, as it should",
    next,
};

const EXPECT: &str = "expect";
const ACCEPTS: &str = "accepts";
const REJECTS: &str = "rejects";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: EXPECT,
        kind: FieldKind::Choice(&[ACCEPTS, REJECTS]),
        required: true,
        former: None,
        doc: "`accepts`: every address has to be taken, whether the host stores mail or relays it; `rejects`: every address has to be refused for good.",
    },
    FILE_FIELD,
    ADDRESSES_FIELD,
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan whose exchanges are asked. Default: the old one.",
    },
    EXCHANGES_FIELD,
    FROM_FIELD,
    PAUSE_FIELD,
    RESOLVER_FIELD,
    SILENT_FIELD,
    WITHIN_FIELD,
];

fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, EXCHANGES)?;
    check_list(settings)?;
    check_within(settings)
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let list = match list(settings, rounds) {
        List::Ask(query) => return Next::Ask(vec![query]),
        List::None(finding, said) => return Next::Found(finding, said),
        List::Of(list) => list,
    };
    let takes = text(settings, EXPECT) == Some(ACCEPTS);
    let ideal = Ideal { listed: if takes { 250 } else { 550 }, control: 550 };
    let Heard { open, servers } = ask(settings, &list, ideal, rounds);
    if !open.is_empty() {
        return Next::Ask(open);
    }
    if servers.is_empty() {
        let said = "the host has no exchange that could be asked".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    }
    let (wanted, wrong) = if takes { (2, 5) } else { (5, 2) };
    let mut found = Vec::new();
    for HeardOf { host, label, said } in servers {
        let replies = match said {
            Ok(replies) => replies,
            Err((finding, said)) => {
                found.push((finding, format!("{label} {said}")));
                continue;
            }
        };
        let (list, host) = (of_host(settings, &host, list.iter()), label);
        let class = |address: &String| replies.get(address).map_or(0, crate::ask::Reply::class);
        let of = |is: &dyn Fn(u16) -> bool| -> Vec<&String> {
            list.iter().copied().filter(|address| is(class(address))).collect()
        };
        let (wrongs, others) =
            (of(&|class| class == wrong), of(&|class| class != wanted && class != wrong));
        let says = |finding, verb: &str, addresses: &[&String]| {
            let (count, all) = (addresses.len(), list.len());
            let shown = some(addresses, &replies);
            (finding, format!("{host} {verb} {count} of {all} addresses: {shown}"))
        };
        if !wrongs.is_empty() {
            let verb = if takes { "refuses" } else { "still takes mail for" };
            found.push(says(Finding::Fail, verb, &wrongs));
        }
        if !others.is_empty() {
            found.push(says(Finding::Inconclusive, "puts off", &others));
        }
        if wrongs.is_empty() && others.is_empty() {
            let verb = if takes { "takes mail for" } else { "refuses" };
            found.push((Finding::Pass, format!("{host} {verb} all of {} addresses", list.len())));
        }
    }
    told(found)
}
