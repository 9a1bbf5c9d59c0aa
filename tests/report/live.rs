//! Pages of running work, and reports of two folders.

use crate::folders::{SWEPT, copy, harness, stderr, stdout, text_of};
use crate::html::{copied, table};
use crate::trained::TRAINED;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for a page.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds.
#[track_caller]
fn wait_until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it does not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_watched_page_reads_itself_again_until_no_work_is_left() {
    let (_folder, results) = copy();
    let (records, page) = (results.join("records.jsonl"), results.join("report.html"));
    let whole = fs::read_to_string(&records).unwrap();
    let (first, _) = whole.trim_end().rsplit_once('\n').unwrap();
    fs::write(&records, format!("{first}\n")).unwrap();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["report", text_of(&results), "--watch", "1"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| page.exists());
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("http-equiv=\"refresh\" content=\"30\"") && text.contains("1 is left"));
    assert!(text.contains("<h2>Running</h2>") && !text.contains(text_of(&results)));
    assert!(watch.try_wait().unwrap().is_none(), "it waits");
    fs::write(&records, whole).unwrap();
    let start = Instant::now();
    while watch.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = fs::read_to_string(&page).unwrap();
    assert!(
        !text.contains("http-equiv=\"refresh\"") && text.contains("30 of 30 trials are finished.")
    );
}

#[test]
fn a_running_sweep_has_a_page_that_reads_itself_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut sweep = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["sweep", text_of(&TRAINED.recipe()), "--out", text_of(&out)])
        .args(["--report", "--quiet"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let page = || fs::read_to_string(out.join("report.html")).unwrap_or_default();
    wait_until(|| page().contains("http-equiv=\"refresh\""));
    assert!(page().contains("<h2>Running</h2>"));
    assert!(sweep.wait().unwrap().success());
    assert!(!page().contains("http-equiv=\"refresh\""));
}

#[test]
fn a_sweep_with_a_report_leaves_that_of_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let recipe = SWEPT.recipe();
    let output = harness(&[
        "sweep",
        text_of(&recipe),
        "--out",
        text_of(&out),
        "--report",
        "--quiet",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        !page.contains("http-equiv=\"refresh\"") && page.contains("30 of 30 trials are finished.")
    );
    let output = harness(&["report", text_of(&out)]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(out.join("report.html")).unwrap(), page);
}

#[test]
fn two_folders_are_compared_with_the_numbers_of_compare() {
    let (_one, first) = copy();
    let (_two, second) = copy();
    let records = fs::read_to_string(second.join("records.jsonl")).unwrap();
    let changed: Vec<String> = records
        .lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            let value = record["metrics"]["mAP"].as_f64().unwrap();
            record["metrics"]["mAP"] =
                (value + 1.5 + record["seed"].as_f64().unwrap() / 10.0).into();
            record.to_string() + "\n"
        })
        .collect();
    fs::write(second.join("records.jsonl"), changed.concat()).unwrap();
    let output = harness(&["report", text_of(&first), text_of(&second)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!first.join("report.html").exists() && !second.join("report.html").exists());
    let page = fs::read_to_string(second.join("comparison.html")).unwrap();
    let above = |folder: &Path| {
        let name = folder.parent().unwrap().file_name().unwrap();
        format!("{}/out", name.to_str().unwrap())
    };
    let (a, b) = (above(&first), above(&second));
    for part in [
        format!("<title>{b} compared with {a}</title>"),
        format!("A: <code>{a}</code>, B: <code>{b}</code>;"),
        format!("of 10 differences of the mAP, <code>{b}</code> (B) minus <code>{a}</code> (A), "),
    ] {
        assert!(page.contains(&part), "{part}");
    }
    let compared = harness(&[
        "compare",
        text_of(&first),
        text_of(&second),
        "--format",
        "csv",
    ]);
    assert_eq!(copied(&page, "compared-0-csv"), stdout(&compared));
    let rows = table(&page, "compared-0");
    assert_eq!(rows[0][..5], ["variant", "seeds", "A", "B", "difference"]);
    assert!(rows[1][4].starts_with("+1.60 ["), "{:?}", rows[1]);
    assert!(
        page.contains("id=\"sweep-0-table-0\""),
        "the report of the second folder follows"
    );
}
