//! The keys whose value may have one of two types, such as `augment.size`: the side of a square, or height and width.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use toml::Value;

/// Each key with an example, in TOML, of the type that its default does not have.
const KEYS: [(&str, &str); 8] = [
    ("augment.size", "[512, 1024]"),
    ("loader.labelled-repeat", "19"),
    ("method.lambda", "{ default = 1.0, box = 0.0 }"),
    ("model.backbone.frozen", "2"),
    ("split.percent", "1.0"),
    ("split.seed", "1"),
    ("train.drop", "[0.6, 0.8]"),
    ("train.warm-up-from", "0.001"),
];

static OTHERS: LazyLock<BTreeMap<&str, Value>> = LazyLock::new(|| {
    let other = |(key, example): &(&'static str, &str)| {
        let mut table: toml::Table = format!("value = {example}").parse().expect("TOML");
        (*key, table.remove("value").expect("the key is there"))
    };
    KEYS.iter().map(other).collect()
});

/// An example of the second type of the key at the dotted `path`; none if it has one type alone.
pub fn other_type(path: &str) -> Option<&'static Value> {
    OTHERS.get(path)
}

/// All keys of two types.
#[cfg(test)]
pub fn keys_of_two_types() -> Vec<&'static str> {
    KEYS.map(|(key, _)| key).to_vec()
}
