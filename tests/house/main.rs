//! The structure of the source: which folder of `src/` may name which, read from the `crate::` paths; no cycles inside
//! a folder; names that only their owner may use; and comments of bounded width.

mod circles;
mod comments;
mod names;
mod source;

use circles::Modules;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The names that each folder (or file) directly under `src/` may use besides its own, from the lowest floor
/// up.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let ground = [
        "atomic",
        "cityscapes",
        "coco",
        "metrics",
        "tensor",
        "registry",
        "rng",
        "screen",
        "structures",
    ];
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> =
        ground.map(|name| (name, BTreeSet::new())).into();
    // Pictures are data of every floor above.
    let graph = ["nn", "ops", "tensor", "registry", "rng", "structures"];
    let detector = [&graph[..], &["graph"]].concat();
    let method = [&detector[..], &["detector", "data"]].concat();
    let train = [&method[..], &["method", "eval", "atomic"]].concat();
    let experiment = [
        &train[..],
        &[
            "train",
            "cityscapes",
            "coco",
            "draw",
            "metrics",
            "recipe",
            "report",
            "screen",
        ],
    ]
    .concat();
    let floors: [(&str, &[&str]); 14] = [
        ("draw", &["structures"]),
        // Compiled kernels are kept on disk.
        ("tensor", &["atomic"]),
        ("recipe", &["metrics", "registry"]),
        (
            "report",
            &["atomic", "metrics", "registry", "rng", "screen"],
        ),
        (
            "data",
            &["cityscapes", "coco", "structures", "registry", "rng"],
        ),
        (
            "eval",
            &[
                "cityscapes",
                "coco",
                "structures",
                "metrics",
                "registry",
                "rng",
                "data",
            ],
        ),
        ("ops", &["tensor", "rng"]),
        ("nn", &["ops", "tensor", "rng"]),
        ("graph", &graph),
        ("detector", &detector),
        ("method", &method),
        ("train", &train),
        ("experiment", &experiment),
        ("cli", &["experiment", "recipe", "report", "screen"]),
    ];
    allowed.extend(floors.map(|(name, below)| (name, below.iter().copied().collect())));
    allowed
}

#[test]
fn names_point_down() {
    let allowed = allowed();
    let mut broken = Vec::new();
    for file in files(Path::new("src")) {
        let relative = file.strip_prefix("src").unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let owner = first.trim_end_matches(".rs");
        // Tests may look further up.
        let is_test = relative.file_name().is_some_and(|name| name == "tests.rs");
        if ["main", "lib"].contains(&owner) || is_test {
            continue;
        }
        let below = allowed
            .get(owner)
            .unwrap_or_else(|| panic!("`{owner}` has no floor"));
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            if name != owner && !below.contains(name.as_str()) {
                broken.push(format!("{} names `{name}`", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The folders that a source file names through `crate::`.
fn named(text: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = text.lines().collect();
    // Tests may look further up.
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].contains("mod "));
    let code: Vec<&str> = lines[..tests.unwrap_or(lines.len())]
        .iter()
        .copied()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        for part in parts(rest) {
            let word = |c: char| !c.is_alphanumeric() && c != '_';
            let name = part.trim_start().split(word).next().unwrap_or_default();
            if name.starts_with(char::is_lowercase) {
                names.insert(name.to_string());
            }
        }
    }
    names
}

/// `rest` itself, or the parts of the braced list that it starts with.
fn parts(rest: &str) -> Vec<&str> {
    let Some(list) = rest.strip_prefix('{') else {
        return vec![rest];
    };
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&list[start..i]);
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    parts
}

/// The files below `folder` with one of the extensions, sorted.
fn files_of(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_of(&path, extensions));
        } else if extensions
            .iter()
            .any(|extension| path.extension().is_some_and(|own| own == *extension))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files below `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    files_of(folder, &["rs"])
}

#[test]
fn the_reader_sees_every_way_to_name_a_folder() {
    let text = "use crate::ops;\nuse crate::{\n    nn::{params, q},\n    tensor::Map,\n};\nlet x = crate::rng::Stream::new(1, \"a\");\n// crate::cli\n";
    let names: Vec<String> = named(text).into_iter().collect();
    assert_eq!(names, ["nn", "ops", "rng", "tensor"]);
}

/// All sources by their paths under `src/`.
fn sources() -> Vec<(String, String)> {
    let read = |file: PathBuf| {
        let path = file.strip_prefix("src").unwrap().to_str().unwrap();
        (path.to_string(), std::fs::read_to_string(&file).unwrap())
    };
    files(Path::new("src")).into_iter().map(read).collect()
}

#[test]
fn no_file_of_a_folder_leads_back_to_itself() {
    let found = Modules::new(&sources()).circles();
    let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The wings of `experiment`: each may name those before it.
const WINGS: [&str; 8] = [
    "settings", "trial", "store", "run", "cluster", "outlook", "insight", "command",
];

#[test]
fn a_wing_of_experiment_names_only_those_before_it() {
    let folders = Modules::new(&sources()).folders();
    let place = |wing: &str| {
        let place = WINGS.iter().position(|known| *known == wing);
        place.unwrap_or_else(|| panic!("`experiment/{wing}` is in no wing"))
    };
    let mut broken = Vec::new();
    for (wing, named) in &folders[&vec!["experiment".to_string()]] {
        let up = named.iter().filter(|(other, _)| place(other) > place(wing));
        broken.extend(up.map(|(_, written)| written.as_str()));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
