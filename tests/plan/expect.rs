//! Every recipe opens with what to expect of it, and the numbers are those of `results/published`.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Begins the line of a recipe whose results are not published.
const NOTHING: &str = "# Expect: nothing measured; ";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn json(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of comment that a recipe begins with.
fn head(recipe: &str) -> Vec<String> {
    let text = fs::read_to_string(root("recipes").join(recipe)).unwrap();
    let lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.map(str::to_string).collect()
}

/// The folder under `results/published` with a run of the recipe.
fn published(name: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(root("results/published")).unwrap();
    let mut folders = folders.map(|folder| folder.unwrap().path());
    folders.find(|folder| folder.join(format!("run-{name}.json")).exists())
}

/// The mAP of a row as its table shows it.
fn mean_ap(table: &Path, label: &str) -> String {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let column = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "mAP");
    let mut rows = reader.records().map(Result::unwrap);
    let row = rows.find(|row| &row[0] == label);
    let row = row.unwrap_or_else(|| panic!("no row `{label}` in {}", table.display()));
    row[column.unwrap()].to_string()
}

/// The line that a recipe with published results has to open with.
fn expected(name: &str, folder: &Path) -> String {
    let run = json(&folder.join(format!("run-{name}.json")));
    let tables = json(&folder.join("tables.json"));
    let mut tables = tables["tables"].as_array().unwrap().iter();
    let table = tables.find(|table| table["recipe"] == name).unwrap();
    let sweep = table["name"].as_str().unwrap();
    // Without a reference the first row stands for the recipe.
    let label = table["reference"]
        .as_str()
        .or(table["rows"][0]["label"].as_str());
    let label = label.unwrap();
    let mean_ap = mean_ap(&folder.join(format!("{sweep}.csv")), label);
    let seeds = run["seeds"].as_array().unwrap().len();
    let plural = if seeds == 1 { "" } else { "s" };
    let seconds = run["wall_seconds"].as_f64().unwrap() / seeds as f64;
    let time = match seconds < 120.0 {
        true => format!("{seconds:.0} s"),
        false => format!("{:.0} min", seconds / 60.0),
    };
    let (cores, cpu) = (&run["cores"], run["cpu"].as_str().unwrap());
    format!(
        "# Expect: {mean_ap} mAP (row `{label}` of the table `{sweep}`, {seeds} seed{plural}), {time} a seed on {cores} cores ({cpu})."
    )
}

#[test]
fn every_recipe_opens_with_what_to_expect() {
    let files = fs::read_dir(root("recipes")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut measured = 0;
    for recipe in names.filter(|name| name.ends_with(".toml")) {
        let name = recipe.trim_end_matches(".toml");
        let head = head(&recipe);
        let mut lines = head.iter().filter(|line| line.starts_with("# Expect: "));
        let line = lines.next().map_or("", String::as_str);
        assert!(lines.next().is_none(), "{recipe} says it twice");
        match published(name) {
            None => assert!(
                line.starts_with(NOTHING),
                "no results of {recipe} are published: its head needs a line `{NOTHING}<why>`, found `{line}`"
            ),
            Some(folder) => {
                measured += 1;
                let shown = folder.display();
                assert_eq!(line, expected(name, &folder), "{recipe}, of {shown}");
            }
        }
    }
    assert!(measured >= 3, "{measured}");
}
