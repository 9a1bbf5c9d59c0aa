//! Times reading a results folder of 10,000 trials and making its tables again, as `harness table` and
//! `harness compare` do.
//!
//! `cargo bench --bench tables -- [filter]`. The folders differ in the expensive part: many rows of few
//! seeds, many tables, and rows of ten seeds, whose bootstrap is drawn.

use criterion::{Criterion, criterion_group, criterion_main};
use harness::experiment::{TableRequest, compare, metric_names, table};
use harness::metrics::PaperColumn;
use harness::report::{
    COMPARISON_FORMATS, FORMATS, JsonLines, Look, Order, RECORDS, Record, RowLayout, TableLayout,
    TrialStatus, layout,
};
use harness::rng::Stream;
use harness::screen::Screen;
use std::hint::black_box;
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The numbers of tables, of rows of each, and of seeds of each row: 10,000 trials, or one less.
const FOLDERS: [(&str, usize, usize, usize); 3] = [
    ("3333 rows of 3 seeds", 1, 3333, 3),
    ("100 tables of 20 rows of 5 seeds", 100, 20, 5),
    ("1000 rows of 10 seeds", 1, 1000, 10),
];

const ASK: TableRequest = TableRequest {
    sweep: None,
    metric: None,
    screen: Screen::FILE,
};

fn record(hash: &str, label: &str, seed: u64, stream: &mut Stream) -> Record {
    let mut metrics = || {
        let percent = |name| (name, Some(20.0 + stream.normal()));
        Some(metric_names().map(percent).collect())
    };
    Record {
        recipe: "scale".into(),
        hash: hash.into(),
        label: label.into(),
        seed,
        steps: 1400,
        status: TrialStatus::Ok,
        error: None,
        metrics: metrics(),
        student: metrics(),
        average: metrics(),
        code_version: 1,
        findings: Vec::new(),
        split: None,
        commits: None,
        device: None,
    }
}

fn folder(tables: usize, rows: usize, seeds: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stream = Stream::new(0, "tables");
    let mut records = JsonLines::default();
    let mut row = |index: usize| {
        let label = format!("row {index}");
        let trial = |seed: usize| {
            let hash = format!("{:016x}{:016x}", stream.bits(), stream.bits());
            records.insert(record(&hash, &label, seed as u64, &mut stream));
            hash
        };
        RowLayout {
            trials: (0..seeds).map(trial).collect(),
            paper: Some((index % 7) as f64),
            group: None,
            place: None,
            label,
        }
    };
    let layouts: Vec<TableLayout> = (0..tables)
        .map(|table| TableLayout {
            name: format!("sweep-{table}"),
            recipe: "scale".into(),
            question: "How long does it take?".into(),
            reference: Some("row 0".into()),
            paper: Some(PaperColumn {
                table: "3".into(),
                column: "mAP".into(),
            }),
            columns: Vec::new(),
            provenance: Vec::new(),
            until: None,
            decisions: Vec::new(),
            seeds: (0..seeds as u64).collect(),
            rows: (0..rows).map(&mut row).collect(),
        })
        .collect();
    layout::merge(folder.path(), &layouts).expect("tables.json");
    records
        .write(&folder.path().join(RECORDS), [])
        .expect("the records");
    folder
}

fn tables(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("10,000 trials");
    group.sample_size(10);
    for (name, tables, rows, seeds) in FOLDERS {
        let folder = folder(tables, rows, seeds);
        let path = folder.path();
        for format in FORMATS {
            let make = || {
                table(
                    black_box(path),
                    ASK,
                    Order::Metric,
                    format,
                    &Look::default(),
                )
                .expect("tables")
            };
            group.bench_function(format!("table {}, {name}", format.name), |b| b.iter(make));
        }
        let format = &COMPARISON_FORMATS[0];
        let make = || compare(black_box(path), path, ASK, &[], format).expect("a comparison");
        group.bench_function(format!("compare, {name}"), |b| b.iter(make));
    }
    group.finish();
}

criterion_group!(benches, tables);
criterion_main!(benches);
