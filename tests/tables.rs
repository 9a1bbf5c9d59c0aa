//! Tests `harness table` and `harness compare` through the program, on the committed results and on invalid
//! folders.

use std::path::Path;
use std::process::{Command, Output};

const COMMITTED: &str = "results/published/ablation";

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(arguments)
        .output()
        .unwrap()
}

/// The output of a command that must succeed.
fn output_of(arguments: &[&str]) -> String {
    let output = harness(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A command must be refused with code 2 and all `parts` in its message.
fn refused(arguments: &[&str], parts: &[&str]) {
    let output = harness(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(
        output.stdout.is_empty() && !text.contains("panicked"),
        "{text}"
    );
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// A copy of the committed records and layout, with changed records.
fn copy(change: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(Path::new(COMMITTED).join(name)).unwrap();
    std::fs::write(folder.path().join("tables.json"), read("tables.json")).unwrap();
    let records = change(read("records.jsonl"));
    std::fs::write(folder.path().join("records.jsonl"), records).unwrap();
    folder
}

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

#[test]
fn the_committed_tables_are_made_again_to_the_byte() {
    for folder in std::fs::read_dir("results/published").unwrap() {
        let folder = folder.unwrap().path();
        let folder = folder.to_str().unwrap();
        let mut tables = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let format = file.extension().unwrap().to_str().unwrap();
            if !["csv", "md"].contains(&format) || name.starts_with("about-") {
                continue;
            }
            let text = output_of(&["table", folder, "--sweep", name, "--format", format]);
            assert_eq!(
                text,
                std::fs::read_to_string(&file).unwrap(),
                "{}",
                file.display()
            );
            tables += 1;
        }
        assert!(tables >= 2, "{folder}");
    }
}

#[test]
fn all_sweeps_are_one_csv() {
    let text = output_of(&["table", COMMITTED, "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let sweep = |record: csv::StringRecord| record.iter().next_back().unwrap().to_string();
    let mut sweeps: Vec<String> = reader.records().map(|one| sweep(one.unwrap())).collect();
    assert_eq!(sweeps.len(), 31);
    sweeps.dedup();
    let known = [
        "modules",
        "thresholds",
        "ema-rate",
        "unsup-weight",
        "baselines",
    ];
    assert_eq!(sweeps, known);
}

#[test]
fn rows_are_sorted_and_differences_are_of_the_metric() {
    let ask = ["table", COMMITTED, "--sweep", "modules", "--format", "csv"];
    let text = output_of(&[&ask[..], &["--sort", "delta", "--metric", "APl"]].concat());
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let labels: Vec<&str> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(labels, ["PL-DC", "- DICC", "- PMUA", "- all", "- DF-ACAT"]);
    assert_eq!((rows[0][3], rows[0][9]), ("APl_std", "delta_APl"));
    // 26.38 - 30.35 in the committed means.
    assert_eq!((rows[5][8], rows[5][9]), ("26.38", "-3.97"));
    let latex = output_of(&["table", COMMITTED, "--format", "latex"]);
    assert_eq!(latex.matches("\\begin{tabular}").count(), 5);
    assert!(latex.contains("$-$ DF-ACAT & 17.86 $\\pm$ 1.89 &"));
}

#[test]
fn a_record_cut_in_half_costs_its_row_and_is_reported() {
    let folder = copy(|text| text[..text.len() - 40].to_string());
    let output = harness(&["table", path(&folder), "--format", "csv"]);
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{warning}");
    let place = format!("records.jsonl:{}: ", copy_lines());
    assert!(
        warning.starts_with("warning: left out ") && warning.contains(&place),
        "{warning}"
    );
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.matches("pending (5/6)").count(), 1, "{table}");
    refused(&["compare", COMMITTED, path(&folder)], &[&place]);
}

fn copy_lines() -> usize {
    let records = Path::new(COMMITTED).join("records.jsonl");
    std::fs::read_to_string(records).unwrap().lines().count()
}

#[test]
fn what_is_not_there_is_reported_with_what_is() {
    refused(
        &["table", "results/nowhere"],
        &["no folder `results/nowhere`"],
    );
    refused(
        &["table", "sweeps"],
        &["no results in `sweeps`", "tables.json"],
    );
    refused(
        &["compare", COMMITTED, "sweeps"],
        &["no results in `sweeps`"],
    );
    refused(
        &["table", COMMITTED, "--sweep", "modulse"],
        &["no sweep `modulse`", "did you mean `modules`?"],
    );
    refused(
        &["compare", COMMITTED, COMMITTED, "--sweep", "x"],
        &["known: `modules`, `thresholds`"],
    );
    refused(&["table", COMMITTED, "--metric", "AP5"], &["AP50", "mAP"]);
    refused(&["table", COMMITTED, "--sort", "deltas"], &["'delta'"]);
    refused(&["table", COMMITTED, "--format", "html"], &["latex"]);
    let folder = copy(|_| "no JSON\n".to_string());
    refused(&["table", path(&folder)], &["records.jsonl:1: not a line"]);
    let folder = copy(|text| text);
    std::fs::write(folder.path().join("tables.json"), "{\n\"version\": }").unwrap();
    refused(&["table", path(&folder)], &["tables.json:2:12: "]);
}

#[test]
fn a_folder_does_not_differ_from_itself() {
    let text = output_of(&["compare", COMMITTED, COMMITTED, "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut rows = 0;
    for record in reader.records().map(Result::unwrap) {
        assert_eq!(
            (&record[6], &record[13], &record[14]),
            ("0.00", "identical", "ok")
        );
        rows += 1;
    }
    assert_eq!(rows, 31);
}

/// B: every trial of the row `- DICC` gains about 2, seed 2 of `PL-DC` is missing, and `- all` has another
/// name.
#[test]
fn rows_are_matched_by_label_and_trials_by_seed() {
    let folder = copy(|text| {
        let changed = |line: &str| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            let gain = 2.0 + 0.1 * record["seed"].as_f64().unwrap();
            let (label, seed) = (record["label"].clone(), record["seed"].clone());
            if label == "- DICC" {
                let map = &mut record["metrics"]["mAP"];
                *map = (map.as_f64().unwrap() + gain).into();
            }
            (label != "PL-DC" || seed != 2).then(|| record.to_string() + "\n")
        };
        text.lines().filter_map(changed).collect()
    });
    let layout = folder.path().join("tables.json");
    let text = std::fs::read_to_string(&layout).unwrap();
    std::fs::write(&layout, text.replacen("\"- all\"", "\"- everything\"", 1)).unwrap();

    let ask = ["compare", COMMITTED, path(&folder), "--sweep", "modules"];
    let text = output_of(&[&ask[..], &["--format", "csv"]].concat());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_string).collect())
        .collect();
    let row = |label: &str| rows.iter().find(|row| row[1] == label).unwrap().as_slice();
    // Differences 2.0, 2.1, 2.2: mean 2.1, deviation 0.1, t(2) 4.303.
    assert_eq!(row("- DICC")[3], "3");
    assert_eq!(
        row("- DICC")[6..11],
        ["2.10", "1.85", "2.35", "2.00", "2.20"]
    );
    assert_eq!(row("- DICC")[13..15], ["helps", "ok"]);
    assert_eq!(row("PL-DC")[3], "2");
    assert_eq!(row("PL-DC")[14], "without seed 2");
    assert_eq!(row("- all")[14], "only in A");
    assert_eq!(row("- everything")[14], "only in B");

    let text = output_of(&ask);
    assert!(
        text.contains("modules: B - A") && text.contains("+2.10 [1.85, 2.35]"),
        "{text}"
    );
    let markdown = output_of(&[&ask[..], &["--format", "md"]].concat());
    assert!(markdown.contains("| - all | 0 |  |  |"), "{markdown}");
}

/// Trials with other settings have other hashes. The differences are reported if both stores still have the
/// settings.
#[test]
fn what_differs_in_settings_is_reported_where_it_is_known() {
    let (first, second) = (copy(|text| text), copy(|text| text));
    let records = std::fs::read_to_string(first.path().join("records.jsonl")).unwrap();
    let hash_of = |label: &str| {
        let line = records.lines().find(|line| line.contains(label)).unwrap();
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["hash"].as_str().unwrap().to_string()
    };
    let (dicc, pmua) = (hash_of("- DICC"), hash_of("- PMUA"));
    for name in ["tables.json", "records.jsonl"] {
        let file = second.path().join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(&dicc, "another").replace(&pmua, "unknown");
        std::fs::write(&file, text).unwrap();
    }
    for (folder, hash, settings) in [
        (
            &first,
            dicc.as_str(),
            // As a store of the time before `[model.loss]` spells it.
            "seed = 0\n[train]\nsteps = 3\nrate = 0.5\n[loss]\npoints = 9\n[model]\n",
        ),
        (
            &second,
            "another",
            "seed = 0\n[train]\nsteps = 4\n[model.loss]\npoints = 9\n",
        ),
        (&first, pmua.as_str(), "seed = 0\n"),
    ] {
        let trial = folder.path().join(".store/trials").join(hash);
        std::fs::create_dir_all(&trial).unwrap();
        std::fs::write(trial.join("settings.toml"), settings).unwrap();
    }
    let text = output_of(&["compare", path(&first), path(&second), "--sweep", "modules"]);
    let lines = "- train.rate: 0.5 -> not set (- DICC)\n- train.steps: 3 -> 4 (- DICC)\n\n";
    assert!(
        text.contains(&format!("Settings that differ:\n\n{lines}")),
        "{text}"
    );
}
