//! Checks the order of records: every anchor names a point of the plan, and no record waits for
//! itself.

use std::collections::BTreeMap;

use petgraph::algo::{astar, kosaraju_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Resolver, SAID_TWICE, UNKNOWN_ANCHOR};
use crate::language::task::Place;
use crate::language::{Anchor, When};
use cutover_base::diag::{Diagnostic, FINDINGS_MAX, Span, Spanned, did_you_mean, quoted};

impl Resolver<'_> {
    pub(super) fn anchors(&mut self) {
        let spec = self.spec;
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, record) in spec.records.iter().enumerate() {
            let Some(id) = &record.id else { continue };
            if let Some(first) = ids.insert(&id.value, index) {
                let title = format!("the id {} is given twice", quoted(&id.value));
                let first = spec.records[first].id.as_ref().map(|id| id.span).unwrap_or_default();
                self.report(
                    Diagnostic::error(
                        SAID_TWICE,
                        id.span,
                        title,
                        "give each record an id of its own",
                    )
                    .also(first, "first here"),
                );
            }
        }
        for record in &spec.records {
            let anchors: &[Spanned<Anchor>] = match &record.when {
                When::Start => &[],
                When::With(anchor) => std::slice::from_ref(anchor),
                When::After(anchors) => anchors,
            };
            for anchor in anchors {
                self.anchor(anchor, &record.when, &ids);
            }
        }
        self.task_anchors(&ids);
        self.anchor_cycles(&ids);
    }

    /// A task runs before the point that it is listed under, so it cannot wait for anything after
    /// that point.
    fn task_anchors(&mut self, ids: &BTreeMap<&str, usize>) {
        let spec = self.spec;
        for (place, task) in spec.tasks.all() {
            for anchor in &task.after {
                let is_late = match (&anchor.value, place) {
                    (Anchor::Switch, Place::BeforeSwitch) => true,
                    (Anchor::Contract, place) => place != Place::BeforeRelease,
                    (Anchor::Switch | Anchor::Expand | Anchor::Record(_), _) => false,
                };
                if is_late || place == Place::WayBack {
                    let title = format!(
                        "a task in `{}` cannot come after {}",
                        place.word(),
                        quoted(anchor.value.word())
                    );
                    let help = "remove the anchor, or move the task";
                    self.report(Diagnostic::error(UNKNOWN_ANCHOR, anchor.span, title, help));
                    continue;
                }
                self.anchor(anchor, &When::After(task.after.clone()), ids);
            }
        }
    }

    fn anchor(&mut self, anchor: &Spanned<Anchor>, when: &When, ids: &BTreeMap<&str, usize>) {
        if self.found.len() >= FINDINGS_MAX {
            return;
        }
        let error = |title: String, help: String| {
            Diagnostic::error(UNKNOWN_ANCHOR, anchor.span, title, help)
        };
        match (&anchor.value, when) {
            (Anchor::Record(id), When::With(_)) => self.report(error(
                format!("{} is not an order", quoted(&format!("with: record:{id}"))),
                format!("write `after: record:{id}`, or leave it out: independent records change at once"),
            )),
            (Anchor::Record(id), _) if !ids.contains_key(id.as_str()) => {
                let help = match did_you_mean(id, ids.keys().copied()) {
                    Some(guess) => format!("did you mean `record:{guess}`?"),
                    None => format!("add `id: {id}` to the record that you mean"),
                };
                self.report(error(format!("no record has the id {}", quoted(id)), help));
            }
            (Anchor::Expand | Anchor::Switch | Anchor::Contract, _) if self.spec.migrate.is_none() => {
                self.report(error(
                    "this plan has no move to come with or after".into(),
                    "add `migrate:`, or write `after: record:ID`".into(),
                ));
            }
            (Anchor::Record(_) | Anchor::Expand | Anchor::Switch | Anchor::Contract, _) => {}
        }
    }

    /// A record that comes after itself, directly or through others, would never change.
    fn anchor_cycles(&mut self, ids: &BTreeMap<&str, usize>) {
        let records = &self.spec.records;
        let mut order: DiGraph<usize, Span> = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..records.len()).map(|index| order.add_node(index)).collect();
        for (index, record) in records.iter().enumerate() {
            let When::After(anchors) = &record.when else { continue };
            for anchor in anchors {
                if let Anchor::Record(id) = &anchor.value
                    && let Some(before) = ids.get(id.as_str())
                {
                    order.add_edge(nodes[index], nodes[*before], anchor.span);
                }
            }
        }
        let itself = |node: NodeIndex| order.find_edge(node, node).is_some();
        // Not Tarjan's algorithm: it is recursive, so a long chain of records would overflow the
        // stack.
        let circles = kosaraju_scc(&order);
        for circle in circles.iter().filter(|circle| circle.len() > 1 || itself(circle[0])) {
            // Report a cycle once, at its first anchor in the text.
            let within = order
                .edge_references()
                .filter(|edge| circle.contains(&edge.source()) && circle.contains(&edge.target()));
            let Some(first) = within.min_by_key(|edge| *edge.weight()) else { continue };
            let way = astar(&order, first.target(), |node| node == first.source(), |_| 1, |_| 0);
            let way = way.map(|(_, way)| way).unwrap_or_default();
            let id =
                |node: &NodeIndex| records[order[*node]].id.as_ref().map(|id| id.value.as_str());
            let names: Vec<&str> = [first.source()].iter().chain(&way).filter_map(id).collect();
            let start = names.first().map(|name| quoted(name)).unwrap_or_default();
            let title = match names.len() {
                0..=2 => format!("the record {start} comes after itself"),
                _ => format!("the record {start} comes after itself, through other records"),
            };
            let help = match names.len() {
                0..=2 => "remove this `after:`".to_owned(),
                _ => format!("remove one `after:` from the cycle {}", names.join(" → ")),
            };
            let found = Diagnostic::error(UNKNOWN_ANCHOR, *first.weight(), title, help);
            self.report(found.label("waits for something that waits for it"));
        }
    }
}
