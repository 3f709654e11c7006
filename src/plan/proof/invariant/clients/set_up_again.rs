//! On the way back: who is set up for the old host again sends through it too. That must not come
//! before receivers accept what the old host sends, because the SPF record without it may be cached
//! for as long as its TTL.

use super::{ID, NOW};
use crate::proof::builder::PatternBuilder;
use crate::proof::pattern::{Harm, Start};
use crate::proof::view::Choice;
use cutover_steps::fact::{Fact, Value};

pub(super) fn patterns(builder: &mut PatternBuilder<'_>, from: &str) {
    let draft = builder.draft();
    if !draft.has_way_back() {
        return;
    }
    let begins = |builder: &PatternBuilder<'_>, atom: usize| match builder.library.atoms.borrow()
        [atom]
        .start
    {
        Start::Always => None,
        Start::Begin(step) => Some(step),
    };
    let clients = builder.facts.of_host(Fact::Clients, from, Value::True).into_iter();
    let again: Vec<usize> = clients
        .filter(|atom| begins(builder, *atom).is_some_and(|step| step >= draft.forward))
        .collect();
    if again.is_empty() {
        return;
    }
    let silent = builder.facts.of_host(Fact::Sends, from, Value::False).into_iter();
    let silent: Vec<usize> = silent
        .filter(|atom| begins(builder, *atom).is_some_and(|step| step < draft.forward))
        .collect();
    let harm = Harm::new(
        format!("{ID}/{from}/sends-too-early"),
        format!(
            "a mail client that is set up for `{from}` again also sends through it, before every receiver accepts that: the mail fails SPF"
        ),
        format!("let clients be set up for `{from}` again when it may send"),
    );
    for atoms in super::both(&again, &silent) {
        builder.forbid(ID, (&Choice::new(), NOW), &atoms, &harm);
    }
}
