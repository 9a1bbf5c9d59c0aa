//! One sweep of a report.

use super::super::analysed::AnalysedRows;
use super::super::analysis::report_of;
use super::super::choice::{Results, Row};
use super::super::classes::{compared, names_of, paired, told};
use super::super::evidence::Evidence;
use super::super::portrait::{common, name_of, of_seed};
use super::super::sentence::Finding;
use super::super::signs::signs;
use super::super::supervised::supervised;
use super::super::trial::planned;
use super::class_order::ClassOrder;
use super::{analysis, gallery, labels, lacking, maps, series, settings, snapshots};
use crate::experiment::trial::datasets::Datasets;
use crate::recipe::SweepOrigins;
use crate::report::page::{ClassTable, ClassValues, PENDING, Sweep, TrialLine, View};
use crate::report::{JsonLines, Record, Table, TableLayout, TableRow, Timing};
use anyhow::Result;
use serde_json::Value;

/// The most rows that have sentences, and of which every metric has a view.
pub const ROWS: usize = 60;

/// The sweep with the table `layout`, and the warnings about what its trials have lost. `origins`: those of its
/// settings; none if the folder does not have them.
///
/// # Errors
/// The store cannot be read.
pub fn sweep(
    results: &Results,
    layout: &TableLayout,
    origins: Option<&SweepOrigins>,
    timing: &JsonLines<Timing>,
    datasets: &Datasets,
) -> Result<(Sweep, Vec<String>)> {
    let mut warnings = Vec::new();
    let views = views(results, layout);
    let table = &views[0].table;
    let mut sweep = Sweep {
        seeds: layout.seeds.len(),
        trials: trials(results, layout, timing, &table.metric),
        reasons: Vec::new(),
        badly: Vec::new(),
        settings: settings::table(&results.path, layout, origins),
        curves: Vec::new(),
        burn_in: None,
        labels: Vec::new(),
        snapshots: None,
        maps: Vec::new(),
        fixed: Vec::new(),
        classes: None,
        analysed: None,
        gallery: None,
        views: Vec::new(),
    };
    if results.store.is_some() {
        let rows = layout.rows.iter().map(|row| {
            let row = Row { table: layout, row };
            Evidence::read(results, row, &layout.seeds, &table.metric)
        });
        let rows = rows.collect::<Result<Vec<Evidence>>>()?;
        let settings = rows
            .iter()
            .flat_map(|row| &row.trials)
            .find_map(|trial| trial.settings.as_ref());
        let names = rows.iter().find_map(|row| told(&row.trials));
        let names = names.or_else(|| names_of(datasets, settings).ok());
        let name = |class: usize| name_of(names.as_ref(), class);
        (sweep.reasons, sweep.badly) = reasons(results, layout, table, &rows, &name)?;
        sweep.curves = series::panels(&rows);
        sweep.burn_in = series::burn_in(&rows);
        let records = rows.iter().flat_map(|row| &row.trials);
        let records: Vec<&Record> = records.filter_map(|trial| trial.record).collect();
        let order = |count: usize| ClassOrder::new(records.iter().copied(), count);
        let flow = |row| labels::flow(row, &name, &order);
        sweep.labels = rows.iter().filter_map(flow).collect();
        sweep.snapshots = snapshots::snapshots(&rows, &name);
        let maps = |row| maps::maps(row, &name, &order);
        sweep.maps = rows.iter().flat_map(maps).collect();
        sweep.fixed = rows.iter().filter_map(maps::fixed).collect();
        sweep.classes = classes(results, layout, table, &rows, &name);
        let references = layout.references();
        let found = AnalysedRows::read(results, rows.iter().map(|row| row.trials.as_slice()));
        sweep.analysed = analysis::analysed(&rows, &found, &references, background(results, &rows));
        sweep.gallery = gallery::gallery(results, &rows, &found, &references);
        let lost = lacking::journals(results, &rows);
        let lines = lost.into_iter().chain(lacking::analyses(&rows, &found));
        warnings.extend(lines.map(|line| format!("`{}`: {line}", layout.name)));
    }
    sweep.views = views;
    Ok((sweep, warnings))
}

