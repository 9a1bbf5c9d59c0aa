//! A whole results folder.

use super::super::choice::Results;
use super::sources::RecipeSources;
use super::sweep::ROWS as MANY;
use super::{gallery, runs, snapshots, sweep};
use crate::experiment::store::program::VERSION;
use crate::experiment::store::root::{CODE_VERSION, Store, digests_of};
use crate::experiment::trial::datasets::Datasets;
use crate::report::page::{Report, Sweep};
use crate::report::{JsonLines, RECORDS, Record, Timing, counted};
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
    let sources = RecipeSources::read(results);
    let sweeps = results.tables.iter().map(|layout| {
        let origins = sources.origins(layout);
        sweep::sweep(results, layout, origins, &timing, &datasets)
    });
    let sweeps = sweeps.collect::<Result<Vec<(Sweep, Vec<String>)>>>()?;
    let (mut sweeps, of_sweeps): (Vec<Sweep>, Vec<Vec<String>>) = sweeps.into_iter().unzip();
    gallery::fit(&mut sweeps);
    snapshots::fit(&mut sweeps);
    let (mut runs, of_runs) = runs::runs(results);
    sources.add_to(&mut runs);
    let records = std::fs::read(results.path.join(RECORDS)).ok();
    let damaged = damaged.into_iter().map(|line| format!("left out {line}"));
    let damaged = results.damaged.iter().cloned().chain(damaged);
    let mut warnings: Vec<String> = damaged.map(|line| below(&results.path, &line)).collect();
    warnings.extend(of_store(results));
    warnings.extend(of_failures(results));
    warnings.extend(of_records(results));
    warnings.extend(of_runs);
    warnings.extend(sources.damaged.iter().cloned());
    warnings.extend(of_sweeps.into_iter().flatten());
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
        other: None,
        trials: trials(results),
        warnings,
        missing: missing(results, &sweeps)
            .into_iter()
            .chain(sources.missing())
            .collect(),
        compared: Vec::new(),
        running: Vec::new(),
        refresh: None,
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

/// A line with the paths of files in `folder` from there on: reports are passed on, and the bytes must not depend on
/// how the folder was named.
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

/// The warning about a store that another version of the computations made.
fn of_store(results: &Results) -> Option<String> {
    let version = results.store.as_ref().and_then(Store::other_version)?;
    Some(format!(
        "the store was made by version {version} of the computations, and this program's is {CODE_VERSION}: it may read \
         curves, settings and stages wrongly"
    ))
}

/// The warning about trials that failed.
fn of_failures(results: &Results) -> Option<String> {
    let rows = results.tables.iter().flat_map(|table| &table.rows);
    let planned: BTreeSet<&String> = rows.flat_map(|row| &row.trials).collect();
    let failed = |hash: &&String| {
        results
            .records
            .get(hash)
            .and_then(Record::failure)
            .is_some()
    };
    let number = planned.iter().copied().filter(failed).count();
    let rows = results.tables.iter().flat_map(|table| &table.rows);
    let first = rows.flat_map(|row| &row.trials).find(failed)?;
    let first = results.records.get(first)?;
    let reason = first.failure()?;
    let which = match number == planned.len() {
        true => format!("no trial has a result: all {} failed", planned.len()),
        false => format!("{} of {} failed", number, counted(planned.len(), "trial")),
    };
    Some(format!(
        "{which}, such as that of `{}` with seed {}: {reason}. The lists of trials have every reason",
        first.label, first.seed
    ))
}

/// The warning about records of several versions.
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
    let mut missing: Vec<String> = sweeps.iter().filter_map(of_many_rows).collect();
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
        let (of_labels, of_maps) = match sweep.curves.is_empty() {
            true => ("no journal is in the store", "no journal is in the store"),
            false => (
                "no journal in the store has any",
                "no journal in the store has values by class",
            ),
        };
        let parts = [
            (
                "learning curves",
                sweep.curves.is_empty(),
                "no journal is in the store",
            ),
            ("pseudo-labels", sweep.labels.is_empty(), of_labels),
            (
                "thresholds",
                sweep.maps.is_empty() && sweep.fixed.is_empty(),
                of_maps,
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

/// What a sweep with too many rows lacks; none for another one.
fn of_many_rows(sweep: &Sweep) -> Option<String> {
    let table = &sweep.views[0].table;
    let (name, rows) = (&table.header.name, table.rows.len());
    let mut parts = Vec::new();
    if table.metrics.len() > sweep.views.len() {
        let metric = &table.metric;
        parts.push(format!(
            "differences and verdicts of other metrics than {metric}, which `harness table --metric` tells"
        ));
    }
    let silent = rows.saturating_sub(sweep.reasons.len());
    if silent > 0 && !sweep.reasons.is_empty() {
        parts.push(format!(
            "the reasons of the last {silent} rows, which `harness show` tells"
        ));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "`{name}`, {}: {rows} rows have no room for them, only {MANY} have.",
            parts.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_name_are_told_apart_by_what_is_above() {
        let of = |one: &str, other: &str| names([Path::new(one), Path::new(other)]);
        assert_eq!(
            of("/absent/a/smoke", "/absent/b/smoke"),
            ["a/smoke", "b/smoke"]
        );
        assert_eq!(
            of("/absent/a/x/smoke", "/absent/b/x/smoke"),
            ["a/x/smoke", "b/x/smoke"]
        );
        assert_eq!(of("/absent/a/one", "/absent/b/two"), ["one", "two"]);
        assert_eq!(of("/absent/a", "/absent/a"), ["a", "a"]);
        assert_eq!(
            of("/absent-smoke", "/absent/absent-smoke"),
            ["absent-smoke", "absent/absent-smoke"]
        );
    }

    #[test]
    fn lines_name_files_from_the_folder_on() {
        let line = |folder: &str| {
            let folder = Path::new(folder);
            let line = format!("left out {}:3: bad", folder.join("records.jsonl").display());
            below(folder, &line)
        };
        for folder in ["/home/me/out", "/home/me/out/", "./out", ".", "../out"] {
            assert_eq!(line(folder), "left out records.jsonl:3: bad", "{folder}");
        }
    }
}
