//! Tables as CSV, for programs: a header line and one line per row, nothing else. New columns are only ever
//! added at the end; the metrics of other evaluators than COCO's have their columns there. Columns that the user
//! names replace all of them.

use super::cell::{p, rounded, verdict};
use super::columns::{Content, Shown, shown};
use super::look::Look;
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

/// The columns of tables whose groups of rows have a reference each.
const GROUPS: [&str; 2] = ["group", "reference"];

/// The columns of tables of seeds until decided: the e-value, the bounds of the confidence sequence, and the p that is
/// valid at any time, adjusted by Holm.
const ANY_TIME: [&str; 4] = ["e", "sequence_low", "sequence_high", "p_any_time"];

/// The cells of [`ANY_TIME`], numbers with `digits` decimals.
fn any_time_cells(row: &TableRow, digits: usize) -> [String; 4] {
    let found = row.judged.and_then(|judged| judged.sequential);
    let sequence = found.and_then(|found| found.sequence);
    let bounds = [sequence.map(|(low, _)| low), sequence.map(|(_, high)| high)];
    let [low, high] = bounds.map(|bound| rounded(bound, digits));
    let e = rounded(found.map(|found| found.e), digits);
    [e, low, high, p(found.map(|found| found.adjusted))]
}

/// The cells of [`GROUPS`].
fn group_cells(row: &TableRow) -> [String; 2] {
    let group = row.group.clone().unwrap_or_default();
    [group.title, group.reference]
}

/// Writes the tables under one header. Lines end with `\n`, and fields are quoted where needed. All tables
/// must have the same metric.
pub fn render(tables: &[Table], look: &Look) -> Result<String> {
    let metric = tables.first().map_or(USUAL[0], |table| &table.metric);
    ensure!(
        tables.iter().all(|table| table.metric == metric),
        "these tables have differences of different metrics; choose one metric for all of them"
    );
    if !look.columns.is_empty() {
        return chosen(tables, look);
    }
    let more = other_metrics(tables);
    let groups = tables.iter().any(Table::has_groups);
    let any_time = tables.iter().any(|table| table.header.until.is_some());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let usual = COLUMNS.map(|name| name.replace('*', metric));
    let named = more
        .iter()
        .copied()
        .chain(GROUPS.into_iter().filter(|_| groups))
        .chain(ANY_TIME.into_iter().filter(|_| any_time));
    writer.write_record(usual.iter().map(String::as_str).chain(named))?;
    for table in tables {
        for row in &table.rows {
            let more = more.iter();
            let more = more.map(|metric| rounded(row.mean.get(metric), look.decimals()));
            let cells = cells(table, row, look.decimals());
            let group = group_cells(row).into_iter().filter(|_| groups);
            let evidence = any_time_cells(row, look.decimals());
            let evidence = evidence.into_iter().filter(|_| any_time);
            writer.write_record(cells.into_iter().chain(more).chain(group).chain(evidence))?;
        }
    }
    text(writer)
}

/// The columns that the user names, and the sweep where there are several. A cell of several numbers becomes
/// several columns: a mean and its deviation, a difference and its bounds, the bounds of an interval.
fn chosen(tables: &[Table], look: &Look) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let several = tables.len() > 1;
    let groups = tables.iter().any(Table::has_groups);
    for (index, table) in tables.iter().enumerate() {
        let columns: Vec<(Vec<String>, Shown)> = shown(table, look)
            .into_iter()
            .zip(&look.columns)
            .map(|(column, name)| (headings(table, &column, name), column))
            .collect();
        if index == 0 {
            let names = columns.iter().flat_map(|(names, _)| names);
            let sweep = several.then(|| "sweep".to_string());
            let group = GROUPS.map(String::from);
            let group = group.iter().filter(|_| groups);
            writer.write_record(sweep.iter().chain(names).chain(group))?;
        }
        for row in 0..table.rows.len() {
            let sweep = several.then(|| table.header.name.clone());
            let cells = columns.iter().flat_map(|(names, column)| {
                fields(&column.cells[row], names.len(), look.decimals())
            });
            let group = group_cells(&table.rows[row]);
            let group = group.into_iter().filter(|_| groups);
            writer.write_record(sweep.into_iter().chain(cells).chain(group))?;
        }
    }
    text(writer)
}

/// The headings of a column with this `name`.
fn headings(table: &Table, column: &Shown, name: &str) -> Vec<String> {
    let with = |suffixes: &[&str]| -> Vec<String> {
        let names = suffixes.iter().map(|suffix| format!("{name}{suffix}"));
        names.collect()
    };
    match column.cells.first() {
        Some(Content::Mean(..)) if name == table.metric => with(&["", "_std"]),
        Some(Content::Difference(..)) => with(&["", "_low", "_high"]),
        Some(Content::Interval(_)) => with(&["_low", "_high"]),
        _ => with(&[""]),
    }
}

/// The `count` fields of a cell.
fn fields(cell: &Content, count: usize, digits: usize) -> Vec<String> {
    let number = |value: Option<f64>| rounded(value, digits);
    let bounds = |bounds: Option<(f64, f64)>| {
        [bounds.map(|(low, _)| low), bounds.map(|(_, high)| high)].map(number)
    };
    match cell {
        Content::Text(text) => vec![text.clone()],
        Content::Count(count) => vec![count.to_string()],
        Content::Mean(value, deviation, _) => {
            let both = [number(*value), number(*deviation)];
            both.into_iter().take(count).collect()
        }
        Content::Number(value) | Content::Signed(value) => vec![number(*value)],
        Content::Difference(found, _) => {
            let [low, high] = bounds(found.and_then(|found| found.interval));
            vec![number(found.map(|found| found.mean)), low, high]
        }
        Content::Interval(interval) => bounds(*interval).to_vec(),
        Content::P(value) => vec![p(*value)],
        Content::Verdict(verdict) => vec![verdict.map_or(String::new(), |one| one.to_string())],
    }
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

/// The cells of a row: `digits` decimals, four for p, empty if undefined.
fn cells(table: &Table, row: &TableRow, digits: usize) -> [String; COLUMNS.len()] {
    let number = |value: Option<f64>| rounded(value, digits);
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
        super::cell::number(table.agreement.map(|agreement| agreement.tau)),
        p(table.agreement.map(|agreement| agreement.p)),
        table
            .agreement
            .map_or(String::new(), |agreement| agreement.rows.to_string()),
        table.header.name.clone(),
    ]
}
