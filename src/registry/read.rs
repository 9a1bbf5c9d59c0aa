//! Turns a component's table into its struct. Every mistake becomes an error that names its key.

use super::check::Check;
use super::describe::{declare_keys, schema_of};
use super::errors::{ComponentError, ComponentErrors, joined};
use super::missing::missing;
use super::words::in_words;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use toml::{Table, Value};

/// A struct of keys that declares their allowed values.
pub trait Checked: DeserializeOwned {
    /// Declares every value and its allowed range to `check`. By default every value is allowed.
    fn check(&self, _: &mut Check) {}

    /// Checks the values.
    ///
    /// # Errors
    /// All values that are not allowed.
    fn checked(&self) -> Result<(), ComponentErrors> {
        let mut check = Check::new();
        self.check(&mut check);
        check.finish()
    }
}

/// Reads a component's table into its struct and checks the values.
///
/// # Errors
/// All unknown keys, all missing keys and all values that are not allowed, or one value of a wrong type.
pub fn read<T: Checked + JsonSchema>(table: Table) -> Result<T, ComponentErrors> {
    make(table, |config: T, check| {
        config.check(check);
        Some(config)
    })
}

/// Makes a component whose table contains other components. `make` checks the keys, collects the errors of
/// the inner components ([`Check::keep`]), and returns none if one of these is missing.
///
/// # Errors
/// As for [`read`], and the refusals of `make`. If keys are missing, `make` is given values in their place, and only
/// what it finds missing is told as well.
///
/// Panics if `make` returns none without a refusal.
pub fn make<K: DeserializeOwned + JsonSchema, T>(
    table: Table,
    make: impl FnOnce(K, &mut Check) -> Option<T>,
) -> Result<T, ComponentErrors> {
    let mut check = Check::new();
    let made = match keys(table, &mut check) {
        Read::Whole(keys) => make(keys, &mut check),
        Read::Filled(keys, lacking) => {
            let mut inner = check.beside();
            make(keys, &mut inner);
            check.take(inner, |error| tells_more(error, &lacking));
            None
        }
        Read::Refused => None,
    };
    check.finish()?;
    Ok(made.expect("nothing was refused"))
}

/// Does the same as [`read`] for the `table` at `key` of a larger table whose values `check` collects. It
/// returns the struct even if a value is not allowed, so that rules between tables can be checked too.
pub fn read_within<T: Checked + JsonSchema>(
    check: &mut Check,
    key: &str,
    table: Table,
) -> Option<T> {
    check.within(key, |check| match keys::<T>(table, check) {
        Read::Whole(config) => {
            config.check(check);
            Some(config)
        }
        Read::Filled(..) | Read::Refused => None,
    })
}

