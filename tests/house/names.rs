//! Names that only their owner may use: the name of a network, and names of components in comparisons.

use crate::files;
use crate::source::{code, without_comments};
use std::path::Path;

/// The networks. Only their own folders name them.
const NETWORKS: [&str; 3] = ["Mask2Former", "MaskRcnn", "CenterMask"];

/// Components and phases. A comparison with such a name is a special case that belongs into the component.
const NAMES: [&str; 7] = [
    "\"scenes\"",
    "\"supervised\"",
    "\"burn-in-",
    "\"vlm-",
    "\"mask2former\"",
    "\"mask-rcnn\"",
    "\"centermask\"",
];

/// The source files, each with its text without comments.
fn sources() -> Vec<(String, String)> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let files = files(Path::new("src")).into_iter();
    files
        .map(|path| (path.display().to_string(), without_comments(&read(&path))))
        .collect()
}

#[test]
fn nothing_above_the_detectors_names_a_network() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let own = |folder: &str| file.starts_with(folder);
        let detector = file.strip_prefix("src/detector/");
        if own("src/graph/") || detector.is_some_and(|inside| inside.contains('/')) {
            continue;
        }
        for network in NETWORKS {
            let named = words(&text).any(|word| word == network);
            // Names of Hugging Face may begin with it, inside a string.
            if named || words(&code(&text)).any(|word| word.starts_with(network)) {
                broken.push(format!("{file} names {network}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_compares_with_the_name_of_a_component() {
    let mut broken = Vec::new();
    // A test knows what it tries.
    let is_test = |file: &str| file.contains("/tests/") || file.ends_with("/tests.rs");
    for (file, text) in sources().into_iter().filter(|(file, _)| !is_test(file)) {
        let compared = NAMES.iter().filter(|name| is_compared(&text, name));
        broken.extend(compared.map(|name| format!("{file} compares with {name}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// True if `text` compares anything with the string `name`. `name` starts with its quote.
fn is_compared(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let wrapping = |c: char| c.is_whitespace() || "(&*".contains(c);
        let before = text[..at].trim_end_matches(wrapping);
        let before = before.strip_suffix("Some").unwrap_or(before);
        let before = before.trim_end_matches(wrapping);
        let rest = &text[at + 1..];
        let after = &rest[rest.find('"').map_or(rest.len(), |end| end + 1)..];
        let after = after.trim_start_matches(|c: char| c.is_whitespace() || c == ')');
        let side = |part: &str| {
            let operators = ["==", "!="];
            operators.iter().any(|operator| part.starts_with(operator))
        };
        ["==", "!=", "starts_with"]
            .iter()
            .any(|operator| before.ends_with(operator))
            || side(after)
            || after.starts_with("=>")
            || is_inside(&text[..at], "matches!(")
    })
}

/// True if `before` ends inside the last parenthesis that `opening` opens.
fn is_inside(before: &str, opening: &str) -> bool {
    let Some((_, inside)) = before.rsplit_once(opening) else {
        return false;
    };
    let mut depth = 1;
    for c in inside.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    true
}

#[test]
fn every_way_to_compare_is_seen() {
    for text in [
        "name == \"scenes\"",
        "if \"scenes\" != name",
        "value.as_str() == Some(\"scenes\")",
        "assert!(key.starts_with(\"scenes\"))",
        "matches!(name(), \"coco\" | \"scenes\")",
        "match name { \"scenes\" => 1, _ => 2 }",
    ] {
        assert!(is_compared(text, "\"scenes\""), "{text}");
    }
    for text in [
        "name: \"scenes\",",
        "matches!(a, B) && c(\"scenes\")",
        "join(\"scenes\")",
        "a == b, \"scenes\"",
        "[\"scenes\", \"coco\"]",
    ] {
        assert!(!is_compared(text, "\"scenes\""), "{text}");
    }
}
