//! `[phase.<name>]` of a recipe: tables of the recipe again, for one phase of the method. The names of the phases are
//! the method's, so that only the keys below them can be compared with the root.

use toml::{Table, Value};

/// The table that holds the phases.
pub const PHASE: &str = "phase";
/// The tables that a phase may have.
pub const TABLES: [&str; 4] = ["augment", "loader", "model", "train"];

/// The tables that a phase may have, with the keys and values of the `root`.
pub fn of_phase(root: &Table) -> Table {
    let known = TABLES
        .iter()
        .filter_map(|name| Some((name.to_string(), root.get(*name)?.clone())));
    known.collect()
}

/// The phases of `settings`, each a table.
pub fn phases(settings: &mut Table) -> impl Iterator<Item = &mut Table> {
    let phases = settings.get_mut(PHASE).and_then(Value::as_table_mut);
    let tables = phases.into_iter().flat_map(|phases| phases.iter_mut());
    tables.filter_map(|(_, value)| value.as_table_mut())
}

/// The dotted `path` of a key, or that of the key which it stands for in a phase: `phase.burn-in.train.rate` is
/// `train.rate`.
pub fn common(path: &str) -> &str {
    let inside = |path: &'_ str| -> Option<usize> {
        let rest = path.strip_prefix(PHASE)?.strip_prefix('.')?;
        let name = rest.find('.')?;
        Some(path.len() - rest.len() + name + 1)
    };
    inside(path).map_or(path, |start| &path[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_phase_stands_for_that_of_the_recipe() {
        for (path, expected) in [
            ("phase.burn-in.train.rate", "train.rate"),
            ("phase.burn-in.augment.size[1]", "augment.size[1]"),
            ("phase.burn-in.train", "train"),
            ("phase.burn-in", "phase.burn-in"),
            ("phase", "phase"),
            ("phased.x.train", "phased.x.train"),
            ("train.rate", "train.rate"),
        ] {
            assert_eq!(common(path), expected);
        }
    }
}