/// What the recipe of the rows says about detections on no object.
fn background(results: &Results, rows: &[Evidence]) -> f64 {
    let first = rows.iter().flat_map(|row| &row.trials).next();
    first.map_or(0.0, |trial| report_of(results, trial).bg_iou)
}

/// The table once for each metric.
fn views(results: &Results, layout: &TableLayout) -> Vec<View> {
    let record = |hash: &str| results.records.get(hash);
    let first = layout.table(record, None);
    let others = first
        .metrics
        .iter()
        .filter(|metric| **metric != first.metric);
    let others: Vec<String> = match layout.rows.len() <= ROWS {
        true => others.cloned().collect(),
        false => Vec::new(),
    };
    let view = |table: Table| {
        let by_seed = by_seed(results, layout, &table);
        View { table, by_seed }
    };
    let more = others
        .iter()
        .map(|metric| layout.table(record, Some(metric)));
    let tables: Vec<Table> = [first].into_iter().chain(more).collect();
    tables.into_iter().map(view).collect()
}

/// The differences of each row in single seeds: those of the table with one seed alone.
fn by_seed(results: &Results, layout: &TableLayout, table: &Table) -> Vec<Vec<(u64, f64)>> {
    let mut found = vec![Vec::new(); table.rows.len()];
    for seed in &layout.seeds {
        let one =
            of_seed(layout, *seed).table(|hash| results.records.get(hash), Some(&table.metric));
        for (place, row) in found.iter_mut().zip(&one.rows) {
            place.extend(row.difference.map(|difference| (*seed, difference.mean)));
        }
    }
    found
}

fn trials(
    results: &Results,
    layout: &TableLayout,
    timing: &JsonLines<Timing>,
    metric: &str,
) -> Vec<TrialLine> {
    let mut lines = Vec::new();
    for (place, row) in layout.rows.iter().enumerate() {
        for (seed, hash) in layout.seeds.iter().zip(&row.trials) {
            let record = results.records.get(hash);
            let failure = record.and_then(Record::failure);
            let done = record.filter(|_| failure.is_none());
            lines.push(TrialLine {
                row: place,
                label: row.label.clone(),
                seed: *seed,
                hash: hash.clone(),
                value: done.and_then(|record| record.metrics.as_ref()?.get(metric)),
                seconds: timing.get(hash).map(|timing| timing.seconds),
                state: match (failure, done) {
                    (Some(reason), _) => format!("failed: {reason}"),
                    (None, Some(_)) => "ok".to_string(),
                    (None, None) => PENDING.to_string(),
                },
                log: log(results, hash),
                stages: stages(results, hash),
            });
        }
    }
    lines
}

/// The keys of the stages of a trial; none if no plan tells them, or if it was computed elsewhere.
fn stages(results: &Results, hash: &str) -> Vec<String> {
    let Some((plan, entry)) = planned(&results.plans, hash) else {
        return Vec::new();
    };
    let places = entry.stages.iter().filter(|_| entry.reused.is_none());
    let stages = places.filter_map(|place| plan.stages.get(*place));
    stages.map(|stage| stage.key.to_string()).collect()
}

/// The last lines of the journal of a failed trial, as its folder has kept them.
fn log(results: &Results, hash: &str) -> Vec<String> {
    let Some(store) = &results.store else {
        return Vec::new();
    };
    let failed = results
        .records
        .get(hash)
        .and_then(Record::failure)
        .is_some();
    let text = failed
        .then(|| std::fs::read(store.trial(hash).status()).ok())
        .flatten();
    let status: Value = serde_json::from_slice(&text.unwrap_or_default()).unwrap_or_default();
    let lines = status["last-lines"].as_array().into_iter().flatten();
    lines.filter_map(Value::as_str).map(String::from).collect()
}

