//! Profiles of mail hosts.

use crate::document::{Block, Document, Item, Mark, Room, Section, Table, Text};
use cutover_profile::{Kept, Parameter, Preparation, Profile, names, profile, text};

/// All profiles, in a table.
#[must_use]
pub fn list() -> Document {
    let rows = names().filter_map(|name| {
        let Profile { title, kind, parameters, .. } = profile(name)?;
        let parameters: Vec<&str> = parameters.keys().map(String::as_str).collect();
        Some([Text::value(name), title.into(), kind.word().into(), parameters.join(", ").into()])
    });
    let table = Table::new(["profile", "host", "kind", "parameters"], rows);
    let help = Text::from("In a plan: ").and_code("hosts: { new: { profile: NAME } }");
    let more = Text::from("More about one: ").and_code("cutover profiles NAME");
    Document(vec![Block::Table(table), Block::Lines(vec![help, more])])
}

/// A profile in full; `None` if there is none of this name.
#[must_use]
pub fn one(name: &str) -> Option<Document> {
    let Profile {
        title,
        kind,
        sources,
        from_zones,
        parameters,
        recognised_by,
        keep,
        before_switch,
        notes,
        ..
    } = profile(name)?;
    let heading = Text::strong(title).and(format!(", {}", kind.word()));
    let mut blocks = vec![Block::Lines(vec![heading])];
    let mut section = |title: &str, items: Vec<Item>| {
        if !items.is_empty() {
            let blocks_of = vec![Block::List(items)];
            blocks.push(Block::Section(Section {
                title: title.into(),
                blocks: blocks_of,
                room: Room::Whole,
            }));
        }
    };
    let item = |text: Text| Item::marked(Mark::Bullet, text);
    section(
        "What you look up",
        parameters
            .iter()
            .map(|(name, Parameter { form, meaning, example })| {
                let text =
                    Text::value(name.as_str()).and(format!(": {meaning} ({}; ", form.shown()));
                item(text.and("for example ").and_code(example.as_str()).and(")"))
            })
            .collect(),
    );
    section(
        "What an account needs before the switch",
        before_switch
            .iter()
            .map(|Preparation { name, manual }| {
                item(Text::value(name.as_str()).and(format!(": {manual}")))
            })
            .collect(),
    );
    section(
        "Records that have to stay",
        keep.iter()
            .map(|Kept { name, rtype, starts_with, value, why }| {
                let begins = starts_with.as_ref().map(|text| format!("{text}…"));
                let value = begins.as_ref().or(value.as_ref()).cloned().unwrap_or_default();
                item(
                    Text::value(format!("{name} {rtype} {value}").trim_end())
                        .and(format!(": {why}")),
                )
            })
            .collect(),
    );
    section("What else to know", notes.iter().map(|note| item(note.as_str().into())).collect());
    section(
        "Exchanges by which it is recognised",
        recognised_by.iter().map(|name| item(Text::value(name.as_str()))).collect(),
    );
    section(
        "Sources",
        sources
            .iter()
            .map(|source| item(format!("{} ({})", source.url, source.seen).into()))
            .chain(from_zones.map(|what| item(format!("public zones: {what}").into())))
            .collect(),
    );
    let host = text(name)?.lines().skip_while(|line| *line != "host:").skip(1);
    let host = host.take_while(|line| line.starts_with(' ') || line.is_empty());
    blocks.push(Block::Section(Section {
        title: "What a plan then says".into(),
        blocks: vec![Block::Code(host.map(str::to_owned).collect())],
        room: Room::Whole,
    }));
    Some(Document(blocks))
}
