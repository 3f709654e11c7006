//! Other TXT records at the name of an SPF record, which are part of the same RRset.

use std::collections::{BTreeMap, BTreeSet};

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{Found, RecipeContext};
use crate::intent::DomainMove;
use crate::language::{RecordSpec, When};
use cutover_base::diag::{Code, Diagnostic};
use cutover_mail::spf::SpfRecord;

/// Other texts at the name of an SPF record that cannot change with it.
const SPF_BESIDE: Code = Code::semantic("spf-beside");

/// The entries of `records:` for other texts, such as a verification code, at the name of an SPF
/// record that the move changes, by that name.
pub(in crate::recipe) fn lines<'k>(
    context: &RecipeContext<'k>,
) -> BTreeMap<&'k Name, &'k RecordSpec> {
    let is_spf = |rdata: &Rdata| SpfRecord::of_rdata(rdata).is_some();
    let texts = context.intent.records.iter().filter(|line| {
        line.rtype.value == RrType::TXT && line.to.as_ref().is_some_and(|to| !to.iter().any(is_spf))
    });
    let mut lines: BTreeMap<&Name, &RecordSpec> =
        texts.map(|line| (&line.name.value, line)).collect();
    let has_spf = |one: &DomainMove| {
        let live = context.zone(one).get(&RrKey::new(one.domain.value.clone(), RrType::TXT));
        let hosts = [&one.from, &one.to].into_iter().chain(&one.others);
        live.is_some_and(|live| live.rdata().iter().any(is_spf))
            || hosts.flat_map(|host| &host.senders).any(|sender| sender.spf.is_some())
    };
    let moves = context.intent.moves.iter().filter(|one| has_spf(one));
    let moving: BTreeSet<&Name> = moves.map(|one| &one.domain.value).collect();
    lines.retain(|name, _| moving.contains(name));
    lines
}

/// The texts beside the SPF record when the plan is done.
pub(super) fn texts(
    line: Option<&RecordSpec>,
    domain: &Name,
    live: Option<&RrSet>,
    found: &mut Found,
) -> Option<Vec<Rdata>> {
    let others = live.into_iter().flat_map(RrSet::rdata);
    let others: Vec<Rdata> =
        others.filter(|rdata| SpfRecord::of_rdata(rdata).is_none()).cloned().collect();
    let Some((line, to)) = line.and_then(|line| Some((line, line.to.clone()?))) else {
        return Some(others);
    };
    let mut refuse = |title: String, help: &str| {
        let why = "the texts at a name are one RRset, and the move changes the SPF record in it";
        found.report(Diagnostic::error(SPF_BESIDE, line.name.span, title, help).why(why));
    };
    let is_placed = !matches!(line.when, When::Start) || line.lower_ttl.is_some();
    let ttl = line.ttl.filter(|ttl| live.is_some_and(|live| live.ttl() != *ttl));
    if is_placed || ttl.is_some() {
        refuse(
            format!("the texts of {domain} have to come with the first change of its SPF record"),
            "leave out `ttl`, `lower_ttl`, `with`, `after` and `wait`, or publish them in a separate plan",
        );
        return None;
    }
    if let Some(gone) = others.iter().find(|rdata| !to.contains(rdata)) {
        refuse(
            format!("the text {gone} of {domain} would be removed while its mail moves"),
            "list it too, and remove it in a separate plan",
        );
        return None;
    }
    Some(to)
}