/// A label and what there is to say about its row.
type Told<T> = Vec<(String, T)>;

/// The sentence about each row, with the signs that its training went wrong; and the signs of the rows that did badly:
/// all that are not above the row that they are compared with, without the best of the table. Where means may not be
/// ranked, the best is a reference that no row of its group is above.
fn reasons(
    results: &Results,
    layout: &TableLayout,
    table: &Table,
    rows: &[Evidence],
    name: &dyn Fn(usize) -> String,
) -> Result<(Told<String>, Told<Vec<String>>)> {
    let (mut found, mut badly) = (Vec::new(), Vec::new());
    let means = table.rows.iter().map(|row| row.mean.get(&table.metric));
    let best = means.flatten().fold(f64::NEG_INFINITY, f64::max);
    let is_above = |row: &TableRow| row.difference.is_some_and(|one| one.mean > 0.0);
    for ((row, judged), all) in layout.rows.iter().zip(&table.rows).zip(rows).take(ROWS) {
        let row = Row { table: layout, row };
        let seeds = common(results, row, &row.trials(None)?)?;
        let read = |row| Evidence::read(results, row, &seeds, &table.metric);
        let (own, other) = (read(row)?, row.reference().map(read).transpose()?);
        let values = other.as_ref().map_or(&[][..], |other| &other.per_class);
        let finding = Finding {
            row,
            chosen: &all.trials,
            classes: &compared(&own.per_class, values, name),
            own: &own,
            other: other.as_ref(),
            judged: judged.judged.as_ref(),
            metric: &table.metric,
        };
        let mut sentence = finding.sentence();
        let signs = signs(&own, supervised(rows, &own), &table.metric, name);
        if !signs.is_empty() {
            sentence.push_str(&format!(" Signs: {}.", signs.join("; ")));
        }
        found.push((row.row.label.clone(), sentence));
        let is_above_it =
            |other: &TableRow| other.group == judged.group && is_above(other) && other != judged;
        let is_best = match table.ranks_means() {
            true => judged.mean.get(&table.metric) == Some(best),
            false => table.is_reference(judged) && !table.rows.iter().any(is_above_it),
        };
        let is_best = table.rows.len() > 1 && is_best;
        if !signs.is_empty() && !is_above(judged) && !is_best {
            badly.push((row.row.label.clone(), signs));
        }
    }
    Ok((found, badly))
}

/// The values by class; none if no row has any.
fn classes(
    results: &Results,
    layout: &TableLayout,
    table: &Table,
    rows: &[Evidence],
    name: &dyn Fn(usize) -> String,
) -> Option<ClassTable> {
    let count = rows
        .iter()
        .map(|row| row.per_class.len())
        .max()
        .filter(|count| *count > 0)?;
    let references = layout.references();
    let differences: Vec<Vec<Option<f64>>> = rows
        .iter()
        .zip(&references)
        .enumerate()
        .map(|(place, (row, reference))| {
            let other = reference.filter(|other| *other != place);
            other.map_or(Vec::new(), |other| {
                paired(&row.trials, &rows[other].trials, &table.metric)
            })
        })
        .collect();
    let at = |values: &[Option<f64>], class: usize| values.get(class).copied().flatten();
    let trials = layout.rows.iter().flat_map(|row| &row.trials);
    let records = trials.filter_map(|hash| results.records.get(hash));
    let order = ClassOrder::new(records, count);
    let class = |class: &usize| ClassValues {
        name: name(*class),
        labelled: order.labelled(*class),
        values: rows.iter().map(|row| at(&row.per_class, *class)).collect(),
        differences: differences.iter().map(|row| at(row, *class)).collect(),
    };
    Some(ClassTable {
        metric: table.metric.clone(),
        labels: rows.iter().map(|row| row.label.to_string()).collect(),
        references,
        classes: order.classes.iter().map(class).collect(),
    })
}
