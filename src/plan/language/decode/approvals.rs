//! `approvals:`.

use super::{Decoder, items, text};
use crate::language::ApprovalsSpec;
use crate::language::yaml::{Kind, Node};
use cutover_base::diag::{Code, Span, Spanned, quoted};
use cutover_steps::approvals::{Demand, is_signer};

/// A signer who is not named as a list of allowed signers names a person.
const BAD_SIGNER: Code = Code::semantic("bad-signer");
/// A signer who is named twice.
const SIGNER_TWICE: Code = Code::semantic("signer-twice");
/// More people have to approve than are named.
const TOO_FEW_SIGNERS: Code = Code::semantic("too-few-signers");

impl Decoder<'_> {
    pub(super) fn approvals(&mut self, node: Option<&Node>) -> ApprovalsSpec {
        let need_node = node.and_then(|node| node.get("need"));
        let need = match need_node.map(|node| &node.kind) {
            // The shape has refused every number that is too large.
            Some(Kind::Int(need)) => u32::try_from(*need).unwrap_or_default(),
            _ => 0,
        };
        let named = node.and_then(|node| node.get("signers"));
        let named: Vec<Spanned<&str>> = items(named).filter_map(text).collect();
        let signers = named.iter().map(|name| name.value.to_owned()).collect();
        let expire = self.span(node.and_then(|node| node.get("expire")));
        let demand = Demand { need, signers, expire };
        self.check_signers(&named, need_node.map(|node| node.span), &demand);
        let spans = named.into_iter().map(|name| name.span).collect();
        ApprovalsSpec { demand, spans }
    }

    fn check_signers(&mut self, named: &[Spanned<&str>], need: Option<Span>, demand: &Demand) {
        let bad: Vec<_> = named.iter().filter(|name| !is_signer(name.value)).collect();
        for name in &bad {
            let title = format!("{} is not the name of a signer", quoted(name.value));
            let help = "write the name of one person as the list of `--allowed-signers` has it, such as `alice@example.com`; patterns and lists are not names";
            self.error(BAD_SIGNER, name.span, title, help);
        }
        if !bad.is_empty() {
            return;
        }
        if let Some(place) = demand.named_twice() {
            let name = named[place];
            let title = format!("{} is named twice", quoted(name.value));
            let help = "name each person once; names that differ only in case count as one person";
            self.error(SIGNER_TWICE, name.span, title, help);
        } else if let Some(need) = need.filter(|_| !demand.is_possible()) {
            let people = named.len();
            let title =
                format!("{} people have to approve, but `signers` names {people}", demand.need);
            let help =
                "name more signers, or ask for fewer with `need`: nobody else's approval counts";
            self.error(TOO_FEW_SIGNERS, need, title, help);
        }
    }
}
