//! A plan of several files, put together to one tree: `include:`, lists of names in files, `defaults:`.
//!
//! [`Reading`] says which files it wants, and is given their texts; it reads none itself. What comes out
//! is a tree as if all of it stood in one file, each node with its own place, so that a mistake is shown
//! in the file that it was made in. Nothing is computed: an included file has the keys of a plan and is
//! put beside them, a list of names stands for its names, and a default stands where a key is left out.
//!
//! An included file includes no other, so there is no circle, and every file is named by the plan itself
//! or by a file that the plan names.

use std::collections::BTreeMap;

use super::decode::items;
use super::shape::WRONG_TYPE;
use super::yaml::{self, Kind, Node};
use super::{PlanSpec, Registry, decoded};
use crate::diag::{Code, Diagnostic, FINDINGS_MAX, Source, Span, Spanned, quoted};

/// A file that a plan wants and that cannot be used.
const UNUSABLE_FILE: Code = Code::semantic("unusable-file");
/// A key that stands in two files of a plan, or in one where it does not belong.
const KEY_OF_TWO_FILES: Code = Code::semantic("said-twice");

/// Files of a plan at the most. Our choice: one for each of some dozen customers.
const FILES_MAX: usize = 100;

/// Octets of all files of a plan at the most. Our choice: a hundred thousand records, in files of the
/// size that one may have.
const OCTETS_MAX: usize = 8 * yaml::TEXT_OCTETS_MAX;

/// Keys of a plan under which each file may add entries.
const JOINED_MAPS: &[&str] = &["providers", "zones", "hosts"];
/// Keys of a plan whose lists are put one behind the other.
const JOINED_LISTS: &[&str] = &["records", "notify", "assume", "override"];
/// Keys that stand in the plan itself alone.
const OF_THE_PLAN: &[&str] = &["version", "name", "include"];
/// What `defaults:` has keys for, and the key of a plan that each is for.
const DEFAULTS: &[(&str, &str)] = &[("zone", "zones"), ("record", "records"), ("task", "tasks")];

/// A file that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As the plan names it: relative to the plan's own directory.
    pub path: Spanned<String>,
    kind: WantedKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WantedKind {
    /// YAML, with keys of a plan.
    Keys,
    /// A name a line.
    Names,
}

/// A plan while its files are read.
#[derive(Debug)]
pub struct Reading {
    source: Source,
    /// The trees of the plan itself and of the files that it includes.
    roots: Vec<Node>,
    /// The names that files hold, by the files' paths.
    names: BTreeMap<String, Vec<Node>>,
    /// What has been wanted already: a file is read once, whoever names it.
    asked: Vec<String>,
    octets: usize,
    found: Vec<Diagnostic>,
}

impl Reading {
    /// Begins with the plan itself.
    #[must_use]
    pub fn of(source: Source) -> Self {
        let (mut roots, mut found) = (Vec::new(), Vec::new());
        match yaml::parse(&source.text) {
            Ok(root) => roots.push(root),
            Err(diagnostic) => found.push(*diagnostic),
        }
        let octets = source.text.len();
        Self { source, roots, names: BTreeMap::new(), asked: Vec::new(), octets, found }
    }

    /// The next file that has to be read; none: all have been.
    pub fn wanted(&mut self) -> Option<Wanted> {
        let first = self.roots.first()?;
        let includes = items(first.get("include"))
            .filter_map(|one| Some(Wanted { path: text(one)?, kind: WantedKind::Keys }));
        let lists = self.roots.iter().flat_map(|root| {
            let domains = root.get("migrate").and_then(|migrate| migrate.get("domains"));
            let zones = root.get("zones").filter(|zones| matches!(zones.kind, Kind::List(_)));
            let all = domains.into_iter().chain(zones);
            all.flat_map(|list| std::iter::once(list).chain(items(Some(list))))
        });
        let lists =
            lists.filter_map(|one| Some(Wanted { path: file_of(one)?, kind: WantedKind::Names }));
        let all: Vec<Wanted> = includes.chain(lists).collect();
        for one in all {
            if self.asked.contains(&one.path.value) {
                continue;
            }
            self.asked.push(one.path.value.clone());
            if self.asked.len() > FILES_MAX {
                let title = format!("the plan has more than {FILES_MAX} files");
                let help = "put several into one, or split the plan";
                self.report(Diagnostic::error(UNUSABLE_FILE, one.path.span, title, help));
                return None;
            }
            return Some(one);
        }
        None
    }

