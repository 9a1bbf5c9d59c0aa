//! What serde refuses, with its key, in plain words.

use super::errors::ComponentError;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use toml::{Table, Value};

/// An error of serde, with its place in the table.
pub struct Refused {
    /// Key and message, in plain words.
    pub error: ComponentError,
    path: serde_path_to_error::Path,
}

/// The struct `T` of the keys in `table`.
///
/// # Errors
/// The first thing that serde refuses.
pub fn deserialize<T: DeserializeOwned>(table: &Table) -> Result<T, Refused> {
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
    /// Returns true if the struct has no such key.
    pub fn is_unknown(&self) -> bool {
        self.error.message.starts_with("unknown field `")
    }

    /// Returns true if the table lacks a key.
    pub fn is_missing(&self) -> bool {
        self.error.message.starts_with("missing field `")
    }

    /// The name of the key, as the message quotes it.
    pub fn name(&self) -> Option<&str> {
        self.error.message.split('`').nth(1)
    }

    /// Removes the unknown key from `table`, so that the rest can be read. Returns true if it was there.
    pub fn remove(&self, table: &mut Table) -> bool {
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

    #[derive(Debug, serde::Deserialize)]
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

    fn refused<T: DeserializeOwned>(table: &Table) -> ComponentError {
        deserialize::<T>(table).err().expect("it is refused").error
    }

    #[test]
    fn types_are_told_in_plain_words() {
        assert!(deserialize::<Known>(&GOOD.parse().unwrap()).is_ok());
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
            let error = refused::<Known>(&text.parse().unwrap());
            assert_eq!(
                (error.key.as_str(), error.message.as_str()),
                (key, told),
                "{line}"
            );
        }
    }

    #[test]
    fn a_list_that_is_too_long_inside_of_others_is_told_with_its_length() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Outer {
            rows: Vec<Row>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only how it is read matters")]
        struct Row {
            triples: Vec<[u8; 3]>,
            pair: (f32, String),
        }
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
            let error = refused::<Outer>(&table);
            assert_eq!((error.key.as_str(), error.message.as_str()), (key, told));
        }
    }
}
