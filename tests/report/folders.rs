//! Results folders for the tests.

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use tempfile::TempDir;

/// Labels that break a page which does not escape them.
pub const HOSTILE: [&str; 5] = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=\"window.hit=2\">",
    "\"'><svg onload=window.hit=3>&amp;",
    "\u{202e}right to left\u{202c} 🦀",
    "a label of two hundred characters, which goes on and on without any end in sight and never tells its reader \
     anything new, because its only purpose is to be far too long for a cell of a table, or a plot",
];

const RECIPE: &str = "sweeps = ['parts']\nseeds = [0, 1, 2]\n\
    [method]\nname = 'mock'\nburn-in = 20\nlevel = 20.0\nmodules = { a = true, b = true }\neffects = { a = 2.0, b = 0.0 }\n\
    noise = 0.3\nsleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0\n\
    [train]\nsteps = 60\ncheckpoint = 20\n";

/// A results folder of a mock sweep with its store: a reference, a row without `a`, the hostile labels, and more. It is
/// made once; a test that changes it takes a [copy].
pub static SWEPT: LazyLock<Swept> = LazyLock::new(Swept::new);

/// A folder with a recipe, a sweep and results.
pub struct Swept {
    folder: TempDir,
}

impl Swept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["recipes", "sweeps"] {
            fs::create_dir(at(name)).unwrap();
        }
        let defaults = Path::new("recipes/pl-dc.toml").canonicalize().unwrap();
        let text = format!("extends = {defaults:?}\n{RECIPE}");
        fs::write(at("recipes/own.toml"), text).unwrap();
        let mut sweep = String::from(
            "question = 'Which <b>part</b>?'\nreference = 'both'\n[paper]\ntable = '3'\ncolumn = 'mAP'\n\
             [[each]]\nlabel = 'both'\npaper = 21.8\n\
             [[each]]\nlabel = '- a'\npaper = 20.5\nset.'method.modules.a' = false\n",
        );
        for (place, label) in HOSTILE.iter().enumerate() {
            let label = json!(label);
            sweep.push_str(&format!(
                "[[each]]\nlabel = {label}\nset.'method.level' = {}.0\n",
                21 + place
            ));
        }
        // With these, more rows than the figures of curves have lines at first.
        for more in 0..3 {
            sweep.push_str(&format!(
                "[[each]]\nlabel = 'more {more}'\nset.'method.level' = {}.0\n",
                10 + more
            ));
        }
        let (recipe, out) = (at("recipes/own.toml"), at("out"));
        fs::write(at("sweeps/parts.toml"), sweep).unwrap();
        let output = harness(&["sweep", text_of(&recipe), "--out", text_of(&out), "--quiet"]);
        assert!(output.status.success(), "{}", stderr(&output));
        Self { folder }
    }

    /// The results folder.
    pub fn results(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The recipe.
    pub fn recipe(&self) -> PathBuf {
        self.folder.path().join("recipes/own.toml")
    }
}

/// A copy of the results folder of [`SWEPT`] in a folder of its own, with the same name.
pub fn copy() -> (TempDir, PathBuf) {
    copy_of(&SWEPT.results())
}

/// A copy of a results folder in a folder of its own, with the same name.
pub fn copy_of(results: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join(results.file_name().unwrap());
    copy_folder(results, &to);
    (folder, to)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Other tests write the report of the common folder at the same time.
        if entry.file_name().to_string_lossy().contains("report") {
            continue;
        }
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A results folder without a store: `rows` rows of three seeds.
pub fn published(rows: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("big");
    fs::create_dir(&to).unwrap();
    let mut records = String::new();
    let mut layout = Vec::new();
    for row in 0..rows {
        let label = format!("row {row}");
        let trials: Vec<String> = (0..3).map(|seed| format!("{row:028x}{seed:04x}")).collect();
        for (seed, hash) in trials.iter().enumerate() {
            let value = 20.0 + ((row * 37 + seed * 11) % 101) as f64 / 50.0;
            let metrics = json!({"mAP": value, "AP50": value * 1.7, "AP75": value * 0.9, "APs": 1.0, "APm": 2.0, "APl": 3.0});
            let record = json!({"recipe": "big", "hash": hash, "label": label, "seed": seed, "steps": 10, "status": "ok",
                "metrics": metrics});
            records.push_str(&format!("{record}\n"));
        }
        layout.push(json!({"label": label, "paper": null, "trials": trials}));
    }
    let table = json!({"name": "big", "recipe": "big", "question": "Which?", "reference": "row 0", "paper": null,
        "provenance": [], "seeds": [0, 1, 2], "rows": layout});
    let tables = json!({"version": 1, "tables": [table]});
    fs::write(to.join("tables.json"), tables.to_string()).unwrap();
    fs::write(to.join("records.jsonl"), records).unwrap();
    (folder, to)
}

/// Writes the report of `results`, which must succeed, and returns its text.
#[track_caller]
pub fn report(results: &Path) -> String {
    let output = harness(&["report", text_of(results)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    fs::read_to_string(results.join("report.html")).unwrap()
}

pub fn harness(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(arguments).output().unwrap()
}

pub fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
