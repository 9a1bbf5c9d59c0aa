//! Turns a component's table into its struct. Every mistake becomes an error that names its key.

use super::check::Check;
use super::describe::{declare_keys, schema_of};
use super::errors::{ComponentError, ComponentErrors, joined};
use super::missing::missing;
use super::refused::deserialize;
use super::words::in_words;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Table;

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

/// Does the same as [`make`] for a component whose keys are those of `A` and those of `B`. A key that neither has is
/// refused with the names of both.
///
/// # Errors
/// As for [`make`].
///
/// Panics if `make` returns none without a refusal.
pub fn make_of_two<A, B, T>(
    table: Table,
    make: impl FnOnce(A, B, &mut Check) -> Option<T>,
) -> Result<T, ComponentErrors>
where
    A: DeserializeOwned + JsonSchema,
    B: DeserializeOwned + JsonSchema,
{
    let own = schema_of::<A>()["properties"]
        .as_object()
        .map_or_else(Vec::new, |keys| keys.keys().cloned().collect());
    let (first, second): (Table, Table) = table.into_iter().partition(|(key, _)| own.contains(key));
    let mut check = Check::new();
    // Unknown keys are those of `B`, and come first.
    let mut of_first = check.beside();
    let first = keys::<A>(first, &mut of_first);
    let second = keys::<B>(second, &mut check);
    check.add_known(&own);
    check.take(of_first, |_| true);
    let whole = matches!((&first, &second), (Read::Whole(_), Read::Whole(_)));
    let made = match (first.filled(), second.filled()) {
        (Some((a, _)), Some((b, _))) if whole => make(a, b, &mut check),
        (Some((a, lacking)), Some((b, more))) => {
            let lacking = [lacking, more].concat();
            let mut inner = check.beside();
            make(a, b, &mut inner);
            check.take(inner, |error| tells_more(error, &lacking));
            None
        }
        _ => None,
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

impl<K> Read<K> {
    /// The struct and the paths of the keys that are missing; none if a value was refused.
    fn filled(self) -> Option<(K, Vec<String>)> {
        match self {
            Self::Whole(keys) => Some((keys, Vec::new())),
            Self::Filled(keys, lacking) => Some((keys, lacking)),
            Self::Refused => None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Known {
        rate: f32,
        bounds: [f64; 2],
    }

    const GOOD: &str = "rate = 0.5\nbounds = [0.0, 1.0]\n";

    impl Checked for Known {
        fn check(&self, check: &mut Check) {
            check.range("rate", self.rate, 0.0..=1.0);
            check.interval("bounds", self.bounds, 0.0..=1.0);
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

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct More {
        count: usize,
    }

    /// The keys of both structs, or the errors.
    fn two(text: &str) -> Result<(usize, f32), Vec<String>> {
        let made = make_of_two(text.parse().unwrap(), |more: More, known: Known, check| {
            check.range("count", more.count, 1..);
            known.check(check);
            Some((more.count, known.rate))
        });
        made.map_err(|errors| errors.iter().map(|e| format!("{}: {e}", e.key)).collect())
    }

    #[test]
    fn the_keys_of_two_structs_are_one_table() {
        let whole = |count: &str| format!("{GOOD}{count}");
        assert_eq!(two(&whole("count = 3")), Ok((3, 0.5)));
        assert_eq!(
            two(&whole("count = 0")).unwrap_err(),
            ["count: 0 is out of range; allowed: 1 or more"]
        );
        assert_eq!(two(&whole("count = 'x'")).unwrap_err().len(), 1);
        let lacking = two("bounds = [0.0, 1.0]").unwrap_err();
        assert_eq!(
            lacking,
            [
                "rate: missing; needed: a number",
                "count: missing; needed: a whole number, 0 or more"
            ]
        );
        let unknown = two(&whole("count = 3\ncounts = 4")).unwrap_err();
        assert_eq!(
            unknown,
            ["counts: unknown field `counts`, expected `rate` or `bounds`, `count`"]
        );
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
