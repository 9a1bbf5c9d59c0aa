//! Inside a folder, files name each other in one direction: no file leads back to itself.
//!
//! A folder's parts are its files and the folders in it. Its `mod.rs` (or `x.rs` beside the folder `x/`) is
//! its front and no part: it may define what the parts share and list them in a registry. A name that the
//! front hands on counts as named where it is defined.

use crate::source::{Import, Names, code, full_paths, imports, test_modules};
use std::collections::{BTreeMap, BTreeSet};

/// All modules of a crate, by their paths from its root on.
pub struct Modules(BTreeMap<Names, Module>);

/// The names that a module's file uses and re-exports.
struct Module {
    file: String,
    imports: Vec<Import>,
    paths: Vec<Names>,
}

/// One file names another one.
#[derive(Clone, Debug)]
pub struct Arrow {
    /// The module that names.
    pub from: Names,
    /// The module in which the name is defined.
    pub to: Names,
    /// The name as it is written, and in which file.
    pub written: String,
}

impl Modules {
    /// Of the files `files`: path under `src/` and text.
    pub fn new(files: &[(String, String)]) -> Self {
        let mut modules = BTreeMap::new();
        let mut tests: BTreeSet<Names> = BTreeSet::new();
        for (file, text) in files {
            let path = module_path(file);
            let own_tests = test_modules(text).into_iter();
            tests.extend(own_tests.map(|name| [path.clone(), vec![name]].concat()));
            let code = code(text);
            let module = Module {
                file: file.clone(),
                imports: imports(&code),
                paths: full_paths(&code),
            };
            modules.insert(path, module);
        }
        modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Self(modules)
    }

    /// Every way in which one module names another one, or its own folder's front.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, module) in &self.0 {
            let imported = module.imports.iter().map(|import| &import.path);
            let mut seen = BTreeSet::new();
            for path in imported.chain(&module.paths) {
                let Some(to) = self
                    .absolute(from, path)
                    .and_then(|path| self.defined_in(&path))
                else {
                    continue;
                };
                if to != *from && seen.insert(to.clone()) {
                    let written = format!("{} names `{}`", module.file, path.join("::"));
                    arrows.push(Arrow {
                        from: from.clone(),
                        to,
                        written,
                    });
                }
            }
        }
        arrows
    }

    /// `path` as it is written in the module `from`, from the crate's root on; none if it leads out of the
    /// crate.
    fn absolute(&self, from: &Names, path: &Names) -> Option<Names> {
        let mut base = from.clone();
        let mut rest = path.iter().peekable();
        match rest.peek()?.as_str() {
            "crate" => base.clear(),
            "self" | "super" => {}
            // A module that lies under this one, or another crate's.
            first => {
                let child = [from.clone(), vec![first.to_string()]].concat();
                if !self.0.contains_key(&child) {
                    return None;
                }
            }
        }
        while let Some(word) =
            rest.next_if(|word| ["crate", "self", "super"].contains(&word.as_str()))
        {
            if word == "super" {
                base.pop()?;
            }
        }
        base.extend(rest.cloned());
        Some(base)
    }

    /// The module that defines what lies at `path`, through all that fronts hand on.
    fn defined_in(&self, path: &Names) -> Option<Names> {
        self.resolve(path, &mut BTreeSet::new())
    }

    fn resolve(&self, path: &Names, seen: &mut BTreeSet<Names>) -> Option<Names> {
        let depth = (0..=path.len())
            .rev()
            .find(|depth| self.0.contains_key(&path[..*depth]))?;
        let (at, rest) = path.split_at(depth);
        let module = &self.0[at];
        let Some(name) = rest.first() else {
            return Some(at.to_vec());
        };
        if seen.insert(path.clone()) {
            for import in module.imports.iter().filter(|import| import.public) {
                let star = import.name == "*";
                if import.name != *name && !star {
                    continue;
                }
                let mut target = import.path.clone();
                if star {
                    target.pop();
                    target.push(name.clone());
                }
                target.extend_from_slice(&rest[1..]);
                let target = self.absolute(&at.to_vec(), &target);
                let found = target.and_then(|target| self.resolve(&target, seen));
                if found.is_some() && (!star || found.as_deref() != Some(at)) {
                    return found;
                }
            }
        }
        Some(at.to_vec())
    }

    /// The arrows between the parts of each folder: folder, then part, then the parts that it names with how
    /// it does.
    pub fn folders(&self) -> BTreeMap<Names, BTreeMap<String, BTreeMap<String, String>>> {
        let mut folders: BTreeMap<Names, BTreeMap<String, BTreeMap<String, String>>> =
            BTreeMap::new();
        for Arrow { from, to, written } in self.arrows() {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // One is the front of the folder, which the other lies in.
            let (Some(part), Some(other)) = (from.get(shared), to.get(shared)) else {
                continue;
            };
            let folder = folders.entry(from[..shared].to_vec()).or_default();
            let named = folder.entry(part.clone()).or_default();
            named.entry(other.clone()).or_insert(written);
        }
        folders
    }

    /// Every folder with a circle, and the shortest one in it, as a text for a human.
    pub fn circles(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (folder, parts) in self.folders() {
            let circles = parts.keys().filter_map(|part| circle(&parts, part));
            if let Some(circle) = circles.min_by_key(Vec::len) {
                let folder = format!("src/{}", folder.join("/"));
                let steps: Vec<String> = circle
                    .windows(2)
                    .map(|pair| {
                        format!(
                            "  {} -> {}: {}",
                            pair[0], pair[1], parts[&pair[0]][&pair[1]]
                        )
                    })
                    .collect();
                let text = format!("{folder}: {}\n{}", circle.join(" -> "), steps.join("\n"));
                found.push((folder, text));
            }
        }
        found
    }
}

