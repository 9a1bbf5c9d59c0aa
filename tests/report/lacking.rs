//! Pages of folders that have lost something, or that several programs and machines made: the page says what it lacks.

use crate::folders::{SWEPT, copy, copy_of, harness, published, report, stderr, text_of};
use crate::html::{between, table_behind};
use crate::trained::TRAINED;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The records of a results folder.
fn records(results: &Path) -> Vec<Value> {
    let text = fs::read_to_string(results.join("records.jsonl")).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn write_records(results: &Path, records: &[Value]) {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    fs::write(results.join("records.jsonl"), lines).unwrap();
}

/// The head of a page.
fn head(page: &str) -> &str {
    between(page, "<section id=\"summary\"", "</section>")
}

/// The folders of the stages of the trials with this label, by their plan.
fn stages(results: &Path, label: &str) -> Vec<PathBuf> {
    let plan = fs::read(results.join(".store/plans/own.json")).unwrap();
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    let trials = plan["trials"].as_array().unwrap().iter();
    let trials = trials.filter(|trial| trial["label"] == label);
    let places = trials.flat_map(|trial| trial["stages"].as_array().unwrap());
    let keys = places.map(|place| plan["stages"][place.as_u64().unwrap() as usize]["key"].clone());
    keys.map(|key| results.join(".store/stages").join(key.as_str().unwrap()))
        .collect()
}

#[test]
fn differences_by_class_are_those_of_common_finished_seeds() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let all = records(&results);
    let of = |label: &str, seed: u64| {
        let mut found = all.iter();
        let found = found.find(|one| one["label"] == label && one["seed"] == seed);
        let hash = found.unwrap()["hash"].as_str().unwrap();
        let path = results
            .join(".store/trials")
            .join(hash)
            .join("metrics.json");
        let read: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        read["models"]["teacher"]["per_class"]["mAP"].clone()
    };
    let classes = of("PL-DC", 0).as_array().unwrap().len();
    // The seed 1 of the reference is not finished: its evaluation is in the store, and counts nowhere.
    let kept = all
        .iter()
        .filter(|one| one["label"] != "PL-DC" || one["seed"] != 1);
    write_records(&results, &kept.cloned().collect::<Vec<_>>());
    let page = report(&results);
    let table = table_behind(&page, "by class in percent\"");
    let names = all[0]["split"]["instances"].as_array();
    let mut compared = 0;
    for class in 0..classes {
        let value = |label: &str, seed: u64| of(label, seed)[class].as_f64();
        let (Some(reference), Some(own)) = (value("PL-DC", 0), value("- DICC", 0)) else {
            continue;
        };
        let row = match names {
            Some(names) => table
                .iter()
                .find(|row| row[0] == names[class][0].as_str().unwrap()),
            None => table.get(class + 1),
        };
        let cells = &row.unwrap()[row.unwrap().len() - 2..];
        assert_eq!(cells[0], format!("{reference:.2}"), "{class}");
        let difference = format!("{:+.2}", own - reference);
        let told = cells[1].split(' ').next_back().unwrap();
        assert_eq!(
            told.trim_start_matches('+').parse::<f64>(),
            difference.parse(),
            "{class}"
        );
        compared += 1;
    }
    assert!(compared > 2, "{compared}");
}

#[test]
fn the_head_tells_origins_and_those_that_differ() {
    let (_folder, results) = copy_of(Path::new("results/published/ablation"));
    let page = report(&results);
    for part in [
        "<p class=\"origin\">Recipe <code>ablation</code>: commit 4a13ff69a134fb5839a308d49c85ee2440dd6636, local \
         changes: no; AMD EPYC, 2 cores.</p>",
        "programs of several commits made the results: 4a13ff69a134fb5839a308d49c85ee2440dd6636 \
         (<code>ablation</code>); 9c1996c0be61d4298b74c84f82c83fb493ceb357 (<code>baselines</code>)",
        "the runs were on several machines: AMD EPYC, 2 cores (<code>ablation</code>); Intel(R) Xeon(R)",
    ] {
        assert!(head(&page).contains(part), "{part}: {}", head(&page));
    }
    let page = report(&SWEPT.results());
    assert!(head(&page).contains("program of commit ") && head(&page).contains("; ended on 20"));
    assert!(!head(&page).contains("several machines") && !head(&page).contains("several commits"));
    assert!(page.contains("<code>CODE_VERSION</code>)</dt><dd>1</dd>"));
    assert!(!between(&page, "<section id=\"provenance\"", "<details").contains('{'));
}

