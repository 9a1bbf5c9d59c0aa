//! The identity of settings: BLAKE3 over canonical JSON (sorted keys, no white space, one spelling for each
//! number).

use std::fmt::Write;

/// Number of hexadecimal digits of a hash: 128 bits make a collision practically impossible.
const DIGITS: usize = 32;

/// 2^53: below it, a float represents every integer exactly.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// The hash of `settings`. It does not depend on the order of the keys, nor on the spelling of a number (`1`
/// or `1.0`).
pub fn content_hash(settings: &toml::Table) -> String {
    let mut text = String::new();
    write_table(settings, &mut text);
    blake3::hash(text.as_bytes()).to_hex()[..DIGITS].to_string()
}

/// The canonical text of a value. It is the same for `1` and `1.0`, and for every order of the keys.
pub fn canonical(value: &toml::Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_table(table: &toml::Table, text: &mut String) {
    let mut entries: Vec<(&String, &toml::Value)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    text.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}:", serde_json::Value::from(key.as_str()));
        write_value(value, text);
    }
    text.push('}');
}

fn write_value(value: &toml::Value, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        toml::Value::String(string) => write!(text, "{}", serde_json::Value::from(string.as_str())),
        toml::Value::Integer(number) => write!(text, "{number}"),
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < EXACT_INTEGER => {
            write!(text, "{}", *number as i64)
        }
        toml::Value::Float(number) => write!(text, "{number}"),
        toml::Value::Boolean(flag) => write!(text, "{flag}"),
        toml::Value::Datetime(date) => {
            write!(text, "{}", serde_json::Value::from(date.to_string()))
        }
        toml::Value::Table(table) => return write_table(table, text),
        toml::Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            write!(text, "]")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(text: &str) -> String {
        content_hash(&text.parse().unwrap())
    }

    #[test]
    fn what_is_the_same_is_equal_and_what_is_not_differs() {
        assert_eq!(
            hash("a = 1\nb = { c = 2.0, d = -0.0 }"),
            hash("b = { d = 0, c = 2 }\na = 1.0")
        );
        let distinct = [
            "a = 1",
            "a = '1'",
            "a = true",
            "a = [1]",
            "a = 1.5",
            "a = 2",
            "b = 1",
            "a = { a = 1 }",
            "",
            "a = [[1]]",
        ];
        for (i, left) in distinct.iter().enumerate() {
            assert!(
                distinct[..i].iter().all(|right| hash(left) != hash(right)),
                "{left}"
            );
        }
        assert_ne!(
            hash("a = 'x'\nb = 'y'"),
            hash("a = 'x\",\"b\":\"y'"),
            "text is quoted"
        );
    }

    #[test]
    fn the_hash_is_that_of_canonical_json() {
        let canonical = r#"{"betas":[0.9,1],"rate":0.001,"steps":10}"#;
        let expected = blake3::hash(canonical.as_bytes()).to_hex()[..32].to_string();
        assert_eq!(
            hash("steps = 10\nrate = 1e-3\nbetas = [0.9, 1.0]"),
            expected
        );
    }

    proptest! {
        #[test]
        fn order_and_spelling_of_numbers_do_not_matter(
            entries in proptest::collection::btree_map("[a-z]{1,6}", -1000i64..1000, 1..12),
            rotation in 0usize..12,
            floats in proptest::collection::vec(any::<bool>(), 12),
        ) {
            let plain: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            let mut other: Vec<String> = entries.iter().zip(&floats)
                .map(|((key, value), float)| format!("{key} = {value}{}", if *float { ".0" } else { "" })).collect();
            let length = other.len();
            other.rotate_left(rotation % length);
            prop_assert_eq!(hash(&plain.join("\n")), hash(&other.join("\n")));
        }
    }
}