    /// Takes the text of a file, under the name that people know it by.
    pub fn add(&mut self, wanted: &Wanted, name: String, text: String) {
        self.octets += text.len();
        if self.octets > OCTETS_MAX {
            let why = format!("all files together have more than {OCTETS_MAX} octets");
            self.unusable(wanted, &why);
            return;
        }
        match wanted.kind {
            WantedKind::Keys => {
                let parsed = yaml::parse(&text);
                let start = self.source.add(name, text);
                match parsed {
                    Ok(mut root) => {
                        root.shift(start);
                        self.roots.push(root);
                    }
                    Err(mut problem) => {
                        problem.span = problem.span.shifted(start);
                        self.report(*problem);
                    }
                }
            }
            WantedKind::Names => {
                let names = names(&text);
                let start = self.source.add(name, text);
                let names = names.into_iter().map(|mut name| {
                    name.shift(start);
                    name
                });
                let names: Vec<Node> = names.collect();
                if names.is_empty() {
                    self.unusable(wanted, "it has no names in it: write one a line");
                }
                self.names.insert(wanted.path.value.clone(), names);
            }
        }
    }

    /// Says why a file cannot be read.
    pub fn unusable(&mut self, wanted: &Wanted, why: &str) {
        let Spanned { value: path, span } = &wanted.path;
        let title = format!("{} cannot be used: {why}", quoted(path));
        let help = "name a file in the plan's own directory, or below it";
        self.report(Diagnostic::error(UNUSABLE_FILE, *span, title, help));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(diagnostic);
        }
    }

    /// The plan, and the text of all its files, which its places point into.
    pub fn finish(mut self, registry: Registry<'_>) -> (Source, Result<PlanSpec, Vec<Diagnostic>>) {
        while let Some(unread) = self.wanted() {
            self.unusable(&unread, "nobody reads files here");
        }
        let Some(root) = self.joined() else { return (self.source, Err(self.found)) };
        let parsed = decoded(&root, registry, self.found);
        (self.source, parsed)
    }

    /// All files as one tree; `None` where the plan itself is no YAML.
    fn joined(&mut self) -> Option<Node> {
        let mut roots = std::mem::take(&mut self.roots).into_iter();
        let mut root = roots.next()?;
        for included in roots {
            self.join(&mut root, included);
        }
        if let Kind::Map(entries) = &mut root.kind {
            for (key, value) in entries {
                if key.is_text("zones") {
                    self.zones(value);
                }
                if key.is_text("migrate")
                    && let Some(domains) = value.get_mut("domains")
                {
                    self.expand(domains);
                }
            }
        }
        with_defaults(&mut root);
        Some(root)
    }

    /// Puts the keys of an included file beside those of the plan.
    fn join(&mut self, root: &mut Node, included: Node) {
        let span = included.span;
        let (Kind::Map(entries), Kind::Map(more)) = (&mut root.kind, included.kind) else {
            let title = "wanted a mapping with keys of a plan";
            let help = "write `zones:`, `hosts:`, `records:` and so on, as in the plan itself";
            self.report(Diagnostic::error(WRONG_TYPE, span, title, help));
            return;
        };
        for (key, value) in more {
            let Kind::Text(word) = &key.kind else {
                entries.push((key, value));
                continue;
            };
            if OF_THE_PLAN.contains(&word.as_str()) {
                let title =
                    format!("`{word}` stands in the plan itself, and not in what it includes");
                let help = "take it out here";
                self.report(Diagnostic::error(KEY_OF_TWO_FILES, key.span, title, help));
                continue;
            }
            let Some(place) = entries.iter().position(|(known, _)| known.is_text(word)) else {
                entries.push((key, value));
                continue;
            };
            let (first, known) = &mut entries[place];
            match (&mut known.kind, value.kind) {
                (Kind::Map(known), Kind::Map(more)) if JOINED_MAPS.contains(&word.as_str()) => {
                    for (key, value) in more {
                        let same = known.iter().find(|(other, _)| other.kind == key.kind);
                        if let (Some((first, _)), Kind::Text(name)) = (same, &key.kind) {
                            let title = format!("{} stands in two files", quoted(name));
                            let help = "keep one of the two";
                            self.report(
                                Diagnostic::error(KEY_OF_TWO_FILES, key.span, title, help)
                                    .also(first.span, "first here"),
                            );
                            continue;
                        }
                        known.push((key, value));
                    }
                }
                (Kind::List(known), Kind::List(more))
                    if JOINED_LISTS.contains(&word.as_str()) || word == "zones" =>
                {
                    known.extend(more);
                }
                _ => {
                    let title = format!("`{word}` stands in two files");
                    let help = "keep one of the two: it is not put together from several";
                    self.report(
                        Diagnostic::error(KEY_OF_TWO_FILES, key.span, title, help)
                            .also(first.span, "first here"),
                    );
                }
            }
        }
    }

    /// A list with names of files in it, or a file alone, becomes the list of their names.
    fn expand(&self, node: &mut Node) {
        let list: Vec<&Node> = match (&node.kind, file_of(node)) {
            (Kind::List(items), _) => items.iter().collect(),
            (_, Some(_)) => vec![&*node],
            (_, None) => return,
        };
        let expanded = list.into_iter().flat_map(|item| {
            let names = file_of(item).and_then(|file| self.names.get(&file.value));
            names.cloned().unwrap_or_else(|| vec![item.clone()])
        });
        node.kind = Kind::List(expanded.collect());
    }

    /// A list of zones becomes a mapping of them: all that they have comes from `defaults:`.
    fn zones(&self, node: &mut Node) {
        if !matches!(node.kind, Kind::List(_)) {
            return;
        }
        self.expand(node);
        let Kind::List(items) = &node.kind else { return };
        // What is no name is refused with the list as it is.
        if !items.iter().all(|item| matches!(item.kind, Kind::Text(_))) {
            return;
        }
        let empty = |item: &Node| Node { span: item.span, kind: Kind::Map(Vec::new()) };
        node.kind = Kind::Map(items.iter().map(|item| (item.clone(), empty(item))).collect());
    }
}

