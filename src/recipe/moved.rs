//! Tables that have another place in a recipe than in earlier versions of the program.
//!
//! Recipes, overrides and rows of sweeps may still use the earlier place. Their keys are moved when they are read, and
//! a note tells the author. The hash of a trial is computed with the earlier places ([`to_earlier_places`]). So a trial
//! keeps its hash when a table moves, and its results are still found.

use toml::{Table, Value};

/// A table that moved. Both places are dotted paths.
struct Moved {
    earlier: &'static str,
    today: &'static str,
}

/// The tables that moved. An earlier place is the name of a table at the top of a recipe.
const MOVED: [Moved; 1] = [Moved {
    earlier: "loss",
    today: "model.loss",
}];

/// The tables that moved, as pairs of the earlier place and the dotted path of today's.
pub fn moved_tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    MOVED.iter().map(|moved| (moved.earlier, moved.today))
}

impl Moved {
    /// The keys of today's place.
    fn keys(&self) -> Vec<String> {
        self.today.split('.').map(str::to_string).collect()
    }
}

/// Moves `path` to its place of today if it leads into an earlier place. Returns true if it was moved.
pub fn move_path(path: &mut Vec<String>) -> bool {
    let Some(moved) = MOVED
        .iter()
        .find(|moved| path.first().is_some_and(|key| key == moved.earlier))
    else {
        return false;
    };
    path.splice(..1, moved.keys());
    true
}

/// Returns true if `key` is the earlier name of a table that moved.
pub fn is_earlier_place(key: &str) -> bool {
    MOVED.iter().any(|moved| moved.earlier == key)
}

/// The place of today for a dotted path.
pub fn path_today(path: &str) -> String {
    let mut keys: Vec<String> = path.split('.').map(str::to_string).collect();
    move_path(&mut keys);
    keys.join(".")
}

/// The note to an author who uses an earlier place: the key `key` at `place`.
pub fn note(key: &str, place: &str) -> String {
    let today = path_today(key);
    format!("{place}: `{key}` is read as `{today}`, where it belongs now")
}

/// Moves the tables of `settings` from their earlier places to those of today.
pub fn to_todays_places(settings: &mut Table) {
    for moved in &MOVED {
        if let Some(value) = settings.remove(moved.earlier) {
            put(settings, &moved.keys(), value);
        }
    }
}

/// Moves the tables of `settings` back to their earlier places.
pub fn to_earlier_places(settings: &mut Table) {
    for moved in &MOVED {
        if let Some(value) = take(settings, &moved.keys()) {
            settings.insert(moved.earlier.to_string(), value);
        }
    }
}

/// Puts `value` at `path`. A value that is already there stays.
fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.entry(last.clone()).or_insert(value);
        }
        [first, rest @ ..] => {
            let inner = table
                .entry(first.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Takes the value at `path` out of `table`.
fn take(table: &mut Table, path: &[String]) -> Option<Value> {
    match path {
        [] => None,
        [last] => table.remove(last),
        [first, rest @ ..] => take(table.get_mut(first)?.as_table_mut()?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn settings_go_there_and_back() {
        let earlier = table("loss = { points = 3 }\nmodel = { queries = 2 }");
        let today = table("model = { queries = 2, loss = { points = 3 } }");
        let mut moved = earlier.clone();
        to_todays_places(&mut moved);
        assert_eq!(moved, today);
        to_todays_places(&mut moved);
        assert_eq!(moved, today, "once is enough");
        to_earlier_places(&mut moved);
        assert_eq!(moved, earlier);
        let mut other = table("method = { loss = 3 }");
        to_earlier_places(&mut other);
        to_todays_places(&mut other);
        assert_eq!(other, table("method = { loss = 3 }"), "nothing else moves");
    }

    #[test]
    fn a_path_is_moved_by_its_first_key() {
        assert_eq!(path_today("loss.points"), "model.loss.points");
        assert_eq!(path_today("loss"), "model.loss");
        for path in ["model.loss.points", "method.loss", "losses.points", ""] {
            assert_eq!(path_today(path), path);
        }
    }

    #[test]
    fn a_note_tells_both_places() {
        let told = note("loss.points", "--set loss.points=3");
        let expected = "--set loss.points=3: `loss.points` is read as `model.loss.points`, where it belongs now";
        assert_eq!(told, expected);
    }
}