/// Returns true if `error` is about a key that is missing or unknown, in no table that is `lacking` itself.
fn tells_more(error: &ComponentError, lacking: &[String]) -> bool {
    let inside = |path: &String| {
        error
            .key
            .strip_prefix(path.as_str())
            .is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let counts = error.needed().is_some() || error.message.starts_with("unknown field `");
    counts && !lacking.iter().any(inside)
}

/// A table as a struct.
enum Read<K> {
    /// It has all keys.
    Whole(K),
    /// The keys at these paths are missing, which the check was told; values of their types stand for them.
    Filled(K, Vec<String>),
    /// A value has a wrong type.
    Refused,
}

/// The keys of a table as a struct. All unknown and all missing keys are refused.
fn keys<K: DeserializeOwned + JsonSchema>(mut table: Table, check: &mut Check) -> Read<K> {
    declare_keys::<K>(check.path());
    let mut unknown = Vec::new();
    let mut lacking = None;
    loop {
        match deserialize::<K>(&table) {
            Ok(keys) => {
                return match lacking {
                    None => Read::Whole(keys),
                    Some(lacking) => Read::Filled(keys, lacking),
                };
            }
            Err(refused) if refused.is_unknown() => {
                let removed = refused.remove(&mut table);
                unknown.extend(refused.name().map(str::to_string));
                check.refuse(&refused.error.key, refused.error.message);
                if !removed {
                    return Read::Refused;
                }
            }
            Err(refused) => {
                let is_missing = refused.is_missing();
                if !is_missing || lacking.is_some() {
                    check.refuse(&refused.error.key, refused.error.message);
                }
                if lacking.is_some() {
                    return Read::Refused;
                }
                lacking = Some(refuse_missing::<K>(&mut table, &unknown, check));
                if !is_missing {
                    return Read::Refused;
                }
            }
        }
    }
}

/// Refuses every key that `table` lacks, puts values in their place, and returns their paths. A misspelled key is also
/// missing: a key that is similar to one of the `unknown` ones is told as unknown alone.
fn refuse_missing<K: JsonSchema>(
    table: &mut Table,
    unknown: &[String],
    check: &mut Check,
) -> Vec<String> {
    let found = missing(&schema_of::<K>(), table);
    found.iter().for_each(|key| key.fill(table));
    let paths = found
        .iter()
        .map(|key| joined(check.path(), &key.path()))
        .collect();
    let mut told: Vec<_> = found.iter().collect();
    for word in unknown {
        let likeness =
            |index: &usize| strsim::normalized_damerau_levenshtein(word, told[*index].name());
        let nearest = (0..told.len()).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        if let Some(nearest) = nearest.filter(|index| may_be(word, told[*index].name())) {
            told.remove(nearest);
        }
    }
    for key in told {
        check.lack(&key.path(), in_words(&key.schema));
    }
    paths
}

/// Two names are taken for one, misspelled, if at least this share of their letters agrees.
const SIMILAR: f64 = 0.5;

/// Returns true if the unknown `word` may be a misspelling of `name`.
pub fn may_be(word: &str, name: &str) -> bool {
    strsim::normalized_damerau_levenshtein(word, name) >= SIMILAR
}

/// An error of serde, with its place in the table.
struct Refused {
    error: ComponentError,
    path: serde_path_to_error::Path,
}

fn deserialize<T: DeserializeOwned>(table: &Table) -> Result<T, Refused> {
    let value = Value::Table(table.clone());
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().clone();
        let key = match path.to_string() {
            all if all == "." => String::new(),
            key => key,
        };
        let mut message = first_line(error.inner());
        if message.ends_with(TOO_LONG)
            && let Some(length) = length_of_list::<T>(table, &path)
        {
            message = message.replace(TOO_LONG, &length);
        }
        Refused {
            error: ComponentError::new(key, in_plain_words(&message)),
            path,
        }
    })
}

/// The first line of an error of serde. Further ones only repeat the key.
fn first_line(error: &toml::de::Error) -> String {
    let message = error.to_string();
    let first = message.trim().lines().next();
    first.unwrap_or_default().to_string()
}

/// The end of the message about a list that is too long. It does not tell how long the list has to be.
const TOO_LONG: &str = ", expected fewer elements in array";