/// The shortest way from `start` back to itself.
fn circle(parts: &BTreeMap<String, BTreeMap<String, String>>, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_string()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().expect("a way has a start");
            for next in parts.get(last).into_iter().flat_map(BTreeMap::keys) {
                let way = [way.clone(), vec![next.clone()]].concat();
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// The module of the file `file` under `src/`.
fn module_path(file: &str) -> Names {
    let path = file.trim_end_matches(".rs");
    let words = path
        .split('/')
        .filter(|word| !["mod", "lib"].contains(word));
    words.map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(file, text)| (file.to_string(), text.to_string()))
            .collect();
        Modules::new(&files).circles()
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle() {
        let found = circles(&[
            ("lib.rs", "pub mod a;"),
            ("a/mod.rs", "mod b;\nmod c;\nmod d;"),
            ("a/b.rs", "use super::c::C;\npub struct B;"),
            ("a/c.rs", "pub struct C;\nfn f(b: super::d::D) {}"),
            ("a/d.rs", "use crate::a::b::B;\npub struct D;"),
        ]);
        assert_eq!(found.len(), 1);
        let (folder, text) = &found[0];
        assert_eq!(folder, "src/a");
        let first = text.lines().next().unwrap();
        assert_eq!(first, "src/a: b -> c -> d -> b");
        assert!(
            text.contains("c -> d: a/c.rs names `super::d::D`"),
            "{text}"
        );
    }

    #[test]
    fn a_name_that_the_front_hands_on_is_its_file_s() {
        let files = |front: &'static str| {
            circles(&[
                ("lib.rs", "mod a;"),
                ("a/mod.rs", front),
                ("a/b.rs", "use super::Named;"),
                ("a/c/mod.rs", "use super::super::b::B;\nuse crate::a::b;"),
            ])
        };
        let handed_on = files("mod b;\nmod c;\npub use c::{Other, Named};");
        assert_eq!(handed_on.len(), 1, "{handed_on:?}");
        let all = files("mod b;\nmod c;\npub use self::c::*;");
        assert_eq!(all.len(), 1, "{all:?}");
        let own = files("mod b;\nmod c;\npub struct Named;\nuse b::X;");
        assert!(own.is_empty(), "the front is no part: {own:?}");
    }

    #[test]
    fn a_folder_is_one_part_of_the_folder_that_it_lies_in() {
        let files = |inner: &'static str| {
            circles(&[
                ("lib.rs", "mod a;"),
                ("a/mod.rs", "mod b;\nmod c;"),
                ("a/b/mod.rs", "pub mod one;\npub mod two;"),
                ("a/b/one.rs", inner),
                ("a/b/two.rs", ""),
                ("a/c.rs", "use super::b::two::Two;"),
            ])
        };
        assert!(files("use super::two::X;").is_empty());
        let found = files("use super::super::c::C;");
        assert_eq!(
            found[0].0, "src/a",
            "through different files of the folder: {found:?}"
        );
    }

    #[test]
    fn tests_and_comments_may_look_anywhere() {
        let found = circles(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b;\nmod c;\n#[cfg(test)]\nmod check;"),
            (
                "a/b.rs",
                "use super::c::C; // super::b\n#[cfg(test)]\nmod tests;",
            ),
            ("a/b/tests.rs", "use crate::a::c;"),
            ("a/check.rs", "use super::b;"),
            (
                "a/c.rs",
                "// use super::b::B;\n#[cfg(test)]\nmod tests { use super::super::b::B; use crate::a::check; }",
            ),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
