//! Tables as CSV, for programs: a header line and one line per row, nothing else. New columns are only ever
//! added at the end; the metrics of other evaluators than COCO's have their columns there.

use super::cell::{number, p, verdict};
use super::metric::USUAL;
use super::table::{Table, TableRow};
use anyhow::{Context, Result, ensure};

/// The columns of every table; `*` stands for the metric of the table.
const COLUMNS: [&str; 25] = [
    "variant",
    "seeds",
    "mAP",
    "*_std",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "delta_*",
    "paper_*",
    "delta_low",
    "delta_high",
    "paper_delta",
    "status",
    "pairs",
    "boot_low",
    "boot_high",
    "p",
    "p_holm",
    "verdict",
    "tau",
    "tau_p",
    "tau_rows",
    "sweep",
];

/// Writes the tables under one header. Lines end with `\n`, and fields are quoted where needed. All tables
/// must have the same metric.
pub fn render(tables: &[Table]) -> Result<String> {
    let metric = tables.first().map_or(USUAL[0], |table| &table.metric);
    ensure!(
        tables.iter().all(|table| table.metric == metric),
        "these tables have differences of different metrics; choose one metric for all of them"
    );
    let more = other_metrics(tables);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let usual = COLUMNS.map(|name| name.replace('*', metric));
    writer.write_record(usual.iter().map(String::as_str).chain(more.iter().copied()))?;
    for table in tables {
        for row in &table.rows {
            let more = more.iter().map(|metric| number(row.mean.get(metric)));
            writer.write_record(cells(table, row).into_iter().chain(more))?;
        }
    }
    text(writer)
}

/// The metrics of the tables that are not among the columns of every table.
fn other_metrics(tables: &[Table]) -> Vec<&str> {
    let mut others: Vec<&str> = Vec::new();
    for metric in tables.iter().flat_map(|table| &table.metrics) {
        if !USUAL.contains(&metric.as_str()) && !others.contains(&metric.as_str()) {
            others.push(metric);
        }
    }
    others
}

/// The text that `writer` holds.
pub(super) fn text(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().context("CSV in memory")?;
    Ok(String::from_utf8(bytes)?)
}

/// The cells of a row: two decimals, four for p, empty if undefined.
fn cells(table: &Table, row: &TableRow) -> [String; COLUMNS.len()] {
    let [mean_ap, ap50, ap75, small, medium, large] =
        USUAL.map(|metric| number(row.mean.get(metric)));
    let difference = row.difference;
    let interval = difference.and_then(|difference| difference.interval);
    let bootstrap = difference.and_then(|difference| difference.bootstrap);
    let judged = row.judged.as_ref();
    let low = |bounds: Option<(f64, f64)>| number(bounds.map(|(low, _)| low));
    let high = |bounds: Option<(f64, f64)>| number(bounds.map(|(_, high)| high));
    [
        row.label.clone(),
        row.seeds.to_string(),
        mean_ap,
        number(row.deviation),
        ap50,
        ap75,
        small,
        medium,
        large,
        number(difference.map(|difference| difference.mean)),
        number(row.paper),
        low(interval),
        high(interval),
        number(row.paper_delta),
        row.status.clone(),
        difference.map_or(String::new(), |difference| difference.pairs.to_string()),
        low(bootstrap),
        high(bootstrap),
        p(judged.and_then(|judged| judged.difference.p)),
        p(judged.and_then(|judged| judged.adjusted)),
        verdict(judged),
        number(table.agreement.map(|agreement| agreement.tau)),
        p(table.agreement.map(|agreement| agreement.p)),
        table
            .agreement
            .map_or(String::new(), |agreement| agreement.rows.to_string()),
        table.header.name.clone(),
    ]
}
