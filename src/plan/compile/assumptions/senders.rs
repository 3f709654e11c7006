//! What is taken for granted about senders: that their mail passes where no record can show it.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{SHOWN_MAX, Sentence};
use crate::language::AssumeSpec;
use crate::observe::Snapshot;
use crate::proof::builder::other_domains;
use crate::proof::draft::Draft;
use crate::proof::invariant::{
    dmarc_requires_a_pass, end_of, is_changed_with_mail, sender_aliases,
};
use crate::proof::spf_view::{Edges, matched};
use cutover_contract::Change;
use cutover_mail::dkim::KeyRecord;
use cutover_mail::spf::{SpfRecord, Target, Term};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Value};
use cutover_steps::graph::{MovePoint, Point};

/// Aliases of names whose SPF records the plan changes, directly or by what they lead to: receivers
/// read those for mail that is sent as the alias (RFC 7208 §4.4), and nothing in DNS says whether
/// there is any. Where something does, `proof::invariant::authenticated` judges them.
pub(super) fn aliases(draft: &Draft<'_>) -> Option<Sentence> {
    let txt = |name: &Name| RrKey::new(name.clone(), RrType::TXT);
    let spf_in =
        |txt: &[Rdata]| -> Vec<SpfRecord> { txt.iter().filter_map(SpfRecord::of_rdata).collect() };
    let spf = |at: &Snapshot, name: &Name| match at.told(&txt(name)) {
        Outside::Records(txt) => spf_in(&txt),
        Outside::Absent | Outside::Unknown(_) => Vec::new(),
    };
    let all = draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes);
    let of = |rrset: &Option<RrSet>| rrset.as_ref().map_or(Vec::new(), |txt| spf_in(txt.rdata()));
    let is_txt = |change: &&Change| change.key.rtype == RrType::TXT;
    let changing = all.filter(is_txt).filter(|change| of(&change.before) != of(&change.after));
    let changing: BTreeSet<&Name> = changing.map(|change| &change.key.name).collect();
    // Whether a record changes to which that of the alias leads.
    let leads_to_change = |name: &Name| {
        let mut reached = BTreeSet::from([name.clone()]);
        let mut open = vec![name.clone()];
        while let Some(of) = open.pop() {
            if end_of(draft.snapshot, &of).is_some_and(|end| changing.contains(&end)) {
                return true;
            }
            for record in spf(draft.snapshot, &of) {
                let record = record.named(&of, name);
                let more = record.targets(&of).filter_map(|target| match target {
                    Target::Record(name) => Some(name),
                    Target::Exchanges(_) | Target::Addresses(_) => None,
                });
                open.extend(more.filter(|name| reached.insert(name.clone())));
            }
        }
        false
    };
    let changes = |name: &Name| {
        let (live, end) = (spf(draft.snapshot, name), spf(&draft.end, name));
        let meaning = |at: &Snapshot| {
            let terms: Vec<Term> = live.iter().flat_map(|record| &record.terms).cloned().collect();
            let leads = terms.iter().any(Term::costs_lookup);
            leads.then(|| matched(&terms, name, at, &Edges::default()).collect::<Vec<_>>())
        };
        live != end || leads_to_change(name) || meaning(draft.snapshot) != meaning(&draft.end)
    };
    let mut names: BTreeSet<Name> = sender_aliases(draft).into_iter().filter(changes).collect();
    if names.is_empty() {
        return None;
    }
    let judged = other_domains(draft);
    names.retain(|name| !judged.contains(name) && !is_changed_with_mail(draft, name));
    (!names.is_empty()).then(|| Sentence {
        before: "nobody sends mail as ".to_owned(),
        names,
        shown_max: SHOWN_MAX,
        after: ": they are aliases, and the SPF record that receivers find through them changes"
            .to_owned(),
    })
}

/// About the senders of the new host.
pub(super) fn of_new(draft: &Draft<'_>) -> BTreeSet<String> {
    let mut found = keys_alone(draft);
    found.extend(sends_later(draft));
    found.extend(spf_alone(draft));
    found.extend(keys_in_test(draft));
    found
}

