//! Tests the bytes of every format, the orders and metrics of a table, and results folders with arbitrary
//! file content.

use super::metric::USUAL;
use super::*;
use crate::metrics::{Metrics, PaperColumn};
use crate::screen::Screen;
use proptest::prelude::*;
use std::fs;

/// COCO's metrics, of which the first two are defined.
fn usual([map, ap50]: [Option<f64>; 2]) -> Metrics {
    let values = [map, ap50, None, None, None, None];
    USUAL.into_iter().zip(values).collect()
}

/// A finished trial with this mAP and twice that AP50, or a failed one.
pub(super) fn record(hash: &str, seed: u64, map: Option<f64>) -> Record {
    let failed = "the loss is\nnot finite at step 7 | 3";
    Record {
        recipe: "r".into(),
        hash: hash.into(),
        label: String::new(),
        seed,
        steps: 9,
        status: map.map_or(TrialStatus::Failed, |_| TrialStatus::Ok),
        error: map.is_none().then(|| failed.to_string()),
        metrics: map.map(|map| usual([Some(map), Some(2.0 * map)])),
        student: None,
        average: None,
        code_version: 1,
        findings: Vec::new(),
        split: None,
        commits: None,
        device: None,
    }
}

/// A row: its label, the paper's number, and the result of each seed. The outer none is a seed that has not
/// finished, the inner none one that failed.
type Given<'a> = (&'a str, Option<f64>, [Option<Option<f64>>; 3]);

fn given() -> [Given<'static>; 5] {
    let done = |values: [f64; 3]| values.map(|value| Some(Some(value)));
    [
        ("PL-DC", Some(21.8), done([20.0, 23.0, 26.0])),
        ("- DICC", Some(20.5), done([18.0, 20.9, 24.1])),
        (
            "- all",
            Some(20.6),
            [Some(Some(19.0)), None, Some(Some(24.0))],
        ),
        ("bad, one_", None, [Some(Some(30.0)), Some(None), None]),
        ("none", None, [None, None, None]),
    ]
}

/// The layout and the records of [`given`].
fn folder() -> (TableLayout, Vec<Record>) {
    let hash = |row: usize, seed: usize| format!("{row}-{seed}");
    let mut records = Vec::new();
    let mut rows = Vec::new();
    for (index, (label, paper, results)) in given().into_iter().enumerate() {
        rows.push(RowLayout {
            label: label.into(),
            paper,
            trials: (0..3).map(|seed| hash(index, seed)).collect(),
            group: None,
            place: None,
        });
        for (seed, result) in results.into_iter().enumerate() {
            records.extend(result.map(|map| record(&hash(index, seed), seed as u64, map)));
        }
    }
    let layout = TableLayout {
        name: "modules".into(),
        recipe: "r".into(),
        question: "What matters?".into(),
        reference: Some("PL-DC".into()),
        paper: Some(PaperColumn {
            table: "3".into(),
            column: "mAP".into(),
        }),
        columns: Vec::new(),
        provenance: vec!["commit abc".into(), "seeds 0, 1, 2".into()],
        until: None,
        decisions: Vec::new(),
        seeds: vec![0, 1, 2],
        rows,
    };
    (layout, records)
}

fn table(metric: &str) -> Table {
    let (layout, records) = folder();
    layout.table(
        |hash| records.iter().find(|one| one.hash == hash),
        Some(metric),
    )
}

fn rendered(name: &str, table: Table) -> String {
    let format = FORMATS.iter().find(|format| format.name == name).unwrap();
    (format.render)(&[table], &Look::default()).unwrap()
}

