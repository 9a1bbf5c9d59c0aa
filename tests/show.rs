//! `harness show`, `logs` and `--row` through the program, on stores of mock trials that each test makes itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Two seeds, two phases, 60 steps without any pause.
const RECIPE: &str = "seeds = [0, 1]\n\
    [method]\nname = 'mock'\nburn-in = 20\nlevel = 20.0\nmodules = { a = true, b = true }\neffects = { a = 2.0, b = 0.0 }\n\
    noise = 0.0\nsleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0\n\
    [train]\nsteps = 60\ncheckpoint = 20\n";
/// Without noise, `- b` has the numbers of `both`: the effect of b is 0. The last row fails.
const PARTS: &str = "question = 'Which part?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- a'\nset.'method.modules.a' = false\n[[each]]\nlabel = '- b'\nset.'method.modules.b' = false\n\
    [[each]]\nlabel = 'bad = 1'\nset.'method.fail-at' = 42\n";
/// `both` is the same row as in the other sweep, `- a` is not.
const OTHERS: &str = "question = 'Which level?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- a'\nset.'method.level' = 10.0\n";

/// A results folder of these two sweeps.
struct Store {
    folder: TempDir,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Self { folder };
        for name in ["recipes", "sweeps"] {
            std::fs::create_dir(store.at(name)).unwrap();
        }
        let defaults = Path::new("recipes/pl-dc.toml").canonicalize().unwrap();
        let text = format!("extends = {defaults:?}\nsweeps = ['parts', 'others']\n{RECIPE}");
        std::fs::write(store.at("recipes/own.toml"), text).unwrap();
        std::fs::write(store.at("sweeps/parts.toml"), PARTS).unwrap();
        std::fs::write(store.at("sweeps/others.toml"), OTHERS).unwrap();
        let recipe = store.at("recipes/own.toml");
        let sweep = [
            "sweep",
            text_of(&recipe),
            "--out",
            text_of(&store.at("out")),
        ]
        .map(String::from);
        let output = harness(&sweep.each_ref().map(String::as_str));
        assert_eq!(
            output.status.code(),
            Some(1),
            "one row fails: {}",
            stderr(&output)
        );
        store
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The output of a command on the results folder, which must succeed.
    #[track_caller]
    fn shown(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.run(command, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        harness(&[&[command, text_of(&self.at("out"))], arguments].concat())
    }

    /// The command must be refused with code 2 and all `parts` in its message.
    #[track_caller]
    fn refused(&self, command: &str, arguments: &[&str], parts: &[&str]) {
        let output = self.run(command, arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        contains(&text, parts);
    }
}

fn harness(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(arguments).output().unwrap()
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn all_rows_are_listed_with_the_way_to_one() {
    let store = Store::new();
    let text = store.shown("show", &[]);
    contains(
        &text,
        &[
            "parts: Which part?",
            "others: Which level?",
            "reference",
            "-2.00",
            "--row",
        ],
    );
    let line = |start: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(start))
    };
    assert!(line("- b ").unwrap().ends_with("identical"), "{text}");
    assert!(
        text.contains("- b: identical: the setting never acted"),
        "{text}"
    );
    assert!(line("bad = 1: failed").is_some(), "{text}");
    let one = store.shown("show", &["--sweep", "others", "--seed", "1"]);
    assert!(
        !one.contains("Which part?") && one.contains("Which level?"),
        "{one}"
    );
    store.refused("show", &["--seed", "9"], &["no seed 9", "its seeds: 0, 1"]);
}

#[test]
fn a_row_tells_its_reason_its_settings_and_its_curves() {
    let store = Store::new();
    let text = store.shown("show", &["--row", "- a", "--sweep", "parts"]);
    contains(
        &text,
        &[
            "seeds 0, 1",
            "mAP is 2.00 below `both` (20.00 against 22.00)",
            "method.modules.a: true -> not set",
            "of the reference",
            "final.safetensors",
            "- a, seed 1: evaluation",
            "harness logs",
        ],
    );
    let one = store.shown("show", &["--row", "- a", "--sweep", "parts", "--seed", "1"]);
    contains(&one, &["seed 1)", "one seed, so it may be chance"]);
    let twin = store.shown("show", &["--row", "- b"]);
    contains(
        &twin,
        &["identical: the setting never acted. Its journals have the same bytes"],
    );
    let failed = store.shown("show", &["--row", "bad = 1"]);
    contains(
        &failed,
        &[
            "The row has no result, because its trials failed.",
            "Seed 0 failed.",
        ],
    );
}

#[test]
fn tables_in_every_format_say_identical() {
    let store = Store::new();
    for format in ["csv", "md"] {
        let table = store.shown("table", &["--sweep", "parts", "--format", format]);
        let row = table.lines().find(|line| line.contains("- b")).unwrap();
        assert!(row.contains("identical"), "{row}");
    }
    let page = std::fs::read_to_string(store.at("out/parts.md")).unwrap();
    contains(&page, &["`identical`: the setting never acted"]);
}

#[test]
fn the_journal_is_a_table_or_its_lines() {
    let store = Store::new();
    let text = store.shown("logs", &["--row", "both", "--seed", "1"]);
    contains(&text, &["burn-in, seed 1", "both, seed 1", "loss", "60"]);
    let lines = store.shown(
        "logs",
        &["--row", "both", "--seed", "1", "--json", "--follow"],
    );
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    let output = store.run("logs", &["--row", "bad = 1"]);
    contains(
        &String::from_utf8_lossy(&output.stdout),
        &["failed: bad = 1, seed 0"],
    );
    contains(&stderr(&output), &["this is seed 0 of the seeds 0, 1"]);
    contains(
        &store.shown("logs", &[]),
        &["bad = 1", "failed", "done", "--row"],
    );
}

#[test]
fn what_is_not_clear_is_refused_with_the_choices() {
    let store = Store::new();
    for command in ["show", "logs", "stage"] {
        store.refused(
            command,
            &["--row", "- a"],
            &["several sweeps", "`parts`, `others`"],
        );
        store.refused(
            command,
            &["--row", "bth"],
            &["no row `bth`", "did you mean `both`?"],
        );
        store.refused(command, &["--row", "both", "--seed", "7"], &["no seed 7"]);
        store.refused(
            command,
            &["--row", "both", "--sweep", "part"],
            &["no sweep `part`", "did you mean `parts`?"],
        );
    }
    let out = store.at("found.json");
    let predict = [
        "--images",
        "tests/golden/hf_mask2former/picture.png",
        "--out",
        text_of(&out),
    ];
    let row = ["--row", "both", "--seed", "0"];
    store.refused(
        "predict",
        &[&row[..], &predict].concat(),
        &["mock", "no network"],
    );
    store.refused(
        "predict",
        &[&["--row", "bad = 1"], &predict[..]].concat(),
        &["no trained weights"],
    );
    store.refused("predict", &predict, &["several rows", "--row", "`both`"]);
    store.refused(
        "predict",
        &[&row[..], &predict, &["--set", "seed=1"]].concat(),
        &["--set seed=1"],
    );
    let recipe = harness(
        &[
            &["predict", "recipes/smoke.toml", "--row", "both"],
            &predict[..],
        ]
        .concat(),
    );
    assert_eq!(recipe.status.code(), Some(2));
    contains(
        &stderr(&recipe),
        &["`recipes/smoke.toml` is a file", "results folder"],
    );
    assert!(!out.exists());
}

#[test]
fn a_stage_is_named_by_its_row() {
    let store = Store::new();
    store.refused(
        "stage",
        &["--row", "both", "--seed", "0"],
        &["are done", "--again", "burn-in-", "distill-", "evaluate-"],
    );
    let again = store.shown(
        "stage",
        &["distill", "--row", "both", "--seed", "0", "--again"],
    );
    contains(&again, &["done: both, seed 0"]);
    let output = store.run("stage", &["--row", "bad = 1", "--seed", "1"]);
    assert_eq!(output.status.code(), Some(1));
    contains(&stderr(&output), &["failed: bad = 1, seed 1"]);
    store.refused(
        "stage",
        &["nothing", "--row", "both"],
        &["no stage begins with `nothing`"],
    );
}

#[test]
fn rows_of_different_names_are_compared() {
    let store = Store::new();
    let out = store.at("out");
    let compare = |rows: &[&str]| {
        store.run(
            "compare",
            &[&[text_of(&out), "--format", "csv"], rows].concat(),
        )
    };
    let output = compare(&["--row", "- b=both", "--row", "both=bad = 1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 2, "{text}");
    contains(rows[0], &["- b | both", "identical"]);
    contains(rows[1], &["both | bad = 1", "no seed finished in both"]);
    let output = compare(&["--row", "both=- c"]);
    assert_eq!(output.status.code(), Some(2));
    contains(&stderr(&output), &["no row `- c`"]);
}

#[test]
fn a_folder_is_read_as_far_as_it_goes() {
    let store = Store::new();
    // The trials of an earlier sweep are in no plan any more.
    std::fs::remove_dir_all(store.at("out/.store/plans")).unwrap();
    let text = store.shown("show", &["--row", "- b"]);
    contains(
        &text,
        &["burn-in, seed 0", "final.safetensors", "identical"],
    );
    std::fs::remove_dir_all(store.at("out/.store/stages")).unwrap();
    let text = store.shown("show", &["--row", "- a", "--sweep", "parts"]);
    contains(&text, &["mAP is 2.00 below", "not done"]);
    std::fs::remove_dir_all(store.at("out/.store")).unwrap();
    contains(&store.shown("show", &[]), &["Which part?", "no `.store`"]);
    store.refused(
        "show",
        &["--row", "- b"],
        &["has no `.store`", "Run the sweep again"],
    );
    store.refused("logs", &["--row", "- b"], &["has no `.store`"]);
}

#[test]
fn a_folder_without_tables_is_read_by_its_plan() {
    let store = Store::new();
    std::fs::remove_file(store.at("out/tables.json")).unwrap();
    contains(
        &store.shown("show", &[]),
        &["The trials of the recipe own", "- b"],
    );
    contains(
        &store.shown("show", &["--row", "- b"]),
        &["Its sweep compares no rows", "final.safetensors"],
    );
}

#[test]
fn every_key_of_the_journal_is_explained() {
    let output = harness(&["show", "--keys"]);
    assert_eq!(output.status.code(), Some(0));
    contains(
        &String::from_utf8_lossy(&output.stdout),
        &["kept-per-image (mean)", "flips-broken (sum)"],
    );
    assert_eq!(harness(&["show"]).status.code(), Some(2));
}

/// The journals of all trainings get a teacher that keeps nothing.
#[test]
fn signs_stand_in_show_and_in_the_report_alike() {
    let store = Store::new();
    for stage in std::fs::read_dir(store.at("out/.store/stages")).unwrap() {
        let path = stage.unwrap().path().join("journal.jsonl");
        if let Ok(text) = std::fs::read_to_string(&path) {
            let text = text.replace('}', ",\"kept\":0,\"kept-per-image\":0.0}");
            std::fs::write(&path, text).unwrap();
        }
    }
    let sign = "its teacher kept no pseudo-label in";
    let text = store.shown("show", &["--row", "- a", "--sweep", "parts"]);
    contains(&text, &["Signs that its training went wrong", sign]);
    store.shown("report", &[]);
    let page = std::fs::read_to_string(store.at("out/report.html")).unwrap();
    let head = &page[..page.find("id=\"sweep-0\"").unwrap()];
    contains(head, &["Rows that did badly, and why", sign]);
}
