//! Tests the columns, formats and exports of tables through the program, on a sweep of drawn images and on mock trials.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const COMMITTED: &str = "results/published/ablation";

fn harness(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(arguments).env_remove("COLUMNS");
    command.output().unwrap()
}

fn output_of(arguments: &[&str]) -> String {
    let output = harness(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], parts: &[&str]) {
    let output = harness(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// The rows of a CSV, each cell under its heading.
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// A sweep of a few steps on few drawn images, with two rows.
fn drawn(folder: &Path) -> String {
    let base = Path::new("recipes/smoke.toml").canonicalize().unwrap();
    for name in ["recipes", "sweeps"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let recipe = format!(
        "extends = {base:?}\nsweeps = ['two']\n[data]\nval-images = 4\n[train]\nsteps = 6\ncheckpoint = 3\n\
         [method]\nburn-in = 4\n[method.correction]\nname = 'keep'\n"
    );
    std::fs::write(folder.join("recipes/own.toml"), recipe).unwrap();
    let sweep = "question = 'q'\nreference = 'one'\n[[each]]\nlabel = 'one'\n\
                 [[each]]\nlabel = 'two'\nset.'method.lambda' = 4\n";
    std::fs::write(folder.join("sweeps/two.toml"), sweep).unwrap();
    let out = folder.join("out").to_str().unwrap().to_string();
    let recipe = folder.join("recipes/own.toml");
    output_of(&["sweep", recipe.to_str().unwrap(), "--out", &out, "--quiet"]);
    out
}

#[test]
fn classes_recalls_and_models_have_columns_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = drawn(folder.path());
    let names = "label,mAP,AP50,AP:disc,AR100,student.mAP,average.AR1,teacher.AP:ring,difference";
    let text = output_of(&["table", &out, "--columns", names, "--format", "csv"]);
    let header = text.lines().next().unwrap();
    assert_eq!(
        header,
        "label,mAP,mAP_std,AP50,AP:disc,AR100,student.mAP,average.AR1,teacher.AP:ring,\
         difference,difference_low,difference_high"
    );
    assert_eq!(text.lines().count(), 3);
    assert!(
        rows(&text).iter().all(|row| !row["AR100"].is_empty()),
        "{text}"
    );
    for format in ["md", "latex", "text"] {
        let text = output_of(&["table", &out, "--columns", names, "--format", format]);
        assert!(
            text.contains("disc") && text.contains("student"),
            "{format}: {text}"
        );
    }
    refused(
        &["table", &out, "--columns", "label,AP:disk"],
        &["no column `AP:disk`; did you mean `AP:disc`?"],
    );
    refused(
        &["table", &out, "--columns", "label,sharpness"],
        &[
            "no column `sharpness`; known: `label`",
            "`AP:CLASS`",
            "`AR100`",
            "`student.mAP`",
            "`p-holm`",
        ],
    );

    let text = output_of(&["table", &out, "--format", "tidy"]);
    let tidy = rows(&text);
    let models: BTreeSet<&str> = tidy.iter().map(|row| row["model"].as_str()).collect();
    assert_eq!(
        models,
        BTreeSet::from(["average", "reported", "student", "teacher"])
    );
    let found = |metric: &str, class: &str| {
        let mut found = tidy.iter().filter(|row| {
            row["label"] == "two"
                && row["model"] == "reported"
                && row["metric"] == metric
                && row["class"] == class
        });
        let value = found.next().unwrap()["value"].clone();
        assert!(found.next().is_none(), "once: {metric} {class}");
        value
    };
    let records = std::fs::read_to_string(Path::new(&out).join("records.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(records.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        found("mAP", "").parse(),
        Ok(record["metrics"]["mAP"].as_f64().unwrap())
    );
    assert!(!found("AR100", "").is_empty());
    found("mAP", "tee");

    let long = output_of(&["export", "curves", &out]);
    assert!(
        long.starts_with("sweep,label,seed,stage,step,key,value\n"),
        "{long}"
    );
    let long = rows(&long);
    let stages: BTreeSet<&str> = long.iter().map(|row| row["stage"].as_str()).collect();
    assert_eq!(stages, BTreeSet::from(["burn-in", "distill"]));
    let labels: BTreeSet<&str> = long.iter().map(|row| row["label"].as_str()).collect();
    assert_eq!(
        labels,
        BTreeSet::from(["one", "two"]),
        "the shared burn-in stands under both"
    );
    let file = folder.path().join("curves.csv");
    let told = output_of(&[
        "export",
        "curves",
        &out,
        "--wide",
        "--out",
        file.to_str().unwrap(),
    ]);
    assert!(told.contains("curves.csv: "), "{told}");
    let wide = rows(&std::fs::read_to_string(&file).unwrap());
    let numbers: usize = wide
        .iter()
        .map(|row| row.values().filter(|cell| !cell.is_empty()).count() - 5)
        .sum();
    let filled = long.iter().filter(|row| !row["value"].is_empty()).count();
    assert_eq!(numbers, filled, "the same numbers");
}

#[test]
fn digits_compact_and_no_paper_change_the_look() {
    let ask = ["table", COMMITTED, "--sweep", "unsup-weight"];
    let with = |more: &[&str]| output_of(&[&ask[..], more].concat());
    assert!(with(&["--digits", "1", "--format", "md"]).contains("| 19.0 ± 1.3 |"));
    assert!(with(&["--digits", "0", "--format", "csv"]).contains(",19,1,"));
    let compact = with(&["--compact", "--format", "md"]);
    let head = compact
        .lines()
        .find(|line| line.starts_with("| variant"))
        .unwrap();
    assert_eq!(
        head,
        "| variant | mAP | AP50 | AP75 | APs | APm | APl | difference |"
    );
    assert!(compact.contains("* |"), "two rows hurt: {compact}");
    assert!(with(&["--format", "md"]).contains("| paper |"));
    assert!(!with(&["--no-paper", "--format", "md"]).contains("paper"));
    refused(
        &["table", COMMITTED, "--compact", "--format", "csv"],
        &["--compact", "md, latex, text"],
    );
    refused(
        &["table", COMMITTED, "--columns", "mAP", "--format", "tidy"],
        &["--columns", "tidy"],
    );
    refused(&["table", COMMITTED, "--digits", "99"], &["99"]);
    refused(&["export", "curves", COMMITTED], &["no .store"]);
    refused(&["export", "curves", "nowhere"], &["no folder `nowhere`"]);
}

/// The committed tables have records alone: student and average, but no classes.
#[test]
fn published_results_have_the_columns_of_their_records() {
    let ask = ["table", COMMITTED, "--sweep", "modules", "--columns"];
    let text = output_of(&[&ask[..], &["variant,student.mAP", "--format", "csv"]].concat());
    assert!(text.starts_with("variant,student.mAP\nPL-DC,"), "{text}");
    refused(
        &[&ask[..], &["AP:disc"]].concat(),
        &["no column `AP:disc`", "`average.mAP`"],
    );
    let text = output_of(&["table", COMMITTED, "--sweep", "modules", "--format", "tidy"]);
    assert_eq!(
        rows(&text).len(),
        5 * 3 * 6 * 3,
        "rows, seeds, metrics, models"
    );
}
