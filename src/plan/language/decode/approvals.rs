//! `approvals:`.

use super::Decoder;
use crate::language::yaml::{Kind, Node};
use cutover_steps::approvals::Demand;

impl Decoder<'_> {
    pub(super) fn approvals(&mut self, node: Option<&Node>) -> Demand {
        let need = match node.and_then(|node| node.get("need")).map(|node| &node.kind) {
            // The shape has refused every number that is too large.
            Some(Kind::Int(need)) => u32::try_from(*need).unwrap_or_default(),
            _ => 0,
        };
        Demand { need, expire: self.span(node.and_then(|node| node.get("expire"))) }
    }
}
