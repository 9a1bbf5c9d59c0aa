//! The key `seeds`: a list of seeds, or as many as it takes until the rows are decided.

use super::check;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The keys of `seeds` as a table.
const KEYS: [&str; 3] = ["at-least", "at-most", "until"];
/// The word for the only rule.
const DECIDED: &str = "decided";
/// The least number of seeds that has a spread.
const LEAST: usize = 2;
/// The largest number of seeds of a row.
const MOST: usize = 1000;

/// The numbers of seeds of a row that gets seeds until it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeedRange {
    /// The number of seeds of the first look.
    pub at_least: usize,
    /// The largest number of seeds.
    pub at_most: usize,
}

/// The value of the key.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds {
    /// The seeds that a row may have.
    pub seeds: Vec<u64>,
    /// How many of the first of them it has at least and at most; none if it has all.
    pub range: Option<SeedRange>,
}

impl Seeds {
    /// Seeds that are fixed beforehand.
    pub fn fixed(seeds: Vec<u64>) -> Self {
        Self { seeds, range: None }
    }

    /// Reads the value of the key.
    ///
    /// # Errors
    /// What was expected in its place, and what was found.
    pub fn read(value: &Value) -> Result<Self, String> {
        if let Value::Table(table) = value {
            let range = range(table)?;
            return Ok(Self {
                seeds: (0..range.at_most as u64).collect(),
                range: Some(range),
            });
        }
        list(value).map(Self::fixed).ok_or_else(|| {
            format!(
                "`seeds`: expected a list of different whole numbers from 0 on, like `[0, 1, 2]`, or `{{ at-least = 3, \
                 at-most = 24, until = \"{DECIDED}\" }}`, found {}",
                check::describe(value)
            )
        })
    }
}

fn list(value: &Value) -> Option<Vec<u64>> {
    let seeds: Vec<u64> = value
        .as_array()?
        .iter()
        .map(|seed| seed.as_integer().and_then(|seed| u64::try_from(seed).ok()))
        .collect::<Option<_>>()?;
    let differ = (1..seeds.len()).all(|index| !seeds[..index].contains(&seeds[index]));
    (!seeds.is_empty() && differ).then_some(seeds)
}

fn range(table: &Table) -> Result<SeedRange, String> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = super::hint(key, KEYS);
        return Err(format!("`seeds`: unknown key `{key}`{hint}"));
    }
    match table.get("until") {
        Some(Value::String(word)) if word == DECIDED => {}
        found => return Err(expected("until", &format!("\"{DECIDED}\""), found)),
    }
    let number = |key: &str, least: usize| {
        let found = table.get(key);
        let number = found.and_then(Value::as_integer);
        let number = number.and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| (least..=MOST).contains(number));
        let words = format!("a whole number from {least} to {MOST}");
        number.ok_or_else(|| expected(key, &words, found))
    };
    let at_least = number("at-least", LEAST)?;
    let at_most = number("at-most", at_least)?;
    Ok(SeedRange { at_least, at_most })
}

fn expected(key: &str, words: &str, found: Option<&Value>) -> String {
    let found = found.map_or("none".to_string(), check::describe);
    format!("`seeds.{key}`: expected {words}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Seeds, String> {
        let table: Table = format!("seeds = {text}").parse().unwrap();
        Seeds::read(&table["seeds"])
    }

    #[test]
    fn a_list_is_fixed_and_a_table_a_range() {
        assert_eq!(read("[3, 0]"), Ok(Seeds::fixed(vec![3, 0])));
        let found = read("{ at-least = 2, at-most = 4, until = 'decided' }").unwrap();
        let range = SeedRange {
            at_least: 2,
            at_most: 4,
        };
        assert_eq!((found.seeds, found.range), (vec![0, 1, 2, 3], Some(range)));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_allowed() {
        let until = "until = 'decided'";
        for (text, part) in [
            (
                "[0, 0]".to_string(),
                "`seeds`: expected a list of different whole numbers",
            ),
            (
                "[-1]".into(),
                "or `{ at-least = 3, at-most = 24, until = \"decided\" }`",
            ),
            ("[]".into(), "`seeds`: expected a list"),
            (
                "{ at-least = 3, at-most = 24 }".into(),
                "`seeds.until`: expected \"decided\", found none",
            ),
            (
                "{ at-least = 3, at-most = 24, until = 'bored' }".into(),
                "`seeds.until`: expected \"decided\"",
            ),
            (
                format!("{{ at-most = 24, {until} }}"),
                "`seeds.at-least`: expected a whole number from 2 to 1000, found none",
            ),
            (
                format!("{{ at-least = 1, at-most = 24, {until} }}"),
                "`seeds.at-least`: expected a whole number from 2",
            ),
            (
                format!("{{ at-least = 5, at-most = 4, {until} }}"),
                "`seeds.at-most`: expected a whole number from 5 to 1000",
            ),
            (
                format!("{{ at-least = 5, at-most = 1001, {until} }}"),
                "`seeds.at-most`",
            ),
            (
                format!("{{ atleast = 5, at-most = 9, {until} }}"),
                "unknown key `atleast`",
            ),
        ] {
            let message = read(&text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(read(&format!("{{ at-least = 5, at-most = 5, {until} }}")).is_ok());
    }
}
