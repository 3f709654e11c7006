//! Merges a plan of several files into one tree: `include:`, lists of names in files, `defaults:`.
//!
//! [`Reading`] says which files it needs and takes their texts; it reads no file itself. The result
//! is a tree as if everything were in one file. Each node keeps its place, so a mistake is shown in
//! its own file. Nothing is computed: keys of an included file join those of the plan, a file of
//! names becomes its names, and defaults fill in keys that are left out. The list of the addresses
//! that move (`migrate.recipients`) is no part of the tree, and is added to the decoded plan.
//!
//! An included file cannot include others, so there are no cycles.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decode::items;
use super::shape::WRONG_TYPE;
use super::yaml::{self, Kind, Node};
use super::{PlanSpec, Registry, decoded, profile, todo};
use cutover_base::diag::{Code, Diagnostic, FINDINGS_MAX, Source, Span, Spanned, quoted};
use cutover_mail::recipients::{self, Problem, Recipient};

/// A file of a plan that cannot be used.
const UNUSABLE_FILE: Code = Code::semantic("unusable-file");
/// A key that appears in two files of a plan, or in one where it does not belong.
const KEY_OF_TWO_FILES: Code = Code::semantic("said-twice");
/// A line of the list of recipients that cannot be used.
const BAD_RECIPIENT: Code = Code::semantic("bad-recipient");

/// The maximum number of files of a plan. Our choice: one for each of a few dozen customers.
const FILES_MAX: usize = 100;

/// The maximum size of all files of a plan, in octets. Our choice: a hundred thousand records, in
/// files of the maximum size.
const OCTETS_MAX: usize = 8 * yaml::TEXT_OCTETS_MAX;

/// Keys of a plan to which each file may add entries.
const JOINED_MAPS: &[&str] = &["providers", "zones", "hosts"];
/// Keys of a plan whose lists are concatenated.
const JOINED_LISTS: &[&str] = &["records", "notify", "assume", "override", "checks"];
/// Keys that only the plan itself may have.
const OF_THE_PLAN: &[&str] = &["version", "name", "include"];
/// The keys of `defaults:`, and the keys of a plan that they apply to.
const DEFAULTS: &[(&str, &str)] = &[("zone", "zones"), ("record", "records"), ("task", "tasks")];

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The path as the plan gives it, relative to the plan's directory.
    pub path: Spanned<String>,
    kind: WantedKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WantedKind {
    /// YAML, with keys of a plan.
    Keys,
    /// One name per line.
    Names,
    /// CSV, with one address per line.
    Recipients,
}

impl Wanted {
    /// The maximum size of the file, in octets.
    #[must_use]
    pub fn octets_max(&self) -> usize {
        match self.kind {
            WantedKind::Keys | WantedKind::Names => yaml::TEXT_OCTETS_MAX,
            WantedKind::Recipients => OCTETS_MAX,
        }
    }
}

/// A plan whose files are being read.
#[derive(Debug)]
pub struct Reading {
    source: Source,
    /// The trees of the plan itself and of its included files.
    roots: Vec<Node>,
    /// The names in files of names, by path.
    names: BTreeMap<String, Vec<Node>>,
    /// The addresses that move.
    recipients: Arc<[Recipient]>,
    /// The paths that were requested already: a file is read once, however often it is named.
    asked: Vec<String>,
    octets: usize,
    /// Values that nobody has decided yet.
    undecided: Vec<Spanned<String>>,
    found: Vec<Diagnostic>,
}

impl Reading {
    /// Starts with the plan itself.
    #[must_use]
    pub fn of(source: Source) -> Self {
        let (mut roots, mut found) = (Vec::new(), Vec::new());
        match yaml::parse(&source.text) {
            Ok(root) => roots.push(root),
            Err(diagnostic) => found.push(*diagnostic),
        }
        let octets = source.text.len();
        let (names, asked, undecided) = (BTreeMap::new(), Vec::new(), Vec::new());
        let recipients = Arc::default();
        Self { source, roots, names, recipients, asked, octets, undecided, found }
    }

    /// The next file to read; `None` if there is none left.
    pub fn wanted(&mut self) -> Option<Wanted> {
        let first = self.roots.first()?;
        let includes = items(first.get("include"))
            .filter_map(|one| Some(Wanted { path: one.text()?, kind: WantedKind::Keys }));
        let lists = self.roots.iter().flat_map(|root| {
            let domains = root.get("migrate").and_then(|migrate| migrate.get("domains"));
            let zones = root.get("zones").filter(|zones| matches!(zones.kind, Kind::List(_)));
            let all = domains.into_iter().chain(zones);
            all.flat_map(|list| std::iter::once(list).chain(items(Some(list))))
        });
        let lists =
            lists.filter_map(|one| Some(Wanted { path: file_of(one)?, kind: WantedKind::Names }));
        let recipients = self.roots.iter().filter_map(|root| {
            let path = file_of(root.get("migrate")?.get("recipients")?)?;
            // The shape refuses a path of blanks.
            let is_path = !path.value.trim().is_empty();
            is_path.then_some(Wanted { path, kind: WantedKind::Recipients })
        });
        let all: Vec<Wanted> = includes.chain(lists).chain(recipients).collect();
        for one in all {
            if self.asked.contains(&one.path.value) {
                continue;
            }
            self.asked.push(one.path.value.clone());
            if self.asked.len() > FILES_MAX {
                let title = format!("the plan has more than {FILES_MAX} files");
                let help = "merge some of them, or split the plan";
                self.report(Diagnostic::error(UNUSABLE_FILE, one.path.span, title, help));
                return None;
            }
            return Some(one);
        }
        None
    }

