//! `recipes/reference.toml`: every table and every component of a recipe with every key, its type, range,
//! default and a sentence. It is written by the program, and a test compares the file with this text.
//!
//! The tables of `recipes/pl-dc.toml` are live, with the values there; the other components stand behind `#`.

use super::catalogue::{DEFAULT_SETTINGS, SECTIONS, SLOTS, default_of, example};
use super::sections;
use crate::recipe::{ComponentChoice, ComponentSlot, PHASE, value_at};
use crate::registry::{in_words, joined};
use serde_json::Value as Json;
use toml::{Table, Value};

/// Width of a line of comment, in columns.
const WIDTH: usize = 110;

const HEAD: &str = "\
# Every component that a recipe can name, and every key: what it does, its type, its range, its default.
# Expect: nothing measured; its live tables are those of recipes/pl-dc.toml, so it is the trial of that recipe.
#
#   harness schema --reference        writes this file; a test compares the two, so do not edit it
#   harness plan recipes/reference.toml
#
# A comment has `# ` before it. A line that begins with `#` and no space is the key of another component: to use that
# one, delete the table of the slot and take the `#` away. \"Default\" is the value of a key that a recipe leaves out. A key
# without one has to be in the recipe, or in one that it extends: recipes/pl-dc.toml has all keys of the live tables, with
# the source of every value.
";

/// The text of the file.
pub fn reference() -> String {
    let mut page = Page(HEAD.to_string());
    page.recipe_keys();
    for name in sections::SECTIONS {
        if name == PHASE {
            page.phases();
        } else if let Some(slot) = SLOTS.iter().find(|slot| slot.path == name) {
            page.slot(slot);
        } else if let Some((_, schema)) = SECTIONS.iter().find(|(section, _)| *section == name) {
            let table = DEFAULT_SETTINGS[name].as_table().expect("a table");
            page.title(&format!("[{name}]"));
            page.table(
                "",
                name,
                &Of {
                    slot: name,
                    name: "",
                },
                schema,
                table,
            );
        }
    }
    page.0
}

/// The component whose keys are written.
struct Of<'a> {
    /// The path of its slot.
    slot: &'a str,
    /// Its name; empty for a table that is no component.
    name: &'a str,
}

