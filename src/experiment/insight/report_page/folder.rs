//! A whole results folder.

use super::super::choice::Results;
use super::{gallery, runs, snapshots, sweep};
use crate::experiment::store::program::VERSION;
use crate::experiment::store::root::digests_of;
use crate::experiment::trial::datasets::Datasets;
use crate::report::page::{Report, Sweep};
use crate::report::{JsonLines, RECORDS, Record, Timing};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The file with the seconds of the trials.
const TIMING: &str = "timing.jsonl";

/// The report of the results folder `results`.
///
/// # Errors
/// A file of the folder cannot be read.
pub fn report(results: &Results) -> Result<Report> {
    let (timing, damaged) = JsonLines::<Timing>::read_whole_lines(&results.path.join(TIMING))?;
    let datasets = Datasets::with_digests(digests_of(&results.path));
    let sweeps = results
        .tables
        .iter()
        .map(|layout| sweep::sweep(results, layout, &timing, &datasets));
    let mut sweeps = sweeps.collect::<Result<Vec<Sweep>>>()?;
    gallery::fit(&mut sweeps);
    snapshots::fit(&mut sweeps);
    let (runs, of_runs) = runs::runs(results);
    let records = std::fs::read(results.path.join(RECORDS)).ok();
    let mut warnings: Vec<String> = results.damaged.clone();
    warnings.extend(damaged.into_iter().map(|line| format!("left out {line}")));
    warnings.extend(of_records(results));
    warnings.extend(of_runs);
    for finding in sweeps
        .iter()
        .flat_map(|sweep| &sweep.views[0].table.findings)
    {
        let line = format!("Data: {finding}");
        if !warnings.contains(&line) {
            warnings.push(line);
        }
    }
    Ok(Report {
        folder: name(&results.path),
        trials: trials(results),
        warnings,
        missing: missing(results, &sweeps),
        compared: Vec::new(),
        running: Vec::new(),
        refresh: None,
        other: None,
        digest: records
            .as_ref()
            .map(|bytes| blake3::hash(bytes).to_hex().to_string()),
        records: String::from_utf8_lossy(&records.unwrap_or_default()).into_owned(),
        runs,
        sweeps,
        version: VERSION.to_string(),
    })
}

/// The name of the folder, without the way to it: reports are passed on.
fn name(path: &Path) -> String {
    last(&whole(path), 1)
}

/// The names of two folders, each with as many of the folders above as are needed to tell them apart.
pub fn names(folders: [&Path; 2]) -> [String; 2] {
    let folders = folders.map(whole);
    let longest = folders.each_ref().map(|path| path.iter().count());
    let longest = longest.into_iter().max().unwrap_or(1);
    let all = (1..=longest).map(|count| folders.each_ref().map(|path| last(path, count)));
    let mut all = all.filter(|[one, other]| one != other);
    all.next()
        .unwrap_or_else(|| folders.each_ref().map(|path| last(path, 1)))
}

/// The path from the root.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// The last `count` parts of a path.
fn last(path: &Path, count: usize) -> String {
    let parts = path.iter().filter(|part| *part != "/");
    let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    match &parts[parts.len().saturating_sub(count)..] {
        [] => path.to_string_lossy().into_owned(),
        parts => parts.join("/"),
    }
}

/// A line with the paths of files in `folder` from there on: reports are passed on, and the bytes must not depend on how
/// the folder was named.
fn below(folder: &Path, line: &str) -> String {
    let file = folder.join("x").display().to_string();
    let way = file.strip_suffix('x').unwrap_or_default();
    match way {
        "" => line.to_string(),
        way => line.replacen(way, "", 1),
    }
}

/// The numbers of finished, failed and planned trials, each trial once.
fn trials(results: &Results) -> [usize; 3] {
    let rows = results.tables.iter().flat_map(|table| &table.rows);
    let planned: BTreeSet<&String> = rows.flat_map(|row| &row.trials).collect();
    let records = || planned.iter().filter_map(|hash| results.records.get(hash));
    let failed = records()
        .filter(|record| record.failure().is_some())
        .count();
    [records().count() - failed, failed, planned.len()]
}

/// The warnings about the records: sources that differ.
fn of_records(results: &Results) -> Vec<String> {
    let mut warnings = Vec::new();
    let records = || results.records.iter();
    let versions: BTreeSet<u32> = records().map(|record| record.code_version).collect();
    if versions.len() > 1 {
        let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
        warnings.push(format!(
            "the results are of several versions of the computations: {}",
            versions.join(", ")
        ));
    }
    warnings
}

/// The parts that the report lacks.
fn missing(results: &Results, sweeps: &[Sweep]) -> Vec<String> {
    let mut missing = Vec::new();
    if results.store.is_none() {
        missing.push(
            "Reasons, settings, learning curves, pseudo-labels, thresholds, classes and stages: the folder has no `.store`, \
             which stays where the sweep ran. A report made there has all of them."
                .to_string(),
        );
        return missing;
    }
    for sweep in sweeps {
        let name = &sweep.views[0].table.header.name;
        let parts = [
            (
                "learning curves",
                sweep.curves.is_empty(),
                "no journal is in the store",
            ),
            (
                "pseudo-labels",
                sweep.labels.is_empty(),
                "no journal has any",
            ),
            (
                "thresholds",
                sweep.maps.is_empty(),
                "no filter of the sweep reads values by class",
            ),
            (
                "classes",
                sweep.classes.is_none(),
                "no evaluation in the store has values by class",
            ),
            (
                "settings",
                sweep.settings.is_none(),
                "the store does not have those of every row",
            ),
            (
                "analysis of the detections",
                sweep.analysed.is_none(),
                "nobody has made it; `harness report --analyse` makes that of every trained network",
            ),
        ];
        let absent = parts.into_iter().filter(|(_, absent, _)| *absent);
        missing.extend(absent.map(|(part, _, reason)| format!("`{name}`, {part}: {reason}.")));
    }
    missing
}
