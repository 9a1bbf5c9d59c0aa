//! The texts of recipes and sweeps and the origins of settings, from the file that a sweep writes to the page.

use crate::folders::{SWEPT, copy, harness, report, stderr, text_of};
use crate::html::{between, copied};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The settings of the row `label`, as the page has them.
fn settings<'a>(page: &'a str, label: &str) -> &'a str {
    between(
        page,
        &format!("All settings of {label}</summary>"),
        "</pre>",
    )
}

/// The line of `text` that contains `part`, counted from 1.
fn line_of(text: &str, part: &str) -> usize {
    1 + text.lines().position(|line| line.contains(part)).unwrap()
}

/// The origin of `key` among `settings`.
fn origin<'a>(settings: &'a str, key: &str) -> &'a str {
    let found = settings
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")));
    let line = found.unwrap_or_else(|| panic!("{key} in {settings}"));
    line.rsplit_once("# ").unwrap().1
}

#[test]
fn the_page_has_the_texts_of_recipe_and_sweep_and_the_origin_of_every_setting() {
    let page = report(&SWEPT.results());
    let recipe = fs::read_to_string(SWEPT.recipe()).unwrap();
    let sweep = SWEPT.recipe().with_file_name("../sweeps/parts.toml");
    let sweep = fs::read_to_string(sweep).unwrap();
    let defaults = fs::read_to_string("recipes/pl-dc.toml").unwrap();
    let files: Vec<String> = (0..3)
        .map(|file| copied(&page, &format!("file-0-{file}")))
        .collect();
    assert_eq!(files, [recipe.clone(), defaults.clone(), sweep.clone()]);
    for title in [
        "The recipe: own.toml<",
        "The recipe extends pl-dc.toml<",
        "A sweep of it: ../sweeps/parts.toml<",
    ] {
        assert!(page.contains(title), "{title}");
    }
    let row = settings(&page, "more 0");
    let of_sweep = line_of(&sweep, "set.'method.level' = 10.0");
    assert_eq!(
        origin(row, "method.level"),
        format!("../sweeps/parts.toml:{of_sweep}")
    );
    let of_recipe = |part: &str| format!("own.toml:{}", line_of(&recipe, part));
    assert_eq!(origin(row, "method.modules.a"), of_recipe("modules = {"));
    let other = settings(&page, "both");
    assert_eq!(origin(other, "method.level"), of_recipe("level = 20.0"));
    assert_eq!(origin(row, "seed"), of_recipe("seeds = "));
    let cell = format!("<td title=\"../sweeps/parts.toml:{of_sweep}\">10.0</td>");
    assert!(page.contains(&cell), "{cell}");
}

#[test]
fn arguments_are_origins_and_the_file_names_no_folder_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = |name: &str| {
        let out = folder.path().join(name);
        let recipe = SWEPT.recipe();
        let output = harness(&[
            "sweep",
            text_of(&recipe),
            "--out",
            text_of(&out),
            "--quiet",
            "--set",
            "method.noise=0.1",
            "--set",
            "seeds=4",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = fs::read_to_string(out.join("sources-own.json")).unwrap();
        (out, text)
    };
    let ((out, text), (_, again)) = (sweep("one"), sweep("two"));
    assert_eq!(text, again, "two runs give the same bytes");
    let page = report(&out);
    let row = settings(&page, "- a");
    assert_eq!(origin(row, "method.noise"), "--set method.noise=0.1");
    assert_eq!(origin(row, "seed"), "--set seeds=4");
    // The recipe of the test names a folder itself; nothing else may.
    let mut read: Value = serde_json::from_str(&text).unwrap();
    read["files"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|file| file["text"] = Value::Null);
    let here = Path::new(".").canonicalize().unwrap();
    let rest = read.to_string();
    assert!(
        !rest.contains(text_of(&here)) && !rest.contains(text_of(folder.path())),
        "{rest}"
    );
}

#[test]
fn a_folder_without_the_file_says_so_and_a_damaged_file_is_named() {
    let (_folder, results) = copy();
    let file = results.join("sources-own.json");
    let says = "The texts of the recipe <code>own</code> and of its sweeps, and the origins of their settings: the folder has";
    assert!(!report(&results).contains(says));
    fs::write(&file, "{").unwrap();
    let page = report(&results);
    assert!(
        page.contains(says) && page.contains("left out <code>sources-own.json</code>: "),
        "{page}"
    );
    fs::remove_file(&file).unwrap();
    let page = report(&results);
    assert!(page.contains(says) && !page.contains("left out <code>sources-own.json"));
    let row = settings(&page, "- a");
    assert!(
        row.contains("[method.modules]") && !row.contains(" # "),
        "{row}"
    );
}