/// Puts defaults where the keys are left out.
fn with_defaults(root: &mut Node) {
    let Some(defaults) = root.get("defaults").cloned() else { return };
    for (what, key) in DEFAULTS {
        let Some(Kind::Map(values)) = defaults.get(what).map(|node| &node.kind) else { continue };
        let Some(node) = root.get_mut(key) else { continue };
        match (&mut node.kind, *what) {
            (Kind::Map(zones), "zone") => zones.iter_mut().for_each(|(_, one)| fill(one, values)),
            (Kind::List(records), "record") => {
                records.iter_mut().for_each(|one| fill(one, values));
            }
            // Tasks stand in lists below the points of the plan.
            (Kind::Map(points), "task") => {
                for (_, list) in points {
                    if let Kind::List(tasks) = &mut list.kind {
                        tasks.iter_mut().for_each(|one| fill(one, values));
                    }
                }
            }
            (_, _) => {}
        }
    }
}

fn fill(node: &mut Node, values: &[(Node, Node)]) {
    let Kind::Map(entries) = &mut node.kind else { return };
    for (key, value) in values {
        if !entries.iter().any(|(known, _)| known.kind == key.kind) {
            entries.push((key.clone(), value.clone()));
        }
    }
}

/// The names of a file: one a line, with `#` in front of comments.
fn names(file: &str) -> Vec<Node> {
    let mut names = Vec::new();
    let mut start = 0;
    for line in file.split_inclusive('\n') {
        let said = line.split('#').next().unwrap_or("");
        let name = said.trim();
        if !name.is_empty() {
            let front = start + (said.len() - said.trim_start().len());
            let span = Span { start: front, end: front + name.len() };
            names.push(Node { span, kind: Kind::Text(name.to_owned()) });
        }
        start += line.len();
    }
    names
}

/// The file that a node names: `{ file: PATH }`.
fn file_of(node: &Node) -> Option<Spanned<String>> {
    match &node.kind {
        Kind::Map(entries) if entries.len() == 1 => text(node.get("file")?),
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_) => None,
    }
}

fn text(node: &Node) -> Option<Spanned<String>> {
    match &node.kind {
        Kind::Text(text) => Some(Spanned { value: text.clone(), span: node.span }),
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_) => None,
    }
}
