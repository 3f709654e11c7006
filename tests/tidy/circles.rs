//! No files import each other in a circle, in the library or in any adapter.
//!
//! A child may use what its own parents define, since it is a part of them. All other imports count:
//! `use`, and paths in code. What macros have in their arguments is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;
use syn::visit::{self, Visit};

/// The path of a module below its crate.
type Module = Vec<String>;

/// The modules that one module imports.
struct Imports<'m> {
    module: &'m Module,
    modules: &'m BTreeSet<Module>,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// Notes the module that a path leads into.
    fn note(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let absolute: Module = match first.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [self.module.clone(), path[1..].to_vec()].concat(),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                let base = self.module.len().saturating_sub(up);
                [self.module[..base].to_vec(), path[up..].to_vec()].concat()
            }
            _ => {
                let child = [self.module.clone(), vec![first.clone()]].concat();
                match self.modules.contains(&child) {
                    true => [self.module.clone(), path.to_vec()].concat(),
                    false => return,
                }
            }
        };
        let lengths = (1..=absolute.len()).rev();
        let mut prefixes = lengths.map(|length| absolute[..length].to_vec());
        let target = prefixes.find(|prefix| self.modules.contains(prefix));
        // What a parent defines belongs to its children too.
        self.found.extend(target.filter(|target| !self.module.starts_with(target)));
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.note_tree(before, tree));
            }
        }
    }
}

impl<'a> Visit<'a> for Imports<'_> {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let none = Vec::new();
        let attributes = if let syn::Item::Mod(item) = item {
            &item.attrs
        } else if let syn::Item::Use(item) = item {
            &item.attrs
        } else {
            &none
        };
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|name| name.ident.to_string()).collect();
        if names.len() > 1 {
            self.note(&names);
        }
        visit::visit_path(self, path);
    }
}

/// The module that a file of a crate is.
fn module_of(file: &str) -> Module {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Module::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// The circles of imports among the files of a crate: paths below its `src` with their texts.
pub(crate) fn circles(files: &[(String, String)]) -> Vec<String> {
    let modules: BTreeSet<Module> = files.iter().map(|(file, _)| module_of(file)).collect();
    let mut graph: DiGraph<&Module, ()> = DiGraph::new();
    let places: BTreeMap<&Module, _> =
        modules.iter().map(|module| (module, graph.add_node(module))).collect();
    for (file, text) in files {
        let module = module_of(file);
        let parsed = syn::parse_file(text).expect("a source that compiles");
        let mut imports = Imports { module: &module, modules: &modules, found: BTreeSet::new() };
        imports.visit_file(&parsed);
        for target in &imports.found {
            graph.add_edge(places[&module], places[target], ());
        }
    }
    let circles = tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1);
    circles
        .map(|circle| {
            let mut shown: Vec<String> =
                circle.iter().map(|place| graph[*place].join("::")).collect();
            shown.sort();
            format!("these files import each other: {}", shown.join(", "))
        })
        .collect()
}

#[test]
fn a_circle_is_found() {
    let files = |texts: &[(&str, &str)]| -> Vec<(String, String)> {
        texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    };
    let parent = ("a/mod.rs", "mod one; mod two; pub struct Shared;");
    let one = ("a/one.rs", "use super::{Shared, two::Two}; pub struct One;");
    for (two, is_circle) in [
        ("pub struct Two; use super::one::One;", true),
        ("pub struct Two; fn f() { let _ = crate::a::one::One; }", true),
        ("pub struct Two; use crate::{a::{one::{self}}};", true),
        ("pub struct Two; #[cfg(test)] mod tests { use super::super::one::One; }", false),
        ("pub struct Two; use super::Shared;", false),
        ("pub struct Two; // use super::one::One;", false),
    ] {
        let found = circles(&files(&[("lib.rs", "mod a;"), parent, one, ("a/two.rs", two)]));
        let wanted: &[&str] = match is_circle {
            true => &["these files import each other: a::one, a::two"],
            false => &[],
        };
        assert_eq!(found, wanted, "{two}");
    }
}
