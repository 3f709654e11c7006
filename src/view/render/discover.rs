//! What `cutover discover` has found.

use crate::document::{
    Block, Document, Item, Mark, Room, Section, Spare, Table, Text, count, list,
};
use cutover_discover::{Danger, DomainReport, Report, Seen};

/// Where the plan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// In this file, quoted for a shell.
    To(String),
    /// Below the report: the plan itself.
    Here(String),
    /// There is none, since no domain has exchanges.
    Nowhere,
}

/// What a plan needs before it can be proved.
const MARK: &str = "TODO";

/// The report, and the plan or where it is.
#[must_use]
pub fn document(report: &Report, written: &Written) -> Document {
    let mut blocks: Vec<Block> = report.domains.iter().map(domain).collect();
    match written {
        Written::To(path) => {
            let next = Text::from("Next: decide what is marked TODO in it, then ")
                .and_code(format!("cutover plan {path}"));
            let line = Text::from("The plan was written to ").and_code(path.as_str()).and(".");
            blocks.push(Block::Lines(vec![line, next]));
        }
        Written::Here(plan) => {
            let todo = plan.matches(&format!("\"{MARK}")).count();
            let text = format!("The plan, with {} to replace", count(todo, MARK));
            blocks.push(Block::Section(Section {
                title: text.into(),
                blocks: vec![Block::Code(plan.lines().map(str::to_owned).collect())],
                room: Room::Whole,
            }));
        }
        Written::Nowhere => {
            let text =
                "No plan was written: none of the domains has an exchange to move away from.";
            blocks.push(Block::Lines(vec![text.into()]));
        }
    }
    Document(blocks)
}

fn domain(report: &DomainReport) -> Block {
    let DomainReport { domain, mail, hosts: _, depends, unseen, dangerous } = report;
    let mut blocks = vec![Block::Lines(vec![Text::from(format!("{}.", capital(mail)))])];
    let mut section = |title: &str, inner: Block| {
        blocks.push(Block::Section(Section {
            title: title.into(),
            blocks: vec![inner],
            room: Room::Spare(Spare { turn: 0, part: "item" }),
        }));
    };
    if !depends.is_empty() {
        let rows = depends
            .iter()
            .map(|Seen { what, value }| [Text::from(what.as_str()), Text::value(value.as_str())]);
        section("What mail depends on here", Block::Table(Table::new(["what", "value"], rows)));
    }
    if !dangerous.is_empty() {
        let items = dangerous.iter().map(danger).collect();
        section("What is dangerous", Block::List(items));
    }
    if !unseen.is_empty() {
        let texts = unseen.iter().map(|text| text.as_str().into()).collect();
        section("What could not be seen", list(Mark::Bullet, texts));
    }
    let title = Text::strong(domain.as_str());
    Block::Section(Section { title, blocks, room: Room::Whole })
}

fn danger(danger: &Danger) -> Item {
    let Danger { code, grade, seen, means, fix } = danger;
    let mark = if *grade == "note" { Mark::Bullet } else { Mark::Warning };
    let text = Text::from(format!("{grade} ")).and_value(*code).and(format!(": {seen}"));
    let why = [Text::from(capital(means) + "."), Text::from(format!("To do: {fix}."))];
    Item { mark, text, blocks: vec![Block::Lines(why.into())] }
}

/// A sentence begins with a capital, unless it begins with a name in backticks.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