/// The end of the message about an empty list at `path` of `table`, which tells the length; none if any length fits.
fn length_of_list<T: DeserializeOwned>(
    table: &Table,
    path: &serde_path_to_error::Path,
) -> Option<String> {
    let mut shorter = Value::Table(table.clone());
    let mut list = &mut shorter;
    for segment in path {
        list = match segment {
            Segment::Map { key } => list.get_mut(key)?,
            Segment::Seq { index } => list.get_mut(*index)?,
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
    }
    *list = Value::Array(Vec::new());
    let error = serde_path_to_error::deserialize::<_, T>(shorter).err()?;
    let message = first_line(error.inner());
    Some(message.strip_prefix("invalid length 0")?.to_string())
}

impl Refused {
    fn is_unknown(&self) -> bool {
        self.error.message.starts_with("unknown field `")
    }

    fn is_missing(&self) -> bool {
        self.error.message.starts_with("missing field `")
    }

    /// The name of the key, as the message quotes it.
    fn name(&self) -> Option<&str> {
        self.error.message.split('`').nth(1)
    }

    /// Removes the unknown key from `table`, so that the rest can be read. Returns true if it was there.
    fn remove(&self, table: &mut Table) -> bool {
        let Some(unknown) = self.name() else {
            return false;
        };
        let mut segments: Vec<&Segment> = self.path.iter().collect();
        // Depending on its version, serde names the table or the key.
        segments.pop_if(|last| matches!(last, Segment::Map { key } if key == unknown));
        let mut place = Some(table);
        let mut rest = segments.as_slice();
        while let [Segment::Map { key }, after @ ..] = rest {
            let mut value = place.and_then(|table| table.get_mut(key));
            rest = after;
            while let [Segment::Seq { index }, after @ ..] = rest {
                value = value.and_then(|list| list.get_mut(*index));
                rest = after;
            }
            place = value.and_then(Value::as_table_mut);
        }
        place.is_some_and(|table| table.remove(unknown).is_some())
    }
}

/// serde's message with Rust's type names in words: ``invalid type: string "x", expected usize`` becomes
/// "expected a whole number from 0 on, found string "x"".
pub fn in_plain_words(message: &str) -> String {
    let split = |prefix| message.strip_prefix(prefix)?.split_once(", expected ");
    let found = ["invalid type: ", "invalid value: ", "invalid length "].map(split);
    let Some((found, expected)) = found.into_iter().flatten().next() else {
        return message.to_string();
    };
    let length = ["an array of length ", "a tuple of size "]
        .iter()
        .find_map(|prefix| expected.strip_prefix(prefix));
    let words = match (expected, length) {
        (_, Some(length)) => format!("a list of {length}"),
        ("u8", _) => format!("a whole number from 0 to {}", u8::MAX),
        ("u16", _) => format!("a whole number from 0 to {}", u16::MAX),
        ("u32", _) => format!("a whole number from 0 to {}", u32::MAX),
        ("u64" | "usize", _) => "a whole number from 0 on".into(),
        ("i8" | "i16" | "i32" | "i64" | "isize", _) => "a whole number".into(),
        ("f32" | "f64", _) => "a number".into(),
        ("a boolean", _) => "`true` or `false`".into(),
        ("a sequence", _) => "a list".into(),
        ("fewer elements in array", _) => "a shorter list".into(),
        ("a map", _) => "a table".into(),
        ("path string", _) => "a path".into(),
        _ if expected.starts_with("struct ") => "a table".into(),
        _ => expected.to_string(),
    };
    let found = found
        .replace("floating point", "number")
        .replace("sequence", "list");
    format!("expected {words}, found {}", found.replace("map", "table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only how it is read matters")]
    struct Known {
        count: usize,
        grey: u8,
        shift: i32,
        rate: f32,
        on: bool,
        bounds: [f64; 2],
        names: Vec<String>,
        file: std::path::PathBuf,
    }

    const GOOD: &str = "count = 1\ngrey = 2\nshift = -3\nrate = 0.5\non = true\nbounds = [0.0, 1.0]\nnames = []\nfile = ''\n";

    impl Checked for Known {
        fn check(&self, check: &mut Check) {
            check.range("rate", self.rate, 0.0..=1.0);
            check.interval("bounds", self.bounds, 0.0..=1.0);
        }
    }

    #[test]
    fn types_are_told_in_plain_words() {
        read::<Known>(GOOD.parse().unwrap()).unwrap();
        for (line, key, told) in [
            (
                "count = 'x'",
                "count",
                "expected a whole number from 0 on, found string \"x\"",
            ),
            (
                "count = -1",
                "count",
                "expected a whole number from 0 on, found integer `-1`",
            ),
            (
                "grey = 300",
                "grey",
                "expected a whole number from 0 to 255, found integer `300`",
            ),
            (
                "shift = 0.5",
                "shift",
                "expected a whole number, found number `0.5`",
            ),
            (
                "rate = 'x'",
                "rate",
                "expected a number, found string \"x\"",
            ),
            (
                "on = 1",
                "on",
                "expected `true` or `false`, found integer `1`",
            ),
            ("bounds = [1.0]", "bounds", "expected a list of 2, found 1"),
            (
                "bounds = [0.0, 0.5, 1.0]",
                "bounds",
                "expected a list of 2, found 3",
            ),
            ("names = 1", "names", "expected a list, found integer `1`"),
            (
                "names = [1]",
                "names[0]",
                "expected a string, found integer `1`",
            ),
            ("file = 1", "file", "expected a path, found integer `1`"),
        ] {
            let start = line.split(' ').next().unwrap();
            let others: Vec<&str> = GOOD
                .lines()
                .filter(|good| !good.starts_with(start))
                .collect();
            let text = format!("{line}\n{}", others.join("\n"));
            let errors = read::<Known>(text.parse().unwrap()).unwrap_err();
            let error = &errors[0];
            assert_eq!(
                (error.key.as_str(), error.message.as_str()),
                (key, told),
                "{line}"
            );
        }
    }

    /// The errors of [`GOOD`] with its lines replaced by those of `changes` with the same key.
    fn refused(changes: &str) -> Vec<String> {
        let mut table: Table = GOOD.parse().unwrap();
        table.extend(changes.parse::<Table>().unwrap());
        let errors = read::<Known>(table).unwrap_err();
        errors
            .iter()
            .map(|error| format!("{}: {error}", error.key))
            .collect()
    }

    #[test]
    fn all_unknown_keys_and_all_values_out_of_range_are_told_together() {
        let found = refused("rat = 1.0\nrate = 1.5\nbounds = [0.5, 0.25]\non-off = true");
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].contains("unknown field `on-off`"), "{found:?}");
        assert!(found[1].contains("unknown field `rat`"), "{found:?}");
        assert_eq!(found[2], "rate: 1.5 is out of range; allowed: 0 to 1");
        assert!(
            found[3].starts_with("bounds: [0.5, 0.25] is out of order"),
            "{found:?}"
        );
    }

    #[test]
    fn unknown_keys_of_inner_tables_and_lists_are_told_together() {
        #[derive(Debug, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Outer {
            list: Vec<Inner>,
            table: Inner,
        }
        #[derive(Debug, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Inner {
            value: f32,
        }
        impl Checked for Outer {}
        let text = "list = [{ value = 1.0 }, { value = 2.0, one = 1 }]\n\
                    [table]\nvalue = 3.0\ntwo = 2\nthree = 3";
        let errors = read::<Outer>(text.parse().unwrap()).unwrap_err();
        let unknown: Vec<&str> = errors
            .iter()
            .filter_map(|e| e.message.split('`').nth(1))
            .collect();
        assert_eq!(unknown, ["one", "three", "two"], "{errors}");
        assert!(errors[0].key.starts_with("list[1]"), "{errors}");
        assert!(errors[1].key.starts_with("table"), "{errors}");
    }

    #[test]
    fn a_list_that_is_too_long_inside_of_others_is_told_with_its_length() {
        #[derive(Debug, serde::Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Outer {
            rows: Vec<Row>,
        }
        #[derive(Debug, serde::Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Row {
            triples: Vec<[u8; 3]>,
            pair: (f32, String),
        }
        impl Checked for Outer {}
        for (row, key, told) in [
            (
                "triples = [[1, 2, 3], [1, 2, 3, 4]], pair = [1.0, 'x']",
                "rows[0].triples[1]",
                "expected a list of 3, found 4",
            ),
            (
                "triples = [], pair = [1.0, 'x', 2.0]",
                "rows[0].pair",
                "expected a list of 2, found 3",
            ),
        ] {
            let table: Table = format!("rows = [{{ {row} }}]").parse().unwrap();
            let errors = read::<Outer>(table).unwrap_err();
            let error = &errors[0];
            assert_eq!((error.key.as_str(), error.message.as_str()), (key, told));
        }
    }

    #[test]
    fn a_misspelled_key_is_told_once() {
        let mut table: Table = GOOD.parse().unwrap();
        table.remove("rate");
        table.insert("rat".into(), 0.5.into());
        let errors = read::<Known>(table.clone()).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors}");
        table.remove("rat");
        let errors = read::<Known>(table.clone()).unwrap_err();
        assert_eq!(errors.to_string(), "rate: missing; needed: a number");
        table.extend("rat = 1\nrate = 'x'".parse::<Table>().unwrap());
        let errors = read::<Known>(table).unwrap_err();
        assert_eq!(
            errors.len(),
            2,
            "another key's type is another mistake: {errors}"
        );
    }
}