    /// Takes the text of a file, with the name to show for it.
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
                    self.unusable(wanted, "it contains no names: write one per line");
                }
                self.names.insert(wanted.path.value.clone(), names);
            }
            WantedKind::Recipients => {
                let read = recipients::read(&text);
                let spans = lines(&text);
                let start = self.source.add(name, text);
                match read {
                    Ok(all) => self.recipients = all.into(),
                    Err(problems) => {
                        for Problem { line, text } in problems {
                            let line = usize::try_from(line).unwrap_or(usize::MAX);
                            let span = spans.get(line.saturating_sub(1)).copied();
                            let span = span.unwrap_or(Span { start: 0, end: 0 }).shifted(start);
                            let help = "correct the line; `plans/README.md` describes the columns";
                            self.report(Diagnostic::error(BAD_RECIPIENT, span, text, help));
                        }
                    }
                }
            }
        }
    }

    /// Reports why a file cannot be used.
    pub fn unusable(&mut self, wanted: &Wanted, why: &str) {
        let Spanned { value: path, span } = &wanted.path;
        let title = format!("cannot use {}: {why}", quoted(path));
        let help = "use a file in the plan's directory or below it";
        self.report(Diagnostic::error(UNUSABLE_FILE, *span, title, help));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(diagnostic);
        }
    }

    /// The plan, and the source with all files, which its places point into.
    pub fn finish(mut self, registry: Registry<'_>) -> (Source, Result<PlanSpec, Vec<Diagnostic>>) {
        while let Some(unread) = self.wanted() {
            self.unusable(&unread, "other files are not read here");
        }
        let Some(root) = self.joined() else { return (self.source, Err(self.found)) };
        let mut parsed = decoded(&root, registry, (self.undecided, self.found));
        let migrate = parsed.as_mut().ok().and_then(|spec| spec.migrate.as_mut());
        if let Some(recipients) = migrate.and_then(|migrate| migrate.recipients.as_mut()) {
            recipients.all = self.recipients;
        }
        (self.source, parsed)
    }

    /// All files as one tree; `None` if the plan itself is not YAML.
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
        // A profile replaces such a value by an example, so that the rest can be checked.
        self.undecided = todo::undecided(&root);
        let found = profile::fill_in(&mut self.source, &mut root);
        found.into_iter().for_each(|one| self.report(one));
        with_defaults(&mut root);
        Some(root)
    }

    /// Adds the keys of an included file to those of the plan.
    fn join(&mut self, root: &mut Node, included: Node) {
        let span = included.span;
        let (Kind::Map(entries), Kind::Map(more)) = (&mut root.kind, included.kind) else {
            let title = "expected a mapping with keys of a plan";
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
                let title = format!("`{word}` belongs in the plan itself, not in an included file");
                let help = "remove it here";
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
                            let title = format!("{} appears in two files", quoted(name));
                            let help = "keep one of them";
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
                    let title = format!("`{word}` appears in two files");
                    let help = "keep one of them: this key cannot be split over files";
                    self.report(
                        Diagnostic::error(KEY_OF_TWO_FILES, key.span, title, help)
                            .also(first.span, "first here"),
                    );
                }
            }
        }
    }

    /// Replaces files of names, in a list or alone, by their names.
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

    /// Turns a list of zones into a mapping; everything else about them comes from `defaults:`.
    fn zones(&self, node: &mut Node) {
        if !matches!(node.kind, Kind::List(_)) {
            return;
        }
        self.expand(node);
        let Kind::List(items) = &node.kind else { return };
        // If an item is not a name, the shape refuses the list as it is.
        if !items.iter().all(|item| matches!(item.kind, Kind::Text(_))) {
            return;
        }
        let empty = |item: &Node| Node { span: item.span, kind: Kind::Map(Vec::new()) };
        node.kind = Kind::Map(items.iter().map(|item| (item.clone(), empty(item))).collect());
    }
}

/// Fills in defaults for keys that are left out.
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
            // Tasks are in lists, one for each point of the plan.
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

/// The names in a file: one per line; `#` starts a comment.
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

/// The place of each line.
fn lines(file: &str) -> Vec<Span> {
    let mut start = 0;
    let places = file.split_inclusive('\n').map(|line| {
        let span = Span { start, end: start + line.trim_end().len() };
        start += line.len();
        span
    });
    places.collect()
}

/// The file that a node names: `{ file: PATH }`.
fn file_of(node: &Node) -> Option<Spanned<String>> {
    match &node.kind {
        Kind::Map(entries) if entries.len() == 1 => node.get("file")?.text(),
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_) => None,
    }
}