/// The text so far.
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0 += text;
        self.0.push('\n');
    }

    fn comment(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = String::from("#");
            }
            line = line + " " + word;
        }
        self.line(&line);
    }

    fn title(&mut self, text: &str) {
        self.line("");
        self.comment(&format!("---- {text} ----"));
        self.line("");
    }

    fn recipe_keys(&mut self) {
        let keys = [
            (
                "seeds",
                "One trial for every variant and seed. A list of different whole numbers, 0 or more, or `{ at-least = 3, at-most = 24, \
                 until = \"decided\" }`: every row gets seeds until its difference to the reference row is decided.",
                "[0]",
            ),
            (
                "precision",
                "Precision of matrix products and convolutions on a GPU. One of `f32`, `tf32`, `bf16`. Default: \"f32\".",
                "\"f32\"",
            ),
            (
                "sweeps",
                "Files under sweeps/, without .toml; without one the recipe itself is the one variant. A list of texts.",
                "[]",
            ),
        ];
        for (key, text, value) in keys {
            self.line("");
            self.comment(text);
            self.line(&format!("{key} = {value}"));
        }
        self.line("");
        self.comment("The recipe that this one extends, or a list of recipes, of which later ones win. A path beside this file.");
        self.line("#extends = \"pl-dc.toml\"");
        self.line("");
        self.comment(
            "Folder of the tables under results/. A text; default: the name of the recipe.",
        );
        self.line("#results = \"reference\"");
    }

    fn phases(&mut self) {
        self.title("[phase]");
        self.comment(
            "Keys of one phase of the method, in tables [phase.NAME.augment], [phase.NAME.loader], [phase.NAME.model] and \
             [phase.NAME.train], with the keys above. What a phase does not name is as in the tables above. A phase with `rate` or `steps` in \
             its `train` has a learning-rate curve of its own: it begins with the first step of the phase and is `steps` \
             long, or as long as the phase. `average`, `checkpoint` and `epochs` are the same in all phases. `model` is for the \
             phase `teacher` of the method `offline`, whose network is not that of the student; its `name` is the same.",
        );
        self.line(&format!("[{PHASE}]"));
        self.line(&format!("#[{PHASE}.burn-in.loader]"));
        self.comment("As in [loader], for the phase `burn-in` alone.");
        self.line("#labelled-views = \"weak\"");
    }

    /// A slot: its live component, if the defaults have the slot, then the others.
    fn slot(&mut self, slot: &ComponentSlot) {
        let live = value_at(&DEFAULT_SETTINGS, slot.path).and_then(Value::as_table);
        let name = live.and_then(|live| live["name"].as_str());
        let names: Vec<&str> = slot.choices.iter().map(|choice| choice.name).collect();
        self.title(&format!("[{}]: {}", slot.path, names.join(" | ")));
        let is_live = |choice: &&ComponentChoice| Some(choice.name) == name;
        for (choice, live) in slot.choices.iter().filter(is_live).zip(live) {
            self.component("", slot, choice, live);
            self.line("");
        }
        let others = slot.choices.iter().filter(|choice| !is_live(choice));
        for (number, choice) in others.enumerate() {
            if number > 0 {
                self.line("");
            }
            self.component("#", slot, choice, &example(slot.path, choice.name));
        }
        for inner in SLOTS.iter() {
            let is_inside = inner
                .path
                .rsplit_once('.')
                .is_some_and(|(outer, _)| outer == slot.path);
            if is_inside {
                self.slot(inner);
            }
        }
    }

    fn component(
        &mut self,
        mark: &str,
        slot: &ComponentSlot,
        choice: &ComponentChoice,
        table: &Table,
    ) {
        let of = Of {
            slot: slot.path,
            name: choice.name,
        };
        self.comment(&format!("{}: {}.", choice.name, choice.about));
        self.table(mark, slot.path, &of, &choice.schema, table);
    }

    /// The table at `path`. `mark` stands before its lines.
    fn table(&mut self, mark: &str, path: &str, of: &Of, schema: &Json, table: &Table) {
        self.line(&format!("{mark}[{path}]"));
        if let Some(name) = table.get("name").filter(|_| path == of.slot) {
            self.line(&format!("{mark}name = {name}"));
        }
        let keys = schema["properties"].as_object().into_iter().flatten();
        let mut inner = Vec::new();
        for (key, described) in keys {
            let full = joined(path, key);
            let is_slot = SLOTS.iter().any(|slot| slot.path == full);
            match table.get(key) {
                // A live slot has a part of its own.
                Some(_) if is_slot && mark.is_empty() => {}
                Some(Value::Table(value)) if !is_slot && described["properties"].is_object() => {
                    inner.push((full, described, value));
                }
                Some(value) => self.key(mark, &full, key, of, described, value),
                None => self.comment(&format!("{key}: {}", words(of, &full, described))),
            }
        }
        for (path, described, value) in inner {
            self.line("");
            self.comment(described["description"].as_str().unwrap_or_default());
            self.table(mark, &path, of, described, value);
        }
    }

    fn key(&mut self, mark: &str, path: &str, key: &str, of: &Of, schema: &Json, value: &Value) {
        self.comment(&words(of, path, schema));
        for (word, text) in meanings(schema) {
            self.comment(&format!("  {word}: {text}"));
        }
        let items = schema["items"]["properties"]
            .as_object()
            .into_iter()
            .flatten();
        for (key, item) in items {
            self.comment(&format!("  {key}: {}", words(of, "", item)));
        }
        match value {
            Value::Array(list) if list.iter().any(Value::is_table) => {
                self.line(&format!("{mark}{key} = ["));
                list.iter()
                    .for_each(|item| self.line(&format!("{mark}    {item},")));
                self.line(&format!("{mark}]"));
            }
            _ => self.line(&format!("{mark}{key} = {value}")),
        }
    }
}

