//! `[leave-one-out]`, `[add-one-in]` and `[cumulative]`: named modules, each with the settings that switch it
//! off.
//!
//! | combinator | rows |
//! |---|---|
//! | `leave-one-out` | `LABEL`, `- NAME` for every module, `- all` |
//! | `add-one-in` | `- all`, `+ NAME` for every module, `LABEL` |
//! | `cumulative` | `- all`, `+ A`, `+ A + B`, ..., `LABEL` |
//!
//! `LABEL` is the row with every module on. With a single module the rows in between would repeat the others
//! and are left out.
//!
//! If several modules are off at once, their settings inside a component are laid below the settings that
//! name components. So when one module replaces a component, the settings that another module makes in the
//! old component disappear with it; nothing would read them. Two modules that set one key to different values
//! cannot be off together; this is an error.

use super::Variant;
use super::reader::SweepReader;
use crate::recipe::file::{Node, Tree};
use crate::recipe::hash::canonical;
use std::collections::BTreeMap;

const KEYS: [&str; 3] = ["label", "off", "paper"];

/// A part of the method that can be switched off.
struct Module<'a> {
    name: &'a str,
    node: &'a Node,
    off: Vec<Setting<'a>>,
}

/// One key that is set while a module is off.
struct Setting<'a> {
    path: String,
    /// Number of keys in the path of the component's table that contains this key, or else in its own path.
    depth: usize,
    node: &'a Node,
}

impl<'a> SweepReader<'a> {
    /// The rows of the combinator `kind`.
    pub fn modules(&mut self, kind: &str, node: &'a Node) -> Vec<Variant> {
        let (mut label, mut papers, mut modules) = (None, None, Vec::new());
        for (key, inner) in self.entries(node, "a table with `label` and `off`") {
            match key.as_str() {
                "label" => label = self.text(key, inner),
                "paper" => papers = Some((inner, self.numbers(inner))),
                "off" => modules = self.switches(inner),
                _ => self.unknown(key, inner, &KEYS),
            }
        }
        let Some(label) = label else {
            let message = format!("`{kind}` has no `label` for the row with every module on");
            self.report(node.key.clone(), message);
            return Vec::new();
        };
        if modules.is_empty() {
            let message = format!(
                "`{kind}`: expected modules, like `off.\"NAME\" = {{ \"key.path\" = value }}`"
            );
            self.report(node.key.clone(), message);
            return Vec::new();
        }
        self.check_together(&modules);
        let mut variants = Vec::new();
        for (label, off) in rows(kind, label, &modules) {
            variants.push(self.without(label, &off, node));
        }
        self.give_numbers(&mut variants, papers);
        variants
    }

