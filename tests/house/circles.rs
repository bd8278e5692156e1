//! Arrows between files, and the circles that they make.
//!
//! A path leads to the file of the innermost module that it names: of
//! `super::list::List` to the file of `list`, of `super::Thing` to the parent's,
//! even if the parent only re-exports it. A `mod` line leads to the child's
//! file. So a child that takes something from its own face closes a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::source::{Files, Source};

/// From which file to which, and a path that leads there.
pub(crate) type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// Files that each lead to all others.
pub(crate) type Circle = BTreeSet<PathBuf>;

/// The arrows of all crates that have a root among the files.
pub(crate) fn arrows(files: &Files) -> Arrows {
    let mut arrows = Arrows::new();
    for root in files.keys().filter(|file| is_root(file)) {
        let source = Source::read(files, root);
        for module in &source.modules {
            arrows.entry(module.file.clone()).or_default();
        }
        for (module, words) in &source.named {
            let from = &source.modules[*module].file;
            for to in resolve(&source, *module, words) {
                let to = &source.modules[to].file;
                if to != from {
                    let arrows = arrows.entry(from.clone()).or_default();
                    arrows.entry(to.clone()).or_insert_with(|| words.join("::"));
                }
            }
        }
    }
    arrows
}

/// `src/lib.rs`, `src/main.rs` and what lies in `src/bin`.
fn is_root(file: &Path) -> bool {
    file.ends_with("src/lib.rs")
        || file.ends_with("src/main.rs")
        || file.parent().is_some_and(|folder| folder.ends_with("src/bin"))
}

/// The innermost modules that a path names: several where one name stands for
/// different modules under different conditions.
fn resolve(source: &Source, from: usize, words: &[String]) -> Vec<usize> {
    let mut at = vec![from];
    for word in words {
        let next: Vec<usize> = match word.as_str() {
            "self" => continue,
            "crate" => vec![0],
            "super" => at.iter().filter_map(|&module| source.modules[module].parent).collect(),
            name => {
                let is_child = |&child: &usize| {
                    let child = &source.modules[child];
                    child.name == name && child.parent.is_some_and(|parent| at.contains(&parent))
                };
                (0..source.modules.len()).filter(is_child).collect()
            }
        };
        if next.is_empty() {
            break;
        }
        at = next;
    }
    at
}

/// All circles, each as large as can be.
pub(crate) fn circles(arrows: &Arrows) -> Vec<Circle> {
    let reach: BTreeMap<_, _> = arrows.keys().map(|file| (file, reached(arrows, file))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for (&file, beyond) in &reach {
        if beyond.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
            let leads_back = |other: &&PathBuf| reach[other].contains(file);
            circles.push(beyond.iter().copied().filter(leads_back).cloned().collect());
        }
    }
    circles
}

/// The files that arrows lead to from this one.
fn reached<'a>(arrows: &'a Arrows, from: &Path) -> BTreeSet<&'a PathBuf> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<_> = arrows[from].keys().collect();
    while let Some(file) = left.pop() {
        if reached.insert(file) {
            left.extend(arrows[file].keys());
        }
    }
    reached
}

/// The arrows of a circle, a line each.
pub(crate) fn told(arrows: &Arrows, circle: &Circle) -> String {
    let mut told = String::new();
    for from in circle {
        for (to, path) in arrows[from].iter().filter(|(to, _)| circle.contains(*to)) {
            writeln!(told, "  {} -> {} by `{path}`", from.display(), to.display())
                .expect("a string takes what is written");
        }
    }
    told
}