/// The text, the type, the range, the rules and the default of a key. `path`: its whole path; empty for a key
/// of a table in a list.
fn words(of: &Of, path: &str, schema: &Json) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let kind = match SLOTS.iter().any(|slot| slot.path == path) {
        true => "a table with a `name`, one of the components of this slot".into(),
        false => in_words(schema),
    };
    let mut words = format!("{text} Value: {kind}.");
    let of_items = &schema["items"];
    for rules in [&schema["rules"], &of_items["rules"]] {
        let rules = rules
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str);
        rules.for_each(|rule| words += &format!(" Allowed: {rule}."));
    }
    let inside = path
        .strip_prefix(of.slot)
        .and_then(|rest| rest.strip_prefix('.'));
    match inside.and_then(|key| default_of(of.slot, of.name, key)) {
        Some(default) => words + &format!(" Default: {default}."),
        None => words,
    }
}

/// The words that a value may be, each with its meaning, where the code gives one.
fn meanings(schema: &Json) -> Vec<(&str, &str)> {
    let ways = schema["oneOf"].as_array().into_iter().flatten();
    let told = ways.filter_map(|way| Some((way["const"].as_str()?, way["description"].as_str()?)));
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::catalogue::tests::with_component;
    use crate::experiment::settings::sections::Settings;

    #[test]
    fn the_live_tables_are_those_of_the_defaults() {
        let live: Table = reference().parse().unwrap();
        assert_eq!(live, *DEFAULT_SETTINGS);
    }

    #[test]
    fn every_other_component_is_there_and_is_read_without_its_mark() {
        let text = reference();
        let mut found = 0;
        for slot in SLOTS.iter() {
            for choice in &slot.choices {
                let start = format!("#[{}]\n#name = \"{}\"\n", slot.path, choice.name);
                let Some(start) = text.find(&start) else {
                    continue;
                };
                // Tables inside the component follow behind an empty line.
                let of_another = |line: &&str| {
                    let header = line.trim_start_matches('#').strip_prefix('[');
                    let header = header.and_then(|rest| rest.strip_suffix(']'));
                    let is_slot = SLOTS.iter().any(|other| header == Some(other.path));
                    is_slot || line.starts_with("# ----") || line.starts_with('[')
                };
                let mut lines = text[start..].lines();
                let first = lines.next();
                let lines = first
                    .into_iter()
                    .chain(lines.take_while(|line| !of_another(line)));
                let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("# "));
                let lines: Vec<&str> = lines.map(|line| &line[1..]).collect();
                let settings: Table = lines.join("\n").parse().unwrap();
                let component = value_at(&settings, slot.path).unwrap().clone();
                let component = component.as_table().expect("a table");
                let settings = with_component(slot.path, component);
                let errors = Settings::read(&settings).err().into_iter().flatten();
                // What components demand of each other: the drawn classes belong to one dataset, heads for regions to
                // one network.
                const TOGETHER: [&str; 3] = [
                    "method.correction.vlm.name",
                    "method.name",
                    "model.auxiliary-heads",
                ];
                let errors: Vec<_> = errors
                    .filter(|error| !TOGETHER.contains(&error.key.as_str()))
                    .collect();
                assert_eq!(errors, [], "{} {}", slot.path, choice.name);
                found += 1;
            }
        }
        let all: usize = SLOTS.iter().map(|slot| slot.choices.len()).sum();
        let live = SLOTS
            .iter()
            .filter(|slot| value_at(&DEFAULT_SETTINGS, slot.path).is_some());
        assert_eq!(found, all - live.count(), "all but the live ones");
    }
}