/// Differences of `- all` over its two common seeds: -1 and -2; mean -1.5, deviation 0.7071, t(1) 12.706.
/// Those of `- DICC`: -2, -2.1, -1.9; t = -2 / (0.1 / sqrt 3) = -34.64, SciPy's p 0.000832, twice that for
/// the smaller of two.
#[test]
fn the_csv_is_these_bytes() {
    assert_eq!(
        rendered("csv", table("mAP")),
        "variant,seeds,mAP,mAP_std,AP50,AP75,APs,APm,APl,delta_mAP,paper_mAP,delta_low,delta_high,paper_delta,status,\
         pairs,boot_low,boot_high,p,p_holm,verdict,tau,tau_p,tau_rows,sweep\n\
         PL-DC,3,23.00,3.00,46.00,,,,,0.00,21.80,0.00,0.00,0.00,ok,3,0.00,0.00,,,,1.00,0.3333,3,modules\n\
         - DICC,3,21.00,3.05,42.00,,,,,-2.00,20.50,-2.25,-1.75,-1.30,ok,3,-2.10,-1.90,0.0008,0.0017,hurts,1.00,0.3333,3,modules\n\
         - all,2,21.50,3.54,43.00,,,,,-1.50,20.60,-7.85,4.85,-1.20,pending (2/3),2,-2.00,-1.00,0.2048,0.2048,inconclusive,1.00,0.3333,3,modules\n\
         \"bad, one_\",1,30.00,,60.00,,,,,10.00,,,,,failed: the loss is not finite at step 7 | 3 (seed 1),1,,,,,inconclusive,1.00,0.3333,3,modules\n\
         none,0,,,,,,,,,,,,,pending (0/3),,,,,,,1.00,0.3333,3,modules\n"
    );
}

#[test]
fn the_markdown_is_these_bytes() {
    assert_eq!(
        rendered("md", table("mAP")),
        include_str!("tests/modules.md")
    );
}

#[test]
fn the_latex_is_these_bytes() {
    assert_eq!(
        rendered("latex", table("mAP")),
        include_str!("tests/modules.tex")
    );
}

/// The paper's numbers do not apply to a metric other than that of their column.
#[test]
fn another_metric_has_its_own_differences_and_no_paper() {
    let text = rendered("csv", table("AP50"));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("mAP,AP50_std,AP50,") && lines[0].contains("delta_AP50,paper_AP50"));
    assert!(
        lines[2].starts_with("- DICC,3,21.00,6.10,42.00,,,,,-4.00,,-4.50,-3.50,,ok"),
        "{text}"
    );
    assert_eq!(table("AP50").agreement, None);
}

/// Another evaluator's metrics stand behind COCO's, at the end of the CSV, and have differences of their own.
#[test]
fn a_table_shows_every_metric_of_its_records() {
    let (layout, mut records) = folder();
    let with = |only: bool| {
        move |metrics: Metrics| {
            let map = metrics.get("mAP");
            let mut all = if only { Metrics::default() } else { metrics };
            all.extend([("AP", map), ("AP50%", Some(50.0))]);
            all
        }
    };
    let made =
        |records: &[Record]| layout.table(|hash| records.iter().find(|one| one.hash == hash), None);
    for record in &mut records {
        record.metrics = record.metrics.take().map(with(false));
    }
    let both = made(&records);
    assert_eq!(both.metric, "mAP");
    let text = rendered("csv", both.clone());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with(",tau_rows,sweep,AP,AP50%"), "{text}");
    assert!(
        lines[2].starts_with("- DICC,3,21.00,3.05,42.00")
            && lines[2].ends_with(",modules,21.00,50.00")
    );
    let text = rendered("md", both.clone());
    assert!(
        text.contains("| APl (COCO) | AP | AP50% | difference |"),
        "{text}"
    );
    assert!(text.contains("`AP`, `AP50%`: in percent, means over the finished seeds"));
    let look = Look {
        columns: ["label", "AP", "AP50%"].map(String::from).into(),
        ..Look::default()
    };
    let text = (FORMATS[2].render)(&[both], &look).unwrap();
    assert!(text.contains("& AP & AP$_{50\\%}$ \\\\"), "{text}");

    for record in &mut records {
        record.metrics = record.metrics.take().map(with(true));
    }
    let other = made(&records);
    assert_eq!((other.metric.as_str(), other.rows[1].paper), ("AP", None));
    assert_eq!(other.rows[1].difference.map(|one| one.pairs), Some(3));
    let text = rendered("md", other);
    assert!(
        text.contains("| variant | seeds | AP | AP50% |") && !text.contains("COCO"),
        "{text}"
    );
}