#[test]
fn lost_and_cut_journals_are_told_with_their_rows() {
    let (_folder, results) = copy();
    assert!(!head(&report(&results)).contains("the journals of"));
    let journals = |label: &str| -> Vec<PathBuf> {
        let paths = stages(&results, label).into_iter();
        let paths = paths.map(|stage| stage.join("journal.jsonl"));
        paths
            .filter(|path| path.exists() && text_of(path).contains("/distill-"))
            .collect()
    };
    fs::remove_file(&journals("- a")[0]).unwrap();
    let cut = &journals("more 1")[1];
    let text = fs::read(cut).unwrap();
    fs::write(cut, &text[..text.len() - 40]).unwrap();
    let page = report(&results);
    for part in [
        "<code>parts</code>: the journals of <code>- a</code> (seed 0) are lost",
        "the journals of <code>more 1</code> (seed 1) are cut or damaged",
    ] {
        assert!(head(&page).contains(part), "{part}: {}", head(&page));
    }
    for folder in ["stages", "trials"] {
        for entry in fs::read_dir(results.join(".store").join(folder)).unwrap() {
            fs::remove_file(entry.unwrap().path().join("journal.jsonl")).ok();
        }
    }
    let page = report(&results);
    assert!(head(&page).contains("<code>parts</code>, thresholds: no journal is in the store."));
    assert!(
        head(&page).contains(" more rows are lost"),
        "{}",
        head(&page)
    );
}

#[test]
fn rows_whose_detections_nobody_can_analyse_are_named() {
    let (_folder, results) = copy_of(&TRAINED.results());
    for stage in stages(&results, "- DICC") {
        if text_of(&stage).contains("/distill-") {
            fs::remove_file(stage.join("final.safetensors")).unwrap();
        }
    }
    let output = harness(&["report", text_of(&results), "--analyse", "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("Kinds of errors (two)"));
    let part = "<code>two</code>: left out of the figures of the detections: <code>- DICC</code> (seeds 0, 1), as there is \
                no analysis and the trained network is not in the store";
    assert!(head(&page).contains(part), "{}", head(&page));
}

#[test]
fn what_many_rows_lack_is_told() {
    let (_folder, results) = published(61);
    let page = report(&results);
    let part = "<code>big</code>, differences and verdicts of other metrics than mAP";
    assert!(head(&page).contains(part), "{}", head(&page));
    let (_folder, results) = published(60);
    assert!(!head(&report(&results)).contains(part));
}

#[test]
fn failures_and_stores_of_other_versions_are_told() {
    let (_folder, results) = copy();
    let mut all = records(&results);
    for record in &mut all {
        record["status"] = "failed".into();
        record["error"] = "the loss is NaN".into();
        record.as_object_mut().unwrap().remove("metrics");
    }
    write_records(&results, &all);
    let hash = all[0]["hash"].as_str().unwrap();
    let status = json!({"status": "failed", "reason": "r", "last-lines": ["{\"step\":3}", "<b>"]});
    let path = results.join(".store/trials").join(hash).join("status.json");
    fs::write(path, status.to_string()).unwrap();
    fs::write(results.join(".store/version.json"), "{\"code-version\":99}").unwrap();
    let page = report(&results);
    for part in [
        "no trial has a result: all 30 failed",
        "with seed 0: the loss is NaN. ",
        "the store was made by version 99 of the computations, and this program's is 1",
    ] {
        assert!(head(&page).contains(part), "{part}: {}", head(&page));
    }
    assert!(page.contains(
        "Last lines of its journal</summary><pre>\n{&quot;step&quot;:3}\n&lt;b&gt;</pre>"
    ));
}

#[test]
fn a_damaged_record_is_named_without_the_way_to_it() {
    let (_folder, results) = copy();
    let path = results.join("records.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "{\"recipe\":\"cu").unwrap();
    let page = report(&results);
    assert!(
        head(&page).contains("left out records.jsonl:31: "),
        "{}",
        head(&page)
    );
    assert!(!page.contains(text_of(results.parent().unwrap())));
}

#[test]
fn tables_without_a_reference_of_one_seed_and_without_a_number_have_a_report() {
    let (_folder, results) = published(3);
    let path = results.join("tables.json");
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    // One seed: a difference, but no interval.
    let mut tables = read(&path);
    tables["tables"][0]["seeds"] = json!([0]);
    for row in tables["tables"][0]["rows"].as_array_mut().unwrap() {
        row["trials"].as_array_mut().unwrap().truncate(1);
    }
    fs::write(&path, tables.to_string()).unwrap();
    let page = report(&results);
    assert!(page.contains("A row with one pair has no interval, so it is inconclusive."));
    assert_eq!(
        page.matches(" no interval</text>").count(),
        2 * 6,
        "two rows, six metrics"
    );
    // No reference: a table, but no plot.
    tables["tables"][0]["reference"] = Value::Null;
    fs::write(&path, tables.to_string()).unwrap();
    let page = report(&results);
    assert!(page.contains("id=\"sweep-0-table-0\"") && !page.contains("class=\"forest\""));
    // A metric that is no number in one trial, as JSON has it.
    let mut all = records(&results);
    all[3]["metrics"]["mAP"] = Value::Null;
    write_records(&results, &all);
    let page = report(&results);
    assert!(page.contains("id=\"sweep-0-table-0\"") && !page.contains("NaN"));
}