    /// Reads the table `off`, with a module for every entry.
    fn switches(&mut self, node: &'a Node) -> Vec<Module<'a>> {
        let mut modules = Vec::new();
        for (name, inner) in self.entries(node, "a table of modules") {
            let mut off = Vec::new();
            for (key, value) in self.entries(inner, "a table of settings") {
                collect(key, value, None, &mut off);
            }
            if off.is_empty() {
                let message = format!("`{name}` sets nothing when it is off");
                self.report(inner.key.clone(), message);
            }
            modules.push(Module {
                name,
                node: inner,
                off,
            });
        }
        modules
    }

    /// Reports the keys that two modules set to different values.
    fn check_together(&mut self, modules: &[Module<'a>]) {
        let mut first: BTreeMap<&str, (&Module, &Setting)> = BTreeMap::new();
        for module in modules {
            for setting in &module.off {
                let &mut (other, earlier) = first.entry(&setting.path).or_insert((module, setting));
                let (one, two) = (earlier.node.plain(), setting.node.plain());
                if canonical(&one) != canonical(&two) {
                    let (path, a, b) = (&setting.path, other.name, module.name);
                    let message = format!(
                        "`{path}` is {two} without `{b}` and {one} without `{a}`, so both cannot be off at once"
                    );
                    self.report(setting.node.value.clone(), message);
                }
            }
        }
    }

    /// The variant without the modules `off`.
    fn without(&mut self, label: String, off: &[&Module<'a>], node: &Node) -> Variant {
        let mut by_depth: BTreeMap<usize, BTreeMap<&str, &Node>> = BTreeMap::new();
        for setting in off.iter().flat_map(|module| &module.off) {
            let layer = by_depth.entry(setting.depth).or_default();
            layer.entry(&setting.path).or_insert(setting.node);
        }
        let mut layers = Vec::new();
        for (depth, settings) in by_depth.into_iter().rev() {
            let entries = settings
                .into_iter()
                .map(|(path, value)| (path.to_string(), value.clone()));
            let set = Node {
                key: node.key.clone(),
                value: node.value.clone(),
                tree: Tree::Table(entries.collect()),
            };
            layers.push(self.layer(&format!("variant {label}, {depth}"), Some(&set)));
        }
        let span = match off {
            [only] => only.node.key.clone(),
            _ => node.key.clone(),
        };
        Variant {
            line: label.clone(),
            label,
            paper: None,
            recipe: Vec::new(),
            layers,
            span,
        }
    }
}

/// The rows of a combinator: their labels and the modules that are off.
fn rows<'m, 'a>(
    kind: &str,
    label: String,
    modules: &'m [Module<'a>],
) -> Vec<(String, Vec<&'m Module<'a>>)> {
    let all: Vec<&Module> = modules.iter().collect();
    let but = |kept: usize| {
        all.iter()
            .enumerate()
            .filter(move |(index, _)| *index != kept)
    };
    let full = (label, Vec::new());
    let none = ("- all".to_string(), all.clone());
    let several = all.len() > 1;
    let mut rows = Vec::new();
    match kind {
        "leave-one-out" => {
            rows.push(full);
            rows.extend(
                all.iter()
                    .map(|&module| (format!("- {}", module.name), vec![module])),
            );
            rows.extend(several.then_some(none));
        }
        "add-one-in" => {
            rows.push(none);
            let alone = all.iter().enumerate().map(|(index, module)| {
                let others = but(index).map(|(_, &other)| other).collect();
                (format!("+ {}", module.name), others)
            });
            rows.extend(alone.filter(|_| several));
            rows.push(full);
        }
        _ => {
            rows.push(none);
            for on in 1..all.len() {
                let names: Vec<String> =
                    all[..on].iter().map(|m| format!("+ {}", m.name)).collect();
                rows.push((names.join(" "), all[on..].to_vec()));
            }
            rows.push(full);
        }
    }
    rows
}

/// Adds the settings under `node`. Settings inside a table with a `name` get the depth of that table.
fn collect<'a>(path: &str, node: &'a Node, component: Option<usize>, off: &mut Vec<Setting<'a>>) {
    let depth = component.unwrap_or(path.split('.').count());
    let Tree::Table(entries) = &node.tree else {
        off.push(Setting {
            path: path.to_string(),
            depth,
            node,
        });
        return;
    };
    let named = entries.iter().any(|(key, _)| key == "name");
    let component = component.or(named.then_some(depth));
    for (key, inner) in entries {
        collect(&format!("{path}.{key}"), inner, component, off);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::file::ParsedFile;
    use crate::recipe::overlay::lay;
    use crate::recipe::sweep::parse;
    use proptest::prelude::*;
    use toml::Table;

    const BELOW: &str = "[m]\nweight = 1\n[m.filter]\nname = 'rich'\nmargin = 1\n[m.fix]\nname = 'vlm'\n[m.fix.vlm]\nname = 'clip'\n";
    const OFF: &str = "off.F = { 'm.filter' = { name = 'plain', t = 2 } }\n\
                       off.C = { m.fix.name = 'keep', 'm.filter.margin' = 0 }\n\
                       off.V = { 'm.fix.vlm' = { name = 'tiny' }, m.weight = 0 }\n";

    /// The label of every row and the settings that it makes, as JSON.
    fn rows(text: &str) -> Result<Vec<(String, String)>, String> {
        let file = ParsedFile::parse("a.toml".as_ref(), text.to_string()).unwrap();
        let below: Table = BELOW.parse().unwrap();
        let sweep = parse(&file, &below).map_err(|problems| {
            let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
            messages.join("\n")
        })?;
        let settings = sweep.variants.into_iter().map(|variant| {
            let mut settings = below.clone();
            for layer in &variant.layers {
                lay(&mut settings, &layer.table);
            }
            (variant.label, canonical(&settings["m"]))
        });
        Ok(settings.collect())
    }

    fn labels(text: &str) -> Vec<String> {
        rows(text)
            .unwrap()
            .into_iter()
            .map(|(label, _)| label)
            .collect()
    }

    #[test]
    fn each_module_is_off_alone_and_then_all_are() {
        let found = rows(&format!("[leave-one-out]\nlabel = 'full'\n{OFF}")).unwrap();
        let full = r#""filter":{"margin":1,"name":"rich"},"fix":{"name":"vlm","vlm":{"name":"clip"}},"weight":1"#;
        let without = |old: &str, new: &str| format!("{{{}}}", full.replace(old, new));
        let margin = full.replace(r#""margin":1"#, r#""margin":0"#);
        let expected = [
            ("full", without("", "")),
            (
                "- F",
                without(r#"{"margin":1,"name":"rich"}"#, r#"{"name":"plain","t":2}"#),
            ),
            (
                "- C",
                format!(
                    "{{{}}}",
                    margin.replace(
                        r#"{"name":"vlm","vlm":{"name":"clip"}}"#,
                        r#"{"name":"keep"}"#
                    )
                ),
            ),
            (
                "- V",
                without(r#""clip"}},"weight":1"#, r#""tiny"}},"weight":0"#),
            ),
            // F's filter replaces the component with C's margin; C's correction replaces the one with V's
            // model.
            (
                "- all",
                r#"{"filter":{"name":"plain","t":2},"fix":{"name":"keep"},"weight":0}"#.to_string(),
            ),
        ];
        assert_eq!(
            found,
            expected.map(|(label, settings)| (label.to_string(), settings))
        );
    }

    #[test]
    fn the_three_combinators_switch_the_same_modules() {
        let of = |kind: &str| rows(&format!("[{kind}]\nlabel = 'full'\n{OFF}")).unwrap();
        let (out, one, more) = (of("leave-one-out"), of("add-one-in"), of("cumulative"));
        let labels =
            |rows: &[(String, String)]| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&one), ["- all", "+ F", "+ C", "+ V", "full"]);
        assert_eq!(labels(&more), ["- all", "+ F", "+ F + C", "full"]);
        assert_eq!((&one[0], &one[4]), (&out[4], &out[0]));
        assert_eq!((&more[0], &more[1], &more[3]), (&one[0], &one[1], &one[4]));
        assert_eq!(more[2].1, out[3].1, "F and C on is V off");
    }

    #[test]
    fn one_module_gives_two_rows() {
        for (kind, expected) in [
            ("leave-one-out", ["full", "- F"]),
            ("add-one-in", ["- all", "full"]),
            ("cumulative", ["- all", "full"]),
        ] {
            let text = format!("[{kind}]\nlabel = 'full'\noff.F.m.weight = 0\n");
            assert_eq!(labels(&text), expected);
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_places() {
        for (text, message) in [
            (
                "off.F.m.weight = 0",
                "a.toml:1:2: `leave-one-out` has no `label` for the row with every module on",
            ),
            (
                "label = 'x'",
                "a.toml:1:2: `leave-one-out`: expected modules",
            ),
            (
                "label = 'x'\noff.F = {}",
                "a.toml:3:5: `F` sets nothing when it is off",
            ),
            (
                "label = 'x'\noff.F = 3",
                "a.toml:3:9: expected a table of settings",
            ),
            (
                "label = 'x'\non.F.m.weight = 0",
                "a.toml:3:1: unknown key `on`; known: `label`, `off`, `paper`",
            ),
            (
                "label = 'x'\noff.F.m.weight = 0\noff.G.m.weight = 2",
                "a.toml:4:18: `m.weight` is 2 without `G` and 0 without `F`, so both cannot be off at once",
            ),
            (
                "label = 'x'\npaper = [1]\noff.F.m.weight = 0",
                "a.toml:3:9: `paper` has 1 numbers for 2 variants",
            ),
        ] {
            let found = rows(&format!("[leave-one-out]\n{text}")).unwrap_err();
            assert!(found.contains(message), "{message}\nis not in\n{found}");
        }
    }

    proptest! {
        /// For independent modules, a row has a module's settings exactly if its label says that the module
        /// is off.
        #[test]
        fn rows_say_what_is_off(count in 1usize..6) {
            let mut text = "label = 'full'\n".to_string();
            (0..count).for_each(|i| text.push_str(&format!("off.M{i}.m.x{i} = 0\n")));
            for kind in ["leave-one-out", "add-one-in", "cumulative"] {
                let mut seen = std::collections::BTreeSet::new();
                for (label, settings) in rows(&format!("[{kind}]\n{text}")).unwrap() {
                    for i in 0..count {
                        let named = label.contains(&format!("M{i}"));
                        let expected = match label.as_str() {
                            "full" => false,
                            "- all" => true,
                            _ => named == label.starts_with('-'),
                        };
                        prop_assert_eq!(settings.contains(&format!("\"x{i}\"")), expected, "{} {}", label, settings);
                    }
                    prop_assert!(seen.insert(settings), "{} is there twice", label);
                }
            }
        }
    }
}