#[test]
fn rows_are_sorted_and_those_without_a_number_come_last() {
    let labels = |order: Order| {
        let mut table = table("mAP");
        table.sort(order);
        let labels = table.rows.into_iter().map(|row| row.label);
        labels.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(labels(Order::Table), "PL-DC - DICC - all bad, one_ none");
    assert_eq!(labels(Order::Metric), "bad, one_ PL-DC - all - DICC none");
    assert_eq!(labels(Order::Delta), "bad, one_ PL-DC - all - DICC none");
    assert_eq!(labels(Order::Label), "- DICC - all PL-DC bad, one_ none");
}

/// A results folder with these records and an intact `tables.json`.
fn written(records: &[u8]) -> tempfile::TempDir {
    let folder_path = tempfile::tempdir().unwrap();
    layout::merge(folder_path.path(), &[folder().0]).unwrap();
    fs::write(folder_path.path().join(RECORDS), records).unwrap();
    folder_path
}

fn lines() -> Vec<String> {
    let (_, records) = folder();
    let line = |record: &Record| serde_json::to_string(record).unwrap();
    records.iter().map(line).collect()
}

#[test]
fn a_line_cut_in_half_is_named_and_the_others_are_read() {
    let mut text = lines().join("\n");
    text.truncate(text.len() - 30);
    let number = lines().len();
    let place = written(text.as_bytes());
    let read = ResultsFolder::read(place.path()).unwrap();
    assert_eq!(read.damaged.len(), 1);
    let start = format!("{}:{number}: ", place.path().join(RECORDS).display());
    assert!(read.damaged[0].starts_with(&start), "{:?}", read.damaged);
    let table = read.table(&read.tables[0], None);
    assert_eq!(table.rows[0].seeds, 3);
    assert_eq!(table.rows[3].status, "pending (1/3)");
    let strict = format!(
        "{:#}",
        ResultsFolder::read_undamaged(place.path()).unwrap_err()
    );
    assert!(strict.contains(&start), "{strict}");
}

#[test]
fn a_folder_without_results_is_reported() {
    let of = |path: &Path| format!("{:#}", ResultsFolder::read(path).unwrap_err());
    let empty = tempfile::tempdir().unwrap();
    assert!(of(&empty.path().join("nowhere")).starts_with("no folder `"));
    assert!(of(empty.path()).contains("there is no `tables.json`, which `harness sweep` writes"));
    layout::merge(empty.path(), &[folder().0]).unwrap();
    assert!(of(empty.path()).contains("there is no `records.jsonl` yet"));
    fs::write(empty.path().join(RECORDS), "{\"recipe\":").unwrap();
    assert!(of(empty.path()).contains("records.jsonl:1: not a line written by this program"));
}

/// One change of a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize),
    Put(usize, u8),
    Insert(usize, String),
    Remove(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0..6000usize;
    prop_oneof![
        place.clone().prop_map(Change::Cut),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (place.clone(), "[-{}\\[\\]\",:0-9e.\n\\\\]{1,4}|\\PC{0,4}")
            .prop_map(|(at, text)| Change::Insert(at, text)),
        (place, 1..40usize).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let size = bytes.len();
        if size == 0 {
            break;
        }
        match change {
            Change::Cut(at) => bytes.truncate(at % size),
            Change::Put(at, byte) => bytes[at % size] = *byte,
            Change::Insert(at, text) => {
                bytes.splice(at % size..at % size, text.bytes());
            }
            Change::Remove(at, count) => {
                bytes.drain(at % size..(at % size + count).min(size));
            }
        }
    }
    bytes
}

/// Reads and writes the folder in every way without a panic. Every reading error names a place in `file`.
fn survives(place: &Path, file: &str) -> Result<(), TestCaseError> {
    let path = place.join(file);
    let placed = |message: &str| {
        let start = format!("{}:", path.display());
        let number = message
            .split_once(&start)
            .map(|(_, rest)| rest.split(':').next());
        number
            .flatten()
            .is_some_and(|number| number.parse::<usize>().is_ok())
    };
    let folder = match ResultsFolder::read(place) {
        Err(error) => {
            let message = format!("{error:#}");
            prop_assert!(placed(&message), "{message}");
            return Ok(());
        }
        Ok(folder) => folder,
    };
    for line in &folder.damaged {
        prop_assert!(placed(line), "{line}");
    }
    for layout in &folder.tables {
        for metric in USUAL {
            let table = folder.table(layout, Some(metric));
            for format in FORMATS {
                (format.render)(std::slice::from_ref(&table), &Look::default()).unwrap();
            }
            let compared = compare(&layout.name, &folder, &folder, Some(metric));
            let compared = compared.expect("both have it");
            for format in COMPARISON_FORMATS {
                (format.render)(std::slice::from_ref(&compared), Screen::FILE).unwrap();
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn changed_records_are_read_or_placed(changes in prop::collection::vec(change(), 1..6)) {
        let place = written(&changed(lines().join("\n").into_bytes(), &changes));
        survives(place.path(), RECORDS)?;
    }

    #[test]
    fn any_text_in_place_of_records_is_placed(text in "\\PC{1,60}(\n\\PC{0,30}){0,3}") {
        let place = written(text.as_bytes());
        prop_assume!(!text.trim().is_empty());
        survives(place.path(), RECORDS)?;
    }

    #[test]
    fn changed_layouts_are_read_or_placed(changes in prop::collection::vec(change(), 1..4)) {
        let place = written(lines().join("\n").as_bytes());
        let path = layout::path(place.path());
        fs::write(&path, changed(fs::read(&path).unwrap(), &changes)).unwrap();
        survives(place.path(), "tables.json")?;
    }

    /// Any numbers that JSON can hold, including those whose squares overflow.
    #[test]
    fn any_numbers_make_a_table(numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 15)) {
        let (_, records) = folder();
        let records: Vec<String> = records.into_iter().zip(numbers).map(|(mut record, number)| {
            record.metrics = record.metrics.map(|metrics| usual([Some(number), metrics.get("AP50")]));
            serde_json::to_string(&record).unwrap()
        }).collect();
        survives(written(records.join("\n").as_bytes()).path(), RECORDS)?;
    }
}

#[test]
fn a_success_without_its_metric_counts_as_failed() {
    let mut undefined = record("0-0", 0, Some(1.0));
    undefined.metrics = Some(usual([None, Some(2.0)]));
    assert_eq!(undefined.status, TrialStatus::Ok);
    let (layout, _) = folder();
    let table = layout.table(|hash| (hash == "0-0").then_some(&undefined), None);
    assert_eq!(table.rows[0].seeds, 0);
    let status = &table.rows[0].status;
    assert!(
        status.starts_with("failed: the metric mAP is undefined"),
        "{status}"
    );
}

#[test]
fn the_oddities_of_the_data_stand_once_in_the_records_and_below_the_table() {
    let line = "val: 2 annotations left out: annotation 7, annotation 9";
    let (layout, mut records) = folder();
    let plain = serde_json::to_string(&records[0]).unwrap();
    assert!(
        !plain.contains("findings"),
        "good data leaves no trace: {plain}"
    );
    for record in &mut records {
        record.findings = vec![line.to_string()];
    }
    let written = serde_json::to_string(&records[0]).unwrap();
    let read: Record = serde_json::from_str(&written).unwrap();
    assert_eq!(read.findings, [line]);
    let find = |hash: &str| records.iter().find(|record| record.hash == hash);
    let table = layout.table(find, None);
    assert_eq!(table.findings, [line]);
    for format in FORMATS
        .iter()
        .filter(|one| !["csv", "tidy"].contains(&one.name))
    {
        let text = (format.render)(std::slice::from_ref(&table), &Look::default()).unwrap();
        let shown = format!("Data: {line}.");
        assert_eq!(text.matches(&shown).count(), 1, "{}: {text}", format.name);
    }
    let mut cut = table.clone();
    cut.findings = vec![format!("{line}, ...")];
    for format in FORMATS
        .iter()
        .filter(|one| !["csv", "tidy"].contains(&one.name))
    {
        let text = (format.render)(std::slice::from_ref(&cut), &Look::default()).unwrap();
        assert!(text.contains(&format!("{line}, ...")), "{text}");
        assert!(!text.contains("...."), "{}: {text}", format.name);
    }
}