/// Senders of the new host that declare keys but no addresses.
fn keys_alone(draft: &Draft<'_>) -> BTreeSet<String> {
    let senders = draft.intent.moves.iter().flat_map(|domain| {
        let senders = domain.to.senders.iter().filter(|s| s.spf.is_none() && s.says_anything());
        senders.map(move |sender| (domain, sender))
    });
    senders
        .map(|(domain, sender)| {
            format!(
                "receivers accept mail as {2} with the DKIM key of `{0}` (`{1}`) alone: no SPF term is declared for it, and a receiver that enforces `-all` refuses it",
                domain.to.name, sender.name, domain.domain.value
            )
        })
        .collect()
}

/// When the new host begins to send, if nobody states it (`proof::facts`).
fn sends_later(draft: &Draft<'_>) -> Option<String> {
    let domain_move = draft.intent.moves.first()?;
    draft.point(MovePoint::BeforeSwitch)?;
    let (old, new) = (&domain_move.from.name, &domain_move.to.name);
    let sends = || draft.intent.assume.iter().filter(|stated| stated.fact.value == Fact::Sends);
    let is_of = |stated: &AssumeSpec, host: &str| stated.subject.value.host() == Some(host);
    // If the old host has stopped, people send through the new one already.
    let stops = |from: Option<Point>| {
        sends().any(|s| is_of(s, old) && s.value == Value::False && s.from == from)
    };
    if sends().any(|stated| is_of(stated, new)) || stops(None) {
        return None;
    }
    let until = match stops(Some(Point::Expand)) {
        true => format!("people stop sending through `{old}`"),
        false => "the switch".to_owned(),
    };
    Some(format!(
        "nobody sends mail as the domains through `{new}` before {until}: no pilot user, no automatic reply, no welcome mail"
    ))
}

/// Senders that declare addresses and no key, of domains whose DMARC policy requires a pass: SPF
/// counts only if the domain of the envelope's sender is aligned (RFC 7489 §3.1.2, RFC 9989).
fn spf_alone(draft: &Draft<'_>) -> BTreeSet<String> {
    let senders = draft.intent.moves.iter().flat_map(|domain_move| {
        let senders = &domain_move.to.senders;
        let senders = senders.iter().filter(|s| s.spf.is_some() && s.selectors.is_empty());
        senders.map(move |sender| (domain_move, sender))
    });
    let mut found = BTreeSet::new();
    for (domain_move, sender) in senders {
        let domain = &domain_move.domain.value;
        let all = [draft.snapshot, &*draft.end]
            .map(|at| dmarc_requires_a_pass(domain, &|key| at.told(key)));
        let Some(is_strict) = all.into_iter().flatten().max() else { continue };
        let within = match is_strict {
            true => format!("{domain} itself (`aspf=s`)"),
            false => format!("{domain} or its organisation"),
        };
        found.insert(format!(
            "`{}` (`{}`) sends mail as {domain} with an envelope sender in {within}: it declares no DKIM key, and the DMARC policy of {domain} counts SPF only then",
            domain_move.to.name, sender.name
        ));
    }
    found
}

/// Keys whose records say that the domain only tests DKIM.
fn keys_in_test(draft: &Draft<'_>) -> BTreeSet<String> {
    let senders = draft.intent.moves.iter().flat_map(|domain_move| &domain_move.to.senders);
    let is_testing = |rdata: &Rdata| {
        KeyRecord::of_rdata(rdata).and_then(Result::ok).is_some_and(|key| key.is_testing())
    };
    let at = |name: &Name| match draft.end.told(&RrKey::new(name.clone(), RrType::TXT)) {
        Outside::Records(txt) => txt.iter().any(is_testing),
        Outside::Absent | Outside::Unknown(_) => false,
    };
    // What the plan publishes for a sender is not in these zones yet.
    let in_test =
        senders.flat_map(|sender| &sender.selectors).filter(|selector| match &selector.publish {
            Some(rdata) => rdata.target().map_or_else(|| is_testing(rdata), |name| at(&name)),
            None => at(&selector.owner.value),
        });
    let sentence = |owner: &Name| {
        format!(
            "receivers count signatures with {owner}, although its key says that the domain only tests DKIM (`t=y`, RFC 6376 §3.6.1)"
        )
    };
    in_test.map(|selector| sentence(&selector.owner.value)).collect()
}
